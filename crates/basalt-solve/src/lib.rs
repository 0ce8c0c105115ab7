//! From wanted packages to a closure, and why each is there.
//!
//! The set is that which `apt-get install` comes to in an empty root. The
//! package indexes are asked only for names that are reached.

mod error;
mod explain;
mod request;
mod solver;
mod universe;
mod walk;

pub use error::SolveError;
pub use request::{Chosen, Closure, Pin, Request, Want, Why};
pub use universe::Universe;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use basalt_deb::relation::Possibility;

use crate::universe::{Blocked, Id, Pool};
use crate::walk::Walk;

/// Finds the closure of what is wanted.
///
/// # Errors
///
/// [`SolveError`] says in plain words which wanted package cannot be had, and
/// the chain of reasons.
pub fn solve(universe: &Universe<'_>, request: &Request) -> Result<Closure, SolveError> {
    let mut pool = Pool::new(universe, &request.pins, &request.exclude, &request.install);
    let outcome = solve_in(&mut pool, universe, request).map_err(|error| match error {
        SolveError::Unusable { .. } => error,
        error => match pool.take_blame() {
            Some(blocked) => unusable(universe, blocked, &error.to_string()),
            None => error,
        },
    });
    pool.take_fault().map_or(outcome, Err)
}

fn unusable(universe: &Universe<'_>, blocked: Blocked, consequence: &str) -> SolveError {
    SolveError::Unusable {
        index: blocked.index,
        label: universe.label(blocked.index).to_owned(),
        fault: Box::new(blocked.fault),
        consequence: consequence.to_owned(),
    }
}

fn solve_in(
    pool: &mut Pool<'_>,
    universe: &Universe<'_>,
    request: &Request,
) -> Result<Closure, SolveError> {
    let mut wanted: Vec<(Id, Why)> = Vec::new();
    if request.include_essential {
        for name in universe.essential() {
            // An older release's Essential may be gone from the newest version.
            match pool.versions(&name).first().copied() {
                Some(id) if pool.get(id).record.essential => wanted.push((id, Why::Essential)),
                Some(_) => {}
                None => {
                    if let Some(blocked) = pool.blame(&name) {
                        return Err(unusable(universe, blocked, ""));
                    }
                }
            }
        }
    }
    for want in &request.install {
        let id = wanted_version(pool, want)?;
        wanted.push((id, Why::Wanted));
    }
    let ids: Vec<Id> = wanted.iter().map(|(id, _)| *id).collect();
    let mut walk = Walk::new(pool, request.recommends);
    let walked = walk.install(&ids);
    let marked = walk.into_marked();
    let marked = match walked {
        Ok(()) => marked,
        Err((id, reasons)) => {
            let Some(solved) = solver::solve(pool, &ids) else {
                return Err(SolveError::Unsatisfiable {
                    wanted: pool.get(id).key.clone(),
                    reasons,
                });
            };
            // What is recommended comes along where it does not disturb the rest.
            let mut walk = Walk::new(pool, request.recommends);
            walk.adopt(&solved);
            walk.into_marked()
        }
    };
    Ok(reasoned(pool, &marked, &wanted, request.recommends))
}

/// The version a wanted name stands for.
fn wanted_version(pool: &mut Pool<'_>, want: &Want) -> Result<Id, SolveError> {
    let native = pool.universe.native().to_owned();
    let (name, architecture) = match want.name.split_once(':') {
        Some((name, architecture)) => (name.to_owned(), architecture.to_owned()),
        None => (want.name.clone(), native.clone()),
    };
    let possibility = Possibility {
        name,
        qualifier: (architecture != native).then(|| architecture.clone()),
        constraint: want.constraint.clone(),
    };
    let versions = pool.versions(&want.name);
    let found = versions.iter().copied().find(|id| {
        let loaded = pool.get(*id);
        want.constraint
            .as_ref()
            .is_none_or(|constraint| constraint.is_met_by(&loaded.record.version))
    });
    if let Some(id) = found {
        return Ok(id);
    }
    if let Some(blocked) = pool.blame(&want.name).filter(|_| versions.is_empty()) {
        return Err(unusable(pool.universe, blocked, ""));
    }
    if pool.is_excluded(&want.name) {
        return Err(SolveError::Excluded {
            name: want.name.clone(),
        });
    }
    if !versions.is_empty() {
        return Err(SolveError::NoSuchVersion {
            wanted: possibility.to_string(),
            available: explain::available(pool, &possibility, &native),
        });
    }
    if let Some(version) = pool.pinned_away(&want.name) {
        return Err(SolveError::NoSuchVersion {
            wanted: format!("{} (= {version})", want.name),
            available: pool.unpinned_versions(&want.name),
        });
    }
    let mut providers = pool.targets(&possibility, &architecture);
    providers.retain(|id| pool.get(*id).is_candidate);
    match providers.as_slice() {
        [] => Err(SolveError::NotFound {
            name: want.name.clone(),
            archives: pool.universe.labels(),
            similar: pool.universe.similar_names(&want.name),
        }),
        [only] => Ok(*only),
        several => {
            let mut providers: Vec<String> = several
                .iter()
                .map(|id| pool.get(*id).record.name.clone())
                .collect();
            providers.sort();
            Err(SolveError::Ambiguous {
                name: want.name.clone(),
                providers,
            })
        }
    }
}

/// The closure with every reason each package is in it.
fn reasoned(pool: &Pool<'_>, marked: &[Id], wanted: &[(Id, Why)], recommends: bool) -> Closure {
    let mut why: BTreeMap<Id, BTreeSet<Why>> = BTreeMap::new();
    let mut given: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for id in marked {
        why.entry(*id).or_default();
        let loaded = pool.get(*id);
        let names: HashSet<&str> = std::iter::once(loaded.record.name.as_str())
            .chain(
                loaded
                    .record
                    .provides
                    .iter()
                    .map(|provide| provide.name.as_str()),
            )
            .collect();
        for name in names {
            given.entry(name.to_owned()).or_default().push(*id);
        }
    }
    for (id, reason) in wanted {
        why.entry(*id).or_default().insert(reason.clone());
    }
    for id in marked {
        let loaded = pool.get(*id);
        let record = &loaded.record;
        let by = Some(pool.universe.counted_as(record));
        let hard = record
            .pre_depends
            .iter()
            .chain(&record.depends)
            .map(|relation| (relation, false));
        let soft = record
            .recommends
            .iter()
            .filter(|_| recommends)
            .map(|relation| (relation, true));
        for (relation, is_soft) in hard.chain(soft) {
            for possibility in &relation.alternatives {
                for target in given.get(&possibility.name).into_iter().flatten() {
                    if target == id || !pool.is_met_by(possibility, by, &pool.get(*target).record) {
                        continue;
                    }
                    let (package, relation) = (loaded.key.clone(), relation.to_string());
                    why.entry(*target).or_default().insert(if is_soft {
                        Why::RecommendsOf { package, relation }
                    } else {
                        Why::DependsOf { package, relation }
                    });
                }
            }
        }
    }
    let mut packages: Vec<Chosen> = why
        .into_iter()
        .map(|(id, why)| {
            let loaded = pool.get(id);
            Chosen {
                name: loaded.key.clone(),
                record: loaded.record.clone(),
                index: loaded.index,
                why: why.into_iter().collect(),
            }
        })
        .collect();
    packages.sort_by(|left, right| left.name.cmp(&right.name));
    Closure { packages }
}
