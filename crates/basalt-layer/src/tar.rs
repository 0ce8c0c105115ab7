//! Tar headers in one dialect: ustar, with a PAX extended header only where ustar cannot say it.
//!
//! Fields follow POSIX.1-2017, *pax*: numeric ids, empty user and group names, whole seconds.
//! Extended attributes are PAX records `SCHILY.xattr.NAME`, as GNU tar, Go and libarchive read them.

use basalt_tree::{Entry, Kind, MAXIMUM_PATH_LENGTH, TreePath};

use crate::error::LayerError;

/// Length of a tar block in bytes.
pub(crate) const BLOCK: usize = 512;

/// The longest value of one extended attribute: Linux' `XATTR_SIZE_MAX`.
const MAXIMUM_XATTR: usize = 64 << 10;

/// The most PAX records of one entry together, in bytes.
const MAXIMUM_RECORDS: usize = 1 << 20;

const MAXIMUM_SIZE: u64 = 0o77_777_777_777;
const MAXIMUM_ID: u32 = 0o7_777_777;
const MAXIMUM_TIME: i64 = 0o77_777_777_777;

/// Zero bytes after content of this length, up to the next block.
pub(crate) fn padding(length: u64) -> usize {
    (BLOCK - (length % BLOCK as u64) as usize) % BLOCK
}

/// Appends the header blocks of an entry to `output`: all that stands before its content.
pub(crate) fn header(
    path: &TreePath,
    entry: &Entry,
    output: &mut Vec<u8>,
) -> Result<(), LayerError> {
    let unwritable = |cause| LayerError::Unwritable {
        path: path.clone(),
        cause,
    };
    if path.is_root() {
        return Err(unwritable("the root has no name"));
    }
    let mut records = Vec::new();
    let mut block = [0; BLOCK];

    let slash = if entry.is_directory() { "/" } else { "" };
    let name = format!("{path}{slash}", path = path.as_str());
    match split(&name) {
        Some((prefix, name)) => {
            put(&mut block, 0, name.as_bytes());
            put(&mut block, 345, prefix.as_bytes());
        }
        None => {
            record(&mut records, "path", name.as_bytes());
            put(&mut block, 0, ascii(&name, 100).as_bytes());
        }
    }

    let (flag, target) = match &entry.kind {
        Kind::File { .. } => (b'0', ""),
        Kind::Hardlink { target } => (b'1', target.as_str()),
        Kind::Symlink { target } => (b'2', target.as_str()),
        Kind::Directory => (b'5', ""),
        Kind::Fifo => (b'6', ""),
    };
    if target.contains('\0') || target.len() > MAXIMUM_PATH_LENGTH {
        return Err(unwritable("its link target is too long or holds a NUL"));
    }
    if target.is_empty() && matches!(flag, b'1' | b'2') {
        return Err(unwritable("its link target is empty"));
    }
    if target.len() > 100 || !target.is_ascii() {
        record(&mut records, "linkpath", target.as_bytes());
        put(&mut block, 157, ascii(target, 100).as_bytes());
    } else {
        put(&mut block, 157, target.as_bytes());
    }

    let size = entry.size();
    if size > MAXIMUM_SIZE {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    for (key, id, place) in [("uid", entry.uid, 108), ("gid", entry.gid, 116)] {
        if id > MAXIMUM_ID {
            record(&mut records, key, id.to_string().as_bytes());
        }
        octal(&mut block, place, 7, u64::from(id.min(MAXIMUM_ID)));
    }
    if !(0..=MAXIMUM_TIME).contains(&entry.mtime) {
        record(&mut records, "mtime", entry.mtime.to_string().as_bytes());
    }
    for (key, value) in &entry.xattrs {
        if key.is_empty() || key.contains(['=', '\0']) || value.len() > MAXIMUM_XATTR {
            return Err(unwritable(
                "one of its extended attributes is malformed or too long",
            ));
        }
        record(&mut records, &format!("SCHILY.xattr.{key}"), value);
    }
    if records.len() > MAXIMUM_RECORDS {
        return Err(unwritable(
            "its extended attributes are longer than 1 MiB together",
        ));
    }

    octal(&mut block, 100, 7, u64::from(entry.mode & 0o7777));
    octal(&mut block, 124, 11, size.min(MAXIMUM_SIZE));
    let time = entry.mtime.clamp(0, MAXIMUM_TIME);
    octal(&mut block, 136, 11, time.unsigned_abs());
    finish(&mut block, flag);

    if !records.is_empty() {
        extended(path, &records, output);
    }
    output.extend_from_slice(&block);
    Ok(())
}

/// The extended header: an entry of its own, whose content are the records.
fn extended(path: &TreePath, records: &[u8], output: &mut Vec<u8>) {
    let mut block = [0; BLOCK];
    put(
        &mut block,
        0,
        format!("PaxHeaders/{}", ascii(path.name(), 80)).as_bytes(),
    );
    octal(&mut block, 100, 7, 0o644);
    octal(&mut block, 108, 7, 0);
    octal(&mut block, 116, 7, 0);
    octal(&mut block, 124, 11, records.len() as u64);
    octal(&mut block, 136, 11, 0);
    finish(&mut block, b'x');
    output.extend_from_slice(&block);
    output.extend_from_slice(records);
    output.resize(output.len() + padding(records.len() as u64), 0);
}

/// Type, magic, device numbers and checksum.
fn finish(block: &mut [u8; BLOCK], flag: u8) {
    block[156] = flag;
    put(block, 257, b"ustar\x0000");
    octal(block, 329, 7, 0);
    octal(block, 337, 7, 0);
    put(block, 148, b"        ");
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(block, 148, 6, sum);
}

fn put(block: &mut [u8; BLOCK], place: usize, bytes: &[u8]) {
    block[place..place + bytes.len()].copy_from_slice(bytes);
}

/// A number in octal digits with leading zeros; the byte after it stays as it is (NUL or space).
fn octal(block: &mut [u8; BLOCK], place: usize, digits: usize, value: u64) {
    let mut value = value;
    for byte in block[place..place + digits].iter_mut().rev() {
        *byte = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    if digits == 6 {
        // The checksum ends with a NUL, then a space.
        block[place + digits] = 0;
    }
}

/// Splits a name into ustar's prefix (at most 155 bytes) and name (at most 100).
fn split(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some(("", name));
    }
    // The earliest slash that leaves a short enough name; the last byte may be a directory's slash.
    let earliest = name.len() - 101;
    let at = earliest + name.get(earliest..name.len() - 1)?.find('/')?;
    (at <= 155 && at > 0).then(|| (&name[..at], &name[at + 1..]))
}

/// What a reader without PAX sees of a name: ASCII and not too long.
fn ascii(name: &str, length: usize) -> String {
    name.chars()
        .map(|character| if character.is_ascii() { character } else { '_' })
        .take(length)
        .collect()
}

/// One PAX record, `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}
