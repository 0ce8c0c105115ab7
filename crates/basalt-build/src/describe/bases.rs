//! The manifests that images have by themselves which others are laid over.

use crate::describe::image;
use crate::describe::record::BaseManifest;
use crate::error::BuildError;
use crate::pack::layers::{self, LockedFacts, Lower};
use crate::plan::job::Job;
use crate::run::documented::DOCUMENTED;
use crate::run::session::Session;

/// The manifests that those images have by themselves, of the packages that the lock names: their layers are those
/// that are shared, and one of what was generated.
///
/// # Errors
/// When a layer cannot be packed.
pub(crate) fn base_manifests(
    session: &Session,
    job: &Job<'_>,
    lower: &[Lower<'_>],
    facts: &LockedFacts<'_>,
) -> Result<Vec<BaseManifest>, BuildError> {
    let of_one = |(level, base): (usize, &Lower<'_>)| {
        let plan = job.locked.layers.get(..base.layers).unwrap_or_default();
        let below = lower.get(..level).unwrap_or_default();
        let (cache, packages) = (&session.cache, &base.packages);
        let (layers, _) =
            layers::layers(cache, &base.tree, below, packages, plan, facts, job.codec)?;
        let config = image::config(base.image, &job.locked.architecture, base.epoch, &layers)?;
        let annotations = image::annotations(base.image, &job.project.spec.release, "", base.epoch);
        Ok(BaseManifest {
            name: base.image.name.clone(),
            manifest: image::manifest(&config, &layers, annotations)?,
            epoch: base.epoch,
        })
    };
    let named = lower.iter().take_while(|_| DOCUMENTED);
    named.enumerate().map(of_one).collect()
}
