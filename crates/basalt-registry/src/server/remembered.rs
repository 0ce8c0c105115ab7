//! What is remembered for a while: so many at most.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// The most that is remembered of one kind.
const MAXIMUM_REMEMBERED: usize = 10_000;

/// Values by their keys, behind a lock that is held for moments.
pub(super) struct Remembered<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// What is remembered of this, whether it is still good or not.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(key).cloned()
    }

    /// Remembers one more; when there are too many, those that are not good any more, or else all, are forgotten.
    pub(super) fn add(&self, key: K, value: V, is_good: impl Fn(&V) -> bool) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MAXIMUM_REMEMBERED {
            held.retain(|_, value| is_good(value));
        }
        if held.len() >= MAXIMUM_REMEMBERED {
            held.clear();
        }
        held.insert(key, value);
    }
}
