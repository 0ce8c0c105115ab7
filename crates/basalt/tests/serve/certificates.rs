//! Clients that show certificates.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::access::PEOPLE;
use crate::server::{Answer, Home, Server, await_that};

const CONFIG: &str = r#"
users: people
tls: {certificate: server.pem, key: server.key, clients: ca.pem}
access:
  - {repositories: ["own/*"], users: ["cert:build.example"], rights: [pull]}
  - {repositories: ["team/*"], users: ["*"], rights: [pull]}
  - {repositories: ["anns/*"], users: [ann], rights: [pull]}
"#;

fn openssl(home: &Home, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(home.path(""))
        .output()
        .expect("openssl is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// An authority of this name: `NAME.pem` and `NAME.key`.
fn authority(home: &Home, name: &str) {
    let (subject, key, out) = (
        format!("/CN={name}"),
        format!("{name}.key"),
        format!("{name}.pem"),
    );
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let mut arguments = vec!["req", "-x509", "-nodes", "-days", "2", "-subj", &subject];
    arguments.extend(curve);
    arguments.extend(["-keyout", &key, "-out", &out]);
    openssl(home, &arguments);
}

/// A certificate of an authority: `NAME.pem` and `NAME.key`.
fn certificate(home: &Home, authority: &str, name: &str, common: &str, extensions: &str) {
    let file = |ending: &str| format!("{name}.{ending}");
    let (key, request, out, text) = (file("key"), file("csr"), file("pem"), file("ext"));
    let subject = format!("/CN={common}");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let mut arguments = vec!["req", "-nodes", "-subj", &subject];
    arguments.extend(curve);
    arguments.extend(["-keyout", &key, "-out", &request]);
    openssl(home, &arguments);
    home.write(&text, extensions);
    let (ca, ca_key) = (format!("{authority}.pem"), format!("{authority}.key"));
    let mut arguments = vec!["x509", "-req", "-days", "1", "-in", &request, "-out", &out];
    arguments.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]);
    arguments.extend(["-extfile", &text]);
    openssl(home, &arguments);
}

fn serve(home: &Home) -> Server {
    home.write("people", PEOPLE);
    authority(home, "ca");
    authority(home, "other");
    let server = "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth";
    certificate(home, "ca", "server", "localhost", server);
    home.serve_as(CONFIG)
}

/// Asks with a certificate, or none; nothing when the connection does not come to be.
fn ask(home: &Home, server: &Server, name: &str, target: &str, header: &str) -> Option<Answer> {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-quiet", "-connect", &server.address])
        .current_dir(home.path(""));
    if !name.is_empty() {
        command.args([
            "-cert",
            &format!("{name}.pem"),
            "-key",
            &format!("{name}.key"),
        ]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is there");
    let request =
        format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n");
    let mut stdin = child.stdin.take().expect("it is piped");
    let _ = stdin.write_all(request.as_bytes());
    let mut stdout = child.stdout.take().expect("it is piped");
    let answer = Answer::read(&mut stdout, false);
    drop(stdin);
    let _ = child.kill();
    let _ = child.wait();
    answer
}

#[test]
fn a_certificate_of_our_authority_says_who_its_holder_is() {
    let home = Home::new();
    let server = serve(&home);
    let client = "extendedKeyUsage=clientAuth";
    for (name, common, alternative, expected) in [
        (
            "uri",
            "root",
            "DNS:build.example,email:ann@example,URI:spiffe://cluster/ns/build,URI:spiffe://cluster/ns/other",
            "cert:spiffe://cluster/ns/build",
        ),
        (
            "dns",
            "root",
            "email:ann@example,DNS:build.example",
            "cert:build.example",
        ),
        ("email", "root", "email:ann@example", "cert:ann@example"),
        ("common", "ann", "", "cert:ann"),
        // One that has names, but none that is taken, does not fall back to what is looked at less closely.
        ("address", "ann", "IP:127.0.0.1", "anonymous"),
    ] {
        let extensions = match alternative {
            "" => client.to_owned(),
            names => format!("{client}\nsubjectAltName={names}"),
        };
        certificate(&home, "ca", name, common, &extensions);
        let status = |target: &str| {
            let answer = ask(&home, &server, name, target, "");
            answer.expect("it is let in").status
        };
        let known = expected != "anonymous";
        let team = status("/v2/team/app/tags/list");
        assert_eq!(team, if known { 404 } else { 401 }, "{name}");
        let user = format!("\"{expected}\"");
        await_that(&user, || home.log().contains(&user));
        let own = status("/v2/own/app/tags/list");
        let expected = match (name, known) {
            ("dns", _) => 404,
            (_, true) => 403,
            (_, false) => 401,
        };
        assert_eq!(own, expected, "{name}");
        // Whatever it says, nobody is a user by it.
        assert_ne!(status("/v2/anns/app/tags/list"), 404, "{name}");
    }
}

#[test]
fn a_certificate_of_another_authority_or_for_another_use_ends_the_connection() {
    let home = Home::new();
    let server = serve(&home);
    let client = "subjectAltName=DNS:build.example\nextendedKeyUsage=clientAuth";
    certificate(&home, "other", "foreign", "x", client);
    let both = "subjectAltName=DNS:build.example\nextendedKeyUsage=serverAuth";
    certificate(&home, "ca", "serves", "x", both);
    certificate(&home, "ca", "good", "x", client);
    let target = "/v2/own/app/tags/list";
    for name in ["foreign", "serves", "other"] {
        let answer = ask(&home, &server, name, target, "");
        assert!(answer.is_none(), "{name}: {answer:?}");
    }
    let answer = ask(&home, &server, "good", target, "").expect("it is let in");
    answer.is(404);
}

#[test]
fn without_a_certificate_one_signs_in_as_always_and_what_is_said_goes_before_what_is_shown() {
    let home = Home::new();
    let server = serve(&home);
    let client = "subjectAltName=DNS:build.example\nextendedKeyUsage=clientAuth";
    certificate(&home, "ca", "good", "x", client);
    // ann:secret
    let ann = "authorization: Basic YW5uOnNlY3JldA==\r\n";
    let wrong = "authorization: Basic YW5uOndyb25n\r\n";
    for (name, target, header, expected) in [
        ("", "/v2/anns/app/tags/list", "", 401),
        ("", "/v2/anns/app/tags/list", ann, 404),
        ("", "/v2/own/app/tags/list", ann, 403),
        ("good", "/v2/anns/app/tags/list", ann, 404),
        ("good", "/v2/own/app/tags/list", ann, 403),
        ("good", "/v2/own/app/tags/list", wrong, 401),
        ("good", "/v2/own/app/tags/list", "", 404),
    ] {
        let answer = ask(&home, &server, name, target, header);
        let status = answer.expect("it is let in").status;
        assert_eq!(status, expected, "`{name}` {target} {header}");
    }
    // Exchanged for a token it is the same person.
    let scope = "/token?service=basalt&scope=repository:own/app:pull";
    let answer = ask(&home, &server, "good", scope, "").expect("it is let in");
    let token = answer.is(200).json()["token"].clone();
    let bearer = format!(
        "authorization: Bearer {}\r\n",
        token.as_str().expect("a token")
    );
    let answer = ask(&home, &server, "", "/v2/own/app/tags/list", &bearer);
    answer.expect("it is let in").is(404);
}
