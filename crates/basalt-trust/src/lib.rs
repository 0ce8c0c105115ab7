//! Keyrings, OpenPGP verification of Release files, and the rules of freshness.
//!
//! This is the first link of the chain: what [`verify_inline`] or [`verify_detached`] hands out
//! was signed by a key of the keyring, whole and unaltered. What was not, is never parsed beyond
//! the signature's own envelope.

mod certificate;
mod clock;
mod envelope;
mod error;
mod freshness;
mod keyring;
mod verify;

pub use clock::Clock;
pub use error::{SignatureFailure, TrustError};
pub use freshness::{Expectation, FreshnessError, ReleaseFacts, check_release};
pub use keyring::Keyring;
pub use verify::{Signer, Verified, verify_detached, verify_inline};
