//! Verification of Release files, inline and detached.

use std::io::BufReader;

use pgp::armor::Dearmor;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::types::KeyDetails;

use crate::envelope::{self, MAXIMUM_SIGNATURE, MAXIMUM_TEXT};
use crate::keyring::fingerprint;
use crate::{Clock, Keyring, SignatureFailure, TrustError, certificate};

/// A file with more signatures than this is refused; Debian's carry two or three.
const MAXIMUM_SIGNATURES: usize = 32;

/// A text that a trusted key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed text, lines ended by `\n`.
    pub text: String,
    /// Whose good signatures it carries; at least one.
    pub signers: Vec<Signer>,
}

/// A key that made a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the primary key, upper-case hex.
    pub fingerprint: String,
    /// When the signature was made, in seconds since 1970.
    pub created: i64,
}

/// Verifies a cleartext-signed file such as `InRelease` at a moment. Signatures by keys that the keyring does not hold are skipped; one good one is needed.
///
/// # Errors
/// When the envelope is not exactly one signed message, or no signature is good: then each is
/// named with its reason.
pub fn verify_inline(
    in_release: &[u8],
    keyring: &Keyring,
    clock: impl Into<Clock>,
) -> Result<Verified, TrustError> {
    let clock = clock.into();
    let envelope = envelope::open(in_release)?;
    let signatures = read_signatures(envelope.signature.as_bytes())?;
    let signed = envelope.signed_bytes();
    let signers = judge(&signatures, &signed, &[SignatureType::Text], keyring, clock)?;
    Ok(Verified {
        text: envelope.text,
        signers,
    })
}

/// Verifies a file such as `Release` with its detached signatures (`Release.gpg`, armoured or
/// binary) at a moment.
///
/// # Errors
/// When the text is not UTF-8, something is too big, or no signature is good.
pub fn verify_detached(
    release: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    clock: impl Into<Clock>,
) -> Result<Verified, TrustError> {
    for (what, size, limit) in [
        ("the Release file", release.len(), MAXIMUM_TEXT),
        ("the signature file", signature.len(), MAXIMUM_SIGNATURE),
    ] {
        if size > limit {
            return Err(TrustError::TooBig { what, size, limit });
        }
    }
    let signatures = read_signatures(signature)?;
    // A signature over a text (as that of any InRelease, which can be handed out here too) does not
    // tell CR LF from LF: it vouches only for a text that can be read in one way.
    let kinds: &[SignatureType] = match release.contains(&b'\r') {
        true => &[SignatureType::Binary],
        false => &[SignatureType::Binary, SignatureType::Text],
    };
    let signers = judge(&signatures, release, kinds, keyring, clock.into())?;
    let text = String::from_utf8(release.to_vec()).map_err(|error| {
        TrustError::Envelope(format!(
            "byte {} is not UTF-8",
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(Verified { text, signers })
}

fn read_signatures(block: &[u8]) -> Result<Vec<Signature>, TrustError> {
    let mut signatures = Vec::new();
    let mut add = |packet: pgp::errors::Result<Packet>| {
        match packet {
            Ok(Packet::Signature(signature)) => signatures.push(signature),
            Ok(_) => {
                return Err(TrustError::Envelope(
                    "the signature block holds something else".to_owned(),
                ));
            }
            Err(error) => {
                return Err(TrustError::Envelope(format!(
                    "the signature block cannot be read: {error}"
                )));
            }
        }
        if signatures.len() > MAXIMUM_SIGNATURES {
            return Err(TrustError::Envelope(format!(
                "it carries more than {MAXIMUM_SIGNATURES} signatures"
            )));
        }
        Ok(())
    };
    // The first byte of a binary packet has its highest bit set (RFC 9580, section 4.2).
    if block.first().is_some_and(|byte| byte & 0x80 != 0) {
        PacketParser::new(block).try_for_each(&mut add)?;
    } else {
        PacketParser::new(BufReader::new(Dearmor::new(block))).try_for_each(&mut add)?;
    }
    if signatures.is_empty() {
        return Err(TrustError::NoSignature);
    }
    Ok(signatures)
}

fn judge(
    signatures: &[Signature],
    text: &[u8],
    kinds: &[SignatureType],
    keyring: &Keyring,
    clock: Clock,
) -> Result<Vec<Signer>, TrustError> {
    let mut signers = Vec::new();
    let mut failures = Vec::new();
    for signature in signatures {
        match judge_one(signature, text, kinds, keyring, clock) {
            Ok(signer) => signers.push(signer),
            Err(failure) => failures.push(failure),
        }
    }
    if signers.is_empty() {
        return Err(TrustError::NotTrusted(failures));
    }
    Ok(signers)
}

fn judge_one(
    signature: &Signature,
    text: &[u8],
    kinds: &[SignatureType],
    keyring: &Keyring,
    clock: Clock,
) -> Result<Signer, SignatureFailure> {
    let now = clock.now;
    let Some((kind, hash)) = signature.typ().zip(signature.hash_alg()) else {
        return Err(SignatureFailure::Unsupported);
    };
    let (certificate, subkey) = find_key(signature, keyring)?;
    let name = subkey.map_or_else(
        || fingerprint(&certificate.primary_key),
        |subkey| fingerprint(&subkey.key),
    );
    if !kinds.contains(&kind) {
        return Err(SignatureFailure::WrongKind(name));
    }
    if !certificate::is_strong(hash) {
        return Err(SignatureFailure::WeakHash {
            key: name,
            hash: hash.to_string(),
        });
    }
    let created = match signature.created().map(|time| i64::from(time.as_secs())) {
        Some(created) if created <= clock.latest() => created,
        Some(created) if clock.as_of => {
            let key = name;
            return Err(SignatureFailure::Later { key, created, now });
        }
        _ => return Err(SignatureFailure::Future(name)),
    };
    if let Some(time) = signature
        .signature_expiration_time()
        .filter(|time| time.as_secs() > 0)
    {
        let at = created + i64::from(time.as_secs());
        if at <= now {
            return Err(SignatureFailure::Expired { key: name, at });
        }
    }
    let matches = match subkey {
        Some(subkey) => {
            certificate::check_subkey(certificate, subkey, now)?;
            signature.verify(&subkey.key, text)
        }
        None => {
            certificate::check_primary(certificate, now, true)?;
            signature.verify(&certificate.primary_key, text)
        }
    };
    matches.map_err(|_| SignatureFailure::Altered(name))?;
    Ok(Signer {
        fingerprint: fingerprint(&certificate.primary_key),
        created,
    })
}

type Found<'k> = (&'k SignedPublicKey, Option<&'k SignedPublicSubKey>);

fn find_key<'k>(
    signature: &Signature,
    keyring: &'k Keyring,
) -> Result<Found<'k>, SignatureFailure> {
    let fingerprints = signature.issuer_fingerprint();
    let key_ids = signature.issuer_key_id();
    // A fingerprint names the key exactly; the short ID only where there is none.
    let is_issuer = |fingerprint: pgp::types::Fingerprint, key_id: pgp::types::KeyId| {
        if fingerprints.is_empty() {
            key_ids.iter().any(|named| **named == key_id)
        } else {
            fingerprints.iter().any(|named| **named == fingerprint)
        }
    };
    for certificate in &keyring.certificates {
        let key = &certificate.primary_key;
        if is_issuer(key.fingerprint(), key.legacy_key_id()) {
            return Ok((certificate, None));
        }
        for subkey in &certificate.public_subkeys {
            if is_issuer(subkey.key.fingerprint(), subkey.key.legacy_key_id()) {
                return Ok((certificate, Some(subkey)));
            }
        }
    }
    let named = fingerprints.first().map(|named| format!("{named:X}"));
    match named.or_else(|| {
        key_ids
            .first()
            .map(|named| named.to_string().to_uppercase())
    }) {
        Some(key) => Err(SignatureFailure::UnknownKey(key)),
        None => Err(SignatureFailure::NoIssuer),
    }
}
