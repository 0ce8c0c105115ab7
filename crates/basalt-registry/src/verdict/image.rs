//! Which manifests are images, which policies are about, and what such an image says of itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::shelf::Shelf;
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};

/// The most images of an index that are looked at, and how deep an index may lie in another.
const MAXIMUM_IMAGES: usize = 200;
const MAXIMUM_DEPTH: usize = 4;
/// The longest configuration that is read, in bytes.
const MAXIMUM_CONFIG: u64 = 4 << 20;

const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What clients take for the configuration of what they run; the last four are those that old clients wrote.
const CONFIGS: [&str; 7] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.plugin.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];
/// What media types of layers begin with.
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
];
/// BuildKit's annotation of a manifest of statements within an index, which nobody runs.
const BUILDKIT_TYPE: &str = "vnd.docker.reference.type";
const BUILDKIT_ATTESTATION: &str = "attestation-manifest";

/// A manifest that is asked for or comes.
#[derive(Debug, Clone)]
pub struct Subject {
    /// In which repository.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Whether it is called by a tag that is none of cosign's: such a manifest is run, whatever it looks like.
    pub is_named: bool,
}

/// A manifest or an index, as far as policies look at it. Whoever pushed it wrote it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Manifest {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Descriptor {
    media_type: String,
    digest: String,
    annotations: Option<BTreeMap<String, String>>,
}

/// What a manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A list of others.
    Index,
    /// What can be run.
    Image,
    /// It has the configuration of an image and no layer of one: cosign's older signatures, BuildKit's statements.
    Attachment,
    /// An artifact that nobody runs.
    Other,
}

/// An image of one platform.
#[derive(Debug)]
pub(super) struct Image {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    pub manifest: Manifest,
}

/// What policies are held against: an image, or an index and the images that it lists.
#[derive(Debug)]
pub(super) struct Target {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    pub is_index: bool,
    /// The index's, or the image's own.
    pub annotations: BTreeMap<String, String>,
    /// The image itself, or those that the index lists.
    pub images: Vec<Image>,
    /// Whether there are more than are looked at.
    pub is_too_much: bool,
}

/// Whether a tag is one of cosign's older format, by which something is attached: `sha256-….sig`.
pub fn is_attachment_tag(tag: &Tag) -> bool {
    let rest = tag
        .as_str()
        .strip_prefix("sha256-")
        .and_then(|rest| rest.get(64..));
    matches!(rest, Some(".sig" | ".att" | ".sbom"))
}

impl Manifest {
    fn of(bytes: &[u8]) -> Self {
        // It was read when it came; what cannot be read now says nothing, and so meets nothing.
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    fn kind(&self, media_type: &str) -> Kind {
        if INDEXES.contains(&media_type) {
            return Kind::Index;
        }
        let config = self.config.as_ref();
        let config = config.map_or("", |config| config.media_type.trim());
        let is_config = CONFIGS.iter().any(|one| config.eq_ignore_ascii_case(one));
        if media_type != DOCKER_MANIFEST && !is_config {
            return Kind::Other;
        }
        let layers = self.layers.as_deref().unwrap_or_default();
        let is_layer = |layer: &Descriptor| {
            let kind = layer.media_type.to_ascii_lowercase();
            LAYERS.iter().any(|start| kind.starts_with(start))
        };
        match layers.is_empty() || layers.iter().any(is_layer) {
            true => Kind::Image,
            false => Kind::Attachment,
        }
    }

    /// The digests of its layers, from the first up.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        let layers = self.layers.as_deref().unwrap_or_default();
        layers.iter().map(|layer| layer.digest.as_str())
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// The digest of its configuration.
    pub fn config(&self) -> Option<Digest> {
        self.config.as_ref()?.digest.parse().ok()
    }
}

impl Image {
    /// When its configuration says that it was made, or else its annotation.
    pub fn created(&self, shelf: &Shelf) -> Option<jiff::Timestamp> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Config {
            created: Option<String>,
        }
        let config = self.manifest.config();
        let bytes = config.and_then(|digest| shelf.bytes(&digest, MAXIMUM_CONFIG));
        let config: Config = bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let annotated = self.manifest.annotation(basalt_oci::annotation::CREATED);
        let text = config.created.or_else(|| annotated.map(str::to_owned));
        text?.parse().ok()
    }
}

impl Target {
    /// What policies are held against; nothing when it is no image, and lists none.
    pub fn of(shelf: &Shelf, subject: &Subject) -> Option<Self> {
        let manifest = Manifest::of(&subject.bytes);
        let kind = manifest.kind(&subject.media_type);
        let mut target = Self {
            digest: subject.digest.clone(),
            media_type: subject.media_type.clone(),
            size: subject.bytes.len() as u64,
            is_index: kind == Kind::Index,
            annotations: manifest.annotations.clone().unwrap_or_default(),
            images: Vec::new(),
            is_too_much: false,
        };
        match kind {
            Kind::Index => target.list(shelf, &manifest, MAXIMUM_DEPTH),
            Kind::Other => return None,
            Kind::Attachment if !subject.is_named => return None,
            Kind::Image | Kind::Attachment => target.images.push(Image {
                digest: subject.digest.clone(),
                media_type: subject.media_type.clone(),
                size: target.size,
                manifest,
            }),
        }
        (target.is_too_much || !target.images.is_empty()).then_some(target)
    }

    /// Adds the images that an index lists.
    fn list(&mut self, shelf: &Shelf, index: &Manifest, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            self.is_too_much = true;
            return;
        };
        for child in index.manifests.as_deref().unwrap_or_default() {
            if self.images.len() >= MAXIMUM_IMAGES {
                self.is_too_much = true;
                return;
            }
            let Ok(digest) = child.digest.parse() else {
                continue;
            };
            // An index is not taken before what it lists is there.
            let Some(record) = shelf.record(&digest) else {
                continue;
            };
            let manifest = Manifest::of(&record.bytes);
            let stated = child.annotations.as_ref();
            let stated = stated.and_then(|all| all.get(BUILDKIT_TYPE));
            let is_statement = stated.is_some_and(|kind| kind == BUILDKIT_ATTESTATION);
            match manifest.kind(&record.head.media_type) {
                Kind::Index => self.list(shelf, &manifest, depth),
                Kind::Other => {}
                Kind::Attachment if is_statement => {}
                Kind::Image | Kind::Attachment => self.images.push(Image {
                    digest,
                    media_type: record.head.media_type,
                    size: record.head.size,
                    manifest,
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

    fn kind(media_type: &str, config: &str, layers: &[&str]) -> Kind {
        let layers: Vec<_> = layers.iter().map(|one| json!({"mediaType": one})).collect();
        let document =
            json!({"config": {"mediaType": config}, "layers": layers, "subject": {"digest": "x"}});
        Manifest::of(document.to_string().as_bytes()).kind(media_type)
    }

    #[test]
    fn an_image_is_none_the_less_one_for_a_subject_or_an_odd_configuration() {
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        for config in [CONFIG, "application/octet-stream", "", "text/HTML"] {
            assert_eq!(kind(OCI, config, &[layer]), Kind::Image, "{config}");
            assert_eq!(kind(OCI, config, &[]), Kind::Image, "{config}");
        }
        assert_eq!(
            kind(DOCKER_MANIFEST, "application/x-anything", &[layer]),
            Kind::Image
        );
    }

    #[test]
    fn what_nobody_runs_is_no_image() {
        let empty = "application/vnd.oci.empty.v1+json";
        let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
        assert_eq!(kind(OCI, empty, &[bundle]), Kind::Other);
        let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
        assert_eq!(kind(OCI, CONFIG, &[simple]), Kind::Attachment);
        assert_eq!(kind(INDEXES[0], "", &[]), Kind::Index);
    }

    #[test]
    fn only_cosigns_tags_are_those_of_what_is_attached() {
        let is_attached = |tag: &str| is_attachment_tag(&tag.parse().expect("a tag"));
        let hex = "0".repeat(64);
        assert!(is_attached(&format!("sha256-{hex}.sig")));
        assert!(!is_attached(&format!("sha256-{hex}.run")));
        assert!(!is_attached("latest") && !is_attached("sha256-0.sig"));
    }
}
