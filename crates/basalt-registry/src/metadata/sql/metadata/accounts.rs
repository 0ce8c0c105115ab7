//! Who may sign in: keys of tokens, robots, and logins of programs.

use super::super::{Engine, Sql, change, logins, read, robots};
use crate::access::{Login, LoginId, Robot, RobotName, UserCode};
use crate::metadata::login::{Approval, PendingLogin, Poll, Polled};
use crate::metadata::{Accounts, Answer, Author, Moment, SigningKey};

impl<E: Engine> Accounts for Sql<E> {
    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>> {
        self.engine.read(read::signing_keys)
    }

    fn add_signing_key(&self, key: SigningKey, newest: Moment, oldest: Moment) -> Answer<'_, ()> {
        self.engine.change(true, move |session| {
            change::add_signing_key(session, &key, newest, oldest)
        })
    }

    fn robots(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Robot>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| robots::robots(session, after.as_deref(), limit))
    }

    fn robot(&self, name: &RobotName) -> Answer<'_, Option<Robot>> {
        let name = name.clone();
        self.engine
            .read(move |session| robots::robot(session, &name))
    }

    fn add_robot(&self, robot: Robot, author: Author) -> Answer<'_, bool> {
        self.engine.change(true, move |session| {
            robots::add_robot(session, &robot, &author)
        })
    }

    fn delete_robot(&self, name: &RobotName, author: Author) -> Answer<'_, bool> {
        let name = name.clone();
        self.engine.change(true, move |session| {
            robots::delete_robot(session, &name, &author)
        })
    }

    fn note_robot(&self, name: &RobotName, now: Moment) -> Answer<'_, ()> {
        let name = name.clone();
        self.engine.change(false, move |session| {
            robots::note_robot(session, &name, now)
        })
    }

    fn begin_login(&self, pending: PendingLogin, maximum: u64) -> Answer<'_, bool> {
        self.engine.change(false, move |session| {
            logins::begin(session, &pending, maximum)
        })
    }

    fn pending_login(&self, code: &UserCode, now: Moment) -> Answer<'_, Option<PendingLogin>> {
        let code = code.clone();
        self.engine
            .read(move |session| logins::pending(session, &code, now))
    }

    fn decide_login(
        &self,
        code: &UserCode,
        approval: Option<Approval>,
        now: Moment,
    ) -> Answer<'_, bool> {
        let code = code.clone();
        self.engine.change(true, move |session| {
            logins::decide(session, &code, approval.as_ref(), now)
        })
    }

    fn poll_login(&self, poll: Poll) -> Answer<'_, Polled> {
        self.engine
            .change(true, move |session| logins::poll(session, &poll))
    }

    fn logins(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Login>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| logins::logins(session, after.as_deref(), limit))
    }

    fn login(&self, secret: [u8; 32], now: Moment) -> Answer<'_, Option<Login>> {
        self.engine
            .read(move |session| logins::login(session, &secret, now))
    }

    fn has_login(&self, id: &LoginId, now: Moment) -> Answer<'_, bool> {
        let id = id.clone();
        self.engine
            .read(move |session| logins::has_login(session, &id, now))
    }

    fn note_login(&self, id: &LoginId, now: Moment) -> Answer<'_, ()> {
        let id = id.clone();
        self.engine
            .change(false, move |session| logins::note(session, &id, now))
    }

    fn delete_login(&self, id: &LoginId, author: Author) -> Answer<'_, bool> {
        let id = id.clone();
        self.engine
            .change(true, move |session| logins::delete(session, &id, &author))
    }

    fn spend_state(&self, state: [u8; 32], now: Moment, expires: Moment) -> Answer<'_, bool> {
        self.engine.change(true, move |session| {
            logins::spend(session, &state, now, expires)
        })
    }
}
