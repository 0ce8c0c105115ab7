//! `minimize: reachable`: images that keep only what their roots reach.
//!
//! These tests need the archive's mirror.

mod support;

use support::mirror::Mirror;
use support::workplace::Workplace;

const SPEC: &str = "\
name: probe
releases: [trixie]
architectures: [amd64]
packages:
  - hostname
  - dash
  - base-passwd
entrypoint: [/usr/bin/hostname]
minimize:
  reachable:
    keep: [/usr/share/nothing/**]
assertions:
  no-shell: true
";

fn explained(place: &Workplace, mirror: &Mirror, path: &str) -> support::workplace::Run {
    place.basalt_in(&[], mirror, &["explain", "image.yaml", path])
}

/// Builds what was built, by its lock and the cache alone.
const AGAIN: [&str; 6] = [
    "build",
    "image.yaml",
    "-o",
    "again",
    "--locked",
    "--offline",
];

#[test]
fn an_image_keeps_what_its_entrypoint_reaches_and_the_lock_pins_it() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    let lock = place.read("image.trixie.lock.json");
    let document: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
    let kept = &document["images"][0]["kept"];
    assert_eq!(
        kept["hostname"],
        serde_json::json!(["/usr/bin/hostname", "/usr/share/doc/hostname/copyright"])
    );
    // The shell is in the closure, and nothing leads to it.
    assert!(
        document["images"][0]["packages"]
            .to_string()
            .contains("dash")
    );
    assert!(kept.get("dash").is_none(), "{kept}");
    for path in ["/usr/bin/hostname", "/usr/lib/x86_64-linux-gnu/libc.so.6"] {
        explained(&place, &mirror, path).succeeded();
    }
    let accounts = explained(&place, &mirror, "/etc/passwd").succeeded();
    assert!(accounts.out.contains("base-passwd"), "{}", accounts.out);
    assert!(!accounts.out.contains("left out"), "{}", accounts.out);
    for path in [
        "/usr/bin/dash",
        "/usr/lib/x86_64-linux-gnu/libm.so.6",
        "/usr/bin/dnsdomainname",
    ] {
        let told = explained(&place, &mirror, path).succeeded();
        assert!(
            told.out
                .contains("left out by minimize: no root reaches it"),
            "{}",
            told.out
        );
    }
    let index = place.read("out/index.json");
    place.basalt(&AGAIN).succeeded();
    assert_eq!(
        place.read("again/index.json"),
        index,
        "the same lock, the same bytes"
    );
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    assert_eq!(
        place.read("image.trixie.lock.json"),
        lock,
        "the same answer"
    );
}

#[test]
fn scanners_see_each_package_and_that_it_is_not_whole() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    let run = place.basalt(&["inspect", "out", "--packages"]).succeeded();
    assert!(run.out.contains("libc6 "), "{}", run.out);
    let marked = |plain: &[u8]| {
        let text = String::from_utf8_lossy(plain).into_owned();
        text.matches("X-Basalt-Slices: reachable\n").count()
    };
    let (plain, size) = place.layers();
    assert!(marked(&plain) > 0, "libc6 is not whole");
    let (spec, rest) = SPEC.split_once("minimize:").expect("it is there");
    let spec = format!(
        "{spec}{}",
        &rest[rest.find("assertions:").expect("it is there")..]
    );
    let whole = Workplace::warm(&spec.replace("no-shell", "no-setuid"));
    whole.build_from(&mirror).succeeded();
    let (plain, other) = whole.layers();
    assert_eq!(marked(&plain), 0);
    assert!(size * 2 < other, "{size} and {other}");
}

#[test]
fn a_root_that_matches_nothing_makes_no_lock() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(&SPEC.replace("[/usr/bin/hostname]", "[/usr/bin/nothing]"));
    place
        .build_from(&mirror)
        .refused(1, &["the root `/usr/bin/nothing` matches nothing"]);
    assert!(!place.path("image.trixie.lock.json").exists());
    place.has_nothing_of(&[]);
}

#[test]
fn a_lock_that_does_not_say_what_is_kept_is_not_built() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    let lock = place.read("image.trixie.lock.json");
    let mut document: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
    let image = document["images"][0].as_object_mut().expect("a mapping");
    image.remove("kept");
    place.write("image.trixie.lock.json", document.to_string());
    place
        .basalt(&AGAIN)
        .refused(3, &["does not say what is kept of probe for amd64"]);
}
