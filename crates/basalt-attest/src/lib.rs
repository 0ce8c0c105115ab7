//! Attestations of images: what is stated (in-toto statements, SLSA provenance, OpenVEX), and the envelope in which
//! it is signed (DSSE); keys; and how a signature is attached to an image, in cosign's formats.
//!
//! The types are Basalt's own, so that the same statement always gives the same JSON bytes. Reading takes what other
//! tools write: keys that are not known are passed over, as in-toto asks of who reads.

mod attached;
mod bundle;
mod claim;
mod encoding;
mod envelope;
mod error;
mod key;
mod keyless;
mod pkcs11;
pub mod policy;
pub mod provenance;
mod sign;
mod simple_signing;
mod statement;
mod verify;
pub mod vex;

pub use attached::{Attached, Form, PREDICATE_TYPE, attached, attached_within};
pub use bundle::{Bundle, KeyHint, VerificationMaterial, is_bundle};
pub use claim::{Claim, SignedClaim};
pub use envelope::{Envelope, Signature, pre_authentication_encoding};
pub use error::AttestError;
pub use key::{KeyError, PrivateKey, PublicKey, Signer};
pub use keyless::{Identity, TrustedRoot};
pub use pkcs11::{TokenKey, TokenUri};
pub use sign::{Format, Subject, attach, attest, sign};
pub use simple_signing::SimpleSigning;
pub use statement::{ResourceDescriptor, Statement, media_type, predicate_type, statement_type};
pub use verify::{Authority, Refusal, Verified, verify};

/// The document as the bytes that are signed: compact JSON, fields in a fixed order.
///
/// # Errors
/// When the document cannot be JSON, which the types of this crate rule out.
pub fn to_bytes<T: serde::Serialize>(document: &T) -> Result<Vec<u8>, AttestError> {
    serde_json::to_vec(document).map_err(|cause| AttestError::Json {
        what: "a document to be written".to_owned(),
        cause,
    })
}
