//! What can go wrong with attestations and signatures.

/// Why a statement, envelope or signature was not read, made or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// A document is not JSON of its type.
    #[error("{what} is not what it should be")]
    Json {
        /// Which document.
        what: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// A document says something that its specification rules out.
    #[error("{what}: {cause}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Something is larger than is read.
    #[error("{what} is too large: more than {limit} {unit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// Bytes, entries, …
        unit: &'static str,
    },
    /// The place of the image failed.
    #[error(transparent)]
    Store(#[from] basalt_oci::OciError),
    /// A manifest is missing.
    #[error("{place} lacks manifest {digest}")]
    Missing {
        /// The place.
        place: String,
        /// The manifest.
        digest: basalt_digest::Digest,
    },
    /// A document is of another kind than its place calls it.
    #[error("{digest} is not {wanted}")]
    OtherKind {
        /// The document.
        digest: basalt_digest::Digest,
        /// What it must be.
        wanted: &'static str,
    },
    /// The key failed.
    #[error(transparent)]
    Key(#[from] crate::key::KeyError),
}

impl AttestError {
    pub(crate) fn malformed(what: &'static str, cause: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            cause: cause.into(),
        }
    }
}

/// Reads a JSON document of at most `limit` bytes.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, AttestError> {
    if bytes.len() > limit {
        return Err(AttestError::TooLarge {
            what,
            limit: limit as u64,
            unit: "bytes",
        });
    }
    serde_json::from_slice(bytes).map_err(|cause| AttestError::Json {
        what: what.to_owned(),
        cause,
    })
}
