//! Users and their passwords, a line each, as Apache's `htpasswd -B` writes them.

use std::collections::BTreeMap;

use super::PasswordDigest;
use super::robot::ROBOT_PREFIX;

/// The longest file, in bytes.
const MAXIMUM_FILE: usize = 4 << 20;

/// A file of users that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct HtpasswdError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub cause: String,
}

/// Users, each with the hash of a password.
#[derive(Clone, Default)]
pub struct Htpasswd {
    users: BTreeMap<String, PasswordDigest>,
}

impl Htpasswd {
    /// Reads such a file.
    ///
    /// # Errors
    /// When a line is none of it, or its hash is neither of bcrypt nor of argon2id, or costs too much.
    pub fn parse(text: &str) -> Result<Self, HtpasswdError> {
        let mut users = BTreeMap::new();
        let fail = |line: usize, cause: &str| HtpasswdError {
            line: line + 1,
            cause: cause.to_owned(),
        };
        if text.len() > MAXIMUM_FILE {
            return Err(fail(0, "the file has more than 4 MiB"));
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line
                .split_once(':')
                .ok_or_else(|| fail(number, "it is not NAME:HASH"))?;
            let sound = |letter: char| !letter.is_control() && letter != '"';
            if name.is_empty() || name.len() > 255 || !name.chars().all(sound) {
                return Err(fail(
                    number,
                    "the name is empty, too long or has control characters",
                ));
            }
            if name.starts_with(ROBOT_PREFIX) {
                return Err(fail(
                    number,
                    "names that begin with robot$ are those of robots",
                ));
            }
            let hash = PasswordDigest::parse(hash).map_err(|cause| fail(number, &cause))?;
            if users.insert(name.to_owned(), hash).is_some() {
                return Err(fail(number, "the name stands twice"));
            }
        }
        Ok(Self { users })
    }

    /// The hash of a user's password.
    pub fn hash_of(&self, name: &str) -> Option<&PasswordDigest> {
        self.users.get(name)
    }

    /// A hash to compare with when there is no such user: that of someone who is there, so that it costs what theirs does.
    /// The same seed gives the same one: a name that is not there takes as long each time, as those that are there do.
    pub fn any_hash(&self, seed: u64) -> Option<&PasswordDigest> {
        let place = seed.checked_rem(self.users.len() as u64)?;
        self.users.values().nth(place as usize)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether there is a user of this name.
    pub fn has(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_that_are_slow_to_guess_are_taken_and_the_line_is_named() {
        let hash = bcrypt::hash("secret", 4).expect("it is hashed");
        let users = Htpasswd::parse(&format!("# people\n\nme:{hash}\n")).expect("it is sound");
        assert!(users.has("me") && !users.has("you"));
        let hash_of = users.hash_of("me").expect("it is there");
        assert!(hash_of.is_of("secret"));
        assert_eq!(users.any_hash(7), Some(hash_of));
        assert_eq!(Htpasswd::default().any_hash(7), None);
        for (text, words) in [
            ("me:secret", "bcrypt"),
            ("me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "htpasswd -B"),
            ("me", "NAME:HASH"),
            (
                "me:$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                "argon2id",
            ),
            (&format!("robot$me:{hash}"), "robots"),
        ] {
            let error = Htpasswd::parse(&format!("# x\n{text}"))
                .err()
                .expect("it is refused");
            assert!(error.line == 2 && error.cause.contains(words), "{error}");
        }
        let twice = format!("me:{hash}\nme:{hash}");
        assert!(Htpasswd::parse(&twice).is_err());
    }
}
