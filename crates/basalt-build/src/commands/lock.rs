//! From a spec and archives to a lock, written beside the spec.

use std::path::PathBuf;

use basalt_lock::{Lock, LockDifference, difference};
use serde::Serialize;

use crate::commands::minimize;
use crate::error::BuildError;
use crate::project::lock_file::write_lock;
use crate::project::project::Project;
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
pub fn lock(session: &Session, project: &Project) -> Result<(Lock, LockOutcome), BuildError> {
    let former = project.read_lock()?;
    lock_over(session, project, former.as_ref())
}

/// As [`lock`], over a former lock that is read already.
pub(crate) fn lock_over(
    session: &Session,
    project: &Project,
    former: Option<&Lock>,
) -> Result<(Lock, LockOutcome), BuildError> {
    let mut lock = resolve(session, project, former)?;
    lock.sort();
    minimize::pin(session, project, &mut lock)?;
    let path = project.lock_path.clone();
    let text = lock.render().map_err(|cause| BuildError::Lock {
        path: path.clone(),
        cause,
    })?;
    write_lock(&path, text.as_bytes())?;
    let outcome = LockOutcome {
        difference: former.map(|former| difference(former, &lock)),
        packages: lock.packages.len(),
        stages: session.times(),
        path,
    };
    Ok((lock, outcome))
}
