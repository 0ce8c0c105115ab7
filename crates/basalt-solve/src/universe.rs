//! The packages that could be chosen, pulled out of the indexes by name as
//! they are reached.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use basalt_deb::packages::{CompiledIndex, Fault, Found, MultiArch, PackageRecord};
use basalt_deb::relation::{Constraint, Dependency, Possibility};
use basalt_deb::version::Version;

use crate::error::SolveError;
use crate::explain::shortened;
use crate::request::{Pin, Want};

/// The indexes to choose from.
pub struct Universe<'index> {
    architecture: String,
    archives: Vec<Archive<'index>>,
    /// The labels of archives that have nothing for the architecture.
    empty: Vec<String>,
}

struct Archive<'index> {
    label: String,
    index: &'index CompiledIndex,
    priority: i32,
}

impl<'index> Universe<'index> {
    /// Puts indexes together: those of the architecture, and of foreign ones from which packages are taken
    /// by `name:architecture`. Each has a label, as errors
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
            empty: Vec::new(),
        }
    }

    /// The architectures there are packages of, the machine's first.
    fn architectures(&self) -> Vec<&str> {
        let mut all = vec![self.architecture.as_str()];
        for archive in &self.archives {
            if !all.contains(&archive.index.architecture()) {
                all.push(archive.index.architecture());
            }
        }
        all
    }

    /// The architecture that a package counts as being of: one for all counts as of the machine's.
    pub(crate) fn counted_as<'record>(
        &'record self,
        record: &'record PackageRecord,
    ) -> &'record str {
        match record.architecture.as_str() {
            "all" => &self.architecture,
            architecture => architecture,
        }
    }

    /// What stands for a package of this name and architecture.
    pub(crate) fn key_for(&self, name: &str, architecture: &str) -> String {
        key_of(name, architecture, &self.architecture)
    }

    /// The machine's architecture.
    pub(crate) fn native(&self) -> &str {
        &self.architecture
    }

    /// What a package is called, with its architecture if that is a foreign one.
    pub(crate) fn key(&self, record: &PackageRecord) -> String {
        key_of(&record.name, &record.architecture, &self.architecture)
    }

    /// Names archives that have no index for the architecture, for errors to say so.
    #[must_use]
    pub fn without(mut self, labels: Vec<String>) -> Self {
        self.empty = labels;
        self
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
        let labels = labels.join(", ");
        match self.empty.as_slice() {
            [] => labels,
            empty => format!(
                "{labels} ({} has nothing for {})",
                empty.join(", "),
                self.architecture
            ),
        }
    }

    /// The names of the packages marked `Essential: yes`, sorted.
    pub(crate) fn essential(&self) -> BTreeSet<String> {
        self.archives
            .iter()
            .filter(|archive| archive.index.architecture() == self.architecture)
            .flat_map(|archive| archive.index.essential())
            .map(str::to_owned)
            .collect()
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

/// What stands for a package of one architecture: its name; `name:architecture` for a foreign one.
fn key_of(name: &str, architecture: &str, native: &str) -> String {
    match architecture == native || architecture == "all" {
        true => name.to_owned(),
        false => format!("{name}:{architecture}"),
    }
}

/// The name in a key.
fn name_of(key: &str) -> &str {
    key.split_once(':').map_or(key, |(name, _)| name)
}

/// A loaded version.
pub(crate) struct Loaded {
    pub(crate) record: PackageRecord,
    /// What stands for its package: its name, with its architecture if that is a foreign one.
    pub(crate) key: String,
    pub(crate) index: usize,
    /// Whether it is the version apt would take of this name.
    pub(crate) is_candidate: bool,
}

/// A package that would be chosen, could its stanza be used; with the number of its index.
#[derive(Clone)]
pub(crate) struct Blocked {
    pub(crate) index: usize,
    pub(crate) fault: Fault,
}

/// What has been loaded so far, each version once.
pub(crate) struct Pool<'universe> {
    pub(crate) universe: &'universe Universe<'universe>,
    pins: HashMap<String, Version>,
    /// Demands that were made on a name in so many words.
    demands: HashMap<String, Vec<Constraint>>,
    exclude: BTreeSet<String>,
    loaded: Vec<Rc<Loaded>>,
    by_name: HashMap<String, Rc<[Id]>>,
    providers: HashMap<String, Rc<[Id]>>,
    /// Names of which the version to take is one whose stanza cannot be used.
    blocked: HashMap<String, Blocked>,
    /// The first of them that an explanation came to.
    blame: Option<Blocked>,
    /// The first index that could not be read, so that a search need not stop
    /// in its midst: its outcome is not used then.
    fault: Option<SolveError>,
}

impl<'universe> Pool<'universe> {
    pub(crate) fn new(
        universe: &'universe Universe<'universe>,
        pins: &[Pin],
        exclude: &[String],
        install: &[Want],
    ) -> Self {
        let mut demands: HashMap<String, Vec<Constraint>> = HashMap::new();
        for want in install {
            if let Some(constraint) = &want.constraint {
                let of_name = demands.entry(want.name.clone()).or_default();
                of_name.push(constraint.clone());
            }
        }
        Self {
            demands,
            universe,
            pins: pins
                .iter()
                .map(|pin| (pin.name.clone(), pin.version.clone()))
                .collect(),
            exclude: exclude.iter().cloned().collect(),
            loaded: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
            blocked: HashMap::new(),
            blame: None,
            fault: None,
        }
    }

    /// The first index that could not be read, if one could not.
    pub(crate) fn take_fault(&mut self) -> Option<SolveError> {
        self.fault.take()
    }

    fn read(&mut self, archive: &Archive<'_>, name: &str) -> Found {
        archive.index.find(name).unwrap_or_else(|source| {
            let label = archive.label.clone();
            self.fault
                .get_or_insert(SolveError::Index { label, source });
            Found::default()
        })
    }

    /// Why a name, or one that alone provides it, cannot be had: the version to take has a stanza that
    /// cannot be used. It is to blame if there is no closure.
    pub(crate) fn blame(&mut self, name: &str) -> Option<Blocked> {
        let _ = self.versions(name);
        let is_provided = !self.providers(name).is_empty();
        let mut providers = self.provider_keys(name);
        // With another that provides the name, one that cannot be used costs nothing but itself.
        if !is_provided {
            for provider in self.faulty_provider_keys(name) {
                let _ = self.versions(&provider);
                providers.insert(provider);
            }
        }
        let blocked = std::iter::once(name)
            .chain(providers.iter().map(String::as_str))
            .find_map(|name| self.blocked.get(name))?
            .clone();
        self.blame.get_or_insert_with(|| blocked.clone());
        Some(blocked)
    }

    /// What an explanation blamed, if it did.
    pub(crate) fn take_blame(&mut self) -> Option<Blocked> {
        self.blame.take()
    }

    /// Whether a stanza that cannot be used is that of a version which could be asked for.
    fn may_be_wanted(&self, name: &str, fault: &Fault) -> bool {
        let meets = |version: &Version| {
            self.pins.get(name).is_none_or(|pin| pin == version)
                && self.demands.get(name).is_none_or(|demands| {
                    demands
                        .iter()
                        .any(|constraint| constraint.is_met_by(version))
                })
        };
        match &fault.version {
            Some(version) => meets(version),
            None => !self.pins.contains_key(name) && !self.demands.contains_key(name),
        }
    }

    pub(crate) fn get(&self, id: Id) -> Rc<Loaded> {
        Rc::clone(&self.loaded[id])
    }

    pub(crate) fn is_excluded(&self, key: &str) -> bool {
        self.exclude.contains(name_of(key))
    }

    /// The versions of a package, by its key, the preferred first; empty for one that is
    /// virtual, unknown or excluded.
    pub(crate) fn versions(&mut self, key: &str) -> Rc<[Id]> {
        if let Some(known) = self.by_name.get(key) {
            return Rc::clone(known);
        }
        let universe = self.universe;
        let (name, architecture) = key.split_once(':').unwrap_or((key, &universe.architecture));
        let is_foreign = architecture != universe.architecture;
        let mut found: Vec<(i32, usize, PackageRecord)> = Vec::new();
        let mut faults: Vec<(i32, Blocked)> = Vec::new();
        if !self.is_excluded(key) {
            for (index, archive) in universe.archives.iter().enumerate() {
                if archive.index.architecture() != architecture {
                    continue;
                }
                let of_archive = self.read(archive, name);
                let blocked = |fault| (archive.priority, Blocked { index, fault });
                faults.extend(of_archive.faults.into_iter().map(blocked));
                for record in of_archive.records {
                    // One for all architectures is the machine's, wherever it is listed.
                    let is_ours = record.architecture == architecture
                        || record.architecture == "all" && !is_foreign;
                    let is_pinned = self.pins.get(key).is_none_or(|pin| *pin == record.version);
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
        // An older version in place of the one to take would be a step back that nobody is told of.
        let best = found
            .first()
            .map(|(priority, _, record)| (*priority, &record.version));
        let blocked = faults.into_iter().find(|(priority, blocked)| {
            let own = blocked.fault.version.as_ref();
            best.is_none_or(|(best, version)| {
                (*priority > best || *priority == best && own.is_none_or(|own| own > version))
                    && self.may_be_wanted(key, &blocked.fault)
            })
        });
        if let Some((_, blocked)) = blocked {
            found.clear();
            self.blocked.insert(key.to_owned(), blocked);
        }
        let mut ids = Vec::with_capacity(found.len());
        for (place, (_, index, record)) in found.into_iter().enumerate() {
            ids.push(self.loaded.len());
            self.loaded.push(Rc::new(Loaded {
                key: key.to_owned(),
                record,
                index,
                is_candidate: place == 0,
            }));
        }
        let ids: Rc<[Id]> = ids.into();
        self.by_name.insert(key.to_owned(), Rc::clone(&ids));
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
            .any(|archive| archive.index.contains(name_of(name)));
        self.pins.get(name).filter(|_| is_known)
    }

    /// What versions there are of a name that is held at another.
    pub(crate) fn unpinned_versions(&self, name: &str) -> String {
        let versions: Vec<String> = self
            .universe
            .archives
            .iter()
            .flat_map(|archive| {
                let records = archive.index.records(name_of(name)).unwrap_or_default();
                records
                    .into_iter()
                    .map(|record| format!("{} has {name} {}", archive.label, record.version))
            })
            .collect();
        shortened(&versions, " and ")
    }

    /// The packages that may provide a name, by their keys, sorted; those that bear it are left out.
    fn provider_keys(&self, name: &str) -> BTreeSet<String> {
        let universe = self.universe;
        let mut keys = BTreeSet::new();
        for archive in &universe.archives {
            let architecture = archive.index.architecture();
            for provider in archive.index.providers(name) {
                if provider != name {
                    keys.insert(key_of(provider, architecture, &universe.architecture));
                }
            }
        }
        keys
    }

    /// The packages whose stanza cannot be used and says that they provide a name, by their keys, sorted.
    fn faulty_provider_keys(&self, name: &str) -> BTreeSet<String> {
        let universe = self.universe;
        let mut keys = BTreeSet::new();
        for archive in &universe.archives {
            let architecture = archive.index.architecture();
            for provider in archive.index.faulty_providers(name) {
                keys.insert(key_of(provider, architecture, &universe.architecture));
            }
        }
        keys
    }

    /// The versions that provide a name, not counting those that bear it, of all architectures.
    pub(crate) fn providers(&mut self, name: &str) -> Rc<[Id]> {
        if let Some(known) = self.providers.get(name) {
            return Rc::clone(known);
        }
        let names = self.provider_keys(name);
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

    /// All versions that meet a possibility of a package of the architecture `by`, the one to take first
    /// in front: those of the name, then those that provide it, as apt thinks best. That
    /// is an essential one, then a protected one, then that of the higher
    /// priority. Among equals apt takes what its lists mention last. These are
    /// sorted by source and name, so that nearly always is the last by these. Those of the architecture
    /// itself go before others.
    pub(crate) fn targets(&mut self, possibility: &Possibility, by: &str) -> Vec<Id> {
        self.found(possibility, Some(by))
    }

    /// All versions that a conflict with a possibility is about, of whatever architecture they are.
    pub(crate) fn opposed(&mut self, possibility: &Possibility) -> Vec<Id> {
        self.found(possibility, None)
    }

    fn found(&mut self, possibility: &Possibility, by: Option<&str>) -> Vec<Id> {
        let universe = self.universe;
        let native = universe.architecture.as_str();
        let mut architectures = universe.architectures();
        architectures.sort_by_key(|one| Some(*one) != by);
        let mut targets: Vec<Id> = Vec::new();
        for architecture in &architectures {
            let key = key_of(&possibility.name, architecture, native);
            targets.extend(self.versions(&key).iter());
        }
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
            let is_other = |id: Id| by != Some(universe.counted_as(&self.loaded[id].record));
            // The order of ids within a name is that of its versions.
            (is_other(*left).cmp(&is_other(*right)))
                .then_with(|| key(*left).cmp(&key(*right)))
                .then_with(|| place(*right).cmp(&place(*left)))
                .then_with(|| left.cmp(right))
        });
        targets.extend(providers);
        targets.retain(|id| self.is_met_by(possibility, by, &self.loaded[*id].record));
        targets
    }

    /// Whether a version meets a possibility, by its name or by what it provides
    /// (Debian Policy 7.5: a provide without a version meets no constraint), for a package of the architecture
    /// `by`: one of that architecture does, and one that says `Multi-Arch: foreign`. `name:any` asks for a
    /// package that says `Multi-Arch: allowed`. Without `by` it is a conflict, which is about all
    /// architectures unless it names one.
    pub(crate) fn is_met_by(
        &self,
        possibility: &Possibility,
        by: Option<&str>,
        record: &PackageRecord,
    ) -> bool {
        let own = self.universe.counted_as(record);
        let is_for_us = match (possibility.qualifier.as_deref(), by) {
            (None | Some("native"), Some(by)) => {
                by == own || record.multi_arch == MultiArch::Foreign
            }
            (Some("any"), Some(_)) => record.multi_arch == MultiArch::Allowed,
            (None | Some("native" | "any"), None) => true,
            (Some(architecture), _) => architecture == own,
        };
        is_for_us && gives(possibility, record)
    }

    /// Whether packages of one name and two architectures may not be installed beside each other: both must
    /// say `Multi-Arch: same`, in the same version.
    pub(crate) fn parts(&self, one: &PackageRecord, other: &PackageRecord) -> bool {
        let same = |record: &PackageRecord| record.multi_arch == MultiArch::Same;
        one.name == other.name
            && self.universe.counted_as(one) != self.universe.counted_as(other)
            && !(same(one) && same(other) && one.version.as_str() == other.version.as_str())
    }

    /// The keys of the packages of the same name and other architectures.
    pub(crate) fn siblings(&self, record: &PackageRecord) -> Vec<String> {
        let own = self.universe.counted_as(record);
        let others = self.universe.architectures().into_iter();
        others
            .filter(|architecture| *architecture != own)
            .map(|architecture| key_of(&record.name, architecture, &self.universe.architecture))
            .collect()
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
                        .any(|possibility| self.is_met_by(possibility, None, other))
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
