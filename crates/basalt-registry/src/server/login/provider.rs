//! An issuer at which people sign in: where it is asked, and how the code that a browser brings back is exchanged.
//!
//! As with its keys, its own word leads to its own host or nowhere; other hosts are named in the configuration.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;
use ureq::Agent;
use zeroize::Zeroizing;

use super::super::jwks::{KeySet, agent, check_own, discover, shown};
use crate::access::{Issuer, IssuerLogin};
use crate::route::encode;

/// The longest answer that is read, in bytes.
const MAXIMUM_ANSWER: u64 = 256 << 10;
/// How many codes of one issuer are exchanged at once.
const TURNS: usize = 8;
/// How long one waits for a turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what an issuer says of itself is used before it is asked again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long it is used when the issuer does not answer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How far two questions are apart at least.
const FLOOR: Duration = Duration::from_secs(10);

/// An issuer at which people sign in.
pub struct Provider {
    /// What the configuration says of it.
    pub issuer: Issuer,
    /// What it says of people's sign-ins.
    pub login: IssuerLogin,
    /// Its keys.
    pub keys: Arc<KeySet>,
    secret: Option<Zeroizing<String>>,
    agent: Agent,
    known: Mutex<Known>,
    turns: Arc<Semaphore>,
}

/// Where an issuer is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// Where browsers are sent.
    pub authorization: String,
    /// Where codes are exchanged.
    token: String,
    /// Whether it says who it is when it sends a browser back.
    pub names_itself: bool,
    /// Whether it wants the client's secret in the form, not in the header.
    is_secret_posted: bool,
}

#[derive(Default)]
struct Known {
    endpoints: Option<(Arc<Endpoints>, Instant)>,
    asked: Option<Instant>,
    cause: String,
}

impl Known {
    fn younger(&self, age: Duration) -> Option<Arc<Endpoints>> {
        let known = self.endpoints.as_ref();
        let (endpoints, _) = known.filter(|(_, since)| since.elapsed() < age)?;
        Some(Arc::clone(endpoints))
    }
}

/// Why a code was not exchanged for a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The issuer cannot be asked, or answers what cannot be used.
    #[error("{0}")]
    Silent(String),
    /// It does not take the code.
    #[error("the issuer does not take the code: {0}")]
    Refused(String),
}

/// What an issuer gives for a code.
#[derive(Deserialize)]
struct Exchanged {
    id_token: String,
}

/// Why it gives nothing (RFC 6749, 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Provider {
    /// An issuer whose people may sign in; nothing when they may not. `secret` is that of the client.
    ///
    /// # Errors
    /// When the file of its certification authorities cannot be used.
    pub fn new(
        issuer: &Issuer,
        keys: &Arc<KeySet>,
        secret: Option<String>,
    ) -> Result<Option<Self>, String> {
        let Some(login) = issuer.login.clone() else {
            return Ok(None);
        };
        Ok(Some(Self {
            agent: agent(issuer, &issuer.url)?,
            issuer: issuer.clone(),
            login,
            keys: Arc::clone(keys),
            secret: secret.map(Zeroizing::new),
            known: Mutex::default(),
            turns: Arc::new(Semaphore::new(TURNS)),
        }))
    }

    /// Where it is asked.
    pub(super) async fn endpoints(self: &Arc<Self>) -> Result<Arc<Endpoints>, String> {
        if let Some(known) = self.known.lock().await.younger(FRESH) {
            return Ok(known);
        }
        let own = Arc::clone(self);
        // It is done to its end even if the browser is gone.
        let learned = tokio::spawn(async move { own.learn().await }).await;
        learned.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn learn(self: Arc<Self>) -> Result<Arc<Endpoints>, String> {
        let mut known = self.known.lock().await;
        if let Some(endpoints) = known.younger(FRESH) {
            return Ok(endpoints);
        }
        if known.asked.is_none_or(|last| last.elapsed() >= FLOOR) {
            known.asked = Some(Instant::now());
            let own = Arc::clone(&self);
            let found = tokio::task::spawn_blocking(move || own.find()).await;
            match found.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(endpoints) => known.endpoints = Some((Arc::new(endpoints), Instant::now())),
                Err(cause) => known.cause = cause,
            }
        }
        known.younger(STALE).ok_or_else(|| known.cause.clone())
    }

    fn find(&self) -> Result<Endpoints, String> {
        let issuer = &self.issuer.url;
        let found = discover(&self.agent, issuer)?;
        let place = |named: &Option<String>, said: Option<String>, word: &str| match (named, said) {
            (Some(named), _) => Ok(named.clone()),
            (None, Some(said)) => check_own(issuer, &said, word).map(|()| said),
            (None, None) => Err(format!(
                "{issuer} does not say where people sign in; name it in the configuration ({word}: https://…)"
            )),
        };
        let methods = &found.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().any(|method| method == name);
        let is_secret_posted = has("client_secret_post") && !has("client_secret_basic");
        Ok(Endpoints {
            authorization: place(
                &self.login.authorization,
                found.authorization_endpoint,
                "authorization",
            )?,
            token: place(&self.login.token, found.token_endpoint, "token")?,
            names_itself: found.authorization_response_iss_parameter_supported,
            is_secret_posted,
        })
    }

    /// Exchanges a code for the token that says who signed in.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        endpoints: Arc<Endpoints>,
        code: &str,
        verifier: &str,
        back: &str,
    ) -> Result<Zeroizing<String>, ExchangeError> {
        let busy = || ExchangeError::Silent("too many people sign in there at once".to_owned());
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(busy());
        };
        let form = self.form(&endpoints, code, verifier, back);
        let own = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            own.ask(&endpoints, &form)
        });
        asked.await.unwrap_or_else(|_| Err(busy()))
    }

    fn form(
        &self,
        endpoints: &Endpoints,
        code: &str,
        verifier: &str,
        back: &str,
    ) -> Zeroizing<String> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("code_verifier", verifier),
        ];
        match &self.secret {
            None => fields.push(("client_id", &self.login.client)),
            Some(secret) if endpoints.is_secret_posted => {
                fields.push(("client_id", &self.login.client));
                fields.push(("client_secret", secret));
            }
            Some(_) => {}
        }
        let written = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", part(value)));
        Zeroizing::new(written.collect::<Vec<_>>().join("&"))
    }

    fn ask(&self, endpoints: &Endpoints, form: &str) -> Result<Zeroizing<String>, ExchangeError> {
        let url = &endpoints.token;
        let silent = |cause: String| ExchangeError::Silent(format!("{url}: {cause}"));
        let mut asked = self
            .agent
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json");
        if let Some(secret) = self.secret.as_ref().filter(|_| !endpoints.is_secret_posted) {
            // RFC 6749, 2.3.1: both are written as forms have them.
            let pair = Zeroizing::new(format!("{}:{}", part(&self.login.client), part(secret)));
            let header = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
            asked = asked.header("authorization", header);
        }
        let answer = asked
            .send(form)
            .map_err(|error| silent(error.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_with_config();
        let bytes = body.limit(MAXIMUM_ANSWER).read_to_vec();
        let bytes = Zeroizing::new(bytes.map_err(|error| silent(error.to_string()))?);
        match status {
            200 => {
                let exchanged: Exchanged = serde_json::from_slice(&bytes)
                    .map_err(|_| silent("its answer has no id_token".to_owned()))?;
                Ok(Zeroizing::new(exchanged.id_token))
            }
            400..=499 => {
                let refusal = serde_json::from_slice::<Refusal>(&bytes);
                let said = refusal.map(|said| format!("{} {}", said.error, said.error_description));
                let said = said.unwrap_or_else(|_| format!("status {status}"));
                Err(ExchangeError::Refused(shown(said.trim())))
            }
            _ => Err(silent(format!("it answers with status {status}"))),
        }
    }
}

/// A text as a part of a form, or of the credentials of a client.
fn part(text: &str) -> String {
    encode(text).replace(':', "%3A").replace('/', "%2F")
}
