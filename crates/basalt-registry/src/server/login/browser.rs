//! A sign-in at an issuer with a browser: there with a question, back with a code (OpenID Connect Core 1.0, 3.1; RFC 7636).
//!
//! What ties the answer to the browser that was sent is in a signed cookie of that browser, so that any server can take it.
//! That an answer is taken once is noted in the metadata, which all servers share.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use jsonwebtoken::jwk::JwkSet;
use sha2::{Digest as _, Sha256};

use super::Cookie;
use super::provider::{ExchangeError, Provider};
use crate::access::{
    Caller, Claims, Grant, IssuedError, LoginCode, Unverified, Vouched, random_text,
};
use crate::fault::{Code, Fault};
use crate::route::{UploadId, encode, parameters};
use crate::server::gate::{Gate, wrong};
use crate::server::jwks::shown;
use crate::server::log;
use crate::server::page;
use crate::server::request::{Outcome, Reply, Request};

/// How long one may be away, in seconds.
const LIFE: i64 = 600;

/// What a browser is sent away with, and has to bring back or to show.
struct Away {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The browser has no cookie that fits.
    #[error("it was not begun in this browser, or more than ten minutes ago; begin again")]
    NotBegun,
    /// The same answer came before.
    #[error("this answer was taken already; begin again")]
    Spent,
    /// The answer is, or may be, another issuer's.
    #[error("the answer does not come from the issuer that was asked")]
    Mixed,
    /// The issuer sent the browser back without a code.
    #[error("it was refused there: {0}")]
    Denied(String),
    /// The answer cannot be read.
    #[error("the answer has no code, or says something twice")]
    Unreadable,
    /// The code is not good.
    #[error("{0}")]
    Code(String),
    /// The token is not good.
    #[error("its word about you is not taken: {0}")]
    Token(IssuedError),
    /// The issuer does not answer this server.
    #[error("it does not answer this registry now; try again later")]
    Silent,
    /// Something failed here.
    #[error("the registry failed")]
    Failed(Fault),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// Sends a browser to an issuer.
pub(in crate::server) async fn leave(request: &Request, name: &str, next: Option<&str>) -> Outcome {
    let gate = &request.registry.gate;
    let provider = provider(gate, name)?;
    gate.limits
        .request(&Caller::Anonymous, request.peer.address)?;
    let endpoints = match provider.endpoints().await {
        Ok(endpoints) => endpoints,
        Err(cause) => {
            log::trouble(&format!("the issuer `{name}`: {cause}"));
            return refused(request, provider, Refusal::Silent);
        }
    };
    let away = Away {
        state: random_text(),
        nonce: random_text(),
        verifier: random_text(),
        next: page::page_of(next.unwrap_or("/")).unwrap_or("/").to_owned(),
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&away.verifier));
    let mut scopes = vec!["openid"];
    scopes.extend(provider.login.scopes.iter().map(String::as_str));
    scopes.dedup();
    let back = back(request, name)?;
    let query: Vec<String> = [
        ("response_type", "code"),
        ("client_id", &provider.login.client),
        ("redirect_uri", &back),
        ("scope", &scopes.join(" ")),
        ("state", &away.state),
        ("nonce", &away.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]
    .iter()
    .map(|(name, value)| format!("{name}={}", encode(value)))
    .collect();
    let target = format!("{}?{}", endpoints.authorization, query.join("&"));
    let cookie = away.cookie(gate, name, request.now);
    let cookie = cookie.ok_or_else(Fault::internal)?;
    Ok(page::see_other(&target).header("set-cookie", cookie))
}

/// Takes what an issuer sent a browser back with.
pub(in crate::server) async fn come_back(request: &Request, name: &str) -> Outcome {
    let registry = request.registry.clone();
    let gate = &registry.gate;
    let provider = provider(gate, name)?;
    let attempt = gate.limits.attempt(request.peer.address, name)?;
    let outcome = arrive(request, provider).await;
    // Who guesses codes has the issuer asked each time. What another site could make a browser send is not counted: it would
    // keep its owner out.
    attempt.ended(&match &outcome {
        Err(Refusal::Code(_) | Refusal::Token(_)) => Err(wrong("")),
        Err(_) => Err(Fault::internal()),
        Ok(_) => Ok(()),
    });
    let reply = match outcome {
        Ok((vouched, next)) => {
            let caller = Caller::Vouched(Arc::new(vouched));
            let session = gate.new_session(&caller, request.now);
            let session = session.ok_or_else(Fault::internal)?;
            let reply = page::arrived(request, caller.name(), &next)?;
            reply.header("set-cookie", session)
        }
        // It may be another site that sent the browser here: one that is away still comes back.
        Err(refusal @ Refusal::NotBegun) => return refused(request, provider, refusal),
        Err(refusal) => refused(request, provider, refusal)?,
    };
    Ok(reply.header("set-cookie", gate.set_cookie(Cookie::Away, "", 0)))
}

async fn arrive(request: &Request, provider: &Arc<Provider>) -> Result<(Vouched, String), Refusal> {
    let registry = &request.registry;
    let issuer = &provider.issuer;
    let all = parameters(&request.query).ok_or(Refusal::Unreadable)?;
    let value = |name: &str| {
        let mut found = all.iter().filter(|(key, _)| key == name);
        let first = found.next().map(|(_, value)| value.as_str());
        match found.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::Unreadable),
        }
    };
    let away = Away::read(request, &issuer.name).ok_or(Refusal::NotBegun)?;
    if value("state")? != Some(away.state.as_str()) {
        return Err(Refusal::NotBegun);
    }
    let spent = LoginCode::hash(&away.state);
    let ends = request.now + 1000 * LIFE;
    let metadata = registry.metadata.as_ref();
    let taken = metadata.spend_state(spent, request.now, ends).await;
    if !taken.map_err(Fault::from)? {
        return Err(Refusal::Spent);
    }
    let silent = |cause: String| {
        log::trouble(&format!("the issuer `{}`: {cause}", issuer.name));
        Refusal::Silent
    };
    let endpoints = provider.endpoints().await.map_err(silent)?;
    match value("iss")? {
        Some(named) if named == issuer.url => {}
        None if !endpoints.names_itself => {}
        _ => return Err(Refusal::Mixed),
    }
    if let Some(error) = value("error")? {
        let more = value("error_description")?.unwrap_or_default();
        return Err(Refusal::Denied(shown(format!("{error} {more}").trim())));
    }
    let code = value("code")?.filter(|code| !code.is_empty());
    let code = code.ok_or(Refusal::Unreadable)?;
    let back = back(request, &issuer.name)?;
    let exchanged = provider.exchange(endpoints, code, &away.verifier, &back);
    let token = exchanged.await.map_err(|error| match error {
        ExchangeError::Silent(cause) => silent(cause),
        ExchangeError::Refused(_) => Refusal::Code(error.to_string()),
    })?;
    let unverified = Unverified::read(&token).map_err(Refusal::Token)?;
    let keys: Arc<JwkSet> = provider.keys.with(&unverified.key).await;
    let verified = issuer.verify_login(&token, &unverified, &keys, &away.nonce, request.now);
    Ok((verified.map_err(Refusal::Token)?, away.next))
}

impl Away {
    /// The cookie by which the browser shows that it was sent.
    fn cookie(&self, gate: &Gate, issuer: &str, now: i64) -> Option<String> {
        let grant = |kind: &str, name: &str| Grant {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: Vec::new(),
        };
        let access = vec![
            grant("issuer", issuer),
            grant("state", &self.state),
            grant("nonce", &self.nonce),
            grant("verifier", &self.verifier),
            grant("next", &self.next),
        ];
        let id = UploadId::random();
        let service = service(gate);
        let mut claims = Claims::new(&service, &Caller::Anonymous, access, now, [0; 16]);
        claims.jti = id.as_str().to_owned();
        claims.exp = claims.iat + LIFE;
        let token = gate.keys.sign(&claims)?;
        Some(gate.set_cookie(Cookie::Away, &token, LIFE))
    }

    /// What a browser was sent to this issuer with.
    fn read(request: &Request, issuer: &str) -> Option<Self> {
        let gate = &request.registry.gate;
        let token = gate.cookie(Cookie::Away, &request.headers)?;
        let claims = gate.keys.verify(token, &service(gate), request.now).ok()?;
        let find = |kind: &str| {
            let found = claims.access.iter().find(|grant| grant.kind == kind);
            found.map(|grant| grant.name.clone())
        };
        (find("issuer")? == issuer).then_some(())?;
        Some(Self {
            state: find("state")?,
            nonce: find("nonce")?,
            verifier: find("verifier")?,
            next: find("next")?,
        })
    }
}

/// What such cookies are for. No name of a service has a slash, so none of them is a token of the interface.
fn service(gate: &Gate) -> String {
    format!("{}/away", gate.service)
}

/// Where an issuer sends browsers back to: a place of its own, so that no other issuer's answer is taken for its.
fn back(request: &Request, name: &str) -> Result<String, Fault> {
    // The configuration has it: what a request names as its host decides nothing.
    let base = request.registry.gate.url.as_deref();
    let base = base.ok_or_else(Fault::internal)?.trim_end_matches('/');
    Ok(format!("{base}/signin/return/{name}"))
}

fn provider<'g>(gate: &'g Gate, name: &str) -> Result<&'g Arc<Provider>, Fault> {
    let unknown = || Fault::new(Code::NameUnknown, "nobody signs in by this issuer");
    gate.provider(name).ok_or_else(unknown)
}

fn refused(request: &Request, provider: &Provider, refusal: Refusal) -> Result<Reply, Fault> {
    let label = provider.issuer.label();
    let no_rule = "says who you are, but no rule of this registry lets you in. Who looks after it can change that.";
    let (status, title, words) = match refusal {
        Refusal::Failed(fault) => return Err(fault),
        Refusal::Token(IssuedError::NoRule) => (
            StatusCode::FORBIDDEN,
            "You are not let in here",
            format!("{label} {no_rule}"),
        ),
        Refusal::Silent => (
            StatusCode::SERVICE_UNAVAILABLE,
            "You are not signed in",
            format!("{label}: {}.", Refusal::Silent),
        ),
        other => (
            StatusCode::FORBIDDEN,
            "You are not signed in",
            format!("{label}: {other}."),
        ),
    };
    page::notice(request, status, title, &words)
}
