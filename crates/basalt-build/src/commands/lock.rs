//! From a spec and archives to a lock, written beside the spec.

use std::path::PathBuf;

use basalt_lock::{Lock, LockDifference, difference};
use basalt_spec::LoadedSpec;
use serde::Serialize;

use crate::commands::minimize;
use crate::error::BuildError;
use crate::project::lock_file::{lock_path, read_lock, write_lock};
use crate::resolve::lock::resolve;
use crate::run::session::Session;

/// What became of a lock.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockOutcome {
    /// The lock's file.
    pub path: PathBuf,
    /// What moved since the former lock; nothing when there was none.
    pub difference: Option<LockDifference>,
    /// How many packages it names.
    pub packages: usize,
    /// Time by stage.
    pub stages: Vec<crate::run::stage::StageTime>,
}

/// Resolves a spec against its archives as they are now, and writes the lock beside it.
///
/// # Errors
/// When an archive is refused, the spec cannot be solved, a package cannot be fetched or read, or a
/// maintainer script has lines that nothing explains.
pub fn lock(session: &Session, spec: &LoadedSpec) -> Result<(Lock, LockOutcome), BuildError> {
    let former = read_lock(spec)?;
    let mut lock = resolve(session, spec, former.as_ref())?;
    lock.sort();
    minimize::pin(session, spec, &mut lock)?;
    let path = lock_path(spec);
    let text = lock.render().map_err(|cause| BuildError::Lock {
        path: path.clone(),
        cause,
    })?;
    write_lock(&path, text.as_bytes())?;
    let outcome = LockOutcome {
        difference: former.as_ref().map(|former| difference(former, &lock)),
        packages: lock.packages.len(),
        stages: session.times(),
        path,
    };
    Ok((lock, outcome))
}
