//! Which tags stay, by which rule, and which go.
//!
//! The first rule that fits a repository decides over its tags; repositories that none fits are left alone. A tag goes
//! that the rule does not keep. Its manifest goes with it if nothing else keeps that: another tag, an index that lists it,
//! a manifest that it refers to. The transaction that deletes decides that anew.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::access::{Glob, Policy};
use crate::config::Span;
use crate::digest::Digest;
use crate::metadata::{
    Author, Keeper, Metadata, MetadataError, Moment, Retired, TagRecord, all_repositories,
};
use crate::name::RepositoryName;

/// How many rows are asked for at once.
const ROWS: u64 = 1000;

/// Which tags of some repositories stay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Which repositories.
    pub repositories: Vec<Glob>,
    /// What of them stays.
    pub keep: Keep,
}

/// What stays: whatever one of these fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Keep {
    /// So many of those that were pushed last.
    pub newest: Option<u32>,
    /// Those that were pushed since.
    pub younger_than: Option<Span>,
    /// Those of these names.
    pub tags: Vec<Glob>,
}

/// What is to become of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// In which repository.
    pub repository: String,
    /// Which tag.
    pub tag: String,
    /// What it names.
    pub digest: String,
    /// When it was pushed, in milliseconds since 1970.
    pub pushed: Moment,
    /// Whether it stays.
    pub stays: bool,
    /// Why it stays, or what becomes of its manifest.
    pub because: String,
    /// The record that was decided over.
    #[serde(skip)]
    pub record: TagRecord,
}

/// Decides over all tags of a repository; nothing when no rule is about it.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn decide(
    metadata: &dyn Metadata,
    rules: &[Rule],
    policy: &Policy,
    repository: &RepositoryName,
    now: Moment,
) -> Result<Vec<Decision>, MetadataError> {
    let fits = |rule: &&Rule| {
        let mut globs = rule.repositories.iter();
        globs.any(|glob| glob.fits(repository.as_str()))
    };
    let Some(rule) = rules.iter().find(fits) else {
        return Ok(Vec::new());
    };
    let mut tags: Vec<TagRecord> = Vec::new();
    loop {
        let after = tags.last().map(|last| last.tag.as_str().to_owned());
        let page = metadata
            .tag_records(repository, after.as_deref(), ROWS)
            .await?;
        let is_last = (page.len() as u64) < ROWS;
        tags.extend(page);
        if is_last {
            break;
        }
    }
    // The newest first; those of one moment by name, so that the same are chosen each time.
    tags.sort_by(|one, other| {
        let newer = other.pushed.cmp(&one.pushed);
        newer.then_with(|| one.tag.cmp(&other.tag))
    });
    let mut reasons: BTreeMap<&str, String> = BTreeMap::new();
    let own = tags.iter().filter(|one| attached_to(one).is_none());
    for (place, record) in own.enumerate() {
        let is_immutable = policy.is_immutable(repository, &record.tag);
        let reason = reason(&rule.keep, record, place, now);
        let reason = match is_immutable {
            true => Some("it is immutable".to_owned()),
            false => reason,
        };
        reasons.extend(reason.map(|reason| (record.tag.as_str(), reason)));
    }
    // A tag by which older tools attach a signature stays as long as what it is attached to.
    let mut staying: HashMap<&Digest, &str> = HashMap::new();
    for record in &tags {
        if reasons.contains_key(record.tag.as_str()) {
            staying.insert(&record.digest, record.tag.as_str());
        }
    }
    let mut attached = Vec::new();
    for record in &tags {
        let Some(subject) = attached_to(record) else {
            continue;
        };
        let reason = match staying.get(&subject) {
            _ if policy.is_immutable(repository, &record.tag) => "it is immutable".to_owned(),
            Some(tag) => format!("it belongs to `{tag}`, which stays"),
            None => match metadata.keeper(repository, &subject).await? {
                Some(_) => format!("it belongs to {subject}, which stays"),
                None => continue,
            },
        };
        attached.push((record.tag.as_str(), reason));
    }
    reasons.extend(attached);
    let mut decisions = Vec::with_capacity(tags.len());
    for record in &tags {
        let reason = reasons.get(record.tag.as_str());
        let because = match reason {
            Some(reason) => reason.clone(),
            None => {
                let others = tags.iter().any(|other| {
                    other.digest == record.digest && reasons.contains_key(other.tag.as_str())
                });
                let keeper = metadata.keeper(repository, &record.digest).await?;
                fate(others, keeper)
            }
        };
        decisions.push(Decision {
            repository: repository.as_str().to_owned(),
            tag: record.tag.as_str().to_owned(),
            digest: record.digest.as_str().to_owned(),
            pushed: record.pushed,
            stays: reason.is_some(),
            because,
            record: record.clone(),
        });
    }
    Ok(decisions)
}

/// Why a rule keeps a tag that is the so-many-th newest.
fn reason(keep: &Keep, record: &TagRecord, place: usize, now: Moment) -> Option<String> {
    if let Some(glob) = keep.tags.iter().find(|glob| glob.fits(record.tag.as_str())) {
        return Some(format!("`tags: {}` fits it", glob.as_str()));
    }
    if let Some(newest) = keep.newest
        && place < newest as usize
    {
        return Some(format!("`newest: {newest}`: it is number {}", place + 1));
    }
    let span = keep.younger_than?;
    let is_young = record.pushed > now.saturating_sub(span.milliseconds());
    is_young.then(|| format!("`younger-than: {span}`"))
}

/// What becomes of the manifest of a tag that goes.
fn fate(others: bool, keeper: Option<Keeper>) -> String {
    match keeper {
        _ if others => "no rule keeps it; its manifest stays, another tag names it".to_owned(),
        Some(Keeper::Index(index)) => {
            format!("no rule keeps it; its manifest stays, the index {index} lists it")
        }
        Some(Keeper::Subject(subject)) => {
            format!("no rule keeps it; its manifest stays, it refers to {subject}")
        }
        None => "no rule keeps it; its manifest goes too".to_owned(),
    }
}

/// What a tag such as `sha256-<hex>.sig` belongs to.
fn attached_to(record: &TagRecord) -> Option<Digest> {
    let (algorithm, rest) = record.tag.as_str().split_once('-')?;
    let hex = rest.split('.').next().unwrap_or(rest);
    format!("{algorithm}:{hex}").parse().ok()
}

/// Decides over all repositories and hands each repository's decisions on.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn decide_all(
    metadata: &dyn Metadata,
    rules: &[Rule],
    policy: &Policy,
    now: Moment,
) -> Result<Vec<Decision>, MetadataError> {
    let mut decisions = Vec::new();
    for repository in all_repositories(metadata).await? {
        decisions.extend(decide(metadata, rules, policy, &repository, now).await?);
    }
    Ok(decisions)
}

/// Deletes the tags that go, with what nothing else keeps. How many tags and manifests.
///
/// # Errors
/// When the metadata cannot be changed.
pub async fn apply(
    metadata: &dyn Metadata,
    decisions: &[Decision],
    address: &str,
    now: Moment,
) -> Result<(u64, u64), MetadataError> {
    let author = Author {
        name: "retention".to_owned(),
        address: address.to_owned(),
        moment: now,
    };
    let mut done = (0, 0);
    for decision in decisions.iter().filter(|one| !one.stays) {
        let Ok(repository) = decision.repository.parse::<RepositoryName>() else {
            continue;
        };
        let retired = metadata.retire(&repository, &decision.record, author.clone());
        if let Some(Retired { manifests }) = retired.await? {
            done.0 += 1;
            done.1 += manifests;
        }
    }
    Ok(done)
}
