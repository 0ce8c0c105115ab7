//! `basalt completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `completions` takes.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

pub(super) fn run(own: &CompletionsArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(own.shell, &mut Arguments::command(), "basalt", &mut script);
    terminal.write(&script)?;
    Ok(Status::Done)
}
