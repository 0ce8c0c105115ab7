//! Where things lie within a bucket.

use object_store::path::Path;

use super::super::file_name;
use crate::digest::Digest;
use crate::route::UploadId;

pub(super) fn pieces_path(upload: &UploadId) -> Path {
    let name = upload.as_str();
    Path::from_iter(["pieces", name.get(..2).unwrap_or_default(), name])
}

pub(super) fn piece_path(upload: &UploadId, name: &UploadId) -> Path {
    pieces_path(upload).join(name.as_str())
}

pub(super) fn part_path(digest: &Digest) -> Path {
    let part = digest.hex().get(..2).unwrap_or_default();
    Path::from_iter(["blobs", digest.algorithm().name(), part])
}

pub(super) fn blob_path(digest: &Digest, upload: &UploadId) -> Path {
    part_path(digest).join(file_name(digest, upload))
}

pub(super) fn aside_path(digest: &Digest, upload: &UploadId) -> Path {
    Path::from_iter(["quarantine".to_owned(), file_name(digest, upload)])
}
