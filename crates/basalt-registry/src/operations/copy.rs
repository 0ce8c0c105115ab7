//! Blobs copied from one folder to another, with their digests looked at on the way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::blobs::sync_folder;
use crate::digest::{Digest, Hasher};

/// How much is copied at once, in bytes.
const PIECE: usize = 1 << 20;

/// Copies a blob, if it has its length and digest; whether it has. The copy is whole, on the disk, under its name, or is not
/// there. `between` is called now and then.
///
/// # Errors
/// When the copy cannot be written, or those of `between`.
pub(super) fn copy_blob<E: From<io::Error>>(
    from: &Path,
    to: &Path,
    digest: &Digest,
    size: u64,
    mut between: impl FnMut() -> Result<(), E>,
) -> Result<bool, E> {
    let Ok(mut source) = File::open(from) else {
        return Ok(false);
    };
    let folder = to.parent().unwrap_or(to);
    if !folder.is_dir() {
        std::fs::create_dir_all(folder)?;
        sync_folder(folder.parent().unwrap_or(folder))?;
    }
    let part = to.with_extension("part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut target = options.open(&part)?;
    let mut hasher = Hasher::new(digest.algorithm());
    let mut buffer = vec![0; PIECE];
    let mut length = 0;
    let is_read = loop {
        between()?;
        match source.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                target.write_all(&buffer[..count])?;
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What cannot be read is as bad as what is wrong.
            Err(_) => break false,
        }
    };
    if !is_read || length != size || hasher.finish() != *digest {
        std::fs::remove_file(&part)?;
        return Ok(false);
    }
    target.sync_all()?;
    std::fs::rename(&part, to)?;
    sync_folder(folder)?;
    Ok(true)
}
