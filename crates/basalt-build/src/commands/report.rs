//! What a build tells afterwards.

use basalt_digest::Digest;
use serde::Serialize;

use crate::describe::record::SlicedReport;
use crate::run::stage::{CacheReport, StageTime};

/// What a build made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildReport {
    /// The image's name.
    pub name: String,
    /// Release of the distribution.
    pub release: String,
    /// Digest of the image index.
    pub digest: Digest,
    /// Where the layout stands.
    pub output: String,
    /// Whether the output already was what this build gives.
    pub unchanged: bool,
    /// The images in it.
    pub images: Vec<ImageReport>,
    /// Time by stage.
    pub stages: Vec<StageTime>,
    /// Packages and layers taken from the cache.
    pub cache: CacheReport,
}

/// One image of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageReport {
    /// Debian architecture.
    pub architecture: String,
    /// Variant; empty for none.
    pub variant: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Number of packages.
    pub packages: usize,
    /// Number of regular files.
    pub files: u64,
    /// What slices leave out of it; nothing when all packages are whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliced: Option<SlicedReport>,
    /// Its layers, the first at the bottom.
    pub layers: Vec<LayerReport>,
}

impl ImageReport {
    /// Bytes that a client pulls for its layers.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Bytes of its layers when unpacked.
    pub fn uncompressed_size(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.uncompressed_size)
            .sum()
    }
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerReport {
    /// Digest of its compressed bytes.
    pub digest: Digest,
    /// Compressed bytes.
    pub size: u64,
    /// Uncompressed bytes.
    pub uncompressed_size: u64,
    /// Its packages; none for the layer of generated files.
    pub packages: Vec<String>,
}
