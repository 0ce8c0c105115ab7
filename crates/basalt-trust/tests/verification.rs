//! What is trusted, and what is refused with which words.

use basalt_trust::{
    Clock, Expectation, FreshnessError, Keyring, ReleaseFacts, SignatureFailure, TrustError,
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
        clock: 1500.into(),
        ..Expectation::default()
    };
    let judge = |wish| check_release(&release, &wish);
    assert_eq!(judge(wish.clone()), Ok(()));
    assert!(matches!(
        judge(Expectation {
            clock: 2000.into(),
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
            clock: (-9000).into(),
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

#[test]
fn a_moment_that_is_asked_for_is_the_clock_and_nothing_made_after_it_counts() {
    let inline = INLINE.as_bytes();
    let verified = verify_inline(inline, &ring(), NOW).expect("good");
    let made = verified.signers[0].created;
    // To the second, while this machine's clock may be an hour behind.
    verify_inline(inline, &ring(), Clock::as_of(made)).expect("made by then");
    verify_inline(inline, &ring(), Clock::present(made - 1)).expect("clocks differ");
    match verify_inline(inline, &ring(), Clock::as_of(made - 1)) {
        Err(TrustError::NotTrusted(failures)) => assert!(
            matches!(failures[..], [SignatureFailure::Later { created, .. }] if created == made),
            "{failures:?}"
        ),
        other => panic!("{other:?}"),
    }
    // The key has expired by the present of 2030, and was good then.
    let present = 1_900_000_000;
    assert!(verify_inline(inline, &ring(), Clock::present(present)).is_err());
    verify_inline(inline, &ring(), Clock::as_of(NOW)).expect("good then");

    let release = ReleaseFacts {
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        date: 1000,
        valid_until: Some(2000),
    };
    let judge = |clock| {
        let wish = Expectation {
            clock,
            ..Expectation::default()
        };
        check_release(&release, &wish)
    };
    assert_eq!(judge(Clock::as_of(1000)), Ok(()));
    assert_eq!(judge(Clock::as_of(1999)), Ok(()));
    let (date, valid_until) = (1000, 2000);
    assert_eq!(
        judge(Clock::as_of(999)),
        Err(FreshnessError::Later { date, now: 999 })
    );
    assert_eq!(
        judge(Clock::as_of(2000)),
        Err(FreshnessError::OverThen {
            valid_until,
            now: 2000
        })
    );
}

#[test]
fn a_release_is_what_it_was_expected_to_call_itself() {
    let facts = |suite: &str, codename: &str| ReleaseFacts {
        suite: suite.to_owned(),
        codename: codename.to_owned(),
        date: 0,
        valid_until: None,
    };
    let some = |text: &str| Some(text.to_owned());
    let either = Expectation {
        either: some("trixie"),
        ..Expectation::default()
    };
    for (suite, codename) in [("trixie", ""), ("", "trixie"), ("stable", "trixie")] {
        assert_eq!(check_release(&facts(suite, codename), &either), Ok(()));
    }
    for (suite, codename) in [("", ""), ("stable", "forky"), ("Trixie", "")] {
        let error = check_release(&facts(suite, codename), &either).expect_err("another");
        assert!(error.to_string().contains("expect-suite"), "{error}");
    }
    // One that must call itself nothing is not any that calls itself something.
    let nothing = Expectation {
        suite: some(""),
        codename: some(""),
        ..Expectation::default()
    };
    assert_eq!(check_release(&facts("", ""), &nothing), Ok(()));
    assert!(check_release(&facts("stable", ""), &nothing).is_err());
    assert!(check_release(&facts("", "trixie"), &nothing).is_err());
    let moved = Expectation {
        suite: some("stable"),
        locked_codename: some("trixie"),
        ..Expectation::default()
    };
    assert_eq!(check_release(&facts("stable", "trixie"), &moved), Ok(()));
    assert_eq!(
        check_release(&facts("stable", "forky"), &moved),
        Err(FreshnessError::Moved {
            locked: "trixie".to_owned(),
            found: "forky".to_owned()
        })
    );
}
