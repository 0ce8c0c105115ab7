//! What every writer works with: the tree, where content comes from, and who is at work.

use basalt_tree::{Attributes, Contents, Entry, Kind, Owner, Tree, TreeError, TreePath};

use super::Context;
use super::error::ApplyError;
use crate::effect::Effect;

/// The largest text file of the image that is read as a whole: 4 MiB.
const MAXIMUM_TEXT: u64 = 4 << 20;

/// One effect and the package that wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub package: &'a str,
    pub effect: &'a Effect,
}

/// The tree with its contents, and the context.
pub(super) struct Work<'a> {
    pub tree: &'a mut Tree,
    pub contents: &'a dyn Contents,
    pub context: &'a mut Context,
}

/// The owner of what an effect makes.
pub(super) fn owned(package: &str, effect: impl Into<String>) -> Owner {
    Owner::Effect {
        package: package.to_owned(),
        effect: effect.into(),
    }
}

/// A path of an effect or of a file of the tree.
pub(super) fn place(text: &str, owner: &Owner) -> Result<TreePath, ApplyError> {
    TreePath::new(text).map_err(|cause| ApplyError::Path {
        wanted_by: owner.to_string(),
        cause,
    })
}

impl<'a> Work<'a> {
    pub fn new(tree: &'a mut Tree, contents: &'a dyn Contents, context: &'a mut Context) -> Self {
        Self {
            tree,
            contents,
            context,
        }
    }

    /// The content of the file at a path, following links; `None` when nothing is there.
    pub fn read(&self, path: &str, owner: &Owner) -> Result<Option<Vec<u8>>, ApplyError> {
        let place = place(path, owner)?;
        let (_, file) = match self.tree.file(&place) {
            Ok(found) => found,
            Err(TreeError::Missing { .. }) => return Ok(None),
            Err(cause) => return Err(failed(owner, cause)),
        };
        if file.entry.size() > MAXIMUM_TEXT {
            return Err(ApplyError::Malformed {
                path: path.to_owned(),
                line: 0,
                cause: "it is larger than 4 MiB".to_owned(),
            });
        }
        self.tree
            .read(&place, self.contents)
            .map(Some)
            .map_err(|cause| failed(owner, cause))
    }

    /// As [`Work::read`], as text.
    pub fn read_text(&self, path: &str, owner: &Owner) -> Result<Option<String>, ApplyError> {
        let Some(bytes) = self.read(path, owner)? else {
            return Ok(None);
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                Err(ApplyError::Malformed {
                    path: path.to_owned(),
                    line: good.iter().filter(|byte| **byte == b'\n').count() + 1,
                    cause: "it is no UTF-8 text".to_owned(),
                })
            }
        }
    }

    /// Whether something stands where a path leads, following links.
    pub fn exists(&self, path: &str) -> bool {
        TreePath::new(path).is_ok_and(|path| self.tree.get_resolved(&path).is_ok())
    }

    /// Whether anything stands at a path, a dangling link included.
    pub fn exists_unresolved(&self, path: &str) -> bool {
        let Ok(path) = TreePath::new(path) else {
            return false;
        };
        self.tree
            .resolve_parent(&path)
            .is_ok_and(|real| self.tree.contains(&real))
    }

    /// Whether a symbolic link stands at a path.
    pub fn is_link(&self, path: &str, owner: &Owner) -> Result<bool, ApplyError> {
        let real = self
            .tree
            .resolve_parent(&place(path, owner)?)
            .map_err(|cause| failed(owner, cause))?;
        Ok(self
            .tree
            .get(&real)
            .is_some_and(|placed| matches!(placed.entry.kind, Kind::Symlink { .. })))
    }

    /// Whether a path leads to a directory, following links.
    pub fn is_directory(&self, path: &str) -> bool {
        TreePath::new(path).is_ok_and(|path| {
            let found = self.tree.get_resolved(&path);
            found.is_ok_and(|(_, placed)| placed.entry.is_directory())
        })
    }

    /// Where a path leads when all links are followed, as absolute path.
    pub fn real(&self, path: &str, owner: &Owner) -> Result<String, ApplyError> {
        let place = place(path, owner)?;
        self.tree
            .resolve(&place)
            .map(|real| real.absolute())
            .map_err(|cause| failed(owner, cause))
    }

    /// Names of the files (links to files too) directly in a directory, sorted by bytes.
    pub fn files_in(&self, directory: &str, owner: &Owner) -> Result<Vec<String>, ApplyError> {
        let place = place(directory, owner)?;
        let real = self
            .tree
            .resolve(&place)
            .map_err(|cause| failed(owner, cause))?;
        Ok(self
            .tree
            .children(&real)
            .filter(|(path, _)| self.tree.file(path).is_ok())
            .map(|(path, _)| path.name().to_owned())
            .collect())
    }

    /// Writes a file if its content differs from what is there, so that a second run changes
    /// nothing. One that is there keeps its mode and ids.
    pub fn write(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        mode: u32,
        owner: &Owner,
    ) -> Result<(), ApplyError> {
        if self.read(path, owner)?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        let place = place(path, owner)?;
        self.tree
            .write_file(&place, bytes, mode, owner.clone())
            .map(drop)
            .map_err(|cause| failed(owner, cause))
    }

    /// Makes a symbolic link, or points one that is there elsewhere. A file or directory that is
    /// there is in the way.
    pub fn link(&mut self, path: &str, target: &str, owner: &Owner) -> Result<(), ApplyError> {
        let place = place(path, owner)?;
        let real = self
            .tree
            .resolve_parent(&place)
            .map_err(|cause| failed(owner, cause))?;
        if let Some(there) = self.tree.get(&real) {
            match &there.entry.kind {
                Kind::Symlink { target: old } if old == target => return Ok(()),
                Kind::Symlink { .. } => {
                    self.tree.remove(&real);
                }
                _ => {
                    let cause = TreeError::Occupied {
                        path: real,
                        owner: Box::new(there.owner.clone()),
                        wanted_by: Box::new(owner.clone()),
                    };
                    return Err(failed(owner, cause));
                }
            }
        }
        self.tree
            .insert_symlink(&place, target, owner.clone())
            .map(drop)
            .map_err(|cause| failed(owner, cause))
    }

    /// Makes a directory with these attributes; one that is there gets them. Returns whether it
    /// was made or changed.
    pub fn directory(
        &mut self,
        path: &str,
        attributes: &Attributes,
        owner: &Owner,
    ) -> Result<(), ApplyError> {
        let place = place(path, owner)?;
        let made = !self.exists(path);
        let real = if made {
            let entry = Entry::new(Kind::Directory, 0o755, self.context.epoch);
            self.tree.resolve(&place).and_then(|real| {
                self.tree
                    .insert_generated(&real, entry, Vec::new(), owner.clone())
            })
        } else {
            self.tree.ensure_directory(&place, owner.clone())
        };
        let real = real.map_err(|cause| failed(owner, cause))?;
        self.tree
            .set_attributes(&real, attributes)
            .map_err(|cause| failed(owner, cause))
    }

    /// Changes the owner of the link at a path.
    pub fn attributes_of_link(
        &mut self,
        path: &str,
        attributes: &Attributes,
        owner: &Owner,
    ) -> Result<(), ApplyError> {
        let place = place(path, owner)?;
        let of_link = Attributes {
            uid: attributes.uid,
            gid: attributes.gid,
            ..Attributes::default()
        };
        self.tree
            .resolve_parent(&place)
            .and_then(|real| self.tree.set_attributes(&real, &of_link))
            .map_err(|cause| failed(owner, cause))
    }

    /// Changes attributes of what a path leads to, following links.
    pub fn attributes(
        &mut self,
        path: &str,
        attributes: &Attributes,
        owner: &Owner,
    ) -> Result<(), ApplyError> {
        let place = place(path, owner)?;
        self.tree
            .get_resolved(&place)
            .map(|(real, _)| real)
            .and_then(|real| self.tree.set_attributes(&real, attributes))
            .map_err(|cause| failed(owner, cause))
    }
}

/// A tree's error, with who was at work.
pub(super) fn failed(owner: &Owner, cause: TreeError) -> ApplyError {
    ApplyError::Tree {
        wanted_by: owner.to_string(),
        cause,
    }
}
