//! `basalt registry …`: what is done to a registry, to its folder from its own machine or over the network. One file a
//! subcommand.

mod backup;
mod events;
mod policy;
mod repair;
mod restore;
mod retention;
mod robot;
mod search;
mod session;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use basalt_client::{ClientError, Registry};
use basalt_registry::operations::{Observer, OperationError, Report};
use basalt_registry::service::{Options, Plan};
use clap::{Args, Subcommand};

use super::serve::default_root;
use crate::failure::{Failure, Status};
use crate::registries;
use crate::terminal::{Progress, Terminal, bytes};

/// What `registry` takes.
#[derive(Debug, Args)]
pub struct RegistryArguments {
    /// What to do.
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Compare all that a registry holds with what it says; a server may run
    Verify(verify::VerifyArguments),
    /// Put right what can be put right: a lost database, damaged blobs; no server may run
    Repair(repair::RepairArguments),
    /// Copy a registry into a folder; a server may run, and what is there already is not copied again
    Backup(backup::BackupArguments),
    /// Make a registry of a backup
    Restore(restore::RestoreArguments),
    /// Show which tags the rules of retention keep and which go, or delete those
    Retention(retention::RetentionArguments),
    /// Show which tags the policies deny or warn of, and why
    Policy(policy::PolicyArguments),
    /// Accounts of programs, each with rights and an end of its own
    Robot(robot::RobotArguments),
    /// Programs that people have logged in with their browsers
    Session(session::SessionArguments),
    /// Find the images that have a package
    Search(search::SearchArguments),
    /// Show how far hooks were told of changes, and what they did not take
    Events(events::EventsArguments),
}

/// Which registry.
#[derive(Debug, Clone, Args)]
struct Root {
    /// The registry's folder [default: basalt/registry in the user's data folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Which registry, be it in a folder or not.
#[derive(Debug, Clone, Args)]
struct Kept {
    #[command(flatten)]
    root: Root,
    /// The configuration of `basalt serve`: for a registry on a database server or in a bucket
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Kept {
    fn plan(&self) -> Result<Plan, Failure> {
        plan(&self.root, self.config.as_ref())
    }
}

/// What the server of this registry would be told.
fn plan(root: &Root, config: Option<&PathBuf>) -> Result<Plan, Failure> {
    Ok(Plan::new(&Options {
        root: root.root.clone(),
        default_root: default_root()?,
        config: config.cloned(),
        // Nothing listens here.
        without_tls: true,
        allow_anonymous: true,
        ..Options::default()
    })?)
}

pub(super) fn run(own: &RegistryArguments, terminal: &Terminal) -> Result<Status, Failure> {
    match &own.command {
        RegistryCommand::Verify(own) => verify::run(own, terminal),
        RegistryCommand::Repair(own) => repair::run(own, terminal),
        RegistryCommand::Backup(own) => backup::run(own, terminal),
        RegistryCommand::Restore(own) => restore::run(own, terminal),
        RegistryCommand::Retention(own) => retention::run(own, terminal),
        RegistryCommand::Policy(own) => policy::run(own, terminal),
        RegistryCommand::Robot(own) => robot::run(own, terminal),
        RegistryCommand::Session(own) => session::run(own, terminal),
        RegistryCommand::Search(own) => search::run(own, terminal),
        RegistryCommand::Events(own) => events::run(own, terminal),
    }
}

/// A registry that is asked over the network.
fn registry(
    host: &str,
    arguments: &crate::arguments::RegistryArguments,
) -> Result<Arc<Registry>, Failure> {
    let host = basalt_client::host(host).map_err(ClientError::Host)?;
    let client = registries::client(arguments, None)?;
    Ok(client.registry(&host))
}

/// A progress display that hears of an operation.
struct Shown(Progress);

impl Observer for Shown {
    fn stage(&self, name: &str, steps: u64) {
        self.0.stage(name, steps);
    }

    fn step(&self, what: &str) {
        self.0.advance(1, what);
    }
}

/// What was found, for people.
fn report_text(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        text.push_str(&format!("{}: {}\n", problem.object, problem.detail));
        if !problem.hurts.is_empty() {
            text.push_str(&format!("  hurts {}\n", problem.hurts.join(", ")));
        }
    }
    if report.problem_count > report.problems.len() as u64 {
        let more = report.problem_count - report.problems.len() as u64;
        text.push_str(&format!("and {more} more\n"));
    }
    if report.leftover_count > 0 {
        let length = report.leftovers.iter().map(|one| one.bytes).sum();
        text.push_str(&format!(
            "{} files belong to nothing, {}; a running server removes them\n",
            report.leftover_count,
            bytes(length)
        ));
    }
    text.push_str(&format!(
        "{} blobs, {} read; {} manifests; {} lines of the audit log; {} problems\n",
        report.blobs,
        bytes(report.blob_bytes),
        report.manifests,
        report.audit_lines,
        report.problem_count
    ));
    text
}

/// How a command ends that found this.
fn status(is_sound: bool) -> Status {
    match is_sound {
        true => Status::Done,
        false => Status::Trust,
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let help = error.help().map(str::to_owned);
        let status = match error {
            OperationError::NoRegistry { .. }
            | OperationError::NotEmpty { .. }
            | OperationError::Filled
            | OperationError::Within { .. } => Status::Usage,
            _ => Status::Failed,
        };
        let failure = Self::new(status, error);
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
