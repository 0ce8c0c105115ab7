//! Writing an OCI layout (OCI image specification, *Image Layout*): a folder with `oci-layout`,
//! `index.json` and `blobs/sha256/`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use basalt_digest::Digest;
use fs_err as fs;

use crate::attached;
use crate::error::OciError;
use crate::layout_lock::lock_layout;
use crate::manifest::{Descriptor, Index};
use crate::read::Layout;
use crate::staging::{Staging, sync_folder};

/// What stands in the file `oci-layout`.
pub(crate) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Makes a layout beside its target and puts it in place at the end: the target is the former
/// layout or the new one at every moment. Several threads may add blobs.
#[derive(Debug)]
pub struct LayoutWriter {
    target: PathBuf,
    staging: Staging,
    blobs: Mutex<BTreeMap<Digest, u64>>,
    count: AtomicU32,
    durable: bool,
}

/// What became of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was not there.
    New,
    /// It took the place of a former layout.
    Replaced,
}

/// A blob being written, whose digest its writer computes.
#[derive(Debug)]
pub struct BlobFile {
    file: fs::File,
    path: PathBuf,
    size: u64,
}

/// Whether the layout at `target` already is what `index` says: all entries of its `index.json` are there, every
/// manifest as named, every blob there with its size. What else is there must refer to one of those: signatures, and
/// what else others attached to the image. With `verify`, every blob is read and its digest compared too. A target
/// that is missing, broken or no layout is simply not current.
pub fn is_current(target: &Path, index: &Index, verify: bool) -> bool {
    current(target, index, verify).unwrap_or(false)
}

fn current(target: &Path, index: &Index, verify: bool) -> Result<bool, OciError> {
    if !target.is_dir() || basalt_file::read(&target.join("oci-layout"), 1024)? != MARKER {
        return Ok(false);
    }
    let layout = Layout::open(target)?;
    let (mut own, mut more) = (Vec::new(), Vec::new());
    for entry in &layout.index().manifests {
        match index.manifests.contains(entry) {
            true => own.push(entry.clone()),
            false => more.push(entry.clone()),
        }
    }
    // As it would be without what others added.
    let without = Index {
        manifests: own,
        ..layout.index().clone()
    };
    if without != *index {
        return Ok(false);
    }
    if !more.is_empty() {
        let present = attached::named(index, &|entry| layout.read_blob(entry))?;
        if attached::by_others(&layout, index, present) != more {
            return Ok(false);
        }
    }
    let mut blobs = layout.blobs()?;
    for blob in &blobs {
        if layout.size_of(&blob.digest)? != blob.size {
            return Ok(false);
        }
    }
    if !verify {
        return Ok(true);
    }
    // Those that take longest come first, so that no thread is left alone with one at the end.
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    Ok(all_are_good(&layout, &blobs))
}

/// Whether each blob can be read and is what its digest says. The most of a build that finds nothing to do is this.
fn all_are_good(layout: &Layout, blobs: &[Descriptor]) -> bool {
    let next = AtomicUsize::new(0);
    let is_good = |blob: &Descriptor| {
        let copied = layout
            .open_blob(blob)
            .map(|mut bytes| basalt_digest::copy(&mut bytes, &mut io::sink()));
        matches!(copied, Ok(Ok(_)))
    };
    let work = || {
        while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !is_good(blob) {
                next.store(blobs.len(), Ordering::Relaxed);
                return false;
            }
        }
        true
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(blobs.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let own = work();
        others
            .into_iter()
            .all(|other| other.join().unwrap_or(false))
            && own
    })
}

impl LayoutWriter {
    /// Begins a layout that will stand at `target`. Nothing is at or under `target` before
    /// [`LayoutWriter::finish`]. With `durable`, everything is on the disk when that returns.
    ///
    /// # Errors
    /// When the target exists and holds anything but a layout, or the folder beside it cannot
    /// be made.
    pub fn create(target: &Path, durable: bool) -> Result<Self, OciError> {
        // Through a symbolic link: what it leads to is replaced, not the link.
        let target = match fs::canonicalize(target) {
            Ok(real) => {
                refuse_foreign(&real)?;
                real
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => target.to_owned(),
            Err(error) => return Err(error.into()),
        };
        let staging = Staging::beside(&target)?;
        fs::create_dir_all(staging.path.join("blobs/sha256"))?;
        Ok(Self {
            target,
            staging,
            blobs: Mutex::default(),
            count: AtomicU32::new(0),
            durable,
        })
    }

    /// Where the layout will stand.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether the blob has been added.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blobs().contains_key(digest)
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds these bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add_bytes(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, OciError> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.has(&descriptor.digest) {
            let mut blob = self.create_blob()?;
            blob.write_all(bytes)?;
            self.commit(blob, descriptor.digest)?;
        }
        Ok(descriptor)
    }

    /// Adds a document as the JSON that [`crate::to_bytes`] gives.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_json<T: serde::Serialize>(
        &self,
        media_type: &str,
        document: &T,
    ) -> Result<Descriptor, OciError> {
        self.add_bytes(media_type, &crate::to_bytes(document)?)
    }

    /// Adds a copy of a file whose digest the caller has checked. The kernel copies; where the
    /// file system can, the blocks are shared. The file is never linked: a layout may be
    /// changed by its owner, and a cache may not.
    ///
    /// # Errors
    /// When it cannot be copied, or has another size (bytes).
    pub fn add_file(&self, path: &Path, digest: Digest, size: u64) -> Result<(), OciError> {
        if self.has(&digest) {
            return Ok(());
        }
        let blob = self.create_blob()?;
        // `io::copy` from file to file is copy_file_range(2), which clones where it can.
        let mut from = fs::File::open(path)?.into_parts().0;
        let mut to = blob.file.file();
        let found = io::copy(&mut from, &mut to)?;
        if found != size {
            return Err(OciError::WrongSize {
                digest,
                size,
                found,
            });
        }
        self.commit(
            BlobFile {
                size: found,
                ..blob
            },
            digest,
        )
    }

    /// Takes a blob from the layout that now stands at the target, if it is there with the right
    /// size and digest: it is read once, and linked. Returns whether it was.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn keep(&self, digest: Digest, size: u64) -> Result<bool, OciError> {
        if self.has(&digest) {
            return Ok(true);
        }
        let former = blob_path(&self.target, &digest);
        if !std::fs::symlink_metadata(&former)
            .is_ok_and(|facts| facts.is_file() && facts.len() == size)
        {
            return Ok(false);
        }
        if Digest::of_reader(basalt_file::open(&former)?.take(size))?.0 != digest {
            return Ok(false);
        }
        fs::hard_link(&former, blob_path(&self.staging.path, &digest))?;
        self.blobs().insert(digest, size);
        Ok(true)
    }

    /// Takes over what others attached to the layout that now stands at the target, as far as it refers to something
    /// that is in the new one, of which `index` is the index. What is damaged is left behind.
    fn keep_attached(&self, index: &mut Index) -> Result<(), OciError> {
        let Ok(former) = Layout::open(&self.target) else {
            return Ok(());
        };
        let read = |entry: &Descriptor| Ok(fs::read(blob_path(&self.staging.path, &entry.digest))?);
        let present = attached::named(index, &read)?;
        for entry in attached::by_others(&former, index, present) {
            let mut whole = true;
            for blob in former
                .blobs_of(std::slice::from_ref(&entry))
                .unwrap_or_default()
            {
                whole &= self.keep(blob.digest, blob.size)?;
            }
            if whole && self.has(&entry.digest) {
                index.manifests.push(entry);
            }
        }
        Ok(())
    }

    /// Begins a blob whose digest is known only when it is written: write to it, then
    /// [`LayoutWriter::commit`] it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create_blob(&self) -> Result<BlobFile, OciError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.staging.path.join(format!("blob-{number}"));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(BlobFile {
            file,
            path,
            size: 0,
        })
    }

    /// Gives a blob its name. The caller vouches for the digest.
    ///
    /// # Errors
    /// When it cannot be written to the disk or renamed.
    pub fn commit(&self, blob: BlobFile, digest: Digest) -> Result<(), OciError> {
        if self.durable {
            blob.file.sync_all()?;
        }
        fs::rename(&blob.path, blob_path(&self.staging.path, &digest))?;
        self.blobs().insert(digest, blob.size);
        Ok(())
    }

    /// Writes the index and puts the layout in place.
    ///
    /// # Errors
    /// When the index names a blob that was not added, or the disk says no.
    pub fn finish(self, index: &Index) -> Result<Written, OciError> {
        let lock = self.lock_target()?;
        self.put(index, lock)
    }

    /// Likewise, with what others attached to the former layout, as far as it still refers to something: signatures
    /// outlive a build that changes nothing of the image.
    ///
    /// # Errors
    /// As [`LayoutWriter::finish`]; when a manifest that was added cannot be read back.
    pub fn finish_with_attached(self, mut index: Index) -> Result<Written, OciError> {
        let lock = self.lock_target()?;
        self.keep_attached(&mut index)?;
        self.put(&index, lock)
    }

    /// Nobody adds to the former layout while it goes.
    fn lock_target(&self) -> Result<Option<std::fs::File>, OciError> {
        let existed = self.target.exists();
        Ok(existed.then(|| lock_layout(&self.target)).transpose()?)
    }

    fn put(self, index: &Index, lock: Option<std::fs::File>) -> Result<Written, OciError> {
        for descriptor in &index.manifests {
            let added = self.blobs().get(&descriptor.digest).copied();
            match added {
                None => {
                    return Err(OciError::Missing {
                        path: self.target,
                        digest: descriptor.digest,
                    });
                }
                Some(size) if size != descriptor.size => {
                    return Err(OciError::WrongSize {
                        digest: descriptor.digest,
                        size: descriptor.size,
                        found: size,
                    });
                }
                Some(_) => {}
            }
        }
        // Blobs that were begun and given up.
        for number in 0..self.count.load(Ordering::Relaxed) {
            match fs::remove_file(self.staging.path.join(format!("blob-{number}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        for (name, bytes) in [
            ("oci-layout", MARKER.to_vec()),
            ("index.json", crate::to_bytes(index)?),
        ] {
            let mut file = fs::File::create(self.staging.path.join(name))?;
            file.write_all(&bytes)?;
            if self.durable {
                file.sync_all()?;
            }
        }
        if self.durable {
            sync_folder(&self.staging.path.join("blobs/sha256"))?;
            sync_folder(&self.staging.path.join("blobs"))?;
        }
        let existed = self.target.exists();
        self.staging.put_in_place(&self.target, self.durable)?;
        drop(lock);
        Ok(if existed {
            Written::Replaced
        } else {
            Written::New
        })
    }
}

impl BlobFile {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Write for BlobFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Where a blob is within a layout.
pub(crate) fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

/// A folder that holds anything but a layout is not replaced.
fn refuse_foreign(target: &Path) -> Result<(), OciError> {
    let refuse = |found: String| {
        Err(OciError::WouldReplace {
            path: target.to_owned(),
            found,
        })
    };
    if !target.is_dir() {
        return refuse("a file".to_owned());
    }
    for entry in fs::read_dir(target)? {
        let name = entry?.file_name();
        if !["oci-layout", "index.json", "blobs"]
            .iter()
            .any(|part| name == *part)
        {
            return refuse(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
