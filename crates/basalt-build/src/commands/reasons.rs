//! Why each package is in an image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use basalt_deb::packages::{self, CompiledIndex};
use basalt_fetch::Request;
use basalt_lock::{Lock, LockedImage, LockedPackage};
use basalt_slice::Target;
use basalt_solve::{Closure, Why};

use crate::error::BuildError;
use crate::project::project::Project;
use crate::project::slice_library;
use crate::read::gather::request_of;
use crate::resolve::archives::Index;
use crate::resolve::closures::{Offer, OfferedSuite, Solver};
use crate::resolve::control::locked_control;
use crate::run::cause::chain;
use crate::run::download::fetch;
use crate::run::session::Session;

/// Why each package is in an image, in words, by package name: solved again from what the lock names alone, so that
/// reasons and versions are of one day.
///
/// # Errors
/// When the lock has no such image, a package cannot be fetched or read, or the locked packages do not meet the spec.
pub fn reasons(
    session: &Session,
    project: &Project,
    lock: &Lock,
    architecture: &str,
    variant: &str,
) -> Result<BTreeMap<String, Vec<String>>, BuildError> {
    let spec = &project.spec;
    let image = spec.image(variant).ok_or_else(|| {
        BuildError::Spec(format!(
            "{} has no variant `{variant}`",
            spec.path.display()
        ))
    })?;
    let title = project.title(architecture, variant);
    let locked = lock
        .image(architecture, variant)
        .ok_or_else(|| BuildError::LockMoved {
            path: project.lock_path.clone(),
            why: format!("it lacks {title}"),
        })?;
    let indexes = indexes(session, lock, locked)?;
    let offer = Offer {
        suites: vec![OfferedSuite {
            archive: "lock",
            suite: &lock.release,
            priority: 500,
        }],
        indexes: &indexes,
        library: &project.library,
    };
    let solver = Solver::new(&offer, spec, image, architecture, title);
    let closure = session.threads.install(|| solver.closure())?;
    let target = Target {
        release: &spec.release,
        architecture,
    };
    let named = slice_library::named(image, target);
    Ok(in_words(closure, locked, &named.into_keys().collect()))
}

/// The locked packages of an image as indexes, one for each architecture.
fn indexes(session: &Session, lock: &Lock, locked: &LockedImage) -> Result<Vec<Index>, BuildError> {
    let packages: Vec<&LockedPackage> = lock.packages_of(locked).collect();
    let requests: Vec<Request> = packages.iter().map(|one| request_of(lock, one)).collect();
    fetch(session, &requests)?;
    let mut stanzas: BTreeMap<&str, String> = BTreeMap::new();
    for package in packages {
        let control = locked_control(session, package)?;
        let architecture = match package.architecture.as_str() {
            "all" => &locked.architecture,
            own => own,
        };
        let text = stanzas.entry(architecture).or_default();
        // What an index says of a package beside its control file.
        let _ = writeln!(
            text,
            "{}\nFilename: {}\nSize: {}\nSHA256: {}\n",
            control.stanza.trim_end(),
            package.path,
            package.size,
            package.sha256.hex()
        );
    }
    let index = |(architecture, text): (&str, String)| {
        let malformed = |cause: String| BuildError::Malformed {
            archive: "lock".to_owned(),
            suite: lock.release.clone(),
            cause,
        };
        let compiled = packages::compile(text.as_bytes(), architecture)
            .map_err(|error| malformed(chain(&error)))?;
        Ok(Index {
            suite: 0,
            architecture: architecture.to_owned(),
            path: "packages".to_owned(),
            index: CompiledIndex::open(compiled).map_err(|error| malformed(error.to_string()))?,
        })
    };
    stanzas.into_iter().map(index).collect()
}

/// `named` are the packages of which the spec itself takes slices.
fn in_words(
    closure: Closure,
    locked: &LockedImage,
    named: &BTreeSet<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in &locked.packages {
        let why = match locked.slices.get(name) {
            Some(slices) => {
                let list = Vec::from_iter(slices.iter().map(String::as_str)).join(", ");
                match named.contains(name) {
                    true => format!("the spec wants slices of it; in the image are {list}"),
                    false => format!("slices of other packages bring slices of it: {list}"),
                }
            }
            None => "the spec wants it, without what it depends on".to_owned(),
        };
        reasons.insert(name.clone(), vec![why]);
    }
    for chosen in closure.packages {
        let why = chosen.why.iter().map(|why| match why {
            Why::Wanted => "the spec wants it".to_owned(),
            Why::Essential => "it is Essential, and the spec asks for that set".to_owned(),
            Why::DependsOf { package, relation } => format!("{package} depends on {relation}"),
            Why::RecommendsOf { package, relation } => format!("{package} recommends {relation}"),
        });
        let why: Vec<String> = why.collect();
        match locked.slices.contains_key(&chosen.name) {
            true => reasons.entry(chosen.name.clone()).or_default().extend(why),
            false => drop(reasons.insert(chosen.name.clone(), why)),
        }
    }
    reasons
}
