//! Blobs in a folder: `blobs/<algorithm>/<2 hex>/<hex>.<upload>`, and uploads in `uploads/<upload>`.
//!
//! A blob is flushed to the disk before it gets its name, and its folder after it.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fs_err as fs;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::spawn_blocking;

use super::bring::Brought;
use super::{Answer, Blob, Blobs, file_name, read_file_name};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::failpoint;
use crate::route::UploadId;

/// How much is read or added at once.
const PIECE: usize = 256 << 10;
/// How the name of a blob ends that is being brought.
pub(crate) const PART: &str = "part";

/// A folder of blobs.
#[derive(Debug, Clone)]
pub struct Folder {
    root: Arc<PathBuf>,
}

impl Folder {
    /// A store in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        for name in ["uploads", "quarantine", "blobs"] {
            fs::create_dir_all(root.join(name))?;
        }
        for algorithm in Algorithm::ALL {
            fs::create_dir_all(root.join("blobs").join(algorithm.name()))?;
        }
        sync_folder(&root.join("blobs"))?;
        sync_folder(root)?;
        Ok(Self::at(root))
    }

    /// A store in this folder, which is taken as it is.
    pub fn at(root: &Path) -> Self {
        Self {
            root: Arc::new(root.to_owned()),
        }
    }

    fn staging(&self, upload: &UploadId) -> PathBuf {
        self.root.join("uploads").join(upload.as_str())
    }

    /// The folder of a blob, and its name there.
    fn place(&self, digest: &Digest, upload: &UploadId) -> (PathBuf, String) {
        let hex = digest.hex();
        let folder = self.root.join("blobs").join(digest.algorithm().name());
        let part = folder.join(hex.get(..2).unwrap_or_default());
        (part, file_name(digest, upload))
    }

    /// The file of a blob.
    pub(crate) fn path(&self, digest: &Digest, upload: &UploadId) -> PathBuf {
        let (folder, name) = self.place(digest, upload);
        folder.join(name)
    }
}

/// Runs what may wait for a disk where waiting is no harm.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Answer<'static, T> {
    let running = spawn_blocking(work);
    Box::pin(async move { running.await.map_err(io::Error::other)? })
}

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What is not there is nothing.
fn or_nothing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Blobs for Folder {
    fn append(&self, upload: &UploadId, offset: u64, bytes: Vec<Bytes>) -> Answer<'_, ()> {
        let path = self.staging(upload);
        blocking(move || {
            let mut file = fs::OpenOptions::new();
            file.append(true).create(true);
            file.options_mut().mode(0o600);
            let mut file = file.open(&path)?;
            let length = file.metadata()?.len();
            if length != offset {
                let message = format!("{} has {length} bytes, not {offset}", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            let result = bytes.iter().try_for_each(|bytes| file.write_all(bytes));
            if result.is_err() {
                // Half a piece is none: the client is told of no byte that the hash does not have.
                let _ = file.file().set_len(offset);
            }
            result
        })
    }

    fn piece(&self) -> usize {
        PIECE
    }

    fn staged_length(&self, _: &UploadId) -> Answer<'_, Option<u64>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn hash_staged(
        &self,
        upload: &UploadId,
        mut hasher: Hasher,
        offset: u64,
    ) -> Answer<'_, (Hasher, u64)> {
        let path = self.staging(upload);
        blocking(move || {
            let Some(mut file) = or_nothing(fs::File::open(path))? else {
                return Ok((hasher, 0));
            };
            let mut length = file.seek(SeekFrom::Start(offset))?;
            let mut buffer = vec![0; PIECE];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok((hasher, length)),
                    count => {
                        hasher.update(&buffer[..count]);
                        length += count as u64;
                    }
                }
            }
        })
    }

    fn read_staged(&self, upload: &UploadId, limit: u64) -> Answer<'_, Bytes> {
        let path = self.staging(upload);
        blocking(move || {
            let mut bytes = Vec::new();
            if let Some(file) = or_nothing(fs::File::open(path))? {
                file.take(limit).read_to_end(&mut bytes)?;
            }
            Ok(bytes.into())
        })
    }

    fn read_staged_at(&self, upload: &UploadId, offset: u64, length: usize) -> Answer<'_, Bytes> {
        let path = self.staging(upload);
        blocking(move || match or_nothing(File::open(path))? {
            Some(file) => read_at(&file, offset, length),
            None => Ok(Bytes::new()),
        })
    }

    fn publish(&self, upload: &UploadId, digest: &Digest, size: u64) -> Answer<'_, ()> {
        let staged = self.staging(upload);
        let (folder, name) = self.place(digest, upload);
        blocking(move || {
            let file = fs::File::open(&staged)?;
            file.sync_data()?;
            let length = file.metadata()?.len();
            if length != size {
                let message = format!("{} has {length} bytes, not {size}", staged.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            failpoint::reached("after-flush");
            if or_nothing(fs::metadata(&folder))?.is_none() {
                match fs::create_dir(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => sync_folder(folder.parent().unwrap_or(&folder))?,
                }
            }
            fs::rename(&staged, folder.join(name))?;
            failpoint::reached("after-rename");
            sync_folder(&folder)
        })
    }

    fn discard(&self, upload: &UploadId) -> Answer<'_, ()> {
        let path = self.staging(upload);
        blocking(move || or_nothing(fs::remove_file(path)).map(|_| ()))
    }

    fn open(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, Option<Arc<dyn Blob>>> {
        // Opening waits for no disk but for names that are not in memory: not worth another thread.
        let opened = or_nothing(File::open(self.path(digest, upload))).and_then(|file| {
            let Some(file) = file else { return Ok(None) };
            let size = file.metadata()?.size();
            let blob: Arc<dyn Blob> = Arc::new(Stored {
                file: Arc::new(file),
                size,
            });
            Ok(Some(blob))
        });
        Box::pin(std::future::ready(opened))
    }

    fn bring(&self, digest: &Digest, upload: &UploadId, from: Arc<dyn Blob>) -> Answer<'_, bool> {
        let (folder, name) = self.place(digest, upload);
        let mut brought = Brought::new(from, digest);
        Box::pin(async move {
            let part = folder.join(format!("{name}.{PART}"));
            let (place, begun) = (folder.clone(), part.clone());
            let mut file = blocking(move || {
                if !place.is_dir() {
                    fs::create_dir_all(&place)?;
                    sync_folder(place.parent().unwrap_or(&place))?;
                }
                let mut options = fs::OpenOptions::new();
                options.write(true).create(true).truncate(true);
                options.options_mut().mode(0o600);
                options.open(begun)
            })
            .await?;
            loop {
                let bytes = brought.next().await?;
                if bytes.is_empty() {
                    break;
                }
                file = blocking(move || file.write_all(&bytes).map(|()| file)).await?;
            }
            let is_sound = brought.ended_well();
            blocking(move || {
                if !is_sound {
                    return fs::remove_file(&part);
                }
                file.sync_all()?;
                fs::rename(&part, folder.join(name))?;
                sync_folder(&folder)
            })
            .await?;
            Ok(is_sound)
        })
    }

    fn location(&self, digest: &Digest, upload: &UploadId) -> String {
        let path = self.path(digest, upload);
        let path = path.strip_prefix(self.root.as_path()).unwrap_or(&path);
        path.display().to_string()
    }

    fn remove(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()> {
        let path = self.path(digest, upload);
        blocking(move || or_nothing(fs::remove_file(path)).map(|_| ()))
    }

    fn quarantine(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()> {
        let (folder, name) = self.place(digest, upload);
        let aside = self.root.join("quarantine");
        blocking(move || {
            or_nothing(fs::rename(folder.join(&name), aside.join(&name)))?;
            sync_folder(&aside)?;
            or_nothing(sync_folder(&folder)).map(|_| ())
        })
    }

    fn list(&self, part: u8) -> Answer<'_, Vec<(Digest, UploadId)>> {
        let root = self.root.join("blobs");
        blocking(move || {
            let mut found = Vec::new();
            for algorithm in Algorithm::ALL {
                let folder = root.join(algorithm.name()).join(format!("{part:02x}"));
                for entry in or_nothing(fs::read_dir(folder))?.into_iter().flatten() {
                    let name = entry?.file_name();
                    let name = name.to_str();
                    found.extend(name.and_then(|name| read_file_name(algorithm, name)));
                }
            }
            Ok(found)
        })
    }

    fn staged(&self, part: u8) -> Answer<'_, Vec<UploadId>> {
        let part = format!("{part:02x}");
        let folder = self.root.join("uploads");
        blocking(move || {
            let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
            let names: Vec<_> = names.collect::<io::Result<_>>()?;
            Ok(names
                .iter()
                .filter_map(|name| UploadId::parse(name.to_str()?))
                .filter(|upload| upload.as_str().starts_with(&part))
                .collect())
        })
    }
}

/// A blob in a file. It can be read to its end even when its name is removed meanwhile.
struct Stored {
    file: Arc<File>,
    size: u64,
}

impl Blob for Stored {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self) -> usize {
        PIECE
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut slices = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(count),
            // What is not in memory, and file systems that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, offset: u64, length: usize) -> Answer<'static, Bytes> {
        let file = Arc::clone(&self.file);
        blocking(move || read_at(&file, offset, length))
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }
}

/// Reads so many bytes from this place on, or as many as there are.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    let mut count = 0;
    while count < length {
        match file.read_at(&mut bytes[count..], offset + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(count);
    Ok(bytes.into())
}
