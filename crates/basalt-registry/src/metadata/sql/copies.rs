//! Copies of an upstream's manifests. No blob and no child is tied to them: each goes when nobody has asked for it for long.

use super::super::{Collected, CopyRecord, Grace, Moment, NewCopy, OverQuota, Refusal, TagWrite};
use super::change::{audit, ensure_repository};
use super::manifests::{self, manifest, tagged};
use super::read::{self, repository_id};
use super::session::{Result, Session, values};
use super::{collect, overview, quota, verdict};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

/// The most platforms that are looked at of one manifest.
const MAXIMUM_PLATFORMS: u64 = 100;

pub(super) fn copy(
    session: &mut dyn Session,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Option<CopyRecord>> {
    let query = match reference {
        Reference::Tag(_) => {
            "SELECT m.digest, m.media_type, m.size, c.ends, k.checked
             FROM repositories r JOIN tags t ON t.repository = r.id JOIN manifests m ON m.id = t.manifest
             LEFT JOIN copies c ON c.manifest = m.id
             LEFT JOIN copied_tags k ON k.repository = t.repository AND k.name = t.name
             WHERE r.name = ?1 AND t.name = ?2"
        }
        Reference::Digest(_) => {
            "SELECT m.digest, m.media_type, m.size, c.ends, NULL
             FROM repositories r JOIN manifests m ON m.repository = r.id LEFT JOIN copies c ON c.manifest = m.id
             WHERE r.name = ?1 AND m.digest = ?2"
        }
    };
    let object = match reference {
        Reference::Tag(tag) => tag.as_str(),
        Reference::Digest(digest) => digest.as_str(),
    };
    let is_tag = matches!(reference, Reference::Tag(_));
    session.first(query, values![name.as_str(), object], |row| {
        Ok(CopyRecord {
            head: read::head(row)?,
            ends: row.find(3)?,
            checked: if is_tag { row.find(4)? } else { None },
        })
    })
}

/// Keeps a copy, and lets its tags name it.
pub(super) fn keep(
    session: &mut dyn Session,
    new: &NewCopy,
) -> Result<std::result::Result<(), Refusal>> {
    let one = &new.manifest;
    let moment = one.author.moment;
    let repository = ensure_repository(session, &one.repository)?;
    let known = manifest(session, repository, &one.digest)?.map(|(id, _)| id);
    let size = one.bytes.len() as u64;
    if known.is_none()
        && let Some(over) = quota::exceeded(session, repository, size, one.quota)?
    {
        let over: OverQuota = over;
        return Ok(Err(Refusal::OverQuota(over)));
    }
    let id = match known {
        Some(id) => {
            session.run(
                "UPDATE manifests SET bytes = ?2, size = ?3 WHERE id = ?1 AND bytes <> ?2",
                values![id, one.bytes.as_ref(), size],
            )?;
            extend(session, id, new.ends)?;
            id
        }
        None => {
            quota::add(session, repository, size)?;
            let id = manifests::insert(session, repository, one)?;
            session.run(
                "INSERT INTO copies (manifest, ends) VALUES (?1, ?2)",
                values![id, new.ends],
            )?;
            for (child, platform) in &new.children {
                session.run(
                    "INSERT INTO copied_children (parent, digest, platform) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                    values![id, child.as_str(), platform.as_deref().unwrap_or("")],
                )?;
            }
            audit(
                session,
                &one.author,
                "copy manifest",
                &one.repository,
                one.digest.as_str(),
            )?;
            overview::note_push(session, repository, id, moment)?;
            verdict::note_change(session, repository)?;
            id
        }
    };
    for write in &one.tags {
        write_tag(session, repository, id, write, new)?;
    }
    Ok(Ok(()))
}

fn write_tag(
    session: &mut dyn Session,
    repository: i64,
    manifest: i64,
    write: &TagWrite,
    new: &NewCopy,
) -> Result<()> {
    let one = &new.manifest;
    let old = tagged(session, repository, &write.tag)?;
    if old != Some(manifest) {
        session.run(
            "INSERT INTO tags (repository, name, manifest, pushed) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest, pushed = excluded.pushed",
            values![repository, write.tag.as_str(), manifest, one.author.moment],
        )?;
        verdict::note_change(session, repository)?;
        let action = match old {
            Some(_) => "move copied tag",
            None => "copy tag",
        };
        let object = format!("{} -> {}", write.tag, one.digest);
        audit(session, &one.author, action, &one.repository, &object)?;
    }
    note_checked(session, repository, &write.tag, one.author.moment)
}

fn note_checked(
    session: &mut dyn Session,
    repository: i64,
    tag: &Tag,
    moment: Moment,
) -> Result<()> {
    session.run(
        "INSERT INTO copied_tags (repository, name, checked) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository, name) DO UPDATE SET checked = excluded.checked",
        values![repository, tag.as_str(), moment],
    )?;
    Ok(())
}

/// Notes that a tag still names what it did, if it does here too.
pub(super) fn confirm(
    session: &mut dyn Session,
    name: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
    moment: Moment,
) -> Result<()> {
    let Some(repository) = repository_id(session, name)? else {
        return Ok(());
    };
    let named = manifest(session, repository, digest)?.map(|(id, _)| id);
    if named.is_some() && tagged(session, repository, tag)? == named {
        note_checked(session, repository, tag, moment)?;
    }
    Ok(())
}

fn extend(session: &mut dyn Session, manifest: i64, ends: Moment) -> Result<()> {
    session.run(
        "UPDATE copies SET ends = ?2 WHERE manifest = ?1 AND ends < ?2",
        values![manifest, ends],
    )?;
    Ok(())
}

/// Keeps a copy until this time at least.
pub(super) fn renew(
    session: &mut dyn Session,
    name: &RepositoryName,
    digest: &Digest,
    ends: Moment,
) -> Result<()> {
    let Some(repository) = repository_id(session, name)? else {
        return Ok(());
    };
    match manifest(session, repository, digest)? {
        Some((id, _)) => extend(session, id, ends),
        None => Ok(()),
    }
}

/// The platforms for which indexes of the repository list a manifest; empty texts where one says none.
pub(super) fn platforms(
    session: &mut dyn Session,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<String>> {
    session.all(
        "SELECT DISTINCT l.platform FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN copied_children l ON l.parent = m.id WHERE r.name = ?1 AND l.digest = ?2 LIMIT ?3",
        values![name.as_str(), digest.as_str(), MAXIMUM_PLATFORMS],
        |row| row.get(0),
    )
}

/// Removes copies that nobody has asked for until their time was over.
pub(super) fn collect(
    session: &mut dyn Session,
    now: Moment,
    limit: u64,
    grace: Grace,
) -> Result<Collected> {
    let ended: Vec<i64> = session.all(
        "SELECT manifest FROM copies WHERE ends <= ?1 ORDER BY ends LIMIT ?2",
        values![now, limit],
        |row| row.get(0),
    )?;
    let mut collected = Collected::default();
    for manifest in ended {
        collected.reviewed += 1;
        collected.manifests += 1;
        collect::remove_manifest(session, manifest, now, grace)?;
    }
    Ok(collected)
}

/// Whether there are any to be removed.
pub(super) fn is_due(session: &mut dyn Session, now: Moment) -> Result<bool> {
    session.has(
        "SELECT 1 FROM copies WHERE ends <= ?1 LIMIT 1",
        values![now],
    )
}
