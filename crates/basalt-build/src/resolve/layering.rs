//! Which layers each image has, and which of them it shares with the images it is laid over.
//!
//! An image keeps the layers of the image below it first, as that one's own lock has them, and adds
//! its own on top: who has pulled the one pulls only what differs of the other. An included spec
//! with a name of its own is an image below; so is, for a variant, the image without one.

use std::collections::{BTreeMap, BTreeSet};

use basalt_layer::plan::{self, PackageWeight};
use basalt_lock::{Lock, LockedBelow, LockedImage};
use basalt_spec::LoadedSpec;

use crate::resolve::closures::Solved;

/// How many layers of an image's budget are left to its variants.
const LAYERS_FOR_VARIANTS: usize = 2;

/// A spec with what its images need, and how they were cut when it was last locked.
pub(crate) struct Level<'a> {
    spec: &'a LoadedSpec,
    solved: &'a [Solved],
    former: BTreeMap<(String, String), Vec<Vec<String>>>,
}

impl<'a> Level<'a> {
    pub(crate) fn new(spec: &'a LoadedSpec, solved: &'a [Solved], former: Option<&Lock>) -> Self {
        let images = former.into_iter().flat_map(|lock| &lock.images);
        let former = images.map(|image| {
            let key = (image.architecture.clone(), image.variant.clone());
            (key, image.layers.clone())
        });
        Self {
            spec,
            solved,
            former: former.collect(),
        }
    }

    fn solved(&self, architecture: &str, variant: &str) -> Option<&Solved> {
        self.solved
            .iter()
            .find(|one| one.architecture == architecture && one.variant == variant)
    }

    fn former(&self, architecture: &str, variant: &str) -> Option<&[Vec<String>]> {
        let key = (architecture.to_owned(), variant.to_owned());
        self.former.get(&key).map(Vec::as_slice)
    }

    /// How many layers of packages an image may have; one more is that of generated files. The image
    /// without a variant leaves some to its variants, unless they may have more than it.
    fn budget(&self, variant: &str) -> usize {
        let most = |variant: &str| {
            let image = self.spec.image(variant).unwrap_or(&self.spec.base);
            (image.layers.maximum as usize).saturating_sub(1)
        };
        let variants = match variant {
            "" => self.spec.variants.keys().map(|name| most(name)).min(),
            _ => None,
        };
        let left = variants.map_or(usize::MAX, |most| most.saturating_sub(LAYERS_FOR_VARIANTS));
        most(variant).min(left).max(1)
    }
}

/// The packing plan of each image of a spec, laid over `below`, the innermost first.
pub(crate) fn plan(below: &[Level<'_>], own: &Level<'_>) -> Vec<LockedImage> {
    own.solved
        .iter()
        .map(|image| {
            let mut levels: Vec<&Level<'_>> = below.iter().collect();
            if !image.variant.is_empty() {
                levels.push(own);
            }
            plan_one(&levels, own, image)
        })
        .collect()
}

fn plan_one(levels: &[&Level<'_>], own: &Level<'_>, image: &Solved) -> LockedImage {
    let (architecture, variant) = (&image.architecture, &image.variant);
    let budget = own.budget(variant);
    let keep = own.spec.image(variant).map(|image| &image.keep);
    let mut layers: Vec<Vec<String>> = Vec::new();
    let mut below = Vec::new();
    for level in levels {
        let Some(solved) = level.solved(architecture, "") else {
            continue;
        };
        let held: BTreeSet<&String> = layers.iter().flatten().collect();
        let is_over = solved
            .packages
            .iter()
            .all(|(name, record)| image.packages.get(name) == Some(record))
            && held.iter().all(|name| solved.packages.contains_key(*name))
            && Some(&level.spec.base.keep) == keep;
        if !is_over {
            continue;
        }
        let left = level.budget("").saturating_sub(layers.len()).max(1);
        let former = level.former(architecture, "");
        let added = plan::layers(&weights(solved, &held), left, former);
        let has_more = solved.packages.len() < image.packages.len();
        let fits = layers.len() + added.len() + usize::from(has_more) <= budget;
        if added.is_empty() || !fits {
            continue;
        }
        layers.extend(added);
        below.push(LockedBelow {
            name: level.spec.base.name.clone(),
            spec: level.spec.digest(),
            layers: layers.len(),
            slices: solved
                .slices
                .iter()
                .filter(|(name, slices)| image.slices.get(*name) != Some(slices))
                .map(|(name, slices)| (name.clone(), slices.clone()))
                .collect(),
        });
    }
    let held: BTreeSet<&String> = layers.iter().flatten().collect();
    let mut rest = weights(image, &held);
    let sliced_more = below.iter().flat_map(|below| below.slices.keys());
    weigh_more(&mut rest, image, sliced_more);
    // A variant of no image below has a plan of its own to keep.
    let former = match variant.is_empty() || below.is_empty() {
        true => own.former(architecture, variant),
        false => None,
    };
    let left = budget.saturating_sub(layers.len()).max(1);
    layers.extend(plan::layers(&rest, left, former));
    LockedImage {
        architecture: architecture.clone(),
        variant: variant.clone(),
        packages: image.packages.keys().cloned().collect(),
        layers,
        slices: image.slices.clone(),
        kept: BTreeMap::new(),
        below,
    }
}

/// What share of a package is taken to be in the slices that an image has more of than the image below:
/// of libc6, mathematics and encodings.
const SHARE_OF_MORE: u64 = 4;

/// Weighs what more the image has of packages below with the packages of their source: it is packed with
/// them, and moves when they do.
fn weigh_more<'a>(
    weights: &mut [PackageWeight],
    image: &Solved,
    names: impl Iterator<Item = &'a String>,
) {
    for (record, _) in names.filter_map(|name| image.packages.get(name)) {
        if let Some(beside) = weights.iter_mut().find(|one| one.source == record.source) {
            beside.size += record.size / SHARE_OF_MORE;
        }
    }
}

/// What the plan needs to know of an image's packages, but for those that lower layers hold.
fn weights(image: &Solved, held: &BTreeSet<&String>) -> Vec<PackageWeight> {
    let records = image.packages.iter();
    records
        .filter(|(name, _)| !held.contains(name))
        .map(|(name, (record, _))| PackageWeight {
            name: name.clone(),
            source: record.source.clone(),
            size: record.size,
            rate: plan::change_rate(&record.source),
        })
        .collect()
}
