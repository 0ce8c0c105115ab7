//! SPDX 3.0 in JSON-LD, made of a document of SPDX 2.3: that one is what images carry.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::spdx2::{Checksum, Document, NO_ASSERTION, Package, Text};
use crate::summary::{MAXIMUM_DOCUMENT, SbomError};

/// The context that gives the short names of SPDX 3.0.1 their meaning.
const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
/// The one set of facts on who made all elements, and when.
const CREATION: &str = "_:creation";

/// Elements, and the base of their identifiers.
struct Graph {
    base: String,
    elements: Vec<Value>,
}

/// A document of SPDX 2.3 as SPDX 3.0.1: its packages, files, licences, suppliers and relationships. What it says of
/// other documents is left out.
///
/// # Errors
/// When it is too long, or no SPDX 2.3 in JSON.
pub fn from_spdx(bytes: &[u8]) -> Result<Vec<u8>, SbomError> {
    if bytes.len() > MAXIMUM_DOCUMENT {
        return Err(SbomError::TooLarge { size: bytes.len() });
    }
    let what = "SPDX document";
    let malformed = |cause| SbomError::Malformed { what, cause };
    let document: Document<'static> = serde_json::from_slice(bytes).map_err(malformed)?;
    let graph = Graph {
        base: format!("{}#", document.document_namespace),
        elements: Vec::new(),
    };
    serde_json::to_vec(&json!({ "@context": CONTEXT, "@graph": graph.fill(&document) }))
        .map_err(malformed)
}

impl Graph {
    fn fill(mut self, document: &Document<'_>) -> Vec<Value> {
        self.creation(document);
        let roots: Vec<String> = document
            .relationships
            .iter()
            .filter(|one| one.relationship_type == "DESCRIBES")
            .map(|one| self.id(&one.related_spdx_element))
            .collect();
        let bill = self.id("SPDXRef-Sbom");
        let mut licences = Licences::default();
        let mut suppliers: BTreeMap<String, String> = BTreeMap::new();
        for package in &document.packages {
            self.package(package, &mut suppliers);
            licences.note(package);
        }
        for file in &document.files {
            let mut element = self.element("software_File", &file.id);
            set(&mut element, "name", Some(&file.file_name));
            set(&mut element, "comment", file.comment.as_ref());
            element["verifiedUsing"] = hashes(&file.checksums);
            self.elements.push(element);
        }
        self.licences(document, &licences);
        self.relationships(document, &licences);
        let mut whole = self.element("software_Sbom", "SPDXRef-Sbom");
        whole["software_sbomType"] = json!(["build"]);
        whole["rootElement"] = json!(roots);
        let mut top = self.element("SpdxDocument", &document.id);
        set(&mut top, "name", Some(&document.name));
        top["rootElement"] = json!([bill]);
        top["profileConformance"] = json!(["core", "software", "simpleLicensing"]);
        self.elements.extend([whole, top]);
        self.elements
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    fn element(&self, kind: &str, name: &str) -> Value {
        json!({ "type": kind, "spdxId": self.id(name), "creationInfo": CREATION })
    }

    /// Who made the document: its organisations and persons, else the program that did.
    fn creation(&mut self, document: &Document<'_>) {
        let mut tools = Vec::new();
        let mut makers = Vec::new();
        for (number, creator) in document.creation_info.creators.iter().enumerate() {
            let (kind, name) = actor(creator);
            let id = format!("SPDXRef-Creator-{number}");
            let list = if kind == "Tool" {
                &mut tools
            } else {
                &mut makers
            };
            list.push((kind, id, name.to_owned()));
        }
        if makers.is_empty() {
            let named = tools.first().map_or("unknown", |(_, _, name)| name);
            makers.push((
                "SoftwareAgent",
                "SPDXRef-Agent".to_owned(),
                named.to_owned(),
            ));
        }
        let ids = |list: &[(&str, String, String)]| -> Vec<String> {
            list.iter().map(|(_, id, _)| self.id(id)).collect()
        };
        let creation = json!({
            "type": "CreationInfo",
            "@id": CREATION,
            "specVersion": "3.0.1",
            "created": document.creation_info.created,
            "createdBy": ids(&makers),
            "createdUsing": ids(&tools),
        });
        self.elements.push(creation);
        for (kind, id, name) in makers.into_iter().chain(tools) {
            let mut element = self.element(kind, &id);
            element["name"] = json!(name);
            self.elements.push(element);
        }
    }

    fn package(&mut self, package: &Package<'_>, suppliers: &mut BTreeMap<String, String>) {
        let mut element = self.element("software_Package", &package.id);
        set(&mut element, "name", Some(&package.name));
        set(
            &mut element,
            "software_packageVersion",
            package.version_info.as_ref(),
        );
        set(
            &mut element,
            "software_sourceInfo",
            package.source_info.as_ref(),
        );
        set(&mut element, "comment", package.comment.as_ref());
        if let Some(purpose) = &package.primary_package_purpose {
            element["software_primaryPurpose"] = json!(purpose_of(purpose));
        }
        let purl = package
            .external_refs
            .iter()
            .find(|one| one.reference_type == "purl");
        set(
            &mut element,
            "software_packageUrl",
            purl.map(|one| &one.reference_locator),
        );
        if !package.checksums.is_empty() {
            element["verifiedUsing"] = hashes(&package.checksums);
        }
        if let Some(supplier) = package.supplier.as_ref().filter(|one| *one != NO_ASSERTION) {
            let number = suppliers.len();
            let id = suppliers
                .entry(supplier.to_string())
                .or_insert_with(|| format!("SPDXRef-Supplier-{number}"))
                .clone();
            element["suppliedBy"] = json!(self.id(&id));
            if suppliers.len() > number {
                let (kind, name) = actor(supplier);
                let mut agent = self.element(kind, &id);
                agent["name"] = json!(name);
                self.elements.push(agent);
            }
        }
        self.elements.push(element);
    }

    fn licences(&mut self, document: &Document<'_>, licences: &Licences) {
        let mut texts = BTreeMap::new();
        for (number, extracted) in document.has_extracted_licensing_infos.iter().enumerate() {
            let name = format!("SPDXRef-LicenceText-{number}");
            let mut element = self.element("simplelicensing_SimpleLicensingText", &name);
            set(&mut element, "name", extracted.name.as_ref());
            set(
                &mut element,
                "simplelicensing_licenseText",
                Some(&extracted.extracted_text),
            );
            self.elements.push(element);
            texts.insert(extracted.license_id.as_ref(), self.id(&name));
        }
        for (expression, (name, _)) in &licences.0 {
            let mut element = self.element("simplelicensing_LicenseExpression", name);
            element["simplelicensing_licenseExpression"] = json!(expression);
            let words = expression.split(|one: char| one.is_whitespace() || "()".contains(one));
            let own: BTreeMap<&str, &String> = words
                .filter_map(|word| texts.get_key_value(word).map(|(key, text)| (*key, text)))
                .collect();
            if !own.is_empty() {
                let entries = own.iter().map(
                    |(key, value)| json!({ "type": "DictionaryEntry", "key": key, "value": value }),
                );
                element["simplelicensing_customIdToUri"] = entries.collect();
            }
            self.elements.push(element);
        }
    }

    fn relationships(&mut self, document: &Document<'_>, licences: &Licences) {
        let mut all: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for one in &document.relationships {
            let (from, to) = (
                one.spdx_element_id.as_ref(),
                one.related_spdx_element.as_ref(),
            );
            let (from, kind, to) = match one.relationship_type.as_ref() {
                "CONTAINS" => (from, "contains", to),
                "DEPENDS_ON" => (from, "dependsOn", to),
                "GENERATED_FROM" => (to, "generates", from),
                "VARIANT_OF" => (to, "hasVariant", from),
                _ => continue,
            };
            if !from.contains(':') && !to.contains(':') {
                all.entry((from, kind)).or_default().push(to);
            }
        }
        for (name, packages) in licences.0.values() {
            for package in packages {
                all.entry((package, "hasDeclaredLicense"))
                    .or_default()
                    .push(name);
            }
        }
        for (number, ((from, kind), mut to)) in all.into_iter().enumerate() {
            to.sort_unstable();
            to.dedup();
            let mut element =
                self.element("Relationship", &format!("SPDXRef-Relationship-{number}"));
            element["from"] = json!(self.id(from));
            element["relationshipType"] = json!(kind);
            element["to"] = to
                .into_iter()
                .map(|one| Value::from(self.id(one)))
                .collect();
            self.elements.push(element);
        }
    }
}

/// Expressions, each with the name of its element and the packages that declare it.
#[derive(Default)]
struct Licences(BTreeMap<String, (String, Vec<String>)>);

impl Licences {
    fn note(&mut self, package: &Package<'_>) {
        let declared = package.license_declared.as_ref();
        if let Some(expression) = declared.filter(|one| *one != NO_ASSERTION && *one != "NONE") {
            let name = format!("SPDXRef-Licence-{}", self.0.len());
            let (_, packages) = self
                .0
                .entry(expression.to_string())
                .or_insert_with(|| (name, Vec::new()));
            packages.push(package.id.to_string());
        }
    }
}

fn set(element: &mut Value, key: &str, value: Option<&Text<'_>>) {
    if let Some(value) = value {
        element[key] = json!(value);
    }
}

fn hashes(checksums: &[Checksum<'_>]) -> Value {
    checksums
        .iter()
        .map(|one| {
            let algorithm = one.algorithm.to_lowercase().replace('-', "");
            json!({ "type": "Hash", "algorithm": algorithm, "hashValue": one.checksum_value })
        })
        .collect()
}

/// The class of an actor and his name.
fn actor(text: &str) -> (&'static str, &str) {
    let kinds = [
        ("Tool", "Tool"),
        ("Organization", "Organization"),
        ("Person", "Person"),
    ];
    for (word, kind) in kinds {
        if let Some(name) = text
            .strip_prefix(word)
            .and_then(|rest| rest.strip_prefix(':'))
        {
            return (kind, name.trim());
        }
    }
    ("Agent", text)
}

/// SPDX 3 writes purposes in camel case.
fn purpose_of(text: &str) -> String {
    let mut words = text.split(['_', '-']).map(str::to_lowercase);
    let mut name = words.next().unwrap_or_default();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
