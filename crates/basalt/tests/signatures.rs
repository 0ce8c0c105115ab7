//! Signing and verifying as a person meets them.

#[path = "support/run.rs"]
mod run;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use basalt_attest::attach;
use basalt_oci::{
    Descriptor, ImageStore, Index, LayoutStore, LayoutWriter, Manifest, Platform, annotation,
    media_type,
};
use run::Run;
use serde_json::{Value, json};

/// Runs the program in a folder, with a password in the environment.
fn basalt(folder: &Path, arguments: &[&str]) -> Run {
    with(folder, arguments, &[("BASALT_KEY_PASSWORD", "secret")])
}

fn with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_basalt"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts");
    Run::of(output)
}

/// A folder with an image `app` for two architectures, and the keys `ours` and `theirs`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let writer = LayoutWriter::create(&path.join("app"), false).expect("it begins");
    let layer = writer.add_bytes(media_type::LAYER, b"tar").expect("added");
    let mut images = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = json!({"architecture": architecture, "os": "linux"});
        let config = writer.add_json(media_type::CONFIG, &config).expect("added");
        let manifest = Manifest::new(config, vec![layer.clone()]);
        let mut image = writer
            .add_json(media_type::MANIFEST, &manifest)
            .expect("added");
        image.platform = Some(Platform::of_debian(architecture).expect("known"));
        images.push(image);
    }
    let mut index = writer
        .add_json(media_type::INDEX, &Index::new(images))
        .expect("added");
    let name = annotation::REFERENCE_NAME.to_owned();
    index.annotations.insert(name, "latest".to_owned());
    writer.finish(&Index::new(vec![index])).expect("in place");
    for name in ["ours", "theirs"] {
        assert_eq!(basalt(path, &["key", "generate", name]).status, 0);
    }
    folder
}

fn image(folder: &Path) -> Descriptor {
    let store = LayoutStore::open(&folder.join("app")).expect("a layout");
    store.resolve("latest").expect("read").expect("it is there")
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

#[test]
fn a_key_is_made_encrypted_readable_by_its_owner_alone_and_never_overwritten() {
    let folder = folder();
    let path = folder.path();
    let private = std::fs::read_to_string(path.join("ours.key")).expect("read");
    assert!(private.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    let facts = std::fs::metadata(path.join("ours.key")).expect("it is there");
    assert_eq!(facts.permissions().mode() & 0o777, 0o600);
    let public = std::fs::read_to_string(path.join("ours.pub")).expect("read");
    assert_eq!(basalt(path, &["key", "public", "ours.key"]).out, public);
    let run = basalt(path, &["key", "generate", "ours"]);
    assert_eq!(run.status, 2);
    assert!(run.error.contains("never overwritten"), "{}", run.error);
    let again = std::fs::read_to_string(path.join("ours.key")).expect("read");
    assert_eq!(again, private);
}

#[test]
fn a_wrong_password_is_refused_and_never_shown() {
    let folder = folder();
    let run = with(
        folder.path(),
        &["key", "public", "ours.key"],
        &[("COSIGN_PASSWORD", "hunter2")],
    );
    assert_eq!(run.status, 1);
    assert!(run.error.contains("does not open it"), "{}", run.error);
    assert!(!run.error.contains("hunter2"), "{}", run.error);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = folder();
    let path = folder.path();
    for mode in [0o640, 0o604, 0o660] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path.join("ours.key"), permissions).expect("changed");
        let run = basalt(path, &["sign", "app", "--key", "ours.key"]);
        assert_eq!(run.status, 2, "{mode:o}");
        assert!(run.error.contains("chmod 600"), "{}", run.error);
    }
}

#[test]
fn keys_and_passwords_come_from_the_environment_and_from_files() {
    let folder = folder();
    let path = folder.path();
    let private = std::fs::read_to_string(path.join("ours.key")).expect("read");
    let public = std::fs::read_to_string(path.join("ours.pub")).expect("read");
    write(path, "password", "secret\n");
    let arguments = [
        "sign",
        "app",
        "--key",
        "env://KEY",
        "--password-file",
        "password",
    ];
    let open = with(path, &arguments, &[("KEY", &private)]);
    assert_eq!(open.status, 2);
    assert!(
        open.error.contains("others than its owner"),
        "{}",
        open.error
    );
    let permissions = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path.join("password"), permissions).expect("changed");
    let run = with(path, &arguments, &[("KEY", &private)]);
    assert_eq!(run.status, 0, "{}", run.error);
    let run = with(
        path,
        &["verify", "app", "--key", "env://KEY"],
        &[("KEY", &public)],
    );
    assert_eq!(run.status, 0, "{}", run.error);
    let run = with(path, &["verify", "app", "--key", "env://KEY"], &[]);
    assert!(run.error.contains("KEY"), "{}", run.error);
    // A private key does not verify, and is not shown.
    let run = with(
        path,
        &["verify", "app", "--key", "env://KEY"],
        &[("KEY", &private)],
    );
    assert_eq!(run.status, 2);
    assert!(run.error.contains("it is a private key"), "{}", run.error);
}

#[test]
fn an_image_is_signed_and_verified_in_each_format() {
    for (format, count) in [("bundle", 1), ("legacy", 1), ("both", 2)] {
        let folder = folder();
        let path = folder.path();
        assert_eq!(
            basalt(path, &["verify", "app", "--key", "ours.pub"]).status,
            10
        );
        let sign = ["sign", "app", "--key", "ours.key", "--format", format];
        assert_eq!(basalt(path, &sign).status, 0);
        let run = basalt(path, &["verify", "app", "--key", "ours.pub", "--json"]);
        assert_eq!(run.status, 0, "{}", run.error);
        let document = run.json();
        assert_eq!(document["verified"], true);
        assert_eq!(document["digest"], image(path).digest.to_string());
        assert_eq!(document["evidence"].as_array().map(Vec::len), Some(count));
        // The image is still the only one by name.
        assert_eq!(image(path).media_type, media_type::INDEX);
    }
}

#[test]
fn a_refusal_names_the_rule_the_digest_and_what_would_satisfy_it() {
    let folder = folder();
    let path = folder.path();
    basalt(path, &["sign", "app", "--key", "theirs.key"]);
    let run = basalt(path, &["verify", "app", "--key", "ours.pub", "--json"]);
    assert_eq!(run.status, 10);
    let document = run.json();
    let unmet = &document["unmet"][0];
    assert_eq!(unmet["rule"], "signatures");
    assert_eq!(unmet["digest"], image(path).digest.to_string());
    assert_eq!(unmet["remedy"], "a signature by ours.pub (`basalt sign`)");
    let refused = document["evidence"][0]["refused"].as_str();
    assert!(refused.is_some_and(|text| text.contains("another key")));
}

#[test]
fn two_keys_must_both_have_signed_unless_fewer_are_asked_for() {
    let folder = folder();
    let path = folder.path();
    basalt(path, &["sign", "app", "--key", "ours.key"]);
    let both = ["verify", "app", "--key", "ours.pub", "--key", "theirs.pub"];
    let run = basalt(path, &both);
    assert_eq!(run.status, 10);
    assert!(
        run.out.contains("only ours.pub signed it, where 2 must"),
        "{}",
        run.out
    );
    let one = [&both[..], &["--threshold", "1"]].concat();
    assert_eq!(basalt(path, &one).status, 0);
    let three = [&both[..], &["--threshold", "3"]].concat();
    assert_eq!(basalt(path, &three).status, 2);
    let twice = ["verify", "app", "--key", "ours.pub", "--key", "ours.pub"];
    assert_eq!(basalt(path, &twice).status, 2, "one key would count twice");
    basalt(
        path,
        &["sign", "app", "--key", "theirs.key", "--format", "legacy"],
    );
    assert_eq!(basalt(path, &both).status, 0);
}

#[test]
fn a_changed_manifest_ends_with_the_code_of_distrust() {
    let folder = folder();
    let path = folder.path();
    basalt(path, &["sign", "app", "--key", "ours.key"]);
    let blobs = path.join("app/blobs/sha256");
    let index = image(path).digest;
    let text = std::fs::read_to_string(blobs.join(index.hex())).expect("read");
    let listed: Index = serde_json::from_str(&text).expect("an index");
    // The index, and one of the images within: the same length, another content.
    for digest in [index, listed.manifests[1].digest] {
        let file = blobs.join(digest.hex());
        let good = std::fs::read_to_string(&file).expect("read");
        std::fs::write(&file, good.replace("n\":2", "n\":3")).expect("written");
        let run = basalt(path, &["verify", "app", "--key", "ours.pub"]);
        assert_eq!(run.status, 4, "{}{}", run.out, run.error);
        std::fs::write(&file, good).expect("written");
    }
    assert_eq!(
        basalt(path, &["verify", "app", "--key", "ours.pub"]).status,
        0
    );
}

const POLICY: &str = "\
signers:
  release: {key: ours.pub}
signatures: {maximum-age: 30 days}
attestations:
  - {type: spdx, by: [release]}
  - {type: slsaprovenance1}
builders: ['https://example.com/builder']
no-unexplained-scripts: true
";

#[test]
fn a_policy_is_met_step_by_step() {
    let folder = folder();
    let path = folder.path();
    std::fs::create_dir(path.join("rules")).expect("made");
    // Keys are relative to the policy.
    write(
        path,
        "rules/policy.yaml",
        &POLICY.replace("ours.pub", "../ours.pub"),
    );
    let verify = ["verify", "app", "--policy", "rules/policy.yaml", "--json"];
    let unmet = || -> Vec<String> {
        let document = basalt(path, &verify).json();
        let unmet = document["unmet"].as_array().expect("a list");
        let rules = unmet
            .iter()
            .map(|one| one["rule"].as_str().expect("a text"));
        rules.map(str::to_owned).collect()
    };
    assert_eq!(
        unmet(),
        [
            "signatures",
            "attestations: spdx",
            "attestations: slsaprovenance1",
            "attestations"
        ]
    );
    let attest = |kind: &str, predicate: &Value| {
        write(path, "predicate.json", &predicate.to_string());
        let arguments = [
            "attest",
            "app",
            "--key",
            "ours.key",
            "--predicate",
            "predicate.json",
            "--type",
            kind,
        ];
        assert_eq!(basalt(path, &arguments).status, 0);
    };
    basalt(path, &["sign", "app", "--key", "ours.key"]);
    attest("spdx", &json!({}));
    let provenance = |builder: &str, unexplained: &[&str]| {
        json!({
            "buildDefinition": {
                "buildType": "https://example.com/build",
                "externalParameters": {},
                "internalParameters": {"scripts": {"unexplained": unexplained}},
            },
            "runDetails": {"builder": {"id": builder}},
        })
    };
    attest(
        "slsaprovenance1",
        &provenance("https://example.com/other", &["nginx"]),
    );
    assert_eq!(unmet(), ["builders", "no-unexplained-scripts"]);
    attest(
        "slsaprovenance1",
        &provenance("https://example.com/builder", &[]),
    );
    let run = basalt(path, &verify);
    assert_eq!(run.status, 0, "{}", run.out);
}

#[test]
fn a_policy_that_is_wrong_says_where_and_what_was_meant() {
    let folder = folder();
    let path = folder.path();
    for (text, expected) in [
        (
            "signers: {a: {key: ours.pub}}\nsignaturs: {}\n",
            &["policy.yaml:2:1", "did you mean `signatures`?"][..],
        ),
        (
            "signers: {a: {key: ours.pub}}\nsignatures: {by: [b]}\n",
            &["policy.yaml:2", "there is no signer `b`"],
        ),
        (
            "signers: {a: {key: ours.pub}}\nattestations: [{type: sbom}]\n",
            &["policy.yaml:2", "`sbom` is no type of predicate"],
        ),
        (
            "signers: {a: {key: ours.pub}}\nsignatures: {threshold: 0}\n",
            &["demands nothing"],
        ),
        (
            "signers: {a: {key: ours.pub}}\nsignatures: {threshold: 2}\n",
            &["2 signatures are demanded of 1"],
        ),
        (
            "signers: {a: {key: ours.pub}}\nsignatures: {maximum-age: soon}\n",
            &["policy.yaml:2", "`soon` is no age"],
        ),
        (
            "signers: {a: {key: ours.pub}, b: {key: ./ours.pub}}\n",
            &["would count twice"],
        ),
        ("signers: {}\n", &["no signers"]),
        (
            "signers: {a: {key: ours.pub, identity: b}}\n",
            &["policy.yaml:1", "either `key`, or `identity` and `issuer`"],
        ),
        (
            "signers: {a: {identity: b, issuer: c}}\n",
            &["add `trusted-root: FILE`"],
        ),
    ] {
        write(path, "policy.yaml", text);
        let run = basalt(path, &["verify", "app", "--policy", "policy.yaml"]);
        assert_eq!(run.status, 3, "{text}{}", run.error);
        for part in expected {
            assert!(run.error.contains(part), "{text}{}", run.error);
        }
    }
}

#[test]
fn what_the_build_attached_unsigned_is_signed_as_it_is() {
    let folder = folder();
    let path = folder.path();
    let store = LayoutStore::open(&path.join("app")).expect("a layout");
    let image = image(path);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": image.digest.hex()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"z": 1, "a": 2},
    });
    for (kind, bytes) in [
        (
            "application/spdx+json",
            r#"{"spdxVersion":"SPDX-2.3"}"#.to_owned(),
        ),
        (
            "application/vnd.cyclonedx+json",
            r#"{"bomFormat":"CycloneDX"}"#.to_owned(),
        ),
        ("application/vnd.in-toto+json", statement.to_string()),
    ] {
        let layer = store.put_blob(kind, bytes.as_bytes()).expect("added");
        attach(&store, &image, layer, Default::default()).expect("attached");
    }
    let run = basalt(path, &["attestations", "app", "--json"]);
    let listed = run.json();
    assert!(listed.as_array().is_some_and(|rows| rows.len() == 3));
    assert!(
        listed
            .as_array()
            .is_some_and(|rows| rows.iter().all(|row| row["signed"] == false))
    );
    let run = basalt(
        path,
        &[
            "attest",
            "app",
            "--key",
            "ours.key",
            "--sbom",
            "--provenance",
        ],
    );
    assert_eq!(run.status, 0, "{}", run.error);
    let policy = "\
signers: {release: {key: ours.pub}}
signatures: {threshold: 0}
attestations: [{type: spdx}, {type: cyclonedx}, {type: slsaprovenance1}]
";
    write(path, "policy.yaml", policy);
    let run = basalt(path, &["verify", "app", "--policy", "policy.yaml"]);
    assert_eq!(run.status, 0, "{}", run.out);
    let listed = basalt(path, &["attestations", "app", "--json"]).json();
    let row = listed.as_array().and_then(|rows| {
        rows.iter()
            .find(|row| row["signed"] == true && row["type"] == "https://slsa.dev/provenance/v1")
    });
    let number = row.expect("it is listed")["number"].to_string();
    let shown = basalt(path, &["attestations", "app", "--show", &number]);
    assert_eq!(shown.json(), statement);
    assert!(
        shown.out.find("\"z\"") < shown.out.find("\"a\""),
        "in its own order"
    );
    assert_eq!(
        basalt(path, &["attestations", "app", "--show", "99"]).status,
        2
    );
    assert_eq!(
        basalt(path, &["attestations", "app", "--show", "0"]).status,
        2
    );
}

#[test]
fn buildkits_attestations_within_the_index_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let writer = LayoutWriter::create(&path.join("app"), false).expect("it begins");
    let config = writer.add_bytes(media_type::CONFIG, b"{}").expect("added");
    let image = Manifest::new(config.clone(), Vec::new());
    let image = writer
        .add_json(media_type::MANIFEST, &image)
        .expect("added");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"name": "pkg:docker/app", "digest": {"sha256": image.digest.hex()}}],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"buildType": "https://mobyproject.org/buildkit@v1"},
    });
    let layer = writer
        .add_json("application/vnd.in-toto+json", &statement)
        .expect("added");
    let mut attestation = writer
        .add_json(media_type::MANIFEST, &Manifest::new(config, vec![layer]))
        .expect("added");
    for (key, value) in [
        ("vnd.docker.reference.type", "attestation-manifest"),
        ("vnd.docker.reference.digest", &image.digest.to_string()),
    ] {
        attestation
            .annotations
            .insert(key.to_owned(), value.to_owned());
    }
    let mut index = writer
        .add_json(
            media_type::INDEX,
            &Index::new(vec![image.clone(), attestation]),
        )
        .expect("added");
    let name = annotation::REFERENCE_NAME.to_owned();
    index.annotations.insert(name, "latest".to_owned());
    writer.finish(&Index::new(vec![index])).expect("in place");

    let listed = basalt(path, &["attestations", "app", "--json"]).json();
    assert_eq!(listed[0]["form"], "unsigned, BuildKit");
    assert_eq!(listed[0]["subject"], image.digest.to_string());
    assert_eq!(listed[0]["type"], "https://slsa.dev/provenance/v0.2");
    let shown = basalt(path, &["attestations", "app", "--show", "1"]);
    assert_eq!(shown.json(), statement);
}

#[test]
fn an_identity_is_asked_for_with_its_issuer_and_a_root() {
    let folder = folder();
    let path = folder.path();
    let root = include_str!("../../basalt-attest/tests/fixtures/trusted-root.json");
    write(path, "root.json", root);
    basalt(path, &["sign", "app", "--key", "ours.key"]);
    let mut arguments = vec!["verify", "app", "--certificate-identity", "me@example.com"];
    assert_eq!(basalt(path, &arguments).status, 2, "without an issuer");
    arguments.extend(["--certificate-oidc-issuer", "https://example.com"]);
    assert_eq!(basalt(path, &arguments).status, 2, "without a root");
    arguments.extend(["--trusted-root", "root.json"]);
    let run = basalt(path, &arguments);
    assert_eq!(run.status, 10, "{}", run.error);
    assert!(run.out.contains("me@example.com"), "{}", run.out);
    write(path, "root.json", "{}");
    assert_eq!(basalt(path, &arguments).status, 2, "no root");
    let policy = "signers: {a: {identity: me@example.com, issuer: 'https://example.com'}}\ntrusted-root: whole.json\n";
    write(path, "policy.yaml", policy);
    write(path, "whole.json", root);
    let run = basalt(path, &["verify", "app", "--policy", "policy.yaml"]);
    assert_eq!(run.status, 10, "{}", run.error);
}

#[test]
fn the_schema_of_a_policy_names_every_key_that_is_read() {
    let folder = folder();
    let schema = basalt(folder.path(), &["schema", "--policy"]).json();
    let keys = schema["properties"].as_object().expect("a mapping").keys();
    let run = {
        write(folder.path(), "policy.yaml", "zzz: 1\n");
        basalt(folder.path(), &["verify", "app", "--policy", "policy.yaml"])
    };
    for key in keys {
        assert!(run.error.contains(key.as_str()), "{key}: {}", run.error);
    }
    assert_eq!(schema["additionalProperties"], false);
}

/// Adds a manifest of another image, which nobody signed; what points at it.
fn unsigned(store: &LayoutStore) -> Descriptor {
    let config = json!({"architecture": "amd64", "os": "linux", "author": "x", "rootfs": {"type": "layers", "diff_ids": []}});
    let config = store.put_blob(media_type::CONFIG, config.to_string().as_bytes());
    let layer = store
        .put_blob(media_type::LAYER, &[0; 1024])
        .expect("added");
    let manifest = Manifest::new(config.expect("added"), vec![layer]);
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    let added = store.put_manifest(media_type::MANIFEST, &bytes, None);
    added.expect("added")
}

#[test]
fn an_index_is_verified_only_when_all_that_could_be_run_of_it_is() {
    let folder = folder();
    let path = folder.path();
    let sign = ["sign", "app", "--key", "ours.key", "--recursive"];
    assert_eq!(basalt(path, &sign).status, 0);
    let store = LayoutStore::open(&path.join("app")).expect("a layout");
    let (_, bytes) = store
        .manifest(&image(path).digest)
        .expect("read")
        .expect("there");
    let signed: Index = serde_json::from_slice(&bytes).expect("an index");
    let good = serde_json::to_value(&signed.manifests[0]).expect("JSON");
    let bad = serde_json::to_value(unsigned(&store)).expect("JSON");
    let add = |tag: &str, text: String| {
        // As another program would write it.
        let digest = basalt_digest::Digest::of(text.as_bytes());
        std::fs::write(path.join("app/blobs/sha256").join(digest.hex()), &text).expect("written");
        let file = path.join("app/index.json");
        let mut index: Value =
            serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
        let entry = json!({"mediaType": media_type::INDEX, "digest": digest.to_string(), "size": text.len(),
            "annotations": {annotation::REFERENCE_NAME: tag}});
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry.clone());
        std::fs::write(&file, index.to_string()).expect("written");
        entry
    };
    let index = |entries: &[&Value]| json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let verify = |tag: &str| {
        let name = format!("app:{tag}");
        basalt(path, &["verify", &name, "--key", "ours.pub"])
    };
    add("good", index(&[&good]));
    assert_eq!(verify("good").status, 0);
    let with = |key: &str, value: Value| {
        let mut entry = bad.clone();
        entry[key] = value;
        entry
    };
    let nested = add("inner", index(&[&bad]));
    for (tag, entry) in [
        ("plain", bad.clone()),
        (
            "marked",
            with(
                "annotations",
                json!({"vnd.docker.reference.type": "attestation-manifest"}),
            ),
        ),
        (
            "marked-so",
            with(
                "annotations",
                json!({"vnd.docker.reference.type": "anything"}),
            ),
        ),
        (
            "typed",
            with("mediaType", json!("application/octet-stream")),
        ),
        ("empty", with("mediaType", json!(""))),
        ("lying", with("mediaType", json!(media_type::INDEX))),
        ("nested", nested),
        (
            "gone",
            with("digest", json!(format!("sha256:{}", "0".repeat(64)))),
        ),
        (
            "long",
            with("digest", json!(format!("sha512:{}", "0".repeat(128)))),
        ),
    ] {
        add(tag, index(&[&good, &entry]));
        let run = verify(tag);
        assert_eq!(run.status, 10, "{tag}: {}{}", run.out, run.error);
        let left = match tag {
            "gone" | "long" => entry["digest"].as_str().expect("a text"),
            _ => bad["digest"].as_str().expect("a text"),
        };
        assert!(
            run.out.contains("not covered") && run.out.contains(left),
            "{tag}: {}",
            run.out
        );
    }
    let (good, bad) = (good.to_string(), bad.to_string());
    for (tag, text) in [
        (
            "folded",
            format!(r#"{{"schemaVersion":2,"manifests":[{good}],"Manifests":[{bad}]}}"#),
        ),
        (
            "long-s",
            format!(r#"{{"schemaVersion":2,"manifests":[{good}],"manifest\u017f":[{bad}]}}"#),
        ),
        (
            "twice",
            format!(r#"{{"schemaVersion":2,"manifests":[{bad}],"manifests":[{good}]}}"#),
        ),
        (
            "digest",
            format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                good.replacen('{', r#"{"Digest":"x","#, 1)
            ),
        ),
        (
            "kinds",
            format!(r#"{{"schemaVersion":2,"manifests":[{good}],"config":{bad},"layers":[]}}"#),
        ),
    ] {
        add(tag, text);
        let run = verify(tag);
        assert_eq!(run.status, 4, "{tag}: {}{}", run.out, run.error);
        assert!(run.error.contains("sha256:"), "{tag}: {}", run.error);
    }
    // What is said of the index is said of all of it, whatever it lists.
    let whole = ["sign", "app:plain", "--key", "ours.key"];
    assert_eq!(basalt(path, &whole).status, 0);
    assert_eq!(verify("plain").status, 0);
}

#[test]
fn an_index_that_lists_blobs_is_covered_by_its_own_signature_alone() {
    let folder = folder();
    let path = folder.path();
    // As BuildKit keeps a cache: the entries of an index are layers.
    let writer = LayoutWriter::create(&path.join("cache"), false).expect("it begins");
    let blobs = [&b"\x1f\x8b\x08\0\0"[..], b"tar", b"[]", b""].map(|bytes| {
        let blob = writer.add_bytes(media_type::LAYER, bytes);
        blob.expect("added")
    });
    let large = vec![0; (16 << 20) + 1];
    let large = writer.add_bytes(media_type::LAYER, &large).expect("added");
    let config = json!({"architecture": "amd64", "os": "linux"});
    let config = writer.add_json(media_type::CONFIG, &config).expect("added");
    let image = Manifest::new(config, vec![blobs[1].clone()]);
    let image = writer
        .add_json(media_type::MANIFEST, &image)
        .expect("added");
    let entries: Vec<Descriptor> = blobs.into_iter().chain([large]).collect();
    let all = [image.clone()].into_iter().chain(entries.clone()).collect();
    let mut index = writer
        .add_json(media_type::INDEX, &Index::new(all))
        .expect("added");
    let name = annotation::REFERENCE_NAME.to_owned();
    index.annotations.insert(name, "latest".to_owned());
    writer.finish(&Index::new(vec![index])).expect("in place");

    // The signature of the one image in it does not do.
    let image = format!("cache@{}", image.digest);
    assert_eq!(
        basalt(path, &["sign", &image, "--key", "ours.key"]).status,
        0
    );
    let run = basalt(path, &["verify", "cache", "--key", "ours.pub"]);
    assert_eq!(run.status, 10, "{}", run.error);
    assert!(run.out.contains("not covered"), "{}", run.out);
    let run = basalt(path, &["verify", "cache", "--key", "ours.pub", "--json"]);
    for entry in &entries {
        assert!(run.out.contains(&entry.digest.to_string()), "{}", run.out);
    }
    assert_eq!(
        basalt(path, &["sign", "cache", "--key", "ours.key"]).status,
        0
    );
    let run = basalt(path, &["verify", "cache", "--key", "ours.pub"]);
    assert_eq!(run.status, 0, "{} {}", run.out, run.error);
    // What is no manifest is not an image by itself, whoever has signed it.
    let blob = format!("cache@{}", entries[1].digest);
    let run = basalt(path, &["verify", &blob, "--key", "ours.pub"]);
    assert_eq!(run.status, 1, "{}", run.error);
    assert!(run.error.contains("has no manifest"), "{}", run.error);
}
