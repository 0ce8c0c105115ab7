//! Version numbers and their order (Debian Policy 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest version taken, in bytes. The longest in Debian's archive has about 60.
pub const MAXIMUM_VERSION_LENGTH: usize = 1024;

/// A version: `[epoch:]upstream[-revision]`. Shown just as it was written.
///
/// Equality, order and hash follow the policy's comparison, so `1.0`, `0:1.0` and `1.0-0` are
/// equal though they are written differently.
#[derive(Clone)]
pub struct Version {
    text: Box<str>,
    epoch: u32,
    upstream_start: u16,
    upstream_end: u16,
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Debian version: {cause}")]
pub struct VersionError {
    text: String,
    cause: &'static str,
}

impl Version {
    /// Parses a version; blanks around it are dropped.
    ///
    /// Like dpkg this takes an upstream version that does not begin with a digit, which the policy
    /// only advises against.
    ///
    /// # Errors
    /// When a part is empty, the epoch is not a number below 2³¹, a character may not stand in a
    /// version, or it is longer than [`MAXIMUM_VERSION_LENGTH`].
    pub fn new(text: &str) -> Result<Self, VersionError> {
        let text = text.trim_matches([' ', '\t', '\n']);
        let fail = |cause| VersionError {
            text: text.chars().take(100).collect(),
            cause,
        };
        if text.is_empty() {
            return Err(fail("it is empty"));
        }
        if text.len() > MAXIMUM_VERSION_LENGTH {
            return Err(fail("it is longer than 1024 bytes"));
        }
        let (epoch, upstream_start) = match text.find(':') {
            None => (0, 0),
            Some(colon) => {
                let digits = &text[..colon];
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(fail("the epoch before `:` is not a number"));
                }
                match digits.parse::<u32>() {
                    Ok(epoch) if epoch <= i32::MAX as u32 => (epoch, colon + 1),
                    _ => return Err(fail("the epoch is too large")),
                }
            }
        };
        let upstream_end = match text[upstream_start..].rfind('-') {
            None => text.len(),
            Some(hyphen) => upstream_start + hyphen,
        };
        let upstream = &text[upstream_start..upstream_end];
        if upstream.is_empty() {
            return Err(fail("the upstream version is empty"));
        }
        if !upstream
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
        {
            return Err(fail(
                "the upstream version may hold only letters, digits and `.+-~:`",
            ));
        }
        if let Some(revision) = text.get(upstream_end + 1..) {
            if revision.is_empty() {
                return Err(fail("the revision after the last `-` is empty"));
            }
            if !revision
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(&byte))
            {
                return Err(fail("the revision may hold only letters, digits and `.+~`"));
            }
        }
        Ok(Self {
            epoch,
            // Both fit: the length was checked above.
            upstream_start: upstream_start as u16,
            upstream_end: upstream_end as u16,
            text: text.into(),
        })
    }

    /// The epoch; 0 where none is written.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream version.
    pub fn upstream(&self) -> &str {
        &self.text[usize::from(self.upstream_start)..usize::from(self.upstream_end)]
    }

    /// The Debian revision, where one is written.
    pub fn revision(&self) -> Option<&str> {
        self.text.get(usize::from(self.upstream_end) + 1..)
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The version as it was written, without its epoch: as file names carry it.
    pub fn without_epoch(&self) -> &str {
        &self.text[usize::from(self.upstream_start)..]
    }
}

/// Where a character sorts among the non-digits: `~` before the end, the end before letters,
/// letters before all else.
fn rank(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        b'0'..=b'9' => 0,
        b'A'..=b'Z' | b'a'..=b'z' => i32::from(byte),
        _ => i32::from(byte) + 256,
    }
}

/// Takes the digits at the front, without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    *text = rest;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

/// Takes the non-digits at the front.
fn take_word<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let length = text
        .iter()
        .take_while(|byte| !byte.is_ascii_digit())
        .count();
    let (word, rest) = text.split_at(length);
    *text = rest;
    word
}

fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    for place in 0..left.len().max(right.len()) {
        let of = |word: &[u8]| word.get(place).map_or(0, |byte| rank(*byte));
        match of(left).cmp(&of(right)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// Compares two upstream versions or two revisions.
fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let words = compare_words(take_word(&mut left), take_word(&mut right));
        if words != Ordering::Equal {
            return words;
        }
        let (ours, theirs) = (take_number(&mut left), take_number(&mut right));
        let numbers = ours.len().cmp(&theirs.len()).then_with(|| ours.cmp(theirs));
        if numbers != Ordering::Equal {
            return numbers;
        }
    }
    Ordering::Equal
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_parts(self.upstream(), other.upstream()))
            .then_with(|| {
                compare_parts(
                    self.revision().unwrap_or_default(),
                    other.revision().unwrap_or_default(),
                )
            })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal versions must hash alike, so the canonical words and numbers are hashed, not the text.
        self.epoch.hash(state);
        for part in [self.upstream(), self.revision().unwrap_or_default()] {
            let mut rest = part.as_bytes();
            while !rest.is_empty() {
                let (word, number) = (take_word(&mut rest), take_number(&mut rest));
                if !word.is_empty() || !number.is_empty() {
                    word.hash(state);
                    number.hash(state);
                }
            }
            state.write_u8(0xff);
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Version {
    type Error = VersionError;

    fn try_from(text: &str) -> Result<Self, VersionError> {
        Self::new(text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).expect(text)
    }

    #[test]
    fn parts_are_told_apart() {
        let whole = version("2:1.0-rc1-3+b1");
        assert_eq!(whole.epoch(), 2);
        assert_eq!(whole.upstream(), "1.0-rc1");
        assert_eq!(whole.revision(), Some("3+b1"));
        assert_eq!(whole.without_epoch(), "1.0-rc1-3+b1");
        assert_eq!(version("1:1:2").upstream(), "1:2");
        assert_eq!(version("7").revision(), None);
    }

    #[test]
    fn sorts_as_the_policy_says() {
        let rising = [
            "~~",
            "~~a",
            "~",
            "0",
            "0a",
            "1.0~rc1",
            "1.0",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b2",
            "1.0-1+b10",
            "1.0+b1",
            "1.0.1",
            "1.10",
            "1:0.1",
        ];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn differently_written_equals_are_equal_and_hash_alike() {
        let hash = |text: &str| {
            let mut state = std::collections::hash_map::DefaultHasher::new();
            version(text).hash(&mut state);
            state.finish()
        };
        for (left, right) in [
            ("1.0", "0:1.0-0"),
            ("1.00", "1.0"),
            ("1.", "1.0"),
            ("0", "000"),
        ] {
            assert_eq!(version(left), version(right));
            assert_eq!(hash(left), hash(right), "{left} {right}");
        }
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in [
            "",
            " ",
            ":1",
            "a:1",
            "1:",
            "1-",
            "-1",
            "1_0",
            "1 0",
            "1-a:b",
            "1-é",
            "4294967296:1",
            "2147483648:1",
        ] {
            assert!(Version::new(text).is_err(), "{text}");
        }
        assert!(Version::new(&"1".repeat(MAXIMUM_VERSION_LENGTH + 1)).is_err());
    }
}
