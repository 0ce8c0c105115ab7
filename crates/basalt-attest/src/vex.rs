//! OpenVEX 0.2: whether a vulnerability of a component matters to an image, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{AttestError, read_json};

/// What stands in `@context`.
pub const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";
/// Longest document that is read.
const MAXIMUM_DOCUMENT: usize = 64 << 20;

/// A document of statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The version of the format: [`CONTEXT`].
    #[serde(rename = "@context")]
    pub context: String,
    /// An IRI that names this document.
    #[serde(rename = "@id")]
    pub id: String,
    /// Who states it.
    pub author: String,
    /// In what role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When it was issued, RFC 3339.
    pub timestamp: String,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// Counts up with each change.
    pub version: u64,
    /// What wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tooling: Option<String>,
    /// The statements.
    #[serde(default)]
    pub statements: Vec<Statement>,
}

/// What is so about a vulnerability in products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// An IRI that names this statement.
    #[serde(rename = "@id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The vulnerability.
    pub vulnerability: Vulnerability,
    /// When it was stated; the document's date where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// The products that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Product>,
    /// How it is with them.
    pub status: Status,
    /// Who supplies the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// How the status was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_notes: Option<String>,
    /// Why it is not affected, as machines read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<Justification>,
    /// Why it is not affected, as people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_statement: Option<String>,
    /// What to do when it is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_statement: Option<String>,
    /// When that was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_statement_timestamp: Option<String>,
}

/// A vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vulnerability {
    /// An IRI of it.
    #[serde(rename = "@id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name: `CVE-2026-1234`.
    pub name: String,
    /// In a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// A product: an image, by its purl or digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The product itself.
    #[serde(flatten)]
    pub component: Component,
    /// The parts of it that the statement is about: packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subcomponents: Vec<Component>,
}

/// Something that software is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// An IRI or purl.
    #[serde(rename = "@id", default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Names by kind: `purl`, `cpe22`, `cpe23`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identifiers: BTreeMap<String, String>,
    /// Digests by algorithm: `sha-256`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hashes: BTreeMap<String, String>,
}

/// How it is with a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No remediation is needed.
    NotAffected,
    /// Actions are recommended.
    Affected,
    /// This version has a fix.
    Fixed,
    /// Not known yet.
    UnderInvestigation,
}

/// Why a product is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not in the product.
    ComponentNotPresent,
    /// The component is, its vulnerable code is not.
    VulnerableCodeNotPresent,
    /// The code is there, and is never run.
    VulnerableCodeNotInExecutePath,
    /// An adversary cannot bring it to run.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something built in stops it.
    InlineMitigationsAlreadyExist,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is none, or breaks a rule of the specification: see [`Document::check`].
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let document: Self = read_json("the OpenVEX document", bytes, MAXIMUM_DOCUMENT)?;
        document.check()?;
        Ok(document)
    }

    /// Whether it keeps the rules that its types do not: the context is OpenVEX's; who is not affected says why; who
    /// is affected says what to do.
    ///
    /// # Errors
    /// When it breaks one; the error names the vulnerability.
    pub fn check(&self) -> Result<(), AttestError> {
        let refuse = |cause: String| Err(AttestError::malformed("the OpenVEX document", cause));
        if !self.context.starts_with("https://openvex.dev/ns") {
            return refuse(format!("its @context is `{}`", self.context));
        }
        for statement in &self.statements {
            let name = &statement.vulnerability.name;
            let lacks = match statement.status {
                Status::NotAffected
                    if statement.justification.is_none()
                        && statement.impact_statement.is_none() =>
                {
                    "a justification or an impact_statement"
                }
                Status::Affected if statement.action_statement.is_none() => "an action_statement",
                _ => continue,
            };
            return refuse(format!("the statement about {name} lacks {lacks}"));
        }
        Ok(())
    }
}
