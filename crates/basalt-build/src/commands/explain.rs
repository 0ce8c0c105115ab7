//! What stands where in an image, and where it came from: the record behind `basalt explain`.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;
use basalt_lock::{ArchiveSnapshot, Lock, LockedPackage};
use basalt_slice::REACHABLE;
use basalt_tree::{Kind, Owner, Source, Tree, TreePath};
use serde::Serialize;

use crate::assemble::images::assemble_all;
use crate::assemble::left_out;
use crate::commands::build::current_lock;
use crate::error::BuildError;
use crate::plan::job::{Job, jobs};
use crate::plan::request::BuildRequest;
use crate::project::project::Project;
use crate::read::package::ReadPackage;
use crate::read::slice_filter::LeftOutPath;
use crate::run::session::Session;
use crate::run::stage::CacheReport;

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

/// What an image has of a package of which only slices are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartialPackage {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The slices that are in the image.
    pub slices: Vec<String>,
    /// What the slices leave out, in the order of the package.
    pub left_out: Vec<LeftOutPath>,
}

/// An image put together and not packed, to be asked what stands where in it.
pub struct AssembledImage {
    lock: Lock,
    architecture: String,
    variant: String,
    packages: BTreeMap<String, ReadPackage>,
    tree: Tree,
}

impl AssembledImage {
    /// Puts the image of a project for one architecture together, as [`crate::build`] would pack it.
    ///
    /// # Errors
    /// As [`crate::build`].
    pub fn assemble(
        session: &Session,
        project: &Project,
        architecture: &str,
        variant: &str,
    ) -> Result<Self, BuildError> {
        let request = BuildRequest::of_one(architecture, variant);
        let lock = current_lock(session, project, request.locked)?;
        let jobs = jobs(session, project, &lock, &request)?;
        let jobs: Vec<&Job<'_>> = jobs.iter().collect();
        let trees = assemble_all(session, &lock, &jobs, &mut CacheReport::default())?;
        let only = trees.into_iter().next();
        let (packages, tree) = only
            .map(|(packages, assembled)| (packages, assembled.tree))
            .unwrap_or_default();
        Ok(Self {
            lock,
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            packages,
            tree,
        })
    }

    /// Explains a path; `None` when nothing stands there.
    ///
    /// # Errors
    /// When the path is malformed, or leads through too many links.
    pub fn origin(&self, path: &str) -> Result<Option<Origin>, BuildError> {
        let place = self.tree.resolve_parent(&TreePath::new(path)?)?;
        let Some(placed) = self.tree.get(&place) else {
            return Ok(None);
        };
        let name = match (&placed.source, &placed.owner) {
            (Source::Package { package, .. }, _) => Some(package),
            (_, Owner::Package(package) | Owner::Effect { package, .. }) => Some(package),
            _ => None,
        };
        let package = name
            .and_then(|name| self.lock.package(name, &self.architecture))
            .cloned();
        let vouched = package
            .as_ref()
            .and_then(|package| self.lock.snapshot(&package.archive, &package.suite))
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

    /// Paths whose last name is this one: what was probably meant.
    pub fn paths_named(&self, name: &str) -> Vec<String> {
        let paths = self.tree.iter().map(|(path, _)| path);
        let same = paths.filter(|path| path.name() == name);
        same.map(TreePath::absolute).collect()
    }

    /// The packages of which only slices are in the image, with what is left out of each: the record
    /// that SBOM, VEX and `basalt explain` read.
    pub fn partial_packages(&self) -> Vec<PartialPackage> {
        let Some(image) = self.lock.image(&self.architecture, &self.variant) else {
            return Vec::new();
        };
        if !image.kept.is_empty() {
            let partial = self.packages.iter().map(|(package, read)| PartialPackage {
                package: package.clone(),
                version: read.listing.version.clone(),
                slices: vec![REACHABLE.to_owned()],
                left_out: left_out::left_out(&self.tree, read),
            });
            return partial.filter(|one| !one.left_out.is_empty()).collect();
        }
        let of_one = |(name, slices): (&String, &BTreeSet<String>)| {
            let read = self.packages.get(name)?;
            Some(PartialPackage {
                package: name.clone(),
                version: read.listing.version.clone(),
                slices: slices.iter().cloned().collect(),
                left_out: read.left_out.clone(),
            })
        };
        image.slices.iter().filter_map(of_one).collect()
    }
}
