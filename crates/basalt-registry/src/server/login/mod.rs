//! People who sign in with their browsers: at an issuer, and for programs that wait for them.

mod browser;
mod cookie;
mod device;
mod kept;
mod provider;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::gate::Gate;
use crate::access::{Caller, Vouched};

pub(super) use browser::{come_back, leave};
pub(super) use cookie::Cookie;
pub(super) use device::{GRANT, begin, decide, poll, waiting};
pub(super) use kept::{delete, end, list, renewed};
pub use provider::Provider;

impl Gate {
    /// The issuer of this name, if people sign in there.
    pub(super) fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        let mut providers = self.providers.iter();
        providers.find(|provider| provider.issuer.name == name)
    }

    /// Whether people can sign in on a page.
    pub(super) fn has_people(&self) -> bool {
        self.users.is_some() || !self.providers.is_empty()
    }

    /// Who has this name, as a person: only of those that an issuer vouches for it has a colon.
    fn person(&self, name: &str, groups: &BTreeSet<String>) -> Caller {
        let name = name.to_owned();
        match name.contains(':') {
            true => Caller::Vouched(Arc::new(Vouched {
                name,
                groups: groups.clone(),
            })),
            false => Caller::User(name),
        }
    }

    /// Tells one state of a person's account from the next: what they signed in for ends when the password is changed, or
    /// what the configuration says of their issuer's people. Nothing when they cannot sign in.
    pub(super) fn mark(&self, caller: &Caller) -> Option<String> {
        match caller {
            Caller::User(name) => {
                let hash = self.users.as_ref()?.hash_of(name)?;
                Some(crate::digest::hex(&Sha256::digest(hash.as_str())[..16]))
            }
            Caller::Vouched(vouched) => self.provider_of(&vouched.name)?.issuer.mark(),
            Caller::Anonymous | Caller::Robot(_) => None,
        }
    }

    /// How long a program stays logged in that this person let in, in milliseconds.
    fn life_of(&self, caller: &Caller) -> i64 {
        let provider = match caller {
            Caller::Vouched(vouched) => self.provider_of(&vouched.name),
            _ => None,
        };
        let life = provider.map_or(i64::MAX, |provider| provider.login.life());
        life.min(self.login_life)
    }

    fn provider_of(&self, name: &str) -> Option<&Arc<Provider>> {
        let (issuer, _) = name.split_once(':')?;
        self.provider(issuer)
    }
}
