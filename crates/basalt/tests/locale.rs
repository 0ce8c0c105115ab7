//! One chosen locale: the image has it compiled, and no other, and its own C library finds it.
//!
//! These tests need the archive's mirror.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::mirror::Mirror;
use support::workplace::Workplace;

const SPEC: &str = "name: image\nreleases: [trixie]\narchitectures: [amd64]\nlocale: de_DE.UTF-8\npackages:\n  \
                    - { name: libc6, dependencies: false }\n  - { name: libc-bin, dependencies: false }\n";

/// Writes the image's files into a folder.
fn unpack(place: &Workplace, root: &Path) {
    let (layers, _) = place.layers();
    let mut archive = tar::Archive::new(layers.as_slice());
    archive.set_ignore_zeros(true);
    archive.unpack(root).expect("unpacked");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// All files below a folder: how many, and their bytes.
fn size(folder: &Path) -> (usize, u64) {
    let mut sum = (0, 0);
    for name in names(folder) {
        let path = folder.join(name);
        let about = fs::symlink_metadata(&path).expect("it is there");
        let (files, bytes) = match about.is_dir() {
            true => size(&path),
            false if about.is_file() => (1, about.len()),
            false => (0, 0),
        };
        sum = (sum.0 + files, sum.1 + bytes);
    }
    sum
}

#[test]
fn the_c_library_of_the_image_finds_the_locale_that_was_chosen_and_no_other() {
    let place = Workplace::warm(SPEC);
    place.build_from(&Mirror::honest()).succeeded();
    let root = place.path("root");
    unpack(&place, &root);
    let locales = root.join("usr/lib/locale");
    assert!(locales.join("de_DE.utf8/LC_TIME").exists());
    // Those that its links lead to have just that; C.UTF-8 is of the C library.
    assert!(names(&locales).len() < 20, "{:?}", names(&locales));
    let (files, bytes) = size(&locales);
    assert!(
        files < 40 && bytes < 6_000_000,
        "{files} files, {bytes} bytes"
    );
    println!("{files} files, {bytes} bytes of locales");
    let translations = root.join("usr/share/locale");
    for name in names(&translations) {
        assert!(name.starts_with("de") || name == "locale.alias", "{name}");
    }

    let config = place.basalt(&["inspect", "out", "--json"]).succeeded();
    assert!(config.out.contains("LANG=de_DE.UTF-8"), "{}", config.out);

    // The image's own loader, library and program; nothing of this machine's.
    let ask = |locale: &str, what: &str| {
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let output = Command::new(libraries.join("ld-linux-x86-64.so.2"))
            .arg("--library-path")
            .arg(&libraries)
            .arg(root.join("usr/bin/locale"))
            .arg(what)
            .env_clear()
            .env("LOCPATH", &locales)
            .env("LC_ALL", locale)
            .output()
            .expect("it runs on amd64");
        let text = String::from_utf8(output.stdout).expect("text");
        (text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    if cfg!(target_arch = "x86_64") {
        let (days, complaints) = ask("de_DE.UTF-8", "day");
        assert!(
            days.starts_with("Sonntag;Montag;Dienstag;"),
            "{days} {complaints}"
        );
        assert_eq!(complaints, "", "setlocale fails");
        assert_eq!(ask("de_DE.UTF-8", "charmap").0, "UTF-8\n");
        assert_eq!(ask("de_DE.UTF-8", "decimal_point").0, ",\n");
        // Another is not there: the C library says so and goes on in English.
        let (days, complaints) = ask("fr_FR.UTF-8", "day");
        assert!(days.starts_with("Sunday;"), "{days}");
        assert!(complaints.contains("Cannot set"), "{complaints}");
    }
}

#[test]
fn a_locale_that_the_archive_does_not_have_is_answered_by_those_of_its_language() {
    let place = Workplace::warm(&SPEC.replace("de_DE.UTF-8", "de_FR.UTF-8"));
    let run = place.build_from(&Mirror::honest());
    run.refused(
        3,
        &["`locale: de_FR.UTF-8`", "locales-all", "`de_DE.UTF-8`"],
    );
}
