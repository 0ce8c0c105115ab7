//! The routes by which people sign in with their browsers, for themselves and for programs.

use super::Route;
use super::page::MAXIMUM_NEXT;
use super::parse::{Parameters, only_read, page, unknown, value, wrong_method};
use crate::access::LoginId;
use crate::fault::Fault;

/// The longest code of a program that is read, in bytes.
const MAXIMUM_CODE: usize = 40;

/// Reads what is asked; nothing when it is another route's.
pub(super) fn parse(
    method: &str,
    path: &str,
    parameters: &Parameters,
) -> Result<Option<Route>, Fault> {
    if let Some(name) = path.strip_prefix("/signin/with/") {
        let next = value(parameters, "next").filter(|next| next.len() <= MAXIMUM_NEXT);
        let (issuer, next) = (issuer(name)?, next.map(str::to_owned));
        return only("GET", method, Route::SignInWith { issuer, next }).map(Some);
    }
    if let Some(name) = path.strip_prefix("/signin/return/") {
        let issuer = issuer(name)?;
        return only("GET", method, Route::SignInReturn { issuer }).map(Some);
    }
    if let Some(id) = path.strip_prefix("/basalt/v1/sessions/") {
        let id = LoginId::parse(id).ok_or_else(unknown)?;
        return only("DELETE", method, Route::DeleteLogin { id }).map(Some);
    }
    match path {
        "/device" => {
            let code = value(parameters, "user_code").filter(|code| code.len() <= MAXIMUM_CODE);
            let code = code.map(str::to_owned);
            only_read(method, Route::DevicePage { code }).map(Some)
        }
        "/device/decision" => only("POST", method, Route::DecideDevice).map(Some),
        "/basalt/v1/login" => only("POST", method, Route::BeginLogin).map(Some),
        "/basalt/v1/logout" => only("POST", method, Route::EndLogin).map(Some),
        "/basalt/v1/sessions" => {
            let page = page(parameters, "last")?;
            only_read(method, Route::ListLogins { page }).map(Some)
        }
        _ => Ok(None),
    }
}

fn only(allowed: &str, method: &str, route: Route) -> Result<Route, Fault> {
    match method == allowed {
        true => Ok(route),
        false => Err(wrong_method(allowed)),
    }
}

/// The name of an issuer, as the configuration may have it.
fn issuer(text: &str) -> Result<String, Fault> {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=32).contains(&text.len()) && text.bytes().all(sound) {
        true => Ok(text.to_owned()),
        false => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, parse};

    #[test]
    fn what_a_login_changes_is_asked_with_one_method_alone() {
        for kind in [
            Kind::BeginLogin,
            Kind::EndLogin,
            Kind::DecideDevice,
            Kind::DeleteLogin,
        ] {
            let (own, target) = kind.example("app", "1", "", "");
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                let read = parse(method, &target, "");
                assert_eq!(read.is_ok(), method == own, "{method} {target}");
            }
        }
        for target in [
            "/signin/with/",
            "/signin/with/A",
            "/signin/with/a/b",
            "/signin/return/..",
            "/basalt/v1/sessions/xyz",
        ] {
            assert!(parse("GET", target, "").is_err(), "{target}");
            assert!(parse("DELETE", target, "").is_err(), "{target}");
        }
    }
}
