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

/// Source packages with several security updates a year in Debian's stable releases, by the record
/// of its security advisories.
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

/// A group of this share of the whole, or more, stands alone when the budget allows: 1/LARGE.
const LARGE: u64 = 12;

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
/// A source that stood in a layer of `former` stays with what stood there; new ones join the layer
/// whose rate is nearest. The plan depends on nothing but its input, not on its order.
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
        .filter(|layer| !layer.is_empty())
        .map(|layer| {
            let names: BTreeSet<&str> = layer
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

/// Large groups alone, the rest one layer for each rate; the most stable first.
fn afresh(groups: &[Group<'_>], budget: usize) -> Vec<Vec<usize>> {
    let total: u64 = groups
        .iter()
        .fold(0, |sum, group| sum.saturating_add(group.size));
    let rates: BTreeSet<ChangeRate> = groups.iter().map(|group| group.rate).collect();
    // With too few layers for all rates, those that change share one.
    let shared = budget < rates.len();
    let class = |rate: ChangeRate| match (budget, shared, rate) {
        (1, true, _) => ChangeRate::Stable,
        (_, true, ChangeRate::Often) => ChangeRate::Sometimes,
        _ => rate,
    };
    let classes: BTreeSet<ChangeRate> = groups.iter().map(|group| class(group.rate)).collect();
    let alone = budget.saturating_sub(classes.len());
    let mut large: Vec<usize> = (0..groups.len())
        .filter(|&group| groups[group].size.saturating_mul(LARGE) >= total)
        .collect();
    // What costs most to fetch again for another's sake goes first.
    large.sort_by_key(|&group| {
        let Group {
            size, rate, source, ..
        } = &groups[group];
        (
            std::cmp::Reverse(size.saturating_mul(1 + *rate as u64)),
            *source,
        )
    });
    large.truncate(alone);

    let mut layers: Vec<(ChangeRate, Vec<usize>)> =
        classes.iter().map(|&rate| (rate, Vec::new())).collect();
    for (index, group) in groups.iter().enumerate() {
        if large.contains(&index) {
            layers.push((class(group.rate), vec![index]));
        } else if let Some((_, layer)) = layers
            .iter_mut()
            .find(|(rate, _)| *rate == class(group.rate))
        {
            layer.push(index);
        }
    }
    layers.sort_by_key(|(rate, layer)| (*rate, layer.first().map(|&group| groups[group].source)));
    layers.into_iter().map(|(_, layer)| layer).collect()
}

fn keep_former(groups: &[Group<'_>], budget: usize, former: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut home: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, layer) in former.iter().enumerate() {
        for name in layer {
            home.entry(name).or_insert(number);
        }
    }
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); former.len()];
    let mut new = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        match group
            .packages
            .iter()
            .filter_map(|name| home.get(name))
            .min()
        {
            Some(&number) => layers[number].push(index),
            None => new.push(index),
        }
    }
    layers.retain(|layer| !layer.is_empty());
    // A smaller budget than before: the smallest two become one.
    let size = |layer: &Vec<usize>| -> u64 {
        layer
            .iter()
            .fold(0, |sum, &group| sum.saturating_add(groups[group].size))
    };
    while layers.len() > budget {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|&layer| (size(&layers[layer]), layer));
        let (first, second) = (order[0].min(order[1]), order[0].max(order[1]));
        let moved = layers.remove(second);
        layers[first].extend(moved);
    }
    if new.is_empty() {
        return layers;
    }
    let total: u64 = groups
        .iter()
        .fold(0, |sum, group| sum.saturating_add(group.size));
    for index in new {
        let group = &groups[index];
        let is_large = group.size.saturating_mul(LARGE) >= total;
        if layers.is_empty() || (is_large && layers.len() < budget) {
            layers.push(vec![index]);
            continue;
        }
        // The layer that changes as often, and of those the smallest.
        let rate = |layer: &Vec<usize>| {
            layer
                .iter()
                .map(|&group| groups[group].rate)
                .max()
                .unwrap_or_default() as u8
        };
        let nearest = (0..layers.len()).min_by_key(|&number| {
            let layer = &layers[number];
            (rate(layer).abs_diff(group.rate as u8), size(layer), number)
        });
        if let Some(number) = nearest {
            layers[number].push(index);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: &str, size: u64) -> PackageWeight {
        PackageWeight {
            name: name.to_owned(),
            source: source.to_owned(),
            size,
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
        assert_eq!(next.len(), plan.len());
        assert_eq!(layer_of(&next, "curl"), layer_of(&plan, "tzdata"));
        assert_eq!(layer_of(&next, "libc6"), layer_of(&plan, "libc6"));
    }

    #[test]
    fn a_smaller_budget_joins_the_smallest_layers() {
        let plan = layers(&image(), 6, None);
        let next = layers(&image(), 2, Some(&plan));
        assert_eq!(next.len(), 2);
        assert_eq!(next.iter().map(Vec::len).sum::<usize>(), image().len());
    }
}
