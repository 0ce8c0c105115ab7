//! Repositories that are an upstream's: had once, kept, and never more than it gives or who asks may have.

mod origin;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use basalt_registry::digest::{Algorithm, Digest};
use serde_json::json;

use crate::access::{PEOPLE, Signed};
use crate::server::{Answer, Home, INDEX, MANIFEST, Server, await_that, noise, stored};
use origin::Origin;

/// A registry whose repositories below `up` are those of an origin, with these words besides.
fn proxy(home: &Home, url: &str, more: &str) -> Server {
    home.serve_as(&config(url, more))
}

fn config(url: &str, more: &str) -> String {
    format!(
        "upstreams:\n  - {{url: \"{url}\", prefix: up, patience: 5 seconds{more}}}\ncollect: {{every: 1 second, grace: 1 second}}\n"
    )
}

fn sha(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn blob(digest: &Digest) -> String {
    format!("/v2/up/app/blobs/{digest}")
}

const TAG: &str = "/v2/up/app/manifests/one";

/// Sends a request by hand and gives the connection, behind the head of the answer.
fn begin(server: &Server, target: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("it is set");
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head comes");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("UTF-8").to_ascii_lowercase();
    (stream, head)
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").is(200).text();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("it is counted").parse().expect("a number")
}

#[test]
fn an_image_is_had_with_the_registrys_own_credentials_and_is_there_when_upstream_and_all_else_is_gone()
 {
    let there = Home::new();
    there.write("people", PEOPLE);
    let upstream = there.serve_as(
        "users: people\naccess:\n  - {repositories: [\"**\"], users: [bob], rights: [pull]}\n  - {repositories: [\"**\"], users: [root], rights: [push-new]}\n",
    );
    let layer = noise(3 << 20, 1);
    let digest = push_as(&upstream, "root", "team/app", "one", &layer);
    let here = Home::new();
    here.write("people", PEOPLE);
    here.write("up-password", "secret\n");
    let rules = "users: people\naccess:\n  - {repositories: [\"up/team/*\"], users: [ann], rights: [pull]}\n";
    let address = format!("http://{}", upstream.address);
    let text = config(
        &address,
        ", username: bob, password: up-password, fresh: 0 seconds",
    );
    let server = here.serve_as(&format!("{rules}{text}"));
    let get =
        |server: &Server, target: &str| server.ask("GET", target).basic("ann", "secret").send();
    let tag = "/v2/up/team/app/manifests/one";
    let by_digest = format!("/v2/up/team/app/manifests/{digest}");
    let blob = format!("/v2/up/team/app/blobs/{}", sha(&layer));
    let manifest = get(&server, tag).is(200);
    assert_eq!(manifest.header("docker-content-digest"), digest.as_str());
    assert_eq!(manifest.header("warning"), "");
    assert_eq!(get(&server, &blob).is(200).body, layer);
    let config_digest = sha(b"{}");
    let small = format!("/v2/up/team/app/blobs/{config_digest}");
    assert_eq!(get(&server, &small).is(200).body, b"{}");
    // What upstream knows of: the name it was given, never that of who asks here.
    assert!(there.log().contains("\"bob\"") && !there.log().contains("\"ann\""));
    upstream.kill();
    server.kill();
    let server = here.serve_as(&format!("{rules}{text}"));
    let stale = get(&server, tag).is(200);
    assert_eq!(stale.body, manifest.body);
    assert!(stale.header("warning").starts_with("299 - \""), "{stale:?}");
    let kept = get(&server, &by_digest).is(200);
    assert_eq!(kept.body, manifest.body);
    assert_eq!(kept.header("warning"), "");
    assert_eq!(get(&server, &blob).is(200).body, layer);
    assert_eq!(get(&server, &small).is(200).body, b"{}");
    server.terminate();
    here.is_sound();
}

/// Pushes an image as a user.
fn push_as(server: &Server, user: &str, repository: &str, tag: &str, layer: &[u8]) -> Digest {
    let put = |method: &str, target: &str, bytes: &[u8]| {
        let asked = server.ask(method, target).basic(user, "secret");
        asked.kind(MANIFEST).body(bytes).send().is(201)
    };
    for bytes in [&b"{}"[..], layer] {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", sha(bytes));
        put("POST", &target, bytes);
    }
    let manifest = origin::image(b"{}", &[layer]);
    put(
        "PUT",
        &format!("/v2/{repository}/manifests/{tag}"),
        &manifest,
    );
    sha(&manifest)
}

#[test]
fn a_blob_streams_before_upstream_is_done_once_for_all_who_ask_and_to_its_end_whoever_leaves() {
    let origin = Origin::new();
    let layer = noise(4 << 20, 2);
    origin.image("app", "one", &[&layer]);
    let gate = origin.stall(&format!("/blobs/{}", sha(&layer)), 1 << 20);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), "");
    server.get(TAG).is(200);
    let target = blob(&sha(&layer));
    // The first one sees a part, while upstream has not sent the rest, and leaves.
    let (mut first, head) = begin(&server, &target);
    assert!(
        head.contains(&format!("content-length: {}", layer.len())),
        "{head}"
    );
    let mut part = vec![0; 900 << 10];
    first.read_exact(&mut part).expect("it streams");
    assert_eq!(part, layer[..part.len()]);
    let waiting: Vec<_> = (0..10).map(|_| begin(&server, &target).0).collect();
    let (mut middle, head) = {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        let text = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\nrange: bytes=100-199\r\nconnection: close\r\n\r\n",
            server.address
        );
        stream.write_all(text.as_bytes()).expect("it is sent");
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).expect("a head comes");
        (stream, String::from_utf8(head).expect("UTF-8"))
    };
    assert!(head.ends_with("206"), "{head}");
    drop(first);
    thread::sleep(Duration::from_millis(300));
    gate.open();
    for mut stream in waiting {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("it comes");
        assert!(all == layer, "{} bytes", all.len());
    }
    let mut rest = Vec::new();
    middle.read_to_end(&mut rest).expect("it comes");
    assert!(rest.ends_with(&layer[100..200]));
    assert_eq!(origin.count("GET", "/blobs/"), 1);
    assert_eq!(server.get(&target).is(200).body, layer);
    assert_eq!(origin.count("GET", "/blobs/"), 1);
    assert!(metric(&server, "basalt_upstream_bytes_total") >= layer.len() as u64);
    assert!(metric(&server, "basalt_upstream_hits_total") >= 1);
}

#[test]
fn ten_who_ask_for_a_tag_at_once_are_one_question() {
    let origin = Origin::new();
    origin.image("app", "one", &[b"layer"]);
    origin.delay(Duration::from_millis(500));
    let home = Home::new();
    let server = proxy(&home, &origin.url(), "");
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| server.get(TAG).is(200));
        }
    });
    assert_eq!(origin.count("", "/manifests/"), 1);
    assert_eq!(metric(&server, "basalt_upstream_misses_total"), 1);
}

#[test]
fn an_upstream_gets_no_more_requests_at_once_than_it_is_said_to() {
    let origin = Origin::new();
    let layers: Vec<Vec<u8>> = (20..30).map(|seed| noise(1000, seed)).collect();
    let parts: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    origin.image("app", "one", &parts);
    origin.delay(Duration::from_millis(200));
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", fetches: 3");
    let server = &server;
    thread::scope(|scope| {
        for layer in &layers {
            scope.spawn(move || assert_eq!(&server.get(&blob(&sha(layer))).is(200).body, layer));
        }
    });
    assert!((2..=3).contains(&origin.peak()), "{}", origin.peak());
}

#[test]
fn bytes_that_are_not_the_blob_never_become_a_whole_answer_and_are_not_kept() {
    let origin = Origin::new();
    let layer = noise(1 << 20, 3);
    origin.image("app", "one", &[&layer, b"small"]);
    let mut wrong = layer.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let (large, small) = (sha(&layer), sha(b"small"));
    origin.lie(&format!("/blobs/{large}"), wrong.clone(), wrong.len());
    origin.lie(&format!("/blobs/{small}"), b"smell".to_vec(), 5);
    let home = Home::with_files();
    let server = proxy(&home, &origin.url(), "");
    server.get(TAG).is(200);
    assert!(server.ask("GET", &blob(&large)).try_send().is_none());
    server.get(&blob(&small)).refused(502, "UNAVAILABLE");
    // Not even a part of it is whole.
    let ranged = server
        .ask("GET", &blob(&large))
        .header("range", "bytes=0-9")
        .try_send();
    assert!(ranged.is_none_or(|answer| answer.status >= 500));
    assert!(stored(&home.path("root")).is_empty());
    await_that("what was staged is gone", || {
        std::fs::read_dir(home.path("root/uploads"))
            .expect("it is there")
            .count()
            == 0
    });
    // A manifest too.
    origin.lie("/manifests/two", b"{}".to_vec(), 2);
    server
        .get("/v2/up/app/manifests/two")
        .refused(502, "UNAVAILABLE");
    let huge = vec![b' '; 9 << 20];
    origin.lie("/manifests/huge", huge.clone(), huge.len());
    server
        .get("/v2/up/app/manifests/huge")
        .refused(502, "UNAVAILABLE");
    let other = sha(b"other");
    let manifest = origin::image(b"{}", &[b"x"]);
    origin.lie(
        &format!("/manifests/{other}"),
        manifest.clone(),
        manifest.len(),
    );
    server
        .get(&format!("/v2/up/app/manifests/{other}"))
        .refused(502, "UNAVAILABLE");
    // It is had anew when upstream has mended itself.
    origin.honest();
    await_that("it is had", || {
        let answer = server.ask("GET", &blob(&large)).try_send();
        answer.is_some_and(|answer| answer.status == 200 && answer.body == layer)
    });
}

#[test]
fn lengths_that_are_lies_bring_nobody_a_whole_blob() {
    let origin = Origin::new();
    let layer = noise(1 << 20, 4);
    origin.image("app", "one", &[&layer]);
    let digest = sha(&layer);
    for length in [layer.len() - 1000, layer.len() + 1000] {
        let home = Home::with_files();
        let server = proxy(&home, &origin.url(), "");
        origin.lie(&format!("/blobs/{digest}"), layer.clone(), length);
        let broken = server.ask("GET", &blob(&digest)).try_send();
        assert!(broken.is_none(), "{length}");
        // Why is remembered for a moment, or the upstream left alone.
        let refused = server.get(&blob(&digest));
        assert!([502, 503].contains(&refused.status), "{refused:?}");
        assert!(stored(&home.path("root")).is_empty());
    }
    // More than may be kept is not even begun with.
    let home = Home::with_files();
    origin.honest();
    let server = proxy(&home, &origin.url(), ", blob: 1 MB");
    server.get(&blob(&digest)).refused(502, "SIZE_INVALID");
}

#[test]
fn a_blob_that_breaks_off_is_taken_up_where_it_did() {
    let origin = Origin::new();
    let layer = noise(2 << 20, 5);
    origin.image("app", "one", &[&layer]);
    origin.break_off(&format!("/blobs/{}", sha(&layer)), 700_000);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), "");
    assert_eq!(server.get(&blob(&sha(&layer))).is(200).body, layer);
    let ranges = origin.seen("range: bytes=");
    assert!(
        !ranges.is_empty() && ranges.iter().all(|range| !range.contains("bytes=0-")),
        "{ranges:?}"
    );
}

#[test]
fn what_is_here_is_served_with_a_warning_while_upstream_fails_and_what_is_not_says_when_to_come_back()
 {
    let origin = Origin::new();
    origin.image("app", "one", &[b"layer"]);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", fresh: 0 seconds");
    let manifest = server.get(TAG).is(200);
    let small = blob(&sha(b"layer"));
    for (status, retry) in [
        ("503 Service Unavailable", "7"),
        ("429 Too Many Requests", "9"),
    ] {
        origin.fail(status, retry);
        // What came before may have been followed by a rest.
        let stale = server.get(TAG).is(200);
        assert_eq!(stale.body, manifest.body);
        assert!(
            stale
                .header("warning")
                .starts_with("299 - \"Response is stale")
        );
        let absent = server.get(&small);
        assert!([502, 503].contains(&absent.status), "{absent:?}");
        assert_eq!(absent.json()["errors"][0]["code"], "UNAVAILABLE");
        let wait: u64 = absent.header("retry-after").parse().expect("a number");
        assert!((1..=9).contains(&wait), "{wait}");
        assert_eq!(absent.header("www-authenticate"), "");
        let tags = server.get("/v2/up/app/tags/list").is(200);
        assert_eq!(tags.json()["tags"], json!(["one"]));
        assert!(tags.header("warning").starts_with("299 - "));
        // It is left alone meanwhile.
        let before = origin.count("", "");
        server
            .get("/v2/up/app/manifests/two")
            .refused(503, "UNAVAILABLE");
        server.get(TAG).is(200);
        assert_eq!(origin.count("", ""), before);
        origin.honest();
        await_that("it is asked again", || {
            server.get(TAG).header("warning").is_empty()
        });
    }
    assert!(metric(&server, "basalt_upstream_stale_total") >= 4);
    assert!(metric(&server, "basalt_upstream_failures_total") >= 2);
}

#[test]
fn an_upstream_that_says_nothing_holds_nobody_up_for_long() {
    let origin = Origin::new();
    origin.image("app", "one", &[b"layer"]);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", fresh: 0 seconds");
    server.get(TAG).is(200);
    origin.delay(Duration::from_secs(20));
    let started = Instant::now();
    let silent = server
        .get("/v2/up/app/manifests/two")
        .refused(504, "UNAVAILABLE");
    assert!(!silent.header("retry-after").is_empty());
    // Who asks now is not held up at all.
    assert!(
        server
            .get(TAG)
            .is(200)
            .header("warning")
            .starts_with("299 - ")
    );
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_tag_is_asked_for_again_by_head_when_it_is_not_fresh_and_a_digest_never() {
    let origin = Origin::new();
    let first = origin.image("app", "one", &[b"first"]);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", fresh: 2 seconds");
    server.get(TAG).is(200);
    let second = origin.image("app", "one", &[b"second"]);
    let digest = |answer: &Answer| answer.header("docker-content-digest").to_owned();
    assert_eq!(digest(&server.get(TAG)), first.as_str());
    assert_eq!(origin.count("", "/manifests/"), 1);
    await_that("the tag moves", || {
        digest(&server.get(TAG)) == second.as_str()
    });
    assert_eq!(origin.count("HEAD", "/manifests/"), 1);
    assert_eq!(origin.count("GET", "/manifests/"), 2);
    await_that("it is asked for again", || {
        server.get(TAG).is(200);
        origin.count("HEAD", "/manifests/") == 2
    });
    assert_eq!(origin.count("GET", "/manifests/"), 2);
    // The former one is still here, and was never asked for.
    server.get(&format!("/v2/up/app/manifests/{first}")).is(200);
    assert_eq!(origin.count("", first.as_str()), 0);
    // What is not there is not asked for again and again.
    for _ in 0..5 {
        server
            .get("/v2/up/app/manifests/none")
            .refused(404, "MANIFEST_UNKNOWN");
    }
    assert_eq!(origin.count("GET", "/manifests/none"), 1);
}

#[test]
fn nobody_without_the_right_to_read_causes_a_question() {
    let origin = Origin::new();
    origin.image("app", "one", &[b"layer"]);
    origin.image("open", "one", &[b"layer"]);
    let home = Home::new();
    home.write("people", PEOPLE);
    let rules = "users: people\naccess:\n  - {repositories: [\"up/open\"], users: [ann], rights: [pull]}\n  - {repositories: [other], users: [\"*\"], rights: [pull]}\n";
    let server = home.serve_as(&format!(
        "{rules}{}",
        config(&origin.url(), ", namespaces: [origin.example]")
    ));
    let digest = sha(b"layer");
    let targets = [
        TAG.to_owned(),
        blob(&digest),
        "/v2/up/app/tags/list".to_owned(),
        format!("/v2/up/app/referrers/{digest}"),
        "/v2/app/manifests/one?ns=origin.example".to_owned(),
    ];
    for target in &targets {
        server.get(target).refused(401, "UNAUTHORIZED");
        let ann = server.ask("GET", target).basic("ann", "secret");
        ann.send().refused(403, "DENIED");
    }
    assert_eq!(origin.count("", ""), 0);
    let ann = |target: &str| server.ask("GET", target).basic("ann", "secret").send();
    ann("/v2/open/manifests/one?ns=origin.example").is(200);
    assert_eq!(origin.seen("authorization"), Vec::<String>::new());
}

#[test]
fn who_has_the_registry_for_a_mirror_is_answered_from_the_upstream_of_the_namespace() {
    let origin = Origin::new();
    let digest = origin.image("library/alpine", "3", &[b"layer"]);
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", namespaces: [docker.io]");
    let mirrored = server
        .get("/v2/library/alpine/manifests/3?ns=docker.io")
        .is(200);
    assert_eq!(mirrored.header("docker-content-digest"), digest.as_str());
    let layer = format!("/v2/library/alpine/blobs/{}?ns=docker.io", sha(b"layer"));
    assert_eq!(server.get(&layer).is(200).body, b"layer");
    // It is kept under its prefix, and is nothing without its namespace.
    server
        .get("/v2/library/alpine/manifests/3")
        .refused(404, "MANIFEST_UNKNOWN");
    server.get("/v2/up/library/alpine/manifests/3").is(200);
    server
        .get("/v2/library/alpine/manifests/3?ns=quay.io")
        .refused(404, "NAME_UNKNOWN");
    assert_eq!(origin.count("", "/manifests/"), 1);
    let catalog = server.get("/v2/_catalog").json();
    assert_eq!(catalog["repositories"], json!(["up/library/alpine"]));
}

#[test]
fn an_index_is_kept_whole_its_images_come_when_they_are_asked_for_and_those_of_other_platforms_do_not()
 {
    let origin = Origin::new();
    let wanted = origin.image("app", "amd64", &[b"amd64"]);
    let other = origin.image("app", "s390x", &[b"s390x"]);
    let child = |digest: &Digest, architecture: &str| {
        let size = origin.manifest("app", digest.as_str()).len();
        json!({"mediaType": MANIFEST, "digest": digest.as_str(), "size": size,
               "platform": {"os": "linux", "architecture": architecture}})
    };
    let children = [child(&wanted, "amd64"), child(&other, "s390x")];
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
    let index = origin.put("app", "all", INDEX, index.to_string().as_bytes());
    let home = Home::new();
    let server = proxy(&home, &origin.url(), ", platforms: [linux/amd64]");
    let whole = server.get("/v2/up/app/manifests/all").is(200);
    assert_eq!(sha(&whole.body), index);
    assert_eq!(origin.count("GET", "/manifests/"), 1);
    let target = |digest: &Digest| format!("/v2/up/app/manifests/{digest}");
    let refused = server.get(&target(&other)).refused(403, "DENIED");
    assert!(refused.text().contains("linux/s390x") && refused.text().contains("linux/amd64"));
    server.get(&target(&wanted)).is(200);
    assert_eq!(origin.count("GET", "/manifests/"), 2);
    // One that no index lists says itself for what it is.
    for (architecture, status) in [("amd64", 200), ("s390x", 403)] {
        let config = json!({"os": "linux", "architecture": architecture}).to_string();
        origin.serve(
            &format!("/v2/app/blobs/{}", sha(config.as_bytes())),
            config.as_bytes(),
        );
        let single = origin::image(config.as_bytes(), &[b"single"]);
        let digest = origin.put("app", "single", MANIFEST, &single);
        let answer = server.get(&target(&digest)).is(status);
        assert!(status == 200 || answer.text().contains("linux/s390x"));
    }
    // The page of what is not all here is a page.
    server.get("/r/up/app:all").is(200);
    server.get(&format!("/r/up/app@{wanted}")).is(200);
    server.terminate();
    home.is_sound();
}

#[test]
fn only_what_the_configuration_lets_through_can_be_had_and_nothing_is_pushed_there() {
    let origin = Origin::new();
    for repository in ["app", "secret"] {
        for tag in ["v1", "dev"] {
            origin.image(repository, tag, &[b"layer"]);
        }
    }
    let home = Home::new();
    let server = proxy(
        &home,
        &origin.url(),
        ", repositories: [app], tags: [\"v*\"]",
    );
    server.get("/v2/up/app/manifests/v1").is(200);
    server
        .get("/v2/up/app/manifests/dev")
        .refused(403, "DENIED");
    server
        .get("/v2/up/secret/manifests/v1")
        .refused(403, "DENIED");
    let digest = sha(b"layer");
    server
        .get(&format!("/v2/up/secret/blobs/{digest}"))
        .refused(403, "DENIED");
    server.get("/v2/up/secret/tags/list").refused(403, "DENIED");
    let tags = server.get("/v2/up/app/tags/list").is(200);
    assert_eq!(tags.json()["tags"], json!(["v1"]));
    assert_eq!(origin.count("", "/secret/"), 0);
    let pushes = [
        ("POST", "/v2/up/app/blobs/uploads/".to_owned()),
        (
            "POST",
            format!("/v2/up/app/blobs/uploads/?mount={digest}&from=own"),
        ),
        ("PUT", "/v2/up/app/manifests/v2".to_owned()),
    ];
    for (method, target) in pushes {
        let refused = server.ask(method, &target).send().refused(403, "DENIED");
        assert!(refused.text().contains("pushed there"));
    }
    // What is deleted is the copy: it is had anew.
    server
        .ask("DELETE", "/v2/up/app/manifests/v1")
        .send()
        .is(202);
    let before = origin.count("GET", "/manifests/v1");
    server.get("/v2/up/app/manifests/v1").is(200);
    assert_eq!(origin.count("GET", "/manifests/v1"), before + 1);
    // Another configuration holds for what is here, too.
    home.write(
        "registry.yaml",
        config(&origin.url(), ", repositories: [secret]"),
    );
    server.signal("HUP");
    await_that("it is no longer had", || {
        server.get("/v2/up/app/manifests/v1").status == 403
    });
    server.get("/v2/up/secret/manifests/dev").is(200);
    home.write("registry.yaml", config(&origin.url(), ""));
    server.signal("HUP");
    await_that("it is had again", || {
        server.get("/v2/up/app/manifests/v1").status == 200
    });
    // A blob that is here can be another repository's too.
    server.get(&blob(&digest)).is(200);
    let mount = format!("/v2/own/blobs/uploads/?mount={digest}&from=up/app");
    server.ask("POST", &mount).send().is(201);
}

#[test]
fn an_upstream_leads_to_no_address_within_the_network() {
    let origin = Origin::new();
    let layer = noise(100_000, 6);
    origin.image("app", "one", &[&layer]);
    let inner = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = inner.local_addr().expect("an address");
    inner.set_nonblocking(true).expect("it is set");
    let digest = sha(&layer);
    let home = Home::new();
    let targets = [
        format!("http://{place}/secret"),
        format!("http://localhost:{}/secret", place.port()),
        format!("http://[::ffff:127.0.0.1]:{}/secret", place.port()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for (number, target) in targets.iter().enumerate() {
        origin.redirect(&format!("/blobs/{digest}"), target);
        let server = proxy(&home, &origin.url(), "");
        let started = Instant::now();
        server.get(&blob(&digest)).refused(502, "UNAVAILABLE");
        assert!(started.elapsed() < Duration::from_secs(3), "{target}");
        let refusals = || home.log().matches("refused to go on at").count();
        await_that("it is told why", || refusals() == number + 1);
        server.kill();
    }
    // Nor to a token server there, with the password.
    home.write("up-password", "secret");
    let credentials = ", username: me, password: up-password";
    origin.challenge(&format!("http://{place}/token"));
    let server = proxy(&home, &origin.url(), credentials);
    server.get(TAG).refused(502, "UNAVAILABLE");
    server.kill();
    let untouched = inner.accept().expect_err("nobody came");
    assert_eq!(untouched.kind(), std::io::ErrorKind::WouldBlock);
    // But where the configuration says so.
    let storage = Origin::new();
    storage.serve("/secret", &layer);
    origin.honest();
    origin.redirect(
        &format!("/blobs/{digest}"),
        &format!("{}/secret", storage.url()),
    );
    let host = storage.url().replace("http://", "");
    let server = proxy(&home, &origin.url(), &format!(", hosts: [\"{host}\"]"));
    assert_eq!(server.get(&blob(&digest)).is(200).body, layer);
}

#[test]
fn an_upstream_that_refuses_is_told_of_and_asks_no_client_for_its_password() {
    let origin = Origin::new();
    origin.image("app", "one", &[b"layer"]);
    let home = Home::new();
    home.write("up-password", "wrong");
    let server = proxy(
        &home,
        &origin.url(),
        ", username: me, password: up-password",
    );
    origin.challenge_basic();
    for target in [TAG, &blob(&sha(b"layer")), "/v2/up/app/tags/list"] {
        let refused = server.get(target).refused(403, "DENIED");
        assert_eq!(refused.header("www-authenticate"), "");
    }
    for header in origin.seen("authorization") {
        assert!(header.contains("Basic bWU6d3Jvbmc="), "{header}");
    }
    assert!(!home.log().contains("bWU6d3Jvbmc=") && !home.log().contains("wrong"));
}

#[test]
fn a_server_that_is_killed_while_a_blob_comes_has_nothing_of_it_and_has_it_whole_later() {
    let origin = Origin::new();
    let layer = noise(3 << 20, 7);
    origin.image("app", "one", &[&layer]);
    let gate = origin.stall(&format!("/blobs/{}", sha(&layer)), 1 << 20);
    let home = Home::with_files();
    let text = format!(
        "{}uploads: {{expire: 1 second}}\n",
        config(&origin.url(), "")
    );
    let server = home.serve_as(&text);
    server.get(TAG).is(200);
    let target = blob(&sha(&layer));
    let (mut stream, _) = begin(&server, &target);
    let mut part = vec![0; 500_000];
    stream.read_exact(&mut part).expect("it streams");
    server.kill();
    gate.open();
    origin.honest();
    let server = home.serve_as(&text);
    assert!(stored(&home.path("root")).is_empty());
    assert_eq!(server.get(&target).is(200).body, layer);
    await_that("what was staged is gone", || {
        std::fs::read_dir(home.path("root/uploads"))
            .expect("it is there")
            .count()
            == 0
    });
    assert_eq!(stored(&home.path("root")).len(), 1);
}

#[test]
fn what_nobody_asks_for_goes_and_what_somebody_asks_for_stays() {
    let origin = Origin::new();
    let (used, unused) = (noise(100_000, 8), noise(100_000, 9));
    origin.image("app", "one", &[&used]);
    origin.image("app", "two", &[&unused]);
    let home = Home::with_files();
    let server = proxy(&home, &origin.url(), ", keep: 4 seconds");
    for tag in ["one", "two"] {
        server.get(&format!("/v2/up/app/manifests/{tag}")).is(200);
    }
    for layer in [&used, &unused] {
        server.get(&blob(&sha(layer))).is(200);
    }
    assert_eq!(stored(&home.path("root")).len(), 2);
    await_that("the unused one is gone", || {
        server.get(&blob(&sha(&used))).is(200);
        server.get(TAG).is(200);
        stored(&home.path("root")).len() == 1
    });
    await_that("its manifest too", || {
        server.get(&blob(&sha(&used))).is(200);
        server.get(TAG).is(200);
        let page = server.get("/basalt/v1/r/up/app").is(200).text();
        page.contains("one") && !page.contains("\"two\"")
    });
    assert_eq!(origin.count("GET", "/manifests/one"), 1);
    assert_eq!(origin.count("GET", sha(&used).as_str()), 1);
}

#[test]
fn referrers_are_those_of_the_upstream_and_hooks_hear_of_no_copy() {
    let origin = Origin::new();
    let subject = origin.image("app", "one", &[b"layer"]);
    let signature = json!({"mediaType": MANIFEST, "digest": sha(b"signature").as_str(), "size": 9,
                           "artifactType": "application/x-signature"});
    origin.referrers("app", &subject, &[signature]);
    let home = Home::new();
    let hook = Origin::new();
    let hooks = format!("hooks:\n  - {{name: ci, url: \"{}/hook\"}}\n", hook.url());
    let server = home.serve_as(&format!("{hooks}{}", config(&origin.url(), "")));
    home.await_hook("ci");
    server.get(TAG).is(200);
    let list = server
        .get(&format!("/v2/up/app/referrers/{subject}"))
        .is(200);
    assert_eq!(list.header("content-type"), INDEX);
    assert_eq!(
        list.json()["manifests"][0]["digest"],
        sha(b"signature").as_str()
    );
    server.push_image("own", "one", &[b"own"]);
    await_that("the hook hears of the push", || {
        hook.count("POST", "/hook") >= 2
    });
    let told = hook.bodies();
    assert!(
        told.iter()
            .all(|body| body.contains("\"own\"") && !body.contains("up/app")),
        "{told:?}"
    );
    server.terminate();
}
