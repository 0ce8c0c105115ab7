//! What pages for people show, and bills of materials.

use super::{
    Answer, BillRecord, FoundPackages, Moment, PackageSearch, RepositoryOverview, TagOverview,
    WaitingBill,
};
use crate::bills::{NewBill, Package};
use crate::digest::Digest;
use crate::name::{RepositoryName, Tag};

/// What pages for people show, and bills of materials.
pub trait Bills: Send + Sync + 'static {
    /// The next manifest that may carry bills of materials and is to be read now. It comes again later until [`Metadata::end_bills`].
    fn next_bill(&self, now: Moment) -> Answer<'_, Option<WaitingBill>>;

    /// Drops the bills that were read of a manifest.
    fn begin_bills(&self, manifest: i64) -> Answer<'_, ()>;

    /// Adds a bill of a manifest, without its packages; its number, or nothing when the manifest is gone.
    fn add_bill(&self, manifest: i64, bill: NewBill) -> Answer<'_, Option<i64>>;

    /// Adds packages to a bill; nothing happens when its manifest is gone.
    fn add_packages(&self, bill: i64, packages: Vec<Package>) -> Answer<'_, ()>;

    /// Takes a manifest out of the queue: its bills were read.
    fn end_bills(&self, manifest: i64) -> Answer<'_, ()>;

    /// Removes so many packages of bills whose manifest is gone. Whether there are more.
    fn sweep_bills(&self, limit: u64) -> Answer<'_, bool>;

    /// The bills about an image, those with the most packages first.
    fn bills_of(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Answer<'_, Vec<BillRecord>>;

    /// Whether something that refers to an image still waits to be read.
    fn has_waiting_bill(&self, repository: &RepositoryName, subject: &Digest) -> Answer<'_, bool>;

    /// What a bill lists, by name.
    fn packages_of(&self, bill: i64) -> Answer<'_, Vec<Package>>;

    /// The images that have a package.
    fn search_packages(&self, search: PackageSearch) -> Answer<'_, FoundPackages>;

    /// How large repositories are, and when something was pushed there last.
    fn repository_overviews(
        &self,
        names: Vec<RepositoryName>,
    ) -> Answer<'_, Vec<RepositoryOverview>>;

    /// Tags of a repository, sorted, at most so many.
    fn tag_overviews(
        &self,
        repository: &RepositoryName,
        limit: u64,
    ) -> Answer<'_, Vec<TagOverview>>;

    /// When a manifest was pushed last.
    fn pushed(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<Moment>>;

    /// The tags of a manifest and of the indexes that list it, at most so many.
    fn tags_over(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: u64,
    ) -> Answer<'_, Vec<Tag>>;
}
