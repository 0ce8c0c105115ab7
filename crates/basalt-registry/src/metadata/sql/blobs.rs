//! Changes of blobs: each is made whole or not at all, and checks again what it depends on.

use super::super::{Author, Deleted, Moment, NewBlob, Place, Published, Refusal};
use super::change::{audit, end_upload, ensure_repository};
use super::read::repository_id;
use super::session::{Result, Session, SqlError, values};
use super::{collect, operate, quota};
use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::route::UploadId;

pub(super) fn publish(session: &mut dyn Session, new: &NewBlob) -> Result<Published> {
    if let Some(upload) = &new.upload
        && !end_upload(session, upload)?
    {
        return Ok(Published::NoUpload);
    }
    let known: Option<(i64, bool)> = session.first(
        "SELECT id, is_bad FROM blobs WHERE digest = ?1",
        values![new.digest.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let repository = ensure_repository(session, &new.repository)?;
    if new.quota.is_some() {
        let is_member = match known {
            Some((id, _)) => session.has(
                "SELECT 1 FROM members WHERE repository = ?1 AND blob = ?2",
                values![repository, id],
            )?,
            None => false,
        };
        if !is_member && let Some(over) = quota::exceeded(session, repository, new.size, new.quota)?
        {
            return Ok(Published::OverQuota(over));
        }
    }
    let (place, bytes) = match &new.place {
        Place::Stored(upload) => (Some(upload.as_str()), None),
        Place::Inside(bytes) => (None, Some(bytes.as_ref())),
        Place::Damaged => {
            let cause = "bytes that are damaged are not published".to_owned();
            return Err(SqlError::Refused(cause));
        }
    };
    let (blob, published) = match known {
        Some((id, false)) => (id, Published::Known),
        // The bytes that were not good are in quarantine; these take their place.
        Some((id, true)) => {
            session.run(
                "UPDATE blobs SET size = ?2, place = ?3, bytes = ?4, is_bad = 0 WHERE id = ?1",
                values![id, new.size, place, bytes],
            )?;
            (id, Published::Taken)
        }
        None => {
            let id = session.insert(
                "INSERT INTO blobs (digest, size, place, bytes)
                 VALUES (?1, ?2, ?3, ?4) RETURNING id",
                values![new.digest.as_str(), new.size, place, bytes],
            )?;
            (id, Published::Taken)
        }
    };
    if add_member(session, repository, blob, new.size, new.lease)? {
        audit(
            session,
            &new.author,
            "push blob",
            &new.repository,
            new.digest.as_str(),
        )?;
    }
    Ok(published)
}

/// Makes a blob part of a repository until this time at least; whether it was none before.
fn add_member(
    session: &mut dyn Session,
    repository: i64,
    blob: i64,
    size: u64,
    lease: Moment,
) -> Result<bool> {
    let added = session.run(
        "INSERT INTO members (repository, blob, lease) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        values![repository, blob, lease],
    )?;
    if added == 0 {
        session.run(
            "UPDATE members SET lease = ?3 WHERE repository = ?1 AND blob = ?2 AND lease < ?3",
            values![repository, blob, lease],
        )?;
    } else {
        quota::add(session, repository, size)?;
    }
    collect::review_blob(session, repository, blob, lease)?;
    Ok(added == 1)
}

/// A sound blob of a repository: its number and its length.
pub(super) fn member(
    session: &mut dyn Session,
    repository: i64,
    digest: &Digest,
) -> Result<Option<(i64, u64)>> {
    session.first(
        "SELECT b.id, b.size FROM blobs b JOIN members k ON k.blob = b.id
         WHERE b.digest = ?2 AND k.repository = ?1 AND b.is_bad = 0",
        values![repository, digest.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

pub(super) fn mount(
    session: &mut dyn Session,
    from: &RepositoryName,
    to: &RepositoryName,
    digest: &Digest,
    lease: Moment,
    quota: Option<u64>,
    author: &Author,
) -> Result<std::result::Result<bool, Refusal>> {
    let source = match repository_id(session, from)? {
        Some(from) => member(session, from, digest)?,
        None => None,
    };
    let Some((blob, size)) = source else {
        return Ok(Ok(false));
    };
    let repository = ensure_repository(session, to)?;
    if quota.is_some() && member(session, repository, digest)?.is_none() {
        let over = quota::exceeded(session, repository, size, quota)?;
        if let Some(over) = over {
            return Ok(Err(Refusal::OverQuota(over)));
        }
    }
    if add_member(session, repository, blob, size, lease)? {
        audit(session, author, "mount blob", to, digest.as_str())?;
    }
    Ok(Ok(true))
}

pub(super) fn renew(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
    lease: Moment,
) -> Result<bool> {
    let Some(repository) = repository_id(session, repository)? else {
        return Ok(false);
    };
    let Some((blob, size)) = member(session, repository, digest)? else {
        return Ok(false);
    };
    add_member(session, repository, blob, size, lease)?;
    Ok(true)
}

pub(super) fn delete(
    session: &mut dyn Session,
    name: &RepositoryName,
    digest: &Digest,
    author: &Author,
) -> Result<std::result::Result<Deleted, Refusal>> {
    let Some(repository) = repository_id(session, name)? else {
        return Ok(Ok(Deleted::Unknown));
    };
    let Some((blob, _)) = member(session, repository, digest)? else {
        return Ok(Ok(Deleted::Unknown));
    };
    if let Some(manifest) = collect::needs_blob(session, repository, blob)? {
        return Ok(Err(Refusal::Needed(manifest)));
    }
    let is_held = operate::is_held(session, author.moment)?;
    let deleted = match collect::remove_member(session, repository, blob)? {
        // The janitor finds the file when the backup that may still copy it is over.
        Some(_) if is_held => Deleted::Gone(None),
        Some(gone) => Deleted::Gone(gone.map(|(_, place)| place)),
        None => Deleted::Member,
    };
    audit(session, author, "delete blob", name, digest.as_str())?;
    Ok(Ok(deleted))
}

pub(super) fn quarantine(
    session: &mut dyn Session,
    digest: &Digest,
    place: &UploadId,
) -> Result<bool> {
    let changed = session.run(
        "UPDATE blobs SET is_bad = 1 WHERE digest = ?1 AND place = ?2 AND is_bad = 0",
        values![digest.as_str(), place.as_str()],
    )?;
    Ok(changed == 1)
}
