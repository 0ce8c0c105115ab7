//! The payload that cosign's older format signs: containers/image's *simple signing*, as JSON.

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{AttestError, read_json};

const WHAT: &str = "the payload of the signature";
const TYPE: &str = "cosign container image signature";
/// Longest payload that is read.
const MAXIMUM_PAYLOAD: usize = 1 << 20;

/// That an image is signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimpleSigning {
    critical: Critical,
    /// What else its signer says.
    #[serde(default)]
    optional: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

impl SimpleSigning {
    /// Signs this manifest under this name at this date (seconds since 1970).
    pub fn new(name: &str, digest: Digest, date: i64) -> Self {
        let mut optional = Map::new();
        optional.insert("creator".to_owned(), json!("basalt"));
        optional.insert("timestamp".to_owned(), json!(date));
        Self {
            critical: Critical {
                identity: Identity {
                    docker_reference: name.to_owned(),
                },
                image: Image {
                    docker_manifest_digest: digest,
                },
                kind: TYPE.to_owned(),
            },
            optional: Some(optional),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// When it is none, or of another type than an image's signature.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let payload: Self = read_json(WHAT, bytes, MAXIMUM_PAYLOAD)?;
        if payload.critical.kind != TYPE {
            let kind: String = payload.critical.kind.chars().take(100).collect();
            return Err(AttestError::malformed(
                WHAT,
                format!("its type is `{kind}`, not `{TYPE}`"),
            ));
        }
        Ok(payload)
    }

    /// The manifest that is signed.
    pub fn digest(&self) -> Digest {
        self.critical.image.docker_manifest_digest
    }

    /// The name under which it is signed. It says nothing of where the image is now.
    pub fn name(&self) -> &str {
        &self.critical.identity.docker_reference
    }

    /// When it was signed (seconds since 1970), if its signer says so.
    pub fn date(&self) -> Option<i64> {
        self.optional.as_ref()?.get("timestamp")?.as_i64()
    }
}
