//! Copies of what upstreams have.

use super::super::{Engine, Sql, copies};
use crate::digest::Digest;
use crate::metadata::{Answer, Collected, Copies, CopyRecord, Moment, NewCopy, Refusal};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;

impl<E: Engine> Copies for Sql<E> {
    fn copy(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Answer<'_, Option<CopyRecord>> {
        let (repository, reference) = (repository.clone(), reference.clone());
        self.engine
            .read(move |session| copies::copy(session, &repository, &reference))
    }

    fn keep_copy(&self, copy: NewCopy) -> Answer<'_, Result<(), Refusal>> {
        self.engine
            .take(true, move |session| copies::keep(session, &copy))
    }

    fn confirm_copy(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        now: Moment,
    ) -> Answer<'_, ()> {
        let (repository, tag, digest) = (repository.clone(), tag.clone(), digest.clone());
        // Who loses this in a crash asks upstream once more.
        self.engine.change(false, move |session| {
            copies::confirm(session, &repository, &tag, &digest, now)
        })
    }

    fn renew_copy(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        ends: Moment,
    ) -> Answer<'_, ()> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine.change(false, move |session| {
            copies::renew(session, &repository, &digest, ends)
        })
    }

    fn copied_platforms(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Answer<'_, Vec<String>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| copies::platforms(session, &repository, &digest))
    }

    fn collect_copies(&self, now: Moment, limit: u64) -> Answer<'_, Collected> {
        let grace = self.grace;
        self.change_if_due(
            true,
            move |session| copies::is_due(session, now),
            move |session| copies::collect(session, now, limit, grace),
        )
    }
}
