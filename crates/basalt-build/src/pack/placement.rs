//! Where what packages bring stands in a tree.

use std::collections::BTreeMap;

use basalt_tree::{Entry, Owner, Placed, Source, Tree, TreePath};

/// Where the entries of one package stand in the tree.
#[derive(Clone, Default)]
pub(crate) struct Standing<'t> {
    /// Its regular files, by the path that the package's listing has.
    pub(crate) files: BTreeMap<&'t TreePath, (&'t TreePath, &'t Entry)>,
    /// Its links and pipes.
    pub(crate) others: Vec<(&'t TreePath, &'t Entry)>,
}

impl<'t> Standing<'t> {
    /// Whether all that stands here stands alike there too.
    pub(crate) fn is_part_of(&self, other: &Standing<'_>) -> bool {
        let held =
            |one: &(&&TreePath, &(&TreePath, &Entry))| other.files.get(*one.0) == Some(one.1);
        self.files.iter().all(|one| held(&one))
            && self.others.iter().all(|one| other.others.contains(one))
    }

    /// What stands here and not there.
    pub(crate) fn without(&self, other: &Standing<'_>) -> Self {
        let mut rest = self.clone();
        rest.files.retain(|from, _| !other.files.contains_key(from));
        rest.others.retain(|one| !other.others.contains(one));
        rest
    }

    /// Where it stands.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'t TreePath> {
        let files = self.files.values().map(|(path, _)| *path);
        files.chain(self.others.iter().map(|(path, _)| *path))
    }
}

/// The tree, sorted by who brings what.
pub(crate) struct Sorted<'t> {
    pub(crate) packages: BTreeMap<&'t str, Standing<'t>>,
    pub(crate) generated: Vec<(&'t TreePath, &'t Placed)>,
    pub(crate) directories: Vec<(&'t TreePath, &'t Placed)>,
}

/// Sorts a tree.
pub(crate) fn sort(tree: &Tree) -> Sorted<'_> {
    let mut sorted = Sorted {
        packages: BTreeMap::new(),
        generated: Vec::new(),
        directories: Vec::new(),
    };
    for (path, placed) in tree.iter() {
        let entry = &placed.entry;
        if entry.is_directory() {
            sorted.directories.push((path, placed));
            continue;
        }
        match (&placed.source, &placed.owner) {
            (
                Source::Package {
                    package,
                    path: from,
                },
                _,
            ) => {
                let standing = sorted.packages.entry(package).or_default();
                standing.files.insert(from, (path, entry));
            }
            (Source::None, Owner::Package(package)) => {
                let standing = sorted.packages.entry(package).or_default();
                standing.others.push((path, entry));
            }
            _ => sorted.generated.push((path, placed)),
        }
    }
    sorted
}
