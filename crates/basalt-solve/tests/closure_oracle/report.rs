//! The comparison in words.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use basalt_deb::packages::{CompiledIndex, PackageRecord};
use basalt_deb::relation::parse_dependencies;
use basalt_solve::{Closure, Why};

use crate::apt::is_installable;
use crate::{ARCHITECTURE, Compared, SUITES, Set};

/// What the report is made of.
pub struct Report<'run> {
    pub seed: u64,
    pub apt_version: String,
    pub compared: &'run [Compared<'run>],
    /// Those of which our set is not sound, or there is none though apt has one.
    pub invalid: &'run [&'run str],
    pub indexes: &'run [CompiledIndex],
    pub lists: &'run [PathBuf],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Command::new("date").args(["-u", "+%F"]).output();
        let date = date.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        );
        let suites: Vec<&str> = SUITES.iter().map(|(_, suite)| *suite).collect();
        let count = self.compared.len();
        let equal: Vec<&Compared<'_>> = self.compared.iter().filter(|one| one.is_equal()).collect();
        let (none, some): (Vec<&Compared<'_>>, Vec<&Compared<'_>>) =
            equal.iter().partition(|one| one.theirs.is_none());
        let mut sizes: Vec<usize> = some
            .iter()
            .filter_map(|one| Some(one.theirs.as_ref()?.len()))
            .collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        let largest = sizes.last().copied().unwrap_or(0);
        writeln!(out, "# Closures beside apt's\n")?;
        writeln!(
            out,
            "Of all packages of {} (main, {ARCHITECTURE}), {count} were drawn with the seed {}, and for each \
             the closure `basalt-solve` comes to was compared with the set, names and versions, that \
             `apt-get install --no-install-recommends` (apt {}) would install in an empty root (told by \
             `--print-uris`, which lists what `-s` installs).\n",
            suites.join(", "),
            self.seed,
            self.apt_version
        )?;
        writeln!(
            out,
            "This page is written by the test `closures_are_those_apt_comes_to` of `basalt-solve`, with \
             `BASALT_REPORT=docs/closures.md`.\n"
        )?;
        writeln!(out, "| | |\n|---|---|")?;
        writeln!(out, "| Date | {date} |")?;
        writeln!(out, "| Packages drawn | {count} |")?;
        writeln!(out, "| Equal | {} |", equal.len())?;
        writeln!(out, "| … of which neither finds a set | {} |", none.len())?;
        writeln!(out, "| Different | {} |", count - equal.len())?;
        writeln!(out, "| … of which not sound | {} |", self.invalid.len())?;
        writeln!(out, "| Packages in a closure, median | {median} |")?;
        writeln!(out, "| Packages in a closure, most | {largest} |")?;
        writeln!(out, "\n## Differences\n")?;
        if count == equal.len() {
            writeln!(out, "None.")?;
        } else {
            writeln!(
                out,
                "A relation that several packages meet is met, by both, by the package that bears the name, else \
                 by an essential one, else by that of the highest priority. Of providers equal in all that, apt \
                 takes the one its lists mention last, also in other packages' relations; `basalt-solve`, which \
                 does not read whole lists, takes the last by source and name, as lists are sorted. So a difference whose only turn is such a \
                 relation is one between sets that are as good.\n"
            )?;
        }
        for one in self.compared.iter().filter(|one| !one.is_equal()) {
            self.explain(out, one)?;
        }
        if !none.is_empty() {
            writeln!(out, "\n## Neither finds a set\n")?;
        }
        for one in none {
            let verdict = if is_installable(one.name, self.lists) {
                "dose-debcheck does"
            } else {
                "nor does dose-debcheck"
            };
            let reason = one.ours.as_ref().err().map(ToString::to_string);
            let reason = reason.unwrap_or_default().replace("\n  ", "; ");
            writeln!(out, "* `{}`, {verdict}: {reason}.", one.name)?;
        }
        Ok(())
    }
}

impl Report<'_> {
    fn explain(&self, out: &mut fmt::Formatter<'_>, one: &Compared<'_>) -> fmt::Result {
        let sound = if self.invalid.contains(&one.name) {
            "NOT sound"
        } else {
            "sound, says dose-debcheck"
        };
        let (closure, theirs) = match (&one.ours, &one.theirs) {
            (Ok(closure), Some(theirs)) => (closure, theirs),
            (Ok(closure), None) => {
                return writeln!(
                    out,
                    "* `{}`: apt gives up, as it takes no choice back; there is a set of {} packages ({sound}).",
                    one.name,
                    closure.packages.len()
                );
            }
            (Err(error), _) => {
                return writeln!(out, "* `{}`: found no set, apt one: {error}", one.name);
            }
        };
        writeln!(out, "* `{}` (ours is {sound}):", one.name)?;
        let ours = one.our_set().unwrap_or_default();
        let only_ours = beyond(&ours, theirs);
        let only_theirs = beyond(theirs, &ours);
        for (package, relation) in self.turns(closure, theirs, &only_ours) {
            let takers = |set: &Set| {
                let names: Vec<String> = set
                    .keys()
                    .filter(|name| self.meets(name, &relation))
                    .map(|name| format!("`{name}`"))
                    .collect();
                names.join(", ")
            };
            writeln!(
                out,
                "  * `{package}` needs `{relation}`: {} here, {} in apt's set.",
                takers(&ours),
                takers(theirs)
            )?;
        }
        writeln!(out, "  * Only here: {}.", list(&only_ours))?;
        writeln!(out, "  * Only in apt's set: {}.", list(&only_theirs))
    }

    /// The relations of packages in both sets that something only ours meets.
    fn turns(
        &self,
        closure: &Closure,
        theirs: &Set,
        only_ours: &[String],
    ) -> BTreeSet<(String, String)> {
        let mut turns = BTreeSet::new();
        for chosen in only_ours.iter().filter_map(|name| closure.get(name)) {
            for why in &chosen.why {
                if let Why::DependsOf { package, relation } = why
                    && theirs.contains_key(package)
                {
                    turns.insert((package.clone(), relation.clone()));
                }
            }
        }
        turns
    }

    fn records(&self, name: &str) -> Vec<PackageRecord> {
        self.indexes
            .iter()
            .flat_map(|index| index.records(name).expect("the index is sound"))
            .collect()
    }

    /// Whether a package bears or provides a name in a relation.
    fn meets(&self, name: &str, relation: &str) -> bool {
        let relations = parse_dependencies(relation, ARCHITECTURE).expect("it was parsed before");
        let records = self.records(name);
        relations
            .iter()
            .flat_map(|relation| &relation.alternatives)
            .any(|possibility| {
                possibility.name == name
                    || records.iter().any(|record| {
                        record
                            .provides
                            .iter()
                            .any(|provide| provide.name == possibility.name)
                    })
            })
    }
}

/// The names in one set that the other lacks or has in another version.
fn beyond(one: &Set, other: &Set) -> Vec<String> {
    one.iter()
        .filter(|(name, version)| other.get(*name) != Some(*version))
        .map(|(name, _)| name.clone())
        .collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
