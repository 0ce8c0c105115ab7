//! Which mirror is asked, for what, and where it may send the program.
//!
//! These tests need the archive's mirror, for the suites of the distribution.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use support::mirror::{Lie, Mirror};
use support::own_archive::{self, workplace, workplace_at};
use support::workplace::{Run, Workplace};

const BUILD: [&str; 4] = ["build", "image.yaml", "-o", "out"];
const BY_HASH: &str = "own/dists/by-hash/main/binary-amd64/by-hash/SHA256/";
const BY_NAME: &str = "own/dists/by-hash/main/binary-amd64/Packages";

/// Whether a mirror was asked for anything of our own archive.
fn was_asked(mirror: &Mirror) -> bool {
    mirror.asked().iter().any(|path| path.starts_with("own/"))
}

fn asked_for_index(mirror: &Mirror) -> Vec<String> {
    let asked = mirror.asked().into_iter();
    asked
        .filter(|path| path.starts_with("own/") && path.contains("/binary-amd64/"))
        .collect()
}

#[test]
fn takes_an_index_by_its_digest_where_the_archive_offers_that() {
    let mirror = Mirror::honest();
    let place = workplace("by-hash", "good.asc", "good-setuid");
    place.build_from(&mirror).succeeded();
    let asked = asked_for_index(&mirror);
    assert!(
        matches!(&asked[..], [one] if one.starts_with(BY_HASH)),
        "{asked:?}"
    );
}

#[test]
fn takes_an_index_by_its_name_when_its_digest_is_not_there() {
    let mirror = Mirror::lying(|path| path.starts_with(BY_HASH).then_some(Lie::Missing));
    let place = workplace("by-hash", "good.asc", "good-setuid");
    place.build_from(&mirror).succeeded();
    let asked = asked_for_index(&mirror);
    assert!(
        matches!(&asked[..], [first, second] if first.starts_with(BY_HASH) && second == BY_NAME),
        "{asked:?}"
    );
}

#[test]
fn takes_an_index_by_its_name_where_the_archive_offers_nothing_else() {
    let mirror = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    place.build_from(&mirror).succeeded();
    let asked = asked_for_index(&mirror);
    assert_eq!(asked, ["own/dists/good/main/binary-amd64/Packages"]);
}

#[test]
fn takes_an_archive_from_a_folder() {
    let place = workplace("good", "good.asc", "good-setuid");
    own_archive::write_to(&place.path("archive"));
    let mirror = format!("own=file://{}", place.path("archive").display());
    let debian = Mirror::honest();
    let arguments = [&BUILD[..], &["--mirror", &mirror]].concat();
    place.basalt_in(&[], &debian, &arguments).succeeded();
    assert!(place.path("out/index.json").exists());
    assert!(!was_asked(&debian));
}

#[test]
fn refuses_what_is_altered_in_a_folder() {
    let place = workplace("good", "good.asc", "good-setuid");
    let folder = place.path("archive");
    own_archive::write_to(&folder);
    let package = folder.join("pool/main/good-setuid_1.0_amd64.deb");
    let mut bytes = fs::read(&package).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&package, bytes).expect("it is written");
    let mirror = format!("own=file://{}", folder.display());
    let arguments = [&BUILD[..], &["--mirror", &mirror]].concat();
    place
        .basalt_in(&[], &Mirror::honest(), &arguments)
        .refused(4, &["good-setuid", "as signed"]);
    place.has_nothing_of(&[]);
    fs::remove_file(&package).expect("it is removed");
    place
        .basalt_in(&[], &Mirror::honest(), &arguments)
        .refused(9, &["good-setuid", "not found"]);
}

/// Places that name a mirror, the nearest first.
const PLACES: [&str; 4] = [
    "the command line",
    "the environment",
    "the user's file",
    "the spec",
];

/// Lets the places from `nearest` on name mirrors of their own; asserts that only the nearest is
/// asked.
fn asks_only(nearest: usize) {
    let mirrors: Vec<Mirror> = PLACES.iter().map(|_| Mirror::honest()).collect();
    let urls: Vec<String> = mirrors.iter().map(|mirror| mirror.url("own")).collect();
    let place = workplace_at(&urls[3], "good", "good.asc", "good-setuid");
    let mut arguments = BUILD.to_vec();
    let mut environment = Vec::new();
    let named = format!("own={}", urls[0]);
    if nearest == 0 {
        arguments.extend(["--mirror", &named]);
    }
    if nearest <= 1 {
        environment.push(("BASALT_MIRROR_OWN", urls[1].as_str()));
    }
    if nearest <= 2 {
        fs::create_dir_all(place.path(".config/basalt")).expect("it is made");
        let line = format!("# ours\nown = {}\n", urls[2]);
        place.write(".config/basalt/mirrors", line);
    }
    let debian = Mirror::honest();
    place
        .basalt_in(&environment, &debian, &arguments)
        .succeeded();
    for (number, mirror) in mirrors.iter().enumerate() {
        let name = PLACES[number];
        assert_eq!(was_asked(mirror), number == nearest, "{name}, {nearest}");
    }
}

#[test]
fn the_nearest_word_about_a_mirror_counts() {
    for nearest in 0..PLACES.len() {
        asks_only(nearest);
    }
}

#[test]
fn an_archive_that_nobody_knows_says_how_to_name_its_mirror() {
    let place = workplace("good", "good.asc", "good-setuid");
    place
        .basalt_in(&[], &Mirror::honest(), &BUILD)
        .refused(1, &["archive `own`", "--mirror", "BASALT_MIRROR_OWN"]);
    place.has_nothing_of(&[]);
}

/// An https server that answers `own/dists/good/InRelease` with a redirect, whatever its URL.
struct Protected {
    server: Child,
    /// Kept, so that what it says has somewhere to go.
    _output: BufReader<ChildStdout>,
    port: u16,
}

impl Protected {
    /// Starts it; its certificate is written beside the spec, as `certificate.pem`.
    fn redirecting(place: &Workplace, to: &str) -> Self {
        let folder = place.path("server/own/dists/good");
        fs::create_dir_all(&folder).expect("it is made");
        let answer = format!("HTTP/1.0 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        fs::write(folder.join("InRelease"), answer).expect("it is written");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(place.path("key.pem"))
            .arg("-out")
            .arg(place.path("certificate.pem"))
            .output()
            .expect("these tests serve https with `openssl`: install it");
        assert!(made.status.success(), "{made:?}");
        let mut server = Command::new("openssl")
            .args(["s_server", "-4", "-accept", "0", "-HTTP"])
            .arg("-key")
            .arg(place.path("key.pem"))
            .arg("-cert")
            .arg(place.path("certificate.pem"))
            .current_dir(place.path("server"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let output = server.stdout.take().expect("it is piped");
        let mut output = BufReader::new(output);
        let port = output
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_prefix("ACCEPT ")?
                    .rsplit(':')
                    .next()?
                    .parse()
                    .ok()
            })
            .expect("it says where it listens");
        Self {
            server,
            _output: output,
            port,
        }
    }

    /// Builds from it.
    fn build(&self, place: &Workplace) -> support::workplace::Run {
        let certificate = place.path("certificate.pem");
        let certificate = certificate.to_str().expect("UTF-8");
        let mirror = format!("own=https://127.0.0.1:{}/own", self.port);
        let arguments = [&BUILD[..], &["--mirror", &mirror]].concat();
        let environment = [("SSL_CERT_FILE", certificate)];
        place.basalt_in(&environment, &Mirror::honest(), &arguments)
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

#[test]
fn refuses_a_redirect_from_a_protected_to_an_open_connection() {
    let open = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    let target = format!("{}/dists/good/InRelease", open.url("own"));
    let server = Protected::redirecting(&place, &target);
    server.build(&place).refused(
        4,
        &["https://127.0.0.1", "refused the redirect to", &target],
    );
    assert!(!was_asked(&open), "it went there");
    place.has_nothing_of(&[]);
}

#[test]
fn refuses_a_protected_mirror_with_a_certificate_of_its_own() {
    let place = workplace("good", "good.asc", "good-setuid");
    let server = Protected::redirecting(&place, "/own/elsewhere");
    let mirror = format!("own=https://127.0.0.1:{}/own", server.port);
    let arguments = [&BUILD[..], &["--mirror", &mirror]].concat();
    place.basalt_in(&[], &Mirror::honest(), &arguments).refused(
        9,
        &["https://127.0.0.1", "no CA that is trusted here", "--ca"],
    );
    place.has_nothing_of(&[]);
}

#[test]
fn takes_a_mirror_whose_ca_or_host_is_named() {
    let place = workplace("good", "good.asc", "good-setuid");
    let server = Protected::redirecting(&place, "/own/dists/good/InRelease");
    let mirror = format!("own=https://127.0.0.1:{}/own", server.port);
    let host = format!("127.0.0.1:{}", server.port);
    let certificate = place.path("certificate.pem");
    let certificate = certificate.to_str().expect("UTF-8");
    for (environment, option) in [
        (&[][..], ["--ca", certificate]),
        (&[], ["--insecure", host.as_str()]),
        (&[("BASALT_INSECURE", host.as_str())], ["--jobs", "2"]),
        (&[("SSL_CERT_FILE", certificate)], ["--jobs", "2"]),
    ] {
        let arguments = [&BUILD[..], &["--mirror", &mirror], &option].concat();
        // It redirects without end: so the certificate was taken.
        let run = place.basalt_in(environment, &Mirror::honest(), &arguments);
        run.refused(9, &["redirected more than"]);
    }
}

#[test]
fn finds_a_package_that_left_the_mirrors_among_the_archives_former_states() {
    let honest = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    let first = place.build_from(&honest).succeeded();
    for folder in ["cache", "out"] {
        fs::remove_dir_all(place.path(folder)).expect("it was there");
    }
    let mirror = Mirror::lying(|path| {
        let state = path.strip_prefix("states/own/");
        let file = state.and_then(|path| own_archive::file(path.split_once('/')?.1));
        match path.starts_with("own/pool/") {
            true => Some(Lie::Missing),
            false => file.map(Lie::Bytes),
        }
    });
    let mut arguments = vec!["build", "image.yaml", "-o", "out", "--locked"];
    place
        .basalt_from(&mirror, &arguments)
        .refused(9, &["good-setuid_1.0_amd64.deb", "404"]);

    let states = format!("--snapshots={}/{{archive}}/{{date}}", mirror.url("states"));
    arguments.push(&states);
    let second = place.basalt_from(&mirror, &arguments).succeeded();
    let digest = |run: &Run| run.out.split("sha256:").nth(1).map(str::to_owned);
    assert_eq!(digest(&first), digest(&second));
    let lock: serde_json::Value =
        serde_json::from_str(&place.read("image.trixie.lock.json")).expect("JSON");
    let suites = lock["archives"].as_array().expect("a list");
    let own = suites.iter().find(|suite| suite["archive"] == "own");
    let date = own.and_then(|own| own["date"].as_str()).expect("a date");
    let state = format!("states/own/{}/pool/", date.replace(['-', ':'], ""));
    assert!(mirror.asked().iter().any(|path| path.starts_with(&state)));
}
