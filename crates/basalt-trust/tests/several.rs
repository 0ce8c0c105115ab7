//! Several signatures on one text, and keys that are not whole. `fixtures/make-several` made both.

use basalt_trust::{
    Keyring, SignatureFailure, TrustError, Verified, verify_detached, verify_inline,
};

const RELEASE: &[u8] = include_bytes!("fixtures/Release");
const FIRST: &[u8] = include_bytes!("fixtures/several/first.asc");
const SECOND: &[u8] = include_bytes!("fixtures/several/second.asc");
const SECOND_REVOKED: &[u8] = include_bytes!("fixtures/several/second-revoked.asc");
const SUBKEY: &[u8] = include_bytes!("fixtures/several/subkey.asc");
const SUBKEY_REVOKED: &[u8] = include_bytes!("fixtures/several/subkey-revoked.asc");
const SUBKEY_UNBOUND: &[u8] = include_bytes!("fixtures/several/subkey-unbound.pgp");
const BY_FIRST: &[u8] = include_bytes!("fixtures/several/first.sig");
const BY_SECOND: &[u8] = include_bytes!("fixtures/several/second.sig");
const BY_SECOND_OF_OTHER: &[u8] = include_bytes!("fixtures/several/second-of-other.sig");
const BY_SUBKEY: &[u8] = include_bytes!("fixtures/several/subkey.sig");
const INLINE_BY_TWO: &[u8] = include_bytes!("fixtures/several/InRelease.two");
const INLINE_BY_MD5: &[u8] = include_bytes!("fixtures/several/InRelease.md5");
/// A day after the signatures were made.
const NOW: i64 = 1767398400;

fn ring(keys: &[&[u8]]) -> Keyring {
    Keyring::from_bytes(&keys.join(&b'\n')).expect("keys")
}

fn fingerprint(key: &[u8]) -> String {
    ring(&[key]).fingerprints().remove(0)
}

fn detached(signatures: &[&[u8]], keyring: &Keyring) -> Result<Verified, TrustError> {
    verify_detached(RELEASE, &signatures.concat(), keyring, NOW)
}

/// Whose signatures counted.
fn signers(verified: Verified) -> Vec<String> {
    let signers = verified.signers.into_iter();
    signers.map(|signer| signer.fingerprint).collect()
}

fn failures(result: Result<Verified, TrustError>) -> Vec<SignatureFailure> {
    match result {
        Err(TrustError::NotTrusted(failures)) => failures,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_good_signature_by_a_key_of_the_keyring_is_enough() {
    for key in [FIRST, SECOND] {
        let verified = verify_inline(INLINE_BY_TWO, &ring(&[key]), NOW).expect("good");
        assert_eq!(signers(verified), [fingerprint(key)]);
    }
    let verified = verify_inline(INLINE_BY_TWO, &ring(&[FIRST, SECOND]), NOW).expect("good");
    assert_eq!(signers(verified).len(), 2);
}

#[test]
fn a_signature_that_does_not_hold_counts_for_nothing_and_against_nothing() {
    let bad: [(&[u8], Keyring); 3] = [
        // By a key that nobody knows, by one that is revoked, of another text.
        (BY_SECOND, ring(&[FIRST])),
        (BY_SECOND, ring(&[FIRST, SECOND_REVOKED])),
        (BY_SECOND_OF_OTHER, ring(&[FIRST, SECOND])),
    ];
    for (bad, keyring) in bad {
        for order in [[BY_FIRST, bad], [bad, BY_FIRST]] {
            let verified = detached(&order, &keyring).expect("one is good");
            assert_eq!(signers(verified), [fingerprint(FIRST)]);
        }
        assert_eq!(failures(detached(&[bad, bad], &keyring)).len(), 2);
    }
}

#[test]
fn each_signature_is_refused_with_its_own_reason() {
    let keyring = ring(&[SECOND]);
    assert!(matches!(
        &failures(detached(&[BY_FIRST, BY_SECOND_OF_OTHER], &keyring))[..],
        [
            SignatureFailure::UnknownKey(_),
            SignatureFailure::Altered(_)
        ]
    ));
}

#[test]
fn refuses_more_signatures_than_any_archive_makes() {
    let many = vec![BY_FIRST; 33];
    let result = detached(&many, &ring(&[FIRST]));
    assert!(matches!(result, Err(TrustError::Envelope(_))), "{result:?}");
}

#[test]
fn refuses_a_key_that_is_revoked() {
    assert!(matches!(
        &failures(detached(&[BY_SECOND], &ring(&[SECOND_REVOKED])))[..],
        [SignatureFailure::KeyRevoked(key)] if *key == fingerprint(SECOND)
    ));
}

#[test]
fn refuses_a_subkey_that_is_revoked() {
    let verified = detached(&[BY_SUBKEY], &ring(&[SUBKEY])).expect("good");
    // People know the key by its primary.
    assert_eq!(signers(verified), [fingerprint(SUBKEY)]);
    assert!(matches!(
        &failures(detached(&[BY_SUBKEY], &ring(&[SUBKEY_REVOKED])))[..],
        [SignatureFailure::KeyRevoked(key)] if *key != fingerprint(SUBKEY)
    ));
}

#[test]
fn refuses_a_subkey_that_does_not_bind_itself_to_its_primary_key() {
    let keyring = Keyring::from_bytes(SUBKEY_UNBOUND).expect("a key");
    assert!(matches!(
        &failures(detached(&[BY_SUBKEY], &keyring))[..],
        [SignatureFailure::KeyNotBound { reason, .. }] if reason.contains("does not bind itself")
    ));
}

#[test]
fn refuses_md5() {
    assert!(matches!(
        &failures(verify_inline(INLINE_BY_MD5, &ring(&[FIRST]), NOW))[..],
        [SignatureFailure::WeakHash { hash, .. }] if hash.eq_ignore_ascii_case("md5")
    ));
}

/// The signature of an `InRelease` is one over a text, whatever its line ends. It can be handed out
/// beside a `Release` too.
#[test]
fn refuses_other_line_ends_under_a_signature_that_does_not_cover_them() {
    let inline = std::str::from_utf8(INLINE_BY_TWO).expect("UTF-8");
    let start = inline
        .find("-----BEGIN PGP SIGNATURE")
        .expect("it is signed");
    let signature = inline.as_bytes().split_at(start).1;
    let text = RELEASE.strip_suffix(b"\n").expect("a line end");
    let keyring = ring(&[FIRST]);
    verify_detached(text, signature, &keyring, NOW).expect("good");
    for end in ["\r", "\r\n"] {
        let text = std::str::from_utf8(text).expect("UTF-8").replace('\n', end);
        let result = verify_detached(text.as_bytes(), signature, &keyring, NOW);
        assert!(
            matches!(result, Err(TrustError::NotTrusted(_))),
            "{end:?}: {result:?}"
        );
    }
}
