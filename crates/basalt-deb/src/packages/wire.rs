//! How a compiled index is laid out.
//!
//! ```text
//! magic, the count of each table, the lengths of the architecture and of the records
//! names:      (where the name stands, its length, the first record)  sorted by name
//! offsets:    where each record begins, and where the last one ends
//! virtuals:   (where the name stands, its length, the first provider)  sorted by name
//! providers:  the numbers of the records that provide the names above
//! marks:      a byte for each record: priority, essential
//! architecture, records, faults
//! SHA-256 of all before
//! ```
//! Numbers are little-endian. "Where" counts from the start of the records. The records of one name
//! are neighbours, the newest first. Faults are the stanzas that cannot be used, each with its name
//! and cause.

use super::record::{MultiArch, Priority};

/// What a compiled index begins with; the digit is the layout's number.
pub(super) const MAGIC: &[u8; 16] = b"basalt-packages3";

/// The length of the numbers at the start: the magic and seven counts.
pub(super) const HEADER_LENGTH: usize = 16 + 7 * 4;

/// The length of a row of the names or of the virtual names.
pub(super) const ROW_LENGTH: usize = 12;

/// The length of the digest at the end.
pub(super) const DIGEST_LENGTH: usize = 32;

/// The bit of a mark that says the package is essential.
pub(super) const ESSENTIAL: u8 = 0x80;

const PRIORITIES: [Priority; 6] = [
    Priority::Required,
    Priority::Important,
    Priority::Standard,
    Priority::Optional,
    Priority::Extra,
    Priority::Unknown,
];

const MULTI_ARCHES: [MultiArch; 4] = [
    MultiArch::No,
    MultiArch::Same,
    MultiArch::Foreign,
    MultiArch::Allowed,
];

/// The bits of a mark that say the priority.
pub(super) fn priority_mark(priority: Priority) -> u8 {
    PRIORITIES
        .iter()
        .position(|each| *each == priority)
        .unwrap_or(5) as u8
}

/// The priority a mark says.
pub(super) fn priority_of(mark: u8) -> Priority {
    PRIORITIES
        .get(usize::from(mark & 0x0f))
        .copied()
        .unwrap_or_default()
}

/// The bits of a record's flags: multi-arch in the lowest two.
pub(super) fn multi_arch_flag(multi_arch: MultiArch) -> u8 {
    MULTI_ARCHES
        .iter()
        .position(|each| *each == multi_arch)
        .unwrap_or(0) as u8
}

/// The multi-arch that flags say.
pub(super) fn multi_arch_of(flags: u8) -> MultiArch {
    MULTI_ARCHES[usize::from(flags & 3)]
}

/// A record's flag: architecture `all`.
pub(super) const FLAG_ALL: u8 = 4;
/// A record's flag: protected.
pub(super) const FLAG_IMPORTANT: u8 = 8;
/// A record's flag: the filename follows the archive's pattern, and only its head is kept.
pub(super) const FLAG_POOL: u8 = 16;
/// A record's flags: which digests it has, SHA-256 of 32 bytes before SHA-512 of 64.
pub(super) const FLAG_SHA256: u8 = 64;
pub(super) const FLAG_SHA512: u8 = 32;

/// Appends a number, seven bits to a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a text with its length before it.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what the functions above wrote. `None` where the bytes end too early or make no sense.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// The next number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The next text.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

/// The rest of a filename that follows the pattern of Debian's pool:
/// `HEAD/FIRST/SOURCE/NAME_VERSION_ARCHITECTURE.deb`, FIRST being `libx` or `x`.
pub(super) fn pool_tail(
    source: &str,
    name: &str,
    version_without_epoch: &str,
    architecture: &str,
) -> String {
    let first = match source.strip_prefix("lib") {
        Some(rest) if !rest.is_empty() => 4,
        _ => 1,
    };
    let first = source.get(..first).unwrap_or(source);
    format!("/{first}/{source}/{name}_{version_without_epoch}_{architecture}.deb")
}
