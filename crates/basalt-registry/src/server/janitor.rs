//! What is done beside requests: uploads that nobody goes on with end, what nobody needs goes, and blobs are compared with
//! their digests, again and again, slowly; and bills of materials are read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::listen::stopped;
use super::unfinished::Unfinished;
use super::{Current, Registry, bills, log};
use crate::blobs;
use crate::digest::Hasher;
use crate::metadata::{BlobRecord, Place};
use crate::retention;
use crate::route::UploadId;

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

/// How often it is looked whether the metadata want to be looked after.
const MAINTAIN: Duration = Duration::from_secs(10);
/// How many rounds of the collector there are to one look at which tags stay.
const ROUNDS: u32 = 60;

/// Does it until `stop` comes true.
pub(super) async fn run(registry: Current, mut stop: watch::Receiver<bool>) {
    let work = async {
        tokio::join!(
            collecting(&registry),
            scrubbing(&registry),
            bills::run(&registry),
            refreshing(&registry),
            maintaining(&registry),
            retaining(&registry)
        );
    };
    tokio::select! {
        () = work => {}
        () = stopped(&mut stop) => {}
    }
}

fn now_current(registry: &Current) -> Arc<Registry> {
    Arc::clone(&registry.borrow())
}

async fn refreshing(registry: &Current) {
    loop {
        sleep(KEYS).await;
        let registry = now_current(registry);
        if registry.gate.signs_in() {
            let keys = &registry.gate.keys;
            if let Err(error) = keys.refresh(registry.metadata.as_ref(), super::now()).await {
                log::trouble(&error.to_string());
            }
        }
    }
}

async fn maintaining(registry: &Current) {
    loop {
        let metadata = Arc::clone(&registry.borrow().metadata);
        if let Err(error) = metadata.maintain().await {
            log::trouble(&format!("the journal beside the database: {error}"));
        }
        sleep(MAINTAIN).await;
    }
}

async fn retaining(registry: &Current) {
    let owner = UploadId::random().as_str().to_owned();
    loop {
        let current = now_current(registry);
        let every = current.settings.collect_every;
        sleep(every).await;
        if let Err(error) = retain(&current, &owner, every * ROUNDS).await {
            log::trouble(&format!("retention: {error}"));
        }
        sleep(every * (ROUNDS - 1)).await;
    }
}

/// Deletes the tags that no rule keeps, if no other server does.
async fn retain(registry: &Registry, owner: &str, every: Duration) -> Result<(), Unfinished> {
    if registry.retention.is_empty() {
        return Ok(());
    }
    let metadata = registry.metadata.as_ref();
    let now = super::now();
    let ends = now.saturating_add(i64::try_from(every.as_millis()).unwrap_or(i64::MAX));
    if !metadata.take_lease("retention", owner, now, ends).await? {
        return Ok(());
    }
    let policy = &registry.gate.policy;
    let decisions = retention::decide_all(metadata, &registry.retention, policy, now).await?;
    let (tags, manifests) = retention::apply(metadata, &decisions, "server", now).await?;
    if tags > 0 {
        log::note(&format!(
            "retention: {tags} tags that no rule keeps are gone, and {manifests} manifests with them"
        ));
    }
    Ok(())
}

async fn collecting(registry: &Current) {
    loop {
        let every = registry.borrow().settings.collect_every;
        sleep(every).await;
        if let Err(error) = collect(&now_current(registry)).await {
            log::trouble(&format!("the collector: {error}"));
        }
    }
}

/// Ends uploads whose time is over and removes what nobody needs any more.
///
/// # Errors
/// When the metadata or the store cannot be changed.
async fn collect(registry: &Registry) -> Result<(), Unfinished> {
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
        let copies = registry.metadata.collect_copies(super::now(), REVIEWS);
        let copies = copies.await?;
        registry.counts.collected(&copies);
        if copies.reviewed < REVIEWS {
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

async fn scrubbing(registry: &Current) {
    loop {
        let registry = now_current(registry);
        let round = async {
            clear(&registry).await?;
            match registry.settings.scrub_rate {
                0 => Ok(()),
                _ => scrub(&registry).await,
            }
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
async fn clear(registry: &Registry) -> Result<(), Unfinished> {
    for part in 0..=u8::MAX {
        // The lists are older than what the metadata says: who publishes is known to it from before there is anything.
        let listed = registry.blobs.list(part).await?;
        let staged = registry.blobs.staged(part).await?;
        if !listed.is_empty() || !staged.is_empty() {
            for (digest, upload) in registry
                .metadata
                .unknown_places(listed, super::now())
                .await?
            {
                registry.blobs.remove(&digest, &upload).await?;
            }
            for upload in registry.metadata.unknown_uploads(staged).await? {
                registry.blobs.discard(&upload).await?;
            }
            sleep(BETWEEN).await;
        }
    }
    Ok(())
}

/// Compares all blobs with their digests, at the rate that was set.
async fn scrub(registry: &Registry) -> Result<(), Unfinished> {
    let mut after: Option<String> = None;
    loop {
        let records = registry
            .metadata
            .stored_blobs(after.as_deref(), BLOBS)
            .await?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        after = Some(last.digest.as_str().to_owned());
        for blob in &records {
            compare(registry, blob).await?;
        }
    }
}

/// Compares a blob with its digest, and puts it aside if it does not have it.
async fn compare(registry: &Registry, record: &BlobRecord) -> Result<(), Unfinished> {
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
                // A store that does not answer says nothing about the blob.
                Err(error) if blobs::is_passing(&error) => return Err(error.into()),
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
