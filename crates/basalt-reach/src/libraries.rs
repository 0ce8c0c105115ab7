//! Where the dynamic linker finds a library.

use std::collections::BTreeMap;

use basalt_elf::linker_cache::{HARDWARE_DIRECTORY, search_directories};
use basalt_elf::{ElfFacts, ElfKind, ElfLinks, Machine};
use basalt_tree::{Contents, Tree, TreePath, glob};

use crate::error::ReachError;

/// Longest configuration file that is read.
const MAXIMUM_CONFIGURATION: u64 = 1 << 20;

/// The directories of the dynamic linker, and what objects hand down to the libraries they need.
pub(crate) struct Linker {
    /// By machine, in the order of the search.
    directories: BTreeMap<&'static str, Vec<TreePath>>,
    /// `ld.so.conf` and what it includes.
    pub configuration: Vec<TreePath>,
    /// `DT_RPATH` directories that an object was reached with.
    pub inherited: BTreeMap<TreePath, Vec<TreePath>>,
}

/// A name for each machine that has its own directories.
fn key(machine: Machine) -> &'static str {
    match machine {
        Machine::Amd64 => "x86_64-linux-gnu",
        Machine::Arm64 => "aarch64-linux-gnu",
        Machine::I386 => "i386-linux-gnu",
        Machine::Arm => "arm-linux-gnueabihf",
        Machine::Other(_) => "other",
    }
}

impl Linker {
    pub fn new(tree: &Tree, contents: &dyn Contents) -> Result<Self, ReachError> {
        let mut linker = Self {
            directories: BTreeMap::new(),
            configuration: Vec::new(),
            inherited: BTreeMap::new(),
        };
        for machine in [
            Machine::Amd64,
            Machine::Arm64,
            Machine::I386,
            Machine::Arm,
            Machine::Other(0),
        ] {
            let mut read_files = Vec::new();
            let mut failure = None;
            let found = search_directories(
                machine,
                &mut |name| {
                    let path = TreePath::new(name).ok()?;
                    let (_, placed) = tree.file(&path).ok()?;
                    if placed.entry.size() > MAXIMUM_CONFIGURATION {
                        return None;
                    }
                    match tree.read(&path, contents) {
                        Ok(bytes) => {
                            read_files.push(path);
                            Some(String::from_utf8_lossy(&bytes).into_owned())
                        }
                        Err(error) => {
                            failure.get_or_insert(error);
                            None
                        }
                    }
                },
                &mut |pattern| {
                    tree.iter()
                        .filter(|(path, _)| glob::matches(pattern, path))
                        .map(|(path, _)| path.absolute())
                        .collect()
                },
            );
            if let Some(error) = failure {
                return Err(error.into());
            }
            let found = found.map_err(|error| ReachError::Linker {
                cause: error.to_string(),
            })?;
            let directories = found
                .iter()
                .filter_map(|name| directory(tree, name))
                .collect();
            linker.directories.insert(key(machine), directories);
            linker.configuration = read_files;
        }
        Ok(linker)
    }

    /// Whether the linker searches this directory for any machine: what is in it is found by name.
    pub fn searches(&self, directory: &TreePath) -> bool {
        self.directories
            .values()
            .any(|directories| directories.contains(directory))
    }

    /// The directories of one machine, for tables that stand beside libraries.
    pub fn directories(&self, machine: Machine) -> &[TreePath] {
        self.directories
            .get(key(machine))
            .map_or(&[], Vec::as_slice)
    }

    /// The directories that an object hands down: its own `DT_RPATH`, then those it was reached with.
    pub fn handed_down(&self, tree: &Tree, object: &TreePath, links: &ElfLinks) -> Vec<TreePath> {
        let mut list = match (&links.rpath, &links.runpath) {
            (Some(rpath), None) => expand(tree, rpath, object),
            _ => Vec::new(),
        };
        for directory in self.inherited.get(object).into_iter().flatten() {
            if !list.contains(directory) {
                list.push(directory.clone());
            }
        }
        list
    }

    /// The files that answer to a library's name for an object: that of the first directory which has
    /// it, with its variants for newer processors.
    pub fn find(
        &self,
        tree: &Tree,
        name: &str,
        object: &TreePath,
        facts: &ElfFacts,
        links: &ElfLinks,
    ) -> Vec<TreePath> {
        if name.contains('/') {
            let path = substitute(name, object);
            return TreePath::new(&path)
                .ok()
                .filter(|path| path_is(tree, path, facts))
                .into_iter()
                .collect();
        }
        let mut search = Vec::new();
        match &links.runpath {
            Some(runpath) => search.extend(expand(tree, runpath, object)),
            None => search.extend(self.handed_down(tree, object, links)),
        }
        if !links.no_default_directories {
            search.extend_from_slice(self.directories(facts.machine));
        }
        for directory in &search {
            let found = in_directory(tree, directory, name, facts);
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// The library of this name in a directory, with its variants for newer processors.
fn in_directory(tree: &Tree, directory: &TreePath, name: &str, facts: &ElfFacts) -> Vec<TreePath> {
    let mut candidates = Vec::new();
    if let Ok(hardware) = directory.join(HARDWARE_DIRECTORY)
        && tree.contains(&hardware)
    {
        candidates.extend(
            tree.children(&hardware)
                .filter_map(|(variant, _)| variant.join(name).ok()),
        );
    }
    candidates.extend(directory.join(name));
    candidates.retain(|path| path_is(tree, path, facts));
    candidates
}

/// Whether a path leads to a library that this object can load.
fn path_is(tree: &Tree, path: &TreePath, facts: &ElfFacts) -> bool {
    tree.file(path).is_ok_and(|(_, placed)| {
        placed.entry.elf.as_ref().is_some_and(|library| {
            library.machine == facts.machine
                && library.is_64 == facts.is_64
                && library.kind != ElfKind::Other
        })
    })
}

/// The directories of a search path that are there.
fn expand(tree: &Tree, search: &str, object: &TreePath) -> Vec<TreePath> {
    search
        .split(':')
        .filter_map(|part| directory(tree, &substitute(part, object)))
        .collect()
}

/// `$ORIGIN` is the object's own directory.
fn substitute(text: &str, object: &TreePath) -> String {
    let origin = object
        .parent()
        .map_or_else(String::new, |parent| parent.absolute());
    text.replace("${ORIGIN}", &origin)
        .replace("$ORIGIN", &origin)
}

/// A directory by a name that may have `..` in it, all links followed.
fn directory(tree: &Tree, name: &str) -> Option<TreePath> {
    if !name.starts_with('/') {
        return None;
    }
    let path = TreePath::root().link_target(name).ok()?;
    let (real, placed) = tree.get_resolved(&path).ok()?;
    placed.entry.is_directory().then_some(real)
}
