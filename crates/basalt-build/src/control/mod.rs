//! What a package says of itself: its claim of a name, and what its maintainer scripts do.

pub(crate) mod claim;
pub(crate) mod relations;
pub(crate) mod scripts;
