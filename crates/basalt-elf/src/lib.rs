//! Facts of an ELF object, and the dynamic linker's cache made from them.

mod facts;
pub mod linker_cache;
mod read;

pub use facts::{ElfError, ElfFacts, ElfKind, Machine};
