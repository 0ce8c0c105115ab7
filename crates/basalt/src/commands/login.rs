//! `basalt login HOST`.

use std::io::{self, IsTerminal, Read};

use basalt_client::{Client, ClientError, Credential, Credentials, Secret, Settings};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::browser_login;
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
  basalt login registry.example --browser --scope pull

The password is read from the standard input, tried at the registry, and kept where Docker keeps it: by the
credential helper that Docker's config.json names, else in that file, which its owner alone can read.

With --browser a registry of `basalt serve` shows a page: you sign in there, with any browser on any machine, and
compare a code. A token is kept in place of the password; `basalt logout` ends it.")]
pub struct LoginArguments {
    /// The registry; docker.io is Docker Hub
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The user's name
    #[arg(
        long,
        short,
        value_name = "NAME",
        required_unless_present = "browser",
        conflicts_with = "browser"
    )]
    username: Option<String>,
    /// Sign in with a browser, here or on another machine
    #[arg(long)]
    browser: bool,
    /// What the token is for, of what you may do; may repeat [default: all of it]
    #[arg(
        long,
        value_name = "ACTION",
        value_delimiter = ',',
        requires = "browser"
    )]
    scope: Vec<Action>,
    /// Say where to go, and open no browser
    #[arg(long, requires = "browser")]
    no_open: bool,
    #[command(flatten)]
    registries: RegistryArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Read
    Pull,
    /// Write
    Push,
    /// Delete
    Delete,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

pub(super) fn run(own: &LoginArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let host = basalt_client::host(&own.host).map_err(ClientError::Host)?;
    let Some(username) = &own.username else {
        let scope: Vec<&str> = own.scope.iter().map(|action| action.name()).collect();
        let opens = !own.no_open;
        return browser_login::log_in(&host, &scope, opens, &own.registries, terminal);
    };
    let password = password()?;
    let credentials = Credentials::of_environment();
    let tried = Credential::Password {
        user: username.clone(),
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
    let place = credentials.store(&host, username, &password)?;
    let document = json!({"registry": host, "username": username, "kept-in": place});
    terminal.summary(&document, || {
        format!("logged in at {host} as {username}; kept in {place}\n")
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
