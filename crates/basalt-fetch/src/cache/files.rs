//! Files as the cache keeps them: made aside, put in place by rename, opened warily.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::{Cache, Durability};

/// What a file in place may be: read by all, written by none.
const FILE_MODE: u32 = 0o444;

/// The mode for folders inside a folder that several users write to, if it is one.
pub(super) fn shared_mode(root: &Path) -> io::Result<Option<u32>> {
    let mode = fs_err::metadata(root)?.mode() & 0o7777;
    // Without the sticky bit one user could rename another's files.
    Ok((mode & 0o022 != 0).then_some(mode | 0o1000))
}

/// Opens a regular file for reading; a link, a pipe or a device in its place is as good as
/// nothing, and must neither be followed nor block.
pub(super) fn open_regular(path: &Path) -> io::Result<Option<(File, std::fs::Metadata)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A file another user keeps for himself is, to us, not there.
        Err(Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::NOTDIR | Errno::LOOP) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(io::Error::new(
                io::Error::from(error).kind(),
                format!("failed to open `{}`: {error}", path.display()),
            ));
        }
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

impl Cache {
    /// Opens a file of the cache as [`open_regular`] does; no prune takes it away from then on.
    pub(super) fn open_held(&self, place: &Path) -> io::Result<Option<(File, std::fs::Metadata)>> {
        self.looking_at(place, || open_regular(place))
    }

    /// A new file in `temporary`, locked so that a sweep knows that it is in use.
    pub(crate) fn temporary_file(&self) -> io::Result<NamedTempFile> {
        let folder = self.temporary_folder();
        self.make_folder(&folder)?;
        let file = tempfile::Builder::new()
            .prefix(&temporary_prefix(std::process::id()))
            .tempfile_in(&folder)
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("failed to make a file in `{}`: {error}", folder.display()),
                )
            })?;
        // A file system without locks only loses the early sweep of this one file.
        let _ = file.as_file().try_lock();
        Ok(file)
    }

    /// Makes a folder below the root and those above it.
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent()
            && parent.starts_with(self.root())
        {
            self.make_folder(parent)?;
        }
        match fs_err::create_dir(folder) {
            Ok(()) => {
                if let Some(mode) = self.inner.directory_mode {
                    fs_err::set_permissions(folder, Permissions::from_mode(mode))?;
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts a finished file in place. When another user's file is there and may not be
    /// replaced, ours goes beside it, under [`own_place`](Self::own_place).
    pub(crate) fn put_in_place(&self, file: NamedTempFile, place: &Path) -> io::Result<()> {
        file.as_file()
            .set_permissions(Permissions::from_mode(FILE_MODE))?;
        if self.inner.durability == Durability::Synced {
            file.as_file().sync_all()?;
        }
        if let Some(folder) = place.parent() {
            self.make_folder(folder)?;
        }
        self.looking_at(place, || ());
        let file = match file.persist(place) {
            Ok(_) => return self.sync_folder(place),
            Err(error) if error.error.kind() == io::ErrorKind::PermissionDenied => error.file,
            Err(error) => return Err(named(place, &error.error)),
        };
        let own = self.own_place(place);
        match file.persist(&own) {
            Ok(_) => self.sync_folder(&own),
            Err(error) => Err(named(&own, &error.error)),
        }
    }

    fn sync_folder(&self, place: &Path) -> io::Result<()> {
        match (self.inner.durability, place.parent()) {
            (Durability::Synced, Some(folder)) => fs_err::File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    /// Where this user's copy lies when another user holds the common place.
    pub(super) fn own_place(&self, place: &Path) -> PathBuf {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}", self.inner.user));
        PathBuf::from(name)
    }

    /// Whether only this user or root could have written the file.
    pub(super) fn is_ours(&self, metadata: &std::fs::Metadata) -> bool {
        metadata.uid() == self.inner.user || metadata.uid() == 0
    }
}

/// How the names of a process's temporary files begin.
pub(super) fn temporary_prefix(process: u32) -> String {
    format!("writing-{process}-")
}

fn named(place: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("failed to put `{}` in place: {error}", place.display()),
    )
}
