//! What lost its last reference, and when it goes.
//!
//! Whatever may have lost one is put into a queue with the time at which to look again. Who looks decides within the
//! same transaction: what is needed, or promised to a client by a lease, stays.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::super::{Collected, Moment};
use super::Grace;
use super::read::{digest as digest_of, place as place_of};
use crate::digest::Digest;
use crate::route::UploadId;

/// Looks at a blob of a repository again at this time, or later if that was arranged.
pub(super) fn review_blob(
    connection: &Connection,
    repository: i64,
    blob: i64,
    due: Moment,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO blob_reviews (repository, blob, due) VALUES (?1, ?2, ?3)
             ON CONFLICT (repository, blob) DO UPDATE SET due = max(due, excluded.due)",
        )?
        .execute(params![repository, blob, due])?;
    Ok(())
}

/// Looks at a manifest again when its grace is over, if manifests without tags are to go at all.
pub(super) fn review_manifest(
    connection: &Connection,
    manifest: i64,
    now: Moment,
    grace: Grace,
) -> Result<()> {
    if let Some(untagged) = grace.untagged {
        connection
            .prepare_cached(
                "INSERT INTO manifest_reviews (manifest, due) VALUES (?1, ?2)
                 ON CONFLICT (manifest) DO UPDATE SET due = max(due, excluded.due)",
            )?
            .execute(params![manifest, now.saturating_add(untagged)])?;
    }
    Ok(())
}

/// A manifest of the repository that needs a blob.
pub(super) fn needs_blob(
    connection: &Connection,
    repository: i64,
    blob: i64,
) -> Result<Option<Digest>> {
    connection
        .prepare_cached(
            "SELECT m.digest FROM manifest_blobs n JOIN manifests m ON m.id = n.manifest
             WHERE n.blob = ?2 AND m.repository = ?1 LIMIT 1",
        )?
        .query_row([repository, blob], |row| digest_of(row, 0))
        .optional()
}

/// Takes a blob out of a repository. Something when it is in none now: then its row is gone, and its place, if it has
/// one, can be cleared.
#[allow(
    clippy::type_complexity,
    reason = "whether it is gone, and what it leaves behind"
)]
pub(super) fn remove_member(
    connection: &Connection,
    repository: i64,
    blob: i64,
) -> Result<Option<Option<(Digest, UploadId)>>> {
    connection
        .prepare_cached("DELETE FROM members WHERE repository = ?1 AND blob = ?2")?
        .execute([repository, blob])?;
    connection
        .prepare_cached("DELETE FROM blob_reviews WHERE repository = ?1 AND blob = ?2")?
        .execute([repository, blob])?;
    let is_held = connection
        .prepare_cached("SELECT 1 FROM members WHERE blob = ?1")?
        .exists([blob])?;
    if is_held {
        return Ok(None);
    }
    let left = connection
        .prepare_cached("SELECT digest, place FROM blobs WHERE id = ?1 AND is_bad = 0")?
        .query_row([blob], |row| Ok((digest_of(row, 0)?, place_of(row, 1)?)))
        .optional()?;
    connection
        .prepare_cached("DELETE FROM blobs WHERE id = ?1")?
        .execute([blob])?;
    Ok(Some(
        left.and_then(|(digest, place)| Some((digest, place?))),
    ))
}

/// Removes a manifest with its tags; what it needed, listed or was referred to by is to be looked at again.
pub(super) fn remove_manifest(
    connection: &Connection,
    manifest: i64,
    now: Moment,
    grace: Grace,
) -> Result<()> {
    let numbers = |query: &str| -> Result<Vec<i64>> {
        connection
            .prepare_cached(query)?
            .query_map([manifest], |row| row.get(0))?
            .collect()
    };
    let repository: i64 = connection
        .prepare_cached("SELECT repository FROM manifests WHERE id = ?1")?
        .query_row([manifest], |row| row.get(0))?;
    let blobs = numbers("SELECT blob FROM manifest_blobs WHERE manifest = ?1")?;
    let mut others = numbers("SELECT child FROM manifest_children WHERE parent = ?1")?;
    others.extend(numbers(
        "SELECT r.id FROM manifests m JOIN manifests r ON r.repository = m.repository AND r.subject = m.digest
         WHERE m.id = ?1",
    )?);
    for statement in [
        "DELETE FROM tags WHERE manifest = ?1",
        "DELETE FROM manifest_blobs WHERE manifest = ?1",
        "DELETE FROM manifest_children WHERE parent = ?1",
        "DELETE FROM manifest_reviews WHERE manifest = ?1",
        "DELETE FROM manifests WHERE id = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([manifest])?;
    }
    for blob in blobs {
        review_blob(connection, repository, blob, now.saturating_add(grace.blob))?;
    }
    for other in others.into_iter().filter(|other| *other != manifest) {
        review_manifest(connection, other, now, grace)?;
    }
    Ok(())
}

pub(super) fn collect(
    connection: &Connection,
    now: Moment,
    limit: u64,
    grace: Grace,
) -> Result<Collected> {
    let mut collected = Collected::default();
    let manifests: Vec<i64> = connection
        .prepare_cached(
            "SELECT manifest FROM manifest_reviews WHERE due <= ?1 ORDER BY due LIMIT ?2",
        )?
        .query_map(params![now, limit], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for manifest in manifests {
        collected.reviewed += 1;
        if grace.untagged.is_some() && !is_needed(connection, manifest)? {
            remove_manifest(connection, manifest, now, grace)?;
            collected.manifests += 1;
        } else {
            connection
                .prepare_cached("DELETE FROM manifest_reviews WHERE manifest = ?1")?
                .execute([manifest])?;
        }
    }
    let blobs: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT repository, blob FROM blob_reviews WHERE due <= ?1 ORDER BY due LIMIT ?2",
        )?
        .query_map(params![now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for (repository, blob) in blobs {
        collected.reviewed += 1;
        review(connection, repository, blob, now, &mut collected)?;
    }
    Ok(collected)
}

/// Decides over a blob of a repository whose review is due.
fn review(
    connection: &Connection,
    repository: i64,
    blob: i64,
    now: Moment,
    collected: &mut Collected,
) -> Result<()> {
    let lease: Option<Moment> = connection
        .prepare_cached("SELECT lease FROM members WHERE repository = ?1 AND blob = ?2")?
        .query_row([repository, blob], |row| row.get(0))
        .optional()?;
    let is_needed = needs_blob(connection, repository, blob)?.is_some();
    match lease {
        Some(lease) if lease > now && !is_needed => {
            return review_blob(connection, repository, blob, lease);
        }
        Some(_) if !is_needed => {
            if let Some(gone) = remove_member(connection, repository, blob)? {
                collected.blobs += 1;
                collected.places.extend(gone);
            }
        }
        _ => {}
    }
    connection
        .prepare_cached("DELETE FROM blob_reviews WHERE repository = ?1 AND blob = ?2")?
        .execute([repository, blob])?;
    Ok(())
}

/// Whether a manifest has a tag, is listed by an index, or refers to a manifest that is there.
fn is_needed(connection: &Connection, manifest: i64) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM tags WHERE manifest = ?1
             UNION ALL SELECT 1 FROM manifest_children WHERE child = ?1
             UNION ALL SELECT 1 FROM manifests r JOIN manifests m ON m.repository = r.repository AND m.digest = r.subject
             WHERE r.id = ?1",
        )?
        .exists([manifest])
}
