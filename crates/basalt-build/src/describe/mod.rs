//! From layers to what a registry holds: config, manifests, indexes, and the documents attached to them.

pub(crate) mod attachments;
pub(crate) mod bases;
pub(crate) mod bill;
pub(crate) mod image;
pub(crate) mod index;
pub(crate) mod make;
pub(crate) mod names;
pub(crate) mod provenance;
pub(crate) mod record;
pub(crate) mod sbom;
