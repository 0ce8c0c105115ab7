//! Which manifests policies are held against, and how long.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::blobs::Folder;
use crate::digest::{Algorithm, Digest};
use crate::manifest::Facts;
use crate::metadata::sqlite::Sqlite;
use crate::metadata::{Author, Grace, NewBlob, NewManifest, Place};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const TAR: &[u8] = &[0; 1024];
const GRACE: Grace = Grace {
    blob: i64::MAX,
    untagged: None,
};

/// A registry whose policy no image meets.
struct Case {
    _folder: tempfile::TempDir,
    stores: Stores,
    policies: Arc<Policies>,
}

impl Case {
    fn new() -> Self {
        Self::requiring(&json!({"created-within": "1 days"}))
    }

    fn requiring(require: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let metadata = Sqlite::open(&folder.path().join("registry.db"), GRACE).expect("it opens");
        let rule = json!({"name": "young", "repositories": ["**"], "on": ["pull", "push"], "else": "deny",
            "require": require});
        let rule = serde_json::from_value(rule).expect("a rule");
        let read = |_: &'static str, _: &Path| -> Result<String, ServeError> { Ok(String::new()) };
        Self {
            stores: Stores {
                metadata: Arc::new(metadata),
                blobs: Arc::new(Folder::open(folder.path()).expect("it opens")),
                bring: None,
            },
            policies: Arc::new(Policies::new(vec![rule], None, read).expect("a policy")),
            _folder: folder,
        }
    }

    async fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let blob = NewBlob {
            repository: name(),
            digest: digest.clone(),
            size: bytes.len() as u64,
            place: Place::Inside(Bytes::copy_from_slice(bytes)),
            upload: None,
            lease: i64::MAX,
            quota: None,
            author: author(),
        };
        let published = self.stores.metadata.publish_blob(blob).await;
        published.expect("it is there");
        json!({"mediaType": kind, "digest": digest.as_str(), "size": bytes.len()})
    }

    /// Puts a manifest there as a registry of before would have, whatever it says.
    async fn put(&self, kind: &str, text: &str) -> Value {
        let facts = Facts {
            media_type: kind.to_owned(),
            blobs: Vec::new(),
            foreign: Vec::new(),
            children: Vec::new(),
            others: Vec::new(),
            subject: None,
            artifact_type: None,
            annotations: Default::default(),
            may_have_bills: false,
        };
        self.put_of(kind, text, facts).await
    }

    async fn put_of(&self, kind: &str, text: &str, facts: Facts) -> Value {
        let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
        let manifest = NewManifest {
            repository: name(),
            digest: digest.clone(),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            facts,
            tags: Vec::new(),
            quota: None,
            is_sparse: false,
            author: author(),
        };
        let put = self.stores.metadata.put_manifest(manifest).await;
        put.expect("the database answers").expect("it is taken");
        json!({"mediaType": kind, "digest": digest.as_str(), "size": text.len()})
    }

    async fn image(&self, config: (&str, &str), layers: &[(&str, &[u8])]) -> Value {
        let config = self.blob(config.0, config.1.as_bytes()).await;
        let mut all = Vec::new();
        for (kind, bytes) in layers {
            all.push(self.blob(kind, bytes).await);
        }
        let document =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": all});
        let text = document.to_string();
        let facts = crate::manifest::read(Some(MANIFEST), text.as_bytes()).expect("it is sound");
        self.put_of(MANIFEST, &text, facts).await
    }

    /// What is found of an image that is not in the registry yet.
    async fn found_of_new(&self, config: (&str, &str), layers: &[(&str, &[u8])]) -> Option<String> {
        let config = self.blob(config.0, config.1.as_bytes()).await;
        let mut all = Vec::new();
        for (kind, bytes) in layers {
            all.push(self.blob(kind, bytes).await);
        }
        let bytes =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": all});
        let bytes = Bytes::from(bytes.to_string());
        let subject = Subject {
            repository: name(),
            digest: Digest::of(Algorithm::Sha256, &bytes),
            media_type: MANIFEST.to_owned(),
            bytes,
        };
        self.breach(subject, Occasion::Push).await
    }

    async fn index(&self, entries: &[Value]) -> Value {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.put(INDEX, &document.to_string()).await
    }

    async fn subject(&self, entry: &Value) -> Subject {
        let digest: Digest = entry["digest"]
            .as_str()
            .expect("a text")
            .parse()
            .expect("one");
        let reference = crate::route::Reference::Digest(digest.clone());
        let record = self.stores.metadata.manifest(&name(), &reference).await;
        let record = record.expect("it is read").expect("it is there");
        Subject {
            repository: name(),
            digest,
            media_type: record.head.media_type,
            bytes: record.bytes,
        }
    }

    /// What is found of a manifest, if the policy is held against it.
    async fn found(&self, entry: &Value) -> Option<String> {
        self.breach(self.subject(entry).await, Occasion::Pull).await
    }

    async fn breach(&self, subject: Subject, occasion: Occasion) -> Option<String> {
        let stores = self.stores.clone();
        let judged = judge(&self.policies, stores, subject, occasion, 0, None);
        let breaches = judged.await.expect("nothing fails");
        breaches.into_iter().next().map(|breach| breach.found)
    }
}

fn name() -> RepositoryName {
    "app".parse().expect("a name")
}

fn author() -> Author {
    Author {
        name: "ann".to_owned(),
        address: String::new(),
        moment: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_held_against_whatever_could_be_run_and_nothing_else() {
    let case = Case::new();
    let image = r#"{"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    for (config, layers, is_image) in [
        ((CONFIG, image), vec![(LAYER, TAR)], true),
        ((CONFIG, image), vec![("application/x-layer", TAR)], true),
        ((CONFIG, image), vec![(SIMPLE_SIGNING, TAR)], true),
        (("application/x-artifact", image), vec![(LAYER, TAR)], true),
        (
            (CONFIG, image),
            vec![(SIMPLE_SIGNING, b"{}".as_slice())],
            false,
        ),
        (
            ("application/x-artifact", "{}"),
            vec![("application/x-file", TAR)],
            false,
        ),
    ] {
        let entry = case.image(config, &layers).await;
        let mut marked = entry.clone();
        marked["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        marked["mediaType"] = json!("application/octet-stream");
        let nested = case.index(&[marked.clone()]).await;
        let nested = case.index(&[nested]).await;
        for entry in [entry, case.index(&[marked]).await, nested] {
            let found = case.found(&entry).await;
            assert_eq!(found.is_some(), is_image, "{config:?} {layers:?} {found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_counts_only_by_layers_that_every_engine_unpacks() {
    let case = Case::requiring(&json!({"base": ["app"]}));
    let config = |layers: &[(&str, &[u8])]| {
        let name = |(_, bytes): &(&str, &[u8])| Digest::of(Algorithm::Sha256, bytes).to_string();
        let names: Vec<String> = layers.iter().map(name).collect();
        json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": names}}).to_string()
    };
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let (own, other): (&[u8], &[u8]) = (&[1; 1024], &[2; 1024]);
    // What stands on the base, the base itself, and a signature of it.
    for layers in [[(LAYER, own)], [(SIMPLE_SIGNING, b"{}".as_slice())]] {
        case.image((CONFIG, &config(&layers)), &layers).await;
    }
    for (layers, is_on) in [
        (vec![(LAYER, own), (LAYER, other)], true),
        (vec![(gzip, own), (gzip, other)], true),
        (vec![("application/x-skip", own), (LAYER, other)], false),
        (vec![(LAYER, own), ("application/x-skip", other)], false),
        (vec![("", own), (LAYER, other)], false),
        // containerd before 2.0 passes over it.
        (
            vec![
                ("application/vnd.docker.image.rootfs.diff.tar.zstd", own),
                (LAYER, other),
            ],
            false,
        ),
        (
            vec![(&*LAYER.to_ascii_uppercase(), own), (LAYER, other)],
            false,
        ),
        (
            vec![
                ("application/vnd.oci.image.layer.v1.tar; a=b", own),
                (LAYER, other),
            ],
            false,
        ),
        (
            vec![(SIMPLE_SIGNING, b"{}".as_slice()), (LAYER, other)],
            false,
        ),
        (vec![(LAYER, b"{}".as_slice()), (LAYER, other)], false),
    ] {
        let found = case.found_of_new((CONFIG, &config(&layers)), &layers).await;
        assert_eq!(found.is_none(), is_on, "{layers:?}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_and_could_be_two_things_meets_no_policy() {
    let case = Case::new();
    let config = case.blob(CONFIG, b"{}").await;
    let odd = format!(
        r#"{{"schemaVersion":2,"config":{},"Config":{config},"layers":[]}}"#,
        json!({"mediaType": "application/x-artifact", "digest": config["digest"], "size": 2})
    );
    let odd = case.put(MANIFEST, &odd).await;
    let index = case.index(std::slice::from_ref(&odd)).await;
    for entry in [odd, index] {
        let found = case.found(&entry).await.expect("it meets none");
        assert!(found.contains("`Config` is taken for `config`"), "{found}");
    }
    // No document at all: nobody can say what somebody makes of it.
    for bytes in ["hello", "[1]", "", "\"{}\"", "null"] {
        let odd = case.put(MANIFEST, bytes).await;
        let found = case.found(&odd).await.expect("it meets none");
        assert!(found.contains("is refused"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_what_is_not_here_is_no_image_unless_it_says_where_that_is() {
    let case = Case::new();
    let gone =
        json!({"mediaType": MANIFEST, "size": 2, "digest": format!("sha256:{}", "0".repeat(64))});
    let index = case.index(std::slice::from_ref(&gone)).await;
    assert_eq!(case.found(&index).await, None);
    for (key, value) in [
        ("data", json!("e30=")),
        ("urls", json!(["https://other.example/gone"])),
    ] {
        let mut there = gone.clone();
        there[key] = value;
        let index = case.index(&[gone.clone(), there]).await;
        let found = case.found(&index).await.expect("it meets none");
        assert!(found.contains("says where they are"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_child_four_hundred_times_on_three_levels_is_one() {
    let case = Case::new();
    let mut entry = case.image((CONFIG, "{}"), &[(LAYER, TAR)]).await;
    for _ in 0..3 {
        entry = case.index(&vec![entry; 400]).await;
    }
    let began = std::time::Instant::now();
    let found = case.found(&entry).await.expect("it has no date");
    assert!(found.contains("does not say when"), "{found}");
    assert!(began.elapsed().as_secs() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_more_is_read_when_nobody_waits() {
    let case = Case::new();
    let entry = case.image((CONFIG, "{}"), &[(LAYER, TAR)]).await;
    let index = case.index(&[entry]).await;
    let subject = case.subject(&index).await;
    let waiting = Waiting(Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&waiting.0);
    drop(waiting);
    let Stores {
        metadata, blobs, ..
    } = case.stores.clone();
    let runtime = Handle::current();
    let policies = Arc::clone(&case.policies);
    let judged = tokio::task::spawn_blocking(move || {
        let shelf = Shelf::new(metadata, blobs, name(), None, (runtime, stop));
        let _ = judge::judge(policies.0.iter(), &shelf, &subject, Occasion::Pull, 0);
        shelf.failure()
    });
    let failure = judged.await.expect("it ends").expect("it was stopped");
    assert!(
        matches!(failure, Unfinished::Store(error) if error.kind() == std::io::ErrorKind::Interrupted)
    );
}
