//! Robots.

use super::super::{Author, Moment};
use super::change::audit_line;
use super::session::{Result, Row, Session, SqlError, values};
use crate::access::{Robot, RobotName};

/// How many milliseconds apart two uses are noted, at least: to note each would cost a write a request.
pub(super) const NOTED: i64 = 60_000;

const COLUMNS: &str = "name, rules, secret, created, creator, expires, used";

pub(super) fn robots(
    session: &mut dyn Session,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Robot>> {
    session.all(
        &format!("SELECT {COLUMNS} FROM robots WHERE name > ?1 ORDER BY name LIMIT ?2"),
        values![after.unwrap_or(""), limit],
        read,
    )
}

pub(super) fn robot(session: &mut dyn Session, name: &RobotName) -> Result<Option<Robot>> {
    session.first(
        &format!("SELECT {COLUMNS} FROM robots WHERE name = ?1"),
        values![name.as_str()],
        read,
    )
}

fn read(row: &dyn Row) -> Result<Robot> {
    let unfit = |column: usize, cause: String| SqlError::Column { column, cause };
    let (name, rules): (&str, &str) = (row.get(0)?, row.get(1)?);
    Ok(Robot {
        name: name
            .parse()
            .map_err(|error: crate::access::NoRobotName| unfit(0, error.to_string()))?,
        rules: serde_json::from_str(rules).map_err(|error| unfit(1, error.to_string()))?,
        secret: row.get(2)?,
        created: row.get(3)?,
        creator: row.get(4)?,
        expires: row.find(5)?,
        used: row.find(6)?,
    })
}

pub(super) fn add_robot(session: &mut dyn Session, robot: &Robot, author: &Author) -> Result<bool> {
    // Texts and lists of texts: writing them as JSON cannot fail.
    let rules = serde_json::to_string(&robot.rules).unwrap_or_default();
    let added = session.run(
        "INSERT INTO robots (name, rules, secret, created, creator, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        values![
            robot.name.as_str(),
            &rules,
            &robot.secret[..],
            robot.created,
            &robot.creator,
            robot.expires
        ],
    )?;
    if added == 1 {
        let object = format!("{} {rules}", robot.name);
        audit_line(session, author, "create robot", "", &object)?;
    }
    Ok(added == 1)
}

pub(super) fn delete_robot(
    session: &mut dyn Session,
    name: &RobotName,
    author: &Author,
) -> Result<bool> {
    let deleted = session.run("DELETE FROM robots WHERE name = ?1", values![name.as_str()])?;
    if deleted == 1 {
        audit_line(session, author, "delete robot", "", name.as_str())?;
    }
    Ok(deleted == 1)
}

pub(super) fn note_robot(session: &mut dyn Session, name: &RobotName, now: Moment) -> Result<()> {
    session.run(
        "UPDATE robots SET used = ?2 WHERE name = ?1 AND (used IS NULL OR used <= ?3)",
        values![name.as_str(), now, now - NOTED],
    )?;
    Ok(())
}

/// Whether a use that was noted then is to be noted again.
pub(crate) fn is_old(used: Option<Moment>, now: Moment) -> bool {
    used.is_none_or(|used| used <= now - NOTED)
}
