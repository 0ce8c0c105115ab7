//! Which packages each image of a spec needs.

use std::collections::{BTreeMap, BTreeSet};

use basalt_deb::packages::PackageRecord;
use basalt_slice::{Library, SliceError, Target};
use basalt_solve::{Closure, Request as Wish, SolveError, Universe, Want};
use basalt_spec::{ImageSpec, LoadedSpec};
use rayon::prelude::*;

use crate::error::BuildError;
use crate::project::slice_library::{self, Slices};
use crate::project::title::title;
use crate::resolve::archives::{Index, Suite};

/// One image solved: its records, each with the number of its suite.
pub(crate) struct Solved {
    pub architecture: String,
    pub variant: String,
    pub packages: BTreeMap<String, (PackageRecord, usize)>,
    /// The slices of those that are not whole.
    pub slices: Slices,
}

pub(crate) fn solve_all(
    spec: &LoadedSpec,
    suites: &[Suite],
    indexes: &[Index],
    library: &Library,
) -> Result<Vec<Solved>, BuildError> {
    let mut wishes = Vec::new();
    for architecture in &spec.base.architectures {
        for (variant, image) in spec.images() {
            if image.architectures.contains(architecture) {
                wishes.push((architecture.as_str(), variant, image));
            }
        }
    }
    wishes
        .par_iter()
        .map(|(architecture, variant, image)| {
            let found = solve(spec, suites, indexes, library, architecture, variant, image)?;
            Ok(Solved {
                architecture: (*architecture).to_owned(),
                variant: (*variant).to_owned(),
                packages: found.packages,
                slices: found.slices,
            })
        })
        .collect()
}

/// Solves an image that the spec is laid over, for each of the spec's architectures for which it
/// can be: one that cannot shares no layers.
pub(crate) fn solve_below(
    spec: &LoadedSpec,
    below: &LoadedSpec,
    suites: &[Suite],
    indexes: &[Index],
    library: &Library,
) -> Vec<Solved> {
    spec.base
        .architectures
        .par_iter()
        .filter(|architecture| below.base.architectures.contains(architecture))
        .filter_map(|architecture| {
            let found = solve(
                below,
                suites,
                indexes,
                library,
                architecture,
                "",
                &below.base,
            );
            let found = found.ok()?;
            Some(Solved {
                architecture: architecture.clone(),
                variant: String::new(),
                packages: found.packages,
                slices: found.slices,
            })
        })
        .collect()
}

/// The foreign architectures from which an image of this one takes packages.
fn foreign<'s>(spec: &LoadedSpec, image: &'s ImageSpec, architecture: &str) -> BTreeSet<&'s str> {
    image
        .packages
        .iter()
        .filter(|wanted| wanted.applies(architecture, &spec.release))
        .filter_map(|wanted| wanted.foreign(architecture))
        .collect()
}

/// The architectures of whose packages a spec's images have some, its own and foreign ones, sorted.
pub(crate) fn architectures(spec: &LoadedSpec) -> Vec<String> {
    let mut all: BTreeSet<String> = spec.base.architectures.iter().cloned().collect();
    let below = spec.below.iter().map(|below| &below.base);
    for image in spec.images().map(|(_, image)| image).chain(below) {
        for own in &spec.base.architectures {
            all.extend(foreign(spec, image, own).into_iter().map(str::to_owned));
        }
    }
    all.into_iter().collect()
}

/// What a suite is called in messages.
fn label(suite: &Suite) -> String {
    format!("{} {}", suite.archive, suite.suite)
}

/// What one image needs.
pub(crate) struct Found {
    /// What the solver found.
    pub closure: Closure,
    /// All of it, with what came without what it depends on.
    pub packages: Records,
    pub slices: Slices,
}

pub(crate) type Records = BTreeMap<String, (PackageRecord, usize)>;

pub(crate) fn solve(
    spec: &LoadedSpec,
    suites: &[Suite],
    indexes: &[Index],
    library: &Library,
    architecture: &str,
    variant: &str,
    image: &ImageSpec,
) -> Result<Found, BuildError> {
    let foreign = foreign(spec, image, architecture);
    let ours: Vec<&Index> = indexes
        .iter()
        .filter(|index| {
            index.architecture == architecture || foreign.contains(index.architecture.as_str())
        })
        .collect();
    let fail = |cause| match cause {
        // The archive is at fault, not the wishes.
        SolveError::Unusable {
            index,
            fault,
            consequence,
            ..
        } if index < ours.len() => {
            let (path, suite) = (&ours[index].path, &suites[ours[index].suite]);
            let consequence = match consequence.as_str() {
                "" => String::new(),
                text => format!("\n{text}"),
            };
            BuildError::Malformed {
                archive: suite.archive.clone(),
                suite: suite.suite.clone(),
                cause: format!(
                    "{path}: {fault}; ask for another version of it, or have the archive mended{consequence}"
                ),
            }
        }
        cause => BuildError::Unsolvable {
            image: title(spec, architecture, variant),
            cause: Box::new(cause),
        },
    };
    let labelled = ours
        .iter()
        .map(|index| {
            let suite = &suites[index.suite];
            (label(suite), &index.index, suite.priority)
        })
        .collect();
    let wanted = || {
        image
            .packages
            .iter()
            .filter(|wanted| wanted.applies(architecture, &spec.release))
    };
    let want = |wanted: &basalt_spec::WantedPackage| Want {
        name: match wanted.foreign(architecture) {
            Some(foreign) => format!("{}:{foreign}", wanted.name),
            None => wanted.name.to_string(),
        },
        constraint: wanted
            .version
            .as_ref()
            .map(|range| range.constraint().clone()),
    };
    let wish = Wish {
        install: wanted()
            .filter(|wanted| wanted.dependencies)
            .map(want)
            .collect(),
        include_essential: image.essential,
        recommends: image.recommends,
        exclude: image
            .exclude_packages
            .iter()
            .map(ToString::to_string)
            .collect(),
        ..Wish::default()
    };
    let empty = (0..suites.len())
        .filter(|number| ours.iter().all(|index| index.suite != *number))
        .map(|number| label(&suites[number]))
        .collect();
    let universe = Universe::new(architecture, labelled).without(empty);
    let closure = basalt_solve::solve(&universe, &wish).map_err(fail)?;
    let mut packages: Records = closure
        .packages
        .iter()
        .map(|chosen| {
            (
                chosen.name.clone(),
                (chosen.record.clone(), ours[chosen.index].suite),
            )
        })
        .collect();
    let alone = |packages: &mut Records, want: Want| -> Result<(), BuildError> {
        if packages.contains_key(want.name.as_str()) {
            return Ok(());
        }
        // Solved alone, so that it is found and chosen as any other; what it drags along stays out.
        let name = want.name.clone();
        let wish = Wish {
            install: vec![want],
            ..Wish::default()
        };
        let closure = basalt_solve::solve(&universe, &wish).map_err(fail)?;
        if let Some(chosen) = closure.get(&name) {
            let record = (chosen.record.clone(), ours[chosen.index].suite);
            packages.insert(chosen.name.clone(), record);
        }
        Ok(())
    };
    for wanted in wanted().filter(|wanted| !wanted.dependencies) {
        alone(&mut packages, want(wanted))?;
    }
    let target = Target {
        release: &spec.release,
        architecture,
    };
    let named = slice_library::named(image, target);
    let mut chosen = library
        .closure(&named, target)
        .map_err(|cause| slice_library::at_fault(spec, cause))?;
    // What a whole package depends on is whole, unless the spec says otherwise.
    chosen.retain(|name, _| named.contains_key(name) || !packages.contains_key(name));
    library.select(&chosen, target)?;
    for name in chosen.keys() {
        let constraint = None;
        alone(
            &mut packages,
            Want {
                name: name.clone(),
                constraint,
            },
        )?;
        // It was found by its name, or by that of another that provides it.
        if !packages.contains_key(name) {
            let cause = SliceError::NotItself {
                package: name.clone(),
                release: spec.release.clone(),
            };
            return Err(slice_library::at_fault(spec, cause).into());
        }
    }
    Ok(Found {
        closure,
        packages,
        slices: chosen,
    })
}
