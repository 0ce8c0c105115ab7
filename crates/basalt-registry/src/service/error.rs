//! Why there is no server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use basalt_spec::SpecError;

use crate::blobs::BucketError;
use crate::metadata::MetadataError;
use crate::server::TlsError;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(SpecError),
    /// A file or folder cannot be used.
    #[error("{what} {path} cannot be used: {cause}", path = path.display())]
    File {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Another server has the folder.
    #[error("another server runs on {path}", path = path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// It would be open to other machines in a way that nobody asked for.
    #[error("{listen} is open to other machines, and {problem}")]
    TooOpen {
        /// Where it would listen.
        listen: SocketAddr,
        /// What is missing.
        problem: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// It cannot listen there.
    #[error("cannot listen at {listen}: {cause}")]
    Listen {
        /// Where.
        listen: String,
        /// Why.
        cause: String,
    },
    /// An address cannot be read.
    #[error("{what} cannot be read: {cause}")]
    Address {
        /// Which.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// The bucket cannot be used.
    #[error(transparent)]
    Store(BucketError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The system does not give what a server needs.
    #[error("the system does not give what the server needs: {0}")]
    System(#[from] io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::TooOpen { help, .. } => Some(help),
            Self::Taken { .. } => Some("stop it, or name another folder with --root"),
            Self::Listen { .. } => Some("name another address with --listen ADDRESS:PORT"),
            _ => None,
        }
    }
}
