//! Why it cannot be said what is reached.

use basalt_tree::TreeError;

/// Why it cannot be said what is reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// A root that is not there.
    #[error(
        "the root `{pattern}` matches nothing in the image: check its spelling, and that its package is there"
    )]
    NoSuchRoot {
        /// The pattern as it was given.
        pattern: String,
    },
    /// There is nothing to begin with.
    #[error(
        "no root is given, and there is no program to begin with: name one with its whole path"
    )]
    NoRoots,
    /// Programs that are certain to fail when they start.
    #[error("what is reached cannot start:\n{}", .0.join("\n"))]
    Broken(
        /// Each with the object, the library and the version.
        Vec<String>,
    ),
    /// The linker's configuration cannot be followed.
    #[error("the linker's directories: {cause}")]
    Linker {
        /// Why.
        cause: String,
    },
    /// More than is followed.
    #[error("{what}: more than {limit}; name fewer roots")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much is taken.
        limit: usize,
    },
    /// The tree or the contents of its files.
    #[error(transparent)]
    Tree(#[from] TreeError),
}
