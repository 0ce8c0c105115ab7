//! Policies as the configuration has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use basalt_attest::policy::Age;
use serde::{Deserialize, Serialize};

use super::base::Base;
use super::scan::Severity;
use crate::access::{Caller, Glob};

/// The longest name of a policy, in bytes.
const MAXIMUM_NAME: usize = 64;

/// What must be so of the images of some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Its name, which answers say.
    pub name: String,
    /// Of which repositories.
    pub repositories: Vec<Glob>,
    /// When it is asked.
    pub on: Vec<Occasion>,
    /// What must be so: all of it.
    pub require: Require,
    /// What happens when it is not.
    #[serde(rename = "else")]
    pub otherwise: Consequence,
    /// Whom it is not for.
    #[serde(default)]
    pub except: Except,
}

/// When a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// When a manifest is read.
    Pull,
    /// When a manifest is written.
    Push,
}

/// What happens when a policy is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// The request is refused.
    Deny,
    /// It is done, and who asks is told.
    Warn,
}

/// What must be so of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Require {
    /// Who must have signed it.
    pub signature: Option<SignedBy>,
    /// How long ago it may have been made, as it says itself.
    pub created_within: Option<Age>,
    /// What it must be built on, one of these.
    pub base: Vec<Base>,
    /// Which vulnerabilities it must not have.
    pub no_fixable_vulnerability: Option<Scanned>,
}

/// Who must have signed an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SignedBy {
    /// Files of public keys.
    pub keys: Vec<PathBuf>,
    /// Whom certificates must name.
    pub identities: Vec<IdentityRule>,
    /// What certificates are verified against.
    pub trusted_root: Option<PathBuf>,
    /// How many of them must have signed; all when nothing is said.
    pub threshold: Option<usize>,
    /// How old a signature may be.
    pub maximum_age: Option<Age>,
}

/// Which vulnerabilities an image must not have, and whose word counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scanned {
    /// From which severity on.
    pub from: Severity,
    /// Files of public keys of those who scan.
    #[serde(default)]
    pub keys: Vec<PathBuf>,
    /// Whom their certificates must name.
    #[serde(default)]
    pub identities: Vec<IdentityRule>,
    /// What certificates are verified against.
    pub trusted_root: Option<PathBuf>,
    /// How old a scan may be.
    pub maximum_age: Option<Age>,
}

/// Whom a certificate must name, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IdentityRule {
    /// The subject: an address, or the URI of a workflow.
    pub identity: String,
    /// Who vouched for it.
    pub issuer: String,
}

/// Whom a policy is not for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Except {
    /// Users, robots (`robot$ci`), or who is vouched for (`github:team/app`), by name.
    pub users: Vec<String>,
    /// Groups by name.
    pub groups: Vec<String>,
}

impl Except {
    /// Whether the policy is not for this caller.
    pub fn has(&self, caller: &Caller, groups: &BTreeMap<String, BTreeSet<String>>) -> bool {
        let own = match caller {
            Caller::Anonymous => return false,
            Caller::Vouched(vouched) => Some(&vouched.groups),
            Caller::User(_) | Caller::Robot(_) => None,
        };
        let name = caller.name();
        let is_in = |group: &String| {
            own.is_some_and(|own| own.contains(group))
                || groups.get(group).is_some_and(|all| all.contains(name))
        };
        self.users.iter().any(|user| user == name) || self.groups.iter().any(is_in)
    }

    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// What is wrong with a policy.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The word that it is about.
    pub word: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Wrong {
    fn new(word: &str, message: impl Into<String>, help: &str) -> Self {
        Self {
            word: word.to_owned(),
            message: message.into(),
            help: help.to_owned(),
        }
    }
}

/// Whoever may vouch, as a requirement names them.
struct Vouchers<'a> {
    key: &'static str,
    keys: &'a [PathBuf],
    identities: &'a [IdentityRule],
    trusted_root: Option<&'a PathBuf>,
}

impl Rule {
    /// The files that it names.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = Vec::new();
        if let Some(rule) = &mut self.require.signature {
            paths.extend(rule.keys.iter_mut().chain(&mut rule.trusted_root));
        }
        if let Some(rule) = &mut self.require.no_fixable_vulnerability {
            paths.extend(rule.keys.iter_mut().chain(&mut rule.trusted_root));
        }
        paths
    }

    /// Finds what its types let pass. `is_known` says whether there is a group of this name, `signs_in` whether anybody
    /// can say who they are.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, is_known: impl Fn(&str) -> bool, signs_in: bool) -> Result<(), Wrong> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = self.name.as_str();
        if name.is_empty() || name.len() > MAXIMUM_NAME || !name.bytes().all(sound) {
            let help = "write letters, digits, dots and dashes";
            return Err(Wrong::new(
                "name",
                "this name of a policy cannot be used",
                help,
            ));
        }
        if self.repositories.is_empty() || self.on.is_empty() {
            let help = "write `repositories: [\"prod/**\"]` and `on: [pull]`";
            let message = format!("the policy `{name}` names no repositories, or no occasion");
            return Err(Wrong::new(name, message, help));
        }
        if self.require == Require::default() {
            let help = "write one or more of `signature`, `created-within`, `base` and `no-fixable-vulnerability`";
            let message = format!("the policy `{name}` requires nothing");
            return Err(Wrong::new(name, message, help));
        }
        if self.on.contains(&Occasion::Push) {
            self.check_push()?;
        }
        if let Some(group) = self.except.groups.iter().find(|group| !is_known(group)) {
            let message = format!("there is no group `{group}`");
            return Err(Wrong::new(group, message, "name its users under `groups:`"));
        }
        if self.except.users.iter().any(|user| user == "*") {
            let help = "name them, or narrow `repositories:`";
            let message = format!("the policy `{name}` would except everyone who signs in");
            return Err(Wrong::new("except", message, help));
        }
        if !self.except.is_empty() && !signs_in {
            let help = "add `users: FILE`, a file that `htpasswd -B` wrote, `issuers:` or `tls: {clients: FILE}`";
            let message = format!("the policy `{name}` excepts someone, and nobody can sign in");
            return Err(Wrong::new("except", message, help));
        }
        self.vouchers()
            .iter()
            .try_for_each(|vouchers| vouchers.check(name))?;
        let Some(rule) = &self.require.signature else {
            return Ok(());
        };
        let count = rule.keys.len() + rule.identities.len();
        match rule.threshold {
            Some(threshold) if threshold == 0 || threshold > count => {
                let message = format!("{threshold} signatures are demanded of {count} signers");
                let help = "write a number from 1 to as many as there are, or nothing: then all must have signed";
                Err(Wrong::new("threshold", message, help))
            }
            _ => Ok(()),
        }
    }

    /// What is attached to an image comes after it: on push there is nothing to look for.
    fn check_push(&self) -> Result<(), Wrong> {
        let wanted = match &self.require {
            require if require.signature.is_some() => ("signature", "a signature"),
            require if require.no_fixable_vulnerability.is_some() => {
                ("no-fixable-vulnerability", "the result of a scan")
            }
            _ => return Ok(()),
        };
        let message = format!(
            "the policy `{}` wants {} on push: it is attached to an image that is there already, so no image could ever \
             be pushed",
            self.name, wanted.1
        );
        let help = "write `on: [pull]`: then nobody gets it before";
        Err(Wrong::new(wanted.0, message, help))
    }

    fn vouchers(&self) -> Vec<Vouchers<'_>> {
        let signature = self.require.signature.iter().map(|rule| Vouchers {
            key: "signature",
            keys: &rule.keys,
            identities: &rule.identities,
            trusted_root: rule.trusted_root.as_ref(),
        });
        let scan = self.require.no_fixable_vulnerability.iter();
        let scan = scan.map(|rule| Vouchers {
            key: "no-fixable-vulnerability",
            keys: &rule.keys,
            identities: &rule.identities,
            trusted_root: rule.trusted_root.as_ref(),
        });
        signature.chain(scan).collect()
    }
}

impl Vouchers<'_> {
    fn check(&self, policy: &str) -> Result<(), Wrong> {
        if self.keys.is_empty() && self.identities.is_empty() {
            let help = "add `keys: [cosign.pub]`, or `identities: [{identity: …, issuer: …}]` and `trusted-root: root.json`";
            let message = format!("the policy `{policy}` does not say whose word counts");
            return Err(Wrong::new(self.key, message, help));
        }
        if self.identities.is_empty() == self.trusted_root.is_some() {
            let help = "`identities` and `trusted-root`, the authorities that certificates are verified against, go together";
            let message = format!("in the policy `{policy}` one of the two is missing");
            return Err(Wrong::new(self.key, message, help));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Vouched;

    #[test]
    fn whom_a_policy_excepts_is_told_by_name_and_by_group() {
        let except = Except {
            users: vec!["ann".to_owned(), "github:team/app".to_owned()],
            groups: vec!["signers".to_owned()],
        };
        let groups = BTreeMap::from([("signers".to_owned(), ["bob".to_owned()].into())]);
        let user = |name: &str| Caller::User(name.to_owned());
        let vouched = |name: &str, own: &[&str]| {
            let groups = own.iter().map(|group| (*group).to_owned()).collect();
            let name = name.to_owned();
            Caller::Vouched(Vouched { name, groups }.into())
        };
        for caller in [
            user("ann"),
            user("bob"),
            vouched("github:team/app", &[]),
            vouched("cluster:x", &["signers"]),
        ] {
            assert!(except.has(&caller, &groups), "{caller:?}");
        }
        for caller in [
            Caller::Anonymous,
            user("eve"),
            user("signers"),
            vouched("cluster:x", &["others"]),
        ] {
            assert!(!except.has(&caller, &groups), "{caller:?}");
        }
        assert!(!Except::default().has(&user("ann"), &groups));
    }
}
