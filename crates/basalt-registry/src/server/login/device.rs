//! Programs that wait until a person signs in for them, with whatever browser that person has (RFC 8628).

use hyper::header::{HeaderName, ORIGIN, USER_AGENT};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

use super::kept::renewed;
use crate::access::{Caller, LoginCode, LoginId, LoginScope, LoginSecret, TOKEN_LIFE, UserCode};
use crate::fault::{Code, Fault};
use crate::metadata::login::{Approval, PendingLogin, Poll, Polled};
use crate::route::parameters;
use crate::server::gate::wrong;
use crate::server::jwks::shown;
use crate::server::page;
use crate::server::request::{Outcome, Reply, Request};
use crate::server::token;

/// What a program that waits says to the token endpoint.
pub(in crate::server) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a program waits, in seconds.
const LIFE: i64 = 600;
/// How long it rests between two questions, in seconds.
const INTERVAL: i64 = 2;
/// How much earlier than that it may ask, in milliseconds: clocks and networks are not exact.
const EARLY: i64 = 500;
/// The most programs that wait at once.
const MAXIMUM_WAITING: u64 = 10_000;
/// The longest form that is read, in bytes.
const MAXIMUM_FORM: u64 = 16 << 10;

/// Lets a program wait: a code for it, and one for a person.
pub(in crate::server) async fn begin(request: &mut Request) -> Outcome {
    let registry = request.registry.clone();
    let gate = &registry.gate;
    if !gate.has_people() {
        let message = "nobody signs in here with a browser";
        return Err(Fault::new(Code::NameUnknown, message));
    }
    gate.limits.login(request.peer.address)?;
    let fields = form(request).await?;
    let scope = match field(&fields, "scope").parse::<LoginScope>() {
        Ok(scope) => scope,
        Err(error) => return Ok(refusal("invalid_scope", &error.to_string())),
    };
    let base = gate.base(&request.headers);
    let base = base.ok_or_else(|| Fault::new(Code::Unsupported, "the request names no host"))?;
    let (code, user_code) = (LoginCode::new(), UserCode::new());
    let pending = PendingLogin {
        code: LoginCode::hash(code.as_str()),
        user_code: user_code.clone(),
        agent: shown(request.text(USER_AGENT).unwrap_or_default()),
        address: request.peer.address.to_canonical().to_string(),
        scope,
        created: request.now,
        expires: request.now + 1000 * LIFE,
    };
    let metadata = &registry.metadata;
    if !metadata.begin_login(pending, MAXIMUM_WAITING).await? {
        let message = "too many programs wait for a login; try again in a minute";
        return Err(Fault::new(Code::TooManyRequests, message).header("retry-after", "60"));
    }
    Ok(Reply::json(&json!({
        "device_code": code.as_str(),
        "user_code": user_code.to_string(),
        "verification_uri": format!("{base}/device"),
        "verification_uri_complete": format!("{base}/device?user_code={user_code}"),
        "expires_in": LIFE,
        "interval": INTERVAL,
    }))
    .header("cache-control", "no-store"))
}

/// Answers a program that asks whether it was let in.
pub(in crate::server) async fn poll(request: &Request, code: &str) -> Outcome {
    let secret = LoginSecret::new();
    let poll = Poll {
        code: LoginCode::hash(code),
        pace: 1000 * INTERVAL - EARLY,
        id: LoginId::random(),
        secret: LoginCode::hash(secret.as_str()),
        now: request.now,
    };
    let (user, ends) = match request.registry.metadata.poll_login(poll).await? {
        Polled::LetIn(user, ends) => (user, ends),
        Polled::Waiting => {
            return Ok(refusal("authorization_pending", "nobody has decided yet"));
        }
        Polled::TooSoon => return Ok(refusal("slow_down", "ask less often")),
        Polled::Refused => return Ok(refusal("access_denied", "a person refused it")),
        Polled::Unknown => {
            let words = "there is no such code, it was used, or its time is over";
            return Ok(refusal("expired_token", words));
        }
    };
    let (caller, login) = renewed(request, secret.as_str()).await?;
    let token = token::signed(request, &caller, Vec::new(), Some(&login))?;
    Ok(Reply::json(&json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE,
        "refresh_token": secret.as_str(),
        "refresh_expires_in": (ends - request.now) / 1000,
        "scope": login.scope.to_string(),
        "username": user,
    }))
    .header("cache-control", "no-store"))
}

/// Shows a person the program that waits for them.
pub(in crate::server) async fn waiting(request: &Request, code: Option<&str>) -> Outcome {
    let caller = &request.identity.caller;
    // A robot and a certificate let nobody in.
    if request.registry.gate.mark(caller).is_none() {
        return Err(wrong("sign in first: a program waits for you"));
    }
    let Some(typed) = code.filter(|code| !code.trim().is_empty()) else {
        return page::ask_code(request, false);
    };
    match find(request, typed).await? {
        Some(pending) => page::ask_consent(request, &pending),
        None => page::ask_code(request, true),
    }
}

/// Takes what a person decided.
pub(in crate::server) async fn decide(request: &mut Request) -> Outcome {
    let registry = request.registry.clone();
    let gate = &registry.gate;
    check_own(&request.headers)?;
    gate.check_origin(&request.headers)?;
    let session = gate.session(&request.headers, request.now);
    request.identity = session.ok_or_else(|| wrong("sign in first: a program waits for you"))?;
    let fields = form(request).await?;
    let is_let_in = match field(&fields, "decision") {
        "allow" => true,
        "deny" => false,
        _ => return Err(Fault::new(Code::NameInvalid, "say `allow` or `deny`")),
    };
    let Some(pending) = find(request, field(&fields, "user_code")).await? else {
        return page::ask_code(request, true);
    };
    let caller = &request.identity.caller;
    let (Some(mark), Caller::User(_) | Caller::Vouched(_)) = (gate.mark(caller), caller) else {
        return Err(Fault::new(Code::Denied, "only people let programs in"));
    };
    let approval = is_let_in.then(|| Approval {
        user: caller.name().to_owned(),
        groups: match caller {
            Caller::Vouched(vouched) => vouched.groups.clone(),
            _ => Default::default(),
        },
        mark,
        ends: request.now.saturating_add(gate.life_of(caller)),
    });
    let code = &pending.user_code;
    let decided = registry
        .metadata
        .decide_login(code, approval, request.now)
        .await?;
    match (decided, is_let_in) {
        (false, _) => page::ask_code(request, true),
        (true, true) => page::notice(
            request,
            StatusCode::OK,
            "The program is logged in",
            "Go back to where you began it; this page can be closed.",
        ),
        (true, false) => page::notice(
            request,
            StatusCode::OK,
            "The program was refused",
            "If you did not begin it yourself, somebody may have sent you its code: tell who looks after this registry.",
        ),
    }
}

/// The program that shows this code. Who guesses is stopped as who guesses passwords is.
async fn find(request: &Request, typed: &str) -> Result<Option<PendingLogin>, Fault> {
    let limits = &request.registry.gate.limits;
    let name = request.identity.caller.name();
    let attempt = limits.attempt(request.peer.address, name)?;
    let found = match UserCode::parse(typed) {
        Some(code) => {
            let metadata = &request.registry.metadata;
            metadata.pending_login(&code, request.now).await?
        }
        None => None,
    };
    attempt.ended(&found.as_ref().ok_or_else(|| wrong("")));
    Ok(found)
}

/// Refuses what does not say where it comes from: what a person decides is sent by a browser, and browsers say so.
fn check_own(headers: &HeaderMap) -> Result<(), Fault> {
    let says = [HeaderName::from_static("sec-fetch-site"), ORIGIN];
    match says.iter().any(|name| headers.contains_key(name)) {
        true => Ok(()),
        false => Err(Fault::new(
            Code::Denied,
            "this form was not sent by a page of this server",
        )),
    }
}

/// A refusal in the words of RFC 6749 and RFC 8628.
fn refusal(error: &str, words: &str) -> Reply {
    Reply::json(&json!({"error": error, "error_description": words}))
        .with_status(StatusCode::BAD_REQUEST)
        .header("cache-control", "no-store")
}

async fn form(request: &mut Request) -> Result<Vec<(String, String)>, Fault> {
    let bytes = request.body(MAXIMUM_FORM).all().await?;
    Ok(parameters(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let mut found = fields.iter().filter(|(key, _)| key == name);
    found.next().map_or("", |(_, value)| value.as_str())
}
