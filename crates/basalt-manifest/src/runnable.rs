//! What of an image, or of an index and all below it, an engine could run.
//!
//! The question is answered generously: a manifest counts as an image unless it is certain that no engine runs it. Engines
//! differ. Docker takes any config whose bytes name layers, whatever its media type; podman takes any layer by its bytes;
//! each reads a child of an index as what it is served as, not as what the index says. So nothing but bytes exempts:
//!
//! - bytes that do not begin as a JSON object are no manifest;
//! - a manifest whose config is no image's, neither by its media type nor by its bytes (no `rootfs`), is an artifact:
//!   a Helm chart, a signature, a file;
//! - one that has nothing but types of attached things, and whose layers are all JSON or text, is an attachment: cosign's
//!   older signatures, BuildKit's attestations. Unpacking a text fails in every engine.

use std::collections::{BTreeSet, VecDeque};

use crate::attached::{is_attached_type, is_config_of_attached, is_document};
use crate::config::{begins_object, may_have_root};
use crate::document::{Descriptor, Document, Kind, read};
use crate::json::Malformed;
use crate::media_type::{DOCKER_MANIFEST, is_config, is_started};

/// The longest config of an artifact that is read, in bytes.
const MAXIMUM_CONFIG: u64 = 4 << 20;
/// The longest attached document that is read, in bytes.
const MAXIMUM_ATTACHED: u64 = 64 << 20;

/// The bound on all the work for one question.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many documents and blobs are asked for.
    pub reads: usize,
    /// How many bytes those have together.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: 2000,
            bytes: 512 << 20,
        }
    }
}

/// Where manifests and blobs are. All that it gives has been compared with its digest.
pub trait Source {
    /// Why something cannot be told; also: nobody waits for the answer any more.
    type Error;

    /// The bytes of a manifest or index, if it is there.
    ///
    /// # Errors
    /// When that cannot be told, or the bytes are not what the digest says.
    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The bytes of a blob, if it is there and has at most so many.
    ///
    /// # Errors
    /// When that cannot be told.
    fn blob(&mut self, blob: &Descriptor, limit: u64) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// A manifest that could be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its digest.
    pub digest: String,
    /// What it calls itself, or what the index calls it that is not here.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The manifest; nothing when it is not here, so that it may be anything.
    pub document: Option<Document>,
    /// Whether an index that lists one that is not here has its bytes (`data`) or says where they are (`urls`): it can be run
    /// nevertheless. containerd asks the `urls` first.
    pub is_elsewhere: bool,
}

/// All that could be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// Whether the document asked about is an index.
    pub is_index: bool,
    /// Its annotations.
    pub annotations: std::collections::BTreeMap<String, String>,
    /// The manifests that could be run, each once: itself, or those below it.
    pub images: Vec<Image>,
    /// The digests of what nobody runs, each once.
    pub exempt: Vec<String>,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum Refusal<E> {
    /// A document could be different things to different readers.
    #[error("{digest} is refused: {cause}")]
    Malformed {
        /// Which.
        digest: String,
        /// Why.
        #[source]
        cause: Malformed,
    },
    /// There is more than is looked at.
    #[error("it leads to more than is looked at: {limit} {unit}")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The place failed.
    #[error(transparent)]
    Source(E),
}

/// Everything that could be run of a manifest or an index of this digest, and of all that it leads to. Each digest is looked
/// at once, however often and however deep it is listed.
///
/// # Errors
/// When a document is refused, there is too much, or the place fails.
pub fn runnable<S: Source>(
    digest: &str,
    limits: Limits,
    source: &mut S,
) -> Result<Covered, Refusal<S::Error>> {
    let mut judge = Judge {
        left: limits,
        limits,
        source,
    };
    let mut covered = Covered {
        is_index: false,
        annotations: std::collections::BTreeMap::new(),
        images: Vec::new(),
        exempt: Vec::new(),
    };
    let mut seen = BTreeSet::from([digest.to_owned()]);
    let mut waiting = VecDeque::from([Listed {
        digest: digest.to_owned(),
        media_type: String::new(),
        size: 0,
    }]);
    // By whichever of the entries that list it.
    let mut elsewhere: BTreeSet<String> = BTreeSet::new();
    let mut is_first = true;
    while let Some(listed) = waiting.pop_front() {
        let is_root = std::mem::take(&mut is_first);
        let Some(bytes) = judge.document(&listed.digest)? else {
            covered.images.push(listed.missing());
            continue;
        };
        // What is asked about must be a document.
        if !is_root && !begins_object(&bytes) {
            covered.exempt.push(listed.digest);
            continue;
        }
        let document = read(&bytes).map_err(|cause| Refusal::Malformed {
            digest: listed.digest.clone(),
            cause,
        })?;
        if is_root {
            covered.is_index = document.kind == Kind::Index;
            covered.annotations = document.annotations.clone();
        }
        match document.kind {
            Kind::Index => {
                for child in document.manifests {
                    if child.has_data || child.has_urls {
                        elsewhere.insert(child.digest.clone());
                    }
                    if seen.insert(child.digest.clone()) {
                        waiting.push_back(Listed::of(child));
                    }
                }
            }
            Kind::Manifest if judge.is_image(&document)? => covered.images.push(Image {
                digest: listed.digest,
                media_type: document.media_type().to_owned(),
                size: bytes.len() as u64,
                document: Some(document),
                is_elsewhere: false,
            }),
            Kind::Manifest => covered.exempt.push(listed.digest),
        }
    }
    for image in &mut covered.images {
        image.is_elsewhere = image.document.is_none() && elsewhere.contains(&image.digest);
    }
    Ok(covered)
}

/// What is still to be looked at.
struct Listed {
    digest: String,
    media_type: String,
    size: u64,
}

impl Listed {
    fn of(child: Descriptor) -> Self {
        Self {
            digest: child.digest,
            media_type: child.media_type,
            size: child.size,
        }
    }

    fn missing(self) -> Image {
        Image {
            digest: self.digest,
            media_type: self.media_type,
            size: self.size,
            document: None,
            is_elsewhere: false,
        }
    }
}

struct Judge<'s, S> {
    left: Limits,
    limits: Limits,
    source: &'s mut S,
}

impl<S: Source> Judge<'_, S> {
    /// Counts one more read.
    fn begin(&mut self) -> Result<(), Refusal<S::Error>> {
        let left = self.left.reads.checked_sub(1);
        self.left.reads = left.ok_or(Refusal::TooMuch {
            limit: self.limits.reads as u64,
            unit: "documents",
        })?;
        Ok(())
    }

    /// Counts what was read.
    fn count(&mut self, bytes: usize) -> Result<(), Refusal<S::Error>> {
        let left = self.left.bytes.checked_sub(bytes as u64);
        self.left.bytes = left.ok_or(Refusal::TooMuch {
            limit: self.limits.bytes,
            unit: "bytes",
        })?;
        Ok(())
    }

    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, Refusal<S::Error>> {
        self.begin()?;
        let found = self.source.document(digest).map_err(Refusal::Source)?;
        self.count(found.as_ref().map_or(0, Vec::len))?;
        Ok(found)
    }

    fn blob(
        &mut self,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Refusal<S::Error>> {
        if blob.size > limit {
            return Ok(None);
        }
        self.begin()?;
        let found = self.source.blob(blob, limit).map_err(Refusal::Source)?;
        self.count(found.as_ref().map_or(0, Vec::len))?;
        Ok(found)
    }

    /// Whether an engine could run a manifest.
    fn is_image(&mut self, manifest: &Document) -> Result<bool, Refusal<S::Error>> {
        let Some(config) = &manifest.config else {
            return Ok(true);
        };
        let is_started = manifest
            .layers
            .iter()
            .any(|one| is_started(&one.media_type));
        let is_docker = manifest.media_type() == DOCKER_MANIFEST;
        if !is_docker && !is_started && !is_config(&config.media_type) {
            let bytes = self.blob(config, MAXIMUM_CONFIG)?;
            if bytes.is_some_and(|bytes| !may_have_root(&bytes)) {
                return Ok(false);
            }
        }
        let mut layers = manifest.layers.iter();
        let is_attached = is_config_of_attached(&config.media_type)
            && !manifest.layers.is_empty()
            && layers.all(|one| is_attached_type(&one.media_type));
        if !is_attached {
            return Ok(true);
        }
        let mut seen = BTreeSet::new();
        for layer in &manifest.layers {
            if seen.insert(&layer.digest) {
                let bytes = self.blob(layer, MAXIMUM_ATTACHED)?;
                if !bytes.is_some_and(|bytes| is_document(&layer.media_type, &bytes)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
