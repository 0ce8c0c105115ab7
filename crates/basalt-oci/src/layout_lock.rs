//! One writer at a time changes a layout that stands: the lock is on the folder itself, so that nothing of it is left
//! behind, and nothing stands in the layout that is no part of one.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often the folder may be put in place anew while it is waited for.
const ATTEMPTS: u32 = 1000;

/// Waits until no other process changes this layout; the lock ends when the file is dropped.
pub(crate) fn lock_layout(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        let folder = fs_err::File::open(path)?.into_parts().0;
        match flock(&folder, FlockOperation::LockExclusive) {
            Ok(()) => {}
            Err(Errno::INTR) => continue,
            // A file system without locks (some network ones).
            Err(_) => return Ok(folder),
        }
        // A build may have put another folder in place while we waited for the former one.
        let (here, there) = (folder.metadata()?, fs_err::metadata(path)?);
        if (here.dev(), here.ino()) == (there.dev(), there.ino()) {
            return Ok(folder);
        }
    }
    Err(io::Error::other(format!(
        "{} is put in place anew all the time",
        path.display()
    )))
}
