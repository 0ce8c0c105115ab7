//! One package's definition, as its file has it.

use std::collections::BTreeMap;
use std::path::Path;

use basalt_effects::Effect;
use basalt_spec::SpecError;
use serde::Deserialize;

use crate::pattern::Pattern;
use crate::reference::{Reference, is_package, is_slice};
use crate::yaml::{self, contents, essentials, one_or_many, truth, unless_empty};

/// The most malformed slices that a definition is read without. Each costs one more reading of the text.
const MAXIMUM_MALFORMED: usize = 16;

/// The slices of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// The binary package.
    pub package: String,
    /// The archive that it is from, for chisel; Basalt takes the package as it takes all others.
    pub archive: Option<String>,
    /// The store of snaps that it is from, for chisel: Basalt has none.
    pub store: Option<String>,
    /// The track of that store.
    pub default_track: Option<String>,
    /// Slices that every one of these brings.
    pub essential: Vec<Essential>,
    /// As `essential`, in files for older chisels.
    pub v3_essential: Vec<Essential>,
    /// A hint to who chooses.
    pub hint: Option<String>,
    /// The well-formed slices by name; one of which nothing is said is empty.
    pub slices: BTreeMap<String, Slice>,
    /// What is wrong with the others, by name: it matters to who takes one of them alone.
    pub malformed: BTreeMap<String, SpecError>,
}

/// One slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slice {
    /// Slices that it brings.
    #[serde(deserialize_with = "essentials")]
    pub essential: Vec<Essential>,
    /// As `essential`, in files for older chisels.
    #[serde(deserialize_with = "essentials")]
    pub v3_essential: Vec<Essential>,
    /// Paths and patterns of the package, and paths that it makes.
    #[serde(deserialize_with = "contents")]
    pub contents: BTreeMap<String, Content>,
    /// A script of chisel's, which is never run.
    pub mutate: Option<String>,
    /// What that script does: our extension.
    pub effects: Option<Vec<Effect>>,
    /// A hint to who chooses.
    pub hint: Option<String>,
    /// A program that must start in an image of this slice alone, with its arguments: our extension.
    pub test: Vec<String>,
}

/// What is to stand at a path; nothing said: what the package has there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Content {
    /// A copy of this path of the package.
    #[serde(deserialize_with = "unless_empty")]
    pub copy: Option<String>,
    /// A new directory.
    #[serde(deserialize_with = "truth")]
    pub make: bool,
    /// A file of this text.
    pub text: Option<String>,
    /// A symbolic link to this.
    #[serde(deserialize_with = "unless_empty")]
    pub symlink: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Whether a script may change it; effects may in any case.
    #[serde(deserialize_with = "truth")]
    pub mutable: bool,
    /// Until when it is there.
    #[serde(deserialize_with = "unless_empty")]
    pub until: Option<Until>,
    /// Only for these architectures.
    #[serde(deserialize_with = "one_or_many")]
    pub arch: Vec<String>,
    /// Only in these releases: our extension.
    #[serde(deserialize_with = "one_or_many")]
    pub releases: Vec<String>,
    /// A file that the tool makes.
    #[serde(deserialize_with = "unless_empty")]
    pub generate: Option<Generate>,
    /// The package whose file is taken when both are there.
    #[serde(deserialize_with = "unless_empty")]
    pub prefer: Option<String>,
}

/// Until when something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Until the effects are applied.
    Mutate,
}

/// What chisel makes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generate {
    /// Its record of all slices.
    Manifest,
}

/// A slice that another brings, maybe only under conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Essential {
    /// The slice.
    pub reference: Reference,
    /// Only for these architectures; for all when empty.
    pub arch: Vec<String>,
    /// Only in these releases; in all when empty.
    pub releases: Vec<String>,
}

impl Definition {
    /// Reads a definition; what is wrong with one slice alone goes to [`Self::malformed`].
    ///
    /// # Errors
    /// When it is too long, no YAML, or says something unknown or impossible outside of its slices;
    /// the error names file, line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SpecError> {
        let mut malformed = BTreeMap::new();
        let mut definition = loop {
            match yaml::read(path, text, &malformed) {
                Ok(definition) => break definition,
                Err((Some(slice), error)) if malformed.len() < MAXIMUM_MALFORMED => {
                    malformed.insert(slice, *error);
                }
                Err((_, error)) => return Err(*error),
            }
        };
        let package = &definition.package;
        if !is_package(package) {
            let message = format!("`{package}` is no package name");
            let error = SpecError::at_word(path, text, package, message);
            return Err(error.with_help(Some("write the name of a binary package".to_owned())));
        }
        for (name, slice) in &definition.slices {
            if let Some((word, message, help)) = slice.fault(name) {
                let words = [word, word.trim_end_matches('/')];
                let error = words
                    .into_iter()
                    .find_map(|word| SpecError::at_words(path, text, &[name, word], &*message))
                    .unwrap_or_else(|| SpecError::at_word(path, text, name, message))
                    .with_help(Some(help.to_owned()));
                malformed.insert(name.clone(), error);
            }
        }
        definition
            .slices
            .retain(|name, _| !malformed.contains_key(name));
        definition.malformed = malformed;
        Ok(definition)
    }

    /// The package that a malformed definition is about: as it says itself, or as its file is named.
    pub(crate) fn package_of(path: &Path, text: &str) -> Option<String> {
        /// Whatever else it says.
        #[derive(Deserialize)]
        struct Named {
            package: String,
        }
        let said = basalt_spec::from_yaml::<Named>(path, text, yaml::MAXIMUM_NODES);
        let said = said.ok().map(|named| named.package);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        said.or_else(|| stem.map(str::to_owned))
            .filter(|name| is_package(name))
    }
}

impl Slice {
    /// What is wrong with a slice of this name: the word that is, a sentence, and what to do about it.
    fn fault<'a>(&'a self, name: &'a str) -> Option<(&'a str, String, &'static str)> {
        if !is_slice(name) {
            return Some((
                name,
                format!("`{name}` is no name of a slice"),
                "lower-case letters, digits and `-`, three at least, first a letter",
            ));
        }
        for (place, content) in &self.contents {
            if let Err((message, help)) = check(place, content) {
                return Some((place, message, help));
            }
        }
        let program = self.test.first()?;
        (!program.starts_with('/')).then(|| {
            let message = format!("the program `{program}` is not absolute");
            (program.as_str(), message, "begin it with `/`")
        })
    }
}

/// What is wrong with the content at a path, if anything is, and what to do about it.
fn check(place: &str, content: &Content) -> Result<(), (String, &'static str)> {
    let pattern = Pattern::new(place)
        .map_err(|message| (message, "write an absolute path, `*`, `?` and `**` allowed"))?;
    // A copy of itself is the package's path.
    let copy = content.copy.as_deref().filter(|from| *from != place);
    if let Some(Err(message)) = copy.map(Pattern::new) {
        return Err((message, "write the path in the package"));
    }
    let ways = [
        copy.is_some(),
        content.make,
        content.text.is_some(),
        content.symlink.is_some(),
        content.generate.is_some(),
    ];
    let count = ways.into_iter().filter(|way| *way).count();
    if count > 1 {
        return Err((
            format!("more than one thing is said to stand at {place}"),
            "write one of `copy`, `make`, `text`, `symlink`, `generate`",
        ));
    }
    let makes = count == 1 && content.generate.is_none();
    if makes && pattern.is_glob() {
        return Err((
            format!("{place} is a pattern, and something is to be made there"),
            "write one path",
        ));
    }
    // A link to a directory may be written as one.
    let may_end_so = content.make || content.symlink.is_some();
    if makes && (content.make && !place.ends_with('/') || !may_end_so && place.ends_with('/')) {
        return Err((
            format!("{place} is to be a directory just if it ends with `/`"),
            "write `make: true` with a path that ends with `/`",
        ));
    }
    if copy.is_some_and(|from| from.contains(['*', '?']) || from.ends_with('/')) {
        return Err((
            format!("what is copied to {place} is not one file"),
            "write one path",
        ));
    }
    if content.mode.is_some_and(|mode| mode > 0o7777) {
        return Err((
            format!("the mode of {place} is none"),
            "write up to four octal digits, such as 0755",
        ));
    }
    Ok(())
}
