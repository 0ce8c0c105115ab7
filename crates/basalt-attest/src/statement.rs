//! in-toto statements (in-toto Attestation Framework, *Statement* v1 and v0.1): a predicate about subjects, each named
//! by digest.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding;
use crate::error::{AttestError, read_json};

/// Longest statement that is read: an SBOM of a large image has some tens of megabytes.
pub(crate) const MAXIMUM_STATEMENT: usize = 128 << 20;
/// Most subjects of a statement.
const MAXIMUM_SUBJECTS: usize = 10_000;

/// What stands in `_type`.
pub mod statement_type {
    /// Version 1.
    pub const V1: &str = "https://in-toto.io/Statement/v1";
    /// Version 0.1, which cosign's `attest` writes.
    pub const V0_1: &str = "https://in-toto.io/Statement/v0.1";
}

/// What stands in `predicateType`.
pub mod predicate_type {
    /// SLSA provenance 1.
    pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
    /// SLSA provenance 0.2, which BuildKit writes.
    pub const SLSA_V0_2: &str = "https://slsa.dev/provenance/v0.2";
    /// An SPDX document.
    pub const SPDX: &str = "https://spdx.dev/Document";
    /// A CycloneDX document.
    pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
    /// An OpenVEX document.
    pub const OPENVEX: &str = "https://openvex.dev/ns";
    /// The result of a vulnerability scan, as cosign names it.
    pub const VULNERABILITIES: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
    /// The result of tests (in-toto, *Test Result*).
    pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
    /// That an image is signed, and nothing more: what cosign 3 writes for `sign`.
    pub const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
}

/// Media types of what this crate reads and writes.
pub mod media_type {
    /// An in-toto statement, signed or not.
    pub const IN_TOTO: &str = "application/vnd.in-toto+json";
    /// A DSSE envelope.
    pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
    /// A Sigstore bundle.
    pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    /// The payload that cosign's older format signs.
    pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// An SPDX document.
    pub const SPDX: &str = "application/spdx+json";
    /// A CycloneDX document.
    pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
    /// An OpenVEX document.
    pub const OPENVEX: &str = "application/vnd.openvex+json";
    /// An empty config (OCI image specification 1.1, *Guidance for an empty descriptor*).
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
}

/// A file, image, package or document (in-toto, *ResourceDescriptor*): a subject of a statement, or what a build used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// A name, meaningful beside its siblings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is globally.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Digests by algorithm (`sha256`), as hex digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// The thing itself, when it is small; base64 in JSON.
    #[serde(
        default,
        with = "encoding::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub content: Option<Vec<u8>>,
    /// From where it can be had, if that is another place than `uri`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub download_location: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

impl ResourceDescriptor {
    /// Something of this name and SHA-256 digest.
    pub fn of_digest(name: impl Into<String>, digest: &Digest) -> Self {
        Self {
            name: name.into(),
            digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
            ..Self::default()
        }
    }

    /// Its SHA-256 digest, if it has one that is sound.
    pub fn sha256(&self) -> Option<Digest> {
        self.digest
            .get("sha256")
            .and_then(|hex| Digest::from_hex(hex).ok())
    }
}

/// A predicate about subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The version of the statement's own form: see [`statement_type`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<ResourceDescriptor>,
    /// What kind of predicate: see [`predicate_type`].
    pub predicate_type: String,
    /// The predicate, in the order in which it was written.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub predicate: Value,
}

impl Statement {
    /// A statement of version 1.
    ///
    /// # Errors
    /// When the predicate cannot be JSON.
    pub fn new(
        subject: Vec<ResourceDescriptor>,
        predicate_type: impl Into<String>,
        predicate: &impl Serialize,
    ) -> Result<Self, AttestError> {
        let predicate = serde_json::to_value(predicate).map_err(|cause| AttestError::Json {
            what: "a predicate".to_owned(),
            cause,
        })?;
        Ok(Self {
            kind: statement_type::V1.to_owned(),
            subject,
            predicate_type: predicate_type.into(),
            predicate,
        })
    }

    /// Reads a statement of either version.
    ///
    /// # Errors
    /// When it is none: another `_type`, no subject, a subject without a digest, no type of predicate; or too large.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let statement: Self = read_json("the in-toto statement", bytes, MAXIMUM_STATEMENT)?;
        let refuse = |cause: String| Err(AttestError::malformed("the in-toto statement", cause));
        if ![statement_type::V1, statement_type::V0_1].contains(&statement.kind.as_str()) {
            return refuse(format!("its _type is `{}`", statement.kind));
        }
        if statement.subject.is_empty() || statement.subject.len() > MAXIMUM_SUBJECTS {
            let count = statement.subject.len();
            return refuse(format!(
                "it has {count} subjects, where 1 to {MAXIMUM_SUBJECTS} are possible"
            ));
        }
        if let Some(subject) = statement.subject.iter().find(|one| one.digest.is_empty()) {
            return refuse(format!("its subject `{}` has no digest", subject.name));
        }
        if statement.predicate_type.is_empty() {
            return refuse("its predicateType is empty".to_owned());
        }
        Ok(statement)
    }

    /// Whether one of its subjects has this digest.
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subject
            .iter()
            .any(|subject| subject.sha256().as_ref() == Some(digest))
    }

    /// The predicate as its type.
    ///
    /// # Errors
    /// When it is none of that type.
    pub fn predicate_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, AttestError> {
        T::deserialize(&self.predicate).map_err(|cause| AttestError::Json {
            what: format!("the predicate of type {}", self.predicate_type),
            cause,
        })
    }
}
