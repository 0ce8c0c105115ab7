//! Logins of programs: what a person let a program do in their name, by signing in with a browser for it (RFC 8628).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Grant;
use crate::metadata::Moment;

/// What secrets begin with, so that tools which look for secrets in the wrong places know one.
const SECRET_PREFIX: &str = "basalt_login_";
/// What user codes are made of: letters that are not mistaken for others and make no words (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters a user code has: 20^8 codes, of which a person can try some dozens while one is good.
const LENGTH: usize = 8;
/// What may be asked for.
const ACTIONS: [&str; 3] = ["pull", "push", "delete"];

/// A login of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its name, for lists.
    pub id: LoginId,
    /// Who signed in.
    pub user: String,
    /// The groups that they had by their issuer then.
    pub groups: BTreeSet<String>,
    /// What tells whether they could still sign in so.
    pub mark: String,
    /// What the program may do of what they may.
    pub scope: LoginScope,
    /// What the program calls itself.
    pub agent: String,
    /// The address that it asked from.
    pub address: String,
    /// When it was let in.
    pub created: Moment,
    /// Until when.
    pub expires: Moment,
    /// When it was used last, to the minute.
    pub used: Option<Moment>,
}

/// The name of a login: 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId(String);

impl LoginId {
    /// One that nobody has had.
    pub fn random() -> Self {
        let mut random = [0; 8];
        OsRng.fill_bytes(&mut random);
        Self(crate::digest::hex(&random))
    }

    /// A login of this name, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 16 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a program may do of what its person may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginScope(BTreeSet<&'static str>);

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that a program can be let do; it is `pull`, `push` or `delete`")]
pub struct NoLoginScope(String);

impl LoginScope {
    /// Whether it has an action of a token's scope.
    pub fn has(&self, action: &str) -> bool {
        self.0.contains(action)
    }

    /// What of these grants it leaves.
    pub fn narrowed(&self, grants: Vec<Grant>) -> Vec<Grant> {
        let narrow = |mut grant: Grant| {
            match grant.kind.as_str() {
                "repository" => grant.actions.retain(|action| self.has(action)),
                // Names of repositories are there to be read.
                _ if !self.has("pull") => grant.actions.clear(),
                _ => {}
            }
            grant
        };
        let narrowed = grants.into_iter().map(narrow);
        narrowed.filter(|grant| !grant.actions.is_empty()).collect()
    }
}

impl FromStr for LoginScope {
    type Err = NoLoginScope;

    /// Words behind one another; all that there are when there is none.
    fn from_str(text: &str) -> Result<Self, NoLoginScope> {
        let known = |word: &str| {
            let found = ACTIONS.into_iter().find(|action| *action == word);
            found.ok_or_else(|| NoLoginScope(word.chars().take(40).collect()))
        };
        let words = text.split(' ').filter(|word| !word.is_empty());
        let found: BTreeSet<&'static str> = words.map(known).collect::<Result<_, _>>()?;
        Ok(match found.is_empty() {
            true => Self(ACTIONS.into()),
            false => Self(found),
        })
    }
}

impl fmt::Display for LoginScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = ACTIONS.into_iter().filter(|action| self.has(action));
        f.write_str(&own.collect::<Vec<_>>().join(" "))
    }
}

/// The secret of a login, which its program keeps (a refresh token of RFC 6749).
pub struct LoginSecret(Zeroizing<String>);

impl LoginSecret {
    /// A new one, of 256 random bits.
    pub fn new() -> Self {
        let text = Zeroizing::new(random_text());
        Self(Zeroizing::new(format!("{SECRET_PREFIX}{}", *text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LoginSecret {
    fn default() -> Self {
        Self::new()
    }
}

/// The secret by which a program asks whether it was let in (`device_code`).
pub struct LoginCode(Zeroizing<String>);

impl LoginCode {
    /// A new one, of 256 random bits.
    pub fn new() -> Self {
        Self(Zeroizing::new(random_text()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of a code, or of a login's secret. A fast hash is enough: nobody can try 2^256 of them.
    pub fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

impl Default for LoginCode {
    fn default() -> Self {
        Self::new()
    }
}

/// 256 random bits as text: 43 letters, digits, dashes and underscores.
pub fn random_text() -> String {
    let mut random = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(random.as_mut());
    URL_SAFE_NO_PAD.encode(random.as_slice())
}

/// The code that a program shows, and a person compares or types (`user_code`): `WDJB-MJHT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// A new one.
    pub fn new() -> Self {
        let mut letters = String::with_capacity(LENGTH);
        while letters.len() < LENGTH {
            let mut random = [0; 16];
            OsRng.fill_bytes(&mut random);
            // Of the 256 values of a byte, so many that each letter has as many of them.
            let fair = random.iter().filter(|byte| **byte < 240);
            let drawn = fair.filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
            letters.extend(
                drawn
                    .map(|letter| *letter as char)
                    .take(LENGTH - letters.len()),
            );
        }
        Self(letters)
    }

    /// Reads what a person typed: in any case, with whatever between the letters.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 40 {
            return None;
        }
        let typed = text.bytes().filter(u8::is_ascii_alphanumeric);
        let typed: Vec<u8> = typed.map(|byte| byte.to_ascii_uppercase()).collect();
        let is_code = typed.len() == LENGTH && typed.iter().all(|byte| LETTERS.contains(byte));
        let text = is_code.then(|| String::from_utf8(typed).ok()).flatten()?;
        Some(Self(text))
    }

    /// The letters alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for UserCode {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_is_read_however_it_is_typed() {
        let code = UserCode::new();
        let shown = code.to_string();
        assert_eq!(shown.len(), LENGTH + 1);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            format!(" {} ", shown.replace('-', "")),
        ] {
            assert_eq!(UserCode::parse(&typed), Some(code.clone()), "{typed}");
        }
        for typed in [
            "",
            "BCDF-GHJ",
            "BCDF-GHJKL",
            "ACDF-GHJK",
            "BCDF-GHJ\u{212a}",
        ] {
            assert_eq!(UserCode::parse(typed), None, "{typed}");
        }
        assert_ne!(UserCode::new(), UserCode::new());
    }

    #[test]
    fn a_scope_leaves_of_rights_what_it_names() {
        let grant = |kind: &str, actions: &[&str]| Grant {
            kind: kind.to_owned(),
            name: "app".to_owned(),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
        };
        let all = || {
            vec![
                grant("repository", &["pull", "push"]),
                grant("registry", &["*"]),
            ]
        };
        let scope = |text: &str| text.parse::<LoginScope>().expect("it is one");
        assert_eq!(scope("").narrowed(all()), all());
        let pull = [grant("repository", &["pull"]), grant("registry", &["*"])];
        assert_eq!(scope("pull").narrowed(all()), pull);
        assert_eq!(scope("delete").narrowed(all()), []);
        assert_eq!(scope("push pull").to_string(), "pull push");
        for text in ["*", "admin", "pull,push", "repository:app:pull"] {
            assert!(text.parse::<LoginScope>().is_err(), "{text}");
        }
    }
}
