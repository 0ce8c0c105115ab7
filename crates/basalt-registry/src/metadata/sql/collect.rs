//! What lost its last reference, and when it goes.
//!
//! Whatever may have lost one is put into a queue with the time at which to look again. Who looks decides within the
//! same transaction: what is needed, or promised to a client by a lease, stays.

use super::super::{Collected, Grace, Moment};
use super::operate;
use super::quota;
use super::session::{Result, Session, SqlError, values};
use super::verdict;
use crate::digest::Digest;
use crate::route::UploadId;

/// Looks at a blob of a repository again at this time, or later if that was arranged.
pub(super) fn review_blob(
    session: &mut dyn Session,
    repository: i64,
    blob: i64,
    due: Moment,
) -> Result<()> {
    session.run(
        "INSERT INTO blob_reviews AS known (repository, blob, due) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository, blob)
         DO UPDATE SET due = excluded.due WHERE known.due < excluded.due",
        values![repository, blob, due],
    )?;
    Ok(())
}

/// Looks at a manifest again when its grace is over, if manifests without tags are to go at all.
pub(super) fn review_manifest(
    session: &mut dyn Session,
    manifest: i64,
    now: Moment,
    grace: Grace,
) -> Result<()> {
    if let Some(untagged) = grace.untagged {
        session.run(
            "INSERT INTO manifest_reviews AS known (manifest, due) VALUES (?1, ?2)
             ON CONFLICT (manifest)
             DO UPDATE SET due = excluded.due WHERE known.due < excluded.due",
            values![manifest, now.saturating_add(untagged)],
        )?;
    }
    Ok(())
}

/// A manifest of the repository that needs a blob.
pub(super) fn needs_blob(
    session: &mut dyn Session,
    repository: i64,
    blob: i64,
) -> Result<Option<Digest>> {
    session.first(
        "SELECT m.digest FROM manifest_blobs n JOIN manifests m ON m.id = n.manifest
         WHERE n.blob = ?2 AND m.repository = ?1 LIMIT 1",
        values![repository, blob],
        |row| row.get(0),
    )
}

/// Takes a blob out of a repository. Something when it is in none now: then its row is gone, and its place, if it has
/// one, can be cleared.
#[allow(
    clippy::type_complexity,
    reason = "whether it is gone, and what it leaves behind"
)]
pub(super) fn remove_member(
    session: &mut dyn Session,
    repository: i64,
    blob: i64,
) -> Result<Option<Option<(Digest, UploadId)>>> {
    let removed = session.run(
        "DELETE FROM members WHERE repository = ?1 AND blob = ?2",
        values![repository, blob],
    )?;
    if removed == 1 {
        quota::take_blob(session, repository, blob)?;
    }
    session.run(
        "DELETE FROM blob_reviews WHERE repository = ?1 AND blob = ?2",
        values![repository, blob],
    )?;
    let is_held = session.has("SELECT 1 FROM members WHERE blob = ?1", values![blob])?;
    if is_held {
        return Ok(None);
    }
    let left = session.first(
        "SELECT digest, place FROM blobs WHERE id = ?1 AND is_bad = 0",
        values![blob],
        |row| Ok((row.get(0)?, row.find(1)?)),
    )?;
    session.run("DELETE FROM blobs WHERE id = ?1", values![blob])?;
    Ok(Some(
        left.and_then(|(digest, place)| Some((digest, place?))),
    ))
}

/// Removes a manifest with its tags; what it needed, listed or was referred to by is to be looked at again.
pub(super) fn remove_manifest(
    session: &mut dyn Session,
    manifest: i64,
    now: Moment,
    grace: Grace,
) -> Result<()> {
    let mut numbers = |query: &str| -> Result<Vec<i64>> {
        session.all(query, values![manifest], |row| row.get(0))
    };
    let blobs = numbers("SELECT blob FROM manifest_blobs WHERE manifest = ?1")?;
    let mut others = numbers("SELECT child FROM manifest_children WHERE parent = ?1")?;
    others.extend(numbers(
        "SELECT r.id FROM manifests m JOIN manifests r ON r.repository = m.repository AND r.subject = m.digest
         WHERE m.id = ?1",
    )?);
    let repository = "SELECT repository FROM manifests WHERE id = ?1";
    let [repository] = numbers(repository)?[..] else {
        return Err(SqlError::Refused(format!(
            "there is no manifest {manifest}"
        )));
    };
    quota::take_manifest(session, repository, manifest)?;
    verdict::note_change(session, repository)?;
    for statement in [
        "DELETE FROM copied_tags WHERE repository = (SELECT repository FROM manifests WHERE id = ?1)
         AND name IN (SELECT name FROM tags WHERE manifest = ?1)",
        "DELETE FROM copied_children WHERE parent = ?1",
        "DELETE FROM copies WHERE manifest = ?1",
        "DELETE FROM tags WHERE manifest = ?1",
        "DELETE FROM manifest_blobs WHERE manifest = ?1",
        "DELETE FROM manifest_children WHERE parent = ?1",
        "DELETE FROM absent_children WHERE parent = ?1",
        "DELETE FROM manifest_reviews WHERE manifest = ?1",
        "DELETE FROM manifest_pushes WHERE manifest = ?1",
        "DELETE FROM bill_queue WHERE manifest = ?1",
        // Its bills count no more from now on; their many rows go later, some at a time.
        "UPDATE bills SET manifest = NULL WHERE manifest = ?1",
        "DELETE FROM manifests WHERE id = ?1",
    ] {
        session.run(statement, values![manifest])?;
    }
    for blob in blobs {
        review_blob(session, repository, blob, now.saturating_add(grace.blob))?;
    }
    for other in others.into_iter().filter(|other| *other != manifest) {
        review_manifest(session, other, now, grace)?;
    }
    Ok(())
}

/// Whether anything is to be looked at again.
pub(super) fn is_due(session: &mut dyn Session, now: Moment) -> Result<bool> {
    Ok(session.has(
        "SELECT 1 FROM manifest_reviews WHERE due <= ?1 LIMIT 1",
        values![now],
    )? || session.has(
        "SELECT 1 FROM blob_reviews WHERE due <= ?1 LIMIT 1",
        values![now],
    )?)
}

pub(super) fn collect(
    session: &mut dyn Session,
    now: Moment,
    limit: u64,
    grace: Grace,
) -> Result<Collected> {
    let mut collected = Collected::default();
    let manifests: Vec<i64> = session.all(
        "SELECT manifest FROM manifest_reviews WHERE due <= ?1 ORDER BY due LIMIT ?2",
        values![now, limit],
        |row| row.get(0),
    )?;
    for manifest in manifests {
        collected.reviewed += 1;
        if grace.untagged.is_some() && !is_needed(session, manifest)? {
            remove_manifest(session, manifest, now, grace)?;
            collected.manifests += 1;
        } else {
            session.run(
                "DELETE FROM manifest_reviews WHERE manifest = ?1",
                values![manifest],
            )?;
        }
    }
    if operate::is_held(session, now)? {
        return Ok(collected);
    }
    let blobs: Vec<(i64, i64)> = session.all(
        "SELECT repository, blob FROM blob_reviews WHERE due <= ?1 ORDER BY due LIMIT ?2",
        values![now, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (repository, blob) in blobs {
        collected.reviewed += 1;
        review(session, repository, blob, now, &mut collected)?;
    }
    Ok(collected)
}

/// Decides over a blob of a repository whose review is due.
fn review(
    session: &mut dyn Session,
    repository: i64,
    blob: i64,
    now: Moment,
    collected: &mut Collected,
) -> Result<()> {
    let lease: Option<Moment> = session.first(
        "SELECT lease FROM members WHERE repository = ?1 AND blob = ?2",
        values![repository, blob],
        |row| row.get(0),
    )?;
    let is_needed = needs_blob(session, repository, blob)?.is_some();
    match lease {
        Some(lease) if lease > now && !is_needed => {
            return review_blob(session, repository, blob, lease);
        }
        Some(_) if !is_needed => {
            if let Some(gone) = remove_member(session, repository, blob)? {
                collected.blobs += 1;
                collected.places.extend(gone);
            }
        }
        _ => {}
    }
    session.run(
        "DELETE FROM blob_reviews WHERE repository = ?1 AND blob = ?2",
        values![repository, blob],
    )?;
    Ok(())
}

/// Whether a manifest has a tag, is listed by an index, or refers to a manifest that is there.
pub(super) fn is_needed(session: &mut dyn Session, manifest: i64) -> Result<bool> {
    session.has(
        "SELECT 1 FROM tags WHERE manifest = ?1
         UNION ALL SELECT 1 FROM manifest_children WHERE child = ?1
         UNION ALL SELECT 1 FROM manifests r JOIN manifests m ON m.repository = r.repository AND m.digest = r.subject
         WHERE r.id = ?1",
        values![manifest])
}
