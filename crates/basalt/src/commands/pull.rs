//! `basalt pull REF LAYOUT`.

use clap::Args;

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::terminal::Terminal;
use crate::transfer;

/// What `pull` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt pull registry.example/team/base:trixie ./base
  basalt pull debian:trixie-slim ./debian --platform arm64
  basalt pull registry.example/team/base@sha256:… ./base --no-referrers

The layout is made anew beside the former one and takes its place at the end; other images in it stay.")]
pub struct PullArguments {
    /// The image: HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    reference: String,
    /// The layout's folder, PATH[:TAG] [default tag: that of REF, else latest]
    #[arg(value_name = "LAYOUT")]
    layout: String,
    #[command(flatten)]
    copy: CopyArguments,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &PullArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let from = Reference::parse(&own.reference)?;
    let to = Reference::parse_layout(&own.layout)?;
    if !matches!(from, Reference::Registry { .. }) {
        let message = format!(
            "`{}` is a layout; a pull comes from a registry",
            own.reference
        );
        return Err(Failure::new(Status::Usage, message)
            .help("between other places: basalt copy; the other way: basalt push"));
    }
    transfer::carry("pull", (from, &to), &own.copy, &own.registries, terminal)
}
