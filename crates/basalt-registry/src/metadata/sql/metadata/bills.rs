//! What pages for people show, and bills of materials.

use super::super::{Engine, Sql, bills, overview};
use crate::bills::{NewBill, Package};
use crate::digest::Digest;
use crate::metadata::{
    Answer, BillRecord, Bills, FoundPackages, Moment, PackageSearch, RepositoryOverview,
    TagOverview, WaitingBill,
};
use crate::name::{RepositoryName, Tag};

impl<E: Engine> Bills for Sql<E> {
    // Both are asked for again and again: what changes nothing is to write nothing.
    fn next_bill(&self, now: Moment) -> Answer<'_, Option<WaitingBill>> {
        Box::pin(async move {
            let waits = self.engine.read(move |session| bills::is_due(session, now));
            if !waits.await? {
                return Ok(None);
            }
            let next = self
                .engine
                .change(false, move |session| bills::next(session, now));
            next.await
        })
    }

    fn begin_bills(&self, manifest: i64) -> Answer<'_, ()> {
        self.engine
            .change(false, move |session| bills::begin(session, manifest))
    }

    fn add_bill(&self, manifest: i64, bill: NewBill) -> Answer<'_, Option<i64>> {
        self.engine
            .take(false, move |session| bills::add(session, manifest, &bill))
    }

    fn add_packages(&self, bill: i64, packages: Vec<Package>) -> Answer<'_, ()> {
        self.engine.take(false, move |session| {
            bills::add_packages(session, bill, &packages)
        })
    }

    fn end_bills(&self, manifest: i64) -> Answer<'_, ()> {
        self.engine
            .change(true, move |session| bills::end(session, manifest))
    }

    fn sweep_bills(&self, limit: u64) -> Answer<'_, bool> {
        self.change_if_due(false, bills::has_orphans, move |session| {
            bills::sweep(session, limit)
        })
    }

    fn bills_of(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Answer<'_, Vec<BillRecord>> {
        let (repository, subject) = (repository.clone(), subject.clone());
        self.engine
            .read(move |session| bills::of_image(session, &repository, &subject))
    }

    fn has_waiting_bill(&self, repository: &RepositoryName, subject: &Digest) -> Answer<'_, bool> {
        let (repository, subject) = (repository.clone(), subject.clone());
        self.engine
            .read(move |session| bills::waits(session, &repository, &subject))
    }

    fn packages_of(&self, bill: i64) -> Answer<'_, Vec<Package>> {
        self.engine
            .read(move |session| bills::packages(session, bill))
    }

    fn search_packages(&self, search: PackageSearch) -> Answer<'_, FoundPackages> {
        self.engine
            .read(move |session| bills::search(session, &search))
    }

    fn repository_overviews(
        &self,
        names: Vec<RepositoryName>,
    ) -> Answer<'_, Vec<RepositoryOverview>> {
        self.engine
            .read(move |session| overview::repositories(session, &names))
    }

    fn tag_overviews(
        &self,
        repository: &RepositoryName,
        limit: u64,
    ) -> Answer<'_, Vec<TagOverview>> {
        let repository = repository.clone();
        self.engine
            .read(move |session| overview::tags(session, &repository, limit))
    }

    fn pushed(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<Moment>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| overview::pushed(session, &repository, &digest))
    }

    fn tags_over(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Tag>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| overview::tags_over(session, &repository, &digest, limit))
    }
}
