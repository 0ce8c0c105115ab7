//! What those are told who look after a registry.

use std::path::Path;

use super::{Answer, Author, BlobRecord, Collected, ManifestRecord, Moment};
use crate::digest::Digest;
use crate::manifest::{Facts, Needed};
use crate::name::{RepositoryName, Tag};
use crate::route::UploadId;

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
    /// The listed digests that have no manifest here.
    pub absent: Vec<Digest>,
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

/// What those ask and change who look after the registry.
pub trait Operations: Send + Sync + 'static {
    /// Which of these places of blobs nothing knows: neither a blob nor an upload. None while a backup runs.
    fn unknown_places(
        &self,
        places: Vec<(Digest, UploadId)>,
        now: Moment,
    ) -> Answer<'_, Vec<(Digest, UploadId)>>;

    /// Blobs that are in files, by digest, behind `after`, with their places.
    fn stored_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>>;

    /// Whether the database answers.
    fn check(&self) -> Answer<'_, ()>;

    /// Removes what has had no reference since its review was due; the places of blobs that are in no repository now.
    fn collect(&self, now: Moment, limit: u64) -> Answer<'_, Collected>;

    /// Notes that the bytes of a blob at this place are not what they should be: it counts as missing until it is pushed
    /// anew.
    fn quarantine(&self, digest: &Digest, place: &UploadId) -> Answer<'_, bool>;

    /// How many blobs and manifests there are.
    fn totals(&self) -> Answer<'_, Totals>;

    /// All blobs, in files or not, damaged or not, by digest, behind `after`.
    fn all_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>>;

    /// All manifests by number, behind `after`, with all that is known of them.
    fn stored_manifests(&self, after: i64, limit: u64) -> Answer<'_, Vec<StoredManifest>>;

    /// What needs a blob, by name or digest: the first hundred.
    fn hurt_by(&self, digest: &Digest) -> Answer<'_, Vec<String>>;

    /// Notes that the bytes of a blob are not what they should be, wherever they are; false when that is known.
    fn mark_damaged(&self, digest: &Digest) -> Answer<'_, bool>;

    /// Writes again what a manifest's bytes say of it.
    fn mend_manifest(&self, manifest: i64, facts: Facts, now: Moment) -> Answer<'_, ()>;

    /// Promises something to one owner until this time; false when another has it.
    fn take_lease(&self, name: &str, owner: &str, now: Moment, ends: Moment) -> Answer<'_, bool>;

    /// Ends a promise.
    fn end_lease(&self, name: &str, owner: &str) -> Answer<'_, ()>;

    /// Writes all that is known at one moment into a file of SQLite that is not there.
    fn copy_into(&self, path: &Path) -> Answer<'_, ()>;

    /// Takes over all that such a file knows, whole or not at all; false when something is known here already.
    fn fill_from(&self, path: &Path) -> Answer<'_, bool>;

    /// Whether nothing was ever done here.
    fn is_empty(&self) -> Answer<'_, bool>;

    /// Tags of a repository with their times, sorted, behind `after`.
    fn tag_records(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Vec<TagRecord>>;

    /// What keeps a manifest besides its tags.
    fn keeper(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<Keeper>>;

    /// Deletes a tag that is still what it was when this was decided, and what nothing else needs then; nothing happens
    /// when it is not.
    fn retire(
        &self,
        repository: &RepositoryName,
        tag: &TagRecord,
        author: Author,
    ) -> Answer<'_, Option<Retired>>;

    /// Does what the engine needs from time to time.
    fn maintain(&self) -> Answer<'_, ()>;
}
