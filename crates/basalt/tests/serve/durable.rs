//! Nothing that was acknowledged is lost, and nothing wrong is served.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use basalt_registry::digest::{Algorithm, Digest};
use serde_json::json;

use crate::server::{Home, MANIFEST, Server, await_that, noise, stored};

/// What a client was told is there.
#[derive(Default)]
struct Ledger {
    blobs: Vec<(Digest, Vec<u8>)>,
    tags: Vec<(String, Digest)>,
}

/// Pushes images until the server is gone, and notes what it was told.
fn push_until_gone(server: &Server, seed: u64) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0.. {
        let length = [3, 5_000, 70_000, 300_000][number % 4];
        let bytes = noise(length, seed * 1_000_000 + number as u64);
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        let target = format!("/v2/app/blobs/uploads/?digest={digest}");
        let Some(answer) = server.ask("POST", &target).body(&bytes).try_send() else {
            return ledger;
        };
        answer.is(201);
        ledger.blobs.push((digest.clone(), bytes.clone()));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config":
            {"mediaType": "application/x", "digest": digest.as_str(), "size": bytes.len()}});
        let bytes = manifest.to_string().into_bytes();
        let tag = format!("t{seed}-{number}");
        let asked = server
            .ask("PUT", &format!("/v2/app/manifests/{tag}"))
            .kind(MANIFEST)
            .body(&bytes);
        let Some(answer) = asked.try_send() else {
            return ledger;
        };
        answer.is(201);
        ledger
            .tags
            .push((tag, Digest::of(Algorithm::Sha256, &bytes)));
    }
    ledger
}

#[test]
fn what_was_acknowledged_is_there_after_the_server_was_killed() {
    let home = Home::with_files();
    let mut told = Ledger::default();
    for round in 0..6 {
        let server = home.serve(&[]);
        let delay = Duration::from_millis(60 + 37 * round);
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| push_until_gone(&server, 2 * round));
            let other = scope.spawn(|| push_until_gone(&server, 2 * round + 1));
            thread::sleep(delay);
            server.signal("KILL");
            (
                one.join().expect("it ended"),
                other.join().expect("it ended"),
            )
        });
        drop(server);
        for ledger in [one, other] {
            told.blobs.extend(ledger.blobs);
            told.tags.extend(ledger.tags);
        }
        let server = home.serve(&[]);
        for (digest, bytes) in &told.blobs {
            assert!(
                server.get(&format!("/v2/app/blobs/{digest}")).is(200).body == *bytes,
                "{digest}"
            );
        }
        for (tag, digest) in &told.tags {
            let got = server.get(&format!("/v2/app/manifests/{tag}")).is(200);
            assert_eq!(got.header("docker-content-digest"), digest.as_str());
        }
        server.kill();
    }
    assert!(
        told.blobs.len() > 6 && told.tags.len() > 3,
        "{} {}",
        told.blobs.len(),
        told.tags.len()
    );
}

#[test]
fn a_manifest_that_was_accepted_has_all_its_blobs_however_eagerly_garbage_is_collected() {
    let home = Home::with_files();
    // Two of the blobs are needed all the time: on a slow machine nobody else may be quick enough.
    let server = home.serve(&[]);
    let descriptors = [noise(100, 0), noise(80_000, 0)].map(|bytes| {
        let digest = server.push_blob("app", &bytes);
        json!({"mediaType": "application/x", "digest": digest.as_str(), "size": bytes.len()})
    });
    let kept = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptors[0], "layers": [descriptors[1]]});
    let put = server.ask("PUT", "/v2/app/manifests/kept").kind(MANIFEST);
    put.body(&kept.to_string().into_bytes()).send().is(201);
    server.terminate();
    let server =
        home.serve_as("collect: {grace: 0 seconds, untagged: 0 seconds, every: 0 seconds}");
    let stop = AtomicBool::new(false);
    let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for pusher in 0..4_u64 {
            let (server, stop, accepted, refused) = (&server, &stop, &accepted, &refused);
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    // All push the same few blobs; who is told that one is there does not send it.
                    let blobs = [noise(100, number % 3), noise(80_000, number % 2)];
                    let descriptors = blobs.each_ref().map(|bytes| {
                        let digest = Digest::of(Algorithm::Sha256, bytes);
                        let there = server.ask("HEAD", &format!("/v2/app/blobs/{digest}")).send().status == 200;
                        if !there {
                            server.push_blob("app", bytes);
                        }
                        json!({"mediaType": "application/x", "digest": digest.as_str(), "size": bytes.len()})
                    });
                    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptors[0],
                        "layers": [descriptors[1]], "annotations": {"n": format!("{pusher}-{number}")}});
                    let target = format!("/v2/app/manifests/p{pusher}");
                    let bytes = manifest.to_string().into_bytes();
                    let answer = server.ask("PUT", &target).kind(MANIFEST).body(&bytes).send();
                    match answer.status {
                        201 => {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            // The tag is this pusher's alone: what it names must be whole until it is moved.
                            for (descriptor, bytes) in descriptors.iter().zip(&blobs) {
                                let digest = descriptor["digest"].as_str().expect("a text");
                                let got = server.get(&format!("/v2/app/blobs/{digest}"));
                                assert!(got.status == 200 && got.body == *bytes, "{digest}: {}", got.status);
                            }
                        }
                        404 => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other}"),
                    }
                    if number % 5 == 0 {
                        server.ask("DELETE", &target).send();
                    }
                }
            });
        }
        let started = std::time::Instant::now();
        let (least, most) = (Duration::from_secs(8), Duration::from_secs(120));
        while started.elapsed() < least
            || (accepted.load(Ordering::Relaxed) < 10 && started.elapsed() < most)
        {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
    assert!(accepted >= 10, "{accepted} accepted, {refused} refused");
    // When all tags are gone, so is all else, but for what the first server promised to keep for a day.
    for tag in ["kept", "p0", "p1", "p2", "p3"] {
        server
            .ask("DELETE", &format!("/v2/app/manifests/{tag}"))
            .send();
    }
    await_that("nothing else is left", || {
        stored(&home.path("root")).len() == 1
    });
    let counts = String::from_utf8(server.get("/metrics").is(200).body).expect("UTF-8");
    assert!(
        !counts.contains("basalt_collected_blobs_total 0"),
        "{counts}"
    );
}

#[test]
fn what_a_client_was_told_is_there_is_kept_for_it_and_what_nobody_needs_goes() {
    let home = Home::with_files();
    let server = home.serve_as("collect: {grace: 2 seconds, every: 0 seconds}");
    let (kept, left) = (noise(100_000, 1), noise(100_000, 2));
    let kept = server.push_blob("app", &kept);
    let left = server.push_blob("app", &left);
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(500));
        server
            .ask("HEAD", &format!("/v2/app/blobs/{kept}"))
            .send()
            .is(200);
    }
    await_that("the other is gone", || {
        server.get(&format!("/v2/app/blobs/{left}")).status == 404
    });
    await_that("its file too", || stored(&home.path("root")).len() == 1);
    await_that("the one is gone", || {
        server.get(&format!("/v2/app/blobs/{kept}")).status == 404
    });
}

#[test]
fn bytes_that_changed_on_the_disk_are_never_served_and_a_push_mends_them() {
    let home = Home::with_files();
    let server = home.serve_as("scrub: {rate: 0}");
    for damage in ["flip", "shorten", "remove"] {
        let whole = noise(1_000_000, damage.len() as u64);
        let digest = server.push_blob("app", &whole);
        let target = format!("/v2/app/blobs/{digest}");
        spoil(&home, &digest, damage);
        // The last piece is held back, or it is refused at once; either way nobody gets a whole blob.
        assert!(
            server
                .ask("GET", &target)
                .try_send()
                .is_none_or(|answer| answer.status == 500),
            "{damage}"
        );
        await_that("it is refused", || {
            let answer = server.ask("GET", &target).try_send();
            answer.is_some_and(|answer| answer.status == 500)
        });
        server.ask("HEAD", &target).send().is(404);
        assert_eq!(server.push_blob("app", &whole), digest);
        assert!(server.get(&target).is(200).body == whole, "{damage}");
    }
}

#[test]
fn a_push_of_what_is_damaged_unnoticed_is_not_acknowledged_in_vain() {
    let home = Home::with_files();
    let server = home.serve_as("scrub: {rate: 0}");
    for damage in ["shorten", "remove"] {
        let whole = noise(700_000, damage.len() as u64);
        let digest = server.push_blob("app", &whole);
        spoil(&home, &digest, damage);
        server.push_blob("other", &whole);
        for repository in ["app", "other"] {
            let got = server.get(&format!("/v2/{repository}/blobs/{digest}"));
            assert!(got.is(200).body == whole, "{damage}");
        }
    }
}

#[test]
fn damage_is_found_without_anyone_asking() {
    let home = Home::with_files();
    let server = home.serve_as("scrub: {rate: 0}");
    let whole = noise(500_000, 4);
    let digest = server.push_blob("app", &whole);
    let sound = server.push_blob("app", &noise(500_000, 5));
    server.kill();
    spoil(&home, &digest, "flip");
    // What a crash left between two steps: a file that nothing knows.
    let known = stored(&home.path("root"));
    let name = known[0].to_string_lossy().into_owned();
    let unknown = format!(
        "{}.{}",
        name.rsplit_once('.').expect("a name").0,
        "f".repeat(32)
    );
    std::fs::copy(&name, &unknown).expect("it is copied");
    let server = home.serve_as("scrub: {rate: 1 GB}");
    await_that("it is found", || {
        home.log().contains("moved to quarantine/")
    });
    await_that("what nothing knows is gone", || {
        !std::path::Path::new(&unknown).exists()
    });
    assert_eq!(server.get(&format!("/v2/app/blobs/{digest}")).status, 500);
    server.get(&format!("/v2/app/blobs/{sound}")).is(200);
    assert_eq!(
        std::fs::read_dir(home.path("root/quarantine"))
            .expect("it is there")
            .count(),
        1
    );
}

/// Does something to the file of a blob.
fn spoil(home: &Home, digest: &Digest, damage: &str) {
    let files = stored(&home.path("root"));
    let file = files
        .iter()
        .find(|path| path.to_string_lossy().contains(digest.hex()))
        .expect("it is stored");
    match damage {
        "remove" => std::fs::remove_file(file).expect("it is removed"),
        damage => {
            let mut bytes = std::fs::read(file).expect("it is read");
            match damage {
                "flip" => bytes[400_000] ^= 1,
                _ => bytes.truncate(400_000),
            }
            std::fs::write(file, bytes).expect("it is written");
        }
    }
}

#[test]
fn a_server_that_rests_writes_nothing() {
    let home = Home::with_files();
    let server = home.serve_as("collect: {grace: 1 hour, every: 0 seconds}");
    server.push_image("app", "1", &[&noise(100_000, 1)]);
    let batches = || -> i64 {
        let database = rusqlite::Connection::open(home.path("root/registry.db")).expect("it opens");
        let query = "SELECT position FROM journal";
        let read = database.query_row(query, [], |row| row.get(0));
        read.expect("a number")
    };
    // What is done after a push, such as looking for bills of materials, is done by then.
    thread::sleep(Duration::from_secs(2));
    let before = batches();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(batches(), before);
}
