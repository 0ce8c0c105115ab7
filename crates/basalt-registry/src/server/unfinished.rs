//! What stops work that goes through the metadata and the store of blobs.

use crate::fault::Fault;
use crate::metadata::MetadataError;

/// Why it did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The metadata failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The store of blobs failed.
    #[error(transparent)]
    Store(#[from] std::io::Error),
    /// A task beside it did.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl From<Unfinished> for Fault {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Metadata(error) => error.into(),
            Unfinished::Store(error) => error.into(),
            Unfinished::Task(error) => {
                super::log::trouble(&error.to_string());
                Self::internal()
            }
        }
    }
}
