//! What signatures made with a certificate promise, tried with attestations that were published: both of a conda package,
//! one by a workflow with Sigstore's public instance (an entry of its log tells the time), one by a person with its
//! staging instance (a time stamp of RFC 3161 does).

use std::collections::BTreeMap;

use basalt_attest::{
    Attached, Authority, Form, Identity, Refusal, TrustedRoot, Verified, media_type, verify,
};
use basalt_digest::Digest;
use basalt_oci::Descriptor;

const ROOT: &str = include_str!("fixtures/trusted-root.json");
const BUNDLE: &[u8] = include_bytes!("fixtures/keyless-rekor1.json");
const PACKAGE: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
const SUBJECT: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn attached(bytes: &[u8], subject: Digest) -> Attached {
    Attached {
        form: Form::Bundle,
        subject,
        manifest: Digest::of(b"manifest"),
        annotations: BTreeMap::new(),
        layer: Descriptor::of(media_type::BUNDLE, bytes),
    }
}

fn tried(bytes: &[u8], about: &str, subject: &str, issuer: &str) -> Result<Verified, Refusal> {
    let root = TrustedRoot::read(ROOT).expect("a trusted root");
    let identity = Identity {
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
    };
    let about = about.parse().expect("a digest");
    verify(
        &attached(bytes, about),
        bytes,
        &[Authority::Identity(identity)],
        Some(&root),
    )
}

#[test]
fn a_published_attestation_is_verified_offline_against_the_pinned_root() {
    let verified = tried(BUNDLE, PACKAGE, SUBJECT, ISSUER).expect("it is good");
    assert_eq!(verified.signers, [0]);
    assert_eq!(
        verified.claim.predicate_type(),
        "https://schemas.conda.org/attestations-publish-1.schema.json"
    );
}

#[test]
fn an_attestation_with_a_time_stamp_of_rfc_3161_is_verified_by_its_own_root_alone() {
    let bytes = include_bytes!("fixtures/keyless-rekor2.json");
    let identity = [Authority::Identity(Identity {
        subject: "jku@goto.fi".to_owned(),
        issuer: "https://github.com/login/oauth".to_owned(),
    })];
    let attached = attached(bytes, PACKAGE.parse().expect("a digest"));
    let staging = TrustedRoot::read(include_str!("fixtures/trusted-root-staging.json"));
    let staging = staging.expect("a trusted root");
    verify(&attached, bytes, &identity, Some(&staging)).expect("it is good");
    let public = TrustedRoot::read(ROOT).expect("a trusted root");
    let refusal = verify(&attached, bytes, &identity, Some(&public)).expect_err("another root");
    assert!(matches!(refusal, Refusal::Certificate { .. }), "{refusal}");
    // Without the time stamp nothing tells when it was signed.
    let mut bundle: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    bundle["verificationMaterial"]["timestampVerificationData"] = serde_json::json!({});
    let bare = serde_json::to_vec(&bundle).expect("JSON");
    assert!(verify(&attached, &bare, &identity, Some(&staging)).is_err());
}

#[test]
fn another_identity_issuer_or_image_is_refused() {
    let other = format!("sha256:{}", "0".repeat(64));
    for (about, subject, issuer) in [
        (
            PACKAGE,
            "https://github.com/prefix-dev/sigstore-example",
            ISSUER,
        ),
        (PACKAGE, SUBJECT, "https://accounts.google.com"),
        (other.as_str(), SUBJECT, ISSUER),
    ] {
        let refusal = tried(BUNDLE, about, subject, issuer).expect_err(subject);
        assert!(matches!(refusal, Refusal::Certificate { .. }), "{refusal}");
    }
}

#[test]
fn without_a_root_or_an_identity_a_certificate_is_nobodys_word() {
    let about = PACKAGE.parse().expect("a digest");
    let attached = attached(BUNDLE, about);
    let root = TrustedRoot::read(ROOT).expect("a trusted root");
    assert!(matches!(
        verify(&attached, BUNDLE, &[], Some(&root)),
        Err(Refusal::Keyless)
    ));
    let identity = Authority::Identity(Identity {
        subject: SUBJECT.to_owned(),
        issuer: ISSUER.to_owned(),
    });
    assert!(matches!(
        verify(&attached, BUNDLE, &[identity], None),
        Err(Refusal::Keyless)
    ));
}

/// The bundle with one thing changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut bundle = serde_json::from_slice(BUNDLE).expect("JSON");
    change(&mut bundle);
    serde_json::to_vec(&bundle).expect("JSON")
}

#[test]
fn whatever_is_changed_or_left_out_is_refused() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let flipped = |text: &serde_json::Value| {
        let mut bytes = STANDARD
            .decode(text.as_str().expect("a text"))
            .expect("base64");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        serde_json::Value::String(STANDARD.encode(bytes))
    };
    let unchanged = changed(|_| {});
    tried(&unchanged, PACKAGE, SUBJECT, ISSUER).expect("it is good as it is");
    for place in [
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures/0/sig",
        "/verificationMaterial/certificate/rawBytes",
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
        "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
    ] {
        let bytes = changed(|bundle| {
            let value = bundle
                .pointer_mut(place)
                .unwrap_or_else(|| panic!("{place}"));
            *value = flipped(value);
        });
        assert!(tried(&bytes, PACKAGE, SUBJECT, ISSUER).is_err(), "{place}");
    }
    for (parent, name) in [
        ("/verificationMaterial", "tlogEntries"),
        ("/verificationMaterial/tlogEntries/0", "inclusionProof"),
        ("/verificationMaterial", "certificate"),
        ("/dsseEnvelope", "signatures"),
    ] {
        let bytes = changed(|bundle| {
            let value = bundle
                .pointer_mut(parent)
                .and_then(|value| value.as_object_mut());
            value
                .unwrap_or_else(|| panic!("{parent}"))
                .remove(name)
                .expect(name);
        });
        assert!(
            tried(&bytes, PACKAGE, SUBJECT, ISSUER).is_err(),
            "without {name}"
        );
    }
}

#[test]
fn a_root_without_the_authority_or_the_log_vouches_for_nobody() {
    for name in ["certificateAuthorities", "tlogs", "ctlogs"] {
        let mut root: serde_json::Value = serde_json::from_str(ROOT).expect("JSON");
        root[name] = serde_json::json!([]);
        let Ok(root) = TrustedRoot::read(&root.to_string()) else {
            continue;
        };
        let identity = Identity {
            subject: SUBJECT.to_owned(),
            issuer: ISSUER.to_owned(),
        };
        let about = PACKAGE.parse().expect("a digest");
        let outcome = verify(
            &attached(BUNDLE, about),
            BUNDLE,
            &[Authority::Identity(identity)],
            Some(&root),
        );
        assert!(
            matches!(outcome, Err(Refusal::Certificate { .. })),
            "{name}"
        );
    }
    assert!(TrustedRoot::read("{}").is_err());
}
