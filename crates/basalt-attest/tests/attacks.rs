//! What each attack on signatures meets. Every test begins with something that is good, and changes one thing.

use std::collections::BTreeMap;

use basalt_attest::policy::{Evidence, Judged, Policy, Signers, Unmet, gather};
use basalt_attest::{
    Authority, Bundle, Envelope, Format, PrivateKey, Refusal, ResourceDescriptor, Signature,
    Signer, Statement, Subject, attach, attest, media_type, pre_authentication_encoding,
    predicate_type, sign, statement_type, to_bytes,
};
use basalt_oci::{
    Descriptor, ImageStore, Index, LayoutStore, LayoutWriter, Manifest, annotation, covered,
};
use serde_json::{Value, json};

const NOW: i64 = 1_795_000_000;
const DAY: i64 = 24 * 3600;
const FORMATS: [Format; 2] = [Format::Bundle, Format::Legacy];

/// Two images in one layout, and two keys.
struct Case {
    _folder: tempfile::TempDir,
    store: LayoutStore,
    image: Descriptor,
    other: Descriptor,
    key: PrivateKey,
    stranger: PrivateKey,
}

fn image(writer: &LayoutWriter, content: &[u8], tag: &str) -> Descriptor {
    let config = writer
        .add_bytes(basalt_oci::media_type::CONFIG, b"{}")
        .expect("added");
    let layer = writer
        .add_bytes(basalt_oci::media_type::LAYER, content)
        .expect("added");
    let inner = writer
        .add_json(
            basalt_oci::media_type::MANIFEST,
            &Manifest::new(config, vec![layer]),
        )
        .expect("added");
    let mut index = writer
        .add_json(basalt_oci::media_type::INDEX, &Index::new(vec![inner]))
        .expect("added");
    let name = annotation::REFERENCE_NAME.to_owned();
    index.annotations.insert(name, tag.to_owned());
    index
}

fn case() -> Case {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout");
    let writer = LayoutWriter::create(&path, false).expect("it begins");
    let both = ["image", "other"].map(|tag| image(&writer, tag.as_bytes(), tag));
    writer.finish(&Index::new(both.to_vec())).expect("in place");
    let [image, other] = both;
    Case {
        store: LayoutStore::open(&path).expect("a layout"),
        _folder: folder,
        image,
        other,
        key: PrivateKey::generate().expect("a key"),
        stranger: PrivateKey::generate().expect("a key"),
    }
}

fn named(keys: &[(&str, &PrivateKey)]) -> Signers {
    let named = keys.iter().map(|(name, key)| {
        let authority = Authority::Key(key.public_key().clone());
        ((*name).to_owned(), authority)
    });
    Signers {
        named: named.collect(),
        root: None,
    }
}

impl Case {
    fn subject(&self) -> Subject<'_> {
        Subject {
            descriptor: &self.image,
            name: "image",
        }
    }

    fn sign(&self, key: &PrivateKey, format: Format) -> Descriptor {
        sign(&self.store, self.subject(), NOW, key, format).expect("signed")
    }

    fn statement(&self, kind: &str, predicate: &Value) -> Vec<u8> {
        let about = ResourceDescriptor::of_digest("image", &self.image.digest);
        let statement = Statement::new(vec![about], kind, predicate).expect("JSON");
        to_bytes(&statement).expect("JSON")
    }

    fn attest(&self, kind: &str, predicate: &Value, format: Format) {
        let bytes = self.statement(kind, predicate);
        attest(&self.store, self.subject(), &bytes, NOW, &self.key, format).expect("attested");
    }

    /// Attaches an envelope as it is, in a bundle with this hint.
    fn bundle(&self, envelope: Envelope, hint: &str) {
        let bundle = to_bytes(&Bundle::new(envelope, hint.to_owned())).expect("JSON");
        let layer = self
            .store
            .put_blob(media_type::BUNDLE, &bundle)
            .expect("added");
        attach(&self.store, &self.image, layer, BTreeMap::new()).expect("attached");
    }

    fn envelope(&self, statement: &[u8], keys: &[&PrivateKey]) -> Envelope {
        let message = pre_authentication_encoding(media_type::IN_TOTO, statement);
        let signatures = keys.iter().map(|key| Signature {
            sig: key.sign(&message).expect("signed"),
            keyid: String::new(),
        });
        Envelope {
            payload: statement.to_vec(),
            payload_type: media_type::IN_TOTO.to_owned(),
            signatures: signatures.collect(),
        }
    }

    fn signers(&self) -> Signers {
        named(&[("release", &self.key)])
    }

    fn judge_of(&self, target: &Descriptor, policy: &Value) -> (Vec<Evidence>, Vec<Unmet>) {
        let mut policy = policy.clone();
        policy["signers"] = json!({"release": {"key": "unused"}});
        let policy: Policy = serde_json::from_value(policy).expect("a policy");
        policy.check().expect("a sound policy");
        let covered = covered(&self.store, &target.digest).expect("an index");
        let judged = Judged {
            target,
            images: covered.within(),
            uncovered: &covered.uncovered,
        };
        let signers = self.signers();
        let evidence = gather(&self.store, &judged, &signers).expect("read");
        let unmet = policy.judge(&judged, &signers, &evidence, NOW);
        (evidence, unmet)
    }

    fn judge(&self, policy: &Value) -> (Vec<Evidence>, Vec<Unmet>) {
        self.judge_of(&self.image, policy)
    }

    /// The only thing attached is refused, and the image with it.
    fn refused(&self) -> Refusal {
        let (mut evidence, unmet) = self.judge(&json!({}));
        assert_eq!(unmet.len(), 1, "{unmet:?}");
        assert_eq!(unmet[0].rule, "signatures");
        assert_eq!(unmet[0].digest, self.image.digest);
        assert!(unmet[0].remedy.contains("release"), "{unmet:?}");
        assert_eq!(evidence.len(), 1);
        evidence
            .pop()
            .and_then(|one| one.outcome.err())
            .expect("it is refused")
    }
}

fn only_attested() -> Value {
    json!({"signatures": {"threshold": 0}, "attestations": [{"type": "spdx"}]})
}

#[test]
fn what_is_signed_is_good_in_both_formats() {
    for format in FORMATS {
        let case = case();
        assert_eq!(case.judge(&json!({})).1.len(), 1, "not yet signed");
        case.sign(&case.key, format);
        let (evidence, unmet) = case.judge(&json!({}));
        assert!(unmet.is_empty(), "{unmet:?}");
        assert_eq!(evidence.len(), 1);
        case.attest(predicate_type::SPDX, &json!({}), format);
        assert!(case.judge(&only_attested()).1.is_empty());
    }
}

#[test]
fn a_swapped_key_is_refused() {
    for format in FORMATS {
        let case = case();
        case.sign(&case.stranger, format);
        assert!(matches!(
            case.refused(),
            Refusal::AnotherKey | Refusal::AnotherHint { .. }
        ));
    }
}

#[test]
fn a_signature_moved_from_another_image_is_refused() {
    for format in FORMATS {
        let case = case();
        let subject = Subject {
            descriptor: &case.other,
            name: "image",
        };
        let made = sign(&case.store, subject, NOW, &case.key, format).expect("signed");
        let (_, bytes) = case
            .store
            .manifest(&made.digest)
            .expect("read")
            .expect("there");
        let mut manifest: Manifest = serde_json::from_slice(&bytes).expect("a manifest");
        let tag = format!("sha256-{}.sig", case.image.digest.hex());
        let tag = match &mut manifest.subject {
            Some(subject) => {
                subject.digest = case.image.digest;
                None
            }
            None => Some(tag.as_str()),
        };
        let bytes = to_bytes(&manifest).expect("JSON");
        case.store
            .put_manifest(basalt_oci::media_type::MANIFEST, &bytes, tag)
            .expect("moved");
        assert!(matches!(case.refused(), Refusal::AboutAnother { .. }));
        // Where it belongs it is good.
        assert!(case.judge_of(&case.other, &json!({})).1.is_empty());
    }
}

#[test]
fn a_hint_that_lies_is_refused() {
    let predicate = json!({});
    let hint = |key: &PrivateKey| key.public_key().hint();
    // A stranger's signature that names our key.
    let case_one = case();
    let statement = case_one.statement(predicate_type::COSIGN_SIGN, &predicate);
    let envelope = case_one.envelope(&statement, &[&case_one.stranger]);
    case_one.bundle(envelope, &hint(&case_one.key));
    assert!(matches!(case_one.refused(), Refusal::LyingHint { .. }));
    // Our key's signature that names a stranger's.
    let case_two = case();
    let statement = case_two.statement(predicate_type::COSIGN_SIGN, &predicate);
    let envelope = case_two.envelope(&statement, &[&case_two.key]);
    case_two.bundle(envelope, &hint(&case_two.stranger));
    assert!(matches!(case_two.refused(), Refusal::AnotherHint { .. }));
}

#[test]
fn an_envelope_with_no_unknown_or_twofold_signatures_is_refused() {
    let case = case();
    let statement = case.statement(predicate_type::COSIGN_SIGN, &json!({}));
    let hint = case.key.public_key().hint();
    case.bundle(case.envelope(&statement, &[]), &hint);
    assert!(case.refused().to_string().contains("no signature"));
    for keys in [
        [&case.key, &case.key],
        [&case.key, &case.stranger],
        [&case.stranger, &case.key],
    ] {
        let case = self::case();
        // A bundle has exactly one signature, whoever made the other.
        let envelope = case.envelope(&statement, &keys);
        case.bundle(envelope, &hint);
        assert!(matches!(case.refused(), Refusal::Malformed(_)));
    }
}

#[test]
fn a_changed_payload_or_payload_type_is_refused() {
    for (change, expected) in [
        ("payload", "did not make its signature"),
        ("type", "its payload is"),
    ] {
        let case = case();
        let statement = case.statement(predicate_type::COSIGN_SIGN, &json!({"a": 1}));
        let mut envelope = case.envelope(&statement, &[&case.key]);
        match change {
            "payload" => {
                envelope.payload = case.statement(predicate_type::COSIGN_SIGN, &json!({"a": 2}));
            }
            _ => envelope.payload_type = "application/json".to_owned(),
        }
        case.bundle(envelope, &case.key.public_key().hint());
        let refusal = case.refused().to_string();
        assert!(refusal.contains(expected), "{change}: {refusal}");
    }
}

#[test]
fn another_type_of_predicate_is_not_the_one_demanded() {
    for format in FORMATS {
        let case = case();
        case.attest(predicate_type::CYCLONEDX, &json!({}), format);
        let (evidence, unmet) = case.judge(&only_attested());
        assert!(evidence[0].outcome.is_ok(), "it is sound");
        assert_eq!(unmet[0].rule, "attestations: spdx");
        assert!(unmet[0].problem.contains("cyclonedx"), "{unmet:?}");
        // Nor does an attestation sign the image.
        assert_eq!(case.judge(&json!({})).1[0].rule, "signatures");
    }
}

#[test]
fn a_type_that_is_only_written_beside_the_statement_counts_for_nothing() {
    let case = case();
    let statement = case.statement(predicate_type::CYCLONEDX, &json!({}));
    let envelope = case.envelope(&statement, &[&case.key]);
    let bundle = Bundle::new(envelope, case.key.public_key().hint());
    let layer = case
        .store
        .put_blob(media_type::BUNDLE, &to_bytes(&bundle).expect("JSON"))
        .expect("added");
    let lie = BTreeMap::from([(
        "dev.sigstore.bundle.predicateType".to_owned(),
        predicate_type::SPDX.to_owned(),
    )]);
    attach(&case.store, &case.image, layer, lie).expect("attached");
    assert_eq!(case.judge(&only_attested()).1[0].rule, "attestations: spdx");
}

#[test]
fn a_document_that_nobody_signed_counts_for_nothing() {
    let case = case();
    let statement = case.statement(predicate_type::SPDX, &json!({}));
    let layer = case
        .store
        .put_blob(media_type::IN_TOTO, &statement)
        .expect("added");
    attach(&case.store, &case.image, layer, BTreeMap::new()).expect("attached");
    let (evidence, unmet) = case.judge(&only_attested());
    assert_eq!((evidence.len(), unmet.len()), (0, 1));
}

#[test]
fn what_is_too_old_or_to_come_or_has_no_date_is_refused() {
    for (date, expected) in [
        (Some(NOW - 29 * DAY), None),
        (Some(NOW - 31 * DAY), Some("more than 30 days ago")),
        (Some(NOW + DAY), Some("to come")),
        (None, Some("no date")),
    ] {
        let case = case();
        let predicate = match date {
            Some(date) => json!({"creationInfo": {"created": basalt_oci::date(date)}}),
            None => json!({}),
        };
        case.attest(predicate_type::SPDX, &predicate, Format::Bundle);
        let policy = json!({
            "signatures": {"threshold": 0},
            "attestations": [{"type": "spdx", "maximum-age": "30 days"}],
        });
        let (_, unmet) = case.judge(&policy);
        match expected {
            None => assert!(unmet.is_empty(), "{unmet:?}"),
            Some(text) => assert!(unmet[0].problem.contains(text), "{unmet:?}"),
        }
    }
    let case = case();
    case.sign(&case.key, Format::Bundle);
    case.sign(&case.key, Format::Legacy);
    let young = json!({"signatures": {"maximum-age": "1 hour"}});
    assert!(case.judge(&young).1.is_empty());
}

#[test]
fn one_key_counts_once_however_often_it_signed() {
    let case = case();
    case.sign(&case.key, Format::Bundle);
    case.sign(&case.key, Format::Legacy);
    let names = ["a".to_owned(), "b".to_owned()];
    let policy = Policy::of_signers(names, Some(2));
    let signers = named(&[("a", &case.key), ("b", &case.stranger)]);
    let judged = Judged {
        target: &case.image,
        images: &[],
        uncovered: &[],
    };
    let evidence = gather(&case.store, &judged, &signers).expect("read");
    let unmet = policy.judge(&judged, &signers, &evidence, NOW);
    assert!(
        unmet[0].problem.contains("only a signed it, where 2 must"),
        "{unmet:?}"
    );
    assert!(unmet[0].remedy.contains("by b "), "{unmet:?}");
    case.sign(&case.stranger, Format::Legacy);
    let evidence = gather(&case.store, &judged, &signers).expect("read");
    assert!(policy.judge(&judged, &signers, &evidence, NOW).is_empty());
}

#[test]
fn what_is_said_of_every_image_holds_for_the_index_and_of_some_does_not() {
    let case = case();
    let inner = covered(&case.store, &case.image.digest).expect("an index");
    let inner = inner.within();
    let subject = Subject {
        descriptor: &inner[0],
        name: "image",
    };
    sign(&case.store, subject, NOW, &case.key, Format::Bundle).expect("signed");
    assert!(case.judge(&json!({})).1.is_empty());
    // A second image in the index that is not signed.
    let config = case
        .store
        .put_blob(basalt_oci::media_type::CONFIG, b"{}")
        .expect("added");
    let bytes = to_bytes(&Manifest::new(config, Vec::new())).expect("JSON");
    let second = case
        .store
        .put_manifest(basalt_oci::media_type::MANIFEST, &bytes, Some("second"))
        .expect("added");
    let index = to_bytes(&Index::new(vec![inner[0].clone(), second])).expect("JSON");
    let index = case
        .store
        .put_manifest(basalt_oci::media_type::INDEX, &index, Some("both"))
        .expect("added");
    assert_eq!(case.judge_of(&index, &json!({})).1[0].rule, "signatures");
}

#[test]
fn a_changed_manifest_is_refused() {
    let case = case();
    case.sign(&case.key, Format::Bundle);
    let path = case
        .store
        .path()
        .join("blobs/sha256")
        .join(case.image.digest.hex());
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replace(":2", ":3")).expect("written");
    assert!(case.store.manifest(&case.image.digest).is_err());
    assert!(covered(&case.store, &case.image.digest).is_err());
}

fn provenance(builder: &str, internal: &Value) -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://example.com/build",
            "externalParameters": {},
            "internalParameters": internal,
            "resolvedDependencies": [{"name": "base", "digest": {"sha256": "aa".repeat(32)}}],
        },
        "runDetails": {"builder": {"id": builder}},
    })
}

#[test]
fn the_rules_about_the_build_are_read_from_signed_provenance_alone() {
    let good = json!({"scripts": {"unexplained": [], "declaredEffects": []}});
    let bad = json!({"scripts": {"unexplained": ["nginx"], "declaredEffects": ["app"]}});
    let policy = json!({
        "signatures": {"threshold": 0},
        "builders": ["https://example.com/builder"],
        "base-images": [format!("sha256:{}", "aa".repeat(32))],
        "no-unexplained-scripts": true,
        "no-declared-effects": true,
    });
    for (builder, internal, expected) in [
        ("https://example.com/builder", &good, &[][..]),
        ("https://example.com/other", &good, &["builders"]),
        (
            "https://example.com/builder",
            &bad,
            &["no-unexplained-scripts", "no-declared-effects"],
        ),
        (
            "https://example.com/builder",
            &json!({}),
            &["no-unexplained-scripts", "no-declared-effects"],
        ),
    ] {
        let case = case();
        let unsigned = case.judge(&policy).1;
        assert!(unsigned[0].problem.contains("no signed provenance"));
        let predicate = provenance(builder, internal);
        case.attest(predicate_type::SLSA_V1, &predicate, Format::Bundle);
        let (_, unmet) = case.judge(&policy);
        let rules: Vec<&str> = unmet.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, expected, "{unmet:?}");
    }
    let case = case();
    let predicate = provenance("https://example.com/builder", &good);
    case.attest(predicate_type::SLSA_V1, &predicate, Format::Bundle);
    let mut other = policy.clone();
    other["base-images"] = json!([format!("sha256:{}", "bb".repeat(32))]);
    assert_eq!(case.judge(&other).1[0].rule, "base-images");
}

#[test]
fn statements_of_both_versions_are_read() {
    for kind in [statement_type::V1, statement_type::V0_1] {
        let case = case();
        let bytes = case.statement(predicate_type::SPDX, &json!({}));
        let mut statement = Statement::read(&bytes).expect("a statement");
        statement.kind = kind.to_owned();
        let bytes = to_bytes(&statement).expect("JSON");
        attest(
            &case.store,
            case.subject(),
            &bytes,
            NOW,
            &case.key,
            Format::Legacy,
        )
        .expect("attested");
        assert!(case.judge(&only_attested()).1.is_empty());
    }
}

#[test]
fn a_statement_about_another_image_is_not_signed() {
    let case = case();
    let bytes = case.statement(predicate_type::SPDX, &json!({}));
    let subject = Subject {
        descriptor: &case.other,
        name: "other",
    };
    let made = attest(&case.store, subject, &bytes, NOW, &case.key, Format::Bundle);
    assert!(made.is_err());
}
