//! User names and passwords of servers, which are sent as HTTP has it and shown nowhere.

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::http::HeaderValue;
use zeroize::Zeroizing;

use crate::address;

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Login {
    /// These two.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: Zeroizing::new(user.into()),
            password: Zeroizing::new(password.into()),
        }
    }

    /// What stands before the `@` of a URL: `user:password`, each percent-encoded (RFC 3986, section 3.2.1).
    pub(crate) fn of_userinfo(text: &str) -> Self {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decoded = |text| String::from_utf8_lossy(&address::decode(text)).into_owned();
        Self::new(decoded(user), decoded(password))
    }

    /// The user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What is sent in `Authorization` or `Proxy-Authorization` (RFC 7617).
    pub(crate) fn basic(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.user(), self.password()));
        Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
    }

    /// The same, as a header that is not logged.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.basic()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Hash for Login {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.user(), self.password()).hash(state);
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}
