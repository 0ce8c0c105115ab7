//! Logins with a browser (RFC 8628): a program asks, a person signs in wherever they have a browser, and the program is
//! given a token that it keeps in place of a password.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use basalt_fetch::address;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::Method;
use zeroize::Zeroizing;

use crate::error::ClientError;
use crate::registry::{Ask, Registry};
use crate::secret::Secret;
use crate::token::encode;
use crate::transport::{Answer, Payload};

/// What a program that waits says to the token endpoint.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// What this program calls itself.
const CLIENT: &str = "basalt";
/// The longest answer that is read, in bytes.
const MAXIMUM_ANSWER: u64 = 64 << 10;
/// How long one waits between two questions when nothing is said (RFC 8628, 3.2), and how much more when it was too often
/// (3.5), in seconds.
const INTERVAL: u64 = 5;
/// The longest time that is waited, in seconds.
const MAXIMUM_WAIT: u64 = 3600;
/// The longest address or code that is shown, in bytes.
const MAXIMUM_SHOWN: usize = 1024;

/// A login that waits for a person.
pub struct WaitingLogin {
    /// What the person compares with what the page says, or types there.
    pub user_code: String,
    /// Where the person goes.
    pub address: String,
    /// The same with the code in it, if there is such an address.
    pub whole_address: Option<String>,
    /// How long it waits.
    pub patience: Duration,
    code: Secret,
    interval: Duration,
}

impl fmt::Debug for WaitingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingLogin")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A login that a person has made.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who that was, if the registry says so.
    pub user: String,
    /// What is kept.
    pub token: Secret,
    /// How long it is good, if the registry says so.
    pub life: Option<Duration>,
}

#[derive(Deserialize)]
struct Begun {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Given {
    refresh_token: Secret,
    #[serde(default)]
    username: String,
    refresh_expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Registry {
    /// Asks for a login with a browser. `scope` is what of the person's rights is wanted: `pull`, `push`, `delete`; all of
    /// them when nothing is said.
    ///
    /// # Errors
    /// When the registry cannot be reached, has no such logins, or does not let this one begin.
    pub fn begin_login(&self, scope: &[&str]) -> Result<WaitingLogin, ClientError> {
        let scope = scope.join(" ");
        let fields = [("client_id", CLIENT), ("scope", scope.as_str())];
        let answer = self.post("/basalt/v1/login", &fields)?;
        let begun: Begun = match answer.status {
            200 => document(answer)?,
            404 | 405 => {
                answer.finish();
                return Err(ClientError::NotFound {
                    place: self.host().to_owned(),
                    what:
                        "a login with a browser: `basalt serve` has one, where people can sign in"
                            .to_owned(),
                });
            }
            _ => return Err(self.refusal(answer, "")),
        };
        // It is shown on a terminal, and a browser may be sent there.
        let is_plain = self.base()?.starts_with("http://");
        let is_sound = |url: &String| {
            url.len() <= MAXIMUM_SHOWN
                && url.bytes().all(|byte| byte.is_ascii_graphic())
                && (url.starts_with("https://") || (is_plain && url.starts_with("http://")))
        };
        let code = &begun.user_code;
        let is_code = (1..=40).contains(&code.len())
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_code || !is_sound(&begun.verification_uri) {
            return Err(self.nobody("the registry names no page that could be shown"));
        }
        let seconds = |count: u64| Duration::from_secs(count.clamp(1, MAXIMUM_WAIT));
        Ok(WaitingLogin {
            address: begun.verification_uri,
            whole_address: begun.verification_uri_complete.filter(is_sound),
            user_code: begun.user_code,
            patience: seconds(begun.expires_in),
            code: begun.device_code,
            interval: seconds(begun.interval.unwrap_or(INTERVAL)),
        })
    }

    /// Waits until a person has decided.
    ///
    /// # Errors
    /// When they refuse, nobody decides in time, or the registry cannot be reached.
    pub fn finish_login(&self, waiting: &WaitingLogin) -> Result<LoggedIn, ClientError> {
        let begun = Instant::now();
        let mut interval = waiting.interval;
        let fields = [
            ("grant_type", GRANT),
            ("client_id", CLIENT),
            ("device_code", waiting.code.expose()),
        ];
        while begun.elapsed() < waiting.patience {
            thread::sleep(interval);
            let answer = self.post("/token", &fields)?;
            match answer.status {
                200 => {
                    let given: Given = document(answer)?;
                    let is_plain = |token: &Secret| {
                        let text = token.expose();
                        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
                    };
                    if !is_plain(&given.refresh_token) {
                        return Err(self.nobody("the registry gives no token that could be kept"));
                    }
                    return Ok(LoggedIn {
                        user: printable(&given.username),
                        token: given.refresh_token,
                        life: given.refresh_expires_in.map(Duration::from_secs),
                    });
                }
                400 => {}
                _ => return Err(self.refusal(answer, "")),
            }
            let refusal: Refusal = document(answer)?;
            match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval += Duration::from_secs(INTERVAL),
                "access_denied" => return Err(self.nobody("it was refused in the browser")),
                "expired_token" => break,
                other => {
                    return Err(self.nobody(&format!("the registry says `{}`", printable(other))));
                }
            }
        }
        Err(self.nobody("nobody signed in before the code's time was over; begin again"))
    }

    /// Ends a login: its token is of no use from then on.
    ///
    /// # Errors
    /// When the registry cannot be reached, or has no such logins.
    pub fn end_login(&self, token: &Secret) -> Result<(), ClientError> {
        let answer = self.post("/basalt/v1/logout", &[("token", token.expose())])?;
        match answer.status {
            200 | 204 => {
                answer.finish();
                Ok(())
            }
            _ => Err(self.refusal(answer, "")),
        }
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, ClientError> {
        let form = Zeroizing::new(encode(fields));
        let kind = "application/x-www-form-urlencoded".to_owned();
        self.call(Ask {
            method: Method::POST,
            url: format!("{}{path}", self.base()?),
            headers: vec![
                ("Content-Type", kind),
                ("Accept", "application/json".to_owned()),
            ],
            payload: Payload::Bytes(form.as_bytes()),
            repository: "",
            scopes: Vec::new(),
        })
    }

    fn nobody(&self, cause: &str) -> ClientError {
        ClientError::Login {
            host: self.host().to_owned(),
            cause: cause.to_owned(),
        }
    }
}

fn document<T: DeserializeOwned>(answer: Answer) -> Result<T, ClientError> {
    let url = address::shown(&answer.url);
    let bytes = Zeroizing::new(answer.bytes(MAXIMUM_ANSWER)?);
    // A part of it, which may be secret, must not get into a message.
    serde_json::from_slice(&bytes).map_err(|_| ClientError::Protocol {
        url,
        cause: "its answer is not what RFC 8628 has".to_owned(),
    })
}

/// A text from outside, without what a terminal would obey.
fn printable(text: &str) -> String {
    let letters = text.chars().take(300);
    letters.filter(|letter| !letter.is_control()).collect()
}
