//! The cookies of people's browsers: one for a session, one while they are away at an issuer to sign in.

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::server::gate::Gate;

/// The longest header of cookies that is read, in bytes.
const MAXIMUM_COOKIES: usize = 16 << 10;

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Cookie {
    /// Says who has signed in. No other site makes a browser send it.
    Session,
    /// Ties an issuer's answer to the browser that was sent there. It has to come with the browser that another site sends
    /// back, and opens nothing.
    Away,
}

impl Cookie {
    /// With a prefix, where browsers then see to it that nobody but this host can have set it over TLS.
    const fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Session, true) => "__Host-basalt",
            (Self::Session, false) => "basalt",
            (Self::Away, true) => "__Host-basalt-away",
            (Self::Away, false) => "basalt-away",
        }
    }
}

impl Gate {
    /// The header that sets a cookie for so many seconds, or takes it away.
    pub(in crate::server) fn set_cookie(&self, cookie: Cookie, value: &str, life: i64) -> String {
        let is_secure = self.is_secure();
        let name = cookie.name(is_secure);
        let site = match cookie {
            Cookie::Session => "Strict",
            Cookie::Away => "Lax",
        };
        let secure = if is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite={site}{secure}")
    }

    /// The value of a cookie that a browser sends.
    pub(in crate::server) fn cookie<'h>(
        &self,
        cookie: Cookie,
        headers: &'h HeaderMap,
    ) -> Option<&'h str> {
        let name = cookie.name(self.is_secure());
        let all = headers.get_all(COOKIE).iter();
        all.filter_map(|value| value.to_str().ok())
            .filter(|text| text.len() <= MAXIMUM_COOKIES)
            .flat_map(|text| text.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether browsers reach this server by TLS.
    fn is_secure(&self) -> bool {
        let url = self.url.as_deref();
        self.tls || url.is_some_and(|url| url.starts_with("https://"))
    }
}
