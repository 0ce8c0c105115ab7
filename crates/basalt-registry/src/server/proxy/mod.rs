//! Repositories that are an upstream's: what is here is answered from here, all else is had from there, once for all who ask,
//! and kept.
//!
//! The right to read is decided before, as for every other repository: who has none causes nothing to be asked.

mod blob;
mod download;
mod follow;
mod list;
mod manifest;
mod platform;
mod traffic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::remembered::Remembered;
use super::request::{Outcome, Reply, Request};
use crate::fault::{Code, Fault};
use crate::metadata::{Author, Moment};
use crate::name::RepositoryName;
use crate::route::Route;
use crate::upstream::{Remote, Trouble};
use crate::verdict::Bring;
use download::{Downloads, Wanted};

pub use follow::Following;
pub use traffic::Traffic;

/// How long it is remembered that an upstream has not got something, or gives it wrongly.
const REFUSED: Duration = Duration::from_secs(10);
/// How often it is noted that something was asked for, at most, in milliseconds: to note each time would cost a write a request.
const NOTED: i64 = 3600 * 1000;
/// How many turns are kept at hand beside those that are taken.
const TURNS: usize = 1000;
/// Tells a client that what it gets may be old (OCI distribution specification, *Warnings*).
const STALE: &str =
    "299 - \"Response is stale: the upstream does not answer, and may have something newer\"";

/// What is at hand with upstreams. It outlives a change of the configuration.
pub struct Proxying {
    downloads: Downloads,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    refused: Remembered<String, (Instant, Trouble)>,
}

impl Default for Proxying {
    fn default() -> Self {
        Self {
            downloads: Downloads::default(),
            turns: Mutex::default(),
            refused: Remembered::new(),
        }
    }
}

impl Proxying {
    /// Waits until nobody else asks for the same.
    async fn turn(&self, object: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > TURNS {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(object.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// Why an upstream did not give this a moment ago, if that is worth remembering.
    fn refused(&self, object: &str) -> Option<Trouble> {
        let (since, trouble) = self.refused.get(object)?;
        (since.elapsed() < REFUSED).then_some(trouble)
    }

    /// Remembers why an upstream did not give something. What passes is remembered of the upstream as a whole.
    fn refuse(&self, object: &str, trouble: &Trouble) {
        let is_lasting = match trouble {
            Trouble::Here(fault) => fault.code == Code::Denied,
            trouble => !trouble.is_passing(),
        };
        if is_lasting {
            let value = (Instant::now(), trouble.clone());
            let is_good = |(since, _): &(Instant, Trouble)| since.elapsed() < REFUSED;
            self.refused.add(object.to_owned(), value, is_good);
        }
    }
}

/// Answers what is about a repository of an upstream, where that is answered otherwise than for others.
pub(super) async fn answer(request: &mut Request, route: &Route) -> Option<Outcome> {
    let repository = route.repository()?;
    let remote = request.registry.upstreams.find(repository)?;
    Some(match route {
        Route::ReadManifest { reference, .. } => {
            manifest::read(request, &remote, repository, reference).await
        }
        Route::ReadBlob { digest, .. } => blob::read(request, &remote, repository, digest).await,
        Route::Tags { page, .. } => list::tags(request, &remote, repository, page).await,
        Route::Referrers {
            subject,
            artifact_type,
            page,
            ..
        } => {
            let artifact_type = artifact_type.as_deref();
            list::referrers(request, &remote, repository, subject, artifact_type, page).await
        }
        Route::PutManifest { .. }
        | Route::BeginUpload { .. }
        | Route::UploadStatus { .. }
        | Route::AppendUpload { .. }
        | Route::FinishUpload { .. }
        | Route::CancelUpload { .. } => Err(only_read(&remote)),
        // What is deleted is the copy.
        _ => return None,
    })
}

/// Brings blobs of a repository here that its upstream has; nothing for a repository that is no upstream's.
pub(super) fn bring(request: &Request, repository: &RepositoryName) -> Option<Bring> {
    let remote = request.registry.upstreams.find(repository)?;
    let (registry, repository) = (Arc::clone(&request.registry), repository.clone());
    let address = request.peer.address.to_string();
    Some(Arc::new(move |digest| {
        let registry = Arc::clone(&registry);
        let wanted = Wanted {
            registry: Arc::clone(&registry),
            remote: remote.clone(),
            repository: repository.clone(),
            digest,
            address: address.clone(),
        };
        Box::pin(async move {
            // What cannot be had is not here, which is all that is asked.
            if let Ok(download) = registry.proxying.downloads.join(wanted) {
                let _ = download.ended().await;
            }
        })
    }))
}

fn only_read(remote: &Remote) -> Fault {
    let message = format!(
        "repositories below `{}` are those of an upstream: they are read here, and pushed there",
        remote.upstream.prefix
    );
    Fault::new(Code::Denied, message)
}

/// Tells that an answer may be old, if it is.
fn warned(reply: Reply, is_stale: bool) -> Reply {
    match is_stale {
        true => reply.header("warning", STALE),
        false => reply,
    }
}

/// Who keeps copies, for the audit log: on behalf of whom is told by the address.
fn author(address: String, moment: Moment) -> Author {
    Author {
        name: "proxy".to_owned(),
        address,
        moment,
    }
}

/// Whether something that is kept until then is to be kept for longer, as it was asked for now.
fn is_to_be_noted(ends: Moment, keep: i64, now: Moment) -> bool {
    let left = ends.saturating_sub(now);
    left < keep.saturating_sub(NOTED.min(keep / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_an_hour_or_sooner_where_little_time_is_kept() {
        const DAY: i64 = 24 * NOTED;
        assert!(!is_to_be_noted(30 * DAY, 30 * DAY, 0));
        assert!(!is_to_be_noted(30 * DAY, 30 * DAY, NOTED));
        assert!(is_to_be_noted(30 * DAY, 30 * DAY, NOTED + 1));
        assert!(is_to_be_noted(1000, 1000, 251));
    }

    #[test]
    fn what_an_upstream_has_not_is_remembered_and_that_it_fails_is_not() {
        let proxying = Proxying::default();
        proxying.refuse("a", &Trouble::Absent);
        proxying.refuse("b", &Trouble::Busy(None));
        assert_eq!(proxying.refused("a"), Some(Trouble::Absent));
        assert_eq!(proxying.refused("b"), None);
    }
}
