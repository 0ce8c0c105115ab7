//! Sessions of the pages: a form takes a password, and a cookie holds a token that says who that was, for a while.
//!
//! A cookie is asked for by pages alone, and pages change nothing; so nothing can be done in another's name by a request
//! that their browser was made to send. The two forms that set and take the cookie are answered only if they come from a
//! page of this server.

use hyper::header::{COOKIE, HOST, HeaderName, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode};
use maud::{Markup, html};
use rand_core::{OsRng, RngCore};
use sha2::{Digest as _, Sha256};

use super::shell::{self, Page, Section};
use crate::access::{Caller, Claims, Grant};
use crate::fault::{Code, Fault};
use crate::metadata::Moment;
use crate::route::{self, parameters};
use crate::server::gate::{Gate, Identity};
use crate::server::request::{Outcome, Reply, Request};

/// How long a session lasts, in seconds.
const LIFE: i64 = 2 * 3600;
/// The longest form that is read, in bytes.
const MAXIMUM_FORM: u64 = 16 << 10;
/// The longest header of cookies that is read, in bytes.
const MAXIMUM_COOKIES: usize = 16 << 10;

impl Gate {
    /// Who a session's cookie says it is; nobody when there is none, or it is not good any more.
    pub(in crate::server) fn session(&self, headers: &HeaderMap, now: Moment) -> Option<Identity> {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let token = cookies
            .filter(|text| text.len() <= MAXIMUM_COOKIES)
            .flat_map(|text| text.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))?;
        // No token of the interface is one of a session, nor the other way round: they are for other services.
        let claims = self.keys.verify(token, &self.page_service(), now).ok()?;
        let current = self.password_mark(&claims.sub)?;
        (claims.access == [current]).then_some(Identity {
            caller: Caller::User(claims.sub),
            token: None,
            is_shown: true,
        })
    }

    /// A session's cookie for a user who has proved to be one.
    fn new_session(&self, user: String, now: Moment) -> Option<String> {
        let mut random = [0; 16];
        OsRng.fill_bytes(&mut random);
        let access = vec![self.password_mark(&user)?];
        let caller = Caller::User(user);
        let mut claims = Claims::new(&self.page_service(), &caller, access, now, random);
        claims.exp = claims.iat + LIFE;
        let token = self.keys.sign(&claims)?;
        Some(self.cookie(&token, LIFE))
    }

    fn cookie(&self, value: &str, life: i64) -> String {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let name = self.cookie_name();
        format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
    }

    /// With a prefix, where browsers then see to it that nobody but this host can have set it over TLS.
    fn cookie_name(&self) -> &'static str {
        match self.is_secure() {
            true => "__Host-basalt",
            false => "basalt",
        }
    }

    fn is_secure(&self) -> bool {
        let url = self.url.as_deref();
        self.tls || url.is_some_and(|url| url.starts_with("https://"))
    }

    /// No name of a service has a slash.
    fn page_service(&self) -> String {
        format!("{}/pages", self.service)
    }

    /// Tells one password of a user from the next: a session ends when it is changed. Nothing when there is no such user.
    fn password_mark(&self, user: &str) -> Option<Grant> {
        let hash = self.users.as_ref()?.hash_of(user)?;
        let mark = Sha256::digest(hash.as_str());
        Some(Grant {
            kind: "password".to_owned(),
            name: crate::digest::hex(&mark[..16]),
            actions: Vec::new(),
        })
    }

    /// Refuses a form that does not come from a page of this server.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_own = match text(HeaderName::from_static("sec-fetch-site")) {
            Some(site) => site == "same-origin",
            // Browsers that do not say so name the origin; what is none has no cookie to lose.
            None => text(ORIGIN).is_none_or(|origin| {
                let host = origin.split_once("://").map(|(_, host)| host);
                let url = self.url.as_deref().and_then(|url| url.split_once("://"));
                let url = url.map(|(_, host)| host.trim_end_matches('/'));
                host.is_some() && (host == text(HOST) || host == url)
            }),
        };
        let message = "this form was sent by another site";
        match is_own {
            true => Ok(()),
            false => Err(Fault::new(Code::Denied, message)),
        }
    }
}

/// Shows the form, or takes what it sends.
pub(in crate::server) async fn sign_in(request: &mut Request, next: Option<&str>) -> Outcome {
    let registry = request.registry.clone();
    let gate = &registry.gate;
    if gate.users.is_none() {
        return Err(Fault::new(Code::NameUnknown, "nobody signs in here"));
    }
    if request.method != Method::POST {
        return shell::page(request, form(next, None));
    }
    gate.check_origin(&request.headers)?;
    let mut received = request.body(MAXIMUM_FORM);
    let bytes = received.all().await?;
    request.received = Some(received);
    let fields = parameters(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
    let field = |name: &str| {
        let mut found = fields.iter().filter(|(key, _)| key == name);
        found.next().map_or("", |(_, value)| value.as_str())
    };
    let next = page_of(field("next")).unwrap_or("/");
    let user = field("user");
    let signed_in = gate.sign_in(request.visitor(), user, field("password"));
    match signed_in.await {
        Ok(Caller::User(user)) => {
            let cookie = gate.new_session(user, request.now);
            let cookie = cookie.ok_or_else(Fault::internal)?;
            Ok(see_other(next).header("set-cookie", cookie))
        }
        Err(fault) if fault.code != Code::Unauthorized => Err(fault),
        // Pages are for people: a robot's secret opens none. No status that makes a browser ask by itself.
        Ok(_) | Err(_) => {
            let page = form(Some(next), Some(user));
            shell::page(request, page).map(|reply| reply.with_status(StatusCode::FORBIDDEN))
        }
    }
}

/// Takes the cookie away.
pub(in crate::server) fn sign_out(request: &Request) -> Outcome {
    let gate = &request.registry.gate;
    gate.check_origin(&request.headers)?;
    Ok(see_other("/").header("set-cookie", gate.cookie("", 0)))
}

fn see_other(target: &str) -> Reply {
    shell::protected(Reply::empty(StatusCode::SEE_OTHER))
        .header("location", target)
        .header("cache-control", "no-store")
}

/// A target, if it is that of a page here.
fn page_of(target: &str) -> Option<&str> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_sound = target.bytes().all(|byte| byte.is_ascii_graphic());
    let route = route::parse("GET", path, query).ok()?;
    (is_sound && route.kind().is_page()).then_some(target)
}

/// The form. `refused` is the name that was not let in.
pub fn form(next: Option<&str>, refused: Option<&str>) -> Page {
    let next = next.and_then(page_of).unwrap_or("/");
    let content: Markup = html! {
        div class="sign-in" {
            h1 { "Sign in" }
            p class="quiet" { "Then you see what is open to you here." }
            @if refused.is_some() {
                p class="problem" role="alert" id="problem" { "The user or the password is wrong." }
            }
            form method="post" action="/signin" {
                input type="hidden" name="next" value=(next);
                label for="user" { "User" }
                input id="user" name="user" value=(refused.unwrap_or("")) autocomplete="username" autocapitalize="none"
                    spellcheck="false" required autofocus aria-describedby=[refused.map(|_| "problem")];
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password" required;
                button class="main" { "Sign in" }
            }
        }
    };
    Page {
        title: "Sign in".to_owned(),
        section: Section::None,
        content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_pages_of_this_server_alone() {
        for target in ["/", "/r/team/app:1", "/search?q=a+b"] {
            assert_eq!(page_of(target), Some(target));
        }
        for target in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/signout",
            "/v2/",
            "/r/app\r\nset-cookie: x",
            "/?q=\u{e9}",
        ] {
            assert_eq!(page_of(target), None, "{target}");
        }
    }
}
