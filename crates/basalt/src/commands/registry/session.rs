//! `basalt registry session list|delete`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::registry;
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `session` takes.
#[derive(Debug, Args)]
pub(super) struct SessionArguments {
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
    /// List the programs that people have logged in: whose, from where, until when, and when they were last used
    List(ListArguments),
    /// End a session; its tokens open nothing from then on
    Delete(DeleteArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt registry session list registry.example

Log in first, with a password, as who may administer the registry.")]
struct ListArguments {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

#[derive(Debug, Args)]
struct DeleteArguments {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The session, as it is listed
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &SessionArguments, terminal: &Terminal) -> Result<Status, Failure> {
    match &own.command {
        SessionCommand::List(own) => list(own, terminal)?,
        SessionCommand::Delete(own) => delete(own, terminal)?,
    }
    Ok(Status::Done)
}

fn list(own: &ListArguments, terminal: &Terminal) -> Result<(), Failure> {
    let registry = registry(&own.host, &own.registries)?;
    let sessions = registry.documents("sessions", "id")?;
    terminal.answer(&json!({"sessions": sessions}), || {
        sessions.iter().map(line).collect()
    })
}

/// `5d1c…  company:ann  pull push  basalt/0.1 at 10.0.0.7  until 2027-…  last used never`
fn line(session: &Value) -> String {
    let text = |name: &str, otherwise: &str| {
        basalt_escape::line(session[name].as_str().unwrap_or(otherwise)).into_owned()
    };
    let end = match session["expired"].as_bool() {
        Some(true) => "expired",
        _ => "until",
    };
    format!(
        "{}  {}  {}  {} at {}  {end} {}  last used {}\n",
        text("id", ""),
        text("user", ""),
        text("scope", ""),
        text("agent", ""),
        text("address", ""),
        text("expires", ""),
        text("used", "never")
    )
}

fn delete(own: &DeleteArguments, terminal: &Terminal) -> Result<(), Failure> {
    let id = &own.id;
    if id.len() != 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("`{id}` is no name of a session");
        return Err(Failure::new(Status::Usage, message)
            .help("`basalt registry session list HOST` lists those that are there"));
    }
    let registry = registry(&own.host, &own.registries)?;
    registry.delete_document(&format!("/basalt/v1/sessions/{id}"))?;
    terminal.summary(&json!({"deleted": id}), || {
        format!("ended the session {id}\n")
    })
}
