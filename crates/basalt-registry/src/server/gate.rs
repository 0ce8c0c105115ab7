//! Who a request comes from, and whether it may.

use std::sync::Arc;
use std::time::Instant;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName};
use rand_core::{OsRng, RngCore};
use tokio::sync::Semaphore;

use super::Peer;
use super::certificate;
use super::jwks::KeySet;
use super::limit::Limits;
use super::login::Provider;
use super::remembered::Remembered;
use crate::access::{Caller, Claims, Htpasswd, Issuer, Keys, Policy, Right, without_port};
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;
use crate::route::Need;

/// How many passwords are hashed at once: each takes a core for long, and up to 128 MiB.
const HASHING: usize = 2;
/// How long programs stay logged in when nothing is said, in milliseconds.
const LOGIN_LIFE: i64 = 30 * 24 * 3600 * 1000;

/// Decides who may pass.
pub struct Gate {
    /// The rules.
    pub policy: Policy,
    /// The users; none when nobody can sign in.
    pub users: Option<Htpasswd>,
    /// Who vouches for others, and their keys.
    pub issuers: Vec<(Issuer, Arc<KeySet>)>,
    /// Issuers at which people sign in with their browsers.
    pub providers: Vec<Arc<Provider>>,
    /// How long programs stay logged in that people let in, in milliseconds.
    pub login_life: i64,
    /// Whether clients may show certificates.
    pub clients: bool,
    /// The keys of tokens.
    pub keys: Arc<Keys>,
    /// The name under which tokens are made.
    pub service: String,
    /// Whether requests must name this machine, as they do when no web page sends them in another's name.
    pub only_local: bool,
    /// Where clients reach the server, when that cannot be told from their requests.
    pub url: Option<String>,
    /// How often clients may ask.
    pub limits: Limits,
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    pub(super) salt: [u8; 32],
    pub(super) passwords: Remembered<[u8; 32], Instant>,
    pub(super) tokens: Remembered<String, Arc<Claims>>,
    pub(super) hashing: Arc<Semaphore>,
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who.
    pub caller: Caller,
    /// What the token lets them do, if they brought one.
    pub token: Option<Arc<Claims>>,
    /// Whether they brought anything.
    pub is_shown: bool,
}

impl Identity {
    /// Who it is by the certificate of the connection, where nothing else is brought.
    pub fn of_peer(peer: &Peer) -> Self {
        match &peer.certificate {
            None => Self::nobody(),
            Some(vouched) => Self {
                caller: Caller::Vouched(Arc::clone(vouched)),
                token: None,
                is_shown: true,
            },
        }
    }

    /// Someone who brought nothing.
    pub fn nobody() -> Self {
        Self {
            caller: Caller::Anonymous,
            token: None,
            is_shown: false,
        }
    }
}

impl Gate {
    /// A gate with these rules and users.
    pub fn new(policy: Policy, users: Option<Htpasswd>, service: String) -> Self {
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        Self {
            policy,
            users,
            issuers: Vec::new(),
            providers: Vec::new(),
            login_life: LOGIN_LIFE,
            clients: false,
            keys: Arc::default(),
            service,
            only_local: false,
            url: None,
            limits: Limits::new(None, None),
            tls: false,
            salt,
            passwords: Remembered::new(),
            tokens: Remembered::new(),
            hashing: Arc::new(Semaphore::new(HASHING)),
        }
    }

    /// Whether anybody can sign in here.
    pub fn signs_in(&self) -> bool {
        self.users.is_some() || !self.issuers.is_empty() || self.clients
    }

    /// Whether whoever vouches for this name does so still.
    pub fn trusts(&self, name: &str) -> bool {
        let origin = name.split(':').next();
        let mut issuers = self.issuers.iter();
        issuers.any(|(issuer, _)| Some(issuer.name.as_str()) == origin)
            || (self.clients && origin == Some(certificate::PREFIX))
    }

    /// Whether someone may do what a route needs. It is decided before anything is looked up: the answer is the same for
    /// what is there and for what is not.
    ///
    /// # Errors
    /// When they may not.
    pub fn check(&self, identity: &Identity, need: Need<'_>) -> Result<(), Fault> {
        let caller = &identity.caller;
        let allowed = match need {
            Need::Nothing => return Ok(()),
            // Clients learn by this request that there are tokens, even where much is open to all.
            Need::Someone | Need::Names => {
                (identity.is_shown || !self.signs_in()) && self.policy.knows(caller)
            }
            Need::Visible => self.policy.knows(caller),
            Need::Right(repository, right) => self.policy.allows(caller, repository, right),
            Need::Administration => identity.token.is_none() && self.policy.administers(caller),
        };
        let is_granted = match (need, &identity.token) {
            (Need::Right(repository, right), Some(token)) => {
                token.grants(repository.as_str(), right.action())
            }
            (Need::Names | Need::Visible, Some(token)) => token.names(),
            _ => true,
        };
        match caller {
            _ if allowed && is_granted => Ok(()),
            // Another token would help.
            _ if allowed => Err(Fault::new(
                Code::Unauthorized,
                "the token was not made for this",
            )),
            Caller::Anonymous => Err(Fault::new(
                Code::Unauthorized,
                "sign in first: this is not open to everyone",
            )),
            caller => {
                let message = format!("`{}` may not do this here", caller.name());
                Err(Fault::new(Code::Denied, message))
            }
        }
    }

    /// Whether a blob may be taken from another repository.
    pub fn may_pull(&self, identity: &Identity, repository: &RepositoryName) -> bool {
        self.check(identity, Need::Right(repository, Right::Pull))
            .is_ok()
    }

    /// Asks for a token that is good for the repository a blob is to be taken from too, where such a token could be had.
    ///
    /// # Errors
    /// With that.
    pub fn check_source(
        &self,
        identity: &Identity,
        headers: &HeaderMap,
        from: &RepositoryName,
        to: &RepositoryName,
    ) -> Result<(), Fault> {
        let lacks = |token: &Arc<Claims>| !token.grants(from.as_str(), Right::Pull.action());
        let may = self.policy.allows(&identity.caller, from, Right::Pull);
        if !may || !identity.token.as_ref().is_some_and(lacks) {
            return Ok(());
        }
        let scopes = [scope(to, Right::PushNew), scope(from, Right::Pull)].join(" ");
        let fault = Fault::new(Code::Unauthorized, "the token was not made for this");
        Err(match self.challenge(headers, Some(&scopes), true) {
            Some(challenge) => fault.header("www-authenticate", challenge),
            None => fault,
        })
    }

    /// What a token must be made for so that its bearer has what a route needs.
    pub fn scope(need: Need<'_>) -> Option<String> {
        match need {
            Need::Right(repository, right) => Some(scope(repository, right)),
            Need::Names | Need::Visible => Some("registry:catalog:*".to_owned()),
            _ => None,
        }
    }

    /// The header that tells a client how to sign in; nothing when nobody can.
    pub fn challenge(
        &self,
        headers: &HeaderMap,
        scope: Option<&str>,
        is_shown: bool,
    ) -> Option<String> {
        if !self.signs_in() {
            return None;
        }
        let Some(base) = self.base(headers) else {
            return Some(self.basic_challenge());
        };
        let mut challenge = format!("Bearer realm=\"{base}/token\",service=\"{}\"", self.service);
        if let Some(scope) = scope {
            challenge.push_str(&format!(",scope=\"{scope}\""));
            if is_shown {
                challenge.push_str(",error=\"insufficient_scope\"");
            }
        }
        Some(challenge)
    }

    /// The header that tells a client to sign in with a password and nothing else.
    pub fn basic_challenge(&self) -> String {
        format!("Basic realm=\"{}\"", self.service)
    }

    /// Where the client reaches the server.
    pub fn base(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(url) = &self.url {
            return Some(url.trim_end_matches('/').to_owned());
        }
        let host = host(headers)?;
        let scheme = if self.tls { "https" } else { "http" };
        Some(format!("{scheme}://{host}"))
    }
}

/// The scope of a token for this (Docker's token specification). Who pushes reads too.
fn scope(repository: &RepositoryName, right: Right) -> String {
    let actions = match right {
        Right::Pull => "pull",
        Right::PushNew | Right::Overwrite => "pull,push",
        Right::Delete => "pull,push,delete",
        Right::Admin => "*",
    };
    format!("repository:{repository}:{actions}")
}

pub(super) fn wrong(message: &str) -> Fault {
    Fault::new(Code::Unauthorized, message)
}

/// The host that a request names, if it can stand in a header of ours.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (host.len() <= 255 && host.bytes().all(sound)).then_some(host)
}

/// Refuses what a web page sends in the name of who looks at it: it names another host than this machine, or comes from
/// another origin. A link from there to a page here may be followed: who made it sees nothing of the answer.
pub(super) fn check_local(headers: &HeaderMap, is_page: bool) -> Result<(), Fault> {
    let refused = |what: &str| {
        let message = format!("{what}: this registry is open to this machine alone");
        Fault::new(Code::Denied, message)
    };
    let host = host(headers).unwrap_or_default();
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if !is_local {
        return Err(refused("the request names another host"));
    }
    let says = |name: &'static str, values: &[&str]| {
        let header = headers.get(HeaderName::from_static(name));
        header.map(|value| values.iter().any(|one| value == one))
    };
    let is_followed = is_page
        && says("sec-fetch-mode", &["navigate"]) == Some(true)
        && says("sec-fetch-dest", &["document"]) == Some(true);
    let foreign = says("sec-fetch-site", &["none", "same-origin"]) == Some(false) && !is_followed;
    if foreign || headers.contains_key("origin") {
        return Err(refused("the request comes from a web page"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            })
            .collect()
    }

    #[test]
    fn a_web_page_cannot_use_a_registry_that_is_open_to_this_machine() {
        for host in [
            "localhost",
            "127.0.0.1:5000",
            "[::1]:5000",
            "registry.localhost:80",
        ] {
            let headers = headers(&[("host", host)]);
            assert!(check_local(&headers, false).is_ok(), "{host}");
        }
        for pairs in [
            &[("host", "evil.example:5000")][..],
            &[("host", "10.0.0.1")],
            &[],
            &[("host", "localhost"), ("origin", "https://evil.example")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
        ] {
            for is_page in [false, true] {
                assert!(check_local(&headers(pairs), is_page).is_err(), "{pairs:?}");
            }
        }
        let link = [
            ("host", "localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(check_local(&headers(&link), true).is_ok());
        assert!(check_local(&headers(&link), false).is_err());
        assert!(check_local(&headers(&link[..3]), true).is_err());
    }

    #[test]
    fn a_host_that_would_break_a_header_is_not_repeated() {
        let hash = bcrypt::hash("secret", 4).expect("it is hashed");
        let users = Htpasswd::parse(&format!("me:{hash}")).expect("it is sound");
        let gate = Gate::new(Policy::default(), Some(users), "here".to_owned());
        let challenge = |host: &str| gate.challenge(&headers(&[("host", host)]), None, false);
        let sound = challenge("r.example:5000").expect("there is one");
        assert_eq!(
            sound,
            "Bearer realm=\"http://r.example:5000/token\",service=\"here\""
        );
        let evil = challenge("x\",realm=\"http://evil").expect("there is one");
        assert!(!evil.contains("evil"), "{evil}");
    }
}
