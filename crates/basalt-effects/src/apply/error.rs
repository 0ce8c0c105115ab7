//! Why effects cannot be applied.

use basalt_tree::{IdError, PathError, TreeError};

/// Why an effect could not be applied to the tree.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A path of an effect may not stand in an image.
    #[error("{wanted_by} names a path that may not stand in an image")]
    Path {
        /// Package and effect.
        wanted_by: String,
        /// What is wrong with it.
        #[source]
        cause: PathError,
    },
    /// The tree could not be changed or read.
    #[error("{wanted_by} could not be applied: {cause}")]
    Tree {
        /// Package and effect.
        wanted_by: String,
        /// What the tree says.
        #[source]
        cause: TreeError,
    },
    /// A file that a writer works on cannot be understood.
    #[error("{path}:{line}: {cause}; correct the file, or leave out the package that brings it")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1; 0 when it is about the whole file.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// A user or group is named that no account file has.
    #[error(
        "{wanted_by} names the {what} `{name}`, which the image does not have; declare a `{what}` \
         effect for it, or add the package that makes it"
    )]
    Unknown {
        /// Package and effect.
        wanted_by: String,
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An owner is given as a number that can be the id of no user or group.
    #[error("{wanted_by} names an owner that cannot be: {cause}")]
    Owner {
        /// Package and effect.
        wanted_by: String,
        /// What is wrong with the number.
        #[source]
        cause: IdError,
    },
    /// A name cannot be a user's or a group's.
    #[error("`{name}` cannot be a {what}: {cause}")]
    Name {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong.
        cause: &'static str,
    },
    /// A number can be the id of no user or group.
    #[error("the {what} `{name}` cannot be made: {cause}; give it another id")]
    Id {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with the number.
        #[source]
        cause: IdError,
    },
    /// An id is taken by another name, or the name has another id.
    #[error("the {what} `{name}` cannot have the id {id}: {cause}; choose another id")]
    IdTaken {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// The id.
        id: u32,
        /// Who has it.
        cause: String,
    },
    /// All ids of the system range are taken.
    #[error("no id from 100 to 999 is free for the {what} `{name}`; give it a fixed id")]
    NoFreeId {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two packages declare one alternative differently.
    #[error(
        "the alternative `{name}` of package {package} clashes: {cause}; leave out one of the \
         packages"
    )]
    Alternative {
        /// The generic name.
        name: String,
        /// The package that came second.
        package: String,
        /// How.
        cause: String,
    },
    /// Packages declare more of something than is applied.
    #[error(
        "with package {package} there are more than the {maximum} {what} that one image may have; leave it out"
    )]
    TooMany {
        /// The package with which there are too many.
        package: String,
        /// Of what.
        what: String,
        /// How many may be.
        maximum: usize,
    },
    /// What a script does in this image is not known.
    #[error("package {package}: {why}")]
    Refused {
        /// The package.
        package: String,
        /// Why, and the way out.
        why: String,
    },
    /// What a script does depends on which of two packages is configured first.
    #[error(
        "package {package} asks whether {what} is there, which package {other} makes: the order is \
         not known; declare the `effects:` of {package}"
    )]
    Order {
        /// The package that asks.
        package: String,
        /// What it asks about.
        what: String,
        /// The package that makes it.
        other: String,
    },
    /// What programs read compiled cannot be made.
    #[error("what is derived from {folder} cannot be written: {cause}")]
    Derived {
        /// What it is made of.
        folder: String,
        /// Why not.
        cause: String,
    },
    /// The linker cache cannot be made for this image.
    #[error("the linker cache cannot be written: {cause}")]
    Linker {
        /// What is missing.
        cause: String,
    },
}

/// Where certificates are that the spec brings, and no package.
const OF_SPEC: &str = "/usr/local/share/ca-certificates/";

impl ApplyError {
    /// Whether a package is at fault by itself, as no package of a sound archive is.
    pub fn is_malformed_package(&self) -> bool {
        match self {
            Self::Malformed { path, .. } => !path.starts_with(OF_SPEC),
            Self::TooMany { .. } => true,
            Self::Tree { cause, .. } => cause.is_malformed_package(),
            _ => false,
        }
    }
}
