//! Small records derived from blobs: a compiled index, a package's listing.
//!
//! A fact cannot be checked against the content it was derived from without deriving it again.
//! So it carries a checksum against accidents, and counts only when its file belongs to this
//! user or to root: what one user of a shared cache writes must not decide another's build.

use std::io::{Read, Write};
use std::path::PathBuf;

use basalt_digest::{Digest, Hasher};

use super::{Cache, CacheError, blobs};

/// Opens every fact; a new layout of facts gets a new number.
const MAGIC: &[u8; 16] = b"basalt fact 0001";
const HEADER: usize = MAGIC.len() + 32;
/// No fact is bigger: the compiled index of the biggest archive is a tenth of this.
const MAXIMUM: u64 = 1 << 30;

impl Cache {
    /// The fact of this kind about this key; `None` when there is none that can be trusted.
    ///
    /// # Errors
    /// When `kind` is not a plain word, or the file is there but cannot be read.
    pub fn fact(&self, kind: &str, key: &Digest) -> Result<Option<Vec<u8>>, CacheError> {
        let place = self.fact_place(kind, key)?;
        for place in [place.clone(), self.own_place(&place)] {
            let Some((file, metadata)) = self.open_held(&place)? else {
                continue;
            };
            if !self.is_ours(&metadata) || metadata.len() > MAXIMUM {
                continue;
            }
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
            (&file).take(MAXIMUM).read_to_end(&mut bytes)?;
            match content(&bytes, kind, key) {
                Some(length) => {
                    blobs::mark_used(&file, &metadata);
                    bytes.drain(..bytes.len() - length);
                    return Ok(Some(bytes));
                }
                None => blobs::remove(&place),
            }
        }
        Ok(None)
    }

    /// Keeps a fact of this kind about this key, in place of a former one.
    ///
    /// # Errors
    /// When `kind` is not a plain word, or the file cannot be written.
    pub fn put_fact(&self, kind: &str, key: &Digest, bytes: &[u8]) -> Result<(), CacheError> {
        let place = self.fact_place(kind, key)?;
        let mut file = self.temporary_file()?;
        file.write_all(MAGIC)?;
        file.write_all(checksum(kind, key, bytes).as_bytes())?;
        file.write_all(bytes)?;
        self.put_in_place(file, &place)?;
        Ok(())
    }

    /// Forgets a fact.
    ///
    /// # Errors
    /// When `kind` is not a plain word.
    pub fn remove_fact(&self, kind: &str, key: &Digest) -> Result<(), CacheError> {
        let place = self.fact_place(kind, key)?;
        blobs::remove(&self.own_place(&place));
        blobs::remove(&place);
        Ok(())
    }

    fn fact_place(&self, kind: &str, key: &Digest) -> Result<PathBuf, CacheError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if kind.is_empty() || kind.len() > 64 || !kind.bytes().all(plain) {
            return Err(CacheError::Kind(kind.chars().take(64).collect()));
        }
        let hex = key.hex();
        let mut place = self.root().join("facts");
        place.push(kind);
        place.push(&hex[..2]);
        place.push(hex);
        Ok(place)
    }
}

/// Kind and key are part of the checksum, so that a good file under a wrong name is no fact.
fn checksum(kind: &str, key: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(kind.as_bytes());
    hasher.update(&[0]);
    hasher.update(key.as_bytes());
    hasher.update(bytes);
    hasher.finish()
}

/// The length of the content behind the header, when the file is whole and about this key.
fn content(file: &[u8], kind: &str, key: &Digest) -> Option<usize> {
    let (header, content) = file.split_at_checked(HEADER)?;
    let (magic, sum) = header.split_at(MAGIC.len());
    (magic == MAGIC && sum == checksum(kind, key, content).as_bytes()).then_some(content.len())
}

/// Whether a file could be a whole fact under some key of this kind.
pub(super) fn is_whole(file: &[u8], kind: &str, key: &Digest) -> bool {
    content(file, kind, key).is_some()
}
