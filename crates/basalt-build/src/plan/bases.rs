//! What the images that one is laid over read otherwise than it does.

use basalt_lock::LockedPackage;

use crate::error::BuildError;
use crate::plan::job::Job;
use crate::plan::policy::{ReadPolicy, policy};

/// The packages that images below read otherwise than the image itself, as they have other slices of them.
///
/// # Errors
/// When a path of what is kept is none.
pub(crate) fn read_otherwise<'l>(
    job: &Job<'l>,
) -> Result<Vec<(&'l LockedPackage, ReadPolicy)>, BuildError> {
    let mut found = Vec::new();
    for (below, sliced) in job.locked.below.iter().zip(&job.below) {
        for name in job.locked.layers.iter().take(below.layers).flatten() {
            if below.slices.contains_key(name)
                && let Some(package) = job.lock.package(name, &job.locked.architecture)
            {
                found.push((package, policy(job, sliced, name)?));
            }
        }
    }
    Ok(found)
}
