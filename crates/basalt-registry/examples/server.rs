//! The server alone, for tests that build it with the feature `failpoints`: `server ROOT [CONFIG]` listens at a free port of this
//! machine and says which.

use std::path::PathBuf;
use std::process::ExitCode;

use basalt_registry::server::log::Format;
use basalt_registry::service::{Options, Plan, ServeError};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), ServeError> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let options = Options {
        root: arguments.next(),
        config: arguments.next(),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Options::default()
    };
    Plan::new(&options)?.run(Format::Json, |address, _| println!("{address}"))
}
