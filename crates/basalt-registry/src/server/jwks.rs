//! The keys of issuers: from a file, or asked of the issuer, and kept for a while.
//!
//! Nothing that a token says decides where is asked: only the address in the configuration does, and what is found there
//! leads to the same host or nowhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use basalt_fetch::connections::for_operator;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use ureq::Agent;

use super::log;
use crate::access::{Issuer, is_reachable};

/// The longest document that is read, in bytes, and the most keys that are taken of one.
const MAXIMUM_DOCUMENT: u64 = 512 << 10;
const MAXIMUM_KEYS: usize = 100;
/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long they are used when the issuer does not answer: one that was withdrawn is not good for ever.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How far two questions are apart at least, whatever keys tokens name.
const FLOOR: Duration = Duration::from_secs(30);

/// The keys of one issuer.
pub struct KeySet {
    source: Source,
    held: RwLock<Held>,
    /// When it was asked last. One asks at a time.
    asked: Mutex<Option<Instant>>,
}

/// Where keys come from.
#[derive(Clone)]
enum Source {
    File(PathBuf),
    /// The address of a JWK set.
    Set(String, Agent),
    /// The issuer, whose own word leads to its keys.
    Issuer(String, Agent),
}

#[derive(Clone)]
struct Held {
    keys: Arc<JwkSet>,
    since: Option<Instant>,
}

impl Held {
    fn is_younger(&self, age: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() < age)
    }
}

impl KeySet {
    /// The keys of an issuer. Those in a file are read now; who is far away is asked when a token comes.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn new(issuer: &Issuer) -> Result<Self, String> {
        let source = match &issuer.keys {
            Some(path) if !path.contains("://") => Source::File(path.into()),
            Some(url) => Source::Set(url.clone(), agent(issuer, url)?),
            None => Source::Issuer(issuer.url.clone(), agent(issuer, &issuer.url)?),
        };
        let mut held = Held {
            keys: Arc::new(JwkSet { keys: Vec::new() }),
            since: None,
        };
        if let Source::File(_) = source {
            held = Held {
                keys: Arc::new(source.ask()?),
                since: Some(Instant::now()),
            };
        }
        Ok(Self {
            source,
            held: RwLock::new(held),
            asked: Mutex::new(None),
        })
    }

    /// The keys, with the one of this name among them if the issuer has it.
    pub async fn with(self: &Arc<Self>, key: &str) -> Arc<JwkSet> {
        let held = self.held();
        if held.is_younger(FRESH) && held.keys.find(key).is_some() {
            return held.keys;
        }
        let (own, key) = (Arc::clone(self), key.to_owned());
        // It is done to its end even if the client is gone, who else could keep new keys out.
        let refreshed = tokio::spawn(async move { own.refresh(&key).await }).await;
        refreshed.unwrap_or_else(|_| self.held().keys)
    }

    async fn refresh(&self, key: &str) -> Arc<JwkSet> {
        let mut asked = self.asked.lock().await;
        let held = self.held();
        // Another has asked while this waited.
        if held.is_younger(FRESH) && held.keys.find(key).is_some() {
            return held.keys;
        }
        if asked.is_none_or(|last| last.elapsed() >= FLOOR) {
            *asked = Some(Instant::now());
            let source = self.source.clone();
            let answer = tokio::task::spawn_blocking(move || source.ask()).await;
            match answer {
                Ok(Ok(keys)) => {
                    let held = Held {
                        keys: Arc::new(keys),
                        since: Some(Instant::now()),
                    };
                    *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
                }
                Ok(Err(cause)) => log::trouble(&format!("the keys of an issuer: {cause}")),
                Err(error) => log::trouble(&format!("the keys of an issuer: {error}")),
            }
        }
        let held = self.held();
        match held.is_younger(STALE) {
            true => held.keys,
            false => Arc::new(JwkSet { keys: Vec::new() }),
        }
    }

    fn held(&self) -> Held {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }
}

/// What an issuer says of itself (OpenID Connect Discovery 1.0).
#[derive(Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    jwks_uri: String,
    /// Where people sign in.
    pub(super) authorization_endpoint: Option<String>,
    /// Where codes are exchanged.
    pub(super) token_endpoint: Option<String>,
    /// How a client may show who it is there.
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether it says who it is when it sends a browser back (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// Asks an issuer what it says of itself.
pub(super) fn discover(agent: &Agent, issuer: &str) -> Result<Discovered, String> {
    let base = issuer.trim_end_matches('/');
    let place = format!("{base}/.well-known/openid-configuration");
    let found: Discovered = serde_json::from_slice(&fetch(agent, &place)?)
        .map_err(|error| format!("{place}: {error}"))?;
    match found.issuer == issuer {
        true => Ok(found),
        false => Err(format!(
            "{place} is of another issuer, `{}`",
            shown(&found.issuer)
        )),
    }
}

/// Refuses an address that an issuer names, unless it is at the issuer's own host. `word` names it in the configuration.
pub(super) fn check_own(issuer: &str, url: &str, word: &str) -> Result<(), String> {
    match is_reachable(url) && origin(url) == origin(issuer) {
        true => Ok(()),
        false => Err(format!(
            "what {issuer} says of itself leads to another host, `{}`; if that is right, name it in the configuration ({word}: https://…)",
            shown(url)
        )),
    }
}

impl Source {
    fn ask(&self) -> Result<JwkSet, String> {
        match self {
            Self::File(path) => read_file(path).and_then(|bytes| keys(path.display(), &bytes)),
            Self::Set(url, agent) => fetch(agent, url).and_then(|bytes| keys(url, &bytes)),
            Self::Issuer(issuer, agent) => {
                let url = &discover(agent, issuer)?.jwks_uri;
                check_own(issuer, url, "keys")?;
                fetch(agent, url).and_then(|bytes| keys(url, &bytes))
            }
        }
    }
}

/// What others sent, for the log.
pub(super) fn shown(text: &str) -> String {
    let letters = text.chars().take(200);
    letters
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.strip_suffix(port).unwrap_or(&authority);
    Some((scheme, host.to_owned()))
}

/// The keys of a JWK set that could sign; those of kinds that are not known are passed over.
fn keys(place: impl std::fmt::Display, bytes: &[u8]) -> Result<JwkSet, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|error| format!("{place}: {error}"))?;
    let signs = |key: &Jwk| {
        key.common.key_id.is_some() && key.common.public_key_use != Some(PublicKeyUse::Encryption)
    };
    let known = set.keys.into_iter().take(MAXIMUM_KEYS);
    let keys: Vec<Jwk> = known
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter(signs)
        .collect();
    match keys.is_empty() {
        true => Err(format!(
            "{place} has no key with a name (kid) that could sign"
        )),
        false => Ok(JwkSet { keys }),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    basalt_file::read(path, MAXIMUM_DOCUMENT)
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn fetch(agent: &Agent, url: &str) -> Result<Vec<u8>, String> {
    let fail = |error: ureq::Error| format!("{url}: {error}");
    let answer = agent.get(url).call().map_err(fail)?;
    if answer.status() != 200 {
        return Err(format!("{url} answers with status {}", answer.status()));
    }
    let body = answer.into_body().into_with_config();
    body.limit(MAXIMUM_DOCUMENT).read_to_vec().map_err(fail)
}

/// What asks an issuer: for so long, without following redirects, over TLS where the address says so.
pub(super) fn agent(issuer: &Issuer, url: &str) -> Result<Agent, String> {
    let own: Vec<PathBuf> = issuer.ca.iter().cloned().collect();
    for_operator(url, PATIENCE, &own).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_at_the_issuers_own_host_is_the_same_origin() {
        let home = origin("https://issuer.example/realm");
        for same in [
            "https://issuer.example/keys",
            "https://ISSUER.example:443/keys",
        ] {
            assert_eq!(origin(same), home, "{same}");
        }
        for other in [
            "http://issuer.example/keys",
            "https://issuer.example:8443/keys",
            "https://issuer.example.evil.example/keys",
            "https://evil.example/issuer.example",
        ] {
            assert_ne!(origin(other), home, "{other}");
        }
    }

    #[test]
    fn keys_that_cannot_sign_are_passed_over() {
        let set = |keys: &str| keys_of(&format!("{{\"keys\": [{keys}]}}"));
        let good = r#"{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA"}"#;
        let nameless = r#"{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}"#;
        let encrypts = r#"{"kty": "OKP", "crv": "Ed25519", "kid": "b", "use": "enc", "x": "AAAA"}"#;
        let unknown = r#"{"kty": "new", "kid": "c"}"#;
        let all = [nameless, encrypts, unknown, good].join(",");
        let found = set(&all).expect("there is one").keys;
        let names: Vec<_> = found.iter().map(|key| key.common.key_id.clone()).collect();
        assert_eq!(names, [Some("a".to_owned())]);
        for text in ["", nameless] {
            assert!(set(text).is_err(), "{text}");
        }
    }

    fn keys_of(text: &str) -> Result<JwkSet, String> {
        keys("here", text.as_bytes())
    }
}
