//! What belongs to an image that is copied: its manifests, its blobs, and what refers to it. The source decides where each of
//! them leads, in circles too, so each digest is visited once, and all of it together has bounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use basalt_digest::Digest;
use basalt_manifest::Kind;
use basalt_oci::{Descriptor, ImageStore, Index, Manifest, OciError, Platform, read_listed};

use crate::error::ClientError;

/// The most manifests that are copied at once: images, and what refers to them.
const MAXIMUM_MANIFESTS: usize = 5000;
/// The most bytes that they have together.
const MAXIMUM_BYTES: usize = 256 << 20;
/// How deep indexes may stand in indexes, and referrers refer to referrers.
const MAXIMUM_DEPTH: u32 = 8;
/// How long it may take to read them all.
const MAXIMUM_TIME: Duration = Duration::from_secs(30 * 60);
/// The endings of the tags under which cosign keeps what belongs to a manifest.
const COSIGN_ENDINGS: [&str; 3] = ["sig", "att", "sbom"];

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
        let mut blobs = Vec::new();
        if let Some(manifest) = Manifest::of(document)? {
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
pub(crate) struct Node {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
    pub role: Role,
    /// The tags of cosign's that name it. The image itself may have some, which say that it belongs to another, or to itself.
    pub tags: Vec<String>,
}

impl Node {
    /// Whether it is neither the image nor a part of it.
    pub fn is_companion(&self) -> bool {
        matches!(self.role, Role::Referrer | Role::Tagged) || !self.tags.is_empty()
    }
}

/// What a manifest is to the image that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The image, or a part of it.
    Image,
    /// Refers to another manifest.
    Referrer,
    /// Belongs to one by cosign's tag.
    Tagged,
    /// Stands in an index of either.
    Part,
}

/// What is to be copied: manifests, each behind those that it leads or refers to, and blobs.
pub(crate) struct Plan<'a> {
    from: &'a dyn ImageStore,
    pub nodes: Vec<Node>,
    pub blobs: BTreeMap<Digest, Descriptor>,
    /// What was visited, and where it is among the nodes: nowhere yet, or not at all, when there is no number.
    seen: BTreeMap<Digest, Option<usize>>,
    bytes: usize,
    begun: Instant,
}

impl<'a> Plan<'a> {
    /// An empty one.
    pub fn new(from: &'a dyn ImageStore) -> Self {
        Self {
            from,
            nodes: Vec::new(),
            blobs: BTreeMap::new(),
            seen: BTreeMap::new(),
            bytes: 0,
            begun: Instant::now(),
        }
    }

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
            what: format!(
                "manifest {digest}, which belongs to the image (of an index that is sparse there, `--platform` copies one image)"
            ),
        }
        .at(place)
    }

    /// The manifest of a platform within an index; an image that is no index is taken as it is.
    ///
    /// # Errors
    /// When there is none, or an index cannot be read.
    pub fn of_platform(
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

    /// Adds a manifest behind all that it leads to, unless it was visited.
    ///
    /// # Errors
    /// When something is missing, cannot be read, or there is more of it than is copied.
    pub fn add(&mut self, descriptor: &Descriptor, role: Role, depth: u32) -> Result<(), OciError> {
        if self.seen.contains_key(&descriptor.digest) {
            return Ok(());
        }
        if depth > MAXIMUM_DEPTH {
            let limit = MAXIMUM_DEPTH as usize;
            return Err(too_large("the nesting of indexes", limit, "levels"));
        }
        self.check_bounds()?;
        self.seen.insert(descriptor.digest, None);
        let Some((found, bytes)) = self.read(descriptor)? else {
            return match role {
                // A list may name what has been removed since.
                Role::Referrer => Ok(()),
                _ => Err(self.missing(&descriptor.digest)),
            };
        };
        self.bytes += bytes.len();
        let children = Children::of(&found, &bytes)?;
        for blob in children.blobs {
            self.blobs.entry(blob.digest).or_insert(blob);
        }
        for manifest in &children.manifests {
            self.add(manifest, Role::Part, depth + 1)?;
        }
        self.seen.insert(found.digest, Some(self.nodes.len()));
        self.nodes.push(Node {
            descriptor: found,
            bytes,
            role,
            tags: Vec::new(),
        });
        Ok(())
    }

    /// Adds what refers to the manifests so far, and what refers to that.
    ///
    /// # Errors
    /// As [`Plan::add`].
    pub fn add_referrers(&mut self) -> Result<(), OciError> {
        let mut next = 0;
        let mut depth = 0;
        let mut level_end = self.nodes.len();
        while let Some(node) = self.nodes.get(next) {
            let digest = node.descriptor.digest;
            if next == level_end {
                depth += 1;
                level_end = self.nodes.len();
                if depth > MAXIMUM_DEPTH {
                    let limit = MAXIMUM_DEPTH as usize;
                    return Err(too_large("the chain of referrers", limit, "levels"));
                }
            }
            next += 1;
            self.check_bounds()?;
            for referrer in self.from.referrers(&digest)? {
                let plain = Descriptor::new(&referrer.media_type, referrer.digest, referrer.size);
                self.add(&plain, Role::Referrer, 0)?;
            }
            for ending in COSIGN_ENDINGS {
                let tag = format!("sha256-{}.{ending}", digest.hex());
                if let Some(found) = self.from.resolve(&tag)? {
                    self.add(&found, Role::Tagged, 0)?;
                    self.name(&found.digest, tag);
                }
            }
        }
        Ok(())
    }

    /// Notes a tag of a manifest that was visited.
    fn name(&mut self, digest: &Digest, tag: String) {
        let place = self.seen.get(digest).copied().flatten();
        if let Some(node) = place.and_then(|place| self.nodes.get_mut(place)) {
            node.tags.push(tag);
        }
    }

    fn check_bounds(&self) -> Result<(), OciError> {
        let what =
            "what belongs to the image (`--no-referrers` copies it without what refers to it)";
        if self.seen.len() >= MAXIMUM_MANIFESTS {
            return Err(too_large(what, MAXIMUM_MANIFESTS, "manifests"));
        }
        if self.bytes > MAXIMUM_BYTES {
            return Err(too_large(what, MAXIMUM_BYTES, "bytes of manifests"));
        }
        if self.begun.elapsed() > MAXIMUM_TIME {
            let place = self.from.place();
            let error = ClientError::Network {
                url: place.clone(),
                reason: format!(
                    "gave up: {what} could not be read in {} minutes",
                    MAXIMUM_TIME.as_secs() / 60
                ),
            };
            return Err(error.at(place));
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
