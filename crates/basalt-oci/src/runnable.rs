//! What of an image in some place could be run.

use std::io::Read;

use basalt_digest::Digest;
use basalt_manifest::{Limits, Refusal, Source};

use crate::error::OciError;
use crate::manifest::{Descriptor, media_type};
use crate::store::ImageStore;

/// All that could be run of an image or an index, each manifest once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// Whether it is an index.
    pub is_index: bool,
    /// What could be run: itself, or all below it.
    pub images: Vec<Descriptor>,
    /// The digests of manifests that could be run and cannot be verified here, as they are not of SHA-256.
    pub uncovered: Vec<String>,
}

impl Covered {
    /// The images that an index leads to; none of what is no index.
    pub fn within(&self) -> &[Descriptor] {
        match self.is_index {
            true => &self.images,
            false => &[],
        }
    }
}

/// Everything that an engine could run of an image or index, by what its bytes are and whatever it calls itself; nested indexes
/// are looked into. A manifest that is not there counts: it may be anything.
///
/// # Errors
/// When the place cannot be read, a document could be different things to different readers, or there is too much.
pub fn covered(store: &dyn ImageStore, digest: &Digest) -> Result<Covered, OciError> {
    let found =
        basalt_manifest::runnable(&digest.to_string(), Limits::default(), &mut Place(store));
    let found = found.map_err(|refusal| refused(digest, refusal))?;
    let named = digest.to_string();
    let is_missing =
        |image: &basalt_manifest::Image| image.digest == named && image.document.is_none();
    if found.images.iter().any(is_missing) {
        return Err(OciError::NotAManifest {
            place: store.place(),
            digest: *digest,
        });
    }
    let mut covered = Covered {
        is_index: found.is_index,
        images: Vec::new(),
        uncovered: Vec::new(),
    };
    for image in found.images {
        match image.digest.parse() {
            Ok(digest) => {
                let kind = match image.media_type.is_empty() {
                    true => media_type::MANIFEST,
                    false => &image.media_type,
                };
                let descriptor = Descriptor::new(kind, digest, image.size);
                covered.images.push(descriptor);
            }
            Err(_) => covered.uncovered.push(image.digest),
        }
    }
    Ok(covered)
}

/// A refusal as an error of this crate. `digest`: what was asked about.
pub fn refused(digest: &Digest, refusal: Refusal<OciError>) -> OciError {
    match refusal {
        Refusal::Malformed { digest, cause } => OciError::Malformed {
            what: digest,
            cause,
        },
        Refusal::TooMuch { limit, unit } => OciError::TooLarge {
            what: format!("what {digest} leads to"),
            limit,
            unit,
        },
        Refusal::Source(error) => error,
    }
}

struct Place<'s>(&'s dyn ImageStore);

impl Source for Place<'_> {
    type Error = OciError;

    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, OciError> {
        let Ok(digest) = digest.parse() else {
            return Ok(None);
        };
        Ok(self.0.manifest(&digest)?.map(|(_, bytes)| bytes))
    }

    fn blob(
        &mut self,
        blob: &basalt_manifest::Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, OciError> {
        let Ok(blob) = Descriptor::try_from(blob.clone()) else {
            return Ok(None);
        };
        // A blob that is missing, or has another size, proves nothing.
        let Ok(reader) = self.0.blob(&blob) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        match reader.take(limit).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 == blob.size => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }
}
