//! Whether a key or an identity signed what is attached to an image, and whether that is about this image.

use basalt_digest::Digest;

use crate::attached::{Attached, Form};
use crate::bundle::Bundle;
use crate::claim::{Claim, SignedClaim};
use crate::error::AttestError;
use crate::key::PublicKey;
use crate::keyless::{Identity, TrustedRoot};

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
    /// It was made with a certificate, and no identity was given that may have one.
    #[error("it was made with a certificate, not with a key")]
    Keyless,
    /// It was made with a certificate, and does not hold.
    #[error("its certificate, or what it signed, does not hold: {cause}")]
    Certificate {
        /// Why, for the last of the identities.
        cause: String,
    },
}

/// Who may vouch for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Whoever has this key.
    Key(PublicKey),
    /// Whoever got a certificate of this identity.
    Identity(Identity),
}

/// A claim about this image that at least one of the authorities vouches for.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is stated.
    pub claim: Claim,
    /// Which of the authorities signed it, by their places in what was given.
    pub signers: Vec<usize>,
}

/// Verifies something attached. Each authority counts once, however many signatures it made. Certificates are believed
/// as far as the trusted root goes; without one, not at all.
///
/// # Errors
/// When it is not sound, not about what it is attached to, or none of the authorities signed it.
pub fn verify(
    attached: &Attached,
    bytes: &[u8],
    authorities: &[Authority],
    root: Option<&TrustedRoot>,
) -> Result<Verified, Refusal> {
    let signed = SignedClaim::read(attached, bytes)?;
    let signers = match signed.is_keyless {
        true => good_identities(attached, bytes, authorities, root)?,
        false => good_keys(&signed, authorities)?,
    };
    // Last, so that what an unknown signer says is not repeated as if it were so.
    if !signed.claim.is_about(&attached.subject) {
        return Err(Refusal::AboutAnother {
            found: signed.claim.subjects(),
            wanted: attached.subject,
        });
    }
    Ok(Verified {
        claim: signed.claim,
        signers,
    })
}

fn good_identities(
    attached: &Attached,
    bytes: &[u8],
    authorities: &[Authority],
    root: Option<&TrustedRoot>,
) -> Result<Vec<usize>, Refusal> {
    let (Some(root), Form::Bundle) = (root, attached.form) else {
        return Err(Refusal::Keyless);
    };
    let bundle = Bundle::read(bytes)?;
    let envelope = bundle.envelope()?;
    let mut good = Vec::new();
    let mut last = Refusal::Keyless;
    for (place, authority) in authorities.iter().enumerate() {
        let Authority::Identity(identity) = authority else {
            continue;
        };
        match root.verify(bytes, envelope, &attached.subject, identity) {
            Ok(()) => good.push(place),
            Err(cause) => last = Refusal::Certificate { cause },
        }
    }
    match good.is_empty() {
        true => Err(last),
        false => Ok(good),
    }
}

fn good_keys(signed: &SignedClaim, authorities: &[Authority]) -> Result<Vec<usize>, Refusal> {
    let signed_by = |key: &PublicKey| {
        let mut signatures = signed.signatures.iter();
        signatures.any(|one| key.verify(&signed.message, &one.sig))
    };
    let mut good = Vec::new();
    let mut hinted = signed.hint.is_none();
    for (place, authority) in authorities.iter().enumerate() {
        let Authority::Key(key) = authority else {
            continue;
        };
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
