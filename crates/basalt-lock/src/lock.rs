//! What a lock says.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::{Digest, Sha512};
use serde::{Deserialize, Serialize};

use crate::{check, date};

/// The number of the format that this program writes.
pub const FORMAT: u32 = 1;

/// The newest compatibility number this program knows: a lock keeps the number it was made with,
/// and a number always gives the same bytes (tar dialect, codec levels, times, generated files).
///
/// In 1, the directories of each layer have the time of the image; in 2, that of the newest package of
/// their layer. In 3, an image that keeps no documentation has only those texts of
/// `/usr/share/common-licenses` that a copyright file in it names. In 4, nothing that a package ships is
/// lost: what stands below a directory that a script makes a link (`/var/run`) goes where the link leads, and
/// what stands among logs and other left-overs stays; a package that diverts what it ships has its file there.
pub const COMPATIBILITY: u32 = 4;

/// Longest lock that is read, in bytes.
pub const MAXIMUM_SIZE: usize = 64 << 20;

/// Exactly what goes into the images of one spec and release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Number of the file's format: [`FORMAT`].
    pub format: u32,
    /// Which rules of packing the bytes follow: at most [`COMPATIBILITY`].
    pub compatibility: u32,
    /// The image's name.
    pub name: String,
    /// Release of the distribution as the spec names it: by its codename, or by a suite such as `stable`.
    pub release: String,
    /// The moment of the past against which the archives were judged, in seconds since 1970, where one was
    /// asked for (`--as-of`).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "date::option"
    )]
    pub as_of: Option<i64>,
    /// Digest of the spec in its canonical, merged form: tells whether the spec moved.
    pub spec: Digest,
    /// The archives as they were seen, sorted by archive, suite.
    pub archives: Vec<ArchiveSnapshot>,
    /// All packages of all images, sorted by name, architecture.
    pub packages: Vec<LockedPackage>,
    /// The images, sorted by architecture, variant.
    pub images: Vec<LockedImage>,
    /// Numeric ids of users, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, u32>,
    /// Numeric ids of groups, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u32>,
    /// Digests of local files, by their path relative to the spec.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
    /// Digests of the slice definitions that are used, by package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slice_definitions: BTreeMap<String, Digest>,
}

/// One suite of one archive, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ArchiveSnapshot {
    /// Name of the archive: `debian`, `debian-security`, or one that the spec adds.
    pub archive: String,
    /// Suite: `trixie`, `trixie-updates`.
    pub suite: String,
    /// The codename that its Release file had, where the suite is not named by it: `trixie` of `stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// The Release file's own date, in seconds since 1970. An older one is a rollback.
    #[serde(with = "date")]
    pub date: i64,
    /// Digest of the signed file (`InRelease`, or `Release` with its detached signature).
    pub release: Digest,
    /// Fingerprints of the keys whose signatures were good, in upper-case hex.
    pub signers: Vec<String>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Name of the binary package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its own architecture: `amd64`, or `all`.
    pub architecture: String,
    /// Name of the source package.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
    /// Name of the archive it is from.
    pub archive: String,
    /// Suite it is from.
    pub suite: String,
    /// Path within the archive (the index's `Filename`).
    pub path: String,
    /// Length of the package file in bytes.
    pub size: u64,
    /// Digest of the package file.
    pub sha256: Digest,
    /// The digest that the signed index promised, where that is SHA-512 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<Sha512>,
    /// When the package was made, in seconds since 1970.
    #[serde(with = "date")]
    pub date: i64,
    /// Its maintainer scripts, by member name: `postinst`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, LockedScript>,
}

impl LockedPackage {
    /// What an image of this architecture calls it: by its name, or by `name:architecture` where it is of
    /// a foreign one.
    pub fn name_in(&self, architecture: &str) -> String {
        match self.architecture == architecture || self.architecture == "all" {
            true => self.name.clone(),
            false => format!("{}:{}", self.name, self.architecture),
        }
    }
}

/// What was made of one maintainer script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedScript {
    /// Digest of the script.
    pub digest: Digest,
    /// How it was explained, in the words of `basalt-effects`.
    pub verdict: String,
    /// Number of effects it has on a fresh root.
    pub effects: u32,
}

/// One image: an architecture and a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedImage {
    /// Debian architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// Name of the variant; empty for the image without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Names of its packages, sorted; of those of a foreign architecture, `name:architecture`.
    pub packages: Vec<String>,
    /// The packing plan: the packages of each layer, from the first layer up.
    pub layers: Vec<Vec<String>>,
    /// The slices of those packages that are not whole in it, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, BTreeSet<String>>,
    /// Of an image that is minimized: the files kept of each package, as patterns, sorted. A directory
    /// kept for itself ends with a slash; of a package that is not named nothing is kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Vec<String>>,
    /// The images that it is laid over and shares layers with, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<LockedBelow>,
}

/// An image that another is laid over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedBelow {
    /// Its name.
    pub name: String,
    /// Digest of its spec in canonical, merged form.
    pub spec: Digest,
    /// How many of the layers, from the first up, are its own.
    pub layers: usize,
    /// The slices of those packages of which it has others than the image, sorted. What more the image
    /// has of them is in the layer of its own that has a package of the same source, else in its first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slices: BTreeMap<String, BTreeSet<String>>,
}

/// Why a lock was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It is longer than [`MAXIMUM_SIZE`].
    #[error("the lock has {size} bytes; at most {MAXIMUM_SIZE} are read")]
    TooLarge {
        /// Its length.
        size: usize,
    },
    /// It is not JSON, or a key is unknown, missing or of the wrong type.
    #[error("line {line}, column {column} of the lock: {message}; make it anew with `basalt lock`")]
    Syntax {
        /// Line, from 1; 0 when unknown.
        line: usize,
        /// Column, from 1; 0 when unknown.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Another format number.
    #[error(
        "the lock has format {found}, and this basalt reads format {FORMAT}; {}",
        way_out(*.found, FORMAT)
    )]
    Format {
        /// The lock's number.
        found: u32,
    },
    /// Another compatibility number.
    #[error(
        "the lock has compatibility {found}, and this basalt builds 1 to {COMPATIBILITY}; {}",
        way_out(*.found, COMPATIBILITY)
    )]
    Compatibility {
        /// The lock's number.
        found: u32,
    },
    /// Its parts contradict each other.
    #[error("{place} of the lock: {cause}; make it anew with `basalt lock`")]
    Inconsistent {
        /// Where: `packages[3] (libc6)`.
        place: String,
        /// What is wrong.
        cause: String,
    },
    /// It holds a date that cannot be written.
    #[error("the lock cannot be written: {cause}")]
    Unwritable {
        /// What is wrong.
        cause: String,
    },
}

/// What to do about a number that is not known.
fn way_out(found: u32, known: u32) -> &'static str {
    if found > known {
        "it was made by a newer basalt: use that one, or make the lock anew with `basalt lock`"
    } else {
        "no such number was ever written: make the lock anew with `basalt lock`"
    }
}

/// The part of every format that says which one it is.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Lock {
    /// The codename of the release: of one that is named by a suite, that which it had when it was locked.
    pub fn codename(&self) -> &str {
        let of_suite = self
            .archives
            .iter()
            .find(|snapshot| snapshot.suite == self.release);
        of_suite
            .and_then(|snapshot| snapshot.codename.as_deref())
            .unwrap_or(&self.release)
    }

    /// A moment, in seconds since 1970, at which an archive had all that the lock takes from it:
    /// the date of its newest suite. `None` when the lock takes nothing from it.
    pub fn moment_of(&self, archive: &str) -> Option<i64> {
        let suites = self
            .archives
            .iter()
            .filter(|suite| suite.archive == archive);
        suites.map(|suite| suite.date).max()
    }

    /// Reads a lock and checks that its parts agree.
    ///
    /// # Errors
    /// When it is too long, not JSON, of another format, or contradicts itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        if bytes.len() > MAXIMUM_SIZE {
            return Err(LockError::TooLarge { size: bytes.len() });
        }
        let lock: Self = match serde_json::from_slice(bytes) {
            Ok(lock) => lock,
            Err(error) => {
                // Another format may have other keys: its number is the better message.
                return Err(match serde_json::from_slice::<Head>(bytes) {
                    Ok(head) if head.format != FORMAT => LockError::Format { found: head.format },
                    _ => syntax(&error),
                });
            }
        };
        if lock.format != FORMAT {
            return Err(LockError::Format { found: lock.format });
        }
        if !(1..=COMPATIBILITY).contains(&lock.compatibility) {
            return Err(LockError::Compatibility {
                found: lock.compatibility,
            });
        }
        check::consistent(&lock)?;
        Ok(lock)
    }

    /// The lock as its file has it: sorted, indented, one fact a line. The same lock always
    /// gives the same bytes, and [`Lock::parse`] gives it back.
    ///
    /// # Errors
    /// When a date lies outside the years that can be written, or its parts contradict each other.
    pub fn render(&self) -> Result<String, LockError> {
        let mut lock = self.clone();
        lock.sort();
        check::consistent(&lock)?;
        let mut text =
            serde_json::to_string_pretty(&lock).map_err(|error| LockError::Unwritable {
                cause: error.to_string(),
            })?;
        text.push('\n');
        Ok(text)
    }

    /// Puts every list into the order that the file has. Look-ups need this order.
    pub fn sort(&mut self) {
        self.archives
            .sort_by(|a, b| (&a.archive, &a.suite).cmp(&(&b.archive, &b.suite)));
        self.packages
            .sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
        self.images
            .sort_by(|a, b| (&a.architecture, &a.variant).cmp(&(&b.architecture, &b.variant)));
        for image in &mut self.images {
            image.packages.sort();
        }
    }

    /// The package of this name that an image of this architecture takes: the one of the
    /// architecture, else the one for `all`; by `name:architecture`, one of a foreign architecture.
    pub fn package(&self, name: &str, architecture: &str) -> Option<&LockedPackage> {
        let (name, foreign) = match name.split_once(':') {
            Some((name, foreign)) => (name, Some(foreign)),
            None => (name, None),
        };
        let of = |architecture: &str| {
            self.packages
                .binary_search_by(|package| {
                    (package.name.as_str(), package.architecture.as_str())
                        .cmp(&(name, architecture))
                })
                .ok()
                .and_then(|place| self.packages.get(place))
        };
        match foreign {
            Some(foreign) => of(foreign).filter(|_| !["all", architecture].contains(&foreign)),
            None => of(architecture).or_else(|| of("all")),
        }
    }

    /// The image of this architecture and variant (`""` for none).
    pub fn image(&self, architecture: &str, variant: &str) -> Option<&LockedImage> {
        self.images
            .iter()
            .find(|image| image.architecture == architecture && image.variant == variant)
    }

    /// The packages of one image, sorted by name.
    pub fn packages_of<'a>(
        &'a self,
        image: &'a LockedImage,
    ) -> impl Iterator<Item = &'a LockedPackage> {
        image
            .packages
            .iter()
            .filter_map(|name| self.package(name, &image.architecture))
    }

    /// The snapshot of one suite of one archive.
    pub fn snapshot(&self, archive: &str, suite: &str) -> Option<&ArchiveSnapshot> {
        self.archives
            .iter()
            .find(|snapshot| snapshot.archive == archive && snapshot.suite == suite)
    }

    /// Date of the newest package, in seconds since 1970: the image's own date when nothing
    /// else is asked.
    pub fn newest_package(&self) -> Option<i64> {
        self.packages.iter().map(|package| package.date).max()
    }
}

/// Takes the place out of the parser's message, which repeats it at its end.
fn syntax(error: &serde_json::Error) -> LockError {
    let text = error.to_string();
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    LockError::Syntax {
        line: error.line(),
        column: error.column(),
        message: message.chars().take(300).collect(),
    }
}
