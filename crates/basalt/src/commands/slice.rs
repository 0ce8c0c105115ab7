//! `basalt slice`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use basalt_build::{Project, SliceOutcome, SliceRequest};
use basalt_reach::{Proposal, Wish, propose};
use basalt_tree::{Owner, TreePath};
use clap::Args;
use serde_json::{Value, json};

use crate::arguments::{ArchiveArguments, GlobalArguments};
use crate::commands::session;
use crate::failure::{Failure, Status};
use crate::terminal::{Terminal, bytes};

/// What `slice` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
A root, or what is kept, is an absolute path or a pattern: `*` within a name, `**` across. A directory
stands for all that is in it. The definitions are in chisel's YAML; each line says why it is there, and
what only a run or a person can tell is listed at the end of each.

Examples:
  basalt slice curl
  basalt slice curl --roots /usr/bin/curl --why /usr/lib/x86_64-linux-gnu/libidn2.so.0
  basalt slice python3 --roots /usr/bin/python3 '/usr/lib/python3.13/http/**' --output slices
  basalt slice git --arch arm64 --json")]
pub struct SliceArguments {
    /// The packages, taken with all they depend on
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<String>,
    /// Where to begin [default: the packages' programs]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    roots: Vec<String>,
    /// What is kept too, with what it needs
    #[arg(long, value_name = "PATH", num_args = 1..)]
    keep: Vec<String>,
    /// What is not reached, whoever needs it
    #[arg(long, value_name = "PATH", num_args = 1..)]
    leave_out: Vec<String>,
    /// Explain one path, step by step, in place of the definitions
    #[arg(long, value_name = "PATH")]
    why: Option<String>,
    /// Write one file a package into this folder; files that are there are left alone
    #[arg(long, short, value_name = "DIR", conflicts_with = "why")]
    output: Option<PathBuf>,
    /// Release of the distribution
    #[arg(long, value_name = "NAME", default_value = "trixie")]
    release: String,
    /// The architecture [default: this machine's]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    #[command(flatten)]
    archives: ArchiveArguments,
}

pub(super) fn run(
    own: &SliceArguments,
    global: &GlobalArguments,
    terminal: &Terminal,
) -> Result<Status, Failure> {
    let architecture = own
        .arch
        .clone()
        .unwrap_or_else(|| session::host().to_owned());
    let text = json!({
        "name": "slice",
        "releases": [&own.release],
        "architectures": [&architecture],
        "packages": &own.packages,
    });
    let spec = basalt_spec::load_text(Path::new("slice.yaml"), &text.to_string(), None)?;
    let (session, progress) = session::open_for(&spec, &own.archives, global, terminal)?;
    let project = Project::open(spec)?;
    let request = SliceRequest {
        packages: own.packages.clone(),
        wish: Wish {
            roots: own.roots.clone(),
            keep: own.keep.clone(),
            leave_out: own.leave_out.clone(),
        },
    };
    let outcome = basalt_build::slice(&session, &project, &request)?;
    progress.finish();
    if let Some(path) = &own.why {
        why(&outcome, path, terminal)?;
        return Ok(Status::Done);
    }
    let proposals = propose(&outcome.tree, &architecture, &outcome.reach);
    if let Some(folder) = &own.output {
        write(folder, &proposals)?;
    }
    let document = facts(&outcome, &proposals);
    terminal.answer(&document, || match &own.output {
        Some(folder) => format!(
            "{} definitions in {}\n{}",
            proposals.len(),
            folder.display(),
            sizes(&outcome)
        ),
        None => {
            let texts: Vec<&str> = proposals.iter().map(|one| one.text.as_str()).collect();
            texts.join("---\n")
        }
    })?;
    Ok(Status::Done)
}

/// One file a package; none is written when one of them is there.
fn write(folder: &Path, proposals: &[Proposal]) -> Result<(), Failure> {
    let file = |one: &Proposal| folder.join(format!("{}.yaml", one.package));
    let there = |file: &PathBuf| file.symlink_metadata().is_ok();
    if let Some(there) = proposals.iter().map(file).find(there) {
        let message = format!("{} is there already", there.display());
        return Err(Failure::new(Status::Failed, message)
            .help("name another folder with `--output`, or move it away"));
    }
    let failed = |file: &Path, cause: std::io::Error| {
        Failure::new(Status::Failed, format!("{}: {cause}", file.display()))
    };
    std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
    for one in proposals {
        let file = file(one);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&file)
            .and_then(|mut open| open.write_all(one.text.as_bytes()))
            .map_err(|cause| failed(&file, cause))?;
    }
    Ok(())
}

fn why(outcome: &SliceOutcome, path: &str, terminal: &Terminal) -> Result<(), Failure> {
    let failed = |message: String| Failure::new(Status::Failed, message);
    let wanted = TreePath::new(path).map_err(|error| failed(error.to_string()))?;
    let real = outcome
        .tree
        .resolve_parent(&wanted)
        .map_err(|error| failed(error.to_string()))?;
    let chain = outcome.reach.chain(&real);
    if chain.is_empty() {
        let help = match (
            outcome.tree.contains(&real),
            outcome.reach.left_out.get(&real),
        ) {
            (_, Some(from)) => format!("{from} leads to it, and `--leave-out` leaves it out"),
            (true, None) => "nothing that was followed leads to it".to_owned(),
            (false, None) => "no package that was resolved has it".to_owned(),
        };
        return Err(failed(format!("{real} is not reached")).help(help));
    }
    let steps: Vec<Value> = chain
        .iter()
        .map(|(path, reached)| {
            json!({
                "path": path.absolute(),
                "reason": reached.reason.to_string(),
                "certain": reached.certain,
            })
        })
        .collect();
    terminal.answer(&steps, || {
        let mut text = String::new();
        for (path, reached) in &chain {
            let perhaps = if reached.certain { "" } else { " (perhaps)" };
            text.push_str(&format!("{path}\n  {}{perhaps}\n", reached.reason));
        }
        text
    })
}

/// Bytes reached, and bytes there are.
fn totals(outcome: &SliceOutcome) -> (u64, u64) {
    let size = |path: &TreePath| {
        outcome
            .tree
            .get(path)
            .map_or(0, |placed| placed.entry.size())
    };
    let reached = outcome.reach.reached.keys().map(size).sum();
    let all = outcome
        .tree
        .iter()
        .map(|(_, placed)| placed.entry.size())
        .sum();
    (reached, all)
}

fn sizes(outcome: &SliceOutcome) -> String {
    let (reached, all) = totals(outcome);
    format!(
        "{} of {} are reached, {} questions\n",
        bytes(reached),
        bytes(all),
        outcome.reach.questions.len()
    )
}

/// Everything, for machines.
fn facts(outcome: &SliceOutcome, proposals: &[Proposal]) -> Value {
    let absolute = |paths: &mut dyn Iterator<Item = &TreePath>| -> Vec<String> {
        paths.map(TreePath::absolute).collect()
    };
    let files: Vec<Value> = outcome
        .reach
        .reached
        .iter()
        .map(|(path, reached)| {
            let placed = outcome.tree.get(path);
            let package = placed.and_then(|placed| match &placed.owner {
                Owner::Package(name) => Some(name),
                _ => None,
            });
            json!({
                "path": path.absolute(),
                "package": package,
                "size": placed.map_or(0, |placed| placed.entry.size()),
                "reason": reached.reason.to_string(),
                "from": reached.from.as_ref().map(TreePath::absolute),
                "certain": reached.certain,
            })
        })
        .collect();
    let questions: Vec<Value> = outcome
        .reach
        .questions
        .iter()
        .map(|question| {
            json!({
                "text": question.text,
                "about": question.about.as_ref().map(TreePath::absolute),
                "seen": absolute(&mut question.seen.iter()),
            })
        })
        .collect();
    let absent: serde_json::Map<String, Value> = outcome
        .reach
        .absent
        .iter()
        .map(|(name, seen)| (name.clone(), json!(absolute(&mut seen.iter()))))
        .collect();
    let definitions: serde_json::Map<String, Value> = proposals
        .iter()
        .map(|one| (one.package.clone(), json!(one.text)))
        .collect();
    let (reached, all) = totals(outcome);
    json!({
        "roots": outcome.roots,
        "size": { "reached": reached, "all": all },
        "files": files,
        "questions": questions,
        "absent": absent,
        "left-out": absolute(&mut outcome.reach.left_out.keys()),
        "definitions": definitions,
    })
}
