//! From a lock to an OCI layout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedImage, LockedPackage};
use basalt_oci::is_current;
use basalt_spec::{Compression, LoadedSpec};
use basalt_tree::Tree;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::BuildError;
use crate::assemble::{Assembled, Wanted, assemble, violations};
use crate::attach::CachedBill;
use crate::contents::PackageContents;
use crate::gather;
use crate::image;
use crate::job::{Job, jobs, policy};
use crate::layout;
use crate::lock_file::{lock_path, misfit, read_lock};
use crate::lower;
use crate::minimize;
use crate::pack::{self, DirectoryTimes, LockedFacts, PackedLayer};
use crate::provenance::Materials;
use crate::read::{self, ReadPackage, ReadPolicy};
use crate::records::count_files;
use crate::report::{BuildReport, CacheReport, ImageReport, LayerReport, SlicedReport, Stage};
use crate::resolve::{lock, title};
use crate::sbom;
use crate::session::Session;

/// What to build of a spec.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Where the layout is to stand.
    pub output: PathBuf,
    /// The variant; empty for the image without one.
    pub variant: String,
    /// Only these of the spec's architectures; all when empty.
    pub architectures: Vec<String>,
    /// How layers are compressed, if not as the spec says.
    pub compression: Option<Compression>,
    /// Whether a lock that does not fit the spec is an error, rather than made anew.
    pub locked: bool,
    /// A URI that names who builds, for the provenance; someone with this program, if not given.
    pub builder: Option<String>,
}

impl BuildRequest {
    /// For one image, looked into and not written; how it is compressed does not change what stands
    /// in it.
    pub(crate) fn of_one(architecture: &str, variant: &str) -> Self {
        Self {
            variant: variant.to_owned(),
            architectures: vec![architecture.to_owned()],
            compression: Some(Compression::Gzip),
            ..Self::default()
        }
    }
}

/// An image as the cache remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layers: Vec<PackedLayer>,
    pub packages: usize,
    pub files: u64,
    pub sliced: Option<SlicedReport>,
    /// Its bill of materials.
    pub bill: CachedBill,
    /// The images that it is laid over, the innermost first.
    pub bases: Vec<BaseManifest>,
    /// What hardening changed, in words.
    pub hardened: Vec<String>,
}

/// The manifest that an image has by itself which others are laid over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BaseManifest {
    /// The image's name.
    pub name: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The image's date.
    pub epoch: i64,
}

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

fn remembered(session: &Session, job: &Job<'_>) -> Result<Option<ImageRecord>, BuildError> {
    let bytes = session.cache.fact("image", &job.key)?;
    Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
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

pub(crate) type Assemblies = Vec<(BTreeMap<String, ReadPackage>, Assembled)>;

/// Makes images whose layers are not all in the cache.
fn make(
    session: &Session,
    spec: &LoadedSpec,
    lock: &Lock,
    jobs: &[&Job<'_>],
    cache: &mut CacheReport,
) -> Result<Vec<ImageRecord>, BuildError> {
    let trees = assemble_all(session, spec, lock, jobs, cache)?;
    let (records, counts) = session.stage(Stage::Pack, jobs.len() as u64, || {
        let packed: Vec<(ImageRecord, usize)> = jobs
            .par_iter()
            .zip(&trees)
            .map(|(job, (packages, assembled))| {
                pack_one(session, spec, lock, job, packages, assembled)
            })
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

/// Fetches, reads and assembles images.
pub(crate) fn assemble_all(
    session: &Session,
    spec: &LoadedSpec,
    lock: &Lock,
    jobs: &[&Job<'_>],
    cache: &mut CacheReport,
) -> Result<Assemblies, BuildError> {
    let mut packages: BTreeMap<Digest, (&LockedPackage, ReadPolicy, Digest)> = BTreeMap::new();
    // What each image's packages are read by.
    let mut keys: Vec<BTreeMap<String, Digest>> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut mine = BTreeMap::new();
        for package in lock.packages_of(job.locked) {
            let name = package.name_in(&job.locked.architecture);
            let policy = policy(job, &job.sliced, lock, &name)?;
            let key = read::key(package, &policy)?;
            mine.insert(name, key);
            packages.insert(key, (package, policy, key));
        }
        // For what packs it: read here, beside the others.
        for (package, policy) in lower::read_otherwise(lock, job)? {
            let key = read::key(package, &policy)?;
            packages.insert(key, (package, policy, key));
        }
        keys.push(mine);
    }
    let mut packages: Vec<(&LockedPackage, ReadPolicy, Digest)> = packages.into_values().collect();
    packages
        .sort_by_key(|(package, _, key)| (std::cmp::Reverse(package.size), package.sha256, *key));
    let read = gather::packages(session, lock, &packages, cache)?;
    let trees = session.stage(Stage::Assemble, jobs.len() as u64, || {
        let trees: Assemblies = jobs
            .par_iter()
            .zip(&keys)
            .map(|(job, keys)| {
                let mine: BTreeMap<String, ReadPackage> = keys
                    .iter()
                    .filter_map(|(name, key)| Some((name.clone(), read.get(key)?.clone())))
                    .collect();
                let assembled = assemble_one(session, spec, lock, job, &mine)?;
                Ok((mine, assembled))
            })
            .collect::<Result<_, BuildError>>()?;
        let entries: usize = trees
            .iter()
            .map(|(_, assembled)| assembled.tree.len())
            .sum();
        let hardened: usize = trees
            .iter()
            .map(|(_, assembled)| assembled.hardened.len())
            .sum();
        Ok((trees, format!("{entries} entries, {hardened} hardened")))
    })?;
    Ok(trees)
}

fn assemble_one(
    session: &Session,
    spec: &LoadedSpec,
    lock: &Lock,
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
) -> Result<Assembled, BuildError> {
    let contents = PackageContents::new(&session.cache, packages);
    let wanted = Wanted {
        spec,
        image: job.image,
        lock,
        architecture: &job.locked.architecture,
        variant: &job.locked.variant,
        epoch: job.epoch,
        sliced: &job.sliced,
    };
    let assembled = assemble(wanted, packages, &contents)?;
    let violations = violations(&assembled.tree, &contents, job.image);
    if !violations.is_empty() {
        return Err(BuildError::Assertions {
            image: title(spec, &job.locked.architecture, &job.locked.variant),
            violations,
        });
    }
    Ok(assembled)
}

/// The packages of an image, with what it calls them.
fn named<'l>(
    lock: &'l Lock,
    job: &Job<'l>,
) -> impl Iterator<Item = (&'l str, &'l LockedPackage)> + use<'l> {
    let locked = job.locked;
    locked.packages.iter().filter_map(|name| {
        let package = lock.package(name, &locked.architecture)?;
        Some((name.as_str(), package))
    })
}

/// The source of each package of an image.
fn sources<'l>(lock: &'l Lock, job: &Job<'l>) -> BTreeMap<&'l str, &'l str> {
    named(lock, job)
        .map(|(name, package)| (name, package.source.as_str()))
        .collect()
}

/// When directories were last changed, as the lock's compatibility number has it.
fn directory_times<'l>(lock: &'l Lock, job: &Job<'l>) -> DirectoryTimes<'l> {
    match lock.compatibility {
        1 => DirectoryTimes::OfImage,
        _ => DirectoryTimes::OfLayer(
            named(lock, job)
                .map(|(name, package)| (name, package.date))
                .collect(),
        ),
    }
}

fn pack_one(
    session: &Session,
    spec: &LoadedSpec,
    lock: &Lock,
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
    let lower = lower::trees(session, spec, lock, job, packages)?;
    let facts = LockedFacts {
        sources: sources(lock, job),
        times: directory_times(lock, job),
    };
    let (layers, cached) = pack::layers(
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
            image: title(spec, architecture, variant),
            violations,
        });
    }
    let config = image::config(job.image, architecture, job.epoch, &layers)?;
    let annotations = image::annotations(job.image, &spec.release, variant, job.epoch);
    let manifest = image::manifest(&config, &layers, annotations)?;
    let digest = Digest::of(&manifest);
    let bill = || sbom::of_image(spec, lock, job, packages, &assembled.tree, digest);
    let (bill, bases) = rayon::join(
        || CachedBill::write(session, bill),
        || lower::manifests(session, spec, job, &lower, &facts),
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
        .map(|package| minimize::left_out(tree, package))
        .collect();
    Some(SlicedReport {
        packages: left_out.iter().filter(|paths| !paths.is_empty()).count(),
        files: left_out.iter().map(Vec::len).sum(),
        bytes: left_out.iter().flatten().map(|path| path.size).sum(),
    })
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
    let index = layout::images(spec, request, jobs, records)?;
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
