//! What a repository of a registry gives and takes.

mod support;

use std::io::Read;

use basalt_client::{
    Client, ClientError, CopyOptions, Credential, Credentials, Repository, Secret, Settings,
    Target, copy,
};
use basalt_digest::Digest;
use basalt_fetch::Silent;
use basalt_oci::{Descriptor, ImageStore, Index, Manifest, media_type};
use support::{Access, Behaviour, TestRegistry};

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.backoff = std::time::Duration::from_millis(5);
    settings
}

fn repository_with(registry: &TestRegistry, name: &str, settings: Settings) -> Repository {
    let client = Client::new(settings).expect("a client");
    let reference = format!("{}/{name}", registry.host())
        .parse()
        .expect("a reference");
    client.repository(&reference).expect("it is not blocked")
}

fn repository(registry: &TestRegistry, name: &str) -> Repository {
    repository_with(registry, name, settings())
}

fn options<'a>(tag: Option<&'a str>) -> CopyOptions<'a> {
    CopyOptions {
        tag,
        platform: None,
        referrers: true,
        mount_from: None,
        jobs: 3,
        observer: &Silent,
    }
}

/// Puts an image of one layer; returns what points at it.
fn image(store: &dyn ImageStore, layer: &[u8], tag: Option<&str>) -> Descriptor {
    let config = store
        .put_blob(media_type::CONFIG, b"{}")
        .expect("it is taken");
    let layer = store
        .put_blob(media_type::LAYER, layer)
        .expect("it is taken");
    let bytes = basalt_oci::to_bytes(&Manifest::new(config, vec![layer])).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, tag)
        .expect("it is taken")
}

/// Puts an artifact of this type that refers to a manifest.
fn referrer(store: &dyn ImageStore, subject: &Descriptor, kind: &str) -> Descriptor {
    let config = store
        .put_blob("application/vnd.oci.empty.v1+json", b"{}")
        .expect("it is taken");
    let layer = store.put_blob(kind, kind.as_bytes()).expect("it is taken");
    let mut manifest = Manifest::new(config, vec![layer]);
    manifest.artifact_type = Some(kind.to_owned());
    manifest.subject = Some(subject.clone());
    manifest
        .annotations
        .insert("about".to_owned(), kind.to_owned());
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("it is taken")
}

fn read(store: &dyn ImageStore, blob: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    store
        .blob(blob)
        .expect("it is there")
        .read_to_end(&mut bytes)
        .expect("it is sound");
    bytes
}

#[test]
fn what_is_put_is_given_back() {
    let registry = TestRegistry::honest();
    let store = repository(&registry, "team/app");
    let layer = vec![7; 3 << 20];
    let put = image(&store, &layer, Some("1"));
    assert_eq!(store.resolve("1").expect("it answers"), Some(put.clone()));
    assert_eq!(store.resolve("2").expect("it answers"), None);
    let (found, bytes) = store
        .manifest(&put.digest)
        .expect("it answers")
        .expect("it is there");
    assert_eq!((found, Digest::of(&bytes)), (put.clone(), put.digest));
    let manifest: Manifest = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(read(&store, &manifest.layers[0]), layer);
    assert!(
        store
            .manifest(&Digest::of(b"x"))
            .expect("it answers")
            .is_none()
    );
    assert!(store.blob(&Descriptor::of("", b"x")).is_err());
}

#[test]
fn a_blob_that_is_there_is_not_sent_again() {
    let registry = TestRegistry::honest();
    let store = repository(&registry, "a");
    for _ in 0..2 {
        store
            .put_blob(media_type::LAYER, b"layer")
            .expect("it is taken");
    }
    assert_eq!(registry.count("PUT /v2/a/blobs/"), 1);
}

#[test]
fn tags_are_listed_to_the_last_page() {
    let behaviour = Behaviour {
        page: 3,
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let store = repository(&registry, "a");
    for number in 0..10 {
        let name = format!("t{number}");
        registry.put_manifest("a", media_type::MANIFEST, b"{}", Some(&name));
    }
    let expected: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    assert_eq!(store.tags().expect("it answers"), expected);
    assert_eq!(registry.count("GET /v2/a/tags/list"), 4);
    assert!(repository(&registry, "none").tags().is_err());
}

/// A registry with the API for referrers, in pages of two, or without.
fn registry_with(referrers: bool) -> TestRegistry {
    let behaviour = Behaviour {
        referrers,
        page: 2,
        ..Behaviour::default()
    };
    TestRegistry::start(behaviour, |_| None)
}

fn referrers_with(api: bool) {
    let registry = registry_with(api);
    let store = repository(&registry, "a");
    let subject = image(&store, b"layer", Some("1"));
    assert!(
        store
            .referrers(&subject.digest)
            .expect("it answers")
            .is_empty()
    );
    let kinds = [
        "application/one",
        "application/two+json",
        "application/three",
    ];
    let mut put: Vec<Digest> = kinds
        .map(|kind| referrer(&store, &subject, kind).digest)
        .into();
    put.sort();
    let found = store.referrers(&subject.digest).expect("it answers");
    let digests: Vec<Digest> = found.iter().map(|one| one.digest).collect();
    assert_eq!(digests, put);
    for one in &found {
        assert_eq!(one.artifact_type.as_ref(), one.annotations.get("about"));
    }
    let two = store
        .list_referrers(&subject.digest, Some("application/two+json"))
        .expect("it answers");
    assert_eq!(two.len(), 1);
    let list = format!("sha256-{}", subject.digest.hex());
    assert_eq!(registry.tag("a", &list).is_some(), !api);
    // What is deleted is no longer listed.
    store.delete_manifest(&put[0]).expect("it is deleted");
    let left = store.referrers(&subject.digest).expect("it answers");
    assert_eq!(left.len(), 2);
    if let Some(digest) = registry.tag("a", &list) {
        let bytes = registry.manifest("a", &digest).expect("it is there");
        let index: Index = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(index.manifests.len(), 2);
    }
}

#[test]
fn referrers_are_listed_by_the_api() {
    referrers_with(true);
}

#[test]
fn without_the_api_the_list_under_the_tag_is_read_and_kept() {
    referrers_with(false);
}

#[test]
fn an_entry_of_the_list_counts_only_if_its_manifest_says_so() {
    let registry = registry_with(false);
    let store = repository(&registry, "a");
    let subject = image(&store, b"layer", Some("1"));
    let other = image(&store, b"other layer", None);
    let foreign = referrer(&store, &other, "application/sig");
    let gone = Descriptor::of(media_type::MANIFEST, b"gone");
    let list = basalt_oci::to_bytes(&Index::new(vec![other, foreign, gone])).expect("JSON");
    let tag = format!("sha256-{}", subject.digest.hex());
    registry.put_manifest("a", media_type::INDEX, &list, Some(&tag));
    assert!(
        store
            .referrers(&subject.digest)
            .expect("it answers")
            .is_empty()
    );
}

#[test]
fn two_clients_that_add_referrers_at_once_lose_none() {
    let registry = registry_with(false);
    let store = repository(&registry, "a");
    let subject = image(&store, b"layer", Some("1"));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (store, subject) = (store.clone(), subject.clone());
            scope.spawn(move || referrer(&store, &subject, &format!("application/{number}")));
        }
    });
    assert_eq!(
        store.referrers(&subject.digest).expect("it answers").len(),
        6
    );
}

#[test]
fn a_copy_brings_the_image_what_refers_to_it_and_cosigns_tags() {
    for api in [true, false] {
        let (one, other) = (TestRegistry::honest(), registry_with(api));
        let (from, to) = (repository(&one, "a"), repository(&other, "b/c"));
        let inner = image(&from, &vec![1; 2 << 20], None);
        let index = basalt_oci::to_bytes(&Index::new(vec![inner.clone()])).expect("JSON");
        let root = from
            .put_manifest(media_type::INDEX, &index, Some("1"))
            .expect("it is taken");
        let sbom = referrer(&from, &inner, "application/spdx+json");
        let signature = referrer(&from, &sbom, "application/sig");
        let legacy = image(
            &from,
            b"signature",
            Some(&format!("sha256-{}.sig", root.digest.hex())),
        );
        let copied =
            copy(&from, &root, Target::Repository(&to), &options(Some("2"))).expect("it is copied");
        assert_eq!((copied.manifests, copied.referrers), (5, 3));
        assert_eq!(to.resolve("2").expect("it answers"), Some(root.clone()));
        for digest in [inner.digest, sbom.digest, signature.digest, legacy.digest] {
            assert_eq!(one.manifest("a", &digest), other.manifest("b/c", &digest));
        }
        assert_eq!(
            to.referrers(&inner.digest).expect("it answers")[0].digest,
            sbom.digest
        );
        assert_eq!(
            to.referrers(&sbom.digest).expect("it answers")[0].digest,
            signature.digest
        );
        let tag = format!("sha256-{}.sig", root.digest.hex());
        assert_eq!(other.tag("b/c", &tag), Some(legacy.digest));
        // Once more moves nothing, and the tag is the last that is given.
        let again =
            copy(&from, &root, Target::Repository(&to), &options(Some("2"))).expect("it is copied");
        assert_eq!((again.moved, again.moved_bytes), (0, 0));
        let seen = other.seen();
        let last = seen
            .iter()
            .rfind(|one| one.method == "PUT")
            .expect("there is one");
        assert_eq!(last.path, "/v2/b/c/manifests/2");
    }
}

#[test]
fn blobs_are_mounted_within_a_registry() {
    let registry = TestRegistry::honest();
    let (from, to) = (repository(&registry, "a"), repository(&registry, "b"));
    let root = image(&from, &vec![1; 2 << 20], Some("1"));
    let mut options = options(Some("1"));
    options.mount_from = to.mountable_from(&from);
    let copied = copy(&from, &root, Target::Repository(&to), &options).expect("it is copied");
    assert_eq!((copied.mounted, copied.moved), (2, 0));
    // Where the registry does not mount, it says where the bytes go.
    let other = repository(&registry, "c");
    options.mount_from = Some("none");
    let copied = copy(&from, &root, Target::Repository(&other), &options).expect("it is copied");
    assert_eq!((copied.mounted, copied.moved), (0, 2));
}

#[test]
fn a_tag_a_manifest_and_a_blob_are_deleted() {
    let registry = TestRegistry::honest();
    let store = repository(&registry, "a");
    let root = image(&store, b"layer", Some("1"));
    store.delete_tag("1").expect("it is deleted");
    assert!(store.manifest(&root.digest).expect("it answers").is_some());
    store.delete_manifest(&root.digest).expect("it is deleted");
    assert!(store.manifest(&root.digest).expect("it answers").is_none());
    store
        .delete_blob(&Digest::of(b"layer"))
        .expect("it is deleted");
    assert!(!store.has_blob(&Digest::of(b"layer")).expect("it answers"));
    let error = store.delete_tag("1").expect_err("it is gone");
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
}

fn known(registry: &TestRegistry, name: &str, credential: Option<Credential>) -> Repository {
    let mut settings = settings();
    if let Some(credential) = credential {
        settings.credentials = Credentials::none().with(&registry.host(), credential);
    }
    repository_with(registry, name, settings)
}

#[test]
fn a_name_and_password_open_a_registry_that_asks_for_them() {
    let behaviour = Behaviour {
        access: Access::Basic("me", "hunter2"),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let store = known(&registry, "a", Some(Credential::password("me", "hunter2")));
    image(&store, b"layer", Some("1"));
    let wrong = known(&registry, "a", Some(Credential::password("me", "wrong")));
    let nobody = known(&registry, "a", None);
    for store in [wrong, nobody] {
        let error = store.find("1").expect_err("it is refused");
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("basalt login") && !text.contains("wrong"),
            "{text}"
        );
    }
}

#[test]
fn a_token_is_asked_for_once_and_used_as_long_as_it_holds() {
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 1000),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let store = known(&registry, "a", Some(Credential::password("me", "hunter2")));
    image(&store, b"layer", Some("1"));
    store.find("1").expect("it answers");
    // One to pull and one to push.
    assert_eq!(registry.count("GET /token"), 2);
    // The password goes to the token server alone.
    for seen in registry
        .seen()
        .iter()
        .filter(|seen| seen.path.starts_with("/v2"))
    {
        assert!(
            !seen.header("authorization").starts_with("Basic"),
            "{seen:?}"
        );
    }
    let nobody = known(&registry, "a", None);
    assert!(nobody.find("1").expect("it may be pulled").is_some());
    let error = nobody.delete_tag("1").expect_err("it is refused");
    assert!(matches!(error, ClientError::Unauthorized { .. }), "{error}");
}

#[test]
fn a_token_that_ran_out_is_renewed_also_within_an_upload() {
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 4),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let mut settings = settings();
    settings.chunk = 1 << 20;
    settings.credentials =
        Credentials::none().with(&registry.host(), Credential::password("me", "hunter2"));
    let store = repository_with(&registry, "a", settings);
    let layer: Vec<u8> = (0..3 << 20).map(|byte: u32| byte as u8).collect();
    let put = store
        .put_blob(media_type::LAYER, &layer)
        .expect("it is taken");
    assert_eq!(registry.blob("a", &put.digest), Some(layer));
}

#[test]
fn an_identity_token_is_changed_for_tokens() {
    let behaviour = Behaviour {
        access: Access::Bearer("me", "hunter2", 1000),
        ..Behaviour::default()
    };
    let registry = TestRegistry::start(behaviour, |_| None);
    let identity = Credential::Identity(Secret::new("identity".to_owned()));
    let store = known(&registry, "a", Some(identity));
    image(&store, b"layer", Some("1"));
    assert_eq!(registry.count("POST /token"), 2);
    assert!(
        registry
            .seen()
            .iter()
            .all(|seen| !seen.path.contains("identity"))
    );
}

#[test]
fn a_mirror_is_asked_first_and_the_place_itself_when_it_fails() {
    let (mirror, home) = (TestRegistry::honest(), TestRegistry::honest());
    let (there, here) = (repository(&mirror, "cache/a"), repository(&home, "a"));
    let both = image(&here, b"layer", Some("1"));
    image(&there, b"layer", Some("1"));
    let only = image(&here, b"other", Some("2"));
    let mut settings = settings();
    let text = format!(
        "[[registry]]\nprefix = \"r.example\"\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}/cache\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n",
        home.host(),
        mirror.host()
    );
    settings.limits.attempts = 1;
    settings
        .registries
        .add_text(std::path::Path::new("registries.conf"), &text)
        .expect("it is sound");
    let client = Client::new(settings).expect("a client");
    let reference = "r.example/a".parse().expect("a reference");
    let store = client.repository(&reference).expect("it is not blocked");
    let before = home.seen().len();
    assert_eq!(store.find("1").expect("it answers"), Some(both.clone()));
    store
        .get_manifest(&both.digest)
        .expect("it answers")
        .expect("it is there");
    assert_eq!(home.seen().len(), before);
    assert_eq!(store.find("2").expect("it answers"), Some(only));
    // What is written goes to the place itself.
    store
        .put_blob(media_type::LAYER, b"new")
        .expect("it is taken");
    assert!(home.blob("a", &Digest::of(b"new")).is_some());
    assert!(mirror.blob("cache/a", &Digest::of(b"new")).is_none());
}
