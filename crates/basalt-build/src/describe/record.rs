//! An image as the cache remembers it.

use serde::{Deserialize, Serialize};

use crate::describe::bill::CachedBill;
use crate::error::BuildError;
use crate::pack::layers::PackedLayer;
use crate::plan::job::Job;
use crate::read::package::ReadPackage;
use crate::run::session::Session;

/// What slices leave out of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SlicedReport {
    /// Packages of which only slices are in it.
    pub packages: usize,
    /// Files and links of theirs that are not.
    pub files: usize,
    /// The bytes of those.
    pub bytes: u64,
}

impl SlicedReport {
    pub(crate) fn of<'p>(
        partial: usize,
        packages: impl Iterator<Item = &'p ReadPackage> + Clone,
    ) -> Self {
        let left_out = packages.flat_map(|package| &package.left_out);
        Self {
            packages: partial,
            files: left_out.clone().count(),
            bytes: left_out.map(|path| path.size).sum(),
        }
    }
}

/// An image as the cache remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layers: Vec<PackedLayer>,
    pub packages: usize,
    pub files: u64,
    pub sliced: Option<SlicedReport>,
    /// Its bill of materials.
    pub bill: CachedBill,
    /// The images that it is laid over, the innermost first.
    pub bases: Vec<BaseManifest>,
    /// What hardening changed, in words.
    pub hardened: Vec<String>,
}

/// The manifest that an image has by itself which others are laid over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BaseManifest {
    /// The image's name.
    pub name: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The image's date.
    pub epoch: i64,
}

pub(crate) fn remembered(
    session: &Session,
    job: &Job<'_>,
) -> Result<Option<ImageRecord>, BuildError> {
    let bytes = session.cache.fact("image", &job.key)?;
    Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
}
