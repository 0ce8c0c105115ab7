//! An archive that a spec adds, with a keyring of its own: what is not signed by it is refused, and
//! so are packages that are signed, but hold what no package should.
//!
//! These tests need the archive's mirror, for the suites of the distribution.

mod support;

use support::mirror::{Lie, Mirror};
use support::own_archive::{self, workplace};
use support::workplace::{Run, Workplace};

/// Builds an image with a package of the archive; asserts that it is refused, and leaves nothing.
fn refuses(
    status: i32,
    suite: &str,
    keyring: &str,
    package: &str,
    words: &[&str],
) -> (Workplace, Run) {
    let place = workplace(suite, keyring, package);
    let run = place.build_from(&Mirror::honest()).refused(status, words);
    place.has_nothing_of(&[]);
    (place, run)
}

fn refuses_release(suite: &str, keyring: &str, words: &[&str]) {
    let named = format!("the archive own, suite {suite}, is refused");
    let (place, _) = refuses(4, suite, keyring, "good-setuid", &[&named]);
    place.build_from(&Mirror::honest()).refused(4, words);
    assert!(
        !place.path("image.trixie.lock.json").exists(),
        "a lock appeared"
    );
}

/// Builds an image with a sound package of the archive.
fn takes(suite: &str, keyring: &str) {
    let place = workplace(suite, keyring, "good-setuid");
    place.build_from(&Mirror::honest()).succeeded();
    assert!(place.path("out/index.json").exists());
}

fn refuses_package(package: &str, words: &[&str]) {
    let (_, run) = refuses(4, "good", "good.asc", package, &[package]);
    run.refused(4, words);
}

#[test]
fn refuses_an_archive_signed_by_a_key_that_is_not_in_the_keyring() {
    refuses_release(
        "good",
        "other.asc",
        &[
            "no good signature by a trusted key",
            "is not in the keyring",
        ],
    );
}

#[test]
fn refuses_an_archive_signed_by_a_key_that_has_expired() {
    refuses_release(
        "expired-key",
        "expired.asc",
        &[
            "no good signature by a trusted key",
            "expired on 2024-01-02",
        ],
    );
}

#[test]
fn refuses_an_archive_signed_by_a_key_that_is_revoked() {
    refuses_release(
        "revoked-key",
        "revoked.asc",
        &["no good signature by a trusted key", "is revoked"],
    );
}

#[test]
fn refuses_an_archive_signed_by_a_subkey_that_is_revoked() {
    takes("subkey", "subkey.asc");
    refuses_release(
        "subkey",
        "revoked-subkey.asc",
        &["no good signature by a trusted key", "is revoked"],
    );
}

#[test]
fn refuses_signatures_over_digests_that_can_be_forged() {
    for (suite, digest) in [("weak-digest", "SHA1"), ("weaker-digest", "MD5")] {
        let words = [
            "no good signature by a trusted key",
            "the weak hash",
            digest,
        ];
        refuses_release(suite, "good.asc", &words);
    }
}

#[test]
fn takes_an_archive_that_one_of_several_keys_signed_well() {
    // The keyring has one of the two keys, or both.
    takes("two-keys", "good.asc");
    takes("two-keys", "both.asc");
    // A revoked key beside it counts for nothing, and against nothing.
    takes("good-and-revoked", "good-and-revoked.asc");
    refuses_release("good-and-revoked", "revoked.asc", &["is revoked"]);
}

#[test]
fn takes_a_release_file_with_its_signature_beside_it() {
    takes("detached", "good.asc");
    refuses_release("detached", "other.asc", &["is not in the keyring"]);
}

#[test]
fn refuses_a_release_file_whose_signature_beside_it_is_of_another() {
    let other = own_archive::file("dists/good/InRelease").expect("it is there");
    for (path, bytes) in [
        ("own/dists/detached/Release.gpg", other),
        ("own/dists/detached/Release.gpg", Vec::new()),
    ] {
        let mirror = Mirror::lying(move |asked| (asked == path).then(|| Lie::Bytes(bytes.clone())));
        let place = workplace("detached", "good.asc", "good-setuid");
        place
            .build_from(&mirror)
            .refused(4, &["the archive own, suite detached, is refused"]);
        place.has_nothing_of(&[]);
    }
}

#[test]
fn refuses_an_archive_with_one_bit_flipped_in_its_signature() {
    let mut bad = own_archive::file("dists/good/InRelease").expect("it is there");
    let end = bad.len() - "\n-----END PGP SIGNATURE-----\n".len();
    // The armor's checksum is its last line, where there is one; the signature ends before it.
    bad[end - 20] ^= 1;
    let served = bad.clone();
    let mirror = Mirror::lying(move |path| {
        (path == "own/dists/good/InRelease").then(|| Lie::Bytes(served.clone()))
    });
    let place = workplace("good", "good.asc", "good-setuid");
    place
        .build_from(&mirror)
        .refused(4, &["the archive own, suite good, is refused"]);
    place.has_nothing_of(&[&bad]);
}

#[test]
fn refuses_an_archive_that_is_not_signed() {
    refuses_release("unsigned", "good.asc", &["not a signed Release file"]);
}

#[test]
fn refuses_a_release_past_its_valid_until() {
    refuses_release(
        "stale",
        "good.asc",
        &[
            "the Release file was valid until",
            "stale or holds updates back",
        ],
    );
}

#[test]
fn refuses_a_release_dated_in_the_future() {
    refuses_release("early", "good.asc", &["in the future"]);
}

#[test]
fn refuses_a_package_that_climbs_out_with_dots() {
    refuses_package("evil-dotdot", &["usr/../../etc/passwd", "`..`"]);
}

#[test]
fn refuses_a_package_whose_files_runtimes_would_take_for_deletions() {
    for package in ["evil-whiteout", "evil-opaque", "evil-whiteout-folder"] {
        refuses_package(package, &["usr/", ".wh.", "delete files of lower layers"]);
    }
}

#[test]
fn refuses_a_package_that_writes_through_its_own_link() {
    refuses_package(
        "evil-symlink",
        &["usr/share/way/passwd", "below its own symbolic link"],
    );
}

#[test]
fn refuses_a_package_that_brings_a_path_twice() {
    refuses_package("evil-duplicate", &["usr/share/twin", "twice"]);
}

#[test]
fn refuses_a_package_with_a_device() {
    refuses_package("evil-device", &["dev/evil", "which no image may hold"]);
}

#[test]
fn refuses_a_package_with_a_hard_link_to_what_it_does_not_bring() {
    refuses_package(
        "evil-hardlink",
        &["usr/share/alias", "hard link", "etc/shadow"],
    );
}

#[test]
fn a_hard_link_to_documentation_that_is_left_out_is_not_the_packages_fault() {
    let words = [
        "/usr/share/readme is a hard link to /usr/share/doc/linked-manual/README",
        "which the spec leaves out",
    ];
    refuses(3, "good", "good.asc", "linked-manual", &words);
}

#[test]
fn refuses_a_signed_index_that_is_malformed() {
    let words = [
        "the archive own, suite malformed",
        "main/binary-amd64/Packages",
    ];
    refuses(4, "malformed", "good.asc", "good-setuid", &words);
}

#[test]
fn refuses_a_package_with_a_path_longer_than_any_system_takes() {
    let (_, run) = refuses(
        4,
        "good",
        "good.asc",
        "evil-long",
        &[
            "an entry of it, ./usr/share/directory/directory/",
            "over-long",
        ],
    );
    // Its beginning is enough to find it.
    let longest = run.error.lines().map(str::len).max();
    assert!(longest < Some(300), "{}", run.error);
}

#[test]
fn refuses_a_package_with_one_bit_flipped_in_its_tar() {
    refuses_package("evil-flipped", &["cannot be read", "checksum"]);
}

#[test]
fn refuses_a_package_whose_tar_ends_early() {
    refuses_package("evil-cut-tar", &["cannot be read", "unexpected EOF"]);
}

#[test]
fn refuses_a_package_whose_compression_is_damaged() {
    refuses_package("evil-xz", &["cannot be read"]);
    refuses_package("evil-cut-xz", &["cannot be read"]);
}

#[test]
fn refuses_ten_gigabytes_of_zeros_in_a_small_package() {
    refuses_package("evil-bomb", &["zeros-1", "a decompression bomb"]);
}

#[test]
fn stops_at_a_script_that_nothing_explains_and_says_how_to_go_on() {
    let words = [
        "odd-script",
        "postinst",
        "frobnicate --everything /usr",
        "effects:",
    ];
    refuses(6, "good", "good.asc", "odd-script", &words);
}

#[test]
fn takes_the_set_id_bits_off_a_program() {
    let mirror = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    place.build_from(&mirror).succeeded();
    let run = place
        .basalt_from(&mirror, &["explain", "image.yaml", "/usr/bin/tool"])
        .succeeded();
    assert!(run.out.contains("mode 0755"), "{}", run.out);
    assert!(
        run.out.contains("archive  own good") || run.out.contains("own good"),
        "{}",
        run.out
    );
}

#[test]
fn a_package_without_digests_of_its_files_has_those_that_dpkg_would_write() {
    let place = workplace("good", "good.asc", "linked-manual");
    let spec = place.read("image.yaml");
    place.write(
        "image.yaml",
        format!("{spec}package-database: full\nkeep: {{ documentation: true }}\n"),
    );
    place.build_from(&Mirror::honest()).succeeded();
    let (plain, _) = place.layers();
    let digest = "f75b8179e4bbe7e2b4a074dcef62de95";
    let sums =
        format!("\0{digest}  usr/share/doc/linked-manual/README\n{digest}  usr/share/readme\n\0");
    let text = String::from_utf8_lossy(&plain);
    assert!(text.contains(&sums), "{text}");
}

#[test]
fn refuses_a_package_that_is_another_than_the_index_says() {
    for (package, said, promised) in [
        (
            "another-name",
            "Package: good-setuid",
            "Package: another-name",
        ),
        ("another-version", "Version: 0.9", "Version: 1.0"),
        (
            "another-architecture",
            "Architecture: all",
            "Architecture: amd64",
        ),
    ] {
        refuses_package(package, &[said, promised, "the bytes of another package"]);
    }
    refuses_package("no-version", &["no field `Version`"]);
}

#[test]
fn refuses_packages_whose_members_are_malformed() {
    for (package, word) in [
        ("evil-conffiles", "no absolute path"),
        ("evil-triggers", "interest ../../evil"),
        ("evil-directive", "wish for-more"),
        ("evil-control", "line 1 of the control data"),
        ("evil-stanzas", "only one stanza"),
        ("evil-member", "`other` stands where `control.tar` must"),
        ("evil-sysusers", "sysusers.d/evil.conf:1"),
    ] {
        let (_, run) = refuses(4, "good", "good.asc", package, &[]);
        run.refused(4, &[word]);
    }
}
