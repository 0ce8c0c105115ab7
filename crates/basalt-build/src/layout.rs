//! From packed images to an OCI layout.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, LayoutWriter, annotation, media_type};
use basalt_spec::LoadedSpec;
use rayon::prelude::*;

use crate::BuildError;
use crate::attach::{self, Attachment};
use crate::build::{BuildRequest, ImageRecord, Job};
use crate::image;
use crate::report::Stage;
use crate::session::Session;

/// What a layout holds besides layers.
pub(crate) struct Indexes {
    /// The index of the images, as bytes.
    pub images: Vec<u8>,
    /// What is attached to the images and to that index.
    pub attachments: Vec<Attachment>,
    /// The index of the layout, which names both.
    pub layout: Index,
}

/// The index of the images, as bytes.
pub(crate) fn images(
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Vec<u8>, BuildError> {
    let mut manifests = Vec::new();
    for (job, record) in jobs.iter().zip(records) {
        let mut descriptor = Descriptor::of(media_type::MANIFEST, &record.manifest);
        descriptor.platform = Some(image::platform(&job.locked.architecture)?);
        manifests.push(descriptor);
    }
    let mut images = Index::new(manifests);
    let newest = jobs.iter().map(|job| job.epoch).max().unwrap_or(0);
    if let Some(job) = jobs.first() {
        images.annotations = image::annotations(job.image, &spec.release, &request.variant, newest);
    }
    Ok(basalt_oci::to_bytes(&images)?)
}

/// The indexes of the images and of what is attached to them.
pub(crate) fn indexes(
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Indexes, BuildError> {
    let bytes = images(spec, request, jobs, records)?;
    let mut descriptor = Descriptor::of(media_type::INDEX, &bytes);
    let tag = match request.variant.as_str() {
        "" => "latest".to_owned(),
        variant => variant.to_owned(),
    };
    let attachments = attach::all(spec, jobs, records, &descriptor);
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

pub(crate) fn write(
    session: &Session,
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<(), BuildError> {
    let Indexes {
        images,
        attachments,
        layout: index,
    } = indexes(spec, request, jobs, records)?;
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
        let (layers, attached) =
            rayon::join(add_layers, || attach::write(session, &layout, &attachments));
        layers?;
        attached?;
        layout.finish_with_attached(index)?;
        Ok(((), request.output.display().to_string()))
    })
}

/// Adds a blob: the one of the former layout where that has it, else the cache's.
pub(crate) fn add_cached(
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
