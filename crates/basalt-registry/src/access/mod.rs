//! Who asks, and what they may do.

mod glob;
mod htpasswd;
mod issuer;
mod issuer_login;
mod keys;
mod login;
mod password;
mod policy;
mod robot;
mod signature;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use glob::Glob;
pub use htpasswd::{Htpasswd, HtpasswdError};
pub use issuer::{
    ClaimPattern, ISSUED, IssuedError, Issuer, IssuerRule, Unverified, is_reachable, without_port,
};
pub use issuer_login::IssuerLogin;
pub use keys::{Keys, new_key, verifying};
pub use login::{
    Login, LoginCode, LoginId, LoginScope, LoginSecret, NoLoginScope, UserCode, random_text,
};
pub use password::PasswordDigest;
pub use policy::{ImmutableTags, Policy, Quota, Rule};
pub use robot::{
    NoRobotName, ROBOT_PREFIX, Robot, RobotName, RobotRule, RobotSecret, check_robot_rules,
};
pub use token::{Bearer, Claims, Grant, TOKEN_LIFE, TokenError, sign, verify};

/// Something one may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read.
    Pull,
    /// Write what is not there: blobs, manifests, tags.
    PushNew,
    /// Move a tag that is there.
    Overwrite,
    /// Delete.
    Delete,
    /// All of these, and what is about the server itself.
    Admin,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pull,
        Self::PushNew,
        Self::Overwrite,
        Self::Delete,
        Self::Admin,
    ];

    /// The action of a token's scope that it belongs to (Docker's token specification).
    pub const fn action(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PushNew | Self::Overwrite => "push",
            Self::Delete => "delete",
            Self::Admin => "*",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Someone who did not say.
    Anonymous,
    /// Someone who proved to be this user.
    User(String),
    /// A program that has the secret of this robot.
    Robot(Arc<Robot>),
    /// Someone whom another vouches for.
    Vouched(Arc<Vouched>),
}

/// Someone whom another vouches for: an issuer of identities, or a certification authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The name, which begins with that of who vouches and a colon, as no user's does.
    pub name: String,
    /// The groups they are in besides those that the configuration lists them in.
    pub groups: BTreeSet<String>,
}

impl Caller {
    /// The name, for logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(name) => name,
            Self::Robot(robot) => robot.name.as_str(),
            Self::Vouched(vouched) => &vouched.name,
        }
    }
}
