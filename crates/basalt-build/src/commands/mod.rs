//! What the program asks for: each command joins the stages that it needs.

pub(crate) mod build;
pub(crate) mod effects;
pub(crate) mod explain;
pub(crate) mod lock;
pub(crate) mod minimize;
pub(crate) mod reasons;
pub(crate) mod recipe;
pub(crate) mod report;
pub(crate) mod slice;
pub(crate) mod vendor;
