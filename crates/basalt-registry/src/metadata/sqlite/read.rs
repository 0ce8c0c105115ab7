//! What is read.

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::super::{
    AuditEntry, Author, BlobRecord, ManifestHead, ManifestRecord, Place, ReferrerRecord, SigningKey,
};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::{Reference, UploadId};

/// A column that must be what this program wrote.
fn parsed<T, E>(
    row: &Row<'_>,
    index: usize,
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(index)?.as_str()?;
    parse(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

pub(super) fn digest(row: &Row<'_>, index: usize) -> Result<Digest> {
    parsed(row, index, str::parse)
}

pub(super) fn place(row: &Row<'_>, index: usize) -> Result<Option<UploadId>> {
    let text: Option<String> = row.get(index)?;
    Ok(text.as_deref().and_then(UploadId::parse))
}

pub(super) fn repository_id(connection: &Connection, name: &RepositoryName) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM repositories WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()
}

pub(super) fn repositories(
    connection: &Connection,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<RepositoryName>> {
    connection
        .prepare_cached(
            "SELECT name FROM repositories r WHERE name > ?1
             AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository = r.id) ORDER BY name LIMIT ?2",
        )?
        .query_map(params![after.unwrap_or(""), bound(limit)], |row| {
            parsed(row, 0, str::parse)
        })?
        .collect()
}

pub(super) fn tags(
    connection: &Connection,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u64,
) -> Result<Option<Vec<String>>> {
    let Some(id) = repository_id(connection, repository)? else {
        return Ok(None);
    };
    connection
        .prepare_cached(
            "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        )?
        .query_map(params![id, after.unwrap_or(""), bound(limit)], |row| {
            row.get(0)
        })?
        .collect::<Result<_>>()
        .map(Some)
}

const OF_TAG: &str =
    "FROM repositories r JOIN tags t ON t.repository = r.id JOIN manifests m ON m.id = t.manifest
    WHERE r.name = ?1 AND t.name = ?2";
const OF_DIGEST: &str = "FROM repositories r JOIN manifests m ON m.repository = r.id WHERE r.name = ?1 AND m.digest = ?2";

fn of_reference<T>(
    connection: &Connection,
    columns: &str,
    repository: &RepositoryName,
    reference: &Reference,
    row: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let (from, name) = match reference {
        Reference::Tag(tag) => (OF_TAG, tag.as_str()),
        Reference::Digest(digest) => (OF_DIGEST, digest.as_str()),
    };
    connection
        .prepare_cached(&format!("SELECT {columns} {from}"))?
        .query_row([repository.as_str(), name], row)
        .optional()
}

fn head(row: &Row<'_>) -> Result<ManifestHead> {
    Ok(ManifestHead {
        digest: digest(row, 0)?,
        media_type: row.get(1)?,
        size: row.get(2)?,
    })
}

pub(super) fn manifest(
    connection: &Connection,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<ManifestRecord>> {
    let columns = "m.digest, m.media_type, m.size, m.bytes";
    of_reference(connection, columns, repository, reference, |row| {
        Ok(ManifestRecord {
            head: head(row)?,
            bytes: Bytes::copy_from_slice(row.get_ref(3)?.as_blob()?),
        })
    })
}

pub(super) fn manifest_head(
    connection: &Connection,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<ManifestHead>> {
    let columns = "m.digest, m.media_type, m.size";
    of_reference(connection, columns, repository, reference, head)
}

/// How long the annotations of one list of referrers may be together, in bytes. The list itself is to stay below 4 MiB.
const MAXIMUM_ANNOTATIONS: usize = 3 << 20;

pub(super) fn referrers(
    connection: &Connection,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: Option<&str>,
    limit: u64,
) -> Result<(Vec<ReferrerRecord>, bool)> {
    let mut statement = connection.prepare_cached(
        "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
         FROM repositories r JOIN manifests m ON m.repository = r.id
         WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 AND (?4 IS NULL OR m.artifact_type = ?4)
         ORDER BY m.digest",
    )?;
    let mut rows = statement.query(params![
        repository.as_str(),
        subject.as_str(),
        after.unwrap_or(""),
        artifact_type,
    ])?;
    let mut found = Vec::new();
    let mut length = 0;
    while let Some(row) = rows.next()? {
        length += row.get_ref(4)?.as_str()?.len();
        let is_full = found.len() as u64 >= limit || length > MAXIMUM_ANNOTATIONS;
        // One whose annotations alone are too long is still to be found.
        if is_full && (limit == 0 || !found.is_empty()) {
            return Ok((found, true));
        }
        found.push(ReferrerRecord {
            head: head(row)?,
            artifact_type: row.get(3)?,
            annotations: row.get(4)?,
        });
    }
    Ok((found, false))
}

/// The columns of [`blob_record`].
const BLOB: &str = "b.digest, b.size, b.place, b.bytes, b.is_bad";

fn blob_record(row: &Row<'_>, lease: i64) -> Result<BlobRecord> {
    let place = match place(row, 2)? {
        _ if row.get(4)? => Place::Damaged,
        Some(upload) => Place::Stored(upload),
        None => Place::Inside(Bytes::copy_from_slice(row.get_ref(3)?.as_blob()?)),
    };
    Ok(BlobRecord {
        digest: digest(row, 0)?,
        size: row.get(1)?,
        place,
        lease,
    })
}

pub(super) fn blob(
    connection: &Connection,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobRecord>> {
    let query = format!(
        "SELECT {BLOB}, k.lease FROM repositories r JOIN members k ON k.repository = r.id JOIN blobs b ON b.id = k.blob
         WHERE r.name = ?1 AND b.digest = ?2"
    );
    connection
        .prepare_cached(&query)?
        .query_row([repository.as_str(), digest.as_str()], |row| {
            blob_record(row, row.get(5)?)
        })
        .optional()
}

pub(super) fn known_blob(connection: &Connection, digest: &Digest) -> Result<Option<BlobRecord>> {
    connection
        .prepare_cached(&format!("SELECT {BLOB} FROM blobs b WHERE b.digest = ?1"))?
        .query_row([digest.as_str()], |row| blob_record(row, 0))
        .optional()
}

pub(super) fn stored_blobs(
    connection: &Connection,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<BlobRecord>> {
    let query = format!(
        "SELECT {BLOB} FROM blobs b WHERE b.digest > ?1 AND b.place IS NOT NULL AND b.is_bad = 0 ORDER BY b.digest LIMIT ?2"
    );
    connection
        .prepare_cached(&query)?
        .query_map(params![after.unwrap_or(""), bound(limit)], |row| {
            blob_record(row, 0)
        })?
        .collect()
}

pub(super) fn holders(
    connection: &Connection,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<RepositoryName>> {
    connection
        .prepare_cached(
            "SELECT r.name FROM blobs b JOIN members k ON k.blob = b.id JOIN repositories r ON r.id = k.repository
             WHERE b.digest = ?1 AND b.is_bad = 0 LIMIT ?2",
        )?
        .query_map(params![digest.as_str(), bound(limit)], |row| {
            parsed(row, 0, str::parse)
        })?
        .collect()
}

pub(super) fn has_upload(
    connection: &Connection,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM uploads u JOIN repositories r ON r.id = u.repository WHERE u.id = ?1 AND r.name = ?2",
        )?
        .exists([upload.as_str(), repository.as_str()])
}

pub(super) fn unknown_places(
    connection: &Connection,
    places: Vec<(Digest, UploadId)>,
) -> Result<Vec<(Digest, UploadId)>> {
    let mut unknown = Vec::new();
    // One statement each, but all of one moment: what is published in between is known to one of the two tables.
    let transaction = connection.unchecked_transaction()?;
    for (digest, upload) in places {
        let is_known = transaction
            .prepare_cached(
                "SELECT 1 FROM blobs WHERE digest = ?1 AND place = ?2 UNION ALL SELECT 1 FROM uploads WHERE id = ?2",
            )?
            .exists([digest.as_str(), upload.as_str()])?;
        if !is_known {
            unknown.push((digest, upload));
        }
    }
    transaction.finish()?;
    Ok(unknown)
}

pub(super) fn tags_of(
    connection: &Connection,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Tag>> {
    connection
        .prepare_cached(
            "SELECT t.name FROM repositories r JOIN manifests m ON m.repository = r.id JOIN tags t ON t.manifest = m.id
             WHERE r.name = ?1 AND m.digest = ?2",
        )?
        .query_map([repository.as_str(), digest.as_str()], |row| {
            parsed(row, 0, str::parse)
        })?
        .collect()
}

pub(super) fn signing_keys(connection: &Connection) -> Result<Vec<SigningKey>> {
    connection
        .prepare_cached("SELECT id, secret, created FROM signing_keys ORDER BY created DESC, id")?
        .query_map([], |row| {
            let secret: [u8; 32] = row.get(1)?;
            Ok(SigningKey {
                id: row.get(0)?,
                secret: secret.into(),
                created: row.get(2)?,
            })
        })?
        .collect()
}

pub(super) fn audit(connection: &Connection, after: i64, limit: u64) -> Result<Vec<AuditEntry>> {
    connection
        .prepare_cached(
            "SELECT sequence, moment, author, address, action, repository, object, hash FROM audit
             WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?
        .query_map(params![after, bound(limit)], |row| {
            Ok(AuditEntry {
                sequence: row.get(0)?,
                author: Author {
                    moment: row.get(1)?,
                    name: row.get(2)?,
                    address: row.get(3)?,
                },
                action: row.get(4)?,
                repository: row.get(5)?,
                object: row.get(6)?,
                hash: row.get(7)?,
            })
        })?
        .collect()
}

/// SQLite counts with signs; a limit below zero would be none.
fn bound(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
