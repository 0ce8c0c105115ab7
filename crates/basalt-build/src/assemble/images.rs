//! All images of a build: their packages read, their trees put together.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_lock::{Lock, LockedPackage};
use rayon::prelude::*;

use crate::assemble::assertions::violations;
use crate::assemble::steps::{Assembled, Wanted, assemble};
use crate::error::BuildError;
use crate::plan::bases;
use crate::plan::job::Job;
use crate::plan::policy::{ReadPolicy, policy};
use crate::read::contents::PackageContents;
use crate::read::gather;
use crate::read::package::{self, ReadPackage};
use crate::run::session::Session;
use crate::run::stage::{CacheReport, Stage};

pub(crate) type Assemblies = Vec<(BTreeMap<String, ReadPackage>, Assembled)>;

/// Fetches, reads and assembles images.
pub(crate) fn assemble_all(
    session: &Session,
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
            let policy = policy(job, &job.sliced, &name)?;
            let key = package::key(package, &policy)?;
            mine.insert(name, key);
            packages.insert(key, (package, policy, key));
        }
        // For what packs it: read here, beside the others.
        for (package, policy) in bases::read_otherwise(job)? {
            let key = package::key(package, &policy)?;
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
                let assembled = assemble_one(session, job, &mine)?;
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
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
) -> Result<Assembled, BuildError> {
    let contents = PackageContents::new(&session.cache, packages);
    let assembled = assemble(Wanted::of(job), packages, &contents)?;
    let violations = violations(&assembled.tree, &contents, job.image);
    if !violations.is_empty() {
        return Err(BuildError::Assertions {
            image: job.title.clone(),
            violations,
        });
    }
    Ok(assembled)
}
