//! A repository as a place that holds images, as a layout is one.

use std::io::Read;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore, OciError};

use crate::error::ClientError;
use crate::repository::{Facts, MAXIMUM_MANIFEST, Repository};

impl Repository {
    fn error(&self) -> impl Fn(ClientError) -> OciError + '_ {
        |error| error.at(self.name().to_owned())
    }

    /// Writes a manifest; where the registry does not note its subject itself, the list of referrers is kept.
    pub(crate) fn add_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, ClientError> {
        if bytes.len() as u64 > MAXIMUM_MANIFEST {
            return Err(ClientError::Source(OciError::TooLarge {
                what: format!("manifest {}", Digest::of(bytes)),
                limit: MAXIMUM_MANIFEST,
                unit: "bytes",
            }));
        }
        let descriptor = Descriptor::of(media_type, bytes);
        let facts = Facts::of(bytes).map_err(ClientError::Source)?;
        let noted = self.send_manifest(media_type, bytes, tag)?;
        if let Some(subject) = &facts.subject {
            match noted {
                true => {
                    let _ = self.knows_referrers.set(true);
                }
                false => self.note_referrer(&subject.digest, &descriptor, &facts)?,
            }
        }
        Ok(descriptor)
    }
}

impl ImageStore for Repository {
    fn place(&self) -> String {
        self.name().to_owned()
    }

    fn resolve(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        self.find(tag).map_err(self.error())
    }

    fn tags(&self) -> Result<Vec<String>, OciError> {
        self.list_tags().map_err(self.error())
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<(Descriptor, Vec<u8>)>, OciError> {
        self.get_manifest(digest).map_err(self.error())
    }

    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        let opened = self.open_blob(blob).map_err(self.error())?;
        Ok(Box::new(opened))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, OciError> {
        self.list_referrers(subject, None).map_err(self.error())
    }

    fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, OciError> {
        let descriptor = Descriptor::of(media_type, bytes);
        let there = self.has_blob(&descriptor.digest).map_err(self.error())?;
        if !there {
            let copy = bytes.to_vec();
            let open = || -> Result<Box<dyn Read + Send>, OciError> {
                Ok(Box::new(std::io::Cursor::new(copy.clone())))
            };
            self.send_blob(&descriptor, None, &open, &|_| {})
                .map_err(self.error())?;
        }
        Ok(descriptor)
    }

    fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, OciError> {
        self.add_manifest(media_type, bytes, tag)
            .map_err(self.error())
    }
}
