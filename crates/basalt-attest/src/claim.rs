//! What something attached says, once it is taken out of its envelope: nothing here is verified.

use basalt_digest::Digest;

use crate::attached::{Attached, Form, SIGNATURE};
use crate::bundle::Bundle;
use crate::encoding;
use crate::envelope::{Envelope, Signature};
use crate::error::AttestError;
use crate::simple_signing::SimpleSigning;
use crate::statement::{Statement, media_type, predicate_type};

/// What is stated about an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// That it is signed.
    Signature(SimpleSigning),
    /// A statement.
    Statement(Statement),
}

/// A claim, with the signatures that vouch for it.
#[derive(Debug, Clone)]
pub struct SignedClaim {
    /// What is stated.
    pub claim: Claim,
    /// What the signatures are over.
    pub(crate) message: Vec<u8>,
    /// The signatures.
    pub(crate) signatures: Vec<Signature>,
    /// Which key made it, as a bundle says.
    pub(crate) hint: Option<String>,
    /// Whether it was made with a certificate rather than a key.
    pub is_keyless: bool,
}

impl SignedClaim {
    /// Takes the claim out of what is attached.
    ///
    /// # Errors
    /// When it is not signed at all, or not sound.
    pub fn read(attached: &Attached, bytes: &[u8]) -> Result<Self, AttestError> {
        match attached.form {
            Form::Bundle => {
                let bundle = Bundle::read(bytes)?;
                let material = &bundle.verification_material;
                let hint = material.public_key.as_ref().map(|key| key.hint.clone());
                let mut claim = Self::of_envelope(bundle.envelope()?)?;
                claim.is_keyless = hint.is_none();
                claim.hint = hint.filter(|hint| !hint.is_empty());
                Ok(claim)
            }
            Form::Envelope => Self::of_envelope(&Envelope::read(bytes)?),
            Form::LegacySignature => {
                let what = "the signature";
                let annotations = &attached.layer.annotations;
                let text = annotations.get(SIGNATURE).map_or("", String::as_str);
                if text.is_empty() || text.len() > 8192 {
                    let cause = format!("the annotation {SIGNATURE} is missing, empty or too long");
                    return Err(AttestError::malformed(what, cause));
                }
                let sig = encoding::decode(text)
                    .map_err(|error| AttestError::malformed(what, format!("{error}")))?;
                Ok(Self {
                    claim: Claim::Signature(SimpleSigning::read(bytes)?),
                    message: bytes.to_vec(),
                    signatures: vec![Signature {
                        sig,
                        keyid: String::new(),
                    }],
                    hint: None,
                    is_keyless: annotations.contains_key("dev.sigstore.cosign/certificate"),
                })
            }
            Form::Document | Form::BuildKit => {
                Err(AttestError::malformed("the document", "nobody signed it"))
            }
        }
    }

    fn of_envelope(envelope: &Envelope) -> Result<Self, AttestError> {
        if envelope.payload_type != media_type::IN_TOTO {
            let kind: String = envelope.payload_type.chars().take(100).collect();
            return Err(AttestError::malformed(
                "the DSSE envelope",
                format!("its payload is `{kind}`, not `{}`", media_type::IN_TOTO),
            ));
        }
        Ok(Self {
            claim: Claim::Statement(Statement::read(&envelope.payload)?),
            message: envelope.signed_bytes(),
            signatures: envelope.signatures.clone(),
            hint: None,
            is_keyless: false,
        })
    }
}

impl Claim {
    /// What kind of claim; that an image is signed has one type in both formats.
    pub fn predicate_type(&self) -> &str {
        match self {
            Self::Signature(_) => predicate_type::COSIGN_SIGN,
            Self::Statement(statement) => &statement.predicate_type,
        }
    }

    /// Whether it says that an image is signed, and nothing more.
    pub fn is_signature(&self) -> bool {
        self.predicate_type() == predicate_type::COSIGN_SIGN
    }

    /// Whether it is about this manifest.
    pub fn is_about(&self, digest: &Digest) -> bool {
        match self {
            Self::Signature(payload) => payload.digest() == *digest,
            Self::Statement(statement) => statement.is_about(digest),
        }
    }

    /// What it is about, for a message.
    pub fn subjects(&self) -> String {
        match self {
            Self::Signature(payload) => payload.digest().to_string(),
            Self::Statement(statement) => {
                let digests = statement.subject.iter().take(4).map(|subject| {
                    let digest = subject.sha256();
                    digest.map_or_else(|| "no SHA-256 digest".to_owned(), |one| one.to_string())
                });
                digests.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// When it was made (seconds since 1970), where its kind says so: within what is signed, not beside it.
    pub fn date(&self) -> Option<i64> {
        let statement = match self {
            Self::Signature(payload) => return payload.date(),
            Self::Statement(statement) => statement,
        };
        let places: &[&str] = match statement.predicate_type.as_str() {
            predicate_type::SLSA_V1 => &[
                "/runDetails/metadata/finishedOn",
                "/runDetails/metadata/startedOn",
            ],
            predicate_type::SLSA_V0_2 => &["/metadata/buildFinishedOn", "/metadata/buildStartedOn"],
            predicate_type::OPENVEX => &["/last_updated", "/timestamp"],
            predicate_type::VULNERABILITIES => &["/metadata/scanFinishedOn"],
            predicate_type::SPDX => &["/creationInfo/created"],
            predicate_type::CYCLONEDX => &["/metadata/timestamp"],
            predicate_type::COSIGN_SIGN => &["/timestamp"],
            _ => &[],
        };
        let dates = places.iter().filter_map(|place| {
            let text = statement.predicate.pointer(place)?.as_str()?;
            text.parse::<jiff::Timestamp>().ok()
        });
        dates.map(jiff::Timestamp::as_second).next()
    }
}
