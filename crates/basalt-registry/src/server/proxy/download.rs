//! Blobs on their way here from an upstream: each comes once, however many wait for it, and to its end, whoever leaves.
//!
//! It is staged as an upload is, hashed on the way, and becomes a blob in the one step that makes every upload one: a server
//! that is killed meanwhile leaves an upload that ends by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::author;
use crate::digest::{Digest, Hasher};
use crate::fault::{Code, Fault};
use crate::metadata::{NewBlob, Place, Published};
use crate::name::RepositoryName;
use crate::route::UploadId;
use crate::server::quota::{self, Room};
use crate::server::session::{self, Held};
use crate::server::upload::{INSIDE, publish_sound, publish_staged};
use crate::server::{Registry, now};
use crate::upstream::{Arrived, Remote, Trouble, blob as ask_blob};

/// How many blobs may be on their way, or wait to be.
const MAXIMUM_DOWNLOADS: usize = 2000;
/// How many pieces that came may wait to be staged.
const WAITING: usize = 16;
/// How long what came waits for more before it is staged.
const PAUSE: Duration = Duration::from_millis(100);
/// How long when it was staged in many pieces already: an upload may have only so many.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How many those are.
const MANY: usize = 1000;

/// A blob that somebody wants.
#[derive(Clone)]
pub(super) struct Wanted {
    pub registry: Arc<Registry>,
    pub remote: Remote,
    pub repository: RepositoryName,
    pub digest: Digest,
    pub address: String,
}

impl Wanted {
    /// By what it is known among all that is asked for.
    pub fn object(&self) -> String {
        format!("{}/blobs/{}", self.repository, self.digest)
    }
}

/// How far a blob is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// How long it will be; nothing as long as the upstream has not answered, and nothing within when it does not say.
    pub size: Option<Option<u64>>,
    /// How many bytes are staged.
    pub staged: u64,
    /// What became of it, once it is over.
    pub end: Option<Result<(), Trouble>>,
}

/// A blob on its way.
#[derive(Clone)]
pub(super) struct Download {
    pub progress: watch::Receiver<Progress>,
    /// The upload that it is staged as.
    pub upload: UploadId,
}

impl Download {
    /// How long it will be, once the upstream has answered; nothing when it does not say.
    pub async fn size(&self) -> Result<Option<u64>, Trouble> {
        let mut progress = self.progress.clone();
        let known = progress.wait_for(|progress| progress.size.is_some() || progress.end.is_some());
        let known = known.await.map_err(|_| broken())?;
        match (known.size, &known.end) {
            (_, Some(Err(trouble))) => Err(trouble.clone()),
            (size, _) => Ok(size.flatten()),
        }
    }

    /// Waits until it is here.
    pub async fn ended(&self) -> Result<(), Trouble> {
        let mut progress = self.progress.clone();
        let ended = progress.wait_for(|progress| progress.end.is_some());
        let ended = ended.await.map_err(|_| broken())?;
        ended.end.clone().unwrap_or_else(|| Err(broken()))
    }
}

fn broken() -> Trouble {
    Fault::internal().into()
}

/// All blobs that are on their way.
#[derive(Default)]
pub(super) struct Downloads(Mutex<HashMap<String, Download>>);

impl Downloads {
    /// The blob on its way: the one that is, or a new one.
    ///
    /// # Errors
    /// When there are too many.
    pub fn join(&self, wanted: Wanted) -> Result<Download, Fault> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let object = wanted.object();
        if let Some(download) = held.get(&object) {
            return Ok(download.clone());
        }
        if held.len() >= MAXIMUM_DOWNLOADS {
            return Err(Trouble::Crowded.fault(&wanted.remote.upstream.prefix, Code::BlobUnknown));
        }
        let (sender, progress) = watch::channel(Progress {
            size: None,
            staged: 0,
            end: None,
        });
        let upload = UploadId::random();
        let download = Download {
            progress,
            upload: upload.clone(),
        };
        held.insert(object, download.clone());
        drop(held);
        tokio::spawn(run(wanted, upload, sender));
        Ok(download)
    }

    fn leave(&self, object: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(object);
    }
}

/// Takes a blob out of those that are on their way, however that ends.
struct Leaving(Wanted);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.registry.proxying.downloads.leave(&self.0.object());
    }
}

async fn run(wanted: Wanted, upload: UploadId, progress: watch::Sender<Progress>) {
    let leaving = Leaving(wanted.clone());
    let counts = &wanted.registry.counts.upstream;
    // Another may have ended between the look at what is here and this.
    let here = wanted
        .registry
        .metadata
        .blob(&wanted.repository, &wanted.digest);
    let is_here = matches!(here.await, Ok(Some(blob)) if !blob.is_damaged());
    let ended = match is_here {
        true => Ok(()),
        false => {
            counts.miss();
            fetch(&wanted, &upload, &progress).await
        }
    };
    if let Err(trouble) = &ended {
        counts.failure();
        wanted.registry.proxying.refuse(&wanted.object(), trouble);
    }
    // Who comes from now on finds it here, or why it is not.
    drop(leaving);
    progress.send_modify(|progress| progress.end = Some(ended));
}

/// Has the blob come, and keeps it if it is what it should be.
async fn fetch(
    wanted: &Wanted,
    upload: &UploadId,
    progress: &watch::Sender<Progress>,
) -> Result<(), Trouble> {
    let permit = wanted.remote.permit().await?;
    let (sender, mut arrived) = mpsc::channel(WAITING);
    let (remote, digest) = (wanted.remote.clone(), wanted.digest.clone());
    let asking = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let take = |piece| sender.blocking_send(piece).is_ok();
        remote.ask_now(|repository| ask_blob(repository, &digest, take))
    });
    let taken = take(wanted, upload, progress, &mut arrived).await;
    // Who sends stops when nobody takes.
    drop(arrived);
    let asked = asking.await.unwrap_or_else(|_| Err(broken()));
    let taken = match (taken, asked) {
        (Err(trouble), _) => Err(trouble),
        (Ok(taken), Err(trouble)) => {
            discard(wanted, upload, taken.held).await;
            Err(trouble)
        }
        (Ok(taken), Ok(())) => Ok(taken),
    }?;
    keep(wanted, upload, taken).await
}

/// What came.
struct Taken {
    /// The upload, if it is staged.
    held: Option<Held>,
    /// The bytes, if they are few.
    bytes: Vec<Bytes>,
    length: u64,
}

/// Takes what comes, and tells how far it is.
async fn take(
    wanted: &Wanted,
    upload: &UploadId,
    progress: &watch::Sender<Progress>,
    arrived: &mut mpsc::Receiver<Arrived>,
) -> Result<Taken, Trouble> {
    let registry = &wanted.registry;
    let mut taken = Taken {
        held: None,
        bytes: Vec::new(),
        length: 0,
    };
    let Some(Arrived::Length(size)) = arrived.recv().await else {
        // Why is told by who asked.
        return Ok(taken);
    };
    let own = wanted.remote.upstream.maximum_blob.unwrap_or(u64::MAX);
    let limit = registry.settings.maximum_blob.min(own);
    if size.is_some_and(|size| size > limit) {
        return Err(too_long(limit).into());
    }
    let is_small = size.is_some_and(|size| size <= INSIDE);
    let mut renewed = now();
    let mut room = None;
    if !is_small {
        let lease = renewed.saturating_add(registry.settings.upload_life);
        let begun = registry
            .metadata
            .begin_upload(&wanted.repository, upload, lease);
        begun.await.map_err(Fault::from)?;
        registry.sessions.begin(upload, wanted.digest.algorithm());
        taken.held = Some(registry.sessions.take(upload).await?);
        match Room::begin(registry, &wanted.repository, upload, 0, size).await {
            Ok(kept) => room = Some(kept),
            Err(refused) => {
                discard(wanted, upload, taken.held).await;
                return Err(refused.fault(&wanted.repository).into());
            }
        }
    }
    progress.send_modify(|progress| progress.size = Some(size));
    let (mut gathered, mut pieces) = (0, 0);
    loop {
        let pause = if pieces < MANY { PAUSE } else { LONG_PAUSE };
        let (next, is_late) = match timeout(pause, arrived.recv()).await {
            Ok(next) => (next, false),
            Err(_) => (None, true),
        };
        let is_end = next.is_none() && !is_late;
        if let Some(Arrived::Bytes(bytes)) = next {
            taken.length += bytes.len() as u64;
            gathered += bytes.len();
            registry.counts.upstream.came(bytes.len() as u64);
            taken.bytes.push(bytes);
        }
        if taken.length > limit {
            discard(wanted, upload, taken.held).await;
            return Err(too_long(limit).into());
        }
        let is_due = gathered >= registry.blobs.piece() || is_late || is_end;
        if let Some(held) = taken.held.take_if(|_| gathered > 0 && is_due) {
            if let Some(room) = &mut room
                && let Err(refused) = room.take(gathered as u64).await
            {
                let fault = room.refused(refused);
                discard(wanted, upload, Some(held)).await;
                return Err(fault.into());
            }
            let bytes = std::mem::take(&mut taken.bytes);
            gathered = 0;
            match session::append(held, &registry.blobs, upload, bytes).await {
                Ok(held) => taken.held = Some(held),
                Err(error) => {
                    discard(wanted, upload, None).await;
                    return Err(Fault::from(error).into());
                }
            }
            progress.send_modify(|progress| progress.staged = taken.length);
            pieces += 1;
        }
        let (life, moment) = (registry.settings.upload_life, now());
        if taken.held.is_some() && moment.saturating_sub(renewed) > life / 2 {
            renewed = moment;
            let lease = moment.saturating_add(life);
            let kept = registry.metadata.renew_upload(upload, lease);
            kept.await.map_err(Fault::from)?;
        }
        if is_end {
            // It becomes a blob, or is forgotten: its room goes with it.
            if let Some(room) = room {
                room.ended();
            }
            return Ok(taken);
        }
    }
}

/// Makes what came a blob, if it has the digest.
async fn keep(wanted: &Wanted, upload: &UploadId, taken: Taken) -> Result<(), Trouble> {
    let registry = &wanted.registry;
    let digest = &wanted.digest;
    let found = match &taken.held {
        Some(held) => session::hasher(held).cloned(),
        None => {
            let mut hasher = Hasher::new(digest.algorithm());
            taken.bytes.iter().for_each(|bytes| hasher.update(bytes));
            Some(hasher)
        }
    };
    let found = found.map(Hasher::finish);
    if found.as_ref() != Some(digest) {
        discard(wanted, upload, taken.held).await;
        let found = found.map_or(String::new(), |found| found.to_string());
        let cause = format!("what it gives as the blob {digest} is {found}");
        return Err(Trouble::Untrusted(cause));
    }
    let now = now();
    let place = match &taken.held {
        Some(_) => Place::Stored(upload.clone()),
        None => Place::Inside(taken.bytes.concat().into()),
    };
    let new = NewBlob {
        repository: wanted.repository.clone(),
        digest: digest.clone(),
        size: taken.length,
        place,
        upload: taken.held.is_some().then(|| upload.clone()),
        lease: now.saturating_add(wanted.remote.upstream.keep),
        quota: registry.gate.policy.quota(&wanted.repository),
        author: author(wanted.address.clone(), now),
    };
    let published = match taken.held {
        Some(held) => match publish_staged(registry, held, new).await {
            Ok(published) => published,
            Err(fault) => {
                discard(wanted, upload, None).await;
                return Err(fault.into());
            }
        },
        None => publish_sound(registry, new).await?,
    };
    match published {
        Published::Taken | Published::Known => Ok(()),
        Published::OverQuota(over) => Err(quota::denied(&wanted.repository, over).into()),
        Published::NoUpload => {
            let message = "the blob took too long to come; try again";
            let fault = Fault::new(Code::Unavailable, message).header("retry-after", "1");
            Err(fault.into())
        }
    }
}

/// Forgets what was staged; what cannot be is found by the janitor.
async fn discard(wanted: &Wanted, upload: &UploadId, held: Option<Held>) {
    let registry = &wanted.registry;
    let _ = registry.metadata.end_upload(upload).await;
    let _ = registry.blobs.discard(upload).await;
    drop(held);
    registry.sessions.end(upload);
}

fn too_long(limit: u64) -> Fault {
    let message =
        format!("the upstream's blob is longer than {limit} bytes, the most that is kept here");
    Fault::new(Code::SizeInvalid, message).status(hyper::StatusCode::BAD_GATEWAY)
}
