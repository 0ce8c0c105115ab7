//! Uploads, and how they become blobs.

use super::{
    Answer, Author, Moment, NewBlob, Piece, PieceAdded, Published, Refusal, Reservation, Reserved,
};
use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::route::UploadId;

/// Uploads, and how they become blobs.
pub trait Uploads: Send + Sync + 'static {
    /// Whether a repository has this upload.
    fn has_upload(&self, repository: &RepositoryName, upload: &UploadId) -> Answer<'_, bool>;

    /// Which of these uploads nothing knows: neither is one of them at hand, nor does a blob lie in its place.
    fn unknown_uploads(&self, uploads: Vec<UploadId>) -> Answer<'_, Vec<UploadId>>;

    /// How many bytes the pieces of an upload have together.
    fn pieces_length(&self, upload: &UploadId) -> Answer<'_, u64>;

    /// The pieces of an upload, in order.
    fn pieces(&self, upload: &UploadId) -> Answer<'_, Vec<Piece>>;

    /// Adds a piece to an upload that ends where the piece begins, and has fewer than `maximum`.
    fn add_piece(&self, upload: &UploadId, piece: Piece, maximum: u64) -> Answer<'_, PieceAdded>;

    /// Begins an upload that ends by itself at this time.
    fn begin_upload(
        &self,
        repository: &RepositoryName,
        upload: &UploadId,
        lease: Moment,
    ) -> Answer<'_, ()>;

    /// Lets an upload live until this time.
    fn renew_upload(&self, upload: &UploadId, lease: Moment) -> Answer<'_, ()>;

    /// Keeps room for an upload in its repository, beside what that has and what other uploads keep.
    fn reserve_upload(&self, upload: &UploadId, room: Reservation) -> Answer<'_, Reserved>;

    /// Lets an upload keep no more room than for so many bytes; false when there is no such upload any more.
    fn settle_upload(&self, upload: &UploadId, bytes: u64) -> Answer<'_, bool>;

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
}
