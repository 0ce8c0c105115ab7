//! Tokens: JSON web tokens signed with Ed25519 (RFC 7519, RFC 8037), as Docker's token authentication uses them.
//!
//! There is one algorithm, whatever a token says of itself; its header only names the key.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey as Key, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{Caller, LoginId, ROBOT_PREFIX, RobotName, Vouched};
use crate::metadata::{Moment, SigningKey};
use crate::route::UploadId;

/// How long a token is good, in seconds.
pub const TOKEN_LIFE: i64 = 300;
/// The longest token that is read, in bytes.
const MAXIMUM_TOKEN: usize = 16 << 10;
/// How far the clocks of two servers may be apart, in seconds.
const SKEW: i64 = 60;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Who it is for; empty for someone who did not say who they are.
    pub sub: String,
    /// The service that it is good at.
    pub aud: String,
    /// Until when it is good, in seconds since 1970.
    pub exp: i64,
    /// From when on.
    pub nbf: i64,
    /// When it was made.
    pub iat: i64,
    /// Its own name.
    pub jti: String,
    /// What it lets its bearer do.
    pub access: Vec<Grant>,
    /// When the robot that it is for was made: another of that name has nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Moment>,
    /// The groups of someone whom another vouches for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The login of a program that it was made by: it ends with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginId>,
}

/// Who a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Someone who did not say who they are.
    Anonymous,
    /// A user of this name.
    User(String),
    /// The robot of this name that was made then.
    Robot(RobotName, Moment),
    /// Someone whom another vouched for.
    Vouched(Vouched),
}

/// What a token lets its bearer do with one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours.
    #[error("it is no token of this registry")]
    Malformed,
    /// Its header asks for something else than Ed25519.
    #[error("it is not signed with Ed25519")]
    Algorithm,
    /// No key of ours has its name.
    #[error("it is signed by a key that is not known here, or no longer")]
    Key,
    /// Its signature does not hold.
    #[error("its signature does not hold")]
    Signature,
    /// It is for another registry.
    #[error("it is for another service")]
    Audience,
    /// It is not good any more, or not yet.
    #[error("it has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    kid: String,
    /// Extensions that must be understood; there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

/// Makes a token.
pub fn sign(key: &SigningKey, claims: &Claims) -> String {
    let header = Header {
        alg: "EdDSA".to_owned(),
        typ: Some("JWT".to_owned()),
        kid: key.id.clone(),
        crit: None,
    };
    // Texts, numbers and lists: writing them as JSON cannot fail.
    let part = |json: serde_json::Result<Vec<u8>>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    let signed = format!(
        "{}.{}",
        part(serde_json::to_vec(&header)),
        part(serde_json::to_vec(claims))
    );
    let signature = Key::from_bytes(&key.secret).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Reads a token of one of these keys, for this service, at this time (milliseconds since 1970).
///
/// # Errors
/// When it is not good, for whatever reason.
pub fn verify(
    token: &str,
    keys: &[(String, VerifyingKey)],
    service: &str,
    now: Moment,
) -> Result<Claims, TokenError> {
    if token.len() > MAXIMUM_TOKEN {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| TokenError::Malformed)
    };
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    if header.alg != "EdDSA" || header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    let (_, key) = keys
        .iter()
        .find(|(id, _)| *id == header.kid)
        .ok_or(TokenError::Key)?;
    let signature = ed25519_dalek::Signature::from_slice(&decode(signature)?)
        .map_err(|_| TokenError::Signature)?;
    key.verify_strict(signed.as_bytes(), &signature)
        .map_err(|_| TokenError::Signature)?;
    let claims: Claims =
        serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Malformed)?;
    if claims.aud != service || claims.iss != service {
        return Err(TokenError::Audience);
    }
    let now = now / 1000;
    if now >= claims.exp || now + SKEW < claims.nbf {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

impl Claims {
    /// What a token for someone says now (milliseconds since 1970).
    pub fn new(
        service: &str,
        caller: &Caller,
        access: Vec<Grant>,
        now: Moment,
        random: [u8; 16],
    ) -> Self {
        let now = now / 1000;
        let (sub, made, groups) = match caller {
            Caller::Anonymous => ("", None, BTreeSet::new()),
            Caller::User(name) => (name.as_str(), None, BTreeSet::new()),
            Caller::Robot(robot) => (robot.name.as_str(), Some(robot.created), BTreeSet::new()),
            Caller::Vouched(vouched) => (vouched.name.as_str(), None, vouched.groups.clone()),
        };
        Self {
            iss: service.to_owned(),
            sub: sub.to_owned(),
            aud: service.to_owned(),
            exp: now + TOKEN_LIFE,
            nbf: now,
            iat: now,
            jti: UploadId::of(random).as_str().to_owned(),
            access,
            made,
            groups,
            login: None,
        }
    }

    /// Who it is for. The kinds are told by their names: a robot's begins as no user's may, and only the name of someone
    /// whom another vouched for has a colon.
    pub fn bearer(&self) -> Bearer {
        let robot = || Some((self.sub.parse().ok()?, self.made?));
        match self.sub.as_str() {
            "" => Bearer::Anonymous,
            name if name.contains(':') => Bearer::Vouched(Vouched {
                name: name.to_owned(),
                groups: self.groups.clone(),
            }),
            name => match robot() {
                Some((robot, made)) if name.starts_with(ROBOT_PREFIX) => Bearer::Robot(robot, made),
                _ => Bearer::User(name.to_owned()),
            },
        }
    }

    /// Whether it lets its bearer see the names of repositories.
    pub fn names(&self) -> bool {
        self.access
            .iter()
            .any(|grant| grant.kind == "registry" && grant.name == "catalog")
    }

    /// Whether it lets its bearer do this in a repository.
    pub fn grants(&self, repository: &str, action: &str) -> bool {
        self.access
            .iter()
            .filter(|grant| grant.kind == "repository" && grant.name == repository)
            .flat_map(|grant| &grant.actions)
            .any(|own| own == action || own == "*")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Moment = 1_800_000_000_000;

    fn key(seed: u8) -> SigningKey {
        SigningKey {
            id: format!("key-{seed}"),
            secret: [seed; 32].into(),
            created: NOW,
        }
    }

    use super::super::verifying as public;

    fn claims() -> Claims {
        let grant = Grant {
            kind: "repository".to_owned(),
            name: "app".to_owned(),
            actions: vec!["pull".to_owned()],
        };
        Claims::new(
            "here",
            &Caller::User("me".to_owned()),
            vec![grant],
            NOW,
            [7; 16],
        )
    }

    /// A token with another header, signed by this key all the same.
    fn forged(key: &SigningKey, header: &serde_json::Value, claims: &Claims) -> String {
        let part = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
        let signed = format!(
            "{}.{}",
            part(header.to_string().into_bytes()),
            part(serde_json::to_vec(claims).expect("JSON"))
        );
        let signature = Key::from_bytes(&key.secret).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    #[test]
    fn a_token_is_good_for_its_service_and_its_time_alone() {
        let own = key(1);
        let keys = [public(&own)];
        let token = sign(&own, &claims());
        let read = verify(&token, &keys, "here", NOW).expect("it is good");
        assert!(
            read.grants("app", "pull") && !read.grants("app", "push") && !read.grants("b", "pull")
        );
        assert_eq!(
            verify(&token, &keys, "there", NOW),
            Err(TokenError::Audience)
        );
        let later = NOW + 1000 * TOKEN_LIFE;
        assert_eq!(
            verify(&token, &keys, "here", later),
            Err(TokenError::Expired)
        );
        assert_eq!(
            verify(&token, &keys, "here", NOW - 120_000),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_cannot_choose_how_it_is_verified() {
        let (own, other) = (key(1), key(2));
        let keys = [public(&own)];
        for (header, expected) in [
            (
                serde_json::json!({"alg": "none", "kid": "key-1"}),
                TokenError::Algorithm,
            ),
            (
                serde_json::json!({"alg": "HS256", "kid": "key-1"}),
                TokenError::Algorithm,
            ),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "key-1", "crit": ["x"]}),
                TokenError::Algorithm,
            ),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "key-2"}),
                TokenError::Key,
            ),
            (serde_json::json!({"alg": "EdDSA"}), TokenError::Malformed),
        ] {
            let token = forged(&own, &header, &claims());
            assert_eq!(
                verify(&token, &keys, "here", NOW),
                Err(expected),
                "{header}"
            );
            let (signed, _) = token.rsplit_once('.').expect("it has one");
            assert!(verify(&format!("{signed}."), &keys, "here", NOW).is_err());
        }
        let header = serde_json::json!({"alg": "EdDSA", "kid": "key-1"});
        let token = forged(&other, &header, &claims());
        assert_eq!(
            verify(&token, &keys, "here", NOW),
            Err(TokenError::Signature)
        );
    }

    #[test]
    fn a_changed_token_is_none() {
        let own = key(1);
        let keys = [public(&own)];
        let token = sign(&own, &claims());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(verify(&changed, &keys, "here", NOW).is_err(), "{at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_token(text in ".*") {
            prop_assert!(verify(&text, &[public(&key(1))], "here", NOW).is_err());
        }
    }
}
