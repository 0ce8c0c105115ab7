//! Diversions of packages that ship what they divert: known before any package is unpacked.
//!
//! A package's preinst diverts a path, and the package then ships its own file there (dpkg-divert(1)). dpkg
//! puts that file at the path and all others' files where the path is diverted to, whichever package is first.

use std::collections::{BTreeMap, BTreeSet};

use basalt_effects::{Effect, Explanation};
use basalt_tree::{Diversion, Tree, TreePath};

use crate::error::BuildError;
use crate::read::package::ReadPackage;

/// Declares them. A diversion of what the package does not ship itself moves others' files later, when
/// effects are applied; so does one that is made after unpacking, or only where something else holds.
///
/// # Errors
/// When two packages divert one path, as `dpkg-divert` refuses.
pub(crate) fn declare(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
    explanations: &[Explanation],
) -> Result<(), BuildError> {
    for explanation in explanations {
        let mut wanted: Vec<(TreePath, TreePath)> = Vec::new();
        for effect in &explanation.effects {
            if let Effect::Diversion {
                from,
                to,
                if_directory: None,
            } = effect
                && !is_late(explanation, effect)
            {
                wanted.push((
                    TreePath::new(from)?.usr_merged(),
                    TreePath::new(to)?.usr_merged(),
                ));
            }
        }
        if wanted.is_empty() {
            continue;
        }
        let Some(read) = packages.get(&explanation.package) else {
            continue;
        };
        let listed = read.listing.entries.iter();
        let shipped: BTreeSet<TreePath> = listed
            .filter(|(_, entry)| !entry.is_directory())
            .map(|(path, _)| path.usr_merged())
            .collect();
        for (from, to) in wanted {
            if shipped.contains(&from) {
                let by = Some(explanation.package.clone());
                tree.declare_diversion(Diversion { from, to, by })?;
            }
        }
    }
    Ok(())
}

/// Whether it is the postinst that diverts.
fn is_late(explanation: &Explanation, effect: &Effect) -> bool {
    let of = |name: &str| {
        let mut scripts = explanation.scripts.iter();
        scripts.any(|script| {
            let mut lines = script.lines.iter();
            script.name == name && lines.any(|line| line.effects.contains(effect))
        })
    };
    of("postinst") && !of("preinst")
}
