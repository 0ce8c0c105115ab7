//! What a manifest says that the registry must know: what it needs, what it refers to, what it is.

use std::collections::BTreeMap;

use basalt_manifest::{Descriptor, Document, Kind};

use crate::bills::{self, IN_INDEX};
use crate::digest::Digest;
use crate::fault::{Code, Fault};

/// The longest manifest that is taken, in bytes. The specification asks for 4 MiB at least.
pub const MAXIMUM_MANIFEST: usize = 8 << 20;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Layers that need not be in the registry (OCI image specification, *Non-distributable layers*).
const FOREIGN: [&str; 3] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// What the registry knows of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its media type.
    pub media_type: String,
    /// The blobs it needs.
    pub blobs: Vec<Needed>,
    /// The blobs it names that may be elsewhere; they are kept if they are here.
    pub foreign: Vec<Digest>,
    /// The manifests it lists.
    pub children: Vec<Needed>,
    /// The manifest it refers to.
    pub subject: Option<Digest>,
    /// What kind of artifact it is, as a list of referrers says.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it, or what it lists, may carry bills of materials.
    pub may_have_bills: bool,
}

/// Something that a manifest needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its digest.
    pub digest: Digest,
    /// The length that the manifest gives it.
    pub size: u64,
}

/// Reads a manifest that was sent as of this media type.
///
/// # Errors
/// When it is none that the registry takes, or could be read as two kinds at once.
pub fn read(content_type: Option<&str>, bytes: &[u8]) -> Result<Facts, Fault> {
    let document = basalt_manifest::read(bytes).map_err(|error| invalid(error.to_string()))?;
    let media_type = media_type(content_type, &document)?;
    let mut facts = Facts {
        media_type,
        blobs: Vec::new(),
        foreign: Vec::new(),
        children: Vec::new(),
        subject: document.subject.as_ref().map(digest).transpose()?,
        artifact_type: document.artifact_type,
        annotations: document.annotations,
        may_have_bills: false,
    };
    match document.config {
        None => {
            let manifests = document.manifests.iter();
            facts.children = manifests.map(needed).collect::<Result<_, _>>()?;
            // It is read in full later: this only keeps most indexes from being so.
            facts.may_have_bills = std::str::from_utf8(bytes).is_ok_and(|t| t.contains(IN_INDEX));
        }
        Some(config) => {
            facts.blobs.push(needed(&config)?);
            for layer in &document.layers {
                facts.may_have_bills |= bills::Form::of(&layer.media_type).is_some();
                let plain = layer.media_type.split_once('+');
                let plain = plain.map_or(layer.media_type.as_str(), |(plain, _)| plain);
                if FOREIGN.contains(&plain) {
                    facts.foreign.push(digest(layer)?);
                } else {
                    facts.blobs.push(needed(layer)?);
                }
            }
            facts.artifact_type = facts.artifact_type.or(Some(config.media_type));
        }
    }
    Ok(facts)
}

/// The media type: what the request says, which must be what the document says, or one of the two.
fn media_type(content_type: Option<&str>, document: &Document) -> Result<String, Fault> {
    let sent = content_type
        .map(|text| {
            text.split(';')
                .next()
                .unwrap_or(text)
                .trim()
                .to_ascii_lowercase()
        })
        .filter(|text| !text.is_empty() && text != "application/json");
    let own = document.media_type.clone();
    if let (Some(sent), Some(own)) = (&sent, &own)
        && sent != own
    {
        return Err(invalid(format!(
            "the manifest's mediaType is {own}, the request's Content-Type another"
        )));
    }
    let media_type = sent.unwrap_or_else(|| document.media_type().to_owned());
    let (kind, other) = match document.kind {
        Kind::Manifest => ([OCI_MANIFEST, DOCKER_MANIFEST], [OCI_INDEX, DOCKER_LIST]),
        Kind::Index => ([OCI_INDEX, DOCKER_LIST], [OCI_MANIFEST, DOCKER_MANIFEST]),
    };
    // One that can be read as either kind would be another thing to another client (CVE-2021-41190).
    if other.contains(&media_type.as_str()) {
        let message = format!("it is sent as {media_type}, and is of another kind");
        return Err(invalid(message));
    }
    if !kind.contains(&media_type.as_str()) {
        let message = "manifests of this media type are not taken; taken are OCI's image manifest and index, and Docker's \
                       schema 2 and its lists";
        return Err(invalid(message));
    }
    Ok(media_type)
}

fn digest(descriptor: &Descriptor) -> Result<Digest, Fault> {
    let digest = descriptor.digest.parse();
    digest.map_err(|error| invalid(format!("the manifest names a digest that is none: {error}")))
}

fn needed(descriptor: &Descriptor) -> Result<Needed, Fault> {
    Ok(Needed {
        digest: digest(descriptor)?,
        size: descriptor.size,
    })
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Code::ManifestInvalid, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": DIGEST, "size": 3})
    }

    fn read_value(content_type: Option<&str>, value: &Value) -> Result<Facts, Fault> {
        read(content_type, value.to_string().as_bytes())
    }

    #[test]
    fn an_image_needs_its_config_and_layers_but_not_foreign_ones() {
        let layers = [
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        ];
        let value = json!({
            "schemaVersion": 2,
            "config": descriptor("application/x-config"),
            "layers": layers.map(descriptor),
            "subject": descriptor(OCI_MANIFEST),
            "annotations": {"a": "b"},
        });
        let facts = read_value(
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
            &value,
        )
        .expect("it is sound");
        assert_eq!((facts.blobs.len(), facts.foreign.len()), (2, 1));
        assert_eq!(facts.artifact_type.as_deref(), Some("application/x-config"));
        assert_eq!(
            facts.subject.map(|digest| digest.to_string()).as_deref(),
            Some(DIGEST)
        );
    }

    #[test]
    fn what_could_be_read_as_two_kinds_is_refused() {
        let config = descriptor("application/x-config");
        for (content_type, value) in [
            (
                OCI_MANIFEST,
                json!({"schemaVersion": 2, "config": config, "layers": [], "manifests": []}),
            ),
            (
                OCI_INDEX,
                json!({"schemaVersion": 2, "manifests": [], "layers": []}),
            ),
            (
                OCI_INDEX,
                json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "manifests": []}),
            ),
            (OCI_MANIFEST, json!({"schemaVersion": 2, "manifests": []})),
            (
                OCI_MANIFEST,
                json!({"schemaVersion": 1, "config": config, "layers": []}),
            ),
            (
                "text/plain",
                json!({"schemaVersion": 2, "config": config, "layers": []}),
            ),
        ] {
            assert!(read_value(Some(content_type), &value).is_err(), "{value}");
        }
    }

    #[test]
    fn what_another_reader_could_take_for_something_else_is_refused() {
        let config = descriptor("application/x-config").to_string();
        let layer = descriptor("application/x-layer").to_string();
        for text in [
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.to_owned(),
            r#"{"schemaVersion":2,"manifests":[],"Manifests":[]}"#.to_owned(),
            r#"{"schemaVersion":2,"manifests":[],"manifest\u017f":[]}"#.to_owned(),
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"Config":{config}}}"#),
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"Layers":[{layer}]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"fsLayers":[]}}"#),
            format!(
                r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
                config.replace("\"digest\"", "\"mediaType\":\"x\",\"digest\"")
            ),
            format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                layer.replace("\"digest\"", "\"Digest\":\"x\",\"digest\"")
            ),
        ] {
            let fault = read(None, text.as_bytes()).expect_err(&text);
            assert_eq!(fault.code, Code::ManifestInvalid, "{text}");
        }
    }

    #[test]
    fn a_type_that_nobody_names_is_told_from_the_document() {
        let index = json!({"schemaVersion": 2, "manifests": []});
        assert_eq!(
            read_value(None, &index).expect("sound").media_type,
            OCI_INDEX
        );
        let nested = "[".repeat(100_000);
        assert!(read(None, nested.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(None, &bytes);
        }
    }
}
