//! The question as `resolvo` takes it, for when the walk runs into a conflict.
//!
//! Each version of a package is a solvable under its name, so only one version
//! of a name is chosen. A possibility becomes a set of versions for each name
//! that meets it; a conflict, the set of versions of the other name that remain
//! allowed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;

use basalt_deb::relation::Dependency;
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache,
    StringId, VersionSetId, VersionSetUnionId,
};

use crate::universe::{Id, Pool};

/// A closure that holds all `wanted` versions, or `None` where there is none.
pub(crate) fn solve(pool: &mut Pool<'_>, wanted: &[Id]) -> Option<Vec<Id>> {
    let provider = Provider {
        tables: RefCell::new(Tables {
            pool,
            names: Vec::new(),
            name_ids: HashMap::new(),
            sets: Vec::new(),
            set_ids: HashMap::new(),
            unions: Vec::new(),
        }),
    };
    let requirements = {
        let mut tables = provider.tables.borrow_mut();
        wanted
            .iter()
            .map(|id| {
                let name = tables.pool.get(*id).key.clone();
                let set = tables.set(&name, vec![*id]);
                Requirement::Single(set).into()
            })
            .collect()
    };
    let mut solver = Solver::new(provider);
    let solved = solver
        .solve(Problem::new().requirements(requirements))
        .ok()?;
    Some(solved.into_iter().map(id_of).collect())
}

fn solvable(id: Id) -> Option<SolvableId> {
    u32::try_from(id).ok().map(SolvableId::from_raw)
}

fn id_of(solvable: SolvableId) -> Id {
    solvable.into_raw() as usize
}

/// Versions of one name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: u32,
    ids: Vec<Id>,
}

struct Tables<'pool, 'universe> {
    pool: &'pool mut Pool<'universe>,
    names: Vec<String>,
    name_ids: HashMap<String, u32>,
    sets: Vec<VersionSet>,
    set_ids: HashMap<VersionSet, u32>,
    unions: Vec<Vec<VersionSetId>>,
}

impl Tables<'_, '_> {
    fn name(&mut self, name: &str) -> u32 {
        if let Some(known) = self.name_ids.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.name_ids.insert(name.to_owned(), number);
        number
    }

    fn set(&mut self, name: &str, ids: Vec<Id>) -> VersionSetId {
        let set = VersionSet {
            name: self.name(name),
            ids,
        };
        if let Some(known) = self.set_ids.get(&set) {
            return VersionSetId(*known);
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(set.clone());
        self.set_ids.insert(set, number);
        VersionSetId(number)
    }

    fn requirement(&mut self, relation: &Dependency, by: &str) -> ConditionalRequirement {
        let mut by_name: Vec<(String, Vec<Id>)> = Vec::new();
        for possibility in &relation.alternatives {
            for id in self.pool.targets(possibility, by) {
                let name = self.pool.get(id).key.clone();
                match by_name.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, ids)) => {
                        if !ids.contains(&id) {
                            ids.push(id);
                        }
                    }
                    None => by_name.push((name, vec![id])),
                }
            }
        }
        if by_name.is_empty() {
            // Nothing meets it: an empty set of the first name says so.
            let name = relation
                .alternatives
                .first()
                .map_or("", |first| first.name.as_str());
            return Requirement::Single(self.set(name, Vec::new())).into();
        }
        let sets: Vec<VersionSetId> = by_name
            .into_iter()
            .map(|(name, ids)| self.set(&name, ids))
            .collect();
        if let [only] = sets.as_slice() {
            return Requirement::Single(*only).into();
        }
        let number = u32::try_from(self.unions.len()).unwrap_or(u32::MAX);
        self.unions.push(sets);
        Requirement::Union(VersionSetUnionId(number)).into()
    }

    fn dependencies(&mut self, id: Id) -> KnownDependencies {
        let loaded = self.pool.get(id);
        let record = &loaded.record;
        let architecture = self.pool.universe.counted_as(record).to_owned();
        let requirements = record
            .pre_depends
            .iter()
            .chain(&record.depends)
            .map(|relation| self.requirement(relation, &architecture))
            .collect();
        let mut constrains = Vec::new();
        for relation in record.conflicts.iter().chain(&record.breaks) {
            for possibility in &relation.alternatives {
                for other in self.pool.opposed(possibility) {
                    let other = self.pool.get(other);
                    if other.record.name == record.name {
                        continue;
                    }
                    let other = other.key.clone();
                    let mut allowed = self.pool.versions(&other).to_vec();
                    allowed.retain(|version| {
                        let other = self.pool.get(*version);
                        self.pool.refuses(record, &other.record).is_none()
                    });
                    let set = self.set(&other, allowed);
                    if !constrains.contains(&set) {
                        constrains.push(set);
                    }
                }
            }
        }
        for sibling in self.pool.siblings(record) {
            let mut allowed = self.pool.versions(&sibling).to_vec();
            if allowed.is_empty() {
                continue;
            }
            allowed.retain(|version| !self.pool.parts(record, &self.pool.get(*version).record));
            let set = self.set(&sibling, allowed);
            if !constrains.contains(&set) {
                constrains.push(set);
            }
        }
        KnownDependencies {
            requirements,
            constrains,
        }
    }
}

struct Provider<'pool, 'universe> {
    tables: RefCell<Tables<'pool, 'universe>>,
}

impl Provider<'_, '_> {
    fn describe(&self, id: Id) -> String {
        let loaded = self.tables.borrow().pool.get(id);
        format!("{} {}", loaded.record.name, loaded.record.version)
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.describe(id_of(solvable))
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let names = &self.tables.borrow().names;
        names
            .get(name.into_raw() as usize)
            .cloned()
            .unwrap_or_default()
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        let ids = self.tables.borrow().sets[version_set.0 as usize]
            .ids
            .clone();
        let versions: Vec<String> = ids.into_iter().map(|id| self.describe(id)).collect();
        versions.join(" | ")
    }

    fn display_string(&self, _string: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        NameId::from_raw(self.tables.borrow().sets[version_set.0 as usize].name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        let mut tables = self.tables.borrow_mut();
        let loaded = tables.pool.get(id_of(solvable));
        NameId::from_raw(tables.name(&loaded.key))
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.tables.borrow().unions[union.0 as usize]
            .clone()
            .into_iter()
    }

    fn resolve_condition(&self, _condition: ConditionId) -> Condition {
        // No requirement here has a condition; an empty set is never met.
        Condition::Requirement(self.tables.borrow_mut().set("", Vec::new()))
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let tables = self.tables.borrow();
        let set = &tables.sets[version_set.0 as usize].ids;
        candidates
            .iter()
            .copied()
            .filter(|solvable| set.contains(&id_of(*solvable)) != inverse)
            .collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let mut tables = self.tables.borrow_mut();
        let name = tables.names.get(name.into_raw() as usize)?.clone();
        let candidates = tables
            .pool
            .versions(&name)
            .iter()
            .filter_map(|id| solvable(*id))
            .collect();
        Some(Candidates {
            candidates,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        // Versions are loaded in the order they are preferred.
        solvables.sort_by_key(|solvable| id_of(*solvable));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        Dependencies::Known(self.tables.borrow_mut().dependencies(id_of(solvable)))
    }
}
