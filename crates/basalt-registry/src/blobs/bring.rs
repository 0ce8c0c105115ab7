//! Blobs on their way from one store to another.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::{Blob, is_passing};
use crate::digest::{Digest, Hasher};

/// A blob that is read from its begin to its end, and compared.
pub(super) struct Brought {
    from: Arc<dyn Blob>,
    digest: Digest,
    hasher: Hasher,
    offset: u64,
    is_read: bool,
}

impl Brought {
    pub(super) fn new(from: Arc<dyn Blob>, digest: &Digest) -> Self {
        Self {
            from,
            digest: digest.clone(),
            hasher: Hasher::new(digest.algorithm()),
            offset: 0,
            is_read: true,
        }
    }

    /// The next bytes; none at the end, and where the blob cannot be read.
    ///
    /// # Errors
    /// When the store fails in a way that says nothing of the blob.
    pub(super) async fn next(&mut self) -> io::Result<Bytes> {
        let rest = self.from.size() - self.offset;
        if rest == 0 || !self.is_read {
            return Ok(Bytes::new());
        }
        let length =
            usize::try_from(rest).map_or(self.from.piece(), |rest| rest.min(self.from.piece()));
        match self.from.read(self.offset, length).await {
            Ok(bytes) => {
                self.is_read = !bytes.is_empty();
                self.offset += bytes.len() as u64;
                self.hasher.update(&bytes);
                Ok(bytes)
            }
            Err(error) if is_passing(&error) => Err(error),
            // What cannot be read is as bad as what is wrong.
            Err(_) => {
                self.is_read = false;
                Ok(Bytes::new())
            }
        }
    }

    /// The next bytes until they are so many, or all that are left.
    ///
    /// # Errors
    /// As [`Brought::next`].
    pub(super) async fn gather(&mut self, length: usize) -> io::Result<Vec<Bytes>> {
        let (mut gathered, mut rest) = (Vec::new(), length);
        while rest > 0 {
            let bytes = self.next().await?;
            if bytes.is_empty() {
                break;
            }
            rest = rest.saturating_sub(bytes.len());
            gathered.push(bytes);
        }
        Ok(gathered)
    }

    /// Whether all that came is the blob.
    pub(super) fn ended_well(self) -> bool {
        self.is_read && self.offset == self.from.size() && self.hasher.finish() == self.digest
    }
}
