//! All rows of one database copied to another, of the same kind or not: the tables are the same in both.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::schema;
use super::session::{Result, Row, Session, SqlError, Value};

/// Tables whose rows are good only where they were made, in an order in which they can be emptied: uploads at hand, promises.
pub const PASSING: [&str; 4] = ["pieces", "uploads", "staged_sizes", "leases"];
/// How far the journal beside a database is, which only that knows.
const JOURNAL: &str = "journal";
/// Tables that have rows as soon as anything was ever done in a registry.
const TELLING: [&str; 4] = ["repositories", "blobs", "robots", "audit"];
/// How many rows a statement inserts, and how many bytes wait for one at most.
const ROWS: usize = 64;
const BYTES: usize = 4 << 20;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Bytes,
}

/// A table that is copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The column that the database counts by itself, if there is one.
    pub counted: Option<String>,
    columns: Vec<(String, Kind)>,
}

/// A value of a row on its way.
enum Held {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Held {
    fn read(row: &dyn Row, column: usize, kind: Kind) -> Result<Self> {
        let held = match kind {
            Kind::Integer => row.integer(column)?.map(Self::Integer),
            Kind::Text => row.text(column)?.map(|text| Self::Text(text.to_owned())),
            Kind::Bytes => row.bytes(column)?.map(|bytes| Self::Bytes(bytes.to_vec())),
        };
        Ok(held.unwrap_or(Self::Null))
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// The tables that are copied, in an order in which each row comes behind those that it refers to.
///
/// # Errors
/// When they cannot be made out.
pub fn copied() -> Result<Vec<Table>> {
    let refused = |cause: rusqlite::Error| SqlError::Refused(cause.to_string());
    let mut model = Connection::open_in_memory().map_err(refused)?;
    for step in schema::steps(0) {
        model.script(step)?;
    }
    let model: &mut dyn Session = &mut model;
    // As they were made; those that refer to others were made behind them.
    let names = model.all(
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid",
        &[],
        |row| row.get::<String>(0),
    )?;
    let names = names
        .into_iter()
        .filter(|name| !PASSING.contains(&name.as_str()) && name != JOURNAL);
    names.map(|name| described(model, name)).collect()
}

fn described(model: &mut dyn Session, name: String) -> Result<Table> {
    let described = model.all(
        "SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid",
        &[Value::Text(&name)],
        |row| {
            let kind = match row.get(1)? {
                "INTEGER" => Kind::Integer,
                "BLOB" => Kind::Bytes,
                _ => Kind::Text,
            };
            Ok((row.get::<String>(0)?, kind, row.get::<bool>(2)?))
        },
    )?;
    let mut keys = described.iter().filter(|(_, _, is_key)| *is_key);
    let counted = match (keys.next(), keys.next()) {
        (Some((name, Kind::Integer, _)), None) => Some(name.clone()),
        _ => None,
    };
    let columns = described.into_iter().map(|(name, kind, _)| (name, kind));
    Ok(Table {
        name,
        counted,
        columns: columns.collect(),
    })
}

/// Whether a database has nothing yet that could be lost.
///
/// # Errors
/// When it cannot be asked.
pub fn is_empty(session: &mut dyn Session) -> Result<bool> {
    for table in TELLING {
        if session.has(&format!("SELECT 1 FROM {table} LIMIT 1"), &[])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts the rows of one database in place of those of another.
///
/// # Errors
/// When one of them refuses.
pub fn replace(from: &mut dyn Session, to: &mut dyn Session, tables: &[Table]) -> Result<()> {
    for table in tables.iter().rev() {
        to.run(&format!("DELETE FROM {}", table.name), &[])?;
    }
    for table in tables {
        copy(from, to, table)?;
    }
    Ok(())
}

fn copy(from: &mut dyn Session, to: &mut dyn Session, table: &Table) -> Result<()> {
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let select = format!("SELECT {} FROM {}", names.join(", "), table.name);
    let full = ROWS * names.len();
    let (many, one) = (insertion(table, &names, ROWS), insertion(table, &names, 1));
    // Mostly all with one statement, so that it is prepared once; the rest each with its own.
    let insert = |to: &mut dyn Session, waiting: &[Held]| match waiting.len() == full {
        true => insert(to, &many, waiting, full),
        false => insert(to, &one, waiting, names.len()),
    };
    let (mut waiting, mut length) = (Vec::new(), 0);
    from.rows(&select, &[], &mut |row| {
        for (column, (_, kind)) in table.columns.iter().enumerate() {
            let held = Held::read(row, column, *kind)?;
            length += held.length();
            waiting.push(held);
        }
        if waiting.len() == full || length > BYTES {
            insert(to, &waiting)?;
            waiting.clear();
            length = 0;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    insert(to, &waiting)
}

/// The statement that inserts so many rows.
fn insertion(table: &Table, names: &[&str], rows: usize) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|row| {
            let marks = (1..=names.len()).map(|column| format!("?{}", row * names.len() + column));
            format!("({})", marks.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let (table, names, rows) = (&table.name, names.join(", "), rows.join(", "));
    format!("INSERT INTO {table} ({names}) VALUES {rows}")
}

/// Inserts values that stand one behind the other, so many with each statement.
fn insert(to: &mut dyn Session, statement: &str, held: &[Held], each: usize) -> Result<()> {
    for held in held.chunks(each) {
        let values: Vec<Value<'_>> = held.iter().map(Held::value).collect();
        to.run(statement, &values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Connection {
        let mut made = Connection::open_in_memory().expect("it opens");
        made.pragma_update(None, "foreign_keys", true)
            .expect("it is told");
        for step in schema::steps(0) {
            made.script(step).expect("the tables are made");
        }
        made
    }

    #[test]
    fn each_table_is_copied_or_left_on_purpose() {
        let tables = copied().expect("the tables");
        let mut model = made();
        let model: &mut dyn Session = &mut model;
        let count: u64 = model
            .first(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
                &[],
                |row| row.get(0),
            )
            .expect("a count")
            .expect("a row");
        assert_eq!(tables.len() + PASSING.len() + 1, count as usize);
        let blobs = tables
            .iter()
            .find(|table| table.name == "blobs")
            .expect("it is copied");
        assert_eq!(blobs.counted.as_deref(), Some("id"));
        let tags = tables
            .iter()
            .find(|table| table.name == "tags")
            .expect("it is copied");
        assert_eq!(tags.counted, None);
    }

    #[test]
    fn rows_arrive_as_they_are_however_many() {
        let (mut from, mut to) = (made(), made());
        for id in 1..=200_i64 {
            let (digest, bytes) = (format!("sha256:{id}"), vec![id as u8; 40_000]);
            let values = [
                Value::Integer(id),
                Value::Text(&digest),
                Value::Bytes(&bytes),
            ];
            from.run(
                "INSERT INTO blobs (id, digest, size, bytes) VALUES (?1, ?2, 9, ?3)",
                &values,
            )
            .expect("it is inserted");
        }
        from.script("INSERT INTO repositories VALUES (7, 'app'); INSERT INTO members VALUES (7, 3, 5); INSERT INTO leases VALUES ('a', 'b', 1);")
            .expect("it is inserted");
        to.script("INSERT INTO signing_keys VALUES ('old', x'00', 1)")
            .expect("it is inserted");
        assert!(is_empty(&mut to).expect("it answers"));
        let tables = copied().expect("the tables");
        replace(&mut from, &mut to, &tables).expect("they are copied");
        assert!(!is_empty(&mut to).expect("it answers"));
        let all = |session: &mut dyn Session| {
            session
                .all(
                    "SELECT id, digest, bytes FROM blobs ORDER BY id",
                    &[],
                    |row| {
                        Ok((
                            row.get::<i64>(0)?,
                            row.get::<String>(1)?,
                            row.get::<&[u8]>(2)?.to_vec(),
                        ))
                    },
                )
                .expect("it answers")
        };
        assert!(all(&mut from) == all(&mut to));
        let to: &mut dyn Session = &mut to;
        let has = |to: &mut dyn Session, query| to.has(query, &[]).expect("it answers");
        assert!(has(
            to,
            "SELECT 1 FROM members WHERE repository = 7 AND blob = 3"
        ));
        assert!(!has(to, "SELECT 1 FROM leases"));
        assert!(!has(to, "SELECT 1 FROM signing_keys"));
    }
}
