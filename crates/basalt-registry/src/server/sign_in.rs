//! Who a request comes from: what it brings, compared with what is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::Peer;
use super::gate::{Gate, Identity, check_local, wrong};
use crate::access::{
    Bearer, Caller, Claims, ISSUED, ROBOT_PREFIX, Robot, RobotName, RobotSecret, Unverified,
};
use crate::fault::{Code, Fault};
use crate::metadata::{Metadata, Moment, is_use_old};

/// How long a password that was right is taken without computing its hash again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long one waits until other passwords are compared.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest header of credentials that is read, in bytes.
const MAXIMUM_HEADER: usize = 20 << 10;

/// Who knocks, as far as the connection tells.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    /// What is there, robots among it.
    pub metadata: &'a dyn Metadata,
    /// From where, and with which certificate.
    pub peer: &'a Peer,
    /// When, in milliseconds since 1970.
    pub now: Moment,
}

impl Gate {
    /// Reads who a request comes from. For a page a cookie tells too; for nothing else.
    ///
    /// # Errors
    /// When what it brings is not good.
    pub async fn identify(
        &self,
        visitor: Visitor<'_>,
        headers: &HeaderMap,
        is_page: bool,
    ) -> Result<Identity, Fault> {
        if self.only_local {
            check_local(headers, is_page)?;
        }
        let Some(header) = headers.get(AUTHORIZATION) else {
            let session = is_page.then(|| self.session(headers, visitor.now));
            return Ok(session
                .flatten()
                .unwrap_or_else(|| Identity::of_peer(visitor.peer)));
        };
        // Where nobody can sign in there is nothing to compare with.
        if !self.signs_in() {
            return Ok(Identity::nobody());
        }
        let header = header
            .to_str()
            .ok()
            .filter(|header| header.len() <= MAXIMUM_HEADER);
        let (scheme, rest) = header
            .and_then(|header| header.split_once(' '))
            .ok_or_else(|| wrong("the header of credentials cannot be read"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let (name, password) = basic(rest)?;
                Ok(Identity {
                    caller: self.sign_in(visitor, &name, &password).await?,
                    token: None,
                    is_shown: true,
                })
            }
            "bearer" => self.bearer(visitor, rest.trim()).await,
            _ => Err(wrong("credentials are taken as Basic or Bearer")),
        }
    }

    async fn bearer(&self, visitor: Visitor<'_>, token: &str) -> Result<Identity, Fault> {
        let now = visitor.now;
        let known = self
            .tokens
            .get(token)
            .filter(|claims| claims.exp > now / 1000);
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = self
                    .keys
                    .verify(token, &self.service, now)
                    .map_err(|error| wrong(&format!("the token is not taken: {error}")))?;
                let claims = Arc::new(claims);
                let is_good = |claims: &Arc<Claims>| claims.exp > now / 1000;
                self.tokens
                    .add(token.to_owned(), Arc::clone(&claims), is_good);
                claims
            }
        };
        // Who is no more has no rights, whatever was signed.
        let gone = || wrong("the token's user is not known any more");
        if let Some(login) = &claims.login
            && !visitor.metadata.has_login(login, now).await?
        {
            return Err(gone());
        }
        let caller = match claims.bearer() {
            Bearer::Anonymous => Caller::Anonymous,
            Bearer::User(name) if self.users.as_ref().is_some_and(|users| users.has(&name)) => {
                Caller::User(name)
            }
            Bearer::Vouched(vouched) if self.trusts(&vouched.name) => {
                Caller::Vouched(Arc::new(vouched))
            }
            Bearer::User(_) | Bearer::Vouched(_) => return Err(gone()),
            Bearer::Robot(name, made) => {
                let is_same = |robot: &Robot| robot.created == made && !robot.is_expired(now);
                let robot = visitor.metadata.robot(&name).await?.filter(is_same);
                at_work(visitor, robot.ok_or_else(gone)?).await?
            }
        };
        Ok(Identity {
            caller,
            token: Some(claims),
            is_shown: true,
        })
    }

    /// Who has this name and this password.
    ///
    /// # Errors
    /// When nobody does, too many passwords are being compared, or too many from there were wrong.
    pub async fn sign_in(
        &self,
        visitor: Visitor<'_>,
        name: &str,
        password: &str,
    ) -> Result<Caller, Fault> {
        // What was right a moment ago costs nothing, and no guesser keeps it out.
        if self.is_remembered(name, password) {
            return Ok(Caller::User(name.to_owned()));
        }
        let attempt = self.limits.attempt(visitor.peer.address, name)?;
        let outcome = if name.starts_with(ROBOT_PREFIX) {
            check_robot(visitor, name, password).await
        } else if name == ISSUED && !self.issuers.is_empty() {
            self.check_issued(visitor, password).await
        } else {
            self.check_password(name, password).await
        };
        attempt.ended(&outcome);
        outcome
    }

    /// Takes the token of an issuer for a password.
    async fn check_issued(&self, visitor: Visitor<'_>, token: &str) -> Result<Caller, Fault> {
        let refused = |error| wrong(&format!("the token is not taken: {error}"));
        let unverified = Unverified::read(token).map_err(refused)?;
        let mut issuers = self.issuers.iter();
        let (issuer, keys) = issuers
            .find(|(issuer, _)| issuer.audience.is_some() && issuer.url == unverified.issuer)
            .ok_or_else(|| wrong("the token is of an issuer that is not trusted here"))?;
        let keys = keys.with(&unverified.key).await;
        let vouched = issuer
            .verify(token, &unverified, &keys, visitor.now)
            .map_err(refused)?;
        Ok(Caller::Vouched(Arc::new(vouched)))
    }

    /// Compares a password with what is known of the user.
    async fn check_password(&self, name: &str, password: &str) -> Result<Caller, Fault> {
        let refused = || wrong("the user or the password is wrong");
        let users = self.users.as_ref().ok_or_else(refused)?;
        let (hash, is_known) = match users.hash_of(name) {
            Some(hash) => (hash, true),
            // As long as for one who is there: who is shall not be told from the time.
            None => (users.any_hash(self.seed(name)).ok_or_else(refused)?, false),
        };
        let key = self.digest(&[name, password, hash.as_str()]);
        let turn = timeout(PATIENCE, Arc::clone(&self.hashing).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let message = "too many passwords are being checked; try again, or use a token";
            return Err(Fault::new(Code::TooManyRequests, message).header("retry-after", "5"));
        };
        let (password, hash) = (password.to_owned(), hash.clone());
        let compared = tokio::task::spawn_blocking(move || {
            // It goes on when the client is gone, and has its memory as long.
            let _turn = turn;
            hash.is_of(&password)
        });
        if compared.await.unwrap_or(false) && is_known {
            let fresh = |since: &Instant| since.elapsed() < REMEMBERED;
            self.passwords.add(key, Instant::now(), fresh);
            return Ok(Caller::User(name.to_owned()));
        }
        Err(refused())
    }

    /// Whether this was the user's password a moment ago.
    fn is_remembered(&self, name: &str, password: &str) -> bool {
        let hash = self.users.as_ref().and_then(|users| users.hash_of(name));
        hash.is_some_and(|hash| {
            let key = self.digest(&[name, password, hash.as_str()]);
            let known = self.passwords.get(&key);
            known.is_some_and(|since| since.elapsed() < REMEMBERED)
        })
    }

    /// What stands for these texts, and cannot be made without this process's salt.
    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.salt);
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    fn seed(&self, name: &str) -> u64 {
        let digest = self.digest(&[name]);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(bytes)
    }
}

/// Compares a secret with what is known of the robot. What is compared are hashes: how far two of them agree tells nothing
/// of a secret, so it need not take the same time each time.
async fn check_robot(visitor: Visitor<'_>, name: &str, secret: &str) -> Result<Caller, Fault> {
    let refused = || wrong("the robot or its secret is wrong, or it has expired");
    let name: RobotName = name.parse().map_err(|_| refused())?;
    let hash = RobotSecret::hash(secret);
    let is_good = |robot: &Robot| robot.secret == hash && !robot.is_expired(visitor.now);
    let robot = visitor.metadata.robot(&name).await?.filter(is_good);
    at_work(visitor, robot.ok_or_else(refused)?).await
}

/// Notes that a robot is at work.
async fn at_work(visitor: Visitor<'_>, robot: Robot) -> Result<Caller, Fault> {
    if is_use_old(robot.used, visitor.now) {
        visitor
            .metadata
            .note_robot(&robot.name, visitor.now)
            .await?;
    }
    Ok(Caller::Robot(Arc::new(robot)))
}

/// Reads the name and the password of `Basic` credentials (RFC 7617).
///
/// # Errors
/// When they are none.
pub fn basic(text: &str) -> Result<(String, String), Fault> {
    let decoded = STANDARD.decode(text.trim()).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) =
        parts.ok_or_else(|| wrong("the header of credentials cannot be read"))?;
    Ok((name.to_owned(), password.to_owned()))
}
