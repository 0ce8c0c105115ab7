//! SPDX 2.3 in JSON: the parts of the format that are written and read here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub(crate) type Text<'a> = Cow<'a, str>;

pub(crate) const NO_ASSERTION: &str = "NOASSERTION";

fn is_none_or_empty(list: &[impl Sized]) -> bool {
    list.is_empty()
}

/// A document (clause 6).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    pub spdx_version: Text<'a>,
    #[serde(default)]
    pub data_license: Text<'a>,
    #[serde(rename = "SPDXID")]
    pub id: Text<'a>,
    pub name: Text<'a>,
    #[serde(default)]
    pub document_namespace: Text<'a>,
    pub creation_info: Creation<'a>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub external_document_refs: Vec<ExternalDocument<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub packages: Vec<Package<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub files: Vec<File<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub relationships: Vec<Relationship<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub has_extracted_licensing_infos: Vec<ExtractedLicence<'a>>,
}

/// Who made a document, and when (6.8, 6.9).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Creation<'a> {
    #[serde(default)]
    pub created: Text<'a>,
    #[serde(default)]
    pub creators: Vec<Text<'a>>,
}

/// Another document that this one speaks of (6.6).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalDocument<'a> {
    pub external_document_id: Text<'a>,
    pub spdx_document: Text<'a>,
    pub checksum: Checksum<'a>,
}

/// A package (clause 7).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package<'a> {
    pub name: Text<'a>,
    #[serde(rename = "SPDXID")]
    pub id: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_info: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_file_name: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Text<'a>>,
    #[serde(default)]
    pub download_location: Text<'a>,
    #[serde(default)]
    pub files_analyzed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_verification_code: Option<VerificationCode<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub checksums: Vec<Checksum<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_info: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_concluded: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_declared: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyright_text: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    pub external_refs: Vec<ExternalReference<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_package_purpose: Option<Text<'a>>,
}

/// What the files of a package come to (7.9).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerificationCode<'a> {
    pub package_verification_code_value: Text<'a>,
}

/// A digest (7.10, 8.4).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checksum<'a> {
    pub algorithm: Text<'a>,
    pub checksum_value: Text<'a>,
}

/// Where else a package is named (7.21).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalReference<'a> {
    #[serde(default)]
    pub reference_category: Text<'a>,
    pub reference_type: Text<'a>,
    pub reference_locator: Text<'a>,
}

/// A file (clause 8).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'a> {
    pub file_name: Text<'a>,
    #[serde(rename = "SPDXID")]
    pub id: Text<'a>,
    #[serde(default)]
    pub checksums: Vec<Checksum<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<'a>>,
}

/// How two elements stand to each other (clause 11).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relationship<'a> {
    pub spdx_element_id: Text<'a>,
    pub relationship_type: Text<'a>,
    pub related_spdx_element: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<'a>>,
}

/// A licence that is not on the list (clause 10).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExtractedLicence<'a> {
    pub license_id: Text<'a>,
    #[serde(default)]
    pub extracted_text: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
}

impl<'a> Relationship<'a> {
    pub(crate) fn new(
        element: impl Into<Text<'a>>,
        relation: &'a str,
        related: impl Into<Text<'a>>,
    ) -> Self {
        Self {
            spdx_element_id: element.into(),
            relationship_type: relation.into(),
            related_spdx_element: related.into(),
            comment: None,
        }
    }
}

impl<'a> Checksum<'a> {
    pub(crate) fn new(algorithm: &'a str, value: String) -> Self {
        Self {
            algorithm: algorithm.into(),
            checksum_value: value.into(),
        }
    }
}

impl<'a> ExternalReference<'a> {
    pub(crate) fn purl(purl: String) -> Self {
        Self {
            reference_category: "PACKAGE-MANAGER".into(),
            reference_type: "purl".into(),
            reference_locator: purl.into(),
        }
    }
}

/// The document as the bytes that its digest is taken of.
pub(crate) fn bytes(document: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and lists: nothing of that can fail to be JSON.
    serde_json::to_vec(document).unwrap_or_default()
}
