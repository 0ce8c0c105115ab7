//! From a tree to layers.

pub(crate) mod bases;
pub(crate) mod layers;
pub(crate) mod placement;
