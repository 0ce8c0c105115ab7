//! Why a registry did not do what was asked.

use std::io;
use std::path::PathBuf;

use basalt_fetch::ConnectError;
use basalt_oci::OciError;

use crate::reference::{HostError, ReferenceError};

/// Why a registry did not do what was asked. URLs are shown without what is secret in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A text names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A text names no host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The registry cannot be reached, or the connection broke.
    #[error("{url}: {reason}")]
    Network {
        /// What was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Its certificate is not to be trusted, or it does not take ours. The same attempt would fail again.
    #[error("{url}: {cause}; if that server is right, name its CA with --ca FILE or SSL_CERT_FILE")]
    Certificate {
        /// What was asked.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] basalt_fetch::proxy::ProxyError),
    /// A file of certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] basalt_fetch::trust::TrustError),
    /// The registry answers with another status than the specification has for this.
    #[error("{url}: the registry answers with status {status}{detail}")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says of it, behind a colon; or nothing.
        detail: String,
    },
    /// It is not there.
    #[error("{place} has no {what}")]
    NotFound {
        /// The host and the repository.
        place: String,
        /// What was sought.
        what: String,
    },
    /// Credentials are missing, or were refused.
    #[error("{place}: not authorized{detail}; log in with `basalt login {host}`")]
    Unauthorized {
        /// The host and the repository.
        place: String,
        /// The host.
        host: String,
        /// What the registry says of it, behind a colon; or nothing.
        detail: String,
    },
    /// Who asks is known, and may not.
    #[error("{place}: forbidden{detail}; {}", way_out(.detail))]
    Forbidden {
        /// The host and the repository.
        place: String,
        /// What the registry says of it, behind a colon; or nothing.
        detail: String,
    },
    /// The registry wants credentials in a way that is not to be trusted or not understood.
    #[error("{host}: the registry asks for credentials in a way that is refused: {cause}")]
    Challenge {
        /// The host.
        host: String,
        /// What is wrong.
        cause: String,
    },
    /// A login with a browser came to nothing.
    #[error("{host}: nobody is logged in: {cause}")]
    Login {
        /// The host.
        host: String,
        /// Why.
        cause: String,
    },
    /// Other bytes than were promised.
    #[error("{url}: {cause}: the registry is broken or tampered with")]
    Untrusted {
        /// Where they came from.
        url: String,
        /// What differs.
        cause: String,
    },
    /// The body goes on behind its promised or allowed end; no more was read.
    #[error("{url}: the registry sends more than the {limit} bytes promised or allowed")]
    TooLong {
        /// Where it came from.
        url: String,
        /// The most that was to come, in bytes.
        limit: u64,
    },
    /// Redirected to where no credentials and no trust lead.
    #[error("{url}: refused to go on at {to}: {cause}")]
    Redirect {
        /// What was asked.
        url: String,
        /// Where it was to lead.
        to: String,
        /// Why not.
        cause: &'static str,
    },
    /// An answer that the specification does not have.
    #[error("{url}: the registry does not keep to the protocol: {cause}")]
    Protocol {
        /// What was asked.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// A configuration file says that nothing is to come from there.
    #[error("{name} is blocked by {}", path.display())]
    Blocked {
        /// The host and the repository.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// What is said to be insecure is not a host.
    #[error("--insecure: {cause}; write HOST or HOST:PORT")]
    Insecure {
        /// Why.
        cause: String,
    },
    /// A configuration file cannot be used.
    #[error("{}: {cause}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A credential helper failed.
    #[error("credential helper `{program}`: {cause}")]
    Helper {
        /// The program.
        program: String,
        /// Why.
        cause: String,
    },
    /// What was to be sent cannot be read, or is not what its descriptor says.
    #[error(transparent)]
    Source(#[from] OciError),
    /// A local file failed; the text names it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ConnectError> for ClientError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Url { url, cause } => Self::Network {
                url,
                reason: cause.to_owned(),
            },
            ConnectError::Proxy(error) => error.into(),
            ConnectError::Trust(error) => error.into(),
        }
    }
}

/// What to do about what a registry forbids, by what it says of it: a quota that is used up is a matter of no right.
fn way_out(detail: &str) -> &'static str {
    let detail = detail.to_ascii_lowercase();
    // So Quay and this registry say it, and so Harbor and others.
    let is_quota = ["quota", "exceed", "storage limit"]
        .iter()
        .any(|word| detail.contains(word));
    match is_quota {
        true => "delete what is not needed there, or ask who runs the registry for a larger quota",
        false => "ask the owner of the repository for the right to do that",
    }
}

impl ClientError {
    /// Whether what the user says of proxies or certificates cannot be used.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Proxy(_) | Self::Trust(_) | Self::Host(_) | Self::Insecure { .. }
        )
    }

    /// Whether something else came than was promised, or was to be asked for where no honest registry leads.
    pub fn is_distrust(&self) -> bool {
        matches!(
            self,
            Self::Untrusted { .. }
                | Self::TooLong { .. }
                | Self::Redirect { .. }
                | Self::Challenge { .. }
        )
    }

    /// Whether the registry cannot be reached or does not deliver, which tells nothing of its honesty.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            Self::Network { .. }
                | Self::Certificate { .. }
                | Self::Status { .. }
                | Self::Protocol { .. }
        )
    }

    /// Whether the same may succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Network { .. } => true,
            Self::Status { status, .. } => crate::retry::is_passing(*status),
            _ => false,
        }
    }

    /// As the error of a place where images are.
    pub(crate) fn at(self, place: String) -> OciError {
        match self {
            Self::Source(error) => error,
            other => OciError::Store {
                place,
                cause: Box::new(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_used_up_asks_for_room_and_not_for_a_right() {
        for (detail, is_quota) in [
            (": DENIED the quota of `a` is used up", true),
            (": DENIED Quota has been exceeded on namespace", true),
            (
                ": DENIED 2 MiB will exceed the configured upper limit of 10 MiB",
                true,
            ),
            (": DENIED requested access to the resource is denied", false),
            ("", false),
        ] {
            let error = ClientError::Forbidden {
                place: "r.example/a".to_owned(),
                detail: detail.to_owned(),
            };
            let error = error.to_string();
            assert_eq!(error.contains("larger quota"), is_quota, "{error}");
            assert_eq!(error.contains("the right to"), !is_quota, "{error}");
        }
    }
}
