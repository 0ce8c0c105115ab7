//! What is pushed into a repository that has no room for it: room is kept for each upload, a little ahead of its bytes, for as
//! long as it is at hand.

use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Handle;

use super::{Registry, log, session};
use crate::fault::{Code, Fault};
use crate::metadata::{MetadataError, OverQuota, Reservation, Reserved};
use crate::name::RepositoryName;
use crate::route::UploadId;

/// How far ahead of its bytes room is kept, at most: a change of the database for each so many.
const STEP: u64 = 4 << 20;

/// The room of an upload while a request sends to it.
pub(super) struct Room {
    registry: Arc<Registry>,
    repository: RepositoryName,
    upload: UploadId,
    /// None where the repository may have as much as it likes.
    quota: Option<u64>,
    /// How many bytes it will have, if the request says.
    announced: Option<u64>,
    /// How many it has, and how many room is kept for.
    staged: u64,
    reserved: u64,
    /// Whether nobody knows the upload but this request.
    is_nameless: bool,
}

/// Why an upload gets no room.
pub(super) enum NoRoom {
    /// The repository has none.
    Over(OverQuota),
    /// The upload was ended meanwhile.
    NoUpload,
    /// The metadata failed.
    Failed(MetadataError),
}

impl Room {
    /// Keeps the first room for an upload that has so many bytes, and, as far as that is known, will have so many.
    ///
    /// # Errors
    /// When there is none: what says beforehand that it is too long is refused before it has come.
    pub async fn begin(
        registry: &Arc<Registry>,
        repository: &RepositoryName,
        upload: &UploadId,
        staged: u64,
        announced: Option<u64>,
    ) -> Result<Self, NoRoom> {
        let mut room = Self {
            registry: Arc::clone(registry),
            repository: repository.clone(),
            upload: upload.clone(),
            quota: registry.gate.policy.quota(repository),
            announced,
            staged,
            reserved: 0,
            is_nameless: false,
        };
        room.take(0).await?;
        Ok(room)
    }

    /// Notes that nobody can go on with the upload when this request ends.
    pub fn nameless(&mut self) {
        self.is_nameless = true;
    }

    /// Keeps room for so many bytes more, which are about to be staged.
    ///
    /// # Errors
    /// When there is none.
    pub async fn take(&mut self, more: u64) -> Result<(), NoRoom> {
        let Some(quota) = self.quota else {
            return Ok(());
        };
        let needed = self.staged.saturating_add(more);
        if needed > self.reserved || self.reserved == 0 {
            let ahead = needed.saturating_add(STEP);
            let ahead = self
                .announced
                .map_or(ahead, |all| ahead.min(all))
                .max(needed);
            let announced = self.announced.unwrap_or(0).max(needed);
            match self.reserve(ahead, announced.max(ahead), quota).await {
                Ok(()) => self.reserved = ahead,
                // Of one that does not say how long it is, less may fit.
                Err(NoRoom::Over(_)) if ahead > announced => {
                    self.reserve(needed, announced, quota).await?;
                    self.reserved = needed;
                }
                Err(refused) => return Err(refused),
            }
        }
        self.staged = needed;
        Ok(())
    }

    async fn reserve(&self, bytes: u64, announced: u64, quota: u64) -> Result<(), NoRoom> {
        let wanted = Reservation {
            bytes,
            announced,
            quota,
        };
        let metadata = &self.registry.metadata;
        match metadata.reserve_upload(&self.upload, wanted).await {
            Ok(Reserved::Kept) => Ok(()),
            Ok(Reserved::NoUpload) => Err(NoRoom::NoUpload),
            Ok(Reserved::OverQuota(over)) => Err(NoRoom::Over(over)),
            Err(error) => Err(NoRoom::Failed(error)),
        }
    }

    /// The refusal.
    pub fn refused(&self, refused: NoRoom) -> Fault {
        refused.fault(&self.repository)
    }

    /// The upload has become a blob, or ended: its room has gone with it.
    pub fn ended(mut self) {
        self.reserved = 0;
        self.is_nameless = false;
    }
}

impl Drop for Room {
    /// When the request ends, in whichever way, room is kept for what was staged, and for no more. That waits until what is
    /// being staged at this moment is.
    fn drop(&mut self) {
        if self.reserved == 0 && !self.is_nameless {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (registry, upload) = (Arc::clone(&self.registry), self.upload.clone());
        let is_nameless = self.is_nameless;
        runtime.spawn(async move {
            if let Err(fault) = settle(&registry, &upload, is_nameless).await {
                log::trouble(&format!(
                    "the room of an upload that was broken off is kept until its time is over: {}",
                    fault.message
                ));
            }
        });
    }
}

async fn settle(
    registry: &Arc<Registry>,
    upload: &UploadId,
    is_nameless: bool,
) -> Result<(), Fault> {
    let mut held = registry.sessions.take(upload).await?;
    let is_there = match is_nameless {
        true => {
            // One that has become a blob meanwhile has nothing left to be discarded.
            if registry.metadata.end_upload(upload).await? {
                registry.blobs.discard(upload).await?;
            }
            false
        }
        false => {
            let staged = session::offset(&mut held, registry.blobs.as_ref(), upload).await?;
            registry.metadata.settle_upload(upload, staged).await?
        }
    };
    drop(held);
    if !is_there {
        registry.sessions.end(upload);
    }
    Ok(())
}

impl NoRoom {
    /// The refusal.
    pub fn fault(self, repository: &RepositoryName) -> Fault {
        match self {
            Self::Over(over) => denied(repository, over),
            Self::NoUpload => super::upload::unknown_upload(),
            Self::Failed(error) => error.into(),
        }
    }
}

/// The refusal of what is too much for a repository.
pub(super) fn denied(repository: &RepositoryName, over: OverQuota) -> Fault {
    let OverQuota { used, more, quota } = over;
    let message = format!(
        "the quota of `{repository}` is {quota} bytes, of which {used} are used, by uploads at hand too: {more} more have no \
         room; delete what is not needed, or ask who runs the registry for more"
    );
    Fault::new(Code::Denied, message).detail(json!({"quota": quota, "used": used, "asked": more}))
}
