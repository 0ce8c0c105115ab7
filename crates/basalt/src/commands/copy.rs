//! `basalt copy SRC DST`.

use std::sync::Arc;

use clap::Args;

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::reference::Reference;
use crate::registries;
use crate::terminal::Terminal;
use crate::transfer::Transfer;

/// What `copy` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt copy registry.example/a:1 registry.example/b:1       blobs are mounted, not moved
  basalt copy registry.example/a:1 other.example/a:1
  basalt copy debian:trixie-slim oci:debian:slim
  basalt copy ./base registry.example/base:trixie

A layout is what exists as a path, or begins with ./, ../, / or oci:.")]
pub struct CopyCommandArguments {
    /// The image: HOST/REPOSITORY[:TAG][@DIGEST], or a layout, PATH[:TAG][@DIGEST]
    #[arg(value_name = "SRC")]
    source: String,
    /// Where it goes, likewise [default tag: that of SRC, else latest]
    #[arg(value_name = "DST")]
    destination: String,
    #[command(flatten)]
    copy: CopyArguments,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &CopyCommandArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let from = Reference::parse(&own.source)?;
    let to = Reference::parse(&own.destination)?;
    interruption::watch(terminal.json())?;
    let progress = Arc::new(terminal.progress());
    progress.stage("copy", 0);
    let client = registries::client(&own.registries, Some(progress.clone()))?;
    let transfer = Transfer {
        client: &client,
        arguments: &own.copy,
        progress: &progress,
    };
    let done = transfer.run(from, &to)?;
    progress.finish();
    terminal.summary(&done.document(), || done.text())?;
    Ok(Status::Done)
}
