//! Who is told of changes, what goes by itself, and a configuration that is read again.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::listener::{Told, listen};
use crate::server::{Home, await_that};

/// Someone who listens for events, and answers with what `answer` says.
fn hook(answer: impl FnMut(usize) -> &'static str + Send + 'static) -> (String, Receiver<Told>) {
    let (url, told) = listen(answer);
    (format!("{url}/hook"), told)
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(60))
        .expect("it is told")
}

#[test]
fn a_hook_is_told_of_all_changes_in_order_signed_and_survives_kills() {
    let home = Home::new();
    let (url, told) = hook(|_| "204 No Content");
    home.write("secret", "whsec\n");
    let config = format!(
        "hooks:\n  - {{name: ci, url: \"{url}\", secret: secret, repositories: [\"team/*\"]}}\n"
    );
    let server = home.serve_as(&config);
    home.await_hook("ci");
    let digest = server.push_image("team/app", "one", &[b"layer"]);
    server.push_image("elsewhere", "one", &[b"layer"]);
    server.kill();
    let server = home.serve_as(&config);
    server
        .ask("DELETE", "/v2/team/app/manifests/one")
        .send()
        .is(202);
    let mut kinds = Vec::new();
    let mut ids = Vec::new();
    while kinds.last().map(String::as_str) != Some("basalt.registry.tag.deleted") {
        let one = next(&told);
        let event = one.json();
        assert_eq!(event["specversion"], "1.0");
        assert!(
            one.header("content-type")
                .starts_with("application/cloudevents+json")
        );
        assert_eq!(event["data"]["repository"], "team/app");
        assert!(one.header("webhook-signature").starts_with("v1,"));
        assert_eq!(
            one.header("webhook-id"),
            event["id"].as_str().expect("a text")
        );
        // The line of the audit log, after the name of its chain if that has one.
        let id = event["id"].as_str().expect("a text");
        let line = id.rsplit(|c: char| !c.is_ascii_digit()).next();
        let id: u64 = line.unwrap_or(id).parse().expect("a number");
        // At least once, and never out of order.
        if ids.last() != Some(&id) {
            ids.push(id);
            kinds.push(event["type"].as_str().expect("a text").to_owned());
            if event["data"].get("digest").is_some() {
                assert_eq!(event["data"]["digest"], digest.as_str());
            }
        }
    }
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(
        kinds,
        ["manifest.pushed", "tag.pushed", "tag.deleted"]
            .map(|kind| format!("basalt.registry.{kind}"))
    );
}

#[test]
fn what_a_hook_does_not_take_is_tried_again_then_given_up_and_shown_and_the_next_is_told() {
    let home = Home::new();
    // It leads elsewhere, then fails, then takes all.
    let (elsewhere, led) = hook(|_| "200 OK");
    let redirect: &'static str = format!("302 Found\r\nlocation: {elsewhere}").leak();
    let (url, told) = hook(move |number| match number {
        0 => redirect,
        1 => "500 Internal Server Error",
        _ => "200 OK",
    });
    let server = home.serve_as(&format!(
        "hooks:\n  - {{name: ci, url: \"{url}\", attempts: 2, events: [push-tag]}}\n"
    ));
    home.await_hook("ci");
    server.push_image("app", "one", &[b"1"]);
    server.push_image("app", "two", &[b"2"]);
    let subjects: Vec<String> = (0..3)
        .map(|_| {
            next(&told).json()["subject"]
                .as_str()
                .expect("a text")
                .to_owned()
        })
        .collect();
    assert_eq!(subjects, ["app:one", "app:one", "app:two"]);
    assert!(led.try_recv().is_err(), "a redirect was followed");
    await_that("it is shown", || {
        let (_, out, _) = home.registry(&["events"]);
        out.contains("given up") && out.contains("500")
    });
    let counts = String::from_utf8(server.get("/metrics").is(200).body).expect("UTF-8");
    assert!(counts.contains("basalt_events_dead_total 1"), "{counts}");
}

#[test]
fn tags_that_no_rule_keeps_go_and_nothing_that_is_needed() {
    let home = Home::new();
    let server = home.serve(&[]);
    for number in 0..6_u8 {
        server.push_image("team/app", &format!("t{number}"), &[&[number; 100]]);
    }
    server.push_image("team/app", "v1", &[b"release"]);
    server.push_image("team/app", "fixed", &[b"fixed"]);
    let listed = server.push_image("team/app", "t0-arm", &[b"listed"]);
    let size = server
        .get(&format!("/v2/team/app/manifests/{listed}"))
        .body
        .len();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": crate::server::INDEX, "manifests": [
        {"mediaType": crate::server::MANIFEST, "digest": listed.as_str(), "size": size}]});
    let put = server
        .ask("PUT", "/v2/team/app/manifests/v2")
        .kind(crate::server::INDEX);
    put.body(index.to_string().as_bytes()).send().is(201);
    for number in 6..8_u8 {
        server.push_image("team/app", &format!("t{number}"), &[&[number; 100]]);
    }
    server.push_image("other", "old", &[b"other"]);
    let config = "immutable-tags: [{repositories: [\"**\"], tags: [fixed]}]
retention:\n  - {repositories: [\"team/*\"], keep: {newest: 2, tags: [\"v*\"]}}\ncollect: {every: 1 second}\n";
    home.write("registry.yaml", config);
    let arguments = [
        "registry",
        "retention",
        "--config",
        "registry.yaml",
        "--root",
        "root",
        "--dry-run",
    ];
    let (code, out, error) = home.basalt(&arguments);
    assert_eq!(code, 0, "{error}");
    for line in [
        "- team/app:t0  no rule keeps it; its manifest goes too",
        "  team/app:t7  `newest: 2`: it is number 1",
        "  team/app:v1  `tags: v*` fits it",
        "  team/app:fixed  it is immutable",
        "7 tags would go, 5 stay",
    ] {
        assert!(out.contains(line), "`{line}` is not in:\n{out}");
    }
    assert!(
        out.contains("- team/app:t0-arm  no rule keeps it; its manifest stays, the index"),
        "{out}"
    );
    assert!(!out.contains("other"), "{out}");
    server.terminate();
    let server = home.serve_as(config);
    await_that("they are gone", || {
        server.get("/v2/team/app/manifests/t0").status == 404
    });
    let tags = server.get("/v2/team/app/tags/list").is(200).json();
    assert_eq!(
        tags["tags"],
        serde_json::json!(["fixed", "t6", "t7", "v1", "v2"])
    );
    server
        .get(&format!("/v2/team/app/manifests/{listed}"))
        .is(200);
    server.get("/v2/other/manifests/old").is(200);
    server.terminate();
    home.is_sound();
}

#[test]
fn a_configuration_is_read_again_whole_or_not_at_all() {
    let home = Home::new();
    let server = home.serve_as("limits: {blob: 1 MB}");
    let big = vec![7; 200_000];
    server.push_blob("app", &big);
    let limit = |text: &str| {
        home.write("registry.yaml", text);
        server.signal("HUP");
    };
    let post = |seed: u8| {
        let bytes = vec![seed; 150_000];
        let digest =
            basalt_registry::digest::Digest::of(basalt_registry::digest::Algorithm::Sha256, &bytes);
        let target = format!("/v2/app/blobs/uploads/?digest={digest}");
        server.ask("POST", &target).body(&bytes).send().status
    };
    limit("limits: {blob: 100 kB}");
    await_that("the limit is lower", || {
        home.log().contains("was read again")
    });
    assert_eq!(post(1), 413);
    // A wrong file is told with its place, and changes nothing.
    limit("limits: {blob: 2 MB}\ndrein: 1 second");
    let started = Instant::now();
    await_that("it is told", || home.log().contains("did you mean `drain`"));
    assert!(home.log().contains("registry.yaml:2:1"), "{}", home.log());
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!(post(2), 413);
    // Users and rules too: nobody may write now.
    limit("access: [{repositories: [\"**\"], anonymous: true, rights: [pull]}]");
    await_that("nobody may write", || post(3) == 401);
    server
        .get(
            "/v2/app/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000",
        )
        .is(404);
}
