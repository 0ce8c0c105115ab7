//! Provenance: each build says what went into it, so that the same image can be built again of nothing else, and
//! policies can be held against it.
//!
//! These tests need the archive's mirror.

mod support;

use std::collections::BTreeSet;

use basalt_attest::provenance::Provenance;
use basalt_attest::{ResourceDescriptor, Statement, attached, predicate_type};
use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore, LayoutStore, Manifest, covered, media_type};
use serde_json::Value;
use support::mirror::Mirror;
use support::workplace::Workplace;

/// The images that an index leads to.
fn images(store: &LayoutStore, index: &Descriptor) -> Vec<Descriptor> {
    let covered = covered(store, &index.digest).expect("sound");
    covered.within().to_vec()
}

const BELOW: &str = "\
name: below
releases: [trixie]
architectures: [amd64, arm64]
packages:
  - { name: base-files, dependencies: false }
";

const OVER: &str = "\
include: [image.yaml]
name: over
packages:
  - { name: netbase, dependencies: false }
slices:
  libc6: [libs]
files:
  - { path: /etc/probe.conf, source: probe.conf }
assertions: { no-shell: true }
";

/// An image laid over another, both built.
fn built() -> (Workplace, Mirror) {
    let place = Workplace::warm(BELOW);
    place.write("over.yaml", OVER);
    place.write("probe.conf", "of the spec\n");
    let mirror = Mirror::honest();
    for (spec, output) in [("image.yaml", "below"), ("over.yaml", "over")] {
        place
            .basalt_from(&mirror, &["build", spec, "--output", output])
            .succeeded();
    }
    (place, mirror)
}

fn target(place: &Workplace, layout: &str) -> (LayoutStore, Descriptor) {
    let store = LayoutStore::open(&place.path(layout)).expect("a layout");
    let target = store.resolve("latest").expect("readable").expect("tagged");
    (store, target)
}

/// The statements of this kind that are attached to a manifest.
fn statements(store: &LayoutStore, subject: &Descriptor, kind: &str) -> Vec<Statement> {
    let all = attached(store, subject).expect("readable");
    let in_toto = all
        .into_iter()
        .filter(|one| one.layer.media_type == basalt_attest::media_type::IN_TOTO);
    in_toto
        .map(|one| Statement::read(&one.read(store).expect("readable")).expect("a statement"))
        .filter(|one| one.predicate_type == kind)
        .collect()
}

fn provenance(store: &LayoutStore, subject: &Descriptor) -> Provenance {
    let found = statements(store, subject, predicate_type::SLSA_V1);
    let [statement] = found.as_slice() else {
        panic!("{} provenances of {}", found.len(), subject.digest);
    };
    assert!(statement.is_about(&subject.digest));
    statement.predicate_as().expect("SLSA provenance 1")
}

fn dependency<'p>(provenance: &'p Provenance, name: &str) -> &'p ResourceDescriptor {
    let all = &provenance.build_definition.resolved_dependencies;
    all.iter()
        .find(|one| one.name == name)
        .unwrap_or_else(|| panic!("{name} is not there"))
}

#[test]
fn each_image_and_the_index_say_what_went_into_them() {
    let (place, _) = built();
    let (store, index) = target(&place, "over");
    let lock: Value = serde_json::from_str(&place.read("over.trixie.lock.json")).expect("JSON");
    let mut architectures = BTreeSet::new();
    for image in images(&store, &index) {
        let provenance = provenance(&store, &image);
        let asked = &provenance.build_definition.external_parameters;
        assert_eq!(asked["spec"], "over.yaml");
        assert_eq!(asked["release"], "trixie");
        architectures.insert(asked["architectures"].to_string());
        for file in [
            "over.yaml",
            "image.yaml",
            "probe.conf",
            "over.trixie.lock.json",
        ] {
            let named = dependency(&provenance, file);
            let content = named.content.as_deref().expect("it is whole");
            assert_eq!(content, place.read(file).as_bytes());
            assert_eq!(named.sha256(), Some(Digest::of(content)));
        }
        for package in ["base-files", "netbase", "libc6"] {
            let named = dependency(&provenance, package);
            let packages = lock["packages"].as_array().expect("a list");
            let sha256 = format!("sha256:{}", named.digest["sha256"]);
            let locked = packages
                .iter()
                .find(|one| one["sha256"] == sha256.as_str())
                .expect("the lock has it");
            assert!(named.uri.starts_with(&format!("pkg:deb/debian/{package}@")));
            assert_eq!(named.annotations["path"], locked["path"]);
        }
        let release = dependency(&provenance, "debian/trixie Release");
        assert!(
            !release.annotations["signers"]
                .as_array()
                .expect("a list")
                .is_empty()
        );
        let verdicts = statements(&store, &image, predicate_type::TEST_RESULT);
        let [verdict] = verdicts.as_slice() else {
            panic!("{} verdicts", verdicts.len());
        };
        assert_eq!(verdict.predicate["result"], "PASSED");
        let passed = verdict.predicate["passedTests"].as_array().expect("a list");
        assert!(passed.contains(&"no-shell".into()), "{passed:?}");
    }
    assert_eq!(
        architectures,
        ["[\"amd64\"]", "[\"arm64\"]"].map(str::to_owned).into()
    );
    let of_index = provenance(&store, &index);
    let asked = &of_index.build_definition.external_parameters;
    assert_eq!(asked["architectures"].to_string(), "[\"amd64\",\"arm64\"]");
    let builder = &of_index.run_details.builder;
    assert_eq!(builder.version["basalt"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_base_that_is_named_is_the_image_that_the_base_is_by_itself() {
    let (place, _) = built();
    let (below_store, below) = target(&place, "below");
    let (store, index) = target(&place, "over");
    let of_index = provenance(&store, &index);
    assert_eq!(dependency(&of_index, "base").sha256(), Some(below.digest));
    let bases = images(&below_store, &below);
    let overs = images(&store, &index);
    assert_eq!(bases.len(), 2);
    for (over, base) in overs.iter().zip(&bases) {
        let provenance = provenance(&store, over);
        assert_eq!(dependency(&provenance, "base").sha256(), Some(base.digest));
    }
    let by_itself = provenance(&below_store, &below);
    let dependencies = by_itself.build_definition.resolved_dependencies;
    assert!(dependencies.iter().all(|one| one.name != "base"));
}

#[test]
fn the_same_build_says_the_same_and_names_no_machine() {
    let (place, mirror) = built();
    let (store, index) = target(&place, "over");
    let first = provenance(&store, &index);
    let text = serde_json::to_string(&first).expect("JSON");
    let folder = place.path("").display().to_string();
    for word in [folder.as_str(), "http://", "127.0.0.1"] {
        assert!(!text.contains(word), "it has `{word}`");
    }
    place
        .basalt_from(&mirror, &["build", "over.yaml", "--output", "again"])
        .succeeded();
    assert_eq!(
        place.read("over/index.json"),
        place.read("again/index.json")
    );
}

#[test]
fn a_policy_is_held_against_the_provenance_of_a_build() {
    let (place, mirror) = built();
    let builder = "https://example.com/builders/one";
    place
        .basalt_from(
            &mirror,
            &[
                "build",
                "over.yaml",
                "--output",
                "over",
                "--builder-id",
                builder,
            ],
        )
        .succeeded();
    generate_key(&place);
    attest(&place, &["over", "--provenance"]);
    let (_, below) = target(&place, "below");
    let policy = |builder: &str, base: &Digest| {
        format!(
            "signers: {{own: {{key: own.pub}}}}\nsignatures: {{threshold: 0}}\nattestations: [{{type: slsaprovenance1}}]\n\
             builders: ['{builder}']\nbase-images: ['{base}']\nno-unexplained-scripts: true\nno-declared-effects: true\n"
        )
    };
    place.write("policy.yaml", policy(builder, &below.digest));
    place
        .basalt(&["verify", "over", "--policy", "policy.yaml"])
        .succeeded();
    place.write(
        "policy.yaml",
        policy("https://example.com/other", &below.digest),
    );
    refused_for(&place, &["builders", builder]);
    place.write("policy.yaml", policy(builder, &Digest::of(b"another")));
    refused_for(&place, &["base-images", &below.digest.to_string()]);
}

/// Makes `own.key`, with `password`.
fn generate_key(place: &Workplace) {
    place.write("password", "a password\n");
    use std::os::unix::fs::PermissionsExt;
    let secret = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("password"), secret).expect("it is there");
    let arguments = ["key", "generate", "own", "--password-file", "password"];
    place.basalt(&arguments).succeeded();
}

/// Attests with `own.key`.
fn attest(place: &Workplace, what: &[&str]) {
    let key = ["--key", "own.key", "--password-file", "password"];
    place
        .basalt(&[&["attest"], what, &key[..]].concat())
        .succeeded();
}

/// Asserts that the policy refuses the image, in these words.
fn refused_for(place: &Workplace, words: &[&str]) {
    let run = place.basalt(&["verify", "over", "--policy", "policy.yaml"]);
    assert_eq!(run.status, 10, "{}{}", run.out, run.error);
    for word in words {
        let said = run.out.contains(word) || run.error.contains(word);
        assert!(said, "`{word}` is not in:\n{}{}", run.out, run.error);
    }
}

#[test]
fn an_image_is_built_again_from_its_own_provenance_and_an_empty_cache() {
    let (place, mirror) = built();
    let (_, index) = target(&place, "over");
    let elsewhere = Workplace::cold("");
    let layout = place.path("over").display().to_string();
    let run = elsewhere
        .basalt_from(&mirror, &["reproduce", &layout, "--output", "again"])
        .succeeded();
    assert!(run.out.contains(&index.digest.to_string()), "{}", run.out);
    assert_eq!(
        place.read("over/index.json"),
        elsewhere.read("again/index.json"),
        "what is attached is the same too"
    );
    let (store, _) = target(&place, "over");
    for image in images(&store, &index) {
        let one = format!("{layout}@{}", image.digest);
        let run = elsewhere
            .basalt_from(&mirror, &["reproduce", &one, "--json"])
            .succeeded();
        assert_eq!(run.json()["built"], image.digest.to_string());
    }
}

#[test]
fn what_was_asked_for_on_the_command_line_is_asked_for_again() {
    let spec = format!("{BELOW}variants: {{more: {{files: [{{path: /large, source: large}}]}}}}\n");
    let place = Workplace::warm(&spec);
    // Longer than a provenance has whole: it is found in the image.
    place.write("large", vec![b'x'; 100_000]);
    let mirror = Mirror::honest();
    let arguments = [
        "build",
        "image.yaml",
        "--output",
        "out",
        "--variant",
        "more",
        "--arch",
        "arm64",
        "--compression",
        "zstd",
    ];
    let built = place
        .command_from(&mirror, &arguments)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .expect("it runs");
    assert!(built.status.success());
    let elsewhere = Workplace::cold("");
    let layout = place.path("out").display().to_string();
    elsewhere
        .basalt_from(&mirror, &["reproduce", &layout])
        .succeeded();
}

#[test]
fn an_image_that_is_not_what_its_provenance_says_is_told_by_layer_file_and_byte() {
    let (place, mirror) = built();
    place.write("probe.conf", "of the Spec\n");
    place
        .basalt_from(&mirror, &["build", "over.yaml", "--output", "other"])
        .succeeded();
    let (other, other_index) = target(&place, "other");
    let statements = statements(&other, &other_index, predicate_type::SLSA_V1);
    place
        .basalt(&["copy", "./over", "./bare:latest", "--no-referrers"])
        .succeeded();
    let (bare, index) = target(&place, "bare");
    let mut forged = statements.into_iter().next().expect("there is one");
    forged.subject = vec![ResourceDescriptor::of_digest("over", &index.digest)];
    attach(
        &bare,
        &index,
        &basalt_attest::to_bytes(&forged).expect("JSON"),
    );
    let run = place.basalt_from(&mirror, &["reproduce", "./bare"]);
    assert_eq!(run.status, 8, "{}{}", run.out, run.error);
    for words in [
        "is not reproduced",
        "image linux/amd64",
        "etc/probe.conf: the first byte that differs is number 7",
        &index.digest.to_string(),
        &other_index.digest.to_string(),
    ] {
        assert!(run.out.contains(words), "`{words}` is not in:\n{}", run.out);
    }
    let json = place
        .basalt_from(&mirror, &["reproduce", "./bare", "--json"])
        .json();
    let layers = json["images"][0]["layers"].as_array().expect("a list");
    assert_eq!(layers.len(), 1, "the file is in the last layer: {layers:?}");
}

/// Attaches a statement that nobody signed.
fn attach(store: &LayoutStore, subject: &Descriptor, statement: &[u8]) {
    let kind = basalt_attest::media_type::IN_TOTO;
    let layer = store.put_blob(kind, statement).expect("it is added");
    let config = store
        .put_blob(media_type::EMPTY, media_type::EMPTY_DOCUMENT)
        .expect("it is added");
    let manifest = Manifest {
        artifact_type: Some(kind.to_owned()),
        subject: Some(Descriptor::new(
            &subject.media_type,
            subject.digest,
            subject.size,
        )),
        ..Manifest::new(config, vec![layer])
    };
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("it is added");
}

#[test]
fn documents_that_are_only_there_signed_are_read_in_both_formats() {
    let (place, mirror) = built();
    let (store, index) = target(&place, "over");
    let image = images(&store, &index).remove(0);
    let provenance = serde_json::to_vec(&provenance(&store, &index)).expect("JSON");
    place.write("provenance.json", provenance);
    let arch = ["--arch", "amd64"];
    for format in ["spdx", "cyclonedx"] {
        let output = format!("{format}.json");
        let sbom = ["sbom", "over", "--format", format, "--output", &output];
        place.basalt(&[&sbom[..], &arch].concat()).succeeded();
    }
    generate_key(&place);
    for format in ["bundle", "legacy"] {
        let bare = format!("./{format}:latest");
        place
            .basalt(&["copy", "./over", &bare, "--no-referrers"])
            .succeeded();
        let one = format!("./{format}@{}", image.digest);
        for (subject, file, kind) in [
            (&bare, "provenance.json", "slsaprovenance1"),
            (&one, "spdx.json", "spdx"),
            (&one, "cyclonedx.json", "cyclonedx"),
        ] {
            let predicate = ["--predicate", file, "--type", kind, "--format", format];
            attest(&place, &[&[subject.as_str()], &predicate[..]].concat());
        }
        // What anyone may attach beside them is no reason to fail.
        let (store, index) = target(&place, format);
        attach(&store, &index, b"{}");
        place
            .basalt_from(&mirror, &["reproduce", &bare])
            .succeeded();
        let told = place.basalt(&[&["explain", &bare, "/etc/protocols"], &arch[..]].concat());
        let told = told.succeeded().out;
        assert!(told.contains("package  netbase"), "{told}");
        for format in ["spdx", "cyclonedx"] {
            let shown = place.basalt(&[&["sbom", &bare, "--format", format], &arch[..]].concat());
            let shown: Value = serde_json::from_str(&shown.succeeded().out).expect("JSON");
            let wanted: Value =
                serde_json::from_str(&place.read(&format!("{format}.json"))).expect("JSON");
            assert_eq!(shown, wanted);
        }
    }
}

#[test]
fn an_image_without_provenance_is_an_error_that_says_so() {
    let (place, mirror) = built();
    place
        .basalt(&["copy", "./over", "./bare:latest", "--no-referrers"])
        .succeeded();
    place
        .basalt_from(&mirror, &["reproduce", "./bare"])
        .refused(1, &["no provenance is attached", "basalt attestations"]);
}

#[test]
fn a_path_of_an_image_is_told_by_what_the_image_carries_alone() {
    let (place, _) = built();
    let explained = |path: &str| {
        let run = place.basalt(&["explain", "./over", path, "--arch", "arm64", "--json"]);
        run.succeeded().json()
    };
    let lock: Value = serde_json::from_str(&place.read("over.trixie.lock.json")).expect("JSON");
    let protocols = explained("/etc/protocols");
    assert_eq!(protocols["package"]["name"], "netbase");
    assert_eq!(protocols["by"], "its package, as it is there");
    assert_eq!(protocols["verified"], true);
    let packages = lock["packages"].as_array().expect("a list");
    let locked = packages.iter().find(|one| one["name"] == "netbase");
    let locked = locked.expect("it is locked");
    let sha256 = protocols["package"]["sha256"].as_str().expect("a text");
    assert_eq!(locked["sha256"], format!("sha256:{sha256}"));
    let archives = lock["archives"].as_array().expect("a list");
    let snapshot = archives.iter().find(|one| one["suite"] == locked["suite"]);
    let snapshot = snapshot.expect("its suite is locked");
    assert_eq!(protocols["vouched"]["signers"], snapshot["signers"]);
    let probe = explained("/etc/probe.conf");
    assert_eq!(probe["by"], "the spec: files[0] (/etc/probe.conf)");
    assert_eq!(
        probe["content"],
        Digest::of(b"of the spec\n").to_string().as_str()
    );
    // What the architecture's slice leaves out, and what nobody has.
    let left_out = explained("/usr/lib/aarch64-linux-gnu/libnss_compat.so.2");
    assert_eq!(left_out["left-out"], true);
    let text = place
        .basalt(&["explain", "./over", "/etc/protocols"])
        .succeeded();
    for words in [
        "package  netbase",
        "vouched  debian/trixie Release of",
        "compared with the image",
    ] {
        assert!(
            text.out.contains(words),
            "`{words}` is not in:\n{}",
            text.out
        );
    }
    place
        .basalt(&["explain", "./over", "/nothing"])
        .refused(1, &["nothing stands at /nothing"]);
    place
        .basalt(&["explain", "./over", "netbase"])
        .refused(2, &["no absolute path", "basalt explain SPEC PACKAGE"]);
}
