//! One registry: where it listens, how it wants to know who asks, and requests tried again when that may help.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use basalt_fetch::{Event, address};
use ureq::http::Method;

use crate::challenge::{self, Challenge};
use crate::client::Shared;
use crate::credentials::Credential;
use crate::error::ClientError;
use crate::reference;
use crate::retry;
use crate::secret::Secret;
use crate::token::{self, Token};
use crate::transport::{Answer, Outgoing, Payload, authority_of, origin};

/// A registry, reached at a host.
pub struct Registry {
    shared: Arc<Shared>,
    host: String,
    base: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    access: Access,
    /// By repository and rights.
    tokens: HashMap<String, Token>,
    credentials: HashMap<String, Option<Credential>>,
    /// Before then, nothing is asked: the registry said so.
    not_before: Option<Instant>,
}

/// How the registry wants to know who asks.
#[derive(Clone, Default)]
enum Access {
    /// It has not said yet.
    #[default]
    Unknown,
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// What is asked of the registry.
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Payload<'a>,
    pub repository: &'a str,
    /// The rights that it takes: `repository:a/b:pull`.
    pub scopes: Vec<String>,
}

impl Registry {
    pub(crate) fn new(shared: Arc<Shared>, host: String) -> Self {
        Self {
            shared,
            host,
            base: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// The host, as references name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Asks whether the registry takes who asks (OCI distribution specification, *Determining support*).
    ///
    /// # Errors
    /// When it cannot be reached, is no registry, or refuses the credentials.
    pub fn check(&self) -> Result<(), ClientError> {
        let url = format!("{}/v2/", self.base()?);
        let answer = self.call(Ask {
            method: Method::GET,
            url,
            headers: Vec::new(),
            payload: Payload::Nothing,
            repository: "",
            scopes: Vec::new(),
        })?;
        match answer.status {
            200 => {
                answer.finish();
                Ok(())
            }
            _ => Err(self.refusal(answer, "")),
        }
    }

    /// Notes where it is, which then is not found out.
    pub(crate) fn is_at(&self, base: &str) {
        let _ = self.base.set(base.to_owned());
    }

    /// Scheme and host: `https://…`, but `http://…` for a host that may be plain and answers so. What is asked to
    /// find out holds no secret.
    pub(crate) fn base(&self) -> Result<&str, ClientError> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let server = reference::server(&self.host);
        let mut base = format!("https://{server}");
        if self.shared.transport.may_be_plain(server) {
            let plain = format!("http://{server}");
            let answer = self.shared.transport.send(Outgoing {
                method: Method::GET,
                url: &format!("{plain}/v2/"),
                headers: &[],
                authorization: None,
                payload: &mut Payload::Nothing,
            });
            // Who speaks TLS there says 400 to plain HTTP, or hangs up.
            if answer.is_ok_and(|answer| answer.status != 400) {
                base = plain;
            }
        }
        Ok(self.base.get_or_init(|| base))
    }

    /// Asks, with the credentials that it takes; tries again what may pass. Redirects of GET and HEAD are followed.
    /// An answer of any other kind than 401, 408, 429 and 5xx is the caller's to judge.
    pub(crate) fn call(&self, mut ask: Ask<'_>) -> Result<Answer, ClientError> {
        let once = matches!(ask.payload, Payload::Stream(..));
        let attempts = if once {
            1
        } else {
            self.shared.transport.limits().attempts
        };
        let url = ask.url.clone();
        let repository = ask.repository;
        self.repeated(&url, repository, attempts, || self.authorized(&mut ask))
    }

    /// Asks once, with the credentials that it takes, and waits for nothing that it asks to wait for. The answer, whatever it
    /// is but 401, is the caller's to judge.
    pub(crate) fn call_once(&self, mut ask: Ask<'_>) -> Result<Answer, ClientError> {
        self.authorized(&mut ask)
    }

    /// Does something up to so many times, with waits that grow, or as long as the registry asks for.
    fn repeated(
        &self,
        url: &str,
        repository: &str,
        attempts: u32,
        mut once: impl FnMut() -> Result<Answer, ClientError>,
    ) -> Result<Answer, ClientError> {
        let first = self.shared.transport.limits().backoff;
        // Who never tries again does not wait either.
        let waits = self.shared.transport.limits().attempts > 1;
        let mut attempt = 1;
        loop {
            if waits {
                self.hold();
            }
            let mut asked_to_wait = None;
            let error = match once() {
                Ok(mut answer) if !retry::is_passing(answer.status) => {
                    answer.repeated = attempt > 1;
                    return Ok(answer);
                }
                Ok(answer) => {
                    let now = jiff::Timestamp::now();
                    asked_to_wait = answer
                        .header("retry-after")
                        .and_then(|value| retry::retry_after(value, now));
                    self.refusal(answer, repository)
                }
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error),
            };
            if asked_to_wait.is_some_and(|wait| wait > retry::MAXIMUM_WAIT) {
                return Err(error);
            }
            if let Some(wait) = asked_to_wait.filter(|_| waits) {
                self.pause(wait);
            }
            if attempt >= attempts {
                return Err(error);
            }
            self.tell_of_retry(url, &error);
            thread::sleep(retry::backoff(first, attempt).max(asked_to_wait.unwrap_or_default()));
            attempt += 1;
        }
    }

    pub(crate) fn tell_of_retry(&self, url: &str, error: &ClientError) {
        self.shared.observer.event(Event::DownloadRetried {
            name: address::shown(url),
            reason: match error {
                ClientError::Network { reason, .. } => reason.clone(),
                other => other.to_string(),
            },
        });
    }

    /// Nothing is done about a warning but to tell of it: that is what the specification asks for.
    fn tell_of_warnings(&self, answer: &Answer) {
        for value in answer.warnings() {
            if let Some(warning) = self.shared.warnings.note(&self.host, value) {
                self.shared.observer.event(Event::RegistryWarned {
                    registry: warning.registry,
                    text: warning.text,
                });
            }
        }
    }

    /// All that ask this registry wait so long.
    fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state();
        state.not_before = Some(state.not_before.map_or(until, |other| other.max(until)));
    }

    /// Waits as long as the registry has asked for.
    pub(crate) fn hold(&self) {
        let until = self.state().not_before;
        if let Some(wait) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            thread::sleep(wait);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks once with what is known of the registry's wishes, and once more when it tells them.
    fn authorized(&self, ask: &mut Ask<'_>) -> Result<Answer, ClientError> {
        let authorization = self.authorization(ask, &[])?;
        let answer = self.follow(ask, authorization.as_ref())?;
        if answer.status != 401 || answer.elsewhere {
            return Ok(answer);
        }
        let challenges: Vec<Challenge> = answer
            .headers("www-authenticate")
            .take(8)
            .flat_map(challenge::parse)
            .collect();
        let more = self.learn(&challenges)?;
        self.state().tokens.remove(&key(ask));
        let Some(again) = self.authorization(ask, &more)? else {
            return Err(self.refusal(answer, ask.repository));
        };
        if let Payload::Stream(..) = ask.payload {
            return Err(ClientError::Network {
                url: address::shown(&ask.url),
                reason: "the token had run out; there is a new one".to_owned(),
            });
        }
        // The same once more would be refused once more.
        if authorization.is_some_and(|first| first == again) {
            return Err(self.refusal(answer, ask.repository));
        }
        answer.finish();
        let answer = self.follow(ask, Some(&again))?;
        match answer.status {
            401 if !answer.elsewhere => Err(self.refusal(answer, ask.repository)),
            _ => Ok(answer),
        }
    }

    /// Notes how the registry wants to know who asks; returns the rights that it names.
    fn learn(&self, challenges: &[Challenge]) -> Result<Vec<String>, ClientError> {
        let of = |scheme: &str| challenges.iter().find(|one| one.scheme == scheme);
        let (access, scopes) = if let Some(bearer) = of("bearer") {
            let realm = bearer.parameters.get("realm").map_or("", String::as_str);
            self.check_realm(realm)?;
            let scopes = bearer.parameters.get("scope").map_or("", String::as_str);
            let access = Access::Bearer {
                realm: realm.to_owned(),
                service: bearer.parameters.get("service").cloned(),
            };
            let scopes = scopes.split_ascii_whitespace().map(str::to_owned);
            (access, scopes.collect())
        } else if of("basic").is_some() {
            (Access::Basic, Vec::new())
        } else {
            let named: Vec<&str> = challenges.iter().map(|one| one.scheme.as_str()).collect();
            let cause = match named.is_empty() {
                true => "it does not say how".to_owned(),
                false => format!("by `{}`, which basalt does not speak", named.join("`, `")),
            };
            return Err(self.challenge(cause));
        };
        self.state().access = access;
        Ok(scopes)
    }

    /// A token server is spoken to by TLS; without, only if both it and the registry may be plain.
    fn check_realm(&self, realm: &str) -> Result<(), ClientError> {
        let shown = address::shown(realm);
        let plain =
            realm.bytes().all(|byte| byte.is_ascii_graphic()) && !realm.contains(['#', '@']);
        if let (Some(rest), true) = (realm.strip_prefix("https://"), plain)
            && !authority_of(rest).is_empty()
        {
            return Ok(());
        }
        let may = |url: &str| {
            url.strip_prefix("http://")
                .is_some_and(|rest| self.shared.transport.may_be_plain(authority_of(rest)))
        };
        if plain && may(realm) && may(self.base()?) {
            return Ok(());
        }
        Err(self.challenge(format!(
            "its token server `{shown}` is not reached by https"
        )))
    }

    fn challenge(&self, cause: String) -> ClientError {
        ClientError::Challenge {
            host: self.host.clone(),
            cause,
        }
    }

    /// What `Authorization` is to say, as far as it is known.
    fn authorization(&self, ask: &Ask<'_>, more: &[String]) -> Result<Option<Secret>, ClientError> {
        let access = self.state().access.clone();
        let credential = match &access {
            Access::Unknown => return Ok(None),
            _ => self.credential(ask.repository)?,
        };
        if let Some(Credential::Registry(token)) = &credential {
            return Ok(Some(token::bearer(token)));
        }
        match access {
            Access::Unknown => Ok(None),
            Access::Basic => match &credential {
                Some(Credential::Password { user, password }) => {
                    Ok(Some(token::basic(user, password)))
                }
                _ => Ok(None),
            },
            Access::Bearer { realm, service } => {
                let key = key(ask);
                let known = self.state().tokens.get(&key).cloned();
                if let Some(token) = known.filter(|token| token.expires > Instant::now()) {
                    return Ok(Some(token.header));
                }
                let mut scopes = ask.scopes.clone();
                for scope in more {
                    if !scopes.contains(scope) {
                        scopes.push(scope.clone());
                    }
                }
                let token = self.fetch(&realm, service.as_deref(), &scopes, credential.as_ref())?;
                let header = token.header.clone();
                self.state().tokens.insert(key, token);
                Ok(Some(header))
            }
        }
    }

    /// Asks the token server.
    fn fetch(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        credential: Option<&Credential>,
    ) -> Result<Token, ClientError> {
        let question = token::question(realm, service, scopes, credential);
        let attempts = self.shared.transport.limits().attempts;
        let mut headers = vec![("Accept", "application/json".to_owned())];
        let (method, form) = match &question.form {
            Some(form) => {
                let kind = "application/x-www-form-urlencoded".to_owned();
                headers.push(("Content-Type", kind));
                (Method::POST, Some(form.expose().as_bytes()))
            }
            None => (Method::GET, None),
        };
        let shown = address::shown(realm);
        let answer = self.repeated(&shown, "", attempts, || {
            self.shared.transport.send(Outgoing {
                method: method.clone(),
                url: &question.url,
                headers: &headers,
                authorization: question.authorization.as_ref(),
                payload: &mut form.map_or(Payload::Nothing, Payload::Bytes),
            })
        })?;
        match answer.status {
            200 => {}
            301 | 302 | 303 | 307 | 308 => {
                return Err(self.challenge(format!(
                    "its token server `{shown}` sends elsewhere, where no credentials go"
                )));
            }
            _ => return Err(self.refusal_of(answer, "", true)),
        }
        let text = zeroize::Zeroizing::new(answer.bytes(token::MAXIMUM_ANSWER)?);
        Token::parse(&text, Instant::now()).map_err(|cause| ClientError::Protocol {
            url: shown,
            cause: cause.to_owned(),
        })
    }

    /// Who asks; looked up once for each repository, as a helper may have to ask a person.
    fn credential(&self, repository: &str) -> Result<Option<Credential>, ClientError> {
        if let Some(known) = self.state().credentials.get(repository) {
            return Ok(known.clone());
        }
        let found = self.shared.credentials.find(&self.host, repository)?;
        self.state()
            .credentials
            .insert(repository.to_owned(), found.clone());
        Ok(found)
    }

    /// Sends a request, and follows redirects where the method has no body. Credentials stay with the registry.
    fn follow(
        &self,
        ask: &mut Ask<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Answer, ClientError> {
        let home = origin(&ask.url);
        let mut current = ask.url.clone();
        let follows = matches!(ask.method, Method::GET | Method::HEAD);
        for _ in 0..=self.shared.transport.limits().redirects {
            let at_home = origin(&current) == home;
            let mut answer = self.shared.transport.send(Outgoing {
                method: ask.method.clone(),
                url: &current,
                headers: &ask.headers,
                authorization: authorization.filter(|_| at_home),
                payload: &mut ask.payload,
            })?;
            if at_home {
                self.tell_of_warnings(&answer);
            }
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                answer.elsewhere = !at_home;
                return Ok(answer);
            }
            let next = answer
                .header("location")
                .filter(|to| !to.is_empty())
                .and_then(|to| address::resolve(&current, to))
                .unwrap_or_default();
            let refuse = |cause| {
                Err(ClientError::Redirect {
                    url: address::shown(&current),
                    to: address::shown(&next),
                    cause,
                })
            };
            if !follows {
                return refuse("what is written goes nowhere else");
            }
            if !self.may_lead(&current, &next) {
                return refuse("that is not https");
            }
            answer.finish();
            current = next;
        }
        Err(ClientError::Protocol {
            url: address::shown(&ask.url),
            cause: "it redirects without end".to_owned(),
        })
    }

    /// Whether a redirect may lead from one URL to another: to https; to http only from http, and where that is
    /// allowed at all.
    fn may_lead(&self, from: &str, to: &str) -> bool {
        if !to.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        match to.strip_prefix("http://") {
            Some(rest) => {
                from.starts_with("http://")
                    && self.shared.transport.may_be_plain(authority_of(rest))
            }
            None => to.starts_with("https://"),
        }
    }

    /// Makes an error of an answer that is none of those asked for.
    pub(crate) fn refusal(&self, answer: Answer, repository: &str) -> ClientError {
        let elsewhere = answer.elsewhere;
        self.refusal_of(answer, repository, !elsewhere)
    }

    fn refusal_of(&self, answer: Answer, repository: &str, ours: bool) -> ClientError {
        let (status, url, detail) = answer.explanation();
        let place = match repository.is_empty() {
            true => self.host.clone(),
            false => format!("{}/{repository}", self.host),
        };
        match status {
            401 if ours => ClientError::Unauthorized {
                place,
                host: self.host.clone(),
                detail,
            },
            403 if ours => ClientError::Forbidden { place, detail },
            _ => ClientError::Status {
                url,
                status,
                detail,
            },
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// By what a token is remembered.
fn key(ask: &Ask<'_>) -> String {
    format!("{} {}", ask.repository, ask.scopes.join(" "))
}
