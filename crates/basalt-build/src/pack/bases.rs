//! The images that one is laid over, put together again: their layers are packed as they have them.

use std::collections::BTreeMap;

use basalt_lock::LockedPackage;
use basalt_slice::Sliced;

use crate::assemble::steps::{Wanted, assemble};
use crate::error::BuildError;
use crate::pack::layers::Lower;
use crate::plan::job::Job;
use crate::plan::policy::policy;
use crate::read::contents::PackageContents;
use crate::read::gather::request_of;
use crate::read::package::{self, ReadPackage};
use crate::run::download::fetch;
use crate::run::session::Session;

/// The trees of the images that one is laid over, each of the packages, with the slices of them and with
/// the date that it has by itself. One that is no image by itself (it may lack an effect that only the
/// upper one declares) shares no layers: they are packed from the image's own tree.
///
/// # Errors
/// When a package that the other image has other slices of cannot be read.
pub(crate) fn base_trees<'s>(
    session: &Session,
    job: &'s Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
) -> Result<Vec<Lower<'s>>, BuildError> {
    let architecture = &job.locked.architecture;
    let mut levels = Vec::with_capacity(job.locked.below.len());
    for (below, sliced) in job.locked.below.iter().zip(&job.below) {
        let Some(image) = job.project.layered_on(below) else {
            continue;
        };
        let names = job.locked.layers.iter().take(below.layers).flatten();
        let mut mine: BTreeMap<String, ReadPackage> = names
            .filter_map(|name| Some((name.clone(), packages.get(name)?.clone())))
            .collect();
        for (name, read) in &mut mine {
            if below.slices.contains_key(name)
                && let Some(package) = job.lock.package(name, architecture)
            {
                *read = read_for(session, job, sliced, package)?;
            }
        }
        let dates = mine
            .keys()
            .filter_map(|name| job.lock.package(name, architecture));
        let newest = dates.map(|package| package.date).max();
        let wanted = Wanted {
            job,
            image,
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

/// A package as an image reads it that has other slices of it; the package itself is in the cache.
fn read_for(
    session: &Session,
    job: &Job<'_>,
    sliced: &BTreeMap<String, Sliced>,
    package: &LockedPackage,
) -> Result<ReadPackage, BuildError> {
    let policy = policy(job, sliced, &package.name_in(&job.locked.architecture))?;
    let key = package::key(package, &policy)?;
    if let Some(read) = package::remembered(&session.cache, &key)? {
        return Ok(read);
    }
    fetch(session, &[request_of(job.lock, package)])?;
    package::package(&session.cache, &session.compression, package, &policy)
}
