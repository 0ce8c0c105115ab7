//! Which blobs were compared with their digests of late.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::route::UploadId;

/// How long a comparison counts.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// The most that are remembered.
const MAXIMUM: usize = 100_000;

/// Remembers comparisons.
#[derive(Default)]
pub struct Verified {
    held: Mutex<HashMap<UploadId, Instant>>,
}

impl Verified {
    /// Whether a blob, by its place, was compared not long ago.
    pub fn is_fresh(&self, place: &UploadId) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(place).is_some_and(|since| since.elapsed() < LIFE)
    }

    /// Notes that a blob was compared now.
    pub fn note(&self, place: UploadId) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MAXIMUM {
            held.clear();
        }
        held.insert(place, Instant::now());
    }

    /// Forgets a blob.
    pub fn forget(&self, place: &UploadId) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(place);
    }
}
