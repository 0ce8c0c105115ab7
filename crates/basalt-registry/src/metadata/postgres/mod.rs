//! Metadata in PostgreSQL, for several servers: each has one connection that writes and several that read.
//!
//! Transactions that write are serializable: what two servers do at once has the effect of one after the other, or one of
//! them is made anew. So the servers need no lock among them, and one that stops in the midst holds up nobody for long.

mod link;
mod readers;

use std::error::Error as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config};
use tokio::sync::oneshot;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::ClientConfig;

use super::sql::session::{Result, Session, SqlError};
use super::sql::tables::{self, Table};
use super::sql::writer::Writer;
use super::sql::{Engine, Sql, schema};
use super::{Answer, Grace, MetadataError, sqlite};
use link::{Link, failed, said};
use readers::{Question, Readers};
/// How long it may take to connect.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long the network may be silent before a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(15);
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
        self.writer.change(durable, false, change)
    }

    fn take<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        self.writer.change(durable, true, change)
    }

    fn copy_into(&self, path: &Path) -> Answer<'_, ()> {
        let path = path.to_owned();
        self.ask(move |link| {
            link.at_one_moment(|link| {
                let tables = tables::copied()?;
                sqlite::make_file(&path, |file| tables::replace(link, file, &tables))
            })
        })
    }

    /// It counts its own numbers on behind those that came, and learns how many rows there are, so that it plans well.
    fn settle(session: &mut dyn Session, tables: &[Table]) -> Result<()> {
        for table in tables {
            let name = &table.name;
            if let Some(column) = &table.counted {
                session.script(&format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), greatest(1, (SELECT max({column}) FROM {name})))"
                ))?;
            }
            session.script(&format!("ANALYZE {name}"))?;
        }
        Ok(())
    }
}
