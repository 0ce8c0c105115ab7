//! A connection to PostgreSQL, on which statements are made, and what its answers and failures mean.

use std::collections::HashMap;
use std::error::Error as _;
use std::ops::ControlFlow;

use bytes::BytesMut;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Statement};

use super::super::sql::session::{Result, Row, Session, SqlError, Value};
use super::super::sql::writer::Transactional;
use super::Access;

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 200;

/// A parameter's mark as PostgreSQL has it: `$1`.
fn with_dollars(statement: &str) -> String {
    statement.replace('?', "$")
}

/// What went wrong, with what the server says about it.
pub(super) fn said(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

pub(super) fn failed(error: &postgres::Error) -> SqlError {
    let said = said(error);
    let Some(code) = error.code() else {
        let is_io = error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>());
        return match error.is_closed() || is_io {
            true => SqlError::Lost(said),
            false => SqlError::Refused(said),
        };
    };
    // Two servers that make the same row at once: one of them finds it when it looks again.
    let conflicts = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    if conflicts.contains(code) {
        return SqlError::Conflict(said);
    }
    if code == &SqlState::DISK_FULL {
        return SqlError::Full(said);
    }
    // Classes of a connection that broke, and of a server that goes down or is not up yet.
    let is_lost = ["08", "57P", "25P03", "53300"]
        .iter()
        .any(|class| code.code().starts_with(class));
    match is_lost {
        true => SqlError::Lost(said),
        false => SqlError::Refused(said),
    }
}

/// A connection, which is made when it is needed.
pub(super) struct Link {
    access: Access,
    chain: String,
    manners: &'static str,
    pub(super) client: Option<Client>,
    /// Whether a transaction has begun: then a connection that is lost is not made again, as what came before is lost with it.
    in_transaction: bool,
    statements: HashMap<String, Statement>,
}

impl Link {
    pub(super) fn new(access: Access, chain: String, manners: &'static str) -> Self {
        Self {
            access,
            chain,
            manners,
            client: None,
            in_transaction: false,
            statements: HashMap::new(),
        }
    }

    /// Reads what was there at one moment, for as long as it takes.
    pub(super) fn at_one_moment<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.script(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
        )?;
        self.in_transaction = true;
        let result = read(self);
        self.roll_back();
        result
    }

    fn client(&mut self) -> Result<&mut Client> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            if self.in_transaction {
                return Err(SqlError::Lost("it broke in a transaction".to_owned()));
            }
            self.statements.clear();
            let mut client = self.access.connect()?;
            client
                .batch_execute(self.manners)
                .map_err(|error| failed(&error))?;
            self.client = Some(client);
        }
        match &mut self.client {
            Some(client) => Ok(client),
            None => Err(SqlError::Lost("there is no connection".to_owned())),
        }
    }

    fn prepared(&mut self, text: &str) -> Result<Statement> {
        // Statements end with the connection that they were prepared on.
        self.client()?;
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self
            .client()?
            .prepare(&with_dollars(text))
            .map_err(|error| failed(&error))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Session for Link {
    fn run(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepared(statement)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client()?
            .execute(&statement, &parameters)
            .map_err(|error| failed(&error))
    }

    fn rows(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let statement = self.prepared(statement)?;
        let mut rows = self
            .client()?
            .query_raw(&statement, values.iter())
            .map_err(|error| failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            if each(&row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn script(&mut self, statements: &str) -> Result<()> {
        self.client()?
            .batch_execute(statements)
            .map_err(|error| failed(&error))
    }

    fn chain(&self) -> &str {
        &self.chain
    }
}

impl Transactional for Link {
    fn begin(&mut self, durable: bool) -> Result<()> {
        // Leases and uploads alone are no reason to wait for the disk.
        let begin = match durable {
            true => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            false => "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL synchronous_commit = off",
        };
        self.script(begin)?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let committed = self.script("COMMIT");
        self.in_transaction = false;
        committed
    }

    fn roll_back(&mut self) {
        if self.script("ROLLBACK").is_err() {
            self.client = None;
        }
        self.in_transaction = false;
    }

    fn connect_again(&mut self) -> Result<()> {
        self.client = None;
        self.in_transaction = false;
        self.client().map(drop)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

impl Row for postgres::Row {
    fn integer(&self, column: usize) -> Result<Option<i64>> {
        self.try_get(column).map_err(|error| unfit(column, &error))
    }

    fn text(&self, column: usize) -> Result<Option<&str>> {
        self.try_get(column).map_err(|error| unfit(column, &error))
    }

    fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        self.try_get(column).map_err(|error| unfit(column, &error))
    }
}

fn unfit(column: usize, error: &postgres::Error) -> SqlError {
    let cause = said(error);
    SqlError::Column { column, cause }
}
