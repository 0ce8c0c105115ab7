//! Why entries cannot stand together in one tree.

use std::io;

use basalt_digest::Digest;

use crate::entry::Owner;
use crate::identity::IdError;
use crate::path::{PathError, TreePath};

/// Why a tree could not be assembled, changed or read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Two owners bring different things to one path.
    #[error(
        "{first} and {second} both bring {path}, and {cause}; declare `Replaces` or a diversion in \
         one of the packages, or leave one of them out"
    )]
    Conflict {
        /// The path both bring.
        path: TreePath,
        /// One owner.
        first: Box<Owner>,
        /// The other.
        second: Box<Owner>,
        /// What stands against sharing it.
        cause: &'static str,
    },
    /// Two packages divert one path.
    #[error(
        "packages {first} and {second} both divert {path}, which dpkg-divert refuses; leave one of them out"
    )]
    Diverted {
        /// The path.
        path: TreePath,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// A package brings a path that one of its own files is diverted to.
    #[error(
        "{by} diverts {from} to {to}, and package {package} brings both; both cannot stand there; leave one of the packages out"
    )]
    DivertedOnto {
        /// The path that is diverted.
        from: TreePath,
        /// Where it is diverted to.
        to: TreePath,
        /// The package that brings both.
        package: String,
        /// Who diverts: `package dash`.
        by: String,
    },
    /// One package brings a path twice.
    #[error("package {package} brings {path} twice; the package is malformed, leave it out")]
    Duplicate {
        /// The path.
        path: TreePath,
        /// The package.
        package: String,
    },
    /// A package gives a path to a user or group that cannot be.
    #[error(
        "package {package} brings {path} with an owner that cannot be: {cause}; leave the package out"
    )]
    Id {
        /// The path.
        path: TreePath,
        /// The package.
        package: String,
        /// What is wrong with the number.
        #[source]
        cause: IdError,
    },
    /// A package's path goes through a symbolic link that the same package brings.
    #[error(
        "package {package} brings {path} below its own symbolic link {link}; such a package could \
         write outside its directory, leave it out"
    )]
    ThroughOwnLink {
        /// The path.
        path: TreePath,
        /// The link it goes through.
        link: TreePath,
        /// The package.
        package: String,
    },
    /// Something is to stand below a path that is no directory.
    #[error(
        "{path} (from {owner}) cannot stand below {blocker}, which {blocker_owner} brings and which \
         is no directory"
    )]
    NotADirectory {
        /// What was to be placed.
        path: TreePath,
        /// Who wanted it.
        owner: Box<Owner>,
        /// What stands in the way.
        blocker: TreePath,
        /// Who brought that.
        blocker_owner: Box<Owner>,
    },
    /// A hard link names a file that the package does not bring.
    #[error(
        "package {package} brings {path} as a hard link to {target}, which it does not bring as a \
         file; keep {target} if it was excluded, or leave the package out"
    )]
    HardlinkTarget {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
        /// The package.
        package: String,
    },
    /// Symbolic links go round in a circle, or more than 40 follow each other.
    #[error("the symbolic links met on the way to {path} never end; remove one of them")]
    LinkLoop {
        /// The path that was to be resolved.
        path: TreePath,
    },
    /// Nothing stands at a path.
    #[error("nothing stands at {path}; check its spelling, and that the package is in the image")]
    Missing {
        /// The path.
        path: TreePath,
    },
    /// Something else already stands at a path.
    #[error("{wanted_by} cannot place {path}: {owner} already brought it")]
    Occupied {
        /// The path.
        path: TreePath,
        /// Who brought what is there.
        owner: Box<Owner>,
        /// Who wanted to place something.
        wanted_by: Box<Owner>,
    },
    /// What is to be read is no regular file.
    #[error("{path} is no regular file and has no content to read")]
    NotAFile {
        /// The path.
        path: TreePath,
    },
    /// The store of contents could not give a file.
    #[error("the content of {path} of package {package} could not be read: {cause}")]
    Content {
        /// The path in the package.
        path: TreePath,
        /// The package.
        package: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Content read back is not what was recorded.
    #[error(
        "the content of {path} has the digest {found}, {expected} was recorded; the cache is \
         damaged, run `basalt cache verify`"
    )]
    Altered {
        /// The path.
        path: TreePath,
        /// The digest recorded when the package was read.
        expected: Digest,
        /// The digest of what was read back.
        found: Digest,
    },
    /// A path that may not stand in an image.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl TreeError {
    /// Whether packages are at fault as none of a sound archive are: one by itself, or those that divert paths against each
    /// other.
    pub fn is_malformed_package(&self) -> bool {
        match self {
            Self::Duplicate { .. }
            | Self::Diverted { .. }
            | Self::DivertedOnto { .. }
            | Self::Id { .. }
            | Self::ThroughOwnLink { .. }
            | Self::HardlinkTarget { .. }
            | Self::Path(_) => true,
            Self::NotADirectory {
                owner,
                blocker_owner,
                ..
            } => owner == blocker_owner && matches!(**owner, Owner::Package(_)),
            _ => false,
        }
    }
}
