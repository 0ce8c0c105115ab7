//! `basalt registry verify`.

use basalt_registry::operations::{self, Opened};
use clap::Args;

use super::{Kept, Shown, report_text, status};
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry verify` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed. Servers may run meanwhile; a backup can be looked at too (--root BACKUP).

Exit codes: 0 all is sound, 4 something is wrong, 1 or 2 it could not be looked at.")]
pub struct VerifyArguments {
    #[command(flatten)]
    registry: Kept,
    /// Look at the lengths of blobs alone, not at their bytes
    #[arg(long)]
    quick: bool,
}

pub(super) fn run(own: &VerifyArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let opened = Opened::of(&own.registry.plan()?)?;
    let shown = Shown(terminal.progress());
    let report = operations::run(operations::verify(&opened, own.quick, &shown))?;
    shown.0.finish();
    terminal.answer(&report, || report_text(&report))?;
    Ok(status(report.is_sound()))
}
