//! Secrets in texts that a build publishes: a spec stands whole in the provenance of its images.

use std::borrow::Cow;
use std::ops::Range;

mod addresses;
mod keys;

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

/// The first secret in a text: a user name and password or a token in a URL, a token that its prefix gives away, or a private
/// key. What only stands for one, such as `${PASSWORD}`, is none.
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

/// The first secret in an address that names somebody, where also a query and a fragment may only be there to identify:
/// nobody can tell whether what they hold is secret.
pub fn find_in_address(address: &str) -> Option<Secret> {
    find(address).or_else(|| {
        let start = address.find(['?', '#'])? + 1;
        let rest = &address[start..];
        (!rest.is_empty() && !is_placeholder(rest)).then(|| Secret {
            what: "a query or a fragment, which may be a secret",
            line: 1,
            column: address[..start].chars().count() + 1,
        })
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
        // A token may stand in a password, or a URL in what looks like a key.
        if range.end <= end {
            continue;
        }
        let start = range.start.max(end);
        shown.push_str(&text[end..start]);
        shown.extend(text[start..range.end].chars().map(|letter| match letter {
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
    let mut found = addresses::users(text);
    found.extend(addresses::parameters(text).map(|range| (range, "a token")));
    found.extend(keys::private(text).map(|range| (range, "a private key")));
    found.extend(keys::tokens(text).map(|range| (range, "a token")));
    found.sort_by_key(|(range, _)| range.start);
    found
}

/// Whether a text only says where a secret would stand: `${NAME}`, `$NAME`, `{name}`, `<name>`, `YOUR_NAME`, `…`, `***`, `xxx`.
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
        || text.strip_prefix("YOUR_").is_some_and(is_name)
        || text
            .chars()
            .all(|letter| matches!(letter, '*' | '…' | '.' | 'x' | 'X'))
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
            "a: https://host/?key=secret",
            "a: https://host/#access_token=secret",
            "a: https://host/#/callback?access_token=secret&x=y",
            "a: https://host/x#state=1&id_token=secret",
            "a: https://host/?accessToken=secret",
            "a: https://host/?%74oken=secret",
            "a: https://host/?TOKEN=secret",
            "a: https://host/?a=b;password=secret",
            "a: https://host?subscription-key=secret",
            "a: https://host/?api.api_key=secret, and more",
            "a: https://host/?user=u&pass=secret",
            "a: host/path?token=secret",
            "a?token=secret",
            "t: ghp_secretsecretsecretsecretsecretsecret",
            "t: https://host/ghs_secretsecretsecretsecretsecretsecret/x",
            "t: gho_secretsecretsecretsecretsecretsecret",
            "t: ghu_secretsecretsecretsecretsecretsecret",
            "t=github_pat_secretsecret_secretsecretsecretsecret",
            "t: glpat-secret-secret_secret",
            "t: xoxb-123456789012-secretsecret",
            "t: xoxp-123456789012-secretsecret",
            "t: AKIA2OGYBAH6SECRETXX",
            "c: |\n  untrusted comment: minisign encrypted secret key\n  RWRTY0Iysecret\n",
            "untrusted comment: signify secret key\nRWRCSwsecret",
            "k: RWRTY0Iysecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecret==",
        ] {
            assert!(find(text).is_some(), "{text}");
            let shown = masked(text);
            assert!(!shown.contains("secret"), "{shown}");
            assert_eq!(shown.chars().count(), text.chars().count(), "{shown}");
            assert_eq!(find(&shown), None, "{shown}");
        }
        let key = "abcdefghij/abcdefghi+abcdefghijabcdefghi";
        for text in [
            format!("aws_secret_access_key = {key}"),
            format!("AWS_SECRET_ACCESS_KEY: \"{key}\""),
        ] {
            assert!(find(&text).is_some(), "{text}");
            assert!(!masked(&text).contains("abc"), "{text}");
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
            "a: https://host/?key=",
            "a: https://host/?key=&sort=asc",
            "a: https://host/?key=$KEY",
            "(see https://host/?key=${KEY}).",
            "{ a: https://host/?key=, b: [https://host/?token=] }",
            "see <https://host/?key=>",
            "a: https://host/?key=YOUR_API_KEY",
            "a: https://host/?token=xxxxxxxx",
            "set $u https://host/?token=$arg_token;",
            "a: https://host/?keys=1&sort_key=name&tokens=2&monkey=x&compass=n",
            "a: https://host/page#key-features",
            "#password=changeme",
            "a: b #token=x",
            "pattern: (?key=x)",
            "ghp_ghp_ghp_",
            "t: ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "t: ghp_${TOKEN}",
            "a name like xoxb-, or glpat-",
            "AKIAIOSFODNN7EXAMPLE",
            "AKIALONGERTHANANYIDENTIFIERIS",
            "aws_secret_access_key: ${AWS_SECRET_ACCESS_KEY}",
            "untrusted comment: minisign public key 1\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
            "sha256: aghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
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
    fn an_address_that_names_somebody_holds_no_query_and_no_fragment() {
        for address in [
            "https://host/#secret",
            "https://host/?secret",
            "a?token=secret",
            "https://me:secret@host/",
            "urn:x#secret",
        ] {
            assert!(find_in_address(address).is_some(), "{address}");
        }
        for address in [
            "https://host/a/.github/workflows/x.yml@refs/tags/v1",
            "https://host/#",
            "https://host/?${RUN}",
            "mailto:a@host",
        ] {
            assert_eq!(find_in_address(address), None, "{address}");
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
        fn what_is_shown_has_no_secret_and_as_many_letters(text in "(http|ssh|://|:|@|/|\\?|token=|&|#|[a-c]|é|\u{3000}|%|\n| |-----BEGIN |PRIVATE KEY-----|ghp_|AKIA|aaaaaaaaaaaaaaaaaaaa|untrusted comment:|secret key|aws_secret_access_key){0,30}") {
            let shown = masked(&text);
            prop_assert_eq!(shown.chars().count(), text.chars().count());
            prop_assert_eq!(shown.lines().count(), text.lines().count());
        }
    }
}
