//! What a spec's folder holds: the spec, its lock, its local files, its slice definitions.

pub(crate) mod lock_file;
#[expect(
    clippy::module_inception,
    reason = "the folder is named after the value it yields"
)]
pub(crate) mod project;
pub(crate) mod slice_library;
