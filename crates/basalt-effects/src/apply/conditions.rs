//! Conditions of effects, asked of the tree as the packages and the spec made it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use basalt_tree::{Kind, Owner, TreePath};

use super::accounts::Accounts;
use super::error::ApplyError;
use super::users;
use super::work::{Step, Work, owned};
use crate::effect::{Condition, Effect, Writer};

/// Where programs stand, in the order of dpkg's `PATH`.
const PROGRAMS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Nesting of conditions deeper than this is refused.
const MAXIMUM_DEPTH: usize = 64;

/// All effects that are to be applied: of each condition the one side.
pub(super) fn settle<'a>(
    work: &Work<'_>,
    wanted: &'a [(String, Vec<Effect>)],
) -> Result<Vec<Step<'a>>, ApplyError> {
    let settler = Settler {
        work,
        wanted,
        accounts: accounts(work, wanted)?,
        made: made_paths(wanted),
        asked: RefCell::default(),
    };
    let mut steps = Vec::new();
    for (package, effects) in wanted {
        settler.effects(package, effects, 0, &mut steps)?;
    }
    Ok(steps)
}

/// The accounts of the tree, or those that base-passwd will make.
fn accounts(work: &Work<'_>, wanted: &[(String, Vec<Effect>)]) -> Result<Accounts, ApplyError> {
    let master = wanted.iter().find(|(_, effects)| {
        effects.iter().any(|effect| {
            any(effect, &|one| {
                *one == Effect::Run {
                    writer: Writer::PasswdMaster,
                }
            })
        })
    });
    let owner = owned(master.map_or("", |(package, _)| package), "accounts");
    if let Some(accounts) = users::load(work, &owner)? {
        return Ok(accounts);
    }
    if master.is_none() {
        return Ok(Accounts::minimal());
    }
    let read = |name: &str| work.read_text(&format!("/usr/share/base-passwd/{name}"), &owner);
    let passwd = read("passwd.master")?.unwrap_or_default();
    let group = read("group.master")?.unwrap_or_default();
    Ok(Accounts::parse(&passwd, &group, None, None))
}

struct Settler<'a, 'w> {
    work: &'a Work<'w>,
    wanted: &'a [(String, Vec<Effect>)],
    accounts: Accounts,
    /// The paths that effects make, with which packages' they are, by their places in `wanted`.
    made: BTreeMap<&'a str, Vec<usize>>,
    /// What was asked of those: the package and the path, and whose effect makes that.
    asked: RefCell<BTreeMap<(String, String), Option<usize>>>,
}

/// The paths that effects make, on either side of a condition, with who makes them.
fn made_paths<'w>(wanted: &'w [(String, Vec<Effect>)]) -> BTreeMap<&'w str, Vec<usize>> {
    let mut made: BTreeMap<&'w str, Vec<usize>> = BTreeMap::new();
    for (number, (_, effects)) in wanted.iter().enumerate() {
        let mut note = |effect: &'w Effect| {
            let path = match effect {
                Effect::Directory { path, .. }
                | Effect::File { path, .. }
                | Effect::Write { path, .. }
                | Effect::Symlink { path, .. }
                | Effect::Lines { path, .. } => path,
                Effect::Copy { to, .. } | Effect::Configuration { to, .. } => to,
                Effect::Alternative { link, .. } => link,
                Effect::User {
                    home, make_home, ..
                } if *make_home => home,
                _ => return,
            };
            let packages = made.entry(path).or_default();
            if packages.last() != Some(&number) {
                packages.push(number);
            }
        };
        effects.iter().for_each(|effect| effect.each(&mut note));
    }
    made
}

impl Settler<'_, '_> {
    fn effects<'e>(
        &self,
        package: &'e str,
        effects: &'e [Effect],
        depth: usize,
        steps: &mut Vec<Step<'e>>,
    ) -> Result<(), ApplyError> {
        let refused = |why: &str| ApplyError::Refused {
            package: package.to_owned(),
            why: why.to_owned(),
        };
        if depth > MAXIMUM_DEPTH {
            return Err(refused("its effects nest too deeply"));
        }
        for effect in effects {
            match effect {
                Effect::When {
                    condition,
                    effects,
                    otherwise,
                } => {
                    let side = match self.holds(package, condition, depth)? {
                        true => effects,
                        false => otherwise,
                    };
                    self.effects(package, side, depth + 1, steps)?;
                }
                Effect::Refuse { why } => return Err(refused(why)),
                effect => steps.push(Step { package, effect }),
            }
        }
        Ok(())
    }

    fn holds(
        &self,
        package: &str,
        condition: &Condition,
        depth: usize,
    ) -> Result<bool, ApplyError> {
        if depth > MAXIMUM_DEPTH {
            return Ok(false);
        }
        let owner = owned(package, "condition");
        Ok(match condition {
            Condition::Not(inner) => !self.holds(package, inner, depth + 1)?,
            Condition::All(all) => {
                for one in all {
                    if !self.holds(package, one, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Any(any) => {
                for one in any {
                    if self.holds(package, one, depth + 1)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Exists(path) => self.work.exists(path) || self.made(package, path)?,
            Condition::File(path) => {
                let file = TreePath::new(path).is_ok_and(|path| self.work.tree.file(&path).is_ok());
                file || self.made(package, path)?
            }
            Condition::Directory(path) => {
                let directory = TreePath::new(path)
                    .ok()
                    .and_then(|path| self.work.tree.get_resolved(&path).ok())
                    .is_some_and(|(_, placed)| placed.entry.is_directory());
                directory || self.made(package, path)?
            }
            Condition::Link(path) => {
                self.work.is_link(path, &owner)? || self.made(package, path)?
            }
            Condition::Executable(path) => self.is_program(path) || self.made(package, path)?,
            Condition::Command(name) => PROGRAMS
                .iter()
                .any(|directory| self.is_program(&format!("{directory}/{name}"))),
            Condition::Foreign(path) => self.is_foreign(package, path),
            Condition::User(name) => {
                self.accounts.uid(name).is_some() || self.makes_user(package, name)?
            }
            Condition::Group(name) => {
                self.accounts.gid(name).is_some() || self.makes_group(package, name)?
            }
        })
    }

    fn is_program(&self, path: &str) -> bool {
        TreePath::new(path)
            .ok()
            .and_then(|path| self.work.tree.get_resolved(&path).ok())
            .is_some_and(|(_, placed)| {
                matches!(placed.entry.kind, Kind::File { .. }) && placed.entry.mode & 0o111 != 0
            })
    }

    /// Whether something not of this package stands at a path or below it.
    fn is_foreign(&self, package: &str, path: &str) -> bool {
        let Ok(path) = TreePath::new(path) else {
            return false;
        };
        let Ok(real) = self.work.tree.resolve_parent(&path) else {
            return false;
        };
        self.work
            .tree
            .iter_within(&real)
            .filter(|(place, placed)| **place == real || !placed.entry.is_directory())
            .any(|(_, placed)| !matches!(&placed.owner, Owner::Package(name) if name == package))
    }

    /// Fails when another package's effects make what is not in the tree: whether it is there when
    /// this package asks depends on the order of the two.
    fn makes(
        &self,
        package: &str,
        what: &str,
        is_it: &dyn Fn(&Effect) -> bool,
    ) -> Result<bool, ApplyError> {
        let other = self
            .wanted
            .iter()
            .find(|(name, effects)| name != package && effects.iter().any(|one| any(one, is_it)));
        match other {
            None => Ok(false),
            Some((other, _)) => Err(ApplyError::Order {
                package: package.to_owned(),
                what: what.to_owned(),
                other: other.clone(),
            }),
        }
    }

    /// As [`Self::makes`], of a path or what stands below it.
    fn made(&self, package: &str, path: &str) -> Result<bool, ApplyError> {
        let question = (package.to_owned(), path.to_owned());
        let known = self.asked.borrow().get(&question).copied();
        let other = known.unwrap_or_else(|| {
            let below = format!("{path}/");
            let within = self
                .made
                .range(below.as_str()..)
                .take_while(|(made, _)| made.starts_with(&below))
                .flat_map(|(_, packages)| packages);
            let found = self.made.get(path).into_iter().flatten().chain(within);
            let others = found.filter(|number| self.name(**number) != Some(package));
            let other = others.min().copied();
            self.asked.borrow_mut().insert(question, other);
            other
        });
        match other.and_then(|number| self.name(number)) {
            None => Ok(false),
            Some(other) => Err(ApplyError::Order {
                package: package.to_owned(),
                what: path.to_owned(),
                other: other.to_owned(),
            }),
        }
    }

    /// The package at a place of `wanted`.
    fn name(&self, number: usize) -> Option<&str> {
        self.wanted.get(number).map(|(name, _)| name.as_str())
    }

    fn makes_user(&self, package: &str, user: &str) -> Result<bool, ApplyError> {
        self.makes(
            package,
            &format!("the user `{user}`"),
            &|effect| matches!(effect, Effect::User { name, .. } if name == user),
        )
    }

    fn makes_group(&self, package: &str, group: &str) -> Result<bool, ApplyError> {
        self.makes(
            package,
            &format!("the group `{group}`"),
            &|effect| match effect {
                Effect::Group { name, .. } => name == group,
                Effect::User {
                    name, group: None, ..
                } => name == group,
                _ => false,
            },
        )
    }
}

/// Whether this holds of an effect, or of one in either side of a condition.
fn any(effect: &Effect, is_it: &dyn Fn(&Effect) -> bool) -> bool {
    let mut found = false;
    effect.each(&mut |one| found |= is_it(one));
    found
}
