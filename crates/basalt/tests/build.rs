//! From a spec to an image, as a person meets it: lock, build, build again, away from the network,
//! from a vendor folder; and how it ends when it cannot.
//!
//! These tests need the archive's mirror, found as the program finds it.

mod support;

use std::fs;

use support::mirror::Mirror;
use support::workplace::{Run, SPEC, Workplace};

const LOCK: &str = "image.trixie.lock.json";

/// The small image for both architectures.
fn both() -> String {
    SPEC.replace("[amd64]", "[amd64, arm64]")
}

/// The digest that a build of `image.yaml` into a folder ends with.
fn digest(place: &Workplace, more: &[&str]) -> String {
    let mut arguments = vec!["build", "image.yaml", "--json", "--quiet"];
    arguments.extend(more);
    let run = place.basalt(&arguments).succeeded();
    run.json()["digest"].as_str().expect("a digest").to_owned()
}

/// The layers of the first image that a build tells of: their packages and their digest.
fn layers_of(run: Run) -> Vec<(String, String)> {
    let layers = run.succeeded().json()["images"][0]["layers"].clone();
    let layers = layers.as_array().expect("layers");
    layers
        .iter()
        .map(|layer| (layer["packages"].to_string(), layer["digest"].to_string()))
        .collect()
}

/// A place that has locked and built the small image.
fn built(spec: &str) -> Workplace {
    let place = Workplace::warm(spec);
    let mirror = Mirror::honest();
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    place.build_from(&mirror).succeeded();
    place
}

#[test]
fn the_starter_spec_builds_as_it_is_written() {
    let place = Workplace::warm(SPEC);
    place.basalt(&["init", "app.yaml"]).succeeded();
    let run = place
        .basalt(&["build", "app.yaml", "--quiet", "--arch", "amd64"])
        .succeeded();
    assert!(place.path("out/app/index.json").exists(), "{}", run.error);
    let why = place
        .basalt(&["explain", "app.yaml", "/var/mail"])
        .succeeded();
    assert!(why.out.contains("base-files"), "{}", why.out);
}

#[test]
fn lock_and_build_give_a_layout_with_both_architectures() {
    let place = Workplace::warm(&both());
    let mirror = Mirror::honest();
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    let lock = place.read(LOCK);
    assert!(lock.contains("\"name\": \"tzdata\""), "{lock}");
    place.build_from(&mirror).succeeded();
    assert_eq!(
        place.read(LOCK),
        lock,
        "a build does not touch a lock that fits"
    );

    assert!(place.read("out/oci-layout").contains("imageLayoutVersion"));
    let blob = |digest: &str| {
        let path = format!("out/blobs/{}", digest.replace(':', "/"));
        serde_json::from_str::<serde_json::Value>(&place.read(&path)).expect("JSON")
    };
    let top: serde_json::Value = serde_json::from_str(&place.read("out/index.json")).expect("JSON");
    let index = blob(top["manifests"][0]["digest"].as_str().expect("a digest"));
    let manifests = index["manifests"].as_array().expect("a list");
    let platforms: Vec<&str> = manifests
        .iter()
        .filter_map(|manifest| manifest["platform"]["architecture"].as_str())
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    for manifest in manifests {
        let manifest = blob(manifest["digest"].as_str().expect("a digest"));
        for layer in manifest["layers"].as_array().expect("a list") {
            let digest = layer["digest"].as_str().expect("a digest");
            let path = format!("out/blobs/{}", digest.replace(':', "/"));
            let size = fs::metadata(place.path(&path))
                .expect("the layer is there")
                .len();
            assert_eq!(layer["size"].as_u64(), Some(size));
        }
    }
}

#[test]
fn a_second_build_says_that_nothing_changed() {
    let place = built(SPEC);
    let mirror = Mirror::honest();
    let run = place.build_from(&mirror).succeeded();
    assert!(run.out.contains("nothing changed"), "{}", run.out);
    assert_eq!(mirror.asked(), Vec::<String>::new(), "and asks nobody");
}

#[test]
fn a_package_of_a_newer_date_moves_its_own_layer_and_no_other() {
    let three = "  - { name: tzdata, dependencies: false }\n  - { name: netbase, dependencies: false }\n  \
                 - { name: ca-certificates, dependencies: false }\n";
    let (head, _) = SPEC.split_once("  - {").expect("packages");
    let place = built(&format!("{head}{three}"));
    let layers = || -> Vec<(String, String)> {
        layers_of(place.basalt(&["build", "image.yaml", "--locked", "--json", "--quiet"]))
    };
    let before = layers();
    assert_eq!(before.len(), 4, "a layer each, and one of generated files");
    let mut lock: serde_json::Value = serde_json::from_str(&place.read(LOCK)).expect("JSON");
    for package in lock["packages"].as_array_mut().expect("packages") {
        if package["name"] == "netbase" {
            package["date"] = "2035-01-01T00:00:00Z".into();
        }
    }
    place.write(LOCK, lock.to_string());
    let moved: Vec<String> = before
        .into_iter()
        .zip(layers())
        .filter(|(before, after)| before != after)
        .map(|(before, _)| before.0)
        .collect();
    assert_eq!(moved, ["[\"netbase\"]", "[]"]);
}

#[test]
fn a_locked_build_needs_a_lock() {
    let place = Workplace::cold(SPEC);
    place
        .basalt(&["build", "image.yaml", "--locked"])
        .refused(3, &[LOCK, "run `basalt lock`"]);
    assert!(!place.path("out").exists());
}

#[test]
fn a_locked_build_fails_when_the_spec_has_moved_since() {
    let place = built(SPEC);
    place.write(
        "image.yaml",
        format!("{SPEC}  - {{ name: netbase, dependencies: false }}\n"),
    );
    place
        .basalt(&[
            "build",
            "image.yaml",
            "--locked",
            "--offline",
            "-o",
            "other",
        ])
        .refused(3, &[LOCK, "does not fit the spec", "run `basalt lock`"]);
    assert!(!place.path("other").exists());
}

#[test]
fn builds_without_network_from_the_cache() {
    let place = built(SPEC);
    let first = digest(&place, &["-o", "out", "--locked", "--offline"]);
    assert_eq!(
        digest(&place, &["-o", "other", "--locked", "--offline"]),
        first
    );
    assert!(place.path("other/index.json").exists());
}

#[test]
fn says_what_is_missing_without_network_and_cache() {
    let place = built(SPEC);
    let empty = [
        "build",
        "image.yaml",
        "-o",
        "other",
        "--offline",
        "--cache",
        "empty",
    ];
    place.basalt(&empty).refused(1, &["tzdata", "--offline"]);
    assert!(!place.path("other").exists());
}

#[test]
fn gives_the_same_digest_from_a_vendor_folder_with_an_empty_cache() {
    let place = built(SPEC);
    let first = digest(&place, &["-o", "out", "--offline"]);
    place
        .basalt_from(&Mirror::honest(), &["vendor", "store", "image.yaml"])
        .succeeded();
    let away = [
        "-o",
        "other",
        "--locked",
        "--offline",
        "--vendor",
        "store",
        "--cache",
        "empty",
    ];
    assert_eq!(digest(&place, &away), first);
}

#[test]
fn refuses_a_vendor_folder_whose_package_was_altered() {
    let place = built(SPEC);
    place
        .basalt_from(&Mirror::honest(), &["vendor", "store", "image.yaml"])
        .succeeded();
    let lock: serde_json::Value = serde_json::from_str(&place.read(LOCK)).expect("JSON");
    let digest = lock["packages"][0]["sha256"].as_str().expect("a digest");
    let hex = digest.trim_start_matches("sha256:");
    let altered = altered_file(&place.path("store"), hex);
    assert!(altered, "the store has the package by its digest");
    place
        .basalt(&[
            "build",
            "image.yaml",
            "-o",
            "other",
            "--offline",
            "--vendor",
            "store",
            "--cache",
            "empty",
        ])
        .refused(1, &["tzdata"]);
    assert!(!place.path("other").exists());
}

/// Flips a bit of the file of this name, however deep it is.
fn altered_file(folder: &std::path::Path, name: &str) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            return altered_file(&path, name);
        }
        if !path.ends_with(name) {
            return false;
        }
        let mut bytes = fs::read(&path).expect("it can be read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).expect("it is ours");
        fs::write(&path, bytes).expect("it is ours");
        true
    })
}

#[test]
fn explains_a_package_and_a_path() {
    let place = built(SPEC);
    let run = place
        .basalt(&["explain", "image.yaml", "tzdata", "--offline"])
        .succeeded();
    for words in [
        "archive  debian trixie, pool/main/t/tzdata/",
        "because  the spec wants it",
    ] {
        assert!(run.out.contains(words), "{}", run.out);
    }
    let path = [
        "explain",
        "image.yaml",
        "/usr/share/zoneinfo/UTC",
        "--offline",
    ];
    let run = place.basalt(&path).succeeded();
    for words in [
        "by       package tzdata",
        "vouched  debian trixie",
        "signed   ",
    ] {
        assert!(run.out.contains(words), "{}", run.out);
    }
    let nowhere = ["explain", "image.yaml", "/usr/share/nowhere", "--offline"];
    place.basalt(&nowhere).refused(1, &["/usr/share/nowhere"]);
}

#[test]
fn says_in_plain_words_why_a_wish_cannot_be_met() {
    let place = Workplace::warm(&SPEC.replace("tzdata", "tzdata, version: '>= 9999'"));
    place.build_from(&Mirror::honest()).refused(
        5,
        &[
            "tzdata (>= 9999) is asked for",
            "but debian trixie has tzdata",
        ],
    );
    assert!(!place.path(LOCK).exists());
    place.has_nothing_of(&[]);
}

#[test]
fn an_assertion_that_does_not_hold_names_the_path_and_who_brought_it() {
    let spec = format!("{SPEC}assertions:\n  must-not-contain: [/usr/share/zoneinfo/UTC]\n");
    let place = Workplace::warm(&spec);
    place.build_from(&Mirror::honest()).refused(
        7,
        &[
            "must-not-contain",
            "/usr/share/zoneinfo/UTC",
            "from package tzdata",
        ],
    );
    place.has_nothing_of(&[]);
}

#[test]
fn a_key_that_is_not_known_is_shown_where_it_stands() {
    let place = Workplace::cold(&SPEC.replace("packages", "pakages"));
    place.basalt(&["build", "image.yaml"]).refused(
        3,
        &[
            "there is no key `pakages`",
            "image.yaml:4:1",
            "^^^^^^^",
            "did you mean `packages`?",
        ],
    );
    assert!(!place.path("out").exists());
}

#[test]
fn an_image_over_another_begins_with_its_layers() {
    let place = Workplace::warm(SPEC);
    place.write(
        "over.yaml",
        "include: [image.yaml]\nname: over\npackages:\n  - { name: netbase, dependencies: false }\n",
    );
    let layers = |spec: &str| -> Vec<(String, String)> {
        layers_of(place.basalt_from(&Mirror::honest(), &["build", spec, "--json", "--quiet"]))
    };
    let over = layers("over.yaml");
    let lock = place.read("over.trixie.lock.json");
    assert!(lock.contains("\"below\""), "{lock}");
    let image = layers("image.yaml");
    let packages: Vec<&str> = over.iter().map(|layer| layer.0.as_str()).collect();
    assert_eq!(packages, ["[\"tzdata\"]", "[\"netbase\"]", "[]"]);
    assert_eq!(over[0], image[0]);
}
