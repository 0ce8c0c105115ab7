//! Of the licence texts that Debian keeps in one place, an image has those that its packages name.
//!
//! These tests need the archive's mirror.

mod support;

use support::mirror::Mirror;
use support::workplace::Workplace;

const LOCK: &str = "image.trixie.lock.json";

const SPEC: &str = "\
name: probe
releases: [trixie]
architectures: [amd64]
packages:
  - { name: base-files, dependencies: false }
  - { name: libgcc-s1, dependencies: false }
  - { name: gcc-14-base, dependencies: false }
";

/// Whether the image has the common text.
fn has(place: &Workplace, mirror: &Mirror, name: &str) -> bool {
    let path = format!("/usr/share/common-licenses/{name}");
    let run = place.basalt_in(&[], mirror, &["explain", "image.yaml", &path]);
    match run.status {
        0 => true,
        _ => {
            run.refused(1, &["nothing stands at"]);
            false
        }
    }
}

#[test]
fn the_texts_that_a_copyright_file_names_are_there_and_no_others() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    // gcc's names `GPL` too, a link, and so what it leads to.
    for named in ["GPL", "GPL-3", "GFDL-1.2", "LGPL", "LGPL-3"] {
        assert!(has(&place, &mirror, named), "{named}");
    }
    for unnamed in ["AGPL-3.0", "MPL-1.1", "CC-BY-4.0"] {
        assert!(!has(&place, &mirror, unnamed), "{unnamed}");
    }
}

#[test]
fn who_keeps_documentation_has_all_texts() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(&format!("{SPEC}keep: {{ documentation: true }}\n"));
    place.build_from(&mirror).succeeded();
    assert!(has(&place, &mirror, "AGPL-3.0"));
}

#[test]
fn a_lock_of_former_days_has_all_texts_as_it_had() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    let lock = place.read(LOCK);
    place.write(
        LOCK,
        lock.replace("\"compatibility\": 4", "\"compatibility\": 2"),
    );
    assert!(has(&place, &mirror, "AGPL-3.0"));
}
