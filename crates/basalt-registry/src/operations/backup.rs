//! A registry copied to a folder.
//!
//! A backup is a registry's folder, wherever the registry has its own: the database as it was at one moment, in a file, and
//! the blobs that it names. It can be verified as one, and served. A lease sees to it that no blob goes while it is copied.
//! The database comes last: until then the folder is the former backup, whole.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::hold::Hold;
use super::{DATABASE, KEPT, Observer, Opened, OperationError, remove};
use crate::blobs::{Blobs, Folder, PART, is_passing, sync_folder};
use crate::digest::{Algorithm, Digest};
use crate::metadata::sqlite::{Access, Sqlite, check_file, settle_copy};
use crate::metadata::{BlobRecord, Metadata, Place};
use crate::route::UploadId;
use crate::server::now;

/// How many blobs are asked for at once.
const BLOBS: u64 = 500;

/// What was backed up, or restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackedUp {
    /// Blobs that the database names, apart from those that it holds itself.
    pub blobs: u64,
    /// Those of them that were copied now.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files removed from the backup because the database does not name them any more.
    pub removed: u64,
    /// Blobs that could not be copied, because they are damaged: digests.
    pub damaged: Vec<String>,
    /// What they hurt.
    pub hurt: Vec<String>,
}

/// Backs a registry that was opened with [`Opened::beside`] up into `target`, which is empty, not there, or a former backup.
///
/// # Errors
/// When either cannot be used. Damaged blobs are no error: all else is backed up, and they are named.
pub async fn backup(
    opened: &Opened,
    target: &Path,
    observer: &dyn Observer,
) -> Result<BackedUp, OperationError> {
    if let Some(root) = opened.root() {
        apart(root, target)?;
    }
    std::fs::create_dir_all(target).map_err(OperationError::file(target))?;
    let is_former = target.join(DATABASE).is_file() || target.join("backup").is_file();
    if !is_former && !is_empty(target)? {
        let path = target.to_owned();
        return Err(OperationError::NotEmpty { path });
    }
    let mark = target.join("backup");
    let held = std::fs::File::create(&mark).map_err(OperationError::file(&mark))?;
    if rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
        let path = target.to_owned();
        return Err(OperationError::Busy { path });
    }
    // Before the database is copied, so that whatever that names is promised.
    let hold = Hold::take(opened.metadata()).await?;
    let copying = copied(opened, target, observer);
    let mut done = hold.during(copying).await?;
    done.removed = prune(target).await?;
    Ok(done)
}

/// Copies all into a folder, its database last.
async fn copied(
    opened: &Opened,
    target: &Path,
    observer: &dyn Observer,
) -> Result<BackedUp, OperationError> {
    observer.stage("database", 1);
    let part = target.join("registry.db.part");
    remove_database(&part)?;
    opened.metadata().copy_into(&part).await?;
    settle_copy(&part)?;
    let copied = Copied {
        from: opened.blobs.as_ref(),
        live: Some(opened.metadata()),
        to: &Folder::at(target),
    };
    let mut done = copied.all(snapshot(&part)?.as_ref(), observer).await?;
    sync(&part)?;
    if !check_file(&part, false)?.is_empty() {
        done.damaged.push(DATABASE.to_owned());
    }
    let database = target.join(DATABASE);
    // What a look at the former backup left beside it is not for this database.
    remove_beside(&database)?;
    std::fs::rename(&part, &database).map_err(OperationError::file(&database))?;
    sync_folder(target).map_err(OperationError::file(target))?;
    Ok(done)
}

/// From where to where blobs are copied.
pub(super) struct Copied<'a> {
    pub(super) from: &'a dyn Blobs,
    /// What is known now, where a server may run.
    pub(super) live: Option<&'a dyn Metadata>,
    pub(super) to: &'a dyn Blobs,
}

impl Copied<'_> {
    /// Copies all that these metadata name and that is not there.
    pub(super) async fn all(
        &self,
        metadata: &dyn Metadata,
        observer: &dyn Observer,
    ) -> Result<BackedUp, OperationError> {
        let mut done = BackedUp::default();
        observer.stage("blobs", metadata.totals().await?.blobs);
        let mut after: Option<String> = None;
        loop {
            let blobs = metadata.all_blobs(after.as_deref(), BLOBS).await?;
            let Some(last) = blobs.last() else { break };
            after = Some(last.digest.as_str().to_owned());
            for blob in &blobs {
                observer.step(blob.digest.as_str());
                let is_there = match &blob.place {
                    Place::Inside(bytes) => {
                        Digest::of(blob.digest.algorithm(), bytes) == blob.digest
                    }
                    Place::Damaged => false,
                    Place::Stored(upload) => self.stored(blob, upload, &mut done).await?,
                };
                if !is_there {
                    done.damaged.push(blob.digest.to_string());
                    done.hurt.extend(metadata.hurt_by(&blob.digest).await?);
                }
            }
        }
        done.hurt.sort();
        done.hurt.dedup();
        Ok(done)
    }

    /// Copies one if it is not there; whether it is then.
    async fn stored(
        &self,
        blob: &BlobRecord,
        upload: &UploadId,
        done: &mut BackedUp,
    ) -> Result<bool, OperationError> {
        done.blobs += 1;
        let known = self.to.open(&blob.digest, upload).await?;
        if known.is_some_and(|known| known.size() == blob.size) {
            return Ok(true);
        }
        let mut is_copied = self.one(blob, upload, upload).await?;
        // It was found damaged, and pushed anew elsewhere, since the database was copied.
        if !is_copied
            && let Some(live) = self.live
            && let Some(now) = live.known_blob(&blob.digest).await?
            && let Place::Stored(place) = now.place
            && place != *upload
        {
            is_copied = self.one(blob, &place, upload).await?;
        }
        if is_copied {
            done.copied += 1;
            done.copied_bytes += blob.size;
        }
        Ok(is_copied)
    }

    /// Copies one from its place to another; whether it is sound.
    async fn one(
        &self,
        blob: &BlobRecord,
        place: &UploadId,
        to: &UploadId,
    ) -> Result<bool, OperationError> {
        match self.from.open(&blob.digest, place).await {
            Ok(Some(found)) if found.size() == blob.size => {
                Ok(self.to.bring(&blob.digest, to, found).await?)
            }
            Err(error) if is_passing(&error) => Err(error.into()),
            // What cannot be opened is as bad as what is wrong.
            _ => Ok(false),
        }
    }
}

/// What the database of a backup knows.
pub(super) fn snapshot(database: &Path) -> Result<Box<dyn Metadata>, OperationError> {
    Ok(Box::new(Sqlite::open_for(database, KEPT, Access::Read)?))
}

/// Removes what the database of a backup does not name any more.
async fn prune(target: &Path) -> Result<u64, OperationError> {
    let metadata = snapshot(&target.join(DATABASE))?;
    let folder = Folder::at(target);
    let mut removed = 0;
    for part in 0..=u8::MAX {
        let listed = folder.list(part).await?;
        let unknown = metadata.unknown_places(listed, now()).await?;
        let unknown: HashSet<PathBuf> = unknown
            .iter()
            .map(|(digest, upload)| folder.path(digest, upload))
            .collect();
        for algorithm in Algorithm::ALL {
            let part = target.join(format!("blobs/{}/{part:02x}", algorithm.name()));
            let Ok(entries) = std::fs::read_dir(&part) else {
                continue;
            };
            for entry in entries {
                let path = entry.map_err(OperationError::file(&part))?.path();
                // What a copy that was broken off left goes too.
                if unknown.contains(&path) || path.extension().is_some_and(|end| end == PART) {
                    std::fs::remove_file(&path).map_err(OperationError::file(&path))?;
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

pub(super) fn sync(path: &Path) -> Result<(), OperationError> {
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(OperationError::file(path))
}

pub(super) fn is_empty(folder: &Path) -> Result<bool, OperationError> {
    let mut entries = std::fs::read_dir(folder).map_err(OperationError::file(folder))?;
    Ok(entries.next().is_none())
}

fn remove_database(path: &Path) -> Result<(), OperationError> {
    remove_beside(path)?;
    remove(path)
}

/// Removes what SQLite has beside a file that nobody writes.
pub(super) fn remove_beside(path: &Path) -> Result<(), OperationError> {
    for ending in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        remove(Path::new(&name))?;
    }
    Ok(())
}

/// Refuses a backup within its registry, and the other way round.
pub(super) fn apart(one: &Path, other: &Path) -> Result<(), OperationError> {
    let absolute = |path: &Path| {
        std::fs::canonicalize(path)
            .or_else(|_| std::path::absolute(path))
            .map_err(OperationError::file(path))
    };
    let (one, other) = (absolute(one)?, absolute(other)?);
    if one.starts_with(&other) || other.starts_with(&one) {
        return Err(OperationError::Within { path: other });
    }
    Ok(())
}
