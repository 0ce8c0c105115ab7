//! `basalt login HOST --browser`: a person signs in with a browser, on this machine or another.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

use basalt_client::{
    Client, Credential, Credentials, LoggedIn, Registry, Secret, Settings, WaitingLogin,
};
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::registries;
use crate::terminal::{self, Terminal};

/// What the tokens of `basalt serve` begin with: no other is sent to its end.
const TOKEN_PREFIX: &str = "basalt_login_";

/// Logs in; `scope` is what is wanted of the person's rights.
pub(super) fn log_in(
    host: &str,
    scope: &[&str],
    opens: bool,
    arguments: &RegistryArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let credentials = Credentials::of_environment();
    let client = Client::new(Settings {
        credentials: Credentials::none(),
        ..registries::settings(arguments)?
    })?;
    let registry = client.registry(host);
    let waiting = registry.begin_login(scope)?;
    tell(&waiting, opens && has_screen());
    let logged_in = registry.finish_login(&waiting)?;
    // Another login that this one takes the place of is not left behind.
    let former = credentials.find(host, "").ok().flatten();
    let place = match credentials.store_identity(host, &logged_in.token) {
        Ok(place) => place,
        Err(error) => {
            let _ = registry.end_login(&logged_in.token);
            return Err(error.into());
        }
    };
    if let Some(token) = former.as_ref().and_then(own_token) {
        let _ = registry.end_login(token);
    }
    show(host, &logged_in, &place, terminal)?;
    Ok(Status::Done)
}

/// Ends the login that is kept for a host, if it is one.
///
/// # Errors
/// When the registry cannot be told.
pub(super) fn end(
    kept: Option<&Credential>,
    registry: &Registry,
) -> Result<(), basalt_client::ClientError> {
    match kept.and_then(own_token) {
        Some(token) => registry.end_login(token),
        None => Ok(()),
    }
}

/// The token of a login, if that is what is kept.
pub(super) fn own_token(kept: &Credential) -> Option<&Secret> {
    match kept {
        Credential::Identity(token) if token.expose().starts_with(TOKEN_PREFIX) => Some(token),
        _ => None,
    }
}

/// Says where to go, whatever else is silent: without it nobody could.
fn tell(waiting: &WaitingLogin, opens: bool) {
    let line = basalt_escape::line;
    let (address, code) = (line(&waiting.address), line(&waiting.user_code));
    let minutes = waiting.patience.as_secs().div_ceil(60);
    let text = format!(
        "Open {address} in a browser, here or elsewhere, sign in, and give it the code\n\n    {code}\n\n\
         Waiting {minutes} minutes at most.\n"
    );
    terminal::tell(text.trim_end());
    if opens {
        open(waiting.whole_address.as_ref().unwrap_or(&waiting.address));
    }
}

fn show(host: &str, own: &LoggedIn, place: &str, terminal: &Terminal) -> Result<(), Failure> {
    let user = &own.user;
    let seconds = own.life.map(|life| life.as_secs());
    let document =
        json!({"registry": host, "username": user, "kept-in": place, "expires-in": seconds});
    terminal.summary(&document, || {
        let life = seconds.map_or_else(String::new, |seconds| match seconds {
            ..172_800 => format!(" for {} hours", seconds.div_ceil(3600)),
            _ => format!(" for {} days", (seconds + 43_200) / 86_400),
        });
        format!("logged in at {host} as {user}{life}; kept in {place}\n")
    })
}

/// Whether a person sits before this machine and could see a browser.
fn has_screen() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
}

/// Opens the user's browser. An address that a shell or a program could take for something else is left to the person; so
/// it is when there is no program that opens addresses.
fn open(address: &str) {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_?=[]".contains(&byte);
    if !address.bytes().all(sound) {
        return;
    }
    let started = Command::new("xdg-open")
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = started {
        // Its end is waited for beside, so that none is left behind.
        std::thread::spawn(move || child.wait());
    }
}
