//! Bills of materials that are pushed can be searched.

use basalt_registry::digest::{Algorithm, Digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::access::{PEOPLE, Signed};
use crate::server::{Home, INDEX, MANIFEST, Server, await_that};

const SPDX: &str = "application/spdx+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A document of SPDX that lists these packages of Debian: name, version, source.
pub fn spdx(packages: &[(&str, &str, &str)]) -> Value {
    let package = |(name, version, source): &(&str, &str, &str)| {
        json!({
            "SPDXID": format!("SPDXRef-{name}"), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "licenseDeclared": "MIT",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": format!("pkg:deb/debian/{name}@{version}?arch=amd64&upstream={source}")}],
        })
    };
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "image",
        "documentNamespace": "https://example.org/x",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: x-1"]},
        "packages": packages.iter().map(package).collect::<Vec<_>>(), "files": [], "relationships": [],
    })
}

fn cyclonedx(name: &str, version: &str, kind: &str) -> Value {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "library", "name": name, "version": version, "purl": format!("pkg:{kind}/{name}@{version}")}]})
}

fn statement(predicate: &Value) -> Value {
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "x", "digest": {"sha256": "0".repeat(64)}}],
        "predicateType": "https://spdx.dev/Document", "predicate": predicate})
}

fn envelope(statement: &Value) -> Value {
    json!({"payload": STANDARD.encode(statement.to_string()), "payloadType": IN_TOTO,
        "signatures": [{"sig": STANDARD.encode("signature")}]})
}

fn descriptor(server: &Server, repository: &str, kind: &str, bytes: &[u8]) -> Value {
    let digest = server.push_blob(repository, bytes);
    json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()})
}

/// Writes a manifest under a tag, or under its digest; its digest.
fn put(server: &Server, repository: &str, manifest: &Value, tag: Option<&str>) -> Digest {
    let bytes = manifest.to_string().into_bytes();
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let reference = tag.unwrap_or(digest.as_str());
    let target = format!("/v2/{repository}/manifests/{reference}");
    let kind = manifest["mediaType"].as_str().expect("a type");
    server
        .ask("PUT", &target)
        .kind(kind)
        .body(&bytes)
        .send()
        .is(201);
    digest
}

/// A manifest with this one document.
fn carrier(server: &Server, repository: &str, kind: &str, document: &Value) -> Value {
    let config = descriptor(
        server,
        repository,
        "application/vnd.oci.empty.v1+json",
        b"{}",
    );
    let layer = descriptor(server, repository, kind, document.to_string().as_bytes());
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})
}

/// Attaches a document to an image; the digest of the referrer.
pub fn attach(
    server: &Server,
    repository: &str,
    image: &Digest,
    kind: &str,
    document: &Value,
) -> Digest {
    let mut manifest = carrier(server, repository, kind, document);
    manifest["artifactType"] = json!(kind);
    manifest["subject"] = json!({"mediaType": MANIFEST, "digest": image.as_str(), "size": 1});
    put(server, repository, &manifest, None)
}

fn search(server: &Server, query: &str) -> Value {
    let query = query
        .replace(' ', "+")
        .replace('<', "%3C")
        .replace('>', "%3E")
        .replace('=', "%3D");
    server
        .get(&format!("/basalt/v1/search?package={query}"))
        .is(200)
        .json()
}

#[track_caller]
fn await_total(server: &Server, query: &str, total: u64) -> Value {
    await_that(&format!("{total} images have {query}"), || {
        search(server, query)["total"] == json!(total)
    });
    search(server, query)
}

#[test]
fn bills_in_every_form_that_is_met_are_found_by_their_packages() {
    let home = Home::new();
    let server = home.serve(&[]);
    let image = |tag: &str| server.push_image("app", tag, &[tag.as_bytes()]);
    let bill = |name: &str| spdx(&[(name, "1.0-1", "src")]);
    attach(&server, "app", &image("spdx"), SPDX, &bill("plain"));
    let document = cyclonedx("cyclone", "2.1.0", "npm");
    attach(
        &server,
        "app",
        &image("cyclonedx"),
        "application/vnd.cyclonedx+json",
        &document,
    );
    attach(
        &server,
        "app",
        &image("statement"),
        IN_TOTO,
        &statement(&bill("stated")),
    );
    attach(
        &server,
        "app",
        &image("dsse"),
        DSSE,
        &envelope(&statement(&bill("enveloped"))),
    );
    let bundle = json!({"mediaType": BUNDLE, "verificationMaterial": {}, "dsseEnvelope": envelope(&statement(&bill("bundled")))});
    attach(&server, "app", &image("bundle"), BUNDLE, &bundle);
    // cosign's older format.
    let tagged = image("tagged");
    let manifest = carrier(&server, "app", DSSE, &envelope(&statement(&bill("tagged"))));
    put(
        &server,
        "app",
        &manifest,
        Some(&format!("{}.att", tagged.as_str().replace(':', "-"))),
    );
    // BuildKit's, in the index.
    let built = image("built");
    let stated = put(
        &server,
        "app",
        &carrier(&server, "app", IN_TOTO, &statement(&bill("inside"))),
        None,
    );
    let size = |digest: &Digest| {
        server
            .get(&format!("/v2/app/manifests/{digest}"))
            .is(200)
            .body
            .len()
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": built.as_str(), "size": size(&built), "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": MANIFEST, "digest": stated.as_str(), "size": size(&stated),
         "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": built.as_str()}}]});
    put(&server, "app", &index, Some("index"));
    for (name, tag, version) in [
        ("plain", "spdx", "1.0-1"),
        ("cyclone", "cyclonedx", "2.1.0"),
        ("stated", "statement", "1.0-1"),
        ("enveloped", "dsse", "1.0-1"),
        ("bundled", "bundle", "1.0-1"),
        ("tagged", "tagged", "1.0-1"),
    ] {
        let found = await_total(&server, name, 1);
        assert_eq!(found["images"][0]["tags"], json!([tag]), "{name}");
        assert_eq!(found["images"][0]["package"]["version"], version, "{name}");
    }
    let found = await_total(&server, "inside", 1);
    assert_eq!(found["images"][0]["digest"], built.as_str());
    assert_eq!(found["images"][0]["tags"], json!(["built", "index"]));
}

#[test]
fn images_are_found_by_versions_as_debian_compares_them_and_by_source() {
    let home = Home::new();
    let server = home.serve(&[]);
    for (tag, version) in [
        ("old", "5.2.5-2"),
        ("candidate", "5.4~rc1-1"),
        ("new", "5.10-1"),
        ("epoch", "1:5.0-1"),
    ] {
        let image = server.push_image("app", tag, &[tag.as_bytes()]);
        attach(
            &server,
            "app",
            &image,
            SPDX,
            &spdx(&[("liblzma5", version, "xz-utils"), ("other", "1", "other")]),
        );
    }
    let image = server.push_image("app", "npm", &[b"npm"]);
    attach(
        &server,
        "app",
        &image,
        "application/vnd.cyclonedx+json",
        &cyclonedx("liblzma5", "5.0", "npm"),
    );
    await_total(&server, "liblzma5", 5);
    let tags = |query: &str| -> Vec<String> {
        let found = search(&server, query);
        let images = found["images"].as_array().expect("a list").iter();
        images
            .map(|one| one["tags"][0].as_str().expect("a tag").to_owned())
            .collect()
    };
    assert_eq!(tags("liblzma5 < 5.4"), ["old", "candidate"]);
    assert_eq!(tags("liblzma5 >= 5.4"), ["epoch", "new"]);
    assert_eq!(tags("liblzma5 = 0:5.10-1"), ["new"]);
    assert_eq!(tags("liblzma5 = 5.*").len(), 4);
    assert_eq!(tags("xz-utils < 5.4"), ["old", "candidate"]);
    assert_eq!(tags("liblz*").len(), 5);
    assert_eq!(search(&server, "liblzma5 < 5.4")["has-unordered"], true);
    assert_eq!(search(&server, "nothing")["total"], 0);
    server.get("/basalt/v1/search?package=%3C+5").is(400);
    server.get("/basalt/v1/search").is(400);
    let (code, text, _) = home.basalt(&["registry", "search", &server.address, "liblzma5 < 5.4"]);
    assert_eq!(code, 0);
    assert!(
        text.contains(&format!("{}/app:old", server.address)) && text.contains("5.4~rc1-1"),
        "{text}"
    );
    let (code, _, error) = home.basalt(&["registry", "search", &server.address, "liblzma5 <"]);
    assert_ne!(code, 0);
    assert!(error.contains("liblzma5 < 5.4"), "{error}");
}

#[test]
fn what_lists_packages_goes_with_its_manifest_and_with_its_image() {
    let home = Home::new();
    let server = home.serve(&[]);
    let image = server.push_image("app", "1", &[b"layer"]);
    let bill = attach(
        &server,
        "app",
        &image,
        SPDX,
        &spdx(&[("libfoo", "1", "foo")]),
    );
    let other = server.push_image("other", "1", &[b"layer"]);
    attach(
        &server,
        "other",
        &other,
        SPDX,
        &spdx(&[("libfoo", "1", "foo")]),
    );
    await_total(&server, "libfoo", 2);
    server
        .ask("DELETE", &format!("/v2/app/manifests/{bill}"))
        .send()
        .is(202);
    assert_eq!(search(&server, "libfoo")["total"], 1);
    server
        .ask("DELETE", &format!("/v2/other/manifests/{other}"))
        .send()
        .is(202);
    assert_eq!(search(&server, "libfoo")["total"], 0);
}

#[test]
fn a_bill_that_was_acknowledged_is_read_after_a_crash() {
    let home = Home::new();
    let server = home.serve(&[]);
    for number in 0..20 {
        let image = server.push_image("app", &format!("t{number}"), &[&[number]]);
        attach(
            &server,
            "app",
            &image,
            SPDX,
            &spdx(&[("libfoo", &format!("{number}"), "foo")]),
        );
    }
    server.kill();
    let server = home.serve(&[]);
    await_total(&server, "libfoo", 20);
}

#[test]
fn a_document_that_is_none_harms_nothing_and_is_told_of() {
    let home = Home::new();
    let server = home.serve(&[]);
    let image = server.push_image("app", "1", &[b"layer"]);
    attach(&server, "app", &image, SPDX, &json!("no bill"));
    attach(
        &server,
        "app",
        &image,
        BUNDLE,
        &json!({"dsseEnvelope": {"payload": "%%%", "payloadType": IN_TOTO}}),
    );
    let deep: Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    attach(
        &server,
        "app",
        &image,
        "application/vnd.cyclonedx+json",
        &json!({"bomFormat": deep}),
    );
    attach(
        &server,
        "app",
        &image,
        SPDX,
        &spdx(&[
            ("libfoo", "1", "foo"),
            ("", "1", ""),
            ("lib\u{1b}[31m", "1", ""),
        ]),
    );
    await_total(&server, "libfoo", 1);
    let told = || server.get("/basalt/v1/r/app:1").is(200).json()["details"]["bills"].clone();
    await_that("all were read", || {
        told().as_array().is_some_and(|bills| bills.len() == 4)
    });
    let problems = told();
    let problems = problems.as_array().expect("a list").iter();
    assert_eq!(
        problems.filter(|bill| bill["problem"].is_string()).count(),
        3
    );
    let packages = &server.get("/basalt/v1/r/app:1").is(200).json()["details"]["packages"];
    assert_eq!(packages.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_search_shows_and_counts_what_one_may_pull_alone() {
    let home = Home::new();
    let server = home.serve(&[]);
    for repository in ["team/app", "team/other", "secret/plans"] {
        let image = server.push_image(repository, "1", &[repository.as_bytes()]);
        attach(
            &server,
            repository,
            &image,
            SPDX,
            &spdx(&[("libfoo", "1", "foo")]),
        );
    }
    await_total(&server, "libfoo", 3);
    assert_eq!(server.terminate(), 0);
    home.write("people", PEOPLE);
    let server = home.serve_as(
        "users: people\naccess:\n  - {repositories: [\"team/*\"], users: [bob], rights: [pull]}\n  \
         - {repositories: [\"**\"], users: [root], rights: [admin]}\n",
    );
    let total = |user: &str| {
        let asked = server.ask("GET", "/basalt/v1/search?package=libfoo");
        let answer = asked.basic(user, "secret").send();
        (answer.status, answer.text())
    };
    let (status, text) = total("bob");
    assert_eq!(status, 200);
    assert!(
        text.contains("\"total\":2")
            && text.contains("\"repositories\":2")
            && !text.contains("secret"),
        "{text}"
    );
    assert!(total("root").1.contains("\"total\":3"));
    assert_eq!(total("ann").0, 403);
    server
        .get("/basalt/v1/search?package=libfoo")
        .refused(401, "UNAUTHORIZED");
}
