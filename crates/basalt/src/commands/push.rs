//! `basalt push LAYOUT REF`.

use clap::Args;

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::terminal::Terminal;
use crate::transfer;

/// What `push` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt push out/base registry.example/team/base:trixie
  basalt push out/base:dev registry.example/team/base:dev --no-referrers
  basalt push out/base registry.example/team/base:arm64 --platform arm64
  basalt push out/base lab.example:5000/base --insecure lab.example:5000")]
pub struct PushArguments {
    /// The image: a layout, PATH[:TAG][@DIGEST]
    #[arg(value_name = "LAYOUT")]
    layout: String,
    /// Where it goes: HOST/REPOSITORY[:TAG] [default tag: the layout's, else latest]
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    copy: CopyArguments,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &PushArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let from = Reference::parse(&own.layout)?;
    let to = Reference::parse(&own.reference)?;
    if !matches!(from, Reference::Layout { .. }) || !matches!(to, Reference::Registry { .. }) {
        let message = "a push goes from a layout, which is there, to a registry";
        return Err(Failure::new(Status::Usage, message)
            .help("between other places: basalt copy; the other way: basalt pull"));
    }
    transfer::carry("push", (from, &to), &own.copy, &own.registries, terminal)
}
