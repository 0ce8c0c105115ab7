//! A spec as its file has it, and how one is laid over another.

use std::collections::BTreeMap;

use basalt_effects::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checked::{
    self, Absolute, Architecture, Argument, Key, Locale, Name, Port, Release, RunAs, Signal,
};
use crate::parts::{
    self, Applets, Assertions, Compression, ExtraArchive, FileSpec, Group, Keep, Layers, Minimize,
    PackageDatabase, SliceChoice, User,
};
use crate::values::{PackageName, WantedPackage};

/// An image spec, or a part of one to be laid over another: lists are appended, mappings merged, single values replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Basalt image spec")]
pub struct Overlay {
    /// The image's name: lower-case letters, digits, `-`, `_`, `.`.
    #[serde(deserialize_with = "checked::option::<_, Name>")]
    pub name: Option<String>,
    /// What it is, in a line.
    pub summary: Option<String>,
    /// Specs that this one is laid over, in order, relative to this file.
    pub include: Vec<String>,
    /// The distribution (default: `debian`).
    pub distribution: Option<String>,
    /// Releases it can be built for, by codename (`trixie`) or by suite (`stable`, `testing`); the first is built unless `--release` names another.
    #[serde(deserialize_with = "checked::optional_list::<_, Release>")]
    pub releases: Option<Vec<String>>,
    /// Debian architectures it is built for (default: `amd64`, `arm64`).
    #[serde(deserialize_with = "checked::optional_list::<_, Architecture>")]
    pub architectures: Option<Vec<String>>,
    /// Archives besides the distribution's own.
    #[serde(deserialize_with = "parts::archives")]
    pub archives: Vec<ExtraArchive>,
    /// Packages it has, with all they depend on unless they say `dependencies: false`.
    pub packages: Vec<WantedPackage>,
    /// Packages of which only these slices are in it, with the slices that those bring.
    pub slices: BTreeMap<PackageName, SliceChoice>,
    /// Local folders with slice definitions, besides those that are compiled in.
    pub slice_definitions: Vec<String>,
    /// Packages that are never chosen: of alternatives another is, and what needs one is refused.
    pub exclude_packages: Vec<PackageName>,
    /// Whether recommended packages come too (default: false).
    pub recommends: Option<bool>,
    /// Whether the Essential set comes too (default: false).
    pub essential: Option<bool>,
    /// Users it has.
    pub users: Vec<User>,
    /// Groups it has.
    pub groups: Vec<Group>,
    /// Files, directories and links that the spec makes.
    #[serde(deserialize_with = "parts::files")]
    pub files: Vec<FileSpec>,
    /// Links to one program that acts by the name it is called with, as BusyBox does.
    pub applets: Vec<Applets>,
    /// Certificates of authorities to trust: local PEM files, relative to the spec.
    pub certificates: Vec<String>,
    /// The one locale that its programs use, compiled: `de_DE.UTF-8`. Brings it from the package `locales-all`, keeps the
    /// translations of its language, and sets `LANG` (default: none; `C.UTF-8` needs no package).
    #[serde(deserialize_with = "checked::option::<_, Locale>")]
    pub locale: Option<String>,
    /// Environment variables.
    #[serde(deserialize_with = "checked::variables")]
    pub environment: BTreeMap<String, String>,
    /// The program that runs, with its first arguments.
    #[serde(deserialize_with = "checked::optional_list::<_, Argument>")]
    pub entrypoint: Option<Vec<String>>,
    /// Its further arguments, which who runs it may replace.
    #[serde(deserialize_with = "checked::optional_list::<_, Argument>")]
    pub cmd: Option<Vec<String>>,
    /// The directory it runs in.
    #[serde(deserialize_with = "checked::option::<_, Absolute>")]
    pub working_directory: Option<String>,
    /// The user it runs as: a name of the image, or a number, or `user:group`.
    #[serde(deserialize_with = "checked::option::<_, RunAs>")]
    pub user: Option<String>,
    /// The signal that asks it to stop: `SIGTERM`.
    #[serde(deserialize_with = "checked::option::<_, Signal>")]
    pub stop_signal: Option<String>,
    /// Ports it listens on: `80/tcp`.
    #[serde(deserialize_with = "checked::list::<_, Port>")]
    pub ports: Vec<String>,
    /// Directories that are to be volumes.
    #[serde(deserialize_with = "checked::list::<_, Absolute>")]
    pub volumes: Vec<String>,
    /// Labels in the image's config.
    #[serde(deserialize_with = "checked::keys::<_, Key, _>")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of manifest and index; OCI's own are filled in.
    #[serde(deserialize_with = "checked::keys::<_, Key, _>")]
    pub annotations: BTreeMap<String, String>,
    /// What is kept although images do without it.
    pub keep: Option<Keep>,
    /// Keeps only the part of packages that is used (default: they are whole).
    pub minimize: Option<Minimize>,
    /// The package database it carries (default: `status.d`).
    pub package_database: Option<PackageDatabase>,
    /// How packages are put into layers.
    pub layers: Option<Layers>,
    /// How layers are compressed (default: `gzip`).
    pub compression: Option<Compression>,
    /// Answers to debconf's questions, by name.
    pub debconf: BTreeMap<String, String>,
    /// What maintainer scripts do that Basalt cannot explain, by package, declared by hand.
    pub effects: BTreeMap<String, Vec<Effect>>,
    /// What must hold of the finished image.
    pub assertions: Assertions,
    /// Named variants: each is laid over the image. A variant is named as an image is.
    #[serde(deserialize_with = "checked::keys::<_, Name, _>")]
    pub variants: BTreeMap<String, Overlay>,
}

/// Replaces a value when there is another.
fn replace<T>(value: &mut Option<T>, other: Option<T>) {
    if other.is_some() {
        *value = other;
    }
}

impl Overlay {
    /// Lays another over this one. `include` and `variants` are the caller's to follow.
    pub(crate) fn lay(&mut self, over: Self) {
        replace(&mut self.name, over.name);
        replace(&mut self.summary, over.summary);
        replace(&mut self.distribution, over.distribution);
        replace(&mut self.releases, over.releases);
        replace(&mut self.architectures, over.architectures);
        replace(&mut self.recommends, over.recommends);
        replace(&mut self.essential, over.essential);
        replace(&mut self.locale, over.locale);
        replace(&mut self.entrypoint, over.entrypoint);
        replace(&mut self.cmd, over.cmd);
        replace(&mut self.working_directory, over.working_directory);
        replace(&mut self.user, over.user);
        replace(&mut self.stop_signal, over.stop_signal);
        replace(&mut self.keep, over.keep);
        replace(&mut self.minimize, over.minimize);
        replace(&mut self.package_database, over.package_database);
        replace(&mut self.layers, over.layers);
        replace(&mut self.compression, over.compression);
        self.archives.extend(over.archives);
        self.packages.extend(over.packages);
        for (package, choice) in over.slices {
            self.slices.entry(package).or_default().lay(choice);
        }
        self.slice_definitions.extend(over.slice_definitions);
        self.exclude_packages.extend(over.exclude_packages);
        self.users.extend(over.users);
        self.groups.extend(over.groups);
        self.files.extend(over.files);
        self.applets.extend(over.applets);
        self.certificates.extend(over.certificates);
        self.ports.extend(over.ports);
        self.volumes.extend(over.volumes);
        self.environment.extend(over.environment);
        self.labels.extend(over.labels);
        self.annotations.extend(over.annotations);
        self.debconf.extend(over.debconf);
        self.effects.extend(over.effects);
        self.assertions.lay(over.assertions);
        for (name, variant) in over.variants {
            self.variants.entry(name).or_default().lay(variant);
        }
    }
}

impl SliceChoice {
    /// Names are added; conditions are those that come later, if any do.
    fn lay(&mut self, over: Self) {
        for name in over.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        if !over.architectures.is_empty() {
            self.architectures = over.architectures;
        }
        if !over.releases.is_empty() {
            self.releases = over.releases;
        }
    }
}

impl Assertions {
    fn lay(&mut self, over: Self) {
        replace(&mut self.no_shell, over.no_shell);
        replace(&mut self.no_setuid, over.no_setuid);
        replace(&mut self.no_package_manager, over.no_package_manager);
        replace(&mut self.non_root, over.non_root);
        replace(&mut self.max_size, over.max_size);
        replace(&mut self.min_size, over.min_size);
        self.must_contain.extend(over.must_contain);
        self.must_not_contain.extend(over.must_not_contain);
    }
}
