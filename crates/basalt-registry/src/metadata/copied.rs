//! Manifests that are copies of an upstream's. What they need may not be here: it is had when it is asked for.

use super::{Answer, Collected, ManifestHead, Moment, NewManifest, Refusal};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

/// A copy that is to be kept.
#[derive(Debug, Clone)]
pub struct NewCopy {
    /// The manifest, with the tags that name it upstream.
    pub manifest: NewManifest,
    /// What it lists, each with its platform if the index says one.
    pub children: Vec<(Digest, Option<String>)>,
    /// Until when it is kept if nobody asks for it.
    pub ends: Moment,
}

/// What is known of a manifest in a repository that is an upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRecord {
    /// What it is.
    pub head: ManifestHead,
    /// When the upstream said last that the tag names it; nothing for a digest, and for what was pushed here.
    pub checked: Option<Moment>,
    /// Until when it is kept if nobody asks for it; nothing when it was pushed here.
    pub ends: Option<Moment>,
}

/// Copies of what upstreams have.
pub trait Copies: Send + Sync + 'static {
    /// A manifest of a repository that is an upstream's, if it is here.
    fn copy(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<CopyRecord>>;

    /// Keeps a copy of an upstream's manifest, whether what it needs is here or not, and lets its tags name it.
    fn keep_copy(&self, copy: NewCopy) -> Answer<'_, Result<(), Refusal>>;

    /// Notes that a tag names the same upstream as here.
    fn confirm_copy(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        now: Moment,
    ) -> Answer<'_, ()>;

    /// Keeps a copy until this time at least.
    fn renew_copy(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        ends: Moment,
    ) -> Answer<'_, ()>;

    /// For which platforms copied indexes of a repository list a manifest; an empty text where one says none.
    fn copied_platforms(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Answer<'_, Vec<String>>;

    /// Removes copies whose time is over, at most so many.
    fn collect_copies(&self, now: Moment, limit: u64) -> Answer<'_, Collected>;
}
