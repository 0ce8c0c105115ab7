//! `basalt registry policy`.

use std::path::PathBuf;
use std::sync::Arc;

use basalt_escape::line;
use basalt_registry::operations::{self, Opened};
use basalt_registry::server::now;
use basalt_registry::verdict::{self, Consequence, Decision, Occasion};
use clap::Args;
use serde_json::json;

use super::{Root, plan};
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `registry policy` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The policies are those of a configuration of `basalt serve`, be it that a server has them already or not:
  policies:
    - {name: signed, repositories: [\"prod/**\"], on: [pull], require: {signature: {keys: [cosign.pub]}}, else: deny}

Nothing is changed, and a server may run: so one sees what a policy would do before it does it. Those of pushes are held
against what is there as if it were pushed now. Whom a policy excepts is not looked at.")]
pub struct PolicyArguments {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    root: Root,
}

pub(super) fn run(own: &PolicyArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let plan = plan(&own.root, Some(&own.config))?;
    let (metadata, blobs) = Opened::of(&plan)?.into_stores();
    let policies = Arc::new(plan.policies());
    let decisions = operations::run(async {
        Ok(verdict::decide_all(&policies, &metadata, &blobs, now()).await?)
    })?;
    let document = json!({"decisions": decisions});
    terminal.answer(&document, || text(&decisions))?;
    Ok(Status::Done)
}

fn text(decisions: &[Decision]) -> String {
    let mut text = String::new();
    let (mut denied, mut warned) = (0, 0);
    for one in decisions {
        let is_denied = |breach: &verdict::Breach| breach.consequence == Consequence::Deny;
        match one.breaches.iter().any(is_denied) {
            true => denied += 1,
            false => warned += usize::from(!one.breaches.is_empty()),
        }
        for breach in &one.breaches {
            let sign = if is_denied(breach) { '-' } else { '!' };
            let on = match one.on {
                Occasion::Pull => "pull",
                Occasion::Push => "push",
            };
            text.push_str(&format!(
                "{sign} {}:{}  {on}  {}: {}\n",
                one.repository,
                one.tag,
                breach.policy,
                line(&breach.found)
            ));
        }
    }
    let passed = decisions.len() - denied - warned;
    text.push_str(&format!(
        "{denied} would be denied, {warned} warned of, {passed} pass\n"
    ));
    text
}
