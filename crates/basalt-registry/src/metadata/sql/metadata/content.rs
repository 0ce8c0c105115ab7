//! What is pulled: repositories, tags, manifests and blobs, and how manifests come and all of it goes.

use super::super::{Engine, Sql, blobs, manifests, quota, read, verdict};
use crate::digest::Digest;
use crate::metadata::{
    Answer, Author, BlobRecord, Content, Deleted, Filter, ManifestHead, ManifestRecord,
    NewManifest, PutManifest, ReferrerRecord, Refusal,
};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

impl<E: Engine> Content for Sql<E> {
    fn repositories(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<RepositoryName>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| read::repositories(session, after.as_deref(), limit))
    }

    fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Option<Vec<String>>> {
        let (repository, after) = (repository.clone(), after.map(str::to_owned));
        self.engine
            .read(move |session| read::tags(session, &repository, after.as_deref(), limit))
    }

    fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestRecord>> {
        let (repository, reference) = (repository.clone(), reference.clone());
        self.engine
            .read(move |session| read::manifest(session, &repository, &reference))
    }

    fn manifest_head(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<ManifestHead>> {
        let (repository, reference) = (repository.clone(), reference.clone());
        self.engine
            .read(move |session| read::manifest_head(session, &repository, &reference))
    }

    fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, (Vec<ReferrerRecord>, bool)> {
        let (repository, subject, artifact_type, after) = (
            repository.clone(),
            subject.clone(),
            artifact_type.map(str::to_owned),
            after.map(str::to_owned),
        );
        self.engine.read(move |session| {
            read::referrers(
                session,
                &repository,
                &subject,
                artifact_type.as_deref(),
                after.as_deref(),
                limit,
            )
        })
    }

    fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<BlobRecord>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| read::blob(session, &repository, &digest))
    }

    fn known_blob(&self, digest: &Digest) -> Answer<'_, Option<BlobRecord>> {
        let digest = digest.clone();
        self.engine
            .read(move |session| read::known_blob(session, &digest))
    }

    fn holders(&self, digest: &Digest, limit: u64) -> Answer<'_, Vec<RepositoryName>> {
        let digest = digest.clone();
        self.engine
            .read(move |session| read::holders(session, &digest, limit))
    }

    fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Vec<Tag>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| read::tags_of(session, &repository, &digest))
    }

    fn put_manifest(&self, manifest: NewManifest) -> Answer<'_, Result<PutManifest, Refusal>> {
        let grace = self.grace;
        self.engine.take(true, move |session| {
            manifests::put(session, &manifest, grace)
        })
    }

    fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        author: Author,
    ) -> Answer<'_, bool> {
        let (repository, tag, grace) = (repository.clone(), tag.clone(), self.grace);
        self.engine.change(true, move |session| {
            manifests::delete_tag(session, &repository, &tag, &author, grace)
        })
    }

    fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kept_tags: Vec<Tag>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>> {
        let (repository, digest, grace) = (repository.clone(), digest.clone(), self.grace);
        self.engine.change(true, move |session| {
            manifests::delete(session, &repository, &digest, &kept_tags, &author, grace)
        })
    }

    fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        author: Author,
    ) -> Answer<'_, Result<Deleted, Refusal>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine.change(true, move |session| {
            blobs::delete(session, &repository, &digest, &author)
        })
    }

    fn repository_size(&self, repository: &RepositoryName) -> Answer<'_, u64> {
        let repository = repository.clone();
        self.engine
            .read(move |session| quota::repository_size(session, &repository))
    }

    fn changes(&self, repository: &RepositoryName) -> Answer<'_, u64> {
        let repository = repository.clone();
        self.engine
            .read(move |session| verdict::changes(session, &repository))
    }

    fn parents(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Digest>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| verdict::parents(session, &repository, &digest, limit))
    }

    fn manifests_with(
        &self,
        blob: &Digest,
        is_wanted: Filter,
        limit: u64,
    ) -> Answer<'_, Vec<(RepositoryName, Digest)>> {
        let blob = blob.clone();
        self.engine
            .read(move |session| verdict::manifests_with(session, &blob, is_wanted.as_ref(), limit))
    }
}
