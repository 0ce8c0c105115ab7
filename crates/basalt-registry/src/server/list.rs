//! Lists: repositories, tags, what refers to a manifest. Long ones come in parts, each with a link to the next
//! (OCI distribution specification, *Content discovery*).

use serde_json::{Value, json};

use super::request::{Outcome, Reply, Request};
use crate::access::Right;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::metadata::ReferrerRecord;
use crate::name::RepositoryName;
use crate::route::{Page, encode};

/// The most entries of one part.
pub(super) const MAXIMUM: u64 = 1000;
/// The most repositories that are looked through for one part of the catalogue.
const MAXIMUM_LOOKED: usize = 20_000;

pub(super) async fn catalog(request: &Request, page: &Page) -> Outcome {
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM) as usize;
    let registry = &request.registry;
    let mut after = page.after.clone();
    let mut names = Vec::new();
    let mut looked = 0;
    // Only those that who asks may read.
    let more = 'all: loop {
        let part = registry
            .metadata
            .repositories(after.as_deref(), MAXIMUM)
            .await?;
        let is_last = (part.len() as u64) < MAXIMUM;
        for name in part {
            if names.len() == limit || looked == MAXIMUM_LOOKED {
                break 'all true;
            }
            looked += 1;
            after = Some(name.as_str().to_owned());
            if registry
                .gate
                .policy
                .allows(&request.identity.caller, &name, Right::Pull)
            {
                names.push(name.as_str().to_owned());
            }
        }
        if is_last {
            break false;
        }
    };
    let reply = Reply::json(&json!({"repositories": names}));
    Ok(linked(
        reply,
        "/v2/_catalog",
        "",
        limit,
        more.then_some(after).flatten(),
    ))
}

pub(super) async fn tags(request: &Request, repository: &RepositoryName, page: &Page) -> Outcome {
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM);
    let metadata = &request.registry.metadata;
    let mut tags = metadata
        .tags(repository, page.after.as_deref(), limit + 1)
        .await?
        .ok_or_else(|| Fault::new(Code::NameUnknown, "there is no such repository"))?;
    let more = tags.len() as u64 > limit;
    tags.truncate(limit as usize);
    let last = more.then(|| tags.last().cloned()).flatten();
    let reply = Reply::json(&json!({"name": repository.as_str(), "tags": tags}));
    let path = format!("/v2/{repository}/tags/list");
    Ok(linked(reply, &path, "", limit as usize, last))
}

pub(super) async fn referrers(
    request: &Request,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &Page,
) -> Outcome {
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM);
    let metadata = &request.registry.metadata;
    let (found, more) = metadata
        .referrers(
            repository,
            subject,
            artifact_type,
            page.after.as_deref(),
            limit,
        )
        .await?;
    let last = found
        .last()
        .filter(|_| more)
        .map(|one| one.head.digest.as_str().to_owned());
    let manifests: Vec<Value> = found.iter().map(descriptor).collect();
    let path = format!("/v2/{repository}/referrers/{subject}");
    Ok(referrers_reply(
        &path,
        &json!(manifests),
        artifact_type,
        limit as usize,
        last,
    ))
}

/// A list of referrers as an answer (OCI distribution specification, *Listing Referrers*).
pub(super) fn referrers_reply(
    path: &str,
    manifests: &Value,
    artifact_type: Option<&str>,
    limit: usize,
    last: Option<String>,
) -> Reply {
    let mut reply = Reply::json(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }));
    reply.headers = vec![(
        "content-type",
        "application/vnd.oci.image.index.v1+json".to_owned(),
    )];
    let mut filter = String::new();
    if let Some(artifact_type) = artifact_type {
        reply = reply.header("oci-filters-applied", "artifactType");
        filter = format!("&artifactType={}", encode(artifact_type));
    }
    linked(reply, path, &filter, limit, last)
}

fn descriptor(record: &ReferrerRecord) -> Value {
    let mut descriptor = json!({
        "mediaType": record.head.media_type,
        "digest": record.head.digest.as_str(),
        "size": record.head.size,
    });
    if let Some(artifact_type) = &record.artifact_type {
        descriptor["artifactType"] = json!(artifact_type);
    }
    let annotations: Value = serde_json::from_str(&record.annotations).unwrap_or_default();
    if annotations.as_object().is_some_and(|map| !map.is_empty()) {
        descriptor["annotations"] = annotations;
    }
    descriptor
}

/// Adds the link to what comes next (RFC 8288).
pub(super) fn linked(
    reply: Reply,
    path: &str,
    filter: &str,
    limit: usize,
    last: Option<String>,
) -> Reply {
    match last {
        Some(last) => {
            let next = format!(
                "<{path}?n={limit}&last={}{filter}>; rel=\"next\"",
                encode(&last)
            );
            reply.header("link", next)
        }
        None => reply,
    }
}
