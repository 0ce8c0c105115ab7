//! Warnings that registries send beside their answers (OCI distribution specification 1.1, *Warnings*).

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The most warnings that are kept, and the longest of them in characters.
const MAXIMUM_WARNINGS: usize = 100;
const MAXIMUM_TEXT: usize = 1024;
/// The code of those that are for people.
const CODE: &str = "299";

/// A warning of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Warning {
    /// The registry's host.
    pub registry: String,
    /// What it says. What a terminal would obey is spelled out.
    pub text: String,
}

/// Warnings that came, each once.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Vec<Warning>>);

impl Warnings {
    /// Notes what came in a header; the warning, if it is a new one.
    pub fn note(&self, registry: &str, value: &[u8]) -> Option<Warning> {
        let warning = Warning {
            registry: registry.to_owned(),
            text: parse(&String::from_utf8_lossy(value))?,
        };
        let mut known = self.known();
        if known.len() >= MAXIMUM_WARNINGS || known.contains(&warning) {
            return None;
        }
        known.push(warning.clone());
        Some(warning)
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<Warning> {
        self.known().clone()
    }

    fn known(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of `299 - "…"`; nothing when it is something else.
fn parse(value: &str) -> Option<String> {
    let rest = value.trim().strip_prefix(CODE)?.strip_prefix(' ')?;
    let (_, rest) = rest.trim_start().split_once(' ')?;
    let rest = rest.trim_start().strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = rest.chars();
    while text.chars().count() < MAXIMUM_TEXT {
        match letters.next()? {
            '"' => break,
            '\\' => shown(letters.next()?, &mut text),
            letter => shown(letter, &mut text),
        }
    }
    (!text.trim().is_empty()).then_some(text)
}

/// Adds a letter; one that is none to look at is spelled out.
fn shown(letter: char, text: &mut String) {
    match letter.is_ascii_graphic() || letter == ' ' || letter.is_alphanumeric() {
        true => text.push(letter),
        false => text.extend(letter.escape_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_what_stands_between_the_quotes() {
        let text = parse(r#"299 - "the \"old\" one \\ ends""#);
        assert_eq!(text.as_deref(), Some(r#"the "old" one \ ends"#));
        for other in [
            "",
            "299",
            "299 -",
            "299 - none",
            "299 - \"open",
            "110 - \"stale\"",
            "2999 - \"x\"",
            "299 - \"  \"",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        let long = format!("299 - \"{}\"", "a".repeat(100_000));
        assert!(parse(&long).is_some_and(|text| text.len() == MAXIMUM_TEXT));
    }

    #[test]
    fn a_warning_cannot_command_the_terminal() {
        let text = parse("299 - \"a\u{1b}]0;evil\u{7} \u{9b}2J \u{202e}x\u{fc}\"");
        assert_eq!(
            text.as_deref(),
            Some("a\\u{1b}]0;evil\\u{7} \\u{9b}2J \\u{202e}x\u{fc}")
        );
    }

    #[test]
    fn each_warning_of_a_registry_is_told_once_and_not_without_end() {
        let warnings = Warnings::default();
        let value = b"299 - \"once\"";
        assert!(warnings.note("a.example", value).is_some());
        assert!(warnings.note("a.example", value).is_none());
        assert!(warnings.note("b.example", value).is_some());
        for number in 0..1000 {
            warnings.note("c.example", format!("299 - \"{number}\"").as_bytes());
        }
        assert_eq!(warnings.all().len(), MAXIMUM_WARNINGS);
    }
}
