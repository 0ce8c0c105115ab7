//! Why an image was not made.

use std::path::PathBuf;

use basalt_digest::Digest;

/// Why a lock or an image was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The spec cannot be used as it is.
    #[error("{0}")]
    Spec(String),
    /// A slice definition, or the choice of slices, cannot be used as it is.
    #[error(transparent)]
    Slices(#[from] basalt_slice::SliceError),
    /// The lock does not fit the spec, and `--locked` was given.
    #[error("the lock {} does not fit the spec: {why}; run `basalt lock`, review what changed, and commit it", path.display())]
    LockMoved {
        /// The lock.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The lock cannot be read.
    #[error("{}: {cause}", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        cause: basalt_lock::LockError,
    },
    /// An archive's signature, date, suite or digest is not as it must be.
    #[error("the archive {archive}, suite {suite}, is refused: {cause}")]
    Trust {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// Why.
        cause: Box<basalt_trust::TrustError>,
    },
    /// A Release file is too old, too new, or another suite's.
    #[error("the archive {archive}, suite {suite}, is refused: {cause}")]
    Freshness {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// Why.
        cause: basalt_trust::FreshnessError,
    },
    /// An archive lacks something.
    #[error("the archive {archive}, suite {suite}: {cause}")]
    Archive {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// What is wrong.
        cause: String,
    },
    /// A signed file of an archive is not as such files are.
    #[error("the archive {archive}, suite {suite}: {cause}")]
    Malformed {
        /// The archive.
        archive: String,
        /// The suite.
        suite: String,
        /// What is wrong.
        cause: String,
    },
    /// What the spec wants cannot be installed together.
    #[error("{image}: {cause}")]
    Unsolvable {
        /// Which image: `python for arm64, variant dev`.
        image: String,
        /// Why.
        cause: Box<basalt_solve::SolveError>,
    },
    /// Maintainer scripts have lines that nothing explains.
    #[error("{0}")]
    Unexplained(String),
    /// Effects could not be applied.
    #[error("{image}: {cause}")]
    Effects {
        /// Which image.
        image: String,
        /// Why.
        cause: Box<basalt_effects::apply::ApplyError>,
    },
    /// It cannot be said what an image's roots reach.
    #[error("{image}: {cause}")]
    Reach {
        /// Which image.
        image: String,
        /// Why.
        cause: Box<basalt_reach::ReachError>,
    },
    /// A package is not as packages are, or made to harm.
    #[error("{package} {version}: {cause}")]
    Package {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Why.
        cause: String,
    },
    /// A package could not be read for a reason of this machine.
    #[error("{package} {version}: {cause}")]
    Unread {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Why.
        cause: String,
    },
    /// A package that the lock names is not in the cache.
    #[error(
        "{package} {version} ({digest}) is not in the cache: build without `--offline`, or give its store with `--vendor`"
    )]
    MissingPackage {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Its digest.
        digest: Digest,
    },
    /// Assertions of the spec that do not hold.
    #[error("{image} breaks {} of its own assertions:\n{}", violations.len(), violations.join("\n"))]
    Assertions {
        /// Which image.
        image: String,
        /// Each with the path and who brought it.
        violations: Vec<String>,
    },
    /// A blob went from the cache while it was needed.
    #[error("the cache lost {digest}, or it was damaged there: build again")]
    LostBlob {
        /// Its digest.
        digest: Digest,
    },
    /// A local file that the spec names.
    #[error("{}: {cause}", path.display())]
    LocalFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        cause: std::io::Error,
    },
    /// A path in a package or a spec may not stand in an image.
    #[error(transparent)]
    Path(#[from] basalt_tree::PathError),
    /// Files cannot stand together.
    #[error(transparent)]
    Tree(#[from] basalt_tree::TreeError),
    /// A layer cannot be packed.
    #[error(transparent)]
    Layer(#[from] basalt_layer::LayerError),
    /// The layout cannot be written.
    #[error(transparent)]
    Oci(#[from] basalt_oci::OciError),
    /// The cache fails.
    #[error(transparent)]
    Cache(#[from] basalt_fetch::CacheError),
    /// A download fails.
    #[error(transparent)]
    Fetch(#[from] basalt_fetch::FetchError),
    /// A statement about the image cannot be written.
    #[error(transparent)]
    Statement(basalt_attest::AttestError),
    /// A derived record cannot be written.
    #[error("a derived record cannot be written: {0}")]
    Record(postcard::Error),
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl BuildError {
    pub(crate) fn record(error: postcard::Error) -> Self {
        Self::Record(error)
    }
}
