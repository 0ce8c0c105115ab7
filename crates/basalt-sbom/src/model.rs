//! What a bill of materials says of one image, whatever format it is written in.

use std::fmt;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};
use sha1::Digest as _;

use crate::licence::Licence;

/// A SHA-1 digest. It vouches for nothing: SPDX 2.3 wants one of each file (section 8.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sha1([u8; 20]);

impl Sha1 {
    /// The digest whose 20 bytes these are.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha1::Sha1::digest(bytes).into())
    }

    /// Its 40 hex digits.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text
    }
}

impl fmt::Display for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes a SHA-1 digest piece by piece.
#[derive(Clone, Default)]
pub struct Sha1Hasher(sha1::Sha1);

impl Sha1Hasher {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes seen.
    pub fn finish(self) -> Sha1 {
        Sha1(self.0.finalize().into())
    }
}

/// The program that makes a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// All of one image of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// Who says so.
    pub tool: Tool,
    /// The image.
    pub image: Image,
    /// What it is a system of.
    pub system: OperatingSystem,
    /// Its packages, sorted by name.
    pub packages: Vec<Package>,
    /// Its regular files, hard links among them, sorted by path.
    pub files: Vec<File>,
    /// Its symbolic links, sorted by path.
    pub links: Vec<Link>,
}

/// The image that a bill is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, with its variant.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its Debian architecture; empty for an index of several.
    pub architecture: String,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Its date, in seconds since 1970.
    pub created: i64,
    /// Who gives it out, if that is said.
    pub vendor: Option<String>,
}

/// The distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatingSystem {
    /// `ID` of os-release(5): `debian`.
    pub id: String,
    /// `VERSION_ID`: `13`; the release's name where it has no number.
    pub version: String,
    /// The release's name: `trixie`.
    pub release: String,
}

/// A binary package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, with its epoch.
    pub version: String,
    /// Its own architecture: `amd64`, `all`.
    pub architecture: String,
    /// What it was built from.
    pub source: Source,
    /// Who maintains it, as its `Maintainer` field says: `Name <mail>`.
    pub maintainer: String,
    /// What its copyright file says, if that is machine-readable.
    pub licence: Option<Licence>,
    /// The digest of the package file.
    pub sha256: Digest,
    /// The archive that it is from, by name.
    pub archive: String,
    /// The suite of that archive.
    pub suite: String,
    /// Where the package file is within the archive.
    pub path: String,
    /// Places in [`Sbom::packages`] of what it depends on, sorted.
    pub depends: Vec<usize>,
    /// The slices that are in the image, when the package is not whole in it.
    pub slices: Vec<String>,
    /// What those leave out, sorted by path.
    pub left_out: Vec<LeftOut>,
}

/// A source package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A path of a package that is not in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it would stand: `/usr/bin/x`.
    pub path: String,
    /// The digest of its content, for regular files.
    pub digest: Option<Digest>,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it stands: `/usr/bin/x`.
    pub path: String,
    /// The digest of its content.
    pub digest: Digest,
    /// The same by SHA-1.
    pub sha1: Sha1,
    /// The file that this is another name of.
    pub hard_link_to: Option<String>,
    /// Who brought it.
    pub owner: FileOwner,
    /// What a package has at this path, where the image has something else.
    pub original: Option<Original>,
}

/// Who brought a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOwner {
    /// A package, by its place in [`Sbom::packages`].
    Package(usize),
    /// What a package's maintainer scripts do, or a slice of it.
    Effect {
        /// The package, if it is in the image.
        package: Option<usize>,
        /// What, in a few words.
        effect: String,
    },
    /// The image spec, by the place that says so.
    Spec(String),
    /// The tool that built the image.
    Builder(String),
}

/// A package's own file where the image has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The package, by its place in [`Sbom::packages`].
    pub package: usize,
    /// The digest that the file has there.
    pub digest: Digest,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it stands.
    pub path: String,
    /// Where it points.
    pub target: String,
    /// Who brought it.
    pub owner: FileOwner,
}

impl Sbom {
    /// The source packages, each once, sorted.
    pub fn sources(&self) -> Vec<&Source> {
        let mut sources: Vec<&Source> = self.packages.iter().map(|one| &one.source).collect();
        sources.sort();
        sources.dedup();
        sources
    }

    /// Who brought a path, in words.
    pub(crate) fn owner_in_words(&self, owner: &FileOwner) -> String {
        match owner {
            FileOwner::Package(place) => format!("package {}", self.package_name(Some(*place))),
            FileOwner::Effect { package, effect } => {
                format!("{effect} (effect of {})", self.package_name(*package))
            }
            FileOwner::Spec(place) => format!("the image spec, {place}"),
            FileOwner::Builder(what) => format!("{}, {what}", self.tool.name),
        }
    }

    pub(crate) fn package_name(&self, place: Option<usize>) -> &str {
        place
            .and_then(|place| self.packages.get(place))
            .map_or("no package of the image", |package| &package.name)
    }
}

impl Package {
    /// Name and address of the maintainer.
    pub(crate) fn supplier(&self) -> (&str, Option<&str>) {
        let text = self.maintainer.trim();
        match text.split_once('<') {
            Some((name, mail)) => {
                let name = name.trim().trim_matches('"');
                let mail = mail.trim_end().trim_end_matches('>').trim();
                let name = if name.is_empty() { mail } else { name };
                (name, (!mail.is_empty()).then_some(mail))
            }
            None => (text, None),
        }
    }
}
