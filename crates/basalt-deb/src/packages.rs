//! Package indexes: `Packages` files compiled into a form that opens fast, and the records in it.

mod compile;
mod index;
mod record;
mod wire;

pub use compile::{CompileError, MAXIMUM_PACKAGES, compile};
pub use index::{CompiledIndex, IndexError};
pub use record::{MultiArch, PackageRecord, Priority};
