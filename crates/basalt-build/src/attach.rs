//! What is attached to images: documents about a manifest or an index, each as a manifest that refers to it (OCI image
//! specification 1.1, *Guidelines for Artifact Usage*).
//!
//! A build makes a list of [`Attachment`]s. A further kind of document is one more item of that list.

use std::collections::BTreeMap;

use basalt_attest::predicate_type;
use basalt_digest::Digest;
use basalt_oci::{Descriptor, LayoutWriter, MADE_BY, Manifest, media_type};
use basalt_sbom::{
    CYCLONEDX_MEDIA_TYPE, ImageDocument, ImageIndex, SPDX_MEDIA_TYPE, Sbom, Sha1, cyclonedx,
    cyclonedx_of_index, spdx, spdx_of_index,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::BuildError;
use crate::build::ImageRecord;
use crate::job::Job;
use crate::layout;
use crate::provenance::{BaseImage, Materials};
use crate::sbom;
use crate::session::Session;

/// Whether documents are made. They always are, but for the program that is measured beside the real one, to see what
/// they cost.
pub(crate) const DOCUMENTED: bool = !cfg!(feature = "undocumented");

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

/// The bill of an image, as the cache remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CachedBill {
    /// Digest and length of the SPDX document.
    pub spdx: (Digest, u64),
    /// The former by SHA-1.
    pub spdx_sha1: Sha1,
    /// Digest and length of the CycloneDX document.
    pub cyclonedx: (Digest, u64),
}

impl CachedBill {
    /// Writes a bill in both formats, and puts them into the cache.
    pub(crate) fn write(
        session: &Session,
        bill: impl FnOnce() -> Sbom,
    ) -> Result<Self, BuildError> {
        if !DOCUMENTED {
            let nothing = (Digest::of(b""), 0);
            return Ok(Self {
                spdx: nothing,
                spdx_sha1: Sha1::of(b""),
                cyclonedx: nothing,
            });
        }
        let bill = bill();
        let put = |bytes: &[u8]| -> Result<(Digest, u64), BuildError> {
            Ok((session.cache.put(bytes)?, bytes.len() as u64))
        };
        let in_spdx = || {
            let bytes = spdx(&bill);
            Ok::<_, BuildError>((put(&bytes)?, Sha1::of(&bytes)))
        };
        let (spdx, cyclonedx) = rayon::join(in_spdx, || put(&cyclonedx(&bill)));
        let (spdx, spdx_sha1) = spdx?;
        Ok(Self {
            spdx,
            spdx_sha1,
            cyclonedx: cyclonedx?,
        })
    }

    /// Whether the cache still has both documents.
    pub(crate) fn is_there(&self, session: &Session) -> bool {
        let is_there = |(digest, size): &_| session.cache.seems_to_have(digest, Some(*size));
        !DOCUMENTED || [self.spdx, self.cyclonedx].iter().all(is_there)
    }
}

/// All that a build attaches to its images and to their index.
pub(crate) fn all(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
    index: &Descriptor,
) -> Result<Vec<Attachment>, BuildError> {
    let spec = materials.spec;
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
            sbom::image(spec, job, &job.locked.architecture, subject.digest),
            ImageDocument {
                spdx_sha1: bill.spdx_sha1,
                cyclonedx: bill.cyclonedx.0,
            },
        ));
    }
    // As the index itself: it is as new as the newest of its images.
    if let Some(newest) = jobs.iter().max_by_key(|job| job.epoch) {
        let bill = ImageIndex {
            tool: sbom::tool(),
            index: sbom::image(spec, newest, "", index.digest),
            images,
        };
        for (kind, bytes) in [
            (SPDX_MEDIA_TYPE, spdx_of_index(&bill)),
            (CYCLONEDX_MEDIA_TYPE, cyclonedx_of_index(&bill)),
        ] {
            all.push(Attachment::new(index, kind, Document::Bytes(bytes)));
        }
        let bases = layout::bases(spec, jobs, records)?;
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
    fn manifest(&self) -> Result<Vec<u8>, BuildError> {
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
        annotations.insert(MADE_BY.to_owned(), sbom::tool().name);
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

/// Adds documents and their manifests to a layout.
pub(crate) fn write(
    session: &Session,
    layout: &LayoutWriter,
    attachments: &[Attachment],
) -> Result<(), BuildError> {
    if attachments.is_empty() {
        return Ok(());
    }
    layout.add_bytes(media_type::EMPTY, media_type::EMPTY_DOCUMENT)?;
    attachments.par_iter().try_for_each(|one| {
        match &one.document {
            Document::Bytes(bytes) => {
                layout.add_bytes(&one.artifact_type, bytes)?;
            }
            Document::Cached { digest, size } => {
                crate::layout::add_cached(session, layout, *digest, *size)?;
            }
        }
        layout.add_bytes(media_type::MANIFEST, &one.manifest()?)?;
        Ok(())
    })
}
