//! What all changes have in common: repositories, the audit log, keys, uploads. Each is made whole or not at all, and checks again what
//! it depends on.

use super::super::{Author, Moment, SigningKey};
use super::quota;
use super::read::repository_id;
use super::session::{Result, Session, values};
use crate::audit::line_hash;
use crate::name::RepositoryName;
use crate::route::UploadId;

pub(super) fn ensure_repository(session: &mut dyn Session, name: &RepositoryName) -> Result<i64> {
    if let Some(id) = repository_id(session, name)? {
        return Ok(id);
    }
    session.insert(
        "INSERT INTO repositories (name) VALUES (?1) RETURNING id",
        values![name.as_str()],
    )
}

/// Adds a line to the audit log, chained to the one before. Each process has a chain of its own, so that servers which
/// share the database never wait for one another here.
pub(super) fn audit(
    session: &mut dyn Session,
    author: &Author,
    action: &str,
    repository: &RepositoryName,
    object: &str,
) -> Result<()> {
    audit_line(session, author, action, repository.as_str(), object)
}

/// The same for what may be about no repository: then that is empty.
pub(super) fn audit_line(
    session: &mut dyn Session,
    author: &Author,
    action: &str,
    repository: &str,
    object: &str,
) -> Result<()> {
    let chain = session.chain().to_owned();
    let last: Option<(i64, [u8; 32])> = session.first(
        "SELECT sequence, hash FROM audit_heads WHERE chain = ?1",
        values![&chain],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (sequence, former) = last.unwrap_or((0, [0; 32]));
    let sequence = sequence + 1;
    let hash = line_hash(&former, sequence, author, action, repository, object);
    session.run(
        "INSERT INTO audit (chain, sequence, moment, author, address, action, repository, object, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values![
            &chain,
            sequence,
            author.moment,
            &author.name,
            &author.address,
            action,
            repository,
            object,
            &hash[..]
        ],
    )?;
    session.run(
        "INSERT INTO audit_heads (chain, sequence, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
        values![&chain, sequence, &hash[..]],
    )?;
    Ok(())
}

pub(super) fn add_signing_key(
    session: &mut dyn Session,
    key: &SigningKey,
    newest: Moment,
    oldest: Moment,
) -> Result<()> {
    let is_there = session.has(
        "SELECT 1 FROM signing_keys WHERE created > ?1",
        values![newest],
    )?;
    if !is_there {
        session.run(
            "DELETE FROM signing_keys WHERE created < ?1",
            values![oldest],
        )?;
        session.run(
            "INSERT INTO signing_keys (id, secret, created) VALUES (?1, ?2, ?3)",
            values![&key.id, key.secret.as_slice(), key.created],
        )?;
    }
    Ok(())
}

pub(super) fn begin_upload(
    session: &mut dyn Session,
    repository: &RepositoryName,
    upload: &UploadId,
    lease: Moment,
) -> Result<()> {
    let repository = ensure_repository(session, repository)?;
    session.run(
        "INSERT INTO uploads (id, repository, lease) VALUES (?1, ?2, ?3)",
        values![upload.as_str(), repository, lease],
    )?;
    Ok(())
}

pub(super) fn renew_upload(
    session: &mut dyn Session,
    upload: &UploadId,
    lease: Moment,
) -> Result<()> {
    session.run(
        "UPDATE uploads SET lease = ?2 WHERE id = ?1 AND lease < ?2",
        values![upload.as_str(), lease],
    )?;
    Ok(())
}

pub(super) fn end_upload(session: &mut dyn Session, upload: &UploadId) -> Result<bool> {
    quota::release(session, upload)?;
    session.run(
        "DELETE FROM pieces WHERE upload = ?1",
        values![upload.as_str()],
    )?;
    let ended = session.run(
        "DELETE FROM uploads WHERE id = ?1",
        values![upload.as_str()],
    )?;
    Ok(ended == 1)
}

pub(super) fn is_upload_expired(session: &mut dyn Session, now: Moment) -> Result<bool> {
    session.has(
        "SELECT 1 FROM uploads WHERE lease < ?1 LIMIT 1",
        values![now],
    )
}

pub(super) fn end_expired_uploads(
    session: &mut dyn Session,
    now: Moment,
    limit: u64,
) -> Result<Vec<UploadId>> {
    let expired: Vec<UploadId> = session.all(
        "SELECT id FROM uploads WHERE lease < ?1 ORDER BY lease LIMIT ?2",
        values![now, limit],
        |row| row.get(0),
    )?;
    for upload in &expired {
        end_upload(session, upload)?;
    }
    Ok(expired)
}
