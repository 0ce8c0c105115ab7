//! `basalt registry retention`.

use std::path::PathBuf;

use basalt_registry::operations::{self, Opened};
use basalt_registry::retention::{self, Decision};
use basalt_registry::server::now;
use clap::Args;
use serde_json::json;

use super::{Root, plan};
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry retention` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The rules are those of the configuration that `basalt serve` has:
  retention:
    - {repositories: [\"team/*\"], keep: {newest: 10, younger-than: 90 days, tags: [\"v*\"]}}

A tag stays that is immutable, or that one of these fits. A server that runs applies them by itself, each hour; without
one, this does. With --dry-run a server may run; where the registry is in no folder, always.")]
pub struct RetentionArguments {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    root: Root,
    /// Only show what would go and why, and what stays and by which rule
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(own: &RetentionArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let plan = plan(&own.root, Some(&own.config))?;
    let opened = match own.dry_run {
        true => Opened::of(&plan)?,
        false => Opened::to_change(&plan, plan.grace())?,
    };
    let metadata = opened.metadata();
    let (decisions, done) = operations::run(async {
        let rules = plan.retention();
        let decisions = retention::decide_all(metadata, rules, plan.policy(), now()).await?;
        let done = match own.dry_run {
            true => (0, 0),
            false => retention::apply(metadata, &decisions, "command line", now()).await?,
        };
        Ok((decisions, done))
    })?;
    let document = json!({
        "dry-run": own.dry_run,
        "decisions": decisions,
        "deleted-tags": done.0,
        "deleted-manifests": done.1,
    });
    terminal.answer(&document, || text(&decisions, own.dry_run, done))?;
    Ok(Status::Done)
}

fn text(decisions: &[Decision], dry_run: bool, done: (u64, u64)) -> String {
    let mut text = String::new();
    for one in decisions {
        let sign = if one.stays { ' ' } else { '-' };
        text.push_str(&format!(
            "{sign} {}:{}  {}\n",
            one.repository, one.tag, one.because
        ));
    }
    let going = decisions.iter().filter(|one| !one.stays).count();
    text.push_str(&match dry_run {
        true => format!("{going} tags would go, {} stay\n", decisions.len() - going),
        false => format!("{} tags are gone, {} manifests with them\n", done.0, done.1),
    });
    text
}
