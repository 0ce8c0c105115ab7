//! Indexes that list something else than manifests that are there.

use basalt_registry::digest::Digest;
use serde_json::{Value, json};

use crate::server::{Answer, Home, INDEX, MANIFEST, Server, await_that, noise};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const COLLECT: &str = "collect: {grace: 0 seconds, untagged: 0 seconds, every: 1 second}\n";

fn entry(kind: &str, digest: &Digest, size: usize) -> Value {
    json!({"mediaType": kind, "digest": digest.as_str(), "size": size})
}

fn put(server: &Server, target: &str, kind: &str, value: &Value) -> Answer {
    let asked = server.ask("PUT", target).kind(kind);
    asked.body(value.to_string().as_bytes()).send()
}

/// What `buildctl build --export-cache type=registry,mode=max` pushes: an index whose entries are layers, and last the
/// configuration of the cache.
fn cache(server: &Server, repository: &str, kind: &str) -> (Value, Vec<Digest>) {
    let layer = match kind {
        LIST => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        _ => "application/vnd.oci.image.layer.v1.tar+gzip",
    };
    let mut entries = Vec::new();
    let mut blobs = Vec::new();
    for (seed, length) in [(1, 100), (2, 100_000), (3, 200_000)] {
        let bytes = noise(length, seed);
        let digest = server.push_blob(repository, &bytes);
        let mut one = entry(layer, &digest, length);
        one["annotations"] = json!({
            "buildkit/createdat": "2026-01-01T00:00:00Z",
            "containerd.io/uncompressed": digest.as_str(),
        });
        entries.push(one);
        blobs.push(digest);
    }
    let config = json!({"layers": [{"layer": 0, "parent": -1}], "records": []}).to_string();
    let digest = server.push_blob(repository, config.as_bytes());
    let kind_of_config = "application/vnd.buildkit.cacheconfig.v0";
    entries.push(entry(kind_of_config, &digest, config.len()));
    blobs.push(digest);
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries});
    (index, blobs)
}

#[test]
fn a_cache_of_buildkit_is_taken_and_its_blobs_are_kept() {
    for kind in [INDEX, LIST] {
        let home = Home::new();
        let server = home.serve_as(COLLECT);
        let (index, blobs) = cache(&server, "app", kind);
        let (other, _) = (server.push_blob("app", b"nobody needs this"), ());
        put(&server, "/v2/app/manifests/cache", kind, &index).is(201);
        await_that("what nobody needs is collected", || {
            server.get(&format!("/v2/app/blobs/{other}")).status == 404
        });
        for blob in &blobs {
            server.get(&format!("/v2/app/blobs/{blob}")).is(200);
            let refused = server
                .ask("DELETE", &format!("/v2/app/blobs/{blob}"))
                .send();
            refused.refused(403, "DENIED");
        }
        let found = server.get("/v2/app/manifests/cache").is(200);
        assert_eq!(found.header("content-type"), kind);
        server.get("/basalt/v1/r/app:cache").is(200);
        server.get("/r/app:cache").is(200);
        home.is_sound();
        // When it goes, they do.
        let digest = found.header("docker-content-digest");
        let target = format!("/v2/app/manifests/{digest}");
        server.ask("DELETE", &target).send().is(202);
        await_that("its blobs are collected", || {
            let gone = |blob: &Digest| server.get(&format!("/v2/app/blobs/{blob}")).status == 404;
            blobs.iter().all(gone)
        });
        assert_eq!(server.terminate(), 0);
    }
}

#[test]
fn a_cache_of_buildkit_as_an_image_is_taken() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (index, blobs) = cache(&server, "app", INDEX);
    let mut entries = index["manifests"].as_array().expect("a list").clone();
    let config = entries.pop().expect("the configuration");
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": entries});
    put(&server, "/v2/app/manifests/cache", MANIFEST, &manifest).is(201);
    let blob = format!("/v2/app/blobs/{}", blobs[0]);
    server.ask("DELETE", &blob).send().refused(403, "DENIED");
}

#[test]
fn an_index_of_blobs_is_refused_when_one_is_missing_or_has_another_length() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (mut index, blobs) = cache(&server, "app", INDEX);
    index["manifests"][1]["size"] = json!(7);
    let wrong = put(&server, "/v2/app/manifests/cache", INDEX, &index);
    wrong.refused(400, "MANIFEST_INVALID");
    // Where it has none of them.
    let (index, _) = cache(&server, "app", INDEX);
    let missing = put(&server, "/v2/other/manifests/cache", INDEX, &index);
    let missing = missing.refused(404, "MANIFEST_BLOB_UNKNOWN");
    assert!(
        missing.text().contains(blobs[0].as_str()),
        "{}",
        missing.text()
    );
}

#[test]
fn a_manifest_that_an_index_calls_otherwise_is_its_child_all_the_same() {
    let home = Home::new();
    let server = home.serve_as(COLLECT);
    let child = server.push_image("app", "child", &[b"layer"]);
    let size = server.get("/v2/app/manifests/child").body.len();
    for kind in [
        "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar",
    ] {
        let index = json!({"schemaVersion": 2, "manifests": [entry(kind, &child, size)]});
        put(&server, "/v2/app/manifests/1", INDEX, &index).is(201);
        // It stays when it loses its tag, and cannot be deleted.
        let target = format!("/v2/app/manifests/{child}");
        server.ask("DELETE", &target).send().refused(403, "DENIED");
    }
    server
        .ask("DELETE", "/v2/app/manifests/child")
        .send()
        .is(202);
    let nobody = server.push_blob("app", b"nobody needs this");
    await_that("what nobody needs is collected", || {
        server.get(&format!("/v2/app/blobs/{nobody}")).status == 404
    });
    server.get(&format!("/v2/app/manifests/{child}")).is(200);
    home.is_sound();
}

#[test]
fn bytes_that_come_as_a_manifest_after_an_index_listed_them_as_a_blob_are_its_child() {
    let home = Home::new();
    let server = home.serve_as(COLLECT);
    let (_, bytes) = server.image("app", &[b"layer"]);
    let blob = server.push_blob("app", &bytes);
    let kind = "application/octet-stream";
    let index = json!({"schemaVersion": 2, "manifests": [entry(kind, &blob, bytes.len())]});
    put(&server, "/v2/app/manifests/1", INDEX, &index).is(201);
    server.get(&format!("/v2/app/manifests/{blob}")).is(404);
    let target = format!("/v2/app/manifests/{blob}");
    server
        .ask("PUT", &target)
        .kind(MANIFEST)
        .body(&bytes)
        .send()
        .is(201);
    server.ask("DELETE", &target).send().refused(403, "DENIED");
    home.is_sound();
}

#[test]
fn a_sparse_index_is_taken_only_where_the_configuration_says_so() {
    let home = Home::new();
    let server = home.serve_as(&format!("{COLLECT}sparse-indexes: [\"mirror/**\"]\n"));
    let here = server.push_image("mirror/app", "here", &[b"layer"]);
    let size = server.get("/v2/mirror/app/manifests/here").body.len();
    let (_, later) = server.image("mirror/app", &[b"another layer"]);
    let absent = Digest::of(basalt_registry::digest::Algorithm::Sha256, &later);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        entry(MANIFEST, &here, size), entry(MANIFEST, &absent, later.len()),
    ]});
    // Elsewhere all that it lists must be there.
    server.push_image("app", "here", &[b"layer"]);
    let refused = put(&server, "/v2/app/manifests/1", INDEX, &index);
    refused.refused(404, "MANIFEST_BLOB_UNKNOWN");
    put(&server, "/v2/mirror/app/manifests/1", INDEX, &index).is(201);
    server
        .get(&format!("/v2/mirror/app/manifests/{absent}"))
        .is(404);
    server.get("/r/mirror/app:1").is(200);
    home.is_sound();
    // What it lists and is here is kept; what is not a manifest must be here in any case.
    server
        .ask("DELETE", "/v2/mirror/app/manifests/here")
        .send()
        .is(202);
    let layer = Digest::of(basalt_registry::digest::Algorithm::Sha256, b"none");
    let blobs = json!({"schemaVersion": 2, "manifests": [entry("application/x-layer", &layer, 4)]});
    let refused = put(&server, "/v2/mirror/app/manifests/2", INDEX, &blobs);
    refused.refused(404, "MANIFEST_BLOB_UNKNOWN");
    // What comes later belongs to it from then on. Its own blobs may have gone meanwhile.
    let (_, later) = server.image("mirror/app", &[b"another layer"]);
    let target = format!("/v2/mirror/app/manifests/{absent}");
    server
        .ask("PUT", &target)
        .kind(MANIFEST)
        .body(&later)
        .send()
        .is(201);
    server.ask("DELETE", &target).send().refused(403, "DENIED");
    let nobody = server.push_blob("mirror/app", b"nobody needs this");
    await_that("what nobody needs is collected", || {
        server.get(&format!("/v2/mirror/app/blobs/{nobody}")).status == 404
    });
    for digest in [&here, &absent] {
        server
            .get(&format!("/v2/mirror/app/manifests/{digest}"))
            .is(200);
    }
    home.is_sound();
    // When the index goes, all go.
    let index = server.get("/v2/mirror/app/manifests/1").is(200);
    let index = index.header("docker-content-digest").to_owned();
    let target = format!("/v2/mirror/app/manifests/{index}");
    server.ask("DELETE", &target).send().is(202);
    await_that("its children are collected", || {
        let gone = |digest: &Digest| {
            server
                .get(&format!("/v2/mirror/app/manifests/{digest}"))
                .status
                == 404
        };
        gone(&here) && gone(&absent)
    });
    home.is_sound();
}
