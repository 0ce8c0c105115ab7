//! Package indexes: `Packages` files compiled into a form that opens fast, and the records in it.

mod compile;
mod fault;
mod fields;
mod index;
mod record;
mod wire;

pub use compile::{CompileError, MAXIMUM_PACKAGES, compile};
pub use fault::Fault;
pub use index::{CompiledIndex, Found, IndexError};
pub use record::{MultiArch, PackageRecord, Priority};
