//! Why each package is in an image.

use std::collections::BTreeMap;

use basalt_deb::deb::Control;
use basalt_deb::relation::Possibility;
use basalt_fetch::Request;
use basalt_lock::{Lock, LockedPackage};
use basalt_slice::Target;
use basalt_spec::{ImageSpec, WantedPackage};

use crate::control::relations::{Installed, Relations};
use crate::error::BuildError;
use crate::project::project::Project;
use crate::project::slice_library;
use crate::read::gather::request_of;
use crate::resolve::control::locked_control;
use crate::run::download::fetch;
use crate::run::session::Session;

/// Why each package of an image is in it, in words, by package name: of the packages that the lock names, so that
/// reasons and versions are of one day.
///
/// # Errors
/// When spec or lock has no such image, or a package cannot be fetched or read.
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
    let is_for = image.architectures.iter().any(|one| one == architecture);
    let Some(locked) = lock.image(architecture, variant).filter(|_| is_for) else {
        return Err(BuildError::Spec(format!(
            "{} is not for {architecture}; it is for: {}",
            spec.path.display(),
            image.architectures.join(", ")
        )));
    };
    let packages: Vec<&LockedPackage> = lock.packages_of(locked).collect();
    let requests: Vec<Request> = packages.iter().map(|one| request_of(lock, one)).collect();
    fetch(session, &requests)?;
    let names: Vec<String> = packages
        .iter()
        .map(|one| one.name_in(architecture))
        .collect();
    let controls: Vec<Control> = packages
        .iter()
        .map(|one| locked_control(session, one))
        .collect::<Result<_, _>>()?;
    let each = names.iter().zip(&packages).zip(&controls);
    let installed = each.map(|((name, package), control)| Installed {
        name,
        version: &package.version,
        architecture: &package.architecture,
        stanza: &control.stanza,
    });
    let relations = Relations::new(installed, architecture);

    let mut why: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let wanted = image.packages.iter();
    for wanted in wanted.filter(|one| one.applies(architecture, &spec.release)) {
        if let Some(place) = place_of(wanted, &relations, architecture) {
            why[place].push(match wanted.dependencies {
                true => "the spec wants it".to_owned(),
                false => "the spec wants it, without what it depends on".to_owned(),
            });
        }
    }
    let target = Target {
        release: &spec.release,
        architecture,
    };
    let named = slice_library::named(image, target);
    for (place, name) in names.iter().enumerate() {
        if let Some(slices) = locked.slices.get(name) {
            let list = Vec::from_iter(slices.iter().map(String::as_str)).join(", ");
            why[place].push(match named.contains_key(name) {
                true => format!("the spec wants slices of it; in the image are {list}"),
                false => format!("slices of other packages bring slices of it: {list}"),
            });
        }
        if image.essential && relations.field(place, "Essential") == Some("yes") {
            why[place].push("it is Essential, and the spec asks for that set".to_owned());
        }
    }
    for (place, name) in names.iter().enumerate() {
        // What a package depends on comes with it only when all of the package is wanted.
        if locked.slices.contains_key(name) || is_alone(image, name) {
            continue;
        }
        for (field, verb) in [
            ("Pre-Depends", "depends on"),
            ("Depends", "depends on"),
            ("Recommends", "recommends"),
        ] {
            if field == "Recommends" && !image.recommends {
                continue;
            }
            for (dependency, of) in relations.met(place, field) {
                why[of].push(format!("{name} {verb} {dependency}"));
            }
        }
    }
    for reasons in why.iter_mut().filter(|reasons| reasons.is_empty()) {
        reasons.push("the archive's index asked for it when it was locked".to_owned());
    }
    Ok(names.into_iter().zip(why).collect())
}

/// Whether the spec wants a package without what it depends on.
fn is_alone(image: &ImageSpec, name: &str) -> bool {
    let mut named = image
        .packages
        .iter()
        .filter(|one| one.name.as_str() == name);
    named.any(|one| !one.dependencies)
}

/// The place of a package that the spec names, by its own name or by one that it provides.
fn place_of(
    wanted: &WantedPackage,
    relations: &Relations<'_>,
    architecture: &str,
) -> Option<usize> {
    let version = wanted.version.as_ref();
    let possibility = Possibility {
        name: wanted.name.to_string(),
        qualifier: None,
        constraint: version.map(|range| range.constraint().clone()),
    };
    let own = wanted.foreign(architecture).unwrap_or(architecture);
    relations.named(&possibility, own)
}
