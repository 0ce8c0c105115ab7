//! What those ask and change who look after the registry.

use std::path::Path;

use super::super::session::values;
use super::super::{Engine, Sql, blobs, collect, operate, read, tables};
use crate::digest::Digest;
use crate::manifest::Facts;
use crate::metadata::{
    Answer, Author, BlobRecord, Collected, Keeper, Moment, Operations, Retired, StoredManifest,
    TagRecord, Totals, sqlite,
};
use crate::name::RepositoryName;
use crate::route::UploadId;

impl<E: Engine> Operations for Sql<E> {
    fn unknown_places(
        &self,
        places: Vec<(Digest, UploadId)>,
        now: Moment,
    ) -> Answer<'_, Vec<(Digest, UploadId)>> {
        self.engine
            .read(move |session| read::unknown_places(session, &places, now))
    }

    fn stored_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| read::stored_blobs(session, after.as_deref(), limit))
    }

    fn check(&self) -> Answer<'_, ()> {
        self.engine
            .read(|session| session.has("SELECT 1", values![]).map(drop))
    }

    fn collect(&self, now: Moment, limit: u64) -> Answer<'_, Collected> {
        let grace = self.grace;
        self.change_if_due(
            true,
            move |session| collect::is_due(session, now),
            move |session| collect::collect(session, now, limit, grace),
        )
    }

    fn quarantine(&self, digest: &Digest, place: &UploadId) -> Answer<'_, bool> {
        let (digest, place) = (digest.clone(), place.clone());
        self.engine.change(true, move |session| {
            blobs::quarantine(session, &digest, &place)
        })
    }

    fn totals(&self) -> Answer<'_, Totals> {
        self.engine.read(operate::totals)
    }

    fn all_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| operate::all_blobs(session, after.as_deref(), limit))
    }

    fn stored_manifests(&self, after: i64, limit: u64) -> Answer<'_, Vec<StoredManifest>> {
        self.engine
            .read(move |session| operate::stored_manifests(session, after, limit))
    }

    fn hurt_by(&self, digest: &Digest) -> Answer<'_, Vec<String>> {
        let digest = digest.clone();
        self.engine
            .read(move |session| operate::hurt_by(session, &digest))
    }

    fn mark_damaged(&self, digest: &Digest) -> Answer<'_, bool> {
        let digest = digest.clone();
        self.engine
            .change(true, move |session| operate::mark_damaged(session, &digest))
    }

    fn mend_manifest(&self, manifest: i64, facts: Facts, now: Moment) -> Answer<'_, ()> {
        self.engine.change(true, move |session| {
            operate::mend_manifest(session, manifest, &facts, now)
        })
    }

    fn take_lease(&self, name: &str, owner: &str, now: Moment, ends: Moment) -> Answer<'_, bool> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        // Who loses one in a crash takes it again, or is gone too.
        self.engine.change(false, move |session| {
            operate::take_lease(session, &name, &owner, now, ends)
        })
    }

    fn end_lease(&self, name: &str, owner: &str) -> Answer<'_, ()> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        self.engine.change(false, move |session| {
            operate::end_lease(session, &name, &owner)
        })
    }

    fn copy_into(&self, path: &Path) -> Answer<'_, ()> {
        self.engine.copy_into(path)
    }

    fn fill_from(&self, path: &Path) -> Answer<'_, bool> {
        let path = path.to_owned();
        self.engine.change(true, move |session| {
            if !tables::is_empty(session)? {
                return Ok(false);
            }
            let tables = tables::copied()?;
            let mut from = sqlite::read_file(&path)?;
            tables::replace(&mut from, session, &tables)?;
            E::settle(session, &tables)?;
            Ok(true)
        })
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.engine.read(tables::is_empty)
    }

    fn tag_records(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u64,
    ) -> Answer<'_, Vec<TagRecord>> {
        let (repository, after) = (repository.clone(), after.map(str::to_owned));
        self.engine.read(move |session| {
            operate::tag_records(session, &repository, after.as_deref(), limit)
        })
    }

    fn keeper(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Option<Keeper>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| operate::keeper(session, &repository, &digest))
    }

    fn retire(
        &self,
        repository: &RepositoryName,
        tag: &TagRecord,
        author: Author,
    ) -> Answer<'_, Option<Retired>> {
        let (repository, tag, grace) = (repository.clone(), tag.clone(), self.grace);
        self.engine.change(true, move |session| {
            operate::retire(session, &repository, &tag, &author, grace)
        })
    }

    fn maintain(&self) -> Answer<'_, ()> {
        self.engine.maintain()
    }
}
