//! `basalt registry repair`.

use basalt_registry::operations::{self, Repaired};
use clap::Args;

use super::{Kept, Shown, report_text, status};
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry repair` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
No server may run in the folder; where there is none, servers may. The database of a folder that is lost or broken is made
anew from the journal beside it. Blobs whose bytes are wrong are put into
quarantine/, and what manifests say is written again. Images that are hurt after that are named: push them again.

Exit codes: 0 all is sound now, 4 some images must be pushed again, 1 or 2 it could not be done.")]
pub struct RepairArguments {
    #[command(flatten)]
    registry: Kept,
}

pub(super) fn run(own: &RepairArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let shown = Shown(terminal.progress());
    let repaired = operations::repair(&own.registry.plan()?, &shown)?;
    shown.0.finish();
    terminal.answer(&repaired, || text(&repaired))?;
    Ok(status(repaired.report.is_sound()))
}

fn text(repaired: &Repaired) -> String {
    let mut text = String::new();
    if let Some(rebuilt) = &repaired.rebuilt {
        text.push_str(&format!(
            "the database was made anew from the journal: {} batches of changes after the snapshot\n",
            rebuilt.batches
        ));
        if let Some(stopped) = &rebuilt.stopped {
            text.push_str(&format!("it could not be followed to its end: {stopped}\n"));
        }
        if let Some(former) = &rebuilt.former {
            text.push_str(&format!("the former database is {former}\n"));
        }
    }
    for digest in &repaired.quarantined {
        text.push_str(&format!("put aside: {digest}\n"));
    }
    for manifest in &repaired.mended {
        text.push_str(&format!("mended: {manifest}\n"));
    }
    text.push_str(&report_text(&repaired.report));
    let hurt = repaired.report.hurt();
    if !hurt.is_empty() {
        text.push_str("push again:\n");
        text.extend(hurt.iter().map(|name| format!("  {name}\n")));
    }
    text
}
