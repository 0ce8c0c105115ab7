//! Robots: accounts of programs.

use basalt_registry::metadata::sqlite::Sqlite;
use basalt_registry::metadata::{Grace, Outbox};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::access::{Signed, closed, finished, push_as, robot, robot_token};
use crate::server::{Home, Server};

const ALL: [&str; 4] = ["pull", "push-new", "overwrite", "delete"];

fn tags(server: &Server, repository: &str, user: &str, password: &str) -> u16 {
    let target = format!("/v2/{repository}/tags/list");
    let asked = server.ask("GET", &target).basic(user, password);
    asked.send().status
}

#[test]
fn a_robot_has_the_rights_that_it_was_given_and_no_others() {
    let home = Home::new();
    let server = closed(&home);
    push_as(&server, "ann", "team/app", "1", "{}").1.is(201);
    let reader = robot(&server, "reader", "team/*", &["pull"], "never");
    assert_eq!(tags(&server, "team/app", "robot$reader", &reader), 200);
    assert_eq!(tags(&server, "elsewhere/x", "robot$reader", &reader), 403);
    let asked = server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .basic("robot$reader", &reader);
    asked.send().refused(403, "DENIED");
    let scope = "repository:team/app:pull,push";
    let token = robot_token(&server, "reader", &reader, scope);
    let asked = server.ask("GET", "/v2/team/app/tags/list").bearer(&token);
    asked.send().is(200);
    let asked = server
        .ask("POST", "/v2/team/app/blobs/uploads/")
        .bearer(&token);
    asked.send().refused(403, "DENIED");
    // Its name is no user's, and its secret no password of anybody else.
    assert_eq!(tags(&server, "team/app", "reader", &reader), 401);
    assert_eq!(tags(&server, "team/app", "ann", &reader), 401);
    assert_eq!(tags(&server, "team/app", "robot$reader", "secret"), 401);
}

#[test]
fn a_deleted_robot_is_out_at_once_and_its_tokens_are_not_those_of_one_made_after_it() {
    let home = Home::new();
    let server = closed(&home);
    push_as(&server, "ann", "team/app", "1", "{}").1.is(201);
    let secret = robot(&server, "deploy", "team/*", &ALL, "1 day");
    let token = robot_token(&server, "deploy", &secret, "repository:team/app:pull");
    let with_token = || {
        let asked = server.ask("GET", "/v2/team/app/tags/list").bearer(&token);
        asked.send().status
    };
    assert_eq!(with_token(), 200);
    let delete = || {
        let asked = server.ask("DELETE", "/basalt/v1/robots/deploy");
        asked.basic("root", "secret").send()
    };
    delete().is(204);
    assert_eq!(with_token(), 401);
    assert_eq!(tags(&server, "team/app", "robot$deploy", &secret), 401);
    delete().refused(404, "NAME_UNKNOWN");
    let again = robot(&server, "deploy", "team/*", &ALL, "1 day");
    assert_eq!(with_token(), 401);
    assert_eq!(tags(&server, "team/app", "robot$deploy", &secret), 401);
    assert_eq!(tags(&server, "team/app", "robot$deploy", &again), 200);
}

#[test]
fn a_robots_secret_is_shown_once_and_kept_nowhere() {
    let home = Home::with_files();
    let server = closed(&home);
    let secret = robot(&server, "deploy", "team/*", &["pull"], "90 days");
    let list = || {
        let asked = server.ask("GET", "/basalt/v1/robots");
        let answer = asked.basic("root", "secret").send().is(200);
        assert!(!String::from_utf8_lossy(&answer.body).contains(&secret));
        answer.json()["robots"].clone()
    };
    let robots = list();
    assert_eq!(robots[0]["name"], "robot$deploy");
    assert_eq!(robots[0]["creator"], "root");
    assert_eq!(robots[0]["used"], Value::Null);
    tags(&server, "team/app", "robot$deploy", &secret);
    assert!(list()[0]["used"].is_string());
    server.terminate();
    for file in ["log", "root/registry.db", "root/registry.db-wal"] {
        let bytes = std::fs::read(home.path(file)).unwrap_or_default();
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{file}");
    }
    let grace = Grace {
        blob: 0,
        untagged: None,
    };
    let metadata = Sqlite::open(&home.path("root/registry.db"), grace).expect("it opens");
    let lines = finished(metadata.audit("", 0, 10)).expect("it is read");
    assert_eq!(lines[0].action, "create robot");
    assert_eq!(lines[0].author.name, "root");
    assert!(lines[0].object.starts_with("robot$deploy "));
}

#[test]
fn a_robot_that_should_not_be_is_not_made() {
    let home = Home::new();
    let server = closed(&home);
    robot(&server, "deploy", "team/*", &["pull"], "never");
    let create = |document: Value| {
        server
            .ask("POST", "/basalt/v1/robots")
            .basic("root", "secret")
            .body(document.to_string().as_bytes())
            .send()
    };
    let rules = json!([{"repositories": ["team/*"], "rights": ["pull"]}]);
    let wanted = json!({"name": "deploy", "rules": rules, "expires": "never"});
    create(wanted.clone()).refused(409, "DENIED");
    for (field, value, words) in [
        ("name", json!("Deploy"), "lower-case"),
        ("name", json!("a/b"), "lower-case"),
        ("expires", json!("soon"), "12 hours"),
        ("rules", json!([]), "from 1 to"),
        (
            "rules",
            json!([{"repositories": ["**"], "rights": ["admin"]}]),
            "never an admin",
        ),
        (
            "rules",
            json!([{"repositories": ["a b"], "rights": ["pull"]}]),
            "no pattern",
        ),
        ("admin", json!(true), "unknown field"),
    ] {
        let mut wanted = wanted.clone();
        wanted["name"] = json!("other");
        wanted[field] = value;
        let answer = create(wanted).refused(400, "NAME_INVALID");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains(words), "{text}");
    }
    create(json!({"name": "x".repeat(300_000)})).is(413);
}

#[test]
fn our_own_commands_make_list_and_delete_robots() {
    let home = Home::new();
    let server = closed(&home);
    let host = server.address.as_str();
    let run = |arguments: &[&str]| {
        let mut all = vec!["registry", "robot"];
        all.extend(arguments);
        home.basalt(&all)
    };
    let (status, _, error) = run(&["list", host]);
    assert_eq!(status, 1, "nobody has signed in: {error}");
    let credentials = json!({"auths": {host: {"auth": STANDARD.encode("root:secret")}}});
    std::fs::create_dir(home.path(".docker")).expect("it is made");
    home.write(".docker/config.json", credentials.to_string());
    let rights = ["--right", "pull,push-new", "--expires", "30 days", "--json"];
    let mut arguments = vec!["create", host, "ci", "--repository", "team/*"];
    arguments.extend(rights);
    let (status, made, error) = run(&arguments);
    assert_eq!(status, 0, "{error}");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let secret = made["secret"].as_str().expect("a secret");
    assert_eq!(tags(&server, "team/app", "robot$ci", secret), 404);
    let (status, listed, error) = run(&["list", host]);
    assert_eq!(status, 0, "{error}");
    assert!(
        listed.contains("robot$ci  pull,push-new in team/*  until "),
        "{listed}"
    );
    for name in ["robot$ci", "ci"] {
        let (status, _, error) = run(&["delete", host, name]);
        assert_eq!(status == 0, name == "robot$ci", "{error}");
    }
    assert_eq!(tags(&server, "team/app", "robot$ci", secret), 401);
    let (_, listed, _) = run(&["list", host, "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["robots"], json!([]));
}
