//! Identities that others vouch for: the tokens of an OpenID Connect issuer, and what they make of their bearer here.
//!
//! A token says of itself by which algorithm and key it is signed. Only algorithms with a public key are taken, only a key of
//! the issuer that is of the kind the algorithm has, and only for the audience that is this registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::glob::fits;
use super::{IssuerLogin, Vouched};
use crate::metadata::Moment;

/// The name that tokens of issuers sign in under; the password is the token.
pub const ISSUED: &str = "oidc";
/// The longest token that is read, in bytes.
const MAXIMUM_TOKEN: usize = 16 << 10;
/// The longest name that a claim may give, in bytes.
const MAXIMUM_NAME: usize = 255;
/// The longest pattern of a claim, in bytes.
const MAXIMUM_PATTERN: usize = 512;
/// How far the issuer's clock may be from ours, in seconds.
const SKEW: u64 = 60;
/// Lengths of the modulus of an RSA key that are taken, in bytes.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Who vouches for identities, and what they are here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Issuer {
    /// What the names of those it vouches for begin with: `github`.
    pub name: String,
    /// What its tokens say in `iss`, and where it says which keys it has.
    pub url: String,
    /// What its tokens must say in `aud`; without it none is taken for a password.
    #[serde(default)]
    pub audience: Option<String>,
    /// The claim that says who someone is.
    #[serde(default = "subject")]
    pub user: String,
    /// A file of its keys (a JWK set), or where else they are; its own word when nothing is said.
    #[serde(default)]
    pub keys: Option<String>,
    /// A file of certification authorities (PEM) to trust beside the usual ones when it is asked.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How people sign in there with their browsers, if they may.
    #[serde(default)]
    pub login: Option<IssuerLogin>,
    /// Whom to let in.
    pub rules: Vec<IssuerRule>,
}

fn subject() -> String {
    "sub".to_owned()
}

/// Lets in those whose token says all of this.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuerRule {
    /// Patterns of claims: of a list, one entry has to fit.
    pub claims: BTreeMap<String, ClaimPattern>,
    /// The groups they are in then.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// A pattern of a claim's value: `*` stands for any characters but a slash, `**` for any, `?` for one that is no slash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ClaimPattern(String);

impl TryFrom<String> for ClaimPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAXIMUM_PATTERN || text.chars().any(char::is_control) {
            return Err(format!(
                "a claim's pattern is a text of 1 to {MAXIMUM_PATTERN} bytes without control characters"
            ));
        }
        Ok(Self(text))
    }
}

impl ClaimPattern {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn fits(&self, claim: &Value) -> bool {
        let fits = |text: &str| fits(self.0.as_bytes(), text.as_bytes());
        match claim {
            Value::String(text) => fits(text),
            Value::Bool(truth) => fits(&truth.to_string()),
            Value::Number(number) => fits(&number.to_string()),
            // Lists in lists are none that an issuer has.
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).any(fits),
            Value::Null | Value::Object(_) => false,
        }
    }
}

/// Why a token of an issuer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuedError {
    /// It is no token.
    #[error("it is no JSON web token")]
    Malformed,
    /// It asks for an algorithm that is not taken, or for an extension.
    #[error("it is not signed by an algorithm that is taken (RS, PS, ES or EdDSA)")]
    Algorithm,
    /// The issuer has no such key.
    #[error("its issuer has no such key")]
    Key,
    /// Its signature does not hold, or it is for another audience, from another issuer, or not good now.
    #[error("{0}")]
    Refused(&'static str),
    /// No rule lets its bearer in.
    #[error("no rule of the configuration lets its bearer in")]
    NoRule,
    /// The claim that says who it is is missing or no name.
    #[error("its claim `{0}` is no name")]
    NoName(String),
}

/// What a token says of itself, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// Who made it.
    pub issuer: String,
    /// The name of the key.
    pub key: String,
    algorithm: Algorithm,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: String,
    /// Extensions that must be understood; there are none.
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Origin {
    iss: String,
}

impl Unverified {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no token, or not signed by an algorithm that is taken.
    pub fn read(token: &str) -> Result<Self, IssuedError> {
        if token.len() > MAXIMUM_TOKEN {
            return Err(IssuedError::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IssuedError::Malformed);
        };
        let decode = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| IssuedError::Malformed)
        };
        // `none`, and whatever else is unknown, is not among the algorithms that can be read.
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| IssuedError::Algorithm)?;
        if header.crit.is_some() || !is_public(header.alg) {
            return Err(IssuedError::Algorithm);
        }
        let origin: Origin =
            serde_json::from_slice(&decode(claims)?).map_err(|_| IssuedError::Malformed)?;
        Ok(Self {
            issuer: origin.iss,
            key: header.kid,
            algorithm: header.alg,
        })
    }
}

/// Whether an algorithm has a private key and a public one. By another, whoever has the public keys could sign.
fn is_public(algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    matches!(
        algorithm,
        RS256 | RS384 | RS512 | PS256 | PS384 | PS512 | ES256 | ES384 | EdDSA
    )
}

/// Whether a key is one by which this algorithm signs.
fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let named = |own: KeyAlgorithm| own.to_string() == format!("{algorithm:?}");
    let signs = |own: &PublicKeyUse| *own == PublicKeyUse::Signature;
    let length = |text: &str| URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len());
    let fits = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
                && MODULUS.contains(&length(&rsa.n))
                && length(&rsa.e) <= 4
        }
        AlgorithmParameters::EllipticCurve(curve) => matches!(
            (&curve.curve, algorithm),
            (EllipticCurve::P256, ES256) | (EllipticCurve::P384, ES384)
        ),
        AlgorithmParameters::OctetKeyPair(pair) => {
            pair.curve == EllipticCurve::Ed25519 && algorithm == EdDSA
        }
        AlgorithmParameters::OctetKey(_) => false,
    };
    fits && key.common.key_algorithm.is_none_or(named)
        && key.common.public_key_use.as_ref().is_none_or(signs)
}

impl Issuer {
    /// Reads a token of this issuer, which has these keys, and says who its bearer is.
    ///
    /// # Errors
    /// When it is not good, or no rule lets its bearer in.
    pub fn verify(
        &self,
        token: &str,
        unverified: &Unverified,
        keys: &JwkSet,
        now: Moment,
    ) -> Result<Vouched, IssuedError> {
        let audience = self.audience.as_deref().ok_or(IssuedError::Refused(
            "people of its issuer sign in with a browser alone",
        ))?;
        self.bearer(&self.claims(token, unverified, keys, audience, now)?)
    }

    /// What a token of this issuer says that is for this audience and good now.
    pub(super) fn claims(
        &self,
        token: &str,
        unverified: &Unverified,
        keys: &JwkSet,
        audience: &str,
        now: Moment,
    ) -> Result<Map<String, Value>, IssuedError> {
        super::signature::install();
        let key = keys.find(&unverified.key).ok_or(IssuedError::Key)?;
        if !is_for(key, unverified.algorithm) {
            return Err(IssuedError::Key);
        }
        let decoding = DecodingKey::from_jwk(key).map_err(|_| IssuedError::Key)?;
        let mut validation = Validation::new(unverified.algorithm);
        validation.leeway = SKEW;
        validation.validate_nbf = true;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.url]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &decoding, &validation)
            .map_err(|error| IssuedError::Refused(reason(error.kind())))?;
        let claims = decoded.claims;
        let made = claims.get("iat").and_then(Value::as_f64);
        if made.is_none_or(|made| made > (now / 1000) as f64 + SKEW as f64) {
            return Err(IssuedError::Refused(
                "it was made in the future, or does not say when",
            ));
        }
        Ok(claims)
    }

    /// Whom these claims are about, if a rule lets them in.
    pub(super) fn bearer(&self, claims: &Map<String, Value>) -> Result<Vouched, IssuedError> {
        let fits = |rule: &&IssuerRule| {
            !rule.claims.is_empty()
                && rule.claims.iter().all(|(name, pattern)| {
                    claims.get(name).is_some_and(|claim| pattern.fits(claim))
                })
        };
        let mut rules = self.rules.iter().filter(fits).peekable();
        if rules.peek().is_none() {
            return Err(IssuedError::NoRule);
        }
        let groups = rules.flat_map(|rule| rule.groups.iter().cloned()).collect();
        let name = claims.get(&self.user).and_then(Value::as_str);
        let sound = |name: &&str| {
            !name.is_empty()
                && name.len() <= MAXIMUM_NAME
                && !name
                    .chars()
                    .any(|letter| letter.is_control() || letter == '"')
        };
        let name = name
            .filter(sound)
            .ok_or_else(|| IssuedError::NoName(self.user.clone()))?;
        Ok(Vouched {
            name: format!("{}:{name}", self.name),
            groups,
        })
    }

    /// What is wrong with it, and what to do.
    ///
    /// # Errors
    /// With that.
    pub fn check(&self) -> Result<(), (String, &'static str)> {
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=32).contains(&self.name.len()) && self.name.bytes().all(sound);
        if !is_name || self.name == "cert" {
            return Err((
                format!("an issuer cannot be called `{}`", self.name),
                "write lower-case letters, digits and dashes, but not `cert`, which certificates have",
            ));
        }
        if !is_reachable(&self.url) {
            return Err((
                format!("`{}` is no issuer that can be asked", self.url),
                "write https://…, as the issuer's tokens have it in `iss`; http:// is taken for this machine alone",
            ));
        }
        if let Some(keys) = &self.keys
            && keys.contains("://")
            && !is_reachable(keys)
        {
            return Err((
                format!("the keys cannot be had from `{keys}`"),
                "name a file, or https://…",
            ));
        }
        if self.audience.as_ref().is_some_and(String::is_empty) {
            return Err((
                "an issuer has an empty audience".to_owned(),
                "write what its tokens have in `aud`, a name that is this registry's alone",
            ));
        }
        match &self.login {
            Some(login) => login.check()?,
            None if self.audience.is_none() => {
                return Err((
                    format!("nobody can sign in by the issuer `{}`", self.name),
                    "add `audience:` for tokens of jobs and machines, or `login: {client: …}` for people",
                ));
            }
            None => {}
        }
        // Anyone can have a token of a public issuer, for any audience.
        if self.rules.is_empty() || self.rules.iter().any(|rule| rule.claims.is_empty()) {
            return Err((
                format!("the issuer `{}` would let everyone in", self.name),
                "add `rules: [{claims: {repository: \"our-organisation/*\"}, groups: [ci]}]`",
            ));
        }
        Ok(())
    }
}

/// Whether an address is one that may be asked for keys: https, or this machine itself.
pub fn is_reachable(url: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\@#?".contains(&byte);
    if url.len() > 1024 || !url.bytes().all(sound) {
        return false;
    }
    if let Some(rest) = url.strip_prefix("https://") {
        return !rest.starts_with('/') && !rest.is_empty();
    }
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.split('/').next().unwrap_or_default());
    host.is_some_and(|host| matches!(without_port(host), "localhost" | "127.0.0.1" | "[::1]"))
}

/// A host without the port behind it.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not good yet",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of the claims exp, iss and aud",
        ErrorKind::InvalidSignature => "its signature does not hold",
        _ => "it cannot be read or does not hold",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer() -> Issuer {
        serde_json::from_value(json!({
            "name": "ci", "url": "https://ci.example", "audience": "registry", "user": "repository",
            "rules": [
                {"claims": {"repository": "ours/*", "main": "true"}, "groups": ["main"]},
                {"claims": {"repository": "ours/*", "roles": "build*"}, "groups": ["builders", "main"]},
                {"claims": {"sub": "system:serviceaccount:build:*"}},
            ],
        }))
        .expect("it is one")
    }

    fn bearer(claims: Value) -> Result<Vouched, IssuedError> {
        issuer().bearer(claims.as_object().expect("an object"))
    }

    #[test]
    fn all_claims_of_a_rule_have_to_fit_and_the_groups_of_all_that_fit_count() {
        let groups = |claims: Value| {
            let vouched = bearer(claims)?;
            assert_eq!(vouched.name, "ci:ours/app");
            Ok(vouched.groups.into_iter().collect::<Vec<_>>().join(","))
        };
        let good = |text: &str| Ok(text.to_owned());
        let claims = |main: Value, roles: Value| json!({"repository": "ours/app", "main": main, "roles": roles});
        assert_eq!(groups(claims(json!(true), json!([]))), good("main"));
        let both = claims(json!(false), json!(["reader", "builder"]));
        assert_eq!(groups(both), good("builders,main"));
        for claims in [
            claims(json!(false), json!("reader")),
            claims(json!(null), json!({"build": true})),
            claims(json!(1), json!([["builder"]])),
            json!({"repository": "theirs/ours/app", "main": true}),
            json!({"main": true}),
            json!({}),
        ] {
            assert_eq!(groups(claims.clone()), Err(IssuedError::NoRule), "{claims}");
        }
    }

    #[test]
    fn a_claim_that_is_no_name_makes_nobody() {
        let sub = "system:serviceaccount:build:robot";
        for name in [
            json!(""),
            json!(7),
            json!("a\nb"),
            json!("a\"b"),
            json!("x".repeat(256)),
            json!(null),
        ] {
            let error = bearer(json!({"sub": sub, "repository": name}));
            assert_eq!(error, Err(IssuedError::NoName("repository".to_owned())));
        }
        assert!(bearer(json!({"sub": sub, "repository": "any"})).is_ok());
    }

    #[test]
    fn keys_are_asked_for_over_tls_or_of_this_machine_alone() {
        for url in [
            "https://issuer.example",
            "https://issuer.example:8443/realms/x",
            "http://localhost:8080/x",
            "http://127.0.0.1",
            "http://[::1]:80/x",
        ] {
            assert!(is_reachable(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "https:///x",
            "http://issuer.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "https://user@issuer.example",
            "file:///etc/passwd",
            "ftp://localhost",
            "//localhost",
            "https://a b",
            "https://a\nb",
        ] {
            assert!(!is_reachable(url), "{url}");
        }
    }

    #[test]
    fn an_issuer_that_would_let_everyone_in_or_whose_names_could_be_anothers_is_refused() {
        assert_eq!(issuer().check(), Ok(()));
        for change in [
            (|issuer| issuer.rules.clear()) as fn(&mut Issuer),
            |issuer| issuer.rules[0].claims.clear(),
            |issuer| issuer.name = "cert".to_owned(),
            |issuer| issuer.name = "a:b".to_owned(),
            |issuer| issuer.name = String::new(),
            |issuer| issuer.audience = Some(String::new()),
            |issuer| issuer.audience = None,
            |issuer| issuer.url = "http://ci.example".to_owned(),
            |issuer| issuer.keys = Some("http://ci.example/keys".to_owned()),
        ] {
            let mut issuer = issuer();
            change(&mut issuer);
            assert!(issuer.check().is_err(), "{issuer:?}");
        }
    }
}
