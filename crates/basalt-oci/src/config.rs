//! The image config: how the image runs and what its layers are.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::OciError;
use crate::manifest::Descriptor;
use crate::platform::Platform;

/// An image config (OCI image specification, *Image Configuration*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
    /// How it runs.
    #[serde(default, skip_serializing_if = "RuntimeConfig::is_empty")]
    pub config: RuntimeConfig,
    /// Its layers.
    pub rootfs: RootFilesystem,
    /// One entry a layer, from the first up.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
}

/// How a container of the image is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RuntimeConfig {
    /// User, by name or number, with or without a group: `65532:65532`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports it listens on: `80/tcp`.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Environment, `NAME=value`, in order.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// Command that always runs.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub entrypoint: Vec<String>,
    /// Its arguments, or the command when there is no entrypoint.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cmd: Vec<String>,
    /// Paths kept outside the container's own layer.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// Working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Signal that asks it to stop: `SIGTERM`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
}

/// An object without fields: `{}`, which is how sets are written here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFilesystem {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digest of each layer's uncompressed tar, from the first up.
    pub diff_ids: Vec<Digest>,
}

/// How one layer came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// In words: here, the packages the layer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it stands for a step that made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads the config that a descriptor points at.
    ///
    /// # Errors
    /// When it is none, or two readers could make different things of it.
    pub fn read(config: &Descriptor, bytes: &[u8]) -> Result<Self, OciError> {
        let what = || format!("{} ({})", config.digest, config.media_type);
        basalt_manifest::read_config(bytes).map_err(|cause| OciError::Malformed {
            what: what(),
            cause,
        })?;
        serde_json::from_slice(bytes).map_err(|cause| OciError::Json {
            what: what(),
            cause,
        })
    }
}

impl History {
    /// The entry of a layer that holds these packages (or, without a package, what `otherwise`
    /// says), made at `created` (seconds since 1970).
    pub fn of_layer(created: i64, packages: &[String], otherwise: &str) -> Self {
        let comment = if packages.is_empty() {
            otherwise.to_owned()
        } else {
            packages.join(" ")
        };
        Self {
            created: Some(crate::date(created)),
            created_by: Some("basalt build".to_owned()),
            comment: Some(comment),
            ..Self::default()
        }
    }
}

impl RootFilesystem {
    /// Layers with these diff IDs, from the first up.
    pub fn of_layers(diff_ids: Vec<Digest>) -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids,
        }
    }
}

impl RuntimeConfig {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Other tools write `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
