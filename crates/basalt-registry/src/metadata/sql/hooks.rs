//! How far each hook was told what the audit log says.
//!
//! The audit log is the outbox: its lines are written in the transactions of the changes they tell of.

use super::super::{DeadEvent, Delivery, HookPosition, Moment};
use super::session::{Result, Session, values};

/// How long what a hook did not take is shown, in milliseconds: 90 days.
const DEAD_SHOWN: i64 = 90 * 24 * 3600 * 1000;

/// A hook that is new begins with what happens from now on; one that is known, with the begin of chains that are new.
pub(super) fn positions(session: &mut dyn Session, hook: &str) -> Result<Vec<HookPosition>> {
    let is_known = session.has(
        "SELECT 1 FROM hook_positions WHERE hook = ?1",
        values![hook],
    )?;
    let begin = if is_known { "0" } else { "sequence" };
    session.run(
        &format!(
            "INSERT INTO hook_positions (hook, chain, sequence, attempts, due, cause)
             SELECT ?1, chain, {begin}, 0, 0, '' FROM audit_heads WHERE true ON CONFLICT DO NOTHING"
        ),
        values![hook],
    )?;
    // So that it is known even where nothing ever happened.
    session.run(
        "INSERT INTO hook_positions (hook, chain, sequence, attempts, due, cause) VALUES (?1, '', 0, 0, 0, '')
         ON CONFLICT DO NOTHING",
        values![hook],
    )?;
    shown(session, Some(hook))
}

/// How far one hook, or each, is.
pub(super) fn shown(session: &mut dyn Session, hook: Option<&str>) -> Result<Vec<HookPosition>> {
    session.all(
        "SELECT p.hook, p.chain, p.sequence, p.attempts, p.due, p.cause, h.sequence FROM hook_positions p
         LEFT JOIN audit_heads h ON h.chain = p.chain
         WHERE ?1 = '' OR p.hook = ?1 ORDER BY p.hook, p.chain",
        values![hook.unwrap_or("")],
        |row| {
            Ok(HookPosition {
                hook: row.get(0)?,
                chain: row.get(1)?,
                sequence: row.get(2)?,
                attempts: row.get(3)?,
                due: row.get(4)?,
                cause: row.get(5)?,
                head: row.find(6)?.unwrap_or(0),
            })
        },
    )
}

pub(super) fn note_delivery(
    session: &mut dyn Session,
    position: &HookPosition,
    delivery: &Delivery,
    now: Moment,
) -> Result<()> {
    let (sequence, attempts, due, cause) = match delivery {
        Delivery::Taken => (position.sequence, 0, 0, ""),
        Delivery::Failed { due, cause } => {
            (position.sequence, position.attempts, *due, cause.as_str())
        }
        Delivery::Dead { cause } => {
            session.run(
                "INSERT INTO dead_events (hook, chain, sequence, moment, attempts, cause)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                values![
                    &position.hook,
                    &position.chain,
                    position.sequence,
                    now,
                    position.attempts,
                    cause
                ],
            )?;
            session.run(
                "DELETE FROM dead_events WHERE moment < ?1",
                values![now - DEAD_SHOWN],
            )?;
            (position.sequence, 0, 0, "")
        }
    };
    session.run(
        "UPDATE hook_positions SET sequence = ?3, attempts = ?4, due = ?5, cause = ?6 WHERE hook = ?1 AND chain = ?2",
        values![
            &position.hook,
            &position.chain,
            sequence,
            attempts,
            due,
            cause
        ],
    )?;
    Ok(())
}

pub(super) fn dead(session: &mut dyn Session, limit: u64) -> Result<Vec<DeadEvent>> {
    session.all(
        "SELECT hook, chain, sequence, moment, attempts, cause FROM dead_events
         ORDER BY moment DESC, sequence DESC LIMIT ?1",
        values![limit],
        |row| {
            Ok(DeadEvent {
                hook: row.get(0)?,
                chain: row.get(1)?,
                sequence: row.get(2)?,
                moment: row.get(3)?,
                attempts: row.get(4)?,
                cause: row.get(5)?,
            })
        },
    )
}
