//! Manifests and their tags.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, IF_NONE_MATCH};

use super::body::Body;
use super::log;
use super::quota;
use super::request::{Outcome, Reply, Request};
use super::verdict;
use super::warning::with_warnings;
use crate::access::Right;
use crate::digest::{Algorithm, Digest};
use crate::fault::{Code, Fault};
use crate::manifest::{self, MAXIMUM_MANIFEST};
use crate::metadata::{ManifestHead, Movable, NewManifest, Refusal, TagWrite};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

pub(super) async fn read(
    request: &Request,
    repository: &RepositoryName,
    reference: &Reference,
) -> Outcome {
    let metadata = &request.registry.metadata;
    if request.is_head() {
        let head = metadata.manifest_head(repository, reference).await?;
        let head = head.ok_or_else(unknown)?;
        let warnings = verdict::on_pull(request, repository, &head).await?;
        let mut reply = described(Reply::empty(StatusCode::OK), &head);
        reply.length = Some(head.size);
        return Ok(with_warnings(reply, warnings));
    }
    let record = metadata
        .manifest(repository, reference)
        .await?
        .ok_or_else(unknown)?;
    let digest = &record.head.digest;
    if Digest::of(digest.algorithm(), &record.bytes) != *digest {
        log::trouble(&format!(
            "the database has other bytes for the manifest {digest}"
        ));
        return Err(Fault::internal());
    }
    let warnings = verdict::on_pull(request, repository, &record.head).await?;
    let is_known = request
        .text(IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag(digest)));
    if is_known {
        let mut reply = described(Reply::empty(StatusCode::NOT_MODIFIED), &record.head);
        reply.length = Some(record.head.size);
        return Ok(with_warnings(reply, warnings));
    }
    let reply = described(Reply::of(Body::Full(record.bytes)), &record.head);
    Ok(with_warnings(reply, warnings))
}

pub(super) async fn put(
    request: &mut Request,
    repository: &RepositoryName,
    reference: &Reference,
    tags: &[Tag],
) -> Outcome {
    let bytes = request.body(MAXIMUM_MANIFEST as u64).all().await?;
    let digest = match reference {
        Reference::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
        Reference::Digest(wanted) => {
            let found = Digest::of(wanted.algorithm(), &bytes);
            if found != *wanted {
                let message = format!("the manifest has the digest {found}, not {wanted}");
                return Err(Fault::new(Code::DigestInvalid, message));
            }
            found
        }
    };
    let facts = manifest::read(request.text(CONTENT_TYPE), &bytes)?;
    let gate = &request.registry.gate;
    let named = match reference {
        Reference::Tag(tag) => Some(tag),
        Reference::Digest(_) => None,
    };
    let write = |tag: &Tag| TagWrite {
        tag: tag.clone(),
        movable: gate
            .policy
            .movable(&request.identity.caller, repository, tag),
    };
    let judged = verdict::on_push(request, repository, &digest, &bytes, &facts);
    let warnings = judged.await?;
    let subject = facts.subject.clone();
    let new = NewManifest {
        repository: repository.clone(),
        digest: digest.clone(),
        bytes,
        facts,
        tags: named.into_iter().chain(tags).map(write).collect(),
        is_sparse: gate.policy.takes_sparse_indexes(repository),
        quota: gate.policy.quota(repository),
        author: request.author(),
    };
    match request.registry.metadata.put_manifest(new).await? {
        Ok(_) => {}
        Err(refusal) => return Err(refused(repository, &refusal)),
    }
    let mut reply = Reply::empty(StatusCode::CREATED)
        .header("location", format!("/v2/{repository}/manifests/{digest}"))
        .header("docker-content-digest", digest.as_str());
    if let Some(subject) = subject {
        reply = reply.header("oci-subject", subject.as_str());
    }
    for tag in tags {
        reply = reply.header("oci-tag", tag.as_str());
    }
    Ok(with_warnings(reply, warnings))
}

pub(super) async fn delete(
    request: &Request,
    repository: &RepositoryName,
    reference: &Reference,
) -> Outcome {
    let metadata = &request.registry.metadata;
    let policy = &request.registry.gate.policy;
    let deleted = match reference {
        Reference::Tag(tag) => {
            if policy.is_immutable(repository, tag) {
                let refusal = Refusal::Tag(tag.clone(), Movable::Immutable);
                return Err(refused(repository, &refusal));
            }
            metadata
                .delete_tag(repository, tag, request.author())
                .await?
        }
        Reference::Digest(digest) => {
            let tags = metadata.tags_of(repository, digest).await?;
            let kept = tags
                .into_iter()
                .filter(|tag| policy.is_immutable(repository, tag));
            let deleted =
                metadata.delete_manifest(repository, digest, kept.collect(), request.author());
            deleted
                .await?
                .map_err(|refusal| refused(repository, &refusal))?
        }
    };
    match deleted {
        true => Ok(Reply::empty(StatusCode::ACCEPTED)),
        false => Err(unknown()),
    }
}

fn described(reply: Reply, head: &ManifestHead) -> Reply {
    reply
        .header("content-type", &head.media_type)
        .header("docker-content-digest", head.digest.as_str())
        .header("etag", etag(&head.digest))
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

fn unknown() -> Fault {
    Fault::new(Code::ManifestUnknown, "the repository has no such manifest")
}

fn refused(repository: &RepositoryName, refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::OverQuota(over) => quota::denied(repository, *over),
        Refusal::Missing(digests) => {
            let list: Vec<&str> = digests.iter().map(Digest::as_str).collect();
            let message = format!("push first what the manifest needs: {}", list.join(", "));
            Fault::new(Code::ManifestBlobUnknown, message)
        }
        Refusal::WrongSize { digest, size } => Fault::new(
            Code::ManifestInvalid,
            format!("{digest} has {size} bytes, not what the manifest says"),
        ),
        Refusal::Tag(tag, Movable::Immutable) => Fault::new(
            Code::Denied,
            format!("the tag `{tag}` is immutable here: push under another"),
        ),
        Refusal::Tag(tag, _) => Fault::new(
            Code::Denied,
            format!(
                "the tag `{tag}` is there; to move it takes the right `{}`",
                right_name(Right::Overwrite)
            ),
        ),
        Refusal::Needed(parent) => Fault::new(
            Code::Denied,
            format!("the index {parent} lists it; delete that first"),
        ),
    }
}

/// As the configuration writes it.
fn right_name(right: Right) -> String {
    serde_json::to_value(right)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
