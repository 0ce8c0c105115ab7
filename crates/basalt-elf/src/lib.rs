//! Facts of an ELF object, what it wants of the files around it, and the dynamic linker's cache.

mod facts;
pub mod linker_cache;
mod links;
mod read;

pub use facts::{ElfError, ElfFacts, ElfKind, Machine};
pub use links::{ElfLinks, strings};
