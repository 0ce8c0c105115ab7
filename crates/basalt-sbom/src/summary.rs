//! Documents that are read, whoever made them: SPDX 2, SPDX 3 and CycloneDX in JSON, bare or as the predicate of an
//! in-toto statement (as BuildKit and cosign attach them), down to what they have in common.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::spdx2;

/// The longest document that is read, in bytes. How deep JSON stands in JSON is bounded by its parser (128).
pub const MAXIMUM_DOCUMENT: usize = 256 << 20;

/// A format of bills of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// SPDX 2.
    Spdx,
    /// SPDX 3.
    Spdx3,
    /// CycloneDX.
    CycloneDx,
}

/// What documents of all formats have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// The format.
    pub format: Format,
    /// Its version, as the document writes it.
    pub version: String,
    /// What the document is about.
    pub name: String,
    /// When it was made, as the document writes it.
    pub created: String,
    /// What made it.
    pub tools: Vec<String>,
    /// What it lists but files, sorted.
    pub components: Vec<SummaryComponent>,
    /// How many files it lists.
    pub files: usize,
}

/// A package, an operating system, or whatever else is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SummaryComponent {
    /// Its name.
    pub name: String,
    /// Its version; empty if none is given.
    pub version: String,
    /// What it is, in the format's word; empty if that is not said.
    pub kind: String,
    /// Its package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Its licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Who supplies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
}

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SbomError {
    /// It is too long.
    #[error("the document has {size} bytes; at most {MAXIMUM_DOCUMENT} are read")]
    TooLarge {
        /// Its length.
        size: usize,
    },
    /// It is not JSON, or a part of it is not as its format has it.
    #[error("the document is no {what}: {cause}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong, and where.
        cause: serde_json::Error,
    },
    /// It is JSON of another kind.
    #[error(
        "the document is neither SPDX nor CycloneDX in JSON: it has none of the keys `spdxVersion`, `bomFormat`, `@graph`"
    )]
    Unknown,
}

/// What tells formats apart.
#[derive(Deserialize)]
struct Marks {
    #[serde(rename = "spdxVersion")]
    spdx: Option<IgnoredAny>,
    #[serde(rename = "bomFormat")]
    cyclonedx: Option<IgnoredAny>,
    #[serde(rename = "@graph")]
    graph: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Statement<T> {
    predicate: T,
}

/// Reads a document.
///
/// # Errors
/// When it is too long, not JSON, of another kind, or not as its format has it.
pub fn read(bytes: &[u8]) -> Result<Summary, SbomError> {
    let marks: Marks = bounded(bytes, "JSON object")?;
    match summary(&marks, |what| Parsed::bare(bytes, what)) {
        Err(SbomError::Unknown) => {
            let Ok(inner) = serde_json::from_slice::<Statement<Marks>>(bytes) else {
                return Err(SbomError::Unknown);
            };
            summary(&inner.predicate, |what| Parsed::wrapped(bytes, what))
        }
        done => done,
    }
}

/// A document that is to be parsed: as it stands, or within a statement.
struct Parsed<'b> {
    bytes: &'b [u8],
    is_wrapped: bool,
    what: &'static str,
}

impl<'b> Parsed<'b> {
    fn bare(bytes: &'b [u8], what: &'static str) -> Self {
        Self {
            bytes,
            is_wrapped: false,
            what,
        }
    }

    fn wrapped(bytes: &'b [u8], what: &'static str) -> Self {
        Self {
            is_wrapped: true,
            ..Self::bare(bytes, what)
        }
    }

    fn get<T: DeserializeOwned>(&self) -> Result<T, SbomError> {
        match self.is_wrapped {
            true => parse::<Statement<T>>(self.bytes, self.what).map(|one| one.predicate),
            false => parse(self.bytes, self.what),
        }
    }
}

/// Parses a document from outside, unless it is too long.
pub(crate) fn bounded<T: DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
) -> Result<T, SbomError> {
    match bytes.len() {
        size if size > MAXIMUM_DOCUMENT => Err(SbomError::TooLarge { size }),
        _ => parse(bytes, what),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, SbomError> {
    serde_json::from_slice(bytes).map_err(|cause| SbomError::Malformed { what, cause })
}

fn summary<'b>(
    marks: &Marks,
    parsed: impl Fn(&'static str) -> Parsed<'b>,
) -> Result<Summary, SbomError> {
    let mut summary = if marks.spdx.is_some() {
        of_spdx(parsed("SPDX document").get()?)
    } else if marks.cyclonedx.is_some() {
        of_cyclonedx(parsed("CycloneDX document").get()?)
    } else if marks.graph.is_some() {
        of_spdx3(parsed("SPDX 3 document").get()?)
    } else {
        return Err(SbomError::Unknown);
    };
    summary.components.sort();
    Ok(summary)
}

/// A statement of licence, unless it states nothing.
fn stated(text: String) -> Option<String> {
    (!text.is_empty() && text != "NOASSERTION" && text != "NONE").then_some(text)
}

fn of_spdx(document: spdx2::Document<'static>) -> Summary {
    let components = document.packages.into_iter().map(|package| {
        let declared = package
            .license_declared
            .and_then(|text| stated(text.into_owned()));
        let concluded = package
            .license_concluded
            .and_then(|text| stated(text.into_owned()));
        let purl = package
            .external_refs
            .into_iter()
            .find(|one| one.reference_type == "purl")
            .map(|one| one.reference_locator.into_owned());
        let supplier = package.supplier.and_then(|text| stated(text.into_owned()));
        SummaryComponent {
            name: package.name.into_owned(),
            version: package.version_info.unwrap_or_default().into_owned(),
            kind: package
                .primary_package_purpose
                .unwrap_or_default()
                .to_lowercase()
                .replace('_', "-"),
            purl,
            licence: declared.or(concluded),
            supplier,
        }
    });
    Summary {
        format: Format::Spdx,
        version: document.spdx_version.into_owned(),
        name: document.name.into_owned(),
        created: document.creation_info.created.into_owned(),
        tools: document
            .creation_info
            .creators
            .iter()
            .filter_map(|creator| creator.strip_prefix("Tool:"))
            .map(|tool| tool.trim().to_owned())
            .collect(),
        components: components.collect(),
        files: document.files.len(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    spec_version: String,
    #[serde(default)]
    metadata: BomMetadata,
    #[serde(default)]
    components: Vec<BomComponent>,
}

#[derive(Default, Deserialize)]
struct BomMetadata {
    #[serde(default)]
    timestamp: String,
    component: Option<BomComponent>,
    #[serde(default)]
    tools: BomTools,
}

/// Since 1.5 an object of lists; a list before.
#[derive(Deserialize)]
#[serde(untagged)]
enum BomTools {
    Components {
        #[serde(default)]
        components: Vec<Named>,
    },
    List(Vec<Named>),
}

impl Default for BomTools {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct BomComponent {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    purl: Option<String>,
    supplier: Option<Named>,
    publisher: Option<String>,
    #[serde(default)]
    licenses: Vec<BomLicence>,
    #[serde(default)]
    components: Vec<BomComponent>,
}

#[derive(Deserialize)]
struct BomLicence {
    expression: Option<String>,
    license: Option<BomNamedLicence>,
}

#[derive(Deserialize)]
struct BomNamedLicence {
    id: Option<String>,
    name: Option<String>,
}

fn of_cyclonedx(bom: Bom) -> Summary {
    let mut components = Vec::new();
    let mut files = 0;
    let mut waiting = bom.components;
    waiting.reverse();
    while let Some(mut component) = waiting.pop() {
        waiting.append(&mut component.components);
        if component.kind == "file" {
            files += 1;
        } else {
            components.push(of_component(component));
        }
    }
    let tools = match bom.metadata.tools {
        BomTools::Components { components } | BomTools::List(components) => components,
    };
    Summary {
        format: Format::CycloneDx,
        version: bom.spec_version,
        name: bom
            .metadata
            .component
            .map(|one| one.name)
            .unwrap_or_default(),
        created: bom.metadata.timestamp,
        tools: tools
            .into_iter()
            .map(|tool| match tool.version.as_str() {
                "" => tool.name,
                version => format!("{}-{version}", tool.name),
            })
            .collect(),
        components,
        files,
    }
}

fn of_component(component: BomComponent) -> SummaryComponent {
    let licences: Vec<String> = component
        .licenses
        .into_iter()
        .filter_map(|one| {
            let named = one.license.and_then(|licence| licence.id.or(licence.name));
            one.expression.or(named)
        })
        .collect();
    let supplier = component
        .supplier
        .map(|one| one.name)
        .or(component.publisher);
    SummaryComponent {
        name: component.name,
        version: component.version,
        kind: component.kind,
        purl: component.purl,
        licence: stated(licences.join(" AND ")),
        supplier,
    }
}

#[derive(Deserialize)]
struct Graph {
    #[serde(rename = "@graph")]
    graph: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "software_packageVersion", default)]
    version: String,
    #[serde(rename = "software_primaryPurpose", default)]
    purpose: String,
    #[serde(rename = "software_packageUrl")]
    purl: Option<String>,
    #[serde(rename = "specVersion", default)]
    specification: String,
    #[serde(default)]
    created: String,
}

fn of_spdx3(document: Graph) -> Summary {
    let mut summary = Summary {
        format: Format::Spdx3,
        version: String::new(),
        name: String::new(),
        created: String::new(),
        tools: Vec::new(),
        components: Vec::new(),
        files: 0,
    };
    for element in document.graph {
        match element.kind.as_str() {
            "CreationInfo" => {
                summary.version = element.specification;
                summary.created = element.created;
            }
            "SpdxDocument" => summary.name = element.name,
            "Tool" => summary.tools.push(element.name),
            "software_File" => summary.files += 1,
            "software_Package" => summary.components.push(SummaryComponent {
                name: element.name,
                version: element.version,
                kind: element.purpose,
                purl: element.purl,
                licence: None,
                supplier: None,
            }),
            _ => {}
        }
    }
    summary
}
