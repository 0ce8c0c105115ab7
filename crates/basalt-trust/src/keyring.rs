//! Keyrings: the keys that may sign a Release file.

use std::io::Cursor;

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::types::KeyDetails;

use crate::TrustError;

/// The most of a keyring that is read, in bytes.
const MAXIMUM_KEYRING: usize = 4 << 20;
/// The most keys of a keyring.
const MAXIMUM_KEYS: usize = 256;

macro_rules! keys {
    ($release:literal) => {
        &[
            include_str!(concat!(
                "../keyrings/debian-archive-",
                $release,
                "-automatic.asc"
            )),
            include_str!(concat!(
                "../keyrings/debian-archive-",
                $release,
                "-security-automatic.asc"
            )),
            include_str!(concat!(
                "../keyrings/debian-archive-",
                $release,
                "-stable.asc"
            )),
        ]
    };
}

const BULLSEYE: &[&str] = keys!("bullseye");
const BOOKWORM: &[&str] = keys!("bookworm");
const TRIXIE: &[&str] = keys!("trixie");

/// A set of OpenPGP certificates. Each is examined when a signature names it: only then do its
/// expiry and revocation count.
#[derive(Debug, Clone)]
pub struct Keyring {
    pub(crate) certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads armoured keyrings; each text may hold several keys.
    ///
    /// # Errors
    /// When a text is not an armoured keyring, is too big, or there is no key in all of them.
    pub fn from_armored(texts: &[&str]) -> Result<Self, TrustError> {
        let mut certificates = Vec::new();
        for text in texts {
            bounded(text.len())?;
            let mut rest = *text;
            // `gpg --export` writes one block; people put several into one file.
            while let Some(start) = rest.find("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
                const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
                let block = &rest[start..];
                let end = block
                    .find(END)
                    .ok_or_else(|| TrustError::Keyring("a key block has no end".to_owned()))?
                    + END.len();
                let (keys, _) =
                    SignedPublicKey::from_armor_many(Cursor::new(&block.as_bytes()[..end]))
                        .map_err(unreadable)?;
                add(&mut certificates, keys)?;
                rest = &block[end..];
            }
        }
        Self::of(certificates)
    }

    /// Reads a keyring, armoured or binary.
    ///
    /// # Errors
    /// When it is neither, is too big, or holds no key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        bounded(bytes.len())?;
        // The first byte of a binary packet has its highest bit set (RFC 9580, section 4.2).
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            let mut certificates = Vec::new();
            let keys = SignedPublicKey::from_bytes_many(Cursor::new(bytes)).map_err(unreadable)?;
            add(&mut certificates, keys)?;
            return Self::of(certificates);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| TrustError::Keyring("neither binary nor armoured".to_owned()))?;
        Self::from_armored(&[text])
    }

    /// The compiled-in archive keys of a Debian release, by codename or suite. `sid` (and `forky`, until it
    /// has keys) is signed with those of the newest stable releases. A release is signed with its
    /// predecessor's keys beside its own, so those that `stable` and `oldstable` have today hold for the
    /// next that bears the name.
    ///
    /// # Errors
    /// When there is none for this release.
    pub fn debian(release: &str) -> Result<Self, TrustError> {
        match release {
            "bullseye" => Self::from_armored(BULLSEYE),
            "bookworm" => Self::from_armored(BOOKWORM),
            "trixie" | "stable" => Self::from_armored(TRIXIE),
            "sid" | "forky" | "testing" | "oldstable" => {
                Self::from_armored(&[BOOKWORM, TRIXIE].concat())
            }
            _ => Err(TrustError::UnknownRelease(
                release.chars().take(64).collect(),
            )),
        }
    }

    /// The fingerprints of the primary keys, in upper-case hex, sorted.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut fingerprints: Vec<String> = self.certificates.iter().map(fingerprint).collect();
        fingerprints.sort();
        fingerprints
    }

    fn of(mut certificates: Vec<SignedPublicKey>) -> Result<Self, TrustError> {
        certificates.dedup_by_key(|key| key.fingerprint());
        if certificates.is_empty() {
            return Err(TrustError::EmptyKeyring);
        }
        Ok(Self { certificates })
    }
}

/// A key's fingerprint as people compare it.
pub(crate) fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn add(
    certificates: &mut Vec<SignedPublicKey>,
    keys: impl Iterator<Item = pgp::errors::Result<SignedPublicKey>>,
) -> Result<(), TrustError> {
    for key in keys {
        if certificates.len() == MAXIMUM_KEYS {
            return Err(TrustError::Keyring(format!(
                "it holds more than {MAXIMUM_KEYS} keys"
            )));
        }
        certificates.push(key.map_err(unreadable)?);
    }
    Ok(())
}

fn bounded(size: usize) -> Result<(), TrustError> {
    if size > MAXIMUM_KEYRING {
        return Err(TrustError::TooBig {
            what: "the keyring",
            size,
            limit: MAXIMUM_KEYRING,
        });
    }
    Ok(())
}

fn unreadable(error: pgp::errors::Error) -> TrustError {
    TrustError::Keyring(error.to_string())
}
