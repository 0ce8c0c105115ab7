//! A blob that goes out while it comes in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;

use super::download::Download;
use crate::blobs::Blob;
use crate::digest::Digest;
use crate::metadata::Place;
use crate::name::RepositoryName;
use crate::server::Registry;

/// How much is sent at once.
const PIECE: u64 = 256 << 10;

/// A part of such a blob. Its last byte goes out when the whole blob is here and has its digest: no client can take for it
/// what is not.
pub struct Following {
    source: Arc<Source>,
    offset: u64,
    end: u64,
    reading: Option<Reading>,
    blob: Option<Arc<dyn Blob>>,
}

/// What is read next, and the blob that it was read from, if it is here by now.
type Reading = Pin<Box<dyn Future<Output = io::Result<(Bytes, Option<Arc<dyn Blob>>)>> + Send>>;

struct Source {
    registry: Arc<Registry>,
    download: Download,
    repository: RepositoryName,
    digest: Digest,
}

impl Following {
    /// The bytes from one place to another.
    pub(super) fn new(
        registry: Arc<Registry>,
        download: Download,
        repository: &RepositoryName,
        digest: &Digest,
        first: u64,
        end: u64,
    ) -> Self {
        let source = Source {
            registry,
            download,
            repository: repository.clone(),
            digest: digest.clone(),
        };
        Self {
            source: Arc::new(source),
            offset: first,
            end,
            reading: None,
            blob: None,
        }
    }

    /// How many bytes are still to be sent.
    pub fn length(&self) -> u64 {
        self.end - self.offset
    }

    /// The next bytes.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.offset == self.end {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let source = Arc::clone(&self.source);
            let (offset, end, blob) = (self.offset, self.end, self.blob.clone());
            Box::pin(async move { source.read(offset, end, blob).await })
        });
        let Poll::Ready(read) = reading.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.reading = None;
        Poll::Ready(Some(read.map(|(bytes, blob)| {
            self.offset += bytes.len() as u64;
            self.blob = blob;
            Frame::data(bytes)
        })))
    }
}

impl Source {
    /// Some bytes from this place on, when there are some.
    async fn read(
        &self,
        offset: u64,
        end: u64,
        blob: Option<Arc<dyn Blob>>,
    ) -> io::Result<(Bytes, Option<Arc<dyn Blob>>)> {
        let mut progress = self.download.progress.clone();
        loop {
            let (staged, ended) = {
                let now = progress.borrow_and_update();
                (now.staged, now.end.clone())
            };
            match ended {
                Some(Ok(())) => return self.read_kept(offset, end, blob).await,
                Some(Err(trouble)) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, trouble));
                }
                None => {}
            }
            let limit = staged.min(end - 1);
            if offset < limit {
                let length = usize::try_from((limit - offset).min(PIECE)).unwrap_or(1);
                let blobs = &self.registry.blobs;
                let read = blobs.read_staged_at(&self.download.upload, offset, length);
                let bytes = read.await?;
                if !bytes.is_empty() {
                    return Ok((bytes, blob));
                }
                // It is on its way from where it was staged to where it stays.
            }
            let changed = progress.changed().await;
            changed.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        }
    }

    /// Some bytes from this place on of the blob that is here now.
    async fn read_kept(
        &self,
        offset: u64,
        end: u64,
        blob: Option<Arc<dyn Blob>>,
    ) -> io::Result<(Bytes, Option<Arc<dyn Blob>>)> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let blob = match blob {
            Some(blob) => blob,
            None => {
                let metadata = &self.registry.metadata;
                let record = metadata.blob(&self.repository, &self.digest).await;
                let record = record.map_err(io::Error::other)?.ok_or_else(gone)?;
                match record.place {
                    Place::Damaged => return Err(gone()),
                    Place::Inside(bytes) => {
                        let part = offset as usize..(end as usize).min(bytes.len());
                        return Ok((bytes.slice(part), None));
                    }
                    Place::Stored(upload) => {
                        let opened = self.registry.blobs.open(&self.digest, &upload).await?;
                        opened.ok_or_else(gone)?
                    }
                }
            }
        };
        let length = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let bytes = blob.read(offset, length.min(blob.piece())).await?;
        match bytes.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok((bytes, Some(blob))),
        }
    }
}
