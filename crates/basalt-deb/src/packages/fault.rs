//! Stanzas of an index that cannot be used: each costs its own package and no other.

use std::fmt;

use super::wire;
use crate::version::Version;

/// A package whose stanza cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub package: String,
    /// Its version, where that can be read.
    pub version: Option<Version>,
    /// Whether it says `Essential: yes`.
    pub essential: bool,
    /// The line of the index at fault, counted from 1; 0 where it is not known.
    pub line: usize,
    /// The field at fault; empty where the stanza as a whole is.
    pub field: String,
    /// What is wrong with it.
    pub cause: String,
    /// Names that it provides, as far as its stanza can be read; at most [`MAXIMUM_PROVIDES`].
    pub provides: Vec<String>,
}

/// The most names of one that are kept.
pub(super) const MAXIMUM_PROVIDES: usize = 1000;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the package `{}`", self.package)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        if self.line > 0 {
            write!(f, " at line {} of the index", self.line)?;
        }
        match self.field.as_str() {
            "" => write!(f, " cannot be read: {}", self.cause),
            field => write!(f, " has a bad `{field}`: {}", self.cause),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// Appends it to a compiled index.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        wire::put_text(out, &self.package);
        let version = self.version.as_ref().map_or("", Version::as_str);
        wire::put_text(out, version);
        out.push(u8::from(self.essential));
        wire::put_number(out, self.line as u64);
        wire::put_text(out, &self.field);
        wire::put_text(out, &self.cause);
        wire::put_number(out, self.provides.len() as u64);
        for name in &self.provides {
            wire::put_text(out, name);
        }
    }

    /// Reads what [`Fault::put`] wrote; `None` where the bytes make no sense.
    pub(super) fn take(cursor: &mut wire::Cursor<'_>) -> Option<Self> {
        Some(Self {
            package: cursor.text()?.to_owned(),
            version: match cursor.text()? {
                "" => None,
                text => Some(Version::new(text).ok()?),
            },
            essential: cursor.byte()? != 0,
            line: usize::try_from(cursor.number()?).ok()?,
            field: cursor.text()?.to_owned(),
            cause: cursor.text()?.to_owned(),
            provides: (0..cursor.number()?)
                .map(|_| Some(cursor.text()?.to_owned()))
                .collect::<Option<_>>()?,
        })
    }
}
