//! `basalt man DIR`.

use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, CommandFactory};
use clap_mangen::roff::{Roff, bold, roman};
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
    // A page would fill the lines of what stands behind the options into one paragraph.
    clap_mangen::Man::new(command.clone().after_help(Resettable::Reset))
        .title(name.to_uppercase())
        .source(concat!("basalt ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)?;
    if let Some(list) = command.get_after_help() {
        section(&list.to_string()).to_writer(&mut text)?;
    }
    fs::write(&path, text)?;
    written.push(path.display().to_string());
    for below in command.get_subcommands() {
        page(below, &format!("{name}-{}", below.get_name()), own, written)?;
    }
    Ok(())
}

/// A section of the examples or of the exit codes, as `--help` has them: a heading, then a line
/// each with what is meant, two or more spaces, and what is said of it.
fn section(list: &str) -> Roff {
    let mut roff = Roff::new();
    let mut lines = list.lines();
    let heading = lines.next().unwrap_or_default().trim_end_matches(':');
    roff.control("SH", [heading.to_uppercase().as_str()]);
    for line in lines {
        let line = line.trim();
        let (item, meaning) = line.split_once("  ").unwrap_or((line, ""));
        roff.control("TP", ["8"]);
        roff.text([bold(item)]);
        roff.text([roman(meaning.trim())]);
    }
    roff
}
