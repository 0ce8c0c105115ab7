//! The token endpoint, as Docker's clients use it: `GET /token?service=…&scope=repository:NAME:ACTIONS` with the user's
//! password, or the form of OAuth 2 with the same in it.

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use rand_core::{OsRng, RngCore};
use serde_json::json;

use super::gate::Identity;
use super::login;
use super::request::{Outcome, Reply, Request};
use super::sign_in::basic;
use crate::access::{Caller, Claims, Grant, Login, Policy, Right, TOKEN_LIFE};
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;
use crate::route::parameters;

/// The longest form that is read, in bytes.
const MAXIMUM_FORM: u64 = 16 << 10;
/// The most repositories that one token is made for.
const MAXIMUM_SCOPES: usize = 64;

pub(super) async fn token(request: &mut Request) -> Outcome {
    let registry = request.registry.clone();
    let gate = &registry.gate;
    if !gate.signs_in() {
        return Err(Fault::new(
            Code::NameUnknown,
            "nobody signs in here: no token is needed",
        ));
    }
    let is_form = request.method == hyper::Method::POST;
    let text = match is_form {
        true => {
            let bytes = request.body(MAXIMUM_FORM).all().await?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        false => request.query.clone(),
    };
    let parameters =
        parameters(&text).ok_or_else(|| bad_request("the request for a token cannot be read"))?;
    let value = |name: &str| {
        let mut found = parameters.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    };
    if value("service").is_some_and(|service| service != gate.service) {
        return Err(bad_request("that is the name of another service"));
    }
    let header = request.text(AUTHORIZATION).map(str::to_owned);
    let mut login = None;
    let caller = match (is_form, header) {
        (true, _) => match value("grant_type") {
            Some("password") => {
                let (name, password) = value("username")
                    .zip(value("password"))
                    .ok_or_else(|| bad_request("the user or the password is missing"))?;
                gate.sign_in(request.visitor(), name, password).await?
            }
            Some("refresh_token") => {
                let secret = value("refresh_token");
                let secret = secret.ok_or_else(|| bad_request("the refresh token is missing"))?;
                let (caller, own) = login::renewed(request, secret).await?;
                login = Some(own);
                caller
            }
            Some(login::GRANT) => {
                let code = value("device_code");
                let code = code.ok_or_else(|| bad_request("the device code is missing"))?;
                return login::poll(request, code).await;
            }
            _ => {
                return Err(bad_request(
                    "grant_type is password, refresh_token, or that of a device code",
                ));
            }
        },
        (false, Some(header)) => {
            let (scheme, rest) = header.split_once(' ').unwrap_or(("", ""));
            if !scheme.eq_ignore_ascii_case("basic") {
                return Err(Fault::new(
                    Code::Unauthorized,
                    "a token is made for a password (Basic)",
                ));
            }
            let (name, password) = basic(rest)?;
            gate.sign_in(request.visitor(), &name, &password).await?
        }
        (false, None) if request.peer.certificate.is_some() => {
            Identity::of_peer(&request.peer).caller
        }
        (false, None) if gate.policy.knows(&Caller::Anonymous) => Caller::Anonymous,
        (false, None) => {
            return Err(Fault::new(
                Code::Unauthorized,
                "sign in first: nothing is open to everyone",
            ));
        }
    };
    let scopes = parameters
        .iter()
        .filter(|(name, _)| name == "scope")
        .flat_map(|(_, value)| value.split(' '))
        .filter(|scope| !scope.is_empty());
    let scopes: Vec<&str> = scopes.take(MAXIMUM_SCOPES).collect();
    let access = granted(&gate.policy, &caller, &scopes);
    let token = signed(request, &caller, access, login.as_ref())?;
    let issued = jiff::Timestamp::from_millisecond(request.now).unwrap_or_default();
    Ok(Reply::json(&json!({
        "token": token,
        "access_token": token,
        "expires_in": TOKEN_LIFE,
        "issued_at": issued.to_string(),
        "scope": scopes.join(" "),
    }))
    .header("cache-control", "no-store"))
}

/// A token for someone. One that the login of a program makes has no more than that.
pub(super) fn signed(
    request: &Request,
    caller: &Caller,
    access: Vec<Grant>,
    login: Option<&Login>,
) -> Result<String, Fault> {
    let gate = &request.registry.gate;
    let access = match login {
        Some(login) => login.scope.narrowed(access),
        None => access,
    };
    let mut random = [0; 16];
    OsRng.fill_bytes(&mut random);
    let mut claims = Claims::new(&gate.service, caller, access, request.now, random);
    claims.login = login.map(|login| login.id.clone());
    gate.keys.sign(&claims).ok_or_else(Fault::internal)
}

/// What of the asked scopes someone may have. What they may not is left out, whether it is there or not.
pub fn granted(policy: &Policy, caller: &Caller, scopes: &[&str]) -> Vec<Grant> {
    scopes
        .iter()
        .filter_map(|scope| grant(policy, caller, scope))
        .collect()
}

fn grant(policy: &Policy, caller: &Caller, scope: &str) -> Option<Grant> {
    if scope == "registry:catalog:*" {
        return policy.knows(caller).then(|| Grant {
            kind: "registry".to_owned(),
            name: "catalog".to_owned(),
            actions: vec!["*".to_owned()],
        });
    }
    let rest = scope.strip_prefix("repository:")?;
    let (name, actions) = rest.rsplit_once(':')?;
    let repository: RepositoryName = name.parse().ok()?;
    let may = |right| policy.allows(caller, &repository, right);
    let wanted = |action: &str| actions.split(',').any(|own| own == action || own == "*");
    let mut granted = Vec::new();
    for right in [Right::Pull, Right::PushNew, Right::Delete] {
        // Clients that delete ask for a token to push, some of them.
        let is_wanted = wanted(right.action()) || (right == Right::Delete && wanted("push"));
        if is_wanted && may(right) {
            granted.push(right.action().to_owned());
        }
    }
    (!granted.is_empty()).then(|| Grant {
        kind: "repository".to_owned(),
        name: name.to_owned(),
        actions: granted,
    })
}

fn bad_request(message: &str) -> Fault {
    Fault::new(Code::Unsupported, message).status(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Glob, Rule};

    #[test]
    fn a_token_grants_what_was_asked_and_may_be_had() {
        let rule = Rule {
            repositories: vec![Glob::try_from("team/*".to_owned()).expect("it is one")],
            users: vec!["me".to_owned()],
            groups: Vec::new(),
            anonymous: false,
            rights: vec![Right::Pull, Right::PushNew],
        };
        let policy = Policy {
            rules: vec![rule],
            ..Policy::default()
        };
        let me = Caller::User("me".to_owned());
        let actions = |scope: &str| {
            granted(&policy, &me, &[scope])
                .into_iter()
                .flat_map(|grant| grant.actions)
                .collect::<Vec<_>>()
        };
        assert_eq!(actions("repository:team/app:pull"), ["pull"]);
        assert_eq!(
            actions("repository:team/app:pull,push,delete"),
            ["pull", "push"]
        );
        assert_eq!(actions("repository:team/app:*"), ["pull", "push"]);
        for scope in [
            "repository:other:pull",
            "repository:team/../x:pull",
            "x",
            "",
        ] {
            assert!(actions(scope).is_empty(), "{scope}");
        }
        assert!(granted(&policy, &Caller::Anonymous, &["repository:team/app:pull"]).is_empty());
    }
}
