//! The program `basalt`.

use std::process::ExitCode;

fn main() -> ExitCode {
    basalt::run()
}
