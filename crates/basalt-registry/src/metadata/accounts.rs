//! Who may sign in: keys of tokens, robots, and logins of programs.

use super::login::{Approval, PendingLogin, Poll, Polled};
use super::{Answer, Author, Moment, SigningKey};
use crate::access::{Login, LoginId, Robot, RobotName, UserCode};

/// Who may sign in: keys of tokens, robots, and logins of programs.
pub trait Accounts: Send + Sync + 'static {
    /// The keys that sign tokens, the newest first.
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>>;

    /// Adds a key that signs tokens, and drops those made before `oldest`. Nothing happens when there is one made
    /// after `newest`, by another server.
    fn add_signing_key(&self, key: SigningKey, newest: Moment, oldest: Moment) -> Answer<'_, ()>;

    /// Robots by name, behind `after`.
    fn robots(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Robot>>;

    /// A robot.
    fn robot(&self, name: &RobotName) -> Answer<'_, Option<Robot>>;

    /// Adds a robot; false when there is one of this name.
    fn add_robot(&self, robot: Robot, author: Author) -> Answer<'_, bool>;

    /// Deletes a robot; false when it is not there.
    fn delete_robot(&self, name: &RobotName, author: Author) -> Answer<'_, bool>;

    /// Notes that a robot was at work, unless that was noted a moment ago.
    fn note_robot(&self, name: &RobotName, now: Moment) -> Answer<'_, ()>;

    /// Lets a program wait until a person signs in for it; false when `maximum` others do, or one shows its code.
    fn begin_login(&self, pending: PendingLogin, maximum: u64) -> Answer<'_, bool>;

    /// The program that shows this code and waits for a decision.
    fn pending_login(&self, code: &UserCode, now: Moment) -> Answer<'_, Option<PendingLogin>>;

    /// Notes what a person decided, yes or no; false when nothing waits for it any more.
    fn decide_login(
        &self,
        code: &UserCode,
        approval: Option<Approval>,
        now: Moment,
    ) -> Answer<'_, bool>;

    /// Answers a program that waits, and logs it in when a person let it in.
    fn poll_login(&self, poll: Poll) -> Answer<'_, Polled>;

    /// Logins by name, behind `after`.
    fn logins(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Login>>;

    /// The login that has this secret, given by its hash.
    fn login(&self, secret: [u8; 32], now: Moment) -> Answer<'_, Option<Login>>;

    /// Whether a login is still good.
    fn has_login(&self, id: &LoginId, now: Moment) -> Answer<'_, bool>;

    /// Notes that a login was used, unless that was noted a moment ago.
    fn note_login(&self, id: &LoginId, now: Moment) -> Answer<'_, ()>;

    /// Ends a login; false when it is not there.
    fn delete_login(&self, id: &LoginId, author: Author) -> Answer<'_, bool>;

    /// Notes that an answer of an issuer was taken, which cannot come again after `expires`; false when it was before.
    fn spend_state(&self, state: [u8; 32], now: Moment, expires: Moment) -> Answer<'_, bool>;
}
