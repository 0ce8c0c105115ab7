//! The packages of an image, with what replaces what.

use std::collections::BTreeMap;

use basalt_deb::relation::{Dependency, parse_dependencies};
use basalt_deb::stanza::Stanza;
use basalt_deb::version::Version;
use basalt_tree::{PackageEntries, Tree};

use crate::error::BuildError;
use crate::read::package::ReadPackage;

/// Inserts all packages, with the `Replaces` among them.
pub(crate) fn insert(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
) -> Result<(), BuildError> {
    let mut replaces: BTreeMap<&str, Vec<Dependency>> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Version> = BTreeMap::new();
    for (name, read) in packages {
        let fail = |cause: String| BuildError::Package {
            package: name.clone(),
            version: read.listing.version.clone(),
            cause,
        };
        let stanza =
            Stanza::parse(&read.listing.stanza).map_err(|error| fail(error.to_string()))?;
        let field = stanza.get("Replaces").unwrap_or("");
        let parsed = parse_dependencies(field, &read.listing.architecture)
            .map_err(|error| fail(error.to_string()))?;
        replaces.insert(name, parsed);
        versions.insert(
            name,
            Version::new(&read.listing.version).map_err(|error| fail(error.to_string()))?,
        );
    }
    let wins = |winner: &str, loser: &str| {
        replaces
            .get(winner)
            .into_iter()
            .flatten()
            .flat_map(|one| &one.alternatives)
            .any(|one| {
                one.name == loser
                    && one.constraint.as_ref().is_none_or(|constraint| {
                        versions
                            .get(loser)
                            .is_some_and(|version| constraint.is_met_by(version))
                    })
            })
    };
    let entries: Vec<PackageEntries<'_>> = packages
        .iter()
        .map(|(name, read)| PackageEntries {
            name,
            entries: &read.listing.entries,
        })
        .collect();
    tree.insert_packages(&entries, &wins)?;
    Ok(())
}
