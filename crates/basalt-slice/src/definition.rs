//! One package's definition, as its file has it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use basalt_effects::Effect;
use basalt_spec::SpecError;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::pattern::Pattern;
use crate::reference::{Reference, is_package, is_slice};

/// The most values of one definition.
const MAXIMUM_NODES: usize = 50_000;

/// The slices of one package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Definition {
    /// The binary package.
    pub package: String,
    /// The archive that it is from, for chisel; Basalt takes the package as it takes all others.
    #[serde(default)]
    pub archive: Option<String>,
    /// The store of snaps that it is from, for chisel: Basalt has none.
    #[serde(default)]
    pub store: Option<String>,
    /// The track of that store.
    #[serde(default)]
    pub default_track: Option<String>,
    /// Slices that every one of these brings.
    #[serde(default, deserialize_with = "essentials")]
    pub essential: Vec<Essential>,
    /// As `essential`, in files for older chisels.
    #[serde(default, deserialize_with = "essentials")]
    pub v3_essential: Vec<Essential>,
    /// A hint to who chooses.
    #[serde(default)]
    pub hint: Option<String>,
    /// The slices by name; one of which nothing is said is empty.
    #[serde(default, deserialize_with = "slices")]
    pub slices: BTreeMap<String, Slice>,
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
    pub copy: Option<String>,
    /// A new directory.
    pub make: bool,
    /// A file of this text.
    pub text: Option<String>,
    /// A symbolic link to this.
    pub symlink: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Whether a script may change it; effects may in any case.
    pub mutable: bool,
    /// Until when it is there.
    pub until: Option<Until>,
    /// Only for these architectures.
    #[serde(deserialize_with = "one_or_many")]
    pub arch: Vec<String>,
    /// Only in these releases: our extension.
    #[serde(deserialize_with = "one_or_many")]
    pub releases: Vec<String>,
    /// A file that the tool makes.
    pub generate: Option<Generate>,
    /// The package whose file is taken when both are there.
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
    /// Reads a definition.
    ///
    /// # Errors
    /// When it is too long, no YAML, or says something unknown or impossible; the error names file,
    /// line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SpecError> {
        let definition: Self = basalt_spec::from_yaml(path, text, MAXIMUM_NODES)?;
        let wrong = |word: &str, message: String, help: &str| {
            let word = word.trim_end_matches('/');
            SpecError::at_word(path, text, word, message).with_help(Some(help.to_owned()))
        };
        let package = &definition.package;
        if !is_package(package) {
            let message = format!("`{package}` is no package name");
            return Err(wrong(
                package,
                message,
                "write the name of a binary package",
            ));
        }
        for (name, slice) in &definition.slices {
            if !is_slice(name) {
                return Err(wrong(
                    name,
                    format!("`{name}` is no name of a slice"),
                    "lower-case letters, digits and `-`, three at least, first a letter",
                ));
            }
            for (place, content) in &slice.contents {
                check(place, content).map_err(|(message, help)| wrong(place, message, help))?;
            }
            if slice
                .test
                .first()
                .is_some_and(|program| !program.starts_with('/'))
            {
                let program = slice.test.first().map_or("", String::as_str);
                let message = format!("the program `{program}` is not absolute");
                return Err(wrong(program, message, "begin it with `/`"));
            }
        }
        Ok(definition)
    }

    /// The package that a malformed definition is about: as it says itself, or as its file is named.
    pub(crate) fn package_of(path: &Path, text: &str) -> Option<String> {
        /// Whatever else it says.
        #[derive(Deserialize)]
        struct Named {
            package: String,
        }
        let said = basalt_spec::from_yaml::<Named>(path, text, MAXIMUM_NODES);
        let said = said.ok().map(|named| named.package);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        said.or_else(|| stem.map(str::to_owned))
            .filter(|name| is_package(name))
    }
}

/// What is wrong with the content at a path, if anything is, and what to do about it.
fn check(place: &str, content: &Content) -> Result<(), (String, &'static str)> {
    let pattern = Pattern::new(place)
        .map_err(|message| (message, "write an absolute path, `*`, `?` and `**` allowed"))?;
    if let Some(Err(message)) = content.copy.as_deref().map(Pattern::new) {
        return Err((message, "write the path in the package"));
    }
    let ways = [
        content.copy.is_some(),
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
    if content
        .copy
        .as_deref()
        .is_some_and(|from| from.contains(['*', '?']) || from.ends_with('/'))
    {
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
    if content.symlink.as_deref() == Some("") {
        return Err((
            format!("the link {place} leads nowhere"),
            "write its target",
        ));
    }
    Ok(())
}

fn slices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Slice>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Slice>>>::deserialize(deserializer)?;
    Ok(map
        .unwrap_or_default()
        .into_iter()
        .map(|(name, slice)| (name, slice.unwrap_or_default()))
        .collect())
}

fn contents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Content>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Content>>>::deserialize(deserializer)?;
    Ok(map
        .unwrap_or_default()
        .into_iter()
        .map(|(path, content)| (path, content.unwrap_or_default()))
        .collect())
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word or a list of words")
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<Vec<String>, E> {
            Ok(vec![word.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut words = Vec::new();
            while let Some(word) = list.next_element()? {
                words.push(word);
            }
            Ok(words)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Condition {
    #[serde(deserialize_with = "one_or_many")]
    arch: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    releases: Vec<String>,
}

/// A list of slices, or a mapping of them to conditions.
fn essentials<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Essential>, D::Error> {
    struct Essentials;
    impl<'de> Visitor<'de> for Essentials {
        type Value = Vec<Essential>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of slices, or a mapping of them to conditions")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(word) = list.next_element::<String>()? {
                all.push(essential(&word, Condition::default())?);
            }
            Ok(all)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(word) = map.next_key::<String>()? {
                let condition = map.next_value::<Option<Condition>>()?;
                all.push(essential(&word, condition.unwrap_or_default())?);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Essentials)
}

fn essential<E: de::Error>(word: &str, condition: Condition) -> Result<Essential, E> {
    Ok(Essential {
        reference: word.parse().map_err(E::custom)?,
        arch: condition.arch,
        releases: condition.releases,
    })
}
