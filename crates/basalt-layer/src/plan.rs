//! Which package goes into which layer.
//!
//! A layer is what a client fetches again when anything in it changed. So packages that change
//! often stand apart from those that rarely do, one source package (whose binaries change together)
//! is never split, and a former plan is kept as far as it can be, so that an update moves few bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One package as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageWeight {
    /// Name of the binary package.
    pub name: String,
    /// Name of its source package.
    pub source: String,
    /// Compressed size of its fragment in bytes.
    pub size: u64,
    /// How often it changes, if the caller knows; see [`change_rate`].
    pub rate: ChangeRate,
}

/// How often security and point updates change a package.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ChangeRate {
    /// Hardly ever within a release.
    #[default]
    Stable,
    /// A few times within a release.
    Sometimes,
    /// Several times a year.
    Often,
}

/// Source packages with several updates a year in Debian's stable releases: an estimate from the
/// advisories of past years.
const OFTEN: [&str; 22] = [
    "apache2",
    "bind9",
    "chromium",
    "curl",
    "expat",
    "firefox-esr",
    "gnutls28",
    "imagemagick",
    "libxml2",
    "linux",
    "mariadb",
    "nginx",
    "nodejs",
    "openjdk-17",
    "openjdk-21",
    "openjdk-25",
    "openssl",
    "php8.2",
    "php8.4",
    "ruby3.3",
    "tzdata",
    "thunderbird",
];

/// Source packages with an update now and then.
const SOMETIMES: [&str; 20] = [
    "apt",
    "base-files",
    "ca-certificates",
    "dpkg",
    "git",
    "glib2.0",
    "glibc",
    "krb5",
    "libssh2",
    "libtasn1-6",
    "ncurses",
    "openssh",
    "pam",
    "perl",
    "python3.11",
    "python3.13",
    "sqlite3",
    "systemd",
    "util-linux",
    "xz-utils",
];

/// The rate known for a source package; [`ChangeRate::Stable`] for one that is not.
pub fn change_rate(source: &str) -> ChangeRate {
    if OFTEN.contains(&source) || source.starts_with("postgresql-") {
        ChangeRate::Often
    } else if SOMETIMES.contains(&source) {
        ChangeRate::Sometimes
    } else {
        ChangeRate::Stable
    }
}

/// Merging two layers is worth it, whatever the budget, when it costs a client no more than this: about
/// what a request, a manifest entry and another list of directories cost. In bytes times [`weight`].
const WORTH: u64 = 128 << 10;

/// How many updates of a package are to be expected, next to those of others.
fn weight(rate: ChangeRate) -> u64 {
    match rate {
        ChangeRate::Stable => 1,
        ChangeRate::Sometimes => 6,
        ChangeRate::Often => 24,
    }
}

/// All binaries of one source.
struct Group<'p> {
    source: &'p str,
    packages: Vec<&'p str>,
    size: u64,
    rate: ChangeRate,
}

/// Plans layers of packages, the lowest first: at most `budget` of them (but one at least), none of
/// them empty, names sorted within each. The caller adds its own last layer for generated files.
///
/// The plan is the one that moves the fewest bytes for the updates to be expected, as far as joining
/// layers two by two finds it. A source that stood in a layer of `former` stays with what stood
/// there. The plan depends on nothing but its input, not on its order.
pub fn layers(
    packages: &[PackageWeight],
    budget: usize,
    former: Option<&[Vec<String>]>,
) -> Vec<Vec<String>> {
    let groups = by_source(packages);
    if groups.is_empty() {
        return Vec::new();
    }
    let budget = budget.max(1);
    let planned = match former {
        Some(former) if !former.is_empty() => keep_former(&groups, budget, former),
        _ => afresh(&groups, budget),
    };
    planned
        .into_iter()
        .map(|layer| {
            let names: BTreeSet<&str> = layer
                .groups
                .iter()
                .flat_map(|&group| groups[group].packages.iter().copied())
                .collect();
            names.into_iter().map(str::to_owned).collect()
        })
        .collect()
}

fn by_source(packages: &[PackageWeight]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for package in packages {
        let group = groups.entry(&package.source).or_insert_with(|| Group {
            source: &package.source,
            packages: Vec::new(),
            size: 0,
            rate: ChangeRate::Stable,
        });
        group.packages.push(&package.name);
        group.size = group.size.saturating_add(package.size);
        group.rate = group.rate.max(package.rate);
    }
    groups.into_values().collect()
}

/// A layer while it is planned.
#[derive(Debug, Clone, Default)]
struct Layer {
    groups: Vec<usize>,
    size: u64,
    /// The sum of its groups' weights: each update of any of them moves the whole layer.
    weight: u64,
}

impl Layer {
    fn of(index: usize, group: &Group<'_>) -> Self {
        Self {
            groups: vec![index],
            size: group.size,
            weight: weight(group.rate),
        }
    }

    fn join(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.size = self.size.saturating_add(other.size);
        self.weight = self.weight.saturating_add(other.weight);
    }

    /// What clients pull more when the two are one layer: the bytes of each for updates of the other.
    fn cost_of_joining(&self, other: &Self) -> u64 {
        let first = self.weight.saturating_mul(other.size);
        first.saturating_add(other.weight.saturating_mul(self.size))
    }
}

/// Each source alone, then joined two by two, always those whose joining costs least; the most
/// stable first.
fn afresh(groups: &[Group<'_>], budget: usize) -> Vec<Layer> {
    let alone = groups.iter().enumerate();
    let mut layers: Vec<Layer> = alone
        .map(|(index, group)| Layer::of(index, group))
        .collect();
    join(&mut layers, budget, WORTH);
    let rate = |layer: &Layer| layer.groups.iter().map(|&group| groups[group].rate).max();
    let name = |layer: &Layer| layer.groups.iter().map(|&group| groups[group].source).min();
    layers.sort_by_key(|layer| (rate(layer), name(layer)));
    layers
}

/// Joins layers until there are no more than the budget, and as long as it costs less than `worth`.
fn join(layers: &mut Vec<Layer>, budget: usize, worth: u64) {
    while let Some((cost, first, second)) = cheapest(layers) {
        if layers.len() <= budget && cost >= worth {
            return;
        }
        let other = layers.remove(second);
        layers[first].join(other);
    }
}

fn cheapest(layers: &[Layer]) -> Option<(u64, usize, usize)> {
    let pairs = layers.iter().enumerate().flat_map(|(first, one)| {
        let others = layers.iter().enumerate().skip(first + 1);
        others.map(move |(second, other)| (one.cost_of_joining(other), first, second))
    });
    pairs.min()
}

/// What stood in one layer stays in one layer; a new source gets a layer of its own while there is
/// room, else joins where that costs least.
fn keep_former(groups: &[Group<'_>], budget: usize, former: &[Vec<String>]) -> Vec<Layer> {
    let mut home: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, layer) in former.iter().enumerate() {
        for name in layer {
            home.entry(name).or_insert(number);
        }
    }
    let mut layers: Vec<Layer> = vec![Layer::default(); former.len()];
    let mut new = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let homes = group.packages.iter().filter_map(|name| home.get(name));
        match homes.min() {
            Some(&number) => layers[number].join(Layer::of(index, group)),
            None => new.push(Layer::of(index, group)),
        }
    }
    layers.retain(|layer| !layer.groups.is_empty());
    join(&mut layers, budget, 0);
    for layer in new {
        let costs = layers.iter().enumerate();
        let cheapest = costs
            .map(|(number, there)| (there.cost_of_joining(&layer), number))
            .min();
        match cheapest {
            Some((cost, number)) if layers.len() >= budget || cost < WORTH => {
                layers[number].join(layer);
            }
            _ => layers.push(layer),
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: &str, kilobytes: u64) -> PackageWeight {
        PackageWeight {
            name: name.to_owned(),
            source: source.to_owned(),
            size: kilobytes << 10,
            rate: change_rate(source),
        }
    }

    fn image() -> Vec<PackageWeight> {
        vec![
            package("libc6", "glibc", 3_000),
            package("libc-bin", "glibc", 600),
            package("libssl3", "openssl", 2_000),
            package("openssl", "openssl", 800),
            package("tzdata", "tzdata", 300),
            package("zlib1g", "zlib", 80),
            package("libbz2-1.0", "bzip2", 40),
            package("python3.13", "python3.13", 5_000),
        ]
    }

    fn layer_of(plan: &[Vec<String>], name: &str) -> Option<usize> {
        plan.iter()
            .position(|layer| layer.iter().any(|other| other == name))
    }

    #[test]
    fn every_package_is_in_one_layer_and_no_source_is_split() {
        for budget in 0..12 {
            let plan = layers(&image(), budget, None);
            assert!(plan.len() <= budget.max(1), "{plan:?}");
            assert!(plan.iter().all(|layer| !layer.is_empty()));
            assert_eq!(plan.iter().map(Vec::len).sum::<usize>(), image().len());
            for (one, two) in [("libc6", "libc-bin"), ("libssl3", "openssl")] {
                assert_eq!(layer_of(&plan, one), layer_of(&plan, two), "{plan:?}");
            }
        }
    }

    #[test]
    fn what_changes_often_stands_apart_from_what_is_stable() {
        let plan = layers(&image(), 10, None);
        assert_ne!(layer_of(&plan, "libssl3"), layer_of(&plan, "zlib1g"));
        assert_eq!(layer_of(&plan, "libbz2-1.0"), layer_of(&plan, "zlib1g"));
        let python = layer_of(&plan, "python3.13").expect("planned");
        assert_eq!(plan[python].len(), 1, "large ones alone: {plan:?}");
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let mut turned = image();
        turned.reverse();
        assert_eq!(layers(&image(), 4, None), layers(&turned, 4, None));
    }

    #[test]
    fn a_former_plan_is_kept_when_packages_grow_come_and_go() {
        let plan = layers(&image(), 6, None);
        assert_eq!(layers(&image(), 6, Some(&plan)), plan);
        let mut changed = image();
        changed[0].size *= 10;
        assert_eq!(layers(&changed, 6, Some(&plan)), plan);
        changed.remove(5);
        changed.push(package("curl", "curl", 100));
        let next = layers(&changed, 6, Some(&plan));
        assert_eq!(next[5..], [["curl"]], "there is room for one more");
        let next = layers(&changed, 5, Some(&plan));
        assert_eq!(next.len(), plan.len());
        // What is small costs little to fetch again with it.
        assert_eq!(layer_of(&next, "curl"), layer_of(&plan, "libbz2-1.0"));
        assert_eq!(layer_of(&next, "libc6"), layer_of(&plan, "libc6"));
    }

    #[test]
    fn what_is_hardly_worth_a_request_gets_no_layer_of_its_own() {
        let small = ["netbase", "media-types", "zlib1g"].map(|name| package(name, name, 20));
        assert_eq!(layers(&small, 10, None).len(), 1);
    }

    #[test]
    fn a_smaller_budget_joins_the_smallest_layers() {
        let plan = layers(&image(), 6, None);
        let next = layers(&image(), 2, Some(&plan));
        assert_eq!(next.len(), 2);
        assert_eq!(next.iter().map(Vec::len).sum::<usize>(), image().len());
    }
}
