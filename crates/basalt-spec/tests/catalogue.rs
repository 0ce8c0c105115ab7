//! The catalogue's specs, the starter, and the documents made from the types.

use std::fs;
use std::path::{Path, PathBuf};

use basalt_spec::{LoadedSpec, PackageDatabase, load, reference, schema, starter};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn spec(name: &str, release: &str) -> LoadedSpec {
    let path = root().join("images").join(format!("{name}.yaml"));
    load(&path, Some(release)).unwrap_or_else(|error| panic!("{error}"))
}

const RELEASES: [&str; 2] = ["trixie", "bookworm"];
const IMAGES: [&str; 15] = [
    "static",
    "base",
    "cc",
    "busybox",
    "python",
    "curl",
    "git",
    "perl",
    "node",
    "nginx",
    "haproxy",
    "valkey",
    "postgres",
    "java",
    "containerd",
];

/// Who makes namespaces and networks for others must be root.
const AS_ROOT: [&str; 1] = ["containerd"];

fn names(image: &basalt_spec::ImageSpec) -> Vec<&str> {
    image.packages.iter().map(|one| one.name.as_str()).collect()
}

#[test]
fn every_spec_of_the_catalogue_loads_for_both_releases() {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("images")).expect("images/") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let stem = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            for release in RELEASES {
                let loaded = spec(&stem, release);
                assert_eq!(loaded.base.name, stem);
                assert_eq!(loaded.base.architectures, ["amd64", "arm64"]);
                assert!(!loaded.base.summary.is_empty(), "{stem}");
            }
            found.push(stem);
        }
    }
    for name in IMAGES {
        assert!(found.iter().any(|one| one == name), "{name}");
    }
}

#[test]
fn all_run_as_nonroot_but_the_variant_to_build_with() {
    for name in IMAGES {
        for release in RELEASES {
            for (variant, image) in spec(name, release).images() {
                let is_root = image.user == "root";
                let wanted = variant == "dev" || AS_ROOT.contains(&name);
                assert_eq!(is_root, wanted, "{name} {variant}");
                assert_eq!(
                    image.assertions.non_root,
                    Some(!is_root),
                    "{name} {variant}"
                );
                assert!(image.users.iter().any(|user| user.uid == Some(65532)));
            }
        }
    }
}

#[test]
fn each_has_a_debug_variant_with_a_shell_and_all_but_static_one_to_build_with() {
    for name in IMAGES {
        let loaded = spec(name, "trixie");
        let debug = loaded.image("debug").expect("a debug variant");
        assert!(names(debug).contains(&"busybox-static"), "{name}");
        let shell = debug
            .applets
            .iter()
            .any(|one| one.names.iter().any(|name| name == "sh"));
        assert!(shell, "{name}");
        assert_ne!(debug.assertions.no_shell, Some(true), "{name}");
        assert_eq!(loaded.image("dev").is_some(), name != "static", "{name}");
    }
}

#[test]
fn the_variant_to_build_with_has_a_whole_set_of_packages_and_one_list_of_sources() {
    for name in ["base", "cc", "busybox", "python"] {
        for release in RELEASES {
            let loaded = spec(name, release);
            let dev = loaded.image("dev").expect("a dev variant");
            assert_eq!(dev.package_database, PackageDatabase::Full);
            assert!(dev.essential);
            assert!(
                dev.packages.iter().all(|package| package.dependencies),
                "{name}"
            );
            assert!(dev.entrypoint.is_empty());
            let sources: Vec<&str> = dev
                .files
                .iter()
                .filter(|file| file.path.ends_with("debian.sources"))
                .filter_map(|file| file.content.as_deref())
                .collect();
            assert_eq!(sources.len(), 1, "{name} {release}");
            assert!(sources[0].contains(&format!("{release}-security")));
        }
    }
}

#[test]
fn no_applet_poses_as_a_package_manager() {
    let loaded = spec("busybox", "trixie");
    let names = &loaded.base.applets[0].names;
    for name in ["dpkg", "dpkg-deb", "rpm", "busybox"] {
        assert!(!names.iter().any(|one| one == name), "{name}");
    }
    for name in ["sh", "[", "yes", "true", "wget", "vi"] {
        assert!(names.iter().any(|one| one == name), "{name}");
    }
}

#[test]
fn an_image_names_the_images_it_is_laid_over_the_innermost_first() {
    let below = |name: &str| -> Vec<String> {
        let loaded = spec(name, "trixie");
        let below = loaded.below.iter().map(|one| one.base.name.clone());
        below.collect()
    };
    assert!(below("base").is_empty(), "parts without a name are none");
    for name in &IMAGES[5..] {
        assert_eq!(below(name), ["base"], "{name}");
    }
    let own = spec("base", "bookworm");
    assert_eq!(spec("cc", "bookworm").below[0].digest(), own.digest());
}

#[test]
fn the_starter_is_a_spec() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.yaml");
    fs::write(&path, starter("hello")).expect("a file");
    let loaded = load(&path, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.base.name, "hello");
    assert_eq!(loaded.release, "trixie");
    assert!(loaded.image("debug").is_some());
}

/// Compares a file of `docs/` with what the types say; with `BASALT_REGENERATE=1` it is written.
fn documented(file: &str, text: &str) {
    let path = root().join("docs").join(file);
    if std::env::var_os("BASALT_REGENERATE").is_some() {
        fs::write(&path, text).expect("docs/ can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "docs/{file} is not what the types say; run `BASALT_REGENERATE=1 cargo test -p basalt-spec --test catalogue`"
    );
}

#[test]
fn the_reference_is_what_the_types_say() {
    documented("spec.md", &reference());
}

#[test]
fn the_published_schema_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    documented("image-spec.schema.json", &text);
}
