//! `basalt tags REPOSITORY`.

use clap::Args;
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::registries;
use crate::terminal::Terminal;

/// What `tags` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt tags registry.example/team/base
  basalt tags debian --json
  basalt tags ./out/base")]
pub struct TagsArguments {
    /// HOST/REPOSITORY, or a layout
    #[arg(value_name = "REPOSITORY")]
    repository: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &TagsArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let reference = Reference::parse(&own.repository)?;
    if reference.tag().is_some() || reference.digest().is_some() {
        let message = format!("`{}` names one image, not a repository", own.repository);
        return Err(Failure::new(Status::Usage, message).help("leave out the tag and the digest"));
    }
    let client = registries::client(&own.registries, None)?;
    let named = reference.open_with(&client)?;
    let tags = named.store.tags()?;
    let document = json!({"repository": named.store.place(), "tags": tags});
    terminal.answer(&document, || {
        let lines = tags.iter().map(|tag| basalt_escape::line(tag) + "\n");
        lines.collect()
    })?;
    Ok(Status::Done)
}
