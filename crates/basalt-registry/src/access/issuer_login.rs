//! How people sign in with their browsers at an issuer (OpenID Connect Core 1.0, by the authorization code flow), and what
//! its word about them makes of them here.

use std::path::PathBuf;

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{IssuedError, Issuer, Unverified, Vouched, is_reachable};
use crate::config::Span;
use crate::metadata::Moment;

/// The longest name of a client, label or scope, in bytes.
const MAXIMUM_TEXT: usize = 255;
/// The most scopes that are asked for.
const MAXIMUM_SCOPES: usize = 32;
/// How long a program that a person of an issuer let in stays so when nothing is said, in milliseconds.
const LIFE: i64 = 24 * 3600 * 1000;

/// How people sign in at an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuerLogin {
    /// The name by which the issuer knows this registry (`client_id`).
    pub client: String,
    /// A file that has the client's secret; a client that is public has none.
    #[serde(default)]
    pub secret: Option<PathBuf>,
    /// What people call the issuer; its name when nothing is said.
    #[serde(default)]
    pub label: Option<String>,
    /// What is asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Where browsers are sent, when the issuer's own word leads to another host.
    #[serde(default)]
    pub authorization: Option<String>,
    /// Where codes are exchanged, when the issuer's own word leads to another host.
    #[serde(default)]
    pub token: Option<String>,
    /// How long a program stays logged in that one of its people let in: its groups are those of the sign-in.
    #[serde(default)]
    pub life: Option<Span>,
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

impl IssuerLogin {
    /// How long a program stays logged in, in milliseconds.
    pub fn life(&self) -> i64 {
        self.life.map_or(LIFE, Span::milliseconds)
    }

    /// What is wrong with it, and what to do.
    ///
    /// # Errors
    /// With that.
    pub fn check(&self) -> Result<(), (String, &'static str)> {
        let is_word = |text: &str| {
            let sound = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
            (1..=MAXIMUM_TEXT).contains(&text.len()) && text.bytes().all(sound)
        };
        if !is_word(&self.client) {
            return Err((
                format!("`{}` is no name of a client", self.client),
                "write the client's id, as the issuer has given it for this registry",
            ));
        }
        let is_label = |label: &String| {
            (1..=MAXIMUM_TEXT).contains(&label.len()) && !label.chars().any(char::is_control)
        };
        if !self.label.as_ref().is_none_or(is_label) {
            return Err((
                "a label cannot be used".to_owned(),
                "write what people call the issuer: `label: \"Our company\"`",
            ));
        }
        if self.scopes.len() > MAXIMUM_SCOPES || !self.scopes.iter().all(|scope| is_word(scope)) {
            return Err((
                "what is asked of the issuer is no list of scopes".to_owned(),
                "write `scopes: [profile, email, groups]`",
            ));
        }
        let mut places = [&self.authorization, &self.token].into_iter().flatten();
        if let Some(place) = places.find(|place| !is_reachable(place)) {
            return Err((
                format!("people cannot sign in at `{place}`"),
                "write https://…, without a query; http:// is taken for this machine alone",
            ));
        }
        Ok(())
    }
}

impl Issuer {
    /// What people call it.
    pub fn label(&self) -> &str {
        let label = self.login.as_ref().and_then(|login| login.label.as_deref());
        label.unwrap_or(&self.name)
    }

    /// Reads the token that ends a sign-in with a browser, and says who it is.
    ///
    /// # Errors
    /// When it is not good, not of this sign-in, or no rule lets its bearer in.
    pub fn verify_login(
        &self,
        token: &str,
        unverified: &Unverified,
        keys: &JwkSet,
        nonce: &str,
        now: Moment,
    ) -> Result<Vouched, IssuedError> {
        let login = self.login.as_ref();
        let login = login.ok_or(IssuedError::Refused("its issuer lets nobody sign in here"))?;
        let claims = self.claims(token, unverified, keys, &login.client, now)?;
        // OpenID Connect Core 1.0, 3.1.3.7: of several audiences the one that asked is named.
        let is_for_several = matches!(claims.get("aud"), Some(Value::Array(all)) if all.len() > 1);
        let asked = claims.get("azp").map(|party| *party == *login.client);
        if asked == Some(false) || (is_for_several && asked.is_none()) {
            return Err(IssuedError::Refused("it was made for another client"));
        }
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(IssuedError::Refused("it is not of this sign-in"));
        }
        self.bearer(&claims)
    }

    /// Tells one state of what the configuration says of its people from the next: who signed in by another is out. Nothing
    /// when they cannot sign in.
    pub fn mark(&self) -> Option<String> {
        let login = self.login.as_ref()?;
        let mut hasher = Sha256::new();
        let mut add = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        for text in [&self.name, &self.url, &login.client, &self.user] {
            add(text);
        }
        for rule in &self.rules {
            add("claims");
            for (claim, pattern) in &rule.claims {
                add(claim);
                add(pattern.as_str());
            }
            add("groups");
            rule.groups.iter().for_each(|group| add(group));
        }
        Some(crate::digest::hex(&hasher.finalize()[..16]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer() -> Issuer {
        serde_json::from_value(json!({
            "name": "company", "url": "https://company.example",
            "login": {"client": "registry", "label": "Our company"},
            "rules": [{"claims": {"groups": "developers"}, "groups": ["dev"]}],
        }))
        .expect("it is one")
    }

    #[test]
    fn whatever_the_configuration_says_of_people_changes_what_tells_their_sessions_apart() {
        let mark = issuer().mark();
        assert!(mark.is_some());
        assert_eq!(issuer().mark(), mark);
        for change in [
            (|issuer| issuer.name = "other".to_owned()) as fn(&mut Issuer),
            |issuer| issuer.url = "https://other.example".to_owned(),
            |issuer| issuer.user = "email".to_owned(),
            |issuer| issuer.rules[0].groups.clear(),
            |issuer| issuer.rules.push(issuer.rules[0].clone()),
            |issuer| issuer.login = None,
        ] {
            let mut changed = issuer();
            change(&mut changed);
            assert_ne!(changed.mark(), mark, "{changed:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_to_an_issuer_is_refused() {
        assert_eq!(issuer().check(), Ok(()));
        for (field, value) in [
            ("client", json!("")),
            ("client", json!("a b")),
            ("label", json!("a\nb")),
            ("scopes", json!(["a b"])),
            ("scopes", json!([""])),
            ("authorization", json!("http://company.example/authorize")),
            ("token", json!("https://company.example/token?x=y")),
        ] {
            let mut login = json!({"client": "registry"});
            login[field] = value;
            let login: IssuerLogin = serde_json::from_value(login).expect("it is read");
            assert!(login.check().is_err(), "{login:?}");
        }
    }
}
