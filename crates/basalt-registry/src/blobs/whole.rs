//! Blobs that are read whole, as documents are.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Blobs;
use crate::digest::Digest;
use crate::metadata::{Metadata, Place};
use crate::name::RepositoryName;
use crate::server::Unfinished;

/// How much of a blob is read at once.
const PIECE: usize = 1 << 20;

/// All bytes of a blob of a repository; nothing when it is not there, damaged, or longer than `limit`.
///
/// # Errors
/// When the metadata or the store fail.
pub(crate) async fn whole(
    metadata: &dyn Metadata,
    blobs: &dyn Blobs,
    repository: &RepositoryName,
    digest: &Digest,
    limit: u64,
) -> Result<Option<Bytes>, Unfinished> {
    let Some(record) = metadata.blob(repository, digest).await? else {
        return Ok(None);
    };
    let upload = match record.place {
        _ if record.size > limit => return Ok(None),
        Place::Inside(bytes) => return Ok(Some(bytes)),
        Place::Damaged => return Ok(None),
        Place::Stored(upload) => upload,
    };
    let Some(blob) = blobs.open(digest, &upload).await? else {
        return Ok(None);
    };
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < record.size {
        let piece = blob.read(bytes.len() as u64, PIECE).await?;
        if piece.is_empty() {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    let (bytes, digest) = (bytes.freeze(), Arc::new(digest.clone()));
    let compared = tokio::task::spawn_blocking(move || {
        let is_sound = Digest::of(digest.algorithm(), &bytes) == *digest;
        is_sound.then_some(bytes)
    });
    Ok(compared.await?)
}
