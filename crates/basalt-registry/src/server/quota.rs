//! What is pushed into a repository that has no room for it.

use serde_json::json;

use super::request::Request;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::metadata::OverQuota;
use crate::name::RepositoryName;

/// Refuses what says beforehand that it is too long, before it has come: the last word is that of the transaction which
/// takes it. A blob that the repository has already takes no room.
///
/// # Errors
/// When there is no room.
pub(super) async fn check_announced(
    request: &Request,
    repository: &RepositoryName,
    offset: u64,
    digest: Option<&Digest>,
) -> Result<(), Fault> {
    let registry = &request.registry;
    let Some(quota) = registry.gate.policy.quota(repository) else {
        return Ok(());
    };
    let metadata = &registry.metadata;
    let over = OverQuota {
        used: metadata.repository_size(repository).await?,
        more: offset.saturating_add(request.announced().unwrap_or(0)),
        quota,
    };
    if !over.is_over() {
        return Ok(());
    }
    let is_there = match digest {
        Some(digest) => metadata.blob(repository, digest).await?.is_some(),
        None => false,
    };
    match is_there {
        true => Ok(()),
        false => Err(denied(repository, over)),
    }
}

/// The refusal.
pub(super) fn denied(repository: &RepositoryName, over: OverQuota) -> Fault {
    let OverQuota { used, more, quota } = over;
    let message = format!(
        "the quota of `{repository}` is {quota} bytes, of which {used} are used: {more} more have no room; delete what is not \
         needed, or ask who runs the registry for more"
    );
    Fault::new(Code::Denied, message).detail(json!({"quota": quota, "used": used, "asked": more}))
}
