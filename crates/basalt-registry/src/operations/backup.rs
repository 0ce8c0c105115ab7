//! A registry copied to a folder, and back.
//!
//! A backup is a registry's folder: the database as it was at one moment, and the blobs that it names. It can be verified
//! as one, and served. A lease sees to it that no blob goes while it is copied. The database comes last: until then the
//! folder is the former backup, whole.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::copy::copy_blob;
use super::report::Report;
use super::verify::verify;
use super::{DATABASE, KEPT, Observer, Opened, OperationError, remove};
use crate::blobs::{Blobs, Folder, sync_folder};
use crate::digest::{Algorithm, Digest};
use crate::metadata::sqlite::{Access, Sqlite, check_file, copy_file, settle_copy};
use crate::metadata::{Metadata, Place};
use crate::route::UploadId;
use crate::server::now;

/// How long blobs are promised to stay, in milliseconds, and how often that is said anew.
const LEASE: i64 = 10 * 60 * 1000;
const RENEW: Duration = Duration::from_secs(60);
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

/// The promise that no blob goes, for as long as it is renewed.
struct Hold<'a> {
    opened: &'a Opened,
    name: String,
    renewed: Instant,
}

impl<'a> Hold<'a> {
    fn take(opened: &'a Opened) -> Result<Self, OperationError> {
        let mut hold = Self {
            opened,
            name: format!("backup/{}", UploadId::random().as_str()),
            renewed: Instant::now(),
        };
        hold.renew()?;
        Ok(hold)
    }

    fn renew(&mut self) -> Result<(), OperationError> {
        let (metadata, now) = (self.opened.metadata(), now());
        let lease = metadata.take_lease(&self.name, &self.name, now, now + LEASE);
        super::run(async { Ok(lease.await?) })?;
        self.renewed = Instant::now();
        Ok(())
    }

    fn keep(&mut self) -> Result<(), OperationError> {
        match self.renewed.elapsed() > RENEW {
            true => self.renew(),
            false => Ok(()),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        // One that is not ended ends by itself.
        let ended = self.opened.metadata().end_lease(&self.name, &self.name);
        let _ = super::run(async { Ok(ended.await?) });
    }
}

/// Backs the registry in `root` up into `target`, which is empty, not there, or a former backup. A server may run.
///
/// # Errors
/// When either cannot be used. Damaged blobs are no error: all else is backed up, and they are named.
pub fn backup(
    root: &Path,
    target: &Path,
    observer: &dyn Observer,
) -> Result<BackedUp, OperationError> {
    let opened = Opened::beside(root)?;
    apart(root, target)?;
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
    let mut hold = Hold::take(&opened)?;
    observer.stage("database", 1);
    let part = target.join("registry.db.part");
    remove_database(&part)?;
    copy_file(&root.join(DATABASE), &part)?;
    settle_copy(&part)?;
    let copied = Copied {
        from: &Folder::at(root),
        live: Some(opened.metadata()),
        to: target,
    };
    let mut done = copied.all(&part, observer, &mut || hold.keep())?;
    sync(&part)?;
    let wrong = check_file(&part, false)?;
    if !wrong.is_empty() {
        done.damaged.push(DATABASE.to_owned());
    }
    let database = target.join(DATABASE);
    // What a look at the former backup left beside it is not for this database.
    remove_beside(&database)?;
    std::fs::rename(&part, &database).map_err(OperationError::file(&database))?;
    sync_folder(target).map_err(OperationError::file(target))?;
    done.removed = prune(target)?;
    Ok(done)
}

/// Makes a registry of a backup in `root`, which must be empty or not there. All is looked at on the way; `root` comes to
/// be as a whole.
///
/// # Errors
/// When either cannot be used, or `root` is not empty. Damage is no error: what there is is restored, and it is told.
pub fn restore(
    backup: &Path,
    root: &Path,
    observer: &dyn Observer,
) -> Result<(BackedUp, Report), OperationError> {
    if !backup.join(DATABASE).is_file() {
        let path = backup.to_owned();
        return Err(OperationError::NoRegistry { path });
    }
    if root.exists() && !is_empty(root)? {
        let path = root.to_owned();
        return Err(OperationError::NotEmpty { path });
    }
    apart(backup, root)?;
    let parent = match root.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(OperationError::file(parent))?;
    let made = tempfile::Builder::new()
        .prefix(".basalt-restore-")
        .tempdir_in(parent)
        .map_err(OperationError::file(parent))?;
    observer.stage("database", 1);
    let database = made.path().join(DATABASE);
    copy_file(&backup.join(DATABASE), &database)?;
    settle_copy(&database)?;
    Folder::open(made.path()).map_err(OperationError::file(made.path()))?;
    let copied = Copied {
        from: &Folder::at(backup),
        live: None,
        to: made.path(),
    };
    let done = copied.all(&database, observer, &mut || Ok(()))?;
    sync(&database)?;
    let opened = Opened::to_read(made.path())?;
    // Each blob was compared with its digest when it was copied.
    let report = super::run(verify(&opened, true, observer))?;
    drop(opened);
    remove_beside(&database)?;
    sync_folder(made.path()).map_err(OperationError::file(made.path()))?;
    std::fs::rename(made.path(), root).map_err(OperationError::file(root))?;
    // It is not a temporary folder any more, and has another name.
    let _ = made.keep();
    sync_folder(parent).map_err(OperationError::file(parent))?;
    Ok((done, report))
}

/// From where to where blobs are copied.
struct Copied<'a> {
    from: &'a Folder,
    /// What is known now, where a server may run.
    live: Option<&'a dyn Metadata>,
    to: &'a Path,
}

impl Copied<'_> {
    /// Copies all that this database names and that is not there.
    fn all(
        &self,
        database: &Path,
        observer: &dyn Observer,
        keep: &mut dyn FnMut() -> Result<(), OperationError>,
    ) -> Result<BackedUp, OperationError> {
        let metadata = snapshot(database)?;
        let mut done = BackedUp::default();
        let totals = super::run(async { Ok(metadata.totals().await?) })?;
        observer.stage("blobs", totals.blobs);
        let target = Folder::at(self.to);
        let mut after: Option<String> = None;
        loop {
            let blobs = metadata.all_blobs(after.as_deref(), BLOBS);
            let blobs = super::run(async { Ok(blobs.await?) })?;
            let Some(last) = blobs.last() else { break };
            after = Some(last.digest.as_str().to_owned());
            for blob in &blobs {
                observer.step(blob.digest.as_str());
                let is_there = match &blob.place {
                    Place::Inside(bytes) => {
                        Digest::of(blob.digest.algorithm(), bytes) == blob.digest
                    }
                    Place::Damaged => false,
                    Place::Stored(upload) => {
                        done.blobs += 1;
                        let to = target.path(&blob.digest, upload);
                        let known = std::fs::metadata(&to).is_ok_and(|one| one.len() == blob.size);
                        let copied =
                            !known && self.one(&blob.digest, upload, blob.size, &to, keep)?;
                        if copied {
                            done.copied += 1;
                            done.copied_bytes += blob.size;
                        }
                        known || copied
                    }
                };
                if !is_there {
                    done.damaged.push(blob.digest.to_string());
                    let hurt = metadata.hurt_by(&blob.digest);
                    done.hurt.extend(super::run(async { Ok(hurt.await?) })?);
                }
            }
        }
        done.hurt.sort();
        done.hurt.dedup();
        Ok(done)
    }

    /// Copies one; whether it is sound.
    fn one(
        &self,
        digest: &Digest,
        upload: &UploadId,
        size: u64,
        to: &Path,
        keep: &mut dyn FnMut() -> Result<(), OperationError>,
    ) -> Result<bool, OperationError> {
        let from = self.from.path(digest, upload);
        if copy_blob(&from, to, digest, size, &mut *keep)? {
            return Ok(true);
        }
        // It was found damaged, and pushed anew elsewhere, since the database was copied.
        let Some(live) = self.live else {
            return Ok(false);
        };
        let now = live.known_blob(digest);
        match super::run(async { Ok(now.await?) })?.map(|blob| blob.place) {
            Some(Place::Stored(place)) if place != *upload => {
                let from = self.from.path(digest, &place);
                copy_blob(&from, to, digest, size, keep)
            }
            _ => Ok(false),
        }
    }
}

fn snapshot(database: &Path) -> Result<impl Metadata, OperationError> {
    Ok(Sqlite::open_for(database, KEPT, Access::Read)?)
}

/// Removes what the database of a backup does not name any more.
fn prune(target: &Path) -> Result<u64, OperationError> {
    let metadata = snapshot(&target.join(DATABASE))?;
    let folder = Folder::at(target);
    let mut removed = 0;
    for part in 0..=u8::MAX {
        let unknown = super::run(async {
            let listed = folder.list(part).await?;
            Ok(metadata.unknown_places(listed, now()).await?)
        })?;
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
                if unknown.contains(&path) || path.extension().is_some_and(|end| end == "part") {
                    std::fs::remove_file(&path).map_err(OperationError::file(&path))?;
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

fn sync(path: &Path) -> Result<(), OperationError> {
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(OperationError::file(path))
}

fn is_empty(folder: &Path) -> Result<bool, OperationError> {
    let mut entries = std::fs::read_dir(folder).map_err(OperationError::file(folder))?;
    Ok(entries.next().is_none())
}

fn remove_database(path: &Path) -> Result<(), OperationError> {
    remove_beside(path)?;
    remove(path)
}

/// Removes what SQLite has beside a file that nobody writes.
fn remove_beside(path: &Path) -> Result<(), OperationError> {
    for ending in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        remove(Path::new(&name))?;
    }
    Ok(())
}

/// Refuses a backup within its registry, and the other way round.
fn apart(one: &Path, other: &Path) -> Result<(), OperationError> {
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
