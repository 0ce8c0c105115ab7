//! What a lock or a build tells afterwards, and while it works.

use std::time::Duration;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};

use crate::read::ReadPackage;

/// A stage of the work, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Release files and indexes.
    Archives,
    /// From wanted packages to closures.
    Solve,
    /// Downloads of packages.
    Fetch,
    /// Scripts explained.
    Explain,
    /// Packages read, fragments packed.
    Read,
    /// Trees put together.
    Assemble,
    /// Layers written.
    Pack,
    /// The layout written.
    Write,
}

impl Stage {
    /// Its name, as shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archives => "archives",
            Self::Solve => "solve",
            Self::Fetch => "fetch",
            Self::Explain => "explain",
            Self::Read => "read",
            Self::Assemble => "assemble",
            Self::Pack => "pack",
            Self::Write => "write",
        }
    }
}

/// Hears how the work goes on, from several threads at once. Downloads come through
/// [`basalt_fetch::Observer`].
pub trait Observer: basalt_fetch::Observer {
    /// A stage begins; it has so many steps (0 when unknown).
    fn stage_started(&self, stage: Stage, steps: u64);

    /// A step of the current stage is done.
    fn step(&self, stage: Stage, name: &str);

    /// The stage is done.
    fn stage_finished(&self, stage: Stage, took: Duration, result: &str);

    /// Something the person should know, which is no failure.
    fn warning(&self, text: &str);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl basalt_fetch::Observer for Silent {
    fn event(&self, _: basalt_fetch::Event) {}
}

impl Observer for Silent {
    fn stage_started(&self, _: Stage, _: u64) {}
    fn step(&self, _: Stage, _: &str) {}
    fn stage_finished(&self, _: Stage, _: Duration, _: &str) {}
    fn warning(&self, _: &str) {}
}

/// How long a stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Milliseconds.
    pub milliseconds: u64,
}

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

/// What came from the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CacheReport {
    /// Packages that were not read again.
    pub packages: usize,
    /// Packages in all.
    pub packages_total: usize,
    /// Layers that were not written again.
    pub layers: usize,
    /// Layers in all.
    pub layers_total: usize,
    /// Bytes downloaded.
    pub downloaded: u64,
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
