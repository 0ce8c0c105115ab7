//! Uploads, and how they become blobs.

use super::super::{Engine, Sql, blobs, change, piece, quota, read};
use crate::digest::Digest;
use crate::metadata::{
    Answer, Author, Moment, NewBlob, Piece, PieceAdded, Published, Refusal, Reservation, Reserved,
    Uploads,
};
use crate::name::RepositoryName;
use crate::route::UploadId;

impl<E: Engine> Uploads for Sql<E> {
    fn has_upload(&self, repository: &RepositoryName, upload: &UploadId) -> Answer<'_, bool> {
        let (repository, upload) = (repository.clone(), upload.clone());
        self.engine
            .read(move |session| read::has_upload(session, &repository, &upload))
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
        self.engine.take(false, move |session| {
            piece::add(session, &upload, &piece, maximum)
        })
    }

    fn begin_upload(
        &self,
        repository: &RepositoryName,
        upload: &UploadId,
        lease: Moment,
    ) -> Answer<'_, ()> {
        let (repository, upload) = (repository.clone(), upload.clone());
        self.engine.take(false, move |session| {
            change::begin_upload(session, &repository, &upload, lease)
        })
    }

    fn renew_upload(&self, upload: &UploadId, lease: Moment) -> Answer<'_, ()> {
        let upload = upload.clone();
        self.engine.change(false, move |session| {
            change::renew_upload(session, &upload, lease)
        })
    }

    fn reserve_upload(&self, upload: &UploadId, room: Reservation) -> Answer<'_, Reserved> {
        let upload = upload.clone();
        self.engine.change(false, move |session| {
            quota::reserve(session, &upload, &room)
        })
    }

    fn settle_upload(&self, upload: &UploadId, bytes: u64) -> Answer<'_, bool> {
        let upload = upload.clone();
        self.engine
            .change(false, move |session| quota::settle(session, &upload, bytes))
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
            .take(true, move |session| blobs::publish(session, &blob))
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
        self.engine.take(true, move |session| {
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
}
