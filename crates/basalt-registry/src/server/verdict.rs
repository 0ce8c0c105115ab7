//! Policies, asked when manifests are pulled and pushed. What was found is remembered until something changes in the
//! repository, and for a minute at most: ages and the bases in other repositories change by themselves.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::proxy;
use super::remembered::Remembered;
use super::request::Request;
use super::turns::{Turn, Turns};
use super::warning;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::manifest::Facts;
use crate::metadata::ManifestHead;
use crate::name::RepositoryName;
use crate::route::Reference;
use crate::verdict::{Breach, Consequence, Occasion, Policies, Stores, Subject, judge};

/// How long a verdict counts.
const LIFE: Duration = Duration::from_secs(60);
/// How many manifests are judged at once, at least and at most: as many as there are processors, but the rest of a large
/// machine is for those that need no judging.
const AT_ONCE: (usize, usize) = (2, 4);
/// How long a manifest may wait to be judged.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of how many blobs of a pushed manifest it is asked whether they are here, before it is judged.
const CHECKED: usize = 64;

/// Policies, and what they said of late.
pub struct Verdicts {
    policies: Arc<Policies>,
    known: Remembered<Key, Known>,
    turns: Turns,
}

/// In which repository, and which manifest.
type Key = (RepositoryName, Digest);

/// What policies said.
#[derive(Clone)]
struct Known {
    /// The state of the repository.
    changes: u64,
    since: Instant,
    breaches: Arc<[Breach]>,
}

impl Known {
    fn is_good(&self) -> bool {
        self.since.elapsed() < LIFE
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        Self::new(Policies::default())
    }
}

impl Verdicts {
    /// Of these policies.
    pub fn new(policies: Policies) -> Self {
        let (least, most) = AT_ONCE;
        let processors = available_parallelism().map_or(least, NonZeroUsize::get);
        Self {
            policies: Arc::new(policies),
            known: Remembered::new(),
            turns: Turns::new(processors.clamp(least, most), PATIENCE),
        }
    }

    /// What policies say of a manifest that is pulled, whoever asks.
    pub(super) async fn on_pull(
        &self,
        request: &Request,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Arc<[Breach]>, Fault> {
        let registry = &request.registry;
        if !self.policies.fit(repository, Occasion::Pull) {
            return Ok(Arc::new([]));
        }
        // Asked first: what changes while it is judged makes the verdict an old one.
        let changes = registry.metadata.changes(repository).await?;
        let key = (repository.clone(), digest.clone());
        let known = || {
            let known = self.known.get(&key)?;
            (known.changes == changes && known.is_good()).then_some(known.breaches)
        };
        if let Some(breaches) = known() {
            return Ok(breaches);
        }
        let turn = self.turns.take(repository).await?;
        // Many may have waited for the same.
        if let Some(breaches) = known() {
            return Ok(breaches);
        }
        let reference = Reference::Digest(digest.clone());
        let Some(record) = registry.metadata.manifest(repository, &reference).await? else {
            return Ok(Arc::new([]));
        };
        let subject = Subject {
            repository: repository.clone(),
            digest: digest.clone(),
            media_type: record.head.media_type,
            bytes: record.bytes,
        };
        let breaches = self.judge(request, subject, Occasion::Pull, turn).await?;
        let known = Known {
            changes,
            since: Instant::now(),
            breaches: breaches.into(),
        };
        let breaches = Arc::clone(&known.breaches);
        self.known.add(key, known, Known::is_good);
        Ok(breaches)
    }

    async fn judge(
        &self,
        request: &Request,
        subject: Subject,
        occasion: Occasion,
        turn: Turn,
    ) -> Result<Vec<Breach>, Fault> {
        let registry = &request.registry;
        let stores = Stores {
            metadata: Arc::clone(&registry.metadata),
            blobs: Arc::clone(&registry.blobs),
            bring: proxy::bring(request, &subject.repository),
        };
        let now = super::now();
        let judged = judge(&self.policies, stores, subject, occasion, now, Some(turn));
        Ok(judged.await?)
    }

    /// The warnings of policies that are for this caller.
    ///
    /// # Errors
    /// When one of them denies it.
    fn apply(&self, request: &Request, breaches: &[Breach]) -> Result<Vec<String>, Fault> {
        let groups = &request.registry.gate.policy.groups;
        let caller = &request.identity.caller;
        let is_excepted = |breach: &&Breach| {
            let policy = self.policies.get(&breach.policy);
            policy.is_some_and(|policy| policy.except.has(caller, groups))
        };
        let mut warnings = Vec::new();
        for breach in breaches.iter().filter(|breach| !is_excepted(breach)) {
            match breach.consequence {
                Consequence::Deny => return Err(denied(breach)),
                Consequence::Warn => warnings.push(told(breach)),
            }
        }
        warnings.extend(warning::of_caller(caller, request.now));
        Ok(warnings)
    }
}

/// What policies say of an image that a page shows, whoever reads it.
///
/// # Errors
/// When the metadata fail.
pub(super) async fn shown(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<Breach>, Fault> {
    let verdicts = &request.registry.verdicts;
    let breaches = verdicts.on_pull(request, repository, digest);
    Ok(breaches.await?.to_vec())
}

/// The warnings for who pulls a manifest.
///
/// # Errors
/// When a policy denies it, or the metadata fail.
pub(super) async fn on_pull(
    request: &Request,
    repository: &RepositoryName,
    head: &ManifestHead,
) -> Result<Vec<String>, Fault> {
    let verdicts = &request.registry.verdicts;
    let breaches = verdicts.on_pull(request, repository, &head.digest);
    verdicts.apply(request, &breaches.await?)
}

/// The warnings for who pushes a manifest.
///
/// # Errors
/// When a policy denies it, or the metadata fail.
pub(super) async fn on_push(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
    bytes: &Bytes,
    facts: &Facts,
) -> Result<Vec<String>, Fault> {
    let registry = &request.registry;
    let verdicts = &registry.verdicts;
    if !verdicts.policies.fit(repository, Occasion::Push) {
        return verdicts.apply(request, &[]);
    }
    // What is not whole is refused for that, before anything is said of it. What is read to judge it stands first.
    for needed in facts.blobs.iter().take(CHECKED) {
        let found = registry.metadata.blob(repository, &needed.digest).await?;
        if found.is_none() {
            let message = format!("push first what the manifest needs: {}", needed.digest);
            return Err(Fault::new(Code::ManifestBlobUnknown, message));
        }
    }
    let subject = Subject {
        repository: repository.clone(),
        digest: digest.clone(),
        media_type: facts.media_type.clone(),
        bytes: bytes.clone(),
    };
    let turn = verdicts.turns.take(repository).await?;
    let judged = verdicts.judge(request, subject, Occasion::Push, turn);
    let breaches = judged.await?;
    verdicts.apply(request, &breaches)
}

fn told(breach: &Breach) -> String {
    format!(
        "the policy `{}` is not met: {}; wanted is {}",
        breach.policy, breach.found, breach.wanted
    )
}

fn denied(breach: &Breach) -> Fault {
    Fault::new(Code::Denied, told(breach)).detail(json!({
        "policy": breach.policy,
        "requirement": breach.requirement,
        "digest": breach.digest,
        "found": breach.found,
        "wanted": breach.wanted,
    }))
}
