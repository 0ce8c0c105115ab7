//! From packed images to an OCI layout.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, LayoutWriter, annotation, media_type};
use basalt_spec::LoadedSpec;
use rayon::prelude::*;

use crate::BuildError;
use crate::attach::{self, Attachment};
use crate::build::{BaseManifest, BuildRequest, ImageRecord};
use crate::image;
use crate::job::Job;
use crate::provenance::{BaseImage, Materials};
use crate::report::Stage;
use crate::session::Session;

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

/// The index of the images, as bytes.
pub(crate) fn images(
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Vec<u8>, BuildError> {
    let newest = jobs.iter().map(|job| job.epoch).max().unwrap_or(0);
    let annotations = jobs.first().map_or_else(BTreeMap::new, |job| {
        image::annotations(job.image, &spec.release, &request.variant, newest)
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
    spec: &LoadedSpec,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Vec<BaseImage>, BuildError> {
    let Some(first) = records.first() else {
        return Ok(Vec::new());
    };
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

/// The indexes of the images and of what is attached to them.
fn indexes(
    materials: &Materials<'_>,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
) -> Result<Indexes, BuildError> {
    let Materials { spec, request, .. } = *materials;
    let bytes = images(spec, request, jobs, records)?;
    let mut descriptor = Descriptor::of(media_type::INDEX, &bytes);
    let tag = match request.variant.as_str() {
        "" => "latest".to_owned(),
        variant => variant.to_owned(),
    };
    let attachments = attach::all(materials, jobs, records, &descriptor)?;
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
        let (layers, attached) =
            rayon::join(add_layers, || attach::write(session, &layout, &attachments));
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
