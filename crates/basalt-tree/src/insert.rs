//! Putting packages into a tree: usr-merge, diversions, linked directories, conflicts.
//!
//! The result never depends on the order in which packages are given. What dpkg decides by the
//! order of unpacking is decided by rule here, or refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Entry, Kind, Owner};
use crate::error::TreeError;
use crate::identity::check_id;
use crate::path::TreePath;
use crate::sharing::{
    SKELETON, difference, first_by_name, merge_directories, same_attributes, share,
};
use crate::tree::{Diversion, Placed, Replaced, Source, Tree};

/// How many linked directories a path may go through.
const MAXIMUM_REWRITES: usize = 40;

/// A package's name and its entries, as its listing holds them.
#[derive(Debug, Clone, Copy)]
pub struct PackageEntries<'a> {
    /// Name of the binary package; entries will be owned by it.
    pub name: &'a str,
    /// Its entries in the order of the package.
    pub entries: &'a [(TreePath, Entry)],
}

/// Whether files of the first package may take the place of those of the second (`Replaces`, its
/// version relation evaluated).
pub type Replaces<'a> = dyn Fn(&str, &str) -> bool + 'a;

impl Tree {
    /// Declares a diversion. It holds for packages inserted afterwards.
    ///
    /// # Errors
    /// When there is another one of that path, which `dpkg-divert` refuses too.
    pub fn declare_diversion(&mut self, diversion: Diversion) -> Result<(), TreeError> {
        match self.diversions.get(&diversion.from) {
            Some(there) if *there != diversion => Err(TreeError::Diverted {
                path: diversion.from,
                first: there.by.clone().unwrap_or_default(),
                second: diversion.by.unwrap_or_default(),
            }),
            _ => {
                self.diversions.insert(diversion.from.clone(), diversion);
                Ok(())
            }
        }
    }

    /// Inserts one package into what is there; see [`Tree::insert_packages`].
    ///
    /// # Errors
    /// As there.
    pub fn insert_package(
        &mut self,
        package: PackageEntries<'_>,
        replaces: &Replaces<'_>,
    ) -> Result<(), TreeError> {
        self.insert_packages(&[package], replaces)
    }

    /// Inserts packages.
    ///
    /// - Paths below `/bin`, `/sbin`, `/lib*` go to `/usr`; a link that *is* such a name stays.
    /// - A path that goes through a directory which another package brings as a symbolic link
    ///   (`/var/run` → `/run`) stands where the link points, as with dpkg.
    /// - Directories merge; where attributes differ, those of base-files win, then special ones
    ///   over plain root-owned 0755, then those that allow fewer, then the package first by name.
    /// - Files, links and pipes alike in content and attributes are shared.
    /// - Where they differ, `replaces` decides whichever package comes first; if it does not, or
    ///   does both ways, that is a [`TreeError::Conflict`].
    ///
    /// # Errors
    /// On a conflict, an owner that no account can be, a path brought twice by one package, a path below the package's own symbolic
    /// link, a path below a file, or a hard link to nothing.
    pub fn insert_packages(
        &mut self,
        packages: &[PackageEntries<'_>],
        replaces: &Replaces<'_>,
    ) -> Result<(), TreeError> {
        let mut sorted: Vec<PackageEntries<'_>> = packages.to_vec();
        sorted.sort_by_key(|package| (package.name != SKELETON, package.name));
        let mut places = Vec::with_capacity(sorted.len());
        for package in &sorted {
            places.push(self.merged_paths(package)?);
        }
        let links = self.linked_directories(&sorted, &places)?;
        for (package, places) in sorted.iter().zip(places) {
            self.insert_one(package, places, &links, replaces)?;
        }
        Ok(())
    }

    /// Where each entry of a package stands after usr-merge and diversions.
    fn merged_paths(&self, package: &PackageEntries<'_>) -> Result<Vec<TreePath>, TreeError> {
        let mut seen: BTreeMap<&TreePath, usize> = BTreeMap::new();
        let mut merged = Vec::with_capacity(package.entries.len());
        for (path, entry) in package.entries {
            let ids = check_id(entry.uid).and(check_id(entry.gid));
            ids.map_err(|cause| TreeError::Id {
                path: path.clone(),
                package: package.name.to_owned(),
                cause,
            })?;
            let path = merge(path, entry);
            // dpkg diverts no directories.
            merged.push(match entry.is_directory() {
                true => path,
                false => self.divert(path, package.name),
            });
        }
        for (index, path) in merged.iter().enumerate() {
            if let Some(first_index) = seen.insert(path, index) {
                let (first, second) = (&package.entries[first_index].1, &package.entries[index].1);
                // `/lib` and `/usr/lib` of one package are one directory.
                let same = first.is_directory() && same_attributes(first, second);
                if !same || !second.is_directory() {
                    return Err(self.twice(package, [first_index, index], path));
                }
            }
        }
        Ok(merged)
    }

    /// The error of two entries of one package that are to stand at one path: a diversion moved one of them there, or the
    /// package is malformed.
    fn twice(&self, package: &PackageEntries<'_>, two: [usize; 2], at: &TreePath) -> TreeError {
        let moved = two.iter().find_map(|&index| {
            let (path, entry) = &package.entries[index];
            let diversion = self.diversions.get(&merge(path, entry))?;
            (diversion.to == *at && !entry.is_directory()).then_some(diversion)
        });
        match moved {
            Some(diversion) => TreeError::DivertedOnto {
                from: diversion.from.clone(),
                to: at.clone(),
                package: package.name.to_owned(),
                by: diversion.by.as_ref().map_or_else(
                    || "a local diversion".to_owned(),
                    |name| format!("package {name}"),
                ),
            },
            None => TreeError::Duplicate {
                path: at.clone(),
                package: package.name.to_owned(),
            },
        }
    }

    fn divert(&self, path: TreePath, package: &str) -> TreePath {
        match self.diversions.get(&path) {
            Some(diversion) if diversion.by.as_deref() != Some(package) => diversion.to.clone(),
            _ => path,
        }
    }

    /// Symbolic links that other packages use as directories, with where they lead.
    fn linked_directories(
        &self,
        packages: &[PackageEntries<'_>],
        places: &[Vec<TreePath>],
    ) -> Result<BTreeMap<TreePath, TreePath>, TreeError> {
        let mut links: BTreeMap<TreePath, (TreePath, &str)> = BTreeMap::new();
        let each = || {
            packages.iter().zip(places).flat_map(|(package, places)| {
                let entries = package.entries.iter().zip(places);
                entries.map(|((_, entry), path)| (package.name, entry, path))
            })
        };
        for (path, placed) in &self.entries {
            if let (Kind::Symlink { target }, Owner::Package(name)) =
                (&placed.entry.kind, &placed.owner)
            {
                links.insert(path.clone(), (path.link_target(target)?, name));
            }
        }
        for (name, entry, path) in each() {
            if let Kind::Symlink { target } = &entry.kind {
                links.insert(path.clone(), (path.link_target(target)?, name));
            }
        }
        if links.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut directories: BTreeSet<TreePath> = BTreeSet::new();
        let mut used: BTreeMap<TreePath, TreePath> = BTreeMap::new();
        for (name, entry, path) in each() {
            for ancestor in path.ancestors() {
                if let Some((target, owner)) = links.get(&ancestor) {
                    if *owner == name {
                        return Err(TreeError::ThroughOwnLink {
                            path: path.clone(),
                            link: ancestor,
                            package: name.to_owned(),
                        });
                    }
                    used.insert(ancestor, target.clone());
                } else if !directories.contains(&ancestor) {
                    directories.insert(ancestor);
                }
            }
            if entry.is_directory() {
                match links.get(path) {
                    Some((target, _)) => {
                        used.insert(path.clone(), target.clone());
                    }
                    None => {
                        directories.insert(path.clone());
                    }
                }
            }
        }
        // Only a link to a directory that some package really has can stand for a directory; for
        // all else the insertion itself reports both owners.
        let mut resolved = BTreeMap::new();
        for (link, target) in &used {
            let target = through(target, &used)?;
            let there = target.is_root()
                || directories.contains(&target)
                || self
                    .get(&target)
                    .is_some_and(|there| there.entry.is_directory());
            if there {
                resolved.insert(link.clone(), target);
            }
        }
        Ok(resolved)
    }

    fn insert_one(
        &mut self,
        package: &PackageEntries<'_>,
        places: Vec<TreePath>,
        links: &BTreeMap<TreePath, TreePath>,
        replaces: &Replaces<'_>,
    ) -> Result<(), TreeError> {
        let owner = Owner::Package(package.name.to_owned());
        let mut final_places: BTreeMap<TreePath, TreePath> = BTreeMap::new();
        let mut hardlinks = Vec::new();
        for ((raw, entry), merged) in package.entries.iter().zip(places) {
            let place = if entry.is_directory() {
                through(&merged, links)?
            } else {
                through_parents(&merged, links)?
            };
            if place.is_root() {
                continue;
            }
            if let Kind::Hardlink { target } = &entry.kind {
                hardlinks.push((raw, entry, place, target));
                continue;
            }
            if let Kind::File { .. } = entry.kind {
                final_places.insert(merge(raw, entry), place.clone());
            }
            let source = match entry.kind {
                Kind::File { .. } => Source::Package {
                    package: package.name.to_owned(),
                    path: raw.clone(),
                },
                _ => Source::None,
            };
            self.place(place, entry.clone(), source, &owner, replaces)?;
        }
        let mut files: BTreeMap<TreePath, &(TreePath, Entry)> = BTreeMap::new();
        if !hardlinks.is_empty() {
            for file in package.entries {
                if let Kind::File { .. } = file.1.kind {
                    files.entry(merge(&file.0, &file.1)).or_insert(file);
                }
            }
        }
        for (raw, entry, place, target) in hardlinks {
            let Some((file_raw, file_entry)) = files.get(&target.usr_merged()) else {
                return Err(TreeError::HardlinkTarget {
                    path: raw.clone(),
                    target: target.clone(),
                    package: package.name.to_owned(),
                });
            };
            let standing = final_places
                .get(&merge(target, file_entry))
                .filter(|place| {
                    self.get(place).is_some_and(|there| {
                        // A link and its file are packed together, so both must be this package's.
                        there.owner == owner
                            && there.entry.kind == file_entry.kind
                            && same_attributes(&there.entry, file_entry)
                    })
                });
            let mut entry = entry.clone();
            entry.elf = file_entry.elf.clone();
            let source = match standing {
                Some(target) => {
                    entry.kind = Kind::Hardlink {
                        target: target.clone(),
                    };
                    Source::None
                }
                // Another package's file stands in the place of the target: this name is the file.
                None => {
                    entry.kind = file_entry.kind.clone();
                    Source::Package {
                        package: package.name.to_owned(),
                        path: file_raw.clone(),
                    }
                }
            };
            if let Kind::Hardlink { .. } = entry.kind {
                self.hardlinks.insert(place.clone());
            }
            self.place(place, entry, source, &owner, replaces)?;
        }
        Ok(())
    }

    fn place(
        &mut self,
        path: TreePath,
        mut entry: Entry,
        source: Source,
        owner: &Owner,
        replaces: &Replaces<'_>,
    ) -> Result<(), TreeError> {
        if let Some(parent) = path.parent() {
            let parents = Owner::Basalt("parent directories".to_owned());
            self.make_parents(&parent, &path, &parents)
                .map_err(|error| with_owner(error, owner))?;
        }
        if entry.is_directory() {
            entry.mtime = self.epoch;
        }
        let placed = Placed {
            entry,
            owner: owner.clone(),
            source,
            shared_with: Vec::new(),
        };
        let Some(there) = self.entries.get_mut(&path) else {
            self.entries.insert(path, placed);
            return Ok(());
        };
        if there.entry.is_directory() && placed.entry.is_directory() {
            merge_directories(there, placed);
            return Ok(());
        }
        let Some(there) = self.entries.get(&path) else {
            return Ok(());
        };
        if self.same_thing(&there.entry, &placed.entry) {
            if first_by_name(owner, &there.owner) {
                // Other names of the former owner's file must not depend on another's.
                self.detach(&path);
            }
            if let Some(there) = self.entries.get_mut(&path) {
                share(there, placed);
            }
            return Ok(());
        }
        let conflict = |there: &Placed, cause| TreeError::Conflict {
            path: path.clone(),
            first: Box::new(there.owner.clone()),
            second: Box::new(owner.clone()),
            cause,
        };
        if there.entry.is_directory() != placed.entry.is_directory() {
            return Err(conflict(there, "one is a directory, the other is not"));
        }
        let (Owner::Package(former), Owner::Package(name)) = (&there.owner, owner) else {
            return Err(conflict(there, "one of them is no package"));
        };
        let (former, name) = (former.clone(), name.clone());
        let all_of = |placed: &Placed, first: &str| -> Vec<String> {
            let mut names = placed.shared_with.clone();
            names.push(first.to_owned());
            names
        };
        let losers = all_of(there, &former);
        let wins = losers.iter().all(|loser| replaces(&name, loser));
        let loses = losers.iter().any(|winner| replaces(winner, &name));
        match (wins, loses) {
            (true, false) => {
                self.detach(&path);
                self.entries.insert(path.clone(), placed);
                for loser in losers {
                    self.note_replaced(&path, &name, &loser);
                }
                Ok(())
            }
            (false, true) => {
                self.note_replaced(&path, &former, &name);
                Ok(())
            }
            (true, true) => Err(conflict(there, "each declares that it replaces the other")),
            (false, false) => Err(conflict(there, difference(&there.entry, &placed.entry))),
        }
    }

    /// Whether two entries are one thing to a reader of the image, be it under one name or several.
    /// The mode of a link means nothing, and times differ between builds of the same file.
    fn same_thing(&self, first: &Entry, second: &Entry) -> bool {
        let kind = |entry: &Entry| match &entry.kind {
            Kind::Hardlink { target } => self.get(target).map(|file| file.entry.kind.clone()),
            kind => Some(kind.clone()),
        };
        match (kind(first), kind(second)) {
            (Some(first @ Kind::Symlink { .. }), Some(second)) => first == second,
            (Some(first_kind), Some(second_kind)) => {
                first_kind == second_kind && same_attributes(first, second)
            }
            _ => false,
        }
    }

    fn note_replaced(&mut self, path: &TreePath, winner: &str, loser: &str) {
        let replaced = Replaced {
            path: path.clone(),
            winner: winner.to_owned(),
            loser: loser.to_owned(),
        };
        if let Err(index) = self.replaced.binary_search(&replaced) {
            self.replaced.insert(index, replaced);
        }
    }
}

/// Usr-merge, but for a symbolic link that is one of the merged names itself.
fn merge(path: &TreePath, entry: &Entry) -> TreePath {
    match &entry.kind {
        Kind::Symlink { target } => {
            let merged = path.usr_merged();
            match path.link_target(target) {
                Ok(target) if target == merged => path.clone(),
                _ => merged,
            }
        }
        _ => path.usr_merged(),
    }
}

/// Follows linked directories in all of a path.
fn through(path: &TreePath, links: &BTreeMap<TreePath, TreePath>) -> Result<TreePath, TreeError> {
    let mut here = path.clone();
    for _ in 0..MAXIMUM_REWRITES {
        let next = here
            .ancestors()
            .chain([here.clone()])
            .find_map(|prefix| Some((links.get(&prefix)?, prefix)));
        let Some((target, prefix)) = next else {
            return Ok(here);
        };
        let rest = here.as_str()[prefix.as_str().len()..].to_owned();
        here = target.join(&rest)?.usr_merged();
    }
    Err(TreeError::LinkLoop { path: path.clone() })
}

/// Follows linked directories on the way to a path, but not at its end.
fn through_parents(
    path: &TreePath,
    links: &BTreeMap<TreePath, TreePath>,
) -> Result<TreePath, TreeError> {
    match path.parent() {
        Some(parent) if !links.is_empty() => Ok(through(&parent, links)?.join(path.name())?),
        _ => Ok(path.clone()),
    }
}

fn with_owner(error: TreeError, owner: &Owner) -> TreeError {
    match error {
        TreeError::NotADirectory {
            path,
            blocker,
            blocker_owner,
            ..
        } => TreeError::NotADirectory {
            path,
            owner: Box::new(owner.clone()),
            blocker,
            blocker_owner,
        },
        other => other,
    }
}
