//! Patterns of names: `team/*`, `release-?`, `**`.

use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes.
const MAXIMUM_LENGTH: usize = 256;

/// A pattern: `*` stands for any characters but a slash, `**` for any at all, `?` for one that is no slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob(String);

impl Glob {
    /// Whether it fits the whole of a text.
    pub fn fits(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes())
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/*?".contains(&byte);
        if text.is_empty() || text.len() > MAXIMUM_LENGTH || !text.bytes().all(known) {
            return Err(format!(
                "`{text}` is no pattern; write names with * for any characters but a slash, ** for any, ? for one"
            ));
        }
        Ok(Self(text))
    }
}

/// Goes back to the last star alone when something does not fit: the time is bounded by the product of the lengths.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows a star does not fit: behind the star, from a later place of the text. A single
    // star cannot take a slash in, so the double star before it is kept as well.
    let mut single: Option<(usize, usize)> = None;
    let mut double: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        if rest.starts_with(b"**") {
            at += 2;
            double = Some((at, seen));
            single = None;
            continue;
        }
        match (rest.first(), text.get(seen)) {
            (Some(b'*'), _) => {
                at += 1;
                single = Some((at, seen));
                continue;
            }
            (None, None) => return true,
            (Some(b'?'), Some(byte)) if *byte != b'/' => {
                (at, seen) = (at + 1, seen + 1);
                continue;
            }
            (Some(wanted), Some(byte)) if wanted == byte && *wanted != b'?' => {
                (at, seen) = (at + 1, seen + 1);
                continue;
            }
            _ => {}
        }
        let longer = |(behind, from): (usize, usize), slash: bool| {
            let byte = text.get(from)?;
            (slash || *byte != b'/').then_some((behind, from + 1))
        };
        if let Some(next) = single.and_then(|star| longer(star, false)) {
            single = Some(next);
            (at, seen) = next;
        } else if let Some(next) = double.and_then(|star| longer(star, true)) {
            single = None;
            double = Some(next);
            (at, seen) = next;
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::try_from(text.to_owned()).expect("it is one")
    }

    #[test]
    fn a_star_stays_within_a_part_and_two_do_not() {
        for (pattern, text, expected) in [
            ("team/*", "team/app", true),
            ("team/*", "team/app/x", false),
            ("team/*", "team/", true),
            ("team/**", "team/app/x", true),
            ("**", "a/b/c", true),
            ("*", "a/b", false),
            ("**/app", "a/b/app", true),
            ("**/app", "app", false),
            ("a*b*c", "aXbXbc", true),
            ("a*/**/c*", "ab/x/y/cd", true),
            ("v?.*", "v1.2", true),
            ("v?", "v/", false),
            ("x", "xy", false),
            ("", "", false),
        ] {
            match Glob::try_from(pattern.to_owned()) {
                Ok(glob) => assert_eq!(glob.fits(text), expected, "{pattern} {text}"),
                Err(_) => assert!(pattern.is_empty()),
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = glob(&"a*".repeat(100));
        assert!(!pattern.fits(&format!("{}b/", "a".repeat(200))));
    }

    /// The meaning, without regard to time.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', b'*', rest @ ..], text) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
            ([b'*', rest @ ..], text) => {
                let end = text
                    .iter()
                    .position(|byte| *byte == b'/')
                    .unwrap_or(text.len());
                (0..=end).any(|at| plain(rest, &text[at..]))
            }
            ([b'?', rest @ ..], [byte, more @ ..]) => *byte != b'/' && plain(rest, more),
            ([wanted, rest @ ..], [byte, more @ ..]) => wanted == byte && plain(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_it_means(pattern in "[ab/*?]{1,8}", text in "[ab/]{0,10}") {
            prop_assert_eq!(glob(&pattern).fits(&text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
