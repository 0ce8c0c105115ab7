//! The commands that speak to registries, as a person meets them.

#[path = "../../basalt-client/tests/support/mod.rs"]
mod support;

#[path = "support/run.rs"]
mod run;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use basalt_digest::Digest;
use basalt_oci::{
    Descriptor, ImageStore, Index, Layout, LayoutStore, LayoutWriter, Manifest, Platform,
    media_type,
};
use run::Run;
use serde_json::json;
use support::{Access, Behaviour, Fault, Response, TestRegistry};

/// A folder with a home of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn basalt(&self, arguments: &[&str]) -> Run {
        self.basalt_told(arguments, "")
    }

    /// Runs the program, which reads this on its standard input.
    fn basalt_told(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_basalt"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("it is piped");
        // One that fails at once does not read it.
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        Run::of(output)
    }

    /// Writes a layout with an index of two platforms, and an SBOM of the first. Returns the index's descriptor.
    fn layout(&self, name: &str, tag: &str) -> Descriptor {
        let path = self.path(name);
        let writer = LayoutWriter::create(&path, false).expect("it begins");
        let mut index = Index::new(Vec::new());
        for architecture in ["amd64", "arm64"] {
            let platform = Platform::of_debian(architecture).expect("known");
            let config = json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
            let config = writer.add_json(media_type::CONFIG, &config).expect("added");
            let layer = vec![architecture.len() as u8 + architecture.as_bytes()[1]; 2 << 20];
            let layer = writer.add_bytes(media_type::LAYER, &layer).expect("added");
            let manifest = Manifest::new(config, vec![layer]);
            let mut entry = writer
                .add_json(media_type::MANIFEST, &manifest)
                .expect("added");
            entry.platform = Some(platform);
            index.manifests.push(entry);
        }
        let root = writer.add_json(media_type::INDEX, &index).expect("added");
        let mut entry = root.clone();
        entry.annotations.insert(
            "org.opencontainers.image.ref.name".to_owned(),
            tag.to_owned(),
        );
        writer
            .finish(&Index::new(vec![entry]))
            .expect("it is in place");
        let store = LayoutStore::open(&path).expect("it is one");
        refer(&store, &index.manifests[0], "application/spdx+json");
        root
    }
}

fn refer(store: &dyn ImageStore, subject: &Descriptor, kind: &str) -> Descriptor {
    let config = store
        .put_blob("application/vnd.oci.empty.v1+json", b"{}")
        .expect("added");
    let layer = store.put_blob(kind, kind.as_bytes()).expect("added");
    let mut manifest = Manifest::new(config, vec![layer]);
    manifest.artifact_type = Some(kind.to_owned());
    manifest.subject = Some(Descriptor::new(
        &subject.media_type,
        subject.digest,
        subject.size,
    ));
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("added")
}

/// The names of all blobs of a layout.
fn blobs(layout: &Path) -> Vec<String> {
    let entries = fs::read_dir(layout.join("blobs/sha256")).expect("it is there");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back_the_same() {
    for referrers in [true, false] {
        let behaviour = Behaviour {
            referrers,
            ..Behaviour::default()
        };
        let registry = TestRegistry::start(behaviour, |_| None);
        let place = Place::new();
        let root = place.layout("app", "1");
        let name = format!("{}/team/app", registry.host());
        let pushed = place
            .basalt(&["push", "app", &name, "--json"])
            .succeeded()
            .json();
        assert_eq!(pushed["digest"], json!(root.digest));
        assert_eq!(
            (&pushed["manifests"], &pushed["referrers"]),
            (&json!(4), &json!(1))
        );
        assert_eq!(registry.tag("team/app", "1"), Some(root.digest));

        let again = place
            .basalt(&["push", "app", &name, "--json"])
            .succeeded()
            .json();
        assert_eq!(again["moved-bytes"], 0);

        let source = format!("{name}:1");
        place.basalt(&["pull", &source, "back"]).succeeded();
        assert_eq!(blobs(&place.path("back")), blobs(&place.path("app")));
        let store = LayoutStore::open(&place.path("back")).expect("it is one");
        let found = store
            .resolve("1")
            .expect("it is sound")
            .expect("it is there");
        assert_eq!(found.digest, root.digest);
        let shown = place.basalt(&["inspect", "back"]).succeeded();
        assert!(shown.out.contains("linux/amd64") && shown.out.contains("linux/arm64"));

        let listed = place.basalt(&["tags", &name]).succeeded();
        assert!(listed.out.starts_with("1\n"), "{}", listed.out);
    }
}

#[test]
fn what_refers_to_an_image_is_listed_and_can_be_left_out() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    let root = place.layout("app", "1");
    let name = format!("{}/app:1", registry.host());
    let store = LayoutStore::open(&place.path("app")).expect("it is one");
    refer(&store, &root, "application/one");
    refer(&store, &root, "application/two");
    place
        .basalt(&["push", "app", &name, "--no-referrers"])
        .succeeded();
    let none = place
        .basalt(&["referrers", &name, "--json"])
        .succeeded()
        .json();
    assert_eq!(none["referrers"], json!([]));
    place.basalt(&["push", "app", &name]).succeeded();
    for reference in [name.as_str(), "./app"] {
        let two = place
            .basalt(&["referrers", reference, "--json"])
            .succeeded()
            .json();
        assert_eq!(two["referrers"].as_array().map(Vec::len), Some(2));
        let one = ["referrers", reference, "--artifact-type", "application/two"];
        let one = place.basalt(&one).succeeded();
        assert!(one.out.contains("application/two") && !one.out.contains("application/one"));
    }
}

#[test]
fn one_platform_is_pulled_alone() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    place.layout("app", "1");
    let name = format!("{}/app:1", registry.host());
    place.basalt(&["push", "app", &name]).succeeded();
    let pulled = place.basalt(&["pull", &name, "arm", "--platform", "arm64", "--json"]);
    let pulled = pulled.succeeded().json();
    assert_eq!(pulled["media-type"], media_type::MANIFEST);
    // The manifest, its config and its layer.
    assert_eq!(blobs(&place.path("arm")).len(), 3);
    place
        .basalt(&["pull", &name, "none", "--platform", "linux/riscv64"])
        .refused(1, &["no image for linux/riscv64", "linux/amd64"]);
    assert!(!place.path("none").exists());
}

#[test]
fn a_pull_keeps_the_other_images_of_a_layout_and_drops_what_referred_to_the_former_one() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    place.layout("app", "1");
    let name = format!("{}/app", registry.host());
    place
        .basalt(&["push", "app", &format!("{name}:1")])
        .succeeded();
    place
        .basalt(&["pull", &format!("{name}:1"), "both:one"])
        .succeeded();
    place
        .basalt(&[
            "pull",
            &format!("{name}:1"),
            "both:two",
            "--platform",
            "amd64",
        ])
        .succeeded();
    let tags = place.basalt(&["tags", "./both"]).succeeded();
    assert_eq!(tags.out, "one\ntwo\n");
    assert_eq!(blobs(&place.path("both")), blobs(&place.path("app")));
    // Both tags move to an image that nothing refers to.
    let other = Place::new();
    other.layout("app", "1");
    let plain = format!("{}/app:plain", registry.host());
    let store = LayoutStore::open(&other.path("app")).expect("it is one");
    let config = store.put_blob(media_type::CONFIG, b"{}").expect("added");
    let bytes = basalt_oci::to_bytes(&Manifest::new(config, Vec::new())).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, Some("plain"))
        .expect("added");
    other.basalt(&["push", "app:plain", &plain]).succeeded();
    for tag in ["both:one", "both:two"] {
        place.basalt(&["pull", &plain, tag]).succeeded();
    }
    let layout = Layout::open(&place.path("both")).expect("it is one");
    assert_eq!(layout.index().manifests.len(), 2);
    assert_eq!(blobs(&place.path("both")).len(), 2);
}

#[test]
fn a_copy_within_a_registry_moves_no_bytes_and_one_into_another_all() {
    let (one, other) = (TestRegistry::honest(), TestRegistry::honest());
    let place = Place::new();
    let root = place.layout("app", "1");
    let name = format!("{}/app:1", one.host());
    place.basalt(&["push", "app", &name]).succeeded();
    let beside = format!("{}/beside:2", one.host());
    let copied = place
        .basalt(&["copy", &name, &beside, "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&copied["blobs"]["moved"], &copied["blobs"]["mounted"]),
        (&json!(0), &json!(6))
    );
    let away = format!("{}/away", other.host());
    place.basalt(&["copy", &beside, &away]).succeeded();
    assert_eq!(other.tag("away", "2"), Some(root.digest));
    place
        .basalt(&["copy", &format!("{away}:2"), "oci:back:3"])
        .succeeded();
    assert_eq!(blobs(&place.path("back")), blobs(&place.path("app")));
}

#[test]
fn a_mirror_takes_the_tags_that_fit_and_nothing_twice() {
    let (one, other) = (TestRegistry::honest(), TestRegistry::honest());
    let place = Place::new();
    place.layout("app", "1");
    for tag in ["13.1", "13.2", "12"] {
        place
            .basalt(&["push", "app", &format!("{}/app:{tag}", one.host())])
            .succeeded();
    }
    let (from, to) = (
        format!("{}/app", one.host()),
        format!("{}/app", other.host()),
    );
    let run = || {
        place
            .basalt(&["mirror", &from, &to, "--tag", "13.*", "--json"])
            .succeeded()
            .json()
    };
    assert_eq!(run()["images"].as_array().map(Vec::len), Some(2));
    let again = run();
    for image in again["images"].as_array().expect("a list") {
        assert_eq!(image["moved-bytes"], 0);
    }
    let tags = place.basalt(&["tags", &to]).succeeded();
    assert_eq!(tags.out, "13.1\n13.2\n");
    place
        .basalt(&["mirror", &from, &to, "--tag", "x*"])
        .refused(1, &["no tag"]);
}

#[test]
fn a_tag_or_a_manifest_is_deleted_and_never_a_repository() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    let root = place.layout("app", "1");
    let name = format!("{}/app", registry.host());
    for tag in ["1", "2"] {
        place
            .basalt(&["push", "app", &format!("{name}:{tag}")])
            .succeeded();
    }
    place
        .basalt(&["delete", &name])
        .refused(2, &["neither a tag nor a digest"]);
    place.basalt(&["delete", &format!("{name}:1")]).succeeded();
    assert_eq!(registry.tag("app", "1"), None);
    assert!(registry.manifest("app", &root.digest).is_some());
    place
        .basalt(&["delete", &format!("{name}:2"), "--manifest"])
        .succeeded();
    assert!(registry.manifest("app", &root.digest).is_none());
    place
        .basalt(&["delete", &format!("{name}:9")])
        .refused(1, &["has no tag `9`"]);
}

#[test]
fn a_login_is_tried_kept_for_its_owner_alone_used_and_forgotten() {
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 1000),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let place = Place::new();
    place.layout("app", "1");
    let host = registry.host();
    let name = format!("{host}/app:1");
    place
        .basalt(&["push", "app", &name])
        .refused(1, &["not authorized", &format!("basalt login {host}")]);
    let login = ["login", host.as_str(), "--username", "me"];
    let wrong = place
        .basalt_told(&login, "hunter3\n")
        .refused(1, &["does not take"]);
    assert!(!wrong.error.contains("hunter3"));
    let config = place.path(".docker/config.json");
    assert!(!config.exists());
    place.basalt_told(&login, "").refused(2, &["no password"]);
    let done = place.basalt_told(&login, "hunter2\n").succeeded();
    assert!(!format!("{}{}", done.out, done.error).contains("hunter2"));
    let mode = fs::metadata(&config)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    place.basalt(&["push", "app", &name]).succeeded();
    place.basalt(&["logout", &host]).succeeded();
    assert!(
        !fs::read_to_string(&config)
            .expect("it is there")
            .contains(&host)
    );
    place
        .basalt(&["push", "app", &name])
        .refused(1, &["not authorized"]);
}

#[test]
fn a_helper_that_dockers_file_names_keeps_the_password() {
    let behaviour = Behaviour {
        access: Access::Basic("me", "hunter2"),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let place = Place::new();
    place.layout("app", "1");
    let host = registry.host();
    let name = format!("{host}/app:1");
    let folder = place.path(".docker");
    fs::create_dir(&folder).expect("it is made");
    let config = folder.join("config.json");
    fs::write(&config, r#"{"credsStore": "test", "psFormat": "kept"}"#).expect("it is written");
    place
        .basalt(&["tags", &name.replace(":1", "")])
        .refused(1, &["docker-credential-test", "PATH"]);
    // It keeps what it is told in a file, as it came.
    let program = place.path("docker-credential-test");
    let kept = place.path("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) /bin/cat >{0};;\nget) [ -f {0} ] && exec /bin/cat {0}; echo 'credentials not found in native keychain'; exit 1;;\nerase) /bin/rm -f {0};;\nesac\n",
        kept.display()
    );
    fs::write(&program, script).expect("it is written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let login = ["login", host.as_str(), "--username", "me"];
    place.basalt_told(&login, "hunter2\n").succeeded();
    assert!(
        !fs::read_to_string(&config)
            .expect("it is there")
            .contains(&host)
    );
    place.basalt(&["push", "app", &name]).succeeded();
    place.basalt(&["logout", &host]).succeeded();
    assert!(!kept.exists());
    place
        .basalt(&["push", "app", &name])
        .refused(1, &["not authorized"]);
}

#[test]
fn a_registry_that_gives_other_bytes_ends_the_pull_without_a_layout() {
    let registry = TestRegistry::faulty(|seen| {
        let evil = vec![0; 2 << 20];
        let big = seen.is("GET", "/blobs/") && seen.header("x").is_empty();
        big.then(|| Fault::Instead(Response::new(200).body(evil)))
    });
    let place = Place::new();
    place.layout("app", "1");
    let name = format!("{}/app:1", registry.host());
    place.basalt(&["push", "app", &name]).succeeded();
    place.basalt(&["pull", &name, "evil"]).refused(4, &[]);
    let left: Vec<_> = fs::read_dir(place.folder.path())
        .expect("it is there")
        .map(|entry| entry.expect("listed").file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("evil")),
        "{left:?}"
    );
}

#[test]
fn a_registry_that_cannot_be_reached_ends_with_its_own_code() {
    let place = Place::new();
    place.layout("app", "1");
    place
        .basalt(&["tags", "127.0.0.1:1/app", "--timeout", "1"])
        .refused(9, &["127.0.0.1:1"]);
    let registry = TestRegistry::honest();
    let name = format!("{}/app:none", registry.host());
    place
        .basalt(&["pull", &name, "none"])
        .refused(1, &["has no tag `none`"]);
}

#[test]
fn a_name_that_is_none_or_a_place_of_the_wrong_kind_is_a_matter_of_usage() {
    let place = Place::new();
    place.layout("app", "1");
    place
        .basalt(&["pull", "r.example/APP", "x"])
        .refused(2, &["capitals"]);
    place
        .basalt(&["push", "r.example/app", "r.example/b"])
        .refused(2, &["basalt copy"]);
    place
        .basalt(&["pull", "./app", "x"])
        .refused(2, &["basalt copy"]);
    place
        .basalt(&["login", "http://r.example", "--username", "me"])
        .refused(2, &["a host is expected, which is `r.example` here"]);
}

#[test]
fn an_upload_that_breaks_goes_on_and_says_so() {
    let registry = TestRegistry::faulty(|seen| {
        (seen.is("PATCH", "/uploads/") && seen.before == 0)
            .then_some(Fault::TakeAndHangUp(1_000_000))
    });
    let place = Place::new();
    let root = place.layout("app", "1");
    let name = format!("{}/app:1", registry.host());
    let run = place.basalt(&["push", "app", &name]).succeeded();
    assert!(run.error.contains("trying again"), "{}", run.error);
    assert_eq!(registry.tag("app", "1"), Some(root.digest));
    let index: Index =
        serde_json::from_slice(&registry.manifest("app", &root.digest).expect("it is there"))
            .expect("JSON");
    for entry in index.manifests {
        let bytes = registry
            .manifest("app", &entry.digest)
            .expect("it is there");
        let manifest: Manifest = serde_json::from_slice(&bytes).expect("JSON");
        let layer = registry
            .blob("app", &manifest.layers[0].digest)
            .expect("it is there");
        assert_eq!(Digest::of(&layer), manifest.layers[0].digest);
    }
}

/// Takes the names out of a layout's index, as tools that give none write it.
fn without_names(path: &Path, keep: impl Fn(&Descriptor) -> bool) {
    let file = path.join("index.json");
    let mut index: Index =
        serde_json::from_slice(&fs::read(&file).expect("it is there")).expect("an index");
    index.manifests.retain(|entry| keep(entry));
    for entry in &mut index.manifests {
        entry
            .annotations
            .remove("org.opencontainers.image.ref.name");
    }
    fs::write(&file, serde_json::to_vec(&index).expect("JSON")).expect("it is written");
}

#[test]
fn the_only_image_of_a_layout_needs_no_name_and_several_are_listed() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    let root = place.layout("app", "1");
    without_names(&place.path("app"), |_| true);
    let name = format!("{}/app", registry.host());
    // The SBOM in the layout refers to it, and is no image of its own.
    place
        .basalt(&["push", "./app", &format!("{name}:2")])
        .succeeded();
    assert_eq!(registry.tag("app", "2"), Some(root.digest));
    place.basalt(&["copy", "./app", &name]).succeeded();
    assert_eq!(registry.tag("app", "latest"), Some(root.digest));
    place.basalt(&["copy", "./app", "oci:other:3"]).succeeded();
    let other = LayoutStore::open(&place.path("other")).expect("it is one");
    assert_eq!(other.tags().expect("it is sound"), ["3"]);
    let shown = place.basalt(&["referrers", "./app", "--json"]).succeeded();
    assert_eq!(shown.json()["subject"], root.digest.to_string());
    // Two, of which neither has a name.
    let path = place.path("app");
    let layout = Layout::open(&path).expect("it is one");
    let index: Index =
        serde_json::from_slice(&layout.read_blob(&root).expect("it is there")).expect("an index");
    let (one, two) = (&index.manifests[0], &index.manifests[1]);
    let both = Index::new(vec![one.clone(), two.clone(), one.clone()]);
    fs::write(
        path.join("index.json"),
        serde_json::to_vec(&both).expect("JSON"),
    )
    .expect("written");
    let (first, second) = (one.digest.to_string(), two.digest.to_string());
    let words = [
        first.as_str(),
        &second,
        "linux/amd64",
        "linux/arm64",
        "./app@sha256:",
    ];
    place
        .basalt(&["push", "./app", &format!("{name}:3")])
        .refused(2, &words);
    place
        .basalt(&["copy", "./app", &format!("{name}:3")])
        .refused(2, &words);
    let named = format!("./app@{second}");
    place
        .basalt(&["push", &named, &format!("{name}:3")])
        .succeeded();
    assert_eq!(registry.tag("app", "3"), Some(two.digest));
    // None at all.
    without_names(&path, |_| false);
    place
        .basalt(&["push", "./app", &name])
        .refused(1, &["has no image"]);
}

/// Gives the entries of a layout's index other names, and repeats the first for those that are left.
fn named(path: &Path, names: &[&str], change: impl Fn(usize, &mut Descriptor)) {
    let file = path.join("index.json");
    let mut index: Index =
        serde_json::from_slice(&fs::read(&file).expect("it is there")).expect("an index");
    let first = index.manifests.first().expect("an entry").clone();
    let entries = names.iter().enumerate().map(|(number, name)| {
        let mut entry = first.clone();
        let key = "org.opencontainers.image.ref.name".to_owned();
        entry.annotations.insert(key, (*name).to_owned());
        change(number, &mut entry);
        entry
    });
    index.manifests = entries.collect();
    fs::write(&file, serde_json::to_vec(&index).expect("JSON")).expect("it is written");
}

#[test]
fn a_layout_of_which_one_tag_leads_to_two_images_is_malformed() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    let root = place.layout("app", "t");
    let layout = Layout::open(&place.path("app")).expect("it is one");
    let bytes = layout.read_blob(&root).expect("it is there");
    let index: Index = serde_json::from_slice(&bytes).expect("an index");
    let other = index.manifests[1].clone();
    named(&place.path("app"), &["t", "t"], |number, entry| {
        if number == 1 {
            let annotations = entry.annotations.clone();
            *entry = other.clone();
            entry.annotations = annotations;
        }
    });
    let name = format!("{}/app", registry.host());
    let words = ["app/index.json", "two of its entries", "`t`", "digest"];
    for arguments in [
        &["push", "./app:t", &name][..],
        &["copy", "./app:t", "oci:copied"],
        &["attestations", "./app:t"],
        &["sbom", "./app:t"],
    ] {
        place.basalt(arguments).refused(4, &words);
    }
    // The digest says which.
    let by_digest = format!("./app@{}", other.digest);
    place
        .basalt(&["push", &by_digest, &format!("{name}:2")])
        .succeeded();
    assert_eq!(registry.tag("app", "2"), Some(other.digest));
}

#[test]
fn a_layout_whose_name_is_no_tag_is_pushed_under_one_that_is_said() {
    let registry = TestRegistry::honest();
    let place = Place::new();
    let root = place.layout("app", "t");
    let name = format!("{}/app", registry.host());
    for odd in ["docker.io/library/x:1", "", "-x", "a b"] {
        named(&place.path("app"), &[odd], |_, _| {});
        let words = [
            "index.json",
            &format!("`{odd}`"),
            "is no tag",
            &format!("{name}:TAG"),
        ];
        place.basalt(&["push", "./app", &name]).refused(2, &words);
        place.basalt(&["copy", "./app", &name]).refused(2, &words);
        place
            .basalt(&["push", "./app", &format!("{name}:1")])
            .succeeded();
        assert_eq!(registry.tag("app", "1"), Some(root.digest));
    }
}

#[test]
fn a_hostile_registry_ends_a_pull_and_a_mirror_with_the_code_of_distrust() {
    let place = Place::new();
    let root = place.layout("app", "1");
    // A tag of cosign's that names the image itself is followed once.
    let registry = TestRegistry::honest();
    let name = format!("{}/app", registry.host());
    place
        .basalt(&["push", "./app:1", &format!("{name}:1")])
        .succeeded();
    let bytes = registry.manifest("app", &root.digest).expect("it is there");
    for ending in ["sig", "att", "sbom"] {
        let tag = format!("sha256-{}.{ending}", root.digest.hex());
        registry.put_manifest("app", media_type::INDEX, &bytes, Some(&tag));
    }
    let before = registry.seen().len();
    place
        .basalt(&["pull", &format!("{name}:1"), "pulled"])
        .succeeded();
    let asked = registry.seen().len() - before;
    assert!(asked < 60, "{asked} requests");
    let mirror = TestRegistry::honest();
    let to = format!("{}/app", mirror.host());
    place.basalt(&["mirror", &name, &to]).succeeded();
    assert_eq!(mirror.tag("app", "1"), Some(root.digest));
    // A list that leads on for ever.
    let endless = TestRegistry::faulty(|seen| {
        let response = Response::new(200)
            .header(
                "Link",
                format!("</v2/app/tags/list?last={}>; rel=\"next\"", seen.path.len()),
            )
            .body(r#"{"tags":["1"]}"#);
        seen.path
            .contains("/tags/list")
            .then_some(Fault::Instead(response))
    });
    let name = format!("{}/app", endless.host());
    place.basalt(&["tags", &name]).refused(4, &["read already"]);
    place
        .basalt(&["mirror", &name, &to])
        .refused(4, &["read already"]);
    // An image that is a chain of indexes without an end in sight.
    let deep = TestRegistry::honest();
    let mut child = Descriptor::of(media_type::INDEX, &bytes);
    for _ in 0..12 {
        let index = basalt_oci::to_bytes(&Index::new(vec![child])).expect("JSON");
        deep.put_manifest("app", media_type::INDEX, &index, Some("1"));
        child = Descriptor::of(media_type::INDEX, &index);
    }
    let name = format!("{}/app:1", deep.host());
    place
        .basalt(&["pull", &name, "deep"])
        .refused(4, &["nesting of indexes"]);
    assert!(!place.path("deep").exists());
}
