//! What is attached to images: documents about a manifest or an index, each as a manifest that refers to it (OCI image
//! specification 1.1, *Guidelines for Artifact Usage*).
//!
//! A build makes a list of [`Attachment`]s. A further kind of document is one more item of that list.

use std::collections::BTreeMap;

use basalt_attest::predicate_type;
use basalt_digest::Digest;
use basalt_oci::{Descriptor, MADE_BY, Manifest, media_type};
use basalt_sbom::{
    CYCLONEDX_MEDIA_TYPE, ImageDocument, ImageIndex, SPDX_MEDIA_TYPE, cyclonedx_of_index,
    spdx_of_index,
};

use crate::describe::provenance::{BaseImage, Materials};
use crate::describe::record::ImageRecord;
use crate::describe::{index, names, sbom};
use crate::error::BuildError;
use crate::plan::job::Job;
use crate::run::documented::DOCUMENTED;

/// One document about one manifest or index.
pub(crate) struct Attachment {
    /// What it is about.
    pub subject: Descriptor,
    /// The type of the artifact, and of its only layer.
    pub artifact_type: String,
    /// Annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// The document itself.
    pub document: Document,
}

/// Where a document's bytes are.
pub(crate) enum Document {
    /// Here: it is small, and made anew in each build.
    Bytes(Vec<u8>),
    /// In the cache.
    Cached {
        /// Its digest.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
    },
}

/// All that a build attaches to its images and to their index.
pub(crate) fn all(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
    index: &Descriptor,
) -> Result<Vec<Attachment>, BuildError> {
    let mut all = Vec::new();
    if !DOCUMENTED {
        return Ok(all);
    }
    let mut images = Vec::new();
    for (job, record) in jobs.iter().zip(records) {
        let subject = Descriptor::of(media_type::MANIFEST, &record.manifest);
        let bill = &record.bill;
        for (kind, (digest, size)) in [
            (SPDX_MEDIA_TYPE, bill.spdx),
            (CYCLONEDX_MEDIA_TYPE, bill.cyclonedx),
        ] {
            let document = Document::Cached { digest, size };
            all.push(Attachment::new(&subject, kind, document));
        }
        let digest = subject.digest;
        let bases: Vec<BaseImage> = record
            .bases
            .iter()
            .map(|base| BaseImage {
                name: base.name.clone(),
                digest: Digest::of(&base.manifest),
            })
            .collect();
        let provenance = materials.provenance(&[job], &digest, &bases)?;
        all.push(Attachment::statement(
            &subject,
            predicate_type::SLSA_V1,
            provenance,
        ));
        let verdict = materials.verdict(job, &record.hardened, &digest)?;
        all.push(Attachment::statement(
            &subject,
            predicate_type::TEST_RESULT,
            verdict,
        ));
        images.push((
            sbom::image(job, &job.locked.architecture, subject.digest),
            ImageDocument {
                spdx_sha1: bill.spdx_sha1,
                cyclonedx: bill.cyclonedx.0,
            },
        ));
    }
    // As the index itself: it is as new as the newest of its images.
    if let Some(newest) = jobs.iter().max_by_key(|job| job.epoch) {
        let bill = ImageIndex {
            tool: names::tool(),
            index: sbom::image(newest, "", index.digest),
            images,
        };
        for (kind, bytes) in [
            (SPDX_MEDIA_TYPE, spdx_of_index(&bill)),
            (CYCLONEDX_MEDIA_TYPE, cyclonedx_of_index(&bill)),
        ] {
            all.push(Attachment::new(index, kind, Document::Bytes(bytes)));
        }
        let bases = index::bases(jobs, records)?;
        let jobs: Vec<&Job<'_>> = jobs.iter().collect();
        let provenance = materials.provenance(&jobs, &index.digest, &bases)?;
        all.push(Attachment::statement(
            index,
            predicate_type::SLSA_V1,
            provenance,
        ));
    }
    Ok(all)
}

impl Attachment {
    /// A document without annotations.
    fn new(subject: &Descriptor, artifact_type: &str, document: Document) -> Self {
        Self {
            subject: Descriptor::new(&subject.media_type, subject.digest, subject.size),
            artifact_type: artifact_type.to_owned(),
            annotations: BTreeMap::new(),
            document,
        }
    }

    /// A statement, with its type of predicate as an annotation.
    fn statement(subject: &Descriptor, kind: &str, bytes: Vec<u8>) -> Self {
        let mut one = Self::new(
            subject,
            basalt_attest::media_type::IN_TOTO,
            Document::Bytes(bytes),
        );
        let annotation = basalt_attest::PREDICATE_TYPE.to_owned();
        one.annotations.insert(annotation, kind.to_owned());
        one
    }

    /// The manifest that attaches it.
    pub(crate) fn manifest(&self) -> Result<Vec<u8>, BuildError> {
        let layer = match &self.document {
            Document::Bytes(bytes) => Descriptor::of(&self.artifact_type, bytes),
            Document::Cached { digest, size } => {
                Descriptor::new(&self.artifact_type, *digest, *size)
            }
        };
        let config = Descriptor::of(media_type::EMPTY, media_type::EMPTY_DOCUMENT);
        let manifest = Manifest {
            artifact_type: Some(self.artifact_type.clone()),
            subject: Some(self.subject.clone()),
            annotations: self.all_annotations(),
            ..Manifest::new(config, vec![layer])
        };
        Ok(basalt_oci::to_bytes(&manifest)?)
    }

    fn all_annotations(&self) -> BTreeMap<String, String> {
        let mut annotations = self.annotations.clone();
        annotations.insert(MADE_BY.to_owned(), names::tool().name);
        annotations
    }

    /// Its entry in the index of a layout.
    pub(crate) fn entry(&self) -> Result<Descriptor, BuildError> {
        let mut entry = Descriptor::of(media_type::MANIFEST, &self.manifest()?);
        entry.artifact_type = Some(self.artifact_type.clone());
        entry.annotations = self.all_annotations();
        Ok(entry)
    }
}
