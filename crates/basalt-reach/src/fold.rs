//! A package's kept files, written in few patterns.

use std::collections::BTreeSet;

use basalt_tree::{Owner, Placed, Tree, TreePath};

/// A directory so far up is many packages' own, though this image may have one of them alone.
const SHALLOWEST: usize = 3;
/// Directories further down that are many packages' own.
const COMMON: [&str; 2] = ["dist-packages", "lib-dynload"];
/// Fewest files for which a pattern is better than their names.
const FEWEST: usize = 2;

/// One line of what is kept, and the files that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// A path, or a directory with `/**` behind it, without a leading slash. A directory that is kept
    /// for itself ends with a slash.
    pub pattern: String,
    /// What it stands for, sorted.
    pub files: Vec<TreePath>,
}

/// Folds the paths kept of a package: a directory becomes a pattern when all in it is the package's, and
/// all of it is kept. No pattern covers what is not kept, nor anything of another owner.
pub fn fold(tree: &Tree, package: &str, kept: &BTreeSet<TreePath>) -> Vec<Folded> {
    let whole = whole_directories(tree, package, kept);
    let mut lines: Vec<Folded> = Vec::new();
    for path in kept {
        let outermost = path.ancestors().find(|above| whole.contains(above));
        let pattern = match &outermost {
            Some(directory) => format!("{}/**", directory.as_str()),
            None if tree
                .get(path)
                .is_some_and(|placed| placed.entry.is_directory()) =>
            {
                format!("{}/", path.as_str())
            }
            None => path.as_str().to_owned(),
        };
        match lines.last_mut() {
            Some(last) if last.pattern == pattern => last.files.push(path.clone()),
            _ => lines.push(Folded {
                pattern,
                files: vec![path.clone()],
            }),
        }
    }
    // Names such as `a-b` sort between `a` and `a/b`, so one pattern may have come twice.
    lines.sort_by(|a, b| (&a.pattern, &a.files).cmp(&(&b.pattern, &b.files)));
    lines.dedup_by(|later, earlier| {
        let same = later.pattern == earlier.pattern;
        if same {
            earlier.files.append(&mut later.files);
            earlier.files.sort();
        }
        same
    });
    lines
}

/// Directories in which everything is this package's, and kept, and enough to be worth a pattern.
fn whole_directories(tree: &Tree, package: &str, kept: &BTreeSet<TreePath>) -> BTreeSet<TreePath> {
    let candidates: BTreeSet<TreePath> = kept.iter().flat_map(TreePath::ancestors).collect();
    candidates
        .into_iter()
        .filter(|directory| !is_common(directory))
        .filter(|directory| {
            let mut count = 0;
            let all = tree
                .iter_within(directory)
                .filter(|(path, _)| *path != directory)
                .all(|(path, placed)| {
                    let is_leaf = !placed.entry.is_directory();
                    count += usize::from(is_leaf);
                    is_of(placed, package) && (!is_leaf || kept.contains(path))
                });
            let itself = tree
                .get(directory)
                .is_some_and(|placed| is_of(placed, package));
            all && itself && count >= FEWEST
        })
        .collect()
}

fn is_common(directory: &TreePath) -> bool {
    let depth = directory.as_str().split('/').count();
    let name = directory.name();
    depth < SHALLOWEST || COMMON.contains(&name) || name.contains("-linux-gnu")
}

fn is_of(placed: &Placed, package: &str) -> bool {
    matches!(&placed.owner, Owner::Package(name) if name == package)
        && placed.shared_with.is_empty()
}
