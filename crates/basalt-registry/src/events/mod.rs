//! Who is told of changes, and of which.
//!
//! The audit log is the outbox: a line is written in the transaction of the change that it tells of, so an event is never
//! lost and never told of what did not happen. How far each hook is, is a row.

mod cloud;
mod deliver;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::Glob;
use crate::config::HookConfig;
use crate::metadata::AuditEntry;

pub use cloud::{document, signature};
pub use deliver::{Failure, run, send};

/// How often an event is tried when nothing is said: over some eight hours.
const ATTEMPTS: u64 = 60;
/// How long an attempt may take when nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A manifest came.
    PushManifest,
    /// A tag came.
    PushTag,
    /// A tag names another manifest now.
    MoveTag,
    /// A manifest was deleted.
    DeleteManifest,
    /// A tag was deleted.
    DeleteTag,
}

impl Action {
    /// What a line of the audit log is of, if hooks are told of that.
    pub fn of(line: &AuditEntry) -> Option<Self> {
        Some(match line.action.as_str() {
            "push manifest" => Self::PushManifest,
            "push tag" => Self::PushTag,
            "move tag" => Self::MoveTag,
            "delete manifest" | "retire manifest" => Self::DeleteManifest,
            "delete tag" | "retire tag" => Self::DeleteTag,
            _ => return None,
        })
    }

    /// The type of its CloudEvent.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PushManifest => "basalt.registry.manifest.pushed",
            Self::PushTag => "basalt.registry.tag.pushed",
            Self::MoveTag => "basalt.registry.tag.moved",
            Self::DeleteManifest => "basalt.registry.manifest.deleted",
            Self::DeleteTag => "basalt.registry.tag.deleted",
        }
    }
}

/// Someone who is told of changes.
#[derive(Clone)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Where to.
    pub url: String,
    /// What signs what is sent.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// Of which repositories; of all when there are none.
    pub repositories: Vec<Glob>,
    /// Of what; of all when there is nothing.
    pub events: Vec<Action>,
    /// How often an event is tried.
    pub attempts: u64,
    /// How long an attempt may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Hook {
    /// The hook that a configuration describes. `read` reads the file of its secret.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn new<E>(
        config: &HookConfig,
        read: impl FnOnce(&Path) -> Result<String, E>,
    ) -> Result<Self, E> {
        let secret = config.secret.as_deref().map(read).transpose()?;
        let secret = secret.map(|text| Zeroizing::new(text.trim().as_bytes().to_vec()));
        Ok(Self {
            name: config.name.clone(),
            url: config.url.clone(),
            secret,
            repositories: config.repositories.clone(),
            events: config.events.clone(),
            attempts: config.attempts.map_or(ATTEMPTS, u64::from),
            timeout: config.timeout.map_or(TIMEOUT, |span| span.duration()),
        })
    }

    /// What it is to be told of a line of the audit log, if anything.
    pub fn wants(&self, line: &AuditEntry) -> Option<Action> {
        let action = Action::of(line)?;
        let mut repositories = self.repositories.iter();
        let fits =
            self.repositories.is_empty() || repositories.any(|glob| glob.fits(&line.repository));
        let wanted = self.events.is_empty() || self.events.contains(&action);
        (fits && wanted).then_some(action)
    }
}
