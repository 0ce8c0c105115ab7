//! What a manifest says that the registry must know: what it needs, what it refers to, what it is.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bills::{self, IN_INDEX};
use crate::digest::Digest;
use crate::fault::{Code, Fault};

/// The longest manifest that is taken, in bytes. The specification asks for 4 MiB at least.
pub const MAXIMUM_MANIFEST: usize = 8 << 20;
/// The most descriptors that a manifest may have.
const MAXIMUM_DESCRIPTORS: usize = 20_000;
/// The longest media type, in bytes.
const MAXIMUM_TYPE: usize = 255;

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
    /// What else it lists: of a media type that is no manifest's, as BuildKit's cache lists layers. Each is a blob, a manifest
    /// that is called something else, or both.
    pub others: Vec<Needed>,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

/// Reads a manifest that was sent as of this media type.
///
/// # Errors
/// When it is none that the registry takes, or could be read as two kinds at once.
pub fn read(content_type: Option<&str>, bytes: &[u8]) -> Result<Facts, Fault> {
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("the manifest cannot be read: {error}")))?;
    if document.schema_version != 2 {
        return Err(invalid("only manifests of schemaVersion 2 are taken"));
    }
    let media_type = media_type(content_type, &document)?;
    let is_index = [OCI_INDEX, DOCKER_LIST].contains(&media_type.as_str());
    let count = document.layers.as_ref().map_or(0, Vec::len)
        + document.manifests.as_ref().map_or(0, Vec::len);
    if count > MAXIMUM_DESCRIPTORS {
        return Err(invalid(format!(
            "a manifest has {MAXIMUM_DESCRIPTORS} descriptors at most"
        )));
    }
    let mut facts = Facts {
        media_type,
        blobs: Vec::new(),
        foreign: Vec::new(),
        children: Vec::new(),
        others: Vec::new(),
        subject: document
            .subject
            .as_ref()
            .map(Descriptor::digest)
            .transpose()?,
        artifact_type: document
            .artifact_type
            .clone()
            .filter(|text| !text.is_empty()),
        annotations: document.annotations.unwrap_or_default(),
        may_have_bills: false,
    };
    // One that can be read as either kind would be another thing to another client (CVE-2021-41190).
    if is_index {
        let (Some(manifests), None, None) = (document.manifests, document.config, document.layers)
        else {
            return Err(invalid(
                "an index has manifests, and neither config nor layers",
            ));
        };
        for listed in &manifests {
            match listed.is_manifest() {
                true => facts.children.push(listed.needed()?),
                false => facts.others.push(listed.needed()?),
            }
        }
        // It is read in full later: this only keeps most indexes from being so.
        facts.may_have_bills = std::str::from_utf8(bytes).is_ok_and(|t| t.contains(IN_INDEX));
    } else {
        let (None, Some(config)) = (document.manifests, document.config) else {
            return Err(invalid("an image manifest has a config, and no manifests"));
        };
        facts.blobs.push(config.needed()?);
        for layer in document.layers.unwrap_or_default() {
            facts.may_have_bills |= bills::Form::of(&layer.media_type).is_some();
            let plain = layer.media_type.split_once('+');
            let plain = plain.map_or(layer.media_type.as_str(), |(plain, _)| plain);
            if FOREIGN.contains(&plain) {
                facts.foreign.push(layer.digest()?);
            } else {
                facts.blobs.push(layer.needed()?);
            }
        }
        facts.artifact_type = facts.artifact_type.or(Some(config.media_type));
    }
    if facts
        .artifact_type
        .as_ref()
        .is_some_and(|text| text.len() > MAXIMUM_TYPE)
    {
        return Err(invalid(format!(
            "a media type has {MAXIMUM_TYPE} bytes at most"
        )));
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
    let own = document.media_type.clone().filter(|text| !text.is_empty());
    if let (Some(sent), Some(own)) = (&sent, &own)
        && sent != own
    {
        return Err(invalid(format!(
            "the manifest's mediaType is {own}, the request's Content-Type another"
        )));
    }
    let guessed = match document.manifests {
        Some(_) => OCI_INDEX,
        None => OCI_MANIFEST,
    };
    let media_type = sent.or(own).unwrap_or_else(|| guessed.to_owned());
    let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
    if !known.contains(&media_type.as_str()) {
        let message = "manifests of this media type are not taken; taken are OCI's image manifest and index, and Docker's \
                       schema 2 and its lists";
        return Err(invalid(message));
    }
    Ok(media_type)
}

impl Descriptor {
    /// Whether it says that it is a manifest.
    fn is_manifest(&self) -> bool {
        let plain = self.media_type.split(';').next().unwrap_or_default();
        let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
        known
            .iter()
            .any(|one| plain.trim().eq_ignore_ascii_case(one))
    }

    fn digest(&self) -> Result<Digest, Fault> {
        self.digest
            .parse()
            .map_err(|error| invalid(format!("the manifest names a digest that is none: {error}")))
    }

    fn needed(&self) -> Result<Needed, Fault> {
        Ok(Needed {
            digest: self.digest()?,
            size: self.size,
        })
    }
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
    fn an_index_lists_manifests_and_what_is_called_otherwise() {
        let manifests = [
            OCI_MANIFEST,
            DOCKER_LIST,
            "Application/vnd.oci.image.manifest.v1+json; x=y",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.buildkit.cacheconfig.v0",
            "application/octet-stream",
            "",
        ];
        for kind in [OCI_INDEX, DOCKER_LIST] {
            let value = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests.map(descriptor)});
            let facts = read_value(Some(kind), &value).expect("it is sound");
            assert_eq!((facts.children.len(), facts.others.len()), (3, 4));
        }
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
        let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
        assert!(read(Some(OCI_INDEX), twice).is_err());
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
