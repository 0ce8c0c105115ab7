//! Opens a compiled index and answers from it.

use std::ops::Range;

use basalt_digest::Digest;

use super::record::{PackageRecord, Priority};
use super::wire;
use crate::relation::{Dependency, RelationError, parse_dependencies, parse_provides};
use crate::version::{Version, VersionError};

/// A compiled index that cannot be opened, or a record in it that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The bytes are no compiled index of this layout; it must be compiled anew.
    #[error("this is not a compiled package index of this version; compile it anew")]
    NotOurs,
    /// The bytes are damaged; it must be compiled anew.
    #[error("the compiled package index is damaged ({0}); compile it anew")]
    Damaged(&'static str),
    /// A relation of a package is malformed.
    #[error("the package `{package}` of the index has a bad `{field}`: {cause}")]
    Relation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        cause: RelationError,
    },
    /// A version of a package is malformed.
    #[error("the package `{package}` of the index has a bad version: {cause}")]
    Version {
        /// The package.
        package: String,
        /// What is wrong with it.
        cause: VersionError,
    },
}

/// A package index, compiled: opens in the time its digest takes, and parses only what is asked for.
#[derive(Clone)]
pub struct CompiledIndex {
    bytes: Vec<u8>,
    names: Range<usize>,
    offsets: Range<usize>,
    virtuals: Range<usize>,
    providers: Range<usize>,
    marks: Range<usize>,
    architecture: String,
    records: Range<usize>,
}

impl std::fmt::Debug for CompiledIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledIndex")
            .field("architecture", &self.architecture)
            .field("packages", &self.len())
            .finish_non_exhaustive()
    }
}

impl CompiledIndex {
    /// Opens what [`super::compile`] made, after checking the digest at its end.
    ///
    /// # Errors
    /// When it is of another layout or damaged; compiling anew is the way out of both.
    pub fn open(bytes: Vec<u8>) -> Result<Self, IndexError> {
        if !bytes.starts_with(wire::MAGIC) {
            return Err(IndexError::NotOurs);
        }
        let cut_off = IndexError::Damaged("it is cut off");
        let body_length = bytes
            .len()
            .checked_sub(wire::DIGEST_LENGTH)
            .filter(|length| *length >= wire::HEADER_LENGTH)
            .ok_or(cut_off.clone())?;
        let (body, digest) = bytes.split_at(body_length);
        if Digest::of(body).as_bytes() != digest {
            return Err(IndexError::Damaged("its digest is wrong"));
        }
        let count = |place: usize| {
            let start = 16 + 4 * place;
            number_at(body, start).map_or(0, |number| number as usize)
        };
        let mut end = wire::HEADER_LENGTH;
        let mut table = |length: usize| {
            let start = end;
            end = end.saturating_add(length);
            start..end
        };
        let names = table(count(0).saturating_mul(wire::ROW_LENGTH));
        let offsets = table(count(1).saturating_add(1).saturating_mul(4));
        let virtuals = table(count(2).saturating_mul(wire::ROW_LENGTH));
        let providers = table(count(3).saturating_mul(4));
        let marks = table(count(1));
        let architecture = table(count(4));
        let records = table(count(5));
        if end != body_length {
            return Err(cut_off);
        }
        let architecture = std::str::from_utf8(&bytes[architecture])
            .map_err(|_| IndexError::Damaged("its architecture is not UTF-8"))?
            .to_owned();
        Ok(Self {
            names,
            offsets,
            virtuals,
            providers,
            marks,
            architecture,
            records,
            bytes,
        })
    }

    /// The architecture it was compiled for.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// How many packages it holds, each version counted.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether it holds no package.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The packages of this name, the newest first; none where the index has no such package.
    ///
    /// # Errors
    /// When a relation in one of them is malformed.
    pub fn records(&self, name: &str) -> Result<Vec<PackageRecord>, IndexError> {
        self.record_numbers(name)
            .map(|number| self.record(number))
            .collect()
    }

    /// Whether a package of this name is in the index.
    pub fn contains(&self, name: &str) -> bool {
        self.find(&self.names, name).is_some()
    }

    /// The packages whose `Provides` has this name, sorted by name. A real package of this name is
    /// among them only if it says so itself.
    ///
    /// # Errors
    /// When a relation in one of them is malformed.
    pub fn providers(&self, name: &str) -> Result<Vec<PackageRecord>, IndexError> {
        let Some(row) = self.find(&self.virtuals, name) else {
            return Ok(Vec::new());
        };
        let total = self.providers.len() / 4;
        self.span(&self.virtuals, row, total)
            .filter_map(|place| number_at(&self.bytes, self.providers.start + 4 * place))
            .map(|number| self.record(number as usize))
            .collect()
    }

    /// The names of all packages, sorted, each once.
    pub fn iter_names(&self) -> impl Iterator<Item = &str> {
        (0..self.names.len() / wire::ROW_LENGTH).filter_map(|row| self.row_name(&self.names, row))
    }

    /// All packages, sorted by name, of one name the newest first.
    pub fn iter(&self) -> impl Iterator<Item = Result<PackageRecord, IndexError>> {
        (0..self.len()).map(|number| self.record(number))
    }

    /// Name and version of all packages as written, sorted by name: what an oracle compares.
    pub fn iter_versions(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).filter_map(|number| {
            let mut cursor = wire::Cursor(self.record_bytes(number)?);
            cursor.bytes(2)?;
            Some((cursor.text()?, cursor.text()?))
        })
    }

    /// The essential packages, sorted by name.
    ///
    /// # Errors
    /// When a relation in one of them is malformed.
    pub fn essential(&self) -> Result<Vec<PackageRecord>, IndexError> {
        self.marked(|mark| mark & wire::ESSENTIAL != 0)
    }

    /// The packages of this priority, sorted by name.
    ///
    /// # Errors
    /// When a relation in one of them is malformed.
    pub fn by_priority(&self, priority: Priority) -> Result<Vec<PackageRecord>, IndexError> {
        self.marked(|mark| wire::priority_of(mark) == priority)
    }

    fn marked(&self, wanted: impl Fn(u8) -> bool) -> Result<Vec<PackageRecord>, IndexError> {
        self.bytes[self.marks.clone()]
            .iter()
            .enumerate()
            .filter(|(_, mark)| wanted(**mark))
            .map(|(number, _)| self.record(number))
            .collect()
    }

    fn record_numbers(&self, name: &str) -> Range<usize> {
        match self.find(&self.names, name) {
            Some(row) => self.span(&self.names, row, self.len()),
            None => 0..0,
        }
    }

    /// What belongs to a row: from its own number up to the next row's.
    fn span(&self, table: &Range<usize>, row: usize, total: usize) -> Range<usize> {
        let first = |row: usize| {
            let start = table.start + row * wire::ROW_LENGTH;
            (start < table.end)
                .then(|| number_at(&self.bytes, start + 8))
                .flatten()
                .map_or(total, |number| number as usize)
        };
        first(row).min(total)..first(row + 1).min(total)
    }

    fn row_name(&self, table: &Range<usize>, row: usize) -> Option<&str> {
        let start = table.start + row * wire::ROW_LENGTH;
        let place = number_at(&self.bytes, start)? as usize;
        let length = number_at(&self.bytes, start + 4)? as usize;
        let name = self
            .bytes
            .get(self.records.clone())?
            .get(place..place.checked_add(length)?)?;
        std::str::from_utf8(name).ok()
    }

    fn find(&self, table: &Range<usize>, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, table.len() / wire::ROW_LENGTH);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.row_name(table, middle)?.cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn record_bytes(&self, number: usize) -> Option<&[u8]> {
        let place = self.offsets.start + 4 * number;
        let start = number_at(&self.bytes, place)? as usize;
        let end = number_at(&self.bytes, place + 4)? as usize;
        self.bytes.get(self.records.clone())?.get(start..end)
    }

    fn record(&self, number: usize) -> Result<PackageRecord, IndexError> {
        const CUT_OFF: IndexError = IndexError::Damaged("a record is cut off");
        let bytes = self.record_bytes(number).ok_or(CUT_OFF)?;
        let raw = RawRecord::read(bytes).ok_or(CUT_OFF)?;
        raw.parse(&self.architecture)
    }
}

/// A record whose relations are still text.
struct RawRecord<'a> {
    flags: u8,
    mark: u8,
    name: &'a str,
    version: &'a str,
    source: &'a str,
    source_version: &'a str,
    section: &'a str,
    installed: u64,
    size: u64,
    sha256: Digest,
    filename: &'a str,
    relations: [&'a str; 6],
    provides: &'a str,
}

impl<'a> RawRecord<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = wire::Cursor(bytes);
        Some(Self {
            flags: cursor.byte()?,
            mark: cursor.byte()?,
            name: cursor.text()?,
            version: cursor.text()?,
            source: cursor.text()?,
            source_version: cursor.text()?,
            section: cursor.text()?,
            installed: cursor.number()?,
            size: cursor.number()?,
            sha256: Digest::from_bytes(cursor.bytes(32)?.try_into().ok()?),
            filename: cursor.text()?,
            relations: {
                let mut relations = [""; 6];
                for relation in &mut relations {
                    *relation = cursor.text()?;
                }
                relations
            },
            provides: cursor.text()?,
        })
    }

    fn parse(&self, architecture: &str) -> Result<PackageRecord, IndexError> {
        let relation_error = |field| {
            move |cause| IndexError::Relation {
                package: self.name.to_owned(),
                field,
                cause,
            }
        };
        let relation = |field, place: usize| -> Result<Vec<Dependency>, IndexError> {
            parse_dependencies(self.relations[place], architecture).map_err(relation_error(field))
        };
        let parse_version = |text: &str| {
            Version::new(text).map_err(|cause| IndexError::Version {
                package: self.name.to_owned(),
                cause,
            })
        };
        let version = parse_version(self.version)?;
        let source_version = match self.source_version {
            "" => version.clone(),
            text => parse_version(text)?,
        };
        let source = if self.source.is_empty() {
            self.name
        } else {
            self.source
        };
        let own_architecture = if self.flags & wire::FLAG_ALL != 0 {
            "all"
        } else {
            architecture
        };
        let mut filename = self.filename.to_owned();
        if self.flags & wire::FLAG_POOL != 0 {
            filename.push_str(&wire::pool_tail(
                source,
                self.name,
                version.without_epoch(),
                own_architecture,
            ));
        }
        Ok(PackageRecord {
            name: self.name.to_owned(),
            architecture: own_architecture.to_owned(),
            source: source.to_owned(),
            source_version,
            multi_arch: wire::multi_arch_of(self.flags),
            essential: self.mark & wire::ESSENTIAL != 0,
            important: self.flags & wire::FLAG_IMPORTANT != 0,
            priority: wire::priority_of(self.mark),
            section: self.section.to_owned(),
            installed_size: self.installed.checked_sub(1),
            depends: relation("Depends", 0)?,
            pre_depends: relation("Pre-Depends", 1)?,
            recommends: relation("Recommends", 2)?,
            conflicts: relation("Conflicts", 3)?,
            breaks: relation("Breaks", 4)?,
            replaces: relation("Replaces", 5)?,
            provides: parse_provides(self.provides, architecture)
                .map_err(relation_error("Provides"))?,
            filename,
            size: self.size,
            sha256: self.sha256,
            version,
        })
    }
}

/// The little-endian number at a place, if it is inside.
fn number_at(bytes: &[u8], place: usize) -> Option<u32> {
    let four = bytes.get(place..place.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
