//! Indexes of images.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, media_type};

use crate::describe::image;
use crate::describe::provenance::BaseImage;
use crate::describe::record::{BaseManifest, ImageRecord};
use crate::error::BuildError;
use crate::plan::job::Job;
use crate::plan::request::BuildRequest;

/// The index of the images, as bytes.
pub(crate) fn images(
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Vec<u8>, BuildError> {
    let newest = jobs.iter().map(|job| job.epoch).max().unwrap_or(0);
    let annotations = jobs.first().map_or_else(BTreeMap::new, |job| {
        image::annotations(
            job.image,
            &job.project.spec.release,
            &request.variant,
            newest,
        )
    });
    let each = jobs.iter().zip(records);
    index_of(
        each.map(|(job, record)| (job.locked.architecture.as_str(), record.manifest.as_slice())),
        annotations,
    )
}

/// An index of manifests, each with its architecture, as bytes.
fn index_of<'m>(
    manifests: impl Iterator<Item = (&'m str, &'m [u8])>,
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>, BuildError> {
    let mut listed = Vec::new();
    for (architecture, manifest) in manifests {
        let mut descriptor = Descriptor::of(media_type::MANIFEST, manifest);
        descriptor.platform = Some(image::platform(architecture)?);
        listed.push(descriptor);
    }
    let mut index = Index::new(listed);
    index.annotations = annotations;
    Ok(basalt_oci::to_bytes(&index)?)
}

/// The indexes that the images which these are laid over have by themselves, for the same architectures.
pub(crate) fn bases(
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Vec<BaseImage>, BuildError> {
    let (Some(job), Some(first)) = (jobs.first(), records.first()) else {
        return Ok(Vec::new());
    };
    let spec = &job.project.spec;
    let mut found = Vec::new();
    for base in &first.bases {
        let image = spec.below.iter().chain([spec]).map(|one| &one.base);
        let Some(image) = image.into_iter().find(|image| image.name == base.name) else {
            continue;
        };
        let of_each = records
            .iter()
            .filter_map(|record| record.bases.iter().find(|one| one.name == base.name));
        let of_each: Vec<&BaseManifest> = of_each.collect();
        if of_each.len() != jobs.len() {
            continue;
        }
        let newest = of_each.iter().map(|one| one.epoch).max().unwrap_or(0);
        let manifests = jobs.iter().zip(of_each);
        let index = index_of(
            manifests.map(|(job, one)| (job.locked.architecture.as_str(), one.manifest.as_slice())),
            image::annotations(image, &spec.release, "", newest),
        )?;
        found.push(BaseImage {
            name: base.name.clone(),
            digest: Digest::of(&index),
        });
    }
    Ok(found)
}
