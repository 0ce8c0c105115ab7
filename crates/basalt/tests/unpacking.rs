//! Where files of packages come to stand, beside the real dpkg: diversions, links in the place of directories,
//! optional members of a package.
//!
//! These tests need the archive's mirror, for the suites of the distribution, and dpkg.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use support::mirror::Mirror;
use support::own_archive::{self, workplace};
use support::workplace::Workplace;

type Files = BTreeMap<String, String>;

/// The regular files of an image, with their content, as far as these packages bring them.
fn files_of(place: &Workplace) -> Files {
    let (layers, _) = place.layers();
    let mut archive = tar::Archive::new(layers.as_slice());
    archive.set_ignore_zeros(true);
    let mut files = Files::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && is_of_these(&path) {
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            files.insert(path.trim_start_matches("./").to_owned(), text);
        }
    }
    files
}

fn is_of_these(path: &str) -> bool {
    ["chosen", "runs", "state", "diverts", "signed"]
        .iter()
        .any(|word| path.contains(word) && !path.contains("var/lib/dpkg"))
}

/// An image with these packages of the own archive, and others of the distribution.
fn image(packages: &[&str], more: &str, compatibility: Option<u32>) -> Workplace {
    let (first, rest) = packages.split_first().expect("one at least");
    let place = workplace("good", "good.asc", first);
    let mut spec = place.read("image.yaml");
    for name in rest {
        spec.push_str(&format!("  - {{ name: {name}, dependencies: false }}\n"));
    }
    place.write("image.yaml", spec + more);
    let mirror = Mirror::honest();
    if let Some(number) = compatibility {
        place
            .basalt_from(&mirror, &["lock", "image.yaml"])
            .succeeded();
        let lock = "image.trixie.lock.json";
        let mut document: serde_json::Value =
            serde_json::from_str(&place.read(lock)).expect("JSON");
        document["compatibility"] = number.into();
        place.write(lock, document.to_string());
    }
    place
}

/// What dpkg makes of the packages in a root, in this order.
fn unpacked_by_dpkg(root: &Path, packages: &[&str]) -> Files {
    for folder in ["usr/bin", "var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(folder)).expect("made");
    }
    fs::write(root.join("var/lib/dpkg/status"), "").expect("written");
    for name in packages {
        let bytes = own_archive::file(&format!("pool/main/{name}_1.0_amd64.deb"));
        let path = root.join(format!("{name}.deb"));
        fs::write(&path, bytes.expect("it is in the archive")).expect("written");
        let output = Command::new("dpkg")
            .arg("--root")
            .arg(root)
            .args([
                "--force-script-chrootless",
                "--force-architecture",
                "--force-not-root",
            ])
            .args(["--force-unsafe-io", "--install"])
            .arg(&path)
            .output()
            .expect("these tests need `dpkg`");
        assert!(output.status.success(), "{output:?}");
        fs::remove_file(path).expect("removed");
    }
    let mut files = Files::new();
    walk(root, root, &mut files);
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("there").file_type();
        let name = path.strip_prefix(root).expect("below").to_string_lossy();
        if kind.is_dir() {
            walk(root, &path, files);
        } else if kind.is_file() && is_of_these(&name) {
            files.insert(name.into_owned(), fs::read_to_string(&path).expect("text"));
        }
    }
}

fn files(expected: &[(&str, &str)]) -> Files {
    let expected = expected.iter();
    expected
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn a_package_that_diverts_what_it_ships_has_its_file_at_the_path_as_dpkg_has_it() {
    let expected = files(&[
        ("usr/bin/chosen", "its own"),
        ("usr/bin/chosen.distrib", "the other's"),
        ("usr/share/diverts", "x"),
    ]);
    for order in [["diverts", "diverted"], ["diverted", "diverts"]] {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(unpacked_by_dpkg(root.path(), &order), expected, "{order:?}");
        let place = image(&order, "", None);
        place.build_from(&Mirror::honest()).succeeded();
        assert_eq!(files_of(&place), expected, "{order:?}");
        let explained = place.basalt(&["explain", "image.yaml", "/usr/bin/chosen.distrib"]);
        assert!(explained.succeeded().out.contains("diverted"));
    }
    // By itself it brings its own file.
    let place = image(&["diverts"], "", None);
    place.build_from(&Mirror::honest()).succeeded();
    assert_eq!(files_of(&place)["usr/bin/chosen"], "its own");
}

#[test]
fn what_is_shipped_below_var_run_stands_where_the_link_leads_as_dpkg_has_it() {
    let expected = files(&[
        ("run/lock/runs", "locked"),
        ("run/runs/state", "running"),
        ("usr/share/runs", "x"),
    ]);
    let root = tempfile::tempdir().expect("a folder");
    // As base-files leaves it, which is configured before all others.
    fs::create_dir_all(root.path().join("run/lock")).expect("made");
    fs::create_dir_all(root.path().join("var")).expect("made");
    // Relative, as absolute ones would lead out of this root.
    std::os::unix::fs::symlink("../run", root.path().join("var/run")).expect("made");
    std::os::unix::fs::symlink("../run/lock", root.path().join("var/lock")).expect("made");
    assert_eq!(unpacked_by_dpkg(root.path(), &["runs"]), expected);
    let beside = "  - { name: base-files, dependencies: false }\n";
    let place = image(&["runs"], beside, None);
    place.build_from(&Mirror::honest()).succeeded();
    assert_eq!(files_of(&place), expected);
    // A lock of before gives what it gave before.
    let place = image(&["runs"], beside, Some(3));
    place
        .basalt_from(
            &Mirror::honest(),
            &["build", "image.yaml", "--locked", "-o", "out"],
        )
        .succeeded();
    assert_eq!(files_of(&place), files(&[("usr/share/runs", "x")]));
    // Where nothing makes links of them, they are directories.
    let place = image(&["runs"], "", None);
    place.build_from(&Mirror::honest()).succeeded();
    assert_eq!(files_of(&place)["var/run/runs/state"], "running");
    assert_eq!(files_of(&place)["var/lock/runs"], "locked");
}

#[test]
fn a_package_with_optional_members_is_taken() {
    let place = image(&["signed"], "", None);
    place.build_from(&Mirror::honest()).succeeded();
    assert_eq!(files_of(&place), files(&[("usr/share/signed", "x")]));
}
