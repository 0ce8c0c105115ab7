//! Bills of materials: manifests that wait to be read, what was read of them, and which images have a package.

use std::collections::HashSet;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::super::{BillRecord, Found, FoundPackages, Moment, PackageSearch, WaitingBill};
use super::session::{Result, Row, Session, Value, values};
use crate::bills::{Matched, NewBill, Package};
use crate::digest::Digest;
use crate::name::RepositoryName;

/// How often a manifest is tried, before it is given up.
const MAXIMUM_ATTEMPTS: u64 = 6;
/// How long it rests after the first attempt, in milliseconds; twice as long each time.
const REST: Moment = 60_000;
/// The most different packages that one question looks at.
const MAXIMUM_VERSIONS: usize = 10_000;
/// The most images that are counted for one question.
const MAXIMUM_COUNTED: u64 = 100_000;

/// Puts a manifest into the queue of those to be read.
pub(super) fn queue(session: &mut dyn Session, manifest: i64, now: Moment) -> Result<()> {
    session.run(
        "INSERT INTO bill_queue (manifest, due, attempts) VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING",
        values![manifest, now],
    )?;
    Ok(())
}

/// Whether a manifest is to be read now.
pub(super) fn is_due(session: &mut dyn Session, now: Moment) -> Result<bool> {
    session.has(
        "SELECT 1 FROM bill_queue WHERE due <= ?1 LIMIT 1",
        values![now],
    )
}

/// Takes the next manifest to be read. It comes again later, in case this process ends over it.
pub(super) fn next(session: &mut dyn Session, now: Moment) -> Result<Option<WaitingBill>> {
    let found: Option<(i64, u64)> = session.first(
        "SELECT manifest, attempts FROM bill_queue WHERE due <= ?1 ORDER BY due LIMIT 1",
        values![now],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((manifest, attempts)) = found else {
        return Ok(None);
    };
    let rest = REST << attempts.min(MAXIMUM_ATTEMPTS);
    session.run(
        "UPDATE bill_queue SET due = ?2, attempts = ?3 WHERE manifest = ?1",
        values![manifest, now.saturating_add(rest), attempts + 1],
    )?;
    let waiting = session.first(
        "SELECT r.name, m.digest, m.bytes FROM manifests m JOIN repositories r ON r.id = m.repository WHERE m.id = ?1",
        values![manifest],
        |row| {
            Ok(WaitingBill {
                manifest,
                repository: row.get(0)?,
                digest: row.get(1)?,
                bytes: Bytes::copy_from_slice(row.get(2)?),
                tags: Vec::new(),
                is_last: attempts + 1 >= MAXIMUM_ATTEMPTS,
            })
        },
    )?;
    let Some(mut waiting) = waiting else {
        return Ok(None);
    };
    waiting.tags = session.all(
        "SELECT name FROM tags WHERE manifest = ?1 ORDER BY name LIMIT 100",
        values![manifest],
        |row| row.get(0),
    )?;
    Ok(Some(waiting))
}

/// Drops what was read of a manifest before, by an attempt that did not end.
pub(super) fn begin(session: &mut dyn Session, manifest: i64) -> Result<()> {
    session.run(
        "UPDATE bills SET manifest = NULL WHERE manifest = ?1",
        values![manifest],
    )?;
    Ok(())
}

/// Adds a bill without its packages; its number, unless the manifest is gone.
pub(super) fn add(session: &mut dyn Session, manifest: i64, bill: &NewBill) -> Result<Option<i64>> {
    let repository: Option<i64> = session.first(
        "SELECT repository FROM manifests WHERE id = ?1",
        values![manifest],
        |row| row.get(0),
    )?;
    let Some(repository) = repository else {
        return Ok(None);
    };
    let id = session.insert(
        "INSERT INTO bills (repository, manifest, subject, document, format, is_signed, packages, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        values![
            repository,
            manifest,
            bill.subject.as_str(),
            bill.document.as_str(),
            &bill.format,
            i64::from(bill.is_signed),
            bill.packages.len() as u64,
            bill.problem.as_deref()
        ],
    )?;
    Ok(Some(id))
}

/// Adds packages to a bill, if that is still there.
pub(super) fn add_packages(
    session: &mut dyn Session,
    bill: i64,
    packages: &[Package],
) -> Result<()> {
    let is_there = session.has(
        "SELECT 1 FROM bills WHERE id = ?1 AND manifest IS NOT NULL",
        values![bill],
    )?;
    for package in packages.iter().filter(|_| is_there) {
        let id = package_id(session, package)?;
        session.run(
            "INSERT INTO bill_packages (bill, package) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            values![bill, id],
        )?;
    }
    Ok(())
}

fn package_id(session: &mut dyn Session, package: &Package) -> Result<i64> {
    let Package {
        name,
        version,
        ecosystem,
        source,
        licence,
    } = package;
    let values = values![name, version, ecosystem, source, licence];
    let known = session.first(
        "SELECT id FROM packages
         WHERE name = ?1 AND version = ?2 AND ecosystem = ?3 AND source = ?4 AND licence = ?5",
        values,
        |row| row.get(0),
    )?;
    match known {
        Some(id) => Ok(id),
        None => session.insert(
            "INSERT INTO packages (name, version, ecosystem, source, licence)
             VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
            values,
        ),
    }
}

/// Takes a manifest out of the queue.
pub(super) fn end(session: &mut dyn Session, manifest: i64) -> Result<()> {
    session.run(
        "DELETE FROM bill_queue WHERE manifest = ?1",
        values![manifest],
    )?;
    Ok(())
}

/// Whether there are bills whose manifest is gone.
pub(super) fn has_orphans(session: &mut dyn Session) -> Result<bool> {
    session.has(
        "SELECT 1 FROM bills WHERE manifest IS NULL LIMIT 1",
        values![],
    )
}

/// Removes so many packages of bills whose manifest is gone, and bills that have none left. Whether there is more.
pub(super) fn sweep(session: &mut dyn Session, limit: u64) -> Result<bool> {
    let bill: Option<i64> = session.first(
        "SELECT id FROM bills WHERE manifest IS NULL ORDER BY id LIMIT 1",
        values![],
        |row| row.get(0),
    )?;
    let Some(bill) = bill else {
        return Ok(false);
    };
    let packages: Vec<i64> = session.all(
        "SELECT package FROM bill_packages WHERE bill = ?1 LIMIT ?2",
        values![bill, limit],
        |row| row.get(0),
    )?;
    for package in &packages {
        session.run(
            "DELETE FROM bill_packages WHERE bill = ?1 AND package = ?2",
            values![bill, *package],
        )?;
        session.run(
            "DELETE FROM packages WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM bill_packages WHERE package = ?1)",
            values![*package],
        )?;
    }
    if (packages.len() as u64) < limit {
        session.run("DELETE FROM bills WHERE id = ?1", values![bill])?;
    }
    Ok(true)
}

/// The bills about an image, those with the most packages first.
pub(super) fn of_image(
    session: &mut dyn Session,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Vec<BillRecord>> {
    session.all(
        "SELECT b.id, m.digest, b.document, b.format, b.is_signed, b.packages, b.problem
         FROM repositories r JOIN bills b ON b.repository = r.id JOIN manifests m ON m.id = b.manifest
         WHERE r.name = ?1 AND b.subject = ?2 ORDER BY b.packages DESC, b.is_signed, b.id LIMIT 100",
        values![repository.as_str(), subject.as_str()],
        |row| {
            Ok(BillRecord {
                id: row.get(0)?,
                manifest: row.get(1)?,
                document: row.get(2)?,
                format: row.get(3)?,
                is_signed: row.get(4)?,
                packages: row.get(5)?,
                problem: row.find(6)?,
            })
        },
    )
}

/// Whether something about an image still waits to be read.
pub(super) fn waits(
    session: &mut dyn Session,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<bool> {
    session.has(
        "SELECT 1 FROM repositories r JOIN manifests m ON m.repository = r.id JOIN bill_queue q ON q.manifest = m.id
         WHERE r.name = ?1 AND m.subject = ?2",
        values![repository.as_str(), subject.as_str()],
    )
}

/// The columns of [`package`].
const PACKAGE: &str = "p.name, p.version, p.ecosystem, p.source, p.licence";

fn package(row: &dyn Row) -> Result<Package> {
    Ok(Package {
        name: row.get(0)?,
        version: row.get(1)?,
        ecosystem: row.get(2)?,
        source: row.get(3)?,
        licence: row.get(4)?,
    })
}

/// What a bill lists, by name.
pub(super) fn packages(session: &mut dyn Session, bill: i64) -> Result<Vec<Package>> {
    session.all(
        &format!(
            "SELECT {PACKAGE} FROM bill_packages b JOIN packages p ON p.id = b.package
             WHERE b.bill = ?1 ORDER BY p.name, p.version, p.id"
        ),
        values![bill],
        package,
    )
}

/// Packages that are meant by a question, those of one name beside one another; and whether some are left out because
/// their versions cannot be compared.
fn meant(session: &mut dyn Session, search: &PackageSearch) -> Result<(Vec<(i64, Package)>, bool)> {
    let query = &search.query;
    // U+10FFFF sorts behind whatever a name goes on with.
    let end = format!("{}\u{10ffff}", query.name);
    let both: &[Value<'_>] = values![&query.name, &end];
    let (name, source, values) = match query.is_prefix {
        true => (
            "p.name >= ?1 AND p.name < ?2",
            "p.source >= ?1 AND p.source < ?2",
            both,
        ),
        false => ("p.name = ?1", "p.source = ?1", &both[..1]),
    };
    let statement = format!(
        "SELECT {PACKAGE}, p.id FROM packages p WHERE {name}
         UNION SELECT {PACKAGE}, p.id FROM packages p WHERE {source}"
    );
    let (mut found, mut is_short) = (Vec::new(), false);
    session.rows(&statement, values, &mut |row| {
        let package = package(row)?;
        match query.matches(&package) {
            Matched::Yes => found.push((row.get(5)?, package)),
            Matched::Unordered => is_short = true,
            Matched::No => {}
        }
        Ok(match found.len() < MAXIMUM_VERSIONS {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    found.sort_by(|(_, left), (_, right)| left.cmp(right));
    Ok((found, is_short))
}

/// Images that have a package, as far as they may be shown.
pub(super) fn search(session: &mut dyn Session, search: &PackageSearch) -> Result<FoundPackages> {
    let (packages, has_unordered) = meant(session, search)?;
    let mut answer = FoundPackages {
        has_unordered,
        ..FoundPackages::default()
    };
    let mut repositories = HashSet::new();
    for group in packages.chunk_by(|(_, left), (_, right)| {
        (&left.name, &left.version, &left.ecosystem)
            == (&right.name, &right.version, &right.ecosystem)
    }) {
        let mut images = HashSet::new();
        for (id, package) in group {
            let mut last: Option<(String, bool)> = None;
            session.rows(
                "SELECT r.name, b.subject FROM bill_packages p JOIN bills b ON b.id = p.bill
                 JOIN manifests m ON m.repository = b.repository AND m.digest = b.subject
                 JOIN repositories r ON r.id = b.repository
                 WHERE p.package = ?1 AND b.manifest IS NOT NULL ORDER BY p.bill",
                values![*id],
                &mut |row| {
                    let name: &str = row.get(0)?;
                    let is_shown = match &last {
                        Some((known, is_shown)) if known == name => *is_shown,
                        _ => {
                            let repository: RepositoryName = row.get(0)?;
                            let is_shown = (search.is_shown)(&repository);
                            last = Some((name.to_owned(), is_shown));
                            is_shown
                        }
                    };
                    if !is_shown {
                        return Ok(ControlFlow::Continue(()));
                    }
                    let subject: &str = row.get(1)?;
                    if !images.insert((name.to_owned(), subject.to_owned())) {
                        return Ok(ControlFlow::Continue(()));
                    }
                    if !repositories.contains(name) {
                        repositories.insert(name.to_owned());
                    }
                    let is_wanted =
                        answer.total >= search.skip && (answer.found.len() as u64) < search.limit;
                    if is_wanted {
                        answer.found.push(Found {
                            repository: row.get(0)?,
                            image: row.get(1)?,
                            package: package.clone(),
                        });
                    }
                    answer.total += 1;
                    Ok(match answer.total < MAXIMUM_COUNTED {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    })
                },
            )?;
        }
    }
    answer.repositories = repositories.len() as u64;
    answer.is_capped = answer.total >= MAXIMUM_COUNTED;
    Ok(answer)
}
