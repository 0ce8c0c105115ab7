//! Bills of materials that are pushed: which manifests carry one, what they list, and how packages are asked for.
//!
//! What is kept of them is an index to look things up in. Nothing is verified here: whoever may push says what their
//! images hold, and `basalt verify` tells who signed that.

mod query;
mod read;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub use query::{Matched, NoQuery, Query};
pub use read::{Wanted, documents, packages};

/// The longest document that is read, in bytes.
pub const MAXIMUM_DOCUMENT: u64 = 64 << 20;
/// The most documents of one manifest that are read.
pub const MAXIMUM_DOCUMENTS: usize = 16;
/// The most packages of one document that are kept.
pub const MAXIMUM_PACKAGES: usize = 20_000;
/// What an index has in it when it lists attestations, as BuildKit makes them.
pub(crate) const IN_INDEX: &str = "vnd.docker.reference.type";

/// How a document is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    Bare,
    /// It is the predicate of an in-toto statement.
    Statement,
    /// That statement is the payload of a DSSE envelope, bare or in a Sigstore bundle.
    Signed,
}

impl Form {
    /// How a document in a layer of this media type is wrapped; nothing when none is to be expected there.
    pub fn of(media_type: &str) -> Option<Self> {
        let plain = media_type.split(';').next().unwrap_or(media_type).trim();
        match plain {
            "application/spdx+json" | "text/spdx+json" | "application/vnd.cyclonedx+json" => {
                Some(Self::Bare)
            }
            "application/vnd.in-toto+json" => Some(Self::Statement),
            "application/vnd.dsse.envelope.v1+json"
            | "application/vnd.dev.sigstore.bundle+json"
            | "application/vnd.dev.sigstore.bundle.v0.3+json" => Some(Self::Signed),
            _ => None,
        }
    }
}

/// A package, as a bill lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version; empty if none is given.
    pub version: String,
    /// The type of its package URL: `deb`, `pypi`, `golang`; empty if it has none.
    pub ecosystem: String,
    /// The source package that it was built of, where that is told.
    pub source: String,
    /// Its licence, an expression of SPDX; empty if none is stated.
    pub licence: String,
}

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBill {
    /// The image it is about.
    pub subject: Digest,
    /// Its digest.
    pub document: Digest,
    /// Its format and version; empty when it could not be read.
    pub format: String,
    /// Whether it came in an envelope with signatures, which were not verified.
    pub is_signed: bool,
    /// What it lists.
    pub packages: Vec<Package>,
    /// Why it was not read, or not whole.
    pub problem: Option<String>,
}
