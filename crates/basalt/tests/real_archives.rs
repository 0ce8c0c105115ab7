//! Archives as they are in the world: odd stanzas, flat repositories, other digests and compressions,
//! suites that move, and states of the past. Each is read as apt reads it, or refused with a reason.
//!
//! These tests need the archive's mirror, for the suites of the distribution.

mod support;

use basalt_digest::{Digest, Sha512};
use support::mirror::{Lie, Mirror};
use support::served::{Packed, Served, compressed, date, moment, packed};
use support::upstream;

const GOOD: &str = "Suite: good\nCodename: good\nArchitectures: amd64\nComponents: main\n";

/// An archive whose suite `good` has this index for amd64.
fn of_index(index: &str, packages: &[&Packed]) -> Served {
    let archive = Served::new();
    archive.pool(packages);
    archive.suite(
        "dists/good/",
        GOOD,
        &[("main/binary-amd64/Packages", index.as_bytes())],
    );
    archive
}

fn lock_of(place: &support::workplace::Workplace) -> serde_json::Value {
    serde_json::from_str(&place.read("image.trixie.lock.json")).expect("JSON")
}

#[test]
fn an_odd_stanza_costs_its_own_package_and_no_other() {
    let tool = packed("tool", "1.0", "amd64", "");
    let odd = |name: &str, from: &str, to: &str| {
        let entry = packed(name, "1.0", "amd64", "").entry();
        assert!(entry.contains(from), "{entry}");
        entry.replace(from, to)
    };
    let sha256 = |name: &str| {
        let package = packed(name, "1.0", "amd64", "");
        format!("SHA256: {}", Digest::of(&package.bytes).hex())
    };
    let cases = [
        (
            "bad-version",
            "Version",
            odd("bad-version", "Version: 1.0", "Version: none of these"),
        ),
        (
            "no-version",
            "Version",
            odd("no-version", "Version: 1.0\n", ""),
        ),
        ("no-size", "Size", odd("no-size", "\nSize: ", "\nX-Size: ")),
        (
            "bad-size",
            "Size",
            odd("bad-size", "\nSize: ", "\nSize: about "),
        ),
        (
            "no-digest",
            "SHA256",
            odd("no-digest", &sha256("no-digest"), "X: y"),
        ),
        (
            "md5-alone",
            "MD5sum",
            odd(
                "md5-alone",
                &sha256("md5-alone"),
                "MD5sum: d41d8cd98f00b204e9800998ecf8427e",
            ),
        ),
        (
            "bad-digest",
            "SHA256",
            odd("bad-digest", "SHA256: ", "SHA256: z"),
        ),
        (
            "doubled",
            "Section",
            odd(
                "doubled",
                "Description:",
                "Section: a\nSection: b\nDescription:",
            ),
        ),
        (
            "odd-multi-arch",
            "Multi-Arch",
            odd(
                "odd-multi-arch",
                "Description:",
                "Multi-Arch: perhaps\nDescription:",
            ),
        ),
        (
            "odd-provides",
            "Provides",
            odd(
                "odd-provides",
                "Description:",
                "Provides: virtual (>= 2)\nDescription:",
            ),
        ),
        (
            "odd-depends",
            "Depends",
            odd(
                "odd-depends",
                "Description:",
                "Depends: a (>> , b\nDescription:",
            ),
        ),
        (
            "odd-conflicts",
            "Conflicts",
            odd(
                "odd-conflicts",
                "Description:",
                "Conflicts: !\nDescription:",
            ),
        ),
        (
            "climbing",
            "Filename",
            odd("climbing", "Filename: pool/", "Filename: pool/../../"),
        ),
        (
            "absolute",
            "Filename",
            odd("absolute", "Filename: pool/", "Filename: /pool/"),
        ),
        (
            "no-filename",
            "Filename",
            odd("no-filename", "Filename: ", "X-Filename: "),
        ),
        (
            "odd-size-installed",
            "Installed-Size",
            odd(
                "odd-size-installed",
                "Description:",
                "Installed-Size: 1.5\nDescription:",
            ),
        ),
        (
            "odd-source",
            "Source",
            odd("odd-source", "Description:", "Source: a b c\nDescription:"),
        ),
        (
            "no-colon",
            "no `:`",
            odd("no-colon", "Description:", "nonsense\nDescription:"),
        ),
        (
            "continued",
            "Section",
            odd("continued", "Description:", "Section:\u{0}\nDescription:"),
        ),
    ];
    let mut index = String::new();
    for (_, _, entry) in &cases {
        index.push_str(entry);
    }
    // Whose they are cannot be told, so nobody can want them.
    index.push_str("Package: not a name\nVersion: 1\n\n a line of nothing\n\n");
    index.push_str(&tool.entry());
    let archive = of_index(&index, &[&tool]);
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).succeeded();
    assert_eq!(lock_of(&place)["packages"][0]["name"], "tool");
    for (name, field, _) in &cases {
        let place = archive.place("suite: good", "amd64", name);
        archive.build(&place).refused(
            4,
            &[
                "the archive own, suite good",
                "main/binary-amd64/Packages",
                &format!("the package `{name}`"),
                field,
            ],
        );
        place.has_nothing_of(&[]);
    }
}

#[test]
fn what_needs_a_package_with_an_odd_stanza_is_refused_with_both_names() {
    let tool = packed("tool", "1.0", "amd64", "Depends: library\n");
    let library = packed("library", "2.0", "amd64", "").entry();
    let index = tool.entry() + &library.replace("\nSize: ", "\nX: ");
    let archive = of_index(&index, &[&tool]);
    let place = archive.place("suite: good", "amd64", "tool");
    place.write(
        "image.yaml",
        place
            .read("image.yaml")
            .replace(", dependencies: false", ""),
    );
    archive.build(&place).refused(
        4,
        &[
            "the archive own, suite good",
            "`library` 2.0",
            "`Size`",
            "tool 1.0 needs library",
        ],
    );
}

#[test]
fn a_filename_that_is_not_normal_is_found_as_apt_finds_it() {
    let mut index = String::new();
    let names = ["plain", "dotted", "doubled", "blank"];
    let packages: Vec<Packed> = names
        .iter()
        .map(|name| {
            let mut package = packed(name, "1.0+dfsg~1", "amd64", "");
            if *name == "blank" {
                package.path = "pool/a name with blanks.deb".to_owned();
            }
            package
        })
        .collect();
    for package in &packages {
        let entry = package.entry();
        index.push_str(&match package.stanza.split(['\n', ' ']).nth(1) {
            Some("dotted") => entry.replace("Filename: pool/", "Filename: ./pool/./"),
            Some("doubled") => entry.replace("Filename: pool/", "Filename: pool//"),
            _ => entry,
        });
    }
    let archive = of_index(&index, &packages.iter().collect::<Vec<_>>());
    for (name, package) in names.iter().zip(&packages) {
        let place = archive.place("suite: good", "amd64", name);
        archive.build(&place).succeeded();
        assert_eq!(
            lock_of(&place)["packages"][0]["path"],
            package.path.as_str(),
            "{name}"
        );
    }
}

#[test]
fn an_archive_for_one_architecture_has_nothing_for_the_other() {
    let tool = packed("tool", "1.0", "amd64", "");
    let archive = of_index(&tool.entry(), &[&tool]);
    let place = archive.place("suite: good", "amd64, arm64", "tool");
    let spec = place.read("image.yaml");
    place.write(
        "image.yaml",
        spec.replace(
            "dependencies: false",
            "dependencies: false, architectures: [amd64]",
        ),
    );
    archive.build(&place).succeeded();
    // Only what is needed and not there is an error, which says why.
    place.write("image.yaml", spec);
    archive.build(&place).refused(
        5,
        &["no package is named tool", "own good has nothing for arm64"],
    );
}

#[test]
fn an_archive_that_has_packages_for_all_architectures_alone_serves_each() {
    let tool = packed("tool", "1.0", "all", "");
    for more in [
        "Architectures: all\n",
        "Architectures: all\nNo-Support-for-Architecture-all: Packages\n",
        "",
    ] {
        let archive = Served::new();
        archive.pool(&[&tool]);
        archive.suite(
            "dists/good/",
            &format!("Suite: good\nCodename: good\nComponents: main\n{more}"),
            &[("main/binary-all/Packages", tool.entry().as_bytes())],
        );
        let place = archive.place("suite: good", "amd64, arm64", "tool");
        archive.build(&place).succeeded();
        assert_eq!(lock_of(&place)["packages"][0]["architecture"], "all");
    }
}

#[test]
fn a_component_that_an_archive_does_not_have_is_still_an_error() {
    let tool = packed("tool", "1.0", "amd64", "");
    let archive = of_index(&tool.entry(), &[&tool]);
    let place = archive.place("suite: good, components: [mian]", "amd64", "tool");
    archive
        .build(&place)
        .refused(1, &["it has no component `mian`", "main"]);
}

#[test]
fn a_flat_repository_is_read_as_apt_reads_it() {
    let tool = packed("tool", "1.0", "amd64", "");
    let other = packed("tool", "9.0", "arm64", "");
    let index = compressed(&["gzip", "-9n"], (other.entry() + &tool.entry()).as_bytes());
    for (suite, folder) in [("./", ""), ("/", ""), ("flat/sub/", "flat/sub/")] {
        let archive = Served::new();
        archive.pool(&[&tool]);
        // As `apt-ftparchive release .` writes it: without names, without components.
        archive.suite(folder, "", &[("Packages.gz", &index)]);
        let place = archive.place(&format!("suite: {suite}"), "amd64", "tool");
        archive.build(&place).succeeded();
        let lock = lock_of(&place);
        assert_eq!(lock["packages"][0]["suite"], suite);
        // Relative to the repository's address, not to the folder of the index.
        assert_eq!(lock["packages"][0]["path"], tool.path.as_str());
        archive
            .run(&place, "build", &["-o", "out", "--locked"])
            .succeeded();
    }
}

#[test]
fn a_flat_repository_has_no_components() {
    let archive = Served::new();
    let place = archive.place("suite: ./, components: [main]", "amd64", "tool");
    archive
        .build(&place)
        .refused(3, &["image.yaml:5", "flat repository", "no components"]);
    for suite in ["../", "a/../b/", "/etc/"] {
        let place = archive.place(&format!("suite: {suite}"), "amd64", "tool");
        archive
            .build(&place)
            .refused(3, &["no suite of an archive"]);
    }
}

#[test]
fn a_release_file_may_call_itself_otherwise_if_the_spec_says_so() {
    let tool = packed("tool", "1.0", "amd64", "");
    let index = tool.entry();
    let served = |names: &str| {
        let archive = Served::new();
        archive.pool(&[&tool]);
        archive.suite(
            "dists/good/",
            &format!("{names}Architectures: amd64\nComponents: main\n"),
            &[("main/binary-amd64/Packages", index.as_bytes())],
        );
        archive
    };
    let takes = |archive: &Served, expect: &str| {
        let place = archive.place(&format!("suite: good{expect}"), "amd64", "tool");
        archive.build(&place).succeeded();
        place
    };
    let refuses = |archive: &Served, expect: &str, words: &[&str]| {
        let place = archive.place(&format!("suite: good{expect}"), "amd64", "tool");
        archive.build(&place).refused(4, words);
        place.has_nothing_of(&[]);
    };
    let nameless = served("");
    refuses(
        &nameless,
        "",
        &["a suite without a name, not `good`", "expect-suite"],
    );
    takes(&nameless, ", expect-suite: \"\", expect-codename: \"\"");
    let other = served("Suite: stable\nCodename: jammy\n");
    refuses(
        &other,
        "",
        &["suite `stable`, codename `jammy`, not `good`"],
    );
    refuses(&other, ", expect-suite: good", &["`stable`, not `good`"]);
    refuses(&other, ", expect-suite: \"\"", &["`stable`, not ``"]);
    let place = takes(&other, ", expect-codename: jammy");
    // What it called itself is in the lock, and must not become another unnoticed (as apt has it).
    assert_eq!(lock_of(&place)["archives"][3]["codename"], "jammy");
    let archive = served("Suite: good\nCodename: first\n");
    let place = takes(&archive, "");
    archive.suite(
        "dists/good/",
        "Suite: good\nCodename: second\nArchitectures: amd64\nComponents: main\n",
        &[("main/binary-amd64/Packages", index.as_bytes())],
    );
    archive
        .run(&place, "lock", &[])
        .refused(4, &["that of `second` now, and was that of `first`"]);
}

#[test]
fn sha512_alone_vouches_for_indexes_and_packages() {
    let tool = packed("tool", "1.0", "amd64", "");
    let archive = Served::new();
    archive.pool(&[&tool]);
    let index = tool.entry_by_sha512();
    let sha512 = |bytes: &[u8]| Sha512::of(bytes).hex();
    archive.suite_by(
        ("SHA512", &sha512),
        "dists/good/",
        &format!("{GOOD}Acquire-By-Hash: yes\n"),
        &[("main/binary-amd64/Packages", index.as_bytes())],
    );
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).succeeded();
    let package = &lock_of(&place)["packages"][0];
    assert_eq!(package["sha256"], Digest::of(&tool.bytes).to_string());
    assert_eq!(package["sha512"], Sha512::of(&tool.bytes).to_string());
    // From the cache, and by the lock.
    archive.run(&place, "lock", &["--offline"]).succeeded();
    archive
        .run(&place, "build", &["-o", "out", "--locked", "--offline"])
        .succeeded();

    // One bit of either is another file.
    let mut bad = tool.bytes.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    archive.file(&tool.path, &bad);
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(4, &["sha512:", "as signed"]);
    place.has_nothing_of(&[&bad]);
    archive.pool(&[&tool]);
    archive.file(
        "dists/good/main/binary-amd64/Packages",
        index.replace("a test", "a tost"),
    );
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(4, &["sha512:", "as signed"]);
    place.has_nothing_of(&[]);
}

#[test]
fn all_strong_digests_that_are_given_must_be_right() {
    let tool = packed("tool", "1.0", "amd64", "");
    let (right, wrong) = (Sha512::of(&tool.bytes).hex(), Sha512::of(b"other").hex());
    let index = |sha512: &str| {
        let size = format!("Size: {}\n", tool.bytes.len());
        tool.entry()
            .replace(&size, &format!("{size}SHA512: {sha512}\n"))
    };
    let sha256 = |bytes: &[u8]| Digest::of(bytes).hex();
    // A Release file and an index with these SHA-512 digests, and the SHA-256 digests that are right.
    let publish = |archive: &Served, index: &str, of_index: &str| {
        archive.pool(&[&tool]);
        archive.suite_by(
            ("SHA256", &sha256),
            "dists/good/",
            &format!(
                "{GOOD}SHA512:\n {of_index} {} main/binary-amd64/Packages\n",
                index.len()
            ),
            &[("main/binary-amd64/Packages", index.as_bytes())],
        );
    };
    let served = |index: &str, of_index: &str| {
        let archive = Served::new();
        publish(&archive, index, of_index);
        archive
    };
    let good = index(&right);
    let sha512 = |text: &str| Sha512::of(text.as_bytes()).hex();
    let archive = served(&good, &sha512(&good));
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).succeeded();
    // The lock is what it is without.
    let package = &lock_of(&place)["packages"][0];
    assert_eq!(package["sha256"], Digest::of(&tool.bytes).to_string());
    assert_eq!(package["sha512"], serde_json::Value::Null);
    archive.run(&place, "lock", &["--offline"]).succeeded();

    // Of the package; also where the cache has its bytes by the digest that is right.
    let bad = index(&wrong);
    publish(&archive, &bad, &sha512(&bad));
    archive
        .run(&place, "lock", &[])
        .refused(4, &["SHA512", &wrong, "contradicts itself"]);
    let place = archive.place("suite: good", "amd64", "tool");
    archive
        .build(&place)
        .refused(4, &["SHA512", &wrong, "contradicts itself"]);
    place.has_nothing_of(&[&tool.bytes]);
    // Of the index.
    let archive = served(&good, &wrong);
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(
        4,
        &["SHA512", "binary-amd64/Packages", "contradicts itself"],
    );
    // One that is none costs the package, or the archive.
    let archive = served(&index("00"), &sha512(&index("00")));
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(4, &["bad `SHA512`"]);
    let archive = served(&good, "00");
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(4, &["bad `SHA512`"]);
}

#[test]
fn an_index_that_is_only_there_in_forms_that_are_not_read_is_refused() {
    let tool = packed("tool", "1.0", "amd64", "");
    for (suite, folder, name) in [
        ("good", "dists/good/", "main/binary-amd64/Packages.lz4"),
        ("good", "dists/good/", "main/binary-amd64/Packages.diff"),
        ("./", "", "Packages.lz4"),
        ("./", "", "Sources"),
    ] {
        let archive = Served::new();
        archive.pool(&[&tool]);
        archive.suite(folder, GOOD, &[(name, b"x")]);
        let place = archive.place(&format!("suite: {suite}"), "amd64", "tool");
        archive.build(&place).refused(4, &["Packages"]);
    }
}

#[test]
fn digests_that_can_be_forged_vouch_for_nothing() {
    let tool = packed("tool", "1.0", "amd64", "");
    let archive = Served::new();
    archive.pool(&[&tool]);
    for (name, length) in [("MD5Sum", 32), ("SHA1", 40)] {
        let weak = |_: &[u8]| "0".repeat(length);
        let index = tool.entry();
        let files = [("main/binary-amd64/Packages", index.as_bytes())];
        archive.suite_by((name, &weak), "dists/good/", GOOD, &files);
        let place = archive.place("suite: good", "amd64", "tool");
        archive
            .build(&place)
            .refused(4, &["neither `SHA256` nor `SHA512`", name, "can be forged"]);
    }
}

#[test]
fn indexes_are_read_in_every_compression_that_archives_use() {
    let tool = packed("tool", "1.0", "amd64", "");
    let plain = tool.entry();
    let forms: [(&str, &[&str]); 6] = [
        ("", &["cat"]),
        (".gz", &["gzip", "-n"]),
        (".bz2", &["bzip2"]),
        (".lzma", &["xz", "--format=lzma"]),
        (".xz", &["xz"]),
        (".zst", &["zstd", "-q"]),
    ];
    for (suffix, program) in forms {
        let path = format!("main/binary-amd64/Packages{suffix}");
        let bytes = compressed(program, plain.as_bytes());
        let archive = Served::new();
        archive.pool(&[&tool]);
        archive.suite("dists/good/", GOOD, &[(&path, &bytes)]);
        let place = archive.place("suite: good", "amd64", "tool");
        archive.build(&place).succeeded();
        // One that is cut, although signed so, is malformed, and not a shorter index.
        if !suffix.is_empty() {
            archive.suite("dists/good/", GOOD, &[(&path, &bytes[..bytes.len() - 6])]);
            let place = archive.place("suite: good", "amd64", "tool");
            archive
                .build(&place)
                .refused(4, &["the archive own, suite good", &path]);
        }
    }
    let archive = Served::new();
    archive.suite(
        "dists/good/",
        GOOD,
        &[("main/binary-amd64/Packages.lz4", b"x")],
    );
    let place = archive.place("suite: good", "amd64", "tool");
    archive
        .build(&place)
        .refused(4, &["only in forms that are not read"]);
}

#[test]
fn an_index_that_unfolds_to_more_than_is_signed_is_refused() {
    let tool = packed("tool", "1.0", "amd64", "");
    let bomb = compressed(&["xz"], &vec![b'\n'; 16 << 20]);
    let archive = Served::new();
    let plain = tool.entry();
    archive.suite(
        "dists/good/",
        GOOD,
        &[
            ("main/binary-amd64/Packages", plain.as_bytes()),
            ("main/binary-amd64/Packages.xz", &bomb),
        ],
    );
    let place = archive.place("suite: good", "amd64", "tool");
    archive.build(&place).refused(4, &["unfolds to more"]);
}

/// A mirror that has trixie under another name too.
fn trixie_as(name: &'static str) -> Mirror {
    Mirror::lying(move |path| {
        let real = path.replace(&format!("/dists/{name}"), "/dists/trixie");
        (real != path)
            .then(|| upstream::file(&real))
            .flatten()
            .map(|bytes| Lie::Bytes(bytes.to_vec()))
    })
}

#[test]
fn stable_is_a_release_whose_codename_the_lock_keeps() {
    let mirror = trixie_as("stable");
    let place =
        support::workplace::Workplace::cold(&support::workplace::SPEC.replace("trixie", "stable"));
    place.build_from(&mirror).succeeded();
    let path = "image.stable.lock.json";
    let text = place.read(path);
    let lock: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(lock["release"], "stable");
    let codenames: Vec<&str> = lock["archives"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|archive| archive["codename"].as_str().expect("a text"))
        .collect();
    assert_eq!(codenames, ["trixie", "trixie-updates", "trixie-security"]);
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    // The day on which another release is stable: it is not taken unnoticed.
    place.write(path, text.replace("\"trixie", "\"bookworm"));
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .refused(4, &["now, and was that of `bookworm", "remove the lock"]);
}

#[test]
fn a_suite_under_the_name_of_another_is_refused() {
    // The signature is Debian's own; what it says of itself is not what was asked for.
    for name in ["testing", "oldstable", "unstable", "forky"] {
        let place =
            support::workplace::Workplace::cold(&support::workplace::SPEC.replace("trixie", name));
        place
            .build_from(&trixie_as(name))
            .refused(4, &["the archive debian", "is refused"]);
        place.has_nothing_of(&[]);
    }
}

#[test]
fn suites_of_two_releases_do_not_make_one_stable() {
    let mirror = Mirror::lying(|path| {
        let real = match path.contains("/dists/stable-security") {
            true => path.replace("/dists/stable-security", "/dists/bookworm-security"),
            false => path.replace("/dists/stable", "/dists/trixie"),
        };
        (real != path)
            .then(|| upstream::file(&real))
            .flatten()
            .map(|bytes| Lie::Bytes(bytes.to_vec()))
    });
    let place =
        support::workplace::Workplace::cold(&support::workplace::SPEC.replace("trixie", "stable"));
    place
        .build_from(&mirror)
        .refused(4, &["stable-security", "is refused"]);
}

/// The moment, in RFC 3339, by which all of Debian's suites had been made as they are now, and so many
/// seconds more.
fn after_debian(seconds: u32) -> String {
    let newest = [
        "debian/dists/trixie/InRelease",
        "debian/dists/trixie-updates/InRelease",
        "debian-security/dists/trixie-security/InRelease",
    ]
    .map(|path| {
        let text = String::from_utf8_lossy(&upstream::known(path)).into_owned();
        let date = text.lines().find_map(|line| line.strip_prefix("Date: "));
        moment(date.expect("it has a date"))
    });
    // A minute for the signature, which is made after the file.
    let newest = newest.iter().max().expect("three");
    moment(&format!("{newest} + {} seconds", seconds + 60))
}

#[test]
fn an_archive_of_the_past_is_judged_as_of_then() {
    let then = after_debian(600);
    let tool = packed("tool", "1.0", "amd64", "");
    let index = tool.entry();
    let mut archive = Served::new();
    archive.signed = format!("{then} - 1 day");
    archive.pool(&[&tool]);
    let until = format!("{then} + 10 seconds");
    let fields = format!("{GOOD}Valid-Until: {}\n", date(&until));
    archive.suite(
        "dists/good/",
        &fields,
        &[("main/binary-amd64/Packages", index.as_bytes())],
    );
    let place = archive.place("suite: good", "amd64", "tool");
    archive
        .run(&place, "lock", &[])
        .refused(4, &["was valid until"]);
    archive
        .run(&place, "build", &["-o", "out", "--as-of", &then])
        .succeeded();
    assert_eq!(lock_of(&place)["as-of"], then.as_str());

    // The lock is taken as it is, and as of the moment it names, not of another.
    archive
        .run(&place, "build", &["-o", "out", "--locked"])
        .succeeded();
    archive
        .run(
            &place,
            "build",
            &["-o", "out", "--locked", "--as-of", &then],
        )
        .succeeded();
    let other = moment(&format!("{then} + 1 seconds"));
    archive
        .run(
            &place,
            "build",
            &["-o", "out", "--locked", "--as-of", &other],
        )
        .refused(3, &["it was locked as of"]);

    // A lock never goes back by itself.
    let before = moment(&format!("{then} - 30 days"));
    archive
        .run(&place, "lock", &["--as-of", &before])
        .refused(3, &["after the moment asked for", "never goes back"]);

    // Over by then; and made after then, if only by the signature.
    let place = archive.place("suite: good", "amd64", "tool");
    let late = moment(&format!("{until} + 1 seconds"));
    archive
        .run(&place, "lock", &["--as-of", &late])
        .refused(4, &["was valid until", "before the moment asked for"]);
    archive.signed = format!("{then} + 2 seconds");
    let undated = "Suite: good\nCodename: good\nComponents: main\n";
    archive.suite(
        "dists/good/",
        undated,
        &[("main/binary-amd64/Packages", index.as_bytes())],
    );
    archive
        .run(&place, "lock", &["--as-of", &then])
        .refused(4, &["after the moment asked for"]);
    assert!(!place.path("image.trixie.lock.json").exists());
}

#[test]
fn a_moment_is_a_date_or_a_date_with_its_time() {
    let archive = Served::new();
    let place = archive.place("suite: good", "amd64", "tool");
    for wrong in [
        "yesterday",
        "2026-13-01",
        "2026-11-01T12:00:00",
        "1700000000",
        "",
        "1969-01-01",
    ] {
        archive
            .run(&place, "lock", &["--as-of", wrong])
            .refused(2, &["--as-of"]);
    }
    archive
        .run(&place, "lock", &["--as-of", "2999-01-01"])
        .refused(2, &["it is in the future"]);
}

#[test]
fn packages_of_a_foreign_architecture_stand_beside_the_images_own() {
    let same = "Multi-Arch: same\n";
    let packages = [
        packed("library", "1.0", "amd64", same),
        packed("library", "1.0", "arm64", same),
        packed("tool", "1.0", "arm64", "Depends: library, data\n"),
        packed("data", "1.0", "all", "Multi-Arch: foreign\n"),
    ];
    let index = |of: &[usize]| -> String { of.iter().map(|at| packages[*at].entry()).collect() };
    let archive = Served::new();
    archive.pool(&packages.iter().collect::<Vec<_>>());
    archive.suite(
        "dists/good/",
        "Suite: good\nCodename: good\nArchitectures: amd64 arm64\nComponents: main\n",
        &[
            ("main/binary-amd64/Packages", index(&[0, 3]).as_bytes()),
            ("main/binary-arm64/Packages", index(&[1, 2, 3]).as_bytes()),
        ],
    );
    let place = archive.place("suite: good", "amd64", "library");
    let spec = place
        .read("image.yaml")
        .replace(", dependencies: false", "");
    let more = "  - tool:arm64\npackage-database: full\n";
    place.write("image.yaml", format!("{spec}{more}"));
    archive.build(&place).succeeded();
    let lock = lock_of(&place);
    assert_eq!(
        lock["images"][0]["packages"],
        serde_json::json!(["data", "library", "library:arm64", "tool:arm64"])
    );
    let of_arm64 = lock["packages"].as_array().expect("a list").iter();
    assert_eq!(
        of_arm64
            .filter(|one| one["architecture"] == "arm64")
            .count(),
        2
    );
    let (plain, _) = place.layers();
    let text = String::from_utf8_lossy(&plain);
    for part in [
        "\0amd64\narm64\n\0",
        "Package: tool\nStatus: install ok installed\nVersion: 1.0\nArchitecture: arm64\n",
        "var/lib/dpkg/info/library:arm64.list",
        "var/lib/dpkg/info/library:amd64.list",
        "var/lib/dpkg/info/tool.list",
        "./usr/share/library/arm64",
    ] {
        let part = part.trim_start_matches("./");
        assert!(text.contains(part), "{part}");
    }
    let bill = place.basalt(&["sbom", "out", "--format", "cyclonedx"]);
    assert!(
        bill.out.contains("arch=arm64"),
        "{}{}",
        bill.out,
        bill.error
    );
    archive
        .run(&place, "build", &["-o", "out", "--locked"])
        .succeeded();
    // The machine's own architecture need not be said.
    place.write("image.yaml", format!("{spec}  - \"data:amd64\"\n"));
    archive.build(&place).succeeded();
}
