//! `basalt registry search`.

use clap::{Args, Subcommand};

use super::registry_search;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry` takes.
#[derive(Debug, Args)]
pub struct RegistryCommandArguments {
    /// What to do.
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Find the images that have a package
    Search(registry_search::SearchArguments),
}

pub(super) fn run(own: &RegistryCommandArguments, terminal: &Terminal) -> Result<Status, Failure> {
    match &own.command {
        RegistryCommand::Search(own) => registry_search::run(own, terminal),
    }
}
