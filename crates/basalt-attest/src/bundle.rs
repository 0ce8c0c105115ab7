//! Sigstore bundles (Sigstore bundle format 0.1 to 0.3): an envelope, with what its verifier needs beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::Envelope;
use crate::error::{AttestError, read_json};
use crate::statement::{MAXIMUM_STATEMENT, media_type};

const WHAT: &str = "the Sigstore bundle";
/// Longest bundle that is read.
const MAXIMUM_BUNDLE: usize = MAXIMUM_STATEMENT / 3 * 4 + (4 << 20);

/// A bundle of an envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// The version of the format.
    pub media_type: String,
    /// What its verifier needs.
    pub verification_material: VerificationMaterial,
    /// The envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
    /// A signature over the digest of a file, which no image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_signature: Option<Value>,
}

/// What a verifier needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationMaterial {
    /// A hint at a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<KeyHint>,
    /// The certificate of a key that was used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Value>,
    /// Such a certificate with its issuers, as versions before 0.3 have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509_certificate_chain: Option<Value>,
    /// Entries of a transparency log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tlog_entries: Vec<Value>,
    /// Dates that others vouch for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_verification_data: Option<Value>,
}

/// Tells which key made a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHint {
    /// The key's fingerprint in base64.
    #[serde(default)]
    pub hint: String,
}

impl Bundle {
    /// A bundle of version 0.3 of an envelope that a key with this hint signed.
    pub fn new(envelope: Envelope, hint: String) -> Self {
        Self {
            media_type: media_type::BUNDLE.to_owned(),
            verification_material: VerificationMaterial {
                public_key: Some(KeyHint { hint }),
                ..VerificationMaterial::default()
            },
            dsse_envelope: Some(envelope),
            message_signature: None,
        }
    }

    /// Reads a bundle. Neither its envelope's payload nor its certificates are looked into.
    ///
    /// # Errors
    /// When it is none of a version that is read, has no envelope, or not exactly one signature.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let bundle: Self = read_json(WHAT, bytes, MAXIMUM_BUNDLE)?;
        let refuse = |cause: String| Err(AttestError::malformed(WHAT, cause));
        if !is_bundle(&bundle.media_type) {
            let kind: String = bundle.media_type.chars().take(100).collect();
            return refuse(format!("its mediaType is `{kind}`"));
        }
        let Some(envelope) = &bundle.dsse_envelope else {
            return refuse("it has no DSSE envelope".to_owned());
        };
        if bundle.message_signature.is_some() {
            return refuse("it has two contents".to_owned());
        }
        envelope.check()?;
        if envelope.signatures.len() != 1 {
            let count = envelope.signatures.len();
            return refuse(format!("its envelope has {count} signatures, not one"));
        }
        let material = &bundle.verification_material;
        let kinds = [
            material.public_key.is_some(),
            material.certificate.is_some(),
            material.x509_certificate_chain.is_some(),
        ];
        match kinds.iter().filter(|there| **there).count() {
            1 => Ok(bundle),
            count => refuse(format!("it names {count} keys or certificates, not one")),
        }
    }

    /// Its envelope.
    ///
    /// # Errors
    /// When it has none, which its reading rules out.
    pub fn envelope(&self) -> Result<&Envelope, AttestError> {
        self.dsse_envelope
            .as_ref()
            .ok_or_else(|| AttestError::malformed(WHAT, "it has no DSSE envelope"))
    }
}

/// Whether a media type is that of a bundle of any version that is read.
pub fn is_bundle(media_type: &str) -> bool {
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        media_type::BUNDLE,
    ]
    .contains(&media_type)
}
