//! What a registry answers to who has no credentials: `WWW-Authenticate` (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

/// The longest header that is read, in bytes.
const MAXIMUM_LENGTH: usize = 8192;
/// The most challenges, and the most parameters of one.
const MAXIMUM_COUNT: usize = 16;

/// One way to show who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case: `basic`, `bearer`.
    pub scheme: String,
    /// Its parameters, their names in lower case: `realm`, `service`, `scope`.
    pub parameters: BTreeMap<String, String>,
}

/// Reads one header's value. What is behind a mistake, or beyond the limits, is left out.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > MAXIMUM_LENGTH {
        return challenges;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, behind) = token(rest);
        if word.is_empty() {
            return challenges;
        }
        let after = behind.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            // A parameter of the challenge at hand.
            Some(value) if !value.starts_with('=') => {
                let Some((value, behind)) = parameter(value.trim_start_matches([' ', '\t'])) else {
                    return challenges;
                };
                let Some(challenge) = challenges.last_mut() else {
                    return challenges;
                };
                if challenge.parameters.len() >= MAXIMUM_COUNT {
                    return challenges;
                }
                let name = word.to_ascii_lowercase();
                // The first counts: a second one must not override what others have judged by.
                challenge.parameters.entry(name).or_insert(value);
                rest = behind;
            }
            Some(_) => return challenges,
            None => {
                if challenges.len() >= MAXIMUM_COUNT {
                    return challenges;
                }
                challenges.push(Challenge {
                    scheme: word.to_ascii_lowercase(),
                    parameters: BTreeMap::new(),
                });
                rest = behind;
            }
        }
    }
}

/// The token at the beginning (RFC 9110, section 5.6.2), and what is behind it.
fn token(text: &str) -> (&str, &str) {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().take_while(|byte| inner(*byte)).count();
    text.split_at(end)
}

/// A parameter's value, a token or a quoted text, and what is behind it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = token(text);
        return (!value.is_empty()).then(|| (value.to_owned(), behind));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            letter if letter.is_control() => return None,
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bearer_challenge_gives_its_realm_service_and_scope() {
        let found = parse(
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#,
        );
        let [one] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(one.scheme, "bearer");
        assert_eq!(one.parameters["realm"], "https://auth.example/token");
        assert_eq!(one.parameters["service"], "registry.example");
        assert_eq!(one.parameters["scope"], "repository:a/b:pull,push");
    }

    #[test]
    fn several_challenges_may_stand_in_one_header() {
        let found = parse(r#"Negotiate, Basic realm="a \"b\"" , charset=UTF-8, Bearer realm=x"#);
        let schemes: Vec<&str> = found.iter().map(|one| one.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(found[1].parameters["realm"], "a \"b\"");
        assert_eq!(found[1].parameters["charset"], "UTF-8");
    }

    #[test]
    fn the_first_of_two_realms_counts() {
        let found = parse(r#"Bearer realm="https://a",realm="https://evil""#);
        assert_eq!(found[0].parameters["realm"], "https://a");
    }

    #[test]
    fn what_is_broken_or_too_much_is_left_out() {
        assert_eq!(parse("=").len(), 0);
        assert_eq!(parse("Bearer realm=\"unclosed")[0].parameters.len(), 0);
        assert_eq!(parse(&"Basic, ".repeat(100)).len(), MAXIMUM_COUNT);
        assert_eq!(parse(&"a".repeat(MAXIMUM_LENGTH + 1)).len(), 0);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it_or_its_limits(text in "[a-zA-Z =,\"\\\\/:.\u{e9}]{0,200}") {
            let found = parse(&text);
            prop_assert!(found.len() <= MAXIMUM_COUNT);
        }
    }
}
