//! Logins of programs, and answers of issuers that were taken.

use std::collections::BTreeSet;

use super::super::login::{Approval, PendingLogin, Poll, Polled};
use super::super::{Author, Moment};
use super::change::audit_line;
use super::robots::NOTED;
use super::session::{Result, Row, Session, SqlError, values};
use crate::access::{Login, LoginId, LoginScope, UserCode};

const COLUMNS: &str =
    "id, user_name, member_of, mark, scope, agent, address, created, expires, used";

/// Lets a program wait, unless so many do.
pub(super) fn begin(
    session: &mut dyn Session,
    pending: &PendingLogin,
    maximum: u64,
) -> Result<bool> {
    session.run(
        "DELETE FROM pending_logins WHERE expires <= ?1",
        values![pending.created],
    )?;
    let waiting: Option<u64> =
        session.first("SELECT count(*) FROM pending_logins", values![], |row| {
            row.get(0)
        })?;
    if waiting.is_none_or(|waiting| waiting >= maximum) {
        return Ok(false);
    }
    let added = session.run(
        "INSERT INTO pending_logins (code, user_code, agent, address, scope, created, expires, polled, is_refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0) ON CONFLICT DO NOTHING",
        values![
            &pending.code[..],
            pending.user_code.as_str(),
            &pending.agent,
            &pending.address,
            &pending.scope.to_string(),
            pending.created,
            pending.expires
        ],
    )?;
    Ok(added == 1)
}

/// The program that shows this code and still waits for a decision.
pub(super) fn pending(
    session: &mut dyn Session,
    user_code: &UserCode,
    now: Moment,
) -> Result<Option<PendingLogin>> {
    session.first(
        "SELECT code, agent, address, scope, created, expires FROM pending_logins
         WHERE user_code = ?1 AND expires > ?2 AND is_refused = 0 AND user_name IS NULL",
        values![user_code.as_str(), now],
        |row| {
            Ok(PendingLogin {
                code: row.get(0)?,
                user_code: user_code.clone(),
                agent: row.get(1)?,
                address: row.get(2)?,
                scope: scope(row, 3)?,
                created: row.get(4)?,
                expires: row.get(5)?,
            })
        },
    )
}

/// Notes what a person decided; false when nothing waits for it any more.
pub(super) fn decide(
    session: &mut dyn Session,
    user_code: &UserCode,
    approval: Option<&Approval>,
    now: Moment,
) -> Result<bool> {
    let groups = approval.map(|approval| list(&approval.groups));
    let decided = session.run(
        "UPDATE pending_logins SET is_refused = ?3, user_name = ?4, member_of = ?5, mark = ?6, ends = ?7
         WHERE user_code = ?1 AND expires > ?2 AND is_refused = 0 AND user_name IS NULL",
        values![
            user_code.as_str(),
            now,
            i64::from(approval.is_none()),
            approval.map(|approval| approval.user.as_str()),
            groups.as_deref(),
            approval.map(|approval| approval.mark.as_str()),
            approval.map(|approval| approval.ends)
        ],
    )?;
    Ok(decided == 1)
}

/// What became of a program that waits.
struct Waiting {
    polled: Moment,
    is_refused: bool,
    agent: String,
    address: String,
    scope: String,
    approval: Option<Approval>,
}

fn waiting(row: &dyn Row) -> Result<Waiting> {
    let approval = match row.find::<String>(5)? {
        None => None,
        Some(user) => Some(Approval {
            user,
            groups: groups(row, 6)?,
            mark: row.get(7)?,
            ends: row.get(8)?,
        }),
    };
    Ok(Waiting {
        polled: row.get(0)?,
        is_refused: row.get(1)?,
        agent: row.get(2)?,
        address: row.get(3)?,
        scope: row.get(4)?,
        approval,
    })
}

/// Answers a program that waits; it is logged in when a person let it in.
pub(super) fn poll(session: &mut dyn Session, poll: &Poll) -> Result<Polled> {
    let found = session.first(
        "SELECT polled, is_refused, agent, address, scope, user_name, member_of, mark, ends FROM pending_logins
         WHERE code = ?1 AND expires > ?2",
        values![&poll.code[..], poll.now],
        waiting,
    )?;
    let Some(found) = found else {
        return Ok(Polled::Unknown);
    };
    let end = "DELETE FROM pending_logins WHERE code = ?1";
    if found.is_refused {
        session.run(end, values![&poll.code[..]])?;
        return Ok(Polled::Refused);
    }
    let Some(approval) = found.approval else {
        session.run(
            "UPDATE pending_logins SET polled = ?2 WHERE code = ?1",
            values![&poll.code[..], poll.now],
        )?;
        return Ok(match poll.now < found.polled.saturating_add(poll.pace) {
            true => Polled::TooSoon,
            false => Polled::Waiting,
        });
    };
    session.run(end, values![&poll.code[..]])?;
    session.run("DELETE FROM logins WHERE expires <= ?1", values![poll.now])?;
    session.run(
        "INSERT INTO logins (id, secret, user_name, member_of, mark, scope, agent, address, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            poll.id.as_str(),
            &poll.secret[..],
            &approval.user,
            &list(&approval.groups),
            &approval.mark,
            &found.scope,
            &found.agent,
            &found.address,
            poll.now,
            approval.ends
        ],
    )?;
    let author = Author {
        name: approval.user.clone(),
        address: found.address,
        moment: poll.now,
    };
    audit_line(session, &author, "log in", "", poll.id.as_str())?;
    Ok(Polled::LetIn(approval.user, approval.ends))
}

pub(super) fn logins(
    session: &mut dyn Session,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Login>> {
    session.all(
        &format!("SELECT {COLUMNS} FROM logins WHERE id > ?1 ORDER BY id LIMIT ?2"),
        values![after.unwrap_or(""), limit],
        read,
    )
}

/// The login that has this secret.
pub(super) fn login(
    session: &mut dyn Session,
    secret: &[u8; 32],
    now: Moment,
) -> Result<Option<Login>> {
    session.first(
        &format!("SELECT {COLUMNS} FROM logins WHERE secret = ?1 AND expires > ?2"),
        values![&secret[..], now],
        read,
    )
}

pub(super) fn has_login(session: &mut dyn Session, id: &LoginId, now: Moment) -> Result<bool> {
    session.has(
        "SELECT 1 FROM logins WHERE id = ?1 AND expires > ?2",
        values![id.as_str(), now],
    )
}

pub(super) fn note(session: &mut dyn Session, id: &LoginId, now: Moment) -> Result<()> {
    session.run(
        "UPDATE logins SET used = ?2 WHERE id = ?1 AND (used IS NULL OR used <= ?3)",
        values![id.as_str(), now, now - NOTED],
    )?;
    Ok(())
}

pub(super) fn delete(session: &mut dyn Session, id: &LoginId, author: &Author) -> Result<bool> {
    let deleted = session.run("DELETE FROM logins WHERE id = ?1", values![id.as_str()])?;
    if deleted == 1 {
        audit_line(session, author, "end login", "", id.as_str())?;
    }
    Ok(deleted == 1)
}

/// Notes that an answer of an issuer was taken; false when it was before.
pub(super) fn spend(
    session: &mut dyn Session,
    state: &[u8; 32],
    now: Moment,
    expires: Moment,
) -> Result<bool> {
    session.run("DELETE FROM spent_states WHERE expires <= ?1", values![now])?;
    let added = session.run(
        "INSERT INTO spent_states (state, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        values![&state[..], expires],
    )?;
    Ok(added == 1)
}

fn read(row: &dyn Row) -> Result<Login> {
    let unfit = |column: usize, cause: String| SqlError::Column { column, cause };
    let id = LoginId::parse(row.get(0)?);
    let id = id.ok_or_else(|| unfit(0, "no name of a login".to_owned()))?;
    Ok(Login {
        id,
        user: row.get(1)?,
        groups: groups(row, 2)?,
        mark: row.get(3)?,
        scope: scope(row, 4)?,
        agent: row.get(5)?,
        address: row.get(6)?,
        created: row.get(7)?,
        expires: row.get(8)?,
        used: row.find(9)?,
    })
}

fn scope(row: &dyn Row, column: usize) -> Result<LoginScope> {
    let text: &str = row.get(column)?;
    text.parse()
        .map_err(|error: crate::access::NoLoginScope| SqlError::Column {
            column,
            cause: error.to_string(),
        })
}

fn groups(row: &dyn Row, column: usize) -> Result<BTreeSet<String>> {
    let text: &str = row.get(column)?;
    serde_json::from_str(text).map_err(|error| SqlError::Column {
        column,
        cause: error.to_string(),
    })
}

/// Texts as a JSON list, which cannot fail.
fn list(groups: &BTreeSet<String>) -> String {
    serde_json::to_string(groups).unwrap_or_default()
}
