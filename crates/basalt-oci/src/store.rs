//! Where images are kept by tag and digest: a layout, or a repository of a registry.

use std::io::Read;

use basalt_digest::Digest;

use crate::error::OciError;
use crate::manifest::Descriptor;

/// A place that holds manifests, blobs and tags, and knows what refers to what (OCI distribution
/// specification 1.1). All that it gives has been compared with its digest, or is compared while it is read.
pub trait ImageStore: Send + Sync {
    /// The place, for messages: a path, or a host and a repository.
    fn place(&self) -> String;

    /// What a tag points at, if it is there.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn resolve(&self, tag: &str) -> Result<Option<Descriptor>, OciError>;

    /// All tags, sorted.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn tags(&self) -> Result<Vec<String>, OciError>;

    /// A manifest or index, with a descriptor that has its media type and size, if it is there.
    ///
    /// # Errors
    /// When it is larger than is read, or other bytes than its digest says.
    fn manifest(&self, digest: &Digest) -> Result<Option<(Descriptor, Vec<u8>)>, OciError>;

    /// Opens a blob. Reading it to its end fails when it is not what the descriptor says.
    ///
    /// # Errors
    /// When it is missing or has another size.
    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, OciError>;

    /// The manifests whose subject this one is, sorted by digest. Each descriptor has the artifact type and the
    /// annotations of its manifest, also where the place itself does not list them.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, OciError>;

    /// Adds a blob, unless it is there.
    ///
    /// # Errors
    /// When the place cannot be written.
    fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, OciError>;

    /// Adds a manifest whose blobs are there, and points the tag at it. One that has a subject is from then on among
    /// its referrers.
    ///
    /// # Errors
    /// When the place cannot be written, or refuses it.
    fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, OciError>;
}
