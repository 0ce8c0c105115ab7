//! The slice definitions that a spec can use, and what it takes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
/// Nothing when it takes none; the folders that it names must be there all the same.
pub(crate) fn library(spec: &LoadedSpec) -> Result<Library, BuildError> {
    let names: BTreeSet<&String> = spec
        .images()
        .flat_map(|(_, image)| &image.slice_definitions)
        .collect();
    let folders = names.into_iter().map(|name| folder(spec, name));
    let folders: Vec<Folder> = folders.collect::<Result<_, _>>()?;
    if spec.images().all(|(_, image)| image.slices.is_empty()) {
        return Ok(Library::default());
    }
    let mut library = Library::own()?;
    for folder in &folders {
        add_folder(&mut library, folder)?;
    }
    Ok(library)
}

/// A folder of definitions.
struct Folder {
    path: PathBuf,
    /// Whether it is one of a release of chisel's, which may have folders within.
    is_of_chisel: bool,
}

/// The folder that a spec names.
fn folder(spec: &LoadedSpec, name: &str) -> Result<Folder, SliceError> {
    let mut path = spec.folder.join(name);
    let is_of_chisel = path.join("chisel.yaml").is_file();
    if is_of_chisel {
        path.push("slices");
    }
    let wrong = |what: &str| {
        let message = format!("{} {what}", path.display());
        spec.at_path("slice-definitions", name, &message)
            .with_help(Some(
                "name a folder of slice definitions, or of a release of chisel's".to_owned(),
            ))
    };
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(Folder { path, is_of_chisel }),
        Ok(_) => Err(wrong("is no folder").into()),
        Err(cause) => Err(wrong(&format!("cannot be read: {cause}")).into()),
    }
}

fn add_folder(library: &mut Library, folder: &Folder) -> Result<(), BuildError> {
    let fail = |path: &Path, cause| BuildError::LocalFile {
        path: path.to_owned(),
        cause,
    };
    let mut files = Vec::new();
    let mut folders = vec![folder.path.clone()];
    while let Some(path) = folders.pop() {
        for entry in std::fs::read_dir(&path).map_err(|cause| fail(&path, cause))? {
            let entry = entry.map_err(|cause| fail(&path, cause))?;
            let file = entry.path();
            // What a link leads to is none of the folder's, so this ends.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.extend(folder.is_of_chisel.then_some(file));
            } else if file
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                files.push(file);
            }
            if files.len() + folders.len() > MAXIMUM_DEFINITIONS {
                return Err(SliceError::TooMany {
                    maximum: MAXIMUM_DEFINITIONS,
                }
                .into());
            }
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

/// Says which definitions and slices are malformed: nothing of them is taken, or that was an error.
pub(crate) fn warn_of_malformed(library: &Library, session: &Session) {
    let malformed = library.malformed();
    for error in malformed.iter().take(SHOWN_MALFORMED) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let note = "nothing of it is taken, so this does no harm here";
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be taken of the definitions in a folder of these files.
    fn of_files(files: &[(&str, &str)]) -> Library {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            std::fs::write(path, text).expect("it is written");
        };
        for (name, text) in files {
            write(&format!("definitions/{name}"), text);
        }
        let link = folder.path().join("definitions/slices/link");
        if let Ok(()) = std::fs::create_dir_all(link.parent().expect("it has one")) {
            std::os::unix::fs::symlink("../..", link).expect("it is made");
        }
        write(
            "spec.yaml",
            "name: app\nreleases: [trixie]\narchitectures: [amd64]\nslices: { one: [bins] }\nslice-definitions: [definitions]\n",
        );
        let spec = basalt_spec::load(&folder.path().join("spec.yaml"), None).expect("a spec");
        library(&spec).expect("they are read")
    }

    const ONE: &str = "package: one\nslices: { bins: }\n";
    const TWO: &str = "package: two\nslices: { bins: }\n";

    #[test]
    fn definitions_of_a_release_of_chisels_may_stand_in_folders_within() {
        for format in ["v1", "v2", "v3"] {
            let release = format!(
                "format: {format}\nmaintenance: {{ standard: 2026-04-23, end-of-life: 2038-04-27 }}\narchives:\n  ubuntu: {{ version: 26.04, suites: [a], components: [main], priority: 10, public-keys: [k], pro: esm-apps }}\n"
            );
            let library = of_files(&[
                ("chisel.yaml", &release),
                ("README.md", "# no definition"),
                ("slices/one.yaml", ONE),
                ("slices/deep/in.yaml/two.yaml", TWO),
            ]);
            assert!(library.source("one").is_some() && library.source("two").is_some());
            assert_eq!(library.malformed(), []);
        }
    }

    #[test]
    fn a_folder_of_ones_own_is_read_without_those_within() {
        let library = of_files(&[
            ("one.yaml", ONE),
            ("old/two.yaml", TWO),
            ("a.yaml/b.yaml", TWO),
        ]);
        assert!(library.source("one").is_some() && library.source("two").is_none());
    }
}
