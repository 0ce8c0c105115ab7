//! How a command ends: exit codes, and errors with a way out.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use basalt_attest::AttestError;
use basalt_build::{BuildError, RecipeError};
use basalt_client::ClientError;
use basalt_fetch::CacheError;
use basalt_lock::LockError;
use basalt_oci::OciError;
use basalt_spec::SpecError;

/// The exit codes, as `basalt --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All is well.
    Done = 0,
    /// Something failed that no other code names.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The image spec or the lock is wrong.
    Spec = 3,
    /// What came from outside is not what was promised, or was made to harm: a signature, digest,
    /// size or date that is not to be trusted, a package that is malformed.
    Trust = 4,
    /// No set of packages meets the wishes.
    Unsolvable = 5,
    /// A maintainer script is not explained.
    Unexplained = 6,
    /// An assertion of the spec does not hold.
    Assertion = 7,
    /// `diff` found differences.
    Different = 8,
    /// A mirror or registry cannot be reached or does not deliver; that tells nothing of its honesty.
    Network = 9,
    /// A rule of `verify` is not met: a signature or an attestation is missing, or says something else.
    Unmet = 10,
    /// Stopped because the terminal was closed.
    HungUp = 129,
    /// Stopped from the keyboard.
    Interrupted = 130,
    /// Stopped by the system or by who runs it.
    Terminated = 143,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub status: Status,
    /// What went wrong, with its causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do about it, when the error itself does not say.
    pub help: Option<String>,
    /// Whether each message is one line, so that a line feed in it is outside text that poses as more.
    is_one_line: bool,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(status: Status, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            status,
            error: error.into(),
            help: None,
            is_one_line: false,
        }
    }

    /// Of an error whose messages are one line each.
    fn of_one_line(status: Status, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            is_one_line: true,
            ..Self::new(status, error)
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message and those of its causes, outermost first. A cause that its parent already
    /// spells out is left out.
    pub fn messages(&self) -> Vec<String> {
        let mut messages = vec![self.error.to_string()];
        let mut next = self.error.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !messages.last().is_some_and(|parent| parent.contains(&text)) {
                messages.push(text);
            }
            next = error.source();
        }
        if self.is_one_line {
            for message in &mut messages {
                *message = basalt_escape::line(message.trim_end()).into_owned();
            }
        }
        messages
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        // Both the spec's errors and the terminal begin with this word.
        let text = error.to_string();
        Self::new(Status::Spec, text.strip_prefix("error: ").unwrap_or(&text))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let status = match &error {
            BuildError::Spec(_)
            | BuildError::Slices(_)
            | BuildError::LockMoved { .. }
            | BuildError::Lock { .. } => Status::Spec,
            BuildError::Trust { .. }
            | BuildError::Freshness { .. }
            | BuildError::Malformed { .. }
            | BuildError::Package { .. } => Status::Trust,
            BuildError::Tree(cause) if cause.is_malformed_package() => Status::Trust,
            BuildError::Effects { cause, .. } if cause.is_malformed_package() => Status::Trust,
            BuildError::Fetch(cause) if cause.is_distrust() => Status::Trust,
            BuildError::Fetch(cause) if cause.is_usage() => Status::Usage,
            BuildError::Fetch(cause) if cause.is_network() => Status::Network,
            BuildError::Unsolvable { .. } => Status::Unsolvable,
            BuildError::Unexplained(_) => Status::Unexplained,
            BuildError::Assertions { .. } => Status::Assertion,
            _ => Status::Failed,
        };
        // The others show a source, or a list.
        let is_one_line = matches!(
            error,
            BuildError::Archive { .. }
                | BuildError::Malformed { .. }
                | BuildError::Package { .. }
                | BuildError::Fetch(_)
                | BuildError::Oci(_)
                | BuildError::Cache(_)
                | BuildError::Statement(_)
        );
        match is_one_line {
            true => Self::of_one_line(status, error),
            false => Self::new(status, error),
        }
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        match error {
            RecipeError::Spec(cause) => cause.into(),
            RecipeError::Io(cause) => cause.into(),
            error => Self::new(Status::Trust, error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Status::Failed, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Status::Failed, error)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::new(Status::Spec, error)
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::of_one_line(Status::Failed, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = status_of(&error);
        Self::of_one_line(status, error)
    }
}

/// The exit code of what a registry did not do.
fn status_of(error: &ClientError) -> Status {
    match error {
        ClientError::Reference(_) => Status::Usage,
        error if error.is_usage() => Status::Usage,
        error if error.is_distrust() => Status::Trust,
        error if error.is_network() => Status::Network,
        _ => Status::Failed,
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        match error {
            // An error in the middle of a stream comes wrapped: what is in it says what to do.
            OciError::Io(cause) => match cause.downcast::<OciError>() {
                Ok(OciError::Store { place, cause }) => OciError::Store { place, cause }.into(),
                Ok(inner) => Self::of_one_line(Status::Trust, inner),
                Err(cause) => Self::of_one_line(Status::Failed, OciError::Io(cause)),
            },
            OciError::Store { cause, place } => match cause.downcast::<ClientError>() {
                Ok(cause) => (*cause).into(),
                Err(cause) => Self::of_one_line(Status::Failed, OciError::Store { cause, place }),
            },
            OciError::WrongDigest { .. }
            | OciError::WrongSize { .. }
            | OciError::Malformed { .. }
            | OciError::OtherKind { .. }
            | OciError::Ambiguous { .. }
            | OciError::NotAFile { .. }
            | OciError::NotAManifest { .. }
            | OciError::TooLarge { .. } => Self::of_one_line(Status::Trust, error),
            OciError::Absent { .. } => Self::of_one_line(Status::Usage, error),
            _ => Self::of_one_line(Status::Failed, error),
        }
    }
}

impl From<AttestError> for Failure {
    fn from(error: AttestError) -> Self {
        match error {
            AttestError::Store(error) => error.into(),
            error @ AttestError::OtherKind { .. } => Self::of_one_line(Status::Trust, error),
            error => Self::of_one_line(Status::Failed, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_feed_of_a_server_or_a_layout_does_not_begin_a_line() {
        let hostile = "a\nerror: b\u{1b}[2J";
        let shown = "a\\u{a}error: b\\u{1b}[2J";
        let failures: [Failure; 3] = [
            ClientError::Status {
                url: "http://h/".to_owned(),
                status: 500,
                detail: format!(": {hostile}"),
            }
            .into(),
            OciError::Ambiguous {
                path: "layout".into(),
                tag: hostile.to_owned(),
            }
            .into(),
            BuildError::Archive {
                archive: "own".to_owned(),
                suite: "good".to_owned(),
                cause: hostile.to_owned(),
            }
            .into(),
        ];
        for failure in failures {
            let messages = failure.messages();
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert!(messages[0].contains(shown), "{messages:?}");
        }
    }
}
