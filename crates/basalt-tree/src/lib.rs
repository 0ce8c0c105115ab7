//! The image's files in memory: entries, who brought them, and the rules by which they may stand
//! together.

pub mod assertions;
mod edit;
mod entry;
mod error;
pub mod glob;
mod harden;
mod identity;
mod insert;
pub mod listing;
mod path;
pub mod policy;
mod sharing;
mod tree;

pub use edit::Attributes;
pub use entry::{Entry, Kind, Owner};
pub use error::TreeError;
pub use harden::{Change, HardenPolicy, Hardened, harden};
pub use identity::{IdError, check_id, numeric_id};
pub use insert::{PackageEntries, Replaces};
pub use listing::PackageListing;
pub use path::{MAXIMUM_PATH_LENGTH, PathError, TreePath};
pub use policy::PathPolicy;
pub use tree::{Contents, Diversion, Placed, Replaced, Source, Tree};
