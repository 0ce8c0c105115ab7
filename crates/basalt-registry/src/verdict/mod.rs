//! Policies: what must be so of images before they are pulled, or when they are pushed.
//!
//! A policy is about images. What is attached to one, signatures above all, is read and written whatever policies say:
//! nobody could verify or sign otherwise. A blob has no policy of its own: it is of use to nobody without a manifest.

mod base;
mod created;
mod image;
mod judge;
mod overview;
mod policy;
mod rule;
mod scan;
mod shelf;
mod signature;
#[cfg(test)]
mod tests;
mod vulnerability;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

pub use base::Base;
pub use image::{Subject, is_attachment_tag};
pub use judge::Breach;
pub use overview::{Decision, decide_all};
pub use policy::Policy;
pub use rule::{
    Consequence, Except, IdentityRule, Occasion, Require, Rule, Scanned, SignedBy, Wrong,
};
pub use scan::{Fixable, Severity, fixable};
pub use shelf::Bring;

use crate::blobs::Blobs;
use crate::metadata::{Metadata, Moment};
use crate::name::RepositoryName;
use crate::server::{Turn, Unfinished};
use crate::service::ServeError;
use shelf::Shelf;

/// All policies of a registry, in their order.
#[derive(Debug, Default)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// Policies of these rules. `url`: where clients reach this registry, if that is said; `read` reads a file.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something else.
    pub fn new(
        rules: Vec<Rule>,
        url: Option<&str>,
        read: impl Fn(&'static str, &Path) -> Result<String, ServeError>,
    ) -> Result<Self, ServeError> {
        let host = url.and_then(|url| url.split("://").nth(1));
        let host = host.and_then(|host| host.split('/').next());
        let host = host.map(str::to_ascii_lowercase);
        let rules = rules.into_iter();
        let policies = rules.map(|rule| Policy::new(rule, host.as_deref(), &read));
        Ok(Self(policies.collect::<Result<_, _>>()?))
    }

    /// Whether one of them is about a repository then.
    pub fn fit(&self, repository: &RepositoryName, occasion: Occasion) -> bool {
        self.0
            .iter()
            .any(|policy| policy.fits(repository, occasion))
    }

    /// The policy of this name.
    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name == name)
    }
}

/// Where a manifest and what belongs to it are.
#[derive(Clone)]
pub struct Stores {
    /// The metadata.
    pub metadata: Arc<dyn Metadata>,
    /// The blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Brings a blob here that an upstream has, where the repository is an upstream's.
    pub bring: Option<Bring>,
}

/// Ends the work when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Every policy that a manifest does not meet, whoever asks. It is judged by a thread that may wait, which keeps `turn` until it
/// ends; it ends soon after this future is dropped.
///
/// # Errors
/// When the metadata or the store of blobs fail: then nothing is known.
pub async fn judge(
    policies: &Arc<Policies>,
    stores: Stores,
    subject: Subject,
    occasion: Occasion,
    now: Moment,
    turn: Option<Turn>,
) -> Result<Vec<Breach>, Unfinished> {
    let (policies, runtime) = (Arc::clone(policies), Handle::current());
    let waiting = Waiting(Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&waiting.0);
    let judged = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let Stores {
            metadata,
            blobs,
            bring,
        } = stores;
        let repository = subject.repository.clone();
        let shelf = Shelf::new(metadata, blobs, repository, bring, (runtime, stop));
        let breaches = judge::judge(policies.0.iter(), &shelf, &subject, occasion, now);
        match shelf.failure() {
            Some(failure) => Err(failure),
            None => Ok(breaches),
        }
    });
    let breaches = judged.await?;
    drop(waiting);
    breaches
}
