//! What a person probably meant.

use crate::checked::{HELP, HIDDEN};

/// The candidate nearest to a word, if any is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The parser's message in plain words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    pub message: String,
    pub help: Option<String>,
    /// The word it is about, where the parser's own place may be beside it.
    pub word: Option<String>,
    /// Whether the value that it is about may hold a secret, so that it must not be shown.
    pub hidden: bool,
}

impl Explained {
    fn new(message: impl Into<String>, help: &str) -> Self {
        Self {
            message: message.into(),
            help: (!help.is_empty()).then(|| help.to_owned()),
            word: None,
            hidden: false,
        }
    }
}

/// The parser's message in plain words, and what to do about it.
pub(crate) fn explain(message: &str) -> Explained {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message);
    if let Some((message, help)) = message.rsplit_once(HELP) {
        let shown = help.strip_suffix(HIDDEN);
        return Explained {
            hidden: shown.is_some(),
            ..Explained::new(message, shown.unwrap_or(help))
        };
    }
    if let Some((word, known)) = unknown(message, "unknown field `", ", expected ") {
        return Explained {
            message: format!("there is no key `{word}` here"),
            help: suggestion(word, &known),
            word: Some(word.to_owned()),
            hidden: false,
        };
    }
    if let Some((word, known)) = unknown(message, "unknown variant `", ", expected ") {
        return Explained {
            message: format!("`{word}` is none of the possible values"),
            help: suggestion(word, &known),
            word: Some(word.to_owned()),
            hidden: false,
        };
    }
    if let Some(rest) = message.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(", set ").next().unwrap_or(rest);
        return Explained::new(format!("the key `{key}` stands twice"), "keep one of them");
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return Explained::new(format!("the key {key} is missing here"), "add it");
    }
    if let Some((_, expected)) = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return Explained::new(
            "this is of the wrong type",
            &format!("expected is {expected}"),
        );
    }
    if message.starts_with("budget breached: Documents") || message.starts_with("multiple YAML") {
        return Explained::new(
            "a spec is one document",
            "write another spec in another file",
        );
    }
    if message.starts_with("budget breached") || message.starts_with("alias replay") {
        return Explained::new(
            "the spec is too large once its aliases are followed, or nested too deep",
            "write it plainly",
        );
    }
    if message.starts_with("invalid boolean") {
        return Explained::new("`true` or `false` is expected here", "");
    }
    match message {
        "expected sequence start" => Explained::new(
            "a list is expected here",
            "write `[first, second]`, or one `- item` a line",
        ),
        "expected mapping start" => Explained::new(
            "a mapping is expected here",
            "write `key: value`, one a line",
        ),
        "expected string scalar" => Explained::new("a single text is expected here", ""),
        "invalid u32" | "invalid u64" => {
            Explained::new("a whole number, not negative, is expected here", "")
        }
        "invalid i32" => Explained::new("a whole number is expected here", ""),
        other => Explained::new(other, ""),
    }
}

fn unknown<'a>(message: &'a str, before: &str, between: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (word, rest) = message.strip_prefix(before)?.split_once('`')?;
    let known = rest.strip_prefix(between).unwrap_or("");
    let known = known.strip_prefix("one of ").unwrap_or(known);
    Some((
        word,
        known
            .split(", ")
            .map(|name| name.trim_matches('`'))
            .filter(|name| !name.is_empty())
            .collect(),
    ))
}

fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    match nearest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("possible are: {}", known.join(", "))),
    }
}
