//! `basalt schema`.

use clap::Args;

use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `schema` takes.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// The reference for people, in Markdown, in place of the schema
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// The schema of a policy of `basalt verify`, in place of the spec's
    #[arg(long, conflicts_with = "markdown")]
    pub policy: bool,
}

pub(super) fn run(own: &SchemaArguments, terminal: &Terminal) -> Result<Status, Failure> {
    if own.markdown {
        terminal.write(basalt_spec::reference().as_bytes())?;
    } else {
        let schema = match own.policy {
            true => basalt_attest::policy::schema(),
            false => basalt_spec::schema(),
        };
        let mut bytes = serde_json::to_vec_pretty(&schema)?;
        bytes.push(b'\n');
        terminal.write_document(&bytes)?;
    }
    Ok(Status::Done)
}
