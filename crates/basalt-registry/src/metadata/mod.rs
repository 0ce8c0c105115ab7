//! What is kept, apart from the bytes of large blobs: the one arbiter of what is there.
//!
//! Every change is one transaction that checks again what it depends on, so that servers that share the metadata
//! need no lock among them.

mod accounts;
mod bills;
mod content;
mod copied;
pub mod journal;
pub mod login;
mod operated;
pub mod postgres;
mod record;
mod sql;
pub mod sqlite;
mod told;
mod uploads;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::name::RepositoryName;
use sql::session::SqlError;

pub use accounts::Accounts;
pub use bills::Bills;
pub use content::Content;
pub use copied::{Copies, CopyRecord, NewCopy};
pub use operated::{
    DeadEvent, Delivery, HeldBlob, HookPosition, Keeper, Operations, Retired, StoredManifest,
    TagRecord, Totals,
};
pub use record::{
    AuditEntry, AuditHead, Author, BillRecord, BlobRecord, Collected, Deleted, Found,
    FoundPackages, ManifestHead, ManifestRecord, Moment, Movable, NewBlob, NewManifest, OverQuota,
    PackageSearch, Piece, PieceAdded, Place, Published, PutManifest, ReferrerRecord, Refusal,
    RepositoryOverview, Reservation, Reserved, SigningKey, TagOverview, TagWrite, WaitingBill,
};
pub use told::Outbox;
pub use uploads::Uploads;

/// An answer that is to come.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, MetadataError>> + Send + 'a>>;

/// Why the metadata could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// The database failed.
    #[error("the registry's database {place}: {cause}")]
    Database {
        /// Where it is.
        place: String,
        /// What it said.
        cause: String,
    },
    /// The database is not there at the moment, or has too much to do.
    #[error("the registry's database {place} cannot be used now: {cause}")]
    Unavailable {
        /// Where it is.
        place: String,
        /// Why.
        cause: String,
    },
    /// The disk that it is on is full.
    #[error(
        "the disk of the registry's database {place} is full ({cause}); delete what is not needed, or make the disk larger"
    )]
    Full {
        /// Where it is.
        place: String,
        /// What it said.
        cause: String,
    },
    /// It was made by a newer program.
    #[error(
        "the registry's database {place} is of version {found}, which this program does not know (it knows up to {known}); \
         run the program that made it, or a newer one"
    )]
    Newer {
        /// Where it is.
        place: String,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The server is going down.
    #[error("the registry is shutting down")]
    Closed,
}

impl MetadataError {
    fn database(place: &str, error: &SqlError) -> Self {
        let (place, cause) = (place.to_owned(), error.to_string());
        match error {
            SqlError::Lost(_) | SqlError::Conflict(_) => Self::Unavailable { place, cause },
            SqlError::Full(cause) => Self::Full {
                place,
                cause: cause.clone(),
            },
            SqlError::Refused(_) | SqlError::Column { .. } => Self::Database { place, cause },
        }
    }
}

/// How long what lost its last reference is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// A blob that no manifest of the repository needs any more, in milliseconds.
    pub blob: i64,
    /// A manifest that lost its last tag, and that no index lists; for ever when there is none.
    pub untagged: Option<i64>,
}

/// What an engine of metadata does.
///
/// Times are given by the caller, in milliseconds since 1970. What is written has reached the disk when the answer
/// comes, but for uploads and leases: who loses one asks anew.
pub trait Metadata: Content + Uploads + Accounts + Operations + Outbox + Bills + Copies {}

impl<T: Content + Uploads + Accounts + Operations + Outbox + Bills + Copies> Metadata for T {}

/// How many names are asked for at once.
const NAMES: u64 = 1000;

/// The names of all repositories, in order.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn all_repositories(
    metadata: &dyn Metadata,
) -> std::result::Result<Vec<RepositoryName>, MetadataError> {
    let mut names: Vec<RepositoryName> = Vec::new();
    loop {
        let last = names.last().map(|name| name.as_str().to_owned());
        let page = metadata.repositories(last.as_deref(), NAMES).await?;
        if page.is_empty() {
            return Ok(names);
        }
        names.extend(page);
    }
}

/// Whether a repository is meant.
pub type Filter = Arc<dyn Fn(&RepositoryName) -> bool + Send + Sync>;

/// Whether the use of a robot or a login is to be noted again when it was last noted then.
pub fn is_use_old(used: Option<Moment>, now: Moment) -> bool {
    sql::is_old(used, now)
}
