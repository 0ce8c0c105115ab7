//! What running processes count on, so that [`Cache::prune`] leaves it to them.
//!
//! A process that looks whether something is in the cache decides by the answer: to fetch it, or
//! not to. So whatever it looks for is noted first in a file of its own, `holds/<process>-…`, which
//! it keeps locked for as long as it lives; one that nobody has locked is of a process that ended,
//! and counts for nothing. `holds/gate` is locked for the moment of noting and looking, and by a
//! prune from reading the notes to the end of removing: so either the process finds the thing gone
//! and makes it anew, or the prune finds the note.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::{Cache, Durability, files};

/// A note that holds all there is.
const EVERYTHING: &str = "*";
/// The most bytes of notes that a prune reads of one process: half a million names. What is
/// longer holds all.
const MAXIMUM_NOTES: u64 = 64 << 20;

/// The notes of this process.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// Nothing is noted yet.
    #[default]
    New,
    /// These names are.
    Noting {
        gate: File,
        notes: NamedTempFile,
        names: HashSet<PathBuf>,
    },
    /// Nothing can be noted: the folder is not ours to write to, or has no locks. A prune can then
    /// take what this process counts on.
    Unable,
}

/// What must stay.
#[derive(Debug, Default)]
pub(super) struct Held {
    names: BTreeSet<PathBuf>,
    everything: bool,
}

impl Held {
    /// Whether a file below this root must stay.
    pub(super) fn has(&self, root: &Path, path: &Path) -> bool {
        let name = path.strip_prefix(root).unwrap_or(path);
        self.everything || self.names.contains(&common(name))
    }
}

impl Cache {
    /// Looks at a place in the cache, of which no prune takes away what is there from then on, as
    /// long as this cache is open.
    pub(super) fn looking_at<T>(&self, place: &Path, look: impl FnOnce() -> T) -> T {
        let name = common(place.strip_prefix(self.root()).unwrap_or(place));
        // A vendor store is nobody's to prune, and is not to be littered.
        if self.inner.durability == Durability::Synced {
            return look();
        }
        let mut state = self
            .inner
            .holds
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let State::New = *state {
            *state = self.begin_notes().unwrap_or(State::Unable);
        }
        match &mut *state {
            State::Noting { gate, notes, names } if !names.contains(&name) => {
                let Ok(locked) = Locked::new(gate) else {
                    return look();
                };
                let line = format!("{}\n", name.display());
                if notes.write_all(line.as_bytes()).is_ok() {
                    names.insert(name);
                }
                let found = look();
                drop(locked);
                found
            }
            _ => {
                drop(state);
                look()
            }
        }
    }

    /// From now on no prune takes anything away, as long as this cache is open: for who could not
    /// fetch it again.
    pub fn hold_everything(&self) {
        self.looking_at(&self.root().join(EVERYTHING), || ());
    }

    fn begin_notes(&self) -> io::Result<State> {
        let folder = self.root().join("holds");
        self.make_folder(&folder)?;
        let gate = self.gate()?;
        // Nobody takes the new file for that of a process that ended, before it is locked.
        let locked = Locked::new(&gate)?;
        living(&folder)?;
        let notes = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .tempfile_in(&folder)?;
        // A prune by another user must be able to read it.
        notes
            .as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        notes.as_file().try_lock()?;
        drop(locked);
        Ok(State::Noting {
            gate,
            notes,
            names: HashSet::new(),
        })
    }

    /// The file whose lock orders looking and removing.
    fn gate(&self) -> io::Result<File> {
        let path = self.root().join("holds/gate");
        match files::open_regular(&path)? {
            Some((file, _)) => Ok(file),
            None => {
                let made = OpenOptions::new().write(true).create_new(true).open(&path);
                if let Ok(file) = &made {
                    file.set_permissions(Permissions::from_mode(0o644))?;
                }
                // Another process may have made it meanwhile.
                match files::open_regular(&path)? {
                    Some((file, _)) => Ok(file),
                    None => made,
                }
            }
        }
    }

    /// Does something with the knowledge of what is held; nothing more is held until it is done.
    pub(super) fn while_held<T>(&self, act: impl FnOnce(&Held) -> T) -> io::Result<T> {
        let folder = self.root().join("holds");
        if !folder.is_dir() {
            self.make_folder(&folder)?;
        }
        let gate = self.gate()?;
        let locked = Locked::new(&gate)?;
        let done = act(&held(&folder)?);
        drop(locked);
        Ok(done)
    }
}

/// The notes of all living processes. Those of processes that ended are removed. The gate must be
/// locked.
fn living(folder: &Path) -> io::Result<Vec<(File, std::fs::Metadata)>> {
    let mut all = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "gate") {
            continue;
        }
        let Some((file, metadata)) = files::open_regular(&path)? else {
            continue;
        };
        match file.try_lock() {
            Ok(()) => drop(std::fs::remove_file(&path)),
            Err(_) => all.push((file, metadata)),
        }
    }
    Ok(all)
}

/// What the notes of all living processes name. The gate must be locked.
fn held(folder: &Path) -> io::Result<Held> {
    let mut held = Held::default();
    for (file, metadata) in living(folder)? {
        let mut notes = String::new();
        let read = file.take(MAXIMUM_NOTES).read_to_string(&mut notes);
        held.everything |= read.is_err() || metadata.len() >= MAXIMUM_NOTES;
        held.everything |= notes.lines().any(|name| name == EVERYTHING);
        held.names.extend(notes.lines().map(PathBuf::from));
    }
    Ok(held)
}

/// The name without `.<user>`, which marks a user's own copy.
fn common(name: &Path) -> PathBuf {
    name.with_extension("")
}

/// A lock on a file, given up when it is dropped.
struct Locked<'f>(&'f File);

impl<'f> Locked<'f> {
    fn new(file: &'f File) -> io::Result<Self> {
        file.lock()?;
        Ok(Self(file))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
