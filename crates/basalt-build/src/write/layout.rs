//! From packed images to an OCI layout.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, LayoutWriter, annotation, media_type};
use rayon::prelude::*;

use crate::describe::attachments::{self, Attachment, Document};
use crate::describe::index::images;
use crate::describe::provenance::Materials;
use crate::describe::record::ImageRecord;
use crate::error::BuildError;
use crate::plan::job::Job;
use crate::run::session::Session;
use crate::run::stage::Stage;

/// Under which name the cache remembers indexes of layouts.
const FACT: &str = "layout";

/// What a layout holds besides layers.
pub(crate) struct Indexes {
    /// The index of the images, as bytes.
    pub images: Vec<u8>,
    /// What is attached to the images and to that index.
    pub attachments: Vec<Attachment>,
    /// The index of the layout, which names both.
    pub layout: Index,
}

/// The indexes of the images and of what is attached to them.
pub(crate) fn indexes(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Indexes, BuildError> {
    let Materials { request, .. } = *materials;
    let bytes = images(request, jobs, records)?;
    let mut descriptor = Descriptor::of(media_type::INDEX, &bytes);
    let tag = match request.variant.as_str() {
        "" => "latest".to_owned(),
        variant => variant.to_owned(),
    };
    let attachments = attachments::all(materials, jobs, records, &descriptor)?;
    descriptor
        .annotations
        .insert(annotation::REFERENCE_NAME.to_owned(), tag);
    let mut entries = vec![descriptor];
    for attachment in &attachments {
        entries.push(attachment.entry()?);
    }
    Ok(Indexes {
        images: bytes,
        attachments,
        layout: Index::new(entries),
    })
}

/// The index of the layout, without all that it lists being made again if this very build was made before.
pub(crate) fn index(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Index, BuildError> {
    let cache = &materials.session.cache;
    let known = cache.fact(FACT, &materials.key(jobs)?)?;
    match known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        Some(index) => Ok(index),
        None => Ok(indexes(materials, jobs, records)?.layout),
    }
}

pub(crate) fn write(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<(), BuildError> {
    let Indexes {
        images,
        attachments,
        layout: index,
    } = indexes(materials, jobs, records)?;
    let Materials {
        session, request, ..
    } = *materials;
    session.stage(Stage::Write, 0, || {
        if let Some(parent) = request
            .output
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs_err::create_dir_all(parent)?;
        }
        let layout = LayoutWriter::create(&request.output, true)?;
        let mut layers: BTreeMap<Digest, u64> = BTreeMap::new();
        for record in records {
            layout.add_bytes(media_type::CONFIG, &record.config)?;
            layout.add_bytes(media_type::MANIFEST, &record.manifest)?;
            layers.extend(
                record
                    .layers
                    .iter()
                    .map(|one| (one.info.digest, one.info.size)),
            );
        }
        layout.add_bytes(media_type::INDEX, &images)?;
        // The disk takes many small files at once as fast as one.
        let add_layers = || {
            layers
                .into_par_iter()
                .try_for_each(|(digest, size)| add_cached(session, &layout, digest, size))
        };
        let (layers, attached) = rayon::join(add_layers, || {
            add_attachments(session, &layout, &attachments)
        });
        layers?;
        attached?;
        let remembered = basalt_oci::to_bytes(&index)?;
        layout.finish_with_attached(index)?;
        let key = materials.key(jobs)?;
        session.cache.put_fact(FACT, &key, &remembered)?;
        Ok(((), request.output.display().to_string()))
    })
}

/// Adds a blob: the one of the former layout where that has it, else the cache's.
fn add_cached(
    session: &Session,
    layout: &LayoutWriter,
    digest: Digest,
    size: u64,
) -> Result<(), BuildError> {
    if layout.keep(digest, size)? {
        return Ok(());
    }
    let begin = || Ok::<_, BuildError>(layout.create_blob()?);
    let blob = session.cache.copy_verified(&digest, size, begin)?;
    layout.commit(blob.ok_or(BuildError::LostBlob { digest })?, digest)?;
    Ok(())
}

/// Adds documents and their manifests to a layout.
fn add_attachments(
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
                add_cached(session, layout, *digest, *size)?;
            }
        }
        layout.add_bytes(media_type::MANIFEST, &one.manifest()?)?;
        Ok(())
    })
}
