//! `basalt registry events`.

use basalt_registry::operations::{self, Opened};
use clap::Args;
use serde_json::json;

use super::Kept;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// The most events that are shown.
const SHOWN: u64 = 1000;

/// What `registry events` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed; a server may run. What a hook did not take is shown for 90 days; the audit log has each event.")]
pub struct EventsArguments {
    #[command(flatten)]
    registry: Kept,
}

pub(super) fn run(own: &EventsArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let opened = Opened::of(&own.registry.plan()?)?;
    let metadata = opened.metadata();
    let (positions, dead) = operations::run(async {
        let positions = metadata.all_hook_positions().await?;
        Ok((positions, metadata.dead_events(SHOWN).await?))
    })?;
    let hooks = positions.iter().map(|one| {
        json!({"hook": one.hook, "chain": one.chain, "told": one.sequence, "head": one.head,
            "attempts": one.attempts, "due": one.due, "cause": one.cause})
    });
    let given_up = dead.iter().map(|one| {
        json!({"hook": one.hook, "chain": one.chain, "line": one.sequence, "moment": one.moment,
            "attempts": one.attempts, "cause": one.cause})
    });
    let document =
        json!({"hooks": hooks.collect::<Vec<_>>(), "dead": given_up.collect::<Vec<_>>()});
    terminal.answer(&document, || {
        let mut text = String::new();
        for one in &positions {
            text.push_str(&format!(
                "{}: told up to line {} of {}",
                one.hook, one.sequence, one.head
            ));
            if one.attempts > 0 {
                text.push_str(&format!(
                    "; the next was tried {} times: {}",
                    one.attempts, one.cause
                ));
            }
            text.push('\n');
        }
        for one in &dead {
            text.push_str(&format!(
                "given up: {} for {}, after {} attempts: {}\n",
                one.sequence, one.hook, one.attempts, one.cause
            ));
        }
        text
    })?;
    Ok(Status::Done)
}
