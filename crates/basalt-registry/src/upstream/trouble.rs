//! Why an upstream did not give what it was asked for, and what clients are told of it.

use std::time::Duration;

use basalt_client::ClientError;
use hyper::StatusCode;

use crate::fault::{Code, Fault};

/// How long clients are asked to wait when the upstream does not say.
const WAIT: Duration = Duration::from_secs(5);

/// Why an upstream did not give something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It has no such thing.
    #[error("it has no such thing")]
    Absent,
    /// It does not let this registry have it.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It has too much to do.
    #[error("it has too much to do")]
    Busy(Option<Duration>),
    /// It fails.
    #[error("it fails: {cause}")]
    Failing {
        /// How.
        cause: String,
        /// How long it asks to be left alone.
        wait: Option<Duration>,
    },
    /// It says nothing.
    #[error("it does not answer: {0}")]
    Silent(String),
    /// It was left alone after it failed.
    #[error("it failed a moment ago, and is left alone for now")]
    Resting(Duration),
    /// It got as many requests as it may.
    #[error("too much is asked of it at once")]
    Crowded,
    /// It gives something else than it should, or leads where it may not.
    #[error("it is not to be trusted: {0}")]
    Untrusted(String),
    /// This registry does not take it, whatever the upstream says.
    #[error("{}", .0.message)]
    Here(Box<Fault>),
}

impl Trouble {
    /// Whether it may go better later, so that meanwhile what is here is good enough.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy(_)
                | Self::Failing { .. }
                | Self::Silent(_)
                | Self::Resting(_)
                | Self::Crowded
        )
    }

    /// How long the upstream is to be left alone, if it failed; within that, how long it asked for.
    pub fn failure(&self) -> Option<Option<Duration>> {
        match self {
            Self::Busy(wait) | Self::Failing { wait, .. } => Some(*wait),
            Self::Silent(_) => Some(None),
            _ => None,
        }
    }

    /// Of what the client of registries says.
    pub fn of(error: &ClientError) -> Self {
        match error {
            ClientError::NotFound { .. } => Self::Absent,
            ClientError::Unauthorized { .. } => Self::Refused(
                "it does not take this registry's credentials, or has no such repository"
                    .to_owned(),
            ),
            ClientError::Forbidden { .. } => {
                Self::Refused("this registry may not read it there".to_owned())
            }
            ClientError::Status { status: 429, .. } => Self::Busy(None),
            ClientError::Status { status, .. } => Self::status(*status, None),
            ClientError::Network { reason, .. } if reason.contains("timeout") => {
                Self::Silent(error.to_string())
            }
            ClientError::Network { .. } => Self::Failing {
                cause: error.to_string(),
                wait: None,
            },
            other => Self::Untrusted(other.to_string()),
        }
    }

    /// Of a status that is none of those that were hoped for.
    pub fn status(status: u16, wait: Option<Duration>) -> Self {
        match status {
            404 => Self::Absent,
            401 | 403 | 451 => Self::Refused(format!("it answers with status {status}")),
            429 => Self::Busy(wait),
            408 | 500..=599 => Self::Failing {
                cause: format!("it answers with status {status}"),
                wait,
            },
            _ => Self::Untrusted(format!("it answers with status {status}")),
        }
    }

    /// What the client is told; `absent`: the code for what is not there. It never asks for credentials, which would be those
    /// of this registry's users.
    pub fn fault(&self, upstream: &str, absent: Code) -> Fault {
        let message = |text: &str| format!("the upstream `{upstream}` {text}");
        let later = |status, text: &str, wait: Option<Duration>| {
            let seconds = wait.unwrap_or(WAIT).as_secs().max(1);
            Fault::new(Code::Unavailable, message(text))
                .status(status)
                .header("retry-after", seconds.to_string())
        };
        match self {
            Self::Absent => Fault::new(absent, message("has no such thing")),
            Self::Refused(cause) => Fault::new(
                Code::Denied,
                message(&format!(
                    "refuses: {cause}; who runs this registry can change what it signs in there with"
                )),
            ),
            Self::Busy(wait) => later(
                StatusCode::SERVICE_UNAVAILABLE,
                "has too much to do; try again later",
                *wait,
            ),
            Self::Failing { wait, .. } => later(
                StatusCode::BAD_GATEWAY,
                "fails; this registry's log says how",
                *wait,
            ),
            Self::Silent(_) => later(StatusCode::GATEWAY_TIMEOUT, "does not answer", None),
            Self::Resting(rest) => later(
                StatusCode::SERVICE_UNAVAILABLE,
                "failed a moment ago, and is left alone for now; try again later",
                Some(*rest),
            ),
            Self::Crowded => later(
                StatusCode::SERVICE_UNAVAILABLE,
                "is asked for too much at once; try again later",
                None,
            ),
            Self::Untrusted(_) => Fault::new(
                Code::Unavailable,
                message("gave something else than it should; this registry's log says what"),
            )
            .status(StatusCode::BAD_GATEWAY),
            Self::Here(fault) => Fault::clone(fault),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Here(Box::new(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_of_an_upstream_becomes_a_question_for_credentials() {
        for status in 100..600 {
            let fault = Trouble::status(status, None).fault("hub", Code::ManifestUnknown);
            assert_ne!(fault.status, StatusCode::UNAUTHORIZED, "{status}");
            assert_ne!(fault.code, Code::Unauthorized, "{status}");
            assert!(fault.status.is_client_error() || fault.status.is_server_error());
        }
    }

    #[test]
    fn what_may_go_better_later_says_when() {
        let wait = Some(Duration::from_secs(77));
        let fault = Trouble::status(429, wait).fault("hub", Code::ManifestUnknown);
        assert_eq!(fault.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(fault.headers.contains(&("retry-after", "77".to_owned())));
        assert!(Trouble::status(503, wait).is_passing());
        assert!(!Trouble::status(404, wait).is_passing());
        assert!(!Trouble::status(403, wait).is_passing());
    }
}
