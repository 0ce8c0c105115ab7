//! Content by its digest.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use basalt_digest::{Digest, HashingReader, HashingWriter, Sha512Hasher, copy};
use tempfile::NamedTempFile;

use super::{Cache, CacheError};

/// Up to this size a blob is read into memory once rather than read twice from its file.
const IN_MEMORY: u64 = 8 << 20;
/// A file is marked as used at most this often, so that reading stays reading.
const MARK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A blob that has matched its digest and cannot change any more under its reader.
#[derive(Debug)]
pub struct VerifiedBlob {
    content: Content,
    size: u64,
}

#[derive(Debug)]
enum Content {
    Memory(Cursor<Vec<u8>>),
    File(File),
}

impl VerifiedBlob {
    /// A blob in memory whose digest the caller has compared.
    pub(crate) fn in_memory(bytes: Vec<u8>) -> Self {
        Self {
            size: bytes.len() as u64,
            content: Content::Memory(Cursor::new(bytes)),
        }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole content.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self.content {
            Content::Memory(cursor) => Ok(cursor.into_inner()),
            Content::File(mut file) => {
                let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
                file.rewind()?;
                file.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

impl Read for VerifiedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::Memory(cursor) => cursor.read(buffer),
            Content::File(file) => file.read(buffer),
        }
    }
}

impl Seek for VerifiedBlob {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.content {
            Content::Memory(cursor) => cursor.seek(position),
            Content::File(file) => file.seek(position),
        }
    }
}

/// Takes the bytes of a new blob. Nothing is in the cache before [`commit`](Self::commit);
/// dropped, it leaves nothing behind.
pub struct BlobWriter {
    pub(super) cache: Cache,
    pub(super) file: HashingFile,
    /// Where the bytes are promised by their SHA-512 digest too.
    pub(super) sha512: Option<Sha512Hasher>,
}

/// A temporary file and the digest of what went into it.
type HashingFile = HashingWriter<NamedTempFile>;

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobWriter")
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(sha512) = &mut self.sha512 {
            sha512.write_all(&bytes[..written])?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BlobWriter {
    /// Puts what was written into the cache under its digest; returns that and the size.
    ///
    /// # Errors
    /// When the file cannot be put in place.
    pub fn commit(self) -> Result<(Digest, u64), CacheError> {
        let (file, digest, size) = self.file.finish();
        self.cache
            .put_in_place(file, &self.cache.blob_place(&digest))?;
        Ok((digest, size))
    }

    /// Puts what was written into the cache if it is what was promised; drops it otherwise.
    ///
    /// # Errors
    /// [`CacheError::Unexpected`] when it is something else; when the file cannot be put in
    /// place.
    pub fn commit_expecting(self, expected: &Digest) -> Result<u64, CacheError> {
        let (file, found, size) = self.file.finish();
        if found != *expected {
            return Err(CacheError::Unexpected {
                expected: Box::new((*expected).into()),
                found: Box::new(found.into()),
                found_size: size,
            });
        }
        self.cache
            .put_in_place(file, &self.cache.blob_place(expected))?;
        Ok(size)
    }
}

impl Cache {
    pub(super) fn blob_place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let mut place = self.root().join("blobs/sha256");
        place.push(&hex[..2]);
        place.push(hex);
        place
    }

    /// A writer for a new blob. It does not buffer: write in pieces of some size.
    ///
    /// # Errors
    /// When no file can be made in the cache.
    pub fn writer(&self) -> Result<BlobWriter, CacheError> {
        Ok(BlobWriter {
            cache: self.clone(),
            file: HashingWriter::new(self.temporary_file()?),
            sha512: None,
        })
    }

    /// Puts these bytes into the cache; returns their digest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, CacheError> {
        let mut writer = self.writer()?;
        writer.write_all(bytes)?;
        Ok(writer.commit()?.0)
    }

    /// Whether there is a file for this digest, of this size if one is given. It is not read:
    /// only [`get`](Self::get) and [`open_verified`](Self::open_verified) say that it is good.
    pub fn seems_to_have(&self, digest: &Digest, size: Option<u64>) -> bool {
        let place = self.blob_place(digest);
        self.looking_at(&place, || {
            [&self.own_place(&place), &place].iter().any(|place| {
                place.symlink_metadata().is_ok_and(|metadata| {
                    metadata.is_file() && size.is_none_or(|size| size == metadata.len())
                })
            })
        })
    }

    /// The bytes of a blob, compared with the digest; `None` when it is missing. A blob that
    /// does not match is removed and counts as missing.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, CacheError> {
        self.first_good(digest, None, u64::MAX)?
            .map(|blob| blob.into_bytes().map_err(CacheError::from))
            .transpose()
    }

    /// Opens a blob after comparing its size (in bytes) and digest; `None` when it is missing.
    /// A blob that does not match is removed and counts as missing.
    ///
    /// # Performance
    /// Up to 8 MiB the file is read once, into memory. A bigger one is hashed first and then
    /// read again from the page cache, unless another user owns it, who could change it in
    /// between: then the reader gets a private copy.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn open_verified(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<VerifiedBlob>, CacheError> {
        self.first_good(digest, Some(size), IN_MEMORY)
    }

    /// Opens a blob of this size (in bytes) for a reader that compares its digest with what it
    /// reads; `None` when it is missing. See [`open_verified`](Self::open_verified) for all others.
    ///
    /// # Errors
    /// When the file is there but cannot be opened.
    pub fn open_unverified(&self, digest: &Digest, size: u64) -> Result<Option<File>, CacheError> {
        let place = self.blob_place(digest);
        for place in [place.clone(), self.own_place(&place)] {
            if let Some((file, metadata)) = self.open_held(&place)?
                && metadata.len() == size
            {
                mark_used(&file, &metadata);
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Copies a blob into a new writer, comparing its size (in bytes) and digest on the way;
    /// `None` when it is missing. A blob that does not match is removed and counts as missing.
    ///
    /// # Errors
    /// When a writer cannot be made or written to, or the file is there but cannot be read.
    pub fn copy_verified<W: Write, E: From<CacheError>>(
        &self,
        digest: &Digest,
        size: u64,
        mut writer: impl FnMut() -> Result<W, E>,
    ) -> Result<Option<W>, E> {
        let place = self.blob_place(digest);
        for place in [place.clone(), self.own_place(&place)] {
            let Some((file, metadata)) = self.open_held(&place).map_err(CacheError::from)? else {
                continue;
            };
            if metadata.len() == size {
                // One byte more than the size tells a file that grew meanwhile.
                let mut reader = HashingReader::new((&file).take(size.saturating_add(1)));
                let mut writer = writer()?;
                copy(&mut reader, &mut writer).map_err(CacheError::from)?;
                if reader.finish().1 == *digest {
                    mark_used(&file, &metadata);
                    return Ok(Some(writer));
                }
            }
            remove(&place);
        }
        Ok(None)
    }

    fn first_good(
        &self,
        digest: &Digest,
        size: Option<u64>,
        in_memory: u64,
    ) -> Result<Option<VerifiedBlob>, CacheError> {
        let place = self.blob_place(digest);
        for place in [place.clone(), self.own_place(&place)] {
            let Some((file, metadata)) = self.open_held(&place)? else {
                continue;
            };
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("failed to read `{}`: {error}", place.display()),
                )
            };
            let blob = if size.is_some_and(|size| size != metadata.len()) {
                None
            } else {
                self.verified(&file, &metadata, digest, in_memory)
                    .map_err(named)?
            };
            match blob {
                Some(blob) => {
                    mark_used(&file, &metadata);
                    return Ok(Some(blob));
                }
                // When it is another user's and may not be removed, ours goes beside it.
                None => remove(&place),
            }
        }
        Ok(None)
    }

    fn verified(
        &self,
        file: &File,
        metadata: &Metadata,
        digest: &Digest,
        in_memory: u64,
    ) -> io::Result<Option<VerifiedBlob>> {
        let size = metadata.len();
        // One byte more than the size tells a file that grew meanwhile.
        let mut content = file.take(size.saturating_add(1));
        if size <= in_memory {
            let mut bytes =
                Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
            content.read_to_end(&mut bytes)?;
            let good = Digest::of(&bytes) == *digest;
            return Ok(good.then(|| VerifiedBlob::in_memory(bytes)));
        }
        let mut reader = HashingReader::new(content);
        let mut kept = if self.is_ours(metadata) {
            copy(&mut reader, &mut io::sink())?;
            file.try_clone()?
        } else {
            let mut private = tempfile::tempfile()?;
            copy(&mut reader, &mut private)?;
            private
        };
        let (_, found, _) = reader.finish();
        kept.rewind()?;
        Ok((found == *digest).then_some(VerifiedBlob {
            content: Content::File(kept),
            size,
        }))
    }
}

/// Marks a file as used, for [`Cache::prune`]: its modification time is the last day of use.
/// Access times would do, were they not off or lazy on most machines.
pub(super) fn mark_used(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let age = metadata
        .modified()
        .ok()
        .and_then(|then| now.duration_since(then).ok());
    if age.is_some_and(|age| age > MARK_EVERY) {
        // Another user's file stays as it is; its owner's use keeps it.
        let _ = file.set_modified(now);
    }
}

/// Removes a file that is of no use; one that stays does no harm.
pub(super) fn remove(place: &Path) {
    let _ = std::fs::remove_file(place);
}
