//! The cache's size, its pruning and its verification.

use std::fs::Metadata;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use basalt_digest::{Digest, HashingReader};

use super::{Cache, CacheError, blobs, facts, files};

/// A temporary file younger than this may be one whose writer has not locked it yet.
const TEMPORARY_GRACE: Duration = Duration::from_secs(60);

/// So many files are removed before others may look again.
const PIECE: usize = 1000;

/// What lies in the cache. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheSize {
    /// How many blobs.
    pub blobs: u64,
    /// Their size.
    pub blob_bytes: u64,
    /// How many facts.
    pub facts: u64,
    /// Their size.
    pub fact_bytes: u64,
    /// The size of files being written, or left by killed processes.
    pub temporary_bytes: u64,
}

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunePolicy {
    /// Remove what was not used for so long (to the day: use is noted once a day).
    pub unused_for: Option<Duration>,
    /// Then remove the longest unused until the cache has at most so many bytes.
    pub maximum_size: Option<u64>,
}

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Files removed.
    pub removed: u64,
    /// Bytes freed.
    pub removed_bytes: u64,
    /// Bytes that stay.
    pub kept_bytes: u64,
    /// Files that the policy lets go, and that processes running now count on: they stay.
    pub held: u64,
}

/// What a full reading of the cache found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Files read.
    pub checked: u64,
    /// Bytes read.
    pub checked_bytes: u64,
    /// Files that were not what their name says, each removed if we may.
    pub corrupt: Vec<PathBuf>,
}

struct Kept {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Cache {
    /// Counts what lies in the cache.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn size(&self) -> Result<CacheSize, CacheError> {
        let mut size = CacheSize::default();
        walk(&self.root().join("blobs"), &mut |_, metadata| {
            size.blobs += 1;
            size.blob_bytes += metadata.len();
        })?;
        walk(&self.root().join("facts"), &mut |_, metadata| {
            size.facts += 1;
            size.fact_bytes += metadata.len();
        })?;
        walk(&self.temporary_folder(), &mut |_, metadata| {
            size.temporary_bytes += metadata.len();
        })?;
        Ok(size)
    }

    /// Removes what the policy lets go, but what processes that run now count on. A build that
    /// looks later finds it gone, and makes or fetches it again.
    ///
    /// # Errors
    /// When a folder cannot be read. A file that may not be removed stays and counts as kept.
    pub fn prune(&self, policy: &PrunePolicy) -> Result<PruneReport, CacheError> {
        self.sweep_temporary();
        let mut files = Vec::new();
        for part in ["blobs", "facts"] {
            walk(&self.root().join(part), &mut |path, metadata| {
                files.push(Kept {
                    path: path.to_owned(),
                    size: metadata.len(),
                    used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                });
            })?;
        }
        files.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.path.cmp(&b.path)));
        let oldest = policy
            .unused_for
            .and_then(|age| SystemTime::now().checked_sub(age));
        let mut report = PruneReport {
            kept_bytes: files.iter().map(|file| file.size).sum(),
            ..PruneReport::default()
        };
        // In pieces: a build that begins meanwhile does not wait for all of it.
        for files in files.chunks(PIECE) {
            self.while_held(|held| {
                for file in files {
                    let too_old = oldest.is_some_and(|oldest| file.used < oldest);
                    let too_much = policy
                        .maximum_size
                        .is_some_and(|most| report.kept_bytes > most);
                    if !(too_old || too_much) {
                        continue;
                    }
                    if held.has(self.root(), &file.path) {
                        report.held += 1;
                    } else if std::fs::remove_file(&file.path).is_ok() {
                        report.removed += 1;
                        report.removed_bytes += file.size;
                        report.kept_bytes -= file.size;
                    }
                }
            })?;
        }
        Ok(report)
    }

    /// Reads everything and removes what is not what its name says.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn verify(&self) -> Result<VerifyReport, CacheError> {
        let mut report = VerifyReport::default();
        for part in ["blobs", "facts"] {
            let mut paths = Vec::new();
            walk(&self.root().join(part), &mut |path, _| {
                paths.push(path.to_owned())
            })?;
            paths.sort();
            for path in paths {
                let Some((file, metadata)) = files::open_regular(&path)? else {
                    continue;
                };
                report.checked += 1;
                report.checked_bytes += metadata.len();
                let good = match part {
                    "blobs" => is_good_blob(&path, &file)?,
                    _ => is_good_fact(&path, &file)?,
                };
                if !good {
                    blobs::remove(&path);
                    report.corrupt.push(path);
                }
            }
        }
        Ok(report)
    }

    /// Removes temporary files that no living process holds. What cannot be removed stays.
    pub(super) fn sweep_temporary(&self) {
        let now = SystemTime::now();
        self.remove_unlocked(|_, metadata| {
            metadata
                .modified()
                .ok()
                .and_then(|then| now.duration_since(then).ok())
                .is_some_and(|age| age > TEMPORARY_GRACE)
        });
    }

    /// Removes the temporary files of a process that has ended, however young they are. What
    /// cannot be removed stays.
    pub fn sweep_after(&self, process: u32) {
        let prefix = files::temporary_prefix(process);
        self.remove_unlocked(|path, _| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        });
    }

    fn remove_unlocked(&self, may_go: impl Fn(&Path, &Metadata) -> bool) {
        let _ = walk(&self.temporary_folder(), &mut |path, metadata| {
            if may_go(path, metadata)
                && let Ok(Some((file, _))) = files::open_regular(path)
                && file.try_lock().is_ok()
            {
                blobs::remove(path);
            }
        });
    }
}

/// The digest that a file's name gives; `.<user>` behind it marks a user's own copy.
fn named_digest(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let hex = name.split_once('.').map_or(name, |(hex, _)| hex);
    Digest::from_hex(hex).ok()
}

fn is_good_blob(path: &Path, file: &std::fs::File) -> io::Result<bool> {
    let mut reader = HashingReader::new(file);
    basalt_digest::copy(&mut reader, &mut io::sink())?;
    let (_, found, _) = reader.finish();
    Ok(named_digest(path) == Some(found))
}

fn is_good_fact(path: &Path, mut file: &std::fs::File) -> io::Result<bool> {
    let kind = path
        .ancestors()
        .nth(2)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(kind
        .zip(named_digest(path))
        .is_some_and(|(kind, key)| facts::is_whole(&bytes, kind, &key)))
}

/// Calls `each` for every regular file below a folder, which need not exist. Links are not
/// followed. The layout is three folders deep; more is not ours.
fn walk(folder: &Path, each: &mut impl FnMut(&Path, &Metadata)) -> io::Result<()> {
    walk_within(folder, 4, each)
}

fn walk_within(
    folder: &Path,
    depth: u32,
    each: &mut impl FnMut(&Path, &Metadata),
) -> io::Result<()> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // Another process may have removed it meanwhile.
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() && depth > 0 {
            walk_within(&entry.path(), depth - 1, each)?;
        } else if metadata.is_file() {
            each(&entry.path(), &metadata);
        }
    }
    Ok(())
}
