//! The digests of one whole image, pinned: any change of what a spec and packages become is a new
//! compatibility number (`basalt_lock::COMPATIBILITY`), for a lock promises the same bytes.
//!
//! This test needs the archive's mirror, for the suites of the distribution.

mod support;

use basalt_lock::COMPATIBILITY;
use support::mirror::Mirror;
use support::own_archive::workplace;

const LOCK: &str = "image.trixie.lock.json";

/// What the number, the image below and each codec give.
const PINNED: [(u32, &str, &str); 8] = [
    (
        1,
        "gzip",
        "sha256:b0424ada5bffdb117b573b78c84dec9dedfdcab6dbf8d2557d91906529edf36e",
    ),
    (
        1,
        "zstd",
        "sha256:6d1d61e200aab4c3242adfe47eaf4d01a38d198fc8e2b0d71a481f264ae8a7eb",
    ),
    (
        2,
        "gzip",
        "sha256:b0424ada5bffdb117b573b78c84dec9dedfdcab6dbf8d2557d91906529edf36e",
    ),
    (
        2,
        "zstd",
        "sha256:6d1d61e200aab4c3242adfe47eaf4d01a38d198fc8e2b0d71a481f264ae8a7eb",
    ),
    (
        3,
        "gzip",
        "sha256:b0424ada5bffdb117b573b78c84dec9dedfdcab6dbf8d2557d91906529edf36e",
    ),
    (
        3,
        "zstd",
        "sha256:6d1d61e200aab4c3242adfe47eaf4d01a38d198fc8e2b0d71a481f264ae8a7eb",
    ),
    (
        4,
        "gzip",
        "sha256:b0424ada5bffdb117b573b78c84dec9dedfdcab6dbf8d2557d91906529edf36e",
    ),
    (
        4,
        "zstd",
        "sha256:6d1d61e200aab4c3242adfe47eaf4d01a38d198fc8e2b0d71a481f264ae8a7eb",
    ),
];

/// Every kind of thing that a spec can add to a package.
const REST: &str = "
users:
  - { name: service, uid: 1000, home: /srv }
groups:
  - { name: readers, gid: 1001, members: [service] }
files:
  - { path: /etc/motd, content: \"hello\\n\" }
  - { path: /var/spool/work, directory: true, mode: \"0750\", user: service, group: readers }
  - { path: /etc/greeting, link: motd }
environment: { GREETING: hello }
entrypoint: [/usr/bin/tool]
user: service
working-directory: /srv
ports: [8080]
labels: { purpose: pinned }
";

#[test]
fn an_image_is_the_same_for_as_long_as_the_compatibility_number_is() {
    let mirror = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    let spec = place.read("image.yaml");
    place.write("image.yaml", format!("{spec}{REST}"));
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    let newest = place.read(LOCK);
    let said = |number: u32| format!("\"compatibility\": {number}");
    assert!(newest.contains(&said(COMPATIBILITY)), "{newest}");
    for number in 1..=COMPATIBILITY {
        assert!(
            PINNED.iter().any(|pinned| pinned.0 == number),
            "pin the digests of {number}"
        );
    }
    for (number, codec, expected) in PINNED {
        place.write(LOCK, newest.replace(&said(COMPATIBILITY), &said(number)));
        let build = [
            "build",
            "image.yaml",
            "--locked",
            "-o",
            "out",
            "--json",
            "--compression",
            codec,
        ];
        let run = place.basalt_from(&mirror, &build).succeeded();
        assert_eq!(run.json()["digest"], expected, "{number} {codec}");
    }
}

/// What each number gives an image of two packages, the one of a day after the other's: in 1 the
/// directories of both layers have that day.
const OF_TWO_DAYS: [(u32, &str); 4] = [
    (
        1,
        "sha256:e61ef5e640fd48a19189f02cb78d7489cc544ab379cd3f151afdbc47b6d09829",
    ),
    (
        2,
        "sha256:610fd4bbbfdbe6f32ce19eb4f4a0eaffbb9d437225127c0ee22bef414d4d059c",
    ),
    (
        3,
        "sha256:610fd4bbbfdbe6f32ce19eb4f4a0eaffbb9d437225127c0ee22bef414d4d059c",
    ),
    (
        4,
        "sha256:610fd4bbbfdbe6f32ce19eb4f4a0eaffbb9d437225127c0ee22bef414d4d059c",
    ),
];

#[test]
fn the_times_of_directories_are_the_same_for_as_long_as_the_compatibility_number_is() {
    let mirror = Mirror::honest();
    let place = workplace("good", "good.asc", "good-setuid");
    let spec = place.read("image.yaml");
    place.write(
        "image.yaml",
        format!("{spec}  - {{ name: linked-manual, dependencies: false }}\nkeep: {{ documentation: true }}\n"),
    );
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    let mut lock: serde_json::Value = serde_json::from_str(&place.read(LOCK)).expect("JSON");
    lock["packages"][1]["date"] = "2023-11-15T00:00:00Z".into();
    lock["images"][0]["layers"] = serde_json::json!([["good-setuid"], ["linked-manual"]]);
    for (number, expected) in OF_TWO_DAYS {
        lock["compatibility"] = number.into();
        place.write(LOCK, lock.to_string());
        let build = ["build", "image.yaml", "--locked", "-o", "out", "--json"];
        let run = place.basalt_from(&mirror, &build).succeeded();
        assert_eq!(run.json()["digest"], expected, "{number}");
    }
}
