//! The digests of one whole image, pinned: any change of what a spec and packages become is a new
//! compatibility number (`basalt_layer::COMPATIBILITY`), for a lock promises the same bytes.
//!
//! This test needs the archive's mirror, for the suites of the distribution.

mod support;

use basalt_layer::COMPATIBILITY;
use support::mirror::Mirror;
use support::own_archive::workplace;

/// What the number, the image below and each codec give.
const PINNED: [(u32, &str, &str); 2] = [
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
    for (number, codec, expected) in PINNED {
        assert_eq!(number, COMPATIBILITY, "pin the digests of the new number");
        let build = [
            "build",
            "image.yaml",
            "-o",
            "out",
            "--json",
            "--compression",
            codec,
        ];
        let run = place.basalt_from(&mirror, &build).succeeded();
        assert_eq!(run.json()["digest"], expected, "{codec}");
    }
}
