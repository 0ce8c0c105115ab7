//! The cache: blobs by digest, and facts derived from them.
//!
//! ```text
//! <root>/blobs/sha256/ab/<hex>     content, mode 0444, checked on every read
//! <root>/facts/<kind>/ab/<hex>     small derived records, with a checksum of their own
//! <root>/temporary/…               being written; a writer holds a lock on its file
//! <root>/holds/…                   what running processes count on, so that a prune leaves it
//! ```
//!
//! A file appears by `rename`, so a reader never sees half of one, and two writers of one blob
//! only do the same work twice. A process killed leaves at most files in `temporary`, which the
//! next [`Cache::open`] sweeps.
//!
//! A cache may be shared by the users of a machine: make its folder writable for them and
//! sticky (mode 1777, or 3770 with a group). The folders inside then get the same mode. What
//! another user put there can cost time, never correctness.

mod blobs;
mod facts;
mod files;
mod holds;
mod promised;
mod upkeep;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use blobs::{BlobWriter, VerifiedBlob};
pub use upkeep::{CacheSize, PrunePolicy, PruneReport, VerifyReport};

/// Why the cache could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A call to the file system failed; the text names the file.
    #[error("the cache: {0}")]
    Io(#[from] io::Error),
    /// No folder for the cache can be derived from the environment.
    #[error(
        "there is no folder for the cache: none of BASALT_CACHE, XDG_CACHE_HOME and HOME is set; pass --cache DIR"
    )]
    NoFolder,
    /// The name of a kind of fact is not a plain word.
    #[error("`{0}` cannot name a kind of fact: use lower-case letters, digits and `-`")]
    Kind(String),
    /// What was written is not what was promised.
    #[error("the bytes written are {found} ({found_size} bytes), not {expected} as promised")]
    Unexpected {
        /// What was promised.
        expected: Box<basalt_digest::Promise>,
        /// What came.
        found: Box<basalt_digest::Promise>,
        /// How many bytes came.
        found_size: u64,
    },
}

/// Whether a file must survive a power cut before it is called written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// No `fsync`. Right for the cache: a torn blob fails its digest and is fetched again.
    #[default]
    Fast,
    /// `fsync` before the rename. Right for what a person keeps, such as a vendor store.
    Synced,
}

/// A cache folder. Cheap to clone; safe to use from many threads and processes at once.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// The mode of folders made inside; `None` leaves it to the umask.
    directory_mode: Option<u32>,
    user: u32,
    durability: Durability,
    holds: holds::Holds,
}

impl Cache {
    /// Opens a cache folder, making it when it is missing, and sweeps what killed processes left.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path, Durability::Fast)
    }

    /// Opens a cache folder with a choice of durability.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> Result<Self, CacheError> {
        let root = path.as_ref();
        fs_err::create_dir_all(root)?;
        let root = fs_err::canonicalize(root)?;
        let cache = Self {
            inner: Arc::new(Inner {
                directory_mode: files::shared_mode(&root)?,
                user: rustix::process::geteuid().as_raw(),
                root,
                durability,
                holds: holds::Holds::default(),
            }),
        };
        cache.sweep_temporary();
        Ok(cache)
    }

    /// Where the cache is when nobody says: `$BASALT_CACHE`, `$XDG_CACHE_HOME/basalt`,
    /// `~/.cache/basalt`.
    ///
    /// # Errors
    /// When none of these variables is set to an absolute path.
    pub fn default_path() -> Result<PathBuf, CacheError> {
        let set = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        // The XDG specification says that a relative path is to be ignored.
        let absolute = |path: &PathBuf| path.is_absolute();
        set("BASALT_CACHE")
            .or_else(|| {
                set("XDG_CACHE_HOME")
                    .filter(absolute)
                    .map(|path| path.join("basalt"))
            })
            .or_else(|| {
                set("HOME")
                    .filter(absolute)
                    .map(|path| path.join(".cache/basalt"))
            })
            .ok_or(CacheError::NoFolder)
    }

    /// The folder of the cache.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Where files stand while they are written: on the cache's own file system. It is there once
    /// a [`writer`](Self::writer) was made.
    pub fn temporary_folder(&self) -> PathBuf {
        self.inner.root.join("temporary")
    }
}
