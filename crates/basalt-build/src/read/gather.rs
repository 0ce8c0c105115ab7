//! The packages of images, fetched and read, as far as the cache does not remember them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use basalt_digest::Digest;
use basalt_fetch::Request;
use basalt_lock::{Lock, LockedPackage};
use rayon::prelude::*;

use crate::error::BuildError;
use crate::plan::policy::ReadPolicy;
use crate::read::package::{self, ReadPackage};
use crate::run::download::fetch;
use crate::run::session::Session;
use crate::run::stage::{CacheReport, Stage};

/// Packages with the way each is to be read and the key of that, in the order in which they are taken: those that take
/// longest come first, so that no thread is left alone with one at the end.
type Wanted<'a> = [(&'a LockedPackage, ReadPolicy, Digest)];

/// Where a package of a lock is found.
pub(crate) fn request_of(lock: &Lock, package: &LockedPackage) -> Request {
    Request {
        archive: package.archive.clone(),
        path: package.path.clone(),
        digest: package.sha256.into(),
        size: package.size,
        by_hash: false,
        state: lock.moment_of(&package.archive),
    }
}

/// The packages by the keys of how they are read.
pub(crate) fn packages(
    session: &Session,
    lock: &Lock,
    packages: &Wanted<'_>,
    cache: &mut CacheReport,
) -> Result<BTreeMap<Digest, ReadPackage>, BuildError> {
    let remembered = remembered(session, packages)?;
    let requests: Vec<Request> = packages
        .iter()
        .filter(|(_, _, key)| !remembered.contains_key(key))
        .map(|(package, _, _)| request_of(lock, package))
        .collect();
    fetch(session, &requests)?;
    cache.packages_total = packages.len();
    cache.packages = remembered.len();
    read_all(session, packages, remembered)
}

/// The packages that need not be read again.
fn remembered(
    session: &Session,
    packages: &Wanted<'_>,
) -> Result<BTreeMap<Digest, ReadPackage>, BuildError> {
    let look = |(_, _, key): &(&LockedPackage, ReadPolicy, Digest)| {
        let read = package::remembered(&session.cache, key)?;
        Ok(read.map(|read| (*key, read)))
    };
    session.threads.install(|| {
        packages
            .par_iter()
            .map(look)
            .filter_map(Result::transpose)
            .collect()
    })
}

/// Reads the packages that are not remembered.
fn read_all(
    session: &Session,
    packages: &Wanted<'_>,
    remembered: BTreeMap<Digest, ReadPackage>,
) -> Result<BTreeMap<Digest, ReadPackage>, BuildError> {
    let cached = remembered.len();
    session.stage(Stage::Read, packages.len() as u64, || {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(remembered);
        let failure: Mutex<Option<(usize, BuildError)>> = Mutex::default();
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads() {
                scope.spawn(|_| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some((package, policy, key)) = packages.get(number) else {
                            return;
                        };
                        let is_known = || lock_of(&results).contains_key(key);
                        if is_known() {
                            session.observer.step(Stage::Read, &package.name);
                            continue;
                        }
                        match package::package(
                            &session.cache,
                            &session.compression,
                            package,
                            policy,
                        ) {
                            Ok(read) => {
                                lock_of(&results).insert(*key, read);
                                session.observer.step(Stage::Read, &package.name);
                            }
                            Err(error) => {
                                next.store(packages.len(), Ordering::Relaxed);
                                let mut failure = lock_of(&failure);
                                // The first of the list is told, whichever thread failed first.
                                if failure.as_ref().is_none_or(|(first, _)| number < *first) {
                                    *failure = Some((number, error));
                                }
                                return;
                            }
                        }
                    }
                });
            }
        });
        if let Some((_, error)) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let read = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{} packages, {cached} of them cached", read.len());
        Ok((read, text))
    })
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
