//! Metadata in SQLite: one file, its journal written ahead, one thread that writes and several connections that read.

mod change;
mod collect;
mod read;
mod schema;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{
    Answer, AuditEntry, Author, BlobRecord, Collected, Deleted, ManifestHead, ManifestRecord,
    Metadata, MetadataError, Moment, NewBlob, NewManifest, Published, PutManifest, ReferrerRecord,
    Refusal, SigningKey,
};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::{Reference, UploadId};
use writer::Writer;

/// How many connections read. A read takes some ten microseconds, so few are enough.
const READERS: usize = 8;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;
/// How long the journal may stay once it is written back, in bytes.
const JOURNAL: i64 = 64 << 20;
/// How long a connection waits for another process that holds the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what lost its last reference is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// A blob that no manifest of the repository needs any more, in milliseconds.
    pub blob: i64,
    /// A manifest that lost its last tag, and that no index lists; for ever when there is none.
    pub untagged: Option<i64>,
}

/// Metadata in a file.
pub struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    writer: Writer,
    grace: Grace,
    place: String,
}

impl Sqlite {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or was made by a newer program.
    pub fn open(path: &Path, grace: Grace) -> Result<Self, MetadataError> {
        let place = path.display().to_string();
        let error = |cause| failed(&place, &cause);
        let mut connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE,
        )
        .map_err(error)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(error)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(error)?;
        connection
            .pragma_update(None, "journal_size_limit", JOURNAL)
            .map_err(error)?;
        schema::migrate(&mut connection, &place)?;
        let readers = (0..READERS)
            .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map(Mutex::new))
            .collect::<rusqlite::Result<_>>()
            .map_err(error)?;
        let writer =
            Writer::start(connection, place.clone()).map_err(|cause| MetadataError::Database {
                place: place.clone(),
                cause: cause.to_string(),
            })?;
        Ok(Self {
            readers,
            next: AtomicUsize::new(0),
            writer,
            grace,
            place,
        })
    }

    /// Reads with a connection that is free. It is done at once, in the caller's thread: to hand it to another would
    /// take longer than the read.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Answer<'_, T> {
        let connection = self.reader();
        let result = read(&connection).map_err(|cause| failed(&self.place, &cause));
        drop(connection);
        Box::pin(std::future::ready(result))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..READERS).find_map(|step| {
            let reader = self.readers.get((start + step) % READERS)?;
            reader.try_lock().ok()
        });
        match free {
            Some(reader) => reader,
            None => self.readers[start % READERS]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn failed(place: &str, cause: &rusqlite::Error) -> MetadataError {
    MetadataError::Database {
        place: place.to_owned(),
        cause: cause.to_string(),
    }
}

impl Metadata for Sqlite {
    fn repositories(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<RepositoryName>> {
        self.read(|connection| read::repositories(connection, after, limit))
    }

    fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Option<Vec<String>>> {
        self.read(|connection| read::tags(connection, repository, after, limit))
    }

    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestRecord>> {
        self.read(|connection| read::manifest(connection, repository, reference))
    }

    fn manifest_head(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestHead>> {
        self.read(|connection| read::manifest_head(connection, repository, reference))
    }

    fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, (Vec<ReferrerRecord>, bool)> {
        self.read(|connection| {
            read::referrers(connection, repository, subject, artifact_type, after, limit)
        })
    }

    fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<BlobRecord>> {
        self.read(|connection| read::blob(connection, repository, digest))
    }

    fn known_blob(&self, digest: &Digest) -> Answer<'_, Option<BlobRecord>> {
        self.read(|connection| read::known_blob(connection, digest))
    }

    fn holders(&self, digest: &Digest, limit: u64) -> Answer<'_, Vec<RepositoryName>> {
        self.read(|connection| read::holders(connection, digest, limit))
    }

    fn has_upload(&self, repository: &RepositoryName, upload: &UploadId) -> Answer<'_, bool> {
        self.read(|connection| read::has_upload(connection, repository, upload))
    }

    fn unknown_places(
        &self,
        places: Vec<(Digest, UploadId)>,
    ) -> Answer<'_, Vec<(Digest, UploadId)>> {
        self.read(|connection| read::unknown_places(connection, places))
    }

    fn stored_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>> {
        self.read(|connection| read::stored_blobs(connection, after, limit))
    }

    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>> {
        self.read(read::signing_keys)
    }

    fn add_signing_key(&self, key: SigningKey, newest: Moment, oldest: Moment) -> Answer<'_, ()> {
        self.writer.change(true, move |connection| {
            change::add_signing_key(connection, &key, newest, oldest)
        })
    }

    fn audit(&self, after: i64, limit: u64) -> Answer<'_, Vec<AuditEntry>> {
        self.read(|connection| read::audit(connection, after, limit))
    }

    fn check(&self) -> Answer<'_, ()> {
        self.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
    }

    fn begin_upload(
        &self,
        repository: &RepositoryName,
        upload: &UploadId,
        lease: Moment,
    ) -> Answer<'_, ()> {
        let (repository, upload) = (repository.clone(), upload.clone());
        self.writer.change(false, move |connection| {
            change::begin_upload(connection, &repository, &upload, lease)
        })
    }

    fn renew_upload(&self, upload: &UploadId, lease: Moment) -> Answer<'_, ()> {
        let upload = upload.clone();
        self.writer.change(false, move |connection| {
            change::renew_upload(connection, &upload, lease)
        })
    }

    fn end_upload(&self, upload: &UploadId) -> Answer<'_, bool> {
        let upload = upload.clone();
        self.writer.change(false, move |connection| {
            change::end_upload(connection, &upload)
        })
    }

    fn end_expired_uploads(&self, now: Moment, limit: u64) -> Answer<'_, Vec<UploadId>> {
        self.writer.change(false, move |connection| {
            change::end_expired_uploads(connection, now, limit)
        })
    }

    fn publish_blob(&self, blob: NewBlob) -> Answer<'_, Published> {
        self.writer.change(true, move |connection| {
            change::publish_blob(connection, &blob)
        })
    }

    fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
        lease: Moment,
        author: Author,
    ) -> Answer<'_, bool> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.clone());
        self.writer.change(true, move |connection| {
            change::mount_blob(connection, &from, &to, &digest, lease, &author)
        })
    }

    fn renew_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Moment,
    ) -> Answer<'_, bool> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.writer.change(false, move |connection| {
            change::renew_blob(connection, &repository, &digest, lease)
        })
    }

    fn put_manifest(&self, manifest: NewManifest) -> Answer<'_, Result<PutManifest, Refusal>> {
        let grace = self.grace;
        self.writer.change(true, move |connection| {
            change::put_manifest(connection, &manifest, grace)
        })
    }

    fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        author: Author,
    ) -> Answer<'_, bool> {
        let (repository, tag, grace) = (repository.clone(), tag.clone(), self.grace);
        self.writer.change(true, move |connection| {
            change::delete_tag(connection, &repository, &tag, &author, grace)
        })
    }

    fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kept_tags: Vec<Tag>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>> {
        let (repository, digest, grace) = (repository.clone(), digest.clone(), self.grace);
        self.writer.change(true, move |connection| {
            change::delete_manifest(connection, &repository, &digest, &kept_tags, &author, grace)
        })
    }

    fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Vec<Tag>> {
        self.read(|connection| read::tags_of(connection, repository, digest))
    }

    fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        author: Author,
    ) -> Answer<'_, Result<Deleted, Refusal>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.writer.change(true, move |connection| {
            change::delete_blob(connection, &repository, &digest, &author)
        })
    }

    fn collect(&self, now: Moment, limit: u64) -> Answer<'_, Collected> {
        let grace = self.grace;
        self.writer.change(true, move |connection| {
            collect::collect(connection, now, limit, grace)
        })
    }

    fn quarantine(&self, digest: &Digest, place: &UploadId) -> Answer<'_, bool> {
        let (digest, place) = (digest.clone(), place.clone());
        self.writer.change(true, move |connection| {
            change::quarantine(connection, &digest, &place)
        })
    }
}
