//! Content that a signed file promises by another digest than the one the cache knows it by.

use basalt_digest::{Digest, Promise, Sha512, Sha512Hasher};

use super::blobs::BlobWriter;
use super::{Cache, CacheError};

/// The kind of fact that says which SHA-256 digest the bytes of a SHA-512 digest have.
const KIND: &str = "sha512";

/// The key of that fact.
fn key(promised: &Sha512) -> Digest {
    Digest::of(promised.as_bytes())
}

impl Cache {
    /// The digest under which the cache knows what is promised; `None` when it has not seen it yet.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn digest_of(&self, promise: &Promise) -> Result<Option<Digest>, CacheError> {
        match promise {
            Promise::Sha256(digest) => Ok(Some(*digest)),
            Promise::Sha512(promised) => self.remembered(promised),
            // Known by one digest, the bytes have yet to be compared with the other.
            Promise::Both(digest, promised) => {
                let known = self.remembered(promised)?;
                Ok(known.filter(|known| known == digest))
            }
        }
    }

    /// The SHA-256 digest of the bytes that have been seen to have this SHA-512 digest.
    fn remembered(&self, promised: &Sha512) -> Result<Option<Digest>, CacheError> {
        let fact = self.fact(KIND, &key(promised))?;
        let bytes = fact.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        Ok(bytes.map(Digest::from_bytes))
    }

    /// A writer for a new blob that is promised, to be committed by [`BlobWriter::commit_promised`].
    ///
    /// # Errors
    /// When no file can be made in the cache.
    pub fn writer_for(&self, promise: &Promise) -> Result<BlobWriter, CacheError> {
        let mut writer = self.writer()?;
        writer.sha512 = promise.sha512().map(|_| Sha512Hasher::default());
        Ok(writer)
    }
}

impl BlobWriter {
    /// Puts what was written into the cache if it is what was promised; drops it otherwise.
    ///
    /// # Errors
    /// [`CacheError::Unexpected`] when it is something else; when the file cannot be put in place.
    pub fn commit_promised(mut self, promise: &Promise) -> Result<Digest, CacheError> {
        let sha512 = self.sha512.take().unwrap_or_default().finish();
        let (file, digest, found_size) = self.file.finish();
        let unexpected = |expected: Promise, found: Promise| CacheError::Unexpected {
            expected: Box::new(expected),
            found: Box::new(found),
            found_size,
        };
        if let Some(expected) = promise.sha256().filter(|expected| *expected != digest) {
            return Err(unexpected(expected.into(), digest.into()));
        }
        if let Some(expected) = promise.sha512().filter(|expected| *expected != sha512) {
            return Err(unexpected(expected.into(), sha512.into()));
        }
        self.cache
            .put_in_place(file, &self.cache.blob_place(&digest))?;
        if let Some(promised) = promise.sha512() {
            self.cache
                .put_fact(KIND, &key(&promised), digest.as_bytes())?;
        }
        Ok(digest)
    }
}
