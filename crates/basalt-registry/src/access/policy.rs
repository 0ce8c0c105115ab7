//! The rules of who may do what.

use std::collections::{BTreeMap, BTreeSet};

use basalt_spec::Size;
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
    /// Users by name; `*` is everyone who has signed in, but for robots, which have the rights of their own alone.
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

/// How many bytes each of some repositories may have: its blobs, each once, and its manifests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// Which repositories; each has so much for itself.
    pub repositories: Vec<Glob>,
    /// How much.
    pub size: Size,
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
    /// How much repositories may hold; the first that fits one counts.
    pub quotas: Vec<Quota>,
    /// In which repositories an index may list manifests that are not there.
    pub sparse_indexes: Vec<Glob>,
    /// Whether everyone may do everything, as on a machine of one's own.
    pub is_open: bool,
}

impl Policy {
    /// Whether an index may be pushed to a repository that does not have all that it lists.
    pub fn takes_sparse_indexes(&self, repository: &RepositoryName) -> bool {
        let mut globs = self.sparse_indexes.iter();
        globs.any(|glob| glob.fits(repository.as_str()))
    }

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
        let is_own = match caller {
            Caller::Robot(robot) => robot.may(repository.as_str(), right),
            _ => false,
        };
        self.is_open
            || is_own
            || self
                .rules
                .iter()
                .filter(fits)
                .any(|rule| gives(rule) && self.is_for(rule, caller))
    }

    /// Whether a caller has any right anywhere.
    pub fn knows(&self, caller: &Caller) -> bool {
        self.is_open
            || matches!(caller, Caller::Robot(robot) if !robot.rules.is_empty())
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

    /// How many bytes a repository may have, if there is a bound.
    pub fn quota(&self, repository: &RepositoryName) -> Option<u64> {
        let fits = |quota: &&Quota| {
            let mut globs = quota.repositories.iter();
            globs.any(|glob| glob.fits(repository.as_str()))
        };
        self.quotas.iter().find(fits).map(|quota| quota.size.0)
    }

    fn is_for(&self, rule: &Rule, caller: &Caller) -> bool {
        let names = |name: &str| {
            let is_in =
                |group: &String| self.groups.get(group).is_some_and(|all| all.contains(name));
            rule.users.iter().any(|user| user == name || user == "*")
                || rule.groups.iter().any(is_in)
        };
        // Who says who they are loses nothing by it.
        rule.anonymous
            || match caller {
                Caller::Anonymous | Caller::Robot(_) => false,
                Caller::User(name) => names(name),
                Caller::Vouched(vouched) => {
                    let is_in = |group: &String| vouched.groups.contains(group);
                    names(&vouched.name) || rule.groups.iter().any(is_in)
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Robot, Vouched};
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
            sparse_indexes: Vec::new(),
            quotas: vec![
                Quota {
                    repositories: vec![glob("team/big")],
                    size: Size(500),
                },
                Quota {
                    repositories: vec![glob("team/*")],
                    size: Size(100),
                },
            ],
            is_open: false,
        }
    }

    #[test]
    fn the_first_quota_that_fits_a_repository_counts() {
        let policy = policy();
        let quota = |name: &str| policy.quota(&name.parse().expect("a name"));
        assert_eq!(quota("team/big"), Some(500));
        assert_eq!(quota("team/app"), Some(100));
        assert_eq!(quota("other"), None);
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
    fn a_robot_has_the_rights_of_its_own_and_what_is_open_to_all() {
        let rules = r#"[{"repositories": ["team/*"], "rights": ["pull"]}]"#;
        let robot = Robot {
            name: "deploy".parse().expect("a name"),
            rules: serde_json::from_str(rules).expect("JSON"),
            secret: [0; 32],
            created: 0,
            creator: "root".to_owned(),
            expires: None,
            used: None,
        };
        let mut policy = policy();
        let everyone = vec!["*".to_owned(), "robot$deploy".to_owned()];
        policy.rules[2].users.extend(everyone);
        let robot = Caller::Robot(robot.into());
        let may = |repository: &str, right| {
            policy.allows(&robot, &repository.parse().expect("a name"), right)
        };
        assert!(may("team/app", Right::Pull) && may("public/app", Right::Pull));
        assert!(!may("team/app", Right::PushNew) && !may("team/app", Right::Admin));
        assert!(!may("other", Right::Pull) && !policy.administers(&robot));
        assert!(policy.knows(&robot));
    }

    #[test]
    fn who_is_vouched_for_is_in_the_groups_that_come_with_it_and_in_those_that_name_them() {
        let mut policy = policy();
        let vouched = |name: &str, groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            let name = name.to_owned();
            Caller::Vouched(Vouched { name, groups }.into())
        };
        let may = |policy: &Policy, caller: &Caller| {
            policy.allows(caller, &"team/app".parse().expect("a name"), Right::Pull)
        };
        assert!(may(&policy, &vouched("ci:a", &["dev"])));
        assert!(!may(&policy, &vouched("ci:a", &["other"])));
        let dev = policy.groups.get_mut("dev").expect("it is there");
        dev.insert("ci:a".to_owned());
        assert!(may(&policy, &vouched("ci:a", &[])));
        assert!(!may(&policy, &vouched("ci:ann", &[])));
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
