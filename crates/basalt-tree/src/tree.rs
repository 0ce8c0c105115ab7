//! The tree itself: what stands where, who brought it, and how links are followed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use basalt_digest::Digest;

use crate::entry::{Entry, Kind, Owner};
use crate::error::TreeError;
use crate::path::{MERGED, TreePath};

/// How many symbolic links may follow each other: Linux' own limit.
const MAXIMUM_LINKS: usize = 40;

/// Where the content of an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a package's fragment.
    Package {
        /// The package.
        package: String,
        /// The path in its listing, which may differ from where it stands (usr-merge, diversion).
        path: TreePath,
    },
    /// Made by Basalt or taken from the spec.
    Inline(Arc<[u8]>),
    /// It has none: a directory, a link, a pipe.
    None,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What stands there.
    pub entry: Entry,
    /// Who brought it, or changed its content last.
    pub owner: Owner,
    /// Where its content is.
    pub source: Source,
    /// Other packages that bring the same directory or the identical file, sorted.
    pub shared_with: Vec<String>,
}

/// Gives content of package files back, from fragments or archives.
pub trait Contents {
    /// The whole content of a regular file by the path it has in the package's listing.
    ///
    /// # Errors
    /// When the package or path is unknown, or its store cannot be read.
    fn read(&self, package: &str, path: &TreePath) -> io::Result<Vec<u8>>;
}

/// A package's file that another package's file took the place of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaced {
    /// Where.
    pub path: TreePath,
    /// The package whose file stands there.
    pub winner: String,
    /// The package whose file does not.
    pub loser: String,
}

/// `dpkg-divert`: files of all packages but one go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Where the file would stand.
    pub from: TreePath,
    /// Where it goes.
    pub to: TreePath,
    /// The package whose own file stays at `from`; `None` for a local diversion.
    pub by: Option<String>,
}

/// The image's files in memory.
///
/// Every entry's parent directories are in it, and nothing stands below a symbolic link or a file.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub(crate) entries: BTreeMap<TreePath, Placed>,
    /// Where hard links stand, or once stood: so that the links of one file are found fast.
    pub(crate) hardlinks: BTreeSet<TreePath>,
    pub(crate) diversions: BTreeMap<TreePath, Diversion>,
    pub(crate) replaced: Vec<Replaced>,
    pub(crate) epoch: i64,
}

impl Tree {
    /// An empty tree. Its directories and generated files get `epoch` as their modification time,
    /// in seconds since 1970.
    pub fn new(epoch: i64) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    /// The modification time of directories and generated files, in seconds since 1970.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// How many entries stand in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What stands at a path; links on the way are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Placed> {
        self.entries.get(path)
    }

    /// Whether something stands at a path; links on the way are not followed.
    pub fn contains(&self, path: &TreePath) -> bool {
        self.entries.contains_key(path)
    }

    /// All entries, sorted by path, so parents come first.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Placed)> {
        self.entries.iter()
    }

    /// A path and all that stands below it, sorted by bytes.
    pub fn iter_within<'a>(
        &'a self,
        directory: &'a TreePath,
    ) -> impl Iterator<Item = (&'a TreePath, &'a Placed)> + 'a {
        let itself = self.entries.get_key_value(directory);
        let prefix = if directory.is_root() {
            String::new()
        } else {
            format!("{}/", directory.as_str())
        };
        // Names such as `usr-x` sort between `usr` and `usr/x`, so begin at the slash.
        let start = TreePath::from_normal(prefix.as_str());
        itself.into_iter().chain(
            self.entries
                .range((Bound::Included(start), Bound::Unbounded))
                .take_while(move |(path, _)| path.as_str().starts_with(&prefix)),
        )
    }

    /// What stands directly in a directory, sorted by name.
    pub fn children<'a>(
        &'a self,
        directory: &'a TreePath,
    ) -> impl Iterator<Item = (&'a TreePath, &'a Placed)> + 'a {
        let depth = if directory.is_root() {
            0
        } else {
            directory.as_str().len() + 1
        };
        self.iter_within(directory).filter(move |(path, _)| {
            path.as_str().len() > depth && !path.as_str()[depth..].contains('/')
        })
    }

    /// Package files that another package's files took the place of, sorted.
    pub fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// Follows every symbolic link on the way to a path and at its end. Names that do not exist are
    /// taken as they are, so the result may be a path where nothing stands.
    ///
    /// # Errors
    /// When links go round in a circle, or a link's target may not stand in an image.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, TreeError> {
        self.follow(path, true)
    }

    /// Follows every symbolic link on the way to a path, but not one at its end.
    ///
    /// # Errors
    /// As [`Tree::resolve`].
    pub fn resolve_parent(&self, path: &TreePath) -> Result<TreePath, TreeError> {
        self.follow(path, false)
    }

    /// What a path leads to when all links are followed, and where that really stands.
    ///
    /// # Errors
    /// As [`Tree::resolve`]; [`TreeError::Missing`] when nothing stands there.
    pub fn get_resolved(&self, path: &TreePath) -> Result<(TreePath, &Placed), TreeError> {
        let real = self.resolve(path)?;
        match self.entries.get(&real) {
            Some(placed) => Ok((real, placed)),
            None => Err(TreeError::Missing { path: path.clone() }),
        }
    }

    fn follow(&self, path: &TreePath, last_too: bool) -> Result<TreePath, TreeError> {
        let mut waiting: VecDeque<String> = path.as_str().split('/').map(str::to_owned).collect();
        let mut here = TreePath::root();
        let mut links = 0;
        while let Some(name) = waiting.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    here = here.parent().unwrap_or_else(TreePath::root);
                    continue;
                }
                _ => {}
            }
            let next = here.join(&name)?;
            let is_last = waiting.is_empty();
            match self.entries.get(&next).map(|placed| &placed.entry.kind) {
                Some(Kind::Symlink { target }) if last_too || !is_last => {
                    links += 1;
                    if links > MAXIMUM_LINKS {
                        return Err(TreeError::LinkLoop { path: path.clone() });
                    }
                    if target.starts_with('/') {
                        here = TreePath::root();
                    }
                    for part in target.rsplit('/') {
                        waiting.push_front(part.to_owned());
                    }
                }
                // Before the merged links are there, their paths are already followed.
                None if here.is_root() && !is_last && MERGED.contains(&name.as_str()) => {
                    here = next.usr_merged();
                }
                _ => here = next,
            }
        }
        Ok(here)
    }

    /// The whole content of the regular file that a path leads to (links are followed), checked
    /// against the digest recorded for it.
    ///
    /// # Errors
    /// When nothing or no file stands there, its content cannot be had, or it was altered.
    pub fn read(&self, path: &TreePath, contents: &dyn Contents) -> Result<Vec<u8>, TreeError> {
        let (real, placed) = self.file(path)?;
        match &placed.source {
            Source::Inline(bytes) => Ok(bytes.to_vec()),
            Source::Package { package, path } => {
                let bytes = contents
                    .read(package, path)
                    .map_err(|cause| TreeError::Content {
                        path: path.clone(),
                        package: package.clone(),
                        cause,
                    })?;
                let found = Digest::of(&bytes);
                match placed.entry.kind {
                    Kind::File { digest, .. } if digest != found => Err(TreeError::Altered {
                        path: real,
                        expected: digest,
                        found,
                    }),
                    _ => Ok(bytes),
                }
            }
            Source::None => Err(TreeError::NotAFile { path: real }),
        }
    }

    /// The regular file that a path leads to when symbolic and hard links are followed.
    ///
    /// # Errors
    /// When nothing or no file stands there.
    pub fn file(&self, path: &TreePath) -> Result<(TreePath, &Placed), TreeError> {
        let (real, placed) = self.get_resolved(path)?;
        match &placed.entry.kind {
            Kind::File { .. } => Ok((real, placed)),
            Kind::Hardlink { target } => match self.entries.get(target) {
                Some(file) => Ok((target.clone(), file)),
                None => Err(TreeError::Missing {
                    path: target.clone(),
                }),
            },
            _ => Err(TreeError::NotAFile { path: real }),
        }
    }
}
