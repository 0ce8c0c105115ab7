//! `basalt login HOST`.

use std::io::{self, IsTerminal, Read};

use basalt_client::{Client, ClientError, Credential, Credentials, Secret, Settings};
use clap::Args;
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::registries;
use crate::terminal::Terminal;

/// The longest password that is read, in bytes.
const MAXIMUM_PASSWORD: u64 = 64 << 10;

/// What `login` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt login registry.example --username me < password-file
  pass show registry | basalt login registry.example --username me

The password is read from the standard input, tried at the registry, and kept where Docker keeps it: by the
credential helper that Docker's config.json names, else in that file, which its owner alone can read.")]
pub struct LoginArguments {
    /// The registry; docker.io is Docker Hub
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The user's name
    #[arg(long, short, value_name = "NAME")]
    username: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &LoginArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let host = basalt_client::host(&own.host).map_err(ClientError::Reference)?;
    let password = password()?;
    let credentials = Credentials::of_environment();
    let tried = Credential::Password {
        user: own.username.clone(),
        password: password.clone(),
    };
    let settings = registries::settings(&own.registries)?;
    Client::new(Settings {
        credentials: Credentials::none().with(&host, tried),
        ..settings
    })?
    .registry(&host)
    .check()
    .map_err(|error| {
        let refused = matches!(error, ClientError::Unauthorized { .. });
        match refused {
            true => Failure::new(
                Status::Failed,
                format!("{host} does not take this name and password"),
            ),
            false => Failure::from(error),
        }
    })?;
    let place = credentials.store(&host, &own.username, &password)?;
    let document = json!({"registry": host, "username": own.username, "kept-in": place});
    terminal.summary(&document, || {
        format!("logged in at {host} as {}; kept in {place}\n", own.username)
    })?;
    Ok(Status::Done)
}

/// The password, without the line's end.
fn password() -> Result<Secret, Failure> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        let message =
            "the password is read from the standard input, which is a terminal that would show it";
        return Err(Failure::new(Status::Usage, message)
            .help("basalt login HOST --username NAME < FILE, or behind a pipe"));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    input.take(MAXIMUM_PASSWORD + 1).read_to_string(&mut text)?;
    let plain = text.strip_suffix('\n').unwrap_or(&text);
    let plain = plain.strip_suffix('\r').unwrap_or(plain);
    if plain.is_empty() || plain.len() as u64 > MAXIMUM_PASSWORD {
        let message = "the standard input holds no password";
        return Err(Failure::new(Status::Usage, message));
    }
    Ok(Secret::new(plain.to_owned()))
}
