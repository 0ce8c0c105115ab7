//! Private keys that are here in memory. They are overwritten when they are dropped, and never shown.

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::{KeyError, MAXIMUM_PEM, PublicKey, Signer, sealed};

/// A key that signs.
pub struct PrivateKey {
    kind: Kind,
    public: PublicKey,
}

enum Kind {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

impl PrivateKey {
    /// A new key, ECDSA on P-256.
    ///
    /// # Errors
    /// When its public key cannot be written, which the algorithm rules out.
    pub fn generate() -> Result<Self, KeyError> {
        Self::of(Kind::P256(p256::ecdsa::SigningKey::random(&mut OsRng)))
    }

    /// Reads a key in PEM: one that cosign or Basalt encrypted, PKCS #8, or SEC 1. The password is asked for only
    /// when one is needed.
    ///
    /// # Errors
    /// When it is none of ECDSA (P-256, P-384) or Ed25519, or the password does not open it.
    pub fn from_pem(
        text: &str,
        password: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, KeyError>,
    ) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.len() > MAXIMUM_PEM {
            return Err(KeyError::malformed("private key", "it is too long"));
        }
        let label = text
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.split_once("-----"))
            .map_or("", |(label, _)| label);
        match label {
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let envelope = sealed::of_pem(text, label)?;
                // Nobody is asked for the password of a key that cannot be opened.
                let envelope = sealed::read(&envelope)?;
                Self::from_der(&envelope.open(&password()?)?)
            }
            "PRIVATE KEY" => {
                let (_, document) = pkcs8::SecretDocument::from_pem(text)
                    .map_err(|error| KeyError::malformed("private key in PEM", error))?;
                Self::from_der(document.as_bytes())
            }
            "EC PRIVATE KEY" => {
                if let Ok(key) = p256::SecretKey::from_sec1_pem(text) {
                    Self::of(Kind::P256(key.into()))
                } else if let Ok(key) = p384::SecretKey::from_sec1_pem(text) {
                    Self::of(Kind::P384(key.into()))
                } else {
                    Err(unknown())
                }
            }
            "PUBLIC KEY" => Err(KeyError::Public),
            "" => Err(KeyError::malformed(
                "private key in PEM",
                "it does not begin with `-----BEGIN`",
            )),
            other => {
                let shown: String = other.chars().take(60).collect();
                Err(KeyError::malformed(
                    "private key that is read",
                    format_args!(
                        "it is labelled `{shown}`; there are ENCRYPTED SIGSTORE PRIVATE KEY and PRIVATE KEY"
                    ),
                ))
            }
        }
    }

    /// Reads PKCS #8 in DER.
    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            Self::of(Kind::P256(key))
        } else if let Ok(key) = p384::ecdsa::SigningKey::from_pkcs8_der(der) {
            Self::of(Kind::P384(key))
        } else if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
            Self::of(Kind::Ed25519(key))
        } else {
            Err(unknown())
        }
    }

    fn of(kind: Kind) -> Result<Self, KeyError> {
        let public = match &kind {
            Kind::P256(key) => PublicKey::of_p256(*key.verifying_key()),
            Kind::P384(key) => PublicKey::of_p384(*key.verifying_key()),
            Kind::Ed25519(key) => PublicKey::of_ed25519(key.verifying_key()),
        }?;
        Ok(Self { kind, public })
    }

    /// The key in PEM, encrypted with a password as cosign does it.
    ///
    /// # Errors
    /// When it cannot be written, which its reading rules out.
    pub fn to_encrypted_pem(&self, password: &[u8]) -> Result<String, KeyError> {
        let document = match &self.kind {
            Kind::P256(key) => key.to_pkcs8_der(),
            Kind::P384(key) => key.to_pkcs8_der(),
            Kind::Ed25519(key) => key.to_pkcs8_der(),
        }
        .map_err(|error| KeyError::malformed("private key", error))?;
        sealed::seal(document.as_bytes(), password)
    }
}

fn unknown() -> KeyError {
    KeyError::malformed(
        "private key that is taken",
        "there are ECDSA (P-256, P-384) and Ed25519",
    )
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// With deterministic nonces (RFC 6979): the same message gives the same signature.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(match &self.kind {
            Kind::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Kind::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Kind::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        })
    }
}
