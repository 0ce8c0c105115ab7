//! Metadata in SQLite: one file, its journal written ahead, one thread that writes and several connections that read.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, TransactionBehavior, params_from_iter};

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
    writer: Writer,
    place: String,
}

impl Sqlite {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or was made by a newer program.
    pub fn open(path: &Path, grace: Grace) -> std::result::Result<Sql<Self>, MetadataError> {
        let place = path.display().to_string();
        let error = |cause| MetadataError::database(&place, &failed(&cause));
        let mut connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE,
        )
        .map_err(error)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(error)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(error)?;
        connection
            .pragma_update(None, "journal_size_limit", JOURNAL)
            .map_err(error)?;
        migrate(&mut connection, &place)?;
        let readers = (0..READERS)
            .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map(Mutex::new))
            .collect::<rusqlite::Result<_>>()
            .map_err(error)?;
        let writing = Writing {
            connection,
            is_full: true,
        };
        let writer =
            Writer::start(writing, place.clone()).map_err(|cause| MetadataError::Database {
                place: place.clone(),
                cause: cause.to_string(),
            })?;
        let engine = Self {
            readers,
            next: AtomicUsize::new(0),
            writer,
            place,
        };
        Ok(Sql::new(engine, grace))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..READERS).find_map(|step| {
            let reader = self.readers.get((start + step) % READERS)?;
            reader.try_lock().ok()
        });
        match free {
            Some(reader) => reader,
            None => self.readers[start % READERS]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
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
        self.writer.change(durable, change)
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
}

impl Session for Writing {
    fn run(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        self.connection.run(statement, values)
    }

    fn rows(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.connection.rows(statement, values, each)
    }

    fn script(&mut self, statements: &str) -> Result<()> {
        self.connection.script(statements)
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
        self.script("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<()> {
        self.script("COMMIT")
    }

    fn roll_back(&mut self) {
        // It is over already when the disk was full.
        let _ = self.script("ROLLBACK");
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
