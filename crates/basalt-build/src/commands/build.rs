//! From a lock to an OCI layout.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_lock::Lock;
use basalt_oci::is_current;
use basalt_spec::LoadedSpec;
use basalt_tree::Tree;

use crate::assemble::images::assemble_all;
use crate::commands::lock::lock;
use crate::commands::report::{BuildReport, ImageReport, LayerReport};
use crate::describe::index;
use crate::describe::make::make;
use crate::describe::provenance::Materials;
use crate::describe::record::{ImageRecord, remembered};
use crate::error::BuildError;
use crate::plan::job::{Job, jobs};
use crate::plan::request::BuildRequest;
use crate::project::lock_file::{lock_path, misfit, read_lock};
use crate::read::package::ReadPackage;
use crate::run::session::Session;
use crate::run::stage::CacheReport;
use crate::write::layout;

/// The lock of a spec: the one that is there if it fits, else made anew unless that is forbidden.
///
/// # Errors
/// As [`crate::lock`]; [`BuildError::LockMoved`] when `locked` and it is missing or does not fit.
pub fn current_lock(
    session: &Session,
    spec: &LoadedSpec,
    locked: bool,
) -> Result<Lock, BuildError> {
    let why = match read_lock(spec)? {
        Some(lock) => match misfit(spec, &lock, session.options.clock)? {
            None => return Ok(lock),
            Some(why) => why,
        },
        None => "there is none yet".to_owned(),
    };
    if locked {
        return Err(BuildError::LockMoved {
            path: lock_path(spec),
            why,
        });
    }
    lock(session, spec).map(|(lock, _)| lock)
}

/// Builds the images of a spec into an OCI layout.
///
/// # Errors
/// When there is no lock that fits, a package is missing or refused, files conflict, a script is not
/// explained, an assertion does not hold, or the layout cannot be written. Nothing is written then.
pub fn build(
    session: &Session,
    spec: &LoadedSpec,
    request: &BuildRequest,
) -> Result<BuildReport, BuildError> {
    let lock = current_lock(session, spec, request.locked)?;
    let jobs = jobs(session, spec, &lock, request)?;
    let materials = Materials::read(session, spec, &lock, request)?;
    let mut records: Vec<Option<ImageRecord>> = jobs
        .iter()
        .map(|job| remembered(session, job))
        .collect::<Result<_, _>>()?;
    if let Some(records) = records.iter().cloned().collect::<Option<Vec<_>>>() {
        let index = layout::index(&materials, &jobs, &records)?;
        if is_current(&request.output, &index, true) {
            return report(
                session,
                spec,
                request,
                &jobs,
                &records,
                CacheReport::default(),
                true,
            );
        }
    }
    let mut cache = CacheReport::default();
    let needed = |record: &Option<ImageRecord>| {
        record.as_ref().is_none_or(|record| {
            let has_layers = record.layers.iter().all(|layer| {
                session
                    .cache
                    .seems_to_have(&layer.info.digest, Some(layer.info.size))
            });
            !has_layers || !record.bill.is_there(session)
        })
    };
    let missing: Vec<usize> = (0..jobs.len())
        .filter(|number| needed(&records[*number]))
        .collect();
    if !missing.is_empty() {
        let wanted: Vec<&Job<'_>> = missing.iter().map(|number| &jobs[*number]).collect();
        let built = make(session, spec, &lock, &wanted, &mut cache)?;
        for (number, record) in missing.into_iter().zip(built) {
            records[number] = Some(record);
        }
    }
    let records: Vec<ImageRecord> = records.into_iter().flatten().collect();
    layout::write(&materials, &jobs, &records)?;
    report(session, spec, request, &jobs, &records, cache, false)
}

/// The packages and the tree of the one image that is asked for, as [`build`] would pack it.
pub(crate) fn assembled(
    session: &Session,
    spec: &LoadedSpec,
    request: &BuildRequest,
) -> Result<(Lock, BTreeMap<String, ReadPackage>, Tree), BuildError> {
    let lock = current_lock(session, spec, request.locked)?;
    let jobs = jobs(session, spec, &lock, request)?;
    let jobs: Vec<&Job<'_>> = jobs.iter().collect();
    let trees = assemble_all(session, spec, &lock, &jobs, &mut CacheReport::default())?;
    let only = trees.into_iter().next();
    let (packages, tree) = only
        .map(|(packages, assembled)| (packages, assembled.tree))
        .unwrap_or_default();
    Ok((lock, packages, tree))
}

fn report(
    session: &Session,
    spec: &LoadedSpec,
    request: &BuildRequest,
    jobs: &[Job<'_>],
    records: &[ImageRecord],
    mut cache: CacheReport,
    unchanged: bool,
) -> Result<BuildReport, BuildError> {
    cache.downloaded = session.downloaded();
    let images = jobs
        .iter()
        .zip(records)
        .map(|(job, record)| ImageReport {
            architecture: job.locked.architecture.clone(),
            variant: job.locked.variant.clone(),
            digest: Digest::of(&record.manifest),
            packages: record.packages,
            files: record.files,
            sliced: record.sliced,
            layers: record
                .layers
                .iter()
                .map(|layer| LayerReport {
                    digest: layer.info.digest,
                    size: layer.info.size,
                    uncompressed_size: layer.info.uncompressed_size,
                    packages: layer.packages.clone(),
                })
                .collect(),
        })
        .collect();
    let index = index::images(spec, request, jobs, records)?;
    Ok(BuildReport {
        name: spec.base.name.clone(),
        release: spec.release.clone(),
        digest: Digest::of(&index),
        output: request.output.display().to_string(),
        unchanged,
        images,
        stages: session.times(),
        cache,
    })
}
