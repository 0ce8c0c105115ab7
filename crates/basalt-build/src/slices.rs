//! The slices of a spec: their definitions, and what an image has of each package.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedBelow, LockedImage};
use basalt_slice::{Library, MAXIMUM_DEFINITIONS, REACHABLE, SliceError, Sliced, Target};
use basalt_spec::{ImageSpec, LoadedSpec, MAXIMUM_LENGTH};
use serde::Serialize;

use crate::BuildError;
use crate::build::{BuildRequest, assembled};
use crate::lock_file::unusable;
use crate::minimize;
use crate::session::Session;
use crate::slicing::LeftOutPath;

/// So many malformed definitions are shown.
const SHOWN_MALFORMED: usize = 10;

/// Packages with the names of their slices.
pub(crate) type Slices = BTreeMap<String, BTreeSet<String>>;

/// The definitions that a spec can take slices of: those compiled in, and its own over them.
/// Nothing when it takes none.
pub(crate) fn library(spec: &LoadedSpec) -> Result<Library, BuildError> {
    if spec.images().all(|(_, image)| image.slices.is_empty()) {
        return Ok(Library::default());
    }
    let mut library = Library::own()?;
    let folders: BTreeSet<&String> = spec
        .images()
        .flat_map(|(_, image)| &image.slice_definitions)
        .collect();
    for folder in folders {
        add_folder(&mut library, spec, folder)?;
    }
    Ok(library)
}

fn add_folder(library: &mut Library, spec: &LoadedSpec, folder: &str) -> Result<(), BuildError> {
    let mut path = spec.folder.join(folder);
    // A release of chisel's, as it is published.
    if path.join("chisel.yaml").is_file() {
        path.push("slices");
    }
    let fail = |path: &std::path::Path, cause| BuildError::LocalFile {
        path: path.to_owned(),
        cause,
    };
    let mut files = Vec::new();
    let entries = std::fs::read_dir(&path)
        .map_err(|cause| unusable(spec, &["slice-definitions"], folder, path.clone(), cause))?;
    for entry in entries {
        let file = entry.map_err(|cause| fail(&path, cause))?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(file);
        }
        if files.len() > MAXIMUM_DEFINITIONS {
            return Err(SliceError::TooMany {
                maximum: MAXIMUM_DEFINITIONS,
            }
            .into());
        }
    }
    files.sort();
    for file in files {
        let text = basalt_file::read_text(&file, MAXIMUM_LENGTH as u64)
            .map_err(|cause| fail(&file, cause))?;
        library.add(&file, &text)?;
    }
    Ok(())
}

/// Says which definitions are malformed: no slice of theirs is taken, or that was an error.
pub(crate) fn warn_of_malformed(library: &Library, session: &Session) {
    let malformed = library.malformed();
    for error in malformed.iter().take(SHOWN_MALFORMED) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let note = "no slice of it is taken, so this does no harm here";
        session
            .observer
            .warning(&format!("warning: {text}\n{note}"));
    }
    if let more @ 1.. = malformed.len().saturating_sub(SHOWN_MALFORMED) {
        session.observer.warning(&format!(
            "warning: {more} more slice definitions are malformed"
        ));
    }
}

/// The slices that a spec names for an image, by package.
pub(crate) fn named(image: &ImageSpec, target: Target<'_>) -> Slices {
    image
        .slices
        .iter()
        .filter(|(_, choice)| choice.applies(target.architecture, target.release))
        .map(|(package, choice)| (package.to_string(), choice.names.iter().cloned().collect()))
        .collect()
}

/// An error of a slice that the spec names, at the place where it does.
pub(crate) fn at_fault(spec: &LoadedSpec, cause: SliceError) -> SliceError {
    let Some((package, slice)) = cause.named() else {
        return cause;
    };
    let words: Vec<&str> = ["slices", &package]
        .into_iter()
        .chain(slice.as_deref())
        .collect();
    match spec.at_words(&words, &cause.to_string()) {
        Some(placed) => placed.into(),
        None => cause,
    }
}

/// The digests of the definitions that images use.
pub(crate) fn digests<'i>(
    library: &Library,
    slices: impl Iterator<Item = &'i Slices>,
) -> BTreeMap<String, Digest> {
    slices
        .flat_map(BTreeMap::keys)
        .filter_map(|package| Some((package.clone(), library.digest(package)?)))
        .collect()
}

/// What a locked image has of each package that is not whole in it.
pub(crate) fn of_image(
    library: &Library,
    lock: &Lock,
    image: &LockedImage,
) -> Result<BTreeMap<String, Sliced>, BuildError> {
    let target = Target {
        release: &lock.release,
        architecture: &image.architecture,
    };
    Ok(library.select(&image.slices, target)?)
}

/// What the images that one is laid over have of each package that is not whole in them: as the image
/// itself, `sliced`, but for those of which the lock says otherwise.
pub(crate) fn of_below(
    library: &Library,
    lock: &Lock,
    image: &LockedImage,
    sliced: &BTreeMap<String, Sliced>,
) -> Result<Vec<BTreeMap<String, Sliced>>, BuildError> {
    let target = Target {
        release: &lock.release,
        architecture: &image.architecture,
    };
    let of_one = |below: &LockedBelow| {
        let names = image.layers.iter().take(below.layers).flatten();
        let mut all: BTreeMap<String, Sliced> = names
            .filter_map(|name| Some((name.clone(), sliced.get(name)?.clone())))
            .collect();
        all.extend(library.select(&below.slices, target)?);
        Ok(all)
    };
    image.below.iter().map(of_one).collect()
}

/// What an image has of a package of which only slices are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartialPackage {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The slices that are in the image.
    pub slices: Vec<String>,
    /// What the slices leave out, in the order of the package.
    pub left_out: Vec<LeftOutPath>,
}

/// The packages of which only slices are in an image, with what is left out of each: the record
/// that SBOM, VEX and `basalt explain` read.
///
/// # Errors
/// As [`crate::build`].
pub fn partial_packages(
    session: &Session,
    spec: &LoadedSpec,
    architecture: &str,
    variant: &str,
) -> Result<Vec<PartialPackage>, BuildError> {
    let request = BuildRequest::of_one(architecture, variant);
    let (lock, packages, tree) = assembled(session, spec, &request)?;
    let minimized = lock
        .image(architecture, variant)
        .is_some_and(|image| !image.kept.is_empty());
    if minimized {
        let partial = packages.into_iter().map(|(package, read)| PartialPackage {
            package,
            left_out: minimize::left_out(&tree, &read),
            version: read.listing.version,
            slices: vec![REACHABLE.to_owned()],
        });
        return Ok(partial.filter(|one| !one.left_out.is_empty()).collect());
    }
    let slices = lock.image(architecture, variant).map(|image| &image.slices);
    let named = slices.into_iter().flatten();
    Ok(named
        .filter_map(|(name, slices)| {
            let read = packages.get(name)?;
            Some(PartialPackage {
                package: name.clone(),
                version: read.listing.version.clone(),
                slices: slices.iter().cloned().collect(),
                left_out: read.left_out.clone(),
            })
        })
        .collect())
}
