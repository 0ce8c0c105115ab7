//! What is kept, apart from the bytes of large blobs: the one arbiter of what is there.
//!
//! Every change is one transaction that checks again what it depends on, so that servers that share the metadata
//! need no lock among them.

mod copied;
pub mod journal;
pub mod login;
mod operated;
pub mod postgres;
mod record;
mod sql;
pub mod sqlite;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::access::{Login, LoginId, Robot, RobotName, UserCode};
use crate::bills::{NewBill, Package};
use crate::digest::Digest;
use crate::manifest::Facts;
use crate::name::{RepositoryName, Tag};
use crate::route::{Reference, UploadId};
use login::{Approval, PendingLogin, Poll, Polled};
use sql::session::SqlError;

pub use copied::{CopyRecord, NewCopy};
pub use operated::{
    DeadEvent, Delivery, HeldBlob, HookPosition, Keeper, Retired, StoredManifest, TagRecord, Totals,
};
pub use record::{
    AuditEntry, AuditHead, Author, BillRecord, BlobRecord, Collected, Deleted, Found,
    FoundPackages, ManifestHead, ManifestRecord, Moment, Movable, NewBlob, NewManifest, OverQuota,
    PackageSearch, Piece, PieceAdded, Place, Published, PutManifest, ReferrerRecord, Refusal,
    RepositoryOverview, SigningKey, TagOverview, TagWrite, WaitingBill,
};

/// An answer that is to come.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, MetadataError>> + Send + 'a>>;

/// Why the metadata could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// The database failed.
    #[error("the registry's database {place}: {cause}")]
    Database {
        /// Where it is.
        place: String,
        /// What it said.
        cause: String,
    },
    /// The database is not there at the moment, or has too much to do.
    #[error("the registry's database {place} cannot be used now: {cause}")]
    Unavailable {
        /// Where it is.
        place: String,
        /// Why.
        cause: String,
    },
    /// It was made by a newer program.
    #[error(
        "the registry's database {place} is of version {found}, which this program does not know (it knows up to {known}); \
         run the program that made it, or a newer one"
    )]
    Newer {
        /// Where it is.
        place: String,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The server is going down.
    #[error("the registry is shutting down")]
    Closed,
}

impl MetadataError {
    fn database(place: &str, error: &SqlError) -> Self {
        let (place, cause) = (place.to_owned(), error.to_string());
        match error {
            SqlError::Lost(_) | SqlError::Conflict(_) => Self::Unavailable { place, cause },
            SqlError::Refused(_) | SqlError::Column { .. } => Self::Database { place, cause },
        }
    }
}

/// How long what lost its last reference is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// A blob that no manifest of the repository needs any more, in milliseconds.
    pub blob: i64,
    /// A manifest that lost its last tag, and that no index lists; for ever when there is none.
    pub untagged: Option<i64>,
}

/// What an engine of metadata does.
///
/// Times are given by the caller, in milliseconds since 1970. What is written has reached the disk when the answer
/// comes, but for uploads and leases: who loses one asks anew.
pub trait Metadata: Send + Sync + 'static {
    /// Names of repositories with a manifest, sorted, behind `after`.
    fn repositories(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<RepositoryName>>;

    /// Tags of a repository, sorted, behind `after`; nothing when there is no such repository.
    fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Option<Vec<String>>>;

    /// A manifest with its bytes.
    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestRecord>>;

    /// A manifest without its bytes.
    fn manifest_head(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestHead>>;

    /// What refers to a manifest, by digest, behind `after`; and whether there is more. It is fewer than `limit` when their
    /// annotations are long.
    fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, (Vec<ReferrerRecord>, bool)>;

    /// A blob of a repository.
    fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<BlobRecord>>;

    /// A blob, whichever repository has it.
    fn known_blob(&self, digest: &Digest) -> Answer<'_, Option<BlobRecord>>;

    /// Repositories that have a blob, at most so many.
    fn holders(&self, digest: &Digest, limit: u64) -> Answer<'_, Vec<RepositoryName>>;

    /// Whether a repository has this upload.
    fn has_upload(&self, repository: &RepositoryName, upload: &UploadId) -> Answer<'_, bool>;

    /// Which of these places of blobs nothing knows: neither a blob nor an upload. None while a backup runs.
    fn unknown_places(
        &self,
        places: Vec<(Digest, UploadId)>,
        now: Moment,
    ) -> Answer<'_, Vec<(Digest, UploadId)>>;

    /// Which of these uploads nothing knows: neither is one of them at hand, nor does a blob lie in its place.
    fn unknown_uploads(&self, uploads: Vec<UploadId>) -> Answer<'_, Vec<UploadId>>;

    /// How many bytes the pieces of an upload have together.
    fn pieces_length(&self, upload: &UploadId) -> Answer<'_, u64>;

    /// The pieces of an upload, in order.
    fn pieces(&self, upload: &UploadId) -> Answer<'_, Vec<Piece>>;

    /// Adds a piece to an upload that ends where the piece begins, and has fewer than `maximum`.
    fn add_piece(&self, upload: &UploadId, piece: Piece, maximum: u64) -> Answer<'_, PieceAdded>;

    /// Blobs that are in files, by digest, behind `after`, with their places.
    fn stored_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>>;

    /// The keys that sign tokens, the newest first.
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>>;

    /// Adds a key that signs tokens, and drops those made before `oldest`. Nothing happens when there is one made
    /// after `newest`, by another server.
    fn add_signing_key(&self, key: SigningKey, newest: Moment, oldest: Moment) -> Answer<'_, ()>;

    /// The chains of the audit log, and how far each is.
    fn audit_chains(&self) -> Answer<'_, Vec<AuditHead>>;

    /// What was written, by whom, in order, behind this number of a chain.
    fn audit(&self, chain: &str, after: i64, limit: u64) -> Answer<'_, Vec<AuditEntry>>;

    /// Whether the database answers.
    fn check(&self) -> Answer<'_, ()>;

    /// Begins an upload that ends by itself at this time.
    fn begin_upload(
        &self,
        repository: &RepositoryName,
        upload: &UploadId,
        lease: Moment,
    ) -> Answer<'_, ()>;

    /// Lets an upload live until this time.
    fn renew_upload(&self, upload: &UploadId, lease: Moment) -> Answer<'_, ()>;

    /// Ends an upload; whether there was one.
    fn end_upload(&self, upload: &UploadId) -> Answer<'_, bool>;

    /// Ends uploads whose time is over; their names.
    fn end_expired_uploads(&self, now: Moment, limit: u64) -> Answer<'_, Vec<UploadId>>;

    /// Makes a blob, whose bytes are safe, part of a repository.
    fn publish_blob(&self, blob: NewBlob) -> Answer<'_, Published>;

    /// Makes a blob of one repository part of another too; false when it is not there. `quota`: how many bytes that other may
    /// have.
    fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
        lease: Moment,
        quota: Option<u64>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>>;

    /// Keeps a blob in a repository until this time at least; false when it is not there any more.
    fn renew_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Moment,
    ) -> Answer<'_, bool>;

    /// Writes a manifest and its tags, if all that it needs is in the repository.
    fn put_manifest(&self, manifest: NewManifest) -> Answer<'_, Result<PutManifest, Refusal>>;

    /// Deletes a tag; false when it is not there.
    fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        author: Author,
    ) -> Answer<'_, bool>;

    /// Deletes a manifest and its tags, but not one that an index lists.
    fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kept_tags: Vec<Tag>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>>;

    /// The tags that a manifest has.
    fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Vec<Tag>>;

    /// Takes a blob out of a repository, but not one that a manifest there needs.
    fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        author: Author,
    ) -> Answer<'_, Result<Deleted, Refusal>>;

    /// Removes what has had no reference since its review was due; the places of blobs that are in no repository now.
    fn collect(&self, now: Moment, limit: u64) -> Answer<'_, Collected>;

    /// Notes that the bytes of a blob at this place are not what they should be: it counts as missing until it is pushed
    /// anew.
    fn quarantine(&self, digest: &Digest, place: &UploadId) -> Answer<'_, bool>;

    /// How many bytes of blobs and manifests a repository has.
    fn repository_size(&self, repository: &RepositoryName) -> Answer<'_, u64>;

    /// Robots by name, behind `after`.
    fn robots(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Robot>>;

    /// A robot.
    fn robot(&self, name: &RobotName) -> Answer<'_, Option<Robot>>;

    /// Adds a robot; false when there is one of this name.
    fn add_robot(&self, robot: Robot, author: Author) -> Answer<'_, bool>;

    /// Deletes a robot; false when it is not there.
    fn delete_robot(&self, name: &RobotName, author: Author) -> Answer<'_, bool>;

    /// Notes that a robot was at work, unless that was noted a moment ago.
    fn note_robot(&self, name: &RobotName, now: Moment) -> Answer<'_, ()>;

    // Logins of programs.

    /// Lets a program wait until a person signs in for it; false when `maximum` others do, or one shows its code.
    fn begin_login(&self, pending: PendingLogin, maximum: u64) -> Answer<'_, bool>;

    /// The program that shows this code and waits for a decision.
    fn pending_login(&self, code: &UserCode, now: Moment) -> Answer<'_, Option<PendingLogin>>;

    /// Notes what a person decided, yes or no; false when nothing waits for it any more.
    fn decide_login(
        &self,
        code: &UserCode,
        approval: Option<Approval>,
        now: Moment,
    ) -> Answer<'_, bool>;

    /// Answers a program that waits, and logs it in when a person let it in.
    fn poll_login(&self, poll: Poll) -> Answer<'_, Polled>;

    /// Logins by name, behind `after`.
    fn logins(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Login>>;

    /// The login that has this secret, given by its hash.
    fn login(&self, secret: [u8; 32], now: Moment) -> Answer<'_, Option<Login>>;

    /// Whether a login is still good.
    fn has_login(&self, id: &LoginId, now: Moment) -> Answer<'_, bool>;

    /// Notes that a login was used, unless that was noted a moment ago.
    fn note_login(&self, id: &LoginId, now: Moment) -> Answer<'_, ()>;

    /// Ends a login; false when it is not there.
    fn delete_login(&self, id: &LoginId, author: Author) -> Answer<'_, bool>;

    /// Notes that an answer of an issuer was taken, which cannot come again after `expires`; false when it was before.
    fn spend_state(&self, state: [u8; 32], now: Moment, expires: Moment) -> Answer<'_, bool>;

    // What those ask and change who look after the registry.

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

    /// How far a hook is in each chain of the audit log. One that is new begins with what happens from now on.
    fn hook_positions(&self, hook: &str) -> Answer<'_, Vec<HookPosition>>;

    /// How far all hooks are.
    fn all_hook_positions(&self) -> Answer<'_, Vec<HookPosition>>;

    /// Notes what became of an event.
    fn note_delivery(
        &self,
        position: HookPosition,
        delivery: Delivery,
        now: Moment,
    ) -> Answer<'_, ()>;

    /// Events that hooks did not take, the latest first.
    fn dead_events(&self, limit: u64) -> Answer<'_, Vec<DeadEvent>>;

    /// Does what the engine needs from time to time.
    fn maintain(&self) -> Answer<'_, ()>;

    // What pages for people show, and bills of materials.

    /// The next manifest that may carry bills of materials and is to be read now. It comes again later until [`Metadata::end_bills`].
    fn next_bill(&self, now: Moment) -> Answer<'_, Option<WaitingBill>>;

    /// Drops the bills that were read of a manifest.
    fn begin_bills(&self, manifest: i64) -> Answer<'_, ()>;

    /// Adds a bill of a manifest, without its packages; its number, or nothing when the manifest is gone.
    fn add_bill(&self, manifest: i64, bill: NewBill) -> Answer<'_, Option<i64>>;

    /// Adds packages to a bill; nothing happens when its manifest is gone.
    fn add_packages(&self, bill: i64, packages: Vec<Package>) -> Answer<'_, ()>;

    /// Takes a manifest out of the queue: its bills were read.
    fn end_bills(&self, manifest: i64) -> Answer<'_, ()>;

    /// Removes so many packages of bills whose manifest is gone. Whether there are more.
    fn sweep_bills(&self, limit: u64) -> Answer<'_, bool>;

    /// The bills about an image, those with the most packages first.
    fn bills_of(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Answer<'_, Vec<BillRecord>>;

    /// Whether something that refers to an image still waits to be read.
    fn has_waiting_bill(&self, repository: &RepositoryName, subject: &Digest) -> Answer<'_, bool>;

    /// What a bill lists, by name.
    fn packages_of(&self, bill: i64) -> Answer<'_, Vec<Package>>;

    /// The images that have a package.
    fn search_packages(&self, search: PackageSearch) -> Answer<'_, FoundPackages>;

    /// How large repositories are, and when something was pushed there last.
    fn repository_overviews(
        &self,
        names: Vec<RepositoryName>,
    ) -> Answer<'_, Vec<RepositoryOverview>>;

    /// Tags of a repository, sorted, at most so many.
    fn tag_overviews(
        &self,
        repository: &RepositoryName,
        limit: u64,
    ) -> Answer<'_, Vec<TagOverview>>;

    /// When a manifest was pushed last.
    fn pushed(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<Moment>>;

    /// The tags of a manifest and of the indexes that list it, at most so many.
    fn tags_over(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Tag>>;

    // What policies ask.

    /// A number that is another whenever manifests or tags of a repository changed.
    fn changes(&self, repository: &RepositoryName) -> Answer<'_, u64>;

    /// The indexes that list a manifest, the oldest first, at most so many.
    fn parents(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Digest>>;

    /// Manifests that need a blob, in repositories that are wanted, at most so many.
    fn manifests_with(
        &self,
        blob: &Digest,
        is_wanted: Filter,
        limit: u64,
    ) -> Answer<'_, Vec<(RepositoryName, Digest)>>;
    // Copies of what upstreams have.

    /// A manifest of a repository that is an upstream's, if it is here.
    fn copy(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<CopyRecord>>;

    /// Keeps a copy of an upstream's manifest, whether what it needs is here or not, and lets its tags name it.
    fn keep_copy(&self, copy: NewCopy) -> Answer<'_, Result<(), Refusal>>;

    /// Notes that a tag names the same upstream as here.
    fn confirm_copy(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        now: Moment,
    ) -> Answer<'_, ()>;

    /// Keeps a copy until this time at least.
    fn renew_copy(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        ends: Moment,
    ) -> Answer<'_, ()>;

    /// For which platforms copied indexes of a repository list a manifest; an empty text where one says none.
    fn copied_platforms(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Answer<'_, Vec<String>>;

    /// Removes copies whose time is over, at most so many.
    fn collect_copies(&self, now: Moment, limit: u64) -> Answer<'_, Collected>;
}

/// How many names are asked for at once.
const NAMES: u64 = 1000;

/// The names of all repositories, in order.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn all_repositories(
    metadata: &dyn Metadata,
) -> std::result::Result<Vec<RepositoryName>, MetadataError> {
    let mut names: Vec<RepositoryName> = Vec::new();
    loop {
        let last = names.last().map(|name| name.as_str().to_owned());
        let page = metadata.repositories(last.as_deref(), NAMES).await?;
        if page.is_empty() {
            return Ok(names);
        }
        names.extend(page);
    }
}

/// Whether a repository is meant.
pub type Filter = Arc<dyn Fn(&RepositoryName) -> bool + Send + Sync>;

/// Whether the use of a robot or a login is to be noted again when it was last noted then.
pub fn is_use_old(used: Option<Moment>, now: Moment) -> bool {
    sql::is_old(used, now)
}
