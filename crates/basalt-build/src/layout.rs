//! From packed images to an OCI layout.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, LayoutWriter, annotation, media_type};
use basalt_spec::LoadedSpec;
use rayon::prelude::*;

use crate::BuildError;
use crate::build::{BuildRequest, ImageRecord, Job};
use crate::image;
use crate::report::Stage;
use crate::session::Session;

/// The index of the images, and the index of the layout that names it.
pub(crate) fn indexes(
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<(Vec<u8>, Index), BuildError> {
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
    let bytes = basalt_oci::to_bytes(&images)?;
    let mut descriptor = Descriptor::of(media_type::INDEX, &bytes);
    let tag = match request.variant.as_str() {
        "" => "latest".to_owned(),
        variant => variant.to_owned(),
    };
    descriptor
        .annotations
        .insert(annotation::REFERENCE_NAME.to_owned(), tag);
    Ok((bytes, Index::new(vec![descriptor])))
}

pub(crate) fn index(
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Index, BuildError> {
    indexes(spec, request, jobs, records).map(|(_, index)| index)
}

pub(crate) fn write(
    session: &Session,
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<(), BuildError> {
    let (images, index) = indexes(spec, request, jobs, records)?;
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
        layers
            .into_par_iter()
            .try_for_each(|(digest, size)| add_layer(session, &layout, digest, size))?;
        layout.add_bytes(media_type::INDEX, &images)?;
        layout.finish(&index)?;
        Ok(((), request.output.display().to_string()))
    })
}

/// Adds a layer: the one of the former layout where that has it, else the cache's.
fn add_layer(
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
