//! Entries of a package's tar members, in all dialects that dpkg writes: v7, ustar, GNU, PAX.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

use tar::EntryType;

use crate::deb::Limits;

/// The longest path or link target taken, in bytes: Linux' `PATH_MAX`.
const MAXIMUM_PATH_LENGTH: u64 = 4096;

/// How much of a name that is no good an error shows, in characters.
const MAXIMUM_SHOWN: usize = 80;

/// The longest PAX header taken, in bytes.
const MAXIMUM_PAX_LENGTH: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// Another name of a file that came before.
    Hardlink {
        /// That file, as its entry writes it.
        target: String,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataEntry {
    /// The path as written: `./usr/bin/env`.
    pub path: String,
    /// What it is.
    pub kind: DataKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name, if written.
    pub user: String,
    /// Group's name, if written.
    pub group: String,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl DataEntry {
    /// How many bytes its names and attributes have.
    fn names(&self) -> u64 {
        let target = match &self.kind {
            DataKind::Symlink { target } | DataKind::Hardlink { target } => target.len(),
            _ => 0,
        };
        let attributes = self.xattrs.iter();
        let attributes: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        (self.path.len() + self.user.len() + self.group.len() + target + attributes) as u64
    }
}

/// Hands a bounded number of bytes through, then fails: a bomb ends here.
pub(crate) struct Bounded<R> {
    reader: R,
    left: u64,
    limit: u64,
}

impl<R> Bounded<R> {
    pub(crate) fn new(reader: R, limit: u64) -> Self {
        Self {
            reader,
            left: limit,
            limit,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            invalid(format!(
                "it unfolds to more than the {} bytes allowed: a decompression bomb",
                self.limit
            ))
        })?;
        Ok(count)
    }
}

/// Content of an announced length: where it ends early, that is an error and no short file.
struct Whole<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends {} bytes before the end of an entry", self.left),
            ));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// What the headers before an entry say of it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: BTreeMap<String, Vec<u8>>,
}

type Visitor<'v> = dyn FnMut(&DataEntry, &mut dyn Read) -> io::Result<()> + 'v;

/// Visits all entries in order.
pub(crate) fn visit(
    reader: Bounded<impl Read>,
    limits: &Limits,
    visitor: &mut Visitor<'_>,
) -> io::Result<()> {
    let limit = reader.limit;
    let mut announced: u64 = 0;
    let mut archive = tar::Archive::new(reader);
    let mut seen: HashSet<String> = HashSet::new();
    let mut ahead = Ahead::default();
    let mut count = 0;
    let mut names: u64 = 0;
    for raw in archive.entries()?.raw(true) {
        let mut raw = raw?;
        count += 1;
        if count > limits.entries {
            return Err(invalid(format!(
                "it has more than {} entries",
                limits.entries
            )));
        }
        match raw.header().entry_type() {
            EntryType::GNULongName => ahead.path = Some(long(&mut raw)?),
            EntryType::GNULongLink => ahead.link = Some(long(&mut raw)?),
            EntryType::XHeader => ahead.pax = pax(&mut raw)?,
            // A global header says nothing that a package's entries need.
            EntryType::XGlobalHeader => {
                pax(&mut raw)?;
            }
            kind => {
                let entry = entry(&raw, kind, std::mem::take(&mut ahead))?;
                names = names.saturating_add(entry.names());
                if names > limits.names {
                    return Err(invalid(format!(
                        "its paths, links and attributes are longer than the {} bytes allowed",
                        limits.names
                    )));
                }
                let path = entry.path.trim_start_matches("./").trim_end_matches('/');
                if let DataKind::File { size } = entry.kind {
                    announced = announced.saturating_add(size);
                    // Before the visitor makes room for what is never to be read.
                    if announced > limit {
                        return Err(invalid(format!(
                            "with the entry {} it announces {announced} bytes of files, of the {limit} allowed: \
                             a decompression bomb",
                            entry.path
                        )));
                    }
                }
                if !seen.insert(path.to_owned()) && entry.kind != DataKind::Directory {
                    return Err(invalid(format!(
                        "the path {} stands twice in it",
                        entry.path
                    )));
                }
                let mut content = Whole {
                    left: raw.header().entry_size()?,
                    reader: raw,
                };
                visitor(&entry, &mut content)?;
                io::copy(&mut content, &mut io::sink())?;
            }
        }
    }
    // The archive ends at two zero blocks; what follows must be padding, and the stream must end whole.
    let mut rest = archive.into_inner();
    let mut buffer = [0; 4096];
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(invalid("something follows the end of its tar archive"));
        }
    }
}

/// The body of a GNU long name: text that ends with a NUL.
fn long(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    raw.take(MAXIMUM_PATH_LENGTH + 2).read_to_end(&mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The records of a PAX header (POSIX pax, *Extended Header*).
fn pax(raw: &mut impl Read) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut bytes = Vec::new();
    raw.take(MAXIMUM_PAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAXIMUM_PAX_LENGTH {
        return Err(invalid("a PAX header of it is longer than 1 MiB"));
    }
    let wrong = || invalid("a PAX header of it is malformed");
    let mut records = BTreeMap::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && rest.iter().any(|byte| *byte != 0) {
        let blank = memchr::memchr(b' ', rest).ok_or_else(wrong)?;
        let length = std::str::from_utf8(&rest[..blank])
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let record = length
            .and_then(|length| rest.get(..length))
            .ok_or_else(wrong)?;
        let body = record
            .get(blank + 1..)
            .and_then(|body| body.strip_suffix(b"\n"))
            .ok_or_else(wrong)?;
        let equals = memchr::memchr(b'=', body).ok_or_else(wrong)?;
        let key = std::str::from_utf8(&body[..equals]).map_err(|_| wrong())?;
        records.insert(key.to_owned(), body[equals + 1..].to_vec());
        rest = &rest[record.len()..];
    }
    Ok(records)
}

fn entry<R: Read>(raw: &tar::Entry<'_, R>, kind: EntryType, ahead: Ahead) -> io::Result<DataEntry> {
    let header = raw.header();
    let record = |key: &str| ahead.pax.get(key);
    let path = match record("path") {
        Some(path) => path.clone(),
        None => ahead
            .path
            .clone()
            .unwrap_or_else(|| header.path_bytes().into_owned()),
    };
    let path = text("an entry of it", path)?;
    let fail = |what: &str| invalid(format!("the entry {path} {what}"));
    let link = || {
        let link = match record("linkpath") {
            Some(link) => link.clone(),
            None => ahead
                .link
                .clone()
                .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned()),
        };
        text("the target of a link of it", link)
    };
    if path.split('/').any(|part| part == "..") {
        return Err(fail("climbs out of the package with `..`"));
    }
    let size = header.entry_size()?;
    if let Some(said) = number(record("size"))?
        && said != size
    {
        return Err(fail("has two sizes"));
    }
    if record("GNU.sparse.major").is_some() || record("GNU.sparse.map").is_some() {
        return Err(fail("is a sparse file, which packages do not hold"));
    }
    let kind = match kind {
        EntryType::Regular | EntryType::Continuous => DataKind::File { size },
        EntryType::Directory => DataKind::Directory,
        EntryType::Symlink => DataKind::Symlink { target: link()? },
        EntryType::Link => DataKind::Hardlink { target: link()? },
        EntryType::Fifo => DataKind::Fifo,
        EntryType::Char => DataKind::CharacterDevice,
        EntryType::Block => DataKind::BlockDevice,
        _ => return Err(fail("is of a kind that packages do not hold")),
    };
    if size != 0 && !matches!(kind, DataKind::File { .. }) {
        return Err(fail("has content, though it is no regular file"));
    }
    let id = |key: &str, plain: io::Result<u64>| -> io::Result<u32> {
        let value = match number(record(key))? {
            Some(value) => value,
            None => plain?,
        };
        u32::try_from(value).map_err(|_| fail("has an owner beyond 32 bits"))
    };
    let mtime = match record("mtime") {
        // A fraction of a second is cut.
        Some(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let whole = text.split('.').next().unwrap_or("");
            whole
                .parse::<i64>()
                .map_err(|_| fail("has no readable time"))?
        }
        None => i64::try_from(header.mtime()?).map_err(|_| fail("has a time beyond all bounds"))?,
    };
    let name =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let xattrs = ahead
        .pax
        .iter()
        .filter_map(|(key, value)| {
            key.strip_prefix("SCHILY.xattr.")
                .map(|key| (key.to_owned(), value.clone()))
        })
        .collect();
    Ok(DataEntry {
        mode: header.mode()? & 0o7777,
        uid: id("uid", header.uid())?,
        gid: id("gid", header.gid())?,
        user: name(header.username_bytes()),
        group: name(header.groupname_bytes()),
        mtime,
        xattrs,
        kind,
        path,
    })
}

/// The name of an entry or of what a link points to; `what` says which in an error.
fn text(what: &str, bytes: Vec<u8>) -> io::Result<String> {
    if bytes.is_empty() {
        return Err(invalid(format!("{what} has no name")));
    }
    let cause = if bytes.len() as u64 > MAXIMUM_PATH_LENGTH {
        format!("is over-long: more than {MAXIMUM_PATH_LENGTH} bytes")
    } else if bytes.contains(&0) {
        "holds a NUL".to_owned()
    } else {
        return String::from_utf8(bytes).map_err(|error| {
            let name = shown_bytes(error.as_bytes());
            invalid(format!(
                "{what}, {name}, is not UTF-8 (Debian Policy 10.10)"
            ))
        });
    };
    Err(invalid(format!("{what}, {}, {cause}", shown_bytes(&bytes))))
}

fn shown_bytes(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(
        &bytes[..bytes.len().min(4 * MAXIMUM_SHOWN)],
    ))
}

/// The beginning of a name that is no good, as a terminal may show it.
pub(crate) fn shown(start: &str) -> String {
    let mut shown: String = start
        .chars()
        .take(MAXIMUM_SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if start.chars().nth(MAXIMUM_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn number(record: Option<&Vec<u8>>) -> io::Result<Option<u64>> {
    record
        .map(|bytes| {
            std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| invalid("a number in a PAX header of it is none"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &[u8]) -> String {
        text("an entry of it", name.to_vec())
            .expect_err("it is no name")
            .to_string()
    }

    #[test]
    fn a_name_that_is_refused_is_shown_cut_and_without_commands_to_the_terminal() {
        let long = refused(&b"./usr/".repeat(1000));
        let shown = "./usr/".repeat(14)[..80].to_owned();
        assert_eq!(
            long,
            format!("an entry of it, {shown}…, is over-long: more than 4096 bytes")
        );
        assert_eq!(refused(b"a\0b"), "an entry of it, a\\0b, holds a NUL");
        let wrong = refused(b"\x1b[2J\xff");
        assert!(
            wrong.contains("\\u{1b}[2J\u{fffd}, is not UTF-8"),
            "{wrong}"
        );
        assert_eq!(refused(b""), "an entry of it has no name");
    }
}
