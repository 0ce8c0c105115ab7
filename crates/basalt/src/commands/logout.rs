//! `basalt logout HOST`.

use basalt_client::{ClientError, Credentials};
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `logout` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt logout registry.example")]
pub struct LogoutArguments {
    /// The registry; docker.io is Docker Hub
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
}

pub(super) fn run(own: &LogoutArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let host = basalt_client::host(&own.host).map_err(ClientError::Reference)?;
    let places = Credentials::of_environment().erase(&host)?;
    let document = json!({"registry": host, "removed-from": places});
    terminal.summary(&document, || match places.is_empty() {
        true => format!("nothing was kept for {host}\n"),
        false => format!("logged out of {host}; removed from {}\n", places.join(", ")),
    })?;
    Ok(Status::Done)
}
