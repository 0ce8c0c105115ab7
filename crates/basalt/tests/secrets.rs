//! What is secret stays with who typed it: in no image, document, lock, cache or message.
//!
//! Some of these tests need the archive's mirror, for the suites of the distribution.

mod support;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use support::mirror::{Lie, Mirror};
use support::own_archive::workplace;
use support::workplace::{Run, Workplace};

const SECRET: &str = "Zr9secretword";

/// Whether bytes hold the secret: as they are, or within the texts of a JSON document, where contents stand in base64.
fn holds(bytes: &[u8]) -> bool {
    let has = |bytes: &[u8]| {
        bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes())
    };
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(all) => all.iter().for_each(|one| texts(one, found)),
            Value::Object(all) => all.values().for_each(|one| texts(one, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(document) = serde_json::from_slice(bytes) {
        texts(&document, &mut found);
    }
    has(bytes)
        || found.iter().any(|text| {
            let inner = BASE64_STANDARD.decode(text);
            inner.is_ok_and(|inner| holds(&inner))
        })
}

/// The files below a folder that hold it.
fn holders(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if holds(&fs::read(&path).expect("it is readable")) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn says_nothing(run: &Run) {
    assert!(!run.out.contains(SECRET), "{}", run.out);
    assert!(!run.error.contains(SECRET), "{}", run.error);
}

/// A mirror's URL with the secret as its password.
fn with_password(mirror: &Mirror) -> String {
    mirror
        .url("own")
        .replace("http://", &format!("http://me:{SECRET}@"))
}

#[test]
fn a_password_of_a_mirror_is_in_nothing_that_a_build_leaves_or_says() {
    let mirror = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    let url = with_password(&mirror);
    let build = ["build", "image.yaml", "-o", "out", "--json"];
    let own = format!("own={url}");
    let by_argument = [&build[..], &["--mirror", &own]].concat();
    says_nothing(&place.basalt_in(&[], &mirror, &by_argument).succeeded());
    let environment = [("BASALT_MIRROR_OWN", url.as_str())];
    fs::remove_dir_all(place.path("cache")).expect("removed");
    let run = place.basalt_in(&environment, &mirror, &build).succeeded();
    says_nothing(&run);
    let none: [String; 0] = [];
    assert_eq!(holders(&place.path("")), none);
    assert!(!holds(&place.layers().0));
}

#[test]
fn a_password_is_in_no_message_of_a_build_that_fails() {
    let build = ["build", "image.yaml", "-o", "out"];
    for lie in [|| Lie::Missing, || Lie::Bytes(b"x".to_vec())] {
        let mirror = Mirror::lying(move |path| path.starts_with("own/").then(lie));
        let place = workplace("good", "good.asc", "good-setuid");
        let own = format!("own={}", with_password(&mirror));
        let run = place.basalt_in(&[], &mirror, &[&build[..], &["--mirror", &own]].concat());
        assert_ne!(run.status, 0);
        says_nothing(&run);
    }
    let place = Workplace::cold("name: x\nreleases: [trixie]\narchitectures: [amd64]\n");
    for (status, arguments) in [
        (2, vec![format!("--mirror=debian=http://me:{SECRET}@h/?x")]),
        (2, vec![format!("--mirror=debian=ftp://me:{SECRET}@h/")]),
        (2, vec![format!("--mirror=http://me:{SECRET}@h/?x=y")]),
        (2, vec![format!("--mirror=debian=http://me:{SECRET}/@h/")]),
        (2, vec![format!("--snapshots=http://me:{SECRET}@h/")]),
        (2, vec![format!("--builder-id=https://me:{SECRET}@h/")]),
        (2, vec![format!("--builder-id=https://h/?token={SECRET}")]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = place.basalt(&[&build[..], &arguments].concat());
        assert_eq!(run.status, status, "{arguments:?}: {}", run.error);
        says_nothing(&run);
    }
}

#[test]
fn a_spec_with_a_secret_is_refused_with_its_place_and_without_the_secret() {
    let head = "name: x\nreleases: [trixie]\narchitectures: [amd64]\n";
    let archive = |url: &str| {
        format!("archives:\n  - {{ name: own, url: \"{url}\", suite: x, keyring: k.asc }}\n")
    };
    for (more, place_of_it) in [
        (archive(&format!("http://me:{SECRET}@h/d")), "image.yaml:5:"),
        (archive(&format!("HTTPS://{SECRET}@h/d")), "image.yaml:5:"),
        (
            archive(&format!("http://me:a/{SECRET}@h/d")),
            "image.yaml:5:",
        ),
        (
            archive(&format!("http://h/d?token={SECRET}")),
            "image.yaml:5:",
        ),
        (
            archive(&format!("http://me:{SECRET}\\x40h/d")),
            "image.yaml:5:",
        ),
        (format!("# http://me:{SECRET}@h\n"), "image.yaml:4:"),
        (
            format!("env: {{A: \"x://me:{SECRET}@h\"}}\n"),
            "image.yaml:4:",
        ),
        (
            format!("env: {{A: \"x://me:{SECRET}\\x40h\"}}\n"),
            "image.yaml",
        ),
        (
            format!("labels: {{a: \"https://h/?sig={SECRET}\"}}\n"),
            "image.yaml:4:",
        ),
        (
            format!("annotations: {{a: \"https://{SECRET}@h\"}}\n"),
            "image.yaml:4:",
        ),
    ] {
        let place = Workplace::cold(&format!("{head}{more}"));
        for arguments in [&["build", "image.yaml"][..], &["lock", "image.yaml"]] {
            let run = place.basalt(&[arguments, &["--offline"]].concat());
            let run = run.refused(3, &[place_of_it]);
            says_nothing(&run);
        }
    }
    let place = Workplace::cold(&format!("include: [other.yaml]\n{head}"));
    place.write("other.yaml", format!("# x\n# http://me:{SECRET}@h\n"));
    let run = place.basalt(&["build", "image.yaml", "--offline"]);
    says_nothing(&run.refused(3, &["other.yaml:2:", "BASALT_MIRROR_"]));
}

#[test]
fn a_secret_in_a_local_file_is_in_its_image_and_not_in_the_provenance() {
    let place = Workplace::warm(
        "name: probe\nreleases: [trixie]\narchitectures: [amd64]\nfiles: [{path: /etc/own.conf, source: own.conf}]\n",
    );
    place.write("own.conf", format!("index = https://me:{SECRET}@h/\n"));
    let mirror = Mirror::honest();
    place.build_from(&mirror).succeeded();
    assert!(holds(&place.layers().0), "who asks for it gets it");
    let none: [String; 0] = [];
    assert_eq!(holders(&place.path("out")), none);
    // The provenance names it by digest, and so it is found in the image.
    place
        .basalt_from(&mirror, &["reproduce", "out"])
        .succeeded();
}

/// Each command that speaks TLS says which CAs count and which hosts need none.
#[test]
fn every_command_that_speaks_tls_takes_ca_and_insecure() {
    let place = Workplace::cold("");
    for command in [
        "lock",
        "build",
        "reproduce",
        "vendor",
        "explain",
        "effects",
        "slice",
        "sbom",
        "push",
        "pull",
        "copy",
        "mirror",
        "tags",
        "referrers",
        "delete",
        "login",
        "logout",
        "sign",
        "attest",
        "attestations",
        "verify",
    ] {
        let help = place.basalt(&[command, "--help"]).succeeded().out;
        for option in ["--ca <FILE>", "--insecure <HOST"] {
            assert!(help.contains(option), "{command} has no {option}:\n{help}");
        }
    }
}

#[test]
fn a_file_of_cas_that_is_none_is_found_before_anything_is_asked() {
    let place = Workplace::cold("name: x\nreleases: [trixie]\narchitectures: [amd64]\n");
    place.write("none.pem", "no certificate");
    for (option, file) in [
        ("--ca", "none.pem"),
        ("--ca", "absent.pem"),
        ("--ca", "/dev/zero"),
        ("--client-cert", "none.pem"),
    ] {
        let run = place.basalt(&["lock", "image.yaml", option, file]);
        run.refused(2, &[file]);
    }
}
