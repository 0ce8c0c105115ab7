//! A journal beside the database, to make that anew when it is lost: snapshots, and all statements since.
//!
//! Each batch of changes is one frame, written before it is committed and never flushed by itself: the system brings it to
//! the disk within half a minute. It is needed only where the database itself cannot be read any more, so it costs no push
//! a second flush. What is replayed are the statements themselves, in order, onto the snapshot that they followed.

mod frame;
pub mod recover;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::sql::session::Value;
use crate::server::log;
use frame::{Frame, Header};

/// How long the files of statements may become, in bytes, before a snapshot takes their place; or as long as the database,
/// if that is longer: so a snapshot costs no more than what was written since the last.
const LEAST: u64 = 64 << 20;
/// How much more than the database's length must be free for a snapshot, in bytes.
const MARGIN: u64 = 1 << 20;
/// The longest frame, in bytes. A batch that is longer is left to the next snapshot.
const MAXIMUM_FRAME: usize = 1 << 30;

/// The journal of a server that runs.
pub(super) struct Journal {
    folder: PathBuf,
    version: i64,
    /// Nothing after it could not be written: then only a snapshot helps.
    file: Option<File>,
    number: u64,
    /// How long the file is.
    length: u64,
    /// How much of that is a batch that is not committed yet.
    appended: u64,
    batch: Frame,
    is_due: bool,
}

impl Journal {
    /// Goes on with the journal in this folder, if it ends where the database does; else begins a new file.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, version: i64, position: i64) -> io::Result<Self> {
        if !folder.is_dir() {
            std::fs::create_dir(folder)?;
        }
        let mut journal = Self {
            folder: folder.to_owned(),
            version,
            file: None,
            number: 0,
            length: 0,
            appended: 0,
            batch: Frame::default(),
            is_due: false,
        };
        journal.batch.begin(position);
        let last = files(folder, LOG)?.pop();
        journal.number = last.as_ref().map_or(0, |(number, _)| *number);
        let end = match &last {
            Some((_, path)) => frame::end(path, version, position)?,
            None => None,
        };
        match (last, end) {
            (Some((_, path)), Some(length)) => {
                let file = OpenOptions::new().append(true).open(path)?;
                file.set_len(length)?;
                (journal.file, journal.length) = (Some(file), length);
            }
            (last, _) => {
                let is_due = last.is_some() || position > 0;
                match journal.begin_file(position) {
                    // From nothing on it can be replayed without a snapshot.
                    Ok(()) => journal.is_due = is_due,
                    // A server starts on a disk that is full, to be told what to delete.
                    Err(error) if is_full(&error) => journal.fail(&error),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(journal)
    }

    /// Begins a file; when that cannot be, there is none, and a snapshot is due.
    fn begin_file(&mut self, position: i64) -> io::Result<()> {
        self.file = None;
        self.is_due = true;
        self.number += 1;
        let path = self.folder.join(format!("{LOG}{:010}", self.number));
        let begun = self.write_header(&path, position);
        if begun.is_err() {
            // Half of one would be the journal's end.
            let _ = std::fs::remove_file(&path);
        }
        let (file, length) = begun?;
        (self.file, self.length) = (Some(file), length);
        Ok(())
    }

    fn write_header(&self, path: &Path, position: i64) -> io::Result<(File, u64)> {
        let header = Header {
            version: self.version,
            position,
        };
        let header = header.bytes();
        let mut file = OpenOptions::new();
        file.append(true).create_new(true).mode(0o600);
        let mut file = file.open(path)?;
        file.write_all(&header)?;
        File::open(&self.folder)?.sync_all()?;
        Ok((file, header.len() as u64))
    }

    /// Begins the batch that makes the database reach this position.
    pub fn begin(&mut self, position: i64) {
        self.batch.begin(position);
    }

    /// A statement of the batch.
    pub fn note(&mut self, statement: &str, values: &[Value<'_>]) {
        self.batch.add(statement, values);
    }

    /// Writes the batch, before it is committed. A push does not fail for it.
    pub fn append(&mut self) {
        let Some(file) = &mut self.file else { return };
        let bytes = self.batch.finish(crate::server::now());
        let written = match bytes.len() {
            ..=MAXIMUM_FRAME => file.write_all(bytes),
            _ => Err(io::Error::other("a batch of changes is too long for it")),
        };
        match written {
            Ok(()) => {
                self.appended = self.batch.len();
                self.length += self.appended;
            }
            Err(error) => self.fail(&error),
        }
    }

    /// The batch was committed.
    pub fn committed(&mut self) {
        self.appended = 0;
    }

    /// The batch was not committed: nothing of it stays.
    pub fn roll_back(&mut self) {
        self.length -= std::mem::take(&mut self.appended);
        let Some(file) = &self.file else { return };
        if let Err(error) = file.set_len(self.length) {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &io::Error) {
        log::trouble(&format!(
            "the journal beside the database cannot be written ({error}); a snapshot will take its place"
        ));
        // What was written of the frame would end the journal there.
        if let Some(file) = self.file.take() {
            let _ = file.set_len(self.length);
        }
        self.is_due = true;
    }

    /// Whether a snapshot is due, for a database of so many bytes.
    fn is_due(&self, database: u64) -> bool {
        self.is_due || self.length > LEAST.max(database)
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    [StorageFull, QuotaExceeded].contains(&error.kind())
}

const LOG: &str = "log-";
const SNAPSHOT: &str = "snapshot-";

/// The files of one kind by their numbers.
fn files(folder: &Path, kind: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name
            .and_then(|name| name.strip_prefix(kind))
            .and_then(|number| number.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Makes a snapshot if one is due, and drops what it takes the place of. `copy` writes the database as it is at one moment
/// into a file and says its position.
///
/// # Errors
/// When it cannot be written; then all stays as it was.
pub(super) fn maintain(
    journal: &std::sync::Mutex<Journal>,
    database: &Path,
    copy: impl FnOnce(&Path) -> Result<i64, super::MetadataError>,
) -> Result<(), super::MetadataError> {
    let failed = |cause: io::Error| super::MetadataError::Database {
        place: "journal".to_owned(),
        cause: cause.to_string(),
    };
    let length = std::fs::metadata(database).map_err(failed)?.len();
    let (folder, current) = {
        let mut journal = journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // One batch is in one file, whether it is committed or not.
        if !journal.is_due(length) || journal.appended > 0 {
            return Ok(());
        }
        // What has no room would only take what is left; it was told of when the journal failed.
        if super::sqlite::free(&journal.folder).is_some_and(|free| free < length + MARGIN) {
            return Ok(());
        }
        // What is committed from now on is in the new file: the snapshot begins no later.
        let position = journal.batch.position();
        journal.begin_file(position).map_err(failed)?;
        (journal.folder.clone(), journal.number)
    };
    let part = folder.join("part");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let position = copy(&part).inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    let work = || -> io::Result<()> {
        File::open(&part)?.sync_all()?;
        let name = format!("{SNAPSHOT}{position:010}");
        std::fs::rename(&part, folder.join(name))?;
        File::open(&folder)?.sync_all()?;
        for (number, path) in files(&folder, SNAPSHOT)? {
            if i64::try_from(number).is_ok_and(|number| number != position) {
                std::fs::remove_file(path)?;
            }
        }
        for (number, path) in files(&folder, LOG)? {
            // One whose last batch was being committed meanwhile is still needed.
            if number < current && frame::last(&path)?.is_none_or(|last| last <= position) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    work().map_err(failed)?;
    let mut journal = journal
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // Unless it failed again since.
    journal.is_due = journal.file.is_none();
    Ok(())
}

#[cfg(test)]
mod tests;
