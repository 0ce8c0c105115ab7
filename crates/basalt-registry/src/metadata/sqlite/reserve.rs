//! Room on the disk that is kept free beside the database, for what makes room: without it a disk that is full could not even
//! be told what to delete, as each change needs a few pages more before it frees any.
//!
//! It is a file of that length. When a change that brings nothing new finds no room, the file goes; and until it is there again,
//! whole, nothing new is taken. As much of it as there is room for is kept in any case: nobody else gets that meanwhile.

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
/// The smallest part of it that is of any use.
const SMALLEST: u64 = 64 << 10;

/// Such a file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    /// How many bytes of it there are.
    held: u64,
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
            held: 0,
        };
        reserve.hold();
        reserve
    }

    /// Holds as much of it as there is room for; whether that is all.
    pub fn hold(&mut self) -> bool {
        let mut size = self.size;
        while self.held < size {
            match self.make(size) {
                Ok(()) => self.held = size,
                // What was set aside of it all the same is not counted on.
                Err(_) => {
                    let _ = File::options()
                        .write(true)
                        .open(&self.path)
                        .and_then(|file| file.set_len(self.held));
                    size /= 2;
                    if size < SMALLEST {
                        break;
                    }
                }
            }
        }
        if self.held == 0 {
            let _ = std::fs::remove_file(&self.path);
        }
        self.held == self.size
    }

    /// Gives the room back to the disk; false when there was none to give.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.held) > 0 && std::fs::remove_file(&self.path).is_ok()
    }

    fn make(&self, size: u64) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
            // File systems that cannot set blocks aside.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => fill(&mut file, size),
            other => Ok(other?),
        }
    }
}

fn fill(file: &mut File, size: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let there = file.seek(SeekFrom::End(0))?;
    let zeros = [0; 64 << 10];
    let mut left = size.saturating_sub(there);
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
