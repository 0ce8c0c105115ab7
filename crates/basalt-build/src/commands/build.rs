//! From a lock to an OCI layout.

use basalt_digest::Digest;
use basalt_lock::Lock;
use basalt_oci::is_current;

use crate::commands::lock::lock_over;
use crate::commands::report::{BuildReport, ImageReport, LayerReport};
use crate::describe::index;
use crate::describe::make::make;
use crate::describe::provenance::Materials;
use crate::describe::record::{ImageRecord, remembered};
use crate::error::BuildError;
use crate::plan::job::{Job, jobs};
use crate::plan::request::BuildRequest;
use crate::project::project::Project;
use crate::run::session::Session;
use crate::run::stage::CacheReport;
use crate::write::layout;

/// The lock of a spec: the one that is there if it fits, else made anew unless that is forbidden.
///
/// # Errors
/// As [`crate::lock`]; [`BuildError::LockMoved`] when `locked` and it is missing or does not fit.
pub fn current_lock(
    session: &Session,
    project: &Project,
    locked: bool,
) -> Result<Lock, BuildError> {
    let former = project.read_lock()?;
    let why = match &former {
        Some(lock) => match project.misfit(lock, session.options.clock) {
            None => return Ok(lock.clone()),
            Some(why) => why,
        },
        None => "there is none yet".to_owned(),
    };
    if locked {
        return Err(BuildError::LockMoved {
            path: project.lock_path.clone(),
            why,
        });
    }
    lock_over(session, project, former.as_ref()).map(|(lock, _)| lock)
}

/// Builds the images of a spec into an OCI layout.
///
/// # Errors
/// When there is no lock that fits, a package is missing or refused, files conflict, a script is not
/// explained, an assertion does not hold, or the layout cannot be written. Nothing is written then.
pub fn build(
    session: &Session,
    project: &Project,
    request: &BuildRequest,
) -> Result<BuildReport, BuildError> {
    let lock = current_lock(session, project, request.locked)?;
    let jobs = jobs(session, project, &lock, request)?;
    let materials = Materials::read(session, project, &lock, request)?;
    let mut records: Vec<Option<ImageRecord>> = jobs
        .iter()
        .map(|job| remembered(session, job))
        .collect::<Result<_, _>>()?;
    if let Some(records) = records.iter().cloned().collect::<Option<Vec<_>>>() {
        let index = layout::index(&materials, &jobs, &records)?;
        if is_current(&request.output, &index, true) {
            return report(
                session,
                project,
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
        let built = make(session, &lock, &wanted, &mut cache)?;
        for (number, record) in missing.into_iter().zip(built) {
            records[number] = Some(record);
        }
    }
    let records: Vec<ImageRecord> = records.into_iter().flatten().collect();
    layout::write(&materials, &jobs, &records)?;
    report(session, project, request, &jobs, &records, cache, false)
}

fn report(
    session: &Session,
    project: &Project,
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
    let index = index::images(request, jobs, records)?;
    Ok(BuildReport {
        name: project.spec.base.name.clone(),
        release: project.spec.release.clone(),
        digest: Digest::of(&index),
        output: request.output.display().to_string(),
        unchanged,
        images,
        stages: session.times(),
        cache,
    })
}
