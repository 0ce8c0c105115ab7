//! What a database of tables is asked, and how its answers are read: the little that SQLite and PostgreSQL have in common,
//! so that each change and each question is written once.
//!
//! Parameters are written `?1`, `?2`; each engine gives them its own form. Texts are compared byte by byte.

use std::ops::ControlFlow;

use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::UploadId;

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The database refuses it.
    #[error("{0}")]
    Refused(String),
    /// A column holds something else than this program writes there.
    #[error("column {column} is not what was expected: {cause}")]
    Column {
        /// Which, from 0 on.
        column: usize,
        /// What is wrong.
        cause: String,
    },
    /// Another transaction came between: this one is to be made anew.
    #[error("other changes came between: {0}")]
    Conflict(String),
    /// The disk has no room for it: the whole transaction is over.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The connection is no more.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

/// What became of a statement.
pub type Result<T> = std::result::Result<T, SqlError>;

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// Databases count with signs; no length and no limit reaches so far.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Parameters, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::metadata::sql::session::Value::from($value)),*]
    };
}
pub(crate) use values;

/// One row of an answer. Columns are counted from 0 on.
pub trait Row {
    /// A number, if there is one.
    ///
    /// # Errors
    /// When there is something else.
    fn integer(&self, column: usize) -> Result<Option<i64>>;

    /// A text, if there is one.
    ///
    /// # Errors
    /// When there is something else.
    fn text(&self, column: usize) -> Result<Option<&str>>;

    /// Bytes, if there are.
    ///
    /// # Errors
    /// When there is something else.
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>>;
}

/// What a column can be read as.
pub trait Column<'r>: Sized {
    /// The column's value; nothing when it is empty.
    ///
    /// # Errors
    /// When it is something else.
    fn read(row: &'r dyn Row, column: usize) -> Result<Option<Self>>;
}

impl dyn Row + '_ {
    /// A column that is never empty.
    ///
    /// # Errors
    /// When it is empty or something else.
    pub fn get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T> {
        self.find(column)?.ok_or_else(|| SqlError::Column {
            column,
            cause: "it is empty".to_owned(),
        })
    }

    /// A column that may be empty.
    ///
    /// # Errors
    /// When it is something else.
    pub fn find<'r, T: Column<'r>>(&'r self, column: usize) -> Result<Option<T>> {
        T::read(self, column)
    }
}

impl Column<'_> for i64 {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        row.integer(column)
    }
}

impl Column<'_> for u64 {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        let number = row.integer(column)?;
        number
            .map(|number| Self::try_from(number).map_err(|error| unfit(column, &error)))
            .transpose()
    }
}

impl Column<'_> for bool {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        Ok(row.integer(column)?.map(|number| number != 0))
    }
}

impl<'r> Column<'r> for &'r str {
    fn read(row: &'r dyn Row, column: usize) -> Result<Option<Self>> {
        row.text(column)
    }
}

impl Column<'_> for String {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        Ok(row.text(column)?.map(str::to_owned))
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn read(row: &'r dyn Row, column: usize) -> Result<Option<Self>> {
        row.bytes(column)
    }
}

impl Column<'_> for [u8; 32] {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        let bytes = row.bytes(column)?;
        bytes
            .map(|bytes| Self::try_from(bytes).map_err(|error| unfit(column, &error)))
            .transpose()
    }
}

/// Texts with a form of their own, which this program has checked before it wrote them.
macro_rules! parsed {
    ($($type:ty),*) => {$(
        impl Column<'_> for $type {
            fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
                let text = row.text(column)?;
                text.map(|text| text.parse().map_err(|error| unfit(column, &error)))
                    .transpose()
            }
        }
    )*};
}

parsed!(Digest, RepositoryName, Tag);

impl Column<'_> for UploadId {
    fn read(row: &dyn Row, column: usize) -> Result<Option<Self>> {
        let text = row.text(column)?;
        text.map(|text| UploadId::parse(text).ok_or_else(|| unfit(column, &"no name of an upload")))
            .transpose()
    }
}

fn unfit(column: usize, cause: &dyn std::fmt::Display) -> SqlError {
    let cause = cause.to_string();
    SqlError::Column { column, cause }
}

/// A connection on which statements are made.
pub trait Session {
    /// Makes a statement that answers with nothing. How many rows it changed.
    ///
    /// # Errors
    /// When the database refuses it.
    fn run(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64>;

    /// Hands each row of the answer to `each`, until that breaks off.
    ///
    /// # Errors
    /// When the database refuses it, or those of `each`.
    fn rows(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()>;

    /// Makes several statements, without parameters.
    ///
    /// # Errors
    /// When the database refuses one.
    fn script(&mut self, statements: &str) -> Result<()>;

    /// The chain of the audit log that this process writes.
    fn chain(&self) -> &str;
}

impl dyn Session + '_ {
    /// The first row of the answer.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub fn first<T>(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.rows(statement, values, &mut |row| {
            found = Some(read(row)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// All rows of the answer.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub fn all<T>(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.rows(statement, values, &mut |row| {
            found.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Whether the answer has a row.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub fn has(&mut self, statement: &str, values: &[Value<'_>]) -> Result<bool> {
        Ok(self.first(statement, values, |_| Ok(()))?.is_some())
    }

    /// The number that a statement ending in `RETURNING id` gives.
    ///
    /// # Errors
    /// As [`Session::rows`]; and when it gives none.
    pub fn insert(&mut self, statement: &str, values: &[Value<'_>]) -> Result<i64> {
        let id = self.first(statement, values, |row| row.get(0))?;
        id.ok_or_else(|| SqlError::Refused("nothing was inserted".to_owned()))
    }
}
