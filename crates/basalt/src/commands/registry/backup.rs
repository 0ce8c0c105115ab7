//! `basalt registry backup`.

use std::path::PathBuf;

use basalt_registry::operations::{self, BackedUp, Opened};
use clap::Args;

use super::{Kept, Shown, report_text, status};
use crate::failure::{Failure, Status};
use crate::terminal::{Terminal, bytes};

/// What `registry backup` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt registry backup /backup/registry               # the first copies all, the next what is new
  basalt registry backup --verify /backup/registry      # read all of a backup again
  basalt registry backup --config registry.yaml /backup/registry   # of several servers: what their database and bucket have
  basalt registry restore /backup/registry --root /srv/registry

Exit codes: 0 all is there, 4 something was damaged before (all else is there), 1 or 2 it could not be done.")]
pub struct BackupArguments {
    /// The folder of the backup: empty, not there, or a former backup
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    #[command(flatten)]
    registry: Kept,
    /// Make none: compare the one that is there with its digests
    #[arg(long)]
    verify: bool,
}

pub(super) fn run(own: &BackupArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let shown = Shown(terminal.progress());
    if own.verify {
        let opened = Opened::to_read(&own.target)?;
        let report = operations::run(operations::verify(&opened, false, &shown))?;
        shown.0.finish();
        terminal.answer(&report, || report_text(&report))?;
        return Ok(status(report.is_sound()));
    }
    let opened = Opened::beside(&own.registry.plan()?)?;
    let done = operations::run(operations::backup(&opened, &own.target, &shown))?;
    shown.0.finish();
    terminal.answer(&done, || text(&done))?;
    Ok(status(done.damaged.is_empty()))
}

/// What was copied, for people.
pub(super) fn text(done: &BackedUp) -> String {
    let mut text = String::new();
    for digest in &done.damaged {
        text.push_str(&format!("damaged, and not copied: {digest}\n"));
    }
    if !done.hurt.is_empty() {
        text.push_str(&format!("that hurts {}\n", done.hurt.join(", ")));
    }
    text.push_str(&format!(
        "{} blobs in files, {} copied now, {}; {} files not needed any more removed\n",
        done.blobs,
        done.copied,
        bytes(done.copied_bytes),
        done.removed
    ));
    text
}
