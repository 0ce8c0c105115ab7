//! Copies an image from one place to another: its manifests byte for byte, its blobs, and what refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use basalt_digest::Digest;
use basalt_fetch::{Event, Observer};
use basalt_manifest::Kind;
use basalt_oci::{
    Descriptor, ImageStore, Index, Manifest, OciError, Platform, annotation, read_listed,
};

use crate::error::ClientError;
use crate::layout_target::LayoutTarget;
use crate::repository::{Facts, Repository};
use crate::upload::Sent;

/// The most manifests that are copied at once: images, and what refers to them.
const MAXIMUM_MANIFESTS: usize = 20_000;
/// How deep indexes may stand in indexes, and referrers refer to referrers.
const MAXIMUM_DEPTH: u32 = 8;
/// The endings of the tags under which cosign keeps what belongs to a manifest.
const COSIGN_ENDINGS: [&str; 3] = ["sig", "att", "sbom"];

/// Where images are copied to.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A repository of a registry.
    Repository(&'a Repository),
    /// A layout.
    Layout(&'a LayoutTarget),
}

/// What is copied, and how.
pub struct CopyOptions<'a> {
    /// The tag there; without one, the image is there by its digest alone.
    pub tag: Option<&'a str>,
    /// Only the image of this platform, of an index that has several.
    pub platform: Option<&'a Platform>,
    /// Also what refers to it (signatures, SBOMs, …), by the referrers API and by cosign's tags.
    pub referrers: bool,
    /// A repository on the target's own registry which has the blobs.
    pub mount_from: Option<&'a str>,
    /// So many blobs at once.
    pub jobs: usize,
    /// Hears how far it is.
    pub observer: &'a dyn Observer,
}

/// What was copied.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The image: where its tag points.
    pub image: Descriptor,
    /// Manifests and indexes, of the image and of what refers to it.
    pub manifests: usize,
    /// Of these, those that refer to it.
    pub referrers: usize,
    /// Blobs that were there already.
    pub present: usize,
    /// Blobs that the registry took from another of its repositories.
    pub mounted: usize,
    /// Blobs whose bytes were moved.
    pub moved: usize,
    /// How many bytes those have.
    pub moved_bytes: u64,
}

/// What a manifest leads to.
pub(crate) struct Children {
    pub blobs: Vec<Descriptor>,
    pub manifests: Vec<Descriptor>,
}

impl Children {
    /// Reads what a manifest or an index leads to. Layers that are to be had elsewhere only are left out.
    pub fn of(descriptor: &Descriptor, bytes: &[u8]) -> Result<Self, OciError> {
        let elsewhere = |layer: &Descriptor| {
            layer.media_type.contains(".nondistributable.")
                || layer.media_type.contains(".foreign.diff.")
        };
        if !descriptor.is_index() && !descriptor.is_manifest() {
            return Err(OciError::MediaType {
                what: format!("manifest {}", descriptor.digest),
                media_type: descriptor.media_type.clone(),
            });
        }
        let document = read_listed(descriptor, bytes)?;
        if document.kind == Kind::Index {
            let listed = Index::of(document)?.map(|index| index.manifests);
            let (manifests, blobs) = listed
                .unwrap_or_default()
                .into_iter()
                .partition(|one| one.is_index() || one.is_manifest());
            return Ok(Self { blobs, manifests });
        }
        let manifest = Manifest::of(document)?;
        let mut blobs = Vec::new();
        if let Some(manifest) = manifest {
            blobs.push(manifest.config);
            let layers = manifest.layers.into_iter();
            blobs.extend(layers.filter(|layer| !elsewhere(layer)));
        }
        Ok(Self {
            blobs,
            manifests: Vec::new(),
        })
    }
}

/// A manifest that is copied.
struct Node {
    descriptor: Descriptor,
    bytes: Vec<u8>,
    role: Role,
}

#[derive(Clone, PartialEq, Eq)]
enum Role {
    /// The image, or a part of it.
    Image,
    /// Refers to another manifest.
    Referrer,
    /// Belongs to one by cosign's tag.
    Tagged(String),
    /// Stands in an index of either.
    Part,
}

/// Copies an image. Its tag is given last, when all that belongs to it is there.
///
/// # Errors
/// When something is missing or is not what its descriptor says, or a place cannot be read or written.
pub fn copy(
    from: &dyn ImageStore,
    image: &Descriptor,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Copied, OciError> {
    let mut plan = Plan {
        from,
        nodes: Vec::new(),
        blobs: BTreeMap::new(),
        seen: BTreeSet::new(),
    };
    let image = match options.platform {
        Some(platform) => plan.of_platform(image, platform, 0)?,
        None => image.clone(),
    };
    plan.add(&image, Role::Image, 0)?;
    if options.referrers {
        plan.add_referrers()?;
    }
    let (nodes, blobs) = (plan.nodes, plan.blobs);
    let mut copied = move_blobs(from, blobs.into_values().collect(), to, options)?;
    copied.image = image;
    copied.manifests = nodes.len();
    for node in &nodes {
        copied.referrers += usize::from(matches!(node.role, Role::Referrer | Role::Tagged(_)));
    }
    put_manifests(&nodes, to, options)?;
    Ok(copied)
}

/// What is to be copied: manifests, each behind those that it leads or refers to, and blobs.
struct Plan<'a> {
    from: &'a dyn ImageStore,
    nodes: Vec<Node>,
    blobs: BTreeMap<Digest, Descriptor>,
    seen: BTreeSet<Digest>,
}

impl Plan<'_> {
    fn read(&self, descriptor: &Descriptor) -> Result<Option<(Descriptor, Vec<u8>)>, OciError> {
        let found = self.from.manifest(&descriptor.digest)?;
        if let Some((found, _)) = &found
            && found.media_type != descriptor.media_type
        {
            return Err(OciError::MediaType {
                what: format!(
                    "{} is listed as `{}` and",
                    descriptor.digest, descriptor.media_type
                ),
                media_type: found.media_type.clone(),
            });
        }
        Ok(found)
    }

    fn missing(&self, digest: &Digest) -> OciError {
        let place = self.from.place();
        ClientError::NotFound {
            place: place.clone(),
            what: format!("manifest {digest}, which belongs to the image"),
        }
        .at(place)
    }

    /// The manifest of a platform within an index; an image that is no index is taken as it is.
    fn of_platform(
        &self,
        image: &Descriptor,
        platform: &Platform,
        depth: u32,
    ) -> Result<Descriptor, OciError> {
        if !image.is_index() {
            return Ok(image.clone());
        }
        let (_, bytes) = self
            .read(image)?
            .ok_or_else(|| self.missing(&image.digest))?;
        let listed = Children::of(image, &bytes)?.manifests;
        let fits = |one: &&Descriptor| {
            one.platform.as_ref().is_some_and(|own| {
                own.architecture == platform.architecture
                    && own.os == platform.os
                    && (platform.variant.is_none()
                        || own.variant.is_none()
                        || own.variant == platform.variant)
            })
        };
        if let Some(found) = listed.iter().find(fits) {
            let plain = Descriptor::new(&found.media_type, found.digest, found.size);
            return match depth < MAXIMUM_DEPTH {
                true => self.of_platform(&plain, platform, depth + 1),
                false => Ok(plain),
            };
        }
        let present: Vec<String> = listed
            .iter()
            .filter_map(|one| one.platform.as_ref().map(Platform::to_string))
            .collect();
        Err(OciError::NoImage {
            wanted: platform.to_string(),
            present: match present.is_empty() {
                true => "none".to_owned(),
                false => present.join(", "),
            },
        })
    }

    /// Adds a manifest behind all that it leads to.
    fn add(&mut self, descriptor: &Descriptor, role: Role, depth: u32) -> Result<(), OciError> {
        if depth > MAXIMUM_DEPTH {
            return Err(too_large(
                "the nesting of indexes",
                MAXIMUM_DEPTH as usize,
                "levels",
            ));
        }
        if self.seen.len() >= MAXIMUM_MANIFESTS {
            return Err(too_large("the image", MAXIMUM_MANIFESTS, "manifests"));
        }
        if let Role::Tagged(_) = role {
            // A tag more, even where the manifest is copied already.
        } else if self.seen.contains(&descriptor.digest) {
            return Ok(());
        }
        self.seen.insert(descriptor.digest);
        let Some((found, bytes)) = self.read(descriptor)? else {
            return match role {
                // A list may name what has been removed since.
                Role::Referrer => Ok(()),
                _ => Err(self.missing(&descriptor.digest)),
            };
        };
        let children = Children::of(&found, &bytes)?;
        for blob in children.blobs {
            self.blobs.entry(blob.digest).or_insert(blob);
        }
        for manifest in &children.manifests {
            self.add(manifest, Role::Part, depth + 1)?;
        }
        self.nodes.push(Node {
            descriptor: found,
            bytes,
            role,
        });
        Ok(())
    }

    /// Adds what refers to the manifests so far, and what refers to that.
    fn add_referrers(&mut self) -> Result<(), OciError> {
        let mut next = 0;
        let mut depth = 0;
        let mut level_end = self.nodes.len();
        while next < self.nodes.len() {
            if next == level_end {
                depth += 1;
                level_end = self.nodes.len();
                if depth > MAXIMUM_DEPTH {
                    let limit = MAXIMUM_DEPTH as usize;
                    return Err(too_large("the chain of referrers", limit, "levels"));
                }
            }
            let Some(node) = self.nodes.get(next) else {
                return Ok(());
            };
            let digest = node.descriptor.digest;
            next += 1;
            for referrer in self.from.referrers(&digest)? {
                let plain = Descriptor::new(&referrer.media_type, referrer.digest, referrer.size);
                self.add(&plain, Role::Referrer, 0)?;
            }
            for ending in COSIGN_ENDINGS {
                let tag = format!("sha256-{}.{ending}", digest.hex());
                if let Some(found) = self.from.resolve(&tag)? {
                    self.add(&found, Role::Tagged(tag), 0)?;
                }
            }
        }
        Ok(())
    }
}

fn too_large(what: &str, limit: usize, unit: &'static str) -> OciError {
    OciError::TooLarge {
        what: what.to_owned(),
        limit: limit as u64,
        unit,
    }
}

/// Moves the blobs that are not there, several at once.
fn move_blobs(
    from: &dyn ImageStore,
    mut blobs: Vec<Descriptor>,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Copied, OciError> {
    // The largest first: else one that comes last is waited for alone.
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let copied = Mutex::new(Copied {
        image: Descriptor::new("", Digest::of(b""), 0),
        manifests: 0,
        referrers: 0,
        present: 0,
        mounted: 0,
        moved: 0,
        moved_bytes: 0,
    });
    let work = || -> Result<(), OciError> {
        while !failed.load(Ordering::Relaxed) {
            let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            let outcome = move_blob(from, blob, to, options);
            let moved = outcome.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            let mut copied = copied.lock().unwrap_or_else(PoisonError::into_inner);
            match moved {
                Moved::Present => copied.present += 1,
                Moved::Mounted => copied.mounted += 1,
                Moved::Bytes => {
                    copied.moved += 1;
                    copied.moved_bytes += blob.size;
                }
            }
        }
        Ok(())
    };
    let workers = options.jobs.clamp(1, 64).min(blobs.len().max(1));
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Vec<_>>()
    })
    .into_iter()
    .collect::<Result<(), OciError>>()?;
    Ok(copied.into_inner().unwrap_or_else(PoisonError::into_inner))
}

enum Moved {
    Present,
    Mounted,
    Bytes,
}

fn move_blob(
    from: &dyn ImageStore,
    blob: &Descriptor,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Moved, OciError> {
    let name = blob.digest.to_string();
    let tell = |event| options.observer.event(event);
    let started = || {
        tell(Event::DownloadStarted {
            name: name.clone(),
            size: Some(blob.size),
        });
    };
    let finished = || {
        tell(Event::DownloadFinished {
            name: name.clone(),
            size: blob.size,
        });
    };
    let progress = |bytes| {
        tell(Event::DownloadProgress {
            name: name.clone(),
            bytes,
        });
    };
    let open = || -> Result<Box<dyn Read + Send>, OciError> { from.blob(blob) };
    match to {
        Target::Layout(layout) => {
            if layout.has_blob(blob)? {
                return Ok(Moved::Present);
            }
            started();
            layout.take_blob(blob, Watched(open()?, &progress))?;
            finished();
            Ok(Moved::Bytes)
        }
        Target::Repository(repository) => {
            let at = |error: ClientError| error.at(repository.name().to_owned());
            if repository.has_blob(&blob.digest).map_err(at)? {
                return Ok(Moved::Present);
            }
            started();
            let sent = repository
                .send_blob(blob, options.mount_from, &open, &progress)
                .map_err(at)?;
            finished();
            Ok(match sent {
                Sent::Mounted => Moved::Mounted,
                Sent::Uploaded => Moved::Bytes,
            })
        }
    }
}

/// Tells how many bytes are read through it.
struct Watched<'a, R>(R, &'a dyn Fn(u64));

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        (self.1)(count as u64);
        Ok(count)
    }
}

/// Puts the manifests in their order, and the image's tag at the end.
fn put_manifests(
    nodes: &[Node],
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<(), OciError> {
    let image = nodes.iter().find(|node| node.role == Role::Image);
    let companions = nodes
        .iter()
        .any(|node| matches!(node.role, Role::Referrer | Role::Tagged(_)));
    for node in nodes {
        match to {
            Target::Layout(layout) => {
                let entry = entry(node, options.tag);
                layout.put_manifest(&node.descriptor, &node.bytes, entry)?;
            }
            Target::Repository(repository) => {
                let tag = match &node.role {
                    // Alone, it is put under its tag at once, below.
                    Role::Image if options.tag.is_some() && !companions => continue,
                    Role::Tagged(tag) => Some(tag.as_str()),
                    _ => None,
                };
                put(repository, node, tag)?;
            }
        }
    }
    if let (Target::Repository(repository), Some(image), Some(tag)) = (to, image, options.tag) {
        put(repository, image, Some(tag))?;
    }
    Ok(())
}

fn put(repository: &Repository, node: &Node, tag: Option<&str>) -> Result<(), OciError> {
    repository
        .add_manifest(&node.descriptor.media_type, &node.bytes, tag)
        .map(|_| ())
        .map_err(|error| error.at(repository.name().to_owned()))
}

/// How a layout's own index lists a manifest.
fn entry(node: &Node, tag: Option<&str>) -> Option<Descriptor> {
    let mut entry = node.descriptor.clone();
    let mut name = |tag: &str| {
        let key = annotation::REFERENCE_NAME.to_owned();
        entry.annotations.insert(key, tag.to_owned());
    };
    match &node.role {
        Role::Part => return None,
        Role::Image => tag.into_iter().for_each(name),
        Role::Tagged(tag) => name(tag),
        Role::Referrer => {
            let facts = Facts::of(&node.bytes).unwrap_or_default();
            entry.artifact_type = facts.kind();
            entry.annotations = facts.annotations;
        }
    }
    Some(entry)
}
