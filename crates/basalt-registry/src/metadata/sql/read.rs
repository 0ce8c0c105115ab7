//! What is read.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::super::{
    AuditEntry, AuditHead, Author, BlobRecord, ManifestHead, ManifestRecord, Moment, Place,
    ReferrerRecord, SigningKey,
};
use super::operate;
use super::session::{Result, Row, Session, values};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::{Reference, UploadId};

pub(super) fn repository_id(
    session: &mut dyn Session,
    name: &RepositoryName,
) -> Result<Option<i64>> {
    session.first(
        "SELECT id FROM repositories WHERE name = ?1",
        values![name.as_str()],
        |row| row.get(0),
    )
}

pub(super) fn repositories(
    session: &mut dyn Session,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<RepositoryName>> {
    session.all(
        "SELECT name FROM repositories r WHERE name > ?1
         AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository = r.id) ORDER BY name LIMIT ?2",
        values![after.unwrap_or(""), limit],
        |row| row.get(0),
    )
}

pub(super) fn tags(
    session: &mut dyn Session,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u64,
) -> Result<Option<Vec<String>>> {
    let Some(id) = repository_id(session, repository)? else {
        return Ok(None);
    };
    session
        .all(
            "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
            values![id, after.unwrap_or(""), limit],
            |row| row.get(0),
        )
        .map(Some)
}

const OF_TAG: &str =
    "FROM repositories r JOIN tags t ON t.repository = r.id JOIN manifests m ON m.id = t.manifest
     WHERE r.name = ?1 AND t.name = ?2";
const OF_DIGEST: &str = "FROM repositories r JOIN manifests m ON m.repository = r.id WHERE r.name = ?1 AND m.digest = ?2";

fn of_reference<T>(
    session: &mut dyn Session,
    columns: &str,
    repository: &RepositoryName,
    reference: &Reference,
    row: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Option<T>> {
    let (from, name) = match reference {
        Reference::Tag(tag) => (OF_TAG, tag.as_str()),
        Reference::Digest(digest) => (OF_DIGEST, digest.as_str()),
    };
    session.first(
        &format!("SELECT {columns} {from}"),
        values![repository.as_str(), name],
        row,
    )
}

pub(super) fn head(row: &dyn Row) -> Result<ManifestHead> {
    Ok(ManifestHead {
        digest: row.get(0)?,
        media_type: row.get(1)?,
        size: row.get(2)?,
    })
}

pub(super) fn manifest(
    session: &mut dyn Session,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<ManifestRecord>> {
    let columns = "m.digest, m.media_type, m.size, m.bytes";
    of_reference(session, columns, repository, reference, |row| {
        Ok(ManifestRecord {
            head: head(row)?,
            bytes: Bytes::copy_from_slice(row.get(3)?),
        })
    })
}

pub(super) fn manifest_head(
    session: &mut dyn Session,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<ManifestHead>> {
    let columns = "m.digest, m.media_type, m.size";
    of_reference(session, columns, repository, reference, head)
}

/// How long the annotations of one list of referrers may be together, in bytes. The list itself is to stay below 4 MiB.
const MAXIMUM_ANNOTATIONS: usize = 3 << 20;

pub(super) fn referrers(
    session: &mut dyn Session,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: Option<&str>,
    limit: u64,
) -> Result<(Vec<ReferrerRecord>, bool)> {
    // No type has no name; PostgreSQL cannot tell of what kind a value is that may be null.
    let artifact_type = artifact_type.unwrap_or("");
    let after = after.unwrap_or("");
    let mut found = Vec::new();
    let mut length = 0;
    let mut has_more = false;
    // PostgreSQL tells the type of a parameter by where it stands first: `IS NULL` alone tells none.
    session.rows(
        "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
         FROM repositories r JOIN manifests m ON m.repository = r.id
         WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 AND (?4 = '' OR m.artifact_type = ?4)
         ORDER BY m.digest",
        values![repository.as_str(), subject.as_str(), after, artifact_type],
        &mut |row| {
            length += row.get::<&str>(4)?.len();
            let is_full = found.len() as u64 >= limit || length > MAXIMUM_ANNOTATIONS;
            // One whose annotations alone are too long is still to be found.
            if is_full && (limit == 0 || !found.is_empty()) {
                has_more = true;
                return Ok(ControlFlow::Break(()));
            }
            found.push(ReferrerRecord {
                head: head(row)?,
                artifact_type: row.find(3)?,
                annotations: row.get(4)?,
            });
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok((found, has_more))
}

/// The columns of [`blob_record`].
pub(super) const BLOB: &str = "b.digest, b.size, b.place, b.bytes, b.is_bad";

pub(super) fn blob_record(row: &dyn Row, lease: i64) -> Result<BlobRecord> {
    let place = match row.find(2)? {
        _ if row.get(4)? => Place::Damaged,
        Some(upload) => Place::Stored(upload),
        None => Place::Inside(Bytes::copy_from_slice(row.get(3)?)),
    };
    Ok(BlobRecord {
        digest: row.get(0)?,
        size: row.get(1)?,
        place,
        lease,
    })
}

pub(super) fn blob(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobRecord>> {
    let query = format!(
        "SELECT {BLOB}, k.lease FROM repositories r JOIN members k ON k.repository = r.id JOIN blobs b ON b.id = k.blob
         WHERE r.name = ?1 AND b.digest = ?2"
    );
    session.first(
        &query,
        values![repository.as_str(), digest.as_str()],
        |row| blob_record(row, row.get(5)?),
    )
}

pub(super) fn known_blob(session: &mut dyn Session, digest: &Digest) -> Result<Option<BlobRecord>> {
    session.first(
        &format!("SELECT {BLOB} FROM blobs b WHERE b.digest = ?1"),
        values![digest.as_str()],
        |row| blob_record(row, 0),
    )
}

pub(super) fn stored_blobs(
    session: &mut dyn Session,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<BlobRecord>> {
    let query = format!(
        "SELECT {BLOB} FROM blobs b WHERE b.digest > ?1 AND b.place IS NOT NULL AND b.is_bad = 0 ORDER BY b.digest LIMIT ?2"
    );
    session.all(&query, values![after.unwrap_or(""), limit], |row| {
        blob_record(row, 0)
    })
}

pub(super) fn holders(
    session: &mut dyn Session,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<RepositoryName>> {
    session.all(
        "SELECT r.name FROM blobs b JOIN members k ON k.blob = b.id JOIN repositories r ON r.id = k.repository
         WHERE b.digest = ?1 AND b.is_bad = 0 LIMIT ?2",
        values![digest.as_str(), limit], |row| {
            row.get(0)
        })
}

pub(super) fn has_upload(
    session: &mut dyn Session,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Result<bool> {
    session.has(
        "SELECT 1 FROM uploads u JOIN repositories r ON r.id = u.repository
         WHERE u.id = ?1 AND r.name = ?2",
        values![upload.as_str(), repository.as_str()],
    )
}

pub(super) fn unknown_places(
    session: &mut dyn Session,
    places: &[(Digest, UploadId)],
    now: Moment,
) -> Result<Vec<(Digest, UploadId)>> {
    let mut unknown = Vec::new();
    // What a backup began with may be known to it alone.
    if operate::is_held(session, now)? {
        return Ok(unknown);
    }
    for (digest, upload) in places {
        // One statement, and so of one moment: what is published in between is known to one of the two tables.
        let is_known = session.has(
            "SELECT 1 FROM blobs WHERE digest = ?1 AND place = ?2 UNION ALL SELECT 1 FROM uploads WHERE id = ?2",
            values![digest.as_str(), upload.as_str()],
        )?;
        if !is_known {
            unknown.push((digest.clone(), upload.clone()));
        }
    }
    Ok(unknown)
}

pub(super) fn tags_of(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Tag>> {
    session.all(
        "SELECT t.name FROM repositories r JOIN manifests m ON m.repository = r.id JOIN tags t ON t.manifest = m.id
         WHERE r.name = ?1 AND m.digest = ?2",
        values![repository.as_str(), digest.as_str()], |row| {
            row.get(0)
        })
}

pub(super) fn signing_keys(session: &mut dyn Session) -> Result<Vec<SigningKey>> {
    session.all(
        "SELECT id, secret, created FROM signing_keys ORDER BY created DESC, id",
        values![],
        |row| {
            let secret: [u8; 32] = row.get(1)?;
            Ok(SigningKey {
                id: row.get(0)?,
                secret: secret.into(),
                created: row.get(2)?,
            })
        },
    )
}

pub(super) fn audit_chains(session: &mut dyn Session) -> Result<Vec<AuditHead>> {
    session.all(
        "SELECT chain, sequence, hash FROM audit_heads ORDER BY chain",
        values![],
        |row| {
            Ok(AuditHead {
                chain: row.get(0)?,
                sequence: row.get(1)?,
                hash: row.get(2)?,
            })
        },
    )
}

pub(super) fn audit(
    session: &mut dyn Session,
    chain: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<AuditEntry>> {
    session.all(
        "SELECT sequence, moment, author, address, action, repository, object, hash FROM audit
         WHERE chain = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        values![chain, after, limit],
        |row| {
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
        },
    )
}
