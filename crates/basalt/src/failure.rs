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
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(status: Status, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            status,
            error: error.into(),
            help: None,
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
        Self::new(status, error)
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
        Self::new(Status::Failed, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = status_of(&error);
        Self::new(status, error)
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
                Ok(inner) => Self::new(Status::Trust, inner),
                Err(cause) => Self::new(Status::Failed, OciError::Io(cause)),
            },
            OciError::Store { cause, place } => match cause.downcast::<ClientError>() {
                Ok(cause) => (*cause).into(),
                Err(cause) => Self::new(Status::Failed, OciError::Store { cause, place }),
            },
            OciError::WrongDigest { .. }
            | OciError::WrongSize { .. }
            | OciError::Malformed { .. }
            | OciError::OtherKind { .. }
            | OciError::Ambiguous { .. }
            | OciError::TooLarge { .. } => Self::new(Status::Trust, error),
            _ => Self::new(Status::Failed, error),
        }
    }
}

impl From<AttestError> for Failure {
    fn from(error: AttestError) -> Self {
        match error {
            AttestError::Store(error) => error.into(),
            error @ AttestError::OtherKind { .. } => Self::new(Status::Trust, error),
            error => Self::new(Status::Failed, error),
        }
    }
}
