//! How many bytes each repository has: a row that is changed in the transaction that changes what is in the repository, so
//! that it is never wrong and asking it costs nothing. A blob counts once in each repository that has it. What uploads at hand
//! have, or are about to have, is another row: room is kept for it, whichever server takes it, until the upload ends.

use super::super::{OverQuota, Reservation, Reserved};
use super::session::{Result, Session, values};
use crate::name::RepositoryName;
use crate::route::UploadId;

pub(super) fn repository_size(session: &mut dyn Session, name: &RepositoryName) -> Result<u64> {
    let size = session.first(
        "SELECT s.bytes FROM repositories r JOIN repository_sizes s ON s.repository = r.id WHERE r.name = ?1",
        values![name.as_str()],
        |row| row.get(0),
    )?;
    Ok(size.unwrap_or(0))
}

/// Why a repository does not take so many bytes more, if it does not. What uploads at hand have reserved counts too.
pub(super) fn exceeded(
    session: &mut dyn Session,
    repository: i64,
    more: u64,
    quota: Option<u64>,
) -> Result<Option<OverQuota>> {
    let Some(quota) = quota else {
        return Ok(None);
    };
    let used = taken(session, repository)?;
    let over = OverQuota { used, more, quota };
    Ok(Some(over).filter(OverQuota::is_over))
}

/// How many bytes a repository has, and keeps room for.
fn taken(session: &mut dyn Session, repository: i64) -> Result<u64> {
    let mut sum = 0_u64;
    for statement in [
        "SELECT bytes FROM repository_sizes WHERE repository = ?1",
        "SELECT bytes FROM staged_sizes WHERE repository = ?1",
    ] {
        let bytes: Option<u64> = session.first(statement, values![repository], |row| row.get(0))?;
        sum = sum.saturating_add(bytes.unwrap_or(0));
    }
    Ok(sum)
}

/// The repository of an upload, and how many bytes it has reserved there.
fn reserved(session: &mut dyn Session, upload: &UploadId) -> Result<Option<(i64, u64)>> {
    session.first(
        "SELECT repository, reserved FROM uploads WHERE id = ?1",
        values![upload.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Keeps room for an upload; never less than it had.
pub(super) fn reserve(
    session: &mut dyn Session,
    upload: &UploadId,
    wanted: &Reservation,
) -> Result<Reserved> {
    let Some((repository, own)) = reserved(session, upload)? else {
        return Ok(Reserved::NoUpload);
    };
    let over = OverQuota {
        used: taken(session, repository)?.saturating_sub(own),
        more: wanted.announced.max(wanted.bytes),
        quota: wanted.quota,
    };
    if over.is_over() {
        return Ok(Reserved::OverQuota(over));
    }
    if wanted.bytes > own {
        set_reserved(session, upload, repository, own, wanted.bytes)?;
    }
    Ok(Reserved::Kept)
}

/// Lets an upload have reserved what it has, and no more; false when there is no such upload any more.
pub(super) fn settle(session: &mut dyn Session, upload: &UploadId, bytes: u64) -> Result<bool> {
    let Some((repository, own)) = reserved(session, upload)? else {
        return Ok(false);
    };
    // What has reserved nothing is in a repository without a quota.
    if own > bytes {
        set_reserved(session, upload, repository, own, bytes)?;
    }
    Ok(true)
}

/// An upload is about to end.
pub(super) fn release(session: &mut dyn Session, upload: &UploadId) -> Result<()> {
    if let Some((repository, own)) = reserved(session, upload)?
        && own > 0
    {
        set_reserved(session, upload, repository, own, 0)?;
    }
    Ok(())
}

fn set_reserved(
    session: &mut dyn Session,
    upload: &UploadId,
    repository: i64,
    former: u64,
    bytes: u64,
) -> Result<()> {
    session.run(
        "UPDATE uploads SET reserved = ?2 WHERE id = ?1",
        values![upload.as_str(), bytes],
    )?;
    session.run(
        "INSERT INTO staged_sizes AS known (repository, bytes) VALUES (?1, ?2)
         ON CONFLICT (repository) DO UPDATE SET bytes = known.bytes + ?2 - ?3",
        values![repository, bytes, former],
    )?;
    Ok(())
}

pub(super) fn add(session: &mut dyn Session, repository: i64, bytes: u64) -> Result<()> {
    session.run(
        "INSERT INTO repository_sizes AS known (repository, bytes) VALUES (?1, ?2)
         ON CONFLICT (repository) DO UPDATE SET bytes = known.bytes + excluded.bytes",
        values![repository, bytes],
    )?;
    Ok(())
}

/// A blob is no member of a repository any more.
pub(super) fn take_blob(session: &mut dyn Session, repository: i64, blob: i64) -> Result<()> {
    session.run(
        "UPDATE repository_sizes SET bytes = bytes - (SELECT size FROM blobs WHERE id = ?2) WHERE repository = ?1",
        values![repository, blob],
    )?;
    Ok(())
}

/// A manifest is about to go.
pub(super) fn take_manifest(
    session: &mut dyn Session,
    repository: i64,
    manifest: i64,
) -> Result<()> {
    session.run(
        "UPDATE repository_sizes SET bytes = bytes - (SELECT size FROM manifests WHERE id = ?2) WHERE repository = ?1",
        values![repository, manifest],
    )?;
    Ok(())
}
