//! Robots: accounts of programs, each with rights and an end of its own.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Glob, Right};
use crate::metadata::Moment;

/// What the names of robots begin with, and those of users do not.
pub const ROBOT_PREFIX: &str = "robot$";
/// The longest name behind that.
const MAXIMUM_NAME: usize = 64;
/// The most rules of a robot, and the most patterns of a rule.
const MAXIMUM_RULES: usize = 32;
/// What secrets begin with, so that tools which look for secrets in the wrong places know one.
const SECRET_PREFIX: &str = "basalt_robot_";

/// The name of a robot: `robot$deploy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RobotName(String);

/// A text that names no robot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a robot's name has lower-case letters, digits, dots and dashes, begins and ends with a letter or a digit, and has \
     {MAXIMUM_NAME} characters at most"
)]
pub struct NoRobotName;

impl RobotName {
    /// The whole name, with the prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RobotName {
    type Err = NoRobotName;

    /// With the prefix or without.
    fn from_str(text: &str) -> Result<Self, NoRobotName> {
        let name = text.strip_prefix(ROBOT_PREFIX).unwrap_or(text);
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let ends = (bytes.first(), bytes.last());
        let sound = matches!(ends, (Some(first), Some(last)) if is_word(*first) && is_word(*last))
            && bytes.len() <= MAXIMUM_NAME
            && bytes
                .iter()
                .all(|byte| is_word(*byte) || b".-".contains(byte));
        sound
            .then(|| Self(format!("{ROBOT_PREFIX}{name}")))
            .ok_or(NoRobotName)
    }
}

impl fmt::Display for RobotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a robot may do in some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RobotRule {
    /// Which repositories.
    pub repositories: Vec<Glob>,
    /// What it may do there; not `admin`.
    pub rights: Vec<Right>,
}

/// A robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Robot {
    /// Its name.
    pub name: RobotName,
    /// What it may do; nothing else.
    pub rules: Vec<RobotRule>,
    /// The hash of its secret ([`RobotSecret::hash`]).
    pub secret: [u8; 32],
    /// When it was made.
    pub created: Moment,
    /// By whom.
    pub creator: String,
    /// Until when it is good; for ever when there is none.
    pub expires: Option<Moment>,
    /// When it last signed in or came with a token, to the minute.
    pub used: Option<Moment>,
}

impl Robot {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it has a right in a repository.
    pub fn may(&self, repository: &str, right: Right) -> bool {
        self.rules.iter().any(|rule| {
            rule.rights.contains(&right)
                && rule.repositories.iter().any(|glob| glob.fits(repository))
        })
    }
}

/// Refuses rules that a robot cannot have.
///
/// # Errors
/// With what is wrong and what to do.
pub fn check_robot_rules(rules: &[RobotRule]) -> Result<(), String> {
    if rules.is_empty() || rules.len() > MAXIMUM_RULES {
        return Err(format!("a robot has from 1 to {MAXIMUM_RULES} rules"));
    }
    for rule in rules {
        if rule.repositories.is_empty() || rule.repositories.len() > MAXIMUM_RULES {
            return Err(format!(
                "a rule names from 1 to {MAXIMUM_RULES} patterns of repositories"
            ));
        }
        if rule.rights.is_empty() || rule.rights.len() > Right::ALL.len() {
            return Err("a rule gives rights: pull, push-new, overwrite, delete".to_owned());
        }
        // One that leaked could make others.
        if rule.rights.contains(&Right::Admin) {
            return Err("a robot is never an admin".to_owned());
        }
    }
    Ok(())
}

/// The secret of a robot, which is shown once.
pub struct RobotSecret(Zeroizing<String>);

impl RobotSecret {
    /// A new one, of 256 random bits.
    pub fn new() -> Self {
        let mut random = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(random.as_mut());
        let text = URL_SAFE_NO_PAD.encode(random.as_slice());
        Self(Zeroizing::new(format!("{SECRET_PREFIX}{text}")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of a secret. A fast hash is enough: nobody can try 2^256 secrets, whatever one try costs, while a slow
    /// one, which is for what people think of, would cost each request of a robot what it costs who guesses.
    pub fn hash(secret: &str) -> [u8; 32] {
        Sha256::digest(secret.as_bytes()).into()
    }
}

impl Default for RobotSecret {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_with_its_prefix_or_without() {
        for text in ["deploy", "robot$deploy"] {
            let name: RobotName = text.parse().expect("it is one");
            assert_eq!(name.as_str(), "robot$deploy");
        }
        let long = "x".repeat(65);
        for text in [
            "",
            "robot$",
            "-a",
            "a.",
            "A",
            "a b",
            "a/b",
            "robot$robot$a",
            &long,
        ] {
            assert!(text.parse::<RobotName>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_two_secrets_are_the_same_and_none_is_short() {
        let (one, other) = (RobotSecret::new(), RobotSecret::new());
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(one.as_str().len(), SECRET_PREFIX.len() + 43);
        assert_ne!(
            RobotSecret::hash(one.as_str()),
            RobotSecret::hash(other.as_str())
        );
    }

    #[test]
    fn a_robot_is_no_admin_and_has_some_right() {
        let rules = |text: &str| -> Vec<RobotRule> { serde_json::from_str(text).expect("JSON") };
        let sound = r#"[{"repositories": ["team/*"], "rights": ["pull"]}]"#;
        assert_eq!(check_robot_rules(&rules(sound)), Ok(()));
        for text in [
            "[]",
            r#"[{"repositories": [], "rights": ["pull"]}]"#,
            r#"[{"repositories": ["a"], "rights": []}]"#,
            r#"[{"repositories": ["a"], "rights": ["pull", "admin"]}]"#,
        ] {
            assert!(check_robot_rules(&rules(text)).is_err(), "{text}");
        }
    }
}
