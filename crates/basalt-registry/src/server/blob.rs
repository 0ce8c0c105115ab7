//! Blobs on their way out, and their end.

use std::collections::VecDeque;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{IF_RANGE, RANGE};

use super::body::{BlobBody, Body, Check};
use super::request::{Outcome, Reply, Request};
use super::{Registry, log};
use crate::blobs::Blob;
use crate::digest::{Digest, Hasher};
use crate::fault::{Code, Fault};
use crate::metadata::{BlobRecord, Deleted, Place, Refusal};
use crate::name::RepositoryName;
use crate::range::{self, Wanted};
use crate::route::UploadId;

/// The media type of a blob's bytes.
const TYPE: &str = "application/octet-stream";

pub(super) async fn read(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
) -> Outcome {
    let registry = &request.registry;
    let unknown = || Fault::new(Code::BlobUnknown, "the repository has no such blob");
    let record = registry
        .metadata
        .blob(repository, digest)
        .await?
        .ok_or_else(unknown)?;
    if request.is_head() {
        // Who pushes is to send a damaged one again.
        if !is_sound(registry, &record).await? || !promised(request, repository, &record).await? {
            return Err(unknown());
        }
        let mut reply = described(Reply::empty(StatusCode::OK), digest);
        reply.length = Some(record.size);
        return Ok(reply);
    }
    let wanted = wanted(request, digest, record.size);
    let is_whole = wanted == Wanted::Whole;
    let parts = match wanted {
        Wanted::Whole => vec![(0, record.size)],
        Wanted::Part(first, end) => vec![(first, end)],
        Wanted::Parts(parts) => parts,
        Wanted::Unsatisfiable => return Err(unsatisfiable(record.size)),
    };
    let bodies: Vec<Body> = match &record.place {
        Place::Damaged => return Err(damaged()),
        Place::Inside(bytes) => {
            if Digest::of(digest.algorithm(), bytes) != *digest {
                log::trouble(&format!("the database has other bytes for {digest}"));
                return Err(damaged());
            }
            let part =
                |(first, end): &(u64, u64)| Body::Full(bytes.slice(*first as usize..*end as usize));
            parts.iter().map(part).collect()
        }
        Place::Stored(upload) => {
            let Some(blob) = opened(registry, &record, upload).await? else {
                // It may have been deleted between the two looks.
                return match registry.metadata.blob(repository, digest).await? {
                    Some(now) if now.place == Place::Damaged => Err(damaged()),
                    Some(_) => Err(moved()),
                    None => Err(unknown()),
                };
            };
            let part = |(first, end): &(u64, u64)| {
                let check = is_whole.then(|| check(registry, digest, upload)).flatten();
                let outlet = request.peer.outlet.clone();
                let blob = Arc::clone(&blob);
                Body::Blob(Box::new(BlobBody::new(blob, *first, *end, check, outlet)))
            };
            parts.iter().map(part).collect()
        }
    };
    Ok(match is_whole {
        true => described(Reply::of(joined(bodies)), digest),
        false => in_parts(digest, record.size, &parts, bodies),
    })
}

/// Bodies one behind the other.
fn joined(bodies: Vec<Body>) -> Body {
    match <[Body; 1]>::try_from(bodies) {
        Ok([one]) => one,
        Err(several) => Body::Parts(several.into()),
    }
}

/// What of a blob a request wants. One that names another version of it than there is wants the whole (RFC 9110, section 13.1.5).
pub(super) fn wanted(request: &Request, digest: &Digest, size: u64) -> Wanted {
    match request.text(IF_RANGE) {
        Some(version) if version != etag(digest) => Wanted::Whole,
        _ => range::wanted(request.text(RANGE), size),
    }
}

/// The refusal of ranges that a blob does not have.
pub(super) fn unsatisfiable(size: u64) -> Fault {
    Fault::new(Code::SizeInvalid, format!("the blob has {size} bytes"))
        .status(StatusCode::RANGE_NOT_SATISFIABLE)
        .header("content-range", format!("bytes */{size}"))
}

/// The answer with these parts of a blob: one is the body itself, several stand in a `multipart/byteranges` (RFC 9110, section
/// 14.6), each under its place in the blob.
fn in_parts(digest: &Digest, size: u64, parts: &[(u64, u64)], bodies: Vec<Body>) -> Reply {
    let place = |(first, end): &(u64, u64)| format!("bytes {first}-{}/{size}", end - 1);
    match parts {
        [part] => described(Reply::of(joined(bodies)), digest)
            .with_status(StatusCode::PARTIAL_CONTENT)
            .header("content-range", place(part)),
        _ => {
            // Random: so that nobody can have put it into the blob.
            let boundary = UploadId::random().as_str().to_owned();
            let mut all = VecDeque::with_capacity(2 * parts.len() + 1);
            let mut begin = format!("--{boundary}");
            for (part, body) in parts.iter().zip(bodies) {
                let head = format!(
                    "{begin}\r\ncontent-type: {TYPE}\r\ncontent-range: {}\r\n\r\n",
                    place(part)
                );
                all.push_back(Body::Full(head.into()));
                all.push_back(body);
                begin = format!("\r\n--{boundary}");
            }
            all.push_back(Body::Full(format!("{begin}--\r\n").into()));
            let kind = format!("multipart/byteranges; boundary={boundary}");
            described_as(Reply::of(Body::Parts(all)), digest, &kind)
                .with_status(StatusCode::PARTIAL_CONTENT)
        }
    }
}

pub(super) async fn delete(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
) -> Outcome {
    let registry = &request.registry;
    let deleted = registry
        .metadata
        .delete_blob(repository, digest, request.author());
    match deleted.await? {
        Ok(Deleted::Unknown) => Err(Fault::new(
            Code::BlobUnknown,
            "the repository has no such blob",
        )),
        Ok(Deleted::Member | Deleted::Gone(None)) => Ok(Reply::empty(StatusCode::ACCEPTED)),
        Ok(Deleted::Gone(Some(upload))) => {
            registry.blobs.remove(digest, &upload).await?;
            Ok(Reply::empty(StatusCode::ACCEPTED))
        }
        Err(Refusal::Needed(manifest)) => Err(Fault::new(
            Code::Denied,
            format!("the manifest {manifest} of this repository needs it; delete that first"),
        )),
        Err(_) => Err(Fault::internal()),
    }
}

/// Keeps the promise that a HEAD makes: a blob that is there now is there for as long as a push may take. False when it is
/// gone meanwhile.
async fn promised(
    request: &Request,
    repository: &RepositoryName,
    record: &BlobRecord,
) -> Result<bool, Fault> {
    let registry = &request.registry;
    let life = registry.settings.lease;
    // Not at each time: what is kept for half as long yet is kept long enough.
    if record.lease - request.now > life / 2 {
        return Ok(true);
    }
    let renewed = registry
        .metadata
        .renew_blob(repository, &record.digest, request.now + life);
    Ok(renewed.await?)
}

/// Whether the bytes of a blob are there and of the right length.
pub(super) async fn is_sound(registry: &Arc<Registry>, record: &BlobRecord) -> Result<bool, Fault> {
    match &record.place {
        Place::Damaged => Ok(false),
        Place::Inside(bytes) => Ok(bytes.len() as u64 == record.size),
        Place::Stored(upload) => Ok(opened(registry, record, upload).await?.is_some()),
    }
}

/// Opens a blob; nothing when it is not there or of another length, and then it counts as missing from now on.
async fn opened(
    registry: &Arc<Registry>,
    record: &BlobRecord,
    upload: &UploadId,
) -> Result<Option<Arc<dyn Blob>>, Fault> {
    match registry.blobs.open(&record.digest, upload).await? {
        Some(blob) if blob.size() == record.size => Ok(Some(blob)),
        _ => {
            registry.quarantine(&record.digest, upload).await;
            Ok(None)
        }
    }
}

/// What compares a blob with its digest on its way out, if that was not done of late.
fn check(registry: &Arc<Registry>, digest: &Digest, upload: &UploadId) -> Option<Check> {
    if registry.verified.is_fresh(upload) {
        return None;
    }
    let (good, bad) = (Arc::clone(registry), Arc::clone(registry));
    let (good_upload, bad_upload, bad_digest) = (upload.clone(), upload.clone(), digest.clone());
    Some(Check {
        hasher: Hasher::new(digest.algorithm()),
        digest: digest.clone(),
        good: Box::new(move || good.verified.note(good_upload)),
        bad: Box::new(move || {
            tokio::spawn(async move { bad.quarantine(&bad_digest, &bad_upload).await });
        }),
    })
}

/// The headers of a blob. It can never be another: caches may keep it, but only for who asked.
pub(super) fn described(reply: Reply, digest: &Digest) -> Reply {
    described_as(reply, digest, TYPE)
}

fn described_as(reply: Reply, digest: &Digest, kind: &str) -> Reply {
    reply
        .header("content-type", kind)
        .header("docker-content-digest", digest.as_str())
        .header("etag", etag(digest))
        .header("accept-ranges", "bytes")
        .header("cache-control", "private, max-age=31536000, immutable")
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

pub(super) fn moved() -> Fault {
    Fault::new(
        Code::Unavailable,
        "the blob was just pushed anew; try again",
    )
    .header("retry-after", "1")
}

fn damaged() -> Fault {
    Fault::new(
        Code::Unknown,
        "the blob's bytes are damaged and were put aside; push it again to mend it",
    )
}
