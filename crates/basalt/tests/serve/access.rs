//! Who may do what.

use std::process::Command;

use basalt_registry::digest::{Algorithm, Digest};
use basalt_registry::metadata::sqlite::Sqlite;
use basalt_registry::metadata::{Grace, Outbox};
use basalt_registry::route::{Kind, Need, parse};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::server::{Answer, Asked, Home, MANIFEST, Server, await_that};

/// All have the password `secret`.
pub const PEOPLE: &str = "\
ann:$2y$05$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62
bob:$2y$05$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62
eve:$2y$05$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62
root:$2y$05$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62
";

/// Has the password `password`, hashed by the reference program of argon2.
const ZOE: &str =
    "zoe:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n";

/// ann may do all in `team/*`, bob may add there, eve may read elsewhere alone.
pub const CONFIG: &str = r#"
users: people
groups: {adders: [bob]}
access:
  - {repositories: ["team/*"], users: [ann], rights: [pull, push-new, overwrite, delete]}
  - {repositories: ["team/*"], groups: [adders], rights: [pull, push-new]}
  - {repositories: ["elsewhere/**"], users: [eve], rights: [pull]}
  - {repositories: ["**"], users: [root], rights: [admin]}
immutable-tags:
  - {repositories: ["team/*"], tags: ["v*"]}
limits: {failed-sign-ins: 100000 per second}
"#;

pub fn closed(home: &Home) -> Server {
    home.write("people", PEOPLE);
    home.serve_as(CONFIG)
}

pub trait Signed {
    fn basic(self, user: &str, password: &str) -> Self;
    fn bearer(self, token: &str) -> Self;
}

impl Signed for Asked<'_> {
    fn basic(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", &format!("Basic {pair}"))
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

pub fn token(server: &Server, user: &str, scope: &str) -> String {
    let target = format!("/token?service=basalt&scope={scope}");
    let answer = server
        .ask("GET", &target)
        .basic(user, "secret")
        .send()
        .is(200);
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// Makes a robot as root; its secret.
pub fn robot(server: &Server, name: &str, pattern: &str, rights: &[&str], expires: &str) -> String {
    let rules = json!([{"repositories": [pattern], "rights": rights}]);
    let wanted = json!({"name": name, "rules": rules, "expires": expires});
    let made = server
        .ask("POST", "/basalt/v1/robots")
        .basic("root", "secret")
        .body(wanted.to_string().as_bytes())
        .send()
        .is(201);
    made.json()["secret"].as_str().expect("a secret").to_owned()
}

/// A token for a robot.
pub fn robot_token(server: &Server, name: &str, secret: &str, scope: &str) -> String {
    let target = format!("/token?service=basalt&scope={scope}");
    let asked = server
        .ask("GET", &target)
        .basic(&format!("robot${name}"), secret);
    let answer = asked.send().is(200).json();
    answer["token"].as_str().expect("a token").to_owned()
}

/// Pushes an image as ann; its digest.
fn push(server: &Server, repository: &str, tag: &str, content: &str) -> (Digest, Answer) {
    push_as(server, "ann", repository, tag, content)
}

pub fn push_as(
    server: &Server,
    user: &str,
    repository: &str,
    tag: &str,
    content: &str,
) -> (Digest, Answer) {
    let config = Digest::of(Algorithm::Sha256, content.as_bytes());
    let target = format!("/v2/{repository}/blobs/uploads/?digest={config}");
    let blob = server
        .ask("POST", &target)
        .basic(user, "secret")
        .body(content.as_bytes())
        .send();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config":
        {"mediaType": "application/x", "digest": config.as_str(), "size": content.len()}});
    let bytes = manifest.to_string().into_bytes();
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    if blob.status != 201 {
        return (digest, blob);
    }
    let target = format!("/v2/{repository}/manifests/{tag}");
    let put = server
        .ask("PUT", &target)
        .basic(user, "secret")
        .kind(MANIFEST)
        .body(&bytes);
    (digest, put.send())
}

/// What a client can learn from an answer, less what it sent itself.
fn told(answer: &Answer, repository: &str) -> (u16, String, String) {
    let text = String::from_utf8_lossy(&answer.body).replace(repository, "REPOSITORY");
    let challenge = answer
        .header("www-authenticate")
        .replace(repository, "REPOSITORY");
    (answer.status, text, challenge)
}

#[test]
fn every_route_refuses_who_may_not_and_tells_nothing_of_what_is_there() {
    let home = Home::new();
    let server = closed(&home);
    let (digest, pushed) = push(&server, "team/app", "1", "{}");
    pushed.is(201);
    let begun = server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .basic("ann", "secret")
        .send()
        .is(202);
    let upload = begun.header("docker-upload-uuid").to_owned();
    let elsewhere = token(&server, "eve", "repository:elsewhere/x:pull,push,delete");
    let asked_for_more = token(&server, "eve", "repository:team/app:pull,push,delete,*");
    let pull_alone = token(&server, "ann", "repository:team/app:pull");
    let roots = token(&server, "root", "repository:team/app:pull,push,delete,*");
    let all = ["pull", "push-new", "overwrite", "delete"];
    let wide = robot(&server, "wide", "**", &all, "never");
    let other = robot(&server, "other", "elsewhere/**", &all, "never");
    let expired = robot(&server, "expired", "team/*", &all, "1 second");
    let deleted = robot(&server, "deleted", "team/*", &all, "never");
    let of_deleted = robot_token(
        &server,
        "deleted",
        &deleted,
        "repository:team/app:pull,push,delete",
    );
    let narrow = robot_token(
        &server,
        "wide",
        &wide,
        "repository:elsewhere/x:pull,push,delete",
    );
    server
        .ask("DELETE", "/basalt/v1/robots/deleted")
        .basic("root", "secret")
        .send()
        .is(204);
    // The one that the route's example names.
    robot(&server, "deploy", "team/*", &["pull"], "never");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let blob = Digest::of(Algorithm::Sha256, b"{}");
    let mut tried = 0;
    for kind in Kind::ALL {
        let object = if matches!(
            kind,
            Kind::ReadBlob | Kind::DeleteBlob | Kind::BeginUpload | Kind::FinishUpload
        ) {
            &blob
        } else {
            &digest
        };
        let (method, target) = kind.example("team/app", "1", object.as_str(), &upload);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let route = parse(method, path, query).expect("it is one");
        let ask = || server.ask(method, &target).kind(MANIFEST);
        let refused = |answer: Answer| {
            assert!(
                matches!(answer.status, 401 | 403),
                "{method} {target}: {}",
                answer.status
            );
            answer
        };
        match route.need() {
            // These tell whether the server lives, and make tokens for who has a password.
            Need::Nothing => {
                let answer = ask().send();
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(
                    !text.contains("team") && !text.contains("\"token\""),
                    "{target}: {text}"
                );
                tried += 1;
                continue;
            }
            Need::Someone => {
                refused(ask().send());
                tried += 1;
                continue;
            }
            Need::Names => {
                refused(ask().send());
                refused(ask().bearer(&pull_alone).send());
                let names = ask().basic("eve", "secret").send().is(200);
                let text = String::from_utf8_lossy(&names.body).into_owned();
                assert!(!text.contains("team"), "{target}: {text}");
                tried += 1;
                continue;
            }
            Need::Visible => {
                refused(ask().send());
                refused(ask().bearer(&pull_alone).send());
                let page = ask().basic("eve", "secret").send().is(200);
                let text = String::from_utf8_lossy(&page.body).into_owned();
                assert!(!text.contains("team"), "{target}: {text}");
                tried += 1;
                continue;
            }
            Need::Administration => {
                refused(ask().send());
                refused(ask().basic("ann", "secret").send());
                refused(ask().basic("robot$wide", &wide).send());
                refused(ask().bearer(&roots).send());
                let status = ask().basic("root", "secret").send().status;
                assert!(!matches!(status, 401 | 403), "{method} {target}: {status}");
                tried += 1;
                continue;
            }
            Need::Right(..) => {}
        }
        // The same request for what is not there.
        let absent = target.replace("team/app", "team/none");
        let basic = |user: &str, password: &str| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        let bearer = |token: &str| format!("Bearer {token}");
        let mut credentials = vec![
            ("nobody", String::new()),
            ("eve", basic("eve", "secret")),
            ("a wrong password", basic("ann", "wrong")),
            ("a token for elsewhere", bearer(&elsewhere)),
            ("a token that asked for more", bearer(&asked_for_more)),
            ("no token", bearer("x.y.z")),
            ("a robot for elsewhere", basic("robot$other", &other)),
            (
                "a robot whose time is over",
                basic("robot$expired", &expired),
            ),
            ("a robot that was deleted", basic("robot$deleted", &deleted)),
            ("a robot with another's secret", basic("robot$wide", &other)),
            ("a robot that never was", basic("robot$none", &other)),
            ("a deleted robot's token", bearer(&of_deleted)),
            ("a robot's token for elsewhere", bearer(&narrow)),
        ];
        if method != "GET" {
            credentials.push(("a token to pull", bearer(&pull_alone)));
        }
        for (who, credentials) in credentials {
            let send = |target: &str| {
                let asked = server.ask(method, target).kind(MANIFEST);
                let asked = match credentials.as_str() {
                    "" => asked,
                    credentials => asked.header("authorization", credentials),
                };
                refused(asked.send())
            };
            let (there, gone) = (send(&target), send(&absent));
            assert_eq!(
                told(&there, "team/app"),
                told(&gone, "team/none"),
                "{who}: {method} {target}"
            );
        }
        tried += 1;
    }
    assert_eq!(tried, Kind::ALL.len());
    // None of it did anything.
    server
        .ask("GET", &format!("/v2/team/app/manifests/{digest}"))
        .basic("ann", "secret")
        .send()
        .is(200);
    server
        .ask("GET", &format!("/v2/team/app/blobs/uploads/{upload}"))
        .basic("ann", "secret")
        .send()
        .is(204);
    server
        .ask("GET", "/v2/team/none/tags/list")
        .basic("ann", "secret")
        .send()
        .is(404);
}

#[test]
fn a_user_whose_password_is_hashed_by_argon2id_signs_in_as_others_do() {
    let home = Home::new();
    home.write("people", format!("{ZOE}{PEOPLE}"));
    let server = home.serve_as(&CONFIG.replace("users: [eve]", "users: [eve, zoe]"));
    let tags = |user: &str, password: &str| {
        let asked = server.ask("GET", "/v2/elsewhere/x/tags/list");
        asked.basic(user, password).send().status
    };
    assert_eq!(tags("zoe", "password"), 404);
    assert_eq!(tags("zoe", "secret"), 401);
    assert_eq!(tags("eve", "secret"), 404);
    assert_eq!(tags("eve", "password"), 401);
    // A hash that would take a gigabyte of memory for each guess is not taken.
    home.write("people", ZOE.replace("m=256", "m=1048576"));
    let config = ["serve", "--root", "other", "--config", "registry.yaml"];
    let (status, _, error) = home.basalt(&config);
    assert_eq!(status, 1, "{error}");
    assert!(error.contains("line 1: the hash costs too much"), "{error}");
}

#[test]
fn a_client_gets_a_token_for_what_its_user_may_do() {
    let home = Home::new();
    let server = closed(&home);
    push(&server, "team/app", "1", "{}").1.is(201);
    let refused = server.get("/v2/").refused(401, "UNAUTHORIZED");
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"basalt\"",
        server.address
    );
    assert_eq!(refused.header("www-authenticate"), realm);
    let refused = server
        .get("/v2/team/app/tags/list")
        .refused(401, "UNAUTHORIZED");
    assert!(
        refused
            .header("www-authenticate")
            .ends_with(",scope=\"repository:team/app:pull\"")
    );
    let scoped = token(&server, "ann", "repository:team/app:pull");
    server
        .ask("GET", "/v2/team/app/tags/list")
        .bearer(&scoped)
        .send()
        .is(200);
    server.ask("GET", "/v2/").bearer(&scoped).send().is(200);
    let refused = server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .bearer(&scoped)
        .send()
        .refused(401, "UNAUTHORIZED");
    assert!(
        refused
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
    let wide = token(&server, "ann", "repository:team/app:pull,push");
    server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .bearer(&wide)
        .send()
        .is(202);
    // The form of OAuth 2.
    let form = "grant_type=password&service=basalt&client_id=x&username=ann&password=secret&scope=repository:team/app:pull";
    let posted = server
        .ask("POST", "/token")
        .body(form.as_bytes())
        .send()
        .is(200)
        .json();
    let posted = posted["access_token"].as_str().expect("a token").to_owned();
    server
        .ask("GET", "/v2/team/app/tags/list")
        .bearer(&posted)
        .send()
        .is(200);
    let names = token(&server, "ann", "registry:catalog:*");
    let listed = server
        .ask("GET", "/v2/_catalog")
        .bearer(&names)
        .send()
        .is(200)
        .json();
    assert_eq!(listed["repositories"], json!(["team/app"]));
    for (user, password) in [("ann", "wrong"), ("nobody", "secret"), ("", "")] {
        let asked = server
            .ask("GET", "/token?service=basalt")
            .basic(user, password);
        asked.send().refused(401, "UNAUTHORIZED");
    }
    server
        .get("/token?service=basalt")
        .refused(401, "UNAUTHORIZED");
    server
        .ask("GET", "/token?service=other")
        .basic("ann", "secret")
        .send()
        .is(400);
}

#[test]
fn a_token_that_was_tampered_with_or_made_elsewhere_opens_nothing() {
    let (home, other) = (Home::new(), Home::new());
    let (server, elsewhere) = (closed(&home), closed(&other));
    push(&server, "team/app", "1", "{}").1.is(201);
    let scope = "repository:team/app:pull";
    let good = token(&server, "ann", scope);
    let try_it = |token: &str| {
        server
            .ask("GET", "/v2/team/app/tags/list")
            .bearer(token)
            .send()
            .status
    };
    assert_eq!(try_it(&good), 200);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let decode = |text: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64")).expect("JSON")
    };
    let header = decode(parts[0]);
    for algorithm in ["none", "None", "HS256", "ES256"] {
        let mut changed = header.clone();
        changed["alg"] = json!(algorithm);
        let changed = encode(&changed);
        for signature in [parts[2], ""] {
            assert_eq!(
                try_it(&format!("{changed}.{}.{signature}", parts[1])),
                401,
                "{algorithm}"
            );
        }
    }
    let mut claims = decode(parts[1]);
    claims["access"][0]["actions"] = json!(["pull", "push"]);
    assert_eq!(
        try_it(&format!("{}.{}.{}", parts[0], encode(&claims), parts[2])),
        401
    );
    assert_eq!(try_it(&token(&elsewhere, "ann", scope)), 401);
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        &"x".repeat(30_000),
        &format!("{good}.x"),
    ] {
        let status = try_it(text);
        assert!(matches!(status, 401 | 431), "{status}");
    }
    // It lives on when the server does not.
    server.kill();
    let server = home.serve(&["--config", "registry.yaml"]);
    let again = server
        .ask("GET", "/v2/team/app/tags/list")
        .bearer(&good)
        .send();
    assert_eq!(again.status, 200);
}

#[test]
fn who_may_add_cannot_move_or_delete_and_an_immutable_tag_stays() {
    let home = Home::new();
    let server = closed(&home);
    push_as(&server, "bob", "team/app", "latest", "one")
        .1
        .is(201);
    // The same again moves nothing.
    push_as(&server, "bob", "team/app", "latest", "one")
        .1
        .is(201);
    let refused = push_as(&server, "bob", "team/app", "latest", "two")
        .1
        .refused(403, "DENIED");
    assert!(String::from_utf8_lossy(&refused.body).contains("overwrite"));
    server
        .ask("DELETE", "/v2/team/app/manifests/latest")
        .basic("bob", "secret")
        .send()
        .refused(403, "DENIED");
    push(&server, "team/app", "latest", "two").1.is(201);
    let (digest, pushed) = push(&server, "team/app", "v1", "three");
    pushed.is(201);
    push(&server, "team/app", "v1", "four")
        .1
        .refused(403, "DENIED");
    for target in ["v1".to_owned(), digest.to_string()] {
        let target = format!("/v2/team/app/manifests/{target}");
        server
            .ask("DELETE", &target)
            .basic("ann", "secret")
            .send()
            .refused(403, "DENIED");
    }
    push_as(&server, "eve", "team/app", "x", "five")
        .1
        .refused(403, "DENIED");
}

#[test]
fn a_blob_is_not_mounted_out_of_a_repository_that_one_may_not_read() {
    let home = Home::new();
    let config = format!("{CONFIG}\n").replace(
        "[\"elsewhere/**\"], users: [eve], rights: [pull]",
        "[\"elsewhere/**\"], users: [eve], rights: [pull, push-new]",
    );
    home.write("people", PEOPLE);
    let server = home.serve_as(&config);
    push(&server, "team/app", "1", "secret content").1.is(201);
    let blob = Digest::of(Algorithm::Sha256, b"secret content");
    for query in [
        format!("?mount={blob}&from=team/app"),
        format!("?mount={blob}"),
    ] {
        let target = format!("/v2/elsewhere/x/blobs/uploads/{query}");
        server
            .ask("POST", &target)
            .basic("eve", "secret")
            .send()
            .is(202);
    }
    // With a token it is asked for one that is good for both.
    let scoped = token(&server, "ann", "repository:team/other:pull,push");
    let target = format!("/v2/team/other/blobs/uploads/?mount={blob}&from=team/app");
    let refused = server.ask("POST", &target).bearer(&scoped).send().is(401);
    let scopes = "scope=\"repository:team/other:pull,push repository:team/app:pull\"";
    assert!(refused.header("www-authenticate").contains(scopes));
    let both = "repository:team/other:pull,push%20repository:team/app:pull";
    let both = token(&server, "ann", both);
    server.ask("POST", &target).bearer(&both).send().is(201);
    let target = format!("/v2/elsewhere/x/blobs/{blob}");
    server
        .ask("GET", &target)
        .basic("eve", "secret")
        .send()
        .is(404);
}

#[test]
fn other_machines_are_not_let_in_by_accident() {
    let home = Home::new();
    for (arguments, words) in [
        (
            &["--listen", "0.0.0.0:0"][..],
            ["there is no TLS", "--without-tls"],
        ),
        (
            &["--listen", "0.0.0.0:0", "--without-tls"],
            ["without saying who they are", "--allow-anonymous"],
        ),
    ] {
        let all: Vec<&str> = ["serve", "--root", "root"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let (status, _, error) = home.basalt(&all);
        assert_eq!(status, 2, "{error}");
        for word in words {
            assert!(error.contains(word), "{error}");
        }
        assert!(!home.path("root").exists());
    }
}

#[test]
fn a_configuration_that_is_wrong_is_pointed_at() {
    let home = Home::new();
    home.write("registry.yaml", "uers: people\n");
    let (status, _, error) = home.basalt(&["serve", "--root", "root", "--config", "registry.yaml"]);
    assert_eq!(status, 3, "{error}");
    assert!(
        error.contains("registry.yaml:1:1") && error.contains("did you mean `users`"),
        "{error}"
    );
}

#[test]
fn what_was_written_by_whom_is_kept_in_a_chain_that_holds() {
    let home = Home::with_files();
    let server = closed(&home);
    push(&server, "team/app", "1", "one").1.is(201);
    push(&server, "team/app", "1", "two").1.is(201);
    server
        .ask("DELETE", "/v2/team/app/manifests/1")
        .basic("ann", "secret")
        .send()
        .is(202);
    server.terminate();
    let grace = Grace {
        blob: 0,
        untagged: None,
    };
    let metadata = Sqlite::open(&home.path("root/registry.db"), grace).expect("it opens");
    let lines = finished(metadata.audit("", 0, 100)).expect("it is read");
    let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
    let expected = [
        "push blob",
        "push manifest",
        "push tag",
        "push blob",
        "push manifest",
        "move tag",
        "delete tag",
    ];
    assert_eq!(actions, expected);
    assert!(
        lines
            .iter()
            .all(|line| line.author.name == "ann" && line.author.address == "127.0.0.1")
    );
    assert_eq!(basalt_registry::audit::first_broken(None, &lines), None);
}

/// The result of a future that does not wait.
pub fn finished<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn over_tls_our_own_client_signs_in_pushes_and_pulls_and_a_new_certificate_is_taken_up() {
    let home = Home::new();
    home.write("people", PEOPLE);
    certificate(&home, "one");
    let config = format!("{CONFIG}\ntls: {{certificate: cert.pem, key: key.pem}}\n");
    let server = home.serve_as(&config);
    let port = server
        .address
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    let host = format!("localhost:{port}");
    std::fs::create_dir(home.path("app")).expect("it is made");
    let writer =
        basalt_oci::LayoutWriter::create(&home.path("app/layout"), false).expect("it begins");
    let config = writer.add_json(basalt_oci::media_type::CONFIG, &json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})).expect("added");
    let manifest = basalt_oci::Manifest::new(config, Vec::new());
    let mut entry = writer
        .add_json(basalt_oci::media_type::MANIFEST, &manifest)
        .expect("added");
    entry.annotations.insert(
        "org.opencontainers.image.ref.name".to_owned(),
        "1".to_owned(),
    );
    writer
        .finish(&basalt_oci::Index::new(vec![entry]))
        .expect("it is in place");
    let run = |arguments: &[&str]| home.basalt(arguments);
    let name = format!("{host}/team/tls:1");
    let (status, _, error) = run(&["push", "app/layout", &name]);
    assert_eq!(status, 9, "nobody vouches for the certificate: {error}");
    let (status, _, error) = run(&["push", "app/layout", &name, "--ca", "one.pem"]);
    assert_eq!(status, 1, "nobody has signed in: {error}");
    let credentials = json!({"auths": {host.clone(): {"auth": STANDARD.encode("ann:secret")}}});
    std::fs::create_dir(home.path(".docker")).expect("it is made");
    home.write(".docker/config.json", credentials.to_string());
    let (status, _, error) = run(&["push", "app/layout", &name, "--ca", "one.pem"]);
    assert_eq!(status, 0, "{error}");
    let (status, _, error) = run(&["pull", &name, "back", "--ca", "one.pem"]);
    assert_eq!(status, 0, "{error}");
    certificate(&home, "two");
    server.signal("HUP");
    await_that("the new certificate is served", || {
        run(&["tags", &format!("{host}/team/tls"), "--ca", "two.pem"]).0 == 0
    });
    // A file that is no certificate does not take the one away that is served.
    home.write("cert.pem", "nonsense");
    server.signal("HUP");
    await_that("it is told", || {
        home.log().contains("the former certificate stays")
    });
    assert_eq!(
        run(&["tags", &format!("{host}/team/tls"), "--ca", "two.pem"]).0,
        0
    );
}

/// Writes a certificate of this machine, `cert.pem` and `key.pem`, which vouches for itself under another name too.
fn certificate(home: &Home, name: &str) {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(home.path("key.pem"))
        .arg("-out")
        .arg(home.path("cert.pem"))
        .output()
        .expect("openssl is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::copy(home.path("cert.pem"), home.path(&format!("{name}.pem"))).expect("it is copied");
}
