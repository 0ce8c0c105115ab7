//! What a spec's folder holds: the spec, its lock, its local files, its slice definitions.

pub(crate) mod lock_file;
pub(crate) mod slice_library;
pub(crate) mod title;
