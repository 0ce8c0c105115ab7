//! From a spec and its archives to a lock.

pub(crate) mod accounts;
pub(crate) mod archives;
pub(crate) mod closures;
pub(crate) mod control;
pub(crate) mod layering;
pub(crate) mod lock;
