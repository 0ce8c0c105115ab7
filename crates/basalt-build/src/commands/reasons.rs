//! Why each package is in an image.

use std::collections::BTreeMap;

use basalt_slice::Target;
use basalt_solve::Why;
use basalt_spec::LoadedSpec;

use crate::error::BuildError;
use crate::project::slice_library;
use crate::resolve::archives;
use crate::resolve::closures::{architectures, solve};
use crate::run::session::Session;

/// Why each package is in an image, in words, by package name.
///
/// # Errors
/// As [`lock`].
pub fn reasons(
    session: &Session,
    spec: &LoadedSpec,
    architecture: &str,
    variant: &str,
) -> Result<BTreeMap<String, Vec<String>>, BuildError> {
    let image = spec.image(variant).ok_or_else(|| {
        BuildError::Spec(format!(
            "{} has no variant `{variant}`",
            spec.path.display()
        ))
    })?;
    let suites = archives::suites(session, spec, None)?;
    let indexes = session
        .threads
        .install(|| archives::indexes(session, &suites, &architectures(spec)))?;
    let library = slice_library::library(spec)?;
    let found = solve(
        spec,
        &suites,
        &indexes,
        &library,
        architecture,
        variant,
        image,
    )?;
    let target = Target {
        release: &spec.release,
        architecture,
    };
    let named = slice_library::named(image, target);
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in found.packages.into_keys() {
        let why = match found.slices.get(&name) {
            Some(slices) => {
                let list = Vec::from_iter(slices.iter().map(String::as_str)).join(", ");
                match named.contains_key(&name) {
                    true => format!("the spec wants slices of it; in the image are {list}"),
                    false => format!("slices of other packages bring slices of it: {list}"),
                }
            }
            None => "the spec wants it, without what it depends on".to_owned(),
        };
        reasons.insert(name, vec![why]);
    }
    for chosen in found.closure.packages {
        let why = chosen.why.iter().map(|why| match why {
            Why::Wanted => "the spec wants it".to_owned(),
            Why::Essential => "it is Essential, and the spec asks for that set".to_owned(),
            Why::DependsOf { package, relation } => format!("{package} depends on {relation}"),
            Why::RecommendsOf { package, relation } => format!("{package} recommends {relation}"),
        });
        let why: Vec<String> = why.collect();
        match found.slices.contains_key(&chosen.name) {
            true => reasons.entry(chosen.name.clone()).or_default().extend(why),
            false => drop(reasons.insert(chosen.name.clone(), why)),
        }
    }
    Ok(reasons)
}
