//! What others attached to the images of a layout: signatures, attestations, reports. A build that writes the layout
//! anew keeps what still refers to something in it.

use std::collections::{BTreeMap, BTreeSet};

use basalt_digest::Digest;

use crate::annotation::REFERENCE_NAME;
use crate::error::OciError;
use crate::manifest::{Descriptor, Index, read_listed};
use crate::read::Layout;

/// The annotation of manifests that the build of an image makes beside it: the next build makes them anew.
pub const MADE_BY: &str = "io.github.basalt-images.made-by";

/// Most entries of a layout's index that are looked at.
const MAXIMUM_ENTRIES: usize = 4096;
/// How deep indexes may stand in indexes.
const MAXIMUM_DEPTH: u32 = 4;

/// How the documents of a layout are read.
pub(crate) type Read<'r> = dyn Fn(&Descriptor) -> Result<Vec<u8>, OciError> + 'r;

/// The digests of all manifests and indexes that an index leads to.
pub(crate) fn named(index: &Index, read: &Read<'_>) -> Result<BTreeSet<Digest>, OciError> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<(Descriptor, u32)> =
        index.manifests.iter().map(|one| (one.clone(), 0)).collect();
    while let Some((entry, depth)) = waiting.pop() {
        if found.insert(entry.digest)
            && entry.is_index()
            && depth < MAXIMUM_DEPTH
            && let Some(inner) = Index::of(read_listed(&entry, &read(&entry)?)?)?
        {
            waiting.extend(inner.manifests.into_iter().map(|one| (one, depth + 1)));
        }
    }
    Ok(found)
}

/// The entries of a layout that others attached to what is `present`, or to each other, in their order.
/// What cannot be read is not among them.
pub(crate) fn by_others(
    layout: &Layout,
    own: &Index,
    mut present: BTreeSet<Digest>,
) -> Vec<Descriptor> {
    let entries = layout.index().manifests.iter().take(MAXIMUM_ENTRIES);
    let mut waiting: Vec<(usize, &Descriptor, Digest)> = entries
        .enumerate()
        .filter(|(_, entry)| !own.manifests.contains(entry) && !is_ours(&entry.annotations))
        .filter_map(|(place, entry)| Some((place, entry, subject_of(layout, entry)?)))
        .collect();
    let mut kept: Vec<(usize, &Descriptor)> = Vec::new();
    loop {
        let (good, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, _, subject)| present.contains(subject));
        if good.is_empty() {
            break;
        }
        present.extend(good.iter().map(|(_, entry, _)| entry.digest));
        kept.extend(good.into_iter().map(|(place, entry, _)| (place, entry)));
        waiting = rest;
    }
    kept.sort_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, entry)| entry.clone()).collect()
}

fn is_ours(annotations: &BTreeMap<String, String>) -> bool {
    annotations.contains_key(MADE_BY)
}

/// What an entry refers to, by its tag or as its manifest says; nothing of one that a build makes itself.
fn subject_of(layout: &Layout, entry: &Descriptor) -> Option<Digest> {
    if let Some(tag) = entry.annotations.get(REFERENCE_NAME) {
        return subject_of_tag(tag);
    }
    if !entry.is_manifest() && !entry.is_index() {
        return None;
    }
    let facts = read_listed(entry, &layout.read_blob(entry).ok()?).ok()?;
    let subject = facts.subject.filter(|_| !is_ours(&facts.annotations));
    subject?.digest.parse().ok()
}

/// What a tag of the form `sha256-<hex>` refers to, with cosign's `.sig`, `.att` or `.sbom` or without (OCI
/// distribution specification 1.1, *Referrers Tag Schema*).
pub fn subject_of_tag(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?;
    let hex = hex.split_once('.').map_or(hex, |(hex, _)| hex);
    Digest::from_hex(hex).ok()
}
