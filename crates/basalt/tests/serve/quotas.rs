//! How much a repository may hold.

use std::io::Write;
use std::net::TcpStream;

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

fn begin(server: &Server, repository: &str) -> String {
    let target = format!("/v2/{repository}/blobs/uploads/");
    let begun = server.ask("POST", &target).send().is(202);
    begun.header("location").to_owned()
}

fn patch(server: &Server, session: &str, bytes: &[u8]) -> Answer {
    server.ask("PATCH", session).body(bytes).send()
}

/// How many bytes lie in uploads.
fn staged(home: &Home) -> u64 {
    let files = std::fs::read_dir(home.path("root/uploads")).expect("it is there");
    files
        .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
        .sum()
}

#[test]
fn what_is_staged_counts_in_however_many_sessions() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    // Sessions one after the other, in one piece each.
    let sessions: Vec<String> = (0..9).map(|_| begin(&server, "team/app")).collect();
    let answers: Vec<Answer> = (sessions.iter().zip(0..))
        .map(|(session, seed)| patch(&server, session, &noise(LENGTH, seed)))
        .collect();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 202, 202, 403, 403, 403, 403, 403, 403]);
    let refused = answers
        .into_iter()
        .nth(3)
        .expect("one")
        .refused(403, "DENIED");
    let detail = refused.json()["errors"][0]["detail"].clone();
    assert_eq!(
        detail,
        json!({"quota": 300_000, "used": 300_000, "asked": LENGTH})
    );
    assert_eq!(staged(&home), 3 * LENGTH as u64);
    // Nothing else gets in meanwhile: neither blobs, nor manifests, nor what is mounted.
    push(&server, "team/app", b"{}").refused(403, "DENIED");
    let other = server.push_blob("other", &noise(10, 77));
    let mount = format!("/v2/team/app/blobs/uploads/?mount={other}&from=other");
    server.ask("POST", &mount).send().refused(403, "DENIED");
    // Another repository has room of its own.
    push(&server, "team/besides", &noise(3 * LENGTH, 1)).is(201);
    // What ends gives its room back, whichever way.
    let digest = Digest::of(Algorithm::Sha256, &noise(LENGTH, 0));
    let put = |session: &str, digest: &Digest| {
        let target = format!("{session}?digest={digest}");
        server.ask("PUT", &target).send()
    };
    put(&sessions[0], &digest).is(201);
    push(&server, "team/app", b"{}").refused(403, "DENIED");
    put(&sessions[1], &digest).refused(400, "DIGEST_INVALID");
    patch(&server, &sessions[3], &noise(LENGTH - 10, 3)).is(202);
    server.ask("DELETE", &sessions[2]).send().is(204);
    push(&server, "team/app", b"{}").is(201);
    server.ask("DELETE", &sessions[3]).send().is(204);
    push(&server, "team/app", &noise(2 * LENGTH - 2, 9)).is(201);
    assert_eq!(server.terminate(), 0);
    assert_eq!(size(&home, "team/app"), 3 * LENGTH as u64);
}

#[test]
fn what_is_staged_at_once_does_not_go_beyond_the_quota() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    std::thread::scope(|scope| {
        let server = &server;
        for seed in 0..12 {
            scope.spawn(move || {
                let session = begin(server, "team/app");
                // Without a word of its length, in pieces of 16 kB.
                let bytes = noise(LENGTH, seed);
                let mut body = Vec::new();
                for piece in bytes.chunks(16_000) {
                    body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    body.extend_from_slice(piece);
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(b"0\r\n\r\n");
                let asked = server.ask("PATCH", &session);
                let asked = asked.header("transfer-encoding", "chunked").body(&body);
                if let Some(answer) = asked.try_send() {
                    assert!([202, 403].contains(&answer.status), "{}", answer.text());
                }
            });
        }
    });
    assert!(staged(&home) <= 300_000, "{}", staged(&home));
    assert_eq!(server.terminate(), 0);
}

/// Whether so many bytes have room at this moment.
fn fits(server: &Server, length: usize) -> bool {
    let session = begin(server, "team/app");
    let answer = patch(server, &session, &noise(length, 7));
    server.ask("DELETE", &session).send().is(204);
    assert!([202, 403].contains(&answer.status), "{}", answer.text());
    answer.status == 202
}

#[test]
fn an_upload_that_breaks_off_keeps_the_room_of_what_came_and_no_more() {
    use std::io::Write;
    let home = Home::new();
    let server = home.serve_as(CONFIG);
    // Nobody can go on with an upload of one request: what breaks off is gone. One with a name stays as far as it came.
    let session = begin(&server, "team/app");
    let digest = Digest::of(Algorithm::Sha256, b"x");
    for (method, target) in [
        (
            "POST",
            format!("/v2/team/app/blobs/uploads/?digest={digest}"),
        ),
        ("PATCH", session.clone()),
    ] {
        let mut stream = std::net::TcpStream::connect(&server.address).expect("it answers");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: 290000\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).expect("it is sent");
        stream.write_all(&noise(70_000, 5)).expect("it is sent");
        await_that("its room is kept", || !fits(&server, 60_000));
        drop(stream);
        await_that("its room is given back", || fits(&server, 220_000));
    }
    let status = server.get(&session).is(204);
    let last: u64 = status
        .header("range")
        .split_once('-')
        .expect("a range")
        .1
        .parse()
        .expect("a number");
    assert!(last < 70_000, "{last}");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn uploads_that_nobody_goes_on_with_give_their_room_back_also_after_a_crash() {
    let home = Home::new();
    let config = format!("{CONFIG}{COLLECT}uploads: {{expire: 3 seconds}}\n");
    let server = home.serve_as(&config);
    let session = begin(&server, "team/app");
    patch(&server, &session, &noise(2 * LENGTH, 1)).is(202);
    server.kill();
    let server = home.serve_as(&config);
    let again = begin(&server, "team/app");
    patch(&server, &again, &noise(2 * LENGTH, 2)).refused(403, "DENIED");
    await_that("its time is over", || {
        push(&server, "team/app", &noise(3 * LENGTH, 3)).status == 201
    });
    server.get(&session).is(404);
    assert_eq!(server.terminate(), 0);
}

/// Begins an upload; where it goes on.
fn begun(server: &Server, repository: &str) -> String {
    let target = format!("/v2/{repository}/blobs/uploads/");
    let answer = server.ask("POST", &target).send().is(202);
    answer.header("location").to_owned()
}

#[test]
fn who_sends_more_than_the_quota_reads_why_it_is_refused() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    let bytes = noise(24 << 20, 1);
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let mut chunks = Vec::new();
    for chunk in bytes.chunks(1 << 20) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let whole = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    for (method, named) in [("PATCH", None), ("PUT", None), ("POST", Some(&whole))] {
        for is_chunked in [false, true] {
            let target = match (named, method) {
                (Some(named), _) => named.clone(),
                (None, "PUT") => format!("{}?digest={digest}", begun(&server, "team/app")),
                _ => begun(&server, "team/app"),
            };
            let asked = server.ask(method, &target);
            let asked = match is_chunked {
                true => asked.header("transfer-encoding", "chunked").body(&chunks),
                false => asked.body(&bytes),
            };
            let answer = asked.try_send();
            let answer = answer.unwrap_or_else(|| panic!("{method} {is_chunked}: no answer"));
            let error = answer.refused(403, "DENIED").text();
            assert!(error.contains("the quota of `team/app`"), "{error}");
        }
    }
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_not_asked_for_one_that_has_no_room() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    let target = begun(&server, "team/app");
    // It sends the head alone: an answer that asked to go on would have the status 100.
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let head = format!(
        "PATCH {target} HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\ncontent-length: 25165824\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let answer = Answer::read(&mut stream, false).expect("an answer");
    answer.refused(403, "DENIED");
}

#[test]
fn who_reads_while_sending_has_the_answer_however_long_the_body_is() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    let target = begun(&server, "team/app");
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let head = format!(
        "PATCH {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        server.address,
        100u64 << 30
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    // More than the server reads of it by chance.
    stream.write_all(&noise(8 << 20, 1)).expect("it is taken");
    let answer = Answer::read(&mut stream, false).expect("an answer");
    answer.refused(403, "DENIED");
}

#[test]
fn our_client_shows_the_quota_that_a_large_blob_is_refused_for_and_sends_it_once() {
    let home = Home::with_files();
    let server = home.serve_as(CONFIG);
    home.layout("large", &noise(24 << 20, 1));
    let name = format!("{}/team/app:1", server.address);
    let (code, _, error) = home.basalt(&["push", "large", &name]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("forbidden: DENIED"), "{error}");
    assert!(error.contains("the quota of `team/app`"), "{error}");
    assert!(!error.contains("trying again"), "{error}");
}
