//! What of packages does not stand in an image.

use basalt_tree::{Kind, Tree};

use crate::read::package::{ReadPackage, packed_path};
use crate::read::slice_filter::LeftOutPath;

/// What of a package does not stand in the tree of an image that is minimized.
pub(crate) fn left_out(tree: &Tree, package: &ReadPackage) -> Vec<LeftOutPath> {
    let entries = package.listing.entries.iter();
    entries
        .filter(|(_, entry)| !entry.is_directory())
        .map(|(path, entry)| (packed_path(path, entry), entry))
        .filter(|(path, _)| !tree.contains(path))
        .map(|(path, entry)| LeftOutPath {
            path,
            size: entry.size(),
            digest: match entry.kind {
                Kind::File { digest, .. } => Some(digest),
                _ => None,
            },
        })
        .collect()
}
