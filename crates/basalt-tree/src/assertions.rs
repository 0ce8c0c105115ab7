//! Assertions of a spec: what must be true of the finished image.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::{Kind, Owner};
use crate::glob;
use crate::path::TreePath;
use crate::tree::{Placed, Tree};

/// One assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assertion {
    /// No shell, under any of its names.
    NoShell,
    /// No file with setuid or setgid bits or file capabilities.
    NoSetuid,
    /// No program that installs packages.
    NoPackageManager,
    /// The image's user is not root, and is numeric or known in `/etc/passwd`.
    NonRoot,
    /// The files together are at most so many bytes, uncompressed.
    MaximumSize(u64),
    /// The files together are at least so many bytes, uncompressed.
    MinimumSize(u64),
    /// Something matches the pattern, and if it is a link, it leads somewhere.
    MustContain(String),
    /// Nothing matches the pattern.
    MustNotContain(String),
}

impl fmt::Display for Assertion {
    /// The words by which a spec asks for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoShell => f.write_str("no-shell"),
            Self::NoSetuid => f.write_str("no-setuid"),
            Self::NoPackageManager => f.write_str("no-package-manager"),
            Self::NonRoot => f.write_str("non-root"),
            Self::MaximumSize(size) => write!(f, "max-size: {size}"),
            Self::MinimumSize(size) => write!(f, "min-size: {size}"),
            Self::MustContain(pattern) => write!(f, "must-contain: {pattern}"),
            Self::MustNotContain(pattern) => write!(f, "must-not-contain: {pattern}"),
        }
    }
}

/// An assertion that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub rule: Assertion,
    /// The offending path, where there is one.
    pub path: Option<TreePath>,
    /// Who brought it.
    pub owner: Option<Owner>,
    /// What is wrong, in words.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

const SHELLS: [&str; 19] = [
    "ash", "bash", "busybox", "csh", "dash", "elvish", "fish", "hush", "ksh", "ksh93", "lksh",
    "mksh", "nu", "pwsh", "rbash", "sh", "tcsh", "yash", "zsh",
];

const PACKAGE_MANAGERS: [&str; 17] = [
    "apk",
    "apt",
    "apt-cache",
    "apt-get",
    "aptitude",
    "dnf",
    "dnf5",
    "dpkg",
    "dpkg-deb",
    "microdnf",
    "pacman",
    "rpm",
    "snap",
    "tdnf",
    "yum",
    "zypper",
    "dselect",
];

/// Directories in which programs are looked for.
const PROGRAM_DIRECTORIES: [&str; 6] = [
    "usr/bin",
    "usr/sbin",
    "usr/local/bin",
    "usr/local/sbin",
    "bin",
    "sbin",
];

/// Checks assertions. `user` is the user in the image's config, as `USER` or `USER:GROUP`; empty
/// means root. `passwd` is the content of `/etc/passwd` if the image has one.
///
/// Returns all violations, in the order of the assertions and sorted by path.
pub fn check(
    tree: &Tree,
    user: &str,
    passwd: Option<&str>,
    assertions: &[Assertion],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for rule in assertions {
        match rule {
            Assertion::NoShell => programs(tree, rule, &SHELLS, "a shell", &mut violations),
            Assertion::NoPackageManager => {
                let what = "a package manager";
                programs(tree, rule, &PACKAGE_MANAGERS, what, &mut violations);
            }
            Assertion::NoSetuid => set_ids(tree, rule, &mut violations),
            Assertion::NonRoot => violations.extend(root(rule, user, passwd)),
            Assertion::MaximumSize(_) | Assertion::MinimumSize(_) => {
                violations.extend(size(tree, rule));
            }
            Assertion::MustContain(pattern) => violations.extend(contains(tree, rule, pattern)),
            Assertion::MustNotContain(pattern) => {
                let found = tree.iter().filter(|(path, _)| glob::matches(pattern, path));
                violations.extend(found.map(|(path, placed)| {
                    offence(
                        rule,
                        path,
                        placed,
                        format!("{path} (from {})", placed.owner),
                    )
                }));
            }
        }
    }
    violations
}

fn offence(rule: &Assertion, path: &TreePath, placed: &Placed, text: String) -> Violation {
    Violation {
        rule: rule.clone(),
        path: Some(path.clone()),
        owner: Some(placed.owner.clone()),
        text,
    }
}

fn general(rule: &Assertion, text: String) -> Violation {
    Violation {
        rule: rule.clone(),
        path: None,
        owner: None,
        text,
    }
}

fn programs(
    tree: &Tree,
    rule: &Assertion,
    names: &[&str],
    what: &str,
    violations: &mut Vec<Violation>,
) {
    for (path, placed) in tree
        .iter()
        .filter(|(_, placed)| !placed.entry.is_directory())
    {
        let in_programs = path
            .parent()
            .is_some_and(|parent| PROGRAM_DIRECTORIES.contains(&parent.as_str()));
        // A renamed or diverted shell is still one: `bash.distrib`, a link called `x` to `sh`.
        let name = path.name();
        let stem = name.strip_suffix(".distrib").unwrap_or(name);
        let named = names.contains(&stem);
        let target = match &placed.entry.kind {
            Kind::Symlink { .. } => tree
                .get_resolved(path)
                .ok()
                .filter(|(_, placed)| !placed.entry.is_directory())
                .map(|(real, _)| real.name().to_owned()),
            _ => None,
        };
        let leads = target
            .as_deref()
            .is_some_and(|target| names.contains(&target));
        // A dangling link is no program, but whoever fills it makes it one.
        if in_programs && (named || leads) {
            let text = format!("{path} is {what} (from {})", placed.owner);
            violations.push(offence(rule, path, placed, text));
        }
    }
}

fn set_ids(tree: &Tree, rule: &Assertion, violations: &mut Vec<Violation>) {
    for (path, placed) in tree.iter() {
        let entry = &placed.entry;
        if entry.is_directory() || matches!(entry.kind, Kind::Symlink { .. }) {
            continue;
        }
        if entry.mode & 0o6000 != 0 {
            let text = format!("{path} has mode {:04o} (from {})", entry.mode, placed.owner);
            violations.push(offence(rule, path, placed, text));
        } else if entry.xattrs.contains_key("security.capability") {
            let text = format!("{path} has file capabilities (from {})", placed.owner);
            violations.push(offence(rule, path, placed, text));
        }
    }
}

fn root(rule: &Assertion, user: &str, passwd: Option<&str>) -> Option<Violation> {
    let name = user.split(':').next().unwrap_or("");
    if name.is_empty() {
        return Some(general(
            rule,
            "no user is set, so it runs as root".to_owned(),
        ));
    }
    let number = match name.parse::<u32>() {
        Ok(number) => Some(number),
        Err(_) => passwd.unwrap_or("").lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(name);
            if found {
                fields.nth(1)?.parse().ok()
            } else {
                None
            }
        }),
    };
    match number {
        Some(0) => Some(general(rule, format!("the user `{name}` is root"))),
        Some(_) => None,
        None => {
            let text = format!("the user `{name}` is not in /etc/passwd, so it cannot be checked");
            Some(general(rule, text))
        }
    }
}

fn size(tree: &Tree, rule: &Assertion) -> Option<Violation> {
    let total: u64 = tree.iter().map(|(_, placed)| placed.entry.size()).sum();
    let text = match rule {
        Assertion::MaximumSize(limit) if total > *limit => {
            let mut largest: Vec<_> = tree.iter().collect();
            largest.sort_by_key(|(path, placed)| (std::cmp::Reverse(placed.entry.size()), *path));
            let names: Vec<String> = largest
                .iter()
                .take(3)
                .map(|(path, placed)| {
                    format!(
                        "{path} ({} bytes, from {})",
                        placed.entry.size(),
                        placed.owner
                    )
                })
                .collect();
            format!(
                "the files are {total} bytes, {} too many; the largest are {}",
                total - limit,
                names.join(", ")
            )
        }
        Assertion::MinimumSize(limit) if total < *limit => {
            format!(
                "the files are {total} bytes, {} too few: something is missing",
                limit - total
            )
        }
        _ => return None,
    };
    Some(general(rule, text))
}

fn contains(tree: &Tree, rule: &Assertion, pattern: &str) -> Option<Violation> {
    let mut dangling = None;
    for (path, placed) in tree.iter().filter(|(path, _)| glob::matches(pattern, path)) {
        match &placed.entry.kind {
            Kind::Symlink { target } if tree.get_resolved(path).is_err() => {
                let text = format!(
                    "{path} (from {}) leads to {target}, which is not there",
                    placed.owner
                );
                dangling = Some(offence(rule, path, placed, text));
            }
            _ => return None,
        }
    }
    // A plain path may go through linked directories: `/bin/sh`, `/lib64/ld-linux-x86-64.so.2`.
    let plain = !pattern.contains(['*', '?']);
    if plain && TreePath::new(pattern).is_ok_and(|path| tree.get_resolved(&path).is_ok()) {
        return None;
    }
    dangling.or_else(|| Some(general(rule, format!("nothing matches {pattern}"))))
}
