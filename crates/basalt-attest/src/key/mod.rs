//! Keys: public ones that verify, private ones that sign, and the form in which cosign keeps private ones.

mod private;
mod public;
mod sealed;

pub use private::PrivateKey;
pub use public::PublicKey;

/// Longest PEM text of a key that is read.
const MAXIMUM_PEM: usize = 64 << 10;

/// Why a key was not read, made or used. No message holds a part of a private key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is no key of a form that is read.
    #[error("it is no {what}: {cause}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A public key is needed, and this is a private one.
    #[error(
        "it is a private key, where a public one is needed; `basalt key public` writes that of it"
    )]
    Private,
    /// A private key is needed, and this is a public one.
    #[error("it is a public key, where a private one is needed")]
    Public,
    /// The password does not open it, or it was changed: the two cannot be told apart.
    #[error("the password does not open it, or it was changed")]
    Password,
    /// The password could not be had.
    #[error("its password cannot be read: {0}")]
    NoPassword(Box<dyn std::error::Error + Send + Sync>),
    /// The place where the key is (a token) failed.
    #[error("{place}: {cause}")]
    Backend {
        /// The token.
        place: String,
        /// Why.
        cause: String,
    },
}

impl KeyError {
    pub(crate) fn malformed(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            cause: cause.to_string(),
        }
    }
}

/// Something that signs: a key here, or one that a token keeps to itself.
pub trait Signer {
    /// The key that verifies what this signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs a message, in the form that [`PublicKey::verify`] takes.
    ///
    /// # Errors
    /// When the token does not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}
