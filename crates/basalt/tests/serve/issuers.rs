//! Identities that others vouch for: tokens of OpenID Connect issuers.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::access::{PEOPLE, Signed};
use crate::server::{Home, Server, await_that};

/// An issuer: what it answers at which path, and what it was asked.
struct Issuer {
    url: String,
    answers: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, noted) = (Arc::clone(&answers), Arc::clone(&asked));
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = known.lock().expect("a lock").get(&path).cloned();
                noted.lock().expect("a lock").push(path);
                let answer = answer.unwrap_or_else(|| status("404 Not Found", "", "{}"));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let issuer = Self {
            url,
            answers,
            asked,
        };
        issuer.leads_to(&format!("{}/keys", issuer.url));
        issuer
    }

    fn answers(&self, path: &str, answer: String) {
        let mut answers = self.answers.lock().expect("a lock");
        answers.insert(path.to_owned(), answer);
    }

    fn leads_to(&self, keys: &str) {
        let document = json!({"issuer": self.url, "jwks_uri": keys}).to_string();
        let place = "/.well-known/openid-configuration";
        self.answers(place, status("200 OK", "", &document));
    }

    fn has(&self, keys: &[&Key]) {
        self.answers("/keys", status("200 OK", "", &set(keys)));
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("a lock").len()
    }

    /// What a job's token says.
    fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": self.url, "aud": "registry.example", "sub": "repo:basalt-images/app:ref:refs/heads/main",
            "repository": "basalt-images/app", "ref": "refs/heads/main", "roles": ["reader", "builder"],
            "iat": now, "nbf": now, "exp": now + 300,
        })
    }
}

pub fn status(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {line}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a time after 1970").as_secs()
}

pub fn set(keys: &[&Key]) -> String {
    let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
    json!({ "keys": keys }).to_string()
}

/// A key of an issuer.
pub struct Key {
    algorithm: &'static str,
    private: tempfile::NamedTempFile,
    public: Value,
}

impl Key {
    pub fn rsa(name: &str, bits: u32) -> Self {
        let private = tempfile::NamedTempFile::new().expect("a file");
        let path = private.path().to_str().expect("UTF-8").to_owned();
        let option = format!("rsa_keygen_bits:{bits}");
        openssl(
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                &option,
                "-out",
                &path,
            ],
            b"",
        );
        let modulus = openssl(&["rsa", "-in", &path, "-noout", "-modulus"], b"");
        let text = String::from_utf8(modulus).expect("ASCII");
        let hex = text.trim().strip_prefix("Modulus=").expect("a modulus");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let modulus: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let public = json!({"kty": "RSA", "kid": name, "use": "sig", "e": "AQAB",
            "n": URL_SAFE_NO_PAD.encode(modulus)});
        Self {
            algorithm: "RS256",
            private,
            public,
        }
    }

    pub fn ed25519(name: &str) -> Self {
        let private = tempfile::NamedTempFile::new().expect("a file");
        let path = private.path().to_str().expect("UTF-8").to_owned();
        openssl(&["genpkey", "-algorithm", "ED25519", "-out", &path], b"");
        let der = openssl(&["pkey", "-in", &path, "-pubout", "-outform", "DER"], b"");
        let public = json!({"kty": "OKP", "crv": "Ed25519", "kid": name,
            "x": URL_SAFE_NO_PAD.encode(&der[der.len() - 32..])});
        Self {
            algorithm: "EdDSA",
            private,
            public,
        }
    }

    fn name(&self) -> &str {
        self.public["kid"].as_str().expect("a name")
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let path = self.private.path().to_str().expect("UTF-8");
        match self.algorithm {
            "RS256" => openssl(&["dgst", "-sha256", "-sign", path], signed),
            _ => {
                let input = tempfile::NamedTempFile::new().expect("a file");
                std::fs::write(input.path(), signed).expect("it is written");
                let input = input.path().to_str().expect("UTF-8");
                let options = ["pkeyutl", "-sign", "-rawin", "-inkey", path, "-in", input];
                openssl(&options, b"")
            }
        }
    }

    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm, "typ": "JWT", "kid": self.name()});
        self.token_with(&header, claims)
    }

    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("it is taken");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// Jobs of `basalt-images` may push to `ci/*`, and builders among them delete there too.
fn serve(home: &Home, issuer: &Issuer, more: &str) -> Server {
    home.write("people", PEOPLE);
    let url = &issuer.url;
    home.serve_as(&format!(
        r#"
users: people
issuers:
  - name: ci
    url: {url}
    audience: registry.example
    user: repository
    {more}
    rules:
      - {{claims: {{repository: "basalt-images/*", ref: refs/heads/main}}, groups: [jobs]}}
      - {{claims: {{repository: "basalt-images/*", roles: builder}}, groups: [builders]}}
access:
  - {{repositories: ["ci/*"], groups: [jobs], rights: [pull, push-new]}}
  - {{repositories: ["ci/*"], groups: [builders], rights: [delete]}}
  - {{repositories: ["own/*"], users: ["ci:basalt-images/app"], rights: [pull]}}
limits: {{failed-sign-ins: 100000 per second}}
"#
    ))
}

fn tags(server: &Server, repository: &str, user: &str, token: &str) -> u16 {
    let target = format!("/v2/{repository}/tags/list");
    let asked = server.ask("GET", &target).basic(user, token);
    asked.send().status
}

#[test]
fn a_jobs_token_is_exchanged_for_one_of_ours_with_the_rights_that_its_claims_give() {
    let (home, issuer) = (Home::new(), Issuer::new());
    let (rsa, ed25519) = (Key::rsa("one", 2048), Key::ed25519("two"));
    issuer.has(&[&rsa, &ed25519]);
    let server = serve(&home, &issuer, "");
    for key in [&rsa, &ed25519] {
        let job = key.token(&issuer.claims());
        let scope = "repository:ci/app:pull,push,delete%20repository:own/app:pull,push";
        let target = format!("/token?service=basalt&scope={scope}");
        let answer = server.ask("GET", &target).basic("oidc", &job).send();
        let ours = answer.is(200).json()["token"].clone();
        let ours = ours.as_str().expect("a token");
        let ask = |method: &str, target: &str| server.ask(method, target).bearer(ours).send();
        ask("POST", "/v2/ci/app/blobs/uploads/").is(202);
        ask("DELETE", "/v2/ci/app/manifests/none").is(404);
        ask("GET", "/v2/own/app/tags/list").is(404);
        ask("POST", "/v2/own/app/blobs/uploads/").is(403);
        ask("GET", "/v2/other/tags/list").is(403);
        assert_eq!(tags(&server, "ci/none", "oidc", &job), 404);
        // It is nobody else's password.
        assert_eq!(tags(&server, "ci/app", "ann", &job), 401);
    }
    await_that("the log says who it was", || {
        home.log().contains("\"ci:basalt-images/app\"")
    });
    // Both keys came with the first question.
    assert_eq!(issuer.asked(), 2);
    // On a branch it is no job of `main`, but still a builder.
    let mut claims = issuer.claims();
    claims["ref"] = json!("refs/heads/other");
    let branch = rsa.token(&claims);
    assert_eq!(tags(&server, "ci/app", "oidc", &branch), 403);
    let asked = server.ask("DELETE", "/v2/ci/app/manifests/none");
    asked.basic("oidc", &branch).send().is(404);
}

#[test]
fn a_token_that_was_forged_or_is_not_for_us_opens_nothing() {
    let (home, issuer, other) = (Home::new(), Issuer::new(), Issuer::new());
    let (rsa, ed25519) = (Key::rsa("one", 2048), Key::ed25519("two"));
    let (foreign, weak) = (Key::rsa("foreign", 2048), Key::rsa("weak", 1024));
    issuer.has(&[&rsa, &ed25519, &weak]);
    other.has(&[&foreign]);
    let server = serve(&home, &issuer, "");
    let good = issuer.claims();
    let try_it = |token: &str| tags(&server, "ci/app", "oidc", token);
    assert_eq!(try_it(&rsa.token(&good)), 404);
    assert_eq!(try_it(&ed25519.token(&good)), 404);
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = good.clone();
        change(&mut claims);
        claims
    };
    let without = |name: &str| {
        claims(&|claims| {
            claims.as_object_mut().expect("an object").remove(name);
        })
    };
    let now = now();
    for (what, claims) in [
        (
            "another audience",
            claims(&|claims| claims["aud"] = json!("other.example")),
        ),
        ("no audience", without("aud")),
        (
            "another issuer",
            claims(&|claims| claims["iss"] = json!(other.url)),
        ),
        (
            "an issuer that nobody knows",
            claims(&|claims| claims["iss"] = json!("https://evil.example")),
        ),
        ("no issuer", without("iss")),
        (
            "the issuer in a list",
            claims(&|claims| claims["iss"] = json!([issuer.url])),
        ),
        (
            "it has expired",
            claims(&|claims| claims["exp"] = json!(now - 120)),
        ),
        ("no end", without("exp")),
        (
            "an end that is a text",
            claims(&|claims| claims["exp"] = json!("9999999999")),
        ),
        (
            "not good yet",
            claims(&|claims| claims["nbf"] = json!(now + 120)),
        ),
        (
            "a beginning that is a text",
            claims(&|claims| claims["nbf"] = json!("never")),
        ),
        (
            "made in the future",
            claims(&|claims| claims["iat"] = json!(now + 120)),
        ),
        ("made at no time", without("iat")),
        (
            "another organisation",
            claims(&|claims| claims["repository"] = json!("evil/basalt-images")),
        ),
        (
            "a deeper name",
            claims(&|claims| claims["repository"] = json!("basalt-images/x/y")),
        ),
        ("no repository", without("repository")),
        (
            "a repository that is none",
            claims(&|claims| claims["repository"] = json!({"a": "basalt-images/app"})),
        ),
        (
            "a list of repositories",
            claims(&|claims| claims["repository"] = json!(["basalt-images/app"])),
        ),
    ] {
        assert_eq!(try_it(&rsa.token(&claims)), 401, "{what}");
    }
    let header = |algorithm: &str, kid: &str| json!({"alg": algorithm, "typ": "JWT", "kid": kid});
    // No signature, and whatever is called none.
    for algorithm in ["none", "None", "NONE", "", "HS256", "ES256"] {
        let signed = unsigned(&header(algorithm, "one"), &good);
        assert_eq!(try_it(&format!("{signed}.")), 401, "{algorithm}");
        let other = rsa.token_with(&header(algorithm, "one"), &good);
        assert_eq!(try_it(&other), 401, "{algorithm}");
    }
    // The public key, which everyone has, as a secret.
    let path = rsa.private.path().to_str().expect("UTF-8");
    let pem = openssl(&["pkey", "-in", path, "-pubout"], b"");
    let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"], b"");
    let modulus = URL_SAFE_NO_PAD.decode(rsa.public["n"].as_str().expect("a modulus"));
    let jwk = rsa.public.to_string().into_bytes();
    for secret in [pem, der, modulus.expect("base64"), jwk] {
        for algorithm in ["HS256", "RS256"] {
            let signed = unsigned(&header(algorithm, "one"), &good);
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            let option = format!("hexkey:{hex}");
            let options = [
                "dgst", "-sha256", "-mac", "HMAC", "-macopt", &option, "-binary",
            ];
            let signature = URL_SAFE_NO_PAD.encode(openssl(&options, signed.as_bytes()));
            assert_eq!(try_it(&format!("{signed}.{signature}")), 401, "{algorithm}");
        }
    }
    // A key of another issuer, under its own name and under one of ours; one of ours for another algorithm; one too short.
    assert_eq!(try_it(&foreign.token(&good)), 401);
    assert_eq!(
        try_it(&foreign.token_with(&header("RS256", "one"), &good)),
        401
    );
    assert_eq!(try_it(&rsa.token_with(&header("EdDSA", "two"), &good)), 401);
    assert_eq!(
        try_it(&ed25519.token_with(&header("RS256", "one"), &good)),
        401
    );
    assert_eq!(try_it(&rsa.token_with(&header("RS512", "one"), &good)), 401);
    assert_eq!(try_it(&weak.token(&good)), 401);
    let nameless = json!({"alg": "RS256", "typ": "JWT"});
    assert_eq!(try_it(&rsa.token_with(&nameless, &good)), 401);
    // A token that brings its own key, says where there is one, or wants what we do not know.
    for (field, value) in [
        ("jwk", foreign.public.clone()),
        ("jku", json!(format!("{}/keys", other.url))),
        ("x5u", json!(format!("{}/keys", other.url))),
    ] {
        let mut own = header("RS256", "one");
        own[field] = value;
        assert_eq!(try_it(&foreign.token_with(&own, &good)), 401, "{field}");
    }
    let mut critical = header("RS256", "one");
    critical["crit"] = json!(["b64"]);
    assert_eq!(try_it(&rsa.token_with(&critical, &good)), 401);
    // Something exchanged afterwards, and what is no token at all.
    let token = rsa.token(&good);
    let parts: Vec<&str> = token.split('.').collect();
    let wide = claims(&|claims| claims["repository"] = json!("basalt-images/other"));
    let wide = URL_SAFE_NO_PAD.encode(wide.to_string());
    assert_eq!(try_it(&format!("{}.{wide}.{}", parts[0], parts[2])), 401);
    for text in [
        "",
        "..",
        "a.b.c",
        "secret",
        &format!("{token}.x"),
        &"x.".repeat(5000),
    ] {
        assert_eq!(try_it(text), 401, "{text}");
    }
    assert_eq!(other.asked(), 0);
}

#[test]
fn an_issuer_is_asked_seldom_whatever_keys_tokens_name() {
    let (home, issuer) = (Home::new(), Issuer::new());
    let key = Key::ed25519("one");
    issuer.has(&[&key]);
    let server = serve(&home, &issuer, "");
    for name in 0..20 {
        let header = json!({"alg": "EdDSA", "kid": format!("key {name}")});
        let token = key.token_with(&header, &issuer.claims());
        assert_eq!(tags(&server, "ci/app", "oidc", &token), 401);
    }
    assert_eq!(issuer.asked(), 2, "once for its word and once for its keys");
    assert_eq!(
        tags(&server, "ci/app", "oidc", &key.token(&issuer.claims())),
        404
    );
}

#[test]
fn no_word_of_an_issuer_leads_the_server_elsewhere() {
    let key = Key::ed25519("one");
    let elsewhere = Issuer::new();
    elsewhere.has(&[&key]);
    let keys = format!("{}/keys", elsewhere.url);
    let refused = |issuer: &Issuer, words: &str| {
        let home = Home::new();
        let server = serve(&home, issuer, "");
        let token = key.token(&issuer.claims());
        assert_eq!(tags(&server, "ci/app", "oidc", &token), 401);
        await_that(words, || home.log().contains(words));
    };
    let issuer = Issuer::new();
    issuer.leads_to(&keys);
    refused(&issuer, "leads to another host");
    for document in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//127.0.0.1/keys",
    ] {
        issuer.leads_to(document);
        refused(&issuer, "leads to another host");
    }
    let issuer = Issuer::new();
    let moved = status("302 Found", &format!("location: {keys}\r\n"), "{}");
    issuer.answers("/keys", moved);
    refused(&issuer, "answers with status 302");
    let issuer = Issuer::new();
    let document = json!({"issuer": elsewhere.url, "jwks_uri": format!("{}/keys", issuer.url)});
    let answer = status("200 OK", "", &document.to_string());
    issuer.answers("/.well-known/openid-configuration", answer);
    refused(&issuer, "is of another issuer");
    let issuer = Issuer::new();
    issuer.answers("/keys", status("200 OK", "", &" ".repeat(1 << 20)));
    refused(&issuer, "the keys of an issuer");
    assert_eq!(elsewhere.asked(), 0);
    // But where the configuration says so.
    let (home, issuer) = (Home::new(), Issuer::new());
    let server = serve(&home, &issuer, &format!("keys: {keys}"));
    assert_eq!(
        tags(&server, "ci/app", "oidc", &key.token(&issuer.claims())),
        404
    );
    assert_eq!((issuer.asked(), elsewhere.asked()), (0, 1));
}

#[test]
fn keys_of_an_issuer_that_cannot_be_reached_come_from_a_file_and_new_ones_are_taken_up() {
    let (home, issuer) = (Home::new(), Issuer::new());
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    home.write("keys.json", set(&[&old]));
    let server = serve(&home, &issuer, "keys: keys.json");
    let try_it = |key: &Key| tags(&server, "ci/app", "oidc", &key.token(&issuer.claims()));
    assert_eq!(try_it(&old), 404);
    home.write("keys.json", set(&[&new]));
    assert_eq!(try_it(&new), 404);
    // What the issuer took back is not good any more.
    assert_eq!(try_it(&old), 401);
    assert_eq!(issuer.asked(), 0);
    home.write("keys.json", "{}");
    let arguments = ["serve", "--root", "other", "--config", "registry.yaml"];
    let (status, _, error) = home.basalt(&arguments);
    assert_eq!(status, 1, "{error}");
    assert!(error.contains("keys.json"), "{error}");
}

#[test]
fn a_token_of_ours_is_no_good_when_its_issuer_is_trusted_no_more() {
    let (home, issuer) = (Home::new(), Issuer::new());
    let key = Key::ed25519("one");
    issuer.has(&[&key]);
    let server = serve(&home, &issuer, "");
    let target = "/token?service=basalt&scope=repository:ci/app:pull";
    let job = key.token(&issuer.claims());
    let answer = server.ask("GET", target).basic("oidc", &job).send().is(200);
    let ours = answer.json()["token"].as_str().expect("a token").to_owned();
    let status = |server: &Server| {
        let asked = server.ask("GET", "/v2/ci/app/tags/list").bearer(&ours);
        asked.send().status
    };
    assert_eq!(status(&server), 404);
    server.terminate();
    let config = std::fs::read_to_string(home.path("registry.yaml")).expect("it is there");
    let server = home.serve_as(&config.replace("name: ci", "name: other"));
    assert_eq!(status(&server), 401);
}
