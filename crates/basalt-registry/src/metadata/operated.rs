//! What those are told who look after a registry.

use super::{BlobRecord, ManifestRecord, Moment};
use crate::digest::Digest;
use crate::manifest::Needed;
use crate::name::{RepositoryName, Tag};

/// A manifest with all that the metadata says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its number.
    pub id: i64,
    /// Where it is.
    pub repository: RepositoryName,
    /// What it is.
    pub record: ManifestRecord,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Its annotations, as a JSON object.
    pub annotations: String,
    /// Whether it is a copy of an upstream's, whose blobs and manifests need not be here.
    pub is_copy: bool,
    /// The blobs that it is known to need.
    pub blobs: Vec<HeldBlob>,
    /// The manifests that it is known to list.
    pub children: Vec<Needed>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A blob that a manifest is known to need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// Whether the repository has it.
    pub is_member: bool,
    /// Whether its bytes are known to be damaged.
    pub is_bad: bool,
}

/// A tag and when it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRecord {
    /// Its name.
    pub tag: Tag,
    /// What it names.
    pub digest: Digest,
    /// Since when.
    pub pushed: Moment,
}

/// What keeps a manifest besides tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// An index that lists it.
    Index(Digest),
    /// A manifest that it refers to.
    Subject(Digest),
}

/// What went with a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// How many manifests.
    pub manifests: u64,
}

/// How far a hook was told of a chain of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPosition {
    /// The hook's name.
    pub hook: String,
    /// The chain.
    pub chain: String,
    /// The last line that is settled.
    pub sequence: i64,
    /// How often the next was tried in vain.
    pub attempts: u64,
    /// When it is tried again.
    pub due: Moment,
    /// Why it was not taken the last time.
    pub cause: String,
    /// The chain's last line.
    pub head: i64,
}

/// What became of an event; [`HookPosition`] says of which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// All up to it was taken.
    Taken,
    /// It is to be tried again.
    Failed {
        /// When.
        due: Moment,
        /// Why.
        cause: String,
    },
    /// It is not tried any more.
    Dead {
        /// Why.
        cause: String,
    },
}

/// An event that a hook did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEvent {
    /// The hook's name.
    pub hook: String,
    /// The chain of the audit log.
    pub chain: String,
    /// The line there.
    pub sequence: i64,
    /// When it was given up.
    pub moment: Moment,
    /// After how many attempts.
    pub attempts: u64,
    /// Why the last failed.
    pub cause: String,
}

/// All blobs and manifests, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blobs.
    pub blobs: u64,
    /// Manifests.
    pub manifests: u64,
}

impl BlobRecord {
    /// Whether it is known to be damaged.
    pub fn is_damaged(&self) -> bool {
        self.place == super::Place::Damaged
    }
}
