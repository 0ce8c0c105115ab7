//! The lock's own file.

use std::path::{Path, PathBuf};

use basalt_lock::{Lock, MAXIMUM_SIZE};
use basalt_spec::LoadedSpec;

use crate::error::BuildError;

/// Where the lock of a spec is: beside it, named after it and the release.
pub fn lock_path(spec: &LoadedSpec) -> PathBuf {
    let stem = spec
        .path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    spec.path
        .with_file_name(format!("{stem}.{}.lock.json", spec.release))
}

/// Reads a lock, if there is one.
///
/// # Errors
/// When it cannot be read or is malformed.
pub(crate) fn read_lock(path: &Path) -> Result<Option<Lock>, BuildError> {
    let bytes = match basalt_file::read(path, MAXIMUM_SIZE as u64) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            let path = path.to_owned();
            return Err(BuildError::LocalFile { path, cause });
        }
    };
    Lock::parse(&bytes).map(Some).map_err(|cause| {
        let path = path.to_owned();
        BuildError::Lock { path, cause }
    })
}

/// Writes the lock whole or not at all, unless it is there with these bytes.
pub(crate) fn write_lock(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    if basalt_file::read(path, bytes.len() as u64).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let written = basalt_oci::write_file(path, true, |file| {
        // It is committed and shared, whatever the umask.
        let mode = std::fs::Permissions::from_mode(0o644);
        file.get_ref().set_permissions(mode)?;
        file.write_all(bytes)
    });
    written.map_err(|cause: std::io::Error| BuildError::LocalFile {
        path: path.to_owned(),
        cause,
    })
}
