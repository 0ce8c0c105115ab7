//! From packages to listings and fragments, each read once.

pub(crate) mod contents;
pub(crate) mod copyright;
pub(crate) mod gather;
pub(crate) mod inspect;
pub(crate) mod licence;
pub(crate) mod locale;
pub(crate) mod package;
pub(crate) mod slice_filter;
