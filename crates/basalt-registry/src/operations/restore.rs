//! A registry made of a backup: in a folder, or in a database and a store that others serve too.

use std::path::Path;

use super::backup::{Copied, apart, is_empty, remove_beside, snapshot, sync};
use super::hold::Hold;
use super::report::Report;
use super::verify::verify;
use super::{BackedUp, DATABASE, KEPT, Observer, Opened, OperationError};
use crate::blobs::{Folder, sync_folder};
use crate::metadata::sqlite::{copy_file, settle_copy};
use crate::service::Plan;

/// Makes a registry of a backup where a configuration has its own, in which nothing was done yet. All is looked at on the
/// way; the registry comes to be as a whole. What was a folder may come into a database and a bucket so, and the other way.
///
/// # Errors
/// When either cannot be used, or there is a registry already. Damage is no error: what there is is restored, and it is told.
pub fn restore(
    backup: &Path,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<(BackedUp, Report), OperationError> {
    if !backup.join(DATABASE).is_file() {
        let path = backup.to_owned();
        return Err(OperationError::NoRegistry { path });
    }
    match plan.is_in_folder() {
        true => super::run(into_folder(backup, &plan.root, observer)),
        false => {
            let opened = Opened::to_change(plan, KEPT)?;
            super::run(into_stores(backup, &opened, observer))
        }
    }
}

async fn into_folder(
    backup: &Path,
    root: &Path,
    observer: &dyn Observer,
) -> Result<(BackedUp, Report), OperationError> {
    if root.exists() && !is_empty(root)? {
        let path = root.to_owned();
        return Err(OperationError::NotEmpty { path });
    }
    apart(backup, root)?;
    let parent = match root.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(OperationError::file(parent))?;
    let made = tempfile::Builder::new()
        .prefix(".basalt-restore-")
        .tempdir_in(parent)
        .map_err(OperationError::file(parent))?;
    observer.stage("database", 1);
    let database = made.path().join(DATABASE);
    copy_file(&backup.join(DATABASE), &database)?;
    settle_copy(&database)?;
    let folder = Folder::open(made.path()).map_err(OperationError::file(made.path()))?;
    let copied = Copied {
        from: &Folder::at(backup),
        live: None,
        to: &folder,
    };
    let done = copied.all(snapshot(&database)?.as_ref(), observer).await?;
    sync(&database)?;
    let opened = Opened::to_read(made.path())?;
    // Each blob was compared with its digest when it was copied.
    let report = verify(&opened, true, observer).await?;
    drop(opened);
    remove_beside(&database)?;
    sync_folder(made.path()).map_err(OperationError::file(made.path()))?;
    std::fs::rename(made.path(), root).map_err(OperationError::file(root))?;
    // It is not a temporary folder any more, and has another name.
    let _ = made.keep();
    sync_folder(parent).map_err(OperationError::file(parent))?;
    Ok((done, report))
}

async fn into_stores(
    backup: &Path,
    opened: &Opened,
    observer: &dyn Observer,
) -> Result<(BackedUp, Report), OperationError> {
    if !opened.metadata().is_empty().await? {
        return Err(OperationError::Filled);
    }
    // The database comes last: until then a server would take each blob for one that nobody needs.
    let hold = Hold::take(opened.metadata()).await?;
    let copied = Copied {
        from: &Folder::at(backup),
        live: None,
        to: opened.blobs.as_ref(),
    };
    let database = backup.join(DATABASE);
    let known = snapshot(&database)?;
    let restoring = async {
        let done = copied.all(known.as_ref(), observer).await?;
        observer.stage("database", 1);
        match opened.metadata().fill_from(&database).await? {
            true => Ok(done),
            false => Err(OperationError::Filled),
        }
    };
    let done = hold.during(restoring).await?;
    let report = verify(opened, true, observer).await?;
    Ok((done, report))
}
