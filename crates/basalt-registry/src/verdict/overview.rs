//! What policies would say to all tags, for who writes them.

use std::sync::Arc;

use serde::Serialize;

use super::{Breach, Occasion, Policies, Stores, Subject, is_attachment_tag, judge};
use crate::blobs::Blobs;
use crate::metadata::{Metadata, Moment, all_repositories};
use crate::name::{RepositoryName, Tag};
use crate::route::Reference;
use crate::server::Unfinished;

/// How many rows are asked for at once.
const ROWS: u64 = 1000;

/// What policies say to a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// In which repository.
    pub repository: String,
    /// Which tag.
    pub tag: String,
    /// What it names.
    pub digest: String,
    /// When they are asked.
    pub on: Occasion,
    /// Those that it does not meet.
    pub breaches: Vec<Breach>,
}

/// Judges all tags of all repositories that policies are about, on each occasion.
///
/// # Errors
/// When the metadata or the store of blobs fail.
pub async fn decide_all(
    policies: &Arc<Policies>,
    metadata: &Arc<dyn Metadata>,
    blobs: &Arc<dyn Blobs>,
    now: Moment,
) -> Result<Vec<Decision>, Unfinished> {
    let mut decisions = Vec::new();
    for repository in &all_repositories(metadata.as_ref()).await? {
        for on in [Occasion::Pull, Occasion::Push] {
            if policies.fit(repository, on) {
                let stores = (metadata, blobs);
                decisions.extend(decide(policies, stores, repository, on, now).await?);
            }
        }
    }
    Ok(decisions)
}

async fn decide(
    policies: &Arc<Policies>,
    (metadata, blobs): (&Arc<dyn Metadata>, &Arc<dyn Blobs>),
    repository: &RepositoryName,
    on: Occasion,
    now: Moment,
) -> Result<Vec<Decision>, Unfinished> {
    let mut decisions = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = metadata.tags(repository, after.as_deref(), ROWS).await?;
        let page = page.unwrap_or_default();
        let Some(last) = page.last() else {
            return Ok(decisions);
        };
        after = Some(last.clone());
        for tag in page {
            let Ok(tag) = tag.parse::<Tag>() else {
                continue;
            };
            let reference = Reference::Tag(tag.clone());
            let record = metadata.manifest(repository, &reference).await?;
            let Some(record) = record else {
                continue;
            };
            let subject = Subject {
                repository: repository.clone(),
                digest: record.head.digest.clone(),
                media_type: record.head.media_type,
                bytes: record.bytes,
            };
            let stores = Stores {
                metadata: Arc::clone(metadata),
                blobs: Arc::clone(blobs),
                bring: None,
            };
            let breaches = judge(policies, stores, subject, on, now, None).await?;
            // A signature is no image; something else under its tag may be one.
            if breaches.is_empty() && is_attachment_tag(&tag) {
                continue;
            }
            decisions.push(Decision {
                repository: repository.to_string(),
                tag: tag.to_string(),
                digest: record.head.digest.to_string(),
                on,
                breaches,
            });
        }
    }
}
