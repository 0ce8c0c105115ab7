//! Who asks, and what they may do.

mod glob;
mod htpasswd;
mod keys;
mod policy;
mod token;

use serde::{Deserialize, Serialize};

pub use glob::Glob;
pub use htpasswd::{Htpasswd, HtpasswdError};
pub use keys::{Keys, new_key, verifying};
pub use policy::{ImmutableTags, Policy, Rule};
pub use token::{Claims, Grant, TOKEN_LIFE, TokenError, sign, verify};

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
}

impl Caller {
    /// The name, for logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(name) => name,
        }
    }
}
