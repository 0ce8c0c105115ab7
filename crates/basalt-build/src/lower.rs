//! The images that one is laid over, put together again: their layers are packed as they have them.

use std::collections::BTreeMap;

use basalt_lock::{Lock, LockedPackage};
use basalt_slice::Sliced;
use basalt_spec::LoadedSpec;

use crate::BuildError;
use crate::assemble::{Wanted, assemble};
use crate::attach::DOCUMENTED;
use crate::build::BaseManifest;
use crate::contents::PackageContents;
use crate::gather::request_of;
use crate::image;
use crate::job::{Job, policy};
use crate::lock_file::layered_on;
use crate::pack::{self, LockedFacts, Lower};
use crate::read::{self, ReadPackage, ReadPolicy};
use crate::resolve::fetch;
use crate::session::Session;

/// The packages that images below read otherwise than the image itself, as they have other slices of them.
///
/// # Errors
/// When a path of what is kept is none.
pub(crate) fn read_otherwise<'l>(
    lock: &'l Lock,
    job: &Job<'_>,
) -> Result<Vec<(&'l LockedPackage, ReadPolicy)>, BuildError> {
    let mut found = Vec::new();
    for (below, sliced) in job.locked.below.iter().zip(&job.below) {
        for name in job.locked.layers.iter().take(below.layers).flatten() {
            if below.slices.contains_key(name)
                && let Some(package) = lock.package(name, &job.locked.architecture)
            {
                found.push((package, policy(job, sliced, lock, name)?));
            }
        }
    }
    Ok(found)
}

/// The trees of the images that one is laid over, each of the packages, with the slices of them and with
/// the date that it has by itself. One that is no image by itself (it may lack an effect that only the
/// upper one declares) shares no layers: they are packed from the image's own tree.
///
/// # Errors
/// When a package that the other image has other slices of cannot be read.
pub(crate) fn trees<'s>(
    session: &Session,
    spec: &'s LoadedSpec,
    lock: &Lock,
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
) -> Result<Vec<Lower<'s>>, BuildError> {
    let architecture = &job.locked.architecture;
    let mut levels = Vec::with_capacity(job.locked.below.len());
    for (below, sliced) in job.locked.below.iter().zip(&job.below) {
        let Some(image) = layered_on(spec, below).map(|one| &one.base) else {
            continue;
        };
        let names = job.locked.layers.iter().take(below.layers).flatten();
        let mut mine: BTreeMap<String, ReadPackage> = names
            .filter_map(|name| Some((name.clone(), packages.get(name)?.clone())))
            .collect();
        for (name, read) in &mut mine {
            if below.slices.contains_key(name)
                && let Some(package) = lock.package(name, architecture)
            {
                *read = read_for(session, lock, job, sliced, package)?;
            }
        }
        let dates = mine
            .keys()
            .filter_map(|name| lock.package(name, architecture));
        let newest = dates.map(|package| package.date).max();
        let wanted = Wanted {
            spec,
            image,
            lock,
            architecture,
            variant: "",
            epoch: session.options.source_date_epoch.or(newest).unwrap_or(0),
            sliced,
        };
        let epoch = wanted.epoch;
        let contents = PackageContents::new(&session.cache, &mine);
        if let Ok(assembled) = assemble(wanted, &mine, &contents) {
            levels.push(Lower {
                layers: below.layers,
                tree: assembled.tree,
                packages: mine,
                image,
                epoch,
            });
        }
    }
    Ok(levels)
}

/// The manifests that those images have by themselves, of the packages that the lock names: their layers are those
/// that are shared, and one of what was generated.
///
/// # Errors
/// When a layer cannot be packed.
pub(crate) fn manifests(
    session: &Session,
    spec: &LoadedSpec,
    job: &Job<'_>,
    lower: &[Lower<'_>],
    facts: &LockedFacts<'_>,
) -> Result<Vec<BaseManifest>, BuildError> {
    let of_one = |(level, base): (usize, &Lower<'_>)| {
        let plan = job.locked.layers.get(..base.layers).unwrap_or_default();
        let below = lower.get(..level).unwrap_or_default();
        let (cache, packages) = (&session.cache, &base.packages);
        let (layers, _) = pack::layers(cache, &base.tree, below, packages, plan, facts, job.codec)?;
        let config = image::config(base.image, &job.locked.architecture, base.epoch, &layers)?;
        let annotations = image::annotations(base.image, &spec.release, "", base.epoch);
        Ok(BaseManifest {
            name: base.image.name.clone(),
            manifest: image::manifest(&config, &layers, annotations)?,
            epoch: base.epoch,
        })
    };
    let named = lower.iter().take_while(|_| DOCUMENTED);
    named.enumerate().map(of_one).collect()
}

/// A package as an image reads it that has other slices of it; the package itself is in the cache.
fn read_for(
    session: &Session,
    lock: &Lock,
    job: &Job<'_>,
    sliced: &BTreeMap<String, Sliced>,
    package: &LockedPackage,
) -> Result<ReadPackage, BuildError> {
    let policy = policy(
        job,
        sliced,
        lock,
        &package.name_in(&job.locked.architecture),
    )?;
    let key = read::key(package, &policy)?;
    if let Some(read) = read::remembered(&session.cache, &key)? {
        return Ok(read);
    }
    fetch(session, &[request_of(lock, package)])?;
    read::package(&session.cache, &session.compression, package, &policy)
}
