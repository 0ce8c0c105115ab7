//! One file a command.

mod build;
mod cache;
mod completions;
mod diff;
mod effects;
mod explain;
mod init;
mod inspect;
mod lock;
mod man;
mod sbom;
mod schema;
mod session;
mod slice;
mod vendor;

use clap::Subcommand;

use crate::arguments::Arguments;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// The commands, in the order `--help` shows them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a starter image spec, with comments
    Init(init::InitArguments),
    /// Resolve a spec against its archives as they are now, and write the lock beside it
    Lock(lock::LockArguments),
    /// Build the images of a spec: lock if need be, fetch, verify, assemble, pack
    Build(build::BuildArguments),
    /// Save everything that the lock of a spec names, to build without the archive
    Vendor(vendor::VendorArguments),
    /// Say why a package is in an image, or where a path of it came from
    Explain(explain::ExplainArguments),
    /// Say what packages' maintainer scripts do, line by line, and which lines nothing explains
    Effects(effects::EffectsArguments),
    /// Propose slices of packages: what their programs reach, and why
    Slice(slice::SliceArguments),
    /// Show what an image is: its platforms, layers and how it runs
    Inspect(inspect::InspectArguments),
    /// Show the bill of materials that an image carries: packages, versions, licences, files
    Sbom(sbom::SbomArguments),
    /// Compare two locks, or two images: packages, files, modes, config
    Diff(diff::DiffArguments),
    /// Look after the cache
    Cache(cache::CacheArguments),
    /// Write the JSON Schema of the image spec, or its reference, to the standard output
    Schema(schema::SchemaArguments),
    /// Write the completions of a shell to the standard output
    Completions(completions::CompletionsArguments),
    /// Write the manual pages into a folder
    Man(man::ManArguments),
}

/// Runs the command.
///
/// # Errors
/// Whatever the command fails with.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Status, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Init(own) => init::run(own, terminal),
        Command::Lock(own) => lock::run(own, global, terminal),
        Command::Build(own) => build::run(own, global, terminal),
        Command::Vendor(own) => vendor::run(own, global, terminal),
        Command::Explain(own) => explain::run(own, global, terminal),
        Command::Effects(own) => effects::run(own, global, terminal),
        Command::Slice(own) => slice::run(own, global, terminal),
        Command::Inspect(own) => inspect::run(own, terminal),
        Command::Sbom(own) => sbom::run(own, terminal),
        Command::Diff(own) => diff::run(own, terminal),
        Command::Cache(own) => cache::run(own, global, terminal),
        Command::Schema(own) => schema::run(own, terminal),
        Command::Completions(own) => completions::run(own, terminal),
        Command::Man(own) => man::run(own, terminal),
    }
}
