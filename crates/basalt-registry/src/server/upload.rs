//! Blobs on their way in (OCI distribution specification, *Pushing blobs*).

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::CONTENT_RANGE;

use super::Registry;
use super::quota::{self, Room};
use super::request::{Outcome, Reply, Request};
use super::session::{self, Held};
use crate::digest::{Algorithm, Digest};
use crate::failpoint;
use crate::fault::{Code, Fault};
use crate::metadata::{NewBlob, Place, Published, Refusal};
use crate::name::RepositoryName;
use crate::range;
use crate::route::{Mount, UploadId};
use crate::traces;

/// Blobs up to this length, in bytes, are kept within the metadata: one flush of the disk, and no file.
pub const INSIDE: u64 = 64 << 10;
/// How much is gathered before it is staged.
const PIECE: usize = 256 << 10;
/// How many repositories are tried for a blob to be mounted from anywhere.
const MAXIMUM_HOLDERS: u64 = 100;

pub(super) async fn begin(
    request: &mut Request,
    repository: &RepositoryName,
    digest: Option<&Digest>,
    mount: Option<&Mount>,
    algorithm: Algorithm,
) -> Outcome {
    if let Some(mount) = mount
        && mounted(request, repository, mount).await?
    {
        return Ok(created(repository, &mount.digest));
    }
    let upload = UploadId::random();
    let registry = request.registry.clone();
    let lease = request.now + registry.settings.upload_life;
    if let Some(digest) = digest {
        let received = request.body(registry.settings.maximum_blob);
        // A small one, which is most often the case, needs neither a row nor a file for its upload.
        if received.announced().is_some_and(|length| length <= INSIDE) {
            let bytes = received.all().await?;
            return whole(request, repository, digest, bytes, None).await;
        }
        registry
            .metadata
            .begin_upload(repository, &upload, lease)
            .await?;
        registry.sessions.begin(&upload, digest.algorithm());
        return finished(request, repository, &upload, digest, true).await;
    }
    registry
        .metadata
        .begin_upload(repository, &upload, lease)
        .await?;
    registry.sessions.begin(&upload, algorithm);
    Ok(progress(StatusCode::ACCEPTED, repository, &upload, 0))
}

/// Makes a blob of another repository one of this, if who asks may read it there.
async fn mounted(
    request: &Request,
    repository: &RepositoryName,
    mount: &Mount,
) -> Result<bool, Fault> {
    let registry = &request.registry;
    let sources = match &mount.from {
        Some(from) => {
            let gate = &registry.gate;
            gate.check_source(&request.identity, &request.headers, from, repository)?;
            vec![from.clone()]
        }
        None => {
            registry
                .metadata
                .holders(&mount.digest, MAXIMUM_HOLDERS)
                .await?
        }
    };
    let mut readable = sources
        .into_iter()
        .filter(|source| registry.gate.may_pull(&request.identity, source));
    let Some(source) = readable.next() else {
        return Ok(false);
    };
    // What cannot be read is not promised.
    let Some(blob) = registry.metadata.blob(&source, &mount.digest).await? else {
        return Ok(false);
    };
    if !super::blob::is_sound(registry, &blob).await? {
        return Ok(false);
    }
    let lease = request.now + registry.settings.lease;
    let mounted = registry.metadata.mount_blob(
        &source,
        repository,
        &mount.digest,
        lease,
        registry.gate.policy.quota(repository),
        request.author(),
    );
    match mounted.await? {
        Ok(mounted) => Ok(mounted),
        Err(Refusal::OverQuota(over)) => Err(quota::denied(repository, over)),
        Err(_) => Err(Fault::internal()),
    }
}

pub(super) async fn status(
    request: &Request,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Outcome {
    let mut held = held(request, repository, upload).await?;
    let offset = offset(request, &mut held, upload).await?;
    Ok(progress(StatusCode::NO_CONTENT, repository, upload, offset))
}

pub(super) async fn append(
    request: &mut Request,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Outcome {
    let mut held = held(request, repository, upload).await?;
    let offset = offset(request, &mut held, upload).await?;
    in_order(request, repository, upload, offset)?;
    let mut room = room(request, repository, upload, offset).await?;
    let mut held = stage(request, held, upload, &mut room, Vec::new()).await?;
    let offset = self::offset(request, &mut held, upload).await?;
    let registry = &request.registry;
    let lease = request.now + registry.settings.upload_life;
    registry.metadata.renew_upload(upload, lease).await?;
    Ok(progress(StatusCode::ACCEPTED, repository, upload, offset))
}

pub(super) async fn cancel(
    request: &Request,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Outcome {
    let held = held(request, repository, upload).await?;
    let ended = end(request, held, upload).await?;
    match ended {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(unknown_upload()),
    }
}

pub(super) async fn finish(
    request: &mut Request,
    repository: &RepositoryName,
    upload: &UploadId,
    digest: &Digest,
) -> Outcome {
    finished(request, repository, upload, digest, false).await
}

/// Finishes an upload; `is_nameless` says that it was begun by the same request.
async fn finished(
    request: &mut Request,
    repository: &RepositoryName,
    upload: &UploadId,
    digest: &Digest,
    is_nameless: bool,
) -> Outcome {
    let mut held = held(request, repository, upload).await?;
    let offset = offset(request, &mut held, upload).await?;
    in_order(request, repository, upload, offset)?;
    if offset == 0 && is_known(request, repository, digest).await? {
        return compared(request, repository, held, upload, digest).await;
    }
    let mut room = match room(request, repository, upload, offset).await {
        Ok(room) => room,
        Err(fault) => {
            if is_nameless {
                end(request, held, upload).await?;
            }
            return Err(fault);
        }
    };
    if is_nameless {
        room.nameless();
    }
    let mut first = Vec::new();
    if offset == 0 {
        let (bytes, is_all) = begin_of_body(request).await?;
        if is_all {
            let bytes = joined(bytes);
            if Digest::of(digest.algorithm(), &bytes) != *digest {
                end(request, held, upload).await?;
                room.ended();
                return Err(wrong_digest(digest));
            }
            drop(held);
            // Whatever becomes of it, nothing came before: there is no hash to go on with.
            let outcome = whole(request, repository, digest, bytes, Some(upload)).await;
            request.registry.sessions.end(upload);
            // An empty part that was sent before may have left a file.
            request.registry.blobs.discard(upload).await?;
            if outcome.is_ok() {
                room.ended();
            }
            return outcome;
        }
        first = bytes;
    }
    let mut held = stage(request, held, upload, &mut room, first).await?;
    let size = self::offset(request, &mut held, upload).await?;
    let found = match session::hasher(&held) {
        Some(hasher) if hasher.algorithm() == digest.algorithm() => hasher.clone().finish(),
        _ => {
            let hasher = crate::digest::Hasher::new(digest.algorithm());
            let (hasher, _) = request
                .registry
                .blobs
                .hash_staged(upload, hasher, 0)
                .await?;
            hasher.finish()
        }
    };
    if found != *digest {
        end(request, held, upload).await?;
        room.ended();
        return Err(wrong_digest(digest));
    }
    let place = if size <= INSIDE {
        let bytes = request
            .registry
            .blobs
            .read_staged(upload, INSIDE + 1)
            .await?;
        if Digest::of(digest.algorithm(), &bytes) != *digest {
            return Err(Fault::internal());
        }
        Place::Inside(bytes)
    } else {
        Place::Stored(upload.clone())
    };
    let new = NewBlob {
        repository: repository.clone(),
        digest: digest.clone(),
        size,
        place,
        upload: Some(upload.clone()),
        lease: request.now + request.registry.settings.lease,
        quota: request.registry.gate.policy.quota(repository),
        author: request.author(),
    };
    let outcome = publish(request, held, new).await;
    // What it kept went with the upload, unless that is still there.
    if outcome.is_ok() {
        room.ended();
    }
    outcome
}

/// Whether bytes that are said to have this digest need not be kept, for a repository with a quota has them: they would have
/// to have room beside themselves until they are found to be there.
async fn is_known(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<bool, Fault> {
    let registry = &request.registry;
    if registry.gate.policy.quota(repository).is_none() {
        return Ok(false);
    }
    match registry.metadata.blob(repository, digest).await? {
        Some(record) => super::blob::is_sound(registry, &record).await,
        None => Ok(false),
    }
}

/// Takes bytes that the repository has: they are compared with their digest, and kept nowhere.
async fn compared(
    request: &mut Request,
    repository: &RepositoryName,
    held: Held,
    upload: &UploadId,
    digest: &Digest,
) -> Outcome {
    let received = request.body(request.registry.settings.maximum_blob);
    let mut hasher = crate::digest::Hasher::new(digest.algorithm());
    let broken = loop {
        match received.next().await {
            Ok(Some(bytes)) => hasher.update(&bytes),
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    end(request, held, upload).await?;
    if let Some(fault) = broken {
        return Err(fault);
    }
    if hasher.finish() != *digest {
        return Err(wrong_digest(digest));
    }
    let registry = &request.registry;
    let lease = request.now + registry.settings.lease;
    match registry
        .metadata
        .renew_blob(repository, digest, lease)
        .await?
    {
        true => Ok(created(repository, digest)),
        // It was deleted meanwhile.
        false => Err(super::blob::moved()),
    }
}

/// The room of what a request sends to an upload that has so many bytes.
async fn room(
    request: &Request,
    repository: &RepositoryName,
    upload: &UploadId,
    offset: u64,
) -> Result<Room, Fault> {
    let announced = request.announced();
    let announced = announced.map(|more| offset.saturating_add(more));
    let room = Room::begin(&request.registry, repository, upload, offset, announced);
    room.await.map_err(|refused| refused.fault(repository))
}

/// Takes a blob whose bytes are all here.
async fn whole(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
    bytes: Bytes,
    upload: Option<&UploadId>,
) -> Outcome {
    if Digest::of(digest.algorithm(), &bytes) != *digest {
        return Err(wrong_digest(digest));
    }
    let new = NewBlob {
        repository: repository.clone(),
        digest: digest.clone(),
        size: bytes.len() as u64,
        place: Place::Inside(bytes),
        upload: upload.cloned(),
        lease: request.now + request.registry.settings.lease,
        quota: request.registry.gate.policy.quota(repository),
        author: request.author(),
    };
    match publish_sound(&request.registry, new).await? {
        Published::NoUpload => Err(unknown_upload()),
        Published::OverQuota(over) => Err(quota::denied(repository, over)),
        Published::Taken | Published::Known => Ok(created(repository, digest)),
    }
}

/// Publishes a blob. One that is there already, but cannot be read, makes room first: what is acknowledged is there.
///
/// # Errors
/// When the store or the metadata fail.
pub(super) async fn publish_sound(
    registry: &Arc<Registry>,
    new: NewBlob,
) -> Result<Published, Fault> {
    let metadata = &registry.metadata;
    if let Some(known) = metadata.known_blob(&new.digest).await? {
        // One that is not sound counts as missing from here on.
        super::blob::is_sound(registry, &known).await?;
    }
    Ok(metadata.publish_blob(new).await?)
}

/// Makes what was staged a blob. It is done to its end even if the client is gone meanwhile.
async fn publish(request: &Request, held: Held, new: NewBlob) -> Outcome {
    let registry = request.registry.clone();
    let running = tokio::spawn(traces::carried(async move {
        let (repository, digest) = (new.repository.clone(), new.digest.clone());
        match publish_staged(&registry, held, new).await? {
            Published::NoUpload => Err(unknown_upload()),
            Published::OverQuota(over) => Err(quota::denied(&repository, over)),
            Published::Taken | Published::Known => Ok(created(&repository, &digest)),
        }
    }));
    running.await.map_err(|_| Fault::internal())?
}

/// Makes what was staged of an upload a blob; who calls it lets it come to its end.
///
/// # Errors
/// When the store or the metadata fail.
pub(super) async fn publish_staged(
    registry: &Arc<Registry>,
    held: Held,
    new: NewBlob,
) -> Result<Published, Fault> {
    let digest = new.digest.clone();
    let Some(upload) = new.upload.clone() else {
        return Err(Fault::internal());
    };
    let is_stored = matches!(new.place, Place::Stored(_));
    if is_stored {
        let _span = traces::start("blob publish");
        registry.blobs.publish(&upload, &digest, new.size).await?;
    }
    failpoint::reached("before-publish");
    let published = publish_sound(registry, new).await?;
    failpoint::reached("after-publish");
    // What is here twice, or came too late, is not needed.
    match (published, is_stored) {
        (Published::Taken, true) => {}
        (_, true) => registry.blobs.remove(&digest, &upload).await?,
        (_, false) => registry.blobs.discard(&upload).await?,
    }
    drop(held);
    registry.sessions.end(&upload);
    Ok(published)
}

/// Takes the upload, if the repository has it.
async fn held(
    request: &Request,
    repository: &RepositoryName,
    upload: &UploadId,
) -> Result<Held, Fault> {
    let registry = &request.registry;
    if !registry.metadata.has_upload(repository, upload).await? {
        return Err(unknown_upload());
    }
    let held = registry.sessions.take(upload).await?;
    // It may have been ended while this waited.
    if !registry.metadata.has_upload(repository, upload).await? {
        registry.sessions.end(upload);
        return Err(unknown_upload());
    }
    Ok(held)
}

async fn offset(request: &Request, held: &mut Held, upload: &UploadId) -> Result<u64, Fault> {
    Ok(session::offset(held, request.registry.blobs.as_ref(), upload).await?)
}

/// Ends an upload; whether there was one.
async fn end(request: &Request, held: Held, upload: &UploadId) -> Result<bool, Fault> {
    let registry = &request.registry;
    let ended = registry.metadata.end_upload(upload).await?;
    registry.blobs.discard(upload).await?;
    drop(held);
    registry.sessions.end(upload);
    Ok(ended)
}

/// Refuses a part that does not begin where the last one ended.
fn in_order(
    request: &Request,
    repository: &RepositoryName,
    upload: &UploadId,
    offset: u64,
) -> Result<(), Fault> {
    let Some(header) = request.headers.get(CONTENT_RANGE) else {
        return Ok(());
    };
    let (first, length) = header.to_str().ok().and_then(range::chunk).ok_or_else(|| {
        let message = "the Content-Range cannot be read: write FIRST-LAST";
        Fault::new(Code::BlobUploadInvalid, message)
    })?;
    if first != offset {
        let message = format!("the next byte of this upload is {offset}, not {first}");
        let mut fault =
            Fault::new(Code::BlobUploadInvalid, message).status(StatusCode::RANGE_NOT_SATISFIABLE);
        fault.headers = place(repository, upload, offset);
        return Err(fault);
    }
    if request
        .announced()
        .is_some_and(|announced| announced != length)
    {
        let message = "the Content-Range and the Content-Length do not fit together";
        return Err(Fault::new(Code::SizeInvalid, message));
    }
    Ok(())
}

/// The first bytes of the body: all of it, if it is a small one.
async fn begin_of_body(request: &mut Request) -> Result<(Vec<Bytes>, bool), Fault> {
    let received = request.body(request.registry.settings.maximum_blob);
    let mut bytes: Vec<Bytes> = Vec::new();
    let mut is_all = false;
    while received.count() <= INSIDE {
        match received.next().await? {
            Some(more) => bytes.push(more),
            None => {
                is_all = true;
                break;
            }
        }
    }
    Ok((bytes, is_all))
}

/// Stages the body, behind what came of it already, as far as there is room.
async fn stage(
    request: &mut Request,
    mut held: Held,
    upload: &UploadId,
    room: &mut Room,
    first: Vec<Bytes>,
) -> Result<Held, Fault> {
    let registry = request.registry.clone();
    let offset = self::offset(request, &mut held, upload).await?;
    let limit = registry.settings.maximum_blob.saturating_sub(offset);
    let received = request.body(limit);
    let mut count: usize = first.iter().map(Bytes::len).sum();
    let mut bytes = first;
    loop {
        let next = received.next().await;
        let is_end = !matches!(next, Ok(Some(_)));
        if let Ok(Some(more)) = &next {
            count += more.len();
            bytes.push(more.clone());
        }
        if count >= PIECE || (is_end && count > 0) {
            if let Err(refused) = room.take(count as u64).await {
                return Err(room.refused(refused));
            }
            let staged = session::append(held, &registry.blobs, upload, std::mem::take(&mut bytes));
            held = match staged.await {
                Ok(held) => held,
                Err(error) => {
                    return Err(error.into());
                }
            };
            count = 0;
        }
        // What came before it broke off is staged: the client can go on behind it.
        match next {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok(held)
}

fn joined(bytes: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(bytes) {
        Ok([one]) => one,
        Err(several) => several.concat().into(),
    }
}

/// The headers that say where an upload is and how far.
fn place(
    repository: &RepositoryName,
    upload: &UploadId,
    offset: u64,
) -> Vec<(&'static str, String)> {
    vec![
        (
            "location",
            format!("/v2/{repository}/blobs/uploads/{}", upload.as_str()),
        ),
        // The last byte there is; where there is none, clients expect the same as for one.
        ("range", format!("0-{}", offset.saturating_sub(1))),
        ("docker-upload-uuid", upload.as_str().to_owned()),
    ]
}

fn progress(
    status: StatusCode,
    repository: &RepositoryName,
    upload: &UploadId,
    offset: u64,
) -> Reply {
    let mut reply = Reply::empty(status);
    reply.headers = place(repository, upload, offset);
    reply
}

fn created(repository: &RepositoryName, digest: &Digest) -> Reply {
    Reply::empty(StatusCode::CREATED)
        .header("location", format!("/v2/{repository}/blobs/{digest}"))
        .header("docker-content-digest", digest.as_str())
}

pub(super) fn unknown_upload() -> Fault {
    Fault::new(
        Code::BlobUploadUnknown,
        "there is no such upload: it was finished, cancelled, or took too long",
    )
}

fn wrong_digest(digest: &Digest) -> Fault {
    Fault::new(
        Code::DigestInvalid,
        format!("the bytes that came do not have the digest {digest}"),
    )
}
