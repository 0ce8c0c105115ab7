//! Which packages each image of a spec needs.

use std::collections::{BTreeMap, BTreeSet};

use basalt_deb::packages::PackageRecord;
use basalt_slice::{Library, SliceError, Target};
use basalt_solve::{Closure, Request as Wish, SolveError, Universe, Want};
use basalt_spec::{ImageSpec, LoadedSpec, WantedPackage};
use rayon::prelude::*;

use crate::error::BuildError;
use crate::project::project::Project;
use crate::project::slice_library::{self, Slices};
use crate::resolve::archives::{Index, Suite};

/// One image solved: its records, each with the number of its suite.
pub(crate) struct Solved {
    pub architecture: String,
    pub variant: String,
    pub packages: Records,
    /// The slices of those that are not whole.
    pub slices: Slices,
}

/// Packages by name, each with the number of its suite.
pub(crate) type Records = BTreeMap<String, (PackageRecord, usize)>;

/// What one image needs.
struct Found {
    packages: Records,
    /// The slices of those that are not whole.
    slices: Slices,
}

/// What packages are chosen from.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// The suites, by the numbers that indexes have for them.
    pub suites: &'a [Suite],
    pub indexes: &'a [Index],
    pub library: &'a Library,
}

/// Solves the images of a project.
///
/// # Errors
/// When an archive is malformed where a package is wanted of it, or what the spec wants cannot be installed together.
pub(crate) fn solve_all(project: &Project, offer: Offer<'_>) -> Result<Vec<Solved>, BuildError> {
    let spec = &project.spec;
    let mut wanted = Vec::new();
    for architecture in &spec.base.architectures {
        for (variant, image) in spec.images() {
            if image.architectures.contains(architecture) {
                wanted.push((architecture, variant, image));
            }
        }
    }
    wanted
        .par_iter()
        .map(|(architecture, variant, image)| {
            let title = project.title(architecture, variant);
            let found = Solver::new(offer, spec, image, architecture, title).solve()?;
            Ok(Solved {
                architecture: (*architecture).clone(),
                variant: (*variant).to_owned(),
                packages: found.packages,
                slices: found.slices,
            })
        })
        .collect()
}

/// Solves an image that the spec is laid over, for each of the spec's architectures for which it
/// can be: one that cannot shares no layers.
pub(crate) fn solve_below(spec: &LoadedSpec, below: &LoadedSpec, offer: Offer<'_>) -> Vec<Solved> {
    spec.base
        .architectures
        .par_iter()
        .filter(|architecture| below.base.architectures.contains(architecture))
        .filter_map(|architecture| {
            let title = String::new();
            let solver = Solver::new(offer, below, &below.base, architecture, title);
            let found = solver.solve().ok()?;
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

/// Finds what one image needs.
struct Solver<'a> {
    offer: Offer<'a>,
    spec: &'a LoadedSpec,
    image: &'a ImageSpec,
    architecture: &'a str,
    /// What the image is called in messages.
    title: String,
    /// The indexes that have packages for the image.
    indexes: Vec<&'a Index>,
    universe: Universe<'a>,
}

impl<'a> Solver<'a> {
    fn new(
        offer: Offer<'a>,
        spec: &'a LoadedSpec,
        image: &'a ImageSpec,
        architecture: &'a str,
        title: String,
    ) -> Self {
        let foreign = foreign(spec, image, architecture);
        let is_ours = |index: &&Index| {
            index.architecture == architecture || foreign.contains(index.architecture.as_str())
        };
        let indexes: Vec<&Index> = offer.indexes.iter().filter(is_ours).collect();
        let labelled = indexes.iter().map(|index| {
            let suite = &offer.suites[index.suite];
            (label(suite), &index.index, suite.priority)
        });
        let is_empty = |number: &usize| indexes.iter().all(|index| index.suite != *number);
        let empty = (0..offer.suites.len())
            .filter(is_empty)
            .map(|number| label(&offer.suites[number]));
        Self {
            universe: Universe::new(architecture, labelled.collect()).without(empty.collect()),
            offer,
            spec,
            image,
            architecture,
            title,
            indexes,
        }
    }

    /// What the image needs.
    fn solve(&self) -> Result<Found, BuildError> {
        let closure = self.run(&self.wish())?;
        let mut packages: Records = closure
            .packages
            .iter()
            .map(|chosen| {
                (
                    chosen.name.clone(),
                    self.record(&chosen.record, chosen.index),
                )
            })
            .collect();
        for wanted in self.wanted().filter(|wanted| !wanted.dependencies) {
            self.add_alone(&mut packages, self.want(wanted))?;
        }
        let slices = self.add_sliced(&mut packages)?;
        Ok(Found { packages, slices })
    }

    /// The packages that the spec names for this image.
    fn wanted(&self) -> impl Iterator<Item = &'a WantedPackage> {
        let (architecture, release) = (self.architecture, self.spec.release.as_str());
        let named = self.image.packages.iter();
        named.filter(move |wanted| wanted.applies(architecture, release))
    }

    fn want(&self, wanted: &WantedPackage) -> Want {
        let version = wanted.version.as_ref();
        Want {
            name: match wanted.foreign(self.architecture) {
                Some(foreign) => format!("{}:{foreign}", wanted.name),
                None => wanted.name.to_string(),
            },
            constraint: version.map(|range| range.constraint().clone()),
        }
    }

    /// What is to be installed with all that it depends on.
    fn wish(&self) -> Wish {
        let exclude = self.image.exclude_packages.iter();
        let whole = self.wanted().filter(|wanted| wanted.dependencies);
        Wish {
            install: whole.map(|wanted| self.want(wanted)).collect(),
            include_essential: self.image.essential,
            recommends: self.image.recommends,
            exclude: exclude.map(ToString::to_string).collect(),
            ..Wish::default()
        }
    }

    fn run(&self, wish: &Wish) -> Result<Closure, BuildError> {
        basalt_solve::solve(&self.universe, wish).map_err(|cause| self.failed(cause))
    }

    fn record(&self, record: &PackageRecord, index: usize) -> (PackageRecord, usize) {
        (record.clone(), self.indexes[index].suite)
    }

    /// Adds a package without what it depends on: solved alone, so that it is found and chosen as any other.
    fn add_alone(&self, packages: &mut Records, want: Want) -> Result<(), BuildError> {
        if packages.contains_key(want.name.as_str()) {
            return Ok(());
        }
        let name = want.name.clone();
        let closure = self.run(&Wish {
            install: vec![want],
            ..Wish::default()
        })?;
        if let Some(chosen) = closure.get(&name) {
            let record = self.record(&chosen.record, chosen.index);
            packages.insert(chosen.name.clone(), record);
        }
        Ok(())
    }

    /// Adds the packages of which the image has slices. Gives the slices.
    fn add_sliced(&self, packages: &mut Records) -> Result<Slices, BuildError> {
        let target = Target {
            release: &self.spec.release,
            architecture: self.architecture,
        };
        let library = self.offer.library;
        let named = slice_library::named(self.image, target);
        let mut chosen = library
            .closure(&named, target)
            .map_err(|cause| slice_library::at_fault(self.spec, cause))?;
        // What a whole package depends on is whole, unless the spec says otherwise.
        chosen.retain(|name, _| named.contains_key(name) || !packages.contains_key(name));
        library.select(&chosen, target)?;
        for name in chosen.keys() {
            let (name, constraint) = (name.clone(), None);
            self.add_alone(packages, Want { name, constraint })?;
        }
        // Each was found by its name, or by that of another that provides it.
        match chosen.keys().find(|name| !packages.contains_key(*name)) {
            None => Ok(chosen),
            Some(name) => {
                let cause = SliceError::NotItself {
                    package: name.clone(),
                    release: self.spec.release.clone(),
                };
                Err(slice_library::at_fault(self.spec, cause).into())
            }
        }
    }

    fn failed(&self, cause: SolveError) -> BuildError {
        match cause {
            // The archive is at fault, not the wishes.
            SolveError::Unusable {
                index,
                fault,
                consequence,
                ..
            } if index < self.indexes.len() => {
                let index = self.indexes[index];
                let (path, suite) = (&index.path, &self.offer.suites[index.suite]);
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
                image: self.title.clone(),
                cause: Box::new(cause),
            },
        }
    }
}
