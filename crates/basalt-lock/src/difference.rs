//! What moved between two locks.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;
use serde::Serialize;

use crate::date;
use crate::lock::{Lock, LockedImage, LockedPackage};

/// What moved from one lock to another; empty when nothing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockDifference {
    /// The name, release or compatibility number, by key.
    pub head: BTreeMap<String, Side<String>>,
    /// Whether the spec's digest moved.
    pub spec: bool,
    /// Archives that moved.
    pub archives: Vec<ArchiveChange>,
    /// Packages that moved, sorted by name.
    pub packages: Vec<PackageChange>,
    /// Images that are new or gone, as `amd64` or `amd64 debug`, or of which only the packages
    /// or their packing moved.
    pub images: BTreeMap<String, Change>,
    /// What minimized images keep of packages that both have.
    pub kept: Vec<KeptChange>,
    /// Users whose number moved.
    pub users: Vec<IdChange>,
    /// Groups whose number moved.
    pub groups: Vec<IdChange>,
    /// Local files, by path.
    pub files: BTreeMap<String, Side<Digest>>,
    /// Slice definitions, by package.
    pub slice_definitions: BTreeMap<String, Side<Digest>>,
}

/// A value before and after: one of them may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side<T> {
    /// The value in the first lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<T>,
    /// The value in the second lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<T>,
}

/// One suite that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveChange {
    /// Name of the archive.
    pub archive: String,
    /// Its suite.
    pub suite: String,
    /// Date of the Release file, RFC 3339.
    pub date: Side<String>,
    /// Whether the signers differ.
    pub signers: bool,
}

/// One package that moved, in all architectures in which it moved in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// The architectures, sorted.
    pub architectures: Vec<String>,
    /// What became of it.
    #[serde(flatten)]
    pub change: Change,
    /// Maintainer scripts whose text or verdict moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<String>,
}

/// What became of a package or an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added {
        /// Its version; empty for an image.
        #[serde(skip_serializing_if = "String::is_empty")]
        version: String,
    },
    /// It is gone.
    Removed {
        /// Its former version; empty for an image.
        #[serde(skip_serializing_if = "String::is_empty")]
        version: String,
    },
    /// It has another version.
    Version {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// It has the same version and another content: worth a look.
    Content {
        /// The version.
        version: String,
    },
    /// Only its place in the archive, its date or its scripts' verdicts moved.
    Record {
        /// The version.
        version: String,
    },
    /// An image holds other packages.
    Packages {
        /// New ones.
        added: Vec<String>,
        /// Former ones.
        removed: Vec<String>,
    },
    /// An image has other slices of its packages.
    Slices {
        /// New ones, as `package_slice`.
        added: Vec<String>,
        /// Former ones.
        removed: Vec<String>,
    },
    /// An image's packages lie in other layers.
    Packing,
}

/// What a minimized image keeps of a package, where that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptChange {
    /// The image, as `amd64` or `amd64 debug`.
    pub image: String,
    /// The package.
    pub package: String,
    /// New patterns.
    pub added: Vec<String>,
    /// Former ones.
    pub removed: Vec<String>,
}

/// A user or group whose number moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdChange {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: Side<u32>,
}

impl LockDifference {
    /// Whether nothing moved.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What moved from `former` to `latter`.
pub fn difference(former: &Lock, latter: &Lock) -> LockDifference {
    let mut head = BTreeMap::new();
    let mut compare = |key: &str, from: String, to: String| {
        if from != to {
            head.insert(
                key.to_owned(),
                Side {
                    from: Some(from),
                    to: Some(to),
                },
            );
        }
    };
    compare("name", former.name.clone(), latter.name.clone());
    compare("release", former.release.clone(), latter.release.clone());
    let as_of = |lock: &Lock| {
        lock.as_of
            .map_or_else(|| "the present".to_owned(), date::text)
    };
    compare("as-of", as_of(former), as_of(latter));
    compare(
        "compatibility",
        former.compatibility.to_string(),
        latter.compatibility.to_string(),
    );
    LockDifference {
        head,
        spec: former.spec != latter.spec,
        archives: archives(former, latter),
        packages: packages(former, latter),
        images: images(former, latter),
        kept: kept(former, latter),
        users: ids(&former.users, &latter.users),
        groups: ids(&former.groups, &latter.groups),
        files: sides(&former.files, &latter.files).collect(),
        slice_definitions: sides(&former.slice_definitions, &latter.slice_definitions).collect(),
    }
}

/// The keys of which the values differ, with both values.
fn sides<'a, T: Clone + PartialEq>(
    former: &'a BTreeMap<String, T>,
    latter: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (String, Side<T>)> + 'a {
    let keys: BTreeSet<&String> = former.keys().chain(latter.keys()).collect();
    keys.into_iter().filter_map(|key| {
        let (from, to) = (former.get(key), latter.get(key));
        (from != to).then(|| {
            let side = Side {
                from: from.cloned(),
                to: to.cloned(),
            };
            (key.clone(), side)
        })
    })
}

fn kept(former: &Lock, latter: &Lock) -> Vec<KeptChange> {
    let mut changes = Vec::new();
    for image in &latter.images {
        let Some(before) = former.image(&image.architecture, &image.variant) else {
            continue;
        };
        let name = format!("{} {}", image.architecture, image.variant);
        for (package, _) in sides(&before.kept, &image.kept) {
            let of = |kept: &BTreeMap<String, Vec<String>>| -> BTreeSet<String> {
                kept.get(&package).into_iter().flatten().cloned().collect()
            };
            let (from, to) = (of(&before.kept), of(&image.kept));
            changes.push(KeptChange {
                image: name.trim_end().to_owned(),
                added: to.difference(&from).cloned().collect(),
                removed: from.difference(&to).cloned().collect(),
                package,
            });
        }
    }
    changes
}

fn ids(former: &BTreeMap<String, u32>, latter: &BTreeMap<String, u32>) -> Vec<IdChange> {
    sides(former, latter)
        .map(|(name, id)| IdChange { name, id })
        .collect()
}

fn archives(former: &Lock, latter: &Lock) -> Vec<ArchiveChange> {
    let all = former.archives.iter().chain(&latter.archives);
    let keys: BTreeSet<(&str, &str)> = all
        .map(|one| (one.archive.as_str(), one.suite.as_str()))
        .collect();
    let mut changes = Vec::new();
    for (archive, suite) in keys {
        let (from, to) = (
            former.snapshot(archive, suite),
            latter.snapshot(archive, suite),
        );
        if from == to {
            continue;
        }
        changes.push(ArchiveChange {
            archive: archive.to_owned(),
            suite: suite.to_owned(),
            date: Side {
                from: from.map(|one| date::text(one.date)),
                to: to.map(|one| date::text(one.date)),
            },
            signers: matches!((from, to), (Some(a), Some(b)) if a.signers != b.signers),
        });
    }
    changes
}

fn packages(former: &Lock, latter: &Lock) -> Vec<PackageChange> {
    let by_key = |lock| -> BTreeMap<(String, String), LockedPackage> {
        let lock: &Lock = lock;
        let key = |one: &LockedPackage| (one.name.clone(), one.architecture.clone());
        lock.packages
            .iter()
            .map(|one| (key(one), one.clone()))
            .collect()
    };
    // Architectures in which a package moved in the same way are told together.
    let mut grouped: BTreeMap<(String, Change, Vec<String>), Vec<String>> = BTreeMap::new();
    for ((name, architecture), side) in pairs(&by_key(former), &by_key(latter)) {
        let (change, scripts) = package(&side);
        grouped
            .entry((name, change, scripts))
            .or_default()
            .push(architecture);
    }
    grouped
        .into_iter()
        .map(|((name, change, scripts), architectures)| PackageChange {
            name,
            architectures,
            change,
            scripts,
        })
        .collect()
}

type Keyed = BTreeMap<(String, String), LockedPackage>;

fn pairs(former: &Keyed, latter: &Keyed) -> Vec<((String, String), Side<LockedPackage>)> {
    let keys: BTreeSet<&(String, String)> = former.keys().chain(latter.keys()).collect();
    keys.into_iter()
        .filter(|key| former.get(*key) != latter.get(*key))
        .map(|key| {
            let side = Side {
                from: former.get(key).cloned(),
                to: latter.get(key).cloned(),
            };
            (key.clone(), side)
        })
        .collect()
}

fn package(side: &Side<LockedPackage>) -> (Change, Vec<String>) {
    match (&side.from, &side.to) {
        (Some(from), Some(to)) => {
            let scripts = {
                let names: BTreeSet<&String> =
                    from.scripts.keys().chain(to.scripts.keys()).collect();
                names
                    .into_iter()
                    .filter(|name| from.scripts.get(*name) != to.scripts.get(*name))
                    .cloned()
                    .collect()
            };
            let change = if from.version != to.version {
                Change::Version {
                    from: from.version.clone(),
                    to: to.version.clone(),
                }
            } else if from.sha256 != to.sha256 {
                Change::Content {
                    version: to.version.clone(),
                }
            } else {
                Change::Record {
                    version: to.version.clone(),
                }
            };
            (change, scripts)
        }
        (from, Some(to)) => {
            debug_assert!(from.is_none());
            let version = to.version.clone();
            (Change::Added { version }, Vec::new())
        }
        (from, None) => {
            let version = from.as_ref().map(|one| one.version.clone());
            let version = version.unwrap_or_default();
            (Change::Removed { version }, Vec::new())
        }
    }
}

fn images(former: &Lock, latter: &Lock) -> BTreeMap<String, Change> {
    let all = former.images.iter().chain(&latter.images);
    let keys: BTreeSet<(&str, &str)> = all
        .map(|one| (one.architecture.as_str(), one.variant.as_str()))
        .collect();
    let mut changes = BTreeMap::new();
    for (architecture, variant) in keys {
        let version = String::new();
        let change = match (
            former.image(architecture, variant),
            latter.image(architecture, variant),
        ) {
            (Some(from), Some(to)) if from.packages != to.packages => {
                let without = |all: &[String], other: &[String]| -> Vec<String> {
                    let other: BTreeSet<&String> = other.iter().collect();
                    all.iter()
                        .filter(|name| !other.contains(name))
                        .cloned()
                        .collect()
                };
                Change::Packages {
                    added: without(&to.packages, &from.packages),
                    removed: without(&from.packages, &to.packages),
                }
            }
            (Some(from), Some(to)) if from.slices != to.slices => {
                let (from, to) = (slices(from), slices(to));
                Change::Slices {
                    added: to.difference(&from).cloned().collect(),
                    removed: from.difference(&to).cloned().collect(),
                }
            }
            (Some(from), Some(to)) if from.layers != to.layers => Change::Packing,
            (None, Some(_)) => Change::Added { version },
            (Some(_), None) => Change::Removed { version },
            _ => continue,
        };
        let name = format!("{architecture} {variant}");
        changes.insert(name.trim_end().to_owned(), change);
    }
    changes
}

/// An image's slices as `package_slice`.
fn slices(image: &LockedImage) -> BTreeSet<String> {
    let each = image.slices.iter();
    each.flat_map(|(package, names)| names.iter().map(move |name| format!("{package}_{name}")))
        .collect()
}
