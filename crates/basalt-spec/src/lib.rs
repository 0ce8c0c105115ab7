//! The image spec: what a person writes.
//!
//! Strict: an unknown key, a wrong type or an impossible value is an error that names file, line and
//! column, and says what was probably meant.

mod checked;
mod error;
mod image;
mod load;
mod overlay;
mod parts;
mod schema;
pub mod secrets;
mod settle;
mod starter;
mod strict;
mod suggest;
mod values;

pub use error::{Place, SpecError};
pub use image::{ARCHITECTURES, ImageSpec};
pub use load::{
    LoadedSpec, MAXIMUM_DEPTH, MAXIMUM_FILES, MAXIMUM_LENGTH, load, load_text, parse, tidy,
};
pub use overlay::Overlay;
pub use parts::{
    Applets, Assertions, Compression, ExtraArchive, FileSpec, Group, Keep, Layers, Minimize,
    PackageDatabase, Reachable, SliceChoice, User,
};
pub use schema::{reference, schema};
pub use settle::LOCALES;
pub use starter::starter;
pub use strict::{from_yaml, from_yaml_by};
pub use suggest::nearest;
pub use values::{Mode, PackageName, Size, VersionRange, WantedPackage};
