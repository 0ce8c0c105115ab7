//! How many bytes each repository has: a row that is changed in the transaction that changes what is in the repository, so
//! that it is never wrong and asking it costs nothing. A blob counts once in each repository that has it.

use super::super::OverQuota;
use super::session::{Result, Session, values};
use crate::name::RepositoryName;

pub(super) fn repository_size(session: &mut dyn Session, name: &RepositoryName) -> Result<u64> {
    let size = session.first(
        "SELECT s.bytes FROM repositories r JOIN repository_sizes s ON s.repository = r.id WHERE r.name = ?1",
        values![name.as_str()],
        |row| row.get(0),
    )?;
    Ok(size.unwrap_or(0))
}

/// Why a repository does not take so many bytes more, if it does not.
pub(super) fn exceeded(
    session: &mut dyn Session,
    repository: i64,
    more: u64,
    quota: Option<u64>,
) -> Result<Option<OverQuota>> {
    let Some(quota) = quota else {
        return Ok(None);
    };
    let used: Option<u64> = session.first(
        "SELECT bytes FROM repository_sizes WHERE repository = ?1",
        values![repository],
        |row| row.get(0),
    )?;
    let over = OverQuota {
        used: used.unwrap_or(0),
        more,
        quota,
    };
    Ok(Some(over).filter(OverQuota::is_over))
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
