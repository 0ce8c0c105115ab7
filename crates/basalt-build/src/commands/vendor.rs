//! Saving everything that a lock names, so that it can be built behind an air gap or in ten years.

use basalt_fetch::{Request, VendorStore};
use basalt_lock::Lock;

use crate::error::BuildError;
use crate::read::gather::request_of;
use crate::run::download::fetch;
use crate::run::session::Session;
use crate::run::stage::Stage;

/// Saves the packages that a lock names into a store. Returns their number and size in bytes.
///
/// # Errors
/// When a package cannot be had, or the store cannot be written.
pub fn vendor(
    session: &Session,
    lock: &Lock,
    store: &VendorStore,
) -> Result<(usize, u64), BuildError> {
    let requests: Vec<Request> = lock
        .packages
        .iter()
        .map(|package| request_of(lock, package))
        .collect();
    fetch(session, &requests)?;
    session.stage(Stage::Write, requests.len() as u64, || {
        let mut bytes = 0;
        for request in &requests {
            let blob = session.fetcher.open(request)?;
            bytes += blob.size();
            store.put(&blob.into_bytes()?)?;
            session.observer.step(Stage::Write, &request.path);
        }
        Ok((
            (requests.len(), bytes),
            format!("{} packages saved", requests.len()),
        ))
    })
}
