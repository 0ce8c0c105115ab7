//! What can be put right without anyone's help, and what only a push can.

use std::fs::File;
use std::path::Path;

use serde::Serialize;

use super::report::{Kind, Report};
use super::verify::verify;
use super::{DATABASE, KEPT, Observer, Opened, OperationError, lock, run};
use crate::manifest;
use crate::metadata::Place;
use crate::metadata::journal::recover::{Recovered, recover};
use crate::metadata::sqlite::check_file;
use crate::service::Plan;

/// How many manifests are asked for at once.
const MANIFESTS: u64 = 20;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repaired {
    /// What the database was made anew from, if it was.
    pub rebuilt: Option<Rebuilt>,
    /// Blobs that were put aside: the next push brings them anew.
    pub quarantined: Vec<String>,
    /// Manifests of which the database says again what their bytes say.
    pub mended: Vec<String>,
    /// What is wrong after that.
    pub report: Report,
}

/// What the database was made anew from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rebuilt {
    /// Where the former one was put, if there was one.
    pub former: Option<String>,
    /// How many batches of changes were made after the snapshot, if there was one.
    pub batches: u64,
    /// When the last of them was made, in milliseconds since 1970.
    pub last: Option<i64>,
    /// Why the journal could not be followed to its end, if it could not.
    pub stopped: Option<String>,
}

/// Makes the database of a folder anew if it is lost or broken, puts aside blobs whose bytes are wrong, and writes again
/// what manifests say. Of a database server the tables are taken as they are.
///
/// # Errors
/// When a server runs in the folder, there is neither a database nor a journal, or the registry cannot be changed.
pub fn repair(plan: &Plan, observer: &dyn Observer) -> Result<Repaired, OperationError> {
    let rebuilt = match plan.is_in_folder() {
        true => rebuild_if_broken(&plan.root, observer)?,
        false => None,
    };
    let opened = Opened::to_change(plan, KEPT)?;
    run(async {
        let found = verify(&opened, false, observer).await?;
        let quarantined = put_aside(&opened, &found).await?;
        let mended = mend(&opened, &found).await?;
        let report = match quarantined.is_empty() && mended.is_empty() {
            true => found,
            false => verify(&opened, true, observer).await?,
        };
        Ok(Repaired {
            rebuilt,
            quarantined,
            mended,
            report,
        })
    })
}

fn rebuild_if_broken(
    root: &Path,
    observer: &dyn Observer,
) -> Result<Option<Rebuilt>, OperationError> {
    let _held = lock(root)?;
    observer.stage("database", 1);
    let database = root.join(DATABASE);
    // One that cannot even be read is as broken as one that is unsound.
    let is_sound =
        database.is_file() && check_file(&database, false).is_ok_and(|wrong| wrong.is_empty());
    match is_sound {
        true => Ok(None),
        false => rebuild(root).map(Some),
    }
}

/// Puts a database of the journal in the place of the one that is lost or broken.
fn rebuild(root: &Path) -> Result<Rebuilt, OperationError> {
    let database = root.join(DATABASE);
    let journal = root.join("journal");
    if !database.exists() && !journal.is_dir() {
        let path = root.to_owned();
        return Err(OperationError::NoRegistry { path });
    }
    let part = root.join("registry.db.part");
    super::remove(&part)?;
    let recovered: Recovered = recover(&journal, &part)?;
    let aside = root.join("quarantine");
    std::fs::create_dir_all(&aside).map_err(OperationError::file(&aside))?;
    let mut former = None;
    for ending in ["", "-wal", "-shm"] {
        let from = root.join(format!("{DATABASE}{ending}"));
        if from.exists() {
            let name = format!("{DATABASE}.{}{ending}", crate::server::now());
            let to = aside.join(&name);
            std::fs::rename(&from, &to).map_err(OperationError::file(&from))?;
            former.get_or_insert(format!("quarantine/{name}"));
        }
    }
    std::fs::rename(&part, &database).map_err(OperationError::file(&database))?;
    for folder in [&aside, root] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(OperationError::file(folder))?;
    }
    Ok(Rebuilt {
        former,
        batches: recovered.batches,
        last: recovered.moment,
        stopped: recovered.stopped,
    })
}

/// Puts aside the blobs whose bytes are wrong: they count as missing until they are pushed.
async fn put_aside(opened: &Opened, found: &Report) -> Result<Vec<String>, OperationError> {
    let metadata = opened.metadata();
    let mut done = Vec::new();
    for problem in &found.problems {
        if !matches!(problem.kind, Kind::Missing | Kind::Length | Kind::Digest) {
            continue;
        }
        let Ok(digest) = problem.object.parse() else {
            continue;
        };
        let Some(blob) = metadata.known_blob(&digest).await? else {
            continue;
        };
        match &blob.place {
            // A server may have brought it anew since it was looked at.
            Place::Stored(upload) => {
                if !metadata.quarantine(&digest, upload).await? {
                    continue;
                }
                opened.blobs.quarantine(&digest, upload).await?;
            }
            Place::Inside(_) | Place::Damaged => {
                metadata.mark_damaged(&digest).await?;
            }
        }
        done.push(problem.object.clone());
    }
    Ok(done)
}

/// Writes again what manifests say whose bytes are sound.
async fn mend(opened: &Opened, found: &Report) -> Result<Vec<String>, OperationError> {
    let is_wrong = |object: &str| {
        let mut problems = found.problems.iter();
        problems.any(|one| matches!(one.kind, Kind::Facts | Kind::Needs) && one.object == object)
    };
    let metadata = opened.metadata();
    let mut done = Vec::new();
    if !found
        .problems
        .iter()
        .any(|one| matches!(one.kind, Kind::Facts | Kind::Needs))
    {
        return Ok(done);
    }
    let mut after = 0;
    loop {
        let page = metadata.stored_manifests(after, MANIFESTS).await?;
        let Some(last) = page.last() else {
            return Ok(done);
        };
        after = last.id;
        for stored in &page {
            let head = &stored.record.head;
            let object = format!("{}@{}", stored.repository, head.digest);
            if !is_wrong(&object) {
                continue;
            }
            let facts = manifest::read(Some(&head.media_type), &stored.record.bytes);
            if let Ok(facts) = facts {
                let now = crate::server::now();
                metadata.mend_manifest(stored.id, facts, now).await?;
                done.push(object);
            }
        }
    }
}
