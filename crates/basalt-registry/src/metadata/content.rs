//! What is pulled: repositories, tags, manifests and blobs, and how manifests come and all of it goes.

use super::{
    Answer, Author, BlobRecord, Deleted, Filter, ManifestHead, ManifestRecord, NewManifest,
    PutManifest, ReferrerRecord, Refusal,
};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

/// What is pulled.
pub trait Content: Send + Sync + 'static {
    /// Names of repositories with a manifest, sorted, behind `after`.
    fn repositories(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<RepositoryName>>;

    /// Tags of a repository, sorted, behind `after`; nothing when there is no such repository.
    fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Option<Vec<String>>>;

    /// A manifest with its bytes.
    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestRecord>>;

    /// A manifest without its bytes.
    fn manifest_head(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestHead>>;

    /// What refers to a manifest, by digest, behind `after`; and whether there is more. It is fewer than `limit` when their
    /// annotations are long.
    fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, (Vec<ReferrerRecord>, bool)>;

    /// A blob of a repository.
    fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<BlobRecord>>;

    /// A blob, whichever repository has it.
    fn known_blob(&self, digest: &Digest) -> Answer<'_, Option<BlobRecord>>;

    /// Repositories that have a blob, at most so many.
    fn holders(&self, digest: &Digest, limit: u64) -> Answer<'_, Vec<RepositoryName>>;

    /// The tags that a manifest has.
    fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Vec<Tag>>;

    /// Writes a manifest and its tags, if all that it needs is in the repository.
    fn put_manifest(&self, manifest: NewManifest) -> Answer<'_, Result<PutManifest, Refusal>>;

    /// Deletes a tag; false when it is not there.
    fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        author: Author,
    ) -> Answer<'_, bool>;

    /// Deletes a manifest and its tags, but not one that an index lists.
    fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kept_tags: Vec<Tag>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>>;

    /// Takes a blob out of a repository, but not one that a manifest there needs.
    fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        author: Author,
    ) -> Answer<'_, Result<Deleted, Refusal>>;

    /// How many bytes of blobs and manifests a repository has.
    fn repository_size(&self, repository: &RepositoryName) -> Answer<'_, u64>;

    /// A number that is another whenever manifests or tags of a repository changed.
    fn changes(&self, repository: &RepositoryName) -> Answer<'_, u64>;

    /// The indexes that list a manifest, the oldest first, at most so many.
    fn parents(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Digest>>;

    /// Manifests that need a blob, in repositories that are wanted, at most so many.
    fn manifests_with(
        &self,
        blob: &Digest,
        is_wanted: Filter,
        limit: u64,
    ) -> Answer<'_, Vec<(RepositoryName, Digest)>>;
}
