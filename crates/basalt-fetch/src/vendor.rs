//! A vendor store: everything a lock names, in one folder, to build from without any archive.

use std::io::Write;
use std::path::{Path, PathBuf};

use basalt_digest::Digest;

use crate::cache::VerifiedBlob;
use crate::{Cache, CacheError, Durability};

/// The most bytes of a signed Release file, as for one that is fetched.
const MAXIMUM_RELEASE_FILE: u64 = 16 << 20;

/// A vendor store. It has the layout of a cache (`blobs/sha256/ab/<hex>`), so a copied folder,
/// a USB stick or a read-only mount will do.
#[derive(Debug, Clone)]
pub struct VendorStore {
    files: Cache,
}

impl VendorStore {
    /// Opens a vendor folder, making it when it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, CacheError> {
        Ok(Self {
            files: Cache::open_with(folder, Durability::Synced)?,
        })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.files.root()
    }

    /// Opens a blob, compared with its size (in bytes) and digest.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn open_verified(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<VerifiedBlob>, CacheError> {
        self.files.open_verified(digest, size)
    }

    /// Keeps these bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, CacheError> {
        self.files.put(bytes)
    }

    /// A file of a suite, such as `InRelease`, as it was when vendored; its signature says
    /// whether it is good.
    pub fn release_file(&self, archive: &str, suite: &str, name: &str) -> Option<Vec<u8>> {
        basalt_file::read(
            &self.release_place(archive, suite, name)?,
            MAXIMUM_RELEASE_FILE,
        )
        .ok()
    }

    /// Keeps a file of a suite, such as `InRelease`.
    ///
    /// # Errors
    /// When the names are no plain words, or the file cannot be written.
    pub fn put_release_file(
        &self,
        archive: &str,
        suite: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), CacheError> {
        let place = self
            .release_place(archive, suite, name)
            .ok_or_else(|| CacheError::Kind(suite.chars().take(64).collect()))?;
        let mut file = self.files.temporary_file()?;
        file.write_all(bytes)?;
        Ok(self.files.put_in_place(file, &place)?)
    }

    fn release_place(&self, archive: &str, suite: &str, name: &str) -> Option<PathBuf> {
        let plain = |word: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !word.is_empty() && !word.starts_with('.') && word.bytes().all(letter)
        };
        // `bookworm/updates` is a suite of one word here, and so is a flat repository's `./` or `a/`.
        let suite = match suite.strip_suffix('/') {
            None => suite.replace('/', "_"),
            Some(_) => format!("_{}", crate::suite_folder(suite).replace('/', "_")),
        };
        [archive, &suite, name]
            .iter()
            .all(|word| plain(word))
            .then(|| {
                self.folder()
                    .join("releases")
                    .join(archive)
                    .join(suite)
                    .join(name)
            })
    }
}
