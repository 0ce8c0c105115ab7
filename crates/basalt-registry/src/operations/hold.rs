//! The promise that no blob goes, for as long as something is copied.

use std::time::Duration;

use super::OperationError;
use crate::metadata::Metadata;
use crate::route::UploadId;
use crate::server::now;

/// How long it is promised, in milliseconds, and how often that is said anew.
const LEASE: i64 = 10 * 60 * 1000;
const RENEW: Duration = Duration::from_secs(60);

/// Such a promise. One that is not ended ends by itself.
pub(super) struct Hold<'a> {
    metadata: &'a dyn Metadata,
    name: String,
}

impl<'a> Hold<'a> {
    pub(super) async fn take(metadata: &'a dyn Metadata) -> Result<Self, OperationError> {
        let name = format!("backup/{}", UploadId::random().as_str());
        let hold = Self { metadata, name };
        hold.renew().await?;
        Ok(hold)
    }

    /// Does some work while it holds.
    pub(super) async fn during<T>(
        self,
        work: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, OperationError> {
        let renewing = async {
            loop {
                tokio::time::sleep(RENEW).await;
                if let Err(error) = self.renew().await {
                    return error;
                }
            }
        };
        let done = tokio::select! {
            done = work => done,
            lost = renewing => Err(lost),
        };
        let _ = self.metadata.end_lease(&self.name, &self.name).await;
        done
    }

    async fn renew(&self) -> Result<(), OperationError> {
        let now = now();
        self.metadata
            .take_lease(&self.name, &self.name, now, now + LEASE)
            .await?;
        Ok(())
    }
}
