//! From trees to images: layers packed, config and manifest written, the bill put into the cache.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedImage, LockedPackage};
use basalt_tree::Tree;
use rayon::prelude::*;

use crate::assemble::images::assemble_all;
use crate::assemble::left_out;
use crate::assemble::records::count_files;
use crate::assemble::steps::Assembled;
use crate::describe::bases::base_manifests;
use crate::describe::bill::CachedBill;
use crate::describe::record::{ImageRecord, SlicedReport};
use crate::describe::{image, sbom};
use crate::error::BuildError;
use crate::pack::bases::base_trees;
use crate::pack::layers::{self, DirectoryTimes, LockedFacts};
use crate::plan::job::Job;
use crate::read::package::ReadPackage;
use crate::run::session::Session;
use crate::run::stage::{CacheReport, Stage};

/// Makes images whose layers are not all in the cache.
pub(crate) fn make(
    session: &Session,
    lock: &Lock,
    jobs: &[&Job<'_>],
    cache: &mut CacheReport,
) -> Result<Vec<ImageRecord>, BuildError> {
    let trees = assemble_all(session, lock, jobs, cache)?;
    let (records, counts) = session.stage(Stage::Pack, jobs.len() as u64, || {
        let packed: Vec<(ImageRecord, usize)> = jobs
            .par_iter()
            .zip(&trees)
            .map(|(job, (packages, assembled))| pack_one(session, job, packages, assembled))
            .collect::<Result<_, BuildError>>()?;
        let layers: usize = packed.iter().map(|(record, _)| record.layers.len()).sum();
        let cached: usize = packed.iter().map(|(_, cached)| *cached).sum();
        let records: Vec<ImageRecord> = packed.into_iter().map(|(record, _)| record).collect();
        Ok((
            (records, (layers, cached)),
            format!("{layers} layers, {cached} of them cached"),
        ))
    })?;
    (cache.layers_total, cache.layers) = counts;
    Ok(records)
}

/// The packages of an image, with what it calls them.
fn named<'l>(job: &Job<'l>) -> impl Iterator<Item = (&'l str, &'l LockedPackage)> + use<'l> {
    let (lock, locked) = (job.lock, job.locked);
    locked.packages.iter().filter_map(|name| {
        let package = lock.package(name, &locked.architecture)?;
        Some((name.as_str(), package))
    })
}

/// The source of each package of an image.
fn sources<'l>(job: &Job<'l>) -> BTreeMap<&'l str, &'l str> {
    named(job)
        .map(|(name, package)| (name, package.source.as_str()))
        .collect()
}

/// When directories were last changed, as the lock's compatibility number has it.
fn directory_times<'l>(job: &Job<'l>) -> DirectoryTimes<'l> {
    match job.lock.compatibility {
        1 => DirectoryTimes::OfImage,
        _ => DirectoryTimes::OfLayer(
            named(job)
                .map(|(name, package)| (name, package.date))
                .collect(),
        ),
    }
}

fn pack_one(
    session: &Session,
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    assembled: &Assembled,
) -> Result<(ImageRecord, usize), BuildError> {
    let LockedImage {
        architecture,
        variant,
        layers: plan,
        ..
    } = job.locked;
    let lower = base_trees(session, job, packages)?;
    let facts = LockedFacts {
        sources: sources(job),
        times: directory_times(job),
    };
    let (layers, cached) = layers::layers(
        &session.cache,
        &assembled.tree,
        &lower,
        packages,
        plan,
        &facts,
        job.codec,
    )?;
    let size: u64 = layers.iter().map(|layer| layer.info.size).sum();
    let wanted = &job.image.assertions;
    let mut violations = Vec::new();
    let shown = basalt_spec::Size(size);
    if let Some(maximum) = wanted.max_size.filter(|maximum| size > maximum.0) {
        let largest = layers.iter().max_by_key(|layer| layer.info.size);
        let who = largest.map_or_else(String::new, |layer| layer.packages.join(" "));
        violations.push(format!(
            "max-size: its layers have {shown}, more than {maximum}; the largest layer holds {who}"
        ));
    }
    if let Some(minimum) = wanted.min_size.filter(|minimum| size < minimum.0) {
        violations.push(format!(
            "min-size: its layers have {shown}, less than {minimum}"
        ));
    }
    if !violations.is_empty() {
        return Err(BuildError::Assertions {
            image: job.title.clone(),
            violations,
        });
    }
    let config = image::config(job.image, architecture, job.epoch, &layers)?;
    let annotations = image::annotations(job.image, &job.project.spec.release, variant, job.epoch);
    let manifest = image::manifest(&config, &layers, annotations)?;
    let digest = Digest::of(&manifest);
    let bill = || sbom::of_image(job, packages, &assembled.tree, digest);
    let (bill, bases) = rayon::join(
        || CachedBill::write(session, bill),
        || base_manifests(session, job, &lower, &facts),
    );
    let record = ImageRecord {
        bill: bill?,
        bases: bases?,
        hardened: assembled.hardened.iter().map(ToString::to_string).collect(),
        config,
        manifest,
        layers,
        packages: packages.len(),
        files: count_files(&assembled.tree),
        sliced: sliced_report(job, packages, &assembled.tree),
    };
    let bytes = postcard::to_stdvec(&record).map_err(BuildError::record)?;
    session.cache.put_fact("image", &job.key, &bytes)?;
    Ok((record, cached))
}

/// What slices, or what is kept, leave out of an image.
fn sliced_report(
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
    tree: &Tree,
) -> Option<SlicedReport> {
    if job.locked.kept.is_empty() {
        return (!job.sliced.is_empty())
            .then(|| SlicedReport::of(job.sliced.len(), packages.values()));
    }
    let left_out: Vec<_> = packages
        .values()
        .map(|package| left_out::left_out(tree, package))
        .collect();
    Some(SlicedReport {
        packages: left_out.iter().filter(|paths| !paths.is_empty()).count(),
        files: left_out.iter().map(Vec::len).sum(),
        bytes: left_out.iter().flatten().map(|path| path.size).sum(),
    })
}
