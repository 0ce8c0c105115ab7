//! From packages to an image's tree.

pub(crate) mod accounts;
pub(crate) mod assertions;
pub(crate) mod diversions;
pub(crate) mod files;
pub(crate) mod identity;
pub(crate) mod images;
pub(crate) mod left_out;
pub(crate) mod licences;
pub(crate) mod linker_cache;
pub(crate) mod packages;
pub(crate) mod records;
pub(crate) mod slices;
pub(crate) mod steps;
