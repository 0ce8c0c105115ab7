//! Manifests of an upstream: one by digest is had once; what a tag names is asked again when that is no longer fresh.

use std::sync::Arc;

use basalt_manifest::Descriptor;

use super::platform::{check_image, check_listed, text};
use super::{author, is_to_be_noted, warned};
use crate::digest::{Algorithm, Digest};
use crate::fault::{Code, Fault};
use crate::manifest;
use crate::metadata::{
    CopyRecord, MetadataError, Movable, NewCopy, NewManifest, Refusal, TagWrite,
};
use crate::name::RepositoryName;
use crate::route::Reference;
use crate::server::quota;
use crate::server::request::{Outcome, Request};
use crate::server::{Registry, now};
use crate::upstream::{Manifest, Remote, Trouble, head, manifest as ask_manifest};

pub(super) async fn read(
    request: &Request,
    remote: &Remote,
    repository: &RepositoryName,
    reference: &Reference,
) -> Outcome {
    let is_stale = ensure(request, remote, repository, reference).await?;
    let reply = crate::server::manifest::read(request, repository, reference).await?;
    Ok(warned(reply, is_stale))
}

/// Has the manifest here, as new as it must be if the upstream answers. Whether it may be old.
async fn ensure(
    request: &Request,
    remote: &Remote,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<bool, Fault> {
    let registry = &request.registry;
    let tag = match reference {
        Reference::Tag(tag) => Some(tag),
        Reference::Digest(_) => None,
    };
    remote.check(tag)?;
    let is_listed = match reference {
        Reference::Digest(digest) => check_listed(registry, remote, repository, digest).await?,
        Reference::Tag(_) => false,
    };
    let asking = Asking {
        registry: Arc::clone(registry),
        remote: remote.clone(),
        repository: repository.clone(),
        reference: reference.clone(),
        is_listed,
        address: request.peer.address.to_string(),
    };
    if asking.fresh().await?.is_ok() {
        return Ok(false);
    }
    // Who comes while another asks waits for what that gets. It is had to its end, whether its client waits or not.
    let turn = registry.proxying.turn(&asking.object()).await;
    let running = tokio::spawn(async move {
        let _turn = turn;
        asking.renew().await
    });
    running.await.map_err(|_| Fault::internal())?
}

/// A manifest that is asked for.
struct Asking {
    registry: Arc<Registry>,
    remote: Remote,
    repository: RepositoryName,
    reference: Reference,
    /// Whether an index lists it, for a platform that is had here.
    is_listed: bool,
    address: String,
}

impl Asking {
    /// What the upstream calls it.
    fn text(&self) -> &str {
        match &self.reference {
            Reference::Tag(tag) => tag.as_str(),
            Reference::Digest(digest) => digest.as_str(),
        }
    }

    /// By what it is known among all that is asked for.
    fn object(&self) -> String {
        format!("{}/manifests/{}", self.repository, self.text())
    }

    /// Whether it is here and fresh; else what is here, if something is.
    async fn fresh(&self) -> Result<Result<(), Option<CopyRecord>>, Fault> {
        let metadata = &self.registry.metadata;
        let Some(here) = metadata.copy(&self.repository, &self.reference).await? else {
            return Ok(Err(None));
        };
        let now = now();
        let upstream = &self.remote.upstream;
        let is_fresh = match &self.reference {
            Reference::Digest(_) => true,
            // What never moves here need not be asked for again.
            Reference::Tag(tag) => {
                let policy = &self.registry.gate.policy;
                let young = |checked| now.saturating_sub(checked) < upstream.fresh;
                policy.is_immutable(&self.repository, tag) || here.checked.is_some_and(young)
            }
        };
        if here
            .ends
            .is_some_and(|ends| is_to_be_noted(ends, upstream.keep, now))
        {
            let ends = now.saturating_add(upstream.keep);
            metadata
                .renew_copy(&self.repository, &here.head.digest, ends)
                .await?;
        }
        if is_fresh {
            self.registry.counts.upstream.hit();
            return Ok(Ok(()));
        }
        Ok(Err(Some(here)))
    }

    /// Asks the upstream, and makes do with what is here when it does not answer. Whether that may be old.
    async fn renew(&self) -> Result<bool, Fault> {
        // Another may have asked while this waited.
        let here = match self.fresh().await? {
            Ok(()) => return Ok(false),
            Err(here) => here,
        };
        let counts = &self.registry.counts.upstream;
        let proxying = &self.registry.proxying;
        let asked = match proxying.refused(&self.object()) {
            Some(trouble) => Err(trouble),
            None => {
                counts.miss();
                self.ask(here.as_ref()).await.inspect_err(|trouble| {
                    counts.failure();
                    proxying.refuse(&self.object(), trouble);
                })
            }
        };
        match asked {
            Ok(()) => Ok(false),
            Err(trouble) if here.is_some() && trouble.is_passing() => {
                counts.stale();
                Ok(true)
            }
            Err(trouble) => Err(trouble.fault(&self.remote.upstream.prefix, Code::ManifestUnknown)),
        }
    }

    async fn ask(&self, here: Option<&CopyRecord>) -> Result<(), Trouble> {
        // To ask what a tag names costs an upstream less than to give it, and some count only what they give.
        if let (Some(here), Reference::Tag(tag)) = (here, &self.reference) {
            let rest = format!("manifests/{tag}");
            let named = self
                .remote
                .ask(move |repository| head(repository, &rest))
                .await?;
            if named.digest.as_ref() == Some(&here.head.digest) {
                let digest = &here.head.digest;
                let metadata = &self.registry.metadata;
                let confirmed = metadata.confirm_copy(&self.repository, tag, digest, now());
                return confirmed.await.map_err(failed);
            }
        }
        let text = self.text().to_owned();
        let given = self
            .remote
            .ask(move |repository| ask_manifest(repository, &text))
            .await?;
        self.registry.counts.upstream.came(given.bytes.len() as u64);
        self.keep(given).await
    }

    /// Keeps what came, if it is what was asked for.
    async fn keep(&self, given: Manifest) -> Result<(), Trouble> {
        let wanted = match &self.reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(_) => given.digest.as_ref(),
        };
        let algorithm = wanted.map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::of(algorithm, &given.bytes);
        if let Some(wanted) = wanted.filter(|wanted| **wanted != digest) {
            let cause = format!("what it gives as the manifest {wanted} is {digest}");
            return Err(Trouble::Untrusted(cause));
        }
        let facts = manifest::read(given.media_type.as_deref(), &given.bytes);
        let facts = facts.map_err(|fault| {
            let message = fault.message;
            Trouble::Untrusted(format!("it gives a manifest that is not taken: {message}"))
        })?;
        if !self.is_listed {
            let (registry, remote) = (&self.registry, &self.remote);
            check_image(
                registry,
                remote,
                &self.repository,
                &given.bytes,
                &self.address,
            )
            .await?;
        }
        let now = now();
        let movable = Movable::Yes;
        let tag = match &self.reference {
            Reference::Tag(tag) => Some(TagWrite {
                tag: tag.clone(),
                movable,
            }),
            Reference::Digest(_) => None,
        };
        let copy = NewCopy {
            children: children(&given.bytes),
            ends: now.saturating_add(self.remote.upstream.keep),
            manifest: NewManifest {
                repository: self.repository.clone(),
                digest,
                bytes: given.bytes,
                facts,
                tags: tag.into_iter().collect(),
                quota: self.registry.gate.policy.quota(&self.repository),
                author: author(self.address.clone(), now),
            },
        };
        match self
            .registry
            .metadata
            .keep_copy(copy)
            .await
            .map_err(failed)?
        {
            Err(Refusal::OverQuota(over)) => Err(quota::denied(&self.repository, over).into()),
            Err(_) => Err(Fault::internal().into()),
            Ok(()) => Ok(()),
        }
    }
}

fn failed(error: MetadataError) -> Trouble {
    Fault::from(error).into()
}

/// What an index lists, with platforms (OCI image specification, *Image Index*).
fn children(bytes: &[u8]) -> Vec<(Digest, Option<String>)> {
    // It was read when it came, and is again as it was.
    let Ok(index) = basalt_manifest::read(bytes) else {
        return Vec::new();
    };
    let read = |one: Descriptor| {
        let platform = one.platform.map(|platform| {
            let names = (platform.os, platform.architecture, platform.variant);
            text(&names.0, &names.1, names.2.as_deref())
        });
        Some((one.digest.parse().ok()?, platform))
    };
    index.manifests.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_of_an_index_are_read_and_what_has_none_is_listed_without() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest.as_str(), "size": 0,
                 "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest.as_str(), "size": 0},
            ],
        });
        let bytes = index.to_string().into_bytes();
        let platforms: Vec<_> = children(&bytes).into_iter().map(|(_, one)| one).collect();
        assert_eq!(platforms, [Some("linux/arm64/v8".to_owned()), None]);
    }
}
