//! Blobs in a bucket that speaks S3, for several servers.
//!
//! Nothing that lies there is ever changed, and nothing depends on which of two requests comes last: bytes are written as
//! pieces under names that are used once, `pieces/<2 hex>/<upload>/<name>`; which of them an upload has, and in which order, is
//! in the metadata. A blob is a list of them, `blobs/<algorithm>/<2 hex>/<hex>.<upload>`. So any server goes on with any upload,
//! one that comes back after a long stop can do no harm, and conditional writes, which stores do not agree on, are not needed.

mod list;
mod path;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use basalt_fetch::trust;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};
use tokio::sync::Semaphore;

use super::bring::Brought;
use super::{Answer, Blob, Blobs, read_file_name};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::failpoint;
use crate::metadata::{Metadata, MetadataError, Piece, PieceAdded};
use crate::route::UploadId;
use list::{List, Listed, Lists};
use path::{aside_path, blob_path, piece_path, pieces_path};

/// How many bytes are added at once, at most.
const ADDED: usize = 8 << 20;
/// How many bytes are read at once.
const READ: usize = 1 << 20;
/// How many bytes that were read may wait to be sent, over all requests.
const WAITING: usize = 64 << 20;
/// How many pieces a blob may have.
const MAXIMUM_PIECES: usize = 50_000;
/// The longest list of pieces, in bytes.
const MAXIMUM_LIST: u64 = 8 << 20;
/// How many pieces the lists that are remembered may have together.
const REMEMBERED: usize = 200_000;
/// How long one request of the store may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long it is tried again.
const TRYING: Duration = Duration::from_secs(30);
/// How often.
const TRIES: usize = 6;
/// How many objects are removed at a time.
const REMOVED: usize = 16;

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the bucket {bucket} cannot be used: {cause}")]
pub struct BucketError {
    /// Which.
    pub bucket: String,
    /// Why.
    pub cause: String,
}

/// What signs requests. Without it, the environment says (`AWS_ACCESS_KEY_ID` and so on), or the machine's role.
pub struct Keys {
    /// The name of the key.
    pub name: String,
    /// The key.
    pub secret: zeroize::Zeroizing<String>,
}

/// Where a bucket is.
#[derive(Debug, Clone, Copy)]
pub struct BucketPlace<'a> {
    /// Its name.
    pub bucket: &'a str,
    /// The folder within it.
    pub folder: Option<&'a str>,
    /// The address of the store, when it is not Amazon's.
    pub endpoint: Option<&'a str>,
    /// Its region.
    pub region: Option<&'a str>,
    /// A certificate in PEM to trust beside the usual ones.
    pub authority: Option<&'a [u8]>,
}

/// A bucket of blobs.
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    metadata: Arc<dyn Metadata>,
    lists: Mutex<Lists>,
    waiting: Arc<Semaphore>,
}

impl Bucket {
    /// The bucket at this place; the metadata say which pieces belong to an upload.
    ///
    /// # Errors
    /// When what is given cannot be.
    pub fn new(
        place: &BucketPlace<'_>,
        keys: Option<&Keys>,
        metadata: Arc<dyn Metadata>,
    ) -> Result<Self, BucketError> {
        let BucketPlace {
            bucket,
            folder,
            endpoint,
            region,
            authority,
        } = *place;
        // The client of the store takes what the process has; it is there already when this is the second one.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let failed = |error: object_store::Error| BucketError {
            bucket: bucket.to_owned(),
            cause: error.to_string(),
        };
        let mut options = ClientOptions::new()
            .with_timeout(REQUEST)
            .with_connect_timeout(Duration::from_secs(5))
            .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")));
        if !endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            // The same authorities as everywhere in the program: of the environment, the system, or compiled in.
            let usual = trust::roots(&[]).map_err(|error| BucketError {
                bucket: bucket.to_owned(),
                cause: error.to_string(),
            })?;
            options = options.with_no_system_certificates(true);
            for certificate in usual {
                // One that the library cannot read vouches for nobody.
                if let Ok(certificate) = Certificate::from_der(&certificate) {
                    options = options.with_root_certificate(certificate);
                }
            }
        }
        if let Some(authority) = authority {
            for certificate in Certificate::from_pem_bundle(authority).map_err(failed)? {
                options = options.with_root_certificate(certificate);
            }
        }
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(options)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(50),
                    max_backoff: Duration::from_secs(5),
                    base: 2.,
                },
                max_retries: TRIES,
                retry_timeout: TRYING,
            });
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = region {
            builder = builder.with_region(region);
        }
        if let Some(keys) = keys {
            builder = builder
                .with_access_key_id(&keys.name)
                .with_secret_access_key(keys.secret.as_str());
        }
        let store = builder.build().map_err(failed)?;
        let store: Arc<dyn ObjectStore> = match folder {
            Some(folder) => Arc::new(PrefixStore::new(store, folder)),
            None => Arc::new(store),
        };
        Ok(Self::over(store, metadata))
    }

    /// A bucket in this store.
    fn over(store: Arc<dyn ObjectStore>, metadata: Arc<dyn Metadata>) -> Self {
        Self {
            store,
            metadata,
            lists: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    async fn pieces(&self, upload: &UploadId) -> io::Result<Vec<Piece>> {
        self.metadata.pieces(upload).await.map_err(unreachable)
    }

    /// The list of a blob's pieces; nothing when there is none.
    async fn list_of(&self, digest: &Digest, upload: &UploadId) -> io::Result<Option<Arc<List>>> {
        if let Some(list) = self.lists().get(upload) {
            return Ok(Some(list));
        }
        let read = match self.store.get(&blob_path(digest, upload)).await {
            Ok(read) => read,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if read.meta.size > MAXIMUM_LIST {
            return Ok(None);
        }
        let bytes = read.bytes().await.map_err(failed)?;
        // One that cannot be read is as good as none: the blob is damaged.
        let Ok(list) = serde_json::from_slice::<List>(&bytes) else {
            return Ok(None);
        };
        let list = Arc::new(list);
        self.lists().keep(upload, &list);
        Ok(Some(list))
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes bytes of an upload from this place on, under a name of their own: they count once that is listed.
    async fn put_piece(
        &self,
        upload: &UploadId,
        begin: u64,
        bytes: Vec<Bytes>,
    ) -> io::Result<Piece> {
        let piece = Piece {
            begin,
            length: bytes.iter().map(|bytes| bytes.len() as u64).sum(),
            name: UploadId::random(),
        };
        let path = piece_path(upload, &piece.name);
        let written = self.store.put(&path, PutPayload::from_iter(bytes)).await;
        written.map_err(failed)?;
        Ok(piece)
    }

    /// Writes the list of a blob's pieces, which makes them one.
    async fn put_list(&self, digest: &Digest, upload: &UploadId, list: &List) -> io::Result<()> {
        let bytes = serde_json::to_vec(list).map_err(io::Error::other)?;
        let path = blob_path(digest, upload);
        self.store.put(&path, bytes.into()).await.map_err(failed)?;
        Ok(())
    }

    /// Removes all pieces of an upload.
    async fn remove_pieces(&self, upload: &UploadId) -> io::Result<()> {
        let listed = self.store.list(Some(&pieces_path(upload)));
        let removing = listed.map(|object| async {
            match self.store.delete(&object?.location).await {
                Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => Err(error),
                _ => Ok(()),
            }
        });
        let mut removed = removing.buffer_unordered(REMOVED);
        while let Some(result) = removed.next().await {
            result.map_err(failed)?;
        }
        Ok(())
    }

    async fn remove_object(&self, path: &Path) -> io::Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// What the store says, as what went wrong here. But for what is not there, it may be otherwise at another time.
fn failed(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::NotConnected,
    };
    io::Error::new(kind, format!("the store of blobs: {error}"))
}

fn unreachable(error: MetadataError) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, error)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl Blobs for Bucket {
    fn append(&self, upload: &UploadId, offset: u64, bytes: Vec<Bytes>) -> Answer<'_, ()> {
        let upload = upload.clone();
        Box::pin(async move {
            let piece = self.put_piece(&upload, offset, bytes).await?;
            let path = piece_path(&upload, &piece.name);
            failpoint::reached("after-piece");
            let added = self
                .metadata
                .add_piece(&upload, piece, MAXIMUM_PIECES as u64);
            let refused = match added.await.map_err(unreachable)? {
                PieceAdded::Added => return Ok(()),
                PieceAdded::Elsewhere(length) => {
                    invalid(format!("the upload has {length} bytes, not {offset}"))
                }
                PieceAdded::TooMany => io::ErrorKind::FileTooLarge.into(),
                PieceAdded::NoUpload => invalid("the upload was ended meanwhile".to_owned()),
            };
            self.remove_object(&path).await?;
            Err(refused)
        })
    }

    fn piece(&self) -> usize {
        ADDED
    }

    fn staged_length(&self, upload: &UploadId) -> Answer<'_, Option<u64>> {
        let length = self.metadata.pieces_length(upload);
        Box::pin(async move { length.await.map(Some).map_err(unreachable) })
    }

    fn hash_staged(
        &self,
        upload: &UploadId,
        mut hasher: Hasher,
        offset: u64,
    ) -> Answer<'_, (Hasher, u64)> {
        let upload = upload.clone();
        Box::pin(async move {
            let mut length = offset;
            for piece in self.pieces(&upload).await? {
                if piece.begin + piece.length <= length {
                    continue;
                }
                let path = piece_path(&upload, &piece.name);
                let range = length - piece.begin..piece.length;
                let bytes = self.store.get_range(&path, range).await.map_err(failed)?;
                length += bytes.len() as u64;
                let hashed = tokio::task::spawn_blocking(move || {
                    hasher.update(&bytes);
                    hasher
                });
                hasher = hashed.await.map_err(io::Error::other)?;
            }
            Ok((hasher, length))
        })
    }

    fn read_staged(&self, upload: &UploadId, limit: u64) -> Answer<'_, Bytes> {
        let upload = upload.clone();
        Box::pin(async move {
            let mut all = Vec::new();
            for piece in self.pieces(&upload).await? {
                let rest = limit.saturating_sub(all.len() as u64);
                if rest == 0 {
                    break;
                }
                let path = piece_path(&upload, &piece.name);
                let range = 0..piece.length.min(rest);
                let bytes = self.store.get_range(&path, range).await.map_err(failed)?;
                all.extend_from_slice(&bytes);
            }
            Ok(all.into())
        })
    }

    fn read_staged_at(&self, upload: &UploadId, offset: u64, length: usize) -> Answer<'_, Bytes> {
        let upload = upload.clone();
        Box::pin(async move {
            let pieces = self.pieces(&upload).await?;
            let list = List {
                size: u64::MAX,
                pieces,
            };
            let Some(piece) = list.at(offset) else {
                return Ok(Bytes::new());
            };
            let begin = offset - piece.begin;
            let range = begin..piece.length.min(begin + length as u64);
            let path = piece_path(&upload, &piece.name);
            self.store.get_range(&path, range).await.map_err(failed)
        })
    }

    fn publish(&self, upload: &UploadId, digest: &Digest, size: u64) -> Answer<'_, ()> {
        let (upload, digest) = (upload.clone(), digest.clone());
        Box::pin(async move {
            let mut pieces = self.pieces(&upload).await?;
            // Another server may have added more since this one hashed it: that does not belong to the blob.
            pieces.retain(|piece| piece.begin < size);
            let length = pieces.last().map_or(0, |last| last.begin + last.length);
            if length != size {
                return Err(invalid(format!(
                    "the upload has {length} bytes, not {size}"
                )));
            }
            self.put_list(&digest, &upload, &List { size, pieces })
                .await?;
            failpoint::reached("after-rename");
            Ok(())
        })
    }

    fn discard(&self, upload: &UploadId) -> Answer<'_, ()> {
        let upload = upload.clone();
        Box::pin(async move { self.remove_pieces(&upload).await })
    }

    fn open(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, Option<Arc<dyn Blob>>> {
        let (digest, upload) = (digest.clone(), upload.clone());
        Box::pin(async move {
            let Some(list) = self.list_of(&digest, &upload).await? else {
                return Ok(None);
            };
            let blob: Arc<dyn Blob> = Arc::new(Listed {
                store: Arc::clone(&self.store),
                waiting: Arc::clone(&self.waiting),
                upload,
                list,
            });
            Ok(Some(blob))
        })
    }

    fn bring(&self, digest: &Digest, upload: &UploadId, from: Arc<dyn Blob>) -> Answer<'_, bool> {
        let (upload, digest) = (upload.clone(), digest.clone());
        let size = from.size();
        let mut brought = Brought::new(from, &digest);
        Box::pin(async move {
            // Those of a former attempt, which no list names.
            self.remove_pieces(&upload).await?;
            let mut pieces = Vec::new();
            let mut begin = 0;
            loop {
                let bytes = brought.gather(ADDED).await?;
                if bytes.is_empty() {
                    break;
                }
                let piece = self.put_piece(&upload, begin, bytes).await?;
                begin += piece.length;
                pieces.push(piece);
            }
            if !brought.ended_well() {
                self.remove_pieces(&upload).await?;
                return Ok(false);
            }
            self.put_list(&digest, &upload, &List { size, pieces })
                .await?;
            Ok(true)
        })
    }

    fn location(&self, digest: &Digest, upload: &UploadId) -> String {
        blob_path(digest, upload).to_string()
    }

    fn remove(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()> {
        let (digest, upload) = (digest.clone(), upload.clone());
        Box::pin(async move {
            self.lists().forget(&upload);
            self.remove_object(&blob_path(&digest, &upload)).await?;
            self.remove_pieces(&upload).await
        })
    }

    fn quarantine(&self, digest: &Digest, upload: &UploadId) -> Answer<'_, ()> {
        let (digest, upload) = (digest.clone(), upload.clone());
        Box::pin(async move {
            self.lists().forget(&upload);
            let (from, to) = (blob_path(&digest, &upload), aside_path(&digest, &upload));
            match self.store.copy(&from, &to).await {
                Ok(()) => self.remove_object(&from).await,
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn list(&self, part: u8) -> Answer<'_, Vec<(Digest, UploadId)>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for algorithm in Algorithm::ALL {
                let part = format!("{part:02x}");
                let path = Path::from_iter(["blobs", algorithm.name(), &part]);
                let mut listed = self.store.list(Some(&path));
                while let Some(object) = listed.next().await {
                    let object = object.map_err(failed)?;
                    let name = object.location.filename();
                    found.extend(name.and_then(|name| read_file_name(algorithm, name)));
                }
            }
            Ok(found)
        })
    }

    fn staged(&self, part: u8) -> Answer<'_, Vec<UploadId>> {
        Box::pin(async move {
            let path = Path::from_iter(["pieces".to_owned(), format!("{part:02x}")]);
            let listed = self.store.list_with_delimiter(Some(&path)).await;
            let uploads = listed.map_err(failed)?.common_prefixes.into_iter();
            Ok(uploads
                .filter_map(|path| UploadId::parse(path.filename()?))
                .collect())
        })
    }
}

#[cfg(test)]
mod tests;
