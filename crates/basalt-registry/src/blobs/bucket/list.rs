//! The list of a blob's pieces, and a blob that is read by it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::{Answer, Blob};
use super::path::piece_path;
use super::{READ, REMEMBERED, failed};
use crate::metadata::Piece;
use crate::route::UploadId;

/// The list of a blob's pieces, as it lies in the bucket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// The blob's length.
    pub(super) size: u64,
    /// The pieces, in order.
    pub(super) pieces: Vec<Piece>,
}

impl List {
    /// Which piece has the byte at this place.
    pub(super) fn at(&self, offset: u64) -> Option<&Piece> {
        let behind = self.pieces.partition_point(|piece| piece.begin <= offset);
        let piece = self.pieces.get(behind.checked_sub(1)?)?;
        (offset - piece.begin < piece.length).then_some(piece)
    }
}

/// Lists that were read of late: they never change.
#[derive(Default)]
pub(super) struct Lists {
    held: HashMap<UploadId, Arc<List>>,
    pieces: usize,
}

impl Lists {
    pub(super) fn get(&self, upload: &UploadId) -> Option<Arc<List>> {
        self.held.get(upload).cloned()
    }

    pub(super) fn keep(&mut self, upload: &UploadId, list: &Arc<List>) {
        if self.pieces + list.pieces.len() > REMEMBERED {
            *self = Self::default();
        }
        self.pieces += list.pieces.len();
        self.held.insert(upload.clone(), Arc::clone(list));
    }

    pub(super) fn forget(&mut self, upload: &UploadId) {
        if let Some(list) = self.held.remove(upload) {
            self.pieces = self.pieces.saturating_sub(list.pieces.len());
        }
    }
}

/// A blob by its list.
pub(super) struct Listed {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) waiting: Arc<Semaphore>,
    pub(super) upload: UploadId,
    pub(super) list: Arc<List>,
}

impl Blob for Listed {
    fn size(&self) -> u64 {
        let mut end = 0;
        // A list with a hole has no length.
        for piece in &self.list.pieces {
            if piece.begin != end {
                return 0;
            }
            end = piece.begin.saturating_add(piece.length);
        }
        end.min(self.list.size)
    }

    fn piece(&self) -> usize {
        READ
    }

    fn read_now(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn read(&self, offset: u64, length: usize) -> Answer<'static, Bytes> {
        let Some(piece) = self.list.at(offset) else {
            return Box::pin(std::future::ready(Ok(Bytes::new())));
        };
        let begin = offset - piece.begin;
        let end = piece.length.min(begin + length as u64);
        let path = piece_path(&self.upload, &piece.name);
        let (store, waiting) = (Arc::clone(&self.store), Arc::clone(&self.waiting));
        // It begins at once, not when it is asked for.
        let reading = tokio::spawn(async move {
            let permits = u32::try_from(end - begin).unwrap_or(u32::MAX);
            let permit = waiting.acquire_many_owned(permits).await;
            let permit = permit.map_err(io::Error::other)?;
            let bytes = store.get_range(&path, begin..end).await.map_err(failed)?;
            Ok(Bytes::from_owner(Waiting {
                bytes,
                _permit: permit,
            }))
        });
        Box::pin(async move { reading.await.map_err(io::Error::other)? })
    }

    fn file(&self) -> Option<&Arc<File>> {
        None
    }
}

/// Bytes that count as waiting until they are sent.
struct Waiting {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
