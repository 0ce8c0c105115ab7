//! Changes of manifests and tags: each is made whole or not at all, and checks again what it depends on.

use super::super::{Author, Grace, Movable, NewManifest, PutManifest, Refusal, TagWrite};
use super::blobs::member;
use super::change::{audit, ensure_repository};
use super::read::repository_id;
use super::session::{Result, Session, values};
use super::{bills, collect, overview, quota, verdict};
use crate::digest::Digest;
use crate::manifest::Needed;
use crate::name::{RepositoryName, Tag};

/// How many missing blobs a refusal names.
const MAXIMUM_MISSING: usize = 20;

/// A manifest of a repository: its number and its length.
pub(super) fn manifest(
    session: &mut dyn Session,
    repository: i64,
    digest: &Digest,
) -> Result<Option<(i64, u64)>> {
    session.first(
        "SELECT id, size FROM manifests WHERE repository = ?1 AND digest = ?2",
        values![repository, digest.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What a manifest needs, by number; or why it cannot have it. Of what is missing at most so many are named.
fn needed(
    list: &[Needed],
    mut find: impl FnMut(&Digest) -> Result<Option<(i64, u64)>>,
    missing: &mut Vec<Digest>,
    named: usize,
) -> Result<std::result::Result<Vec<i64>, Refusal>> {
    let mut numbers = Vec::with_capacity(list.len());
    for one in list {
        match find(&one.digest)? {
            Some((_, size)) if size != one.size => {
                let digest = one.digest.clone();
                return Ok(Err(Refusal::WrongSize { digest, size }));
            }
            Some((number, _)) => numbers.push(number),
            None if missing.len() < named => missing.push(one.digest.clone()),
            None => {}
        }
    }
    Ok(Ok(numbers))
}

pub(super) fn put(
    session: &mut dyn Session,
    new: &NewManifest,
    grace: Grace,
) -> Result<std::result::Result<PutManifest, Refusal>> {
    let facts = &new.facts;
    let repository = ensure_repository(session, &new.repository)?;
    let mut missing = Vec::new();
    let find_blob = |digest: &Digest| member(session, repository, digest);
    let mut blobs = match needed(&facts.blobs, find_blob, &mut missing, MAXIMUM_MISSING)? {
        Ok(blobs) => blobs,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut absent = Vec::new();
    let find_child = |digest: &Digest| manifest(session, repository, digest);
    let mut children = match needed(&facts.children, find_child, &mut absent, usize::MAX)? {
        Ok(children) => children,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !new.is_sparse {
        let room = MAXIMUM_MISSING.saturating_sub(missing.len());
        missing.extend(absent.drain(..).take(room));
    }
    // What is called by no manifest's type is whatever is here under its digest: by a type that it made up, too, a client
    // that finds a manifest there runs it.
    for one in &facts.others {
        let child = manifest(session, repository, &one.digest)?;
        let blob = member(session, repository, &one.digest)?;
        if let Some((_, size)) = child.or(blob)
            && size != one.size
        {
            let digest = one.digest.clone();
            return Ok(Err(Refusal::WrongSize { digest, size }));
        }
        match (child, blob) {
            (None, None) if missing.len() < MAXIMUM_MISSING => missing.push(one.digest.clone()),
            (None, Some(_)) => absent.push(one.digest.clone()),
            _ => {}
        }
        children.extend(child.map(|(number, _)| number));
        blobs.extend(blob.map(|(number, _)| number));
    }
    if !missing.is_empty() {
        return Ok(Err(Refusal::Missing(missing)));
    }
    let known = manifest(session, repository, &new.digest)?.map(|(id, _)| id);
    for write in &new.tags {
        let old = tagged(session, repository, &write.tag)?;
        let moves = old.is_some() && old != known;
        if moves && write.movable != Movable::Yes {
            return Ok(Err(Refusal::Tag(write.tag.clone(), write.movable)));
        }
    }
    let size = new.bytes.len() as u64;
    if known.is_none()
        && let Some(over) = quota::exceeded(session, repository, size, new.quota)?
    {
        return Ok(Err(Refusal::OverQuota(over)));
    }
    let id = match known {
        Some(id) => {
            // Bytes that the disk has spoilt are mended by a push, as those of blobs are.
            session.run(
                "UPDATE manifests SET bytes = ?2, size = ?3 WHERE id = ?1 AND bytes <> ?2",
                values![id, new.bytes.as_ref(), new.bytes.len() as u64],
            )?;
            id
        }
        None => {
            quota::add(session, repository, size)?;
            verdict::note_change(session, repository)?;
            let id = insert(session, repository, new)?;
            let mut foreign = Vec::new();
            for digest in &facts.foreign {
                foreign.extend(member(session, repository, digest)?.map(|(blob, _)| blob));
            }
            for blob in blobs.iter().chain(&foreign) {
                session.run(
                    "INSERT INTO manifest_blobs (manifest, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    values![id, *blob])?;
            }
            for child in children {
                session.run(
                    "INSERT INTO manifest_children (parent, child) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    values![id, child])?;
            }
            for digest in &absent {
                session.run(
                    "INSERT INTO absent_children (parent, digest) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    values![id, digest.as_str()])?;
            }
            link_to_parents(session, repository, id, &new.digest)?;
            if facts.may_have_bills {
                bills::queue(session, id, new.author.moment)?;
            }
            audit(
                session,
                &new.author,
                "push manifest",
                &new.repository,
                new.digest.as_str(),
            )?;
            id
        }
    };
    for write in &new.tags {
        write_tag(session, repository, id, write, new, grace)?;
    }
    let is_new = known.is_none();
    if is_new || !new.tags.is_empty() {
        overview::note_push(session, repository, id, new.author.moment)?;
    }
    Ok(Ok(PutManifest { is_new }))
}

/// Makes a manifest that has come a child of the indexes that listed it before.
pub(super) fn link_to_parents(
    session: &mut dyn Session,
    repository: i64,
    manifest: i64,
    digest: &Digest,
) -> Result<()> {
    let parents: Vec<i64> = session.all(
        "SELECT a.parent FROM absent_children a JOIN manifests p ON p.id = a.parent
         WHERE a.digest = ?2 AND p.repository = ?1",
        values![repository, digest.as_str()],
        |row| row.get(0),
    )?;
    for parent in parents {
        session.run(
            "INSERT INTO manifest_children (parent, child) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            values![parent, manifest],
        )?;
        session.run(
            "DELETE FROM absent_children WHERE parent = ?1 AND digest = ?2",
            values![parent, digest.as_str()],
        )?;
    }
    Ok(())
}

pub(super) fn insert(session: &mut dyn Session, repository: i64, new: &NewManifest) -> Result<i64> {
    let facts = &new.facts;
    // A map of texts: writing it as JSON cannot fail.
    let annotations = serde_json::to_string(&facts.annotations).unwrap_or_default();
    session.insert(
        "INSERT INTO manifests (repository, digest, media_type, size, subject, artifact_type, annotations, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        values![
            repository,
            new.digest.as_str(),
            &facts.media_type,
            new.bytes.len() as u64,
            facts.subject.as_ref().map(Digest::as_str),
            facts.artifact_type.as_deref(),
            &annotations,
            new.bytes.as_ref()
        ])
}

/// The number of the manifest that a tag names.
pub(super) fn tagged(session: &mut dyn Session, repository: i64, tag: &Tag) -> Result<Option<i64>> {
    session.first(
        "SELECT manifest FROM tags WHERE repository = ?1 AND name = ?2",
        values![repository, tag.as_str()],
        |row| row.get(0),
    )
}

fn write_tag(
    session: &mut dyn Session,
    repository: i64,
    manifest: i64,
    write: &TagWrite,
    new: &NewManifest,
    grace: Grace,
) -> Result<()> {
    let old = tagged(session, repository, &write.tag)?;
    if old == Some(manifest) {
        return Ok(());
    }
    session.run(
        "INSERT INTO tags (repository, name, manifest, pushed) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest, pushed = excluded.pushed",
        values![
            repository,
            write.tag.as_str(),
            manifest,
            new.author.moment
        ],
    )?;
    verdict::note_change(session, repository)?;
    if let Some(old) = old {
        collect::review_manifest(session, old, new.author.moment, grace)?;
    }
    let action = if old.is_some() {
        "move tag"
    } else {
        "push tag"
    };
    let object = format!("{} -> {}", write.tag, new.digest);
    audit(session, &new.author, action, &new.repository, &object)
}

pub(super) fn delete_tag(
    session: &mut dyn Session,
    name: &RepositoryName,
    tag: &Tag,
    author: &Author,
    grace: Grace,
) -> Result<bool> {
    let Some(repository) = repository_id(session, name)? else {
        return Ok(false);
    };
    let Some(manifest) = tagged(session, repository, tag)? else {
        return Ok(false);
    };
    session.run(
        "DELETE FROM tags WHERE repository = ?1 AND name = ?2",
        values![repository, tag.as_str()],
    )?;
    verdict::note_change(session, repository)?;
    collect::review_manifest(session, manifest, author.moment, grace)?;
    audit(session, author, "delete tag", name, tag.as_str())?;
    Ok(true)
}

pub(super) fn delete(
    session: &mut dyn Session,
    name: &RepositoryName,
    digest: &Digest,
    kept_tags: &[Tag],
    author: &Author,
    grace: Grace,
) -> Result<std::result::Result<bool, Refusal>> {
    let Some(repository) = repository_id(session, name)? else {
        return Ok(Ok(false));
    };
    let Some((id, _)) = manifest(session, repository, digest)? else {
        return Ok(Ok(false));
    };
    let parent = session.first(
        "SELECT m.digest FROM manifest_children c JOIN manifests m ON m.id = c.parent
         WHERE c.child = ?1 LIMIT 1",
        values![id],
        |row| row.get(0),
    )?;
    if let Some(parent) = parent {
        return Ok(Err(Refusal::Needed(parent)));
    }
    for tag in kept_tags {
        if tagged(session, repository, tag)? == Some(id) {
            return Ok(Err(Refusal::Tag(tag.clone(), Movable::Immutable)));
        }
    }
    collect::remove_manifest(session, id, author.moment, grace)?;
    audit(session, author, "delete manifest", name, digest.as_str())?;
    Ok(Ok(true))
}
