//! What a download tells to whoever shows progress.

/// Something that happened while fetching. Names are paths within an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A download begins.
    DownloadStarted {
        /// What is fetched.
        name: String,
        /// Its size in bytes, if it was promised.
        size: Option<u64>,
    },
    /// More of it has come.
    DownloadProgress {
        /// What is fetched.
        name: String,
        /// Bytes that came since the last such event.
        bytes: u64,
    },
    /// An attempt failed and another follows.
    DownloadRetried {
        /// What is fetched.
        name: String,
        /// Why the attempt failed.
        reason: String,
    },
    /// All of it is there and its digest is right.
    DownloadFinished {
        /// What was fetched.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A registry warns of something, for the first time.
    RegistryWarned {
        /// The registry's host.
        registry: String,
        /// What it says.
        text: String,
    },
    /// It was given up.
    DownloadFailed {
        /// What was wanted.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Hears about downloads, from several threads at once.
pub trait Observer: Send + Sync {
    /// Called as things happen; must return soon.
    fn event(&self, event: Event);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}
