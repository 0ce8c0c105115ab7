//! What the metadata is asked for and told about logins of programs.

use std::collections::BTreeSet;

use super::Moment;
use crate::access::{LoginId, LoginScope, UserCode};

/// A program that waits until a person signs in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogin {
    /// The hash of the code by which it asks ([`LoginCode::hash`](crate::access::LoginCode::hash)).
    pub code: [u8; 32],
    /// The code that it shows.
    pub user_code: UserCode,
    /// What it calls itself.
    pub agent: String,
    /// The address that it asked from.
    pub address: String,
    /// What it wants to do of what the person may.
    pub scope: LoginScope,
    /// Since when it waits.
    pub created: Moment,
    /// Until when.
    pub expires: Moment,
}

/// A person's yes to a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who said it.
    pub user: String,
    /// The groups that they have by their issuer.
    pub groups: BTreeSet<String>,
    /// What tells whether they could still sign in so.
    pub mark: String,
    /// Until when the login is to be good.
    pub ends: Moment,
}

/// What a waiting program asks, and what is to be if it was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// The hash of the code by which it asks.
    pub code: [u8; 32],
    /// How long it has to wait between two questions, in milliseconds.
    pub pace: i64,
    /// The name of its login.
    pub id: LoginId,
    /// The hash of that login's secret.
    pub secret: [u8; 32],
    /// When it asks.
    pub now: Moment,
}

/// What a waiting program learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// There is no such code, or its time is over.
    Unknown,
    /// Nobody has decided yet.
    Waiting,
    /// It asks too often.
    TooSoon,
    /// It was refused.
    Refused,
    /// This user let it in, until then. The code is used up.
    LetIn(String, Moment),
}
