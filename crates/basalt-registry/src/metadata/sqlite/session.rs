//! A connection to a file of SQLite, on which statements are made, and the one that writes.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::super::journal::Journal;
use super::super::sql::session::{Result, Row, Session, SqlError, Value};
use super::super::sql::writer::Transactional;
use super::reserve::Reserve;
use super::{PATIENCE, failed};

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

/// How long it waits for those that read, when the disk is full and the journal is to be written back.
const TIDYING: Duration = Duration::from_millis(200);

/// The connection that writes.
pub(super) struct Writing {
    pub(super) connection: Connection,
    /// Whether each commit waits for the disk.
    pub(super) is_full: bool,
    pub(super) journal: Option<Arc<Mutex<Journal>>>,
    /// Room that is kept free; nothing where another process keeps it.
    pub(super) reserve: Option<Reserve>,
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

    fn has_room(&mut self) -> bool {
        self.reserve.as_mut().is_none_or(Reserve::hold)
    }

    /// What SQLite has written ahead is written back, and its file becomes free.
    fn tidy(&mut self) -> bool {
        let _ = self.connection.busy_timeout(TIDYING);
        let tidied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = self.connection.busy_timeout(PATIENCE);
        tidied.is_ok()
    }

    fn make_room(&mut self) -> bool {
        self.reserve.as_mut().is_some_and(Reserve::release)
    }

    fn connect_again(&mut self) -> Result<()> {
        Ok(())
    }
}
