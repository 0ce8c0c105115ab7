//! Opens a compiled index and answers from it.

use std::collections::HashMap;
use std::ops::Range;

use basalt_digest::{Digest, Promise, Sha512};

use super::fault::Fault;
use super::record::{PackageRecord, Priority};
use super::wire;
use crate::relation::{Dependency, parse_dependencies, parse_provides};
use crate::version::Version;

/// A compiled index that cannot be opened, or a record in it that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The bytes are no compiled index of this layout; it must be compiled anew.
    #[error("this is not a compiled package index of this version; compile it anew")]
    NotOurs,
    /// The bytes are damaged; it must be compiled anew.
    #[error("the compiled package index is damaged ({0}); compile it anew")]
    Damaged(&'static str),
}

/// What an index has of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The packages that may be chosen, the newest first.
    pub records: Vec<PackageRecord>,
    /// Those that may not, as their stanzas are malformed.
    pub faults: Vec<Fault>,
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
    faults: HashMap<String, Vec<Fault>>,
    /// Of those, by the names that they provide.
    faulty_providers: HashMap<String, Vec<String>>,
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
        let faults = table(count(6));
        if end != body_length {
            return Err(cut_off);
        }
        let architecture = std::str::from_utf8(&bytes[architecture])
            .map_err(|_| IndexError::Damaged("its architecture is not UTF-8"))?
            .to_owned();
        let faults = read_faults(&bytes[faults]).ok_or(cut_off)?;
        let mut faulty_providers: HashMap<String, Vec<String>> = HashMap::new();
        for fault in faults.values().flatten() {
            for name in &fault.provides {
                let packages = faulty_providers.entry(name.clone()).or_default();
                packages.push(fault.package.clone());
            }
        }
        Ok(Self {
            names,
            offsets,
            virtuals,
            providers,
            marks,
            architecture,
            records,
            faults,
            faulty_providers,
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

    /// What the index has of a name; nothing where it has no such package.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn find(&self, name: &str) -> Result<Found, IndexError> {
        let mut found = Found {
            records: Vec::new(),
            faults: self.faults.get(name).cloned().unwrap_or_default(),
        };
        for number in self.record_numbers(name) {
            match self.record(number)? {
                Ok(record) => found.records.push(record),
                Err(fault) => found.faults.push(*fault),
            }
        }
        Ok(found)
    }

    /// The packages of this name that may be chosen, the newest first.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn records(&self, name: &str) -> Result<Vec<PackageRecord>, IndexError> {
        Ok(self.find(name)?.records)
    }

    /// Whether a package of this name is in the index, be it one that may not be chosen.
    pub fn contains(&self, name: &str) -> bool {
        self.row_of(&self.names, name).is_some() || self.faults.contains_key(name)
    }

    /// The names of the packages whose `Provides` has this name, sorted, each once for each version. A
    /// real package of this name is among them only if it says so itself.
    pub fn providers(&self, name: &str) -> Vec<&str> {
        let Some(row) = self.row_of(&self.virtuals, name) else {
            return Vec::new();
        };
        let total = self.providers.len() / 4;
        self.span(&self.virtuals, row, total)
            .filter_map(|place| number_at(&self.bytes, self.providers.start + 4 * place))
            .filter_map(|number| self.record_name(number as usize))
            .collect()
    }

    /// The packages whose stanza cannot be used and says that they provide this name.
    pub fn faulty_providers(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.faulty_providers.get(name);
        found.into_iter().flatten().map(String::as_str)
    }

    /// The stanzas that cannot be used, by package.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        let mut all: Vec<&Fault> = self.faults.values().flatten().collect();
        all.sort_by(|left, right| (&left.package, left.line).cmp(&(&right.package, right.line)));
        all.into_iter()
    }

    /// The names of all packages, sorted, each once.
    pub fn iter_names(&self) -> impl Iterator<Item = &str> {
        (0..self.names.len() / wire::ROW_LENGTH).filter_map(|row| self.row_name(&self.names, row))
    }

    /// Name and version of all packages as written, sorted by name: what an oracle compares.
    pub fn iter_versions(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).filter_map(|number| {
            let mut cursor = wire::Cursor(self.record_bytes(number)?);
            cursor.bytes(2)?;
            Some((cursor.text()?, cursor.text()?))
        })
    }

    /// The names of the essential packages, sorted; those of stanzas that cannot be used are among them.
    pub fn essential(&self) -> Vec<&str> {
        let marked = self.marked(|mark| mark & wire::ESSENTIAL != 0);
        let faulty = self.faults.values().flatten();
        let faulty = faulty.filter(|fault| fault.essential);
        let mut names: Vec<&str> = marked
            .chain(faulty.map(|fault| fault.package.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of the packages of this priority, sorted.
    pub fn by_priority(&self, priority: Priority) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .marked(|mark| wire::priority_of(mark) == priority)
            .collect();
        names.dedup();
        names
    }

    fn marked(&self, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = &str> {
        self.bytes[self.marks.clone()]
            .iter()
            .enumerate()
            .filter(move |(_, mark)| wanted(**mark))
            .filter_map(|(number, _)| self.record_name(number))
    }

    fn record_numbers(&self, name: &str) -> Range<usize> {
        match self.row_of(&self.names, name) {
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

    fn row_of(&self, table: &Range<usize>, name: &str) -> Option<usize> {
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

    fn record_name(&self, number: usize) -> Option<&str> {
        let mut cursor = wire::Cursor(self.record_bytes(number)?);
        cursor.bytes(2)?;
        cursor.text()
    }

    /// A record, or what is wrong with its relations.
    fn record(&self, number: usize) -> Result<Result<PackageRecord, Box<Fault>>, IndexError> {
        const CUT_OFF: IndexError = IndexError::Damaged("a record is cut off");
        let bytes = self.record_bytes(number).ok_or(CUT_OFF)?;
        let raw = RawRecord::read(bytes).ok_or(CUT_OFF)?;
        Ok(raw.parse(&self.architecture))
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
    digest: Promise,
    filename: &'a str,
    relations: [&'a str; 6],
    provides: &'a str,
}

impl<'a> RawRecord<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = wire::Cursor(bytes);
        let flags = cursor.byte()?;
        Some(Self {
            flags,
            mark: cursor.byte()?,
            name: cursor.text()?,
            version: cursor.text()?,
            source: cursor.text()?,
            source_version: cursor.text()?,
            section: cursor.text()?,
            installed: cursor.number()?,
            size: cursor.number()?,
            digest: {
                let sha256 = match flags & wire::FLAG_SHA256 {
                    0 => None,
                    _ => Some(Digest::from_bytes(cursor.bytes(32)?.try_into().ok()?)),
                };
                let sha512 = match flags & wire::FLAG_SHA512 {
                    0 => None,
                    _ => Some(Sha512::from_bytes(cursor.bytes(64)?.try_into().ok()?)),
                };
                Promise::of(sha256, sha512)?
            },
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

    /// Parses the texts; a bad one makes the whole record one that may not be chosen.
    fn parse(&self, architecture: &str) -> Result<PackageRecord, Box<Fault>> {
        let bad = |field: &str, cause: &dyn std::fmt::Display| {
            Box::new(Fault {
                package: self.name.to_owned(),
                version: Version::new(self.version).ok(),
                essential: self.mark & wire::ESSENTIAL != 0,
                line: 0,
                field: field.to_owned(),
                cause: cause.to_string(),
                // The virtual names lead to it.
                provides: Vec::new(),
            })
        };
        let relation = |field, place: usize| -> Result<Vec<Dependency>, Box<Fault>> {
            parse_dependencies(self.relations[place], architecture)
                .map_err(|cause| bad(field, &cause))
        };
        let parse_version =
            |field, text: &str| Version::new(text).map_err(|cause| bad(field, &cause));
        let version = parse_version("Version", self.version)?;
        let source_version = match self.source_version {
            "" => version.clone(),
            text => parse_version("Source", text)?,
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
                .map_err(|cause| bad("Provides", &cause))?,
            filename,
            size: self.size,
            digest: self.digest,
            version,
        })
    }
}

/// The faults of an index, by package.
fn read_faults(bytes: &[u8]) -> Option<HashMap<String, Vec<Fault>>> {
    let mut faults: HashMap<String, Vec<Fault>> = HashMap::new();
    let mut cursor = wire::Cursor(bytes);
    while !cursor.0.is_empty() {
        let fault = Fault::take(&mut cursor)?;
        faults.entry(fault.package.clone()).or_default().push(fault);
    }
    Some(faults)
}

/// The little-endian number at a place, if it is inside.
fn number_at(bytes: &[u8], place: usize) -> Option<u32> {
    let four = bytes.get(place..place.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
