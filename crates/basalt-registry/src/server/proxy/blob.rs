//! Blobs of an upstream: from here if they are here; else as they come, before they have come to their end.

use std::sync::Arc;

use hyper::StatusCode;

use super::download::{Download, Wanted as Needed};
use super::follow::Following;
use super::is_to_be_noted;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::metadata::BlobRecord;
use crate::name::RepositoryName;
use crate::range::Wanted;
use crate::server::body::Body;
use crate::server::request::{Outcome, Reply, Request};
use crate::server::upload::INSIDE;
use crate::server::{Registry, blob, now};
use crate::upstream::{Remote, Trouble, head};

pub(super) async fn read(
    request: &Request,
    remote: &Remote,
    repository: &RepositoryName,
    digest: &Digest,
) -> Outcome {
    remote.check(None)?;
    let registry = &request.registry;
    if let Some(record) = registry.metadata.blob(repository, digest).await?
        && blob::is_sound(registry, &record).await?
    {
        registry.counts.upstream.hit();
        note(registry, remote, repository, &record).await?;
        return blob::read(request, repository, digest).await;
    }
    let wanted = Needed {
        registry: Arc::clone(registry),
        remote: remote.clone(),
        repository: repository.clone(),
        digest: digest.clone(),
        address: request.peer.address.to_string(),
    };
    let proxying = &registry.proxying;
    if let Some(trouble) = proxying.refused(&wanted.object()) {
        return Err(refused(remote, &trouble));
    }
    if request.is_head() {
        return described(&wanted).await;
    }
    let download = proxying.downloads.join(wanted)?;
    let size = download
        .size()
        .await
        .map_err(|trouble| refused(remote, &trouble))?;
    match size {
        Some(size) if size > INSIDE => following(request, repository, digest, download, size),
        // A small one is here in a moment; of one whose length is not known nothing can be told before.
        _ => {
            let ended = download.ended().await;
            ended.map_err(|trouble| refused(remote, &trouble))?;
            blob::read(request, repository, digest).await
        }
    }
}

/// Answers with a blob that is on its way.
fn following(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
    download: Download,
    size: u64,
) -> Outcome {
    let wanted = blob::wanted(request, digest, size);
    let (first, end) = match &wanted {
        // Of one that is on its way several parts are not given: the whole is, as RFC 9110 allows.
        Wanted::Whole | Wanted::Parts(_) => (0, size),
        Wanted::Part(first, end) => (*first, *end),
        Wanted::Unsatisfiable => return Err(blob::unsatisfiable(size)),
    };
    let registry = Arc::clone(&request.registry);
    let body = Following::new(registry, download, repository, digest, first, end);
    let reply = blob::described(Reply::of(Body::Following(Box::new(body))), digest);
    Ok(match wanted {
        Wanted::Whole | Wanted::Parts(_) => reply,
        _ => reply
            .with_status(StatusCode::PARTIAL_CONTENT)
            .header("content-range", format!("bytes {first}-{}/{size}", end - 1)),
    })
}

/// What the upstream says of a blob, without having it.
async fn described(wanted: &Needed) -> Outcome {
    let Needed {
        registry,
        remote,
        digest,
        ..
    } = wanted;
    let rest = format!("blobs/{digest}");
    registry.counts.upstream.miss();
    let asked = remote.ask(move |repository| head(repository, &rest)).await;
    let asked = asked.inspect_err(|trouble| {
        registry.counts.upstream.failure();
        registry.proxying.refuse(&wanted.object(), trouble);
    });
    let told = asked.map_err(|trouble| refused(remote, &trouble))?;
    let mut reply = blob::described(Reply::empty(StatusCode::OK), digest);
    reply.length = told.length;
    Ok(reply)
}

/// Notes that a blob was asked for, so that it is kept.
async fn note(
    registry: &Registry,
    remote: &Remote,
    repository: &RepositoryName,
    record: &BlobRecord,
) -> Result<(), Fault> {
    let (keep, now) = (remote.upstream.keep, now());
    if is_to_be_noted(record.lease, keep, now) {
        let lease = now.saturating_add(keep);
        let metadata = &registry.metadata;
        metadata
            .renew_blob(repository, &record.digest, lease)
            .await?;
    }
    Ok(())
}

fn refused(remote: &Remote, trouble: &Trouble) -> Fault {
    trouble.fault(&remote.upstream.prefix, Code::BlobUnknown)
}
