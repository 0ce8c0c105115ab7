//! `basalt logout HOST`.

use basalt_client::{Client, ClientError, Credentials, Settings};
use clap::Args;
use serde_json::json;

use super::browser_login;
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::registries;
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
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &LogoutArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let host = basalt_client::host(&own.host).map_err(ClientError::Host)?;
    let credentials = Credentials::of_environment();
    // What cannot be read is erased all the same.
    let kept = credentials.find(&host, "").ok().flatten();
    let client = Client::new(Settings {
        credentials: Credentials::none(),
        ..registries::settings(&own.registries)?
    })?;
    let ended = browser_login::end(kept.as_ref(), &client.registry(&host));
    let places = credentials.erase(&host)?;
    if let Err(error) = ended {
        let message = format!(
            "forgot the token for {host}, but could not tell the registry, where it is still good: {error}"
        );
        return Err(Failure::new(Status::Failed, message).help(
            "who administers the registry ends it: `basalt registry session delete HOST ID`",
        ));
    }
    let document = json!({"registry": host, "removed-from": places});
    terminal.summary(&document, || match places.is_empty() {
        true => format!("nothing was kept for {host}\n"),
        false => format!("logged out of {host}; removed from {}\n", places.join(", ")),
    })?;
    Ok(Status::Done)
}
