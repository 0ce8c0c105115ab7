//! The database made anew from the journal.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::sql::schema;
use super::super::sql::session::{Session, SqlError};
use super::super::sqlite::connect;
use super::super::{MetadataError, Moment};
use super::frame::{Batch, Header};
use super::{LOG, SNAPSHOT, files};

/// How many batches are made in one transaction.
const BATCHES: u64 = 1000;

/// What a database was made anew from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The position of the snapshot; nothing when none was needed, or none could be read.
    pub snapshot: Option<i64>,
    /// How many batches of changes followed it.
    pub batches: u64,
    /// When the last of them was made.
    pub moment: Option<Moment>,
    /// Why nothing further could be taken from the journal, if it did not simply end.
    pub stopped: Option<String>,
}

/// Makes a database of the journal in `folder`, as `target`, which must not be there.
///
/// # Errors
/// When there is no journal, or nothing can be made of it.
pub fn recover(folder: &Path, target: &Path) -> Result<Recovered, MetadataError> {
    let failed = |cause: String| MetadataError::Database {
        place: folder.display().to_string(),
        cause,
    };
    let unreadable = |cause: io::Error| failed(cause.to_string());
    let snapshots = files(folder, SNAPSHOT).map_err(unreadable)?;
    let logs = files(folder, LOG).map_err(unreadable)?;
    if snapshots.is_empty() && logs.is_empty() {
        let cause = "there is no journal to make the database of";
        return Err(failed(cause.to_owned()));
    }
    let mut recovered = Recovered::default();
    // The newest that is whole.
    for (position, path) in snapshots.iter().rev() {
        std::fs::copy(path, target).map_err(unreadable)?;
        if super::super::sqlite::check_file(target, false).is_ok_and(|wrong| wrong.is_empty()) {
            recovered.snapshot = i64::try_from(*position).ok();
            break;
        }
        std::fs::remove_file(target).map_err(unreadable)?;
    }
    let error = |cause: rusqlite::Error| failed(cause.to_string());
    let flags = OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = connect(target, flags).map_err(error)?;
    // Who makes it flushes it once, at the end.
    connection
        .pragma_update(None, "synchronous", "OFF")
        .map_err(error)?;
    if recovered.snapshot.is_none() {
        begin_empty(&connection, &logs).map_err(failed)?;
    }
    let position = connection
        .query_row("SELECT position FROM journal WHERE id = 1", [], |row| {
            row.get(0)
        })
        .map_err(error)?;
    if let Err(cause) = replay(&mut connection, &logs, position, &mut recovered) {
        recovered.stopped = Some(cause);
    }
    connection.close().map_err(|(_, cause)| error(cause))?;
    File::open(target)
        .and_then(|file| file.sync_all())
        .map_err(unreadable)?;
    Ok(recovered)
}

/// Makes the tables that the first file begins with, when that began with nothing.
fn begin_empty(connection: &Connection, logs: &[(u64, PathBuf)]) -> Result<(), String> {
    let none =
        "the journal's snapshot cannot be read, and its statements do not begin at the beginning";
    let (_, first) = logs.first().ok_or(none)?;
    let header = File::open(first).and_then(|mut file| Header::read(&mut file));
    let header = header.map_err(|cause| cause.to_string())?;
    let header = header.filter(|header| header.position == 0).ok_or(none)?;
    if header.version > schema::VERSION {
        return Err("the journal was written by a newer program; use that".to_owned());
    }
    for step in schema::first_steps(header.version) {
        connection
            .execute_batch(step)
            .map_err(|cause| cause.to_string())?;
    }
    connection
        .pragma_update(None, "user_version", header.version)
        .map_err(|cause| cause.to_string())
}

/// Makes all batches that follow the database's position. Says why it stopped before the end.
fn replay(
    connection: &mut Connection,
    logs: &[(u64, PathBuf)],
    mut position: i64,
    recovered: &mut Recovered,
) -> Result<(), String> {
    let failed = |cause: SqlError| format!("a statement of the journal cannot be made: {cause}");
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|cause| cause.to_string())?;
    let mut open = 0;
    let mut opened = Vec::new();
    for (number, path) in logs {
        let file = File::open(path).map_err(|cause| cause.to_string())?;
        let mut file = BufReader::new(file);
        let header = Header::read(&mut file).map_err(|cause| cause.to_string())?;
        opened.extend(header.map(|header| (number, file, header)));
    }
    // What follows in a file upon where the next one began was lost with the power before that was begun.
    let begins = opened.iter().skip(1).map(|(_, _, header)| header.position);
    let ends: Vec<i64> = begins.chain([i64::MAX]).collect();
    for ((number, mut file, header), end) in opened.into_iter().zip(ends) {
        if header.version != version {
            continue;
        }
        while let Some(batch) = Batch::read(&mut file).map_err(|cause| cause.to_string())? {
            if batch.position > end {
                break;
            }
            if batch.position <= position {
                continue;
            }
            if batch.position != position + 1 {
                finish(connection, open).map_err(failed)?;
                return Err(format!(
                    "file {number} of the journal goes on at {}, what there is ends at {position}",
                    batch.position
                ));
            }
            if open == 0 {
                connection.script("BEGIN").map_err(failed)?;
            }
            connection.script("SAVEPOINT batch").map_err(failed)?;
            let made = batch.statements(|statement, values| match values {
                // Marks of the batch are scripts; they have none.
                [] => connection.script(statement),
                values => connection.rows(statement, values, &mut |_| {
                    Ok(std::ops::ControlFlow::Continue(()))
                }),
            });
            if let Err(cause) = made {
                let undo = "ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch";
                connection.script(undo).map_err(failed)?;
                finish(connection, open + 1).map_err(failed)?;
                return Err(failed(cause));
            }
            position = batch.position;
            let mark = format!(
                "UPDATE journal SET position = {position} WHERE id = 1; RELEASE SAVEPOINT batch"
            );
            connection.script(&mark).map_err(failed)?;
            recovered.batches += 1;
            recovered.moment = Some(batch.moment);
            open = (open + 1) % BATCHES;
            if open == 0 {
                connection.script("COMMIT").map_err(failed)?;
            }
        }
    }
    finish(connection, open).map_err(failed)
}

fn finish(connection: &mut Connection, open: u64) -> Result<(), SqlError> {
    match open {
        0 => Ok(()),
        _ => connection.script("COMMIT"),
    }
}
