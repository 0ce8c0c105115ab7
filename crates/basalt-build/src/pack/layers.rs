//! From a tree to layers: fragments whose entries came out as packed are taken as they are; a
//! package whose entries the tree changed is packed again from its own fragment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use basalt_digest::Digest;
use basalt_fetch::Cache;
use basalt_layer::{
    Codec, Fragment, FragmentReader, FragmentWriter, LayerInfo, LayerWriter, Repacked, repack,
};
use basalt_spec::ImageSpec;
use basalt_tree::{Entry, Kind, Owner, Placed, Source, Tree, TreePath};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::pack::placement::{Sorted, Standing, sort};
use crate::read::package::{ReadPackage, packed_entry, packed_path};

/// One layer of an image, as packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedLayer {
    /// Its digests and sizes.
    pub info: LayerInfo,
    /// The packages in it; none for the layer of generated files.
    pub packages: Vec<String>,
}

/// An image that lower layers are shared with: its own tree of the packages as it has them, and how
/// many of the layers are its.
pub(crate) struct Lower<'a> {
    pub layers: usize,
    pub tree: Tree,
    pub packages: BTreeMap<String, ReadPackage>,
    /// What its spec says of it.
    pub image: &'a ImageSpec,
    /// Its own date.
    pub epoch: i64,
}

/// What the lock says of an image's packages.
pub(crate) struct LockedFacts<'a> {
    /// The source of each package.
    pub sources: BTreeMap<&'a str, &'a str>,
    /// When directories were last changed.
    pub times: DirectoryTimes<'a>,
}

impl LockedFacts<'_> {
    /// Whether two packages are of one source, and change together.
    fn of_one_source(&self, one: &str, other: &str) -> bool {
        let (one, other) = (self.sources.get(one), self.sources.get(other));
        one.is_some() && one == other
    }
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
    packages: &'t BTreeMap<String, ReadPackage>,
    sorted: Sorted<'t>,
    fragments: BTreeMap<&'t str, Fragment>,
    owned: BTreeMap<&'t str, Vec<&'t TreePath>>,
}

/// What goes into one layer.
struct Group<'v> {
    tree: &'v Tree,
    /// Where that stands in the tree which packages bring, by package.
    standing: BTreeMap<String, Standing<'v>>,
    parts: Vec<Fragment>,
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
            packages,
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
            .cloned()
            .collect();
        let mut directories = BTreeSet::new();
        let mut stands = BTreeMap::new();
        for name in names {
            if let Some(standing) = self.sorted.packages.get(name.as_str()) {
                directories.extend(standing.paths().flat_map(TreePath::ancestors));
                stands.insert(name.clone(), standing.clone());
            }
            for path in self.owned.get(name.as_str()).into_iter().flatten() {
                directories.extend(path.ancestors());
                directories.insert((*path).clone());
            }
        }
        Group {
            tree: self.tree,
            standing: stands,
            parts,
            directories,
        }
    }

    /// Whether a layer of the image below is right for this image too: its files stand here as well, and
    /// its directories are here alike. Their times do not count: it is for them that the other's layer is
    /// taken.
    fn holds(&self, lower: &Group<'_>) -> bool {
        let alike = |path: &TreePath| match (lower.tree.get(path), self.tree.get(path)) {
            (Some(lower), Some(own)) => {
                let timeless = |entry: &Entry| Entry {
                    mtime: 0,
                    ..entry.clone()
                };
                timeless(&lower.entry) == timeless(&own.entry)
            }
            (lower, own) => lower.is_none() && own.is_none(),
        };
        let none = Standing::default();
        lower.standing.iter().all(|(name, standing)| {
            standing.is_part_of(self.sorted.packages.get(name.as_str()).unwrap_or(&none))
        }) && lower.directories.iter().all(alike)
    }

    /// What stands here of the packages of lower layers, and not in them, by package: an image may have more
    /// slices of a package than the image below it.
    fn rest_of(
        &self,
        cache: &Cache,
        lower: &[Group<'_>],
        codec: Codec,
    ) -> Result<BTreeMap<String, Group<'_>>, BuildError> {
        let mut rest: BTreeMap<String, Standing<'_>> = BTreeMap::new();
        for (name, held) in lower.iter().flat_map(|group| &group.standing) {
            if let Some(own) = self.sorted.packages.get(name.as_str()) {
                let more = rest.get(name).unwrap_or(own).without(held);
                rest.insert(name.clone(), more);
            }
        }
        rest.retain(|_, standing| standing.paths().next().is_some());
        let mut groups = BTreeMap::new();
        for (name, standing) in rest {
            let parts = match self.packages.get(&name) {
                Some(read) => fragment(cache, read, &standing, codec)?,
                None => None,
            };
            let group = Group {
                tree: self.tree,
                parts: parts.into_iter().collect(),
                directories: standing.paths().flat_map(TreePath::ancestors).collect(),
                standing: BTreeMap::from([(name.clone(), standing)]),
            };
            groups.insert(name, group);
        }
        Ok(groups)
    }
}

impl<'v> Group<'v> {
    /// Puts more into the layer, after what is there.
    fn add(&mut self, more: Group<'v>) {
        self.parts.extend(more.parts);
        self.directories.extend(more.directories);
        for (name, standing) in more.standing {
            let there = self.standing.entry(name).or_default();
            there.files.extend(standing.files);
            there.others.extend(standing.others);
        }
    }
}

/// Packs a tree into layers by the plan: one layer for each group of packages, and one for what
/// was generated. Of the images below, the innermost first, those layers are taken that hold of
/// this image too; what more this image has of their packages goes with others of the same source,
/// which change when it does, or else into the first layer of its own. Returns the layers, whose blobs are in the cache, and how many were there already.
pub(crate) fn layers(
    cache: &Cache,
    tree: &Tree,
    lower: &[Lower<'_>],
    packages: &BTreeMap<String, ReadPackage>,
    plan: &[Vec<String>],
    facts: &LockedFacts<'_>,
    codec: Codec,
) -> Result<(Vec<PackedLayer>, usize), BuildError> {
    let own = View::new(cache, tree, packages, packages.keys(), codec)?;
    let mut views = Vec::with_capacity(lower.len());
    for level in lower {
        let names = plan.iter().take(level.layers).flatten();
        let view = View::new(cache, &level.tree, &level.packages, names, codec)?;
        views.push((level.layers, view));
    }
    let generated = generated(cache, &own.sorted.generated, codec)?;
    let mut last = Group {
        tree,
        standing: BTreeMap::new(),
        parts: Vec::new(),
        directories: BTreeSet::new(),
    };

    let mut groups: Vec<Group<'_>> = Vec::with_capacity(plan.len());
    let levels = views.iter().map(|(layers, view)| (*layers, view));
    for (layers, view) in levels.chain([(plan.len(), &own)]) {
        let shared = groups.len();
        for (group, names) in groups.iter_mut().zip(plan) {
            if !view.holds(group) {
                *group = view.group(names);
            }
        }
        let rest = view.rest_of(cache, &groups, codec)?;
        groups.extend(
            plan.iter()
                .take(layers)
                .skip(shared)
                .map(|names| view.group(names)),
        );
        for (name, more) in rest {
            let own_layers = plan.get(shared..layers).unwrap_or_default();
            let beside = own_layers
                .iter()
                .position(|names| names.iter().any(|one| facts.of_one_source(one, &name)));
            let place = shared + beside.unwrap_or(0);
            groups.get_mut(place).unwrap_or(&mut last).add(more);
        }
    }

    let emitted: BTreeSet<&TreePath> = groups.iter().flat_map(|group| &group.directories).collect();
    let mut directories = BTreeSet::new();
    for (path, _) in &own.sorted.generated {
        directories.extend(path.ancestors());
    }
    for (path, _) in &own.sorted.directories {
        if !emitted.contains(*path) {
            directories.extend(path.ancestors());
            directories.insert((*path).clone());
        }
    }
    last.directories.extend(directories);
    last.parts.extend(generated);
    let mut groups: Vec<(Vec<String>, Group<'_>)> = plan.iter().cloned().zip(groups).collect();
    groups.retain(|(_, group)| !group.parts.is_empty() || !group.directories.is_empty());
    groups.push((Vec::new(), last));

    let packed: Vec<(PackedLayer, bool)> = groups
        .into_par_iter()
        .map(|(packages, group)| {
            let (info, cached) = layer(cache, &group, facts.times.of(&packages), codec)?;
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
