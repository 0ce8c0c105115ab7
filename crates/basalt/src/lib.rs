//! The program `basalt`: arguments, terminal output and exit codes around the stages.

pub mod arguments;
mod attached_provenance;
pub mod bills;
pub mod commands;
pub mod failure;
pub mod image_difference;
pub mod interruption;
pub mod loading;
pub mod packages;
mod path_origin;
pub mod reference;
pub mod registries;
mod reproduction;
pub mod signing;
pub mod terminal;
pub mod transfer;

use std::process::ExitCode;

use clap::Parser;

pub use arguments::Arguments;
pub use failure::{Failure, Status};
use terminal::Terminal;

/// Runs the program with the process's own arguments; returns its exit code.
pub fn run() -> ExitCode {
    if let Some(code) = interruption::after_signal(std::env::args_os()) {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too, with code 0.
            Terminal::usage(&error);
            let status = if error.use_stderr() {
                Status::Usage
            } else {
                Status::Done
            };
            return status.into();
        }
    };
    let terminal = Terminal::new(&arguments.global);
    match commands::run(&arguments, &terminal) {
        Ok(status) => status.into(),
        Err(failure) => {
            terminal.failure(&failure);
            failure.status.into()
        }
    }
}
