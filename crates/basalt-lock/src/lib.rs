//! The lock: exactly what goes into an image.
//!
//! One JSON file holds what a spec was resolved to, for all architectures and variants of one
//! release: the archive snapshots, every package with its digest, the packing plan, the
//! allocated ids and the digests of local files. It names paths within an archive, never a host.
//! A person reviews its changes, so it is sorted, has one fact a line, and
//! [`difference`] says in words what moved between two of them.

mod check;
mod date;
mod difference;
mod lock;
mod show;

pub use difference::{
    ArchiveChange, Change, IdChange, KeptChange, LockDifference, PackageChange, Side, difference,
};
pub use lock::{
    ArchiveSnapshot, COMPATIBILITY, FORMAT, Lock, LockError, LockedBelow, LockedImage,
    LockedPackage, LockedScript, MAXIMUM_SIZE,
};
