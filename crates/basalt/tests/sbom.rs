//! Bills of materials: each image carries them, they name all that is in it, and builds keep what others attached.
//!
//! These tests need the archive's mirror.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use basalt_oci::{
    ContentLimits, Descriptor, FileKind, ImageStore, Layout, LayoutStore, Manifest, filesystem,
    media_type,
};
use serde_json::Value;
use support::mirror::Mirror;
use support::workplace::{SPEC, Workplace};

/// A part of a package, a file of the spec's own, and a script's effect.
const SLICED: &str = "\
name: probe
releases: [trixie]
architectures: [amd64, arm64]
annotations:
  org.opencontainers.image.vendor: Example (Ltd)
packages:
  - { name: base-files, dependencies: false }
slices:
  libc6: [libs]
files:
  - { path: /etc/probe.conf, content: of the spec }
  - { path: /etc/issue, content: another }
";

fn built(spec: &str) -> (Workplace, Mirror) {
    let place = Workplace::warm(spec);
    let mirror = Mirror::honest();
    place.build_from(&mirror).succeeded();
    (place, mirror)
}

fn document(place: &Workplace, more: &[&str]) -> Value {
    let mut arguments = vec!["sbom", "out"];
    arguments.extend(more);
    place.basalt(&arguments).succeeded().json()
}

fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    let list = list.as_array().expect("a list");
    list.iter().filter_map(|one| one[key].as_str()).collect()
}

/// What is there of one of these names.
fn one<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    let list = list.as_array().expect("a list");
    list.iter()
        .find(|one| one[key] == name)
        .unwrap_or_else(|| panic!("{name} is not there"))
}

/// All components of a CycloneDX document, those within others too.
fn flat<'v>(components: &'v Value, all: &mut Vec<&'v Value>) {
    for component in components.as_array().into_iter().flatten() {
        all.push(component);
        flat(&component["components"], all);
    }
}

fn property<'v>(component: &'v Value, name: &str) -> Vec<&'v str> {
    let properties = component["properties"].as_array().into_iter().flatten();
    let named = properties.filter(|one| one["name"] == name);
    named.filter_map(|one| one["value"].as_str()).collect()
}

/// Attaches a document to what has this digest, as another tool would. Returns the manifest's digest.
fn attach(store: &LayoutStore, subject: &Descriptor, kind: &str) -> Descriptor {
    let layer = store.put_blob(kind, b"a document").expect("it is added");
    let config = store
        .put_blob(media_type::EMPTY, media_type::EMPTY_DOCUMENT)
        .expect("it is added");
    let manifest = Manifest {
        artifact_type: Some(kind.to_owned()),
        subject: Some(subject.clone()),
        ..Manifest::new(config, vec![layer])
    };
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("it is added")
}

fn index_json(place: &Workplace) -> Value {
    serde_json::from_str(&place.read("out/index.json")).expect("JSON")
}

#[test]
fn each_image_and_the_index_carry_two_bills() {
    let (place, _) = built(SLICED);
    let store = LayoutStore::open(&place.path("out")).expect("a layout");
    let index = store.resolve("latest").expect("readable").expect("tagged");
    let layout = Layout::open(&place.path("out")).expect("a layout");
    let images = layout.images().expect("sound");
    assert_eq!(images.len(), 2, "documents are no images");
    let subjects = images
        .iter()
        .map(|image| image.descriptor.digest)
        .chain([index.digest]);
    for subject in subjects {
        let kinds: BTreeSet<String> = store
            .referrers(&subject)
            .expect("readable")
            .into_iter()
            .filter_map(|one| one.artifact_type)
            .collect();
        for kind in ["application/spdx+json", "application/vnd.cyclonedx+json"] {
            assert!(kinds.contains(kind), "{subject} has {kinds:?}");
        }
    }
    let shown = place
        .basalt(&["inspect", "out", "--arch", "arm64"])
        .succeeded();
    assert!(
        shown.out.contains("attached     application/spdx+json"),
        "{}",
        shown.out
    );
    assert!(
        shown
            .out
            .contains("to the index application/vnd.cyclonedx+json"),
        "{}",
        shown.out
    );

    let bill = document(&place, &["--index", "--format", "spdx"]);
    for image in &images {
        let hex = image.descriptor.digest.hex();
        let packages = bill["packages"].as_array().expect("a list");
        assert!(
            packages
                .iter()
                .any(|one| one["checksums"][0]["checksumValue"] == hex.as_str())
        );
    }
    assert_eq!(
        texts(&bill["externalDocumentRefs"], "externalDocumentId"),
        ["DocumentRef-amd64", "DocumentRef-arm64"]
    );
    let of_one = document(&place, &["--arch", "amd64", "--format", "spdx"]);
    assert_eq!(
        bill["externalDocumentRefs"][0]["spdxDocument"],
        of_one["documentNamespace"]
    );
    let bom = document(&place, &["--index", "--format", "cyclonedx"]);
    let of_one = document(&place, &["--arch", "arm64", "--format", "cyclonedx"]);
    let serial = of_one["serialNumber"]
        .as_str()
        .expect("a text")
        .replace("urn:uuid:", "urn:cdx:");
    assert_eq!(
        bom["components"][1]["externalReferences"][0]["url"],
        format!("{serial}/1")
    );
}

#[test]
fn every_file_is_in_both_bills_with_its_digest() {
    let (place, _) = built(SLICED);
    let layout = Layout::open(&place.path("out")).expect("a layout");
    let image = &layout.images().expect("sound")[0];
    let content = filesystem(&layout, image, ContentLimits::default(), |_| false).expect("sound");
    let there: BTreeMap<String, String> = content
        .files
        .iter()
        .filter_map(|(path, fact)| match &fact.kind {
            FileKind::File { digest, .. } => Some((format!("/{path}"), digest.hex())),
            _ => None,
        })
        .collect();
    assert!(there.len() > 40, "{}", there.len());
    let bill = document(&place, &["--arch", "amd64", "--format", "spdx"]);
    let files = bill["files"].as_array().expect("a list").iter();
    let in_spdx: BTreeMap<String, String> = files
        .map(|file| {
            let path = file["fileName"].as_str().expect("a text")[1..].to_owned();
            let sum = one(&file["checksums"], "algorithm", "SHA256");
            (
                path,
                sum["checksumValue"].as_str().expect("a text").to_owned(),
            )
        })
        .collect();
    assert_eq!(in_spdx, there);
    let bom = document(&place, &["--arch", "amd64", "--format", "cyclonedx"]);
    let mut all = Vec::new();
    flat(&bom["components"], &mut all);
    let in_cyclonedx: BTreeMap<String, String> = all
        .iter()
        .filter(|one| one["type"] == "file" && one["hashes"].is_array())
        .map(|one| {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            (text(&one["name"]), text(&one["hashes"][0]["content"]))
        })
        .collect();
    assert_eq!(in_cyclonedx, there);
    let link = all
        .iter()
        .find(|one| one["name"] == "/etc/os-release")
        .expect("it is there");
    assert_eq!(
        property(link, "basalt:symbolic-link"),
        ["../usr/lib/os-release"]
    );
}

#[test]
fn a_bill_names_packages_slices_effects_and_files_of_the_spec() {
    let (place, _) = built(SLICED);
    let bill = document(&place, &["--arch", "amd64", "--format", "spdx"]);
    let packages = &bill["packages"];
    let libc = one(packages, "name", "libc6");
    let purl = libc["externalRefs"][0]["referenceLocator"]
        .as_str()
        .expect("a text");
    assert!(purl.starts_with("pkg:deb/debian/libc6@2."), "{purl}");
    assert!(
        purl.ends_with("?arch=amd64&distro=debian-13&upstream=glibc"),
        "{purl}"
    );
    assert!(
        libc["packageFileName"]
            .as_str()
            .is_some_and(|path| path.starts_with("pool/") && path.ends_with(".deb"))
    );
    assert!(
        libc["licenseDeclared"]
            .as_str()
            .is_some_and(|text| text.contains("LGPL-2.1-or-later")),
        "{libc}"
    );
    let comment = libc["comment"].as_str().expect("it is in part");
    assert!(
        comment.contains("in the image: libs.") && comment.contains("libm.so.6 sha256:"),
        "{comment}"
    );
    assert!(
        one(packages, "name", "base-files")["comment"].is_null(),
        "it is whole"
    );
    assert_eq!(
        one(packages, "name", "debian")["primaryPackagePurpose"],
        "OPERATING_SYSTEM"
    );
    assert_eq!(
        one(packages, "name", "probe")["supplier"],
        "Organization: Example Ltd"
    );
    assert_eq!(
        one(packages, "name", "glibc")["primaryPackagePurpose"],
        "SOURCE"
    );

    let files = &bill["files"];
    let comment = |path: &str| {
        one(files, "fileName", path)["comment"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    assert_eq!(
        comment("./etc/probe.conf"),
        "made by the image spec, files[0] (/etc/probe.conf)"
    );
    let issue = comment("./etc/issue");
    assert!(
        issue.contains("files[1]") && issue.contains("base-files has it as sha256:"),
        "{issue}"
    );
    assert!(
        comment("./usr/lib/os-release")
            .starts_with("made by basalt, image identity; base-files has it as")
    );
    assert!(comment("./etc/profile").ends_with("(effect of base-files)"));
    let id = &one(files, "fileName", "./etc/profile")["SPDXID"];
    let from = bill["relationships"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["spdxElementId"] == *id);
    let from = from.expect("it comes from somewhere");
    assert_eq!(from["relationshipType"], "GENERATED_FROM");
    assert_eq!(from["relatedSpdxElement"], "SPDXRef-Package-base-files");

    let bom = document(&place, &["--arch", "amd64", "--format", "cyclonedx"]);
    assert_eq!(bom["components"][0]["type"], "operating-system");
    let libc = one(&bom["components"], "name", "libc6");
    assert_eq!(property(libc, "basalt:slice"), ["libs"]);
    assert!(
        property(libc, "basalt:left-out")
            .iter()
            .any(|one| one.contains("libm.so.6 sha256:"))
    );
    assert_eq!(
        property(
            one(&bom["components"], "name", "/etc/probe.conf"),
            "basalt:spec"
        ),
        ["files[0] (/etc/probe.conf)"]
    );
    let spdx3 = document(&place, &["--arch", "amd64", "--format", "spdx3"]);
    assert!(texts(&spdx3["@graph"], "name").contains(&"libc6"));
    let told = place
        .basalt(&["sbom", "out", "--arch", "amd64"])
        .succeeded();
    assert!(
        told.out.contains("libc6") && told.out.contains(" files\n"),
        "{}",
        told.out
    );
    let summary = document(&place, &["--arch", "amd64", "--json"]);
    assert!(texts(&summary["components"], "name").contains(&"base-files"));
}

#[test]
fn a_rebuild_keeps_what_others_attached() {
    let (place, mirror) = built(SPEC);
    let store = LayoutStore::open(&place.path("out")).expect("a layout");
    let index = store.resolve("latest").expect("readable").expect("tagged");
    let signature = attach(&store, &index, "application/x.signature");
    // A signature of a signature, one of something that is not there, and cosign's older way.
    let second = attach(&store, &signature, "application/x.signature");
    let config = store
        .put_blob(media_type::CONFIG, b"{}")
        .expect("it is added");
    let stray = attach(&store, &config, "application/x.signature");
    let tag = format!("sha256-{}.sig", index.digest.hex());
    let layer = store
        .put_blob("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
        .expect("it is added");
    let old = basalt_oci::to_bytes(&Manifest::new(config, vec![layer])).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &old, Some(&tag))
        .expect("it is added");

    let digests = || texts(&index_json(&place)["manifests"], "digest").len();
    let before = digests();
    place.build_from(&mirror).succeeded();
    let after = index_json(&place);
    let entries = texts(&after["manifests"], "digest");
    assert!(entries.contains(&signature.digest.to_string().as_str()));
    assert!(entries.contains(&second.digest.to_string().as_str()));
    assert!(
        !entries.contains(&stray.digest.to_string().as_str()),
        "its subject is not there"
    );
    assert_eq!(entries.len(), before - 1);
    let tags = store.tags().expect("readable");
    assert_eq!(tags, ["latest", tag.as_str()]);
    Layout::open(&place.path("out"))
        .expect("a layout")
        .blobs()
        .expect("sound");
    assert_eq!(
        Layout::open(&place.path("out"))
            .expect("a layout")
            .images()
            .expect("sound")
            .len(),
        1
    );

    // Now there is nothing to do, and nothing is done.
    let told = place.basalt_from(
        &mirror,
        &["build", "image.yaml", "-o", "out", "--json", "--quiet"],
    );
    assert_eq!(told.succeeded().json()["unchanged"], true);
    assert_eq!(index_json(&place), after);

    // Another image: what refers to the former one goes with it.
    place.write("image.yaml", SPEC.replace("name: probe", "name: other"));
    place.build_from(&mirror).succeeded();
    let entries = index_json(&place);
    let kinds = texts(&entries["manifests"], "artifactType");
    assert!(!kinds.contains(&"application/x.signature"), "{kinds:?}");
    assert_eq!(store.tags().expect("readable"), ["latest"]);
}

#[test]
fn a_bill_that_is_gone_or_damaged_is_made_again() {
    let (place, mirror) = built(SPEC);
    let whole = index_json(&place);
    let entry = one(&whole["manifests"], "artifactType", "application/spdx+json");
    let digest = entry["digest"]
        .as_str()
        .expect("a text")
        .replace("sha256:", "");
    let manifest: Value =
        serde_json::from_str(&place.read(&format!("out/blobs/sha256/{digest}"))).expect("JSON");
    let document = manifest["layers"][0]["digest"]
        .as_str()
        .expect("a text")
        .replace("sha256:", "");
    fs::write(place.path(&format!("out/blobs/sha256/{document}")), b"{}").expect("it is written");
    place
        .basalt(&["sbom", "out", "--format", "spdx"])
        .refused(4, &[&document]);
    place.build_from(&mirror).succeeded();
    place
        .basalt(&["sbom", "out", "--format", "spdx"])
        .succeeded();

    let mut without = whole.clone();
    let entries = without["manifests"].as_array_mut().expect("a list");
    entries.retain(|one| one["artifactType"] != "application/spdx+json");
    place.write("out/index.json", without.to_string());
    place.build_from(&mirror).succeeded();
    assert_eq!(index_json(&place), whole);
}

#[test]
fn the_same_build_gives_the_same_bills() {
    let (place, mirror) = built(SLICED);
    let first = index_json(&place);
    fs::remove_dir_all(place.path("cache/facts")).expect("it is there");
    place
        .basalt_from(&mirror, &["build", "image.yaml", "-o", "again", "--locked"])
        .succeeded();
    let again: Value = serde_json::from_str(&place.read("again/index.json")).expect("JSON");
    assert_eq!(again, first);
}

#[test]
fn an_archive_holds_the_image_alone() {
    let (place, mirror) = built(SPEC);
    place
        .basalt_from(
            &mirror,
            &[
                "build",
                "image.yaml",
                "-o",
                "out",
                "--archive",
                "oci-archive=out.tar",
            ],
        )
        .succeeded();
    let archive = Layout::open(&place.path("out.tar")).expect("a layout");
    assert_eq!(archive.index().manifests.len(), 1);
    assert_eq!(archive.images().expect("sound").len(), 1);
    place
        .basalt(&["sbom", "./out.tar"])
        .refused(1, &["no bill of materials", "archive"]);
}

#[test]
fn errors_say_what_there_is() {
    let (place, _) = built(SPEC);
    place
        .basalt(&["sbom", "out", "--arch", "arm64"])
        .refused(1, &["arm64", "it has: amd64"]);
    place.basalt(&["sbom", "out:other"]).refused(1, &["other"]);
    place
        .basalt(&["sbom", "./nothing"])
        .refused(2, &["nothing"]);
    place
        .basalt(&["sbom", "out", "--format", "xml"])
        .refused(2, &["spdx3"]);
    place
        .basalt(&["sbom", "out", "--arch", "amd64", "--index"])
        .refused(2, &["--index"]);
    place
        .basalt(&["sbom", "out", "-o", "image.yaml/bill.json"])
        .refused(1, &["image.yaml"]);
    place
        .basalt(&["sbom", "out", "-o", "bill.json"])
        .succeeded();
    assert!(place.read("bill.json").contains("SPDX-2.3"));
    // Only another tool's, in the other format.
    let store = LayoutStore::open(&place.path("out")).expect("a layout");
    let mut bare = index_json(&place);
    let entries = bare["manifests"].as_array_mut().expect("a list");
    entries.retain(|one| one["artifactType"].is_null());
    place.write("out/index.json", bare.to_string());
    place
        .basalt(&["sbom", "out"])
        .refused(1, &["no bill of materials", "basalt build"]);
    let layout = Layout::open(&place.path("out")).expect("a layout");
    let image = layout.images().expect("sound")[0].descriptor.clone();
    attach(&store, &image, "application/vnd.cyclonedx+json");
    place
        .basalt(&["sbom", "out", "--format", "spdx"])
        .refused(1, &["none in this format", "--format cyclonedx"]);
    place.basalt(&["sbom", "out"]).refused(1, &["JSON"]);
}

#[test]
fn bills_that_buildkit_puts_beside_an_image_are_read() {
    let (place, _) = built(SPEC);
    let mut bare = index_json(&place);
    let entries = bare["manifests"].as_array_mut().expect("a list");
    entries.retain(|one| one["artifactType"].is_null());
    place.write("out/index.json", bare.to_string());
    let layout = Layout::open(&place.path("out")).expect("a layout");
    let image = layout.images().expect("sound")[0].clone();

    let kind = "application/vnd.in-toto+json";
    let document = serde_json::json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "sbom",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: buildkit-v0.12"]},
        "packages": [{"name": "found", "SPDXID": "SPDXRef-1", "versionInfo": "1", "downloadLocation": "NONE"}],
    });
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "subject": [],
        "predicate": document,
    });
    let store = LayoutStore::open(&place.path("out")).expect("a layout");
    let mut layer = store
        .put_blob(kind, statement.to_string().as_bytes())
        .expect("it is added");
    let predicate = (
        "in-toto.io/predicate-type".to_owned(),
        "https://spdx.dev/Document".to_owned(),
    );
    layer.annotations.extend([predicate]);
    let manifest = Manifest::new(image.manifest.config.clone(), vec![layer]);
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    let mut beside = store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("it is added");
    for (key, value) in [
        (
            "vnd.docker.reference.type",
            "attestation-manifest".to_owned(),
        ),
        (
            "vnd.docker.reference.digest",
            image.descriptor.digest.to_string(),
        ),
    ] {
        beside.annotations.insert(key.to_owned(), value);
    }
    let mut own = image.descriptor.clone();
    own.platform = Some(image.config.platform.clone());
    let index = basalt_oci::to_bytes(&basalt_oci::Index::new(vec![own, beside])).expect("JSON");
    store
        .put_manifest(media_type::INDEX, &index, Some("buildkit"))
        .expect("it is added");

    let told = place.basalt(&["sbom", "out:buildkit"]).succeeded();
    assert!(
        told.out.contains("by buildkit-v0.12") && told.out.contains("found  1"),
        "{}",
        told.out
    );
    let told = place
        .basalt(&["sbom", "out:buildkit", "--format", "spdx"])
        .succeeded();
    assert_eq!(told.json(), document, "without the statement around it");
    place
        .basalt(&["sbom", "out:latest"])
        .refused(1, &["no bill of materials"]);
}
