//! What is worked out of a spec's folder, once: after that no stage reads the folder again.
//!
//! A file that changes while a build runs therefore changes nothing: what went into the lock's digests is what
//! goes into the image.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedBelow};
use basalt_slice::Library;
use basalt_spec::{ImageSpec, LoadedSpec};
use basalt_trust::Clock;

use crate::error::BuildError;
use crate::project::{lock_file, slice_library};

/// The most bytes of a local file that a spec names: it is held in memory.
const MAXIMUM_LOCAL_FILE: u64 = 1 << 30;

/// A spec with the local files and slice definitions that it names, read once.
#[derive(Debug, Clone)]
pub struct Project {
    /// The spec, with what it includes.
    pub spec: LoadedSpec,
    /// Where its lock is.
    pub lock_path: PathBuf,
    /// The slice definitions that it can use.
    pub(crate) library: Arc<Library>,
    files: Arc<BTreeMap<String, LocalFile>>,
}

/// A local file that a spec names.
#[derive(Debug)]
pub(crate) struct LocalFile {
    pub content: Vec<u8>,
    pub digest: Digest,
}

impl Project {
    /// Reads the local files and slice definitions that a spec names.
    ///
    /// # Errors
    /// When a file cannot be read or is longer than a GiB, or a slice definition is malformed.
    pub fn open(spec: LoadedSpec) -> Result<Self, BuildError> {
        let files = file_names(&spec)
            .into_iter()
            .map(|(name, key)| {
                let path = spec.folder.join(Path::new(&name));
                let content = basalt_file::read(&path, MAXIMUM_LOCAL_FILE)
                    .map_err(|cause| unreadable(&spec, key, &name, path, cause))?;
                let digest = Digest::of(&content);
                Ok((name, LocalFile { content, digest }))
            })
            .collect::<Result<_, BuildError>>()?;
        Ok(Self {
            lock_path: lock_file::lock_path(&spec),
            library: Arc::new(slice_library::library(&spec)?),
            files: Arc::new(files),
            spec,
        })
    }

    /// The same folder under another reading of its spec.
    pub(crate) fn with_spec(&self, spec: LoadedSpec) -> Self {
        Self {
            spec,
            ..self.clone()
        }
    }

    /// What an image is called in messages: `python for arm64, variant dev`.
    pub(crate) fn title(&self, architecture: &str, variant: &str) -> String {
        let name = &self.spec.base.name;
        match variant {
            "" => format!("{name} for {architecture}"),
            variant => format!("{name}, variant {variant}, for {architecture}"),
        }
    }

    /// The content of a local file that the spec names.
    ///
    /// # Errors
    /// When the spec that was opened does not name it.
    pub(crate) fn file(&self, name: &str) -> Result<&LocalFile, BuildError> {
        self.files.get(name).ok_or_else(|| BuildError::LocalFile {
            path: self.spec.folder.join(name),
            cause: std::io::Error::other("the spec does not name it"),
        })
    }

    /// The digests of all local files that the spec names.
    pub(crate) fn file_digests(&self) -> BTreeMap<String, Digest> {
        let files = self.files.iter();
        files
            .map(|(name, file)| (name.clone(), file.digest))
            .collect()
    }

    /// The image that an image of the spec is laid over, as the lock names it: an included spec's, or
    /// the spec's own without a variant.
    pub(crate) fn layered_on(&self, below: &LockedBelow) -> Option<&ImageSpec> {
        let all = self.spec.below.iter().chain([&self.spec]);
        all.into_iter()
            .find(|one| one.digest() == below.spec)
            .map(|one| &one.base)
    }

    /// Reads the lock, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub fn read_lock(&self) -> Result<Option<Lock>, BuildError> {
        lock_file::read_lock(&self.lock_path)
    }

    /// Why a lock does not fit the project, or the moment that was asked for, if it does not.
    pub(crate) fn misfit(&self, lock: &Lock, clock: Clock) -> Option<String> {
        let spec = &self.spec;
        if clock.as_of && lock.as_of != Some(clock.now) {
            let of = |moment: Option<i64>| match moment {
                Some(moment) => format!("as of {}", basalt_oci::date(moment)),
                None => "as of the day it was made".to_owned(),
            };
            return Some(format!(
                "it was locked {}, not {}",
                of(lock.as_of),
                of(Some(clock.now))
            ));
        }
        if lock.release != spec.release {
            return Some(format!("it is for {}, not {}", lock.release, spec.release));
        }
        if lock.spec != spec.digest() {
            return Some("the spec says something else than when it was locked".to_owned());
        }
        let mut below = lock.images.iter().flat_map(|image| &image.below);
        if let Some(lost) = below.find(|below| self.layered_on(below).is_none()) {
            return Some(format!(
                "the included spec of {} says something else than when it was locked",
                lost.name
            ));
        }
        let moved =
            |(name, file): &(&String, &LocalFile)| lock.files.get(*name) != Some(&file.digest);
        if let Some((name, _)) = self.files.iter().find(moved) {
            return Some(format!(
                "the local file {name} is not the one that was locked"
            ));
        }
        let moved =
            |(package, digest): &(&String, &Digest)| self.library.digest(package) != Some(**digest);
        let (package, _) = lock.slice_definitions.iter().find(moved)?;
        Some(format!(
            "the slice definition of {package} is not the one that was locked"
        ))
    }
}

/// The names of the local files that a spec, and the images that it is laid over, use, each with the spec's key for it.
fn file_names(spec: &LoadedSpec) -> BTreeMap<String, &'static str> {
    let below = spec.below.iter().map(|below| &below.base);
    let mut names = BTreeMap::new();
    for image in spec.images().map(|(_, image)| image).chain(below) {
        let sources = image.files.iter().filter_map(|file| file.source.as_ref());
        names.extend(sources.map(|name| (name.clone(), "source")));
        let certificates = image.certificates.iter();
        names.extend(certificates.map(|name| (name.clone(), "certificates")));
        let keyrings = image.archives.iter().map(|archive| &archive.keyring);
        names.extend(keyrings.map(|name| (name.clone(), "keyring")));
    }
    names
}

/// Why a local file cannot be used: when it is not there, or of another kind, that is the spec's fault, said with the
/// place in it.
fn unreadable(
    spec: &LoadedSpec,
    key: &str,
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
    let text = spec.at_path(key, name, &message).to_string();
    BuildError::Spec(text.strip_prefix("error: ").unwrap_or(&text).to_owned())
}
