//! Slices: named parts of packages.
//!
//! Definitions are read in the YAML vocabulary of chisel, as they are, with a few extensions
//! (`effects`, `releases`, `test`). A [`Library`] of them decides what is in an image that wants
//! some slices; it reads no file and opens no package.

mod definition;
mod error;
mod library;
mod pattern;
mod reference;
mod selection;
mod yaml;

pub use definition::{Content, Definition, Essential, Generate, Slice, Until};
pub use error::SliceError;
pub use library::{Library, MAXIMUM_DEFINITIONS, Target};
pub use pattern::Pattern;
pub use reference::Reference;
pub use selection::{Filter, Keep, Made, MadeKind, REACHABLE, Sliced, Wanted};
