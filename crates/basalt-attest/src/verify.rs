//! Whether a key signed what is attached to an image, and whether that is about this image.

use basalt_digest::Digest;

use crate::attached::Attached;
use crate::claim::{Claim, SignedClaim};
use crate::error::AttestError;
use crate::key::PublicKey;

/// Why something attached counts for nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not sound.
    #[error(transparent)]
    Malformed(#[from] AttestError),
    /// It was made for something else, and moved here.
    #[error("it is about {found}, not about {wanted}")]
    AboutAnother {
        /// What it is about.
        found: String,
        /// What it is attached to.
        wanted: Digest,
    },
    /// None of the keys made any of its signatures.
    #[error("none of the given keys made its signature")]
    AnotherKey,
    /// It names a key that was not given.
    #[error("it names another key (hint `{hint}`) than those given")]
    AnotherHint {
        /// The hint.
        hint: String,
    },
    /// It names a key that did not make its signature.
    #[error("it names key {key}, which did not make its signature")]
    LyingHint {
        /// The fingerprint of the key.
        key: Digest,
    },
    /// It was made with a certificate, and none was asked for.
    #[error("it was made with a certificate, not with a key")]
    Keyless,
}

/// A claim about this image that at least one of the keys vouches for.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is stated.
    pub claim: Claim,
    /// Which of the keys signed it, by their places in what was given.
    pub keys: Vec<usize>,
}

/// Verifies something attached against keys. Each key counts once, however many signatures it made.
///
/// # Errors
/// When it is not sound, not about what it is attached to, or none of the keys signed it.
pub fn verify(attached: &Attached, bytes: &[u8], keys: &[PublicKey]) -> Result<Verified, Refusal> {
    let signed = SignedClaim::read(attached, bytes)?;
    if signed.is_keyless {
        return Err(Refusal::Keyless);
    }
    let good = good_keys(&signed, keys)?;
    // Last, so that what an unknown signer says is not repeated as if it were so.
    if !signed.claim.is_about(&attached.subject) {
        return Err(Refusal::AboutAnother {
            found: signed.claim.subjects(),
            wanted: attached.subject,
        });
    }
    Ok(Verified {
        claim: signed.claim,
        keys: good,
    })
}

fn good_keys(signed: &SignedClaim, keys: &[PublicKey]) -> Result<Vec<usize>, Refusal> {
    let signed_by = |key: &PublicKey| {
        let mut signatures = signed.signatures.iter();
        signatures.any(|one| key.verify(&signed.message, &one.sig))
    };
    let mut good = Vec::new();
    let mut hinted = signed.hint.is_none();
    for (place, key) in keys.iter().enumerate() {
        if let Some(hint) = &signed.hint {
            if *hint != key.hint() {
                continue;
            }
            hinted = true;
            if !signed_by(key) {
                let key = key.fingerprint();
                return Err(Refusal::LyingHint { key });
            }
        }
        if signed_by(key) {
            good.push(place);
        }
    }
    match &signed.hint {
        Some(hint) if !hinted => Err(Refusal::AnotherHint {
            hint: hint.chars().take(100).collect(),
        }),
        _ if good.is_empty() => Err(Refusal::AnotherKey),
        _ => Ok(good),
    }
}
