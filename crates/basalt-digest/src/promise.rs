//! Digests by which a signed file vouches for another: SHA-256, SHA-512, or both.

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

/// What a signed file promises of the bytes of another: all strong digests that it gives, and the bytes must have all of
/// them (as apt demands).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// Their SHA-256 digest alone.
    Sha256(Digest),
    /// Their SHA-512 digest alone.
    Sha512(Sha512),
    /// Both digests.
    Both(Digest, Sha512),
}

impl Promise {
    /// What is promised by the digests that are given; `None` where none is.
    pub fn of(sha256: Option<Digest>, sha512: Option<Sha512>) -> Option<Self> {
        match (sha256, sha512) {
            (Some(sha256), Some(sha512)) => Some(Self::Both(sha256, sha512)),
            (Some(sha256), None) => Some(Self::Sha256(sha256)),
            (None, Some(sha512)) => Some(Self::Sha512(sha512)),
            (None, None) => None,
        }
    }

    /// The name, in Debian's indexes and `by-hash` folders, of the hash whose digits [`hex`](Self::hex) gives: `SHA256`, or
    /// `SHA512` where that alone is promised.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sha256(_) | Self::Both(..) => "SHA256",
            Self::Sha512(_) => "SHA512",
        }
    }

    /// The hex digits of the digest.
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(digest) | Self::Both(digest, _) => digest.hex(),
            Self::Sha512(digest) => digest.hex(),
        }
    }

    /// The SHA-256 digest, where it is promised.
    pub fn sha256(&self) -> Option<Digest> {
        match self {
            Self::Sha256(digest) | Self::Both(digest, _) => Some(*digest),
            Self::Sha512(_) => None,
        }
    }

    /// The SHA-512 digest, where it is promised.
    pub fn sha512(&self) -> Option<Sha512> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(digest) | Self::Both(_, digest) => Some(*digest),
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
            Self::Both(sha256, sha512) => write!(f, "{sha256} and {sha512}"),
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
    fn a_promise_holds_all_digests_that_are_given() {
        let (sha256, sha512) = (Digest::of(b"abc"), Sha512::of(b"abc"));
        assert_eq!(Promise::of(None, None), None);
        assert_eq!(Promise::of(Some(sha256), None), Some(sha256.into()));
        assert_eq!(Promise::of(None, Some(sha512)), Some(sha512.into()));
        let both = Promise::of(Some(sha256), Some(sha512)).expect("a promise");
        assert_eq!((both.sha256(), both.sha512()), (Some(sha256), Some(sha512)));
        assert_eq!((both.name(), both.hex()), ("SHA256", sha256.hex()));
        assert_eq!(both.to_string(), format!("{sha256} and {OF_ABC}"));
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
