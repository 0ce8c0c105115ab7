//! Room on the disk that is kept free beside the database, for what makes room: without it a disk that is full could not even
//! be told what to delete, as each change needs a few pages more before it frees any.
//!
//! It is a file of that length. When a change that brings nothing new finds no room, the file goes; and as long as it is gone,
//! nothing new is taken.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// The name of the file.
const NAME: &str = "reserve";
/// How many bytes it has at most and at least, and which part of the disk in between: some thousand pages of the database.
const MOST: u64 = 16 << 20;
const LEAST: u64 = 512 << 10;
const PART: u64 = 16;

/// Such a file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    is_held: bool,
}

impl Reserve {
    /// The one beside a database; held if there is room for it.
    pub fn beside(database: &Path) -> Self {
        let path = database.with_file_name(NAME);
        let total = rustix::fs::statvfs(path.parent().unwrap_or(&path))
            .map_or(MOST * PART, |disk| {
                disk.f_blocks.saturating_mul(disk.f_frsize)
            });
        let mut reserve = Self {
            path,
            size: (total / PART).clamp(LEAST, MOST),
            is_held: false,
        };
        reserve.hold();
        reserve
    }

    /// Holds it again, if that is possible now; whether it is held.
    pub fn hold(&mut self) -> bool {
        if !self.is_held {
            self.is_held = self.make().is_ok();
            if !self.is_held {
                // Part of it would only take the room that is left.
                let _ = std::fs::remove_file(&self.path);
            }
        }
        self.is_held
    }

    /// Gives the room back to the disk; false when there was none to give.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.is_held) && std::fs::remove_file(&self.path).is_ok()
    }

    fn make(&self) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.size) {
            // File systems that cannot set blocks aside.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => fill(&mut file, self.size),
            other => Ok(other?),
        }
    }
}

fn fill(file: &mut File, size: u64) -> io::Result<()> {
    if file.metadata()?.len() >= size {
        return Ok(());
    }
    let zeros = [0; 64 << 10];
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..part).unwrap_or_default())?;
        left -= part as u64;
    }
    file.sync_data()
}

/// How many bytes of a disk are free for who is not root.
pub(in crate::metadata) fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_given_back_and_held_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("registry.db");
        let mut reserve = Reserve::beside(&database);
        let length = || std::fs::metadata(folder.path().join(NAME)).map(|file| file.len());
        assert!(reserve.hold());
        let size = length().expect("it is there");
        assert!((LEAST..=MOST).contains(&size), "{size}");
        assert!(reserve.release() && !reserve.release());
        assert!(length().is_err());
        assert!(reserve.hold());
        assert_eq!(length().expect("it is there"), size);
        // One that was there before is taken as it is.
        assert!(Reserve::beside(&database).hold());
    }
}
