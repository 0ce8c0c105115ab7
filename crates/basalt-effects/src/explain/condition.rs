//! Conditions of `if` lines whose answer on a fresh install is known.

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It holds on a fresh install.
    Yes,
    /// It does not hold on a fresh install.
    No,
    /// It depends on the root; asking it changes nothing.
    Either,
}

/// The words with which a script is called on a fresh install.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// `$1`: `configure` or `install`. `$2`, the old version, is empty.
    pub action: &'static str,
}

/// Answers a condition such as `[ "$1" = configure ] && [ -n "$2" ]`, joined by `&&` and `||` as the
/// shell does (left to right, same weight). `None` when a part of it is not understood.
pub(crate) fn answer(text: &str, call: Call) -> Option<Answer> {
    let mut answer: Option<(Answer, Joint)> = None;
    let mut left = text;
    loop {
        let next = match (left.find("&&"), left.find("||")) {
            (Some(and), Some(or)) if and < or => Some((and, Joint::And)),
            (_, Some(or)) => Some((or, Joint::Or)),
            (Some(and), None) => Some((and, Joint::And)),
            (None, None) => None,
        };
        let part = next.map_or(left, |(place, _)| left.get(..place).unwrap_or_default());
        let here = simple(part.trim(), call)?;
        let sum = match answer {
            None => here,
            Some((before, joint)) => joint.join(before, here),
        };
        let Some((place, joint)) = next else {
            return Some(sum);
        };
        answer = Some((sum, joint));
        left = left.get(place + 2..).unwrap_or_default();
    }
}

#[derive(Clone, Copy)]
enum Joint {
    And,
    Or,
}

impl Joint {
    fn join(self, left: Answer, right: Answer) -> Answer {
        match (self, left, right) {
            (Self::And, Answer::No, _) | (Self::And, _, Answer::No) => Answer::No,
            (Self::Or, Answer::Yes, _) | (Self::Or, _, Answer::Yes) => Answer::Yes,
            (_, Answer::Either, _) | (_, _, Answer::Either) => Answer::Either,
            (Self::And, ..) => Answer::Yes,
            (Self::Or, ..) => Answer::No,
        }
    }
}

impl Answer {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Either => Self::Either,
        }
    }

    fn of(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

fn simple(text: &str, call: Call) -> Option<Answer> {
    if let Some(negated) = text.strip_prefix("! ") {
        return simple(negated.trim(), call).map(Answer::not);
    }
    let text = text
        .trim_end_matches("2>&1")
        .trim_end()
        .trim_end_matches("2>/dev/null")
        .trim_end()
        .trim_end_matches(">/dev/null")
        .trim_end_matches("> /dev/null")
        .trim_end();
    let bracketed = text
        .strip_prefix("[ ")
        .and_then(|inner| inner.strip_suffix(" ]"));
    if let Some(inner) = bracketed.or_else(|| text.strip_prefix("test ")) {
        return test(inner.trim(), call);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["true"] => Some(Answer::Yes),
        ["false"] => Some(Answer::No),
        ["dpkg", "--compare-versions", old, operator, version]
            if unquoted(old) == "$2" && !version.contains(['$', '`']) =>
        {
            older(operator)
        }
        ["command", "-v", name] | ["which", name] if is_plain(name) => Some(Answer::Either),
        ["deb-systemd-helper", options @ .., unit]
            if is_plain(unquoted(unit)) && options.iter().all(|word| is_plain(word)) =>
        {
            Some(Answer::Either)
        }
        _ => None,
    }
}

/// `dpkg --compare-versions "" OPERATOR …`: an empty version is earlier than any, except for the
/// operators that end in `-nl`, for which it is later (dpkg(1)).
fn older(operator: &str) -> Option<Answer> {
    match operator {
        "lt" | "le" | "ne" | "gt-nl" | "ge-nl" => Some(Answer::Yes),
        "gt" | "ge" | "eq" | "lt-nl" | "le-nl" => Some(Answer::No),
        _ => None,
    }
}

fn test(inner: &str, call: Call) -> Option<Answer> {
    if inner.contains(" -a ") || inner.contains(" -o ") {
        return None;
    }
    let known = |word: &str| -> Option<String> {
        match unquoted(word) {
            "$1" | "${1}" => Some(call.action.to_owned()),
            "$2" | "${2}" | "${2:-}" => Some(String::new()),
            "$DPKG_ROOT" | "${DPKG_ROOT:-}" | "${DPKG_ROOT}" => Some(String::new()),
            text if is_plain(text) => Some(text.to_owned()),
            _ => None,
        }
    };
    let words: Vec<&str> = inner.split_whitespace().collect();
    match words.as_slice() {
        ["!", ..] => test(inner.trim_start_matches('!').trim(), call).map(Answer::not),
        [left, "=" | "==", right] => Some(Answer::of(known(left)? == known(right)?)),
        [left, "!=", right] => Some(Answer::of(known(left)? != known(right)?)),
        ["-n", word] => Some(Answer::of(!known(word)?.is_empty())),
        ["-z", word] => Some(Answer::of(known(word)?.is_empty())),
        ["-d", "/run/systemd/system" | "/run/systemd/system/"] => Some(Answer::No),
        [
            "-d" | "-e" | "-f" | "-h" | "-L" | "-r" | "-s" | "-x",
            rest @ ..,
        ] => path_test(&rest.join(" ")),
        _ => None,
    }
}

/// A test of a path: its answer depends on the root, and asking is harmless if the word is a
/// plain path or `command -v NAME`.
fn path_test(word: &str) -> Option<Answer> {
    let mut word = unquoted(word);
    for prefix in ["$DPKG_ROOT", "${DPKG_ROOT:-}", "${DPKG_ROOT}"] {
        word = word.strip_prefix(prefix).unwrap_or(word);
    }
    let command = word
        .strip_prefix("$(command -v ")
        .and_then(|name| name.strip_suffix(')'))
        .or_else(|| {
            word.strip_prefix("`command -v ")
                .and_then(|name| name.strip_suffix('`'))
        });
    is_plain(command.unwrap_or(word)).then_some(Answer::Either)
}

/// A word without one pair of quotes around it.
pub(crate) fn unquoted(word: &str) -> &str {
    for mark in ['"', '\''] {
        if let Some(inner) = word
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark))
        {
            return inner;
        }
    }
    word
}

/// Whether a word is only letters, digits and the marks of a path, an option or a version.
pub(crate) fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "/._-+@:,~=%\\".contains(letter))
}
