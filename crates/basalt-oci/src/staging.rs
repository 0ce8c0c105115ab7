//! A folder beside the target in which the new content is made, and which takes the target's
//! place at once. A process that dies leaves only such a folder behind; the next one clears it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fs_err as fs;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

/// Stands between a target's name and the number of the process that works on it.
const MARK: &str = ".tmp-";

/// A folder that is removed unless it was put in place.
#[derive(Debug)]
pub(crate) struct Staging {
    /// The folder.
    pub(crate) path: PathBuf,
    /// Open and locked for as long as the folder is in use: this tells the living from the dead.
    _lock: std::fs::File,
}

impl Staging {
    /// A new empty folder beside `target`; folders that dead processes left for the same target
    /// are removed.
    pub(crate) fn beside(target: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = name_of(target)?;
        let parent = parent_of(target);
        fs::create_dir_all(parent)?;
        clear_dead(parent, name)?;
        // A neighbour may clear the folder between its making and its locking: then once more.
        for _ in 0..100 {
            let mut own = OsString::from(name);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            own.push(format!("{MARK}{}-{number}", std::process::id()));
            let path = parent.join(own);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            if let Some(lock) = lock(&path)? {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other(format!(
            "no temporary folder can be made in {}",
            parent.display()
        )))
    }

    /// Puts the folder where `target` is, at once; what was there is removed.
    pub(crate) fn put_in_place(self, target: &Path, durable: bool) -> io::Result<()> {
        if durable {
            sync_folder(&self.path)?;
        }
        match renameat_with(CWD, &self.path, CWD, target, RenameFlags::EXCHANGE) {
            // The former content now has our temporary name; dropping `self` removes it.
            Ok(()) => {}
            Err(Errno::NOENT) => fs::rename(&self.path, target)?,
            // Some file systems cannot exchange: then there is a moment without a target.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let former = Self::beside(target)?;
                fs::rename(target, former.path.join("former"))?;
                fs::rename(&self.path, target)?;
            }
            Err(error) => {
                return Err(io::Error::other(format!(
                    "{} cannot take the place of {}: {}",
                    self.path.display(),
                    target.display(),
                    io::Error::from(error)
                )));
            }
        }
        if durable {
            sync_folder(parent_of(target))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing is there after a plain rename; a failure leaves a folder for the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Writes a folder's own list of names to the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// The folder that holds `target`.
pub(crate) fn parent_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn name_of(target: &Path) -> io::Result<&OsStr> {
    target.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} has no name of its own", target.display()),
        )
    })
}

/// Locks a folder, unless another process has it, or it is no longer what its name leads to.
fn lock(path: &Path) -> io::Result<Option<std::fs::File>> {
    let folder = match std::fs::File::open(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        // A file system without locks (some network ones): nobody clears there either.
        Err(_) => return Ok(Some(folder)),
    }
    let here = folder.metadata()?;
    let same = std::fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino()));
    Ok(same.then_some(folder))
}

/// Removes what dead processes left beside a layout or an archive that they were about to write.
/// What cannot be removed stays for the next run.
pub fn clear_unfinished(target: &Path) {
    if let Ok(name) = name_of(target) {
        let _ = clear_dead(parent_of(target), name);
    }
}

/// Removes the folders that dead processes left for the target of this name.
fn clear_dead(parent: &Path, name: &OsStr) -> io::Result<()> {
    let mut prefix = name.as_encoded_bytes().to_vec();
    prefix.extend_from_slice(MARK.as_bytes());
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let candidate = entry.file_name();
        let ours = candidate
            .as_encoded_bytes()
            .strip_prefix(prefix.as_slice())
            .is_some_and(|rest| {
                !rest.is_empty()
                    && rest
                        .iter()
                        .all(|byte| byte.is_ascii_digit() || *byte == b'-')
            });
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = match std::fs::File::open(entry.path()) {
            Ok(folder) => folder,
            Err(_) => continue,
        };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // Another process may clear it too; what remains is for the next run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Writes a file whole: a temporary one beside it, then a rename; `durable`, so that it outlives a
/// power cut.
///
/// # Errors
/// When it cannot be written, or `write` fails; the file is then as it was.
pub fn write_file<E: From<io::Error>>(
    target: &Path,
    durable: bool,
    write: impl FnOnce(&mut io::BufWriter<fs::File>) -> Result<(), E>,
) -> Result<(), E> {
    let staging = Staging::beside(target)?;
    let path = staging.path.join("file");
    let mut out = io::BufWriter::with_capacity(1 << 18, fs::File::create(&path)?);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&path, target)?;
    if durable {
        sync_folder(parent_of(target))?;
    }
    Ok(())
}
