//! The stages of a run, and who hears of them.

use std::time::Duration;

use serde::Serialize;

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
