//! Metadata in SQLite: one file, its journal written ahead, one thread that writes and several connections that read.

mod file;
mod reserve;
mod session;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::journal::{self, Journal};
use super::sql::session::{Result, Session, SqlError};
use super::sql::writer::Writer;
use super::sql::{Engine, Sql, schema};
use super::{Answer, Grace, MetadataError};
pub use file::{check_file, copy_file, settle_copy};
pub(super) use file::{make_file, read_file};
use reserve::Reserve;
pub(super) use reserve::free;
use session::Writing;

/// How many connections read. A read takes some ten microseconds, so few are enough.
const READERS: usize = 8;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;
/// How long the journal may stay once it is written back, in bytes.
const JOURNAL: i64 = 64 << 20;
/// How long a connection waits for another process that holds the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Metadata in a file.
pub struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    /// Nothing where it is only read.
    writer: Option<Writer>,
    /// Nothing where another process keeps it.
    journal: Option<Arc<Mutex<Journal>>>,
    path: PathBuf,
    place: String,
}

/// What a process does with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It alone changes it, and keeps the journal.
    Own,
    /// It changes leases, while another may own it.
    Beside,
    /// It reads, while another may own it.
    Read,
}

impl Sqlite {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or was made by a newer program.
    pub fn open(path: &Path, grace: Grace) -> std::result::Result<Sql<Self>, MetadataError> {
        Self::open_for(path, grace, Access::Own)
    }

    /// Opens the file for this; only [`Access::Own`] makes one that is not there.
    ///
    /// # Errors
    /// When it cannot be opened, or was made by another version of the program than this access can use.
    pub fn open_for(
        path: &Path,
        grace: Grace,
        access: Access,
    ) -> std::result::Result<Sql<Self>, MetadataError> {
        let mut reserve = (access == Access::Own).then(|| Reserve::beside(path));
        let opened = Self::opened(path, grace, access, &mut reserve);
        match opened {
            // What a start has to write has room in the reserve.
            Err(_)
                if reserve
                    .as_mut()
                    .is_some_and(|reserve| is_short(path) && reserve.release()) =>
            {
                Self::opened(path, grace, access, &mut reserve)
            }
            opened => opened,
        }
    }

    fn opened(
        path: &Path,
        grace: Grace,
        access: Access,
        reserve: &mut Option<Reserve>,
    ) -> std::result::Result<Sql<Self>, MetadataError> {
        let place = path.display().to_string();
        let error = |cause| MetadataError::database(&place, &failed(&cause));
        let flags = match access {
            Access::Own => OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Beside => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let mut connection = connect(path, flags).map_err(error)?;
        if access != Access::Own {
            check_version(&connection, &place)?;
        }
        let readers = match access {
            Access::Own => READERS,
            Access::Beside | Access::Read => 1,
        };
        if access != Access::Read {
            prepare(&connection).map_err(error)?;
        }
        let mut journal = None;
        if access == Access::Own {
            migrate(&mut connection, &place)?;
            let position = position(&connection).map_err(error)?;
            let folder = path.with_file_name("journal");
            let opened = Journal::open(&folder, schema::VERSION, position).map_err(|cause| {
                MetadataError::Database {
                    place: folder.display().to_string(),
                    cause: cause.to_string(),
                }
            })?;
            journal = Some(Arc::new(Mutex::new(opened)));
        }
        let readers = (0..readers)
            .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map(Mutex::new))
            .collect::<rusqlite::Result<_>>()
            .map_err(error)?;
        let mut writer = None;
        if access != Access::Read {
            let writing = Writing {
                connection,
                is_full: true,
                journal: journal.clone(),
                reserve: reserve.take(),
            };
            let started = Writer::start(writing, place.clone());
            writer = Some(started.map_err(|cause| MetadataError::Database {
                place: place.clone(),
                cause: cause.to_string(),
            })?);
        }
        let engine = Self {
            readers,
            next: AtomicUsize::new(0),
            writer,
            journal,
            path: path.to_owned(),
            place,
        };
        Ok(Sql::new(engine, grace))
    }

    fn read_only<T: Send + 'static>(&self) -> Answer<'_, T> {
        Box::pin(std::future::ready(Err(MetadataError::Database {
            place: self.place.clone(),
            cause: "it was opened to be read only".to_owned(),
        })))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.readers.len();
        let free = (0..count).find_map(|step| {
            let reader = self.readers.get((start + step) % count)?;
            reader.try_lock().ok()
        });
        match free {
            Some(reader) => reader,
            None => self.readers[start % count]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        }
    }
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    // Otherwise some statements are planned anew with each value, which takes longer than they do.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Whether the disk of a file has less room than a start may need: the index of SQLite's journal, and a few pages.
fn is_short(path: &Path) -> bool {
    const NEEDED: u64 = 256 << 10;
    free(path.parent().unwrap_or(path)).is_some_and(|free| free < NEEDED)
}

/// How a file is written: its journal ahead, each commit on the disk before it is answered.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL)
}

/// How many batches of changes there were.
fn position(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT position FROM journal WHERE id = 1", [], |row| {
        row.get(0)
    })
}

/// Refuses tables that this program would have to change first.
fn check_version(connection: &Connection, place: &str) -> std::result::Result<(), MetadataError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|cause| MetadataError::database(place, &failed(&cause)))?;
    schema::check(found, place)?;
    if found < schema::VERSION {
        let cause =
            "its tables are those of an older program; start `basalt serve` of this one once";
        return Err(MetadataError::Database {
            place: place.to_owned(),
            cause: cause.to_owned(),
        });
    }
    Ok(())
}

/// Makes the tables, or brings them up to this program's version.
fn migrate(connection: &mut Connection, place: &str) -> std::result::Result<(), MetadataError> {
    let error = |cause| MetadataError::database(place, &failed(&cause));
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    let found: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(error)?;
    schema::check(found, place)?;
    // A start that changes nothing writes nothing: the disk may be full.
    if found == schema::VERSION {
        return Ok(());
    }
    for step in schema::steps(found) {
        transaction.execute_batch(step).map_err(error)?;
    }
    transaction
        .pragma_update(None, "user_version", schema::VERSION)
        .map_err(error)?;
    transaction.commit().map_err(error)
}

/// What SQLite says when there is no room for the index of its journal, which it has in memory that all connections share.
const NO_ROOM_FOR_INDEX: std::ffi::c_int = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

fn failed(cause: &rusqlite::Error) -> SqlError {
    let is_full = cause.sqlite_error().is_some_and(|error| {
        error.code == rusqlite::ErrorCode::DiskFull || error.extended_code == NO_ROOM_FOR_INDEX
    });
    match is_full {
        true => SqlError::Full(cause.to_string()),
        false => SqlError::Refused(cause.to_string()),
    }
}

impl Engine for Sqlite {
    /// It is done at once, in the caller's thread: to hand it to another would take longer than the read.
    fn read<T: Send + 'static>(
        &self,
        mut read: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let mut connection = self.reader();
        let result =
            read(&mut *connection).map_err(|cause| MetadataError::database(&self.place, &cause));
        drop(connection);
        Box::pin(std::future::ready(result))
    }

    fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        match &self.writer {
            Some(writer) => writer.change(durable, false, change),
            None => self.read_only(),
        }
    }

    fn take<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        match &self.writer {
            Some(writer) => writer.change(durable, true, change),
            None => self.read_only(),
        }
    }

    fn maintain(&self) -> Answer<'_, ()> {
        let Some(journal) = self.journal.clone() else {
            return Box::pin(std::future::ready(Ok(())));
        };
        let path = self.path.clone();
        Box::pin(async move {
            let work = move || journal::maintain(&journal, &path, |to| copy_file(&path, to));
            let running = tokio::task::spawn_blocking(work);
            running.await.unwrap_or(Err(MetadataError::Closed))
        })
    }

    fn copy_into(&self, path: &Path) -> Answer<'_, ()> {
        let (from, to) = (self.path.clone(), path.to_owned());
        Box::pin(async move {
            let running = tokio::task::spawn_blocking(move || copy_file(&from, &to).map(drop));
            running.await.unwrap_or(Err(MetadataError::Closed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sql::session::Value;
    use super::*;

    #[test]
    fn tables_of_a_newer_program_are_left_alone() {
        let mut connection = Connection::open_in_memory().expect("it opens");
        migrate(&mut connection, "here").expect("it is made");
        migrate(&mut connection, "here").expect("it is there");
        connection
            .pragma_update(None, "user_version", 99)
            .expect("it is set");
        let error = migrate(&mut connection, "here").expect_err("it is refused");
        assert!(error.to_string().contains("version 99"), "{error}");
    }

    #[test]
    fn without_room_what_is_new_is_refused_and_the_rest_has_what_was_kept_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("registry.db");
        let flags = OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let mut connection = connect(&path, flags).expect("it opens");
        prepare(&connection).expect("it is prepared");
        migrate(&mut connection, "here").expect("it is made");
        // As if the disk had no page more.
        let pages: i64 = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("it is counted");
        connection
            .pragma_update(None, "max_page_count", pages)
            .expect("it is set");
        let writing = Writing {
            connection,
            is_full: true,
            journal: None,
            reserve: Some(Reserve::beside(&path)),
        };
        let writer = Writer::start(writing, "here".to_owned()).expect("it starts");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("it is made");
        let insert = |is_new: bool, length: usize| {
            let name = "x".repeat(length);
            let change = move |session: &mut dyn Session| {
                session.run(
                    "INSERT INTO repositories (name) VALUES (?1)",
                    &[Value::Text(&name)],
                )
            };
            runtime.block_on(writer.change(true, is_new, change))
        };
        let reserve = folder.path().join("reserve");
        assert!(matches!(insert(true, 1), Ok(1)));
        let error = insert(true, 100_000).expect_err("it has no room");
        assert!(matches!(error, MetadataError::Full { .. }), "{error}");
        let fault = crate::fault::Fault::from(error);
        assert_eq!(fault.status, hyper::StatusCode::INSUFFICIENT_STORAGE);
        assert!(reserve.exists(), "nothing new may use what is kept");
        // Others may, though here it does not help.
        let error = insert(false, 100_001).expect_err("it has no room");
        assert!(matches!(error, MetadataError::Full { .. }), "{error}");
        assert!(matches!(insert(false, 2), Ok(1)));
        // What is new comes in again when the room can be kept again.
        assert!(matches!(insert(true, 3), Ok(1)));
        assert!(reserve.exists());
    }
}
