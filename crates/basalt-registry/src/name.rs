//! Names of repositories and tags (OCI distribution specification, *Pulling manifests*).

use std::fmt;
use std::str::FromStr;

/// The longest name of a repository: with a host before it, clients take 255 characters.
const MAXIMUM_NAME: usize = 255;
/// The longest tag.
const MAXIMUM_TAG: usize = 128;

/// The name of a repository: `team/app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a repository's name has lower-case letters and digits, parted by one of . _ __ or dashes, in parts between slashes, \
     {MAXIMUM_NAME} characters at most"
)]
pub struct NoRepositoryName;

impl RepositoryName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = NoRepositoryName;

    fn from_str(text: &str) -> Result<Self, NoRepositoryName> {
        let sound = text.len() <= MAXIMUM_NAME && text.split('/').all(is_component);
        sound.then(|| Self(text.to_owned())).ok_or(NoRepositoryName)
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = (bytes.first(), bytes.last());
    if !matches!(ends, (Some(first), Some(last)) if is_word(*first) && is_word(*last)) {
        return false;
    }
    bytes
        .split(|byte| is_word(*byte))
        .all(|between| matches!(between, b"" | b"." | b"_" | b"__") || is_dashes(between))
}

fn is_dashes(between: &[u8]) -> bool {
    between.iter().all(|byte| *byte == b'-')
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A text that is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tag has letters, digits, dots, dashes and underscores, begins with none of . and -, and has {MAXIMUM_TAG} characters at most"
)]
pub struct NoTag;

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NoTag;

    fn from_str(text: &str) -> Result<Self, NoTag> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let rest = |byte: u8| is_word(byte) || byte == b'.' || byte == b'-';
        let first = text.bytes().next().is_some_and(is_word);
        (first && text.len() <= MAXIMUM_TAG && text.bytes().all(rest))
            .then(|| Self(text.to_owned()))
            .ok_or(NoTag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for name in ["a", "team/app", "a.b_c__d---e/f0", "library/x-1.2"] {
            assert!(name.parse::<RepositoryName>().is_ok(), "{name}");
        }
        let long = "a".repeat(256);
        for name in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a.", "a/../b", "a._b", "a b",
            "ä", "a\0", &long,
        ] {
            assert!(name.parse::<RepositoryName>().is_err(), "{name}");
        }
    }

    #[test]
    fn tags_are_those_of_the_specification() {
        for tag in ["latest", "1.2-3", "_x", "A", &"a".repeat(128)] {
            assert!(tag.parse::<Tag>().is_ok(), "{tag}");
        }
        for tag in ["", ".a", "-a", "a/b", "a:b", "a b", "ä", &"a".repeat(129)] {
            assert!(tag.parse::<Tag>().is_err(), "{tag}");
        }
    }
}
