//! What an image is built on.
//!
//! A base that is in this registry is told by its layers: the image's begin with them, whatever it says of itself. Of one
//! that is elsewhere only the image's own annotations tell.

use std::sync::Arc;

use basalt_manifest::{Config, Document, is_layer};
use basalt_oci::annotation::{BASE_DIGEST, BASE_NAME};
use serde::Deserialize;

use super::image::{Image, Target, config_in};
use super::judge::Unmet;
use super::shelf::Shelf;
use crate::access::Glob;
use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::route::Reference;

/// The most manifests that are compared with an image.
const MAXIMUM_CANDIDATES: u64 = 500;
/// The most tags of one of them that are looked at.
const MAXIMUM_TAGS: u64 = 1000;
/// How many of the indexes that list it.
const MAXIMUM_PARENTS: u64 = 100;

/// Bases that an image may have: `base`, `base:trixie*`, `base@sha256:…`, or elsewhere `docker.io/library/debian:*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Base {
    text: String,
    host: Option<String>,
    repository: Glob,
    which: Which,
}

/// Which of a repository's images.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    /// All that were ever pushed there.
    Any,
    /// Those that such a tag names now.
    Tagged(Glob),
    /// This one.
    Exactly(Digest),
}

impl TryFrom<String> for Base {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text.as_str(), None),
        };
        let first = name.split('/').next().unwrap_or_default();
        let is_host = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
        let (host, name) = match name.split_once('/') {
            Some((host, rest)) if is_host => (Some(host.to_ascii_lowercase()), rest),
            _ => (None, name),
        };
        let (repository, tag) = match name.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (name, None),
        };
        let which = match (tag, digest) {
            (None, None) => Which::Any,
            (Some(tag), None) => Which::Tagged(Glob::try_from(tag.to_owned())?),
            (None, Some(digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|error| format!("`{text}` names no digest: {error}"))?;
                Which::Exactly(digest)
            }
            (Some(_), Some(_)) => {
                return Err(format!(
                    "`{text}` has a tag and a digest; write one of them"
                ));
            }
        };
        Ok(Self {
            repository: Glob::try_from(repository.to_owned())?,
            host,
            which,
            text,
        })
    }
}

impl Base {
    /// The same, for a registry that clients know by this name: what is there is here.
    #[must_use]
    pub fn known_as(mut self, own: Option<&str>) -> Self {
        if own.is_some() && self.host.as_deref() == own {
            self.host = None;
        }
        self
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an image says that it is built on this, which is elsewhere.
    fn is_annotated(&self, host: &str, name: Option<&str>, digest: Option<&str>) -> bool {
        match &self.which {
            Which::Exactly(own) => digest == Some(own.as_str()),
            which => name.is_some_and(|name| {
                let name = name.split('@').next().unwrap_or(name);
                let Some((other, rest)) = name.split_once('/') else {
                    return false;
                };
                let (repository, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
                let is_tag = match which {
                    Which::Tagged(glob) => glob.fits(tag),
                    _ => true,
                };
                other.eq_ignore_ascii_case(host) && self.repository.fits(repository) && is_tag
            }),
        }
    }

    /// Whether a manifest of this registry is one of these.
    fn is_this(&self, shelf: &Shelf, repository: &RepositoryName, digest: &Digest) -> bool {
        if self.host.is_some() || !self.repository.fits(repository.as_str()) {
            return false;
        }
        let metadata = shelf.metadata.as_ref();
        match &self.which {
            Which::Any => true,
            Which::Exactly(own) => {
                let parents = || metadata.parents(repository, digest, MAXIMUM_PARENTS);
                own == digest
                    || shelf
                        .wait(parents())
                        .is_some_and(|parents| parents.contains(own))
            }
            Which::Tagged(glob) => {
                let tags = metadata.tags_over(repository, digest, MAXIMUM_TAGS);
                let tags = shelf.wait(tags).unwrap_or_default();
                tags.iter().any(|tag| glob.fits(tag.as_str()))
            }
        }
    }
}

/// Why an image is not built on one of these. Each image of an index must be.
pub(super) fn unmet(shelf: &Shelf, target: &Target, bases: &[Base]) -> Option<Unmet> {
    let image = target
        .images
        .iter()
        .find(|image| !is_on(shelf, target, image, bases))?;
    let names: Vec<&str> = bases.iter().map(Base::as_str).collect();
    let said = annotation(target, image, BASE_NAME);
    Some(Unmet {
        digest: image.digest.to_string(),
        // What is here and is its base is not named: who asks may not be one who may know of it.
        found: match said {
            Some(name) => {
                let name: String = name.chars().take(200).collect();
                format!(
                    "its layers begin with those of none of these bases; it says that it is built on {name}"
                )
            }
            None => "its layers begin with those of none of these bases".to_owned(),
        },
        wanted: format!("an image built on one of {}", names.join(", ")),
    })
}

fn annotation<'a>(target: &'a Target, image: &'a Image, name: &str) -> Option<&'a str> {
    let own = image.annotation(name);
    own.or_else(|| target.annotations.get(name).map(String::as_str))
}

fn is_on(shelf: &Shelf, target: &Target, image: &Image, bases: &[Base]) -> bool {
    let said = |name| annotation(target, image, name);
    let (name, digest) = (said(BASE_NAME), said(BASE_DIGEST));
    let is_annotated = |base: &Base| {
        let host = base.host.as_deref();
        host.is_some_and(|host| base.is_annotated(host, name, digest))
    };
    bases.iter().any(is_annotated) || has_layers(shelf, image, bases)
}

/// Whether the layers of an image begin with those of a base that is here.
///
/// A layer of a type that some engines pass over is there by its digest alone: containerd would run what lies over it
/// without it. So all of the image's must be of types that every engine unpacks, and so must those of the base: a signature
/// is the base of nothing. The same holds of what the configurations call them (`diff_ids`): containerd takes a layer that it
/// has unpacked before by that name, without a look at the layer itself.
fn has_layers(shelf: &Shelf, image: &Image, bases: &[Base]) -> bool {
    let config = image.config(shelf).and_then(Result::ok);
    let Some(layers) = Layers::of(&image.manifest, config) else {
        return false;
    };
    let Some(Ok(first)) = layers.digests.first().map(|first| first.parse::<Digest>()) else {
        return false;
    };
    let globs: Vec<Glob> = bases
        .iter()
        .filter(|base| base.host.is_none())
        .map(|base| base.repository.clone())
        .collect();
    if globs.is_empty() {
        return false;
    }
    let is_wanted =
        Arc::new(move |name: &RepositoryName| globs.iter().any(|glob| glob.fits(name.as_str())));
    let found = shelf
        .metadata
        .manifests_with(&first, is_wanted, MAXIMUM_CANDIDATES);
    let found = shelf.wait(found).unwrap_or_default();
    found.iter().any(|(repository, digest)| {
        begins_with(shelf, &layers, repository, digest)
            && bases
                .iter()
                .any(|base| base.is_this(shelf, repository, digest))
    })
}

/// The layers of an image, all of types that every engine unpacks.
struct Layers {
    digests: Vec<String>,
    /// What the configuration calls each.
    diff_ids: Vec<String>,
}

impl Layers {
    /// Nothing when an engine may pass over one, or the configuration is not here or names more or fewer.
    fn of(manifest: &Document, config: Option<Config>) -> Option<Self> {
        let layers = &manifest.layers;
        let diff_ids = config?.diff_ids;
        let all_unpacked = layers.iter().all(|layer| is_layer(&layer.media_type));
        (all_unpacked && diff_ids.len() == layers.len()).then(|| Self {
            digests: layers.iter().map(|layer| layer.digest.clone()).collect(),
            diff_ids,
        })
    }
}

/// Whether these layers begin with those of a manifest.
fn begins_with(
    shelf: &Shelf,
    layers: &Layers,
    repository: &RepositoryName,
    digest: &Digest,
) -> bool {
    let reference = Reference::Digest(digest.clone());
    let record = shelf.wait(shelf.metadata.manifest(repository, &reference));
    let Some(record) = record.flatten() else {
        return false;
    };
    let Ok(manifest) = basalt_manifest::read(&record.bytes) else {
        return false;
    };
    let config = config_in(shelf, repository, &manifest).and_then(Result::ok);
    let Some(own) = Layers::of(&manifest, config) else {
        return false;
    };
    // One without layers would be the base of everything.
    !own.digests.is_empty()
        && layers.digests.starts_with(&own.digests)
        && layers.diff_ids.starts_with(&own.diff_ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn base(text: &str) -> Base {
        Base::try_from(text.to_owned()).expect("it is one")
    }

    #[test]
    fn a_base_is_here_unless_a_host_is_named_that_is_not_ours() {
        for text in ["base", "base:*", "team/**", &format!("base@{DIGEST}")] {
            assert_eq!(base(text).host, None, "{text}");
        }
        for text in [
            "docker.io/library/debian:*",
            "lab:5000/base",
            "localhost/base",
        ] {
            assert!(base(text).host.is_some(), "{text}");
        }
        let own = base("Registry.example/base:*").known_as(Some("registry.example"));
        assert_eq!(own.host, None);
        for text in [
            "",
            "base:",
            "base@sha256:0",
            "a:b@c",
            &format!("base:1@{DIGEST}"),
            "a b",
        ] {
            assert!(Base::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_annotation_tells_of_a_base_elsewhere_by_its_name_or_digest() {
        let debian = base("docker.io/library/debian:trixie*");
        let says = |name| debian.is_annotated("docker.io", Some(name), None);
        assert!(says("docker.io/library/debian:trixie-slim"));
        assert!(!says("docker.io/library/debian:sid") && !says("docker.io/library/debian"));
        assert!(!says("evil.example/library/debian:trixie") && !says("debian:trixie"));
        let pinned = base(&format!("docker.io/library/debian@{DIGEST}"));
        assert!(pinned.is_annotated("docker.io", None, Some(DIGEST)));
        assert!(!pinned.is_annotated("docker.io", Some("docker.io/library/debian"), None));
    }
}
