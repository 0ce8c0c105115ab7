//! From options and a configuration to a server that runs.

mod error;
mod plan;
mod run;

use std::path::PathBuf;

pub use error::ServeError;
pub use plan::Plan;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder that everything is kept in.
    pub root: Option<PathBuf>,
    /// The folder when neither this nor the configuration names one.
    pub default_root: PathBuf,
    /// Where to listen.
    pub listen: Option<String>,
    /// The configuration.
    pub config: Option<PathBuf>,
    /// Whether other machines may connect without TLS.
    pub without_tls: bool,
    /// Whether other machines may write without signing in.
    pub allow_anonymous: bool,
    /// Where spans of requests go.
    pub traces: Option<String>,
}
