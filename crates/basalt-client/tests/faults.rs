//! What goes wrong at a registry, by accident or by malice.

mod support;

use std::io::{self, Read};
use std::time::{Duration, Instant};

use basalt_client::{Client, ClientError, Credential, Credentials, Repository, Settings};
use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore, OciError, media_type};
use support::{Access, Behaviour, Fault, Response, Seen, TestRegistry};

const LAYER: &str = media_type::LAYER;

fn repository_with(registry: &TestRegistry, edit: impl FnOnce(&mut Settings)) -> Repository {
    let mut settings = Settings::default();
    settings.limits.backoff = Duration::from_millis(5);
    settings = settings.with_patience(Duration::from_secs(2));
    edit(&mut settings);
    let client = Client::new(settings).expect("a client");
    let reference = format!("{}/a", registry.host())
        .parse()
        .expect("a reference");
    client.repository(&reference).expect("it is not blocked")
}

fn repository(registry: &TestRegistry) -> Repository {
    repository_with(registry, |_| {})
}

fn big() -> Vec<u8> {
    (0..3_000_000_u32)
        .map(|number| (number / 7) as u8)
        .collect()
}

fn read(store: &Repository, blob: &Descriptor) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = store.open_blob(blob).map_err(io::Error::other)?;
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The error of the client within that of a place.
fn cause(error: OciError) -> ClientError {
    match error {
        OciError::Store { cause, .. } => *cause.downcast().expect("it is the client's"),
        other => panic!("{other}"),
    }
}

fn within(error: &io::Error) -> String {
    let inner = error.get_ref().expect("it has a cause");
    format!("{inner}")
}

#[test]
fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    let registry = TestRegistry::faulty(|seen| {
        let busy = seen.is("HEAD", "/manifests/1") && seen.before == 0;
        busy.then(|| Fault::Instead(Response::new(429).header("Retry-After", "1")))
    });
    registry.put_manifest("a", media_type::MANIFEST, b"{}", Some("1"));
    let begun = Instant::now();
    assert!(
        repository(&registry)
            .find("1")
            .expect("it answers")
            .is_some()
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_registry_that_asks_for_hours_is_given_up() {
    let registry = TestRegistry::faulty(|seen| {
        let response = Response::new(429).header("Retry-After", "7200");
        seen.path
            .contains("/manifests/")
            .then_some(Fault::Instead(response))
    });
    let error = repository(&registry).find("1").expect_err("it is busy");
    assert!(error.is_network(), "{error}");
    assert_eq!(registry.count("HEAD /v2/a/manifests"), 1);
}

#[test]
fn trouble_that_passes_is_borne_and_trouble_that_stays_is_not() {
    for status in [408, 500, 502, 503, 504] {
        let registry = TestRegistry::faulty(move |seen| {
            let down = seen.path.contains("/manifests/") && seen.before < 2;
            down.then(|| Fault::Instead(Response::new(status)))
        });
        registry.put_manifest("a", media_type::MANIFEST, b"{}", Some("1"));
        assert!(
            repository(&registry)
                .find("1")
                .expect("it answers")
                .is_some()
        );
    }
    let registry = TestRegistry::faulty(|seen| {
        seen.path
            .contains("/manifests/")
            .then(|| Fault::Instead(Response::new(503)))
    });
    let error = repository(&registry).find("1").expect_err("it is down");
    assert!(
        matches!(error, ClientError::Status { status: 503, .. }),
        "{error}"
    );
    assert_eq!(registry.count("HEAD /v2/a/manifests"), 5);
}

#[test]
fn a_connection_that_is_reset_is_made_again() {
    let registry = TestRegistry::faulty(|seen| {
        (seen.path.contains("/manifests/") && seen.before < 2).then_some(Fault::HangUp)
    });
    registry.put_manifest("a", media_type::MANIFEST, b"{}", Some("1"));
    assert!(
        repository(&registry)
            .find("1")
            .expect("it answers")
            .is_some()
    );
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let registry = TestRegistry::faulty(|seen| {
        (seen.is("GET", "/blobs/sha256") && seen.before < 2).then_some(Fault::Cut(1_000_000))
    });
    let blob = Descriptor::of(LAYER, &big());
    registry.put_blob("a", &big());
    assert!(read(&repository(&registry), &blob).expect("it is sound") == big());
    let asked: Vec<String> = registry
        .seen()
        .iter()
        .filter(|seen| seen.is("GET", "/blobs/sha256"))
        .map(|seen| seen.header("range").to_owned())
        .collect();
    assert_eq!(asked, ["", "bytes=1000000-", "bytes=2000000-"]);
}

#[test]
fn a_download_goes_on_also_where_ranges_are_not_known() {
    let registry = TestRegistry::faulty(|seen| match seen.is("GET", "/blobs/sha256") {
        true if seen.before == 0 => Some(Fault::Cut(1_000_000)),
        true => Some(Fault::Instead(Response::new(200).body(big()))),
        false => None,
    });
    let blob = Descriptor::of(LAYER, &big());
    registry.put_blob("a", &big());
    assert!(read(&repository(&registry), &blob).expect("it is sound") == big());
}

#[test]
fn a_download_that_always_breaks_is_given_up() {
    let registry =
        TestRegistry::faulty(|seen| seen.is("GET", "/blobs/sha256").then_some(Fault::Cut(0)));
    let blob = Descriptor::of(LAYER, &big());
    registry.put_blob("a", &big());
    let error = read(&repository(&registry), &blob).expect_err("it breaks");
    assert!(
        within(&error).contains("ended after 0 of 3000000"),
        "{error}"
    );
}

#[test]
fn other_bytes_than_promised_are_refused() {
    let mut wrong = big();
    wrong[2_999_999] ^= 1;
    let registry = TestRegistry::faulty(move |seen| {
        let response = Response::new(200).body(wrong.clone());
        seen.is("GET", "/blobs/sha256")
            .then_some(Fault::Instead(response))
    });
    let error = read(&repository(&registry), &Descriptor::of(LAYER, &big())).expect_err("evil");
    assert!(within(&error).contains("another content"), "{error}");
    assert_eq!(registry.count("GET /v2/a/blobs"), 1);
}

#[test]
fn never_more_bytes_are_taken_than_promised() {
    let mut long = big();
    long.push(0);
    for endless in [true, false] {
        let long = long.clone();
        let registry = TestRegistry::faulty(move |seen| {
            let response = Response::new(200).body(long.clone());
            let response = if endless {
                response.endless()
            } else {
                response
            };
            seen.is("GET", "/blobs/sha256")
                .then_some(Fault::Instead(response))
        });
        let error = read(&repository(&registry), &Descriptor::of(LAYER, &big())).expect_err("evil");
        let text = within(&error);
        let expected = if endless {
            "more than the 3000000 bytes"
        } else {
            "3000001"
        };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_manifest_of_another_digest_or_kind_or_size_is_refused() {
    let answer = |response: Response| {
        TestRegistry::faulty(move |seen| {
            seen.is("GET", "/manifests/")
                .then(|| Fault::Instead(response.clone()))
        })
    };
    let kind = ("Content-Type", media_type::MANIFEST);
    let digest = Digest::of(b"{}");
    let ask = |registry: &TestRegistry| {
        repository(registry)
            .get_manifest(&digest)
            .expect_err("evil")
    };

    let error = ask(&answer(
        Response::new(200).header(kind.0, kind.1).body("{ }"),
    ));
    assert!(error.is_distrust(), "{error}");

    let confused = format!(r#"{{"mediaType":"{}"}}"#, media_type::INDEX);
    let digest = Digest::of(confused.as_bytes());
    let registry = answer(Response::new(200).header(kind.0, kind.1).body(confused));
    let error = repository(&registry)
        .get_manifest(&digest)
        .expect_err("evil");
    assert!(error.is_distrust(), "{error}");

    let huge = answer(Response::new(200).header("Content-Length", "99999999999"));
    assert!(matches!(ask(&huge), ClientError::TooLong { .. }));
    let endless = answer(Response::new(200).body(vec![b' '; 17 << 20]).endless());
    assert!(matches!(ask(&endless), ClientError::TooLong { .. }));
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let storage = TestRegistry::honest();
    let blob = Descriptor::of(LAYER, &big());
    storage.put_blob("a", &big());
    let target = format!("http://{}/v2/a/blobs/{}", storage.host(), blob.digest);
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 100),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, move |seen: &Seen| {
        let known = !seen.header("authorization").is_empty();
        let response = Response::new(307).header("Location", &target);
        (seen.is("GET", "/blobs/sha256") && known).then_some(Fault::Instead(response))
    });
    let store = repository_with(&registry, |settings| {
        let me = Credential::password("me", "hunter2");
        settings.credentials = Credentials::none().with(&registry.host(), me);
    });
    assert!(read(&store, &blob).expect("it is sound") == big());
    let there = storage.seen();
    assert!(!there.is_empty());
    for seen in there {
        assert_eq!(seen.header("authorization"), "", "{seen:?}");
    }
}

#[test]
fn a_redirect_leads_neither_to_an_open_host_nor_off_http_nor_round_and_round() {
    for to in [
        "http://registry.example/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "",
    ] {
        let registry = TestRegistry::faulty(move |seen| {
            let response = Response::new(302).header("Location", to);
            seen.is("GET", "/blobs/sha256")
                .then_some(Fault::Instead(response))
        });
        let error = cause_of(&registry);
        assert!(
            matches!(error, ClientError::Redirect { .. }),
            "{to}: {error}"
        );
    }
    let registry = TestRegistry::faulty(|seen| {
        let response = Response::new(302).header("Location", &seen.path);
        seen.is("GET", "/blobs/sha256")
            .then_some(Fault::Instead(response))
    });
    let error = cause_of(&registry);
    assert!(error.to_string().contains("without end"), "{error}");
}

fn cause_of(registry: &TestRegistry) -> ClientError {
    match repository(registry).open_blob(&Descriptor::of(LAYER, b"x")) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[test]
fn an_upload_does_not_go_to_another_host() {
    let other = TestRegistry::honest();
    let elsewhere = format!("http://{}/v2/a/blobs/uploads/1", other.host());
    let registry = TestRegistry::faulty(move |seen| {
        let response = Response::new(202).header("Location", &elsewhere);
        seen.is("POST", "/uploads/")
            .then_some(Fault::Instead(response))
    });
    let error = cause(
        repository(&registry)
            .put_blob(LAYER, b"secret")
            .expect_err("evil"),
    );
    assert!(matches!(error, ClientError::Redirect { .. }), "{error}");
    assert!(other.seen().is_empty());
}

#[test]
fn an_upload_goes_on_where_the_registry_has_got_to() {
    let registry = TestRegistry::faulty(|seen| {
        let first = seen.is("PATCH", "/uploads/") && seen.header("content-range") == "0-2999999";
        first.then_some(Fault::TakeAndHangUp(1_234_567))
    });
    let put = repository(&registry)
        .put_blob(LAYER, &big())
        .expect("it is taken");
    assert!(registry.blob("a", &put.digest) == Some(big()));
    let ranges: Vec<String> = registry
        .seen()
        .iter()
        .filter(|seen| seen.method == "PATCH")
        .map(|seen| seen.header("content-range").to_owned())
        .collect();
    assert_eq!(ranges, ["0-2999999", "1234567-2999999"]);
    assert_eq!(registry.count("POST /v2/a/blobs/uploads"), 1);
}

#[test]
fn a_refusal_that_was_lost_while_a_piece_was_sent_is_heard_at_the_second_attempt() {
    // The first time the connection breaks under the client; the second time it asks before it sends.
    let registry = TestRegistry::faulty(|seen| {
        if !seen.is("PATCH", "/uploads/") {
            return None;
        }
        let full = r#"{"errors":[{"code":"DENIED","message":"the quota of `a` is used up"}]}"#;
        match seen.before {
            0 => Some(Fault::HangUp),
            _ => Some(Fault::Instead(Response::new(403).body(full))),
        }
    });
    let error = repository(&registry).put_blob(LAYER, &big());
    let error = cause(error.expect_err("it is refused"));
    let is_forbidden = matches!(error, ClientError::Forbidden { .. });
    assert!(is_forbidden, "{error}");
    assert!(error.to_string().contains("the quota of `a`"), "{error}");
    let seen = registry.seen();
    let pieces = seen.iter().filter(|seen| seen.method == "PATCH");
    let expected: Vec<&str> = pieces.map(|seen| seen.header("expect")).collect();
    assert_eq!(expected, ["", "100-continue"]);
}

#[test]
fn a_piece_that_is_asked_for_after_a_broken_connection_is_sent() {
    let registry = TestRegistry::faulty(|seen| {
        let first = seen.is("PATCH", "/uploads/") && seen.before == 0;
        first.then_some(Fault::HangUp)
    });
    let put = repository(&registry)
        .put_blob(LAYER, &big())
        .expect("it is taken");
    assert!(registry.blob("a", &put.digest) == Some(big()));
}

#[test]
fn an_upload_in_pieces_recovers_from_a_piece_that_is_refused() {
    // The first answer to the second piece is that it does not fit.
    let registry = TestRegistry::faulty(|seen| {
        let second =
            seen.is("PATCH", "/uploads/") && seen.header("content-range").starts_with("1000000-");
        (second && seen.before == 1).then(|| Fault::Instead(Response::new(416)))
    });
    let store = repository_with(&registry, |settings| settings.chunk = 1_000_000);
    let put = store.put_blob(LAYER, &big()).expect("it is taken");
    assert!(registry.blob("a", &put.digest) == Some(big()));
    assert_eq!(registry.count("PATCH /v2/a/blobs"), 4);
}

#[test]
fn an_upload_whose_session_is_lost_begins_anew() {
    let registry = TestRegistry::faulty(|seen| {
        let first = seen.is("PATCH", "/uploads/upload-1");
        first.then(|| Fault::Instead(Response::new(404)))
    });
    let put = repository(&registry).put_blob(LAYER, &big());
    // The registry still tells of it when it is asked, and refuses each piece: that has an end.
    assert!(put.is_err());
    let registry = TestRegistry::faulty(|seen| {
        let gone = seen.path.contains("/uploads/upload-1") && seen.method != "DELETE";
        gone.then(|| Fault::Instead(Response::new(404)))
    });
    let put = repository(&registry)
        .put_blob(LAYER, &big())
        .expect("it is taken");
    assert!(registry.blob("a", &put.digest) == Some(big()));
}

#[test]
fn an_upload_whose_last_answer_was_lost_is_done() {
    for bytes in [big(), b"small".to_vec()] {
        let registry = TestRegistry::faulty(|seen| {
            (seen.is("PUT", "/uploads/")).then_some(Fault::DoAndHangUp)
        });
        let put = repository(&registry)
            .put_blob(LAYER, &bytes)
            .expect("it is taken");
        assert!(registry.blob("a", &put.digest) == Some(bytes));
    }
}

#[test]
fn a_registry_that_takes_other_bytes_than_were_sent_is_not_believed() {
    let evil = Digest::of(b"evil").to_string();
    let registry = TestRegistry::faulty(move |seen| {
        let response = Response::new(201).header("Docker-Content-Digest", &evil);
        (seen.method == "PUT").then_some(Fault::Instead(response))
    });
    let store = repository(&registry);
    for error in [
        store.put_blob(LAYER, b"good").expect_err("evil"),
        store
            .put_manifest(
                media_type::INDEX,
                br#"{"schemaVersion":2,"manifests":[]}"#,
                Some("1"),
            )
            .expect_err("evil"),
    ] {
        let error = cause(error);
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");
    }
}

#[test]
fn a_registry_that_counts_more_than_was_sent_is_refused_and_one_that_counts_none_has_an_end() {
    for (range, distrust) in [("0-99999999", true), ("0-0", false)] {
        let registry = TestRegistry::faulty(move |seen| {
            let response = Response::new(202)
                .header("Location", seen.path.clone())
                .header("Range", range);
            seen.is("PATCH", "/uploads/")
                .then_some(Fault::Instead(response))
        });
        let error = cause(
            repository(&registry)
                .put_blob(LAYER, &big())
                .expect_err("it is wrong"),
        );
        assert_eq!(
            matches!(error, ClientError::Protocol { .. }),
            distrust,
            "{error}"
        );
    }
}

fn challenged(challenge: String) -> ClientError {
    let registry = TestRegistry::faulty(move |seen| {
        let response = Response::new(401).header("WWW-Authenticate", &challenge);
        seen.path
            .contains("/manifests/")
            .then_some(Fault::Instead(response))
    });
    let store = repository_with(&registry, |settings| {
        let me = Credential::password("me", "hunter2");
        settings.credentials = Credentials::none().with(&registry.host(), me);
    });
    store.find("1").expect_err("it is refused")
}

#[test]
fn a_token_server_that_is_not_reached_by_https_gets_no_password() {
    for realm in [
        "http://registry.example/token",
        "ftp://registry.example/token",
        "https://",
        "https://me@registry.example/token",
        "token",
        "",
    ] {
        let error = challenged(format!("Bearer realm=\"{realm}\""));
        assert!(
            matches!(error, ClientError::Challenge { .. }),
            "{realm}: {error}"
        );
    }
    let error = challenged("Negotiate".to_owned());
    assert!(matches!(error, ClientError::Challenge { .. }), "{error}");
}

#[test]
fn a_token_server_that_sends_elsewhere_is_not_followed() {
    let other = TestRegistry::honest();
    let elsewhere = format!("http://{}/token", other.host());
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 100),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, move |seen| {
        let response = Response::new(302).header("Location", &elsewhere);
        seen.path
            .starts_with("/token")
            .then_some(Fault::Instead(response))
    });
    let store = repository_with(&registry, |settings| {
        let me = Credential::password("me", "hunter2");
        settings.credentials = Credentials::none().with(&registry.host(), me);
    });
    let error = store.find("1").expect_err("it is refused");
    assert!(matches!(error, ClientError::Challenge { .. }), "{error}");
    assert!(other.seen().is_empty());
}

#[test]
fn the_next_page_of_a_list_is_on_the_same_registry() {
    let other = TestRegistry::honest();
    for link in [
        format!(
            "<http://{}/v2/a/tags/list?last=x>; rel=\"next\"",
            other.host()
        ),
        "<//evil.example/v2/a/tags/list>; rel=\"next\"".to_owned(),
    ] {
        let registry = TestRegistry::faulty(move |seen| {
            let response = Response::new(200)
                .header("Link", &link)
                .body(r#"{"tags":["1"]}"#);
            seen.path
                .contains("/tags/list")
                .then_some(Fault::Instead(response))
        });
        let error = repository(&registry).list_tags().expect_err("evil");
        assert!(matches!(error, ClientError::Redirect { .. }), "{error}");
    }
    assert!(other.seen().is_empty());
    // A list that leads to itself has an end too.
    let registry = TestRegistry::faulty(|seen| {
        let link = format!("<{}>; rel=\"next\"", seen.path);
        let response = Response::new(200)
            .header("Link", link)
            .body(r#"{"tags":["1"]}"#);
        seen.path
            .contains("/tags/list")
            .then_some(Fault::Instead(response))
    });
    assert!(repository(&registry).list_tags().is_err());
}

#[test]
fn a_tag_that_is_none_is_not_taken_from_a_list() {
    let registry = TestRegistry::faulty(|seen| {
        let response = Response::new(200).body(r#"{"tags":["1","../../x","a b","\u001b[2J"]}"#);
        seen.path
            .contains("/tags/list")
            .then_some(Fault::Instead(response))
    });
    assert_eq!(
        repository(&registry).list_tags().expect("it answers"),
        ["1"]
    );
}

#[test]
fn a_silent_registry_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let settings = Settings {
        insecure: vec![format!("127.0.0.1:{port}")],
        ..Settings::default()
    };
    let mut settings = settings.with_patience(Duration::from_millis(200));
    settings.limits.attempts = 2;
    settings.limits.backoff = Duration::from_millis(5);
    let client = Client::new(settings).expect("a client");
    let reference = format!("127.0.0.1:{port}/a").parse().expect("a reference");
    let store = client.repository(&reference).expect("it is not blocked");
    let begun = Instant::now();
    let error = store.find("1").expect_err("it is silent");
    assert!(error.is_network(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
