//! Where a path of an image came from: the record behind `basalt explain`.

use basalt_digest::Digest;
use basalt_lock::{ArchiveSnapshot, LockedPackage};
use basalt_spec::LoadedSpec;
use basalt_tree::{Kind, Owner, Source, TreePath};
use serde::Serialize;

use crate::commands::build::assembled;
use crate::error::BuildError;
use crate::plan::request::BuildRequest;
use crate::run::session::Session;

/// What stands at a path of an image, and who vouches for it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// The path asked for, links followed on the way to it.
    pub path: String,
    /// What stands there, in words.
    pub kind: String,
    /// Permission bits in octal.
    pub mode: String,
    /// Numeric owner and group.
    pub ids: (u32, u32),
    /// Digest of its content, for regular files.
    pub digest: Option<Digest>,
    /// Who brought it, in words.
    pub owner: String,
    /// Other packages that bring the same.
    pub shared_with: Vec<String>,
    /// The package behind it.
    pub package: Option<LockedPackage>,
    /// The signed Release file that vouches for the package.
    pub vouched: Option<ArchiveSnapshot>,
    /// The path the package has it at, where that differs.
    pub path_in_package: Option<String>,
}

/// Explains a path of an image; `None` when nothing stands there.
///
/// # Errors
/// As [`crate::build`].
pub fn origin(
    session: &Session,
    spec: &LoadedSpec,
    architecture: &str,
    variant: &str,
    path: &str,
) -> Result<Option<Origin>, BuildError> {
    let (lock, _, tree) = assembled(session, spec, &BuildRequest::of_one(architecture, variant))?;
    let wanted = TreePath::new(path)?;
    let place = tree.resolve_parent(&wanted)?;
    let Some(placed) = tree.get(&place) else {
        return Ok(None);
    };
    let name = match (&placed.source, &placed.owner) {
        (Source::Package { package, .. }, _) => Some(package),
        (_, Owner::Package(package) | Owner::Effect { package, .. }) => Some(package),
        _ => None,
    };
    let package = name
        .and_then(|name| lock.package(name, architecture))
        .cloned();
    let vouched = package
        .as_ref()
        .and_then(|package| lock.snapshot(&package.archive, &package.suite))
        .cloned();
    let path_in_package = match &placed.source {
        Source::Package { path, .. } if *path != place => Some(path.absolute()),
        _ => None,
    };
    let (kind, digest) = match &placed.entry.kind {
        Kind::Directory => ("a directory".to_owned(), None),
        Kind::File { size, digest } => (format!("a file of {size} bytes"), Some(*digest)),
        Kind::Symlink { target } => (format!("a link to {target}"), None),
        Kind::Hardlink { target } => (format!("another name of {target}"), None),
        Kind::Fifo => ("a named pipe".to_owned(), None),
    };
    Ok(Some(Origin {
        path: place.absolute(),
        kind,
        mode: format!("{:04o}", placed.entry.mode),
        ids: (placed.entry.uid, placed.entry.gid),
        digest,
        owner: placed.owner.to_string(),
        shared_with: placed.shared_with.clone(),
        package,
        vouched,
        path_in_package,
    }))
}

/// Paths of an image whose last name is this one: what was probably meant.
///
/// # Errors
/// As [`origin`].
pub fn paths_named(
    session: &Session,
    spec: &LoadedSpec,
    architecture: &str,
    variant: &str,
    name: &str,
) -> Result<Vec<String>, BuildError> {
    let (_, _, tree) = assembled(session, spec, &BuildRequest::of_one(architecture, variant))?;
    Ok(tree
        .iter()
        .filter(|(path, _)| path.name() == name)
        .map(|(path, _)| path.absolute())
        .collect())
}
