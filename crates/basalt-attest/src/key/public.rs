//! Public keys, as `SubjectPublicKeyInfo` (RFC 5280) in PEM.

use std::fmt;

use basalt_digest::Digest;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use pkcs8::der::pem::PemLabel;
use pkcs8::{DecodePublicKey, Document, EncodePublicKey, LineEnding, SubjectPublicKeyInfoRef};
use rsa::traits::PublicKeyParts;

use super::{KeyError, MAXIMUM_PEM};
use crate::encoding;

/// Bits of an RSA key that is taken: fewer are weak, more only cost time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    der: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    Rsa(rsa::RsaPublicKey),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm(), self.fingerprint())
    }
}

impl PublicKey {
    /// Reads a key in PEM.
    ///
    /// # Errors
    /// When it is none of ECDSA (P-256, P-384), Ed25519 or RSA (2048 to 8192 bits).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let malformed = |cause: &dyn fmt::Display| KeyError::malformed("public key in PEM", cause);
        if text.len() > MAXIMUM_PEM {
            return Err(malformed(&"it is too long"));
        }
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let (label, document) =
            Document::from_pem(text.trim()).map_err(|error| malformed(&error))?;
        if label != SubjectPublicKeyInfoRef::PEM_LABEL {
            return Err(malformed(&format_args!("it is labelled `{label}`")));
        }
        Self::from_der(document.as_bytes())
    }

    /// Reads a key in DER.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`].
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let kind = if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            Kind::P256(key)
        } else if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(der) {
            Kind::P384(key)
        } else if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_der(der) {
            Kind::Ed25519(key)
        } else if let Ok(key) = rsa::RsaPublicKey::from_public_key_der(der) {
            let bits = key.n().bits();
            if !RSA_BITS.contains(&bits) {
                let cause = format!("its RSA modulus has {bits} bits, where 2048 to 8192 are");
                return Err(KeyError::malformed("public key that is taken", cause));
            }
            Kind::Rsa(key)
        } else {
            return Err(KeyError::malformed(
                "public key that is taken",
                "there are ECDSA (P-256, P-384), Ed25519 and RSA (2048 to 8192 bits)",
            ));
        };
        Self::of(kind)
    }

    pub(crate) fn of_p256(key: p256::ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        Self::of(Kind::P256(key))
    }

    pub(crate) fn of_p384(key: p384::ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        Self::of(Kind::P384(key))
    }

    pub(crate) fn of_ed25519(key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyError> {
        Self::of(Kind::Ed25519(key))
    }

    fn of(kind: Kind) -> Result<Self, KeyError> {
        let der = match &kind {
            Kind::P256(key) => key.to_public_key_der(),
            Kind::P384(key) => key.to_public_key_der(),
            Kind::Ed25519(key) => key.to_public_key_der(),
            Kind::Rsa(key) => key.to_public_key_der(),
        }
        .map_err(|error| KeyError::malformed("public key", error))?;
        Ok(Self {
            kind,
            der: der.into_vec(),
        })
    }

    /// The key in PEM.
    ///
    /// # Errors
    /// When it cannot be written, which its reading rules out.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        Document::try_from(self.der.as_slice())
            .and_then(|document| {
                document.to_pem(SubjectPublicKeyInfoRef::PEM_LABEL, LineEnding::LF)
            })
            .map_err(|error| KeyError::malformed("public key", error))
    }

    /// The SHA-256 digest of the key in DER: names it.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The fingerprint in base64, as bundles hint at the key.
    pub fn hint(&self) -> String {
        encoding::encode(self.fingerprint().as_bytes())
    }

    /// The name of its algorithm.
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::P256(_) => "ECDSA P-256",
            Kind::P384(_) => "ECDSA P-384",
            Kind::Ed25519(_) => "Ed25519",
            Kind::Rsa(_) => "RSA",
        }
    }

    /// Whether this key signed the message: ECDSA in ASN.1, over SHA-256 (P-384: or SHA-384); Ed25519; RSA in
    /// PKCS #1 v1.5 over SHA-256.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Kind::P384(key) => p384::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                key.verify(message, &signature).is_ok()
                    || key
                        .verify_prehash(Digest::of(message).as_bytes(), &signature)
                        .is_ok()
            }),
            // Strict: no signature holds under two keys.
            Kind::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Kind::Rsa(key) => {
                rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| {
                    rsa::pkcs1v15::VerifyingKey::<rsa::sha2::Sha256>::new(key.clone())
                        .verify(message, &signature)
                        .is_ok()
                })
            }
        }
    }
}
