//! What policies ask: what a manifest's verdict hangs on, and whether that changed.

use std::ops::ControlFlow;

use super::session::{Result, Session, values};
use crate::digest::Digest;
use crate::name::RepositoryName;

/// Notes that manifests or tags of a repository changed: what was thought of it before is to be thought anew.
pub(super) fn note_change(session: &mut dyn Session, repository: i64) -> Result<()> {
    session.run(
        "INSERT INTO repository_changes AS known (repository, number) VALUES (?1, 1)
         ON CONFLICT (repository) DO UPDATE SET number = known.number + 1",
        values![repository],
    )?;
    Ok(())
}

pub(super) fn changes(session: &mut dyn Session, name: &RepositoryName) -> Result<u64> {
    let number = session.first(
        "SELECT c.number FROM repositories r JOIN repository_changes c ON c.repository = r.id WHERE r.name = ?1",
        values![name.as_str()],
        |row| row.get(0),
    )?;
    Ok(number.unwrap_or(0))
}

pub(super) fn parents(
    session: &mut dyn Session,
    name: &RepositoryName,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<Digest>> {
    session.all(
        "SELECT p.digest FROM repositories r JOIN manifests m ON m.repository = r.id
         JOIN manifest_children c ON c.child = m.id JOIN manifests p ON p.id = c.parent
         WHERE r.name = ?1 AND m.digest = ?2 ORDER BY p.id LIMIT ?3",
        values![name.as_str(), digest.as_str(), limit],
        |row| row.get(0),
    )
}

pub(super) fn manifests_with(
    session: &mut dyn Session,
    blob: &Digest,
    is_wanted: &dyn Fn(&RepositoryName) -> bool,
    limit: u64,
) -> Result<Vec<(RepositoryName, Digest)>> {
    let mut found = Vec::new();
    session.rows(
        "SELECT r.name, m.digest FROM blobs b JOIN manifest_blobs n ON n.blob = b.id
         JOIN manifests m ON m.id = n.manifest JOIN repositories r ON r.id = m.repository WHERE b.digest = ?1",
        values![blob.as_str()],
        &mut |row| {
            let name: RepositoryName = row.get(0)?;
            if is_wanted(&name) {
                found.push((name, row.get(1)?));
            }
            Ok(match (found.len() as u64) < limit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        },
    )?;
    Ok(found)
}
