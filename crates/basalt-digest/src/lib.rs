//! SHA-256 digests as OCI writes them, and readers and writers that compute them on the way.

mod promise;

pub use promise::{Promise, Sha512, Sha512Hasher};

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest. Shown and parsed as `sha256:<64 lower-case hex digits>`
/// (OCI image specification, *Digests*).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} digest: {cause}")]
pub struct DigestError {
    kind: &'static str,
    text: String,
    cause: &'static str,
}

impl DigestError {
    fn new(kind: &'static str, text: &str, cause: &'static str) -> Self {
        Self {
            kind,
            text: text.chars().take(100).collect(),
            cause,
        }
    }
}

/// The hex digits of these bytes, in lower case.
fn hex_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// The bytes of a digest of this kind, from its hex digits.
fn parse_hex<const LENGTH: usize>(
    text: &str,
    kind: &'static str,
) -> Result<[u8; LENGTH], DigestError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LENGTH {
        let cause = match LENGTH {
            32 => "it must have 64 hex digits",
            _ => "it must have 128 hex digits",
        };
        return Err(DigestError::new(kind, text, cause));
    }
    let value = |digit: u8| (digit as char).to_digit(16);
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        match (value(pair[0]), value(pair[1])) {
            (Some(high), Some(low)) => *byte = (high * 16 + low) as u8,
            _ => return Err(DigestError::new(kind, text, "it must have only hex digits")),
        }
    }
    Ok(bytes)
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest and the length, in bytes, of all that a reader gives.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_reader(reader: impl Read) -> io::Result<(Self, u64)> {
        let mut reader = HashingReader::new(reader);
        copy(&mut reader, &mut io::sink())?;
        let (_, digest, length) = reader.finish();
        Ok((digest, length))
    }

    /// The digest whose 32 bytes these are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits, without the `sha256:` in front.
    pub fn hex(&self) -> String {
        hex_of(&self.0)
    }

    /// Parses 64 hex digits without a prefix, as Debian's indexes write them.
    ///
    /// # Errors
    /// When the length is not 64 or a character is not a hex digit.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        parse_hex(text, "SHA-256").map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text
            .strip_prefix("sha256:")
            .ok_or_else(|| DigestError::new("SHA-256", text, "it must begin with `sha256:`"))?;
        Self::from_hex(hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Computes a digest piece by piece.
#[derive(Clone, Default)]
pub struct Hasher {
    state: Sha256,
    length: u64,
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Bytes seen so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of all bytes seen.
    pub fn finish(self) -> Digest {
        Digest(self.state.finalize().into())
    }
}

/// Copies all that a reader gives, in pieces big enough that a hash, not the system's calls, sets
/// the pace. Returns the number of bytes.
///
/// # Errors
/// When one cannot be read or the other not written.
pub fn copy(reader: &mut impl Read, writer: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                writer.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hands bytes through to a writer and computes their digest.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W> HashingWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// The number of bytes written.
    pub fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// The writer, the digest and the number of bytes written.
    pub fn finish(self) -> (W, Digest, u64) {
        let length = self.hasher.length();
        (self.inner, self.hasher.finish(), length)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hands bytes through from a reader and computes their digest.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R> HashingReader<R> {
    /// Wraps a reader.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// The reader, the digest and the number of bytes read so far.
    pub fn finish(self) -> (R, Digest, u64) {
        let length = self.hasher.length();
        (self.inner, self.hasher.finish(), length)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn shown_and_parsed_as_oci_writes_it() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), OF_ABC);
        assert_eq!(OF_ABC.parse(), Ok(digest));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in [
            "",
            "sha256:",
            "md5:00",
            &OF_ABC[..70],
            "sha256:zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let mut writer = HashingWriter::new(Vec::new());
        writer
            .write_all(b"a")
            .and_then(|()| writer.write_all(b"bc"))
            .expect("a Vec takes bytes");
        let (bytes, digest, length) = writer.finish();
        assert_eq!(
            (bytes.as_slice(), digest, length),
            (&b"abc"[..], Digest::of(b"abc"), 3)
        );
    }
}
