//! Who a request comes from, and whether it may.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName};
use rand_core::{OsRng, RngCore};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::access::{Caller, Claims, Htpasswd, Keys, Policy, Right};
use crate::fault::{Code, Fault};
use crate::metadata::Moment;
use crate::name::RepositoryName;
use crate::route::Need;

/// How long a password that was right is taken without computing its hash again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The most passwords and the most tokens that are remembered.
const MAXIMUM_REMEMBERED: usize = 10_000;
/// How many passwords are hashed at once: each takes a core for long.
const HASHING: usize = 2;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest header of credentials that is read, in bytes.
const MAXIMUM_HEADER: usize = 20 << 10;

/// Decides who may pass.
pub struct Gate {
    /// The rules.
    pub policy: Policy,
    /// The users; none when nobody can sign in.
    pub users: Option<Htpasswd>,
    /// The keys of tokens.
    pub keys: Keys,
    /// The name under which tokens are made.
    pub service: String,
    /// Whether requests must name this machine, as they do when no web page sends them in another's name.
    pub only_local: bool,
    /// Where clients reach the server, when that cannot be told from their requests.
    pub url: Option<String>,
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    salt: [u8; 32],
    passwords: Remembered<[u8; 32], Instant>,
    tokens: Remembered<String, Arc<Claims>>,
    hashing: Semaphore,
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
    /// Someone who brought nothing.
    pub fn nobody() -> Self {
        Self {
            caller: Caller::Anonymous,
            token: None,
            is_shown: false,
        }
    }
}

struct Remembered<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(key).cloned()
    }

    /// Remembers one more; when there are too many, those that are not good any more, or else all, are forgotten.
    fn add(&self, key: K, value: V, is_good: impl Fn(&V) -> bool) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MAXIMUM_REMEMBERED {
            held.retain(|_, value| is_good(value));
        }
        if held.len() >= MAXIMUM_REMEMBERED {
            held.clear();
        }
        held.insert(key, value);
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
            keys: Keys::default(),
            service,
            only_local: false,
            url: None,
            tls: false,
            salt,
            passwords: Remembered::new(),
            tokens: Remembered::new(),
            hashing: Semaphore::new(HASHING),
        }
    }

    /// Reads who a request comes from. For a page a cookie tells too; for nothing else.
    ///
    /// # Errors
    /// When what it brings is not good.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        now: Moment,
        is_page: bool,
    ) -> Result<Identity, Fault> {
        if self.only_local {
            check_local(headers, is_page)?;
        }
        let Some(header) = headers.get(AUTHORIZATION) else {
            let session = is_page.then(|| self.session(headers, now)).flatten();
            return Ok(session.unwrap_or_else(Identity::nobody));
        };
        // Where nobody can sign in there is nothing to compare with.
        if self.users.is_none() {
            return Ok(Identity::nobody());
        }
        let header = header
            .to_str()
            .ok()
            .filter(|header| header.len() <= MAXIMUM_HEADER);
        let (scheme, rest) = header
            .and_then(|header| header.split_once(' '))
            .ok_or_else(|| wrong("the header of credentials cannot be read"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let (name, password) = basic(rest)?;
                self.check_password(&name, &password).await?;
                Ok(Identity {
                    caller: Caller::User(name),
                    token: None,
                    is_shown: true,
                })
            }
            "bearer" => self.bearer(rest.trim(), now),
            _ => Err(wrong("credentials are taken as Basic or Bearer")),
        }
    }

    fn bearer(&self, token: &str, now: Moment) -> Result<Identity, Fault> {
        let known = self
            .tokens
            .get(token)
            .filter(|claims| claims.exp > now / 1000);
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = self
                    .keys
                    .verify(token, &self.service, now)
                    .map_err(|error| wrong(&format!("the token is not taken: {error}")))?;
                let claims = Arc::new(claims);
                let is_good = |claims: &Arc<Claims>| claims.exp > now / 1000;
                self.tokens
                    .add(token.to_owned(), Arc::clone(&claims), is_good);
                claims
            }
        };
        let caller = match claims.sub.as_str() {
            "" => Caller::Anonymous,
            // A user who is no more has no rights, whatever was signed.
            name if self.users.as_ref().is_some_and(|users| users.has(name)) => {
                Caller::User(name.to_owned())
            }
            _ => return Err(wrong("the token's user is not known any more")),
        };
        Ok(Identity {
            caller,
            token: Some(claims),
            is_shown: true,
        })
    }

    /// Compares a password with what is known of the user.
    ///
    /// # Errors
    /// When it is not theirs, or too many are being compared.
    pub async fn check_password(&self, name: &str, password: &str) -> Result<(), Fault> {
        let refused = || wrong("the user or the password is wrong");
        let users = self.users.as_ref().ok_or_else(refused)?;
        let (hash, is_known) = match users.hash_of(name) {
            Some(hash) => (hash, true),
            // As long as for one who is there: who is shall not be told from the time.
            None => (users.any_hash().ok_or_else(refused)?, false),
        };
        let key = self.remembered_key(name, password, hash);
        let fresh = |since: &Instant| since.elapsed() < REMEMBERED;
        if is_known && self.passwords.get(&key).is_some_and(|since| fresh(&since)) {
            return Ok(());
        }
        let turn = timeout(PATIENCE, self.hashing.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let message = "too many passwords are being checked; try again, or use a token";
            return Err(Fault::new(Code::TooManyRequests, message).header("retry-after", "5"));
        };
        let (password, hash) = (password.to_owned(), hash.to_owned());
        let compared =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        if compared.await.unwrap_or(false) && is_known {
            self.passwords.add(key, Instant::now(), fresh);
            return Ok(());
        }
        Err(refused())
    }

    fn remembered_key(&self, name: &str, password: &str, hash: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.salt);
        for part in [name, password, hash] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
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
                (identity.is_shown || self.users.is_none()) && self.policy.knows(caller)
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
            Caller::User(name) => {
                let message = format!("`{name}` may not do this here");
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
        self.users.as_ref()?;
        let Some(base) = self.base(headers) else {
            return Some(format!("Basic realm=\"{}\"", self.service));
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

fn wrong(message: &str) -> Fault {
    Fault::new(Code::Unauthorized, message)
}

/// The host that a request names, if it can stand in a header of ours.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (host.len() <= 255 && host.bytes().all(sound)).then_some(host)
}

/// Reads the name and the password of `Basic` credentials (RFC 7617).
///
/// # Errors
/// When they are none.
pub fn basic(text: &str) -> Result<(String, String), Fault> {
    let decoded = STANDARD.decode(text.trim()).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) =
        parts.ok_or_else(|| wrong("the header of credentials cannot be read"))?;
    Ok((name.to_owned(), password.to_owned()))
}

/// Refuses what a web page sends in the name of who looks at it: it names another host than this machine, or comes from
/// another origin. A link from there to a page here may be followed: who made it sees nothing of the answer.
fn check_local(headers: &HeaderMap, is_page: bool) -> Result<(), Fault> {
    let refused = |what: &str| {
        let message = format!("{what}: this registry is open to this machine alone");
        Fault::new(Code::Denied, message)
    };
    let host = host(headers).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
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
