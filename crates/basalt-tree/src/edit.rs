//! Changing a tree after its packages are in: generated files, removal, attributes, renames.

use std::collections::BTreeMap;
use std::sync::Arc;

use basalt_digest::Digest;

use crate::entry::{Entry, Kind, Owner};
use crate::error::TreeError;
use crate::path::{MERGED, TreePath};
use crate::sharing::merge_directories;
use crate::tree::{Placed, Source, Tree};

/// Attributes to change; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, `0o7777` at most.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// All extended attributes by full name.
    pub xattrs: Option<BTreeMap<String, Vec<u8>>>,
}

impl Tree {
    /// Places something that no package brings. Links on the way are followed, missing parent
    /// directories are made, and the modification time becomes the epoch. For a regular file, size
    /// and digest are those of `bytes`; for all else `bytes` is not looked at. A directory that is
    /// already there is kept as it is.
    ///
    /// Returns where it really stands.
    ///
    /// # Errors
    /// [`TreeError::Occupied`] when anything else stands there; use [`Tree::overwrite_generated`]
    /// when it shall be replaced.
    pub fn insert_generated(
        &mut self,
        path: &TreePath,
        entry: Entry,
        bytes: impl Into<Arc<[u8]>>,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        let place = self.resolve_parent(path)?;
        if place.is_root() && entry.is_directory() {
            return Ok(place);
        }
        if let Some(there) = self.entries.get(&place) {
            // A directory may be reached through a link that another package brings.
            let is_directory = self
                .get_resolved(&place)
                .is_ok_and(|(_, placed)| placed.entry.is_directory());
            if entry.is_directory() && is_directory {
                return self.resolve(&place);
            }
            return Err(TreeError::Occupied {
                path: place,
                owner: Box::new(there.owner.clone()),
                wanted_by: Box::new(owner),
            });
        }
        self.place_generated(place, entry, bytes.into(), owner)
    }

    /// As [`Tree::insert_generated`], but replaces a file, link or pipe that is there. A directory
    /// that is there gets the attributes of `entry` if that is a directory too.
    ///
    /// # Errors
    /// When a non-empty directory would be replaced, or no place can be made.
    pub fn overwrite_generated(
        &mut self,
        path: &TreePath,
        entry: Entry,
        bytes: impl Into<Arc<[u8]>>,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        let place = self.resolve_parent(path)?;
        if place.is_root() && entry.is_directory() {
            return Ok(place);
        }
        if let Some(there) = self.entries.get_mut(&place) {
            if there.entry.is_directory() {
                if !entry.is_directory() {
                    return Err(TreeError::Occupied {
                        path: place,
                        owner: Box::new(there.owner.clone()),
                        wanted_by: Box::new(owner),
                    });
                }
                let mtime = there.entry.mtime;
                there.entry = Entry { mtime, ..entry };
                return Ok(place);
            }
            self.detach(&place);
            self.entries.remove(&place);
        }
        self.place_generated(place, entry, bytes.into(), owner)
    }

    fn place_generated(
        &mut self,
        place: TreePath,
        mut entry: Entry,
        bytes: Arc<[u8]>,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        if let Kind::Hardlink { target } = &entry.kind {
            if !matches!(self.get(target), Some(file) if matches!(file.entry.kind, Kind::File { .. }))
            {
                return Err(TreeError::NotAFile {
                    path: target.clone(),
                });
            }
            self.hardlinks.insert(place.clone());
        }
        if let Some(parent) = place.parent() {
            self.make_parents(&parent, &place, &owner)?;
        }
        entry.mtime = self.epoch;
        entry.mode &= 0o7777;
        let source = if let Kind::File { .. } = entry.kind {
            entry.kind = Kind::File {
                size: bytes.len() as u64,
                digest: Digest::of(&bytes),
            };
            Source::Inline(bytes)
        } else {
            Source::None
        };
        let placed = Placed {
            entry,
            owner,
            source,
            shared_with: Vec::new(),
        };
        self.entries.insert(place.clone(), placed);
        Ok(place)
    }

    /// A generated regular file, owned by root; see [`Tree::insert_generated`].
    ///
    /// # Errors
    /// As there.
    pub fn insert_file(
        &mut self,
        path: &TreePath,
        bytes: impl Into<Arc<[u8]>>,
        mode: u32,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        self.insert_generated(path, file(mode), bytes, owner)
    }

    /// Writes a file's content, whether one is there or not. One that is there keeps its mode, ids
    /// and extended attributes and gets `owner`; a symbolic link at its end is followed. A new one
    /// is root's, with `mode`.
    ///
    /// # Errors
    /// When a directory stands there, or no place can be made.
    pub fn write_file(
        &mut self,
        path: &TreePath,
        bytes: impl Into<Arc<[u8]>>,
        mode: u32,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        let real = self.resolve(path)?;
        let entry = match self.file(&real) {
            Ok((_, there)) => Entry {
                elf: None,
                kind: file(0).kind,
                ..there.entry.clone()
            },
            Err(_) => file(mode),
        };
        self.overwrite_generated(&real, entry, bytes, owner)
    }

    /// A generated symbolic link; see [`Tree::insert_generated`].
    ///
    /// # Errors
    /// As there.
    pub fn insert_symlink(
        &mut self,
        path: &TreePath,
        target: &str,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        let kind = Kind::Symlink {
            target: target.to_owned(),
        };
        self.insert_generated(path, Entry::new(kind, 0o777, 0), Vec::new(), owner)
    }

    /// Makes a directory and its parents, root's and with mode 0755, unless they are there. Links
    /// are followed. Returns where it really stands.
    ///
    /// # Errors
    /// When something that is no directory stands in the way.
    pub fn ensure_directory(
        &mut self,
        path: &TreePath,
        owner: Owner,
    ) -> Result<TreePath, TreeError> {
        let real = self.resolve(path)?;
        self.make_parents(&real, &real, &owner)?;
        Ok(real)
    }

    /// Makes the links `/bin`, `/lib` and so on into `/usr`, each where its directory in `/usr`
    /// exists and no package brings the link.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn ensure_merged_links(&mut self, owner: &Owner) -> Result<(), TreeError> {
        for name in MERGED {
            let path = TreePath::from_normal(name);
            let target = path.usr_merged();
            if self.contains(&target) && !self.contains(&path) {
                self.insert_symlink(&path, target.as_str(), owner.clone())?;
            }
        }
        Ok(())
    }

    /// Makes `directory` and what is missing above it; `wanted` is what will stand there.
    pub(crate) fn make_parents(
        &mut self,
        directory: &TreePath,
        wanted: &TreePath,
        owner: &Owner,
    ) -> Result<(), TreeError> {
        if directory.is_root() {
            return Ok(());
        }
        for path in directory.ancestors().chain([directory.clone()]) {
            match self.entries.get(&path) {
                Some(there) if there.entry.is_directory() => {}
                Some(there) => {
                    return Err(TreeError::NotADirectory {
                        path: wanted.clone(),
                        owner: Box::new(owner.clone()),
                        blocker: path,
                        blocker_owner: Box::new(there.owner.clone()),
                    });
                }
                None => {
                    let placed = Placed {
                        entry: Entry::new(Kind::Directory, 0o755, self.epoch),
                        owner: owner.clone(),
                        source: Source::None,
                        shared_with: Vec::new(),
                    };
                    self.entries.insert(path, placed);
                }
            }
        }
        Ok(())
    }

    /// Takes a path away, with all that stands below it. Links are not followed. Another name of a
    /// file that goes stays, with its content. Returns how many entries went.
    pub fn remove(&mut self, path: &TreePath) -> usize {
        let gone: Vec<TreePath> = self
            .iter_within(path)
            .map(|(path, _)| path.clone())
            .collect();
        for path in &gone {
            self.detach(path);
            self.entries.remove(path);
        }
        gone.len()
    }

    /// Changes attributes of what stands at a path; links are not followed, but all names of a file
    /// with several change together, as they are one file.
    ///
    /// # Errors
    /// [`TreeError::Missing`] when nothing stands there.
    pub fn set_attributes(
        &mut self,
        path: &TreePath,
        attributes: &Attributes,
    ) -> Result<(), TreeError> {
        for name in self.names_of(path)? {
            let Some(placed) = self.entries.get_mut(&name) else {
                continue;
            };
            let entry = &mut placed.entry;
            entry.mode = attributes.mode.map_or(entry.mode, |mode| mode & 0o7777);
            entry.uid = attributes.uid.unwrap_or(entry.uid);
            entry.gid = attributes.gid.unwrap_or(entry.gid);
            if let Some(xattrs) = &attributes.xattrs {
                entry.xattrs = xattrs.clone();
            }
        }
        Ok(())
    }

    /// All names of the file at a path: itself, and for a file with hard links all of them.
    fn names_of(&self, path: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let placed = self
            .get(path)
            .ok_or_else(|| TreeError::Missing { path: path.clone() })?;
        let file = match &placed.entry.kind {
            Kind::Hardlink { target } => target.clone(),
            Kind::File { .. } => path.clone(),
            _ => return Ok(vec![path.clone()]),
        };
        let mut names = self.hardlinks_to(&file);
        names.insert(0, file);
        Ok(names)
    }

    /// Moves a file, link or pipe (not a directory) to another path, as a diversion does.
    ///
    /// # Errors
    /// When nothing or a directory stands at `from`, or anything at `to`.
    pub fn rename(&mut self, from: &TreePath, to: &TreePath) -> Result<(), TreeError> {
        let from = self.resolve_parent(from)?;
        let to = self.resolve_parent(to)?;
        let placed = self
            .get(&from)
            .ok_or_else(|| TreeError::Missing { path: from.clone() })?;
        let owner = placed.owner.clone();
        if placed.entry.is_directory() {
            return Err(TreeError::NotAFile { path: from });
        }
        if let Some(there) = self.get(&to) {
            return Err(TreeError::Occupied {
                path: to,
                owner: Box::new(there.owner.clone()),
                wanted_by: Box::new(owner),
            });
        }
        if let Some(parent) = to.parent() {
            self.make_parents(&parent, &to, &owner)?;
        }
        for link in self.hardlinks_to(&from) {
            if let Some(placed) = self.entries.get_mut(&link) {
                placed.entry.kind = Kind::Hardlink { target: to.clone() };
            }
        }
        if let Some(placed) = self.entries.remove(&from) {
            if self.hardlinks.remove(&from) {
                self.hardlinks.insert(to.clone());
            }
            self.entries.insert(to, placed);
        }
        Ok(())
    }

    /// Moves all that stands below a directory to below another, which is made if it is not there: as if
    /// what brought it had met a link to that other directory. Directories merge. Returns how many files,
    /// links and pipes were moved.
    ///
    /// # Errors
    /// When something else stands where one of them goes, or one directory is within the other.
    pub fn move_below(&mut self, from: &TreePath, to: &TreePath) -> Result<usize, TreeError> {
        let from = self.resolve(from)?;
        let to = self.resolve(to)?;
        let below: Vec<(TreePath, Placed)> = self
            .iter_within(&from)
            .filter(|(path, _)| **path != from)
            .map(|(path, placed)| (path.clone(), placed.clone()))
            .collect();
        let Some(owner) = below.first().map(|(_, placed)| placed.owner.clone()) else {
            return Ok(0);
        };
        if to.is_within(&from) || from.is_within(&to) {
            return Err(TreeError::LinkLoop { path: from });
        }
        self.make_parents(&to, &to, &owner)?;
        let moved = |path: &TreePath| match path.is_within(&from) {
            true => to.join(path.as_str().get(from.as_str().len()..).unwrap_or_default()),
            false => Ok(path.clone()),
        };
        let mut count = 0;
        for (path, mut placed) in below {
            self.entries.remove(&path);
            let is_link = self.hardlinks.remove(&path);
            let place = moved(&path)?;
            match self.entries.get_mut(&place) {
                Some(there) if there.entry.is_directory() && placed.entry.is_directory() => {
                    merge_directories(there, placed);
                    continue;
                }
                Some(there) => {
                    return Err(TreeError::Occupied {
                        path: place,
                        owner: Box::new(there.owner.clone()),
                        wanted_by: Box::new(placed.owner),
                    });
                }
                None => {}
            }
            if let Kind::Hardlink { target } = &mut placed.entry.kind {
                *target = moved(target)?;
            }
            if is_link {
                self.hardlinks.insert(place.clone());
            }
            count += usize::from(!placed.entry.is_directory());
            self.entries.insert(place, placed);
        }
        // Links from elsewhere to what was moved.
        for link in &self.hardlinks {
            if let Some(placed) = self.entries.get_mut(link)
                && let Kind::Hardlink { target } = &mut placed.entry.kind
            {
                *target = moved(target)?;
            }
        }
        Ok(count)
    }

    /// The hard links whose file stands at a path.
    fn hardlinks_to(&self, file: &TreePath) -> Vec<TreePath> {
        let names_it = |link: &&TreePath| {
            matches!(
                self.entries.get(*link).map(|placed| &placed.entry.kind),
                Some(Kind::Hardlink { target }) if target == file
            )
        };
        self.hardlinks.iter().filter(names_it).cloned().collect()
    }

    /// Before the file at a path goes: its first other name becomes the file.
    pub(crate) fn detach(&mut self, path: &TreePath) {
        let Some(file) = self.entries.get(path) else {
            return;
        };
        if !matches!(file.entry.kind, Kind::File { .. }) {
            return;
        }
        let (kind, elf, source) = (
            file.entry.kind.clone(),
            file.entry.elf.clone(),
            file.source.clone(),
        );
        let mut links = self.hardlinks_to(path).into_iter();
        let Some(heir) = links.next() else {
            return;
        };
        if let Some(placed) = self.entries.get_mut(&heir) {
            placed.entry.kind = kind;
            placed.entry.elf = elf;
            placed.source = source;
        }
        for link in links {
            if let Some(placed) = self.entries.get_mut(&link) {
                placed.entry.kind = Kind::Hardlink {
                    target: heir.clone(),
                };
            }
        }
    }
}

/// A root-owned regular file whose size and digest are filled in when it is placed.
fn file(mode: u32) -> Entry {
    let kind = Kind::File {
        size: 0,
        digest: Digest::from_bytes([0; 32]),
    };
    Entry::new(kind, mode, 0)
}
