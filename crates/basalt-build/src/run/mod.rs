//! What every stage of one run may use: the cache, downloads, threads, who listens.

pub(crate) mod cause;
pub(crate) mod documented;
pub(crate) mod download;
pub(crate) mod session;
pub(crate) mod stage;
