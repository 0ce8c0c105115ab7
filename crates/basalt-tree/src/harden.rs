//! Hardening: what a fresh installation leaves that an image must not have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::edit::Attributes;
use crate::entry::{Entry, Kind, Owner};
use crate::error::TreeError;
use crate::glob;
use crate::path::TreePath;
use crate::tree::{Placed, Source, Tree};

/// What hardening leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardenPolicy {
    /// Files that keep setuid and setgid bits: patterns such as `/usr/bin/sudo`.
    pub keep_setuid: Vec<String>,
    /// Files kept although they are logs or caches: patterns.
    pub keep: Vec<String>,
    /// Whether what a package ships is kept although it stands among what a machine leaves behind: dpkg
    /// unpacks it, and no machine made it.
    pub keep_shipped: bool,
}

/// One thing that hardening changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardened {
    /// Where.
    pub path: TreePath,
    /// Who brought it.
    pub owner: Owner,
    /// What was changed.
    pub change: Change,
}

/// What hardening did to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Permission bits, former and new.
    Mode {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// A log, a cache or a backup was taken away.
    Removed,
    /// Content that is to differ between machines was emptied.
    Emptied,
}

impl fmt::Display for Hardened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path.absolute())?;
        match &self.change {
            Change::Mode { from, to } => write!(f, "has mode {to:04o}, not {from:04o}"),
            Change::Removed => f.write_str("is left out"),
            Change::Emptied => f.write_str("is empty"),
        }
    }
}

const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_ALL: u32 = 0o002;

/// Files that tell of one machine's past. Directories and links stay, as
/// programs expect them.
const LEFT_OVERS: [&str; 14] = [
    "/run/**",
    "/tmp/**",
    "/var/cache/apt/**",
    "/var/cache/debconf/*-old",
    "/var/cache/fontconfig/**",
    "/var/cache/ldconfig/**",
    "/var/cache/man/**",
    "/var/lib/apt/lists/**",
    "/var/lib/dpkg/*-old",
    "/var/lib/systemd/random-seed",
    "/var/log/**",
    "/var/tmp/**",
    "/etc/*-",
    "/var/lib/dbus/machine-id",
];

/// Must be empty, so that each machine gets its own (machine-id(5)).
const MACHINE_ID: &str = "etc/machine-id";

/// Hardens a tree. Modes that the spec sets are hardened too: a spec that wants a
/// setuid file names it in the policy. Returns what was changed, sorted by path.
///
/// - setuid and setgid bits of files go, unless kept by name; of directories they stay.
/// - What all may write loses that permission, except directories with the sticky bit.
/// - Logs, caches and backups go, unless the spec brought them, or a package did and the policy keeps those.
/// - A machine id is emptied.
///
/// # Errors
/// When an emptied file cannot be written, which a consistent tree does not do.
pub fn harden(tree: &mut Tree, policy: &HardenPolicy) -> Result<Vec<Hardened>, TreeError> {
    let mut changes = Vec::new();
    for path in left_overs(tree, policy) {
        if let Some(placed) = tree.get(&path) {
            changes.push(Hardened {
                path: path.clone(),
                owner: placed.owner.clone(),
                change: Change::Removed,
            });
        }
        tree.remove(&path);
    }
    for (path, from, to, owner) in modes(tree, policy) {
        let attributes = Attributes {
            mode: Some(to),
            ..Attributes::default()
        };
        tree.set_attributes(&path, &attributes)?;
        changes.push(Hardened {
            path,
            owner,
            change: Change::Mode { from, to },
        });
    }
    changes.extend(empty_machine_id(tree)?);
    changes.sort_by(|one, two| one.path.cmp(&two.path));
    Ok(changes)
}

fn left_overs(tree: &Tree, policy: &HardenPolicy) -> Vec<TreePath> {
    let is_left_over = |path: &TreePath, placed: &Placed| {
        let is_kept = match placed.owner {
            Owner::Spec(_) => true,
            Owner::Package(_) => policy.keep_shipped,
            _ => false,
        };
        !is_kept
            && !matches!(placed.entry.kind, Kind::Directory | Kind::Symlink { .. })
            && any(&LEFT_OVERS, path)
            && !any(&policy.keep, path)
    };
    tree.iter()
        .filter(|(path, placed)| may_be_left_over(path) && is_left_over(path, placed))
        .map(|(path, _)| path.clone())
        .collect()
}

/// Most paths are below `/usr`; they need no look at the patterns.
fn may_be_left_over(path: &TreePath) -> bool {
    let text = path.as_str();
    ["etc/", "run/", "tmp/", "var/"]
        .iter()
        .any(|top| text.starts_with(top))
}

fn modes(tree: &Tree, policy: &HardenPolicy) -> Vec<(TreePath, u32, u32, Owner)> {
    let mut changed = Vec::new();
    for (path, placed) in tree.iter() {
        let from = placed.entry.mode;
        let mut to = from;
        if matches!(placed.entry.kind, Kind::Symlink { .. }) {
            continue;
        }
        if !placed.entry.is_directory() && to & SET_ID != 0 && !any(&policy.keep_setuid, path) {
            to &= !SET_ID;
        }
        let sticky_directory = placed.entry.is_directory() && to & STICKY != 0;
        if to & WRITABLE_BY_ALL != 0 && !sticky_directory {
            to &= !WRITABLE_BY_ALL;
        }
        if to != from {
            changed.push((path.clone(), from, to, placed.owner.clone()));
        }
    }
    changed
}

fn empty_machine_id(tree: &mut Tree) -> Result<Option<Hardened>, TreeError> {
    let path = TreePath::from_normal(MACHINE_ID);
    let Some(placed) = tree.get(&path) else {
        return Ok(None);
    };
    if !matches!(placed.entry.kind, Kind::File { size, .. } if size > 0)
        || matches!(&placed.source, Source::Inline(bytes) if &**bytes == b"uninitialized\n")
    {
        return Ok(None);
    }
    let (entry, owner): (Entry, Owner) = (placed.entry.clone(), placed.owner.clone());
    tree.overwrite_generated(
        &path,
        entry,
        Vec::new(),
        Owner::Basalt("hardening".to_owned()),
    )?;
    Ok(Some(Hardened {
        path,
        owner,
        change: Change::Emptied,
    }))
}

fn any(patterns: &[impl AsRef<str>], path: &TreePath) -> bool {
    patterns
        .iter()
        .any(|pattern| glob::matches(pattern.as_ref(), path))
}
