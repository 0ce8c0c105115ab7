//! DSSE: the envelope of a signed payload (*Dead Simple Signing Envelope* 1.0).

use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::error::{AttestError, read_json};
use crate::statement::MAXIMUM_STATEMENT;

/// Longest envelope that is read: base64 makes four bytes of three.
const MAXIMUM_ENVELOPE: usize = MAXIMUM_STATEMENT / 3 * 4 + (1 << 20);
/// Most signatures of one envelope.
const MAXIMUM_SIGNATURES: usize = 32;

/// A payload and its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The payload; base64 in JSON.
    #[serde(with = "encoding")]
    pub payload: Vec<u8>,
    /// What the payload is.
    pub payload_type: String,
    /// Signatures over the [encoding](pre_authentication_encoding) of both.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The signature; base64 in JSON.
    #[serde(with = "encoding")]
    pub sig: Vec<u8>,
    /// A hint at the key. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
}

impl Envelope {
    /// Reads an envelope: the payload is not looked into.
    ///
    /// # Errors
    /// When it is none, or too large; when it has no signature, too many, an empty one or one twice.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let envelope: Self = read_json("the DSSE envelope", bytes, MAXIMUM_ENVELOPE)?;
        envelope.check()?;
        Ok(envelope)
    }

    /// Whether its signatures can be judged: there are some, not too many, none is empty, none stands twice.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), AttestError> {
        let refuse = |cause: &str| Err(AttestError::malformed("the DSSE envelope", cause));
        if self.signatures.is_empty() {
            return refuse("it has no signature");
        }
        if self.signatures.len() > MAXIMUM_SIGNATURES {
            return Err(AttestError::TooLarge {
                what: "the DSSE envelope",
                limit: MAXIMUM_SIGNATURES as u64,
                unit: "signatures",
            });
        }
        for (number, signature) in self.signatures.iter().enumerate() {
            if signature.sig.is_empty() {
                return refuse("it has an empty signature");
            }
            let earlier = self.signatures.iter().take(number);
            if earlier.into_iter().any(|one| one.sig == signature.sig) {
                return refuse("it has the same signature twice");
            }
        }
        Ok(())
    }

    /// What its signatures are over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }
}

/// What a signature is made over: both the type and the payload, each with its length (DSSE protocol, *PAE*).
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (type_length, length) = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {type_length} {payload_type} {length} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}
