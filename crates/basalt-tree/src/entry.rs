//! One entry of the tree.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use basalt_digest::Digest;
use basalt_elf::ElfFacts;
use serde::{Deserialize, Serialize};

use crate::path::TreePath;

/// What an entry is. Device nodes and sockets never stand in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of its content.
        digest: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as it is stored: may be relative, absolute or dangling.
        target: String,
    },
    /// Another name of a regular file of the same owner.
    Hardlink {
        /// The regular file.
        target: TreePath,
    },
    /// A named pipe.
    Fifo,
}

/// Who brought an entry: the record from which SBOM, `status.d` and `basalt explain` are made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// A package, by its name.
    Package(String),
    /// An effect of a package's maintainer scripts or triggers, in place of running them.
    Effect {
        /// The package whose script it was.
        package: String,
        /// What was done, in a few words: `alternative awk`, `linker cache`.
        effect: String,
    },
    /// The image spec, by the place that says so: `files[2]`, `users.nonroot`.
    Spec(String),
    /// Basalt itself: parent directories, hardening, package records.
    Basalt(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(name) => write!(f, "package {name}"),
            Self::Effect { package, effect } => write!(f, "{effect} (effect of {package})"),
            Self::Spec(place) => write!(f, "the spec, {place}"),
            Self::Basalt(what) => write!(f, "basalt, {what}"),
        }
    }
}

/// One path of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by full name (`security.capability`).
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// For ELF files: what the dynamic linker would see.
    pub elf: Option<Arc<ElfFacts>>,
}

impl Entry {
    /// A root-owned entry without extended attributes.
    pub fn new(kind: Kind, mode: u32, mtime: i64) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: BTreeMap::new(),
            elf: None,
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Length of a regular file's content in bytes; 0 for all else.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }
}
