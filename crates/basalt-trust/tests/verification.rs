//! What is trusted, and what is refused with which words.

use basalt_trust::{
    Expectation, FreshnessError, Keyring, ReleaseFacts, SignatureFailure, TrustError,
    check_release, verify_detached, verify_inline,
};

const KEY: &[u8] = include_bytes!("fixtures/key.asc");
const OTHER: &[u8] = include_bytes!("fixtures/other.asc");
const INLINE: &str = include_str!("fixtures/InRelease");
const WEAK: &[u8] = include_bytes!("fixtures/InRelease.sha1");
const RELEASE: &[u8] = include_bytes!("fixtures/Release");
const DETACHED: &[u8] = include_bytes!("fixtures/Release.gpg");
/// A day after the signatures were made; the key holds for a year.
const NOW: i64 = 1767398400;

fn ring() -> Keyring {
    Keyring::from_bytes(KEY).expect("a key")
}

fn failures(message: &[u8], ring: &Keyring, now: i64) -> Vec<SignatureFailure> {
    match verify_inline(message, ring, now) {
        Err(TrustError::NotTrusted(failures)) => failures,
        other => panic!("{other:?}"),
    }
}

#[test]
fn takes_what_a_trusted_key_signed() {
    let verified = verify_inline(INLINE.as_bytes(), &ring(), NOW).expect("good");
    assert_eq!(verified.text.as_bytes(), RELEASE);
    assert_eq!(verified.signers[0].fingerprint, ring().fingerprints()[0]);
    verify_detached(RELEASE, DETACHED, &ring(), NOW).expect("good");
}

#[test]
fn refuses_an_altered_text() {
    let altered = INLINE.replace("trixie", "sidsid");
    assert!(matches!(
        failures(altered.as_bytes(), &ring(), NOW)[..],
        [SignatureFailure::Altered(_)]
    ));
    assert!(verify_detached(b"Suite: other\n", DETACHED, &ring(), NOW).is_err());
}

#[test]
fn refuses_unknown_keys_weak_hashes_expired_keys_and_the_future() {
    let other = Keyring::from_bytes(OTHER).expect("a key");
    let inline = INLINE.as_bytes();
    assert!(matches!(
        failures(inline, &other, NOW)[..],
        [SignatureFailure::UnknownKey(_)]
    ));
    assert!(matches!(
        failures(WEAK, &ring(), NOW)[..],
        [SignatureFailure::WeakHash { .. }]
    ));
    let later = NOW + 2 * 365 * 86400;
    assert!(matches!(
        failures(inline, &ring(), later)[..],
        [SignatureFailure::KeyExpired { .. }]
    ));
    let before = NOW - 10 * 86400;
    assert!(matches!(
        failures(inline, &ring(), before)[..],
        [SignatureFailure::Future(_)]
    ));
}

#[test]
fn refuses_text_outside_the_envelope() {
    for message in [
        format!("Suite: evil\n{INLINE}"),
        format!("{INLINE}Suite: evil\n"),
        INLINE.replace("Hash: ", "Comment: "),
        INLINE.replace("Codename", "-Codename"),
        INLINE.replace("-----END PGP SIGNATURE-----", ""),
    ] {
        let result = verify_inline(message.as_bytes(), &ring(), NOW);
        assert!(matches!(result, Err(TrustError::Envelope(_))), "{result:?}");
    }
    let unsigned = verify_inline(
        b"-----BEGIN PGP SIGNED MESSAGE-----\n\nSuite: x\n",
        &ring(),
        NOW,
    );
    assert!(matches!(unsigned, Err(TrustError::NoSignature)));
}

#[test]
fn refuses_a_release_that_is_stale_rolled_back_or_another() {
    let release = ReleaseFacts {
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        date: 1000,
        valid_until: Some(2000),
    };
    let wish = Expectation {
        codename: Some("trixie".to_owned()),
        now: 1500,
        ..Expectation::default()
    };
    let judge = |wish| check_release(&release, &wish);
    assert_eq!(judge(wish.clone()), Ok(()));
    assert!(matches!(
        judge(Expectation {
            now: 2000,
            ..wish.clone()
        }),
        Err(FreshnessError::Expired { .. })
    ));
    assert!(matches!(
        judge(Expectation {
            oldest_date: Some(1001),
            ..wish.clone()
        }),
        Err(FreshnessError::OlderThanLock { .. })
    ));
    assert!(matches!(
        judge(Expectation {
            now: -9000,
            ..wish.clone()
        }),
        Err(FreshnessError::Future { .. })
    ));
    assert!(matches!(
        judge(Expectation {
            codename: Some("sid".to_owned()),
            ..wish
        }),
        Err(FreshnessError::WrongCodename { .. })
    ));
}
