//! `basalt man DIR`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use fs_err as fs;

use crate::arguments::Arguments;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `man` takes.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The folder; it is made when it is not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

pub(super) fn run(own: &ManArguments, terminal: &Terminal) -> Result<Status, Failure> {
    fs::create_dir_all(&own.folder)?;
    let mut command = Arguments::command();
    command.build();
    let mut written = Vec::new();
    page(&command, "basalt", own, &mut written)?;
    terminal.answer(&written, || {
        written.iter().map(|path| format!("{path}\n")).collect()
    })?;
    Ok(Status::Done)
}

/// Writes the page of a command and of those below it.
fn page(
    command: &clap::Command,
    name: &str,
    own: &ManArguments,
    written: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = own.folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .render(&mut text)?;
    fs::write(&path, text)?;
    written.push(path.display().to_string());
    for below in command.get_subcommands() {
        page(below, &format!("{name}-{}", below.get_name()), own, written)?;
    }
    Ok(())
}
