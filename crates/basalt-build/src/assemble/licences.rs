//! The licence texts that many packages share: an image has those that its packages' copyright files name.

use std::collections::BTreeSet;

use basalt_tree::{Kind, Owner, Tree, TreePath};

use crate::error::BuildError;
use crate::read::copyright::COMMON;
use crate::read::package::ReadPackage;

/// Takes the texts away that no package of the image names.
pub(crate) fn take_away<'p>(
    tree: &mut Tree,
    packages: impl Iterator<Item = &'p ReadPackage>,
) -> Result<(), BuildError> {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for read in packages {
        // The package that brings the texts speaks of their folder, and needs none of them for that.
        let brings_them = read
            .listing
            .entries
            .iter()
            .any(|(path, _)| path.as_str().starts_with(COMMON));
        let own = read.licences.iter().map(String::as_str);
        named.extend(own.filter(|name| !(brings_them && name.is_empty())));
    }
    if named.contains("") {
        return Ok(());
    }
    let mut kept: BTreeSet<TreePath> = BTreeSet::new();
    for name in named {
        let path = TreePath::new(&format!("{COMMON}{name}"))?;
        // The text behind `GPL` is that of its newest version.
        if let Ok(text) = tree.resolve(&path) {
            kept.insert(text);
        }
        kept.insert(path);
    }
    let gone: Vec<TreePath> = tree
        .iter()
        .filter(|(path, placed)| {
            let is_text = matches!(placed.entry.kind, Kind::File { .. } | Kind::Symlink { .. });
            path.as_str().starts_with(COMMON)
                && is_text
                && matches!(placed.owner, Owner::Package(_))
                && !kept.contains(*path)
        })
        .map(|(path, _)| path.clone())
        .collect();
    for path in gone {
        tree.remove(&path);
    }
    Ok(())
}
