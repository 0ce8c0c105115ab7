//! Single values of a spec that are more than a word: modes, sizes, wanted packages.

use std::fmt;
use std::str::FromStr;

use basalt_deb::relation::{Constraint, is_package_name};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::checked::{self, Architecture, Form, Release, wrong};

/// Permission bits, written in octal as text: `"0755"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_octal =
            (1..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if is_octal => Ok(Self(mode)),
            _ => Err(wrong(
                format_args!("`{text}` is no mode"),
                "write up to four octal digits, such as \"0755\"",
            )),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

/// A number of bytes: `18 MB`, `450 kB`, `1 MiB`, `512`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| trimmed.strip_suffix(unit).map(|rest| (rest, *factor)))
            .unwrap_or((trimmed, 1));
        let wrong = || {
            wrong(
                format_args!("`{text}` is no size"),
                "write a number and a unit, such as `18 MB` or `450 kB`",
            )
        };
        let number = number.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let is_number = is_digits(whole) && is_digits(fraction);
        if whole.is_empty() || !is_number || fraction.len() > 6 {
            return Err(wrong());
        }
        let digits: u64 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        digits
            .checked_mul(factor)
            .map(|bytes| Self(bytes / 10_u64.pow(fraction.len() as u32)))
            .ok_or_else(wrong)
    }
}

impl From<Size> for String {
    /// To the byte, as the digest of a spec needs it.
    fn from(size: Size) -> Self {
        format!("{} B", size.0)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1_000_000 => write!(f, "{:.2} MB", bytes as f64 / 1e6),
            bytes if bytes >= 1_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes => write!(f, "{bytes} B"),
        }
    }
}

/// A package that the image is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(with = "PackageForm")]
pub struct WantedPackage {
    /// Its name.
    pub name: PackageName,
    /// Its architecture, where it is named: `i386` of `libc6:i386`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The versions that are taken.
    pub version: Option<VersionRange>,
    /// Only for these architectures; for all when empty.
    pub architectures: Vec<String>,
    /// Only in these releases; in all when empty.
    pub releases: Vec<String>,
    /// Whether what it depends on comes too.
    pub dependencies: bool,
}

impl WantedPackage {
    /// The architecture that it is taken from for an image of another one.
    pub fn foreign(&self, image: &str) -> Option<&str> {
        self.architecture.as_deref().filter(|own| *own != image)
    }

    /// Whether it is wanted for an architecture of a release.
    pub fn applies(&self, architecture: &str, release: &str) -> bool {
        applies(&self.architectures, architecture) && applies(&self.releases, release)
    }
}

/// Whether a list of conditions names this one; an empty list names all.
pub(crate) fn applies(conditions: &[String], one: &str) -> bool {
    conditions.is_empty() || conditions.iter().any(|condition| condition == one)
}

/// How a package is written: its name, its name with a version, or a mapping. Read by hand, so that
/// an error says what is wrong with the form that was used.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum PackageForm {
    /// `name`, `name (>= 1.2)` or `name=1.2-3`; `name:i386` for one of a foreign architecture.
    Short(ShortPackage),
    /// A mapping with conditions.
    Long(LongPackage),
}

/// A package with conditions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LongPackage {
    /// Its name; `name:i386` for one of a foreign architecture.
    name: QualifiedName,
    /// The versions that are taken: `>= 1.2`, `= 1.2-3`.
    #[serde(default)]
    version: Option<VersionRange>,
    /// Only for these architectures.
    #[serde(default, deserialize_with = "checked::list::<_, Architecture>")]
    architectures: Vec<String>,
    /// Only in these releases.
    #[serde(default, deserialize_with = "checked::list::<_, Release>")]
    releases: Vec<String>,
    /// Whether what it depends on comes too (default true; always with `package-database: full`).
    #[serde(default = "yes")]
    dependencies: bool,
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for WantedPackage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PackageVisitor)
    }
}

struct PackageVisitor;

impl<'de> Visitor<'de> for PackageVisitor {
    type Value = WantedPackage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a package: `name`, `name (>= 1.2)`, or a mapping with `name:`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WantedPackage, E> {
        let short = ShortPackage::try_from(text.to_owned()).map_err(E::custom)?;
        Ok(WantedPackage {
            name: short.name.name,
            architecture: short.name.architecture,
            version: short.version,
            architectures: Vec::new(),
            releases: Vec::new(),
            dependencies: true,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WantedPackage, A::Error> {
        let long = LongPackage::deserialize(MapAccessDeserializer::new(map))?;
        Ok(WantedPackage {
            name: long.name.name,
            architecture: long.name.architecture,
            version: long.version,
            architectures: long.architectures,
            releases: long.releases,
            dependencies: long.dependencies,
        })
    }
}

/// The name of a binary package (Debian Policy 5.6.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PackageName(String);

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PackageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Debian's own archive is read more liberally; a person's capital letter is a slip.
        let is_lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match is_package_name(&text) {
            true if is_lower => Ok(Self(text)),
            true => Err(wrong(
                format_args!("`{text}` is no package name"),
                format_args!("did you mean `{}`?", text.to_ascii_lowercase()),
            )),
            false => Err(wrong(
                format_args!("`{}` is no package name", text.escape_debug()),
                "lower-case letters, digits and `+-.`, two at least, first a letter or digit",
            )),
        }
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.0
    }
}

/// The name of a package, perhaps with its architecture: `libc6:i386`.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct QualifiedName {
    name: PackageName,
    architecture: Option<String>,
}

impl TryFrom<String> for QualifiedName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((name, architecture)) = text.split_once(':') else {
            let (name, architecture) = (text.try_into()?, None);
            return Ok(Self { name, architecture });
        };
        Architecture::check(architecture)?;
        Ok(Self {
            name: name.to_owned().try_into()?,
            architecture: Some(architecture.to_owned()),
        })
    }
}

/// Versions that are taken: `>= 1.2`, `<< 2`, `= 1.2-3`, or just `1.2-3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct VersionRange(Constraint);

impl VersionRange {
    /// The relation as the solver takes it.
    pub fn constraint(&self) -> &Constraint {
        &self.0
    }
}

impl FromStr for VersionRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let relation = match trimmed.starts_with(['<', '>', '=']) {
            true => trimmed.to_owned(),
            false => format!("= {trimmed}"),
        };
        Constraint::parse(&relation).map(Self).map_err(|error| {
            wrong(
                format_args!("`{}` names no versions: {error}", text.escape_debug()),
                "write `>= 1.2`, `<< 2` or `= 1.2-3`",
            )
        })
    }
}

impl TryFrom<String> for VersionRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> Self {
        range.0.to_string()
    }
}

#[derive(JsonSchema)]
#[schemars(with = "String")]
struct ShortPackage {
    name: QualifiedName,
    version: Option<VersionRange>,
}

impl TryFrom<String> for ShortPackage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if let Some((name, rest)) = text.split_once('(') {
            let range = rest.strip_suffix(')').ok_or_else(|| {
                wrong(
                    format_args!("`{text}` lacks its `)`"),
                    "write `name (>= 1.2)`",
                )
            })?;
            return Ok(Self {
                name: name.trim().to_owned().try_into()?,
                version: Some(range.parse()?),
            });
        }
        if let Some((name, version)) = text.split_once('=') {
            return Ok(Self {
                name: name.trim().to_owned().try_into()?,
                version: Some(version.parse()?),
            });
        }
        Ok(Self {
            name: text.to_owned().try_into()?,
            version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("18 MB", 18_000_000),
            ("0.45MB", 450_000),
            ("1 MiB", 1 << 20),
            ("512", 512),
            ("7kB", 7000),
        ] {
            assert_eq!(Size::try_from(text.to_owned()), Ok(Size(bytes)), "{text}");
        }
        for text in [
            "",
            "MB",
            "1.2.3 MB",
            "-1",
            "99999999999999 GB",
            "12 parsecs",
        ] {
            assert!(Size::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_package_is_written_in_three_ways() {
        let short = |text: &str| {
            ShortPackage::try_from(text.to_owned())
                .map(|p| (p.name.name.to_string(), p.version.is_some()))
        };
        let foreign = ShortPackage::try_from("libc6:i386 (>= 2.41)".to_owned());
        let foreign = foreign.map(|p| (p.name.architecture, p.version.is_some()));
        assert_eq!(foreign, Ok((Some("i386".to_owned()), true)));
        assert_eq!(short("libc6"), Ok(("libc6".to_owned(), false)));
        assert_eq!(short("libc6 (>= 2.41)"), Ok(("libc6".to_owned(), true)));
        assert_eq!(short("libc6=2.41-12"), Ok(("libc6".to_owned(), true)));
        for wrong in [
            "",
            "Libc6",
            "libc6 (>= 2",
            "lib c",
            "x=1 2",
            "libc6:",
            "libc6:i586",
            ":i386",
        ] {
            assert!(short(wrong).is_err(), "{wrong}");
        }
    }
}
