//! What an index says about one package.

use std::fmt;

use basalt_digest::Promise;
use serde::{Deserialize, Serialize};

use crate::relation::{Dependency, Provide};
use crate::version::Version;

/// How a package may be shared between architectures (the `Multi-Arch` field).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MultiArch {
    /// Not at all.
    #[default]
    No,
    /// Several architectures' packages may be installed together.
    Same,
    /// It meets dependencies of packages of any architecture.
    Foreign,
    /// It meets dependencies of any architecture that ask for `:any`.
    Allowed,
}

impl MultiArch {
    /// Reads the value of the field.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "no" => Self::No,
            "same" => Self::Same,
            "foreign" => Self::Foreign,
            "allowed" => Self::Allowed,
            _ => return None,
        })
    }
}

/// How much a package matters to a system (Debian Policy 2.5).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// A system breaks without it.
    Required,
    /// One expects it on any Unix.
    Important,
    /// A small system in text mode has it.
    Standard,
    /// Most packages.
    Optional,
    /// The obsolete fifth level.
    Extra,
    /// Not said, or none of the policy's words.
    #[default]
    Unknown,
}

impl Priority {
    /// Reads the value of the field, whatever its case.
    pub fn parse(text: &str) -> Self {
        [
            Self::Required,
            Self::Important,
            Self::Standard,
            Self::Optional,
            Self::Extra,
        ]
        .into_iter()
        .find(|priority| text.eq_ignore_ascii_case(priority.as_str()))
        .unwrap_or(Self::Unknown)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Important => "important",
            Self::Standard => "standard",
            Self::Optional => "optional",
            Self::Extra => "extra",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an index says about one package: one stanza of a `Packages` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its architecture: the index's, or `all`.
    pub architecture: String,
    /// The source package it is built from.
    pub source: String,
    /// That source package's version, which a rebuild's `+b1` is not part of.
    pub source_version: Version,
    /// How it may be shared between architectures.
    pub multi_arch: MultiArch,
    /// Whether every system must have it (`Essential: yes`).
    pub essential: bool,
    /// Whether it may not be removed lightly (`Protected: yes`, or apt's `Important: yes`).
    pub important: bool,
    /// How much it matters.
    pub priority: Priority,
    /// The part of the archive it is filed under, such as `libs`; may be empty.
    pub section: String,
    /// The estimated size once installed, in KiB.
    pub installed_size: Option<u64>,
    /// `Depends`.
    pub depends: Vec<Dependency>,
    /// `Pre-Depends`.
    pub pre_depends: Vec<Dependency>,
    /// `Recommends`.
    pub recommends: Vec<Dependency>,
    /// `Conflicts`.
    pub conflicts: Vec<Dependency>,
    /// `Breaks`.
    pub breaks: Vec<Dependency>,
    /// `Replaces`.
    pub replaces: Vec<Dependency>,
    /// `Provides`.
    pub provides: Vec<Provide>,
    /// Where the `.deb` lies in the archive: a relative path without `.` and `..`.
    pub filename: String,
    /// The length of the `.deb`, in bytes.
    pub size: u64,
    /// The digest of the `.deb`: SHA-256 where the index gives it, else SHA-512.
    pub digest: Promise,
}
