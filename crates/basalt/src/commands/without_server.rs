//! The commands of the registry server in a program that is built without it: known by name, so that help lists them
//! and says what to do.

use std::ffi::OsString;

use clap::Args;

use crate::failure::{Failure, Status};

/// Whatever follows the command.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Anything {
    /// What the command takes is told by a program that has the server
    #[arg(
        value_name = "ARGUMENTS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    _arguments: Vec<OsString>,
}

fn refuse(command: &str) -> Failure {
    Failure::new(
        Status::Usage,
        format!("this program is built without the registry server, which `{command}` needs"),
    )
    .help("build it with `cargo build --release --package basalt`; `./basalt` of a checkout does so by itself")
}

/// `basalt serve`.
pub(super) mod serve {
    use super::{Anything, Failure, Status, refuse};
    use crate::terminal::Terminal;

    pub type ServeArguments = Anything;

    pub(in crate::commands) fn run(_: &ServeArguments, _: &Terminal) -> Result<Status, Failure> {
        Err(refuse("serve"))
    }
}

/// `basalt registry`.
pub(super) mod registry {
    use super::{Anything, Failure, Status, refuse};
    use crate::terminal::Terminal;

    pub type RegistryArguments = Anything;

    pub(in crate::commands) fn run(_: &RegistryArguments, _: &Terminal) -> Result<Status, Failure> {
        Err(refuse("registry"))
    }
}
