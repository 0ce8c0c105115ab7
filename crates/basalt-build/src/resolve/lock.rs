//! From a spec and archives to a lock.

use std::collections::{BTreeMap, BTreeSet};

use basalt_deb::packages::PackageRecord;
use basalt_effects::Explanation;
use basalt_fetch::Request;
use basalt_lock::{COMPATIBILITY, FORMAT, Lock, LockedPackage};
use rayon::prelude::*;

use crate::control::scripts::refuse_unexplained;
use crate::error::BuildError;
use crate::project::lock_file::{lock_path, read_lock};
use crate::project::project::Project;
use crate::project::slice_library;
use crate::resolve::accounts::allocate;
use crate::resolve::archives::{self, Suite};
use crate::resolve::closures::{Offer, Solved, architectures, solve_all, solve_below};
use crate::resolve::control::{locked, request};
use crate::resolve::layering::{self, Level};
use crate::run::download::fetch;
use crate::run::session::Session;
use crate::run::stage::Stage;

/// The lock of a spec by its archives as they are now; nothing is written.
pub(crate) fn resolve(
    session: &Session,
    project: &Project,
    former: Option<&Lock>,
) -> Result<Lock, BuildError> {
    let spec = &project.spec;
    let library = &project.library;
    let suites = archives::suites(session, project, former)?;
    let (solved, below) = session.stage(Stage::Solve, 0, || {
        let indexes = archives::indexes(session, &suites, &architectures(spec))?;
        let offer = Offer {
            suites: &suites,
            indexes: &indexes,
            library,
        };
        let solved = solve_all(project, offer)?;
        let count: BTreeSet<&String> = solved
            .iter()
            .flat_map(|image| image.packages.keys())
            .collect();
        let result = format!("{} packages for {} images", count.len(), solved.len());
        let below: Vec<Vec<Solved>> = spec
            .below
            .iter()
            .map(|below| solve_below(spec, below, offer))
            .collect();
        Ok(((solved, below), result))
    })?;
    slice_library::warn_of_malformed(library, session);
    let mut records: BTreeMap<(&str, &str), (&PackageRecord, &Suite)> = BTreeMap::new();
    for (record, suite) in solved.iter().flat_map(|image| image.packages.values()) {
        records.insert(
            (&record.name, &record.architecture),
            (record, &suites[*suite]),
        );
    }
    let requests: Vec<Request> = records
        .values()
        .map(|(record, suite)| request(record, suite))
        .collect();
    fetch(session, &requests)?;
    let controls = session.stage(Stage::Explain, records.len() as u64, || {
        let controls: Vec<(LockedPackage, Explanation)> = records
            .par_iter()
            .map(|(_, (record, suite))| locked(session, &spec.base, record, suite))
            .collect::<Result<_, BuildError>>()?;
        refuse_unexplained(controls.iter().map(|(_, explanation)| explanation))?;
        let scripts: usize = controls
            .iter()
            .map(|(_, explanation)| explanation.scripts.len())
            .sum();
        Ok((controls, format!("{scripts} scripts explained")))
    })?;
    let ids = allocate(spec, former, &controls)?;
    let mut levels = Vec::with_capacity(below.len());
    for (spec, solved) in spec.below.iter().zip(&below) {
        // Its own plan, if it has one, so that both come to the same layers.
        let former = read_lock(&lock_path(spec))?;
        levels.push(Level::new(spec, solved, former.as_ref()));
    }
    let clock = session.options.clock;
    let images = layering::plan(&levels, &Level::new(spec, &solved, former));
    Ok(Lock {
        format: FORMAT,
        compatibility: COMPATIBILITY,
        name: spec.base.name.clone(),
        release: spec.release.clone(),
        as_of: clock.as_of.then_some(clock.now),
        spec: spec.digest(),
        archives: suites.into_iter().map(|suite| suite.snapshot).collect(),
        packages: controls.into_iter().map(|(package, _)| package).collect(),
        images,
        users: ids.users,
        groups: ids.groups,
        files: project.file_digests(),
        slice_definitions: slice_library::digests(
            library,
            solved.iter().map(|image| &image.slices),
        ),
    })
}
