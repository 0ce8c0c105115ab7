//! What can go wrong with a layout.

use std::io;
use std::path::PathBuf;

use basalt_digest::Digest;

/// Why a layout or archive was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// The file system said no. The message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A document is not JSON of its type.
    #[error("{what} is not what it should be")]
    Json {
        /// Which document.
        what: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// A manifest, index or config could be different things to different readers.
    #[error("{what} is refused: {cause}")]
    Malformed {
        /// Which document.
        what: String,
        /// Why.
        cause: basalt_manifest::Malformed,
    },
    /// What a descriptor leads to is of another kind than it says.
    #[error("{digest} is listed as `{listed}`, and is {found}")]
    OtherKind {
        /// The document.
        digest: Digest,
        /// The media type of the descriptor.
        listed: String,
        /// What it is.
        found: &'static str,
    },
    /// A digest of an algorithm that is not verified here.
    #[error("`{digest}` is named, and only digests of SHA-256 are verified here")]
    Algorithm {
        /// The digest.
        digest: String,
    },
    /// The path holds something else.
    #[error("{} is no OCI layout: {cause}", path.display())]
    NotALayout {
        /// The path.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Nothing is there.
    #[error(
        "there is no layout at `{}`: name a folder or an archive that is there, or bring an image of a registry into one by `basalt pull`",
        path.display()
    )]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// Something stands in the place of a layout's file that is not a regular file.
    #[error("`{}` cannot be read: {cause}", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        cause: io::Error,
    },
    /// What was asked about is not a manifest.
    #[error("{place}: {digest} is not a manifest and not an index")]
    NotAManifest {
        /// The place.
        place: String,
        /// What was asked about.
        digest: Digest,
    },
    /// A tag of a layout leads to two images.
    #[error(
        "{}/index.json: two of its entries have the tag `{tag}`; name the image by its digest, or give each entry its own tag",
        path.display()
    )]
    Ambiguous {
        /// The layout.
        path: PathBuf,
        /// The tag.
        tag: String,
    },
    /// The folder holds files that are no part of a layout, and would be lost.
    #[error(
        "{} exists and is no OCI layout (it holds `{found}`); name another output folder or empty it",
        path.display()
    )]
    WouldReplace {
        /// The folder.
        path: PathBuf,
        /// One thing that is in it.
        found: String,
    },
    /// An archive is only read.
    #[error("{} is an archive, to which nothing is added; unpack it into a folder first", path.display())]
    ReadOnly {
        /// The archive.
        path: PathBuf,
    },
    /// A blob is missing.
    #[error("{} lacks blob {digest}", path.display())]
    Missing {
        /// The layout.
        path: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// A blob has another content than its name says.
    #[error("blob {digest} has another content than its name says (digest {found})")]
    WrongDigest {
        /// Its name.
        digest: Digest,
        /// Its content's digest.
        found: Digest,
    },
    /// A blob has another length than its descriptor says.
    #[error("blob {digest} has {found} bytes where its descriptor says {size}")]
    WrongSize {
        /// Its name.
        digest: Digest,
        /// What the descriptor says.
        size: u64,
        /// Its length.
        found: u64,
    },
    /// Something is larger than is read.
    #[error("{what} is too large: more than {limit} {unit}")]
    TooLarge {
        /// What.
        what: String,
        /// The limit.
        limit: u64,
        /// Bytes, entries, …
        unit: &'static str,
    },
    /// A media type this program does not read.
    #[error("{what} has media type `{media_type}`, which basalt does not read")]
    MediaType {
        /// What.
        what: String,
        /// Its media type.
        media_type: String,
    },
    /// No image of the asked platform.
    #[error("no image for {wanted}; there are: {present}")]
    NoImage {
        /// The platform.
        wanted: String,
        /// Those that are there.
        present: String,
    },
    /// A layer's content breaks a rule.
    #[error("layer {layer}: {cause}")]
    Layer {
        /// The layer's digest.
        layer: Digest,
        /// What is wrong.
        cause: String,
    },
    /// A registry said no, or could not be reached.
    #[error("{place}: {cause}")]
    Store {
        /// The host and the repository.
        place: String,
        /// Why.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
