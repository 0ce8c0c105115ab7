//! The bytes of blobs that are too large for the metadata, and of uploads that are not finished.
//!
//! A blob lies under its digest *and* the name of the upload that brought it. So two uploads of one blob never meet, one
//! that is deleted is never mistaken for one that comes back, and no lock is needed: which of them counts is for the
//! metadata to say.

mod bring;
mod bucket;
mod folder;
mod whole;

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::digest::{Algorithm, Digest, Hasher};
use crate::route::UploadId;

pub use bucket::{Bucket, BucketError, BucketPlace, Keys};
pub use folder::Folder;
pub(crate) use folder::{PART, sync_folder};
pub(crate) use whole::whole;

/// An answer that is to come.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// The name of a blob in a store.
fn file_name(digest: &Digest, upload: &UploadId) -> String {
    format!("{}.{}", digest.hex(), upload.as_str())
}

/// Reads what [`file_name`] wrote; nothing when it is another name.
fn read_file_name(algorithm: Algorithm, name: &str) -> Option<(Digest, UploadId)> {
    let (hex, upload) = name.split_once('.')?;
    let digest = format!("{}:{hex}", algorithm.name()).parse().ok()?;
    Some((digest, UploadId::parse(upload)?))
}

/// Whether a store that failed so may do it at another time: that says nothing about what it holds.
pub fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionReset, Interrupted, NotConnected, TimedOut};
    [ConnectionReset, Interrupted, NotConnected, TimedOut].contains(&error.kind())
}

/// What an engine for blobs does.
pub trait Blobs: Send + Sync + 'static {
    /// Adds bytes to an upload that has so many. Errors with `InvalidInput` when it has another number.
    fn append(&self, upload: &UploadId, offset: u64, bytes: Vec<Bytes>) -> Answer<'_, ()>;

    /// How many bytes are best added at once, at most.
    fn piece(&self) -> usize;

    /// How many bytes an upload has, when another server may have added some; nothing when only this one adds any.
    fn staged_length(&self, upload: &UploadId) -> Answer<'_, Option<u64>>;

    /// Reads what an upload has from this place on into a hasher; also how much it has in all.
    fn hash_staged(
        &self,
        upload: &UploadId,
        hasher: Hasher,
        offset: u64,
    ) -> Answer<'_, (Hasher, u64)>;

    /// All bytes of an upload, which are at most so many.
    fn read_staged(&self, upload: &UploadId, limit: u64) -> Answer<'_, Bytes>;

    /// Reads so many bytes of an upload from this place on, or as many as there are; none when the upload is not there.
    fn read_staged_at(&self, upload: &UploadId, offset: u64, length: usize) -> Answer<'_, Bytes>;

    /// Makes an upload of this length a blob, whose bytes have reached the disk, under their name, when the answer comes.
    fn publish(&self, upload: &UploadId, digest: &Digest, size: u64) -> Answer<'_, ()>;

    /// Forgets what an upload has; nothing happens when it has nothing.
    fn discard(&self, upload: &UploadId) -> Answer<'_, ()>;

    /// Opens a blob; nothing when it is not there.
    fn open(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, Option<Arc<dyn Blob>>>;

    /// Brings a blob here from another store, under the name of its upload. False when its bytes are not those of the
    /// digest: then it is not here.
    fn bring(&self, digest: &Digest, upload: &UploadId, from: Arc<dyn Blob>) -> Answer<'_, bool>;

    /// Where a blob lies within the store, for people.
    fn location(&self, digest: &Digest, upload: &UploadId) -> String;

    /// Removes a blob; nothing happens when it is not there.
    fn remove(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()>;

    /// Puts a blob aside, where nobody is served from.
    fn quarantine(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()>;

    /// All that lies in one of 256 parts of the store.
    fn list(&self, part: u8) -> Answer<'_, Vec<(Digest, UploadId)>>;

    /// Uploads in one of 256 parts of the store that have bytes, whether they are finished or not.
    fn staged(&self, part: u8) -> Answer<'_, Vec<UploadId>>;
}

/// A blob that can be read.
pub trait Blob: Send + Sync {
    /// Its length.
    fn size(&self) -> u64;

    /// How much of it is best read at once.
    fn piece(&self) -> usize;

    /// Fills the buffer from this place on, if that is possible at once, without waiting for a disk. How much it is.
    ///
    /// # Errors
    /// With `WouldBlock` when it is not.
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads so many bytes from this place on, or as many as there are.
    fn read(&self, offset: u64, length: usize) -> Answer<'static, Bytes>;

    /// The file that has its bytes, if they are in one.
    fn file(&self) -> Option<&Arc<File>>;
}
