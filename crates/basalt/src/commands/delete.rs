//! `basalt delete REF`.

use basalt_client::ClientError;
use clap::Args;
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::registries;
use crate::terminal::Terminal;

/// What `delete` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt delete registry.example/team/base:old             the tag; the manifest stays
  basalt delete registry.example/team/base@sha256:…        the manifest, and all tags that point at it
  basalt delete registry.example/team/base:old --manifest  likewise, found by a tag

Blobs go when the registry next collects what nothing leads to.")]
pub struct DeleteArguments {
    /// HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST
    #[arg(value_name = "REF")]
    reference: String,
    /// Delete the manifest that the tag points at, and with it all its tags
    #[arg(long)]
    manifest: bool,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &DeleteArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let reference = Reference::parse(&own.reference)?;
    let Some(named) = reference.in_registry()? else {
        let message = format!(
            "`{}` is a layout; only registries are deleted from",
            own.reference
        );
        return Err(Failure::new(Status::Usage, message));
    };
    let client = registries::client(&own.registries, None)?;
    let repository = client.repository(&named)?;
    let (tag, digest) = match (named.tag(), named.digest()) {
        (None, None) => {
            let message = format!("`{}` names neither a tag nor a digest", own.reference);
            return Err(Failure::new(Status::Usage, message)
                .help("a whole repository is never deleted; name what is to go"));
        }
        (Some(_), Some(_)) => {
            let message = format!("`{}` names a tag and a digest", own.reference);
            return Err(Failure::new(Status::Usage, message).help("name one of them"));
        }
        (None, Some(digest)) => (None, Some(digest)),
        (Some(tag), None) if own.manifest => {
            let found = repository.find(tag)?.ok_or_else(|| ClientError::NotFound {
                place: named.name(),
                what: format!("tag `{tag}`"),
            })?;
            (Some(tag), Some(found.digest))
        }
        (Some(tag), None) => (Some(tag), None),
    };
    match (tag, digest) {
        (Some(tag), None) => repository.delete_tag(tag).map_err(|error| {
            let unsupported = matches!(
                error,
                ClientError::Status {
                    status: 400 | 405,
                    ..
                }
            );
            let failure = Failure::from(error);
            match unsupported {
                true => failure.help(
                    "this registry does not delete single tags; --manifest deletes the manifest with all its tags",
                ),
                false => failure,
            }
        })?,
        (_, Some(digest)) => repository.delete_manifest(&digest)?,
        (None, None) => {}
    }
    let document = json!({
        "repository": named.name(),
        "tag": tag,
        "digest": digest,
    });
    terminal.summary(&document, || match digest {
        Some(digest) => format!("deleted {}@{digest}\n", named.name()),
        None => format!("deleted {}:{}\n", named.name(), tag.unwrap_or_default()),
    })?;
    Ok(Status::Done)
}
