//! Metadata in SQLite: one file, its journal written ahead, one thread that writes and several connections that read.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, TransactionBehavior, params_from_iter};

use super::journal::{self, Journal};
use super::sql::session::{Result, Row, Session, SqlError, Value};
use super::sql::writer::{Transactional, Writer};
use super::sql::{Engine, Sql, schema};
use super::{Answer, Grace, MetadataError};

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
pub(super) fn read_file(path: &Path) -> Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|cause| failed(&cause))
}

/// Makes a file that is not there, with the tables as they are when nothing was done yet, and has it filled.
///
/// # Errors
/// When it cannot be written, or those of who fills it.
pub(super) fn make_file(
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
    let statements = "PRAGMA journal_mode = DELETE; DELETE FROM pieces; DELETE FROM uploads; DELETE FROM leases;";
    copy.execute_batch(statements).map_err(error)
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
    for step in schema::steps(found) {
        transaction.execute_batch(step).map_err(error)?;
    }
    transaction
        .pragma_update(None, "user_version", schema::VERSION)
        .map_err(error)?;
    transaction.commit().map_err(error)
}

fn failed(cause: &rusqlite::Error) -> SqlError {
    SqlError::Refused(cause.to_string())
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
            Some(writer) => writer.change(durable, change),
            None => Box::pin(std::future::ready(Err(MetadataError::Database {
                place: self.place.clone(),
                cause: "it was opened to be read only".to_owned(),
            }))),
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

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<Option<i64>> {
        self.get(column).map_err(|cause| failed(&cause))
    }

    fn text(&self, column: usize) -> Result<Option<&str>> {
        let value = self.get_ref(column).map_err(|cause| failed(&cause))?;
        value.as_str_or_null().map_err(|cause| SqlError::Column {
            column,
            cause: cause.to_string(),
        })
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        let value = self.get_ref(column).map_err(|cause| failed(&cause))?;
        value.as_blob_or_null().map_err(|cause| SqlError::Column {
            column,
            cause: cause.to_string(),
        })
    }
}

impl Session for Connection {
    fn run(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        let changed = self
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(params_from_iter(values)));
        changed
            .map(|count| count as u64)
            .map_err(|cause| failed(&cause))
    }

    fn rows(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let failed = |cause| failed(&cause);
        let mut statement = self.prepare_cached(statement).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn script(&mut self, statements: &str) -> Result<()> {
        self.execute_batch(statements)
            .map_err(|cause| failed(&cause))
    }

    /// One process has the file, and writes one chain.
    fn chain(&self) -> &str {
        ""
    }
}

/// The connection that writes.
struct Writing {
    connection: Connection,
    /// Whether each commit waits for the disk.
    is_full: bool,
    journal: Option<Arc<Mutex<Journal>>>,
}

impl Writing {
    fn journal(&self) -> Option<MutexGuard<'_, Journal>> {
        let journal = self.journal.as_ref()?;
        Some(journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a statement that was made, unless it only reads.
    fn note(&self, statement: &str, values: &[Value<'_>]) {
        if !statement.trim_start().starts_with("SELECT")
            && let Some(mut journal) = self.journal()
        {
            journal.note(statement, values);
        }
    }
}

impl Session for Writing {
    fn run(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        let changed = self.connection.run(statement, values)?;
        self.note(statement, values);
        Ok(changed)
    }

    fn rows(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let result = self.connection.rows(statement, values, each);
        // One whose rows are not what was expected has changed what it changes all the same.
        if !matches!(result, Err(SqlError::Refused(_))) {
            self.note(statement, values);
        }
        result
    }

    fn script(&mut self, statements: &str) -> Result<()> {
        self.connection.script(statements)?;
        self.note(statements, &[]);
        Ok(())
    }

    fn chain(&self) -> &str {
        self.connection.chain()
    }
}

impl Transactional for Writing {
    fn begin(&mut self, durable: bool) -> Result<()> {
        // Leases and uploads alone are no reason to wait for the disk: a later commit takes them there.
        if self.is_full != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.connection
                .pragma_update(None, "synchronous", level)
                .map_err(|cause| failed(&cause))?;
            self.is_full = durable;
        }
        self.connection.script("BEGIN IMMEDIATE")?;
        if self.journal.is_none() {
            return Ok(());
        }
        let count = "UPDATE journal SET position = position + 1 WHERE id = 1 RETURNING position";
        let session: &mut dyn Session = &mut self.connection;
        match session.first(count, &[], |row| row.get(0)) {
            Ok(position) => {
                if let Some(mut journal) = self.journal() {
                    journal.begin(position.unwrap_or(0));
                }
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn commit(&mut self) -> Result<()> {
        if let Some(mut journal) = self.journal() {
            journal.append();
        }
        self.connection.script("COMMIT")?;
        if let Some(mut journal) = self.journal() {
            journal.committed();
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        // It is over already when the disk was full.
        let _ = self.connection.script("ROLLBACK");
        if let Some(mut journal) = self.journal() {
            journal.roll_back();
        }
    }

    fn connect_again(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
}
