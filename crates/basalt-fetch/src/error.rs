//! Why something could not be fetched.

use std::io;

use basalt_digest::Promise;

use crate::logins::LoginError;
use crate::proxy::ProxyError;
use crate::trust::TrustError;
use crate::{CacheError, MirrorError};

/// Why something could not be fetched. URLs are shown without passwords.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// No mirror is known, or one is wrong.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A file of certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A file of passwords cannot be used.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// It is not in the cache, and the network is not to be used.
    #[error(
        "`{path}` of archive `{archive}` is not in the cache and the network is off; run once without --offline, or build from a vendor folder"
    )]
    Offline {
        /// The archive.
        archive: String,
        /// The path in it.
        path: String,
    },
    /// A path that could lead out of the archive.
    #[error("`{0}` is no path within an archive")]
    Path(String),
    /// The server says that it has no such file.
    #[error("{url}: not found (status {status})")]
    NotFound {
        /// Where it was sought.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server answers with something else than the file.
    #[error("{url}: the server answers with status {status}")]
    Status {
        /// Where it was sought.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server's certificate is not to be trusted, or it does not take ours. The same attempt would fail again.
    #[error(
        "{url}: {cause}; if that server is right, name its CA with --ca FILE or SSL_CERT_FILE, or our certificate with --client-cert FILE"
    )]
    Certificate {
        /// Where it was sought.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// The server wants a user name and a password, or takes not those that it got.
    #[error(
        "{url}: not allowed (status {status}); name the user and password in the mirror's URL (BASALT_MIRROR_…, --mirror), ~/.netrc or apt's auth.conf"
    )]
    Unauthorized {
        /// Where it was sought.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server cannot be reached, or the connection broke.
    #[error("{url}: {reason}")]
    Network {
        /// Where it was sought.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The body ended early.
    #[error("{url}: the body ended after {received} of {expected} bytes")]
    Short {
        /// Where it came from.
        url: String,
        /// Bytes that came.
        received: u64,
        /// Bytes that were promised.
        expected: u64,
    },
    /// The body is longer than promised or allowed; no more was read.
    #[error("{url}: the server sends more than the {limit} bytes promised or allowed")]
    TooLong {
        /// Where it came from.
        url: String,
        /// The most that was to come, in bytes.
        limit: u64,
    },
    /// The server announces another size than the signed index.
    #[error("{url}: the server announces {announced} bytes, the signed index {expected}")]
    Size {
        /// Where it was sought.
        url: String,
        /// What the server announces.
        announced: u64,
        /// What the index says.
        expected: u64,
    },
    /// The bytes are not those that the signed index names.
    #[error(
        "{url}: the bytes are {found}, not {expected} as signed: the mirror is broken or tampered with; use another"
    )]
    Digest {
        /// Where they came from.
        url: String,
        /// What was promised.
        expected: Box<Promise>,
        /// What came.
        found: Box<Promise>,
    },
    /// The bytes have one of the digests that the signed index names, and not the other.
    #[error(
        "{url}: the bytes have the SHA256 that is signed, but their SHA512 is {found}, not {expected}: the signed index contradicts itself, which only the archive's maintainers can mend"
    )]
    Contradiction {
        /// Where they came from.
        url: String,
        /// The SHA-512 digest promised.
        expected: Box<Promise>,
        /// That of the bytes.
        found: Box<Promise>,
    },
    /// Slower than the slowest that is borne.
    #[error("{url}: gave up: less than {rate} bytes a second")]
    TooSlow {
        /// Where it came from.
        url: String,
        /// The slowest that is borne, in bytes a second.
        rate: u64,
    },
    /// Redirected too often.
    #[error("{url}: redirected more than {limit} times")]
    Redirects {
        /// Where it began.
        url: String,
        /// The most redirects that are followed.
        limit: u32,
    },
    /// Redirected from a protected to an open connection, or to something that is not HTTP.
    #[error("{url}: refused the redirect to {to}")]
    RedirectRefused {
        /// Where it was sought.
        url: String,
        /// Where it was to lead.
        to: String,
    },
    /// A local file failed; the text names it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl FetchError {
    /// Whether something else came than the signed chain promised, or was to be fetched from
    /// where no honest archive leads, rather than that nothing came.
    pub fn is_distrust(&self) -> bool {
        matches!(
            self,
            Self::Digest { .. }
                | Self::Contradiction { .. }
                | Self::Size { .. }
                | Self::TooLong { .. }
                | Self::RedirectRefused { .. }
                | Self::Path(_)
        )
    }

    /// Whether a mirror cannot be reached or does not deliver, which tells nothing of its honesty.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::Status { .. }
                | Self::Unauthorized { .. }
                | Self::Certificate { .. }
                | Self::Network { .. }
                | Self::Short { .. }
                | Self::TooSlow { .. }
                | Self::Redirects { .. }
        )
    }

    /// Whether what the user says of proxies, certificates or passwords cannot be used.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Proxy(_) | Self::Trust(_) | Self::Login(_))
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Short { .. } | Self::TooSlow { .. } => true,
            // A mirror in the middle of an update, or a broken cache in between.
            Self::Digest { .. } | Self::Size { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }
}
