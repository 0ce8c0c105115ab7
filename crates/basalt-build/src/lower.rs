//! The images that one is laid over, put together again: their layers are packed as they have them.

use std::collections::BTreeMap;

use basalt_lock::{Lock, LockedBelow};
use basalt_spec::LoadedSpec;

use crate::assemble::{Wanted, assemble};
use crate::build::Job;
use crate::contents::PackageContents;
use crate::lock_file::layered_on;
use crate::pack::Lower;
use crate::read::ReadPackage;
use crate::session::Session;

/// The trees of the images that one is laid over, each of the packages and with the date that it has
/// by itself. One that is no image by itself (it may lack an effect that only the upper one declares)
/// shares no layers: they are packed from the image's own tree.
pub(crate) fn trees(
    session: &Session,
    spec: &LoadedSpec,
    lock: &Lock,
    job: &Job<'_>,
    packages: &BTreeMap<String, ReadPackage>,
) -> Vec<Lower> {
    let architecture = &job.locked.architecture;
    let level = |below: &LockedBelow| {
        let image = &layered_on(spec, below)?.base;
        let names = job.locked.layers.iter().take(below.layers).flatten();
        let mine: BTreeMap<String, ReadPackage> = names
            .filter_map(|name| Some((name.clone(), packages.get(name)?.clone())))
            .collect();
        let dates = mine
            .keys()
            .filter_map(|name| lock.package(name, architecture));
        let newest = dates.map(|package| package.date).max();
        let sliced = job
            .sliced
            .iter()
            .filter(|(name, _)| mine.contains_key(*name));
        let sliced = sliced
            .map(|(name, sliced)| (name.clone(), sliced.clone()))
            .collect();
        let wanted = Wanted {
            spec,
            image,
            lock,
            architecture,
            variant: "",
            epoch: session.options.source_date_epoch.or(newest).unwrap_or(0),
            sliced: &sliced,
        };
        let contents = PackageContents::new(&session.cache, &mine);
        let assembled = assemble(wanted, &mine, &contents).ok()?;
        Some(Lower {
            layers: below.layers,
            tree: assembled.tree,
        })
    };
    job.locked.below.iter().filter_map(level).collect()
}
