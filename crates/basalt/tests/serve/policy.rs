//! Policies: what must be so of images before they are pulled, or when they are pushed; and warnings.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use basalt_registry::digest::{Algorithm, Digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::access::{PEOPLE, Signed, robot};
use crate::server::{Answer, Asked, Home, INDEX, MANIFEST, Server, await_that};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// ann signs and may read what is not signed yet; bob pulls; eve may read nothing.
const RIGHTS: &str = r#"
users: people
groups: {signers: [ann]}
access:
  - {repositories: ["**"], users: [ann], rights: [pull, push-new, overwrite, delete]}
  - {repositories: ["prod/**", "team/*"], users: [bob], rights: [pull, push-new]}
  - {repositories: ["**"], users: [root], rights: [admin]}
limits: {failed-sign-ins: 100000 per second}
collect: {grace: 1 day}
"#;
const SIGNED: &str = r#"
policies:
  - name: signed
    repositories: ["prod/**"]
    on: [pull]
    require: {signature: {keys: [ours.pub]}}
    else: deny
    except: {groups: [signers]}
"#;

/// A folder with two pairs of keys, and a server with this configuration besides.
fn serve(config: &str) -> (Home, Server) {
    let home = Home::new();
    home.write("people", PEOPLE);
    home.write("password", "secret\n");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(home.path("password"), private).expect("it is ours");
    for name in ["ours", "others"] {
        run(
            &home,
            &["key", "generate", name, "--password-file", "password"],
        );
    }
    let server = home.serve_as(&format!("{RIGHTS}{config}"));
    let auth = STANDARD.encode("ann:secret");
    fs::create_dir(home.path(".docker")).expect("it is made");
    let logins = json!({"auths": {&server.address: {"auth": auth}}});
    home.write(".docker/config.json", logins.to_string());
    (home, server)
}

/// Runs the program, which must do what it is asked; what it wrote to both.
#[track_caller]
fn run(home: &Home, arguments: &[&str]) -> (String, String) {
    let (code, out, error) = home.basalt(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}\n{error}");
    (out, error)
}

/// Signs an image as ann.
fn sign(home: &Home, server: &Server, image: &str, key: &str, format: &str) {
    let image = format!("{}/{image}", server.address);
    let arguments = ["sign", &image, "--key", key, "--format", format];
    run(
        home,
        &[&arguments[..], &["--password-file", "password"]].concat(),
    );
}

fn as_user<'a>(server: &'a Server, user: &str, method: &str, target: &str) -> Asked<'a> {
    server.ask(method, target).basic(user, "secret")
}

/// Reads a manifest as bob, by GET and by HEAD, which must agree.
#[track_caller]
fn pull(server: &Server, repository: &str, reference: &str) -> Answer {
    let target = format!("/v2/{repository}/manifests/{reference}");
    let head = as_user(server, "bob", "HEAD", &target).send();
    let answer = as_user(server, "bob", "GET", &target).send();
    assert_eq!(head.status, answer.status, "{}", answer.text());
    assert_eq!(head.all("warning"), answer.all("warning"));
    answer
}

/// Pushes a blob as ann; its descriptor.
fn blob(server: &Server, repository: &str, kind: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    let asked = as_user(server, "ann", "POST", &target).body(bytes);
    asked.send().is(201);
    json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()})
}

fn manifest(config: &Value, layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
}

fn put(server: &Server, user: &str, place: (&str, &str), kind: &str, document: &Value) -> Answer {
    let target = format!("/v2/{}/manifests/{}", place.0, place.1);
    let asked = as_user(server, user, "PUT", &target).kind(kind);
    asked.body(document.to_string().as_bytes()).send()
}

/// Pushes an image as ann that was made then, of these layers; its digest and its manifest.
/// What a configuration says of layers of these bytes.
fn root(layers: &[&str]) -> Value {
    let of_one = |bytes: &&str| Digest::of(Algorithm::Sha256, bytes.as_bytes()).to_string();
    json!({"type": "layers", "diff_ids": layers.iter().map(of_one).collect::<Vec<_>>()})
}

fn push(server: &Server, place: (&str, &str), created: &str, layers: &[&str]) -> (String, Value) {
    let config =
        json!({"created": created, "os": "linux", "architecture": "amd64", "rootfs": root(layers)});
    let config = config.to_string();
    let config = blob(server, place.0, CONFIG, config.as_bytes());
    let layers: Vec<Value> = layers
        .iter()
        .map(|bytes| blob(server, place.0, LAYER, bytes.as_bytes()))
        .collect();
    let document = manifest(&config, &layers);
    let pushed = put(server, "ann", place, MANIFEST, &document).is(201);
    (pushed.header("docker-content-digest").to_owned(), document)
}

fn today() -> String {
    jiff::Timestamp::now().to_string()
}

/// A date so many days ago.
fn ago(days: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let then = jiff::Timestamp::from_second(now - days * 24 * 3600);
    then.expect("a date").to_string()
}

#[test]
fn an_image_is_pulled_once_those_signed_it_who_must_and_no_longer_than_that() {
    let (home, server) = serve(SIGNED);
    let (digest, _) = push(&server, ("prod/app", "one"), &today(), &["layer"]);
    for format in ["bundle", "legacy"] {
        let refused = pull(&server, "prod/app", "one").refused(403, "DENIED");
        let detail = &refused.json()["errors"][0]["detail"];
        assert_eq!(detail["policy"], "signed");
        assert_eq!(detail["requirement"], "signature");
        assert_eq!(detail["digest"], digest.as_str());
        for word in ["found", "wanted"] {
            assert!(
                detail[word]
                    .as_str()
                    .is_some_and(|text| text.contains("ours.pub"))
            );
        }
        pull(&server, "prod/app", &digest).refused(403, "DENIED");
        // A signature by someone else, and one of another image, do not help.
        sign(&home, &server, "prod/app:one", "others.key", format);
        pull(&server, "prod/app", "one").refused(403, "DENIED");
        sign(&home, &server, "prod/app:one", "ours.key", format);
        pull(&server, "prod/app", "one").is(200);
        pull(&server, "prod/app", &digest).is(200);
        // What goes is not remembered.
        for place in attached(&server, "prod/app", &digest) {
            let target = format!("/v2/prod/app/manifests/{place}");
            as_user(&server, "ann", "DELETE", &target).send().is(202);
        }
        pull(&server, "prod/app", &digest).refused(403, "DENIED");
    }
}

/// What is attached to an image: the digests of referrers, and cosign's tag.
fn attached(server: &Server, repository: &str, digest: &str) -> Vec<String> {
    let target = format!("/v2/{repository}/referrers/{digest}");
    let list = as_user(server, "bob", "GET", &target).send().is(200).json();
    let list = list["manifests"].as_array().expect("a list").clone();
    let mut places: Vec<String> = list
        .iter()
        .map(|one| one["digest"].as_str().expect("a digest").to_owned())
        .collect();
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let head = as_user(
        server,
        "bob",
        "HEAD",
        &format!("/v2/{repository}/manifests/{tag}"),
    );
    if head.send().status == 200 {
        places.push(tag);
    }
    places
}

#[test]
fn what_is_attached_stays_readable_and_can_be_pushed_whatever_policies_say() {
    let (home, server) = serve(SIGNED);
    let (digest, _) = push(&server, ("prod/app", "one"), &today(), &["layer"]);
    sign(&home, &server, "prod/app:one", "others.key", "both");
    let places = attached(&server, "prod/app", &digest);
    assert_eq!(places.len(), 2, "{places:?}");
    for place in places {
        pull(&server, "prod/app", &place).is(200);
    }
    pull(&server, "prod/app", "one").refused(403, "DENIED");
}

#[test]
fn an_image_does_not_pass_for_something_that_is_attached() {
    let (_home, server) = serve(SIGNED);
    let (digest, mut document) = push(&server, ("prod/app", "one"), &today(), &["layer"]);
    let size = document.to_string().len();
    document["subject"] = json!({"mediaType": MANIFEST, "digest": digest, "size": size});
    document["artifactType"] = json!("application/vnd.example.signature");
    put(&server, "ann", ("prod/app", "two"), MANIFEST, &document).is(201);
    pull(&server, "prod/app", "two").refused(403, "DENIED");
    // Layers that call themselves signatures: as a tag that people run it is an image.
    let mut document = document.clone();
    document["layers"][0]["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
    put(&server, "ann", ("prod/app", "three"), MANIFEST, &document).is(201);
    pull(&server, "prod/app", "three").refused(403, "DENIED");
    // And as what an index lists.
    let bytes = document.to_string();
    let digest = Digest::of(Algorithm::Sha256, bytes.as_bytes());
    let listed = json!({"mediaType": MANIFEST, "digest": digest.as_str(), "size": bytes.len(),
        "platform": {"os": "linux", "architecture": "amd64"}});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]});
    put(&server, "ann", ("prod/app", "four"), INDEX, &index).is(201);
    pull(&server, "prod/app", "four").refused(403, "DENIED");
}

#[test]
fn a_signature_of_an_index_is_one_of_the_images_that_it_lists_and_all_of_them_are_one_of_it() {
    let (home, server) = serve(SIGNED);
    let mut images = Vec::new();
    for (tag, architecture) in [("a", "amd64"), ("b", "arm64")] {
        let (digest, document) = push(&server, ("prod/app", tag), &today(), &[tag]);
        let size = document.to_string().len();
        images.push(
            json!({"mediaType": MANIFEST, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture}}),
        );
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
    put(&server, "ann", ("prod/app", "all"), INDEX, &index).is(201);
    sign(&home, &server, "prod/app:a", "ours.key", "bundle");
    pull(&server, "prod/app", "a").is(200);
    let refused = pull(&server, "prod/app", "all").refused(403, "DENIED");
    let digest = images[1]["digest"].as_str().expect("a digest");
    assert_eq!(
        refused.json()["errors"][0]["detail"]["requirement"],
        "signature"
    );
    pull(&server, "prod/app", digest).refused(403, "DENIED");
    // Of both images: then of the index.
    sign(&home, &server, "prod/app:b", "ours.key", "bundle");
    pull(&server, "prod/app", "all").is(200);
    // Another index lists them too, and one that nobody signed.
    let (loose, document) = push(&server, ("prod/app", "c"), &today(), &["c"]);
    let mut more = index.clone();
    let size = document.to_string().len();
    let third = json!({"mediaType": MANIFEST, "digest": loose, "size": size});
    more["manifests"]
        .as_array_mut()
        .expect("a list")
        .push(third);
    put(&server, "ann", ("prod/app", "more"), INDEX, &more).is(201);
    pull(&server, "prod/app", "more").refused(403, "DENIED");
    // Of the index alone: then of what it lists.
    sign(&home, &server, "prod/app:more", "ours.key", "bundle");
    pull(&server, "prod/app", "more").is(200);
    pull(&server, "prod/app", &loose).is(200);
}

#[test]
fn what_is_not_met_can_be_a_warning_in_the_form_of_the_specification() {
    let policies = r#"
policies:
  - {name: fresh, repositories: ["**"], on: [pull], require: {created-within: 90 days}, else: warn}
  - {name: strict, repositories: ["prod/**"], on: [pull], require: {created-within: 900 days}, else: deny}
"#;
    let (home, server) = serve(policies);
    push(&server, ("team/app", "new"), &ago(89), &["layer"]);
    push(&server, ("team/app", "old"), &ago(91), &["layer"]);
    push(&server, ("team/app", "silent"), "\u{1b}[2J", &["layer"]);
    push(&server, ("prod/app", "old"), &ago(91), &["layer"]);
    push(&server, ("prod/app", "ancient"), &ago(901), &["layer"]);
    let ahead = ago(-1);
    push(&server, ("prod/app", "ahead"), &ahead, &["layer"]);
    assert!(
        pull(&server, "team/app", "new")
            .is(200)
            .all("warning")
            .is_empty()
    );
    for (place, tag) in [
        ("team/app", "old"),
        ("team/app", "silent"),
        ("prod/app", "old"),
    ] {
        let answer = pull(&server, place, tag).is(200);
        let [warning] = answer.all("warning") else {
            panic!("{:?}", answer.all("warning"));
        };
        assert!(
            warning.starts_with("299 - \"the policy `fresh` is not met: "),
            "{warning}"
        );
        assert!(warning.ends_with('"') && warning.len() < 1100);
        assert!(warning.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    pull(&server, "prod/app", "ancient").refused(403, "DENIED");
    pull(&server, "prod/app", "ahead").refused(403, "DENIED");
    // The program tells of it once, and in its document.
    let image = format!("{}/team/app:old", server.address);
    let (out, error) = run(&home, &["pull", &image, "layout", "--json"]);
    let told = format!("warning: {}: the policy `fresh`", server.address);
    assert_eq!(error.matches(&told).count(), 1, "{error}");
    let document: Value = serde_json::from_str(&out).expect("a document");
    assert_eq!(document["warnings"][0]["registry"], server.address.as_str());
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn whom_a_policy_excepts_it_does_not_keep_from_pulling() {
    let config = SIGNED.replace("{groups: [signers]}", "{users: [\"robot$ci\"]}");
    let (_home, server) = serve(&config);
    push(&server, ("prod/app", "one"), &today(), &["layer"]);
    let target = "/v2/prod/app/manifests/one";
    for user in ["ann", "bob", "root"] {
        as_user(&server, user, "GET", target)
            .send()
            .refused(403, "DENIED");
    }
    for (name, status) in [("ci", 200), ("other", 403)] {
        let secret = robot(&server, name, "prod/*", &["pull"], "3 days");
        let asked = server.ask("GET", target);
        let answer = asked.basic(&format!("robot${name}"), &secret).send();
        let answer = answer.is(status);
        // One whose time is almost over hears of that.
        let told = answer.header("warning");
        assert_eq!(
            told.contains("the account robot$ci ends at"),
            status == 200,
            "{told}"
        );
    }
}

#[test]
fn nobody_learns_of_what_they_may_not_read_from_a_policy() {
    let (_home, server) = serve(SIGNED);
    push(&server, ("prod/app", "one"), &today(), &["layer"]);
    for user in ["eve", "bob"] {
        let ask = |name: &str| {
            let target = format!("/v2/{name}/manifests/one");
            let answer = as_user(&server, user, "GET", &target).send();
            (answer.status, answer.text().replace(name, "NAME"))
        };
        match user {
            "eve" => assert_eq!(ask("prod/app"), ask("prod/none")),
            // Who may read it is told what is there, as without policies.
            _ => assert_eq!(ask("prod/none").0, 404),
        }
    }
    let anonymous = server.get("/v2/prod/app/manifests/one");
    assert_eq!(anonymous.status, 401);
    assert!(!anonymous.text().contains("signed"));
}

#[test]
fn only_images_on_an_allowed_base_are_pushed_whatever_they_say_of_themselves() {
    let policies = r#"
policies:
  - name: bases
    repositories: ["team/*"]
    on: [push]
    require: {base: ["base:trixie*", "docker.io/library/debian:*"]}
    else: deny
"#;
    let (_home, server) = serve(policies);
    let (base, _) = push(
        &server,
        ("base", "trixie"),
        &today(),
        &["base one", "base two"],
    );
    push(&server, ("base", "test"), &today(), &["base three"]);
    let try_named = |tag: &str, named: &[&str], layers: &[&str], annotations: Value| {
        let config = json!({"created": today(), "rootfs": root(named)}).to_string();
        let config = blob(&server, "team/app", CONFIG, config.as_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .map(|bytes| blob(&server, "team/app", LAYER, bytes.as_bytes()))
            .collect();
        let mut document = manifest(&config, &layers);
        document["annotations"] = annotations;
        put(&server, "bob", ("team/app", tag), MANIFEST, &document)
    };
    let try_push = |tag: &str, layers: &[&str], annotations: Value| {
        try_named(tag, layers, layers, annotations)
    };
    try_push("good", &["base one", "base two", "own"], json!({})).is(201);
    // bob may not read `base`, and is told no more than that it is none of these.
    let lie = json!({"org.opencontainers.image.base.name": "base:trixie", "org.opencontainers.image.base.digest": base});
    for layers in [
        &["base one", "own"][..],
        &["own", "base one", "base two"],
        &["base three", "own"],
        &[],
    ] {
        let refused = try_push("bad", layers, lie.clone()).refused(403, "DENIED");
        let detail = refused.json()["errors"][0]["detail"].clone();
        assert_eq!(detail["requirement"], "base");
        assert!(!detail["found"].to_string().contains(&base));
    }
    // An engine takes what it has unpacked before by the name that the configuration gives a layer.
    let layers = ["base one", "base two", "own"];
    for named in [
        &["of another", "base two", "own"][..],
        &["base one", "of another", "own"],
        &["base one", "base two"],
        &["base one", "base two", "own", "more"],
        &["own"],
        &[],
    ] {
        try_named("bad", named, &layers, json!({})).refused(403, "DENIED");
    }
    as_user(&server, "ann", "HEAD", "/v2/team/app/manifests/bad")
        .send()
        .is(404);
    // Of what is elsewhere there is nothing but its word.
    let debian =
        json!({"org.opencontainers.image.base.name": "docker.io/library/debian:trixie-slim"});
    try_push("elsewhere", &["own"], debian).is(201);
    // A base that the tag does not name any more is none.
    push(&server, ("base", "trixie"), &today(), &["base four"]);
    try_push("late", &["base one", "base two", "more"], json!({})).refused(403, "DENIED");
    try_push("next", &["base four", "more"], json!({})).is(201);
    // What is not whole is refused for that.
    let missing =
        json!({"mediaType": CONFIG, "size": 2, "digest": format!("sha256:{}", "0".repeat(64))});
    let document = manifest(&missing, &[]);
    put(&server, "bob", ("team/app", "x"), MANIFEST, &document)
        .refused(404, "MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn only_what_a_trusted_scan_found_nothing_in_is_pulled() {
    let policies = r#"
policies:
  - name: patched
    repositories: ["prod/**"]
    on: [pull]
    require: {no-fixable-vulnerability: {from: high, keys: [ours.pub], maximum-age: 7 days}}
    else: deny
    except: {groups: [signers]}
"#;
    let (home, server) = serve(policies);
    let scan = |found: &[(&str, &str)], days: i64| {
        let list: Vec<Value> = found
            .iter()
            .map(|(severity, fixed)| {
                json!({"VulnerabilityID": "CVE-2026-1", "PkgName": "libfoo", "Severity": severity, "FixedVersion": fixed})
            })
            .collect();
        json!({"scanner": {"uri": "trivy", "result": {"SchemaVersion": 2, "Results": [{"Vulnerabilities": list}]}},
            "metadata": {"scanFinishedOn": ago(days)}})
    };
    for (tag, key, predicate, status, word) in [
        ("none", "", json!(null), 403, "has scanned it"),
        (
            "clean",
            "ours.key",
            scan(&[("LOW", "2"), ("CRITICAL", "")], 1),
            200,
            "",
        ),
        (
            "open",
            "ours.key",
            scan(&[("HIGH", "2.1"), ("LOW", "2")], 1),
            403,
            "CVE-2026-1 (high) in libfoo, fixed in 2.1",
        ),
        (
            "old",
            "ours.key",
            scan(&[], 8),
            403,
            "its latest scan is of",
        ),
        ("foreign", "others.key", scan(&[], 1), 403, "has scanned it"),
        (
            "odd",
            "ours.key",
            json!({"scanner": {"result": {"runs": []}}, "metadata": {"scanFinishedOn": ago(0)}}),
            403,
            "form that is not known",
        ),
    ] {
        push(&server, ("prod/app", tag), &today(), &[tag]);
        if !key.is_empty() {
            home.write("scan.json", predicate.to_string());
            let image = format!("{}/prod/app:{tag}", server.address);
            run(
                &home,
                &[
                    "attest",
                    &image,
                    "--key",
                    key,
                    "--password-file",
                    "password",
                    "--predicate",
                    "scan.json",
                    "--type",
                    "vuln",
                ],
            );
        }
        let answer = pull(&server, "prod/app", tag).is(status);
        if status == 403 {
            let found = answer.json()["errors"][0]["detail"]["found"].to_string();
            assert!(found.contains(word), "{tag}: {found}");
        }
    }
}

#[test]
fn a_policy_that_cannot_work_is_refused_with_its_place() {
    let home = Home::new();
    home.write("people", PEOPLE);
    let policy =
        |rest: &str| format!("policies:\n  - {{name: one, repositories: [\"**\"], {rest}}}\n");
    for (config, place, word) in [
        (
            policy("on: [push], require: {signature: {keys: [k.pub]}}, else: deny"),
            "2:",
            "no image could ever be pushed",
        ),
        (
            policy("on: [pull], require: {}, else: deny"),
            "2:",
            "requires nothing",
        ),
        (
            policy("on: [], require: {created-within: 3 days}, else: deny"),
            "2:",
            "no occasion",
        ),
        (
            policy("on: [pull], require: {signature: {}}, else: deny"),
            "2:",
            "whose word counts",
        ),
        (
            policy("on: [pull], require: {signature: {keys: [k.pub], threshold: 2}}, else: deny"),
            "2:",
            "2 signatures are demanded of 1",
        ),
        (
            policy("on: [pull], require: {created-within: soon}, else: deny"),
            "2:",
            "no age",
        ),
        (
            policy("on: [pull], require: {base: [\"a b\"]}, else: deny"),
            "2:",
            "no pattern",
        ),
        (
            policy("on: [pull], require: {signatur: {}}, else: deny"),
            "2:",
            "signature",
        ),
        (
            policy("on: [pull], require: {created-within: 3 days}, else: refuse"),
            "2:",
            "deny",
        ),
        (
            policy(
                "on: [pull], require: {created-within: 3 days}, else: deny, except: {groups: [nobody]}",
            ),
            "2:",
            "no group `nobody`",
        ),
        (
            policy(
                "on: [pull], require: {created-within: 3 days}, else: deny, except: {users: [ann]}",
            ),
            "2:",
            "nobody can sign in",
        ),
        (
            policy(
                "on: [pull], require: {created-within: 3 days}, else: deny, except: {users: [\"*\"]}",
            ),
            "2:",
            "everyone who signs in",
        ),
        (
            "traces: {url: \"collector\"}\n".to_owned(),
            "1:",
            "no address of a collector",
        ),
    ] {
        home.write("registry.yaml", &config);
        let (code, _, error) =
            home.basalt(&["serve", "--root", "root", "--config", "registry.yaml"]);
        assert_eq!(code, 3, "{config}: {error}");
        assert!(
            error.contains(&format!("registry.yaml:{place}")) && error.contains(word),
            "{config}: {error}"
        );
    }
    home.write(
        "registry.yaml",
        policy("on: [pull], require: {signature: {keys: [people]}}, else: deny"),
    );
    let (code, _, error) = home.basalt(&["serve", "--root", "root", "--config", "registry.yaml"]);
    assert!(
        code == 1 && error.contains("the key of a policy"),
        "{error}"
    );
}

#[test]
fn policies_are_read_again_and_can_be_tried_before() {
    let (home, server) = serve("");
    let (digest, _) = push(&server, ("prod/app", "one"), &today(), &["layer"]);
    push(&server, ("team/app", "old"), &ago(100), &["layer"]);
    pull(&server, "prod/app", "one").is(200);
    let fresh = "  - {name: fresh, repositories: [\"**\"], on: [pull, push], require: {created-within: 90 days}, else: warn}\n";
    home.write("registry.yaml", format!("{RIGHTS}{SIGNED}{fresh}"));
    let tried = [
        "registry",
        "policy",
        "--root",
        "root",
        "--config",
        "registry.yaml",
    ];
    let (out, _) = run(&home, &tried);
    assert!(
        out.contains("- prod/app:one  pull  signed: nobody of ours.pub signed it"),
        "{out}"
    );
    assert!(
        out.contains("! team/app:old  push  fresh: it was made on"),
        "{out}"
    );
    assert!(
        out.ends_with("1 would be denied, 2 warned of, 1 pass\n"),
        "{out}"
    );
    let (out, _) = run(&home, &[&tried[..], &["--json"]].concat());
    let document: Value = serde_json::from_str(&out).expect("a document");
    let found = document["decisions"].as_array().expect("a list").iter();
    let mut denied = found.filter(|one| one["breaches"][0]["else"] == "deny");
    assert_eq!(denied.next().expect("one")["digest"], digest.as_str());
    // It was only looked at; now it counts.
    pull(&server, "prod/app", "one").is(200);
    server.signal("HUP");
    await_that("the policy counts", || {
        let target = "/v2/prod/app/manifests/one";
        as_user(&server, "bob", "GET", target).send().status == 403
    });
    // Its page says so.
    let page = as_user(&server, "bob", "GET", "/basalt/v1/r/prod/app:one")
        .send()
        .is(200);
    assert_eq!(page.json()["policies"][0]["policy"], "signed");
    let page = as_user(&server, "bob", "GET", "/r/prod/app:one");
    let page = page.send().is(200).text();
    assert!(page.contains("Cannot be pulled") && page.contains("nobody of ours.pub signed it"));
    sign(&home, &server, "prod/app:one", "ours.key", "bundle");
    pull(&server, "prod/app", "one").is(200);
    let page = as_user(&server, "bob", "GET", "/basalt/v1/r/prod/app:one")
        .send()
        .is(200);
    assert_eq!(page.json()["policies"], json!([]));
    // A push that is not met is done, with a warning.
    let config = json!({"created": ago(100)}).to_string();
    let config = blob(&server, "team/app", CONFIG, config.as_bytes());
    let pushed = put(
        &server,
        "bob",
        ("team/app", "two"),
        MANIFEST,
        &manifest(&config, &[]),
    );
    assert!(pushed.is(201).header("warning").contains("`fresh`"));
}

#[test]
fn what_a_registry_warns_of_cannot_command_the_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nwarning: 299 - \"evil \xc2\x9b2J\"\r\n\
                warning: 299 - \"evil \xc2\x9b2J\"\r\nwarning: 110 - \"stale\"\r\nconnection: close\r\ncontent-length: 27\r\n\r\n\
                {\"name\":\"a\",\"tags\":[\"one\"]}";
            let _ = stream.get_mut().write_all(answer);
        }
    });
    let home = Home::new();
    let (out, error) = run(&home, &["tags", &format!("{address}/a")]);
    assert!(out.contains("one"), "{out}");
    assert_eq!(error, format!("warning: {address}: evil \\u{{9b}}2J\n"));
}

/// What an index says of a manifest.
fn listed(digest: &str, document: &Value) -> Value {
    json!({"mediaType": MANIFEST, "digest": digest, "size": document.to_string().len(),
        "platform": {"os": "linux", "architecture": "amd64"}})
}

#[test]
fn an_unsigned_image_is_not_pulled_behind_any_annotation_type_tag_or_depth() {
    let (home, server) = serve(SIGNED);
    let place = "prod/app";
    let (good, document) = push(&server, (place, "good"), &today(), &["good"]);
    let good = listed(&good, &document);
    sign(&home, &server, "prod/app:good", "ours.key", "bundle");
    pull(&server, place, "good").is(200);
    let (bad, document) = push(&server, (place, "bad"), &today(), &["bad"]);
    let bad = listed(&bad, &document);
    let index = |tag: &str, entries: &[&Value]| {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let pushed = put(&server, "ann", (place, tag), INDEX, &document).is(201);
        listed(pushed.header("docker-content-digest"), &document)
    };
    let mut marked = bad.clone();
    marked["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let mut typed = bad.clone();
    typed["mediaType"] = json!("application/octet-stream");
    let mut nested = index("inner", &[&bad]);
    nested["mediaType"] = json!(INDEX);
    for (tag, entry) in [("a", &marked), ("b", &typed), ("c", &nested)] {
        index(tag, &[&good, entry]);
        pull(&server, place, tag).refused(403, "DENIED");
    }
    // Layers of an image under types that are none, and under those of signatures: by tag, by cosign's tag and by digest.
    let config =
        json!({"created": today(), "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
            .to_string();
    for (config_type, layer_type) in [
        (CONFIG, "application/x-layer"),
        (CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"),
        ("application/x-artifact", LAYER),
    ] {
        let config = blob(&server, place, config_type, config.as_bytes());
        let layer = blob(&server, place, layer_type, &[0; 1024]);
        let document = manifest(&config, &[layer]);
        let tag = format!("sha256-{}.sig", "0".repeat(64));
        let pushed = put(&server, "ann", (place, &tag), MANIFEST, &document).is(201);
        let digest = pushed.header("docker-content-digest");
        pull(&server, place, &tag).refused(403, "DENIED");
        pull(&server, place, digest).refused(403, "DENIED");
        let mut entry = listed(digest, &document);
        entry["annotations"] = marked["annotations"].clone();
        index("d", &[&good, &entry]);
        pull(&server, place, "d").refused(403, "DENIED");
    }
    // What BuildKit attests, and a chart of Helm's, are neither run nor kept from anybody.
    let config = blob(&server, place, CONFIG, config.as_bytes());
    let statement = blob(
        &server,
        place,
        "application/vnd.in-toto+json",
        b"{\"_type\":\"x\"}",
    );
    let document = manifest(&config, &[statement]);
    let pushed = put(&server, "ann", (place, "statements"), MANIFEST, &document).is(201);
    let digest = pushed.header("docker-content-digest");
    pull(&server, place, digest).is(200);
    let mut entry = listed(digest, &document);
    entry["annotations"] = marked["annotations"].clone();
    index("e", &[&good, &entry]);
    pull(&server, place, "e").is(200);
    let config = blob(
        &server,
        place,
        "application/vnd.cncf.helm.config.v1+json",
        b"{\"name\":\"chart\"}",
    );
    let chart = blob(
        &server,
        place,
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        b"\x1f\x8b",
    );
    put(
        &server,
        "ann",
        (place, "chart"),
        MANIFEST,
        &manifest(&config, &[chart]),
    )
    .is(201);
    pull(&server, place, "chart").is(200);
}

#[test]
fn a_manifest_that_two_programs_read_differently_is_not_taken() {
    let (_home, server) = serve("");
    let (digest, document) = push(&server, ("team/app", "one"), &today(), &["layer"]);
    let text = document.to_string();
    let entry = listed(&digest, &document).to_string();
    for (kind, text) in [
        (MANIFEST, text.replacen('{', r#"{"Config":{},"#, 1)),
        (MANIFEST, text.replacen('{', r#"{"Layers":[],"#, 1)),
        (MANIFEST, text.replacen('{', r#"{"layers":[],"#, 1)),
        (MANIFEST, text.replacen('{', r#"{"fsLayers":[],"#, 1)),
        (
            MANIFEST,
            text.replacen(r#""size""#, r#""MediaType":"x","size""#, 1),
        ),
        (
            INDEX,
            format!(r#"{{"schemaVersion":2,"manifests":[{entry}],"Manifests":[]}}"#),
        ),
        (
            INDEX,
            format!(r#"{{"schemaVersion":2,"manifests":[{entry}],"manifest\u017f":[]}}"#),
        ),
        (
            INDEX,
            format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                entry.replacen('{', r#"{"Digest":"x","#, 1)
            ),
        ),
        (
            INDEX,
            format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                entry.replacen(r#""os""#, r#""OS":"x","os""#, 1)
            ),
        ),
    ] {
        let target = "/v2/team/app/manifests/odd";
        let asked = as_user(&server, "ann", "PUT", target).kind(kind);
        asked
            .body(text.as_bytes())
            .send()
            .refused(400, "MANIFEST_INVALID");
    }
}

#[test]
fn one_child_on_three_levels_four_hundred_times_each_keeps_nobody_waiting() {
    let (_home, server) = serve(SIGNED);
    let (digest, document) = push(&server, ("prod/app", "one"), &today(), &["layer"]);
    let mut entry = listed(&digest, &document);
    for tag in ["two", "three", "four"] {
        let document =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; 400]});
        let pushed = put(&server, "ann", ("prod/app", tag), INDEX, &document).is(201);
        entry = listed(pushed.header("docker-content-digest"), &document);
        entry["mediaType"] = json!(INDEX);
    }
    let began = std::time::Instant::now();
    pull(&server, "prod/app", "four").refused(403, "DENIED");
    pull(&server, "prod/app", &digest).refused(403, "DENIED");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn a_signature_that_only_an_upstream_has_is_brought_to_be_judged_and_nothing_passes_for_one() {
    let (there, upstream) = serve("");
    let (digest, _) = push(&upstream, ("prod/app", "one"), &today(), &["layer"]);
    sign(&there, &upstream, "prod/app:one", "ours.key", "legacy");
    let config = json!({"created": today(), "rootfs": {"type": "layers", "diff_ids": []}});
    let config = blob(&upstream, "prod/app", CONFIG, config.to_string().as_bytes());
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    let layer = blob(&upstream, "prod/app", kind, &[0; 1024]);
    let fake = format!("sha256-{}.sig", "0".repeat(64));
    let document = manifest(&config, &[layer]);
    put(&upstream, "ann", ("prod/app", &fake), MANIFEST, &document).is(201);
    let here = Home::new();
    let key = fs::read(there.path("ours.pub")).expect("it is there");
    here.write("ours.pub", key);
    here.write("password", "secret\n");
    let policy = SIGNED.replace("prod/**", "up/**");
    let policy = policy.replace("    except: {groups: [signers]}\n", "");
    let server = here.serve_as(&format!(
        "upstreams:\n  - {{url: \"http://{}\", prefix: up, username: ann, password: password}}\n{policy}",
        upstream.address
    ));
    let get = |reference: &str| server.get(&format!("/v2/up/prod/app/manifests/{reference}"));
    get("one").refused(403, "DENIED");
    get(&fake).refused(403, "DENIED");
    get(&format!("{}.sig", digest.replace(':', "-"))).is(200);
    get("one").is(200);
    get(&digest).is(200);
}
