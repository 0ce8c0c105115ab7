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
            Promise::Sha512(promised) => {
                let fact = self.fact(KIND, &key(promised))?;
                let bytes = fact.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                Ok(bytes.map(Digest::from_bytes))
            }
        }
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
        let promised = match promise {
            Promise::Sha256(digest) => {
                self.commit_expecting(digest)?;
                return Ok(*digest);
            }
            Promise::Sha512(promised) => promised,
        };
        let found = self.sha512.take().unwrap_or_default().finish();
        let cache = self.cache.clone();
        if found != *promised {
            return Err(CacheError::Unexpected {
                expected: Box::new((*promised).into()),
                found: Box::new(found.into()),
                found_size: self.length(),
            });
        }
        let (digest, _) = self.commit()?;
        cache.put_fact(KIND, &key(promised), digest.as_bytes())?;
        Ok(digest)
    }
}
