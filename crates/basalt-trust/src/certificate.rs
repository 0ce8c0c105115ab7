//! Whether a certificate, and the key in it that signed, are good at a moment.

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag};

use crate::SignatureFailure;
use crate::keyring::fingerprint;

/// RSA keys below this many bits are refused.
const MINIMUM_RSA_BITS: usize = 2048;

/// Whether a hash still stands against forgery.
pub(crate) fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// Refuses keys that can be broken.
pub(crate) fn check_strength(key: &impl KeyDetails) -> Result<(), SignatureFailure> {
    let weak = |reason: String| {
        Err(SignatureFailure::WeakKey {
            key: fingerprint(key),
            reason,
        })
    };
    match key.public_params() {
        PublicParams::RSA(parameters) => {
            // An OpenPGP integer begins with its length in bits; the modulus comes first.
            let bits = match parameters.to_bytes().as_deref() {
                Ok([high, low, ..]) => usize::from(*high) << 8 | usize::from(*low),
                _ => 0,
            };
            if bits < MINIMUM_RSA_BITS {
                return weak(format!("RSA of {bits} bits"));
            }
            Ok(())
        }
        PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::ECDSA(_) => Ok(()),
        _ => weak(format!("{:?}", key.algorithm())),
    }
}

/// Checks the primary key; with `signing`, also that it may sign documents.
pub(crate) fn check_primary(
    certificate: &SignedPublicKey,
    now: i64,
    signing: bool,
) -> Result<(), SignatureFailure> {
    let key = &certificate.primary_key;
    let name = || fingerprint(key);
    check_strength(key)?;
    let details = &certificate.details;
    if details
        .revocation_signatures
        .iter()
        .any(|signature| revokes(signature, now) && signature.verify_key(key).is_ok())
    {
        return Err(SignatureFailure::KeyRevoked(name()));
    }
    let direct = details
        .direct_signatures
        .iter()
        .filter(|signature| usable(signature, now) && signature.verify_key(key).is_ok());
    let by_user = details.users.iter().flat_map(|user| {
        let verifies = |signature: &&Signature| {
            signature
                .verify_certification(key, Tag::UserId, &user.id)
                .is_ok()
        };
        let revoked = user
            .signatures
            .iter()
            .filter(|signature| signature.typ() == Some(SignatureType::CertRevocation))
            .any(|signature| revokes(signature, now) && verifies(&signature));
        user.signatures.iter().filter(move |signature| {
            !revoked && is_certification(signature) && usable(signature, now) && verifies(signature)
        })
    });
    // The newest statement that the key makes about itself holds.
    let own = direct
        .chain(by_user)
        .max_by_key(|signature| created(signature))
        .ok_or_else(|| SignatureFailure::KeyNotBound {
            key: name(),
            reason: "it does not certify itself",
        })?;
    check_expiry(key, own, now)?;
    let flags = own.key_flags();
    if signing && !flags.sign() && has_flags(own) {
        return Err(SignatureFailure::NotForSigning(name()));
    }
    Ok(())
}

/// Checks a subkey that signed a document: bound by the primary key, and binding itself to it.
pub(crate) fn check_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Result<(), SignatureFailure> {
    let primary = &certificate.primary_key;
    let key = &subkey.key;
    let name = || fingerprint(key);
    check_primary(certificate, now, false)?;
    check_strength(key)?;
    let verifies = |signature: &&Signature| signature.verify_subkey_binding(primary, key).is_ok();
    let of_type = |kind| {
        subkey
            .signatures
            .iter()
            .filter(move |signature| signature.typ() == Some(kind))
    };
    if of_type(SignatureType::SubkeyRevocation)
        .any(|signature| revokes(signature, now) && verifies(&signature))
    {
        return Err(SignatureFailure::KeyRevoked(name()));
    }
    let binding = of_type(SignatureType::SubkeyBinding)
        .filter(|signature| usable(signature, now))
        .filter(verifies)
        .max_by_key(|signature| created(signature))
        .ok_or_else(|| SignatureFailure::KeyNotBound {
            key: name(),
            reason: "the primary key does not bind this subkey",
        })?;
    check_expiry(key, binding, now)?;
    if !binding.key_flags().sign() {
        return Err(SignatureFailure::NotForSigning(name()));
    }
    // Without this, anybody could claim another's subkey, and its signatures, as his own.
    let back = binding.embedded_signature().is_some_and(|back| {
        back.hash_alg().is_some_and(is_strong)
            && back.verify_primary_key_binding(key, primary).is_ok()
    });
    if !back {
        return Err(SignatureFailure::KeyNotBound {
            key: name(),
            reason: "this subkey does not bind itself to the primary key",
        });
    }
    Ok(())
}

fn check_expiry(
    key: &impl KeyDetails,
    statement: &Signature,
    now: i64,
) -> Result<(), SignatureFailure> {
    let Some(duration) = statement
        .key_expiration_time()
        .filter(|time| time.as_secs() > 0)
    else {
        return Ok(());
    };
    let at = i64::from(key.created_at().as_secs()) + i64::from(duration.as_secs());
    if at <= now {
        return Err(SignatureFailure::KeyExpired {
            key: fingerprint(key),
            at,
        });
    }
    Ok(())
}

/// Whether a statement about a key counts at this moment, if it verifies.
fn usable(signature: &Signature, now: i64) -> bool {
    let made = created(signature);
    let over = signature
        .signature_expiration_time()
        .filter(|time| time.as_secs() > 0)
        .is_some_and(|time| made + i64::from(time.as_secs()) <= now);
    signature.hash_alg().is_some_and(is_strong)
        && signature.created().is_some()
        && made <= now
        && !over
}

/// Whether a revocation, if it verifies, counts at this moment. One that says that the key was only given
/// up or followed by another counts from its own date on; any other, for ever: who stole a key may
/// date what it signs as they please (RFC 9580, section 5.2.3.31).
fn revokes(signature: &Signature, now: i64) -> bool {
    let given_up = matches!(
        signature.revocation_reason_code(),
        Some(
            RevocationCode::KeySuperseded
                | RevocationCode::KeyRetired
                | RevocationCode::CertUserIdInvalid
        )
    );
    !given_up || signature.created().is_none() || created(signature) <= now
}

fn created(signature: &Signature) -> i64 {
    signature
        .created()
        .map_or(0, |time| i64::from(time.as_secs()))
}

fn is_certification(signature: &Signature) -> bool {
    matches!(
        signature.typ(),
        Some(
            SignatureType::CertGeneric
                | SignatureType::CertPersona
                | SignatureType::CertCasual
                | SignatureType::CertPositive
        )
    )
}

fn has_flags(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    flags.certify()
        || flags.sign()
        || flags.encrypt_comms()
        || flags.encrypt_storage()
        || flags.authentication()
}
