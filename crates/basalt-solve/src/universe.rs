//! The packages that could be chosen, pulled out of the indexes by name as
//! they are reached.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use basalt_deb::packages::{CompiledIndex, IndexError, MultiArch, PackageRecord};
use basalt_deb::relation::{Dependency, Possibility};
use basalt_deb::version::Version;

use crate::error::SolveError;
use crate::request::Pin;

/// The indexes to choose from.
pub struct Universe<'index> {
    architecture: String,
    archives: Vec<Archive<'index>>,
}

struct Archive<'index> {
    label: String,
    index: &'index CompiledIndex,
    priority: i32,
}

impl<'index> Universe<'index> {
    /// Puts indexes of one architecture together. Each has a label, as errors
    /// name it (`debian trixie main`), and a priority: a version of a higher
    /// priority is preferred to a newer one; among equals the newest is, then
    /// the first index.
    #[must_use]
    pub fn new(
        architecture: impl Into<String>,
        archives: Vec<(String, &'index CompiledIndex, i32)>,
    ) -> Self {
        let archives = archives
            .into_iter()
            .map(|(label, index, priority)| Archive {
                label,
                index,
                priority,
            })
            .collect();
        Self {
            architecture: architecture.into(),
            archives,
        }
    }

    /// The label of an index, by the number in [`crate::Chosen::index`].
    #[must_use]
    pub fn label(&self, index: usize) -> &str {
        self.archives
            .get(index)
            .map_or("", |archive| &archive.label)
    }

    /// All labels, as errors list them.
    pub(crate) fn labels(&self) -> String {
        let labels: Vec<&str> = self
            .archives
            .iter()
            .map(|archive| archive.label.as_str())
            .collect();
        labels.join(", ")
    }

    /// The names of the packages marked `Essential: yes`, sorted.
    pub(crate) fn essential(&self) -> Result<BTreeSet<String>, SolveError> {
        let mut names = BTreeSet::new();
        for archive in &self.archives {
            let records = archive
                .index
                .essential()
                .map_err(|source| SolveError::Index {
                    label: archive.label.clone(),
                    source,
                })?;
            names.extend(records.into_iter().map(|record| record.name));
        }
        Ok(names)
    }

    /// Up to three names one would have typed nearly so.
    pub(crate) fn similar_names(&self, name: &str) -> Vec<String> {
        let mut near: BTreeSet<(usize, String)> = BTreeSet::new();
        for archive in &self.archives {
            for other in archive.index.iter_names() {
                if other.len().abs_diff(name.len()) <= 2 {
                    let distance = distance(name, other);
                    if distance <= 2 {
                        near.insert((distance, other.to_owned()));
                    }
                }
            }
        }
        near.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

/// How many letters must be put in, taken out or changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut former = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            *cell = changed.min(former + 1).min(diagonal + 1);
            former = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// One version of one package, by its place in the [`Pool`].
pub(crate) type Id = usize;

/// A loaded version.
pub(crate) struct Loaded {
    pub(crate) record: PackageRecord,
    pub(crate) index: usize,
    /// Whether it is the version apt would take of this name.
    pub(crate) is_candidate: bool,
}

/// What has been loaded so far, each version once.
pub(crate) struct Pool<'universe> {
    pub(crate) universe: &'universe Universe<'universe>,
    pins: HashMap<String, Version>,
    exclude: BTreeSet<String>,
    loaded: Vec<Rc<Loaded>>,
    by_name: HashMap<String, Rc<[Id]>>,
    providers: HashMap<String, Rc<[Id]>>,
    /// The first index that could not be read, so that a search need not stop
    /// in its midst: its outcome is not used then.
    fault: Option<SolveError>,
}

impl<'universe> Pool<'universe> {
    pub(crate) fn new(
        universe: &'universe Universe<'universe>,
        pins: &[Pin],
        exclude: &[String],
    ) -> Self {
        Self {
            universe,
            pins: pins
                .iter()
                .map(|pin| (pin.name.clone(), pin.version.clone()))
                .collect(),
            exclude: exclude.iter().cloned().collect(),
            loaded: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
            fault: None,
        }
    }

    /// The first index that could not be read, if one could not.
    pub(crate) fn take_fault(&mut self) -> Option<SolveError> {
        self.fault.take()
    }

    fn read(
        &mut self,
        archive: &Archive<'_>,
        read: Result<Vec<PackageRecord>, IndexError>,
    ) -> Vec<PackageRecord> {
        read.unwrap_or_else(|source| {
            let label = archive.label.clone();
            self.fault
                .get_or_insert(SolveError::Index { label, source });
            Vec::new()
        })
    }

    pub(crate) fn get(&self, id: Id) -> Rc<Loaded> {
        Rc::clone(&self.loaded[id])
    }

    pub(crate) fn is_excluded(&self, name: &str) -> bool {
        self.exclude.contains(name)
    }

    /// The versions of a name, the preferred first; empty for a name that is
    /// virtual, unknown or excluded.
    pub(crate) fn versions(&mut self, name: &str) -> Rc<[Id]> {
        if let Some(known) = self.by_name.get(name) {
            return Rc::clone(known);
        }
        let mut found: Vec<(i32, usize, PackageRecord)> = Vec::new();
        if !self.exclude.contains(name) {
            let universe = self.universe;
            for (index, archive) in universe.archives.iter().enumerate() {
                for record in self.read(archive, archive.index.records(name)) {
                    let is_ours = record.architecture == "all"
                        || record.architecture == self.universe.architecture;
                    let is_pinned = self.pins.get(name).is_none_or(|pin| *pin == record.version);
                    let is_known = found
                        .iter()
                        .any(|(_, _, other)| other.version == record.version);
                    if is_ours && is_pinned && !is_known {
                        found.push((archive.priority, index, record));
                    }
                }
            }
        }
        found.sort_by(|left, right| {
            (right.0.cmp(&left.0))
                .then_with(|| right.2.version.cmp(&left.2.version))
                .then_with(|| left.1.cmp(&right.1))
        });
        let mut ids = Vec::with_capacity(found.len());
        for (place, (_, index, record)) in found.into_iter().enumerate() {
            ids.push(self.loaded.len());
            self.loaded.push(Rc::new(Loaded {
                record,
                index,
                is_candidate: place == 0,
            }));
        }
        let ids: Rc<[Id]> = ids.into();
        self.by_name.insert(name.to_owned(), Rc::clone(&ids));
        ids
    }

    /// The version a name is held at.
    pub(crate) fn pin(&self, name: &str) -> Option<&Version> {
        self.pins.get(name)
    }

    /// The version a name is held at, where no index has it in that version.
    pub(crate) fn pinned_away(&self, name: &str) -> Option<&Version> {
        let is_known = self
            .universe
            .archives
            .iter()
            .any(|archive| archive.index.contains(name));
        self.pins.get(name).filter(|_| is_known)
    }

    /// What versions there are of a name that is held at another.
    pub(crate) fn unpinned_versions(&self, name: &str) -> String {
        let versions: Vec<String> = self
            .universe
            .archives
            .iter()
            .flat_map(|archive| {
                let records = archive.index.records(name).unwrap_or_default();
                records
                    .into_iter()
                    .map(|record| format!("{} has {name} {}", archive.label, record.version))
            })
            .collect();
        versions.join(" and ")
    }

    /// The versions that provide a name, not counting those that bear it.
    pub(crate) fn providers(&mut self, name: &str) -> Rc<[Id]> {
        if let Some(known) = self.providers.get(name) {
            return Rc::clone(known);
        }
        let universe = self.universe;
        let mut names = BTreeSet::new();
        for archive in &universe.archives {
            for record in self.read(archive, archive.index.providers(name)) {
                names.insert(record.name);
            }
        }
        names.remove(name);
        let mut ids = Vec::new();
        for provider in names {
            for id in self.versions(&provider).iter() {
                if self.loaded[*id]
                    .record
                    .provides
                    .iter()
                    .any(|provide| provide.name == name)
                {
                    ids.push(*id);
                }
            }
        }
        let ids: Rc<[Id]> = ids.into();
        self.providers.insert(name.to_owned(), Rc::clone(&ids));
        ids
    }

    /// All versions that meet a possibility, the one to take first in front:
    /// those of the name, then those that provide it, as apt thinks best. That
    /// is an essential one, then a protected one, then that of the higher
    /// priority. Among equals apt takes what its lists mention last. These are
    /// sorted by source and name, so that nearly always is the last by these.
    pub(crate) fn targets(&mut self, possibility: &Possibility) -> Vec<Id> {
        let mut targets: Vec<Id> = self.versions(&possibility.name).to_vec();
        let mut providers = self.providers(&possibility.name).to_vec();
        providers.sort_by(|left, right| {
            let key = |id: Id| {
                let record = &self.loaded[id].record;
                (!record.essential, !record.important, record.priority)
            };
            let place = |id: Id| {
                let record = &self.loaded[id].record;
                (record.source.as_str(), record.name.as_str())
            };
            // The order of ids within a name is that of its versions.
            (key(*left).cmp(&key(*right)))
                .then_with(|| place(*right).cmp(&place(*left)))
                .then_with(|| left.cmp(right))
        });
        targets.extend(providers);
        targets.retain(|id| self.is_met_by(possibility, &self.loaded[*id].record));
        targets
    }

    /// Whether a version meets a possibility, by its name or by what it provides
    /// (Debian Policy 7.5: a provide without a version meets no constraint).
    /// `name:any` asks for a package that says `Multi-Arch: allowed`.
    pub(crate) fn is_met_by(&self, possibility: &Possibility, record: &PackageRecord) -> bool {
        let is_for_us = match possibility.qualifier.as_deref() {
            None | Some("native") => true,
            Some("any") => record.multi_arch == MultiArch::Allowed,
            // Packages for all architectures count as being of the machine's.
            Some(architecture) => architecture == self.universe.architecture,
        };
        is_for_us && gives(possibility, record)
    }

    /// Whether `one` may not be installed beside `other`, by what `one` says.
    /// A package never conflicts with itself, so it may conflict with a name it
    /// provides (Debian Policy 7.4). Gives the relation that says so.
    pub(crate) fn refuses<'one>(
        &self,
        one: &'one PackageRecord,
        other: &PackageRecord,
    ) -> Option<(&'static str, &'one Dependency)> {
        if one.name == other.name {
            return None;
        }
        let within = |word, relations: &'one [Dependency]| {
            relations
                .iter()
                .find(|relation| {
                    relation
                        .alternatives
                        .iter()
                        .any(|possibility| self.is_met_by(possibility, other))
                })
                .map(|relation| (word, relation))
        };
        within("conflicts with", &one.conflicts).or_else(|| within("breaks", &one.breaks))
    }
}

/// Whether a version bears the name, or provides it, in a version that will do.
fn gives(possibility: &Possibility, record: &PackageRecord) -> bool {
    if record.name == possibility.name
        && possibility
            .constraint
            .as_ref()
            .is_none_or(|constraint| constraint.is_met_by(&record.version))
    {
        return true;
    }
    record.provides.iter().any(|provide| {
        provide.name == possibility.name
            && possibility.constraint.as_ref().is_none_or(|constraint| {
                provide
                    .version
                    .as_ref()
                    .is_some_and(|version| constraint.is_met_by(version))
            })
    })
}
