//! Binary packages (deb(5)): an ar archive of `debian-binary`, `control.tar` and `data.tar`.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::ar::{Archive, Member};
use crate::compression::Compression;
use crate::entries::{self, Bounded, shown};

pub use crate::entries::{DataEntry, DataKind};

/// Bounds of what a package may unfold to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes of the data member, in all.
    pub data: u64,
    /// How many times larger than its compressed member the data may be, above [`Limits::always`].
    pub ratio: u64,
    /// Uncompressed bytes of data that are always allowed.
    pub always: u64,
    /// Entries of the data member.
    pub entries: usize,
    /// Uncompressed bytes of the control member.
    pub control: u64,
    /// Bytes of all paths, link targets and extended attributes of a member: they are kept in memory.
    pub names: u64,
}

impl Default for Limits {
    /// Roomy enough for the largest packages of Debian's archive: 8 GiB, 400 times, 1,000,000 entries
    /// with 256 MiB of names.
    fn default() -> Self {
        Self {
            data: 8 << 30,
            ratio: 400,
            always: 64 << 20,
            entries: 1_000_000,
            control: 64 << 20,
            names: 256 << 20,
        }
    }
}

impl Limits {
    fn data_of(&self, compressed: u64) -> u64 {
        self.data
            .min(self.always.max(compressed.saturating_mul(self.ratio)))
    }
}

/// What the control member says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The `control` stanza, verbatim.
    pub stanza: String,
    /// The other members by name: `postinst`, `triggers`, `conffiles`, `md5sums`, `templates`.
    pub members: BTreeMap<String, Vec<u8>>,
    /// When the package was made, in seconds since 1970: the date of `debian-binary`.
    pub date: i64,
}

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebError {
    /// It is cut, damaged, or refused by who looks at its entries.
    #[error("the package cannot be read")]
    Io(#[from] io::Error),
    /// It is not as deb(5) has it.
    #[error("the package is malformed: {0}")]
    Malformed(String),
}

fn malformed(text: impl Into<String>) -> DebError {
    DebError::Malformed(text.into())
}

/// Reads a package: the control member, then each entry of the data member in its order, with a
/// reader of its content (empty for all but regular files). What the visitor leaves unread is skipped.
///
/// # Errors
/// When the package is malformed, passes a limit, or the visitor fails.
pub fn read(
    reader: impl Read,
    limits: &Limits,
    visitor: &mut dyn FnMut(&DataEntry, &mut dyn Read) -> io::Result<()>,
) -> Result<Control, DebError> {
    let mut archive = Archive::open(reader)?;
    let control = control(&mut archive, limits)?;
    let member = member(&mut archive)?.ok_or_else(|| malformed("it has no data member"))?;
    let compression = compression(&member.name, "data.tar", &OF_DATA)?;
    let limit = limits.data_of(member.size);
    {
        let plain = Bounded::new(compression.reader(&mut archive)?, limit);
        entries::visit(plain, limits, visitor)?;
    }
    // The end of the stream carries its checksum; bytes behind it are no part of a package.
    if !archive.at_end() {
        return Err(malformed("something follows the data within its member"));
    }
    Ok(control)
}

/// Reads the control member only.
///
/// # Errors
/// As [`read`].
pub fn read_control(reader: impl Read, limits: &Limits) -> Result<Control, DebError> {
    control(&mut Archive::open(reader)?, limits)
}

/// How a control member may be compressed, by suffix: what dpkg takes.
const OF_CONTROL: [&str; 4] = ["", ".gz", ".xz", ".zst"];

/// How a data member may be compressed: what dpkg takes.
const OF_DATA: [&str; 6] = ["", ".gz", ".xz", ".zst", ".bz2", ".lzma"];

/// More optional members than these are not passed over.
const MAXIMUM_OPTIONAL: usize = 64;

/// The next member that counts. Those whose names begin with `_` are optional, and mean nothing to who
/// does not know them (deb(5)); dpkg passes them over wherever they stand after the first.
fn member<R: Read>(archive: &mut Archive<R>) -> Result<Option<Member>, DebError> {
    for _ in 0..=MAXIMUM_OPTIONAL {
        match archive.next()? {
            Some(member) if member.name.starts_with('_') => {}
            member => return Ok(member),
        }
    }
    Err(malformed(format!(
        "more than {MAXIMUM_OPTIONAL} optional members stand before one that counts"
    )))
}

fn compression(name: &str, stem: &str, taken: &[&str]) -> Result<Compression, DebError> {
    let suffix = name
        .strip_prefix(stem)
        .ok_or_else(|| malformed(format!("`{}` stands where `{stem}` must", shown(name))))?;
    taken
        .contains(&suffix)
        .then(|| Compression::of_suffix(suffix.trim_start_matches('.')))
        .flatten()
        .ok_or_else(|| {
            let taken: Vec<String> = taken.iter().map(|one| format!("`{stem}{one}`")).collect();
            malformed(format!(
                "`{}` is compressed in a way that is not read: {} are",
                shown(name),
                taken.join(", ")
            ))
        })
}

fn control<R: Read>(archive: &mut Archive<R>, limits: &Limits) -> Result<Control, DebError> {
    let first = archive.next()?.ok_or_else(|| malformed("it is empty"))?;
    if first.name != "debian-binary" || first.size > 64 {
        return Err(malformed("its first member is not `debian-binary`"));
    }
    let mut version = String::new();
    archive.read_to_string(&mut version)?;
    if !version.starts_with("2.") {
        return Err(malformed(format!(
            "its format is `{}`; 2.0 is read",
            version.trim_ascii()
        )));
    }
    let member = member(archive)?.ok_or_else(|| malformed("it has no control member"))?;
    let compression = compression(&member.name, "control.tar", &OF_CONTROL)?;
    let mut members = BTreeMap::new();
    let plain = Bounded::new(compression.reader(archive)?, limits.control);
    entries::visit(plain, limits, &mut |entry, content| {
        if let DataKind::File { .. } = entry.kind {
            let name = entry.path.trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            members.insert(name, bytes);
        }
        Ok(())
    })?;
    let stanza = members
        .remove("control")
        .ok_or_else(|| malformed("its control member holds no `control`"))?;
    Ok(Control {
        stanza: String::from_utf8(stanza).map_err(|_| malformed("its `control` is not UTF-8"))?,
        members,
        date: first.date,
    })
}
