//! Digests by which a signed file vouches for another: SHA-256, or SHA-512 where there is no SHA-256.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::{Digest, DigestError, hex_of, parse_hex};

/// A SHA-512 digest. Shown and parsed as `sha512:<128 lower-case hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha512([u8; 64]);

impl Sha512 {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha512::digest(bytes).into())
    }

    /// The digest whose 64 bytes these are.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The 128 hex digits, without the `sha512:` in front.
    pub fn hex(&self) -> String {
        hex_of(&self.0)
    }

    /// Parses 128 hex digits without a prefix, as Debian's indexes write them.
    ///
    /// # Errors
    /// When the length is not 128 or a character is not a hex digit.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        parse_hex(text, "SHA-512").map(Self)
    }
}

impl fmt::Display for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512:{}", self.hex())
    }
}

impl fmt::Debug for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha512 {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text
            .strip_prefix("sha512:")
            .ok_or_else(|| DigestError::new("SHA-512", text, "it must begin with `sha512:`"))?;
        Self::from_hex(hex)
    }
}

impl Serialize for Sha512 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha512 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a signed file promises of the bytes of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// Their SHA-256 digest.
    Sha256(Digest),
    /// Their SHA-512 digest, where no SHA-256 digest is given.
    Sha512(Sha512),
}

impl Promise {
    /// The hash's name in Debian's indexes and `by-hash` folders: `SHA256`, `SHA512`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA256",
            Self::Sha512(_) => "SHA512",
        }
    }

    /// The hex digits of the digest.
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.hex(),
            Self::Sha512(digest) => digest.hex(),
        }
    }

    /// The SHA-512 digest, where that is what is promised.
    pub fn sha512(&self) -> Option<Sha512> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(digest) => Some(*digest),
        }
    }
}

impl From<Digest> for Promise {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Sha512> for Promise {
    fn from(digest: Sha512) -> Self {
        Self::Sha512(digest)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(digest) => digest.fmt(f),
        }
    }
}

/// Takes bytes and computes their SHA-512 digest.
#[derive(Clone, Default)]
pub struct Sha512Hasher(sha2::Sha512);

impl Sha512Hasher {
    /// The digest of all bytes taken.
    pub fn finish(self) -> Sha512 {
        Sha512(self.0.finalize().into())
    }
}

impl Write for Sha512Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn sha512_is_shown_and_parsed_as_it_is_written() {
        let digest = Sha512::of(b"abc");
        assert_eq!(digest.to_string(), OF_ABC);
        assert_eq!(OF_ABC.parse(), Ok(digest));
        let mut hasher = Sha512Hasher::default();
        hasher.write_all(b"ab").expect("bytes are taken");
        hasher.write_all(b"c").expect("bytes are taken");
        assert_eq!(hasher.finish(), digest);
    }

    #[test]
    fn a_sha256_digest_is_no_sha512_digest() {
        for text in ["", "sha512:", &OF_ABC[..134], &OF_ABC.replace("dd", "zz")] {
            assert!(text.parse::<Sha512>().is_err(), "{text}");
        }
        assert!(Sha512::from_hex(&Digest::of(b"abc").hex()).is_err());
        assert!(Digest::from_hex(&Sha512::of(b"abc").hex()).is_err());
    }
}
