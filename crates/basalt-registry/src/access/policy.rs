//! The rules of who may do what.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Caller, Glob, Right};
use crate::metadata::Movable;
use crate::name::{RepositoryName, Tag};

/// Gives rights in repositories to users, groups or those who do not say who they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Which repositories.
    pub repositories: Vec<Glob>,
    /// Users by name; `*` is everyone who has signed in.
    #[serde(default)]
    pub users: Vec<String>,
    /// Groups by name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether it is also for those who do not say who they are.
    #[serde(default)]
    pub anonymous: bool,
    /// What they may do.
    pub rights: Vec<Right>,
}

/// Tags that may not be moved or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImmutableTags {
    /// In which repositories.
    pub repositories: Vec<Glob>,
    /// Which tags.
    pub tags: Vec<Glob>,
}

/// All rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may do what; what no rule gives, nobody may.
    pub rules: Vec<Rule>,
    /// The users of each group.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Tags that stay as they are.
    pub immutable_tags: Vec<ImmutableTags>,
    /// Whether everyone may do everything, as on a machine of one's own.
    pub is_open: bool,
}

impl Policy {
    /// Whether a caller has a right in a repository.
    pub fn allows(&self, caller: &Caller, repository: &RepositoryName, right: Right) -> bool {
        let fits = |rule: &&Rule| {
            let repository = repository.as_str();
            rule.repositories.iter().any(|glob| glob.fits(repository))
        };
        let gives = |rule: &Rule| {
            rule.rights
                .iter()
                .any(|own| *own == right || *own == Right::Admin)
        };
        self.is_open
            || self
                .rules
                .iter()
                .filter(fits)
                .any(|rule| gives(rule) && self.is_for(rule, caller))
    }

    /// Whether a caller has any right anywhere.
    pub fn knows(&self, caller: &Caller) -> bool {
        self.is_open
            || self
                .rules
                .iter()
                .any(|rule| !rule.rights.is_empty() && self.is_for(rule, caller))
    }

    /// Whether a caller may administer the server: an admin of all repositories.
    pub fn administers(&self, caller: &Caller) -> bool {
        let everywhere = |rule: &Rule| rule.repositories.iter().any(|glob| glob.as_str() == "**");
        self.is_open
            || self.rules.iter().any(|rule| {
                everywhere(rule) && rule.rights.contains(&Right::Admin) && self.is_for(rule, caller)
            })
    }

    /// Whether those who do not say who they are may write anything.
    pub fn anonymous_writes(&self) -> bool {
        let writes = |rule: &Rule| rule.rights.iter().any(|right| *right != Right::Pull);
        self.is_open || self.rules.iter().any(|rule| rule.anonymous && writes(rule))
    }

    /// Whether a caller may move this tag, should it be there.
    pub fn movable(&self, caller: &Caller, repository: &RepositoryName, tag: &Tag) -> Movable {
        if self.is_immutable(repository, tag) {
            Movable::Immutable
        } else if self.allows(caller, repository, Right::Overwrite) {
            Movable::Yes
        } else {
            Movable::NoRight
        }
    }

    /// Whether a tag may be neither moved nor deleted.
    pub fn is_immutable(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.fits(text));
        self.immutable_tags
            .iter()
            .any(|one| any(&one.repositories, repository.as_str()) && any(&one.tags, tag.as_str()))
    }

    fn is_for(&self, rule: &Rule, caller: &Caller) -> bool {
        match caller {
            Caller::Anonymous => rule.anonymous,
            Caller::User(name) => {
                // Who says who they are loses nothing by it.
                rule.anonymous
                    || rule.users.iter().any(|user| user == name || user == "*")
                    || rule.groups.iter().any(|group| {
                        self.groups
                            .get(group)
                            .is_some_and(|users| users.contains(name))
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let rule =
            |repositories: &str, users: &[&str], groups: &[&str], anonymous, rights: &[Right]| {
                Rule {
                    repositories: vec![Glob::try_from(repositories.to_owned()).expect("it is one")],
                    users: users.iter().map(|name| (*name).to_owned()).collect(),
                    groups: groups.iter().map(|name| (*name).to_owned()).collect(),
                    anonymous,
                    rights: rights.to_vec(),
                }
            };
        let glob = |text: &str| Glob::try_from(text.to_owned()).expect("it is one");
        Policy {
            rules: vec![
                rule("public/**", &[], &[], true, &[Right::Pull]),
                rule(
                    "team/*",
                    &[],
                    &["dev"],
                    false,
                    &[Right::Pull, Right::PushNew],
                ),
                rule("**", &["root"], &[], false, &[Right::Admin]),
            ],
            groups: [("dev".to_owned(), ["ann".to_owned()].into())].into(),
            immutable_tags: vec![ImmutableTags {
                repositories: vec![glob("**")],
                tags: vec![glob("v*")],
            }],
            is_open: false,
        }
    }

    #[test]
    fn what_no_rule_gives_nobody_may() {
        let policy = policy();
        let user = |name: &str| Caller::User(name.to_owned());
        let may = |caller: &Caller, repository: &str, right| {
            policy.allows(caller, &repository.parse().expect("a name"), right)
        };
        assert!(may(&Caller::Anonymous, "public/app", Right::Pull));
        assert!(!may(&Caller::Anonymous, "public/app", Right::PushNew));
        assert!(!may(&Caller::Anonymous, "team/app", Right::Pull));
        assert!(may(&user("ann"), "team/app", Right::PushNew));
        assert!(may(&user("ann"), "public/app", Right::Pull));
        assert!(!may(&user("ann"), "team/app", Right::Overwrite));
        assert!(!may(&user("ann"), "team/app/x", Right::Pull));
        assert!(!may(&user("bob"), "team/app", Right::Pull));
        for right in Right::ALL {
            assert!(may(&user("root"), "any/thing", right));
        }
        assert!(policy.knows(&user("bob")) && policy.administers(&user("root")));
        assert!(!policy.administers(&user("ann")) && !policy.administers(&Caller::Anonymous));
        assert!(!Policy::default().knows(&user("bob")));
    }

    #[test]
    fn a_tag_that_is_to_stay_stays_for_everyone() {
        let policy = policy();
        let repository = "team/app".parse().expect("a name");
        let movable = |name: &str, tag: &str| {
            let caller = Caller::User(name.to_owned());
            policy.movable(&caller, &repository, &tag.parse().expect("a tag"))
        };
        assert_eq!(movable("root", "v1"), Movable::Immutable);
        assert_eq!(movable("root", "latest"), Movable::Yes);
        assert_eq!(movable("ann", "latest"), Movable::NoRight);
    }
}
