//! What is read of a spec's folder: once, so that what was compared with the lock is what goes into the image.
//!
//! These tests need the archive's mirror.

mod support;

use std::fs;
use std::path::PathBuf;

use basalt_digest::Digest;
use support::mirror::{Lie, Mirror};
use support::workplace::Workplace;

const LOCKED: &str = "as it was locked";
const CHANGED: &str = "changed during the build";

/// A mirror that changes a file of the folder once the first package is asked for: by then the lock was compared
/// with the folder.
fn changing(path: PathBuf, content: String) -> Mirror {
    Mirror::lying(move |asked| {
        if asked.ends_with(".deb") {
            fs::write(&path, &content).expect("the file is changed");
        }
        None
    })
}

/// Locks a spec, empties the cache, and builds it while a file of its folder changes.
fn built_while_changing(place: &Workplace, file: &str, content: &str) {
    let honest = Mirror::honest();
    place
        .basalt_from(&honest, &["lock", "image.yaml"])
        .succeeded();
    fs::remove_dir_all(place.path("cache")).expect("the cache is emptied");
    let mirror = changing(place.path(file), content.to_owned());
    place
        .basalt_from(&mirror, &["build", "image.yaml", "-o", "out", "--locked"])
        .succeeded();
    assert_eq!(place.read(file), content, "nothing was fetched");
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// All that a layout holds: layers decompressed, and documents.
fn everything(place: &Workplace) -> Vec<u8> {
    let (mut all, _) = place.layers();
    for blob in fs::read_dir(place.path("out/blobs/sha256")).expect("it is there") {
        all.extend(fs::read(blob.expect("it is listed").path()).expect("it is readable"));
    }
    all
}

#[test]
fn a_local_file_that_changes_during_a_build_is_in_the_image_as_it_was_locked() {
    let place = Workplace::cold(
        "name: probe
releases: [trixie]
architectures: [amd64]
packages: [{ name: tzdata, dependencies: false }]
files: [{ path: /etc/probe, source: data.txt }]
",
    );
    place.write("data.txt", LOCKED);
    built_while_changing(&place, "data.txt", CHANGED);
    let all = everything(&place);
    assert!(holds(&all, LOCKED), "what was locked is in the image");
    assert!(!holds(&all, CHANGED), "what came later is not");
}

#[test]
fn a_slice_definition_that_changes_during_a_build_is_used_as_it_was_locked() {
    let place = Workplace::cold(
        "name: probe
releases: [trixie]
architectures: [amd64]
slice-definitions: [slices]
slices: { tzdata: [probe] }
",
    );
    let definition = |text: &str| {
        format!(
            "package: tzdata\nslices: {{ probe: {{ contents: {{ /etc/probe: {{ text: {text} }} }} }} }}\n"
        )
    };
    fs::create_dir(place.path("slices")).expect("the folder is made");
    place.write("slices/tzdata.yaml", definition(LOCKED));
    built_while_changing(&place, "slices/tzdata.yaml", &definition(CHANGED));
    let all = everything(&place);
    assert!(holds(&all, LOCKED), "what was locked is in the image");
    assert!(!holds(&all, CHANGED), "what came later is not");
}

#[test]
fn the_provenance_has_the_spec_that_was_built() {
    let spec = |summary: &str| {
        format!(
            "name: probe
summary: {summary}
releases: [trixie]
architectures: [amd64]
packages: [{{ name: tzdata, dependencies: false }}]
"
        )
    };
    let place = Workplace::cold(&spec(LOCKED));
    built_while_changing(&place, "image.yaml", &spec(CHANGED));
    let all = everything(&place);
    let digest = |summary: &str| Digest::of(spec(summary).as_bytes()).hex().to_string();
    assert!(holds(&all, &digest(LOCKED)), "its digest is stated");
    assert!(!holds(&all, &digest(CHANGED)), "what came later is not");
}

#[test]
fn explain_tells_why_a_package_is_locked_without_asking_the_archive() {
    let place = Workplace::cold(
        "name: probe
releases: [trixie]
architectures: [amd64]
packages: [libbz2-1.0]
",
    );
    place
        .basalt_from(&Mirror::honest(), &["lock", "image.yaml"])
        .succeeded();
    let closed = Mirror::lying(|_| Some(Lie::Missing));
    let run = place
        .basalt_from(&closed, &["explain", "image.yaml", "libc6"])
        .succeeded();
    assert!(
        run.out.contains("libbz2-1.0 depends on libc6"),
        "{}",
        run.out
    );
    assert!(closed.asked().is_empty(), "{:?}", closed.asked());
}
