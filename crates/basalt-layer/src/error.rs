//! Why a run of entries could not be written or read back.

use std::io;

use basalt_digest::Digest;
use basalt_tree::TreePath;

use crate::codec::Codec;

/// Why a fragment or layer could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The content of a file could not be read.
    #[error("the content of {path} could not be read: {cause}")]
    Content {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The content of a file is not as long as promised.
    #[error(
        "the content of {path} is {found} than the {expected} bytes promised; its package is \
         damaged, fetch it again"
    )]
    Length {
        /// The file.
        path: TreePath,
        /// Bytes promised.
        expected: u64,
        /// `longer` or `shorter`.
        found: &'static str,
    },
    /// A run was to hold a path twice.
    #[error("{path} was to be written twice into one fragment; remove one of the two entries")]
    Duplicate {
        /// The path.
        path: TreePath,
    },
    /// A hard link stands before its file, or without it.
    #[error("the hard link {path} needs the file {target} before it in the same fragment")]
    HardlinkTarget {
        /// The link.
        path: TreePath,
        /// Its file.
        target: TreePath,
    },
    /// A directory was to be written into a fragment.
    #[error("the directory {path} does not belong into a fragment; layers list their directories")]
    Directory {
        /// The directory.
        path: TreePath,
    },
    /// An entry that no tar header can carry.
    #[error("{path} cannot be written to a tar file: {cause}; change or leave out that entry")]
    Unwritable {
        /// The entry.
        path: TreePath,
        /// What stands against it.
        cause: &'static str,
    },
    /// A fragment of another codec than the layer's.
    #[error(
        "a fragment compressed with {fragment} cannot stand in a layer of {layer}; pack it again"
    )]
    CodecMismatch {
        /// Of the fragment.
        fragment: Codec,
        /// Of the layer.
        layer: Codec,
    },
    /// A stored fragment is not what was written.
    #[error(
        "the stored fragment {digest} is damaged: {cause}; run `basalt cache verify`, then build again"
    )]
    Damaged {
        /// The fragment.
        digest: Digest,
        /// What was found.
        cause: &'static str,
    },
    /// A path that a fragment does not hold.
    #[error("the fragment {digest} holds no file {path}")]
    Missing {
        /// The fragment.
        digest: Digest,
        /// The path.
        path: TreePath,
    },
    /// A file's content differs from its recorded digest.
    #[error(
        "the content of {path} has the digest {found}, {expected} was recorded; run `basalt cache verify`"
    )]
    Altered {
        /// The file.
        path: TreePath,
        /// Recorded.
        expected: Digest,
        /// Found.
        found: Digest,
    },
    /// The codec itself failed, which only lack of memory explains.
    #[error("compressing with {codec} failed: {cause}")]
    Codec {
        /// Which.
        codec: Codec,
        /// Its own words.
        cause: String,
    },
    /// Reading or writing the compressed bytes failed.
    #[error("reading or writing a layer failed: {0}")]
    Io(#[from] io::Error),
}
