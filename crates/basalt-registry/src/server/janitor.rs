//! What is done beside requests: uploads that nobody goes on with end, what nobody needs goes, and blobs are compared with
//! their digests, again and again, slowly; and bills of materials are read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::listen::stopped;
use super::{Registry, bills, log};
use crate::digest::Hasher;
use crate::metadata::{BlobRecord, MetadataError, Place};

/// How many reviews, or uploads, one transaction looks at: requests wait for no more than that.
const REVIEWS: u64 = 200;
/// How many blobs are asked for at once.
const BLOBS: u64 = 100;
/// How much of a blob is read at once.
const PIECE: usize = 1 << 20;
/// How long it rests between two rounds through all blobs, at least.
const REST: Duration = Duration::from_secs(600);
/// How long parts of the store wait for one another, so that a round takes no disk for itself.
const BETWEEN: Duration = Duration::from_millis(50);
/// How often the keys of tokens are looked at.
const KEYS: Duration = Duration::from_secs(300);

/// Does it until `stop` comes true.
pub(super) async fn run(registry: Arc<Registry>, mut stop: watch::Receiver<bool>) {
    let work = async {
        tokio::join!(
            collecting(&registry),
            scrubbing(&registry),
            bills::run(&registry),
            refreshing(&registry)
        );
    };
    tokio::select! {
        () = work => {}
        () = stopped(&mut stop) => {}
    }
}

async fn refreshing(registry: &Registry) {
    loop {
        sleep(KEYS).await;
        if registry.gate.users.is_some() {
            let keys = &registry.gate.keys;
            if let Err(error) = keys.refresh(registry.metadata.as_ref(), super::now()).await {
                log::trouble(&error.to_string());
            }
        }
    }
}

async fn collecting(registry: &Registry) {
    loop {
        sleep(registry.settings.collect_every).await;
        if let Err(error) = collect(registry).await {
            log::trouble(&format!("the collector: {error}"));
        }
    }
}

/// Ends uploads whose time is over and removes what nobody needs any more.
///
/// # Errors
/// When the metadata or the store cannot be changed.
async fn collect(registry: &Registry) -> Result<(), JanitorError> {
    loop {
        let expired = registry
            .metadata
            .end_expired_uploads(super::now(), REVIEWS)
            .await?;
        registry.counts.expired(expired.len() as u64);
        for upload in &expired {
            registry.sessions.end(upload);
            registry.blobs.discard(upload).await?;
        }
        if (expired.len() as u64) < REVIEWS {
            break;
        }
    }
    loop {
        let collected = registry.metadata.collect(super::now(), REVIEWS).await?;
        registry.counts.collected(&collected);
        for (digest, upload) in &collected.places {
            crate::failpoint::reached("before-remove");
            registry.blobs.remove(digest, upload).await?;
        }
        if collected.reviewed < REVIEWS {
            return Ok(());
        }
    }
}

async fn scrubbing(registry: &Registry) {
    if registry.settings.scrub_rate == 0 {
        return std::future::pending().await;
    }
    loop {
        let round = async {
            clear(registry).await?;
            scrub(registry).await
        };
        if let Err(error) = round.await {
            log::trouble(&format!(
                "the comparison of blobs with their digests: {error}"
            ));
        }
        sleep(REST).await;
    }
}

/// Removes from the store what no blob and no upload knows: what a crash between two steps left.
async fn clear(registry: &Registry) -> Result<(), JanitorError> {
    for part in 0..=u8::MAX {
        // The list is older than what the metadata says: who publishes is known to it from before there is a file.
        let listed = registry.blobs.list(part).await?;
        if !listed.is_empty() {
            for (digest, upload) in registry.metadata.unknown_places(listed).await? {
                registry.blobs.remove(&digest, &upload).await?;
            }
            sleep(BETWEEN).await;
        }
    }
    let staged = registry.blobs.staged().await?;
    let nothing = crate::digest::Digest::of(crate::digest::Algorithm::Sha256, b"");
    let named = staged.into_iter().map(|upload| (nothing.clone(), upload));
    for (_, upload) in registry.metadata.unknown_places(named.collect()).await? {
        registry.blobs.discard(&upload).await?;
    }
    Ok(())
}

/// Compares all blobs with their digests, at the rate that was set.
async fn scrub(registry: &Registry) -> Result<(), JanitorError> {
    let mut after: Option<String> = None;
    loop {
        let blobs = registry
            .metadata
            .stored_blobs(after.as_deref(), BLOBS)
            .await?;
        let Some(last) = blobs.last() else {
            return Ok(());
        };
        after = Some(last.digest.as_str().to_owned());
        for blob in &blobs {
            compare(registry, blob).await?;
        }
    }
}

/// Compares a blob with its digest, and puts it aside if it does not have it.
async fn compare(registry: &Registry, record: &BlobRecord) -> Result<(), JanitorError> {
    let Place::Stored(upload) = &record.place else {
        return Ok(());
    };
    let mut hasher = Hasher::new(record.digest.algorithm());
    let mut offset = 0;
    if let Some(blob) = registry.blobs.open(&record.digest, upload).await? {
        while offset < record.size {
            let started = Instant::now();
            let bytes = match blob.read(offset, PIECE).await {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => bytes,
                // A disk that cannot read a place is as bad as one that reads it wrongly.
                Err(error) => {
                    log::trouble(&format!("{}: {error}", record.digest));
                    break;
                }
            };
            offset += bytes.len() as u64;
            let work = move || {
                let count = bytes.len();
                hasher.update(&bytes);
                (hasher, count)
            };
            let count;
            (hasher, count) = tokio::task::spawn_blocking(work).await?;
            let due = Duration::from_secs_f64(count as f64 / registry.settings.scrub_rate as f64);
            sleep(due.saturating_sub(started.elapsed())).await;
        }
    }
    registry.counts.scrubbed(offset);
    if offset == record.size && hasher.finish() == record.digest {
        registry.verified.note(upload.clone());
    } else {
        registry.quarantine(&record.digest, upload).await;
    }
    Ok(())
}

/// What stops a round.
#[derive(Debug, thiserror::Error)]
enum JanitorError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Store(#[from] std::io::Error),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}
