//! Secrets in texts that a build publishes: a spec stands whole in the provenance of its images.

use std::borrow::Cow;
use std::ops::Range;

/// Parameters of a query that hold a secret, in lower case; a name may also end in `-` or `_` and one of them.
const PARAMETERS: [&str; 12] = [
    "token",
    "password",
    "passwd",
    "pwd",
    "secret",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "signature",
    "sig",
    "auth",
];

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is, with its article.
    pub what: &'static str,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The first secret in a text: a user name and password or a token in a URL, or a private key. What only stands for one,
/// such as `${PASSWORD}`, is none.
pub fn find(text: &str) -> Option<Secret> {
    let (range, what) = all(text).into_iter().next()?;
    let before = text.get(..range.start)?;
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    Some(Secret {
        what,
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    })
}

/// A text as it may be shown: each character of a secret is a `*`.
pub fn masked(text: &str) -> Cow<'_, str> {
    let found = all(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for (range, _) in found {
        // Those of one URL do not overlap, and come in order.
        if range.start < end {
            continue;
        }
        shown.push_str(&text[end..range.start]);
        shown.extend(text[range.clone()].chars().map(|letter| match letter {
            '\n' => '\n',
            _ => '*',
        }));
        end = range.end;
    }
    shown.push_str(&text[end..]);
    Cow::Owned(shown)
}

/// A line of YAML as it may be shown: where a secret in it is spelled with escapes (`\x40` for `@`), or goes on in another
/// line, nothing of it is; nor of a word that could be a URL with a secret in an odd place.
pub(crate) fn masked_line(line: &str, source: &str) -> String {
    let is_hidden = line.contains('\\')
        && (find(&unescaped(line)).is_some() || find(&unescaped(source)).is_some());
    match is_hidden {
        false => without_odd_urls(&masked(line)),
        true => starred(line),
    }
}

/// A line of YAML in which nothing of the value is shown that begins at a column, in characters from 1: a quoted one up to
/// its closing quote, a plain one up to the line's end, for where it ends only a parser can tell.
pub(crate) fn masked_value(line: &str, column: usize) -> String {
    let letters: Vec<char> = line.chars().collect();
    let mut start = column.saturating_sub(1).min(letters.len());
    let mut end = letters.len();
    if let Some(quote @ ('"' | '\'')) = letters.get(start).copied() {
        start += 1;
        let mut at = start;
        while let Some(letter) = letters.get(at).copied() {
            let is_escaped = quote == '"' && letter == '\\'
                || quote == '\'' && letters.get(at..at + 2) == Some(&['\'', '\'']);
            if !is_escaped && letter == quote {
                end = at;
                break;
            }
            at += if is_escaped { 2 } else { 1 };
        }
    }
    let part = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
    let (before, value, after) = (part(0, start), part(start, end), part(end, letters.len()));
    format!("{before}{}{after}", starred(&value))
}

/// A text with a `*` for each letter that is not white space.
fn starred(text: &str) -> String {
    let star = |letter: char| if letter.is_whitespace() { letter } else { '*' };
    text.chars().map(star).collect()
}

/// A line without the words that look like a URL, and hold more than scheme, host and a plain path.
fn without_odd_urls(line: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || "\"'`,[]{}".contains(letter);
    line.split_inclusive(is_end)
        .map(|part| {
            let word = part.trim_end_matches(is_end);
            match is_odd_url(word) {
                true => format!("{}{}", starred(word), &part[word.len()..]),
                false => part.to_owned(),
            }
        })
        .collect()
}

/// Whether a word looks like a URL that may hold a secret: one with a user, a query, a fragment or parameters, in whichever
/// odd spelling. A reference by digest (`name@sha256:…`) is none.
fn is_odd_url(word: &str) -> bool {
    let plain = unescaped(word);
    let is_digest = |text: &str| text.starts_with("sha256:") || text.starts_with("sha512:");
    let user = plain.rsplit_once('@').filter(|(_, host)| !is_digest(host));
    let has_user = user.is_some_and(|(user, _)| user.contains(':'));
    let is_url = plain.contains("//");
    has_user || is_url && (user.is_some() || plain.contains(['?', '#', ';']))
}

/// A text with the escapes of YAML's double-quoted style undone (YAML 1.2.2, section 5.7), a folded line end among them, as
/// far as they can spell a URL.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        let digits = match letters.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('\n') => {
                while letters.next_if(|one| matches!(one, ' ' | '\t')).is_some() {}
                continue;
            }
            Some(other) => {
                plain.push(other);
                continue;
            }
            None => break,
        };
        let mut number = 0_u32;
        for _ in 0..digits {
            match letters
                .next_if(char::is_ascii_hexdigit)
                .and_then(|one| one.to_digit(16))
            {
                Some(digit) => number = (number << 4) | digit,
                None => break,
            }
        }
        plain.extend(char::from_u32(number));
    }
    plain
}

/// The places of all secrets, in order.
fn all(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let before = &text[..at];
        let start = before
            .rfind(|letter: char| !letter.is_ascii_alphanumeric() && !"+.-".contains(letter))
            .map_or(0, |last| {
                last + before[last..].chars().next().map_or(1, char::len_utf8)
            });
        let scheme = &before[start..];
        let rest = &text[at + 3..];
        let is_end =
            |letter: char| letter.is_whitespace() || letter.is_control() || "\"'`".contains(letter);
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        if scheme.is_empty() {
            continue;
        }
        if let Some(user) = userinfo(word, scheme) {
            found.push((at + 3..at + 3 + user.len(), "a user name and password"));
        }
        found.extend(
            parameters(word).map(|range| (at + 3 + range.start..at + 3 + range.end, "a token")),
        );
    }
    found.extend(private_keys(text).map(|range| (range, "a private key")));
    found.sort_by_key(|(range, _)| range.start);
    found
}

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
fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
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
    found.into_iter()
}

/// The check sum alone has six letters (BIP 173).
const SHORTEST_AGE_DATA: usize = 6;

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

/// The values of those parameters of a URL's query that hold a secret.
fn parameters(word: &str) -> impl Iterator<Item = Range<usize>> {
    let query = word.find('?').map_or(word.len(), |at| at + 1);
    let mut at = query;
    let parts: Vec<_> = word[query..]
        .split(['&', ';', '#'])
        .filter_map(move |part| {
            let start = at;
            at += part.len() + 1;
            let (name, value) = part.split_once('=')?;
            let name = name.to_ascii_lowercase();
            let is_secret = PARAMETERS.iter().any(|known| {
                name.strip_suffix(known)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '_']))
            });
            let value_start = start + name.len() + 1;
            (is_secret && !value.is_empty() && !is_placeholder(value))
                .then_some(value_start..value_start + value.len())
        })
        .collect();
    parts.into_iter()
}

/// Whether a text only says where a secret would stand: `${NAME}`, `$NAME`, `{name}`, `<name>`, `…`, `***`.
fn is_placeholder(text: &str) -> bool {
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let within = |open: &str, close: &str| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|rest| !rest.contains(['{', '}', '<', '>']))
    };
    within("${", "}")
        || within("{{", "}}")
        || within("{", "}")
        || within("<", ">")
        || text.strip_prefix('$').is_some_and(is_name)
        || text.chars().all(|letter| matches!(letter, '*' | '…' | '.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        for text in [
            "url: http://me:secret@host/debian",
            "url: HTTPS://secret@host",
            "# url: http://me:secret@host",
            "x: [\"http://me:secret@host\"]",
            "x: {a: http://me:secret@[::1]:80/}",
            "url: http://me:se/secret@host/",
            "url: http://me:se?secret@host/",
            "url: http://me:secret@",
            "a: postgres://app:secret@db/app",
            "a: https://host/x?a=b&token=secret",
            "a: https://host/x?X-Amz-Signature=secret&x=y",
            "a: https://host/x?access_token=secret#y",
            "a: git+https://me:secret@host/x.git",
            "http://ok/\nhttp://me:secret@host",
            "é: http://me:secret@host",
            "-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nsecret\n-----END EC PRIVATE KEY-----",
            "-----BEGIN DSA PRIVATE KEY-----\nsecret\n-----END DSA PRIVATE KEY-----",
            "-----BEGIN ANY PRIVATE KEY-----\nsecret",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nsecret\n",
            "a: |\n  -----BEGIN PGP PRIVATE KEY BLOCK-----\n\n  secret\n  -----END PGP PRIVATE KEY BLOCK-----\n",
            "a: \"-----BEGIN PGP PRIVATE KEY BLOCK-----\\n\\nsecret\"",
            "-----BEGIN PGP PRIVATE KEY BLOCK, PART 1/2-----\n\nsecret",
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nsecret\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
            "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nsecret",
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nsecret\nPrivate-MAC: 00",
            "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\nsecret",
            "key: AGE-SECRET-KEY-1QSECRETsecretSECRET",
            "key: AGE-SECRET-KEY-PQ-1QSECRETsecretSECRET",
            "key: AGE-PLUGIN-YUBIKEY-1QSECRETsecretSECRET",
        ] {
            assert!(find(text).is_some(), "{text}");
            let shown = masked(text);
            assert!(!shown.contains("secret"), "{shown}");
            assert_eq!(shown.chars().count(), text.chars().count(), "{shown}");
            assert_eq!(find(&shown), None, "{shown}");
        }
        let found = find("name: x\nurl:  http://me:secret@h").expect("there is one");
        assert_eq!((found.line, found.column), (2, 14));
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for text in [
            "url: http://host/debian",
            "url: http://host:80/a@b",
            "url: https://[::1]:80/a@b",
            "a: ssh://git@host/x.git",
            "a: git@host:x.git",
            "a: https://host/x@sha256:00?tokens=1&sort=asc",
            "a: https://host/?token=",
            "a: https://host/?token=${TOKEN}",
            "a: http://me:${PASSWORD}@host",
            "a: http://me:$PASSWORD@host",
            "a: http://user:<password>@host",
            "a: http://user:***@host",
            "a: me@example.org, see http://host",
            "://me:secret@host",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx",
            "-----BEGIN CERTIFICATE-----",
            "a text on PRIVATE KEY-----",
            "---- BEGIN SSH2 PUBLIC KEY ----",
            "PuTTY-User-Key-File-: x",
            "an identity begins with AGE-SECRET-KEY-1",
            "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        ] {
            assert_eq!(find(text), None, "{text}");
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn a_secret_that_is_spelled_with_escapes_is_not_shown() {
        for line in [
            r#"url: "http://me:secret\x40host/""#,
            r#"url: "http:\/\/me:secret@host/""#,
            r#"url: "http\u003a//me:secret@host/""#,
            r#"url: "http://me:secret\U00000040host/""#,
        ] {
            let shown = masked_line(line, line);
            assert!(!shown.contains("secret"), "{shown}");
            assert_eq!(shown.chars().count(), line.chars().count());
        }
        let source = "url: \"http://me:secret\\\n  @host/\"";
        let shown = masked_line("url: \"http://me:secret\\", source);
        assert!(!shown.contains("secret"), "{shown}");
        let plain = r#"text: "a \"quoted\" word""#;
        assert_eq!(masked_line(plain, plain), plain);
    }

    #[test]
    fn a_url_with_a_secret_in_an_odd_place_is_not_shown_in_a_line() {
        for url in [
            "http://h/#secret",
            r"http:\/\/u:secret@h",
            "//u:secret@h/",
            "http://h/;p@secret",
            "http://h/;secret",
            "http://h/?secret",
            "http://h/%3asecret@x",
            "http:/u:secret@h/",
            "http:u:secret@h",
            "u:secret@h/",
        ] {
            for line in [
                format!("url: {url}"),
                format!("- {{ name: own, url: \"{url}\", bogus: 1 }}"),
                format!("- {{ name: own, url: '{url}', bogus: 1 }}"),
                format!("- {{ name: own, url: {url}, bogus: 1 }}"),
            ] {
                let shown = masked_line(&line, &line);
                assert!(!shown.contains("secret"), "{shown}");
                assert_eq!(shown.chars().count(), line.chars().count(), "{shown}");
            }
        }
        for line in [
            "- { name: own, url: \"http://h:80/a/b+c~d\", bogus: 1 }",
            "base: registry.example:5000/a@sha256:00 # see https://h/x",
            "labels: { mail: me@example.org, when: \"12:00\" }",
        ] {
            assert_eq!(masked_line(line, line), line);
        }
    }

    #[test]
    fn nothing_of_a_value_is_shown_that_may_hold_a_secret() {
        for (line, column, shown) in [
            (
                r#"- { url: "se\"cret", a: 1 }"#,
                10,
                r#"- { url: "********", a: 1 }"#,
            ),
            (
                "- { url: 'se''cret', a: 1 }",
                10,
                "- { url: '********', a: 1 }",
            ),
            ("url: sec ret # é", 6, "url: *** *** * *"),
            (r#"url: "secret\"#, 6, r#"url: "*******"#),
            (r#"url: "secret"#, 6, r#"url: "******"#),
            ("url:", 9, "url:"),
        ] {
            assert_eq!(masked_value(line, column), shown);
        }
    }

    proptest! {
        #[test]
        fn a_hidden_value_leaves_the_line_as_long(line in "\\PC{0,30}|[\"'\\\\a é]{0,20}", column in 0_usize..40) {
            let shown = masked_value(&line, column);
            prop_assert_eq!(shown.chars().count(), line.chars().count());
            prop_assert_eq!(masked_line(&line, &line).chars().count(), line.chars().count());
        }

        #[test]
        fn what_is_shown_has_no_secret_and_as_many_letters(text in "(http|ssh|://|:|@|/|\\?|token=|&|#|[a-c]|é|\n| |-----BEGIN |PRIVATE KEY-----){0,30}") {
            let shown = masked(&text);
            prop_assert_eq!(shown.chars().count(), text.chars().count());
            prop_assert_eq!(shown.lines().count(), text.lines().count());
        }
    }
}
