//! The fields of a stanza that an index keeps, checked.

use basalt_digest::{Digest, Promise, Sha512};

use super::fault::{Fault, MAXIMUM_PROVIDES};
use super::record::{MultiArch, Priority};
use crate::path;
use crate::relation::{Provide, is_package_name, parse_provides};
use crate::stanza::{Stanza, StanzaError};
use crate::version::Version;

/// The fields of a stanza that are kept.
#[derive(Default)]
struct Kept<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    architecture: Option<&'a str>,
    source: Option<&'a str>,
    multi_arch: Option<&'a str>,
    essential: Option<&'a str>,
    protected: Option<&'a str>,
    important: Option<&'a str>,
    priority: Option<&'a str>,
    section: Option<&'a str>,
    installed_size: Option<&'a str>,
    filename: Option<&'a str>,
    size: Option<&'a str>,
    sha256: Option<&'a str>,
    sha512: Option<&'a str>,
    /// Whether it has a digest that can be forged.
    weak: Option<&'static str>,
    provides: Option<&'a str>,
    /// `Depends`, `Pre-Depends`, `Recommends`, `Conflicts`, `Breaks`, `Replaces`.
    relations: [&'a str; 6],
}

impl<'a> Kept<'a> {
    fn of(stanza: &Stanza<'a>) -> Self {
        let mut kept = Self::default();
        let mut lower = [0; 16];
        for field in stanza.fields() {
            let name = field.name.as_bytes();
            let Some(lower) = lower.get_mut(..name.len()) else {
                continue;
            };
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            let value = Some(field.value);
            match &*lower {
                b"package" => kept.name = value,
                b"version" => kept.version = value,
                b"architecture" => kept.architecture = value,
                b"source" => kept.source = value,
                b"multi-arch" => kept.multi_arch = value,
                b"essential" => kept.essential = value,
                b"protected" => kept.protected = value,
                b"important" => kept.important = value,
                b"priority" => kept.priority = value,
                b"section" => kept.section = value,
                b"installed-size" => kept.installed_size = value,
                b"filename" => kept.filename = value,
                b"size" => kept.size = value,
                b"sha256" => kept.sha256 = value,
                b"sha512" => kept.sha512 = value,
                b"md5sum" => kept.weak = Some("MD5sum"),
                b"sha1" => kept.weak = Some("SHA1"),
                b"provides" => kept.provides = value,
                b"depends" => kept.relations[0] = field.value,
                b"pre-depends" => kept.relations[1] = field.value,
                b"recommends" => kept.relations[2] = field.value,
                b"conflicts" => kept.relations[3] = field.value,
                b"breaks" => kept.relations[4] = field.value,
                b"replaces" => kept.relations[5] = field.value,
                _ => {}
            }
        }
        kept
    }
}

/// A stanza whose fields are sound.
pub(super) struct Sound<'a> {
    pub name: &'a str,
    pub version: Version,
    /// Whether it is for all architectures.
    pub all: bool,
    /// The source package; empty where it is that of the same name.
    pub source: &'a str,
    /// Its version; empty where it is the package's own.
    pub source_version: &'a str,
    pub multi_arch: MultiArch,
    pub essential: bool,
    pub important: bool,
    pub priority: Priority,
    pub section: &'a str,
    pub installed_size: Option<u64>,
    pub filename: String,
    pub size: u64,
    pub digest: Promise,
    pub provides_text: &'a str,
    pub provides: Vec<Provide>,
    /// `Depends`, `Pre-Depends`, `Recommends`, `Conflicts`, `Breaks`, `Replaces`.
    pub relations: [&'a str; 6],
}

/// What a stanza comes to.
pub(super) enum Outcome<'a> {
    /// A package that may be chosen.
    Sound(Box<Sound<'a>>),
    /// A package that may not be chosen, and why.
    Faulty(Fault),
    /// Nothing that anybody could ask for: another architecture's, or a stanza without a usable name.
    Nothing,
}

/// Checks a stanza. `replaced` says that bytes which are not UTF-8 were replaced in the text.
pub(super) fn check<'a>(stanza: &Stanza<'a>, architecture: &str, replaced: bool) -> Outcome<'a> {
    let kept = Kept::of(stanza);
    let Some(name) = kept.name.filter(|name| is_package_name(name)) else {
        return Outcome::Nothing;
    };
    let own = kept.architecture.unwrap_or(architecture);
    if own != "all" && own != architecture {
        return Outcome::Nothing;
    }
    let checked = match replaced {
        true => kept.not_utf8(),
        false => Ok(()),
    };
    match checked.and_then(|()| sound(&kept, name, architecture)) {
        Ok(sound) => Outcome::Sound(Box::new(sound)),
        Err((field, cause)) => {
            let line = stanza
                .field(field)
                .or_else(|| stanza.field("Package"))
                .map_or(0, |field| field.line);
            Outcome::Faulty(Fault {
                package: name.to_owned(),
                version: kept.version.and_then(|text| Version::new(text).ok()),
                essential: is_yes(kept.essential),
                line,
                field: field.to_owned(),
                cause,
                provides: provided(kept.provides, architecture),
            })
        }
    }
}

/// The names that a stanza provides, as far as that can be read.
fn provided(text: Option<&str>, architecture: &str) -> Vec<String> {
    let provides = parse_provides(text.unwrap_or_default(), architecture).unwrap_or_default();
    let names = provides.into_iter().map(|provide| provide.name);
    names.take(MAXIMUM_PROVIDES).collect()
}

/// What is wrong with a stanza that cannot be parsed, where it can be told whose it is.
pub(super) fn broken(text: &str, error: &StanzaError, architecture: &str) -> Outcome<'static> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
        })
    };
    let own = value("Architecture").unwrap_or("all");
    match value("Package").filter(|name| is_package_name(name)) {
        Some(name) if own == "all" || own == architecture => Outcome::Faulty(Fault {
            package: name.to_owned(),
            version: value("Version").and_then(|text| Version::new(text).ok()),
            essential: is_yes(value("Essential")),
            line: error.line,
            field: String::new(),
            cause: error.cause.clone(),
            provides: provided(value("Provides"), architecture),
        }),
        _ => Outcome::Nothing,
    }
}

fn is_yes(value: Option<&str>) -> bool {
    value.is_some_and(|text| text.eq_ignore_ascii_case("yes"))
}

/// A field and what is wrong with it.
type Bad = (&'static str, String);

const MISSING: &str = "the field is missing";

impl Kept<'_> {
    /// Refuses a field that had bytes which are not UTF-8: it would be read as another text.
    fn not_utf8(&self) -> Result<(), Bad> {
        let fields = [
            ("Version", self.version),
            ("Source", self.source),
            ("Section", self.section),
            ("Filename", self.filename),
            ("Provides", self.provides),
            ("Depends", Some(self.relations[0])),
            ("Pre-Depends", Some(self.relations[1])),
            ("Recommends", Some(self.relations[2])),
            ("Conflicts", Some(self.relations[3])),
            ("Breaks", Some(self.relations[4])),
            ("Replaces", Some(self.relations[5])),
        ];
        let replaced = |value: Option<&str>| {
            value.is_some_and(|value| value.contains(char::REPLACEMENT_CHARACTER))
        };
        match fields.into_iter().find(|(_, value)| replaced(*value)) {
            Some((field, _)) => Err((field, "it is not UTF-8".to_owned())),
            None => Ok(()),
        }
    }

    /// The digests of the package: all strong ones that are given.
    fn digest(&self) -> Result<Promise, Bad> {
        let sha256 = self.sha256.map(Digest::from_hex).transpose();
        let sha512 = self.sha512.map(Sha512::from_hex).transpose();
        let sha256 = sha256.map_err(|error| ("SHA256", error.to_string()))?;
        let sha512 = sha512.map_err(|error| ("SHA512", error.to_string()))?;
        Promise::of(sha256, sha512).ok_or_else(|| {
            let missing = "the field is missing, and so is `SHA512`";
            let cause = match self.weak {
                None => missing.to_owned(),
                Some(weak) => format!("{missing}; `{weak}` can be forged"),
            };
            ("SHA256", cause)
        })
    }
}

fn sound<'a>(kept: &Kept<'a>, name: &'a str, architecture: &str) -> Result<Sound<'a>, Bad> {
    fn required<'v>(
        value: Option<&'v str>,
        field: &'static str,
    ) -> Result<&'v str, (&'static str, String)> {
        value.ok_or((field, MISSING.to_owned()))
    }
    let number = |field, text: &str| {
        text.parse::<u64>().map_err(|_| {
            let shown: String = text.chars().take(100).collect();
            (field, format!("`{shown}` is not a number"))
        })
    };
    let version =
        |field, text: &str| Version::new(text).map_err(|error| (field, error.to_string()));
    let all = required(kept.architecture, "Architecture")? == "all";
    let own_version = version("Version", required(kept.version, "Version")?)?;
    let (source, source_version) = split_source(kept.source.unwrap_or_default());
    if !source.is_empty() && !is_package_name(source) {
        return Err(("Source", "it is not a package's name".to_owned()));
    }
    if !source_version.is_empty() {
        version("Source", source_version)?;
    }
    let size = number("Size", required(kept.size, "Size")?)?;
    let installed_size = kept
        .installed_size
        .map(|text| number("Installed-Size", text))
        .transpose()?;
    let digest = kept.digest()?;
    let filename = path::normal(required(kept.filename, "Filename")?)
        .map_err(|cause| ("Filename", cause.to_owned()))?;
    let multi_arch = match kept.multi_arch {
        None => MultiArch::No,
        Some(text) => MultiArch::parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(100).collect();
            let cause = format!("`{shown}` is none of `no`, `same`, `foreign`, `allowed`");
            ("Multi-Arch", cause)
        })?,
    };
    let provides_text = kept.provides.unwrap_or_default();
    let provides = parse_provides(provides_text, architecture)
        .map_err(|error| ("Provides", error.to_string()))?;
    Ok(Sound {
        name,
        version: own_version,
        all,
        source,
        source_version,
        multi_arch,
        essential: is_yes(kept.essential),
        important: is_yes(kept.protected) || is_yes(kept.important),
        priority: kept.priority.map(Priority::parse).unwrap_or_default(),
        section: kept.section.unwrap_or_default(),
        installed_size,
        filename,
        size,
        digest,
        provides_text,
        provides,
        relations: kept.relations,
    })
}

/// Parts `bash (5.2.15-2)` into name and version; the version is empty where there is none.
fn split_source(text: &str) -> (&str, &str) {
    match text.split_once('(') {
        Some((name, version)) => (
            name.trim_ascii(),
            version.trim_end_matches(')').trim_ascii(),
        ),
        None => (text.trim_ascii(), ""),
    }
}
