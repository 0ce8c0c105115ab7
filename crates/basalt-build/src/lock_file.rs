//! The lock's own file, and the local files that a spec names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedBelow, MAXIMUM_SIZE};
use basalt_spec::LoadedSpec;
use basalt_trust::Clock;

use crate::BuildError;
use crate::slices;

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

/// Reads the lock of a spec, if there is one.
///
/// # Errors
/// When it cannot be read or is no lock.
pub fn read_lock(spec: &LoadedSpec) -> Result<Option<Lock>, BuildError> {
    let path = lock_path(spec);
    let bytes = match basalt_file::read(&path, MAXIMUM_SIZE as u64) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(BuildError::LocalFile { path, cause }),
    };
    Lock::parse(&bytes)
        .map(Some)
        .map_err(|cause| BuildError::Lock { path, cause })
}

/// Why a lock does not fit a spec, or the moment that was asked for, if it does not.
///
/// # Errors
/// When a local file that the spec names cannot be read.
pub(crate) fn misfit(
    spec: &LoadedSpec,
    lock: &Lock,
    clock: Clock,
) -> Result<Option<String>, BuildError> {
    if clock.as_of && lock.as_of != Some(clock.now) {
        let of = |moment: Option<i64>| match moment {
            Some(moment) => format!("as of {}", basalt_oci::date(moment)),
            None => "as of the day it was made".to_owned(),
        };
        return Ok(Some(format!(
            "it was locked {}, not {}",
            of(lock.as_of),
            of(Some(clock.now))
        )));
    }
    if lock.release != spec.release {
        return Ok(Some(format!(
            "it is for {}, not {}",
            lock.release, spec.release
        )));
    }
    if lock.spec != spec.digest() {
        return Ok(Some(
            "the spec says something else than when it was locked".to_owned(),
        ));
    }
    let below = lock.images.iter().flat_map(|image| &image.below);
    if let Some(lost) = below
        .into_iter()
        .find(|below| layered_on(spec, below).is_none())
    {
        return Ok(Some(format!(
            "the included spec of {} says something else than when it was locked",
            lost.name
        )));
    }
    let files = local_files(spec)?;
    for (path, digest) in &files {
        if lock.files.get(path) != Some(digest) {
            return Ok(Some(format!(
                "the local file {path} is not the one that was locked"
            )));
        }
    }
    let library = slices::library(spec)?;
    for (package, digest) in &lock.slice_definitions {
        if library.digest(package) != Some(*digest) {
            return Ok(Some(format!(
                "the slice definition of {package} is not the one that was locked"
            )));
        }
    }
    Ok(None)
}

/// The image that an image of the spec is laid over, as the lock names it: an included spec's, or
/// the spec's own without a variant.
pub(crate) fn layered_on<'s>(spec: &'s LoadedSpec, below: &LockedBelow) -> Option<&'s LoadedSpec> {
    spec.below
        .iter()
        .chain([spec])
        .find(|one| one.digest() == below.spec)
}

/// The digests of all local files that a spec names.
pub(crate) fn local_files(spec: &LoadedSpec) -> Result<BTreeMap<String, Digest>, BuildError> {
    let mut names = BTreeSet::new();
    let below = spec.below.iter().map(|below| &below.base);
    for image in spec.images().map(|(_, image)| image).chain(below) {
        names.extend(image.files.iter().filter_map(|file| file.source.clone()));
        names.extend(image.certificates.iter().cloned());
        names.extend(image.archives.iter().map(|archive| archive.keyring.clone()));
    }
    names
        .into_iter()
        .map(|name| Ok((name.clone(), Digest::of(&local_file(spec, &name)?))))
        .collect()
}

/// The most bytes of a local file that a spec names: it is held in memory.
const MAXIMUM_LOCAL_FILE: u64 = 1 << 30;

/// The content of a local file that a spec names.
pub(crate) fn local_file(spec: &LoadedSpec, name: &str) -> Result<Vec<u8>, BuildError> {
    let path = spec.folder.join(Path::new(name));
    basalt_file::read(&path, MAXIMUM_LOCAL_FILE).map_err(|cause| {
        unusable(
            spec,
            &["source", "keyring", "certificates"],
            name,
            path,
            cause,
        )
    })
}

/// Why what a spec names by one of these keys cannot be used: when it is not there, or of another kind, that is the spec's
/// fault, said with the place in it.
fn unusable(
    spec: &LoadedSpec,
    keys: &[&str],
    name: &str,
    path: PathBuf,
    cause: io::Error,
) -> BuildError {
    let is_of_spec = matches!(
        cause.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::FileTooLarge
    );
    if !is_of_spec {
        return BuildError::LocalFile { path, cause };
    }
    let message = format!("`{}` cannot be read: {cause}", path.display());
    // An included spec names it from its own folder.
    let slashes = name.match_indices('/').map(|(at, _)| at + 1);
    let words = std::iter::once(0)
        .chain(slashes)
        .filter_map(|start| name.get(start..));
    let places = words.flat_map(|word| keys.iter().map(move |key| [*key, word]));
    let placed = places
        .filter_map(|words| spec.at_words(&words, &message))
        .next();
    let text = placed.map_or(message, |placed| placed.to_string());
    BuildError::Spec(text.strip_prefix("error: ").unwrap_or(&text).to_owned())
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
