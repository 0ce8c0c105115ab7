//! From a lock to jobs: what is made of which packages, and how each is read.

pub(crate) mod bases;
pub(crate) mod job;
pub(crate) mod kept;
pub(crate) mod policy;
pub(crate) mod request;
pub(crate) mod slices;
