//! `basalt init [FILE]`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use fs_err as fs;
use serde_json::json;

use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `init` takes.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The file; it must not be there yet
    #[arg(value_name = "FILE", default_value = "image.yaml")]
    pub file: PathBuf,
}

pub(super) fn run(own: &InitArguments, terminal: &Terminal) -> Result<Status, Failure> {
    // A name that an image may have, made from the file's.
    let stem = own.file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(plain).collect();
    let name = match name.trim_matches('-') {
        "" => "image",
        name => name,
    };
    let path = own.file.display();
    let opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&own.file);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{path} is there already");
            return Err(Failure::new(Status::Failed, message).help("name another file"));
        }
        other => other?,
    };
    file.write_all(basalt_spec::starter(name).as_bytes())?;
    terminal.summary(&json!({ "file": own.file }), || {
        format!("{path} is written; next: basalt build {path}\n")
    })?;
    Ok(Status::Done)
}
