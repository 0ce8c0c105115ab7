//! The file that says who has a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::FlockOperation;

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
    fn a_folder_is_taken_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("it can be made");
        assert!(held.is_some());
        assert!(lock(folder.path()).expect("it can be made").is_none());
        drop(held);
        assert!(lock(folder.path()).expect("it can be made").is_some());
    }
}
