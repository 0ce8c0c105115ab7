//! `basalt referrers REF`.

use basalt_oci::Descriptor;
use clap::Args;
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Reference;
use crate::registries;
use crate::terminal::{Terminal, bytes};

/// What `referrers` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt referrers registry.example/team/base:trixie
  basalt referrers registry.example/team/base:trixie --artifact-type application/spdx+json
  basalt referrers ./out/base --json")]
pub struct ReferrersArguments {
    /// HOST/REPOSITORY[:TAG][@DIGEST], or a layout, PATH[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    reference: String,
    /// Only those of this artifact type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &ReferrersArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let reference = Reference::parse(&own.reference)?;
    let client = registries::client(&own.registries, None)?;
    let repository = reference
        .in_registry()?
        .map(|named| client.repository(&named))
        .transpose()?;
    let named = reference.open_with(&client)?;
    let image = named.target()?;
    let wanted = own.artifact_type.as_deref();
    let found = match &repository {
        // The registry can leave out the others by itself.
        Some(repository) => repository.list_referrers(&image.digest, wanted)?,
        None => {
            let mut found = named.store.referrers(&image.digest)?;
            found
                .retain(|one| wanted.is_none_or(|kind| one.artifact_type.as_deref() == Some(kind)));
            found
        }
    };
    let document = json!({
        "place": named.store.place(),
        "subject": image.digest,
        "referrers": found,
    });
    terminal.answer(&document, || found.iter().map(text).collect())?;
    Ok(Status::Done)
}

fn text(referrer: &Descriptor) -> String {
    let kind = basalt_escape::line(referrer.artifact_type.as_deref().unwrap_or(""));
    let size = bytes(referrer.size);
    let mut text = format!("{}  {kind}  {size}\n", referrer.digest);
    for (key, value) in &referrer.annotations {
        let annotation = format!("{key}={value}");
        text.push_str(&format!("    {}\n", basalt_escape::line(&annotation)));
    }
    text
}
