//! What is counted of upstreams.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the server began.
#[derive(Default)]
pub struct Traffic {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    failures: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// Something was here.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was asked for upstream.
    pub fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was answered from here, for upstream did not answer.
    pub fn stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    /// Upstream did not give what it was asked for.
    pub fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes came.
    pub fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The counts: the name of each, what it is, and how many.
    pub fn rows(&self) -> [(&'static str, &'static str, u64); 5] {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            (
                "basalt_upstream_hits_total",
                "Manifests and blobs of upstreams that were here.",
                get(&self.hits),
            ),
            (
                "basalt_upstream_misses_total",
                "Manifests and blobs that upstreams were asked for.",
                get(&self.misses),
            ),
            (
                "basalt_upstream_stale_total",
                "Answers from here because an upstream did not answer.",
                get(&self.stale),
            ),
            (
                "basalt_upstream_failures_total",
                "Questions to which an upstream did not give what was asked for.",
                get(&self.failures),
            ),
            (
                "basalt_upstream_bytes_total",
                "Bytes of manifests and blobs that came from upstreams.",
                get(&self.bytes),
            ),
        ]
    }
}
