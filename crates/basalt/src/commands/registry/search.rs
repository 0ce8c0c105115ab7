//! `basalt registry search HOST PACKAGE`.

use clap::Args;
use serde_json::{Value, json};

use super::registry;
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::terminal::{Terminal, table};

/// What `search` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt registry search registry.example liblzma5
  basalt registry search registry.example 'liblzma5 < 5.4'    # compared as Debian does
  basalt registry search registry.example 'openssl = 3.0.*'   # the package, or all built of this source
  basalt registry search localhost:5000 'python3*' --json

It finds what the bills of materials that are attached to images list, in repositories that you may pull from.")]
pub struct SearchArguments {
    /// A registry of `basalt serve`
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The package, or its source, and which versions: `liblzma5 < 5.4`
    #[arg(value_name = "PACKAGE", num_args = 1.., required = true)]
    query: Vec<String>,
    /// At most so many images
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &SearchArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let registry = registry(&own.host, &own.registries)?;
    let host = registry.host();
    let query = own.query.join(" ");
    let mut images: Vec<Value> = Vec::new();
    let mut page = 0;
    let (total, is_partial) = loop {
        page += 1;
        let part = registry.search_packages(&query, page)?;
        let some = part["images"].as_array().cloned().unwrap_or_default();
        let is_last = some.is_empty() || part["pages"].as_u64().is_none_or(|pages| page >= pages);
        images.extend(some);
        if is_last || images.len() >= own.limit {
            let total = part["total"].as_u64().unwrap_or(images.len() as u64);
            break (total, part["has-unordered"] == Value::Bool(true));
        }
    };
    images.truncate(own.limit);
    let document =
        json!({"query": query, "total": total, "has-unordered": is_partial, "images": images});
    terminal.answer(&document, || {
        let mut text = table(&images.iter().map(|one| row(host, one)).collect::<Vec<_>>());
        let shown = images.len() as u64;
        if shown < total {
            text.push_str(&format!("{} more; --limit shows more\n", total - shown));
        }
        if images.is_empty() {
            text.push_str("no image that you may see has it\n");
        }
        if is_partial {
            text.push_str("packages of this name that are not Debian's are left out: their versions are not compared\n");
        }
        text
    })?;
    Ok(Status::Done)
}

/// `HOST/NAME:TAG  sha256:…  NAME  VERSION`
fn row(host: &str, image: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let repository = text(&image["repository"]);
    let digest = text(&image["digest"]);
    let name = match image["tags"][0].as_str() {
        Some(tag) => format!("{host}/{repository}:{}", tag),
        None => format!("{host}/{repository}"),
    };
    vec![
        name,
        digest,
        text(&image["package"]["name"]),
        text(&image["package"]["version"]),
    ]
}
