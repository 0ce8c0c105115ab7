//! What packages' maintainer scripts do: the facts behind `basalt effects`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use basalt_deb::deb;
use basalt_deb::packages::PackageRecord;
use basalt_deb::stanza::Stanza;
use basalt_effects::{Explanation, PackageScripts};
use basalt_fetch::distribution;
use basalt_spec::LoadedSpec;

use crate::control::scripts::explain;
use crate::error::BuildError;
use crate::project::project::Project;
use crate::resolve::archives::{self, Suite};
use crate::resolve::closures::{self, Offer, solve_all};
use crate::resolve::control::{control, request};
use crate::run::cause;
use crate::run::download::fetch;
use crate::run::session::Session;
use crate::run::stage::Stage;

/// Explains the scripts of packages of a spec's images, in the versions that its archives have now; of
/// all packages when none are named. Nothing is refused, and no lock is written.
///
/// # Errors
/// When an archive is refused, the spec cannot be solved, a package is in none of its images for the
/// architecture, or cannot be fetched or read.
pub fn explanations(
    session: &Session,
    project: &Project,
    architecture: &str,
    names: &[String],
) -> Result<Vec<Explanation>, BuildError> {
    let spec = &project.spec;
    if distribution::find(&spec.base.distribution, &spec.release).is_none() {
        return Err(BuildError::Spec(format!(
            "the release `{}` of {} is not known",
            spec.release, spec.base.distribution
        )));
    }
    let suites = archives::suites(session, project, None)?;
    let solved = session.stage(Stage::Solve, 0, || {
        let indexes = archives::indexes(session, &suites, &closures::architectures(spec))?;
        let offer = Offer {
            suites: &suites,
            indexes: &indexes,
            library: &project.library,
        };
        let solved = solve_all(project, offer)?;
        let result = format!("{} images", solved.len());
        Ok((solved, result))
    })?;
    let mut records: BTreeMap<&str, (&PackageRecord, &Suite)> = BTreeMap::new();
    let images = solved
        .iter()
        .filter(|image| image.architecture == architecture);
    for (record, suite) in images.flat_map(|image| image.packages.values()) {
        records.insert(&record.name, (record, &suites[*suite]));
    }
    for name in names {
        if !records.contains_key(name.as_str()) {
            return Err(BuildError::Spec(format!(
                "the package `{name}` is in no image of {} for {architecture}",
                spec.base.name
            )));
        }
    }
    let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    records.retain(|name, _| named.is_empty() || named.contains(name));
    let requests: Vec<_> = records
        .values()
        .map(|(record, suite)| request(record, suite))
        .collect();
    fetch(session, &requests)?;
    records
        .values()
        .map(|(record, suite)| {
            let digest = session.fetcher.digest_of(&request(record, suite))?;
            let control = control(session, record, &digest)?;
            let scripts = PackageScripts {
                package: &record.name,
                version: record.version.as_str(),
                architecture: &record.architecture,
                members: &control.members,
                paths: &[],
            };
            Ok(explain(&scripts, &spec.base))
        })
        .collect()
}

/// Explains the scripts of a package that is a file, as the spec's images would have it.
///
/// # Errors
/// When the file cannot be read, or is no package.
pub fn explanation_of_file(path: &Path, spec: &LoadedSpec) -> Result<Explanation, BuildError> {
    let local = |cause| BuildError::LocalFile {
        path: path.to_owned(),
        cause,
    };
    let refused = |error: &(dyn std::error::Error + 'static)| {
        cause::of_package(&path.display().to_string(), "(a file)", error)
    };
    let file = basalt_file::open(path).map_err(local)?;
    let control =
        deb::read_control(file, &deb::Limits::default()).map_err(|error| refused(&error))?;
    let stanza = Stanza::parse(&control.stanza).map_err(|error| refused(&error))?;
    let field = |name: &str| {
        stanza.get(name).ok_or_else(|| BuildError::Package {
            package: path.display().to_string(),
            version: "(a file)".to_owned(),
            cause: format!("its control file has no field `{name}`"),
        })
    };
    let scripts = PackageScripts {
        package: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        members: &control.members,
        paths: &[],
    };
    Ok(explain(&scripts, &spec.base))
}
