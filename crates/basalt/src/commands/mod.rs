//! One file a command.

mod attest;
mod attestations;
mod browser_login;
mod build;
mod cache;
mod completions;
mod copy;
mod delete;
mod diff;
mod effects;
mod explain;
mod init;
mod inspect;
mod key;
mod lock;
mod login;
mod logout;
mod man;
mod mirror;
mod pull;
mod push;
mod referrers;
#[cfg(feature = "server")]
mod registry;
mod reproduce;
mod sbom;
mod schema;
#[cfg(feature = "server")]
mod serve;
mod session;
mod sign;
mod slice;
mod tags;
mod vendor;
mod verify;
#[cfg(not(feature = "server"))]
mod without_server;
#[cfg(not(feature = "server"))]
use without_server::{registry, serve};

use clap::Subcommand;

pub(crate) use session::source_date_epoch;

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
    /// Build an image again from its own provenance, and compare the two
    Reproduce(reproduce::ReproduceArguments),
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
    /// Push an image and what refers to it (signatures, SBOMs) from a layout to a registry
    Push(push::PushArguments),
    /// Pull an image and what refers to it from a registry into a layout
    Pull(pull::PullArguments),
    /// Copy an image and what refers to it, between registries and layouts
    Copy(copy::CopyCommandArguments),
    /// Copy the tags of a repository that fit a pattern; what is there already costs nothing
    Mirror(mirror::MirrorArguments),
    /// List the tags of a repository
    Tags(tags::TagsArguments),
    /// List what refers to an image: signatures, SBOMs, attestations
    Referrers(referrers::ReferrersArguments),
    /// Delete a tag, or a manifest with all its tags, from a registry
    Delete(delete::DeleteArguments),
    /// Run a registry: one folder, one command
    Serve(serve::ServeArguments),
    /// Look after a registry: verify, repair, back up, restore its folder; its robots, sessions and packages
    Registry(registry::RegistryArguments),
    /// Keep a password for a registry, or a token got with a browser, where Docker and podman find it too
    Login(login::LoginArguments),
    /// Forget what is kept for a registry; a token is of no use from then on
    Logout(logout::LogoutArguments),
    /// Make keys that sign images
    Key(key::KeyArguments),
    /// Sign an image in a layout or a registry, as cosign does
    Sign(sign::SignArguments),
    /// Sign a statement about an image, and attach it: an SBOM, a provenance, any predicate
    Attest(attest::AttestArguments),
    /// List what is attached to an image, signed or not, by whichever tool
    Attestations(attestations::AttestationsArguments),
    /// Verify who signed an image and what is attested of it, by keys or by a policy
    Verify(verify::VerifyArguments),
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
        Command::Reproduce(own) => reproduce::run(own, global, terminal),
        Command::Vendor(own) => vendor::run(own, global, terminal),
        Command::Explain(own) => explain::run(own, global, terminal),
        Command::Effects(own) => effects::run(own, global, terminal),
        Command::Slice(own) => slice::run(own, global, terminal),
        Command::Inspect(own) => inspect::run(own, terminal),
        Command::Sbom(own) => sbom::run(own, terminal),
        Command::Diff(own) => diff::run(own, terminal),
        Command::Push(own) => push::run(own, terminal),
        Command::Pull(own) => pull::run(own, terminal),
        Command::Copy(own) => copy::run(own, terminal),
        Command::Mirror(own) => mirror::run(own, terminal),
        Command::Tags(own) => tags::run(own, terminal),
        Command::Referrers(own) => referrers::run(own, terminal),
        Command::Delete(own) => delete::run(own, terminal),
        Command::Serve(own) => serve::run(own, terminal),
        Command::Registry(own) => registry::run(own, terminal),
        Command::Login(own) => login::run(own, terminal),
        Command::Logout(own) => logout::run(own, terminal),
        Command::Key(own) => key::run(own, terminal),
        Command::Sign(own) => sign::run(own, terminal),
        Command::Attest(own) => attest::run(own, terminal),
        Command::Attestations(own) => attestations::run(own, terminal),
        Command::Verify(own) => verify::run(own, terminal),
        Command::Cache(own) => cache::run(own, global, terminal),
        Command::Schema(own) => schema::run(own, terminal),
        Command::Completions(own) => completions::run(own, terminal),
        Command::Man(own) => man::run(own, terminal),
    }
}
