//! `basalt copy SRC DST`.

use clap::Args;

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::terminal::Terminal;
use crate::transfer;

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
    transfer::carry("copy", (from, &to), &own.copy, &own.registries, terminal)
}
