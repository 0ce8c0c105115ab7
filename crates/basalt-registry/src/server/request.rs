//! A request at hand, and what it is answered with.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode};

use super::body::Body;
use super::gate::Identity;
use super::receive::Received;
use super::sign_in::Visitor;
use super::{Peer, Registry};
use crate::fault::Fault;
use crate::metadata::{Author, MetadataError, Moment};

/// A request whose sender is known and may.
pub struct Request {
    /// The server.
    pub registry: Arc<Registry>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its query.
    pub query: String,
    /// Its method.
    pub method: hyper::Method,
    /// Who sent it.
    pub identity: Identity,
    /// From where.
    pub peer: Peer,
    /// When it came.
    pub now: Moment,
    /// Its body, as far as it was not read.
    pub received: Received,
}

/// An answer, or why there is none.
pub type Outcome = Result<Reply, Fault>;

/// An answer.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// The length that is told, where it is not the body's: of what a HEAD asks about.
    pub length: Option<u64>,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
            length: None,
        }
    }

    /// An answer with this body.
    pub fn of(body: Body) -> Self {
        Self {
            body,
            ..Self::empty(StatusCode::OK)
        }
    }

    /// A JSON document.
    pub fn json(document: &serde_json::Value) -> Self {
        Self::of(Body::Full(document.to_string().into())).header("content-type", "application/json")
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Request {
    /// The body, of which so many bytes are taken at most.
    pub fn body(&mut self, limit: u64) -> &mut Received {
        self.received.limit(limit);
        &mut self.received
    }

    /// How long the body says it is.
    pub fn announced(&self) -> Option<u64> {
        self.received.announced()
    }

    /// Who makes a change, for the audit log.
    pub fn author(&self) -> Author {
        Author {
            name: self.identity.caller.name().to_owned(),
            address: self.peer.address.to_string(),
            moment: self.now,
        }
    }

    /// Who knocks.
    pub(super) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            metadata: self.registry.metadata.as_ref(),
            peer: &self.peer,
            now: self.now,
        }
    }

    /// Whether only the headers of the answer are wanted.
    pub fn is_head(&self) -> bool {
        self.method == hyper::Method::HEAD
    }

    /// A header as text.
    pub fn text(&self, name: hyper::header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl From<MetadataError> for Fault {
    fn from(error: MetadataError) -> Self {
        super::log::trouble(&error.to_string());
        match error {
            MetadataError::Unavailable { .. } | MetadataError::Closed => Self::passing(),
            MetadataError::Full { .. } => Self::full(),
            MetadataError::Database { .. } | MetadataError::Newer { .. } => Self::internal(),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        super::log::trouble(&error.to_string());
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::full(),
            _ if crate::blobs::is_passing(&error) => Self::passing(),
            std::io::ErrorKind::InvalidInput => {
                let message =
                    "another request goes on with this upload; ask for its status and try again";
                Self::new(crate::fault::Code::Unavailable, message).header("retry-after", "1")
            }
            std::io::ErrorKind::FileTooLarge => {
                let message = "the upload came in too many pieces; send larger ones";
                Self::new(crate::fault::Code::SizeInvalid, message)
            }
            _ => Self::internal(),
        }
    }
}
