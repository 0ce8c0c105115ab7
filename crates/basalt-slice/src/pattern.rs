//! Patterns of paths as chisel has them: `?` is one character but `/`, `*` any number of them, `**`
//! any number of characters, `/` among them. A directory's path ends with `/`.

use basalt_tree::TreePath;
use serde::{Deserialize, Serialize};

/// The most wildcards of one pattern: matching takes time in proportion to them.
const MAXIMUM_WILDCARDS: usize = 32;

/// The top-level names that lead into `/usr`.
const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// A path, or a pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pattern(String);

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Literal(char),
    One,
    Name,
    Any,
}

impl Pattern {
    /// Reads a pattern; where `/usr` is merged, it stands for the merged path.
    ///
    /// # Errors
    /// A sentence, when it is not absolute, climbs out, or has too many wildcards.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}` is not absolute: begin it with `/`"));
        }
        TreePath::new(text).map_err(|error| error.to_string())?;
        if text.contains("//") || text.split('/').any(|name| name == ".") {
            return Err(format!("`{text}` is not plain: leave out `//` and `/./`"));
        }
        if tokens(text)
            .filter(|token| !matches!(token, Token::Literal(_)))
            .count()
            > MAXIMUM_WILDCARDS
        {
            return Err(format!(
                "`{text}` has more than {MAXIMUM_WILDCARDS} wildcards"
            ));
        }
        let first = text[1..].split('/').next().unwrap_or("");
        Ok(Self(
            match MERGED.contains(&first) && text.len() > first.len() + 1 {
                true => format!("/usr{text}"),
                false => text.to_owned(),
            },
        ))
    }

    /// The pattern, after usr-merge.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a pattern rather than one path.
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether it matches a path, which is as usr-merge has it.
    pub fn matches(&self, path: &TreePath, is_directory: bool) -> bool {
        let literal = self.0.find(['*', '?']).unwrap_or(self.0.len());
        let bytes = path.as_str().as_bytes();
        let begin = &self.0.as_bytes()[1..literal];
        // Most paths end here. A directory's own slash is not in the path's text.
        let shared = begin.len().min(bytes.len());
        if begin[..shared] != bytes[..shared] || begin.len() > bytes.len() + 1 {
            return false;
        }
        let mut text = path.absolute();
        if is_directory {
            text.push('/');
        }
        match self.is_glob() {
            true => glob(&self.0, &text),
            false => self.0 == text,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    let mut letters = text.chars().peekable();
    std::iter::from_fn(move || {
        Some(match letters.next()? {
            '?' => Token::One,
            '*' => {
                let mut token = Token::Name;
                while letters.next_if_eq(&'*').is_some() {
                    token = Token::Any;
                }
                token
            }
            letter => Token::Literal(letter),
        })
    })
}

/// Whether a text matches: at each letter, the places of the pattern that can have been reached.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<Token> = tokens(pattern).collect();
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_wildcards(&pattern, &mut reached);
    for letter in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (place, token) in pattern
            .iter()
            .enumerate()
            .filter(|(place, _)| reached[*place])
        {
            match token {
                Token::Literal(wanted) if *wanted == letter => next[place + 1] = true,
                Token::One if letter != '/' => next[place + 1] = true,
                Token::Name if letter != '/' => next[place] = true,
                Token::Any => next[place] = true,
                _ => {}
            }
        }
        skip_wildcards(&pattern, &mut next);
        reached = next;
        if !reached.contains(&true) {
            return false;
        }
    }
    reached[pattern.len()]
}

/// A wildcard for any number of characters may stand for none.
fn skip_wildcards(pattern: &[Token], reached: &mut [bool]) {
    for (place, token) in pattern.iter().enumerate() {
        if reached[place] && matches!(token, Token::Name | Token::Any) {
            reached[place + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hits(pattern: &str, path: &str) -> bool {
        let pattern = Pattern::new(pattern).expect("a pattern");
        let directory = path.ends_with('/');
        pattern.matches(&TreePath::new(path).expect("a path"), directory)
    }

    #[test]
    fn patterns_mean_what_they_mean_in_chisel() {
        assert!(hits(
            "/usr/lib/*-linux-*/libc.so.*",
            "usr/lib/x86_64-linux-gnu/libc.so.6"
        ));
        assert!(!hits("/usr/lib/*", "usr/lib/a/b"));
        assert!(!hits("/usr/lib/*", "usr/lib/a/"));
        assert!(hits("/usr/lib/*/", "usr/lib/a/"));
        assert!(hits(
            "/usr/share/zoneinfo/**",
            "usr/share/zoneinfo/Europe/Berlin"
        ));
        assert!(hits("/usr/share/zoneinfo/**", "usr/share/zoneinfo/Europe/"));
        assert!(hits("/usr/lib/python3**", "usr/lib/python3.13/os.py"));
        assert!(hits("/etc/a?c", "etc/abc"));
        assert!(!hits("/etc/a?c", "etc/a/c"));
        assert!(hits("/etc/passwd", "etc/passwd"));
        assert!(!hits("/etc/passwd", "etc/passwd-"));
    }

    #[test]
    fn a_pattern_of_an_unmerged_path_stands_for_the_merged_one() {
        assert!(hits("/lib/*/libc.so.6", "usr/lib/x/libc.so.6"));
        assert!(!hits("/libexec/a", "usr/libexec/a"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in [
            "",
            "usr/bin",
            "/a/../b",
            "/a//b",
            "/a/./b",
            &format!("/{}", "*a".repeat(40)),
        ] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_all(path in "[a-z]{1,8}(/[a-z.]{1,7}[a-z]){0,4}") {
            let pattern = Pattern::new(&format!("/{path}")).expect("a pattern");
            let merged = TreePath::new(pattern.as_str()).expect("a path");
            prop_assert!(pattern.matches(&merged, false));
            prop_assert!(hits("/**", &path));
        }

        #[test]
        fn any_pattern_ends(pattern in "/[a*?/]{0,60}", path in "[a/]{0,200}") {
            if let (Ok(pattern), Ok(path)) = (Pattern::new(&pattern), TreePath::new(&path)) {
                pattern.matches(&path, false);
            }
        }
    }
}
