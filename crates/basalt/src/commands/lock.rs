//! `basalt lock`.

use clap::Args;

use crate::arguments::{GlobalArguments, SourceArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `lock` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt lock images/base.yaml                      resolve, write images/base.trixie.lock.json
  basalt lock images/base.yaml --release bookworm   the same for another release
  basalt lock images/base.yaml && git diff          see what moved in the archive")]
pub struct LockArguments {
    #[command(flatten)]
    source: SourceArguments,
}

pub(super) fn run(
    own: &LockArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let (project, session, progress) = session::open(&own.source, global, terminal)?;
    let (_, outcome) = basalt_build::lock(&session, &project)?;
    progress.finish();
    terminal.summary(&outcome, || {
        let path = outcome.path.display();
        match &outcome.difference {
            None => format!("{path}: {} packages\n", outcome.packages),
            Some(difference) if difference.is_empty() => format!("{path}: nothing moved\n"),
            Some(difference) => format!("{path}:\n{difference}\n"),
        }
    })?;
    Ok(Status::Done)
}
