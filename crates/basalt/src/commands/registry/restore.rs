//! `basalt registry restore`.

use std::path::PathBuf;

use basalt_registry::operations;
use clap::Args;
use serde_json::json;

use super::{Kept, Shown, backup, report_text, status};
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry restore` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt registry restore /backup/registry --root /srv/registry
  basalt registry restore /backup/registry --config registry.yaml   # into a new database and an empty bucket

All is compared with its digests on the way. The registry comes to be whole, or not at all. A backup of a folder may be restored
into a database and a bucket, and the other way: so a registry moves from one machine to several.

Exit codes: 0 all is there and sound, 4 something is damaged in the backup (all else is there), 1 or 2 it could not be done.")]
pub struct RestoreArguments {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    registry: Kept,
}

pub(super) fn run(own: &RestoreArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let shown = Shown(terminal.progress());
    let plan = own.registry.plan()?;
    let (done, report) = operations::restore(&own.backup, &plan, &shown)?;
    shown.0.finish();
    let document = json!({"restored": done, "report": report});
    terminal.answer(&document, || {
        format!("{}{}", backup::text(&done), report_text(&report))
    })?;
    Ok(status(done.damaged.is_empty() && report.is_sound()))
}
