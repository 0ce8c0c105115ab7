//! Traces: told to a collector, beside requests and never before them.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::listener::{Told, listen};
use crate::server::{Home, await_that, noise};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that answers so after a while.
fn collector(answer: &'static str, rest: Duration) -> (String, Receiver<Told>) {
    listen(move |_| {
        thread::sleep(rest);
        answer
    })
}

fn spans(document: &Value) -> Vec<Value> {
    let list = document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
    list.expect("spans").clone()
}

fn attribute<'a>(span: &'a Value, name: &str) -> Option<&'a Value> {
    let list = span["attributes"].as_array()?;
    let one = list.iter().find(|one| one["key"] == name)?;
    one["value"].as_object()?.values().next()
}

fn count(metrics: &str, name: &str) -> u64 {
    let mut lines = metrics.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.expect("it is counted")
}

#[test]
fn a_request_and_its_parts_are_told_as_a_part_of_the_clients_own_trace() {
    let (url, told) = collector("200 OK", Duration::ZERO);
    let home = Home::new();
    let server = home.serve(&["--traces", &url]);
    let bytes = noise(100_000, 1);
    let digest =
        basalt_registry::digest::Digest::of(basalt_registry::digest::Algorithm::Sha256, &bytes);
    let target = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    let asked = server.ask("POST", &target);
    let asked = asked.header("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    asked
        .header("authorization", "Basic c2VjcmV0OnNlY3JldA==")
        .body(&bytes)
        .send()
        .is(201);
    // One that its sender does not want traced, and one that says nothing sound.
    let unwanted = server.ask("GET", "/v2/team/app/tags/list");
    unwanted
        .header("traceparent", &format!("00-{}-{PARENT}-00", "a".repeat(32)))
        .send();
    server
        .ask("GET", "/v2/none/manifests/x?secret=hidden")
        .header("traceparent", "wrong")
        .send()
        .is(404);
    assert_eq!(server.terminate(), 0);
    // What waited was sent before it ended.
    let all = told.try_iter().map(|told| (told.json(), told.first));
    let all: Vec<(String, Value)> = all.map(|(document, first)| (first, document)).collect();
    assert!(
        all.iter()
            .all(|(first, _)| first == "POST /v1/traces HTTP/1.1"),
        "{all:?}"
    );
    let resource = &all[0].1["resourceSpans"][0]["resource"];
    assert_eq!(
        attribute(resource, "service.name").expect("it is named"),
        "basalt"
    );
    let all: Vec<Value> = all
        .iter()
        .flat_map(|(_, document)| spans(document))
        .collect();
    let text = serde_json::to_string(&all).expect("JSON");
    assert!(!text.contains("c2VjcmV0") && !text.contains("hidden") && !text.contains("aaaaaaaa"));
    let named = |name: &str| {
        let found = all
            .iter()
            .filter(|span| span["name"] == name && span["traceId"] == TRACE);
        found.cloned().collect::<Vec<_>>()
    };
    let request = &named("POST BeginUpload")[0];
    assert_eq!(request["parentSpanId"], PARENT);
    assert_eq!(request["kind"], 2);
    assert_eq!(
        attribute(request, "http.response.status_code").expect("a status"),
        "201"
    );
    assert_eq!(
        attribute(request, "basalt.repository").expect("a name"),
        "team/app"
    );
    let publish = &named("blob publish")[0];
    let changes = named("database change");
    let made: Vec<&str> = changes
        .iter()
        .filter_map(|span| attribute(span, "basalt.change")?.as_str())
        .collect();
    assert!(
        made.contains(&"begin_upload") && made.contains(&"publish_blob"),
        "{made:?}"
    );
    for part in changes.iter().chain([publish]) {
        assert_eq!(part["parentSpanId"], request["spanId"]);
        let time = |name: &str| {
            part[name]
                .as_str()
                .and_then(|text| text.parse::<u128>().ok())
        };
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    let loose = all
        .iter()
        .find(|span| span["name"] == "GET ReadManifest")
        .expect("it is there");
    assert!(loose["parentSpanId"].is_null() && loose["traceId"] != TRACE);
    // The log names the trace, of those too that are not kept.
    let log = home.log();
    for trace in [TRACE.to_owned(), "a".repeat(32)] {
        assert!(log.contains(&format!("\"trace\":\"{trace}\"")), "{log}");
    }
}

#[test]
fn a_collector_that_is_slow_or_refuses_costs_no_request_anything() {
    for (answer, rest) in [
        ("200 OK", Duration::from_secs(30)),
        ("500 No", Duration::ZERO),
    ] {
        let (url, _told) = collector(answer, rest);
        let home = Home::new();
        let server = home.serve_as(&format!(
            "traces: {{url: \"{url}/v1/traces\", percent: 100}}\n"
        ));
        let begun = Instant::now();
        for _ in 0..50 {
            server.get("/v2/").is(200);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer}");
        await_that("spans are dropped and counted", || {
            let metrics = server.get("/metrics").text();
            count(&metrics, "basalt_spans_dropped_total ") > 0
        });
        assert!(home.log().contains("the collector of traces"));
        let begun = Instant::now();
        assert_eq!(server.terminate(), 0);
        assert!(begun.elapsed() < Duration::from_secs(15), "{answer}");
    }
}

#[test]
fn without_a_collector_a_request_is_in_the_log_under_the_trace_that_it_names() {
    let home = Home::new();
    let server = home.serve(&[]);
    let asked = server.ask("GET", "/v2/");
    asked
        .header("traceparent", &format!("00-{TRACE}-{PARENT}-01"))
        .send()
        .is(200);
    await_that("it is in the log", || home.log().contains(TRACE));
    server.get("/v2/").is(200);
    drop(server);
    assert_eq!(home.log().matches("\"trace\"").count(), 1);
    let (code, _, error) = home.basalt(&["serve", "--root", "root", "--traces", "http://a@b"]);
    assert!(
        code == 1 && error.contains("collector of traces"),
        "{error}"
    );
}
