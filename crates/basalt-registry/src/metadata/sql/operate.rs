//! What those ask who look after a registry: all that is there, with what the tables say of it; and what they change.

use bytes::Bytes;

use super::super::{
    Author, BlobRecord, Grace, HeldBlob, Keeper, ManifestRecord, Moment, Retired, StoredManifest,
    TagRecord, Totals,
};
use super::session::{Result, Session, values};
use super::{change, collect, read, verdict};
use crate::digest::Digest;
use crate::manifest::{Facts, Needed};
use crate::name::{RepositoryName, Tag};

/// Whether a backup copies blobs: then none may go.
pub(super) fn is_held(session: &mut dyn Session, now: Moment) -> Result<bool> {
    session.has(
        "SELECT 1 FROM leases WHERE name >= 'backup/' AND name < 'backup0' AND ends > ?1",
        values![now],
    )
}

pub(super) fn take_lease(
    session: &mut dyn Session,
    name: &str,
    owner: &str,
    now: Moment,
    ends: Moment,
) -> Result<bool> {
    let taken = session.run(
        "INSERT INTO leases AS known (name, owner, ends) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends
         WHERE known.owner = excluded.owner OR known.ends <= ?4",
        values![name, owner, ends, now],
    )?;
    Ok(taken == 1)
}

pub(super) fn end_lease(session: &mut dyn Session, name: &str, owner: &str) -> Result<()> {
    session.run(
        "DELETE FROM leases WHERE name = ?1 AND owner = ?2",
        values![name, owner],
    )?;
    Ok(())
}

pub(super) fn all_blobs(
    session: &mut dyn Session,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<BlobRecord>> {
    let query = format!(
        "SELECT {} FROM blobs b WHERE b.digest > ?1 ORDER BY b.digest LIMIT ?2",
        read::BLOB
    );
    session.all(&query, values![after.unwrap_or(""), limit], |row| {
        read::blob_record(row, 0)
    })
}

pub(super) fn totals(session: &mut dyn Session) -> Result<Totals> {
    let totals = session.first(
        "SELECT (SELECT count(*) FROM blobs), (SELECT count(*) FROM manifests)",
        values![],
        |row| {
            Ok(Totals {
                blobs: row.get(0)?,
                manifests: row.get(1)?,
            })
        },
    )?;
    Ok(totals.unwrap_or_default())
}

pub(super) fn stored_manifests(
    session: &mut dyn Session,
    after: i64,
    limit: u64,
) -> Result<Vec<StoredManifest>> {
    let mut found = session.all(
        "SELECT m.digest, m.media_type, m.size, m.bytes, m.id, r.name, m.subject, m.artifact_type, m.annotations,
                c.ends
         FROM manifests m JOIN repositories r ON r.id = m.repository LEFT JOIN copies c ON c.manifest = m.id WHERE m.id > ?1 ORDER BY m.id LIMIT ?2",
        values![after, limit],
        |row| {
            Ok(StoredManifest {
                record: ManifestRecord {
                    head: read::head(row)?,
                    bytes: Bytes::copy_from_slice(row.get(3)?),
                },
                id: row.get(4)?,
                repository: row.get(5)?,
                subject: row.find(6)?,
                artifact_type: row.find(7)?,
                annotations: row.get(8)?,
                is_copy: row.find::<i64>(9)?.is_some(),
                blobs: Vec::new(),
                children: Vec::new(),
                absent: Vec::new(),
                tags: Vec::new(),
            })
        },
    )?;
    for manifest in &mut found {
        manifest.blobs = session.all(
            "SELECT b.digest, b.size, b.is_bad, k.blob FROM manifest_blobs n JOIN blobs b ON b.id = n.blob
             JOIN manifests m ON m.id = n.manifest
             LEFT JOIN members k ON k.blob = b.id AND k.repository = m.repository
             WHERE n.manifest = ?1 ORDER BY b.digest",
            values![manifest.id],
            |row| {
                Ok(HeldBlob {
                    digest: row.get(0)?,
                    size: row.get(1)?,
                    is_bad: row.get(2)?,
                    is_member: row.find::<i64>(3)?.is_some(),
                })
            },
        )?;
        manifest.children = session.all(
            "SELECT c.digest, c.size FROM manifest_children n JOIN manifests c ON c.id = n.child
             WHERE n.parent = ?1 ORDER BY c.digest",
            values![manifest.id],
            |row| {
                Ok(Needed {
                    digest: row.get(0)?,
                    size: row.get(1)?,
                })
            },
        )?;
        manifest.absent = session.all(
            "SELECT digest FROM absent_children WHERE parent = ?1 ORDER BY digest",
            values![manifest.id],
            |row| row.get(0),
        )?;
        manifest.tags = session.all(
            "SELECT name FROM tags WHERE manifest = ?1 ORDER BY name",
            values![manifest.id],
            |row| row.get(0),
        )?;
    }
    Ok(found)
}

pub(super) fn mark_damaged(session: &mut dyn Session, digest: &Digest) -> Result<bool> {
    let changed = session.run(
        "UPDATE blobs SET is_bad = 1 WHERE digest = ?1 AND is_bad = 0",
        values![digest.as_str()],
    )?;
    Ok(changed == 1)
}

/// Writes again what a manifest's bytes say of it, as far as what it needs is there. What is not is left out.
pub(super) fn mend_manifest(
    session: &mut dyn Session,
    manifest: i64,
    facts: &Facts,
    now: Moment,
) -> Result<()> {
    let annotations = serde_json::to_string(&facts.annotations).unwrap_or_default();
    let repository = session.first(
        "UPDATE manifests SET subject = ?2, artifact_type = ?3, annotations = ?4 WHERE id = ?1 RETURNING repository",
        values![
            manifest,
            facts.subject.as_ref().map(Digest::as_str),
            facts.artifact_type.as_deref(),
            &annotations
        ],
        |row| row.get::<i64>(0),
    )?;
    let Some(repository) = repository else {
        return Ok(());
    };
    for statement in [
        "DELETE FROM manifest_blobs WHERE manifest = ?1",
        "DELETE FROM manifest_children WHERE parent = ?1",
    ] {
        session.run(statement, values![manifest])?;
    }
    for digest in facts
        .blobs
        .iter()
        .map(|one| &one.digest)
        .chain(&facts.foreign)
        .chain(facts.others.iter().map(|one| &one.digest))
    {
        let blob: Option<i64> = session.first(
            "SELECT id FROM blobs WHERE digest = ?1",
            values![digest.as_str()],
            |row| row.get(0),
        )?;
        let Some(blob) = blob else { continue };
        session.run(
            "INSERT INTO members (repository, blob, lease) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            values![repository, blob, now],
        )?;
        session.run(
            "INSERT INTO manifest_blobs (manifest, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            values![manifest, blob],
        )?;
    }
    for child in facts.children.iter().chain(&facts.others) {
        session.run(
            "INSERT INTO manifest_children (parent, child)
             SELECT ?1, id FROM manifests WHERE repository = ?2 AND digest = ?3 ON CONFLICT DO NOTHING",
            values![manifest, repository, child.digest.as_str()],
        )?;
    }
    session.run(
        "DELETE FROM absent_children WHERE parent = ?1
         AND digest IN (SELECT digest FROM manifests WHERE repository = ?2)",
        values![manifest, repository],
    )?;
    Ok(())
}

pub(super) fn tag_records(
    session: &mut dyn Session,
    repository: &RepositoryName,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<TagRecord>> {
    session.all(
        "SELECT t.name, m.digest, t.pushed FROM repositories r JOIN tags t ON t.repository = r.id
         JOIN manifests m ON m.id = t.manifest WHERE r.name = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3",
        values![repository.as_str(), after.unwrap_or(""), limit],
        |row| {
            Ok(TagRecord {
                tag: row.get(0)?,
                digest: row.get(1)?,
                pushed: row.get(2)?,
            })
        },
    )
}

pub(super) fn keeper(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Keeper>> {
    let values = values![repository.as_str(), digest.as_str()];
    let index = session.first(
        "SELECT p.digest FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN manifest_children c ON c.child = m.id JOIN manifests p ON p.id = c.parent
         WHERE r.name = ?1 AND m.digest = ?2 ORDER BY p.digest LIMIT 1",
        values,
        |row| row.get(0),
    )?;
    if let Some(index) = index {
        return Ok(Some(Keeper::Index(index)));
    }
    let subject = session.first(
        "SELECT s.digest FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN manifests s ON s.repository = r.id AND s.digest = m.subject WHERE r.name = ?1 AND m.digest = ?2",
        values,
        |row| row.get(0),
    )?;
    Ok(subject.map(Keeper::Subject))
}

/// Deletes a tag if it still is what it was when that was decided, and then the manifest, what that listed, and what
/// referred to it, as far as nothing else needs them.
pub(super) fn retire(
    session: &mut dyn Session,
    name: &RepositoryName,
    record: &TagRecord,
    author: &Author,
    grace: Grace,
) -> Result<Option<Retired>> {
    let found: Option<(i64, i64)> = session.first(
        "SELECT t.repository, m.id FROM repositories r JOIN tags t ON t.repository = r.id
         JOIN manifests m ON m.id = t.manifest
         WHERE r.name = ?1 AND t.name = ?2 AND m.digest = ?3 AND t.pushed = ?4",
        values![
            name.as_str(),
            record.tag.as_str(),
            record.digest.as_str(),
            record.pushed
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((repository, manifest)) = found else {
        return Ok(None);
    };
    session.run(
        "DELETE FROM tags WHERE repository = ?1 AND name = ?2",
        values![repository, record.tag.as_str()],
    )?;
    verdict::note_change(session, repository)?;
    change::audit(session, author, "retire tag", name, record.tag.as_str())?;
    let mut retired = Retired { manifests: 0 };
    let mut candidates = vec![manifest];
    while let Some(manifest) = candidates.pop() {
        let digest: Option<Digest> = session.first(
            "SELECT digest FROM manifests WHERE id = ?1",
            values![manifest],
            |row| row.get(0),
        )?;
        let Some(digest) = digest else { continue };
        if collect::is_needed(session, manifest)? {
            continue;
        }
        candidates.extend(session.all(
            "SELECT child FROM manifest_children WHERE parent = ?1",
            values![manifest],
            |row| row.get::<i64>(0),
        )?);
        candidates.extend(session.all(
            "SELECT id FROM manifests WHERE repository = ?1 AND subject = ?2 AND id <> ?3",
            values![repository, digest.as_str(), manifest],
            |row| row.get::<i64>(0),
        )?);
        collect::remove_manifest(session, manifest, author.moment, grace)?;
        change::audit(session, author, "retire manifest", name, digest.as_str())?;
        retired.manifests += 1;
    }
    Ok(Some(retired))
}

/// What needs a blob.
pub(super) fn hurt_by(session: &mut dyn Session, digest: &Digest) -> Result<Vec<String>> {
    session.all(
        "SELECT DISTINCT r.name, t.name, m.digest FROM blobs b JOIN manifest_blobs n ON n.blob = b.id
         JOIN manifests m ON m.id = n.manifest JOIN repositories r ON r.id = m.repository
         LEFT JOIN manifest_children c ON c.child = m.id
         LEFT JOIN tags t ON t.manifest = m.id OR t.manifest = c.parent
         WHERE b.digest = ?1 ORDER BY r.name, t.name LIMIT 100",
        values![digest.as_str()],
        |row| {
            let (repository, tag, digest): (&str, Option<Tag>, Digest) =
                (row.get(0)?, row.find(1)?, row.get(2)?);
            Ok(match tag {
                Some(tag) => format!("{repository}:{tag}"),
                None => format!("{repository}@{digest}"),
            })
        },
    )
}
