//! `basalt vendor`.

use std::path::PathBuf;

use basalt_fetch::VendorStore;
use clap::Args;
use serde_json::json;

use crate::arguments::{GlobalArguments, SourceArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::terminal::{Terminal, bytes};

/// What `vendor` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt vendor store images/base.yaml
  basalt build images/base.yaml --locked --offline --vendor store")]
pub struct VendorArguments {
    /// The store's folder
    #[arg(value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Fail when the lock is missing or the spec has moved since
    #[arg(long)]
    locked: bool,
}

pub(super) fn run(
    own: &VendorArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let (project, session, progress) = session::open(&own.source, global, terminal)?;
    let lock = basalt_build::current_lock(&session, &project, own.locked)?;
    interruption::writes_into(&own.store);
    let store = VendorStore::open(&own.store)?;
    let (packages, size) = basalt_build::vendor(&session, &lock, &store)?;
    progress.finish();
    let document = json!({ "store": own.store, "packages": packages, "bytes": size });
    terminal.summary(&document, || {
        format!(
            "{}: {packages} packages, {}\n",
            own.store.display(),
            bytes(size)
        )
    })?;
    Ok(Status::Done)
}
