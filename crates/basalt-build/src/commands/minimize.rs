//! Images that keep only what their roots reach: found when a spec is locked, pinned in the lock, and
//! kept by every build of that lock.

use std::collections::{BTreeMap, BTreeSet};

use basalt_lock::Lock;
use basalt_reach::{ReachError, Wish, fold, reach};
use basalt_spec::{Assertions, ImageSpec};
use basalt_tree::{Owner, TreePath};

use crate::assemble::images::assemble_all;
use crate::error::BuildError;
use crate::plan::job::jobs;
use crate::plan::request::BuildRequest;
use crate::project::project::Project;
use crate::read::contents::PackageContents;
use crate::run::session::Session;
use crate::run::stage::CacheReport;

/// Pins what is kept of the packages of each image that is minimized.
pub(crate) fn pin(session: &Session, project: &Project, lock: &mut Lock) -> Result<(), BuildError> {
    let variants: Vec<String> = project
        .spec
        .images()
        .filter(|(_, image)| image.minimize.is_some())
        .map(|(variant, _)| variant.to_owned())
        .collect();
    for variant in variants {
        let kept = kept(session, project, lock, &variant)?;
        for image in lock
            .images
            .iter_mut()
            .filter(|image| image.variant == variant)
        {
            if let Some(kept) = kept.get(&image.architecture) {
                image.kept = kept.clone();
            }
        }
    }
    Ok(())
}

type Kept = BTreeMap<String, Vec<String>>;

/// What is kept of a variant's packages, by architecture.
fn kept(
    session: &Session,
    project: &Project,
    lock: &Lock,
    variant: &str,
) -> Result<BTreeMap<String, Kept>, BuildError> {
    let request = BuildRequest {
        variant: variant.to_owned(),
        ..BuildRequest::default()
    };
    // The image as it is before: its assertions are about what it will be.
    let mut whole = project.spec.clone();
    for image in whole.variants.values_mut().chain([&mut whole.base]) {
        image.minimize = None;
        image.assertions = Assertions::default();
    }
    let whole = project.with_spec(whole);
    let jobs = jobs(session, &whole, lock, &request)?;
    let wanted: Vec<_> = jobs.iter().collect();
    let trees = assemble_all(session, lock, &wanted, &mut CacheReport::default())?;
    let wish = project.spec.image(variant).map(wish).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (job, (packages, assembled)) in jobs.iter().zip(&trees) {
        let contents = PackageContents::new(&session.cache, packages);
        let architecture = &job.locked.architecture;
        let found =
            reach(&assembled.tree, &contents, &wish).map_err(|cause| BuildError::Reach {
                image: job.title.clone(),
                cause: Box::new(cause),
            })?;
        let mut files: BTreeMap<&str, BTreeSet<TreePath>> = BTreeMap::new();
        for path in found.reached.keys() {
            if let Some(Owner::Package(name)) = assembled.tree.get(path).map(|placed| &placed.owner)
            {
                files.entry(name).or_default().insert(path.clone());
            }
        }
        let kept: Kept = files
            .iter()
            .map(|(package, files)| {
                let lines = fold(&assembled.tree, package, files);
                let patterns = lines.into_iter().map(|line| format!("/{}", line.pattern));
                ((*package).to_owned(), patterns.collect())
            })
            .collect();
        if kept.is_empty() {
            return Err(BuildError::Reach {
                image: job.title.clone(),
                cause: Box::new(ReachError::NoRoots),
            });
        }
        all.insert(architecture.clone(), kept);
    }
    Ok(all)
}

/// From where an image's files are reached.
fn wish(image: &ImageSpec) -> Wish {
    let Some(minimize) = &image.minimize else {
        return Wish::default();
    };
    let wanted = &minimize.reachable;
    let mut roots = wanted.roots.clone();
    if roots.is_empty() {
        roots.extend(image.entrypoint.first().cloned());
    }
    Wish {
        roots,
        keep: wanted.keep.clone(),
        leave_out: wanted.leave_out.clone(),
    }
}
