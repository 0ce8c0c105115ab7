//! From images to an OCI layout.

pub(crate) mod layout;
