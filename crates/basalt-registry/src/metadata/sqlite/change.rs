//! What is written: each function is one change, made whole or not at all, that checks again what it depends on.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::super::{
    Author, Deleted, Moment, Movable, NewBlob, NewManifest, Place, Published, PutManifest, Refusal,
    SigningKey, TagWrite,
};
use super::read::{digest as digest_of, place as place_of, repository_id};
use super::{Grace, collect};
use crate::audit::line_hash;
use crate::digest::Digest;
use crate::manifest::Needed;
use crate::name::{RepositoryName, Tag};
use crate::route::UploadId;

/// How many missing blobs a refusal names.
const MAXIMUM_MISSING: usize = 20;

fn ensure_repository(connection: &Connection, name: &RepositoryName) -> Result<i64> {
    if let Some(id) = repository_id(connection, name)? {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO repositories (name) VALUES (?1)")?
        .insert([name.as_str()])
}

/// Adds a line to the audit log, chained to the one before.
fn audit(
    connection: &Connection,
    author: &Author,
    action: &str,
    repository: &RepositoryName,
    object: &str,
) -> Result<()> {
    let last: Option<(i64, [u8; 32])> = connection
        .prepare_cached("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (sequence, former) = last.unwrap_or((0, [0; 32]));
    let sequence = sequence + 1;
    let hash = line_hash(
        &former,
        sequence,
        author,
        action,
        repository.as_str(),
        object,
    );
    connection
        .prepare_cached(
            "INSERT INTO audit (sequence, moment, author, address, action, repository, object, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            sequence,
            author.moment,
            author.name,
            author.address,
            action,
            repository.as_str(),
            object,
            hash
        ])?;
    Ok(())
}

pub(super) fn add_signing_key(
    connection: &Connection,
    key: &SigningKey,
    newest: Moment,
    oldest: Moment,
) -> Result<()> {
    let is_there = connection
        .prepare_cached("SELECT 1 FROM signing_keys WHERE created > ?1")?
        .exists([newest])?;
    if !is_there {
        connection.execute("DELETE FROM signing_keys WHERE created < ?1", [oldest])?;
        connection.execute(
            "INSERT INTO signing_keys (id, secret, created) VALUES (?1, ?2, ?3)",
            params![key.id, key.secret.as_slice(), key.created],
        )?;
    }
    Ok(())
}

pub(super) fn begin_upload(
    connection: &Connection,
    repository: &RepositoryName,
    upload: &UploadId,
    lease: Moment,
) -> Result<()> {
    let repository = ensure_repository(connection, repository)?;
    connection
        .prepare_cached("INSERT INTO uploads (id, repository, lease) VALUES (?1, ?2, ?3)")?
        .execute(params![upload.as_str(), repository, lease])?;
    Ok(())
}

pub(super) fn renew_upload(
    connection: &Connection,
    upload: &UploadId,
    lease: Moment,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE uploads SET lease = ?2 WHERE id = ?1 AND lease < ?2")?
        .execute(params![upload.as_str(), lease])?;
    Ok(())
}

pub(super) fn end_upload(connection: &Connection, upload: &UploadId) -> Result<bool> {
    let ended = connection
        .prepare_cached("DELETE FROM uploads WHERE id = ?1")?
        .execute([upload.as_str()])?;
    Ok(ended == 1)
}

pub(super) fn end_expired_uploads(
    connection: &Connection,
    now: Moment,
    limit: u64,
) -> Result<Vec<UploadId>> {
    let expired: Vec<Option<UploadId>> = connection
        .prepare_cached("SELECT id FROM uploads WHERE lease < ?1 ORDER BY lease LIMIT ?2")?
        .query_map(params![now, limit], |row| place_of(row, 0))?
        .collect::<Result<_>>()?;
    let expired: Vec<UploadId> = expired.into_iter().flatten().collect();
    for upload in &expired {
        end_upload(connection, upload)?;
    }
    Ok(expired)
}

pub(super) fn publish_blob(connection: &Connection, new: &NewBlob) -> Result<Published> {
    if let Some(upload) = &new.upload
        && !end_upload(connection, upload)?
    {
        return Ok(Published::NoUpload);
    }
    let known: Option<(i64, bool)> = connection
        .prepare_cached("SELECT id, is_bad FROM blobs WHERE digest = ?1")?
        .query_row([new.digest.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (place, bytes) = match &new.place {
        Place::Stored(upload) => (Some(upload.as_str()), None),
        Place::Inside(bytes) => (None, Some(bytes.as_ref())),
        Place::Damaged => return Err(rusqlite::Error::InvalidQuery),
    };
    let (blob, published) = match known {
        Some((id, false)) => (id, Published::Known),
        // The bytes that were not good are in quarantine; these take their place.
        Some((id, true)) => {
            connection
                .prepare_cached(
                    "UPDATE blobs SET size = ?2, place = ?3, bytes = ?4, is_bad = 0 WHERE id = ?1",
                )?
                .execute(params![id, new.size, place, bytes])?;
            (id, Published::Taken)
        }
        None => {
            let id = connection
                .prepare_cached(
                    "INSERT INTO blobs (digest, size, place, bytes) VALUES (?1, ?2, ?3, ?4)",
                )?
                .insert(params![new.digest.as_str(), new.size, place, bytes])?;
            (id, Published::Taken)
        }
    };
    let repository = ensure_repository(connection, &new.repository)?;
    if add_member(connection, repository, blob, new.lease)? {
        audit(
            connection,
            &new.author,
            "push blob",
            &new.repository,
            new.digest.as_str(),
        )?;
    }
    Ok(published)
}

/// Makes a blob part of a repository until this time at least; whether it was none before.
fn add_member(connection: &Connection, repository: i64, blob: i64, lease: Moment) -> Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO members (repository, blob, lease) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![repository, blob, lease])?;
    if added == 0 {
        connection
            .prepare_cached(
                "UPDATE members SET lease = ?3 WHERE repository = ?1 AND blob = ?2 AND lease < ?3",
            )?
            .execute(params![repository, blob, lease])?;
    }
    collect::review_blob(connection, repository, blob, lease)?;
    Ok(added == 1)
}

/// A sound blob of a repository: its number and its length.
fn member(connection: &Connection, repository: i64, digest: &Digest) -> Result<Option<(i64, u64)>> {
    connection
        .prepare_cached(
            "SELECT b.id, b.size FROM blobs b JOIN members k ON k.blob = b.id
             WHERE b.digest = ?2 AND k.repository = ?1 AND b.is_bad = 0",
        )?
        .query_row(params![repository, digest.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

pub(super) fn mount_blob(
    connection: &Connection,
    from: &RepositoryName,
    to: &RepositoryName,
    digest: &Digest,
    lease: Moment,
    author: &Author,
) -> Result<bool> {
    let source = match repository_id(connection, from)? {
        Some(from) => member(connection, from, digest)?,
        None => None,
    };
    let Some((blob, _)) = source else {
        return Ok(false);
    };
    let repository = ensure_repository(connection, to)?;
    if add_member(connection, repository, blob, lease)? {
        audit(connection, author, "mount blob", to, digest.as_str())?;
    }
    Ok(true)
}

pub(super) fn renew_blob(
    connection: &Connection,
    repository: &RepositoryName,
    digest: &Digest,
    lease: Moment,
) -> Result<bool> {
    let Some(repository) = repository_id(connection, repository)? else {
        return Ok(false);
    };
    let Some((blob, _)) = member(connection, repository, digest)? else {
        return Ok(false);
    };
    add_member(connection, repository, blob, lease)?;
    Ok(true)
}

/// A manifest of a repository: its number and its length.
fn manifest(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
) -> Result<Option<(i64, u64)>> {
    connection
        .prepare_cached("SELECT id, size FROM manifests WHERE repository = ?1 AND digest = ?2")?
        .query_row(params![repository, digest.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
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
    connection: &Connection,
    new: &NewManifest,
    grace: Grace,
) -> Result<std::result::Result<PutManifest, Refusal>> {
    let facts = &new.facts;
    let repository = ensure_repository(connection, &new.repository)?;
    let mut missing = Vec::new();
    let find_blob = |digest: &Digest| member(connection, repository, digest);
    let blobs = match needed(&facts.blobs, find_blob, &mut missing)? {
        Ok(blobs) => blobs,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let find_child = |digest: &Digest| manifest(connection, repository, digest);
    let children = match needed(&facts.children, find_child, &mut missing)? {
        Ok(children) => children,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !missing.is_empty() {
        return Ok(Err(Refusal::Missing(missing)));
    }
    let known = manifest(connection, repository, &new.digest)?.map(|(id, _)| id);
    for write in &new.tags {
        let old = tagged(connection, repository, &write.tag)?;
        let moves = old.is_some() && old != known;
        if moves && write.movable != Movable::Yes {
            return Ok(Err(Refusal::Tag(write.tag.clone(), write.movable)));
        }
    }
    let id = match known {
        Some(id) => id,
        None => {
            let id = insert_manifest(connection, repository, new)?;
            let mut foreign = Vec::new();
            for digest in &facts.foreign {
                foreign.extend(member(connection, repository, digest)?.map(|(blob, _)| blob));
            }
            for blob in blobs.iter().chain(&foreign) {
                connection
                    .prepare_cached(
                        "INSERT OR IGNORE INTO manifest_blobs (manifest, blob) VALUES (?1, ?2)",
                    )?
                    .execute([id, *blob])?;
            }
            for child in children {
                connection
                    .prepare_cached(
                        "INSERT OR IGNORE INTO manifest_children (parent, child) VALUES (?1, ?2)",
                    )?
                    .execute([id, child])?;
            }
            audit(
                connection,
                &new.author,
                "push manifest",
                &new.repository,
                new.digest.as_str(),
            )?;
            id
        }
    };
    for write in &new.tags {
        write_tag(connection, repository, id, write, new, grace)?;
    }
    let is_new = known.is_none();
    Ok(Ok(PutManifest { is_new }))
}

fn insert_manifest(connection: &Connection, repository: i64, new: &NewManifest) -> Result<i64> {
    let facts = &new.facts;
    // A map of texts: writing it as JSON cannot fail.
    let annotations = serde_json::to_string(&facts.annotations).unwrap_or_default();
    connection
        .prepare_cached(
            "INSERT INTO manifests (repository, digest, media_type, size, subject, artifact_type, annotations, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert(params![
            repository,
            new.digest.as_str(),
            facts.media_type,
            new.bytes.len(),
            facts.subject.as_ref().map(Digest::as_str),
            facts.artifact_type,
            annotations,
            new.bytes.as_ref()
        ])
}

/// The number of the manifest that a tag names.
fn tagged(connection: &Connection, repository: i64, tag: &Tag) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT manifest FROM tags WHERE repository = ?1 AND name = ?2")?
        .query_row(params![repository, tag.as_str()], |row| row.get(0))
        .optional()
}

fn write_tag(
    connection: &Connection,
    repository: i64,
    manifest: i64,
    write: &TagWrite,
    new: &NewManifest,
    grace: Grace,
) -> Result<()> {
    let old = tagged(connection, repository, &write.tag)?;
    if old == Some(manifest) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO tags (repository, name, manifest) VALUES (?1, ?2, ?3)
             ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest",
        )?
        .execute(params![repository, write.tag.as_str(), manifest])?;
    if let Some(old) = old {
        collect::review_manifest(connection, old, new.author.moment, grace)?;
    }
    let action = if old.is_some() {
        "move tag"
    } else {
        "push tag"
    };
    let object = format!("{} -> {}", write.tag, new.digest);
    audit(connection, &new.author, action, &new.repository, &object)
}

pub(super) fn delete_tag(
    connection: &Connection,
    name: &RepositoryName,
    tag: &Tag,
    author: &Author,
    grace: Grace,
) -> Result<bool> {
    let Some(repository) = repository_id(connection, name)? else {
        return Ok(false);
    };
    let Some(manifest) = tagged(connection, repository, tag)? else {
        return Ok(false);
    };
    connection
        .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND name = ?2")?
        .execute(params![repository, tag.as_str()])?;
    collect::review_manifest(connection, manifest, author.moment, grace)?;
    audit(connection, author, "delete tag", name, tag.as_str())?;
    Ok(true)
}

pub(super) fn delete_manifest(
    connection: &Connection,
    name: &RepositoryName,
    digest: &Digest,
    kept_tags: &[Tag],
    author: &Author,
    grace: Grace,
) -> Result<std::result::Result<bool, Refusal>> {
    let Some(repository) = repository_id(connection, name)? else {
        return Ok(Ok(false));
    };
    let Some((id, _)) = manifest(connection, repository, digest)? else {
        return Ok(Ok(false));
    };
    let parent = connection
        .prepare_cached(
            "SELECT m.digest FROM manifest_children c JOIN manifests m ON m.id = c.parent WHERE c.child = ?1 LIMIT 1",
        )?
        .query_row([id], |row| digest_of(row, 0))
        .optional()?;
    if let Some(parent) = parent {
        return Ok(Err(Refusal::Needed(parent)));
    }
    for tag in kept_tags {
        if tagged(connection, repository, tag)? == Some(id) {
            return Ok(Err(Refusal::Tag(tag.clone(), Movable::Immutable)));
        }
    }
    collect::remove_manifest(connection, id, author.moment, grace)?;
    audit(connection, author, "delete manifest", name, digest.as_str())?;
    Ok(Ok(true))
}

pub(super) fn delete_blob(
    connection: &Connection,
    name: &RepositoryName,
    digest: &Digest,
    author: &Author,
) -> Result<std::result::Result<Deleted, Refusal>> {
    let Some(repository) = repository_id(connection, name)? else {
        return Ok(Ok(Deleted::Unknown));
    };
    let Some((blob, _)) = member(connection, repository, digest)? else {
        return Ok(Ok(Deleted::Unknown));
    };
    if let Some(manifest) = collect::needs_blob(connection, repository, blob)? {
        return Ok(Err(Refusal::Needed(manifest)));
    }
    let deleted = match collect::remove_member(connection, repository, blob)? {
        Some(gone) => Deleted::Gone(gone.map(|(_, place)| place)),
        None => Deleted::Member,
    };
    audit(connection, author, "delete blob", name, digest.as_str())?;
    Ok(Ok(deleted))
}

pub(super) fn quarantine(
    connection: &Connection,
    digest: &Digest,
    place: &UploadId,
) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE blobs SET is_bad = 1 WHERE digest = ?1 AND place = ?2 AND is_bad = 0",
        )?
        .execute([digest.as_str(), place.as_str()])?;
    Ok(changed == 1)
}
