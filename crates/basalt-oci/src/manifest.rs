//! Descriptors, manifests, indexes, and the names used in them.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_manifest::{Document, Kind};
use serde::{Deserialize, Serialize};

use crate::error::OciError;
use crate::platform::Platform;

/// Media types (OCI image specification, *Media Types*, and Docker's equals).
pub mod media_type {
    /// An OCI index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer: tar.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer: tar, gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer: tar, zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// The config of a manifest that is no image's (OCI image specification 1.1, *Guidance for an Empty Descriptor*).
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// What such a config holds.
    pub const EMPTY_DOCUMENT: &[u8] = b"{}";
    /// Docker's index.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's layer: tar, gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// Annotation keys (OCI image specification, *Annotations*).
pub mod annotation {
    /// Date it was made, RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
    /// Name for people.
    pub const TITLE: &str = "org.opencontainers.image.title";
    /// Description.
    pub const DESCRIPTION: &str = "org.opencontainers.image.description";
    /// Version of the packaged software.
    pub const VERSION: &str = "org.opencontainers.image.version";
    /// Licences, an SPDX expression.
    pub const LICENSES: &str = "org.opencontainers.image.licenses";
    /// Where the source is.
    pub const SOURCE: &str = "org.opencontainers.image.source";
    /// Who distributes it.
    pub const VENDOR: &str = "org.opencontainers.image.vendor";
    /// Reference of the base image.
    pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
    /// Digest of the base image's manifest.
    pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
    /// The tag, in the index of a layout.
    pub const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
    /// The full name, in the index of a layout, as containerd's import reads it.
    pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
}

/// Points at a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What the image runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact a manifest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One image: its config and layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What kind of artifact it is, when not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers, from the first up.
    pub layers: Vec<Descriptor>,
    /// The manifest it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, one a platform; or the entry point of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What kind of artifact it is, when not of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Points at these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Points at a blob of this digest and size (bytes).
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether it points at an index.
    pub fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            media_type::INDEX | media_type::DOCKER_LIST
        )
    }

    /// Whether it points at a manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            media_type::MANIFEST | media_type::DOCKER_MANIFEST
        )
    }
}

impl Manifest {
    /// An image manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type::MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// Reads a manifest or an index of any kind. `what` is it, for messages.
///
/// # Errors
/// When it is neither, or two readers could make different things of it.
pub fn read_document(what: impl FnOnce() -> String, bytes: &[u8]) -> Result<Document, OciError> {
    basalt_manifest::read(bytes).map_err(|cause| OciError::Malformed {
        what: what(),
        cause,
    })
}

/// Reads what a descriptor leads to, by what it is: a descriptor that calls it something else is refused.
///
/// # Errors
/// As [`read_document`]; and when the descriptor says that it is of the other kind.
pub fn read_listed(descriptor: &Descriptor, bytes: &[u8]) -> Result<Document, OciError> {
    let what = || format!("{} ({})", descriptor.digest, descriptor.media_type);
    let document = read_document(what, bytes)?;
    let found = match document.kind {
        Kind::Manifest if descriptor.is_index() => "an image manifest",
        Kind::Index if descriptor.is_manifest() => "an index",
        _ => return Ok(document),
    };
    Err(OciError::OtherKind {
        digest: descriptor.digest,
        listed: descriptor.media_type.clone(),
        found,
    })
}

impl TryFrom<basalt_manifest::Descriptor> for Descriptor {
    type Error = OciError;

    /// A descriptor that was read; one with a digest of another algorithm than SHA-256 is refused.
    fn try_from(read: basalt_manifest::Descriptor) -> Result<Self, OciError> {
        let digest = read.digest.parse().map_err(|_| OciError::Algorithm {
            digest: read.digest.chars().take(200).collect(),
        })?;
        let platform = read.platform.map(|platform| Platform {
            architecture: platform.architecture,
            os: platform.os,
            os_version: platform.os_version,
            variant: platform.variant,
        });
        Ok(Self {
            media_type: read.media_type,
            digest,
            size: read.size,
            platform,
            artifact_type: read.artifact_type,
            annotations: read.annotations,
        })
    }
}

fn all(read: Vec<basalt_manifest::Descriptor>) -> Result<Vec<Descriptor>, OciError> {
    read.into_iter().map(Descriptor::try_from).collect()
}

impl Manifest {
    /// A manifest that was read; nothing of an index.
    ///
    /// # Errors
    /// When it names a digest of another algorithm than SHA-256.
    pub fn of(document: Document) -> Result<Option<Self>, OciError> {
        let Some(config) = document.config else {
            return Ok(None);
        };
        Ok(Some(Self {
            schema_version: 2,
            media_type: document.media_type.unwrap_or_default(),
            artifact_type: document.artifact_type,
            config: config.try_into()?,
            layers: all(document.layers)?,
            subject: document.subject.map(Descriptor::try_from).transpose()?,
            annotations: document.annotations,
        }))
    }
}

impl Index {
    /// An index that was read; nothing of a manifest.
    ///
    /// # Errors
    /// When it names a digest of another algorithm than SHA-256.
    pub fn of(document: Document) -> Result<Option<Self>, OciError> {
        if document.kind != Kind::Index {
            return Ok(None);
        }
        Ok(Some(Self {
            schema_version: 2,
            media_type: document.media_type.unwrap_or_default(),
            artifact_type: document.artifact_type,
            manifests: all(document.manifests)?,
            annotations: document.annotations,
        }))
    }
}

impl Index {
    /// An index of these manifests.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type::INDEX.to_owned(),
            artifact_type: None,
            manifests,
            annotations: BTreeMap::new(),
        }
    }
}
