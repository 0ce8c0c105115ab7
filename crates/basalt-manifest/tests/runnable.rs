//! What an engine would run is judged, or refused. The corpus was decoded by the engines' own libraries (`tests/peers/`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use basalt_digest::Digest;
use basalt_manifest::{Covered, Descriptor, Limits, Refusal, Source, runnable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// What begins as something that is unpacked.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\0";
const TEXT: &[u8] = br#"{"payload":"e30="}"#;

/// Blobs by their digests, and how often they were asked for.
#[derive(Debug, Clone, Default)]
struct Blobs {
    all: BTreeMap<String, Vec<u8>>,
    reads: usize,
}

impl Source for Blobs {
    type Error = std::convert::Infallible;

    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        self.reads += 1;
        Ok(self.all.get(digest).cloned())
    }

    fn blob(&mut self, blob: &Descriptor, limit: u64) -> Result<Option<Vec<u8>>, Self::Error> {
        self.reads += 1;
        let found = self.all.get(&blob.digest);
        Ok(found.filter(|bytes| bytes.len() as u64 <= limit).cloned())
    }
}

type Told = Result<Covered, Refusal<std::convert::Infallible>>;

impl Blobs {
    /// Adds bytes; what points at them.
    fn add(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.all.insert(digest, bytes.to_vec());
        descriptor
    }

    fn add_json(&mut self, media_type: &str, document: &Value) -> Value {
        self.add(media_type, document.to_string().as_bytes())
    }

    /// A manifest of this type, with a config and layers of these types and bytes.
    fn manifest(&mut self, kind: &str, config: (&str, &[u8]), layers: &[(&str, &[u8])]) -> Value {
        let layers: Vec<Value> = layers.iter().map(|one| self.add(one.0, one.1)).collect();
        let config = self.add(config.0, config.1);
        let document =
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
        self.add_json(kind, &document)
    }

    fn index(&mut self, entries: &[Value]) -> Value {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.add_json(INDEX, &document)
    }

    fn told(&mut self, entry: &Value) -> Told {
        runnable(digest(entry), Limits::default(), self)
    }

    /// The digests that could be run.
    #[track_caller]
    fn images(&mut self, entry: &Value) -> Vec<String> {
        let covered = self.told(entry).expect("it is read");
        covered.images.into_iter().map(|one| one.digest).collect()
    }
}

fn digest(entry: &Value) -> &str {
    entry["digest"].as_str().expect("a digest")
}

/// The config of an image with one layer; `name` makes it another.
fn config(name: &str) -> Vec<u8> {
    json!({"os": "linux", "author": name, "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"x").to_string()]}})
        .to_string()
        .into_bytes()
}

fn image(blobs: &mut Blobs, name: &str) -> Value {
    blobs.manifest(MANIFEST, (CONFIG, &config(name)), &[(LAYER, GZIP)])
}

#[test]
fn what_could_be_run_is_an_image_whatever_it_calls_itself() {
    let image_config = config("");
    let other: &[u8] = br#"{"name":"chart"}"#;
    let root_by_another_name = br#"{"Rootf\u017f":{"diff_ids":[]}}"#;
    let doubled = br#"{"a":1,"a":2}"#;
    for (kind, config, layers) in [
        (MANIFEST, (CONFIG, &image_config[..]), vec![(LAYER, GZIP)]),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![("application/x-layer", GZIP)],
        ),
        (
            DOCKER,
            (CONFIG, &image_config),
            vec![("application/x-layer", GZIP)],
        ),
        (MANIFEST, (CONFIG, &image_config), vec![]),
        (MANIFEST, (CONFIG, b"{}"), vec![(LAYER, GZIP)]),
        // Docker takes any config that names layers.
        (
            MANIFEST,
            ("application/x-artifact", &image_config),
            vec![(LAYER, GZIP)],
        ),
        (
            MANIFEST,
            (EMPTY, &image_config),
            vec![("application/x-layer", GZIP)],
        ),
        (
            MANIFEST,
            ("application/x-artifact", root_by_another_name),
            vec![(LAYER, GZIP)],
        ),
        (
            MANIFEST,
            ("application/x-artifact", doubled),
            vec![(LAYER, GZIP)],
        ),
        (MANIFEST, ("", other), vec![(LAYER, GZIP)]),
        (
            MANIFEST,
            ("application/octet-stream", other),
            vec![(LAYER, GZIP)],
        ),
        (
            MANIFEST,
            ("Application/JSON; charset=utf-8", other),
            vec![(LAYER, GZIP)],
        ),
        // podman takes Docker's manifests with any config.
        (
            DOCKER,
            ("application/x-artifact", other),
            vec![("application/x-layer", GZIP)],
        ),
        (
            MANIFEST,
            ("application/x-artifact", other),
            vec![("application/vnd.docker.image.rootfs.diff.tar.gzip", GZIP)],
        ),
        // Types of attached things over something that is unpacked.
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![(SIMPLE_SIGNING, GZIP)],
        ),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![(IN_TOTO, TEXT), (IN_TOTO, GZIP)],
        ),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![(IN_TOTO, TEXT), (LAYER, GZIP)],
        ),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![(IN_TOTO, &[0; 1024])],
        ),
        (MANIFEST, (CONFIG, &image_config), vec![(IN_TOTO, b"")]),
        (MANIFEST, (CONFIG, &image_config), vec![(IN_TOTO, b"layer")]),
        (
            DOCKER,
            ("application/x", &image_config),
            vec![(IN_TOTO, TEXT)],
        ),
        // Other things that some engine starts.
        (
            MANIFEST,
            ("application/vnd.wasm.config.v0+json", other),
            vec![("application/wasm", b"\0asm")],
        ),
        (
            MANIFEST,
            ("application/x", other),
            vec![(
                "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
                b"\0asm",
            )],
        ),
        (
            MANIFEST,
            (EMPTY, b"{}"),
            vec![("application/vnd.sylabs.sif.layer.v1.sif", b"SIF")],
        ),
        (
            MANIFEST,
            (EMPTY, b"{}"),
            vec![("appliciation/vnd.sylabs.sif.layer.tar", b"SIF")],
        ),
        (
            MANIFEST,
            ("application/vnd.docker.plugin.v1+json", b"{}"),
            vec![(LAYER, GZIP)],
        ),
    ] {
        let mut blobs = Blobs::default();
        let shown = format!("{kind} {} {layers:?}", config.0);
        let entry = blobs.manifest(kind, config, &layers);
        assert_eq!(blobs.images(&entry), [digest(&entry)], "{shown}");
    }
}

#[test]
fn signatures_attestations_and_artifacts_are_exempt() {
    let image_config = config("");
    for (kind, config, layers) in [
        // cosign's older format, and BuildKit's attestations.
        (
            MANIFEST,
            (CONFIG, &image_config[..]),
            vec![(SIMPLE_SIGNING, TEXT), (SIMPLE_SIGNING, TEXT)],
        ),
        (
            DOCKER,
            (
                "application/vnd.docker.container.image.v1+json",
                &image_config,
            ),
            vec![(SIMPLE_SIGNING, TEXT)],
        ),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![(IN_TOTO, TEXT), (IN_TOTO, b"{}")],
        ),
        (
            MANIFEST,
            (CONFIG, &image_config),
            vec![("text/spdx", b"SPDXVersion: SPDX-2.3\n")],
        ),
        (
            MANIFEST,
            (EMPTY, b"{}"),
            vec![("application/vnd.dev.sigstore.bundle.v0.3+json", TEXT)],
        ),
        // What ORAS and Helm push.
        (
            MANIFEST,
            (EMPTY, b"{}"),
            vec![("application/vnd.oci.image.layer.v1.tar", GZIP)],
        ),
        (
            MANIFEST,
            (
                "application/vnd.cncf.helm.config.v1+json",
                br#"{"name":"chart","version":"1"}"#,
            ),
            vec![("application/vnd.cncf.helm.chart.content.v1.tar+gzip", GZIP)],
        ),
        (
            MANIFEST,
            ("application/vnd.cncf.notary.signature", b"{}"),
            vec![("application/cose", b"\x84\x43")],
        ),
    ] {
        let mut blobs = Blobs::default();
        let shown = format!("{kind} {} {layers:?}", config.0);
        let entry = blobs.manifest(kind, config, &layers);
        assert_eq!(blobs.images(&entry), [""; 0], "{shown}");
        // One of which nothing can be read may be anything.
        let own = digest(&entry).to_owned();
        blobs.all.retain(|name, _| *name == own);
        assert_eq!(blobs.images(&entry), [own], "{shown}");
    }
}

#[test]
fn neither_an_annotation_nor_a_media_type_nor_a_depth_hides_an_image() {
    let mut blobs = Blobs::default();
    let (one, two) = (image(&mut blobs, "one"), image(&mut blobs, "two"));
    let expected = {
        let mut all = vec![digest(&one).to_owned(), digest(&two).to_owned()];
        all.sort();
        all
    };
    let mut entries = Vec::new();
    for value in ["attestation-manifest", "", "anything"] {
        let mut entry = two.clone();
        entry["annotations"] = json!({"vnd.docker.reference.type": value});
        entries.push(entry);
    }
    for kind in [
        "application/octet-stream",
        "",
        INDEX,
        "text/html",
        LAYER,
        CONFIG,
    ] {
        let mut entry = two.clone();
        entry["mediaType"] = json!(kind);
        entries.push(entry);
    }
    let mut entry = two.clone();
    entry["artifactType"] = json!("application/x-anything");
    entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    entries.push(entry);
    let mut nested = two.clone();
    for _ in 0..40 {
        nested = blobs.index(&[nested]);
    }
    nested["mediaType"] = json!(MANIFEST);
    entries.push(nested);
    for entry in entries {
        let index = blobs.index(&[one.clone(), entry.clone()]);
        let mut found = blobs.images(&index);
        found.sort();
        assert_eq!(found, expected, "{entry}");
    }
    // An image that has a subject, or calls itself an artifact.
    let bytes = &blobs.all[digest(&one)];
    let mut document: Value = serde_json::from_slice(bytes).expect("JSON");
    document["subject"] = two.clone();
    document["artifactType"] = json!("application/vnd.dev.cosign.artifact.sig.v1+json");
    let entry = blobs.add_json(MANIFEST, &document);
    assert_eq!(blobs.images(&entry), [digest(&entry)]);
}

#[test]
fn what_is_listed_and_not_here_may_be_anything() {
    let mut blobs = Blobs::default();
    let gone = image(&mut Blobs::default(), "gone");
    let index = blobs.index(std::slice::from_ref(&gone));
    let covered = blobs.told(&index).expect("read");
    assert!(covered.images[0].document.is_none() && !covered.images[0].is_elsewhere);
    // An engine has it all the same: of the index, or from where the index says.
    for (key, value) in [
        ("data", json!("e30=")),
        ("urls", json!(["https://registry.example/gone"])),
    ] {
        let mut there = gone.clone();
        there[key] = value;
        for entries in [vec![there.clone()], vec![gone.clone(), there.clone()]] {
            let index = blobs.index(&entries);
            assert!(blobs.told(&index).expect("read").images[0].is_elsewhere);
            let outer = blobs.index(&[index]);
            assert!(blobs.told(&outer).expect("read").images[0].is_elsewhere);
        }
    }
    // What does not begin as an object is no manifest to anybody: an entry that is a layer.
    let layer = blobs.add(LAYER, GZIP);
    let index = blobs.index(&[layer]);
    assert_eq!(blobs.images(&index), [""; 0]);
}

#[test]
fn one_document_that_could_be_two_things_refuses_all_that_leads_to_it() {
    let mut blobs = Blobs::default();
    let one = image(&mut blobs, "one");
    let text = String::from_utf8(blobs.all[digest(&one)].clone()).expect("a text");
    let odd = text.replace("\"layers\"", "\"Layers\":[],\"layers\"");
    let odd = blobs.add(MANIFEST, odd.as_bytes());
    let inner = blobs.index(std::slice::from_ref(&odd));
    let index = blobs.index(&[one, inner]);
    match blobs.told(&index) {
        Err(Refusal::Malformed { digest: found, .. }) => assert_eq!(found, digest(&odd)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_levels_of_indexes_that_list_one_child_400_times_each_cost_a_handful_of_reads() {
    let mut blobs = Blobs::default();
    let mut entry = image(&mut blobs, "one");
    let image = digest(&entry).to_owned();
    for _ in 0..3 {
        entry = blobs.index(&vec![entry; 400]);
    }
    assert_eq!(blobs.images(&entry), [image]);
    assert_eq!(blobs.reads, 4);
}

#[test]
fn all_the_work_has_one_bound() {
    let mut blobs = Blobs::default();
    let children: Vec<Value> = (0..50)
        .map(|number| image(&mut blobs, &number.to_string()))
        .collect();
    let index = blobs.index(&children);
    let limits = |reads, bytes| Limits { reads, bytes };
    for limits in [limits(50, 1 << 30), limits(1000, 10_000)] {
        let told = runnable(digest(&index), limits, &mut blobs);
        assert!(matches!(told, Err(Refusal::TooMuch { .. })), "{told:?}");
    }
    assert!(runnable(digest(&index), limits(51, 1 << 30), &mut blobs).is_ok());
}

/// A case of the corpus: what was asked about, all blobs, and what each engine ran of them.
#[derive(Deserialize)]
struct Case {
    name: String,
    entry: Entry,
    blobs: BTreeMap<String, String>,
    runs: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it is read").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    paths.sort();
    paths
}

/// What an engine ran and nobody judged.
fn unjudged(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).expect("it is read");
    let case: Case =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blobs = Blobs::default();
    for (digest, bytes) in case.blobs {
        blobs
            .all
            .insert(digest, STANDARD.decode(bytes).expect("base64"));
    }
    let Ok(covered) = runnable(&case.entry.digest, Limits::default(), &mut blobs) else {
        return Vec::new();
    };
    let mut judged = Vec::new();
    for image in &covered.images {
        judged.push(image.digest.as_str());
        let config = image.document.as_ref().and_then(|one| one.config.as_ref());
        judged.extend(config.map(|config| config.digest.as_str()));
    }
    let name = &case.name;
    let all = case.runs.iter();
    all.flat_map(|(engine, runs)| runs.iter().map(move |run| (engine, run)))
        .filter(|(_, run)| !judged.contains(&run.as_str()))
        .map(|(engine, run)| format!("{name}: {engine} runs {run}"))
        .collect()
}

#[test]
fn whatever_an_engine_would_run_is_judged_or_refused() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/runnable");
    let mut paths = cases(&own);
    assert!(paths.len() > 20, "the corpus has {} cases", paths.len());
    if let Some(folder) = std::env::var_os("BASALT_RUNNABLE_CASES") {
        paths.extend(cases(Path::new(&folder)));
    }
    let unjudged: Vec<String> = paths.iter().flat_map(|path| unjudged(path)).collect();
    assert!(unjudged.is_empty(), "{}", unjudged.join("\n"));
    println!("{} cases", paths.len());
}

/// One leaf, as whoever attacks would make it.
#[derive(Debug, Clone)]
struct Leaf {
    kind: &'static str,
    config: &'static str,
    has_root: bool,
    layers: Vec<(&'static str, bool)>,
}

impl Leaf {
    /// Whether some engine runs it, told apart from the code that is tested: it has something to unpack, and either its config
    /// names layers or an engine does not ask for that.
    fn runs(&self) -> bool {
        let unpacks = self.layers.iter().any(|(_, is_archive)| *is_archive);
        let is_config = [CONFIG, "application/octet-stream", ""].contains(&self.config);
        unpacks && (self.has_root || is_config || self.kind == DOCKER)
    }
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let types = [
        LAYER,
        "application/x-layer",
        SIMPLE_SIGNING,
        IN_TOTO,
        "text/spdx",
        "",
    ];
    let configs = [
        CONFIG,
        EMPTY,
        "application/x-artifact",
        IN_TOTO,
        "application/octet-stream",
        "",
    ];
    let layer = (proptest::sample::select(types.to_vec()), any::<bool>());
    (
        proptest::sample::select(vec![MANIFEST, MANIFEST, DOCKER]),
        proptest::sample::select(configs.to_vec()),
        any::<bool>(),
        proptest::collection::vec(layer, 1..3),
    )
        .prop_map(|(kind, config, has_root, layers)| Leaf {
            kind,
            config,
            has_root,
            layers,
        })
}

/// How an index lists one of its children.
#[derive(Debug, Clone)]
struct Listing {
    manifests: usize,
    digest: usize,
    media_type: &'static str,
    annotation: Option<&'static str>,
    doubled: bool,
    wrapped: usize,
}

const MANIFESTS: [&str; 6] = [
    "manifests",
    "manifests",
    "manifests",
    "Manifests",
    "manifest\u{17f}",
    "MANIFESTS",
];
const DIGESTS: [&str; 5] = ["digest", "digest", "digest", "Digest", "DIGEST"];

fn listing() -> impl Strategy<Value = Listing> {
    let types = [
        MANIFEST,
        INDEX,
        DOCKER,
        "application/octet-stream",
        "",
        LAYER,
    ];
    let annotations = [None, Some("attestation-manifest"), Some("x")];
    (
        0..MANIFESTS.len(),
        0..DIGESTS.len(),
        proptest::sample::select(types.to_vec()),
        proptest::sample::select(annotations.to_vec()),
        proptest::bool::weighted(0.2),
        0..4_usize,
    )
        .prop_map(
            |(manifests, digest, media_type, annotation, doubled, wrapped)| Listing {
                manifests,
                digest,
                media_type,
                annotation,
                doubled,
                wrapped,
            },
        )
}

/// Adds an index that lists an entry so; what points at it.
fn listed(blobs: &mut Blobs, first: &Value, entry: &Value, how: &Listing) -> Value {
    let annotations = match how.annotation {
        Some(value) => format!(r#","annotations":{{"vnd.docker.reference.type":"{value}"}}"#),
        None => String::new(),
    };
    let own = format!(
        r#"{{"mediaType":"{}","{}":"{}","size":{}{annotations}}}"#,
        how.media_type,
        DIGESTS[how.digest],
        digest(entry),
        entry["size"]
    );
    let key = MANIFESTS[how.manifests];
    let before = match how.doubled || key != "manifests" {
        true => format!(r#""manifests":[{first}],"#),
        false => String::new(),
    };
    let text = format!(r#"{{"schemaVersion":2,{before}"{key}":[{first},{own}]}}"#);
    blobs.add(INDEX, text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_mutation_leaves_a_child_unjudged_that_an_engine_runs(
        leaves in proptest::collection::vec((leaf(), listing()), 1..4),
    ) {
        let mut blobs = Blobs::default();
        let first = image(&mut blobs, "signed");
        let mut entry = first.clone();
        let mut run = Vec::new();
        for (number, (leaf, how)) in leaves.iter().enumerate() {
            let config = match leaf.has_root {
                true => config(&number.to_string()),
                false => json!({"number": number}).to_string().into_bytes(),
            };
            let layers: Vec<(&str, &[u8])> = leaf
                .layers
                .iter()
                .map(|(kind, is_archive)| (*kind, if *is_archive { GZIP } else { TEXT }))
                .collect();
            let child = blobs.manifest(leaf.kind, (leaf.config, &config), &layers);
            if leaf.runs() {
                run.push(digest(&child).to_owned());
            }
            let mut child = child;
            for _ in 0..how.wrapped {
                child = blobs.index(&[child]);
            }
            entry = listed(&mut blobs, &entry, &child, how);
        }
        if let Ok(covered) = blobs.told(&entry) {
            let found: Vec<&str> = covered.images.iter().map(|one| one.digest.as_str()).collect();
            for digest in &run {
                prop_assert!(found.contains(&digest.as_str()), "{digest} of {leaves:?}");
            }
            // Nothing that was accepted was spelled in two ways.
            let is_plain = |how: &Listing| {
                MANIFESTS[how.manifests] == "manifests" && DIGESTS[how.digest] == "digest" && !how.doubled
            };
            prop_assert!(leaves.iter().all(|(_, how)| is_plain(how)));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = basalt_manifest::read(&bytes);
        let _ = basalt_manifest::read_config(&bytes);
        let mut blobs = Blobs::default();
        let entry = blobs.add(MANIFEST, &bytes);
        let _ = blobs.told(&entry);
    }
}

#[test]
fn what_is_asked_about_must_be_a_document_and_an_entry_of_an_index_may_be_a_blob() {
    for bytes in [&b"hello"[..], b"[1]", b"", GZIP, b"null"] {
        let mut blobs = Blobs::default();
        let blob = blobs.add(MANIFEST, bytes);
        let told = runnable(digest(&blob), Limits::default(), &mut blobs);
        assert!(matches!(told, Err(Refusal::Malformed { .. })), "{told:?}");
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [blob]});
        let index = blobs.add_json(INDEX, &index);
        let told = runnable(digest(&index), Limits::default(), &mut blobs);
        assert_eq!(told.expect("it is told").exempt, [digest(&blob)]);
    }
}
