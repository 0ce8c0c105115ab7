//! The packages of an image that are not whole in it.

use basalt_slice::REACHABLE;
use basalt_spec::LoadedSpec;
use serde::Serialize;

use crate::assemble::left_out;
use crate::commands::build::assembled;
use crate::error::BuildError;
use crate::plan::request::BuildRequest;
use crate::read::slice_filter::LeftOutPath;
use crate::run::session::Session;

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

/// The packages of which only slices are in an image, with what is left out of each: the record
/// that SBOM, VEX and `basalt explain` read.
///
/// # Errors
/// As [`crate::build`].
pub fn partial_packages(
    session: &Session,
    spec: &LoadedSpec,
    architecture: &str,
    variant: &str,
) -> Result<Vec<PartialPackage>, BuildError> {
    let request = BuildRequest::of_one(architecture, variant);
    let (lock, packages, tree) = assembled(session, spec, &request)?;
    let minimized = lock
        .image(architecture, variant)
        .is_some_and(|image| !image.kept.is_empty());
    if minimized {
        let partial = packages.into_iter().map(|(package, read)| PartialPackage {
            package,
            left_out: left_out::left_out(&tree, &read),
            version: read.listing.version,
            slices: vec![REACHABLE.to_owned()],
        });
        return Ok(partial.filter(|one| !one.left_out.is_empty()).collect());
    }
    let slices = lock.image(architecture, variant).map(|image| &image.slices);
    let named = slices.into_iter().flatten();
    Ok(named
        .filter_map(|(name, slices)| {
            let read = packages.get(name)?;
            Some(PartialPackage {
                package: name.clone(),
                version: read.listing.version.clone(),
                slices: slices.iter().cloned().collect(),
                left_out: read.left_out.clone(),
            })
        })
        .collect())
}
