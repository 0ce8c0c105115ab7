//! Tokens of single repositories, from the server that a registry names (distribution's *Token Authentication*).

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credentials::Credential;
use crate::secret::Secret;

/// The longest answer of a token server that is read, in bytes.
pub(crate) const MAXIMUM_ANSWER: u64 = 1 << 20;
/// How long a token holds when its server does not say so (*Token Authentication*, `expires_in`).
const DEFAULT_LIFETIME: u64 = 60;
/// So long before its end a token is no longer used, in seconds.
const MARGIN: u64 = 5;

/// What `Authorization` says, and until when.
#[derive(Clone)]
pub(crate) struct Token {
    pub header: Secret,
    pub expires: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

impl Token {
    /// Reads a token server's answer.
    pub fn parse(text: &[u8], now: Instant) -> Result<Self, &'static str> {
        let answer: Answer = serde_json::from_slice(text)
            .map_err(|_| "the token server's answer is not the JSON it should be")?;
        let token = answer
            .token
            .filter(|token| !token.is_empty())
            .or(answer.access_token)
            .ok_or("the token server's answer has no token")?;
        let plain = |byte: u8| byte.is_ascii_graphic();
        if token.is_empty() || !token.expose().bytes().all(plain) {
            return Err("the token server's token has characters that no header may have");
        }
        let seconds = answer.expires_in.unwrap_or(DEFAULT_LIFETIME);
        let lifetime = Duration::from_secs(seconds.saturating_sub(MARGIN).clamp(1, 86_400));
        Ok(Self {
            header: bearer(&token),
            expires: now + lifetime,
        })
    }
}

/// What `Authorization` says with a token.
pub(crate) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// What `Authorization` says with a name and a password (RFC 7617).
pub(crate) fn basic(user: &str, password: &Secret) -> Secret {
    let plain = Zeroizing::new(format!("{user}:{}", password.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(plain.as_bytes())))
}

/// How a token is asked for: the URL, `Authorization`, and the form to be posted if there is one.
pub(crate) struct Question {
    pub url: String,
    pub authorization: Option<Secret>,
    pub form: Option<Secret>,
}

/// Asks for a token with these rights: with an identity token by POST (*OAuth2 Token Authentication*), else by GET.
pub(crate) fn question(
    realm: &str,
    service: Option<&str>,
    scopes: &[String],
    credential: Option<&Credential>,
) -> Question {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(service.map(|service| ("service", service)));
    if let Some(Credential::Identity(identity)) = credential {
        let scope = scopes.join(" ");
        fields.extend([
            ("grant_type", "refresh_token"),
            ("client_id", "basalt"),
            ("refresh_token", identity.expose()),
        ]);
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        return Question {
            url: realm.to_owned(),
            authorization: None,
            form: Some(Secret::new(encode(&fields))),
        };
    }
    fields.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
    let authorization = match credential {
        Some(Credential::Password { user, password }) => {
            fields.push(("account", user));
            Some(basic(user, password))
        }
        _ => None,
    };
    let gap = match (fields.is_empty(), realm.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    Question {
        url: format!("{realm}{gap}{}", encode(&fields)),
        authorization,
        form: None,
    }
}

/// Fields as a form or a query has them.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        percent_encode(value, &mut text);
    }
    std::mem::take(&mut *text)
}

/// All but letters, digits and `-._~` as `%XX` (RFC 3986, section 2.3).
pub(crate) fn percent_encode(value: &str, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte as char);
        } else {
            text.push('%');
            for nibble in [byte >> 4, byte & 15] {
                text.push(
                    DIGITS
                        .get(usize::from(nibble))
                        .map_or('0', |&digit| digit as char),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> Vec<String> {
        vec![
            "repository:a/b:pull,push".to_owned(),
            "repository:c:pull".to_owned(),
        ]
    }

    #[test]
    fn a_name_and_password_go_into_the_header_and_the_scopes_into_the_query() {
        let credential = Credential::password("me", "hunter2");
        let asked = question(
            "https://t.example/token",
            Some("r.example"),
            &scopes(),
            Some(&credential),
        );
        assert_eq!(
            asked.url,
            "https://t.example/token?service=r.example&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%3Apull&account=me"
        );
        let header = asked.authorization.expect("there is one");
        assert_eq!(header.expose(), "Basic bWU6aHVudGVyMg==");
        assert!(asked.form.is_none());
    }

    #[test]
    fn an_identity_token_is_posted_and_never_stands_in_a_url() {
        let credential = Credential::Identity(Secret::new("s/e".to_owned()));
        let asked = question(
            "https://t.example/token",
            None,
            &scopes(),
            Some(&credential),
        );
        assert_eq!(asked.url, "https://t.example/token");
        let form = asked.form.expect("there is one");
        assert!(
            form.expose().contains("refresh_token=s%2Fe"),
            "{}",
            form.expose()
        );
        assert!(asked.authorization.is_none());
    }

    #[test]
    fn a_token_holds_as_long_as_its_server_says() {
        let now = Instant::now();
        let token = Token::parse(br#"{"token":"abc","expires_in":300}"#, now).expect("it is one");
        assert_eq!(token.header.expose(), "Bearer abc");
        assert_eq!(token.expires, now + Duration::from_secs(295));
        let token = Token::parse(br#"{"access_token":"abc"}"#, now).expect("it is one");
        assert_eq!(token.expires, now + Duration::from_secs(55));
    }

    #[test]
    fn a_token_that_would_break_a_header_is_refused() {
        let now = Instant::now();
        for text in [
            r#"{"token":"a\r\nX: y"}"#,
            r#"{"token":""}"#,
            "{}",
            "[]",
            "x",
        ] {
            assert!(Token::parse(text.as_bytes(), now).is_err(), "{text}");
        }
    }
}
