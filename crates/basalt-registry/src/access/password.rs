//! Hashes of passwords: bcrypt, as `htpasswd -B` writes them, and argon2id in its PHC form.
//!
//! Who writes the file of users sets what a sign-in costs, and whoever can reach the server sets how often: so the cost of a
//! hash is bounded when it is read, and how many are computed at once where they are compared.

use argon2::password_hash::{PasswordHash, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// The longest hash that is read, in bytes.
const MAXIMUM_LENGTH: usize = 512;
/// The highest cost of bcrypt that is taken: a login at this one takes seconds.
const MAXIMUM_BCRYPT: u32 = 14;
/// The most memory of argon2id that is taken, in KiB.
const MAXIMUM_MEMORY: u32 = 128 << 10;
/// The most passes over it, and the most lanes.
const MAXIMUM_PASSES: u32 = 16;
const MAXIMUM_LANES: u32 = 16;
/// The most memory times passes, in KiB: what a login takes of time.
const MAXIMUM_WORK: u64 = 512 << 10;

/// The hash of a password, at a cost that was found bearable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasswordDigest(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Bcrypt(String),
    Argon2id(String),
}

impl PasswordDigest {
    /// Reads one.
    ///
    /// # Errors
    /// When it is of another kind, or costs too much; the text says what to do.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAXIMUM_LENGTH {
            return Err("the hash is too long".to_owned());
        }
        if text.starts_with("$argon2") {
            return argon2id(text).map(|()| Self(Kind::Argon2id(text.to_owned())));
        }
        let parts: bcrypt::HashParts = text.parse().map_err(|_| {
            "the hash is neither of bcrypt nor of argon2id; write it with `htpasswd -B`".to_owned()
        })?;
        if parts.get_cost() > MAXIMUM_BCRYPT {
            return Err(format!(
                "the hash costs too much; {MAXIMUM_BCRYPT} is the most for bcrypt"
            ));
        }
        Ok(Self(Kind::Bcrypt(text.to_owned())))
    }

    /// Whether this is the password. It takes as long as its hash was made to take, and as much memory.
    pub fn is_of(&self, password: &str) -> bool {
        match &self.0 {
            Kind::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Kind::Argon2id(hash) => PasswordHash::new(hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            }),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Bcrypt(hash) | Kind::Argon2id(hash) => hash,
        }
    }
}

/// Refuses what is not of argon2id in its version 1.3, or costs too much.
fn argon2id(text: &str) -> Result<(), String> {
    let unreadable = |_| "the hash of argon2 cannot be read".to_owned();
    let hash = PasswordHash::new(text).map_err(unreadable)?;
    let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into());
    if !is_ours {
        return Err(
            "of argon2 only argon2id in its version 19 is taken; write it with `argon2 SALT -id -e`"
                .to_owned(),
        );
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash of argon2 lacks its salt or its end".to_owned());
    }
    let params = Params::try_from(&hash)
        .map_err(|cause| format!("the hash of argon2 cannot be used: {cause}"))?;
    let (memory, passes) = (params.m_cost(), params.t_cost());
    if memory > MAXIMUM_MEMORY
        || passes > MAXIMUM_PASSES
        || params.p_cost() > MAXIMUM_LANES
        || u64::from(memory) * u64::from(passes) > MAXIMUM_WORK
    {
        return Err(
            "the hash costs too much; 128 MiB of memory (m=131072) and 4 passes (t=4) over them are the most, or more passes \
             over less"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `password`, from the tests of the reference program.
    const ARGON2ID: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_password_is_known_by_its_hash_of_either_kind() {
        let bcrypt = bcrypt::hash("password", 4).expect("it is hashed");
        for hash in [ARGON2ID, &bcrypt] {
            let digest = PasswordDigest::parse(hash).expect("it is sound");
            assert!(digest.is_of("password") && !digest.is_of("Password") && !digest.is_of(""));
        }
    }

    #[test]
    fn a_hash_that_would_exhaust_memory_or_time_is_not_taken() {
        for (cost, is_taken) in [
            ("m=65536,t=3,p=4", true),
            ("m=131072,t=4,p=1", true),
            ("m=131072,t=5,p=1", false),
            ("m=131073,t=1,p=1", false),
            ("m=4294967295,t=1,p=1", false),
            ("m=8,t=4294967295,p=1", false),
            ("m=65536,t=17,p=1", false),
            ("m=1024,t=1,p=17", false),
            ("m=1,t=1,p=1", false),
            ("t=1", true),
        ] {
            let text = ARGON2ID.replace("m=256,t=2,p=1", cost);
            assert_eq!(PasswordDigest::parse(&text).is_ok(), is_taken, "{cost}");
        }
        for text in [
            &ARGON2ID.replace("argon2id", "argon2i"),
            &ARGON2ID.replace("argon2id", "argon2d"),
            &ARGON2ID.replace("v=19", "v=16"),
            &ARGON2ID.replace("v=19$", ""),
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=256,t=2,p=1",
            "$argon2id$",
            "$2y$15$QGHEGvZEzUm3h8wPlDyx5eRF7g1KL2W2YS5LFKl6k4kqOaz6kJv62",
            "secret",
            &"$argon2id$".repeat(100),
        ] {
            assert!(PasswordDigest::parse(text).is_err(), "{text}");
        }
    }
}
