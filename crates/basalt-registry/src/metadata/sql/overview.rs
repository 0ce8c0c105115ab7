//! What pages for people show of repositories and tags.

use super::super::{Moment, RepositoryOverview, TagOverview};
use super::session::{Result, Session, values};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};

/// Notes that a manifest was pushed, again or for the first time.
pub(super) fn note_push(
    session: &mut dyn Session,
    repository: i64,
    manifest: i64,
    moment: Moment,
) -> Result<()> {
    session.run(
        "INSERT INTO manifest_pushes (manifest, repository, moment) VALUES (?1, ?2, ?3)
         ON CONFLICT (manifest) DO UPDATE SET moment = excluded.moment",
        values![manifest, repository, moment],
    )?;
    Ok(())
}

/// How large repositories are and when something was pushed there last. Those that are not there are left out.
pub(super) fn repositories(
    session: &mut dyn Session,
    names: &[RepositoryName],
) -> Result<Vec<RepositoryOverview>> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let one = session.first(
            "SELECT (SELECT count(*) FROM tags t WHERE t.repository = r.id),
                    (SELECT CAST(sum(b.size) AS BIGINT) FROM members k JOIN blobs b ON b.id = k.blob WHERE k.repository = r.id),
                    (SELECT max(p.moment) FROM manifest_pushes p WHERE p.repository = r.id)
             FROM repositories r WHERE r.name = ?1",
            values![name.as_str()],
            |row| {
                Ok(RepositoryOverview {
                    name: name.clone(),
                    tags: row.get(0)?,
                    size: row.find(1)?.unwrap_or(0),
                    pushed: row.find(2)?,
                })
            },
        )?;
        found.extend(one);
    }
    Ok(found)
}

/// Tags of a repository, sorted, at most so many.
pub(super) fn tags(
    session: &mut dyn Session,
    repository: &RepositoryName,
    limit: u64,
) -> Result<Vec<TagOverview>> {
    session.all(
        "SELECT t.name, m.digest, p.moment FROM repositories r JOIN tags t ON t.repository = r.id
         JOIN manifests m ON m.id = t.manifest LEFT JOIN manifest_pushes p ON p.manifest = m.id
         WHERE r.name = ?1 ORDER BY t.name LIMIT ?2",
        values![repository.as_str(), limit],
        |row| {
            Ok(TagOverview {
                tag: row.get(0)?,
                digest: row.get(1)?,
                pushed: row.find(2)?,
            })
        },
    )
}

/// When a manifest was pushed last.
pub(super) fn pushed(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Moment>> {
    session.first(
        "SELECT p.moment FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN manifest_pushes p ON p.manifest = m.id WHERE r.name = ?1 AND m.digest = ?2",
        values![repository.as_str(), digest.as_str()],
        |row| row.get(0),
    )
}

/// The tags of a manifest and of the indexes that list it, at most so many.
pub(super) fn tags_over(
    session: &mut dyn Session,
    repository: &RepositoryName,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<Tag>> {
    session.all(
        "SELECT t.name AS name FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN tags t ON t.manifest = m.id WHERE r.name = ?1 AND m.digest = ?2
         UNION SELECT t.name AS name FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN manifest_children c ON c.child = m.id JOIN tags t ON t.manifest = c.parent
         WHERE r.name = ?1 AND m.digest = ?2 ORDER BY name LIMIT ?3",
        values![repository.as_str(), digest.as_str(), limit],
        |row| row.get(0),
    )
}
