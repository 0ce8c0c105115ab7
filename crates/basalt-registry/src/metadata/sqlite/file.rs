//! Files of SQLite as wholes: copied, made, looked at.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::super::MetadataError;
use super::super::sql::session::{Result, Session, SqlError};
use super::super::sql::tables::PASSING;
use super::{connect, failed, migrate, position};

/// What is wrong with a file, as far as SQLite itself can tell: the first twenty.
///
/// # Errors
/// When it cannot be read at all.
pub fn check_file(path: &Path, quick: bool) -> std::result::Result<Vec<String>, MetadataError> {
    let place = path.display().to_string();
    let error = |cause| MetadataError::database(&place, &failed(&cause));
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(error)?;
    let mut wrong: Vec<String> = Vec::new();
    let checks = match quick {
        true => ["PRAGMA quick_check(20)", "PRAGMA foreign_key_check"],
        false => ["PRAGMA integrity_check(20)", "PRAGMA foreign_key_check"],
    };
    for check in checks {
        let mut statement = connection.prepare(check).map_err(error)?;
        let mut rows = statement.query([]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let text: String = row.get(0).map_err(error)?;
            match check.ends_with("foreign_key_check") {
                true if wrong.len() < 20 => wrong.push(format!("a row of {text} refers to none")),
                false if text != "ok" => wrong.push(text),
                _ => {}
            }
        }
    }
    Ok(wrong)
}

/// Writes the database as it is at one moment into a file that is not there. The position that it has.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_file(from: &Path, to: &Path) -> std::result::Result<i64, MetadataError> {
    let place = to.display().to_string();
    let error = |cause| MetadataError::database(&place, &failed(&cause));
    let source = connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(error)?;
    let name = to.to_string_lossy();
    source.execute("VACUUM INTO ?1", [name]).map_err(error)?;
    let copy = connect(to, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(error)?;
    position(&copy).map_err(error)
}

/// A file that is only read.
///
/// # Errors
/// When it cannot be opened.
pub(in crate::metadata) fn read_file(path: &Path) -> Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|cause| failed(&cause))
}

/// Makes a file with the tables as they are when nothing was done yet, and has it filled, whole or not at all.
///
/// # Errors
/// When it cannot be written, or those of who fills it.
pub(in crate::metadata) fn make_file(
    path: &Path,
    fill: impl FnOnce(&mut dyn Session) -> Result<()>,
) -> Result<()> {
    let place = path.display().to_string();
    let flags = OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut file = connect(path, flags).map_err(|cause| failed(&cause))?;
    migrate(&mut file, &place).map_err(|error| SqlError::Refused(error.to_string()))?;
    // Who asked for it brings it to the disk as a whole.
    file.script("PRAGMA synchronous = OFF; BEGIN")?;
    fill(&mut file)?;
    file.script("COMMIT")
}

/// Takes out of a copy what is good only where it was made: uploads at hand and leases.
///
/// # Errors
/// When it cannot be written.
pub fn settle_copy(path: &Path) -> std::result::Result<(), MetadataError> {
    let place = path.display().to_string();
    let error = |cause| MetadataError::database(&place, &failed(&cause));
    let copy = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(error)?;
    copy.execute_batch("PRAGMA journal_mode = DELETE")
        .map_err(error)?;
    for table in PASSING {
        copy.execute(&format!("DELETE FROM {table}"), [])
            .map_err(error)?;
    }
    Ok(())
}
