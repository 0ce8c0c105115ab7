//! What is written: each function is one change, made whole or not at all, that checks again what it depends on.

use super::super::{
    Author, Deleted, Grace, Moment, Movable, NewBlob, NewManifest, Place, Published, PutManifest,
    Refusal, SigningKey, TagWrite,
};
use super::read::repository_id;
use super::session::{Result, Session, SqlError, values};
use super::{bills, collect, operate, overview, quota, verdict};
use crate::audit::line_hash;
use crate::digest::Digest;
use crate::manifest::Needed;
use crate::name::{RepositoryName, Tag};
use crate::route::UploadId;

/// How many missing blobs a refusal names.
const MAXIMUM_MISSING: usize = 20;

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

pub(super) fn publish_blob(session: &mut dyn Session, new: &NewBlob) -> Result<Published> {
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
fn member(
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

pub(super) fn mount_blob(
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

pub(super) fn renew_blob(
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

/// What a manifest needs, by number; or why it cannot have it.
fn needed(
    list: &[Needed],
    mut find: impl FnMut(&Digest) -> Result<Option<(i64, u64)>>,
    missing: &mut Vec<Digest>,
) -> Result<std::result::Result<Vec<i64>, Refusal>> {
    let mut numbers = Vec::with_capacity(list.len());
    for one in list {
        match find(&one.digest)? {
            Some((_, size)) if size != one.size => {
                let digest = one.digest.clone();
                return Ok(Err(Refusal::WrongSize { digest, size }));
            }
            Some((number, _)) => numbers.push(number),
            None if missing.len() < MAXIMUM_MISSING => missing.push(one.digest.clone()),
            None => {}
        }
    }
    Ok(Ok(numbers))
}

pub(super) fn put_manifest(
    session: &mut dyn Session,
    new: &NewManifest,
    grace: Grace,
) -> Result<std::result::Result<PutManifest, Refusal>> {
    let facts = &new.facts;
    let repository = ensure_repository(session, &new.repository)?;
    let mut missing = Vec::new();
    let find_blob = |digest: &Digest| member(session, repository, digest);
    let blobs = match needed(&facts.blobs, find_blob, &mut missing)? {
        Ok(blobs) => blobs,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let find_child = |digest: &Digest| manifest(session, repository, digest);
    let children = match needed(&facts.children, find_child, &mut missing)? {
        Ok(children) => children,
        Err(refusal) => return Ok(Err(refusal)),
    };
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
            let id = insert_manifest(session, repository, new)?;
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

pub(super) fn insert_manifest(
    session: &mut dyn Session,
    repository: i64,
    new: &NewManifest,
) -> Result<i64> {
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

pub(super) fn delete_manifest(
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

pub(super) fn delete_blob(
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
