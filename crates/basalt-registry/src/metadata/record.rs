//! What the metadata is asked for and told.

use std::sync::Arc;

use bytes::Bytes;

use crate::bills::{Package, Query};
use crate::digest::Digest;
use crate::manifest::Facts;
use crate::name::{RepositoryName, Tag};
use crate::route::UploadId;

/// Milliseconds since 1970.
pub type Moment = i64;

/// Who makes a change, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name, or `anonymous`.
    pub name: String,
    /// The address it came from.
    pub address: String,
    /// When, in milliseconds since 1970.
    pub moment: Moment,
}

/// Where the bytes of a blob are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the metadata itself.
    Inside(Bytes),
    /// In the store of blobs, under the name of the upload that brought it.
    Stored(UploadId),
    /// They were found to be others than they should be, and put aside.
    Damaged,
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRecord {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// Where its bytes are.
    pub place: Place,
    /// Until when it is kept without a reference.
    pub lease: Moment,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRecord {
    /// What is known of it without its bytes.
    pub head: ManifestHead,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A manifest without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub size: u64,
}

/// A manifest that refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerRecord {
    /// What it is.
    pub head: ManifestHead,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Its annotations, as a JSON object.
    pub annotations: String,
}

/// A part of an upload that is kept by itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// The place of its first byte in the upload.
    pub begin: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The name it is kept under, which is used once.
    pub name: UploadId,
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceAdded {
    /// It belongs to the upload now.
    Added,
    /// The upload has this number of bytes, and it does not begin there.
    Elsewhere(u64),
    /// The upload has as many pieces as it may.
    TooMany,
    /// There is no such upload any more.
    NoUpload,
}

/// A blob to be published.
#[derive(Debug, Clone)]
pub struct NewBlob {
    /// Where to.
    pub repository: RepositoryName,
    /// Its digest, which was verified.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// Where its bytes are, safely.
    pub place: Place,
    /// The upload that ends with it.
    pub upload: Option<UploadId>,
    /// Until when it is kept without a reference.
    pub lease: Moment,
    /// How many bytes the repository may have, if there is a bound.
    pub quota: Option<u64>,
    /// Who sends it.
    pub author: Author,
}

/// What has no room in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverQuota {
    /// How many bytes the repository has.
    pub used: u64,
    /// How many would come to it.
    pub more: u64,
    /// How many it may have.
    pub quota: u64,
}

impl OverQuota {
    /// Whether it is too much.
    pub fn is_over(&self) -> bool {
        self.used.saturating_add(self.more) > self.quota
    }
}

/// The room that an upload is to have in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// How many bytes the upload may have then.
    pub bytes: u64,
    /// How many it will have in the end, as far as that is known: there must be room for them now.
    pub announced: u64,
    /// How many bytes the repository may have.
    pub quota: u64,
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// There is room, for this upload alone.
    Kept,
    /// There is no such upload any more.
    NoUpload,
    /// The repository has no room for it; what was reserved before stays so.
    OverQuota(OverQuota),
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Its bytes are where it was said.
    Taken,
    /// It was there already; the bytes that came now are not needed.
    Known,
    /// The upload had been ended by another request.
    NoUpload,
    /// The repository has no room for it; the upload has ended.
    OverQuota(OverQuota),
}

/// Whether a tag may be moved from one manifest to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movable {
    /// It may.
    Yes,
    /// Who asks may only make new ones.
    NoRight,
    /// It may not, whoever asks.
    Immutable,
}

/// A tag to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWrite {
    /// Its name.
    pub tag: Tag,
    /// Whether it may be moved if it is there.
    pub movable: Movable,
}

/// A manifest to be written.
#[derive(Debug, Clone)]
pub struct NewManifest {
    /// Where to.
    pub repository: RepositoryName,
    /// Its digest, which was verified.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
    /// What they say.
    pub facts: Facts,
    /// Its tags.
    pub tags: Vec<TagWrite>,
    /// Whether manifests that it lists need not be here.
    pub is_sparse: bool,
    /// How many bytes the repository may have, if there is a bound.
    pub quota: Option<u64>,
    /// Who sends it.
    pub author: Author,
}

/// A manifest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutManifest {
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Why a change was not made. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The repository lacks these blobs or manifests; the first of them.
    Missing(Vec<Digest>),
    /// The manifest gives another length to what it needs.
    WrongSize {
        /// What.
        digest: Digest,
        /// Its length.
        size: u64,
    },
    /// A tag is there and may not be moved or deleted.
    Tag(Tag, Movable),
    /// This manifest needs it.
    Needed(Digest),
    /// The repository has no room for it.
    OverQuota(OverQuota),
}

/// What became of a blob that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// The repository did not have it.
    Unknown,
    /// It is still in another repository.
    Member,
    /// It is in no repository now, and its bytes can go.
    Gone(Option<UploadId>),
}

/// What a round of the collector removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many reviews were looked at.
    pub reviewed: u64,
    /// Manifests that are no more.
    pub manifests: u64,
    /// Blobs that are in no repository now.
    pub blobs: u64,
    /// Those of them that are in the store of blobs.
    pub places: Vec<(Digest, UploadId)>,
}

/// A key that signs tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name, which tokens bear.
    pub id: String,
    /// The 32 bytes of an Ed25519 key.
    pub secret: zeroize::Zeroizing<[u8; 32]>,
    /// When it was made.
    pub created: Moment,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The last line of a chain of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain: each process that writes has its own where several share the metadata.
    pub chain: String,
    /// The line's number.
    pub sequence: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number in its chain; none is left out.
    pub sequence: i64,
    /// Who, from where, when.
    pub author: Author,
    /// What was done: `push manifest`.
    pub action: String,
    /// In which repository.
    pub repository: String,
    /// To what.
    pub object: String,
    /// SHA-256 over the former line's hash and this line.
    pub hash: [u8; 32],
}

/// A manifest that may carry bills of materials and was not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingBill {
    /// Its number.
    pub manifest: i64,
    /// Where it is.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Whether it is not tried again if it cannot be read now.
    pub is_last: bool,
}

/// A bill of materials about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillRecord {
    /// Its number.
    pub id: i64,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// The document.
    pub document: Digest,
    /// Its format and version.
    pub format: String,
    /// Whether it came in an envelope with signatures, which were not verified.
    pub is_signed: bool,
    /// How many packages it lists.
    pub packages: u64,
    /// Why it was not read, or not whole.
    pub problem: Option<String>,
}

/// Which images are asked for by a package.
#[derive(Clone)]
pub struct PackageSearch {
    /// Which packages.
    pub query: Query,
    /// Whether what is in a repository may be shown.
    pub is_shown: Arc<dyn Fn(&RepositoryName) -> bool + Send + Sync>,
    /// How many images are passed over.
    pub skip: u64,
    /// How many are shown.
    pub limit: u64,
}

/// Images that have packages that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPackages {
    /// The images that were to be shown.
    pub found: Vec<Found>,
    /// How many there are.
    pub total: u64,
    /// In how many repositories.
    pub repositories: u64,
    /// Whether there are more than were counted.
    pub is_capped: bool,
    /// Whether packages of this name were passed over because their versions cannot be compared.
    pub has_unordered: bool,
}

/// An image that has a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub repository: RepositoryName,
    /// Its digest.
    pub image: Digest,
    /// The package.
    pub package: Package,
}

/// What is shown of a repository in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryOverview {
    /// Its name.
    pub name: RepositoryName,
    /// How many tags it has.
    pub tags: u64,
    /// How many bytes its blobs have, each counted once.
    pub size: u64,
    /// When something was pushed there last.
    pub pushed: Option<Moment>,
}

/// What is shown of a tag in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagOverview {
    /// Its name.
    pub tag: Tag,
    /// What it names.
    pub digest: Digest,
    /// When that was pushed last.
    pub pushed: Option<Moment>,
}
