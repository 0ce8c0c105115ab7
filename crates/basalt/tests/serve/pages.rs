//! The pages for people.

use serde_json::json;

use crate::access::{PEOPLE, Signed, token};
use crate::bills::{attach, spdx};
use crate::server::{Answer, Home, MANIFEST, Server, await_that};

/// bob may read in `team/*`, everyone in `public/*`.
const CONFIG: &str = r#"
users: people
access:
  - {repositories: ["public/*"], anonymous: true, rights: [pull]}
  - {repositories: ["team/*"], users: [bob], rights: [pull]}
  - {repositories: ["**"], users: [root], rights: [admin]}
"#;
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";

/// A server with an image in each of three repositories, of which none is open to all but `public/app`.
fn closed(home: &Home) -> Server {
    let server = home.serve(&[]);
    for repository in ["public/app", "team/app", "secret/plans"] {
        server.push_image(repository, "1", &[repository.as_bytes()]);
    }
    assert_eq!(server.terminate(), 0);
    home.write("people", PEOPLE);
    home.serve_as(CONFIG)
}

fn sign_in(server: &Server, user: &str, password: &str, next: &str) -> Answer {
    let form = format!("user={user}&password={password}&next={next}");
    let asked = server.ask("POST", "/signin");
    let asked = asked.header("sec-fetch-site", "same-origin");
    asked.body(form.as_bytes()).send()
}

/// The pair of name and value that a browser sends back.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    set.split(';').next().expect("a cookie").to_owned()
}

#[test]
fn a_form_makes_a_session_that_pages_take_and_nothing_else() {
    let home = Home::new();
    let server = closed(&home);
    let page = server.get("/r/team/app").is(401).text();
    assert!(
        page.contains("action=\"/signin\"") && page.contains("value=\"/r/team/app\""),
        "{page}"
    );
    let refused = sign_in(&server, "bob", "wrong", "/").is(403);
    assert!(refused.text().contains("role=\"alert\"") && refused.header("set-cookie").is_empty());
    assert!(refused.header("www-authenticate").is_empty());
    let signed_in = sign_in(&server, "bob", "secret", "/r/team/app?sort=name").is(303);
    assert_eq!(signed_in.header("location"), "/r/team/app?sort=name");
    let set = signed_in.header("set-cookie").to_owned();
    for word in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=7200",
    ] {
        assert!(set.contains(word), "{set}");
    }
    let cookie = cookie(&signed_in);
    let ask =
        |method: &str, target: &str| server.ask(method, target).header("cookie", &cookie).send();
    assert!(ask("GET", "/r/team/app").is(200).text().contains("bob"));
    let front = ask("GET", "/").is(200).text();
    assert!(
        front.contains("team/app") && front.contains("public/app") && !front.contains("secret"),
        "{front}"
    );
    // The interface does not know it, so no other page can use it to change something.
    for (method, target) in [
        ("GET", "/v2/"),
        ("GET", "/v2/team/app/tags/list"),
        ("DELETE", "/v2/team/app/manifests/1"),
        ("GET", "/basalt/v1/repositories"),
        ("GET", "/basalt/v1/r/team/app"),
        (
            "GET",
            "/token?service=basalt&scope=repository:team/app:pull",
        ),
    ] {
        let answer = ask(method, target);
        let is_nothing =
            answer.status == 401 || answer.json()["scope"] == "repository:team/app:pull";
        assert!(is_nothing, "{method} {target}: {}", answer.status);
    }
    // A token of the interface is no session, nor the other way round.
    let bearer = token(&server, "bob", "repository:team/app:pull");
    let asked = server
        .ask("GET", "/r/team/app")
        .header("cookie", &format!("basalt={bearer}"));
    asked.send().is(401);
    let value = cookie.split_once('=').expect("a pair").1;
    server
        .ask("GET", "/v2/team/app/tags/list")
        .bearer(value)
        .send()
        .is(401);
    let tampered = format!("{}x", &cookie[..cookie.len() - 1]);
    server
        .ask("GET", "/r/team/app")
        .header("cookie", &tampered)
        .send()
        .is(401);
    let out = server
        .ask("POST", "/signout")
        .header("cookie", &cookie)
        .send()
        .is(303);
    assert!(
        out.header("set-cookie").contains("basalt=; ")
            && out.header("set-cookie").contains("Max-Age=0")
    );
}

#[test]
fn a_session_ends_when_the_password_is_changed() {
    let home = Home::new();
    let server = closed(&home);
    let cookie = cookie(&sign_in(&server, "bob", "secret", "/").is(303));
    let status = |server: &Server| {
        server
            .ask("GET", "/r/team/app")
            .header("cookie", &cookie)
            .send()
            .status
    };
    assert_eq!(status(&server), 200);
    assert_eq!(server.terminate(), 0);
    let server = home.serve_as(CONFIG);
    assert_eq!(status(&server), 200);
    assert_eq!(server.terminate(), 0);
    // The same password, hashed anew.
    home.write(
        "people",
        PEOPLE.replace(
            "bob:$2y$05$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62",
            "bob:$2y$05$abcdefghijklmnopqrstuu5s8r9Z4TBDa9KbkhCDYKOW8lN5M2gGq",
        ),
    );
    let server = home.serve_as(CONFIG);
    assert_eq!(status(&server), 401);
}

#[test]
fn forms_that_other_sites_send_are_refused() {
    let home = Home::new();
    let server = closed(&home);
    let form = "user=bob&password=secret";
    for target in ["/signin", "/signout"] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let asked = server
                .ask("POST", target)
                .header(name, value)
                .body(form.as_bytes());
            let answer = asked.send().is(403);
            assert!(
                answer.header("set-cookie").is_empty(),
                "{target} {name}: {value}"
            );
        }
    }
    let own = format!("http://{}", server.address);
    server
        .ask("POST", "/signin")
        .header("origin", &own)
        .body(form.as_bytes())
        .send()
        .is(303);
    for next in [
        "//evil.example",
        "https://evil.example/",
        "/v2/",
        "/signout",
        "%2F%2Fevil.example",
    ] {
        let answer = sign_in(&server, "bob", "secret", next).is(303);
        assert_eq!(answer.header("location"), "/", "{next}");
    }
}

#[test]
fn who_has_not_signed_in_sees_what_is_open_to_all_and_no_trace_of_the_rest() {
    let home = Home::new();
    let server = closed(&home);
    let front = server.get("/").is(200).text();
    assert!(
        front.contains("public/app") && front.contains("1 repository"),
        "{front}"
    );
    assert!(
        !front.contains("team") && !front.contains("secret"),
        "{front}"
    );
    let there = server.get("/r/secret/plans:1").is(401).text();
    let absent = server.get("/r/secret/plant:1").is(401).text();
    assert_eq!(there.replace("plans", "plant"), absent);
    let cookie = cookie(&sign_in(&server, "bob", "secret", "/").is(303));
    let ask = |target: &str| {
        server
            .ask("GET", target)
            .header("cookie", &cookie)
            .send()
            .is(403)
            .text()
    };
    assert_eq!(ask("/r/secret/plans"), ask("/r/secret/plant"));
}

#[test]
fn hostile_words_of_images_stay_words() {
    let home = Home::new();
    let server = home.serve(&[]);
    let blob = |kind: &str, bytes: &[u8]| {
        let digest = server.push_blob("app", bytes);
        json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()})
    };
    let config = json!({"architecture": HOSTILE, "os": HOSTILE, "created": HOSTILE,
        "config": {"User": HOSTILE, "Env": [HOSTILE], "Entrypoint": [HOSTILE], "Labels": {HOSTILE: "javascript:alert(1)"}},
        "history": [{"created_by": "basalt build", "comment": HOSTILE}, {"created_by": HOSTILE, "comment": HOSTILE, "created": HOSTILE}]});
    let layer = "application/vnd.oci.image.layer.v1.tar";
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": [blob(layer, b"one"), blob(&format!("{layer}{HOSTILE}"), b"two"), blob(layer, b"three")],
        "annotations": {HOSTILE: "javascript:alert(1)", "link": HOSTILE}});
    let put = server
        .ask("PUT", "/v2/app/manifests/1")
        .kind(MANIFEST)
        .body(manifest.to_string().as_bytes())
        .send();
    let image = put
        .is(201)
        .header("docker-content-digest")
        .parse()
        .expect("a digest");
    attach(
        &server,
        "app",
        &image,
        "application/spdx+json",
        &spdx(&[(HOSTILE, HOSTILE, "x"), ("libfoo", "1", "foo")]),
    );
    attach(
        &server,
        "app",
        &image,
        &format!("text/{HOSTILE}"),
        &json!({}),
    );
    await_that("the bill was read", || {
        server.get("/r/app:1").text().contains("libfoo")
    });
    for target in [
        "/",
        "/r/app",
        "/r/app:1",
        &format!("/r/app@{image}"),
        "/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E*",
        "/search?q=libfoo",
        "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/r/app?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/r/app:1?platform=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let page = server.get(target);
        assert!(
            page.status == 200 || page.status == 400,
            "{target}: {}",
            page.status
        );
        let text = page.text();
        for word in ["<script>", "<img src=x", "\"'>", "href=\"javascript"] {
            assert!(!text.contains(word), "{word} is in {target}: {text}");
        }
    }
    let text = server.get("/r/app:1").text();
    assert!(text.contains("&lt;script&gt;alert(1)"), "{text}");
}

#[test]
fn every_page_forbids_what_it_does_not_need() {
    let home = Home::new();
    let server = closed(&home);
    for target in [
        "/",
        "/search",
        "/signin",
        "/device",
        "/r/public/app",
        "/r/public/app:1",
        "/r/secret/x",
        "/r/public/app:2",
    ] {
        let page = server.get(target);
        let policy = page.header("content-security-policy");
        for word in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(word), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store", "{target}");
        let text = page.text();
        assert!(
            !text.contains(" style=") && !text.contains(" onclick") && !text.contains("<style"),
            "{target}"
        );
        // Nothing is asked of others.
        assert!(
            !text.contains("//") || !text.contains("src=\"http"),
            "{target}"
        );
    }
}

#[test]
fn files_of_pages_are_small_and_asked_for_once() {
    let home = Home::new();
    let server = home.serve(&[]);
    let front = server.get("/").is(200).text();
    for name in ["basalt.css", "basalt.js", "basalt.svg"] {
        let path = format!("/assets/{name}");
        assert!(front.contains(&format!("{path}?v=")), "{front}");
        let asked = server
            .ask("GET", &path)
            .header("accept-encoding", "gzip, br");
        let zipped = asked.send().is(200);
        assert_eq!(zipped.header("content-encoding"), "gzip");
        assert!(zipped.body.len() < 5000, "{name}: {}", zipped.body.len());
        let again = server.ask("GET", &path).header("accept-encoding", "gzip");
        again
            .header("if-none-match", zipped.header("etag"))
            .send()
            .is(304);
        assert!(zipped.header("cache-control").contains("immutable"));
    }
    let page = server
        .ask("GET", "/search")
        .header("accept-encoding", "gzip")
        .send()
        .is(200);
    assert_eq!(page.header("content-encoding"), "gzip");
    let head = server
        .ask("HEAD", "/search")
        .header("accept-encoding", "gzip")
        .send()
        .is(200);
    assert_eq!(head.header("content-length"), page.header("content-length"));
}

#[test]
fn what_is_not_there_is_a_page_for_people_and_a_document_for_programs() {
    let home = Home::new();
    let server = home.serve(&[]);
    let asked = server
        .ask("GET", "/nothing")
        .header("accept", "text/html,*/*");
    let page = asked.send().is(404);
    assert!(
        page.header("content-type").starts_with("text/html")
            && page.text().contains("There is nothing here")
    );
    server.get("/nothing").refused(404, "NAME_UNKNOWN");
    let asked = server
        .ask("GET", "/v2/none/tags/list")
        .header("accept", "text/html");
    asked.send().refused(404, "NAME_UNKNOWN");
    assert!(server.get("/r/none").is(404).text().contains("<h1>"));
    server.get("/basalt/v1/r/none").refused(404, "NAME_UNKNOWN");
    let asked = server.ask("GET", "/?page=0").header("accept", "text/html");
    assert!(asked.send().is(400).text().contains("<h1>"));
    // Where everyone may do everything, nobody signs in.
    server.get("/signin").is(404);
    assert!(
        server
            .get("/")
            .is(200)
            .text()
            .contains("There is nothing here yet")
    );
}

#[test]
fn tags_are_sorted_as_people_expect_and_come_in_pages() {
    let home = Home::new();
    let server = home.serve(&[]);
    for number in 0..55 {
        server.push_image("app", &format!("v1.{number}.0"), &[&[number]]);
    }
    server.push_image("app", "latest", &[b"latest"]);
    let tags = |query: &str| -> Vec<String> {
        let found = server
            .get(&format!("/basalt/v1/r/app?{query}"))
            .is(200)
            .json();
        assert_eq!(found["tags"], 56);
        let list = found["tag-list"].as_array().expect("a list").clone();
        list.iter()
            .map(|tag| tag["tag"].as_str().expect("a tag").to_owned())
            .collect()
    };
    let newest = tags("");
    assert_eq!(newest.len(), 50);
    assert_eq!(newest[..2], ["latest", "v1.54.0"]);
    assert_eq!(tags("sort=version")[..3], ["v1.54.0", "v1.53.0", "v1.52.0"]);
    assert_eq!(tags("sort=name")[..3], ["latest", "v1.0.0", "v1.1.0"]);
    assert_eq!(tags("sort=version&page=2").len(), 6);
    assert_eq!(tags("q=54"), ["v1.54.0"]);
    let page = server.get("/r/app?sort=version").is(200).text();
    assert!(
        page.contains("Page 1 of 2") && page.contains("href=\"/r/app?sort=version&amp;page=2\""),
        "{page}"
    );
}
