//! OpenVEX 0.2: whether a vulnerability of a component matters to an image, and why.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{AttestError, read_json};

/// What stands in `@context`.
pub const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";
/// What the identifiers of this program's documents begin with.
const IDENTIFIERS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/vex/");
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

/// A file of a package that slices left out of an image, as its bill of materials has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentFile {
    /// Its absolute path.
    pub path: String,
    /// Digest of its content in the package, if it is a regular file.
    pub digest: Option<Digest>,
}

/// A package that is in an image in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialPackage {
    /// Its package URL.
    pub purl: String,
    /// What was left out of it, in any order.
    pub left_out: Vec<AbsentFile>,
}

/// Why it cannot be stated that vulnerable code is absent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAbsent {
    /// Nothing says which files have the code.
    #[error(
        "{vulnerability}: no file is named that has the vulnerable code, so none can be said to be absent"
    )]
    NoFiles {
        /// The vulnerability.
        vulnerability: String,
    },
    /// A vulnerable file may be in the image: the package's slices did not leave it out.
    #[error(
        "{vulnerability}: {path} has the vulnerable code, and is not among what was left out of {package}"
    )]
    Present {
        /// The vulnerability.
        vulnerability: String,
        /// The file.
        path: String,
        /// The package.
        package: String,
    },
}

impl Statement {
    /// States that an image is not affected, as each file that has the vulnerable code was left out of it. The files
    /// and their digests are the evidence, in the impact statement.
    ///
    /// # Errors
    /// When no file is named, or one of them was not left out.
    pub fn of_absence(
        vulnerability: Vulnerability,
        image: Component,
        package: &PartialPackage,
        vulnerable: &[String],
    ) -> Result<Self, NotAbsent> {
        let name = vulnerability.name.clone();
        let mut evidence = BTreeMap::new();
        for path in vulnerable {
            let left_out = package.left_out.iter().find(|one| one.path == *path);
            let left_out = left_out.ok_or_else(|| NotAbsent::Present {
                vulnerability: name.clone(),
                path: path.clone(),
                package: package.purl.clone(),
            })?;
            let shown = match &left_out.digest {
                Some(digest) => format!("{path} ({digest})"),
                None => path.clone(),
            };
            evidence.insert(path, shown);
        }
        if evidence.is_empty() {
            return Err(NotAbsent::NoFiles {
                vulnerability: name,
            });
        }
        let files: Vec<String> = evidence.into_values().collect();
        let subcomponent = Component {
            id: package.purl.clone(),
            identifiers: BTreeMap::from([("purl".to_owned(), package.purl.clone())]),
            ..Component::default()
        };
        Ok(Self {
            id: None,
            vulnerability,
            timestamp: None,
            last_updated: None,
            products: vec![Product {
                component: image,
                subcomponents: vec![subcomponent],
            }],
            status: Status::NotAffected,
            supplier: None,
            status_notes: None,
            justification: Some(Justification::VulnerableCodeNotPresent),
            impact_statement: Some(format!(
                "The image was built without the files that have the vulnerable code: {}.",
                files.join(", ")
            )),
            action_statement: None,
            action_statement_timestamp: None,
        })
    }
}

impl Component {
    /// An image, by its package URL and the digest of its manifest.
    pub fn of_image(purl: String, digest: &Digest) -> Self {
        Self {
            identifiers: BTreeMap::from([("purl".to_owned(), purl.clone())]),
            hashes: BTreeMap::from([("sha-256".to_owned(), digest.hex())]),
            id: purl,
        }
    }
}

impl Document {
    /// A first version of a document, dated in seconds since 1970. The same statements give the same identifier.
    ///
    /// # Errors
    /// When a statement breaks a rule of the specification, or cannot be JSON.
    pub fn new(
        author: impl Into<String>,
        date: i64,
        statements: Vec<Statement>,
    ) -> Result<Self, AttestError> {
        let digest = Digest::of(&crate::to_bytes(&statements)?);
        let document = Self {
            context: CONTEXT.to_owned(),
            id: format!("{IDENTIFIERS}{}", digest.hex()),
            author: author.into(),
            role: None,
            timestamp: basalt_oci::date(date),
            last_updated: None,
            version: 1,
            tooling: Some(concat!("basalt ", env!("CARGO_PKG_VERSION")).to_owned()),
            statements,
        };
        document.check()?;
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> PartialPackage {
        let file = |path: &str, digest| AbsentFile {
            path: path.to_owned(),
            digest,
        };
        PartialPackage {
            purl: "pkg:deb/debian/perl-base@5.40.1-6?arch=amd64".to_owned(),
            left_out: vec![
                file("/usr/bin/perl", Some(Digest::of(b"perl"))),
                file("/usr/bin/perl5.40.1", None),
            ],
        }
    }

    fn absence(vulnerable: &[&str]) -> Result<Statement, NotAbsent> {
        let vulnerability = Vulnerability {
            name: "CVE-2026-1".to_owned(),
            ..Vulnerability::default()
        };
        let image = Component::of_image("pkg:oci/base".to_owned(), &Digest::of(b"image"));
        let vulnerable: Vec<String> = vulnerable.iter().map(|one| (*one).to_owned()).collect();
        Statement::of_absence(vulnerability, image, &package(), &vulnerable)
    }

    #[test]
    fn what_was_left_out_cannot_be_exploited_and_the_files_are_the_evidence() {
        let statement = absence(&["/usr/bin/perl5.40.1", "/usr/bin/perl"]).expect("absent");
        assert_eq!(statement.status, Status::NotAffected);
        let why = Some(Justification::VulnerableCodeNotPresent);
        assert_eq!(statement.justification, why);
        let evidence = statement
            .impact_statement
            .clone()
            .expect("there is evidence");
        let digest = Digest::of(b"perl");
        let files = format!("/usr/bin/perl ({digest}), /usr/bin/perl5.40.1.");
        assert!(evidence.ends_with(&files), "{evidence}");
        let document = Document::new("Example", 0, vec![statement]).expect("sound");
        let bytes = crate::to_bytes(&document).expect("JSON");
        assert_eq!(Document::read(&bytes).expect("it is read"), document);
        assert_eq!(document.timestamp, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_file_that_is_there_is_never_stated_absent() {
        let refused = absence(&["/usr/bin/perl", "/usr/lib/x.so"]);
        assert!(matches!(refused, Err(NotAbsent::Present { path, .. }) if path == "/usr/lib/x.so"));
    }

    #[test]
    fn without_files_nothing_is_stated() {
        assert!(matches!(absence(&[]), Err(NotAbsent::NoFiles { .. })));
    }
}
