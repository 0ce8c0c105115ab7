//! Manifests and configurations, as far as pages show them. Whatever is in them was written by who pushed them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// An image manifest, an index, or a manifest of something else.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// What kind of artifact it says it is.
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Option<Descriptor>,
    /// The layers.
    #[serde(deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// What it lists.
    #[serde(deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Its annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// Points at something.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its length.
    pub size: u64,
    /// What it runs on.
    pub platform: Option<Platform>,
    /// Its annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What an image runs on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// The operating system.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// The architecture.
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// Which of the architecture.
    #[serde(deserialize_with = "null_is_default")]
    pub variant: String,
}

impl Platform {
    /// As people write it: `linux/arm64/v8`; nothing when it says nothing.
    pub fn text(&self) -> Option<String> {
        let parts = [&self.os, &self.architecture, &self.variant];
        let is_known = |part: &str| !part.is_empty() && part != "unknown";
        if !is_known(&self.os) && !is_known(&self.architecture) {
            return None;
        }
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        Some(parts.join("/").trim_end_matches('/').to_owned())
    }
}

/// The configuration of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// When it was made.
    pub created: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
    /// How it runs.
    #[serde(deserialize_with = "null_is_default")]
    pub config: Running,
    /// How its layers came to be.
    #[serde(deserialize_with = "null_is_default")]
    pub history: Vec<History>,
}

/// How a container of an image is started.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Running {
    /// The user.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    /// Ports it listens on.
    #[serde(deserialize_with = "null_is_default")]
    pub exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    /// Its environment.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// What is run.
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// With which arguments.
    #[serde(deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// Folders kept outside.
    #[serde(deserialize_with = "null_is_default")]
    pub volumes: BTreeMap<String, serde::de::IgnoredAny>,
    /// Where it is run.
    #[serde(deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that ends it.
    #[serde(deserialize_with = "null_is_default")]
    pub stop_signal: String,
}

/// How one layer came to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct History {
    /// When.
    pub created: Option<String>,
    /// By what.
    pub created_by: Option<String>,
    /// In words.
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(deserialize_with = "null_is_default")]
    pub empty_layer: bool,
}

impl History {
    /// The packages of the layer, where Basalt built it and says so.
    pub fn packages(&self) -> Vec<String> {
        let is_ours = self.created_by.as_deref() == Some("basalt build");
        let comment = self.comment.as_deref().unwrap_or("");
        let is_list = is_ours && comment != "generated files";
        let words = comment.split(' ').filter(|word| !word.is_empty());
        words.filter(|_| is_list).map(str::to_owned).collect()
    }
}

/// Some programs write `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
