//! The form of the journal's files: a header, then frames, each with its length at both ends and a checksum.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::super::sql::session::Value;

const MAGIC: &[u8; 16] = b"basalt journal1\n";
const HEADER: usize = MAGIC.len() + 16;
/// Length and checksum before a frame, length behind it.
const BEFORE: usize = 4 + 8;
const BEHIND: usize = 4;

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the tables that the statements are for.
    pub version: i64,
    /// The position of the database before the first frame.
    pub position: i64,
}

impl Header {
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.position.to_le_bytes());
        bytes
    }

    /// Reads it; nothing when it is none.
    pub fn read(file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        match file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut rest = Reader(&bytes);
        let is_ours = rest.take(MAGIC.len()) == Some(MAGIC);
        let header = rest.integer().zip(rest.integer());
        Ok(header
            .filter(|_| is_ours)
            .map(|(version, position)| Self { version, position }))
    }
}

/// A batch that is being written.
#[derive(Default)]
pub struct Frame {
    bytes: Vec<u8>,
    position: i64,
}

impl Frame {
    /// Begins the batch that reaches this position.
    pub fn begin(&mut self, position: i64) {
        self.position = position;
        self.bytes.clear();
        self.bytes.resize(BEFORE, 0);
        self.bytes.extend(position.to_le_bytes());
        // The time is filled in when it is over.
        self.bytes.extend([0; 8]);
    }

    /// The position of the batch at hand or the last one.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a statement.
    pub fn add(&mut self, statement: &str, values: &[Value<'_>]) {
        self.text(statement.as_bytes());
        self.bytes.extend((values.len() as u32).to_le_bytes());
        for value in values {
            match value {
                Value::Null => self.bytes.push(0),
                Value::Integer(number) => {
                    self.bytes.push(1);
                    self.bytes.extend(number.to_le_bytes());
                }
                Value::Text(text) => {
                    self.bytes.push(2);
                    self.text(text.as_bytes());
                }
                Value::Bytes(bytes) => {
                    self.bytes.push(3);
                    self.text(bytes);
                }
            }
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.bytes.extend((bytes.len() as u32).to_le_bytes());
        self.bytes.extend(bytes);
    }

    /// Ends it, at this time.
    pub fn finish(&mut self, moment: i64) -> &[u8] {
        let payload = &mut self.bytes[BEFORE..];
        payload[8..16].copy_from_slice(&moment.to_le_bytes());
        let length = (payload.len() as u32).to_le_bytes();
        let sum = checksum(payload);
        self.bytes[..4].copy_from_slice(&length);
        self.bytes[4..BEFORE].copy_from_slice(&sum);
        self.bytes.extend(length);
        &self.bytes
    }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let whole: [u8; 32] = Sha256::digest(payload).into();
    let mut sum = [0; 8];
    sum.copy_from_slice(&whole[..8]);
    sum
}

/// A batch that was read.
#[derive(Debug)]
pub struct Batch {
    /// The position that it reaches.
    pub position: i64,
    /// When it was made.
    pub moment: i64,
    bytes: Vec<u8>,
}

impl Batch {
    /// Reads the next; nothing at the end, or where what follows is none that is whole.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut before = [0; BEFORE];
        let mut rest = Vec::new();
        match file.read_exact(&mut before) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut head = Reader(&before);
        let Some(length) = head.length() else {
            return Ok(None);
        };
        // A length that is none does not take the memory for it.
        file.by_ref()
            .take((length + BEHIND) as u64)
            .read_to_end(&mut rest)?;
        let Some((payload, behind)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        let is_whole = head.0 == checksum(payload) && behind == &before[..4];
        let mut payload = Reader(payload);
        let times = payload.integer().zip(payload.integer());
        Ok(times.filter(|_| is_whole).map(|(position, moment)| Self {
            position,
            moment,
            bytes: payload.0.to_vec(),
        }))
    }

    /// Hands each statement with its values to `each`.
    ///
    /// # Errors
    /// Those of `each`; nothing more when it is none of ours.
    pub fn statements<E>(
        &self,
        mut each: impl FnMut(&str, &[Value<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = Reader(&self.bytes);
        while let Some(statement) = rest.text() {
            let count = rest.length().unwrap_or(0);
            let mut values = Vec::new();
            for _ in 0..count {
                match rest.value() {
                    Some(value) => values.push(value),
                    None => return Ok(()),
                }
            }
            each(statement, &values)?;
        }
        Ok(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn integer(&mut self) -> Option<i64> {
        let bytes = self.take(8)?.try_into().ok()?;
        Some(i64::from_le_bytes(bytes))
    }

    fn length(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes) as usize)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.take(1)? {
            [0] => Value::Null,
            [1] => Value::Integer(self.integer()?),
            [2] => Value::Text(self.text()?),
            [3] => Value::Bytes(self.bytes()?),
            _ => return None,
        })
    }
}

/// The last batch of a file, and where it begins; nothing when there is none that is whole.
fn last_batch(file: &mut File) -> io::Result<Option<(Batch, u64)>> {
    let length = file.metadata()?.len();
    let least = (HEADER + BEFORE + BEHIND) as u64;
    if length < least {
        return Ok(None);
    }
    let mut behind = [0; BEHIND];
    file.seek(SeekFrom::Start(length - BEHIND as u64))?;
    file.read_exact(&mut behind)?;
    let whole = u64::from(u32::from_le_bytes(behind)) + (BEFORE + BEHIND) as u64;
    let Some(begin) = length
        .checked_sub(whole)
        .filter(|begin| *begin >= HEADER as u64)
    else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(begin))?;
    Ok(Batch::read(file)?.map(|batch| (batch, begin)))
}

/// Up to where a file is to be gone on with by a database of this version at this position; nothing when it is not to be.
///
/// # Errors
/// When it cannot be read.
pub fn end(path: &Path, version: i64, position: i64) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(header) = Header::read(&mut file)? else {
        return Ok(None);
    };
    if header.version != version {
        return Ok(None);
    }
    if length == HEADER as u64 {
        return Ok((header.position == position).then_some(length));
    }
    Ok(match last_batch(&mut file)? {
        Some((batch, _)) if batch.position == position => Some(length),
        // It was written, and then not committed.
        Some((batch, begin)) if batch.position == position + 1 => Some(begin),
        _ => None,
    })
}

/// The position that the last batch of a file reaches; nothing when it has none, or one that is not whole.
///
/// # Errors
/// When it cannot be read.
pub fn last(path: &Path) -> io::Result<Option<i64>> {
    let mut file = File::open(path)?;
    Ok(last_batch(&mut file)?.map(|(batch, _)| batch.position))
}
