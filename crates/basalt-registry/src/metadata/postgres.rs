//! Metadata in PostgreSQL, for several servers: each has one connection that writes and several that read.
//!
//! Transactions that write are serializable: what two servers do at once has the effect of one after the other, or one of
//! them is made anew. So the servers need no lock among them, and one that stops in the midst holds up nobody for long.

use std::collections::HashMap;
use std::error::Error as _;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, Statement};
use tokio::sync::oneshot;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::ClientConfig;

use super::sql::session::{Result, Row, Session, SqlError, Value};
use super::sql::writer::{Transactional, Writer};
use super::sql::{Engine, Sql, schema, tables};
use super::{Answer, Grace, MetadataError, sqlite};

/// How many connections read.
const READERS: usize = 8;
/// How long it may take to connect.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long the network may be silent before a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(15);
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 200;
/// What each connection is told. A server that was stopped in the midst of a transaction must not hold up the others.
const MANNERS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning'";
/// What the connection that writes is told. Reading a table as a whole would count as reading what others write in it.
const WRITER_MANNERS: &str = "SET enable_seqscan = off";
/// Which lock those that make the tables take, so that only one does.
const MIGRATION_LOCK: i64 = 0x6261_7361_6c74;

/// Where a database is, and how to get in.
#[derive(Clone)]
pub struct Access {
    config: Config,
    tls: MakeRustlsConnect,
    place: String,
}

impl Access {
    /// A database by its URL, `postgres://user@host:port/name`. The password may be apart from it. Unless it says otherwise
    /// (`?sslmode=disable`), the connection to another machine is by TLS.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(
        url: &str,
        password: Option<&str>,
        tls: ClientConfig,
    ) -> std::result::Result<Self, String> {
        let mut config = Self::parsed(url)?;
        if let Some(password) = password {
            config.password(password);
        }
        config
            .application_name("basalt")
            .connect_timeout(CONNECTING)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE);
        let hosts: Vec<String> = config.get_hosts().iter().map(host_name).collect();
        let is_local = |host: &String| {
            let address = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            address || host == "localhost" || host.starts_with('/')
        };
        if !url.contains("sslmode=") {
            config.ssl_mode(match hosts.iter().all(is_local) {
                true => SslMode::Disable,
                false => SslMode::Require,
            });
        }
        let name = config.get_dbname().or(config.get_user());
        let place = format!("{} at {}", name.unwrap_or("postgres"), hosts.join(", "));
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(tls),
            place,
        })
    }

    /// Whether a URL can be read, and names a machine.
    ///
    /// # Errors
    /// Why it does not.
    pub fn readable(url: &str) -> std::result::Result<(), String> {
        Self::parsed(url).map(drop)
    }

    fn parsed(url: &str) -> std::result::Result<Config, String> {
        let config: Config = url.parse().map_err(|error: postgres::Error| {
            let cause = error.source().map(ToString::to_string);
            cause.unwrap_or_else(|| error.to_string())
        })?;
        match config.get_hosts() {
            [] => Err("it names no machine".to_owned()),
            _ => Ok(config),
        }
    }

    fn connect(&self) -> Result<Client> {
        let connected = self.config.connect(self.tls.clone());
        let mut client = connected.map_err(|error| SqlError::Lost(said(&error)))?;
        client
            .batch_execute(MANNERS)
            .map_err(|error| failed(&error))?;
        Ok(client)
    }
}

fn host_name(host: &postgres::config::Host) -> String {
    match host {
        postgres::config::Host::Tcp(name) => name.clone(),
        postgres::config::Host::Unix(path) => path.display().to_string(),
    }
}

/// Metadata in a PostgreSQL database.
pub struct Postgres {
    writer: Writer,
    readers: Readers,
    place: String,
}

impl Postgres {
    /// Connects, and makes the tables if they are not there. The process writes a chain of this name in the audit log.
    ///
    /// # Errors
    /// When it cannot be reached, or its tables were made by a newer program.
    pub fn open(
        access: Access,
        chain: String,
        grace: Grace,
    ) -> std::result::Result<Sql<Self>, MetadataError> {
        let place = access.place.clone();
        let error = |cause: SqlError| MetadataError::database(&place, &cause);
        let mut writing = Link::new(access.clone(), chain.clone(), WRITER_MANNERS);
        migrate(&mut writing, &place)?;
        refuse_forgetful(&mut writing).map_err(error)?;
        let no_thread = |cause: std::io::Error| MetadataError::Database {
            place: place.clone(),
            cause: cause.to_string(),
        };
        let writer = Writer::start(writing, place.clone()).map_err(no_thread)?;
        let readers = Readers::start(&access, &chain).map_err(no_thread)?;
        let engine = Self {
            writer,
            readers,
            place: place.clone(),
        };
        Ok(Sql::new(engine, grace))
    }
}

/// Makes the tables, or brings them up to this program's version. Of several servers that start at once one does.
fn migrate(link: &mut Link, place: &str) -> std::result::Result<(), MetadataError> {
    let error = |cause: SqlError| MetadataError::database(place, &cause);
    link.script("BEGIN").map_err(error)?;
    link.script(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        .map_err(error)?;
    link.script("CREATE TABLE IF NOT EXISTS basalt_version (version BIGINT NOT NULL)")
        .map_err(error)?;
    let session: &mut dyn Session = link;
    let found = session
        .first("SELECT version FROM basalt_version", &[], |row| row.get(0))
        .map_err(error)?;
    let found = found.unwrap_or(0);
    schema::check(found, place)?;
    for step in schema::steps(found) {
        link.script(&translated(step)).map_err(error)?;
    }
    let version = schema::VERSION;
    link.script(&format!(
        "DELETE FROM basalt_version; INSERT INTO basalt_version VALUES ({version}); COMMIT"
    ))
    .map_err(error)
}

/// Refuses a database that acknowledges what has not reached the disk.
fn refuse_forgetful(link: &mut Link) -> Result<()> {
    let session: &mut dyn Session = link;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value = session.first(&format!("SHOW {setting}"), &[], |row| row.get::<String>(0))?;
        if value.as_deref() == Some("off") {
            let cause = format!(
                "its setting {setting} is off: it would lose what was acknowledged when the power fails; turn it on"
            );
            return Err(SqlError::Refused(cause));
        }
    }
    Ok(())
}

/// The tables in PostgreSQL's words.
fn translated(step: &str) -> String {
    step.replace(
        "INTEGER PRIMARY KEY",
        "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    )
    .replace(" INTEGER", " BIGINT")
    .replace(" BLOB", " BYTEA")
    // Texts are compared byte by byte, in whatever language the database is.
    .replace(" TEXT", " TEXT COLLATE \"C\"")
    .replace(") WITHOUT ROWID", ")")
}

/// A parameter's mark as PostgreSQL has it: `$1`.
fn with_dollars(statement: &str) -> String {
    statement.replace('?', "$")
}

/// What went wrong, with what the server says about it.
fn said(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

fn failed(error: &postgres::Error) -> SqlError {
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
struct Link {
    access: Access,
    chain: String,
    manners: &'static str,
    client: Option<Client>,
    /// Whether a transaction has begun: then a connection that is lost is not made again, as what came before is lost with it.
    in_transaction: bool,
    statements: HashMap<String, Statement>,
}

impl Link {
    fn new(access: Access, chain: String, manners: &'static str) -> Self {
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
    fn at_one_moment<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
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

/// Something to be asked on whichever connection is free.
type Question = Box<dyn FnOnce(&mut Link) + Send>;

/// Threads that read, each with a connection.
struct Readers {
    queue: Option<Sender<Question>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    fn start(access: &Access, chain: &str) -> std::io::Result<Self> {
        let (queue, questions) = channel::<Question>();
        let questions = Arc::new(Mutex::new(questions));
        let threads = (0..READERS)
            .map(|_| {
                let link = Link::new(access.clone(), chain.to_owned(), "");
                let questions = Arc::clone(&questions);
                thread::Builder::new()
                    .name("metadata-read".to_owned())
                    .spawn(move || answer(link, &questions))
            })
            .collect::<std::io::Result<_>>()?;
        let queue = Some(queue);
        Ok(Self { queue, threads })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(mut link: Link, questions: &Mutex<Receiver<Question>>) {
    loop {
        let next = questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match next {
            Ok(question) => question(&mut link),
            Err(_) => return,
        }
    }
}

impl Postgres {
    /// Asks on a connection that reads; anew if that was lost.
    fn ask<T: Send + 'static>(
        &self,
        mut read: impl FnMut(&mut Link) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let question: Question = Box::new(move |link| {
            if sender.is_closed() {
                return;
            }
            let mut result = read(link);
            // A connection that rested may have been lost meanwhile.
            if matches!(result, Err(SqlError::Lost(_) | SqlError::Conflict(_))) {
                link.client = None;
                result = read(link);
            }
            let _ = sender.send(result);
        });
        let sent = match &self.readers.queue {
            Some(queue) => queue.send(question).is_ok(),
            None => false,
        };
        Box::pin(async move {
            if !sent {
                return Err(MetadataError::Closed);
            }
            let result = receiver.await.map_err(|_| MetadataError::Closed)?;
            result.map_err(|cause| MetadataError::database(&self.place, &cause))
        })
    }
}

impl Engine for Postgres {
    fn read<T: Send + 'static>(
        &self,
        mut read: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        self.ask(move |link| read(link))
    }

    fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        self.writer.change(durable, change)
    }

    fn copy_into(&self, path: &Path) -> Answer<'_, ()> {
        let path = path.to_owned();
        self.ask(move |link| {
            // What a former attempt left.
            let _ = std::fs::remove_file(&path);
            link.at_one_moment(|link| {
                let tables = tables::copied()?;
                sqlite::make_file(&path, |file| tables::replace(link, file, &tables))
            })
        })
    }

    fn count_on(table: &str, column: &str) -> Option<String> {
        Some(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), greatest(1, (SELECT max({column}) FROM {table})))"
        ))
    }
}
