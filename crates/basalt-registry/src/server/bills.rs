//! Reads bills of materials that were pushed, beside requests. What is to be read is a queue in the metadata, so that a crash
//! loses nothing; a document over which a process ends is tried again, later each time, and then given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::unfinished::Unfinished;
use super::{Current, Registry, log};
use crate::bills::{self, Form, MAXIMUM_DOCUMENT, MAXIMUM_DOCUMENTS, NewBill, Wanted};
use crate::blobs::whole;
use crate::digest::Digest;
use crate::metadata::{MetadataError, WaitingBill};
use crate::name::RepositoryName;
use crate::route::Reference;

/// How long it rests when nothing waits.
const REST: Duration = Duration::from_secs(1);
/// How many packages one transaction adds or removes: pushes wait for no more than that.
const PACKAGES: usize = 200;

/// Does it for ever.
pub(super) async fn run(current: &Current) {
    loop {
        let registry = Arc::clone(&current.borrow());
        match round(&registry).await {
            Ok(true) => {}
            Ok(false) => sleep(REST).await,
            Err(error) => {
                log::trouble(&format!("the reading of bills of materials: {error}"));
                sleep(REST * 10).await;
            }
        }
    }
}

/// Reads one manifest, or removes a part of what was read of one that is gone. Whether there was something to do.
async fn round(registry: &Registry) -> Result<bool, Unfinished> {
    let metadata = &registry.metadata;
    let swept = metadata.sweep_bills(PACKAGES as u64).await?;
    let Some(waiting) = metadata.next_bill(super::now()).await? else {
        return Ok(swept);
    };
    metadata.begin_bills(waiting.manifest).await?;
    for wanted in wanted(registry, &waiting).await? {
        let bill = read(registry, &waiting, wanted).await?;
        if let Some(bill) = bill {
            write(registry, waiting.manifest, bill).await?;
        }
    }
    crate::failpoint::reached("before-end-bills");
    metadata.end_bills(waiting.manifest).await?;
    Ok(true)
}

/// The documents that a manifest carries, or those of attestations that an index lists.
async fn wanted(registry: &Registry, waiting: &WaitingBill) -> Result<Vec<Wanted>, MetadataError> {
    let tags: Vec<&str> = waiting.tags.iter().map(|tag| tag.as_str()).collect();
    let (mut wanted, attestations) = bills::documents(&waiting.bytes, &tags);
    for (manifest, subject) in attestations {
        let reference = Reference::Digest(manifest);
        let record = registry
            .metadata
            .manifest(&waiting.repository, &reference)
            .await?;
        wanted.extend(record.map_or(Vec::new(), |record| Wanted::within(&record.bytes, &subject)));
    }
    wanted.truncate(MAXIMUM_DOCUMENTS);
    Ok(wanted)
}

/// Reads a document. Nothing when it is no bill of materials.
async fn read(
    registry: &Registry,
    waiting: &WaitingBill,
    wanted: Wanted,
) -> Result<Option<NewBill>, Unfinished> {
    let Wanted {
        subject,
        document,
        form,
    } = wanted;
    let bill = |format, packages, problem| NewBill {
        subject,
        document: document.clone(),
        format,
        is_signed: form == Form::Signed,
        packages,
        problem,
    };
    let bytes = read_blob(registry, &waiting.repository, &document, MAXIMUM_DOCUMENT).await;
    let problem = match bytes {
        Ok(Some(bytes)) => {
            let read = tokio::task::spawn_blocking(move || bills::packages(&bytes, form));
            match read.await? {
                Ok(Some((format, packages))) => return Ok(Some(bill(format, packages, None))),
                Ok(None) => return Ok(None),
                Err(problem) => problem,
            }
        }
        Ok(None) => format!(
            "it is damaged, or longer than {} MiB",
            MAXIMUM_DOCUMENT >> 20
        ),
        // A disk may be well again later.
        Err(error) if !waiting.is_last => return Err(error),
        Err(error) => error.to_string(),
    };
    Ok(Some(bill(String::new(), Vec::new(), Some(problem))))
}

async fn write(registry: &Registry, manifest: i64, bill: NewBill) -> Result<(), MetadataError> {
    let metadata = &registry.metadata;
    let mut packages = bill.packages.clone();
    let Some(id) = metadata.add_bill(manifest, bill).await? else {
        return Ok(());
    };
    while !packages.is_empty() {
        let rest = packages.split_off(packages.len().min(PACKAGES));
        let some = std::mem::replace(&mut packages, rest);
        metadata.add_packages(id, some).await?;
    }
    Ok(())
}

/// All bytes of a blob of a repository; nothing when it is not there, damaged, or longer than `limit`.
///
/// # Errors
/// When the metadata or the store fail.
pub(super) async fn read_blob(
    registry: &Registry,
    repository: &RepositoryName,
    digest: &Digest,
    limit: u64,
) -> Result<Option<Bytes>, Unfinished> {
    let (metadata, blobs) = (registry.metadata.as_ref(), registry.blobs.as_ref());
    whole(metadata, blobs, repository, digest, limit).await
}
