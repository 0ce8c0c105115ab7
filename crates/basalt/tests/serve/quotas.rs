//! How much a repository may hold.

use basalt_registry::digest::{Algorithm, Digest};
use basalt_registry::metadata::sqlite::Sqlite;
use basalt_registry::metadata::{Content, Grace};
use serde_json::json;

use crate::access::finished;
use crate::server::{Answer, Home, MANIFEST, Server, await_that, noise, stored};

/// Three blobs of 100 kB have room in a repository of `team`, and nothing besides.
const CONFIG: &str = r#"
quotas:
  - {repositories: ["team/roomy"], size: 1 GB}
  - {repositories: ["team/*"], size: 300 kB}
"#;
/// What nobody needs goes soon.
const COLLECT: &str = "collect: {grace: 10 seconds, every: 1 second}\n";
const LENGTH: usize = 100_000;

fn push(server: &Server, repository: &str, bytes: &[u8]) -> Answer {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    server.ask("POST", &target).body(bytes).send()
}

fn size(home: &Home, repository: &str) -> u64 {
    let grace = Grace {
        blob: 0,
        untagged: None,
    };
    let metadata = Sqlite::open(&home.path("root/registry.db"), grace).expect("it opens");
    let name = repository.parse().expect("a name");
    finished(metadata.repository_size(&name)).expect("it is read")
}

#[test]
fn a_repository_takes_no_more_than_its_quota_however_many_push_at_once() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    let blobs: Vec<Vec<u8>> = (0..12).map(|seed| noise(LENGTH, seed)).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let server = &server;
        let push = |bytes: &'_ Vec<u8>| push(server, "team/app", bytes);
        let pushes: Vec<_> = blobs
            .iter()
            .map(|bytes| scope.spawn(move || push(bytes)))
            .collect();
        let answers = pushes.into_iter().map(|push| push.join().expect("it ends"));
        answers.collect()
    });
    let taken = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(taken.count(), 3);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        let answer = answer.refused(403, "DENIED");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["detail"]["quota"], 300_000);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("the quota of `team/app`"), "{message}");
    }
    assert_eq!(stored(&home.path("root")).len(), 3);
    // The others have room of their own.
    push(&server, "team/roomy", &noise(5 * LENGTH, 1)).is(201);
    push(&server, "other", &noise(5 * LENGTH, 2)).is(201);
    server.terminate();
    assert_eq!(size(&home, "team/app"), 3 * LENGTH as u64);
    let uploads = std::fs::read_dir(home.path("root/uploads")).expect("it is there");
    assert_eq!(uploads.count(), 0);
}

#[test]
fn what_is_there_counts_once_and_what_goes_makes_room() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    let blobs: Vec<Vec<u8>> = (0..4).map(|seed| noise(LENGTH, seed)).collect();
    for bytes in &blobs[..3] {
        push(&server, "team/app", bytes).is(201);
    }
    // What is there is taken again, in whichever way.
    push(&server, "team/app", &blobs[0]).is(201);
    push(&server, "team/app", &blobs[3]).refused(403, "DENIED");
    let small = push(&server, "team/app", b"{}");
    small.refused(403, "DENIED");
    let mount = |digest: &Digest| {
        let target = format!("/v2/team/app/blobs/uploads/?mount={digest}&from=team/roomy");
        server.ask("POST", &target).send()
    };
    for bytes in &blobs {
        push(&server, "team/roomy", bytes).is(201);
    }
    let digests: Vec<Digest> = blobs
        .iter()
        .map(|bytes| Digest::of(Algorithm::Sha256, bytes))
        .collect();
    mount(&digests[0]).is(201);
    mount(&digests[3]).refused(403, "DENIED");
    let target = format!("/v2/team/app/blobs/{}", digests[0]);
    server.ask("DELETE", &target).send().is(202);
    mount(&digests[3]).is(201);
    mount(&digests[0]).refused(403, "DENIED");
    server.terminate();
    assert_eq!(size(&home, "team/app"), 3 * LENGTH as u64);
    assert_eq!(size(&home, "team/roomy"), 4 * LENGTH as u64);
}

#[test]
fn manifests_count_too_and_garbage_gives_its_room_back() {
    let home = Home::with_files();
    let server = home.serve_as(&format!("{CONFIG}{COLLECT}"));
    let (config, bytes) = server.image("team/app", &[]);
    let padded = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "annotations": {"padding": "x".repeat(299_900)},
        "config": {"mediaType": "application/x", "digest": config.as_str(), "size": 2}});
    let put = |tag: &str, bytes: &[u8]| {
        let target = format!("/v2/team/app/manifests/{tag}");
        server.ask("PUT", &target).kind(MANIFEST).body(bytes).send()
    };
    let long = put("long", padded.to_string().as_bytes());
    long.refused(403, "DENIED");
    let digest = put("1", &bytes).is(201);
    let digest = digest.header("docker-content-digest").to_owned();
    put("2", &bytes).is(201);
    let target = format!("/v2/team/app/manifests/{digest}");
    server.ask("DELETE", &target).send().is(202);
    push(&server, "team/app", &noise(LENGTH, 1)).is(201);
    let config = format!("/v2/team/app/blobs/{config}");
    await_that("nothing is left", || {
        server.ask("GET", &config).send().status == 404 && stored(&home.path("root")).is_empty()
    });
    server.terminate();
    assert_eq!(size(&home, "team/app"), 0);
}

#[test]
fn an_upload_that_says_it_is_too_long_is_refused_before_it_came() {
    let home = Home::new();
    let server = home.serve_as(CONFIG);
    let begun = server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .send()
        .is(202);
    let session = begun.header("location").to_owned();
    let part = server.ask("PATCH", &session).body(&noise(300_001, 1));
    part.send().refused(403, "DENIED");
    assert!(server.get(&session).is(204).header("range") == "0-0");
    let part = server.ask("PATCH", &session).body(&noise(LENGTH, 1));
    part.send().is(202);
}
