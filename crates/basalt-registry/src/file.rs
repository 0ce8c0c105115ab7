//! Small files: read within bounds, and the one that says who has a folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::FlockOperation;

/// Reads a file that may have so many bytes, whatever it says of its length.
///
/// # Errors
/// When it cannot be read, or has more.
pub(crate) fn read(path: &Path, maximum: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(maximum.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > maximum {
        true => Err(io::Error::other(format!(
            "it is longer than {maximum} bytes"
        ))),
        false => Ok(bytes),
    }
}

/// Takes a registry's folder for this process alone, for as long as the file is held; nothing when another has it.
///
/// # Errors
/// When the file cannot be made.
pub(crate) fn lock(root: &Path) -> io::Result<Option<File>> {
    let file = File::create(root.join("lock"))?;
    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok(locked.is_ok().then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_refused_beyond() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, b"1234").expect("it is written");
        assert_eq!(read(&path, 4).expect("it is short enough"), b"1234");
        let error = read(&path, 3).expect_err("it is too long");
        assert_eq!(error.to_string(), "it is longer than 3 bytes");
        // One that says nothing of its length.
        assert!(read(Path::new("/dev/zero"), 1000).is_err());
    }

    #[test]
    fn a_folder_is_taken_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("it can be made");
        assert!(held.is_some());
        assert!(lock(folder.path()).expect("it can be made").is_none());
        drop(held);
        assert!(lock(folder.path()).expect("it can be made").is_some());
    }
}
