//! Secrets in URLs: before the host, in the query and in the fragment.

use std::ops::Range;

use super::is_placeholder;

/// What the names of parameters that hold a secret end with, in lower case: `access_token`, `accessToken`.
const ENDS: [&str; 9] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "signature",
    "authorization",
];

/// Names of such parameters as a whole, or after a `-`, `_` or `.`.
const NAMES: [&str; 15] = [
    "pwd",
    "pass",
    "sig",
    "auth",
    "jwt",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "secret_key",
    "secret-key",
    "private_key",
    "private-key",
    "subscription-key",
    "auth_key",
];

/// The user names and passwords in the URLs of a text.
pub(super) fn users(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let Some(scheme) = scheme(&text[..at]) else {
            continue;
        };
        let start = at + 3;
        if let Some(user) = userinfo(word(&text[start..]), scheme) {
            found.push((start..start + user.len(), "a user name and password"));
        }
    }
    found
}

/// The scheme at the end of a text.
fn scheme(before: &str) -> Option<&str> {
    let is_other = |letter: char| !letter.is_ascii_alphanumeric() && !"+.-".contains(letter);
    let length = before.rfind(is_other).map_or(before.len(), |last| {
        let other = before[last..].chars().next().map_or(1, char::len_utf8);
        before.len() - last - other
    });
    (length > 0).then(|| &before[before.len() - length..])
}

/// What a text begins with, up to where a URL ends in any kind of text.
fn word(text: &str) -> &str {
    let is_end =
        |letter: char| letter.is_whitespace() || letter.is_control() || "\"'`".contains(letter);
    &text[..text.find(is_end).unwrap_or(text.len())]
}

/// What stands before the host of a URL, if it is a secret. For http a name alone is one: tokens are given so.
fn userinfo<'a>(word: &'a str, scheme: &str) -> Option<&'a str> {
    let end = word.find(['/', '?', '#']).unwrap_or(word.len());
    let authority = &word[..end];
    let user = match authority.rfind('@') {
        Some(at) => &authority[..at],
        // Where the host seems to end within a password that was not encoded.
        None => {
            let (_, port) = authority.rsplit_once(':')?;
            let is_port =
                port.bytes().all(|byte| byte.is_ascii_digit()) || authority.ends_with(']');
            if is_port {
                return None;
            }
            &word[..word.rfind('@')?]
        }
    };
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    let secret = match user.split_once(':') {
        Some((_, password)) => password,
        None if is_http => user,
        None => "",
    };
    (!secret.is_empty() && !is_placeholder(secret)).then_some(user)
}

/// The values of those parameters that hold a secret: of a query wherever it stands (`path?token=…`), and of the fragment of a
/// URL (`https://host/#access_token=…`).
pub(super) fn parameters(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for (at, mark) in text.match_indices(['?', '#']) {
        // What stands behind a mark was looked at to the end of the word.
        if at < end || !is_query(&text[..at], mark) {
            continue;
        }
        let query = word(&text[at + 1..]);
        end = at + 1 + query.len();
        let mut start = at + 1;
        for part in query.split(['&', ';', '#', '?']) {
            let next = start + part.len() + 1;
            if let Some((name, value)) = part.split_once('=')
                && is_secret_name(name)
                && !is_empty_or_placeholder(value)
            {
                let from = start + name.len() + 1;
                found.push(from..from + value.len());
            }
            start = next;
        }
    }
    found.into_iter()
}

/// Whether a `?` or `#` behind a text begins a query or a fragment. Without a scheme a `#` begins a comment, and a `?` at the
/// beginning of a word or a group is a pattern.
fn is_query(before: &str, mark: &str) -> bool {
    if mark == "?" {
        let is_apart = |letter: char| letter.is_whitespace() || "(?*".contains(letter);
        return !before.is_empty() && !before.ends_with(is_apart);
    }
    let is_end =
        |letter: char| letter.is_whitespace() || letter.is_control() || "\"'`".contains(letter);
    let start = before.rfind(is_end).map_or(0, |at| at + 1);
    // What is no boundary of a letter is in the midst of white space beyond ASCII.
    before.get(start..).unwrap_or(before).contains("://")
}

/// Whether a parameter of this name, which may be percent-encoded, holds a secret.
fn is_secret_name(name: &str) -> bool {
    let name = decoded(name).to_ascii_lowercase();
    let is_apart = |rest: &str| rest.is_empty() || rest.ends_with(['-', '_', '.']);
    name == "key"
        || ENDS.iter().any(|end| name.ends_with(end))
        || NAMES
            .iter()
            .any(|known| name.strip_suffix(known).is_some_and(is_apart))
}

/// A text with its percent-encoded ASCII decoded.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Whether a value of a parameter is no secret; the text around a URL may have added to it: `(see https://host/?key=${KEY}).`
fn is_empty_or_placeholder(value: &str) -> bool {
    let is_variable = |name: &str| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let bare = value.trim_end_matches([')', ']', ',', '.', '\\']);
    [value, bare, bare.trim_end_matches(['}', '>'])]
        .iter()
        .any(|value| {
            value.is_empty()
                || is_placeholder(value)
                || value.strip_prefix('$').is_some_and(is_variable)
        })
}
