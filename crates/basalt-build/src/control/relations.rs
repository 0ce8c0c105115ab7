//! Which packages of an image meet what others of it depend on.

use std::collections::BTreeMap;

use basalt_deb::relation::{
    Constraint, Dependency, Possibility, Provide, parse_dependencies, parse_provides,
};
use basalt_deb::stanza::Stanza;
use basalt_deb::version::Version;

/// A package as its control file has it.
#[derive(Clone, Copy)]
pub(crate) struct Installed<'a> {
    /// Its name, with its architecture (`libc6:i386`) when that is foreign to the image.
    pub name: &'a str,
    pub version: &'a str,
    pub architecture: &'a str,
    pub stanza: &'a str,
}

/// The packages of an image by what others depend on.
pub(crate) struct Relations<'a> {
    packages: Vec<Package<'a>>,
    /// The places of packages by their own name, and then of those that provide it.
    by_name: BTreeMap<String, Vec<(usize, Option<Provide>)>>,
    /// The image's architecture.
    architecture: String,
}

struct Package<'a> {
    version: Option<Version>,
    architecture: &'a str,
    stanza: Option<Stanza<'a>>,
}

impl<'a> Relations<'a> {
    /// The relations of these packages of an image of this architecture. What is malformed relates to nothing.
    pub(crate) fn new(
        installed: impl IntoIterator<Item = Installed<'a>>,
        architecture: &str,
    ) -> Self {
        let mut packages = Vec::new();
        let mut by_name: BTreeMap<String, Vec<(usize, Option<Provide>)>> = BTreeMap::new();
        for (place, one) in installed.into_iter().enumerate() {
            let name = one.name.split(':').next().unwrap_or_default().to_owned();
            by_name.entry(name).or_default().insert(0, (place, None));
            let stanza = Stanza::parse(one.stanza).ok();
            let field = stanza.as_ref().and_then(|stanza| stanza.get("Provides"));
            let provides = field.and_then(|text| parse_provides(text, one.architecture).ok());
            for provide in provides.into_iter().flatten() {
                let name = provide.name.clone();
                by_name
                    .entry(name)
                    .or_default()
                    .push((place, Some(provide)));
            }
            packages.push(Package {
                version: Version::new(one.version).ok(),
                architecture: one.architecture,
                stanza,
            });
        }
        Self {
            packages,
            by_name,
            architecture: architecture.to_owned(),
        }
    }

    /// A field of the package at a place.
    pub(crate) fn field(&self, place: usize, name: &str) -> Option<&str> {
        self.packages.get(place)?.stanza.as_ref()?.get(name)
    }

    /// What the package at a place says in a field of dependencies, each with the place of what meets it: of the
    /// alternatives, the one that its author would have first.
    pub(crate) fn met(&self, place: usize, field: &str) -> Vec<(Dependency, usize)> {
        let Some(package) = self.packages.get(place) else {
            return Vec::new();
        };
        let own = match package.architecture {
            "all" => self.architecture.as_str(),
            own => own,
        };
        let text = self.field(place, field).unwrap_or("");
        let parsed = parse_dependencies(text, &self.architecture).unwrap_or_default();
        let meets = |dependency: Dependency| {
            let mut alternatives = dependency.alternatives.iter();
            let place = alternatives.find_map(|one| self.named(one, own))?;
            Some((dependency, place))
        };
        parsed.into_iter().filter_map(meets).collect()
    }

    /// The place of what meets a wish of a package of this architecture: one of the same, if there is one.
    pub(crate) fn named(&self, wanted: &Possibility, architecture: &str) -> Option<usize> {
        let fits = |version: Option<&Version>, constraint: &Option<Constraint>| match constraint {
            None => true,
            Some(constraint) => version.is_some_and(|version| constraint.is_met_by(version)),
        };
        let package = |place: &usize| self.packages.get(*place);
        let candidates = self.by_name.get(&wanted.name)?;
        let good = candidates.iter().filter(|(place, provide)| {
            let version = match provide {
                Some(provide) => provide.version.as_ref(),
                None => package(place).and_then(|package| package.version.as_ref()),
            };
            fits(version, &wanted.constraint)
        });
        let is_other = |(place, _): &&(usize, Option<Provide>)| {
            let own = package(place).map(|package| package.architecture);
            own != Some(architecture) && own != Some("all")
        };
        good.min_by_key(is_other).map(|(place, _)| *place)
    }
}
