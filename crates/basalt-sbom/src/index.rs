//! The bill of an index: which images it holds, and where the bill of each is.

use basalt_digest::Digest;

use crate::cyclonedx::{self as cdx, Component, Dependency, ExternalReference, Hash};
use crate::model::{Image, Sha1, Tool};
use crate::purl;
use crate::spdx2::{self, Checksum, Document, ExternalDocument, Relationship};
use crate::spdx2_write::{DOCUMENT, IMAGE, creation, image_package, namespace};

/// An index of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIndex {
    /// Who says so.
    pub tool: Tool,
    /// The index itself.
    pub index: Image,
    /// Its images, each with its own bill, in the order of the index.
    pub images: Vec<(Image, ImageDocument)>,
}

/// The bill of one image, as bytes: its digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDocument {
    /// That of the SPDX document, by SHA-1: the only kind that tools take for a reference to a document.
    pub spdx_sha1: Sha1,
    /// That of the CycloneDX document.
    pub cyclonedx: Digest,
}

/// As SPDX 2.3: the index, the images that are its variants, and references to their documents.
pub fn spdx(index: &ImageIndex) -> Vec<u8> {
    let mut packages = vec![image_package(&index.index, IMAGE)];
    let mut relationships = vec![Relationship::new(DOCUMENT, "DESCRIBES", IMAGE)];
    let mut external = Vec::new();
    for (image, document) in &index.images {
        let id = format!("{IMAGE}-{}", image.architecture);
        let name = format!("DocumentRef-{}", image.architecture);
        external.push(ExternalDocument {
            external_document_id: name.clone().into(),
            spdx_document: namespace(image).into(),
            checksum: Checksum::new("SHA1", document.spdx_sha1.hex()),
        });
        packages.push(image_package(image, id.clone()));
        relationships.push(Relationship::new(IMAGE, "CONTAINS", id.clone()));
        relationships.push(Relationship::new(id.clone(), "VARIANT_OF", IMAGE));
        relationships.push(Relationship::new(
            id,
            "DESCRIBED_BY",
            format!("{name}:{DOCUMENT}"),
        ));
    }
    spdx2::bytes(&Document {
        spdx_version: "SPDX-2.3".into(),
        data_license: "CC0-1.0".into(),
        id: DOCUMENT.into(),
        name: format!("{} {}", index.index.name, index.index.version).into(),
        document_namespace: namespace(&index.index).into(),
        creation_info: creation(&index.tool, &index.index),
        external_document_refs: external,
        packages,
        files: Vec::new(),
        relationships,
        has_extracted_licensing_infos: Vec::new(),
    })
}

/// As CycloneDX 1.6: the images are components, and each names its document by a BOM-Link.
pub fn cyclonedx(index: &ImageIndex) -> Vec<u8> {
    let components: Vec<Component<'_>> = index
        .images
        .iter()
        .map(|(image, document)| {
            let link = ExternalReference {
                kind: "bom",
                url: format!("urn:cdx:{}/1", cdx::uuid(&image.digest)).into(),
                comment: None,
                hashes: vec![Hash::sha256(&document.cyclonedx)],
            };
            cdx::image_component(image, vec![link])
        })
        .collect();
    let images: Vec<String> = index
        .images
        .iter()
        .map(|(image, _)| purl::of_image(image))
        .collect();
    let mut dependencies = vec![Dependency {
        reference: purl::of_image(&index.index),
        depends_on: images.clone(),
    }];
    dependencies.extend(images.into_iter().map(|reference| Dependency {
        reference,
        depends_on: Vec::new(),
    }));
    cdx::document(&index.tool, &index.index, components, dependencies)
}
