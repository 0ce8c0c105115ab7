//! A repository as those see it who verify what is attached to images: read from the metadata and the store of blobs
//! themselves, by a thread that may wait.

use std::io::{self, Cursor, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use basalt_oci::{Descriptor, ImageStore, OciError};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::blobs::{Blobs, whole};
use crate::digest::{Algorithm, Digest};
use crate::metadata::{ManifestRecord, Metadata, MetadataError};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;
use crate::server::Unfinished;

/// How many referrers are asked for at once, and the most there may be.
const REFERRERS: u64 = 500;
const MAXIMUM_REFERRERS: usize = 2000;
/// The longest blob that is read, in bytes.
const MAXIMUM_BLOB: u64 = 64 << 20;

/// How often the metadata and the store are asked for one manifest, at most.
pub(super) const MOST: usize = 20_000;
/// How long one manifest is judged.
const PATIENCE: Duration = Duration::from_secs(30);

/// Brings a blob here that an upstream has, if it can.
pub type Bring = Arc<dyn Fn(Digest) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Nothing is read any more: something failed, it took too long, or nobody waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it could not be looked through")]
pub(super) struct Gone;

/// A repository that is read.
pub(super) struct Shelf {
    pub metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn Blobs>,
    pub repository: RepositoryName,
    runtime: Handle,
    failure: Mutex<Option<Unfinished>>,
    bring: Option<Bring>,
    /// Set when nobody waits for the answer any more.
    stop: Arc<AtomicBool>,
    asked: AtomicUsize,
    ends: Instant,
}

impl Shelf {
    /// A repository. Whoever reads it must be in a thread that may wait, beside those of the runtime.
    pub fn new(
        metadata: Arc<dyn Metadata>,
        blobs: Arc<dyn Blobs>,
        repository: RepositoryName,
        bring: Option<Bring>,
        (runtime, stop): (Handle, Arc<AtomicBool>),
    ) -> Self {
        Self {
            metadata,
            blobs,
            repository,
            runtime,
            failure: Mutex::new(None),
            bring,
            stop,
            asked: AtomicUsize::new(0),
            ends: Instant::now() + PATIENCE,
        }
    }

    /// Waits for an answer. What fails is nothing that is told of the image: it is kept for who asked for all of it.
    pub fn wait<T, E: Into<Unfinished>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        if self.stop.load(Ordering::Relaxed) {
            self.fail(io::Error::from(io::ErrorKind::Interrupted).into());
            return None;
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) >= MOST {
            return None;
        }
        let left = self.ends.saturating_duration_since(Instant::now());
        let answer = self.runtime.block_on(async { timeout(left, answer).await });
        match answer {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                self.fail(error.into());
                None
            }
            Err(_) => {
                let message = format!(
                    "an image of {} is judged for longer than {} s",
                    self.repository,
                    PATIENCE.as_secs()
                );
                self.fail(io::Error::new(io::ErrorKind::TimedOut, message).into());
                None
            }
        }
    }

    fn fail(&self, failure: Unfinished) {
        let mut kept = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(failure);
    }

    /// Whether all was asked that may be asked for one manifest.
    pub fn is_exhausted(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > MOST
    }

    /// Whether it is still read.
    pub fn check(&self) -> Result<(), Gone> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.is_some() || self.is_exhausted() {
            true => Err(Gone),
            false => Ok(()),
        }
    }

    /// What failed, if something did: then nothing that was found counts.
    pub fn failure(&self) -> Option<Unfinished> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    /// A manifest, compared with its digest.
    pub fn record(&self, digest: &Digest) -> Option<ManifestRecord> {
        let reference = Reference::Digest(digest.clone());
        let record = self.wait(self.metadata.manifest(&self.repository, &reference))??;
        (Digest::of(digest.algorithm(), &record.bytes) == *digest).then_some(record)
    }

    /// A blob of at most so many bytes, compared with its digest. One that only an upstream has is brought here.
    pub fn bytes(&self, digest: &Digest, limit: u64) -> Option<Bytes> {
        let (metadata, blobs) = (self.metadata.as_ref(), self.blobs.as_ref());
        let read = || self.wait(whole(metadata, blobs, &self.repository, digest, limit))?;
        if let Some(bytes) = read() {
            return Some(bytes);
        }
        let bring = self.bring.as_ref()?;
        let is_here = self
            .wait(metadata.blob(&self.repository, digest))?
            .is_some();
        if is_here {
            return None;
        }
        let brought = bring(digest.clone());
        self.wait(async {
            brought.await;
            Ok::<_, Unfinished>(())
        })?;
        read()
    }

    /// A blob of another repository, of at most so many bytes, compared with its digest.
    pub fn bytes_in(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Option<Bytes> {
        let (metadata, blobs) = (self.metadata.as_ref(), self.blobs.as_ref());
        self.wait(whole(metadata, blobs, repository, digest, limit))?
    }

    /// The indexes that lead to a manifest, the nearest first, each once and at most so many.
    pub fn indexes_over(&self, digest: &Digest, limit: u64) -> Vec<Digest> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found: Vec<Digest> = Vec::new();
        let mut below = Some(digest.clone());
        let mut next = 0;
        while let Some(digest) = below {
            let left = limit.saturating_sub(found.len());
            if left == 0 {
                break;
            }
            let parents = self
                .metadata
                .parents(&self.repository, &digest, left as u64);
            for parent in self.wait(parents).unwrap_or_default() {
                if !found.contains(&parent) {
                    found.push(parent);
                }
            }
            below = found.get(next).cloned();
            next += 1;
        }
        found
    }

    fn refuse(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OciError {
        OciError::Store {
            place: self.place(),
            cause: cause.into(),
        }
    }

    /// As [`Shelf::wait`], for what is to end here.
    fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, MetadataError>>,
    ) -> Result<T, OciError> {
        self.wait(answer)
            .ok_or_else(|| self.refuse("the registry cannot read it now"))
    }
}

/// A digest as the crates have it that verify.
pub(super) fn verified_form(digest: &Digest) -> Option<basalt_digest::Digest> {
    match digest.algorithm() {
        Algorithm::Sha256 => digest.as_str().parse().ok(),
        Algorithm::Sha512 => None,
    }
}

fn own_form(digest: &basalt_digest::Digest) -> Result<Digest, OciError> {
    digest.to_string().parse().map_err(|_| OciError::TooLarge {
        what: format!("the digest {digest}"),
        limit: 64,
        unit: "digits",
    })
}

impl ImageStore for Shelf {
    fn place(&self) -> String {
        self.repository.to_string()
    }

    fn resolve(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        let Ok(tag) = tag.parse::<Tag>() else {
            return Ok(None);
        };
        let reference = Reference::Tag(tag);
        let head = self.answer(self.metadata.manifest_head(&self.repository, &reference))?;
        Ok(head.and_then(|head| {
            let digest = verified_form(&head.digest)?;
            Some(Descriptor::new(&head.media_type, digest, head.size))
        }))
    }

    fn tags(&self) -> Result<Vec<String>, OciError> {
        let tags = self
            .metadata
            .tags(&self.repository, None, MAXIMUM_REFERRERS as u64);
        Ok(self.answer(tags)?.unwrap_or_default())
    }

    fn manifest(
        &self,
        digest: &basalt_digest::Digest,
    ) -> Result<Option<(Descriptor, Vec<u8>)>, OciError> {
        let record = self.record(&own_form(digest)?);
        Ok(record.map(|record| {
            let descriptor = Descriptor::new(&record.head.media_type, *digest, record.head.size);
            (descriptor, record.bytes.to_vec())
        }))
    }

    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        let bytes = self.bytes(&own_form(&blob.digest)?, MAXIMUM_BLOB);
        let bytes =
            bytes.ok_or_else(|| self.refuse(format!("the blob {} cannot be read", blob.digest)))?;
        if bytes.len() as u64 != blob.size {
            return Err(OciError::WrongSize {
                digest: blob.digest,
                size: blob.size,
                found: bytes.len() as u64,
            });
        }
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn referrers(&self, subject: &basalt_digest::Digest) -> Result<Vec<Descriptor>, OciError> {
        let subject = own_form(subject)?;
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.metadata.referrers(
                &self.repository,
                &subject,
                None,
                after.as_deref(),
                REFERRERS,
            );
            let (page, has_more) = self.answer(page)?;
            after = page.last().map(|last| last.head.digest.as_str().to_owned());
            for one in page {
                let Some(digest) = verified_form(&one.head.digest) else {
                    continue;
                };
                let mut descriptor = Descriptor::new(&one.head.media_type, digest, one.head.size);
                descriptor.artifact_type = one.artifact_type;
                descriptor.annotations = serde_json::from_str(&one.annotations).unwrap_or_default();
                found.push(descriptor);
            }
            if !has_more || after.is_none() {
                return Ok(found);
            }
            if found.len() >= MAXIMUM_REFERRERS {
                return Err(OciError::TooLarge {
                    what: "what refers to the image".to_owned(),
                    limit: MAXIMUM_REFERRERS as u64,
                    unit: "manifests",
                });
            }
        }
    }

    fn put_blob(&self, _: &str, _: &[u8]) -> Result<Descriptor, OciError> {
        Err(self.refuse("it is only read"))
    }

    fn put_manifest(&self, _: &str, _: &[u8], _: Option<&str>) -> Result<Descriptor, OciError> {
        Err(self.refuse("it is only read"))
    }
}
