//! `basalt mirror SRC DST`.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::arguments::{CopyArguments, RegistryArguments};
use crate::failure::{Failure, Status};
use crate::interruption;
use crate::reference::Reference;
use crate::registries;
use crate::terminal::Terminal;
use crate::transfer::{Done, Transfer};

/// What `mirror` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt mirror registry.example/team/base mirror.example/base
  basalt mirror debian mirror.example/debian --tag 'trixie*' --tag '13.*'

Tags of DST that SRC does not have stay. Run again, it copies what has changed.")]
pub struct MirrorArguments {
    /// The repository: HOST/REPOSITORY, or a layout
    #[arg(value_name = "SRC")]
    source: String,
    /// Where it goes: HOST/REPOSITORY
    #[arg(value_name = "DST")]
    destination: String,
    /// Only tags that fit this pattern, in which * stands for anything; may repeat
    #[arg(long = "tag", value_name = "PATTERN")]
    tags: Vec<String>,
    #[command(flatten)]
    copy: CopyArguments,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &MirrorArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let source = repository(&own.source)?;
    let destination = repository(&own.destination)?;
    if destination.in_registry()?.is_none() {
        let message = format!(
            "`{}` is a layout; a mirror is a repository",
            own.destination
        );
        return Err(Failure::new(Status::Usage, message).help("into a layout: basalt copy"));
    }
    interruption::watch(terminal.json())?;
    let progress = Arc::new(terminal.progress());
    let client = registries::client(&own.registries, Some(progress.clone()))?;
    let mut tags = source.clone().open_with(&client)?.store.tags()?;
    // Signatures and lists of referrers come with what they belong to.
    tags.retain(|tag| {
        let fits = own.tags.is_empty() || own.tags.iter().any(|pattern| fits(pattern, tag));
        fits && !tag.starts_with("sha256-")
    });
    if tags.is_empty() {
        let message = format!("no tag of {} fits", own.source);
        return Err(Failure::new(Status::Failed, message)
            .help(format!("basalt tags {} lists them", own.source)));
    }
    progress.stage("mirror", tags.len() as u64);
    let transfer = Transfer {
        client: &client,
        arguments: &own.copy,
        progress: &progress,
    };
    let mut done: Vec<Done> = Vec::new();
    for tag in &tags {
        let (from, to) = (source.with_tag(tag), destination.with_tag(tag));
        done.push(transfer.run(from, &to)?);
        progress.advance(1, tag);
    }
    progress.finish();
    let documents: Vec<_> = done.iter().map(Done::document).collect();
    let document = json!({"images": documents, "warnings": client.warnings()});
    terminal.summary(&document, || done.iter().map(Done::text).collect())?;
    Ok(Status::Done)
}

/// A repository, without a tag or a digest.
fn repository(text: &str) -> Result<Reference, Failure> {
    let reference = Reference::parse(text)?;
    if reference.tag().is_some() || reference.digest().is_some() {
        let message = format!("`{text}` names one image, not a repository");
        return Err(Failure::new(Status::Usage, message)
            .help("leave out the tag and the digest; --tag PATTERN chooses tags"));
    }
    Ok(reference)
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a"),
            ("trixie*", "trixie-slim"),
            ("*-slim", "trixie-slim"),
            ("13.*-s*m", "13.1-slim"),
            ("a", "a"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", "ab"),
            ("trixie*", "bookworm"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
