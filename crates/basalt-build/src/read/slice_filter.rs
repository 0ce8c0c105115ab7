//! Slices applied while a package is read: what they keep passes, and what they leave out is noted.

use std::collections::BTreeSet;
use std::io::{self, Read};

use basalt_digest::Digest;
use basalt_lock::LockedPackage;
use basalt_slice::{Filter, Keep};
use basalt_tree::{Entry, Kind, TreePath};
use serde::{Deserialize, Serialize};

use crate::error::BuildError;

/// A path of a package that its slices leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftOutPath {
    /// Where it would stand, after usr-merge.
    pub path: TreePath,
    /// Its length in bytes; 0 for links.
    pub size: u64,
    /// The digest of its content, for regular files.
    pub digest: Option<Digest>,
}

/// What is known of a package while its entries pass.
pub(crate) struct Slicing<'f> {
    filter: &'f Filter,
    matched: BTreeSet<usize>,
    left_out: Vec<LeftOutPath>,
    /// Directories that a slice names; all others are kept for what stands in them.
    named: BTreeSet<TreePath>,
}

impl<'f> Slicing<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        Self {
            filter,
            matched: BTreeSet::new(),
            left_out: Vec::new(),
            named: BTreeSet::new(),
        }
    }

    /// Notes that the package has this path, be it kept or not.
    pub(crate) fn sees(&mut self, path: &TreePath, is_directory: bool) {
        let merged = path.usr_merged();
        for (number, wanted) in self.filter.kept.iter().enumerate() {
            if !self.matched.contains(&number) && wanted.pattern.matches(&merged, is_directory) {
                self.matched.insert(number);
            }
        }
    }

    /// Whether an entry is taken. What is not is noted, with the digest of its content.
    pub(crate) fn takes(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> io::Result<bool> {
        let merged = path.usr_merged();
        let is_directory = entry.is_directory();
        let keep = self.filter.keeps(&merged, is_directory);
        if is_directory {
            if keep != Keep::LeftOut {
                self.named.insert(path.clone());
            }
            return Ok(true);
        }
        if keep != Keep::LeftOut {
            return Ok(true);
        }
        let digest = match entry.kind {
            Kind::File { .. } => Some(Digest::of_reader(content)?.0),
            _ => None,
        };
        self.left_out.push(LeftOutPath {
            path: merged,
            size: entry.size(),
            digest,
        });
        Ok(false)
    }

    /// Whether a file at this path is taken.
    pub(crate) fn keeps_file(&self, path: &TreePath) -> bool {
        self.filter.keeps(&path.usr_merged(), false) != Keep::LeftOut
    }

    /// Takes away directories in which nothing stands any more; returns what was left out.
    pub(crate) fn finish(
        self,
        package: &LockedPackage,
        entries: &mut Vec<(TreePath, Entry)>,
    ) -> Result<Vec<LeftOutPath>, BuildError> {
        // What passes may be made by effects: that is seen when it is taken away.
        let mut wanted = self.filter.kept.iter().enumerate();
        let missed = wanted.find(|(number, one)| !one.optional && !self.matched.contains(number));
        if let Some((_, wanted)) = missed {
            return Err(BuildError::Spec(format!(
                "the slice {}_{} wants {}, and {} {} has nothing there; correct its definition",
                package.name, wanted.slice, wanted.pattern, package.name, package.version
            )));
        }
        let mut needed = self.named;
        for (path, entry) in entries.iter() {
            if !entry.is_directory() || needed.contains(path) {
                needed.extend(path.ancestors());
            }
        }
        entries.retain(|(path, entry)| !entry.is_directory() || needed.contains(path));
        Ok(self.left_out)
    }
}
