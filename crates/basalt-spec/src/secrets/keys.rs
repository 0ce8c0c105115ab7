//! Keys and tokens that are secret by their own form, wherever they stand.

use std::ops::Range;

use super::is_placeholder;

/// Labels of armored private keys end so (RFC 7468, section 2; RFC 9580, section 6.2; RFC 4716, as ssh.com wrote them).
const ARMORED: [(&str, &str, &str); 2] = [
    ("-----BEGIN ", "-----", "-----END "),
    ("---- BEGIN ", " ----", "---- END "),
];

/// What the first line of PuTTY's private keys begins with, before a version and a colon.
const PUTTY: &str = "PuTTY-User-Key-File-";

/// What age's identities begin with, native ones and those of plugins and after quantum computers, in Bech32.
const AGE: [&str; 3] = ["AGE-SECRET-KEY-1", "AGE-SECRET-KEY-PQ-1", "AGE-PLUGIN-"];

/// The places of private keys.
pub(super) fn private(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut found = Vec::new();
    for (begin, end_of_label, end) in ARMORED {
        for (start, _) in text.match_indices(begin) {
            let rest = &text[start + begin.len()..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            let Some(length) = line.find(end_of_label) else {
                continue;
            };
            let label = &line[..length];
            if !label.contains("PRIVATE KEY") {
                continue;
            }
            let until = rest
                .find(end)
                .map_or(text.len(), |end| start + begin.len() + end);
            found.push(start..until);
        }
    }
    // Its MAC ends it.
    for (start, _) in text.match_indices(PUTTY) {
        let rest = &text[start..];
        let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        if is_version(&rest[PUTTY.len()..]) {
            let mac = rest.find("Private-MAC:").unwrap_or(rest.len());
            let end = rest[mac..].find('\n').map_or(rest.len(), |end| mac + end);
            found.push(start..start + end);
        }
    }
    for prefix in AGE {
        for (start, _) in text.match_indices(prefix) {
            let rest = &text[start..];
            let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
            let key = &rest[..rest.find(is_end).unwrap_or(rest.len())];
            // A name of a plugin is not secret, the data behind its `-1` are.
            let data = key[prefix.len()..].rsplit('1').next().unwrap_or_default();
            if data.len() >= SHORTEST_AGE_DATA {
                found.push(start..start + key.len());
            }
        }
    }
    found.extend(unarmored(text));
    found.into_iter()
}

/// The check sum alone has six letters (BIP 173).
const SHORTEST_AGE_DATA: usize = 6;

/// What the base64 of minisign's secret keys begins with, encrypted and not, and that of signify's (algorithm, key derivation).
const UNARMORED: [&str; 3] = ["RWRTY0Iy", "RWQAAEIy", "RWRCSw"];

/// Letters that the shortest of those has at least: signify's has 104 bytes; a public key has 42.
const SHORTEST_UNARMORED: usize = 100;

/// The places of minisign's and signify's secret keys: the comment that tells of one with the line after it, or the key alone.
fn unarmored(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (start, comment) in text.match_indices("untrusted comment:") {
        let rest = &text[start + comment.len()..];
        let line = rest.find('\n').unwrap_or(rest.len());
        if rest[..line].contains("secret key") {
            let next = rest.get(line + 1..).unwrap_or_default();
            let length = next.find('\n').unwrap_or(next.len());
            found.push(start..(start + comment.len() + line + 1 + length).min(text.len()));
        }
    }
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    for prefix in UNARMORED {
        found
            .extend(words(text, prefix, is_base64).filter(|word| word.len() >= SHORTEST_UNARMORED));
    }
    found
}

/// Which letters follow the prefix of a token.
#[derive(Clone, Copy)]
enum Letters {
    /// ASCII letters and digits.
    Plain,
    /// Those, `_` and `-`.
    Url,
    /// Capital ASCII letters and digits, so many and no more.
    Capital,
}

/// Prefixes by which the tokens of services can be told, so that they are found; which letters follow, and how many at least.
const TOKENS: [(&str, Letters, usize); 34] = [
    // GitHub.
    ("ghp_", Letters::Plain, 20),
    ("gho_", Letters::Plain, 20),
    ("ghu_", Letters::Plain, 20),
    ("ghs_", Letters::Plain, 20),
    ("ghr_", Letters::Plain, 20),
    ("github_pat_", Letters::Url, 20),
    // GitLab.
    ("glpat-", Letters::Url, 16),
    ("gldt-", Letters::Url, 16),
    ("glrt-", Letters::Url, 16),
    ("glcbt-", Letters::Url, 16),
    ("glptt-", Letters::Url, 16),
    ("glsoat-", Letters::Url, 16),
    ("gloas-", Letters::Url, 16),
    ("glft-", Letters::Url, 16),
    // AWS: the identifier of a key, which goes with its secret.
    ("AKIA", Letters::Capital, 16),
    ("ASIA", Letters::Capital, 16),
    // Slack.
    ("xoxb-", Letters::Url, 10),
    ("xoxa-", Letters::Url, 10),
    ("xoxp-", Letters::Url, 10),
    ("xoxr-", Letters::Url, 10),
    ("xoxs-", Letters::Url, 10),
    ("xoxe-", Letters::Url, 10),
    ("xoxo-", Letters::Url, 10),
    ("xapp-", Letters::Url, 10),
    // Registries of packages and images.
    ("npm_", Letters::Plain, 36),
    ("pypi-AgE", Letters::Url, 40),
    ("dckr_pat_", Letters::Url, 20),
    ("hf_", Letters::Plain, 30),
    // Google, Stripe.
    ("AIza", Letters::Url, 35),
    ("GOCSPX-", Letters::Url, 20),
    ("sk_live_", Letters::Plain, 20),
    ("rk_live_", Letters::Plain, 20),
    ("sk_test_", Letters::Plain, 20),
    ("whsec_", Letters::Plain, 20),
];

/// What stands before a secret key of AWS, in lower case; the key has so many letters of base64.
const AWS: (&str, usize) = ("aws_secret_access_key", 40);

/// The places of tokens.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut found = Vec::new();
    for (prefix, letters, least) in TOKENS {
        let is_part = move |letter: char| match letters {
            Letters::Plain => letter.is_ascii_alphanumeric(),
            Letters::Capital | Letters::Url => {
                letter.is_ascii_alphanumeric() || "_-".contains(letter)
            }
        };
        for word in words(text, prefix, is_part) {
            let rest = &text[word.start + prefix.len()..word.end];
            let is_token = match letters {
                // So documentation names them.
                Letters::Capital => {
                    let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
                    rest.len() == least
                        && rest.bytes().all(is_capital)
                        && !rest.ends_with("EXAMPLE")
                }
                Letters::Plain | Letters::Url => rest.len() >= least && !is_placeholder(rest),
            };
            if is_token {
                found.push(word);
            }
        }
    }
    let (name, length) = AWS;
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices(name) {
        let after = at + name.len();
        let is_between = |letter: char| " \t\"'\\:=".contains(letter);
        let value = text[after..].trim_start_matches(is_between);
        let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
        let key = &value[..value
            .find(|letter| !is_base64(letter))
            .unwrap_or(value.len())];
        let is_given = text[after..text.len() - value.len()].contains(['=', ':']);
        if is_given && key.len() == length && !key.ends_with("EXAMPLEKEY") {
            let start = text.len() - value.len();
            found.push(start..start + length);
        }
    }
    found.into_iter()
}

/// The words of a text that begin with a prefix.
fn words<'a>(
    text: &'a str,
    prefix: &'static str,
    is_part: impl Fn(char) -> bool + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    text.match_indices(prefix).filter_map(move |(start, _)| {
        // In the midst of other letters it is no prefix: of base64, or of a longer name.
        if text[..start].ends_with(|letter: char| letter.is_ascii_alphanumeric()) {
            return None;
        }
        let rest = &text[start + prefix.len()..];
        let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        Some(start..start + prefix.len() + length)
    })
}
