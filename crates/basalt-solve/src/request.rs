//! What is asked for, and what comes of it.

use basalt_deb::packages::PackageRecord;
use basalt_deb::relation::Constraint;
use basalt_deb::version::Version;

/// A package asked for by name, or a virtual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Its name; `name:architecture` for one of a foreign architecture.
    pub name: String,
    /// What its version must be.
    pub constraint: Option<Constraint>,
}

/// Holds a package, if it is chosen at all, at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// The version.
    pub version: Version,
}

/// What to choose packages for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The packages asked for, in order.
    pub install: Vec<Want>,
    /// Whether every package marked `Essential: yes` is wanted too.
    pub include_essential: bool,
    /// Whether recommended packages come along where they can.
    pub recommends: bool,
    /// Versions to hold.
    pub pins: Vec<Pin>,
    /// Names never to choose.
    pub exclude: Vec<String>,
}

/// Why a package is in the closure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It was asked for.
    Wanted,
    /// It is marked `Essential: yes`, and these were asked for.
    Essential,
    /// Another package needs it.
    DependsOf {
        /// The package that needs it.
        package: String,
        /// The relation, as its control file has it.
        relation: String,
    },
    /// Another package recommends it.
    RecommendsOf {
        /// The package that recommends it.
        package: String,
        /// The relation, as its control file has it.
        relation: String,
    },
}

/// A chosen package.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// What it is called: its name, or `name:architecture` if it is of a foreign architecture.
    pub name: String,
    /// Its record in the index.
    pub record: PackageRecord,
    /// Which index it is of, counted as given to [`crate::Universe::new`].
    pub index: usize,
    /// Every reason it is here, sorted.
    pub why: Vec<Why>,
}

/// A set of packages complete in itself: every dependency met, nothing in
/// conflict.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// The packages, sorted by name.
    pub packages: Vec<Chosen>,
}

impl Closure {
    /// The chosen package of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Chosen> {
        self.packages
            .binary_search_by(|chosen| chosen.name.as_str().cmp(name))
            .ok()
            .and_then(|place| self.packages.get(place))
    }
}
