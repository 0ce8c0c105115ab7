//! What statements, envelopes and VEX documents promise.

use std::collections::BTreeMap;

use basalt_attest::provenance::Provenance;
use std::sync::LazyLock;

use basalt_attest::{
    Attached, Authority, Bundle, Envelope, Form, PrivateKey, ResourceDescriptor, Signature, Signer,
    SimpleSigning, Statement, media_type, pre_authentication_encoding, predicate_type, to_bytes,
    verify, vex,
};
use basalt_digest::Digest;
use basalt_oci::Descriptor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

fn statement() -> Statement {
    Statement::new(
        vec![ResourceDescriptor::of_digest("app", &Digest::of(b"image"))],
        predicate_type::SLSA_V1,
        &json!({
            "buildDefinition": {
                "buildType": "https://example.com/build",
                "externalParameters": {"z": 1, "a": 2},
                "resolvedDependencies": [{"name": "lock", "content": "e30=", "mediaType": "application/json"}],
            },
            "runDetails": {"builder": {"id": "https://example.com/builder"}},
        }),
    )
    .expect("JSON")
}

#[test]
fn the_encoding_that_is_signed_is_that_of_the_specification() {
    assert_eq!(
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn a_statement_is_written_as_it_is_read() {
    let bytes = to_bytes(&statement()).expect("JSON");
    assert!(bytes.starts_with(br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"app","digest":{"sha256":"#));
    let read = Statement::read(&bytes).expect("a statement");
    assert_eq!(read, statement());
    assert!(read.is_about(&Digest::of(b"image")));
    assert!(!read.is_about(&Digest::of(b"another")));
    let provenance: Provenance = read.predicate_as().expect("provenance");
    let dependency = &provenance.build_definition.resolved_dependencies[0];
    assert_eq!(dependency.content.as_deref(), Some(&b"{}"[..]));
    assert_eq!(
        serde_json::to_value(&provenance).expect("JSON"),
        read.predicate
    );
}

#[test]
fn what_is_no_statement_is_refused() {
    for (change, text) in [
        ("_type", json!("https://example.com/Statement/v2")),
        ("subject", json!([])),
        ("subject", json!([{"name": "app"}])),
        ("predicateType", json!("")),
    ] {
        let mut document = serde_json::to_value(statement()).expect("JSON");
        document[change] = text;
        let bytes = serde_json::to_vec(&document).expect("JSON");
        assert!(Statement::read(&bytes).is_err(), "{change}");
    }
}

#[test]
fn an_envelope_with_no_empty_or_twofold_signatures_is_refused() {
    let signature = |sig: &[u8]| Signature {
        sig: sig.to_vec(),
        keyid: String::new(),
    };
    for (signatures, good) in [
        (vec![signature(b"one")], true),
        (vec![signature(b"one"), signature(b"two")], true),
        (vec![], false),
        (vec![signature(b"")], false),
        (vec![signature(b"one"), signature(b"one")], false),
        ((0..33).map(|n| signature(&[n])).collect(), false),
    ] {
        let count = signatures.len();
        let envelope = Envelope {
            payload: b"{}".to_vec(),
            payload_type: "application/json".to_owned(),
            signatures,
        };
        let bytes = to_bytes(&envelope).expect("JSON");
        assert_eq!(Envelope::read(&bytes).is_ok(), good, "{count} signatures");
    }
}

#[test]
fn both_kinds_of_base64_are_read_and_the_standard_one_is_written() {
    let text = br#"{"payload":"-_-_","payloadType":"t","signatures":[{"sig":"-_8","keyid":null}]}"#;
    assert!(Envelope::read(text).is_err(), "null is no text");
    let text = br#"{"payload":"-_-_","payloadType":"t","signatures":[{"sig":"-_8"}]}"#;
    let envelope = Envelope::read(text).expect("an envelope");
    assert_eq!(
        to_bytes(&envelope).expect("JSON"),
        br#"{"payload":"+/+/","payloadType":"t","signatures":[{"sig":"+/8="}]}"#
    );
    let twofold =
        br#"{"payload":"e30","payload":"e30","payloadType":"t","signatures":[{"sig":"AA"}]}"#;
    assert!(Envelope::read(twofold).is_err(), "one key stands twice");
}

#[test]
fn who_is_not_affected_says_why() {
    let mut document = vex::Document {
        context: vex::CONTEXT.to_owned(),
        id: "https://example.com/vex/1".to_owned(),
        author: "example".to_owned(),
        role: None,
        timestamp: "2026-11-25T00:00:00Z".to_owned(),
        last_updated: None,
        version: 1,
        tooling: None,
        statements: vec![vex::Statement {
            id: None,
            vulnerability: vex::Vulnerability {
                name: "CVE-2026-1".to_owned(),
                ..vex::Vulnerability::default()
            },
            timestamp: None,
            last_updated: None,
            products: vec![vex::Product {
                component: vex::Component {
                    id: "pkg:oci/app".to_owned(),
                    ..vex::Component::default()
                },
                subcomponents: Vec::new(),
            }],
            status: vex::Status::NotAffected,
            supplier: None,
            status_notes: None,
            justification: None,
            impact_statement: None,
            action_statement: None,
            action_statement_timestamp: None,
        }],
    };
    let error = document.check().expect_err("no reason is given");
    assert!(error.to_string().contains("CVE-2026-1"), "{error}");
    document.statements[0].justification = Some(vex::Justification::VulnerableCodeNotPresent);
    let bytes = to_bytes(&document).expect("JSON");
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.contains(r#""status":"not_affected","justification":"vulnerable_code_not_present""#)
    );
    assert_eq!(vex::Document::read(&bytes).expect("a document"), document);
}

/// One claim in each form, and the key that signed it.
struct Signed {
    keys: Vec<Authority>,
    forms: Vec<(Form, Vec<u8>, Descriptor)>,
}

fn signed() -> &'static Signed {
    static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
        let key = PrivateKey::generate().expect("a key");
        let payload = to_bytes(&statement()).expect("JSON");
        let message = pre_authentication_encoding(media_type::IN_TOTO, &payload);
        let envelope = Envelope {
            payload,
            payload_type: media_type::IN_TOTO.to_owned(),
            signatures: vec![Signature {
                sig: key.sign(&message).expect("signed"),
                keyid: String::new(),
            }],
        };
        let bundle = Bundle::new(envelope.clone(), key.public_key().hint());
        let (envelope, bundle) = (
            to_bytes(&envelope).expect("JSON"),
            to_bytes(&bundle).expect("JSON"),
        );
        let legacy = to_bytes(&SimpleSigning::new("app", Digest::of(b"image"), 1)).expect("JSON");
        let mut layer = Descriptor::of(media_type::SIMPLE_SIGNING, &legacy);
        let signature = STANDARD.encode(key.sign(&legacy).expect("signed"));
        layer
            .annotations
            .insert("dev.cosignproject.cosign/signature".to_owned(), signature);
        let of = |bytes: &[u8]| Descriptor::of(media_type::BUNDLE, bytes);
        Signed {
            keys: vec![Authority::Key(key.public_key().clone())],
            forms: vec![
                (Form::Bundle, bundle.clone(), of(&bundle)),
                (Form::Envelope, envelope.clone(), of(&envelope)),
                (Form::LegacySignature, legacy, layer),
            ],
        }
    });
    &SIGNED
}

proptest! {
    #[test]
    fn an_envelope_comes_back_as_it_went(payload: Vec<u8>, payload_type: String, sig in proptest::collection::vec(any::<u8>(), 1..100)) {
        let envelope = Envelope {
            payload,
            payload_type,
            signatures: vec![Signature { sig, keyid: String::new() }],
        };
        let bytes = to_bytes(&envelope).expect("JSON");
        prop_assert_eq!(Envelope::read(&bytes).expect("an envelope"), envelope);
    }

    #[test]
    fn two_payloads_never_have_one_encoding(a: (String, Vec<u8>), b: (String, Vec<u8>)) {
        let one = pre_authentication_encoding(&a.0, &a.1);
        let two = pre_authentication_encoding(&b.0, &b.1);
        prop_assert_eq!(one == two, a == b);
    }

    #[test]
    fn no_bytes_bring_a_reader_to_panic(bytes: Vec<u8>) {
        let _ = Envelope::read(&bytes);
        let _ = Statement::read(&bytes);
        let _ = vex::Document::read(&bytes);
        let _ = Bundle::read(&bytes);
        let _ = SimpleSigning::read(&bytes);
    }

    #[test]
    fn a_changed_byte_never_makes_a_signature_say_something_else(place: prop::sample::Index, change in 1u8..=255) {
        let signed = signed();
        for (form, bytes, layer) in &signed.forms {
            let mut attached = Attached {
                form: *form,
                subject: Digest::of(b"image"),
                manifest: Digest::of(b"manifest"),
                annotations: BTreeMap::new(),
                layer: layer.clone(),
            };
            let good = verify(&attached, bytes, &signed.keys, None).expect("it is good as it is");
            let mut bytes = bytes.clone();
            let index = place.index(bytes.len());
            bytes[index] ^= change;
            attached.layer.digest = Digest::of(&bytes);
            // Some bytes are not signed: blanks, the media type's version, unused bits of base64.
            if let Ok(verified) = verify(&attached, &bytes, &signed.keys, None) {
                prop_assert_eq!(verified.claim, good.claim);
            }
        }
    }
}
