//! Registries that lead in circles, on and on, or nowhere, and those that lack a method or a header.

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use basalt_client::{
    Client, ClientError, CopyOptions, LayoutTarget, Repository, Settings, Target, copy,
};
use basalt_digest::Digest;
use basalt_fetch::Silent;
use basalt_oci::{Descriptor, ImageStore, Index, LayoutStore, Manifest, OciError, media_type};
use support::{Behaviour, Fault, Response, Seen, TestRegistry};

fn repository(registry: &TestRegistry) -> Repository {
    let mut settings = Settings::default();
    settings.limits.backoff = Duration::from_millis(5);
    let client = Client::new(settings).expect("a client");
    let reference = format!("{}/a", registry.host())
        .parse()
        .expect("a reference");
    client.repository(&reference).expect("it is not blocked")
}

fn options<'a>(tag: Option<&'a str>) -> CopyOptions<'a> {
    CopyOptions {
        tag,
        platform: None,
        referrers: true,
        mount_from: None,
        jobs: 2,
        observer: &Silent,
    }
}

fn manifest(store: &dyn ImageStore, layer: &[u8]) -> Vec<u8> {
    let config = store.put_blob(media_type::CONFIG, b"{}").expect("taken");
    let layer = store.put_blob(media_type::LAYER, layer).expect("taken");
    basalt_oci::to_bytes(&Manifest::new(config, vec![layer])).expect("JSON")
}

fn image(store: &dyn ImageStore, layer: &[u8], tag: Option<&str>) -> Descriptor {
    let bytes = manifest(store, layer);
    store
        .put_manifest(media_type::MANIFEST, &bytes, tag)
        .expect("it is taken")
}

fn cosign(digest: &Digest, ending: &str) -> String {
    format!("sha256-{}.{ending}", digest.hex())
}

/// Adds a tag to a manifest that is there.
fn tag(registry: &TestRegistry, digest: &Digest, tag: &str) {
    let bytes = registry.manifest("a", digest).expect("it is there");
    registry.put_manifest("a", media_type::MANIFEST, &bytes, Some(tag));
}

fn is_distrust(error: &OciError) -> bool {
    match error {
        OciError::TooLarge { .. } => true,
        OciError::Store { cause, .. } => cause
            .downcast_ref::<ClientError>()
            .is_some_and(ClientError::is_distrust),
        _ => false,
    }
}

#[test]
fn tags_that_name_the_image_itself_are_followed_once_and_copied() {
    let (one, other) = (TestRegistry::honest(), TestRegistry::honest());
    let (from, to) = (repository(&one), repository(&other));
    let root = image(&from, b"layer", Some("1"));
    for ending in ["sig", "att", "sbom"] {
        tag(&one, &root.digest, &cosign(&root.digest, ending));
    }
    let before = one.seen().len();
    let copied = copy(&from, &root, Target::Repository(&to), &options(Some("2"))).expect("copied");
    assert_eq!((copied.manifests, copied.referrers), (1, 0));
    let asked = one.seen().len() - before;
    assert!(asked < 20, "{asked} requests");
    assert_eq!(other.tag("a", "2"), Some(root.digest));
    for ending in ["sig", "att", "sbom"] {
        let tag = cosign(&root.digest, ending);
        assert_eq!(other.tag("a", &tag), Some(root.digest));
    }
    // Into a layout too, each name once.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout");
    for _ in 0..2 {
        let layout = LayoutTarget::create(&path).expect("it can be made");
        copy(&from, &root, Target::Layout(&layout), &options(Some("2"))).expect("copied");
        layout.finish().expect("it is put in place");
    }
    let store = LayoutStore::open(&path).expect("it is one");
    let tags = store.tags().expect("it is sound");
    assert_eq!(tags.len(), 4, "{tags:?}");
    // And from there back.
    let copied = copy(&store, &root, Target::Repository(&to), &options(Some("3"))).expect("copied");
    assert_eq!(copied.manifests, 1);
}

#[test]
fn circles_of_tags_and_referrers_are_followed_once() {
    // The registry lies: each of two manifests refers to the other, to itself, and to an index of both.
    let lies = Arc::new(Mutex::new(String::new()));
    let told = lies.clone();
    let registry = TestRegistry::faulty(move |seen: &Seen| {
        let list = Response::new(200)
            .header("Content-Type", media_type::INDEX)
            .body(told.lock().expect("no panic").clone());
        seen.is("GET", "/referrers/")
            .then_some(Fault::Instead(list))
    });
    let other = TestRegistry::honest();
    let (from, to) = (repository(&registry), repository(&other));
    let (a, b) = (image(&from, b"a", Some("1")), image(&from, b"b", None));
    let both = Index::new(vec![a.clone(), b.clone()]);
    let index = basalt_oci::to_bytes(&both).expect("JSON");
    let c = from
        .put_manifest(media_type::INDEX, &index, None)
        .expect("it is taken");
    tag(&registry, &a.digest, &cosign(&b.digest, "sig"));
    tag(&registry, &b.digest, &cosign(&a.digest, "sig"));
    let mut entries = vec![a.clone(), b.clone(), c.clone()];
    for entry in &mut entries {
        entry.artifact_type = Some("application/x".to_owned());
    }
    *lies.lock().expect("no panic") =
        String::from_utf8(basalt_oci::to_bytes(&Index::new(entries)).expect("JSON")).expect("text");
    let before = registry.seen().len();
    let copied = copy(&from, &a, Target::Repository(&to), &options(Some("1"))).expect("copied");
    assert_eq!(copied.manifests, 3);
    let asked = registry.seen().len() - before;
    assert!(asked < 40, "{asked} requests");
    assert_eq!(other.tag("a", &cosign(&b.digest, "sig")), Some(a.digest));
    assert_eq!(other.tag("a", &cosign(&a.digest, "sig")), Some(b.digest));
}

#[test]
fn an_index_that_lists_one_child_over_and_over_is_read_once() {
    let (one, other) = (TestRegistry::honest(), TestRegistry::honest());
    let (from, to) = (repository(&one), repository(&other));
    let mut child = image(&from, b"layer", None);
    for _ in 0..3 {
        let index = Index::new(vec![child.clone(); 400]);
        let bytes = basalt_oci::to_bytes(&index).expect("JSON");
        let put = from.put_manifest(media_type::INDEX, &bytes, Some("1"));
        child = put.expect("it is taken");
    }
    let before = one.seen().len();
    let copied = copy(&from, &child, Target::Repository(&to), &options(Some("1")));
    assert_eq!(copied.expect("it is copied").manifests, 4);
    assert!(one.seen().len() - before < 40);
    // A layout that has it is added to in no time.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout");
    let begun = Instant::now();
    for name in ["1", "2"] {
        let layout = LayoutTarget::create(&path).expect("it can be made");
        let small = image(&from, name.as_bytes(), None);
        let root = if name == "1" { &child } else { &small };
        copy(&from, root, Target::Layout(&layout), &options(Some(name))).expect("copied");
        layout.finish().expect("it is put in place");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_registry_that_signs_each_signature_anew_is_given_up() {
    // Whatever tag is asked for is there, and another manifest each time.
    let made: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let base = Arc::new(Mutex::new(Vec::new()));
    let (known, first) = (made.clone(), base.clone());
    let registry = TestRegistry::faulty(move |seen: &Seen| {
        let (_, name) = seen.path.split_once("/manifests/")?;
        let mut known = known.lock().expect("no panic");
        let bytes = match known.get(name) {
            Some(bytes) => bytes.clone(),
            None if name.ends_with(".sig") => {
                let base = first.lock().expect("no panic").clone();
                let mut value: serde_json::Value = serde_json::from_slice(&base).ok()?;
                value["annotations"]["of"] = name.into();
                let bytes = value.to_string().into_bytes();
                known.insert(Digest::of(&bytes).to_string(), bytes.clone());
                bytes
            }
            None => return None,
        };
        let response = Response::new(200)
            .header("Content-Type", media_type::MANIFEST)
            .header("Docker-Content-Digest", Digest::of(&bytes).to_string());
        Some(Fault::Instead(response.body(bytes)))
    });
    let other = TestRegistry::honest();
    let (from, to) = (repository(&registry), repository(&other));
    *base.lock().expect("no panic") = manifest(&from, b"layer");
    let root = image(&from, b"layer", Some("1"));
    let before = registry.seen().len();
    let error = copy(&from, &root, Target::Repository(&to), &options(Some("1")))
        .expect_err("it has no end");
    assert!(is_distrust(&error), "{error}");
    let asked = registry.seen().len() - before;
    assert!(asked < 100, "{asked} requests");
    assert_eq!(other.tag("a", "1"), None, "nothing is half there");
}

/// A registry whose list of tags, or of referrers, has a page more for each that is asked for.
fn endless(entries: impl Fn(usize) -> Vec<String> + Send + Sync + 'static) -> TestRegistry {
    let count = Mutex::new(0);
    TestRegistry::faulty(move |seen: &Seen| {
        let (path, _) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        if !path.ends_with("/tags/list") && !path.contains("/referrers/") {
            return None;
        }
        let mut count = count.lock().expect("no panic");
        *count += 1;
        let page = entries(*count);
        let body = if path.contains("/referrers/") {
            let entry = |text: &String| {
                serde_json::json!({
                    "mediaType": media_type::MANIFEST, "size": 2, "artifactType": "application/x",
                    "digest": Digest::of(text.as_bytes()).to_string(),
                })
            };
            let manifests: Vec<_> = page.iter().map(entry).collect();
            serde_json::json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests})
        } else {
            serde_json::json!({"name": "a", "tags": page})
        };
        let response = Response::new(200)
            .header("Content-Type", media_type::INDEX)
            .header("Link", format!("<{path}?last={count}>; rel=\"next\""))
            .body(body.to_string());
        Some(Fault::Instead(response))
    })
}

#[test]
fn lists_without_an_end_are_given_up() {
    type Entries = fn(usize) -> Vec<String>;
    let one: Entries = |page| vec![format!("t{page}")];
    let same: Entries = |_| vec!["t".to_owned()];
    let none: Entries = |_| Vec::new();
    for (entries, most) in [(one, 120), (same, 101), (none, 101)] {
        let registry = endless(entries);
        let store = repository(&registry);
        let error = store.list_tags().expect_err("it has no end");
        assert!(error.is_distrust(), "{error}");
        let asked = registry.count("GET /v2/a/tags/list");
        assert!(asked <= most, "{asked} pages of tags");
        let error = store
            .list_referrers(&Digest::of(b"x"), None)
            .expect_err("it has no end");
        assert!(error.is_distrust(), "{error}");
        let asked = registry.count("GET /v2/a/referrers/");
        assert!(asked <= most, "{asked} pages of referrers");
    }
}

#[test]
fn a_page_that_was_read_or_is_of_another_list_is_refused() {
    for link in [
        // Two pages that lead to one another.
        "</v2/a/tags/list?last=1>",
        "</v2/b/tags/list>",
        "</v2/a/manifests/1>",
        "</>",
        "<ftp://elsewhere.example/v2/a/tags/list>",
        "<//elsewhere.example/v2/a/tags/list>",
    ] {
        let registry = TestRegistry::faulty(move |seen: &Seen| {
            let link = match seen.path.as_str() {
                "/v2/a/tags/list?last=1" => "</v2/a/tags/list?last=2>",
                _ => link,
            };
            let response = Response::new(200)
                .header("Link", format!("{link}; rel=\"next\""))
                .body(r#"{"tags":["1"]}"#);
            Some(Fault::Instead(response)).filter(|_| seen.method == "GET")
        });
        let error = repository(&registry)
            .list_tags()
            .expect_err("it is refused");
        assert!(
            matches!(error, ClientError::Redirect { .. }),
            "{link}: {error}"
        );
        assert!(error.is_distrust());
        assert!(registry.count("GET /v2/") <= 4, "{link}");
    }
}

#[test]
fn a_list_that_comes_slowly_for_ever_is_given_up_as_unreachable() {
    let registry = endless(|page| {
        std::thread::sleep(Duration::from_millis(60));
        (0..900).map(|number| format!("t{page}-{number}")).collect()
    });
    let mut settings = Settings::default().with_patience(Duration::from_millis(100));
    settings.limits.attempts = 1;
    let client = Client::new(settings).expect("a client");
    let reference = format!("{}/a", registry.host()).parse().expect("one");
    let store = client.repository(&reference).expect("it is not blocked");
    let begun = Instant::now();
    let error = store.list_tags().expect_err("it takes too long");
    assert!(error.is_network() && !error.is_distrust(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn referrers_of_which_nothing_is_said_are_read_up_to_a_bound() {
    let registry = TestRegistry::faulty(|seen: &Seen| {
        if !seen.is("GET", "/referrers/") {
            return None;
        }
        let entry = |number: u32| {
            serde_json::json!({
                "mediaType": media_type::MANIFEST, "size": 2,
                "digest": Digest::of(&number.to_le_bytes()).to_string(),
            })
        };
        let manifests: Vec<_> = (0..2500).map(entry).collect();
        let index = serde_json::json!({"schemaVersion": 2, "manifests": manifests});
        let response = Response::new(200)
            .header("Content-Type", media_type::INDEX)
            .body(index.to_string());
        Some(Fault::Instead(response))
    });
    let store = repository(&registry);
    let error = store
        .list_referrers(&Digest::of(b"x"), None)
        .expect_err("it is too much");
    assert!(error.is_distrust(), "{error}");
    assert!(registry.seen().len() <= 2010);
}

#[test]
fn a_registry_without_head_is_asked_by_get() {
    for status in [405, 501, 400, 403, 406] {
        let registry = TestRegistry::faulty(move |seen: &Seen| {
            let refusal = Fault::Instead(Response::new(status));
            (seen.method == "HEAD").then_some(refusal)
        });
        let other = TestRegistry::honest();
        let (from, to) = (repository(&registry), repository(&other));
        let root = image(&from, &vec![7; 1 << 20], Some("1"));
        assert_eq!(from.find("1").expect("it answers"), Some(root.clone()));
        assert_eq!(from.find("2").expect("it answers"), None, "{status}");
        let empty = registry.put_blob("a", b"");
        let there = |digest: &Digest| from.has_blob(digest).expect("it answers");
        assert!(there(&Digest::of(b"{}")) && there(&empty) && !there(&Digest::of(b"none")));
        copy(&from, &root, Target::Repository(&to), &options(Some("1"))).expect("it is copied");
        let back = copy(&to, &root, Target::Repository(&from), &options(Some("3")));
        assert_eq!(back.expect("it is copied").moved, 0, "{status}");
    }
}

#[test]
fn a_head_that_says_too_little_is_not_believed() {
    for (name, value) in [
        ("Docker-Content-Digest", ""),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Type", "binary/octet-stream"),
        ("Content-Length", "0"),
    ] {
        let registry = TestRegistry::faulty(move |seen: &Seen| {
            if seen.method != "HEAD" || !seen.path.ends_with("/manifests/1") {
                return None;
            }
            let mut response = Response::new(200)
                .header("Content-Type", media_type::MANIFEST)
                .header("Docker-Content-Digest", Digest::of(b"x").to_string())
                .header("Content-Length", "2");
            response.headers.retain(|(own, _)| own != name);
            if !value.is_empty() {
                response = response.header(name, value);
            }
            Some(Fault::Instead(response))
        });
        let store = repository(&registry);
        let root = image(&store, b"layer", Some("1"));
        assert_eq!(
            store.find("1").expect("it answers"),
            Some(root),
            "{name}: {value}"
        );
    }
}

#[test]
fn a_manifest_is_what_it_says_whatever_a_server_of_files_calls_it() {
    for said in [
        "text/html",
        "binary/octet-stream",
        "text/plain; charset=utf-8",
        "",
    ] {
        let registry = TestRegistry::honest();
        let store = repository(&registry);
        let bytes = manifest(&store, b"layer");
        let digest = registry.put_manifest("a", said, &bytes, Some("1"));
        let found = store.find("1").expect("it answers").expect("it is there");
        assert_eq!(
            (found.digest, found.media_type.as_str()),
            (digest, media_type::MANIFEST)
        );
        // One that does not say what it is is told from its form.
        let bare = br#"{"schemaVersion":2,"manifests":[]}"#;
        registry.put_manifest("a", said, bare, Some("2"));
        let found = store.find("2").expect("it answers").expect("it is there");
        assert_eq!(found.media_type, media_type::INDEX, "{said}");
    }
    // Another kind of manifest is no such name: who is shown one kind must not be handed another.
    let registry = TestRegistry::honest();
    let store = repository(&registry);
    let bytes = manifest(&store, b"layer");
    let digest = registry.put_manifest("a", media_type::INDEX, &bytes, Some("1"));
    let error = store.get_manifest(&digest).expect_err("it is refused");
    assert!(error.is_distrust(), "{error}");
}

#[test]
fn a_registry_that_wants_a_new_token_each_time_is_given_up() {
    let registry = TestRegistry::start(Behaviour::default(), |seen: &Seen| {
        let host = seen.header("host").to_owned();
        if seen.path.starts_with("/token") {
            let token = format!(r#"{{"token":"t{}"}}"#, seen.before);
            return Some(Fault::Instead(Response::new(200).body(token)));
        }
        let challenge = format!(
            "Bearer realm=\"http://{host}/token\",scope=\"x:{}\"",
            seen.before
        );
        let refusal = Response::new(401).header("WWW-Authenticate", challenge);
        Some(Fault::Instead(refusal))
    });
    let error = repository(&registry).find("1").expect_err("it has no end");
    assert!(matches!(error, ClientError::Unauthorized { .. }), "{error}");
    assert!(registry.seen().len() <= 5, "{:?}", registry.seen().len());
}

#[test]
fn a_blob_of_a_registry_without_head_is_not_read_to_see_whether_it_is_there() {
    let registry = TestRegistry::faulty(|seen: &Seen| {
        (seen.method == "HEAD").then_some(Fault::Instead(Response::new(405)))
    });
    let digest = registry.put_blob("a", &vec![1; 4 << 20]);
    let store = repository(&registry);
    assert!(store.has_blob(&digest).expect("it answers"));
    let seen = registry.seen();
    let last = seen.last().expect("it was asked");
    assert_eq!(
        (last.method.as_str(), last.header("range")),
        ("GET", "bytes=0-0")
    );
    let mut bytes = Vec::new();
    let blob = Descriptor::new(media_type::LAYER, digest, 4 << 20);
    let mut reader = store.open_blob(&blob).expect("it is there");
    reader.read_to_end(&mut bytes).expect("it is sound");
    assert_eq!(bytes.len(), 4 << 20);
}

#[test]
fn a_manifest_that_trickles_for_ever_is_given_up() {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.expect("a connection");
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                // Faster than the slowest pace that is borne.
                while stream.write_all(&[b' '; 2000]).is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let mut settings = Settings::default().with_patience(Duration::from_millis(200));
    settings.limits.attempts = 1;
    let client = Client::new(settings).expect("a client");
    let reference = format!("127.0.0.1:{port}/a").parse().expect("one");
    let store = client.repository(&reference).expect("it is not blocked");
    let begun = Instant::now();
    let error = store.get_manifest(&Digest::of(b"x")).expect_err("too slow");
    assert!(error.is_network() && !error.is_distrust(), "{error}");
    assert!(
        error.to_string().contains("does not come to an end"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
}
