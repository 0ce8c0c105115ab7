//! Which manifests are images, which policies are about, and what such an image says of itself.

use std::collections::BTreeMap;

use basalt_manifest::{
    Config, Descriptor, Document, Limits, Malformed, Source, read_config, runnable,
};
use bytes::Bytes;

use super::shelf::{Gone, Shelf};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};

/// The bound on what is read to find the images of a manifest.
const LIMITS: Limits = Limits {
    reads: 1000,
    bytes: 64 << 20,
};
/// The most images of an index that are held against policies.
const MAXIMUM_IMAGES: usize = 200;
/// The longest configuration that is read, in bytes.
const MAXIMUM_CONFIG: u64 = 4 << 20;

/// A manifest that is asked for or comes.
#[derive(Debug, Clone)]
pub struct Subject {
    /// In which repository.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// An image of one platform.
#[derive(Debug)]
pub(super) struct Image {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    pub manifest: Document,
}

/// What policies are held against: an image, or an index and the images that it leads to.
#[derive(Debug)]
pub(super) struct Target {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    pub is_index: bool,
    /// The index's, or the image's own.
    pub annotations: BTreeMap<String, String>,
    /// The image itself, or those that the index leads to.
    pub images: Vec<Image>,
    /// Why it cannot be judged, so that it meets no policy.
    pub problem: Option<String>,
}

/// Whether a tag is one of cosign's older format, by which something is attached: `sha256-….sig`. It says nothing of what the
/// tag names.
pub fn is_attachment_tag(tag: &Tag) -> bool {
    let rest = tag
        .as_str()
        .strip_prefix("sha256-")
        .and_then(|rest| rest.get(64..));
    matches!(rest, Some(".sig" | ".att" | ".sbom"))
}

impl Image {
    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.manifest.annotations.get(name).map(String::as_str)
    }

    /// What its configuration says, if that is here.
    pub fn config(&self, shelf: &Shelf) -> Option<Result<Config, Malformed>> {
        let digest = config_of(&self.manifest)?;
        let bytes = shelf.bytes(&digest, MAXIMUM_CONFIG)?;
        Some(read_config(&bytes))
    }

    /// When its configuration says that it was made, or else its annotation. One whose configuration could be read in two ways
    /// says nothing.
    pub fn created(&self, shelf: &Shelf) -> Option<jiff::Timestamp> {
        let created = match self.config(shelf) {
            Some(config) => config.ok()?.created,
            None => None,
        };
        let annotated = self.annotation(basalt_oci::annotation::CREATED);
        let text = created.or_else(|| annotated.map(str::to_owned));
        text?.parse().ok()
    }
}

/// The digest of a manifest's configuration.
fn config_of(manifest: &Document) -> Option<Digest> {
    manifest.config.as_ref()?.digest.parse().ok()
}

/// What the configuration of a manifest of another repository says, if that is here.
pub(super) fn config_in(
    shelf: &Shelf,
    repository: &RepositoryName,
    manifest: &Document,
) -> Option<Result<Config, Malformed>> {
    let bytes = shelf.bytes_in(repository, &config_of(manifest)?, MAXIMUM_CONFIG)?;
    Some(read_config(&bytes))
}

impl Target {
    /// What policies are held against; nothing when nobody could run it, or anything that it leads to.
    pub fn of(shelf: &Shelf, subject: &Subject) -> Option<Self> {
        let mut target = Self {
            digest: subject.digest.clone(),
            media_type: subject.media_type.clone(),
            size: subject.bytes.len() as u64,
            is_index: false,
            annotations: BTreeMap::new(),
            images: Vec::new(),
            problem: None,
        };
        let mut place = Place { shelf, subject };
        let covered = match runnable(subject.digest.as_str(), LIMITS, &mut place) {
            Ok(covered) => covered,
            Err(refusal) => {
                target.problem = Some(refusal.to_string());
                return Some(target);
            }
        };
        target.is_index = covered.is_index;
        target.annotations = covered.annotations;
        for image in covered.images {
            match (image.document, image.digest.parse()) {
                (Some(manifest), Ok(digest)) => target.images.push(Image {
                    digest,
                    media_type: image.media_type,
                    size: image.size,
                    manifest,
                }),
                // What is not here cannot be pulled from here. When it comes, it is judged by itself.
                (None, _) if !image.is_elsewhere => {}
                _ => {
                    let digest = image.digest;
                    let problem = format!(
                        "it lists {digest}, which is not here, and the index has its bytes or says where they are"
                    );
                    target.problem.get_or_insert(problem);
                }
            }
        }
        if target.images.len() > MAXIMUM_IMAGES {
            let problem = format!("it leads to more than {MAXIMUM_IMAGES} images");
            target.problem.get_or_insert(problem);
        }
        (target.problem.is_some() || !target.images.is_empty()).then_some(target)
    }
}

/// A repository as that reads it which tells what could be run; the manifest in question may not be in it yet.
struct Place<'p> {
    shelf: &'p Shelf,
    subject: &'p Subject,
}

impl Source for Place<'_> {
    type Error = Gone;

    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, Gone> {
        if digest == self.subject.digest.as_str() {
            return Ok(Some(self.subject.bytes.to_vec()));
        }
        let record = digest
            .parse()
            .ok()
            .and_then(|digest| self.shelf.record(&digest));
        self.shelf.check()?;
        Ok(record.map(|record| record.bytes.to_vec()))
    }

    fn blob(&mut self, blob: &Descriptor, limit: u64) -> Result<Option<Vec<u8>>, Gone> {
        let digest = blob.digest.parse().ok();
        let bytes = digest.and_then(|digest| self.shelf.bytes(&digest, limit));
        self.shelf.check()?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cosigns_tags_are_those_of_what_is_attached() {
        let is_attached = |tag: &str| is_attachment_tag(&tag.parse().expect("a tag"));
        let hex = "0".repeat(64);
        assert!(is_attached(&format!("sha256-{hex}.sig")));
        assert!(!is_attached(&format!("sha256-{hex}.run")));
        assert!(!is_attached("latest") && !is_attached("sha256-0.sig"));
    }
}
