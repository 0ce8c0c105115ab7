//! The dynamic linker's cache, written again once files are gone.

use basalt_effects::{Effect, Writer};
use basalt_tree::{Owner, Tree, TreePath};

/// The effect that wrote the linker's cache, to be applied once more.
pub(crate) fn linker_cache(tree: &Tree) -> Vec<(String, Vec<Effect>)> {
    let cache = TreePath::new("etc/ld.so.cache").ok();
    let owner = cache.and_then(|path| Some(tree.get(&path)?.owner.clone()));
    match owner {
        Some(Owner::Effect { package, .. }) => {
            let writer = Writer::LinkerCache;
            vec![(package, vec![Effect::Run { writer }])]
        }
        _ => Vec::new(),
    }
}
