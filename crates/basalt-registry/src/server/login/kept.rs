//! Logins of programs that were let in: used, listed and ended.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::access::{Caller, Login, LoginCode, LoginId};
use crate::fault::{Code, Fault};
use crate::metadata::{Author, Moment, is_use_old};
use crate::route::{Page, parameters};
use crate::server::gate::wrong;
use crate::server::list::{MAXIMUM, linked};
use crate::server::request::{Outcome, Reply, Request};

/// The longest form that is read, in bytes.
const MAXIMUM_FORM: u64 = 16 << 10;

/// Who a program's secret speaks for, as long as they could still sign in so.
///
/// # Errors
/// When the login has ended, or they could not.
pub(in crate::server) async fn renewed(
    request: &Request,
    secret: &str,
) -> Result<(Caller, Login), Fault> {
    let gone = || wrong("this login has ended; log in again");
    let (gate, metadata) = (&request.registry.gate, &request.registry.metadata);
    let login = metadata.login(LoginCode::hash(secret), request.now).await?;
    let login = login.ok_or_else(gone)?;
    let caller = gate.person(&login.user, &login.groups);
    if gate.mark(&caller).as_ref() != Some(&login.mark) {
        return Err(gone());
    }
    if is_use_old(login.used, request.now) {
        metadata.note_login(&login.id, request.now).await?;
    }
    Ok((caller, login))
}

/// Ends the login whose secret is sent. Who has none learns nothing (RFC 7009, 2.2).
pub(in crate::server) async fn end(request: &mut Request) -> Outcome {
    let address = request.peer.address;
    let limits = &request.registry.gate.limits;
    limits.request(&Caller::Anonymous, address)?;
    let bytes = request.body(MAXIMUM_FORM).all().await?;
    let fields = parameters(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
    let secret = fields.iter().find(|(name, _)| name == "token");
    if let Some((_, secret)) = secret {
        let metadata = &request.registry.metadata;
        let login = metadata.login(LoginCode::hash(secret), request.now).await?;
        if let Some(login) = login {
            let author = Author {
                name: login.user,
                ..request.author()
            };
            metadata.delete_login(&login.id, author).await?;
        }
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(in crate::server) async fn list(request: &Request, page: &Page) -> Outcome {
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM);
    let metadata = &request.registry.metadata;
    let mut logins = metadata.logins(page.after.as_deref(), limit + 1).await?;
    let more = logins.len() as u64 > limit;
    logins.truncate(limit as usize);
    let last = logins.last().filter(|_| more);
    let last = last.map(|login| login.id.as_str().to_owned());
    let shown: Vec<Value> = logins
        .iter()
        .map(|login| shown(login, request.now))
        .collect();
    let reply = Reply::json(&json!({"sessions": shown}));
    Ok(linked(
        reply,
        "/basalt/v1/sessions",
        "",
        limit as usize,
        last,
    ))
}

pub(in crate::server) async fn delete(request: &Request, id: &LoginId) -> Outcome {
    let metadata = &request.registry.metadata;
    match metadata.delete_login(id, request.author()).await? {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(Fault::new(
            Code::NameUnknown,
            format!("there is no session `{id}`"),
        )),
    }
}

/// A login as it is listed: all but its secret, of which only a hash is known.
fn shown(login: &Login, now: Moment) -> Value {
    let moment = |moment: Moment| {
        let time = jiff::Timestamp::from_millisecond(moment).unwrap_or_default();
        time.to_string()
    };
    json!({
        "id": login.id.as_str(),
        "user": login.user,
        "groups": login.groups,
        "scope": login.scope.to_string(),
        "agent": login.agent,
        "address": login.address,
        "created": moment(login.created),
        "expires": moment(login.expires),
        "expired": login.expires <= now,
        "used": login.used.map(moment),
    })
}
