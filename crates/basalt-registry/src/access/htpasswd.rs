//! Users and their passwords, as Apache's `htpasswd -B` writes them.

use std::collections::HashMap;

/// The longest file, in bytes.
const MAXIMUM_FILE: usize = 4 << 20;
/// The highest cost that is taken: a login at this one takes seconds.
const MAXIMUM_COST: u32 = 14;

/// A file of users that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct HtpasswdError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub cause: String,
}

/// Users, each with the bcrypt hash of a password.
#[derive(Clone, Default)]
pub struct Htpasswd {
    users: HashMap<String, String>,
}

impl Htpasswd {
    /// Reads such a file.
    ///
    /// # Errors
    /// When a line is none of it, or its hash is not of bcrypt.
    pub fn parse(text: &str) -> Result<Self, HtpasswdError> {
        let mut users = HashMap::new();
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
            let parts: bcrypt::HashParts = hash.parse().map_err(|_| {
                fail(
                    number,
                    "the hash is not of bcrypt; write it with `htpasswd -B`",
                )
            })?;
            if parts.get_cost() > MAXIMUM_COST {
                return Err(fail(number, "the hash costs too much; 14 is the most"));
            }
            if users.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(fail(number, "the name stands twice"));
            }
        }
        Ok(Self { users })
    }

    /// The hash of a user's password. For a user that is not there, one that no password has: to tell the two by time
    /// would tell who is there.
    pub fn hash_of<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.users.get(name).map(String::as_str)
    }

    /// A hash to compare with when there is no such user: as costly as those that are there.
    pub fn any_hash(&self) -> Option<&str> {
        self.users.values().next().map(String::as_str)
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
    fn only_hashes_of_bcrypt_are_taken_and_the_line_is_named() {
        let hash = bcrypt::hash("secret", 4).expect("it is hashed");
        let users = Htpasswd::parse(&format!("# people\n\nme:{hash}\n")).expect("it is sound");
        assert!(users.has("me") && !users.has("you"));
        let hash_of = users.hash_of("me").expect("it is there");
        assert!(bcrypt::verify("secret", hash_of).expect("it is one"));
        for (text, words) in [
            ("me:secret", "bcrypt"),
            ("me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "htpasswd -B"),
            ("me", "NAME:HASH"),
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
