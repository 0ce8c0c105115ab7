//! The slice definitions that a spec can use, and what it takes of them.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;
use basalt_slice::{Library, MAXIMUM_DEFINITIONS, SliceError, Target};
use basalt_spec::{ImageSpec, LoadedSpec, MAXIMUM_LENGTH};

use crate::error::BuildError;
use crate::run::session::Session;

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
    for entry in std::fs::read_dir(&path).map_err(|cause| fail(&path, cause))? {
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
