//! Reading a spec: its file, what it includes, its variants.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use basalt_digest::Digest;
use serde_saphyr::Options;

use crate::error::SpecError;
use crate::image::{ImageSpec, Impossible};
use crate::overlay::Overlay;
use crate::secrets;
use crate::strict;
use crate::suggest;

/// The longest spec that is read, in bytes.
pub const MAXIMUM_LENGTH: usize = 1 << 20;

/// How deep specs may include each other.
pub const MAXIMUM_DEPTH: usize = 8;

/// How many specs one may include, with those that they include.
pub const MAXIMUM_FILES: usize = 100;

/// The specs that lead to the one being read, those that were read, and those with a name of their own.
#[derive(Default)]
struct Chain {
    files: Vec<PathBuf>,
    read: Vec<SpecFile>,
    named: Vec<(PathBuf, Overlay)>,
}

/// A spec with all it includes, for one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSpec {
    /// The file.
    pub path: PathBuf,
    /// The folder that local files are relative to.
    pub folder: PathBuf,
    /// The release it is loaded for.
    pub release: String,
    /// The image without a variant.
    pub base: ImageSpec,
    /// The variants by name.
    pub variants: BTreeMap<String, ImageSpec>,
    /// The images that it is laid over: the specs it includes that have a name of their own, the
    /// innermost first. Their local paths are relative to the folder of this one.
    pub below: Vec<LoadedSpec>,
    /// The files that it was read from: its own, then what it includes.
    pub files: Vec<SpecFile>,
}

/// A file that a spec was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it said when it was read.
    pub text: String,
}

impl LoadedSpec {
    /// The image of a variant; `""` names the one without.
    pub fn image(&self, variant: &str) -> Option<&ImageSpec> {
        match variant {
            "" => Some(&self.base),
            name => self.variants.get(name),
        }
    }

    /// All images with their variant's name, the one without a variant first.
    pub fn images(&self) -> impl Iterator<Item = (&str, &ImageSpec)> {
        let variants = self
            .variants
            .iter()
            .map(|(name, image)| (name.as_str(), image));
        std::iter::once(("", &self.base)).chain(variants)
    }

    /// An error at the last of these words, each searched for after the one before, in the first file of
    /// the spec that has them all; nothing when none has.
    pub fn at_words(&self, words: &[&str], message: &str) -> Option<SpecError> {
        self.files
            .iter()
            .find_map(|file| SpecError::at_words(&file.path, &file.text, words, message))
    }

    /// An error about a local path that stands under this key: at the path, in the file of the spec that
    /// has it there; at the key, when the path is written in another way.
    pub fn at_path(&self, key: &str, local: &str, message: &str) -> SpecError {
        let written = self.named_files().find_map(|(name, file)| {
            let folder = Path::new(&name).parent()?;
            let written = Path::new(local).strip_prefix(folder).ok()?;
            SpecError::at_words(&file.path, &file.text, &[key, written.to_str()?], message)
        });
        written
            .or_else(|| self.at_words(&[key], message))
            .unwrap_or_else(|| SpecError::of_file(&self.path, message))
    }

    /// The files that it was read from, each with its name relative to the spec's folder.
    pub fn named_files(&self) -> impl Iterator<Item = (String, &SpecFile)> {
        self.files.iter().map(|file| {
            let name = file.path.strip_prefix(&self.folder).unwrap_or(&file.path);
            (tidy(name), file)
        })
    }

    /// Digest of what the spec says for this release; how it is written does not matter.
    pub fn digest(&self) -> Digest {
        let said = (&self.release, &self.base, &self.variants);
        // Maps and lists of text and numbers: writing them as JSON cannot fail.
        Digest::of(&serde_json::to_vec(&said).unwrap_or_default())
    }
}

/// Reads a spec for a release, or for the first that it names.
///
/// # Errors
/// When a file cannot be read, is no YAML, says something unknown or impossible, or the
/// release is none of the spec's. The error names file, line and column.
pub fn load(path: &Path, release: Option<&str>) -> Result<LoadedSpec, SpecError> {
    let mut chain = Chain::default();
    let merged = read(path, Path::new(""), &mut chain)?;
    let mut loaded = settled(path, &merged, &chain.named, release)?;
    chain.read.dedup_by(|one, former| one.path == former.path);
    loaded.files = chain.read;
    Ok(loaded)
}

/// As [`load`], for a spec that is in no file: `path` is what errors call it, and its folder is where
/// local files would be. It can include nothing.
///
/// # Errors
/// As [`load`].
pub fn load_text(path: &Path, text: &str, release: Option<&str>) -> Result<LoadedSpec, SpecError> {
    let own = parse(path, text)?;
    if let Some(include) = own.include.first() {
        let message = "a spec that is in no file includes another";
        return Err(SpecError::at_word(path, text, include, message.to_owned()));
    }
    settled(path, &own, &[], release)
}

/// A merged spec for one release, its values checked; `named` are the included specs that have a name.
fn settled(
    path: &Path,
    merged: &Overlay,
    named: &[(PathBuf, Overlay)],
    release: Option<&str>,
) -> Result<LoadedSpec, SpecError> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let releases = merged.releases.clone().unwrap_or_default();
    let release = choose(path, release, &releases)?;
    let at_fault = |cause: Impossible| {
        let text = read_text(path).unwrap_or_default();
        let word = cause.word.as_deref().filter(|word| !word.is_empty());
        match word {
            Some(word) => SpecError::at_word(path, &text, word, cause.message),
            None => SpecError::of_file(path, cause.message),
        }
        .with_help(cause.help)
    };
    let mut loaded = images(path, &folder, &release, merged).map_err(at_fault)?;
    for (path, overlay) in named {
        // One that is no image by itself only lends its parts.
        let below = images(path, &folder, &release, overlay).ok();
        loaded.below.extend(below.filter(|below| {
            !loaded
                .below
                .iter()
                .any(|one| one.digest() == below.digest())
        }));
    }
    Ok(loaded)
}

/// The images of a merged spec: without a variant, and each variant.
fn images(
    path: &Path,
    folder: &Path,
    release: &str,
    merged: &Overlay,
) -> Result<LoadedSpec, Impossible> {
    let mut variants = BTreeMap::new();
    for (name, variant) in &merged.variants {
        let mut overlay = merged.clone();
        overlay.lay(variant.clone());
        variants.insert(name.clone(), ImageSpec::new(&overlay, release)?);
    }
    // A secret may also be written so that it is one only once the text is read (`"\x40"`).
    let said = serde_json::to_string(merged).unwrap_or_default();
    if let Some(secret) = secrets::find(&said) {
        return Err(Impossible {
            message: format!("the spec holds {}", secret.what),
            help: Some(WITHOUT_SECRETS.to_owned()),
            word: None,
        });
    }
    Ok(LoadedSpec {
        path: path.to_owned(),
        folder: folder.to_owned(),
        release: release.to_owned(),
        base: ImageSpec::new(merged, release)?,
        variants,
        below: Vec::new(),
        files: Vec::new(),
    })
}

/// The release that is wanted, or the first there is.
fn choose(path: &Path, wanted: Option<&str>, known: &[String]) -> Result<String, SpecError> {
    match (wanted, known.first()) {
        (Some(wanted), _) if known.iter().any(|one| one == wanted) => Ok(wanted.to_owned()),
        (_, None) => Err(SpecError::of_file(path, "the spec names no release")
            .with_help(Some("add `releases: [trixie]`".to_owned()))),
        (Some(wanted), _) => {
            let message = format!("the spec is not for the release `{wanted}`");
            let help = suggest::nearest(wanted, known.iter().map(String::as_str)).map_or_else(
                || format!("it is for: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Err(SpecError::of_file(path, message).with_help(Some(help)))
        }
        (None, Some(first)) => Ok(first.clone()),
    }
}

/// Reads one file and what it includes. `prefix` leads from the main spec's folder to this file's.
fn read(path: &Path, prefix: &Path, chain: &mut Chain) -> Result<Overlay, SpecError> {
    let text = read_text(path)?;
    let own = parse(path, &text)?;
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    chain.files.push(real);
    chain.read.push(SpecFile {
        path: path.to_owned(),
        text: text.clone(),
    });
    let has_name = own.name.is_some();
    let merged = follow(own, path, &text, prefix, chain)?;
    chain.files.pop();
    if has_name && !chain.files.is_empty() {
        chain.named.push((path.to_owned(), merged.clone()));
    }
    Ok(merged)
}

/// Whether a file may be included here: it is there, it is not among those that include it, and
/// they are not too many.
fn may_include(target: &Path, chain: &Chain) -> Result<(), (String, String)> {
    let real = target.canonicalize().map_err(|cause| {
        let message = format!("{} cannot be read: {cause}", target.display());
        (message, "paths are relative to this file".to_owned())
    })?;
    if let Some(start) = chain.files.iter().position(|one| *one == real) {
        let names: Vec<String> = chain.files[start..]
            .iter()
            .chain([&real])
            .map(|one| {
                one.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        let message = "the spec includes itself".to_owned();
        return Err((message, format!("by way of {}", names.join(" → "))));
    }
    if chain.files.len() >= MAXIMUM_DEPTH {
        let message = format!("specs include each other more than {MAXIMUM_DEPTH} deep");
        return Err((message, "include from fewer levels".to_owned()));
    }
    if chain.read.len() >= MAXIMUM_FILES {
        let message = format!("more than {MAXIMUM_FILES} specs are included");
        return Err((
            message,
            "one that is included twice counts twice".to_owned(),
        ));
    }
    Ok(())
}

/// Lays an overlay over all that it includes, and does so for its variants.
fn follow(
    mut own: Overlay,
    path: &Path,
    text: &str,
    prefix: &Path,
    chain: &mut Chain,
) -> Result<Overlay, SpecError> {
    rebase(&mut own, prefix);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut merged = Overlay::default();
    for include in std::mem::take(&mut own.include) {
        let target = Path::new(&include);
        may_include(&folder.join(target), chain).map_err(|(message, help)| {
            SpecError::at_word(path, text, &include, message).with_help(Some(help))
        })?;
        let deeper = prefix.join(target.parent().unwrap_or(Path::new("")));
        merged.lay(read(&folder.join(target), &deeper, chain)?);
    }
    for (name, variant) in std::mem::take(&mut own.variants) {
        if !variant.variants.is_empty() {
            let message = format!("the variant `{name}` has variants of its own");
            return Err(SpecError::at_word(path, text, &name, message)
                .with_help(Some("write them side by side under `variants:`".to_owned())));
        }
        let named = chain.named.len();
        let mut variant = follow(variant, path, text, prefix, chain)?;
        chain.named.truncate(named);
        // Those of an included spec are the image's, not the variant's.
        variant.variants.clear();
        own.variants.insert(name, variant);
    }
    merged.lay(own);
    Ok(merged)
}

/// Makes local paths relative to the main spec's folder.
fn rebase(overlay: &mut Overlay, prefix: &Path) {
    let rebased = |path: &mut String| {
        if !Path::new(path.as_str()).is_absolute() {
            *path = tidy(&prefix.join(path.as_str()));
        }
    };
    overlay.certificates.iter_mut().for_each(rebased);
    overlay.slice_definitions.iter_mut().for_each(rebased);
    overlay
        .files
        .iter_mut()
        .filter_map(|file| file.source.as_mut())
        .for_each(rebased);
    overlay
        .archives
        .iter_mut()
        .map(|archive| &mut archive.keyring)
        .for_each(rebased);
}

/// A path without `.` and without `x/..`.
pub fn tidy(path: &Path) -> String {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidied.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidied.pop();
            }
            part => tidied.push(part),
        }
    }
    tidied.to_string_lossy().into_owned()
}

fn read_text(path: &Path) -> Result<String, SpecError> {
    let bytes = basalt_file::read(path, MAXIMUM_LENGTH as u64).map_err(|cause| {
        let help = (cause.kind() == std::io::ErrorKind::NotFound)
            .then(|| "`basalt init` writes a starter spec".to_owned());
        SpecError::of_file(path, format!("the spec cannot be read: {cause}")).with_help(help)
    })?;
    String::from_utf8(bytes)
        .map_err(|cause| SpecError::of_file(path, format!("the spec is not UTF-8: {cause}")))
}

/// Parses one file's text, without following what it includes.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Overlay, SpecError> {
    let parsed = strict::read(path, text, options())?;
    match secrets::find(text) {
        None => Ok(parsed),
        Some(secret) => {
            let message = format!("the spec holds {}", secret.what);
            let error = SpecError::at(path, text, secret.line, secret.column, message);
            Err(error.with_help(Some(WITHOUT_SECRETS.to_owned())))
        }
    }
}

/// What to do about a secret in a spec.
const WITHOUT_SECRETS: &str = "a spec is published in the provenance of its images; name a mirror with its password by \
    --mirror ARCHIVE=URL or BASALT_MIRROR_ARCHIVE, or the password in ~/.netrc or apt's auth.conf; give a container \
    what it needs when it is run";

/// Strict YAML 1.2, and bounded: a spec is a page or two.
fn options() -> Options {
    strict::options(20_000)
}
