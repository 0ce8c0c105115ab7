//! Uploads at hand: how far each is, and the hash of what came so far.
//!
//! All of it can be had again from what was staged, so it is lost with the process, or left behind when another server
//! goes on with an upload, without harm.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::blobs::Blobs;
use crate::digest::{Algorithm, Hasher};
use crate::fault::{Code, Fault};
use crate::route::UploadId;

/// How long a request waits for another of the same upload, which may be one whose client is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// From how many bytes on they are hashed by another thread: below, handing them over takes longer.
const MANY: usize = 16 << 10;

/// An upload at hand.
#[derive(Debug, Default)]
pub struct Session {
    /// The hash of what is staged and how much that is; nothing when it must be looked up.
    known: Option<(Hasher, u64)>,
    /// The digest that the client said it would ask for.
    algorithm: Option<Algorithm>,
}

/// An upload that nobody else can go on with meanwhile.
pub type Held = OwnedMutexGuard<Session>;

/// The uploads at hand of this process.
#[derive(Default)]
pub struct Sessions {
    held: Mutex<HashMap<UploadId, Arc<tokio::sync::Mutex<Session>>>>,
}

impl Sessions {
    /// Notes a new upload, of which nothing is staged.
    pub fn begin(&self, upload: &UploadId, algorithm: Algorithm) {
        let session = Session {
            known: Some((Hasher::new(algorithm), 0)),
            algorithm: Some(algorithm),
        };
        self.map()
            .insert(upload.clone(), Arc::new(tokio::sync::Mutex::new(session)));
    }

    /// Takes an upload to go on with it.
    ///
    /// # Errors
    /// When another request has it for long.
    pub async fn take(&self, upload: &UploadId) -> Result<Held, Fault> {
        let session = Arc::clone(self.map().entry(upload.clone()).or_default());
        timeout(PATIENCE, session.lock_owned()).await.map_err(|_| {
            let message =
                "another request is sending to this upload; ask for its status and try again";
            Fault::new(Code::Unavailable, message).header("retry-after", "1")
        })
    }

    /// Forgets an upload.
    pub fn end(&self, upload: &UploadId) {
        self.map().remove(upload);
    }

    fn map(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<UploadId, Arc<tokio::sync::Mutex<Session>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of an upload is staged; looked up if that is not known.
///
/// # Errors
/// When it cannot be read.
pub async fn offset(held: &mut Held, blobs: &dyn Blobs, upload: &UploadId) -> io::Result<u64> {
    let staged = blobs.staged_length(upload).await?;
    let known = match held.known.take() {
        Some(known) if staged.is_none_or(|staged| staged == known.1) => known,
        // Another server went on: only what it added is to be hashed.
        Some((hasher, known)) if staged.is_some_and(|staged| staged > known) => {
            blobs.hash_staged(upload, hasher, known).await?
        }
        _ => {
            let hasher = Hasher::new(held.algorithm.unwrap_or(Algorithm::Sha256));
            blobs.hash_staged(upload, hasher, 0).await?
        }
    };
    let length = known.1;
    held.known = Some(known);
    Ok(length)
}

/// The hash of what is staged, as far as [`offset`] or [`append`] have brought it.
pub fn hasher(held: &Held) -> Option<&Hasher> {
    held.known.as_ref().map(|(hasher, _)| hasher)
}

/// Stages more of an upload. It is finished even if nobody waits for it any more, so that what is known stays true.
///
/// # Errors
/// When it cannot be written; then how much is staged is looked up anew the next time.
pub async fn append(
    mut held: Held,
    blobs: &Arc<dyn Blobs>,
    upload: &UploadId,
    bytes: Vec<Bytes>,
) -> io::Result<Held> {
    // Asking once more would be one question for each piece; if another server came between, adding fails.
    if held.known.is_none() {
        offset(&mut held, blobs.as_ref(), upload).await?;
    }
    let (blobs, upload) = (Arc::clone(blobs), upload.clone());
    let running = tokio::spawn(async move {
        let Some((mut hasher, length)) = held.known.take() else {
            return Err(io::Error::other("the upload's length is not known"));
        };
        let count: usize = bytes.iter().map(Bytes::len).sum();
        let appended = blobs.append(&upload, length, bytes.clone());
        let hash = move || {
            bytes.iter().for_each(|bytes| hasher.update(bytes));
            hasher
        };
        // Writing has begun in a thread of its own, so both are done at once.
        let hasher = match count {
            ..MANY => hash(),
            _ => spawn_blocking(hash).await.map_err(io::Error::other)?,
        };
        appended.await?;
        held.known = Some((hasher, length + count as u64));
        Ok(held)
    });
    running.await.map_err(io::Error::other)?
}
