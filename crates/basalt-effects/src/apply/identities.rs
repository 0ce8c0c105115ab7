//! Ids of users and groups that are allocated, and kept for ever after.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// First and last id of Debian's range for system users and groups (policy 9.2.2), less the first:
/// base-passwd gives 100 to the group `users`.
const SYSTEM_RANGE: std::ops::RangeInclusive<u32> = 101..=999;

/// Ids allocated to users and groups by name, as the lock keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// User ids by user name.
    #[serde(default)]
    pub users: BTreeMap<String, u32>,
    /// Group ids by group name.
    #[serde(default)]
    pub groups: BTreeMap<String, u32>,
}

impl Ids {
    /// The lowest id of the system range for which `taken` is false and which this record gives to
    /// no other name.
    pub(super) fn lowest_free(&self, taken: impl Fn(u32) -> bool) -> Option<u32> {
        SYSTEM_RANGE.into_iter().find(|id| {
            !taken(*id)
                && !self.users.values().any(|used| used == id)
                && !self.groups.values().any(|used| used == id)
        })
    }
}
