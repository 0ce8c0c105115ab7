//! Debian's formats: control stanzas, versions, relations, Release, Packages, .deb, dpkg status.
//!
//! Everything here reads from bytes it is given and does no input or output of its own. All of it
//! may come from a stranger: each parser is bounded and refuses with an error that says why.

mod ar;
pub mod architecture;
pub mod compression;
pub mod deb;
mod entries;
pub mod packages;
mod path;
pub mod relation;
pub mod release;
pub mod stanza;
pub mod status;
pub mod version;
