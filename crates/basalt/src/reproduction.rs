//! Whether an image that was built again is the same, and if not, in which layer, file and byte it is another.

use std::collections::BTreeMap;
use std::fmt;

use basalt_digest::Digest;
use basalt_escape::line;
use basalt_oci::{Content, ContentLimits, FileKind, Image, Layout, filesystem};
use serde::Serialize;

use crate::failure::Failure;
use crate::image_difference::{ImageDifference, difference};
use crate::packages;

/// Longest content of differing files that is looked into for the first byte that differs.
const MAXIMUM_CONTENT: u64 = 256 << 20;

/// An image that was built again.
#[derive(Debug, Clone, Serialize)]
pub struct Reproduction {
    /// Its name.
    pub image: String,
    /// The digest of the image as it was published: of its index or manifest.
    pub published: Digest,
    /// The digest of what was built.
    pub built: Digest,
    /// The images that differ; none when all is the same.
    pub images: Vec<DifferentImage>,
    /// What may explain it.
    pub why: Vec<String>,
}

/// An image of one platform that differs.
#[derive(Debug, Clone, Serialize)]
pub struct DifferentImage {
    /// Its platform.
    pub platform: String,
    /// Its layers that differ.
    pub layers: Vec<DifferentLayer>,
    /// Config, packages and paths that differ.
    pub difference: ImageDifference,
    /// Paths that differ by their date alone, as published and as built, in seconds since 1970.
    pub dates: BTreeMap<String, (u64, u64)>,
    /// Of files with another content, the place of the first byte that differs, from 0.
    pub first_bytes: BTreeMap<String, u64>,
}

/// A layer that differs.
#[derive(Debug, Clone, Serialize)]
pub struct DifferentLayer {
    /// Its number, from 1 up.
    pub number: usize,
    /// Its digest as published, if it is there.
    pub published: Option<Digest>,
    /// Its digest as built, if it is there.
    pub built: Option<Digest>,
    /// Whether only its compression differs.
    pub same_content: bool,
}

impl Reproduction {
    /// What a program of this version published, and what was built now.
    pub fn new(image: String, published: Digest, built: Digest, program: &str) -> Self {
        let mine = env!("CARGO_PKG_VERSION");
        let mut why = Vec::new();
        if program != mine && published != built {
            why.push(format!(
                "it was built by basalt {program}, and this is {mine}"
            ));
        }
        Self {
            image,
            published,
            built,
            images: Vec::new(),
            why,
        }
    }

    /// Whether every byte is the same.
    pub fn is_same(&self) -> bool {
        self.published == self.built
    }

    /// Finds what differs between the images as published and as built.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn compare(
        &mut self,
        published: (&Layout, &[Image]),
        built: (&Layout, &[Image]),
    ) -> Result<(), Failure> {
        for before in published.1 {
            let platform = &before.config.platform;
            let after = built.1.iter().find(|one| one.config.platform == *platform);
            match after {
                Some(after) if after.descriptor.digest == before.descriptor.digest => {}
                Some(after) => {
                    let found = DifferentImage::of((published.0, before), (built.0, after))?;
                    self.images.push(found);
                }
                None => self.why.push(format!("no image for {platform} was built")),
            }
        }
        if self.images.is_empty() && self.why.is_empty() {
            let why = "the images are the same; their index lists others, or has other annotations";
            self.why.push(why.to_owned());
        }
        for image in &self.images {
            self.why.extend(image.why());
        }
        Ok(())
    }
}

impl DifferentImage {
    fn of(before: (&Layout, &Image), after: (&Layout, &Image)) -> Result<Self, Failure> {
        let read = |(layout, image): (&Layout, &Image), limits, keep: &dyn Fn(&str) -> bool| {
            filesystem(layout, image, limits, keep)
        };
        let limits = ContentLimits::default();
        let is_record: &dyn Fn(&str) -> bool = &packages::is_record;
        let old = read(before, limits, is_record)?;
        let new = read(after, limits, is_record)?;
        let found = difference((before.1, &old), (after.1, &new))?;
        let changed = |path: &str| has_other_content(&old, &new, path);
        let size: u64 = found
            .files
            .keys()
            .filter(|path| changed(path))
            .filter_map(|path| size(&old, path))
            .sum();
        let mut first_bytes = BTreeMap::new();
        if size > 0 && size <= MAXIMUM_CONTENT {
            let kept = (
                read(before, limits, &changed)?.kept,
                read(after, limits, &changed)?.kept,
            );
            for (path, one) in &kept.0 {
                if let Some(other) = kept.1.get(path) {
                    first_bytes.insert(path.clone(), first_difference(one, other));
                }
            }
        }
        Ok(Self {
            platform: before.1.config.platform.to_string(),
            layers: layers(before.1, after.1),
            dates: dates(&old, &new),
            difference: found,
            first_bytes,
        })
    }

    /// What may explain it.
    fn why(&self) -> Vec<String> {
        let mut why = Vec::new();
        let compressed = self
            .layers
            .iter()
            .filter(|layer| layer.same_content)
            .count();
        if compressed > 0 {
            why.push(format!(
                "{}: {compressed} layers have the same content, compressed otherwise",
                self.platform
            ));
        }
        if self.layers.is_empty() && self.difference.is_empty() {
            why.push(format!(
                "{}: the layers are the same; the config or the annotations differ",
                self.platform
            ));
        }
        if !self.dates.is_empty() {
            why.push(format!(
                "{}: {} paths differ by their date alone",
                self.platform,
                self.dates.len()
            ));
        }
        why
    }
}

fn digest<'c>(content: &'c Content, path: &str) -> Option<&'c Digest> {
    match &content.files.get(path)?.kind {
        FileKind::File { digest, .. } => Some(digest),
        _ => None,
    }
}

fn size(content: &Content, path: &str) -> Option<u64> {
    match &content.files.get(path)?.kind {
        FileKind::File { size, .. } => Some(*size),
        _ => None,
    }
}

fn has_other_content(old: &Content, new: &Content, path: &str) -> bool {
    match (digest(old, path), digest(new, path)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    }
}

fn first_difference(one: &[u8], other: &[u8]) -> u64 {
    let same = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| one == other);
    same.count() as u64
}

fn dates(old: &Content, new: &Content) -> BTreeMap<String, (u64, u64)> {
    let both = old
        .files
        .iter()
        .filter_map(|(path, one)| Some((path, one, new.files.get(path)?)));
    both.filter(|(_, one, other)| one.mtime != other.mtime && one.kind == other.kind)
        .map(|(path, one, other)| (path.clone(), (one.mtime, other.mtime)))
        .collect()
}

fn layers(before: &Image, after: &Image) -> Vec<DifferentLayer> {
    let (old, new) = (&before.manifest.layers, &after.manifest.layers);
    let content = |image: &Image, place: usize| image.config.rootfs.diff_ids.get(place).copied();
    (0..old.len().max(new.len()))
        .map(|place| DifferentLayer {
            number: place + 1,
            published: old.get(place).map(|layer| layer.digest),
            built: new.get(place).map(|layer| layer.digest),
            same_content: content(before, place) == content(after, place),
        })
        .filter(|layer| layer.published != layer.built)
        .collect()
}

impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_same() {
            return writeln!(f, "reproduced {}\n{}", self.image, self.built);
        }
        writeln!(f, "{} is not reproduced", self.image)?;
        writeln!(f, "published {}", self.published)?;
        writeln!(f, "built     {}", self.built)?;
        for image in &self.images {
            writeln!(f, "\nimage {}", line(&image.platform.to_string()))?;
            for layer in &image.layers {
                let shown = |digest: &Option<Digest>| {
                    digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
                };
                let (from, to) = (shown(&layer.published), shown(&layer.built));
                writeln!(f, "layer {}: {from} → {to}", layer.number)?;
            }
            write!(f, "{}", image.difference)?;
            for (path, place) in &image.first_bytes {
                let path = line(path);
                writeln!(f, "/{path}: the first byte that differs is number {place}")?;
            }
        }
        for why in &self.why {
            writeln!(f, "{}", line(why))?;
        }
        Ok(())
    }
}
