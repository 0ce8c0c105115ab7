//! `basalt serve`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use basalt_registry::server::log::Format;
use basalt_registry::service::{Options, Plan, ServeError};
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `serve` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt serve                                      # this machine alone, http://127.0.0.1:5000
  basalt serve --root /srv/registry --listen 8080
  basalt serve --config registry.yaml               # users, rights, TLS
  basalt push out/base localhost:5000/base:trixie   # then push to it

A configuration for other machines:
  listen: 0.0.0.0:443
  tls: {certificate: cert.pem, key: key.pem}        # read again when they change
  users: people                                     # htpasswd -cB people ann
  quotas:
    - {repositories: [\"team/*\"], size: 100 GB}
  limits: {requests: 100 per second}
  access:
    - {repositories: [\"public/**\"], anonymous: true, rights: [pull]}
    - {repositories: [\"team/*\"], users: [ann], rights: [pull, push-new, overwrite, delete]}

The log goes to the standard error: for people on a terminal, else as JSON. SIGTERM and Ctrl-C let requests end.")]
pub struct ServeArguments {
    /// The folder that everything is kept in [default: basalt/registry in the user's data folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Where to listen: ADDRESS:PORT, or a port of this machine alone [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The configuration: users, what they may do, TLS, limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let other machines connect without TLS
    ///
    /// Passwords and images can then be read and changed on the way: only where a server before this one has TLS.
    #[arg(long)]
    without_tls: bool,
    /// Let other machines write without signing in
    #[arg(long)]
    allow_anonymous: bool,
    /// Tell a collector of OpenTelemetry which part of a request took how long (OTLP over HTTP)
    ///
    /// Such as http://collector.example:4318. Nothing waits for it; what it does not take is counted in /metrics.
    #[arg(long, value_name = "URL")]
    traces: Option<String>,
}

pub(super) fn run(own: &ServeArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let options = Options {
        root: own.root.clone(),
        default_root: default_root()?,
        listen: own.listen.clone(),
        config: own.config.clone(),
        without_tls: own.without_tls,
        allow_anonymous: own.allow_anonymous,
        traces: own.traces.clone(),
    };
    let plan = Plan::new(&options)?;
    let format = match io::stderr().is_terminal() && !terminal.json() {
        true => Format::Plain,
        false => Format::Json,
    };
    let root = plan.root.clone();
    let is_open = plan.is_open;
    plan.run(format, |address, has_tls| {
        let scheme = if has_tls { "https" } else { "http" };
        let document = json!({"listen": address.to_string(), "tls": has_tls, "root": root.display().to_string()});
        let text = || {
            let who = match (is_open, address.ip().is_loopback()) {
                (true, true) => "everyone on this machine may push and pull",
                (true, false) => "everyone may push and pull",
                (false, _) => "who may do what is as the configuration says",
            };
            format!(
                "The registry listens at {scheme}://{address}, and keeps all in {}; {who}.\nPush: basalt push LAYOUT {address}/NAME:TAG\n",
                root.display()
            )
        };
        // Who reads it may be gone; the server is not there for that.
        let _ = terminal.summary(&document, text);
    })?;
    Ok(Status::Done)
}

/// `basalt/registry` in the user's data folder (XDG Base Directory Specification).
pub(super) fn default_root() -> Result<PathBuf, Failure> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    data.map(|data| data.join("basalt/registry"))
        .ok_or_else(|| {
            Failure::new(
                Status::Usage,
                "there is no folder to keep the registry in: HOME is not set",
            )
            .help("name one with --root DIR")
        })
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let help = error.help().map(str::to_owned);
        let failure = match error {
            ServeError::Config(error) => error.into(),
            ServeError::TooOpen { .. } => Self::new(Status::Usage, error),
            error => Self::new(Status::Failed, error),
        };
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
