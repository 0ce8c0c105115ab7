//! `basalt slice`: what programs of the real archive reach.
//!
//! These tests need the archive's mirror.

mod support;

use support::mirror::Mirror;
use support::workplace::{Run, SPEC, Workplace};

fn place() -> Workplace {
    Workplace::warm(SPEC)
}

fn slice(place: &Workplace, arguments: &[&str]) -> Run {
    let all: Vec<&str> = ["slice", "--arch", "amd64"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    place.basalt_in(&[], &Mirror::honest(), &all)
}

#[test]
fn a_slice_is_proposed_with_the_reason_of_each_file() {
    let place = place();
    let run = slice(&place, &["hostname", "--roots", "/usr/bin/hostname"]).succeeded();
    let mine = run
        .out
        .split("---\n")
        .find(|text| text.starts_with("package: hostname\n"));
    insta::assert_snapshot!(mine.expect("it is proposed"), @r#"
    package: hostname

    essential:
      - hostname_copyright

    slices:
      bins:
        essential:
          - libc6_libs  # /usr/bin/hostname → /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
          - libgcc-s1_libs  # /usr/lib/x86_64-linux-gnu/libc.so.6 → /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
        contents:
          /usr/bin/hostname:  # root /usr/bin/hostname

      copyright:
        contents:
          /usr/share/doc/hostname/copyright:  # licence of hostname
    "#);
    let libc = run
        .out
        .split("---\n")
        .find(|text| text.starts_with("package: libc6\n"));
    let libc = libc.expect("it is needed");
    assert!(libc.contains("/usr/lib/*-linux-*/libc.so.6:"), "{libc}");
    assert!(
        !place.path("slice.trixie.lock.json").exists(),
        "a lock appeared"
    );
    assert!(!place.path("out").exists(), "an image appeared");
}

#[test]
fn one_file_is_explained_step_by_step() {
    let place = place();
    let run = slice(
        &place,
        &["hostname", "--why", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
    )
    .succeeded();
    insta::assert_snapshot!(run.out, @r#"
    /usr/lib/x86_64-linux-gnu/libc.so.6
      needed library libc.so.6
    /usr/bin/hostname
      root /usr/bin/hostname
    "#);
    slice(
        &place,
        &["hostname", "--why", "/usr/lib/x86_64-linux-gnu/libm.so.6"],
    )
    .refused(
        1,
        &[
            "libm.so.6 is not reached",
            "nothing that was followed leads to it",
        ],
    );
    slice(&place, &["hostname", "--roots", "/usr/bin/hostnam"])
        .refused(1, &["the root `/usr/bin/hostnam` matches nothing"]);
    slice(&place, &["tzdata"]).refused(1, &["no root is given"]);
}

#[test]
fn definitions_are_written_once_and_never_over_others() {
    let place = place();
    let write = || slice(&place, &["hostname", "--output", "slices"]);
    write().succeeded();
    assert!(
        place
            .read("slices/hostname.yaml")
            .starts_with("package: hostname\n")
    );
    place.write("slices/hostname.yaml", "mine");
    write().refused(1, &["slices/gcc-14-base.yaml is there already", "--output"]);
    assert_eq!(place.read("slices/hostname.yaml"), "mine");
}

fn paths(document: &serde_json::Value) -> Vec<&str> {
    let files = document["files"].as_array().expect("a list");
    files
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect()
}

#[test]
fn curl_and_python_reach_what_they_need() {
    let place = place();
    let document = slice(&place, &["--json", "curl", "--roots", "/usr/bin/curl"])
        .succeeded()
        .json();
    let curl = paths(&document);
    for path in [
        "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        "/usr/lib/x86_64-linux-gnu/libidn2.so.0",
    ] {
        assert!(curl.contains(&path), "{path} of {curl:?}");
    }
    assert!(!curl.contains(&"/usr/bin/wcurl"), "nothing leads to it");
    let roots = ["/usr/bin/python3", "/usr/lib/python3.13/http/**"];
    let document = slice(
        &place,
        &["--json", "python3", "--roots", roots[0], roots[1]],
    )
    .succeeded()
    .json();
    let python = paths(&document);
    for path in [
        "/usr/bin/python3.13",
        "/usr/lib/python3.13/encodings/utf_8.py",
        "/usr/lib/python3.13/http/server.py",
        "/usr/lib/python3.13/socketserver.py",
        "/usr/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    ] {
        assert!(python.contains(&path), "{path} of {python:?}");
    }
    for path in [
        "/usr/lib/python3.13/turtle.py",
        "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0",
    ] {
        assert!(!python.contains(&path), "{path}");
    }
    let asked = document["questions"].to_string();
    assert!(
        asked.contains("which modules do your own programs import?"),
        "{asked}"
    );
    let size = |name: &str| document["size"][name].as_u64().expect("a number");
    assert!(
        size("reached") * 3 < size("all") * 2,
        "{}",
        document["size"]
    );
}
