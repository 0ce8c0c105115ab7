//! From a tree to layers: fragments whose entries came out as packed are taken as they are; a
//! package whose entries the tree changed is packed again from its own fragment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use basalt_digest::Digest;
use basalt_fetch::Cache;
use basalt_layer::{
    Codec, Fragment, FragmentReader, FragmentWriter, LayerInfo, LayerWriter, Repacked, repack,
};
use basalt_tree::{Entry, Kind, Owner, Placed, Source, Tree, TreePath};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::BuildError;
use crate::read::{ReadPackage, packed_entry, packed_path};

/// One layer of an image, as packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedLayer {
    /// Its digests and sizes.
    pub info: LayerInfo,
    /// The packages in it; none for the layer of generated files.
    pub packages: Vec<String>,
}

/// Where the entries of one package stand in the tree.
#[derive(Default)]
struct Standing<'t> {
    /// Its regular files, by the path that the package's listing has.
    files: BTreeMap<&'t TreePath, (&'t TreePath, &'t Entry)>,
    /// Its links and pipes.
    others: Vec<(&'t TreePath, &'t Entry)>,
}

/// The tree, sorted by who brings what.
struct Sorted<'t> {
    packages: BTreeMap<&'t str, Standing<'t>>,
    generated: Vec<(&'t TreePath, &'t Placed)>,
    directories: Vec<(&'t TreePath, &'t Placed)>,
}

fn sort(tree: &Tree) -> Sorted<'_> {
    let mut sorted = Sorted {
        packages: BTreeMap::new(),
        generated: Vec::new(),
        directories: Vec::new(),
    };
    for (path, placed) in tree.iter() {
        let entry = &placed.entry;
        if entry.is_directory() {
            sorted.directories.push((path, placed));
            continue;
        }
        match (&placed.source, &placed.owner) {
            (
                Source::Package {
                    package,
                    path: from,
                },
                _,
            ) => {
                let standing = sorted.packages.entry(package).or_default();
                standing.files.insert(from, (path, entry));
            }
            (Source::None, Owner::Package(package)) => {
                let standing = sorted.packages.entry(package).or_default();
                standing.others.push((path, entry));
            }
            _ => sorted.generated.push((path, placed)),
        }
    }
    sorted
}

/// An image that lower layers are shared with: its own tree, and how many of the layers are its.
pub(crate) struct Lower {
    pub layers: usize,
    pub tree: Tree,
}

/// When the directories of a layer of packages were last changed.
pub(crate) enum DirectoryTimes<'a> {
    /// With the image, whose newest package moves them all: compatibility 1.
    OfImage,
    /// With the newest package of the layer, by the packages' dates, so that a layer is the same
    /// in every image and after every update of the packages in others: compatibility 2.
    OfLayer(BTreeMap<&'a str, i64>),
}

impl DirectoryTimes<'_> {
    /// The time of the directories in the layer of these packages; `None` if it is the tree's own.
    fn of(&self, packages: &[String]) -> Option<i64> {
        match self {
            Self::OfImage => None,
            Self::OfLayer(dates) => packages
                .iter()
                .filter_map(|name| dates.get(name.as_str()))
                .max()
                .copied(),
        }
    }
}

/// A tree with what is packed of it.
struct View<'t> {
    tree: &'t Tree,
    sorted: Sorted<'t>,
    fragments: BTreeMap<&'t str, Fragment>,
    owned: BTreeMap<&'t str, Vec<&'t TreePath>>,
}

/// What goes into one layer.
struct Group<'v> {
    tree: &'v Tree,
    parts: Vec<&'v Fragment>,
    directories: BTreeSet<TreePath>,
}

impl<'t> View<'t> {
    /// Packs the named packages as they stand in a tree.
    fn new<'n>(
        cache: &Cache,
        tree: &'t Tree,
        packages: &'t BTreeMap<String, ReadPackage>,
        names: impl Iterator<Item = &'n String>,
        codec: Codec,
    ) -> Result<Self, BuildError> {
        let sorted = sort(tree);
        let wanted: Vec<(&String, &ReadPackage)> = names
            .filter_map(|name| packages.get_key_value(name))
            .collect();
        let fragments = wanted
            .into_par_iter()
            .map(|(name, read)| {
                let fragment = match sorted.packages.get(name.as_str()) {
                    Some(standing) => fragment(cache, read, standing, codec)?,
                    None => None,
                };
                Ok(fragment.map(|fragment| (name.as_str(), fragment)))
            })
            .filter_map(Result::transpose)
            .collect::<Result<_, BuildError>>()?;
        let owned = directories_by_package(&sorted);
        Ok(Self {
            tree,
            sorted,
            fragments,
            owned,
        })
    }

    /// The layer of some packages: their fragments, with all directories that they own or stand in.
    fn group(&self, names: &[String]) -> Group<'_> {
        let parts = names
            .iter()
            .filter_map(|name| self.fragments.get(name.as_str()))
            .filter(|fragment| !fragment.chunks.is_empty())
            .collect();
        let mut directories = BTreeSet::new();
        for name in names {
            if let Some(standing) = self.sorted.packages.get(name.as_str()) {
                let files = standing.files.values().map(|(path, _)| *path);
                for path in files.chain(standing.others.iter().map(|(path, _)| *path)) {
                    directories.extend(path.ancestors());
                }
            }
            for path in self.owned.get(name.as_str()).into_iter().flatten() {
                directories.extend(path.ancestors());
                directories.insert((*path).clone());
            }
        }
        Group {
            tree: self.tree,
            parts,
            directories,
        }
    }
}

/// Whether a layer of the image below is right for this image too: the same files, and directories
/// that are here alike. Their times do not count: it is for them that the other's layer is taken.
fn holds(lower: &Group<'_>, own: &Group<'_>) -> bool {
    let fragments =
        |group: &Group<'_>| -> Vec<Digest> { group.parts.iter().map(|part| part.digest).collect() };
    let alike = |path: &TreePath| match (lower.tree.get(path), own.tree.get(path)) {
        (Some(lower), Some(own)) => {
            let timeless = |entry: &Entry| Entry {
                mtime: 0,
                ..entry.clone()
            };
            timeless(&lower.entry) == timeless(&own.entry)
        }
        (lower, own) => lower.is_none() && own.is_none(),
    };
    fragments(lower) == fragments(own) && lower.directories.iter().all(alike)
}

/// Packs a tree into layers by the plan: one layer for each group of packages, and one for what
/// was generated. Of the images below, the innermost first, those layers are taken that hold of
/// this image too. Returns the layers, whose blobs are in the cache, and how many were there already.
pub(crate) fn layers(
    cache: &Cache,
    tree: &Tree,
    lower: &[Lower],
    packages: &BTreeMap<String, ReadPackage>,
    plan: &[Vec<String>],
    times: &DirectoryTimes<'_>,
    codec: Codec,
) -> Result<(Vec<PackedLayer>, usize), BuildError> {
    let own = View::new(cache, tree, packages, packages.keys(), codec)?;
    let mut below = Vec::with_capacity(lower.len());
    let mut shared = 0;
    for level in lower {
        let names = plan.iter().take(level.layers).skip(shared).flatten();
        let view = View::new(cache, &level.tree, packages, names, codec)?;
        below.push((level.layers, view));
        shared = level.layers;
    }
    let generated = generated(cache, &own.sorted.generated, codec)?;

    let mut groups: Vec<(Vec<String>, Group<'_>)> = Vec::new();
    let mut emitted: BTreeSet<&TreePath> = BTreeSet::new();
    for (number, names) in plan.iter().enumerate() {
        let here = own.group(names);
        let there = below
            .iter()
            .find(|(layers, _)| number < *layers)
            .map(|(_, view)| view.group(names));
        let group = there.filter(|there| holds(there, &here)).unwrap_or(here);
        if group.parts.is_empty() && group.directories.is_empty() {
            continue;
        }
        for path in &group.directories {
            if let Some((path, _)) = own
                .sorted
                .directories
                .binary_search_by(|(known, _)| (*known).cmp(path))
                .ok()
                .and_then(|place| own.sorted.directories.get(place))
            {
                emitted.insert(path);
            }
        }
        groups.push((names.clone(), group));
    }
    let mut last = BTreeSet::new();
    for (path, _) in &own.sorted.generated {
        last.extend(path.ancestors());
    }
    for (path, _) in &own.sorted.directories {
        if !emitted.contains(path) {
            last.extend(path.ancestors());
            last.insert((*path).clone());
        }
    }
    let last = Group {
        tree,
        parts: generated.iter().collect(),
        directories: last,
    };
    groups.push((Vec::new(), last));

    let packed: Vec<(PackedLayer, bool)> = groups
        .into_par_iter()
        .map(|(packages, group)| {
            let (info, cached) = layer(cache, &group, times.of(&packages), codec)?;
            Ok((PackedLayer { info, packages }, cached))
        })
        .collect::<Result<_, BuildError>>()?;
    let cached = packed.iter().filter(|(_, cached)| *cached).count();
    Ok((packed.into_iter().map(|(layer, _)| layer).collect(), cached))
}

/// The directories that each package owns.
fn directories_by_package<'t>(sorted: &Sorted<'t>) -> BTreeMap<&'t str, Vec<&'t TreePath>> {
    let mut by_package: BTreeMap<&str, Vec<&TreePath>> = BTreeMap::new();
    for (path, placed) in &sorted.directories {
        if let Owner::Package(name) = &placed.owner {
            by_package.entry(name).or_default().push(path);
        }
    }
    by_package
}

/// The package's fragment if the tree left its entries as they were packed, else one packed anew.
/// `None` when nothing of it is left.
fn fragment(
    cache: &Cache,
    read: &ReadPackage,
    standing: &Standing<'_>,
    codec: Codec,
) -> Result<Option<Fragment>, BuildError> {
    if is_as_packed(read, standing) {
        return Ok(Some(read.fragment.clone()));
    }
    let entries = repacked(read, standing);
    if entries.is_empty() {
        return Ok(None);
    }
    let listed: Vec<(&TreePath, &TreePath, &Entry)> = entries
        .iter()
        .map(|one| (&one.from, &one.path, &one.entry))
        .collect();
    let key = postcard::to_stdvec(&(read.fragment.digest, codec, listed));
    let key = Digest::of(&key.map_err(BuildError::record)?);
    if let Some(bytes) = cache.fact("repacked", &key)?
        && let Ok(fragment) = postcard::from_bytes::<Fragment>(&bytes)
        && cache.seems_to_have(&fragment.digest, Some(fragment.size))
    {
        return Ok(Some(fragment));
    }
    // Each file is compared with its own digest as it is packed.
    let mut former = FragmentReader::new(&read.fragment, open(cache, &read.fragment)?)?;
    let (fragment, blob) = repack(&mut former, &entries, codec, cache.writer()?)?;
    blob.commit_expecting(&fragment.digest)?;
    let bytes = postcard::to_stdvec(&fragment).map_err(BuildError::record)?;
    cache.put_fact("repacked", &key, &bytes)?;
    Ok(Some(fragment))
}

fn is_as_packed(read: &ReadPackage, standing: &Standing<'_>) -> bool {
    let mut others: BTreeMap<&TreePath, &Entry> = standing.others.iter().copied().collect();
    let mut files = 0;
    for (path, entry) in &read.listing.entries {
        let stands = match entry.kind {
            Kind::Directory => continue,
            Kind::File { .. } => {
                files += 1;
                standing.files.get(path).copied()
            }
            _ => others.remove_entry(&packed_path(path, entry)),
        };
        let same = stands.is_some_and(|(place, found)| {
            *place == packed_path(path, entry) && *found == packed_entry(entry)
        });
        if !same {
            return false;
        }
    }
    others.is_empty() && files == standing.files.len()
}

/// What is left of a package: its files in the package's order, then its links and pipes.
fn repacked(read: &ReadPackage, standing: &Standing<'_>) -> Vec<Repacked> {
    let mut entries = Vec::new();
    for (from, listed) in &read.listing.entries {
        if let (Kind::File { .. }, Some((path, entry))) = (&listed.kind, standing.files.get(from)) {
            entries.push(Repacked {
                from: packed_path(from, listed),
                path: (*path).clone(),
                entry: (*entry).clone(),
            });
        }
    }
    for (path, entry) in &standing.others {
        entries.push(Repacked {
            from: (*path).clone(),
            path: (*path).clone(),
            entry: (*entry).clone(),
        });
    }
    entries
}

/// The fragment of all that no package brings: files first, then links, each sorted by path.
fn generated(
    cache: &Cache,
    entries: &[(&TreePath, &Placed)],
    codec: Codec,
) -> Result<Option<Fragment>, BuildError> {
    if entries.is_empty() {
        return Ok(None);
    }
    let mut writer = FragmentWriter::new(codec, cache.writer()?);
    let is_hardlink = |placed: &Placed| matches!(placed.entry.kind, Kind::Hardlink { .. });
    for links in [false, true] {
        for (path, placed) in entries.iter().filter(|(_, p)| is_hardlink(p) == links) {
            let bytes: &[u8] = match &placed.source {
                Source::Inline(bytes) => bytes,
                _ => &[],
            };
            writer.entry(path, &placed.entry, &mut &*bytes)?;
        }
    }
    let (fragment, blob) = writer.finish()?;
    blob.commit_expecting(&fragment.digest)?;
    Ok(Some(fragment))
}

/// Writes one layer, unless the cache has it.
fn layer(
    cache: &Cache,
    group: &Group<'_>,
    time: Option<i64>,
    codec: Codec,
) -> Result<(LayerInfo, bool), BuildError> {
    let directories: Vec<(&TreePath, Entry)> = group
        .directories
        .iter()
        .filter_map(|path| Some((path, &group.tree.get(path)?.entry)))
        .filter(|(_, entry)| entry.is_directory())
        .map(|(path, entry)| {
            let mtime = time.unwrap_or(entry.mtime);
            let entry = Entry {
                mtime,
                ..entry.clone()
            };
            (path, entry)
        })
        .collect();
    let digests: Vec<Digest> = group.parts.iter().map(|part| part.digest).collect();
    let key = postcard::to_stdvec(&(codec, &directories, digests)).map_err(BuildError::record)?;
    let key = Digest::of(&key);
    if let Some(bytes) = cache.fact("layer", &key)?
        && let Ok(info) = postcard::from_bytes::<LayerInfo>(&bytes)
        && cache.seems_to_have(&info.digest, Some(info.size))
    {
        return Ok((info, true));
    }
    let mut writer = LayerWriter::new(codec, cache.writer()?)?;
    writer.directories(directories.iter().map(|(path, entry)| (*path, entry)))?;
    for part in &group.parts {
        writer.fragment(part, open(cache, part)?)?;
    }
    let (info, blob) = writer.finish()?;
    blob.commit_expecting(&info.digest)?;
    let bytes = postcard::to_stdvec(&info).map_err(BuildError::record)?;
    cache.put_fact("layer", &key, &bytes)?;
    Ok((info, false))
}

/// A fragment's bytes, for who compares their digest himself.
fn open(cache: &Cache, fragment: &Fragment) -> Result<File, BuildError> {
    cache
        .open_unverified(&fragment.digest, fragment.size)?
        .ok_or(BuildError::LostBlob {
            digest: fragment.digest,
        })
}
