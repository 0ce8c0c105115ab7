//! Fragments: canonical, pre-compressed tar runs; and layers made of them.
//!
//! gzip members and Zstandard frames may be concatenated (RFC 1952 2.2, RFC 8878 3.1), so a layer
//! is its fragments end to end: nothing that was packed once is packed again.

mod codec;
mod error;
mod fragment;
mod layer;
pub mod plan;
mod pool;
mod read;
mod tar;

pub use codec::{CHUNK_LENGTH, Codec};
pub use error::LayerError;
pub use fragment::{Chunk, Extent, Fragment, FragmentWriter};
pub use layer::{FragmentSource, LayerInfo, LayerWriter, write_layer};
pub use pool::CompressionPool;
pub use read::{FileReader, FragmentReader, Repacked, read_entry, repack};
