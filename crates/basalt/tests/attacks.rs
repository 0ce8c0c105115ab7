//! A mirror, or whoever sits before it, that tampers at each link of the chain: each attempt is
//! refused with words that name it, no image appears, and the cache stays clean.
//!
//! These tests need the archive's mirror, found as the program finds it.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::mirror::{Lie, Mirror};
use support::upstream;
use support::workplace::{SPEC, Workplace};

const IN_RELEASE: &str = "debian/dists/trixie/InRelease";
const RELEASE: &str = "debian/dists/trixie/Release";
const SIGNATURE: &str = "debian/dists/trixie/Release.gpg";
const INDEX_FOLDER: &str = "debian/dists/trixie/main/binary-amd64/";
const INDEX: &str = "debian/dists/trixie/main/binary-amd64/Packages.xz";
const PACKAGE: &str = "/tzdata_";

/// Flips the lowest bit of one byte.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

fn position(text: &[u8], needle: &str) -> usize {
    text.windows(needle.len())
        .position(|window| window == needle.as_bytes())
        .expect("it is in the text")
}

/// Builds the small image while another InRelease is served; asserts that it is refused so.
fn refuses_in_release(bytes: Vec<u8>, words: &[&str]) {
    let served = bytes.clone();
    let mirror =
        Mirror::lying(move |path| (path == IN_RELEASE).then(|| Lie::Bytes(served.clone())));
    let place = Workplace::cold(SPEC);
    place.build_from(&mirror).refused(4, words);
    assert!(
        !place.path("image.trixie.lock.json").exists(),
        "a lock appeared"
    );
    place.has_nothing_of(&[&bytes]);
    // Nothing behind a Release file that is not trusted was even asked for.
    assert!(
        !mirror
            .asked()
            .iter()
            .any(|path| path.starts_with(INDEX_FOLDER))
    );
}

/// Builds the small image while the index of trixie's main is lied about.
fn refuses_index(
    status: i32,
    words: &[&str],
    bad: &[u8],
    lie: impl Fn() -> Lie + Send + Sync + 'static,
) -> Mirror {
    let mirror = Mirror::lying(move |path| path.starts_with(INDEX_FOLDER).then(&lie));
    let place = Workplace::cold(SPEC);
    place.build_from(&mirror).refused(status, words);
    assert!(
        !place.path("image.trixie.lock.json").exists(),
        "a lock appeared"
    );
    place.has_nothing_of(&[bad]);
    mirror
}

/// Builds the small image while its package is lied about. The lie is made from the real bytes.
fn refuses_package(
    status: i32,
    words: &[&str],
    lie: impl Fn(Arc<Vec<u8>>) -> Lie + Send + Sync + 'static,
) -> Workplace {
    let mirror = Mirror::lying(move |path| {
        path.contains(PACKAGE)
            .then(|| lie(upstream::file(path).unwrap_or_default()))
    });
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).refused(status, words);
    assert!(mirror.asked().iter().any(|path| path.contains(PACKAGE)));
    let path = mirror
        .asked()
        .into_iter()
        .find(|path| path.contains(PACKAGE))
        .expect("it was asked for");
    // Neither the real package, which never came, nor any part of it.
    place.has_nothing_of(&[&upstream::known(&path)]);
    place
}

#[test]
fn refuses_an_in_release_with_one_bit_flipped_in_its_text() {
    let real = upstream::known(IN_RELEASE);
    let bad = flipped(&real, position(&real, "\nDate: ") + 12);
    refuses_in_release(
        bad,
        &["archive debian, suite trixie, is refused", "it was altered"],
    );
}

#[test]
fn refuses_an_in_release_without_signature() {
    let real = upstream::known(IN_RELEASE);
    let begin = position(&real, "\n\n") + 2;
    let end = position(&real, "-----BEGIN PGP SIGNATURE-----");
    refuses_in_release(
        real[begin..end].to_vec(),
        &["suite trixie, is refused", "not a signed Release file"],
    );
}

#[test]
fn refuses_text_before_the_signed_envelope() {
    let mut bad = b"Codename: trixie\n".to_vec();
    bad.extend(upstream::known(IN_RELEASE).iter());
    refuses_in_release(
        bad,
        &["suite trixie, is refused", "not a signed Release file"],
    );
}

#[test]
fn refuses_another_suite_at_the_path_of_the_one_asked_for() {
    let other = upstream::known("debian/dists/trixie-updates/InRelease");
    refuses_in_release(
        other.to_vec(),
        &[
            "`trixie-updates`, not `trixie`",
            "the mirror serves another release in its place",
        ],
    );
}

#[test]
fn refuses_another_release_at_the_path_of_the_one_asked_for() {
    let other = upstream::known("debian/dists/bookworm/InRelease");
    refuses_in_release(
        other.to_vec(),
        &["archive debian, suite trixie, is refused"],
    );
}

#[test]
fn refuses_a_release_older_than_that_of_the_lock() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    // As if the lock had been made when the archive was newer than what the mirror has.
    let newer =
        place
            .read("image.trixie.lock.json")
            .replacen("\"date\": \"20", "\"date\": \"29", 1);
    place.write("image.trixie.lock.json", &newer);
    place.basalt_from(&mirror, &["lock", "image.yaml"]).refused(
        4,
        &[
            "archive debian, suite trixie, is refused",
            "older than the lock's",
            "went back in time",
        ],
    );
    assert_eq!(
        place.read("image.trixie.lock.json"),
        newer,
        "the lock was touched"
    );
    place.has_nothing_of(&[]);
}

#[test]
fn refuses_an_index_with_one_bit_flipped() {
    let real = upstream::known(INDEX);
    let bad = flipped(&real, real.len() / 2);
    let served = bad.clone();
    refuses_index(
        4,
        &["binary-amd64", "as signed", "tampered with"],
        &bad,
        move || Lie::Bytes(served.clone()),
    );
}

#[test]
fn refuses_the_index_of_another_suite() {
    let other =
        upstream::known("debian/dists/trixie-updates/main/binary-amd64/Packages.xz").to_vec();
    let served = other.clone();
    let mirror = Mirror::lying(move |path| {
        path.starts_with(INDEX_FOLDER)
            .then(|| Lie::Bytes(served.clone()))
    });
    let place = Workplace::cold(SPEC);
    // The same bytes are rightly in the cache as the index of the suite that they are of.
    place
        .build_from(&mirror)
        .refused(4, &["binary-amd64", "announces", "the signed index"]);
    place.has_nothing_of(&[]);
}

#[test]
fn refuses_an_index_that_never_ends() {
    let real = upstream::known(INDEX).to_vec();
    let size = real.len() as u64;
    let mirror = refuses_index(
        4,
        &["binary-amd64", "sends more than the"],
        &[],
        move || Lie::Endless(real.clone()),
    );
    // What the sockets between us hold is more than what was read.
    assert!(
        mirror.sent_without_end() < size.max(64 << 20),
        "it read on and on"
    );
}

#[test]
fn refuses_an_in_release_that_never_ends() {
    let mirror = Mirror::lying(|path| (path == IN_RELEASE).then(|| Lie::Endless(Vec::new())));
    let place = Workplace::cold(SPEC);
    place
        .build_from(&mirror)
        .refused(4, &[IN_RELEASE, "sends more than the"]);
    assert!(mirror.sent_without_end() < 64 << 20, "it read on and on");
    place.has_nothing_of(&[]);
}

#[test]
fn refuses_a_package_with_one_bit_flipped() {
    refuses_package(4, &["tzdata", "as signed", "tampered with"], |real| {
        Lie::Bytes(flipped(&real, real.len() / 2))
    });
}

#[test]
fn refuses_another_package_under_the_name_of_the_one_asked_for() {
    let other = |real: &[u8]| {
        // As large as the real one, and a package in good order.
        let mut other =
            support::own_archive::file("pool/main/good-setuid_1.0_amd64.deb").expect("it is there");
        other.resize(real.len(), b'\n');
        other
    };
    refuses_package(4, &["tzdata", "as signed"], move |real| {
        Lie::Bytes(other(&real))
    });
}

#[test]
fn refuses_an_older_version_under_the_name_of_the_one_asked_for() {
    let other = "debian/pool/main/t/tzdata/";
    refuses_package(4, &[other, "announces", "the signed index"], |_| {
        Lie::Bytes(
            support::own_archive::file("pool/main/good-setuid_1.0_amd64.deb").expect("it is there"),
        )
    });
}

#[test]
fn refuses_a_body_that_ends_early() {
    refuses_package(9, &["tzdata", "the body ended after"], |real| {
        Lie::Cut(real.to_vec(), real.len() / 3)
    });
}

#[test]
fn refuses_a_package_that_never_ends() {
    refuses_package(4, &["tzdata", "sends more than the"], |real| {
        Lie::Endless(real.to_vec())
    });
}

#[test]
fn refuses_to_follow_redirects_for_ever() {
    refuses_package(9, &["tzdata", "redirected more than 5 times"], |_| {
        Lie::Redirect("/debian/pool/tzdata_again.deb".to_owned())
    });
}

#[test]
fn refuses_a_redirect_to_a_file_of_this_machine() {
    refuses_package(
        4,
        &["tzdata", "refused the redirect to file:///etc/passwd"],
        |_| Lie::Redirect("file:///etc/passwd".to_owned()),
    );
}

#[test]
fn says_so_when_a_package_is_not_there() {
    refuses_package(9, &["tzdata", "not found (status 404)"], |_| Lie::Missing);
}

#[test]
fn gives_up_on_a_mirror_that_sends_a_byte_now_and_then() {
    let mirror = Mirror::lying(|path| {
        path.contains(PACKAGE)
            .then(|| Lie::Trickle(upstream::known(path).to_vec()))
    });
    let place = Workplace::warm(SPEC);
    let arguments = ["build", "image.yaml", "-o", "out"];
    let begun = Instant::now();
    place
        .basalt_in(&[("BASALT_TIMEOUT", "2")], &mirror, &arguments)
        .refused(9, &["tzdata", "gave up: less than 1024 bytes a second"]);
    // Three attempts of two seconds each, and what else a build does.
    assert!(begun.elapsed() < Duration::from_secs(60), "{begun:?}");
    place.has_nothing_of(&[]);
}

#[test]
fn gives_up_on_a_mirror_where_nobody_listens() {
    let place = Workplace::warm(SPEC);
    let arguments = [
        "build",
        "image.yaml",
        "-o",
        "out",
        // The port of `discard`, which nobody has served for decades.
        "--mirror",
        "debian=http://127.0.0.1:9/debian",
        "--mirror",
        "debian-security=http://127.0.0.1:9/debian-security",
    ];
    place.basalt(&arguments).refused(9, &["http://127.0.0.1:9"]);
    place.has_nothing_of(&[]);
}

/// The real `InRelease` in two files: its text and its signature. The mirror's own `Release` and
/// `Release.gpg` will not do: they are two files, and some mirrors have them of different days.
fn in_two() -> (Vec<u8>, Vec<u8>) {
    let real = upstream::known(IN_RELEASE);
    let begin = position(&real, "\n\n") + 2;
    let end = position(&real, "\n-----BEGIN PGP SIGNATURE-----");
    let text = real[begin..end].to_vec();
    assert!(!text.windows(2).any(|two| two == b"\n-"), "it is escaped");
    (text, real[end + 1..].to_vec())
}

/// A mirror that has no `InRelease` of trixie, as some archives do not.
fn without_in_release(release: Vec<u8>, signature: Vec<u8>) -> Mirror {
    Mirror::lying(move |path| match path {
        IN_RELEASE => Some(Lie::Missing),
        RELEASE => Some(Lie::Bytes(release.clone())),
        SIGNATURE => Some(Lie::Bytes(signature.clone())),
        _ => None,
    })
}

#[test]
fn takes_the_signature_beside_the_release_file_where_there_is_no_in_release() {
    let (release, signature) = in_two();
    let mirror = without_in_release(release, signature);
    let place = Workplace::cold(SPEC);
    place.build_from(&mirror).succeeded();
    let asked = mirror.asked();
    for path in [IN_RELEASE, RELEASE, SIGNATURE] {
        assert!(asked.iter().any(|one| one == path), "{path} in {asked:?}");
    }
}

#[test]
fn refuses_a_release_file_with_one_bit_flipped_beside_its_signature() {
    let (release, signature) = in_two();
    let bad = flipped(&release, position(&release, "\nDate: ") + 12);
    let mirror = without_in_release(bad.clone(), signature);
    let place = Workplace::cold(SPEC);
    place.build_from(&mirror).refused(
        4,
        &["archive debian, suite trixie, is refused", "it was altered"],
    );
    place.has_nothing_of(&[&bad]);
}

#[test]
fn takes_the_package_after_an_attack_is_over() {
    let place = refuses_package(4, &["tzdata"], |real| Lie::Bytes(flipped(&real, 100)));
    place.build_from(&Mirror::honest()).succeeded();
    assert!(place.path("out/index.json").exists());
}
