//! Metadata in a database of tables: what is asked and what is changed, written once for every engine.

mod bills;
mod blobs;
mod change;
mod collect;
mod copies;
mod hooks;
mod logins;
mod manifests;
mod operate;
mod overview;
mod piece;
mod quota;
mod read;
mod robots;
pub(super) mod schema;
pub mod session;
pub(super) mod tables;
mod traced;
mod verdict;
pub(super) mod writer;

use std::path::Path;

use super::login::{Approval, PendingLogin, Poll, Polled};
use super::{
    Answer, AuditEntry, AuditHead, Author, BillRecord, BlobRecord, Collected, CopyRecord,
    DeadEvent, Deleted, Delivery, Filter, FoundPackages, Grace, HookPosition, Keeper, ManifestHead,
    ManifestRecord, Metadata, Moment, NewBlob, NewCopy, NewManifest, PackageSearch, Piece,
    PieceAdded, Published, PutManifest, ReferrerRecord, Refusal, RepositoryOverview, Retired,
    SigningKey, StoredManifest, TagOverview, TagRecord, Totals, WaitingBill,
};
use crate::access::{Login, LoginId, Robot, RobotName, UserCode};
use crate::bills::{NewBill, Package};
use crate::digest::Digest;
use crate::manifest::Facts;
use crate::name::{RepositoryName, Tag};
use crate::route::{Reference, UploadId};
pub(super) use robots::is_old;
use session::{Result as SqlResult, Session, values};
use traced::Traced;

/// A database that answers questions and makes changes.
pub trait Engine: Send + Sync + 'static {
    /// Asks. It may be asked anew when the connection was lost.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T>;

    /// Makes a change, whole or not at all. What is not `durable` need not have reached the disk when it is answered. It
    /// may be made anew when others came between.
    fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T>;

    /// Does what it needs from time to time.
    fn maintain(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Writes all that there is at one moment into a file of SQLite that is not there.
    fn copy_into(&self, path: &Path) -> Answer<'_, ()>;

    /// The statement that makes it count its own numbers on behind those of rows that were brought; none where it does so by
    /// itself.
    fn count_on(_table: &str, _column: &str) -> Option<String> {
        None
    }
}

/// Metadata in such a database.
pub struct Sql<E> {
    engine: Traced<E>,
    grace: Grace,
}

impl<E: Engine> Sql<E> {
    /// Metadata in this database.
    pub fn new(engine: E, grace: Grace) -> Self {
        let engine = Traced(engine);
        Self { engine, grace }
    }

    /// Makes a change if a look says that something is due, so that a server that rests writes nothing.
    fn change_if_due<T: Default + Send + 'static>(
        &self,
        durable: bool,
        is_due: impl FnMut(&mut dyn Session) -> SqlResult<bool> + Send + 'static,
        change: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let looked = self.engine.read(is_due);
        Box::pin(async move {
            match looked.await? {
                true => self.engine.change(durable, change).await,
                false => Ok(T::default()),
            }
        })
    }
}

impl<E: Engine> Metadata for Sql<E> {
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

    fn has_upload(&self, repository: &RepositoryName, upload: &UploadId) -> Answer<'_, bool> {
        let (repository, upload) = (repository.clone(), upload.clone());
        self.engine
            .read(move |session| read::has_upload(session, &repository, &upload))
    }

    fn unknown_places(
        &self,
        places: Vec<(Digest, UploadId)>,
        now: Moment,
    ) -> Answer<'_, Vec<(Digest, UploadId)>> {
        self.engine
            .read(move |session| read::unknown_places(session, &places, now))
    }

    fn unknown_uploads(&self, uploads: Vec<UploadId>) -> Answer<'_, Vec<UploadId>> {
        self.engine
            .read(move |session| piece::unknown_uploads(session, &uploads))
    }

    fn pieces_length(&self, upload: &UploadId) -> Answer<'_, u64> {
        let upload = upload.clone();
        self.engine
            .read(move |session| piece::extent(session, &upload).map(|(length, _)| length))
    }

    fn pieces(&self, upload: &UploadId) -> Answer<'_, Vec<Piece>> {
        let upload = upload.clone();
        self.engine
            .read(move |session| piece::pieces(session, &upload))
    }

    fn add_piece(&self, upload: &UploadId, piece: Piece, maximum: u64) -> Answer<'_, PieceAdded> {
        let upload = upload.clone();
        self.engine.change(false, move |session| {
            piece::add(session, &upload, &piece, maximum)
        })
    }

    fn stored_blobs(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<BlobRecord>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| read::stored_blobs(session, after.as_deref(), limit))
    }

    fn signing_keys(&self) -> Answer<'_, Vec<SigningKey>> {
        self.engine.read(read::signing_keys)
    }

    fn add_signing_key(&self, key: SigningKey, newest: Moment, oldest: Moment) -> Answer<'_, ()> {
        self.engine.change(true, move |session| {
            change::add_signing_key(session, &key, newest, oldest)
        })
    }

    fn audit_chains(&self) -> Answer<'_, Vec<AuditHead>> {
        self.engine.read(read::audit_chains)
    }

    fn audit(&self, chain: &str, after: i64, limit: u64) -> Answer<'_, Vec<AuditEntry>> {
        let chain = chain.to_owned();
        self.engine
            .read(move |session| read::audit(session, &chain, after, limit))
    }

    fn check(&self) -> Answer<'_, ()> {
        self.engine
            .read(|session| session.has("SELECT 1", values![]).map(drop))
    }

    fn begin_upload(
        &self,
        repository: &RepositoryName,
        upload: &UploadId,
        lease: Moment,
    ) -> Answer<'_, ()> {
        let (repository, upload) = (repository.clone(), upload.clone());
        self.engine.change(false, move |session| {
            change::begin_upload(session, &repository, &upload, lease)
        })
    }

    fn renew_upload(&self, upload: &UploadId, lease: Moment) -> Answer<'_, ()> {
        let upload = upload.clone();
        self.engine.change(false, move |session| {
            change::renew_upload(session, &upload, lease)
        })
    }

    fn end_upload(&self, upload: &UploadId) -> Answer<'_, bool> {
        let upload = upload.clone();
        self.engine
            .change(false, move |session| change::end_upload(session, &upload))
    }

    fn end_expired_uploads(&self, now: Moment, limit: u64) -> Answer<'_, Vec<UploadId>> {
        self.change_if_due(
            false,
            move |session| change::is_upload_expired(session, now),
            move |session| change::end_expired_uploads(session, now, limit),
        )
    }

    fn publish_blob(&self, blob: NewBlob) -> Answer<'_, Published> {
        self.engine
            .change(true, move |session| blobs::publish(session, &blob))
    }

    fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
        lease: Moment,
        quota: Option<u64>,
        author: Author,
    ) -> Answer<'_, Result<bool, Refusal>> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.clone());
        self.engine.change(true, move |session| {
            blobs::mount(session, &from, &to, &digest, lease, quota, &author)
        })
    }

    fn renew_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Moment,
    ) -> Answer<'_, bool> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine.change(false, move |session| {
            blobs::renew(session, &repository, &digest, lease)
        })
    }

    fn put_manifest(&self, manifest: NewManifest) -> Answer<'_, Result<PutManifest, Refusal>> {
        let grace = self.grace;
        self.engine.change(true, move |session| {
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

    fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Answer<'_, Vec<Tag>> {
        let (repository, digest) = (repository.clone(), digest.clone());
        self.engine
            .read(move |session| read::tags_of(session, &repository, &digest))
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

    fn repository_size(&self, repository: &RepositoryName) -> Answer<'_, u64> {
        let repository = repository.clone();
        self.engine
            .read(move |session| quota::repository_size(session, &repository))
    }

    fn robots(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Robot>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| robots::robots(session, after.as_deref(), limit))
    }

    fn robot(&self, name: &RobotName) -> Answer<'_, Option<Robot>> {
        let name = name.clone();
        self.engine
            .read(move |session| robots::robot(session, &name))
    }

    fn add_robot(&self, robot: Robot, author: Author) -> Answer<'_, bool> {
        self.engine.change(true, move |session| {
            robots::add_robot(session, &robot, &author)
        })
    }

    fn delete_robot(&self, name: &RobotName, author: Author) -> Answer<'_, bool> {
        let name = name.clone();
        self.engine.change(true, move |session| {
            robots::delete_robot(session, &name, &author)
        })
    }

    fn note_robot(&self, name: &RobotName, now: Moment) -> Answer<'_, ()> {
        let name = name.clone();
        self.engine.change(false, move |session| {
            robots::note_robot(session, &name, now)
        })
    }

    fn begin_login(&self, pending: PendingLogin, maximum: u64) -> Answer<'_, bool> {
        self.engine.change(false, move |session| {
            logins::begin(session, &pending, maximum)
        })
    }

    fn pending_login(&self, code: &UserCode, now: Moment) -> Answer<'_, Option<PendingLogin>> {
        let code = code.clone();
        self.engine
            .read(move |session| logins::pending(session, &code, now))
    }

    fn decide_login(
        &self,
        code: &UserCode,
        approval: Option<Approval>,
        now: Moment,
    ) -> Answer<'_, bool> {
        let code = code.clone();
        self.engine.change(true, move |session| {
            logins::decide(session, &code, approval.as_ref(), now)
        })
    }

    fn poll_login(&self, poll: Poll) -> Answer<'_, Polled> {
        self.engine
            .change(true, move |session| logins::poll(session, &poll))
    }

    fn logins(&self, after: Option<&str>, limit: u64) -> Answer<'_, Vec<Login>> {
        let after = after.map(str::to_owned);
        self.engine
            .read(move |session| logins::logins(session, after.as_deref(), limit))
    }

    fn login(&self, secret: [u8; 32], now: Moment) -> Answer<'_, Option<Login>> {
        self.engine
            .read(move |session| logins::login(session, &secret, now))
    }

    fn has_login(&self, id: &LoginId, now: Moment) -> Answer<'_, bool> {
        let id = id.clone();
        self.engine
            .read(move |session| logins::has_login(session, &id, now))
    }

    fn note_login(&self, id: &LoginId, now: Moment) -> Answer<'_, ()> {
        let id = id.clone();
        self.engine
            .change(false, move |session| logins::note(session, &id, now))
    }

    fn delete_login(&self, id: &LoginId, author: Author) -> Answer<'_, bool> {
        let id = id.clone();
        self.engine
            .change(true, move |session| logins::delete(session, &id, &author))
    }

    fn spend_state(&self, state: [u8; 32], now: Moment, expires: Moment) -> Answer<'_, bool> {
        self.engine.change(true, move |session| {
            logins::spend(session, &state, now, expires)
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
            let mut from = super::sqlite::read_file(&path)?;
            tables::replace(&mut from, session, &tables)?;
            for table in &tables {
                let counted = table.counted.as_deref();
                let statement = counted.and_then(|column| E::count_on(&table.name, column));
                if let Some(statement) = statement {
                    session.script(&statement)?;
                }
            }
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

    fn hook_positions(&self, hook: &str) -> Answer<'_, Vec<HookPosition>> {
        let hook = hook.to_owned();
        self.engine
            .change(false, move |session| hooks::positions(session, &hook))
    }

    fn all_hook_positions(&self) -> Answer<'_, Vec<HookPosition>> {
        self.engine.read(|session| hooks::shown(session, None))
    }

    fn note_delivery(
        &self,
        position: HookPosition,
        delivery: Delivery,
        now: Moment,
    ) -> Answer<'_, ()> {
        // One that is told again after a crash is told at least once.
        self.engine.change(false, move |session| {
            hooks::note_delivery(session, &position, &delivery, now)
        })
    }

    fn dead_events(&self, limit: u64) -> Answer<'_, Vec<DeadEvent>> {
        self.engine.read(move |session| hooks::dead(session, limit))
    }

    fn maintain(&self) -> Answer<'_, ()> {
        self.engine.maintain()
    }

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
            .change(false, move |session| bills::add(session, manifest, &bill))
    }

    fn add_packages(&self, bill: i64, packages: Vec<Package>) -> Answer<'_, ()> {
        self.engine.change(false, move |session| {
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
            .change(true, move |session| copies::keep(session, &copy))
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
