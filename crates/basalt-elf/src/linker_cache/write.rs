//! The bytes of the cache in its format `glibc-ld.so.cache1.1`.
//!
//! A header of 48 bytes, an entry of 24 for each library, the string table,
//! and at the next multiple of four the extension directory: the generator and,
//! where `glibc-hwcaps` are used, the offsets of their names. Numbers are
//! little-endian, as on every architecture built for.

use std::collections::BTreeSet;

use super::CacheEntry;
use super::order::compare_entries;
use super::strings::StringTable;

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER_SIZE: usize = 48;
const ENTRY_SIZE: usize = 24;
/// `cache_file_new_flags_endian_little`.
const LITTLE_ENDIAN: u32 = 2;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const TAG_GENERATOR: u32 = 0;
const TAG_HARDWARE: u32 = 1;
/// Set in an entry's hardware field when it is an index of `glibc-hwcaps`.
const HARDWARE_EXTENSION: u64 = 1 << 62;

pub(super) fn to_bytes(generator: &str, entries: &[CacheEntry]) -> Vec<u8> {
    let mut entries: Vec<&CacheEntry> = entries.iter().collect();
    // The sort keeps the order of directories among equals.
    entries.sort_by(|left, right| compare_entries(left, right));
    let hardware: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.hardware.as_deref())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let strings = StringTable::new(
        entries
            .iter()
            .flat_map(|entry| [entry.soname.as_str(), entry.path.as_str()])
            .chain(hardware.iter().copied()),
    );
    let table_start = HEADER_SIZE + entries.len() * ENTRY_SIZE;
    let base = number(table_start);
    let extension_start = (table_start + strings.bytes.len()).next_multiple_of(4);

    let mut bytes = Vec::with_capacity(extension_start + 128);
    bytes.extend_from_slice(MAGIC);
    for field in [
        number(entries.len()),
        number(strings.bytes.len()),
        LITTLE_ENDIAN,
        number(extension_start),
        0,
        0,
        0,
    ] {
        put(&mut bytes, field);
    }
    for entry in &entries {
        put(&mut bytes, entry.flags);
        put(
            &mut bytes,
            base.saturating_add(strings.offset(&entry.soname)),
        );
        put(&mut bytes, base.saturating_add(strings.offset(&entry.path)));
        // The operating system's version, which no release since 2.36 records.
        put(&mut bytes, 0);
        let field = entry.hardware.as_deref().map_or(0, |name| {
            let index = hardware.binary_search(&name).unwrap_or(0) as u64;
            HARDWARE_EXTENSION | (u64::from(entry.isa_level) << 32) | index
        });
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&strings.bytes);
    bytes.resize(extension_start, 0);

    let sections = if hardware.is_empty() { 1 } else { 2 };
    let names_start = extension_start + 8 + sections * 16;
    let generator_start = names_start + hardware.len() * 4;
    put(&mut bytes, EXTENSION_MAGIC);
    put(&mut bytes, number(sections));
    for field in [
        TAG_GENERATOR,
        0,
        number(generator_start),
        number(generator.len()),
    ] {
        put(&mut bytes, field);
    }
    if !hardware.is_empty() {
        for field in [
            TAG_HARDWARE,
            0,
            number(names_start),
            number(hardware.len() * 4),
        ] {
            put(&mut bytes, field);
        }
    }
    for name in hardware {
        put(&mut bytes, base.saturating_add(strings.offset(name)));
    }
    bytes.extend_from_slice(generator.as_bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, field: u32) {
    bytes.extend_from_slice(&field.to_le_bytes());
}

/// The format's fields are 32 bits; a cache near 4 GiB cannot arise from a
/// bounded set of directories.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
