//! Sessions of the pages: a form takes a password, or an issuer vouches for someone, and a cookie holds a token that says who
//! that was, for a while.
//!
//! A cookie is asked for by pages alone, and pages change nothing; so nothing can be done in another's name by a request
//! that their browser was made to send. The forms that set and take the cookie, and the one that lets a program in, are
//! answered only if they come from a page of this server.

use std::sync::Arc;

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode};
use maud::{Markup, html};
use rand_core::{OsRng, RngCore};

use super::shell::{self, Page, Section};
use crate::access::{Bearer, Caller, Claims, Grant};
use crate::fault::{Code, Fault};
use crate::metadata::Moment;
use crate::route::{self, encode, parameters};
use crate::server::gate::{Gate, Identity};
use crate::server::login::Cookie;
use crate::server::request::{Outcome, Reply, Request};

/// How long a session lasts, in seconds.
const LIFE: i64 = 2 * 3600;
/// The longest form that is read, in bytes.
const MAXIMUM_FORM: u64 = 16 << 10;

impl Gate {
    /// Who a session's cookie says it is; nobody when there is none, or it is not good any more.
    pub(in crate::server) fn session(&self, headers: &HeaderMap, now: Moment) -> Option<Identity> {
        let token = self.cookie(Cookie::Session, headers)?;
        // No token of the interface is one of a session, nor the other way round: they are for other services.
        let claims = self.keys.verify(token, &self.page_service(), now).ok()?;
        let caller = match claims.bearer() {
            Bearer::User(name) => Caller::User(name),
            Bearer::Vouched(vouched) => Caller::Vouched(Arc::new(vouched)),
            Bearer::Anonymous | Bearer::Robot(..) => return None,
        };
        let current = self.session_mark(&caller)?;
        (claims.access == [current]).then_some(Identity {
            caller,
            token: None,
            is_shown: true,
        })
    }

    /// A session's cookie for someone who has proved who they are; nothing when they are none of those who can.
    pub(in crate::server) fn new_session(&self, caller: &Caller, now: Moment) -> Option<String> {
        let mut random = [0; 16];
        OsRng.fill_bytes(&mut random);
        let access = vec![self.session_mark(caller)?];
        let mut claims = Claims::new(&self.page_service(), caller, access, now, random);
        claims.exp = claims.iat + LIFE;
        let token = self.keys.sign(&claims)?;
        Some(self.set_cookie(Cookie::Session, &token, LIFE))
    }

    /// No name of a service has a slash.
    fn page_service(&self) -> String {
        format!("{}/pages", self.service)
    }

    /// What a session is good for: one state of an account.
    fn session_mark(&self, caller: &Caller) -> Option<Grant> {
        Some(Grant {
            kind: "account".to_owned(),
            name: self.mark(caller)?,
            actions: Vec::new(),
        })
    }

    /// Refuses a form that does not come from a page of this server.
    pub(in crate::server) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
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
    if !gate.has_people() {
        return Err(Fault::new(Code::NameUnknown, "nobody signs in here"));
    }
    if request.method != Method::POST {
        return shell::page(request, form(gate, next, None));
    }
    gate.check_origin(&request.headers)?;
    let bytes = request.body(MAXIMUM_FORM).all().await?;
    let fields = parameters(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
    let field = |name: &str| {
        let mut found = fields.iter().filter(|(key, _)| key == name);
        found.next().map_or("", |(_, value)| value.as_str())
    };
    let next = page_of(field("next")).unwrap_or("/");
    let user = field("user");
    let signed_in = gate.sign_in(request.visitor(), user, field("password"));
    match signed_in.await {
        Ok(caller @ Caller::User(_)) => {
            let cookie = gate.new_session(&caller, request.now);
            let cookie = cookie.ok_or_else(Fault::internal)?;
            Ok(see_other(next).header("set-cookie", cookie))
        }
        Err(fault) if fault.code != Code::Unauthorized => Err(fault),
        // Pages are for people: a robot's secret opens none. No status that makes a browser ask by itself.
        Ok(_) | Err(_) => {
            let page = form(gate, Some(next), Some(user));
            shell::page(request, page).map(|reply| reply.with_status(StatusCode::FORBIDDEN))
        }
    }
}

/// Takes the cookie away.
pub(in crate::server) fn sign_out(request: &Request) -> Outcome {
    let gate = &request.registry.gate;
    gate.check_origin(&request.headers)?;
    Ok(see_other("/").header("set-cookie", gate.set_cookie(Cookie::Session, "", 0)))
}

pub(in crate::server) fn see_other(target: &str) -> Reply {
    shell::protected(Reply::empty(StatusCode::SEE_OTHER))
        .header("location", target)
        .header("cache-control", "no-store")
}

/// A target, if it is that of a page here.
pub(in crate::server) fn page_of(target: &str) -> Option<&str> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_sound = target.bytes().all(|byte| byte.is_ascii_graphic());
    let route = route::parse("GET", path, query).ok()?;
    (is_sound && route.kind().is_page()).then_some(target)
}

/// The ways to sign in. `refused` is the name that was not let in.
pub fn form(gate: &Gate, next: Option<&str>, refused: Option<&str>) -> Page {
    let next = next.and_then(page_of).unwrap_or("/");
    let content: Markup = html! {
        div class="sign-in" {
            h1 { "Sign in" }
            p class="quiet" { "Then you see what is open to you here." }
            @if refused.is_some() {
                p class="problem" role="alert" id="problem" { "The user or the password is wrong." }
            }
            @if gate.users.is_some() {
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
            // Links: a form would be kept from leading to another host.
            @for provider in &gate.providers {
                a class="issuer" href={ "/signin/with/" (provider.issuer.name) "?next=" (encode(next)) } {
                    "Sign in with " (provider.issuer.label())
                }
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
