//! The walk apt takes through the dependencies, depth first, with its choices.
//!
//! A package is marked, then what it needs, in the order its control file says:
//! of alternatives that which is marked already, else the first that can be
//! had; of the providers of a virtual package the one apt thinks best. What
//! comes out is the set `apt-get install` comes to. Only where the walk runs
//! into a conflict is the solver asked.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use basalt_deb::relation::Dependency;

use crate::explain;
use crate::universe::{Id, Loaded, Pool};

/// Deepest chain of dependencies walked, so that a thread's stack of 2 MiB is
/// never used up; the solver, which needs no stack, takes over beyond it.
const MAXIMUM_DEPTH: usize = 1000;

/// Most reasons kept for an error; of a longer chain the middle is left out.
const MAXIMUM_REASONS: usize = 20;

/// Reasons kept for an error, from the wanted package to the cause.
pub(crate) type Reasons = Vec<String>;

/// The reasons with one more in front.
fn chain(first: String, mut rest: Reasons) -> Reasons {
    rest.insert(0, first);
    if rest.len() > MAXIMUM_REASONS {
        let middle = MAXIMUM_REASONS / 2;
        rest.splice(middle..=middle + 1, ["…".to_owned()]);
    }
    rest
}

pub(crate) struct Walk<'pool, 'universe> {
    pool: &'pool mut Pool<'universe>,
    recommends: bool,
    /// Marked versions, in the order they were.
    marked: Vec<Id>,
    by_name: HashMap<String, Id>,
    /// Names given by marked versions, own and provided, with how many give it.
    given: HashMap<String, Vec<Id>>,
    /// Names marked versions conflict with or break, with who does.
    refused: HashMap<String, Vec<Id>>,
    /// Versions that could not be had, and why; not tried again.
    discarded: HashMap<Id, Reasons>,
}

impl<'pool, 'universe> Walk<'pool, 'universe> {
    pub(crate) fn new(pool: &'pool mut Pool<'universe>, recommends: bool) -> Self {
        Self {
            pool,
            recommends,
            marked: Vec::new(),
            by_name: HashMap::new(),
            given: HashMap::new(),
            refused: HashMap::new(),
            discarded: HashMap::new(),
        }
    }

    /// The marked versions.
    pub(crate) fn into_marked(self) -> Vec<Id> {
        self.marked
    }

    /// Marks all wanted versions, then what each needs.
    ///
    /// On failure gives the wanted version at fault and why.
    pub(crate) fn install(&mut self, wanted: &[Id]) -> Result<(), (Id, Reasons)> {
        for &id in wanted {
            if self.marked.contains(&id) {
                continue;
            }
            if let Some(reason) = self.clash(id) {
                return Err((id, vec![reason]));
            }
            self.mark(id);
        }
        for &id in wanted {
            self.follow(id, 0).map_err(|reasons| (id, reasons))?;
        }
        Ok(())
    }

    /// Marks a set complete in itself, then what it recommends.
    pub(crate) fn adopt(&mut self, complete: &[Id]) {
        for &id in complete {
            self.mark(id);
        }
        for &id in complete {
            // Every dependency is met by the set, so this fails nowhere.
            let _ = self.follow(id, 0);
        }
    }

    fn try_install(&mut self, id: Id, depth: usize) -> Result<(), Reasons> {
        if let Some(reasons) = self.discarded.get(&id) {
            return Err(reasons.clone());
        }
        if depth > MAXIMUM_DEPTH {
            return Err(vec![format!(
                "the dependencies go deeper than {MAXIMUM_DEPTH} packages"
            )]);
        }
        if let Some(reason) = self.clash(id) {
            return Err(vec![reason]);
        }
        let before = self.marked.len();
        self.mark(id);
        self.follow(id, depth).inspect_err(|reasons| {
            self.unmark_to(before);
            self.discarded.insert(id, reasons.clone());
        })
    }

    /// Marks what a marked version needs.
    fn follow(&mut self, id: Id, depth: usize) -> Result<(), Reasons> {
        let loaded = self.pool.get(id);
        let record = &loaded.record;
        for relation in record.pre_depends.iter().chain(&record.depends) {
            self.meet(&loaded, relation, depth)?;
        }
        if self.recommends {
            for relation in &record.recommends {
                // A recommendation that cannot be had is passed over.
                let _ = self.meet(&loaded, relation, depth);
            }
        }
        Ok(())
    }

    fn meet(
        &mut self,
        by: &Rc<Loaded>,
        relation: &Dependency,
        depth: usize,
    ) -> Result<(), Reasons> {
        let architecture = self.pool.universe.counted_as(&by.record).to_owned();
        if relation
            .alternatives
            .iter()
            .any(|possibility| self.is_marked(possibility, &architecture))
        {
            return Ok(());
        }
        let mut reasons = Vec::new();
        for possibility in &relation.alternatives {
            let mut targets = self.pool.targets(possibility, &architecture);
            targets.retain(|id| self.pool.get(*id).is_candidate);
            for target in targets {
                match self.try_install(target, depth + 1) {
                    Ok(()) => return Ok(()),
                    Err(further) if reasons.is_empty() => reasons = further,
                    Err(_) => {}
                }
            }
        }
        let first = explain::unmet(self.pool, &by.record, relation, reasons.is_empty());
        Err(chain(first, reasons))
    }

    fn is_marked(&self, possibility: &basalt_deb::relation::Possibility, by: &str) -> bool {
        let is_met = |id: &Id| {
            let record = &self.pool.get(*id).record;
            self.pool.is_met_by(possibility, Some(by), record)
        };
        self.given
            .get(&possibility.name)
            .is_some_and(|ids| ids.iter().any(is_met))
    }

    /// Why a version may not stand beside those marked, if it may not.
    fn clash(&self, id: Id) -> Option<String> {
        let one = self.pool.get(id);
        let same_name = self.given.get(&one.record.name).into_iter().flatten();
        for other in same_name {
            let other = self.pool.get(*other);
            if self.pool.parts(&one.record, &other.record) {
                return Some(format!(
                    "{} {} and {} {} cannot stand together: that takes `Multi-Arch: same` in one version",
                    other.key, other.record.version, one.key, one.record.version
                ));
            }
        }
        if let Some(other) = self.by_name.get(&one.key)
            && *other != id
        {
            let other = self.pool.get(*other);
            return Some(format!(
                "{} {} is needed, but {} was chosen already",
                one.record.name, one.record.version, other.record.version
            ));
        }
        for relation in one.record.conflicts.iter().chain(&one.record.breaks) {
            for possibility in &relation.alternatives {
                for other in self.given.get(&possibility.name).into_iter().flatten() {
                    let other = self.pool.get(*other);
                    if let Some((word, relation)) = self.pool.refuses(&one.record, &other.record) {
                        return Some(explain::clash(&one.record, word, relation, &other.record));
                    }
                }
            }
        }
        let own = std::iter::once(&one.record.name)
            .chain(one.record.provides.iter().map(|provide| &provide.name));
        for name in own {
            for other in self.refused.get(name).into_iter().flatten() {
                let other = self.pool.get(*other);
                if let Some((word, relation)) = self.pool.refuses(&other.record, &one.record) {
                    return Some(explain::clash(&other.record, word, relation, &one.record));
                }
            }
        }
        None
    }

    fn mark(&mut self, id: Id) {
        let loaded = self.pool.get(id);
        for name in given_names(&loaded) {
            self.given.entry(name.to_owned()).or_default().push(id);
        }
        for name in refused_names(&loaded) {
            self.refused.entry(name.to_owned()).or_default().push(id);
        }
        self.by_name.insert(loaded.key.clone(), id);
        self.marked.push(id);
    }

    fn unmark_to(&mut self, length: usize) {
        for id in self.marked.split_off(length) {
            let loaded = self.pool.get(id);
            for name in given_names(&loaded) {
                if let Some(ids) = self.given.get_mut(name) {
                    ids.retain(|other| *other != id);
                }
            }
            for name in refused_names(&loaded) {
                if let Some(ids) = self.refused.get_mut(name) {
                    ids.retain(|other| *other != id);
                }
            }
            self.by_name.remove(&loaded.key);
        }
    }
}

fn given_names(loaded: &Loaded) -> BTreeSet<&str> {
    std::iter::once(loaded.record.name.as_str())
        .chain(
            loaded
                .record
                .provides
                .iter()
                .map(|provide| provide.name.as_str()),
        )
        .collect()
}

fn refused_names(loaded: &Loaded) -> BTreeSet<&str> {
    loaded
        .record
        .conflicts
        .iter()
        .chain(&loaded.record.breaks)
        .flat_map(|relation| &relation.alternatives)
        .map(|possibility| possibility.name.as_str())
        .collect()
}
