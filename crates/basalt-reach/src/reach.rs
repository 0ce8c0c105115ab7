//! The question and its answer.

use std::collections::{BTreeMap, BTreeSet};

use basalt_tree::{Contents, Tree, TreePath};

use crate::error::ReachError;
use crate::finish;
use crate::reason::Reason;
use crate::walk::Walk;

/// From where files are to be reached. All are patterns as in [`basalt_tree::glob`]; a directory stands
/// for all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// What is reached to begin with; each must match something.
    pub roots: Vec<String>,
    /// What is reached too, where it is there.
    pub keep: Vec<String>,
    /// What is never reached, but as a root or kept: a way that is not to be followed.
    pub leave_out: Vec<String>,
}

/// How a file is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Why.
    pub reason: Reason,
    /// The file that leads to it; none for what is reached by itself.
    pub from: Option<TreePath>,
    /// Whether it is certain to be used; else it is named, or imported under some condition.
    pub certain: bool,
}

/// Something that only a run, or a person, can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is not known.
    pub text: String,
    /// The path that it is about, where there is one.
    pub about: Option<TreePath>,
    /// The files in which it was seen, sorted.
    pub seen: Vec<TreePath>,
}

/// What is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files, links and empty directories, with why each is reached. Directories above them are not
    /// listed.
    pub reached: BTreeMap<TreePath, Reached>,
    /// Which file leads to which, and whether the second is certain to be used with the first.
    pub edges: BTreeMap<(TreePath, TreePath), bool>,
    /// What cannot be known, sorted.
    pub questions: Vec<Question>,
    /// Names met that are no file of the image (a module built into the interpreter or of another
    /// system, an optional library), each with the files that name it.
    pub absent: BTreeMap<String, BTreeSet<TreePath>>,
    /// What was met and is left out by the wish, with the file that led to it.
    pub left_out: BTreeMap<TreePath, TreePath>,
}

impl Reach {
    /// How a path is reached, step by step back to where it began.
    pub fn chain(&self, path: &TreePath) -> Vec<(&TreePath, &Reached)> {
        let mut chain = Vec::new();
        let mut next = self.reached.get_key_value(path);
        while let Some((path, reached)) = next {
            // Each step was reached before the one it leads to; the bound is for a changed record.
            if chain.len() > self.reached.len() {
                break;
            }
            chain.push((path, reached));
            next = reached
                .from
                .as_ref()
                .and_then(|from| self.reached.get_key_value(from));
        }
        chain
    }
}

/// Finds what is reached in a tree.
///
/// # Errors
/// When a root matches nothing, a program cannot start for want of a library or of a version in it, or
/// a file cannot be read.
pub fn reach(tree: &Tree, contents: &dyn Contents, wish: &Wish) -> Result<Reach, ReachError> {
    let mut walk = Walk::new(tree, contents, wish)?;
    walk.seed()?;
    walk.run()?;
    finish::finish(walk)
}
