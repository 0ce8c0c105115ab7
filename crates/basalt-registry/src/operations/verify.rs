//! Whether all that the metadata say is so.
//!
//! A server may run meanwhile: what seems wrong is asked for once more before it is told, for it may have been deleted,
//! or brought anew, since.

use std::collections::BTreeSet;

use super::report::{Kind, Leftover, Report};
use super::{DATABASE, Observer, Opened, OperationError};
use crate::audit::first_broken;
use crate::digest::{Digest, Hasher};
use crate::manifest;
use crate::metadata::sqlite::check_file;
use crate::metadata::{AuditEntry, BlobRecord, Place, StoredManifest};

/// How many rows are asked for at once; manifests bring their bytes.
const ROWS: u64 = 500;
const MANIFESTS: u64 = 20;
/// How much of a blob is read at once, in bytes.
const PIECE: usize = 4 << 20;

/// Looks at everything. When it is `quick`, of the blobs in files only their lengths are looked at.
///
/// # Errors
/// When the metadata or the store cannot be read.
pub async fn verify(
    opened: &Opened,
    quick: bool,
    observer: &dyn Observer,
) -> Result<Report, OperationError> {
    let mut report = Report::default();
    observer.stage("database", 1);
    let wrong = match &opened.database {
        Some(database) => {
            check_file(database, quick).unwrap_or_else(|error| vec![error.to_string()])
        }
        // That of a database server is its own matter.
        None => Vec::new(),
    };
    let is_whole = wrong.is_empty();
    for wrong in wrong {
        let detail = format!("{wrong}; `basalt registry repair` makes it anew");
        report.add(Kind::Database, DATABASE, detail, Vec::new());
    }
    match look(opened, quick, observer, &mut report).await {
        // What a broken database cannot tell was to be expected.
        Err(_) if !is_whole => Ok(report),
        looked => looked.map(|()| report),
    }
}

async fn look(
    opened: &Opened,
    quick: bool,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<(), OperationError> {
    let totals = opened.metadata().totals().await?;
    observer.stage("blobs", totals.blobs);
    blobs(opened, quick, observer, report).await?;
    observer.stage("manifests", totals.manifests);
    manifests(opened, observer, report).await?;
    observer.stage("audit", 0);
    audit(opened, observer, report).await?;
    observer.stage("leftovers", 256);
    leftovers(opened, observer, report).await
}

async fn blobs(
    opened: &Opened,
    quick: bool,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<(), OperationError> {
    let metadata = opened.metadata();
    let mut after: Option<String> = None;
    loop {
        let blobs = metadata.all_blobs(after.as_deref(), ROWS).await?;
        let Some(last) = blobs.last() else {
            return Ok(());
        };
        after = Some(last.digest.as_str().to_owned());
        for blob in blobs {
            report.blobs += 1;
            observer.step(blob.digest.as_str());
            let Some((kind, detail)) = wrong(opened, &blob, quick, report).await? else {
                continue;
            };
            // It was deleted, pushed anew or put aside meanwhile: then this is not it any more.
            let now = metadata.known_blob(&blob.digest).await?;
            if now.is_none_or(|now| now.place != blob.place) {
                continue;
            }
            let hurts = metadata.hurt_by(&blob.digest).await?;
            report.add(kind, blob.digest.as_str(), detail, hurts);
        }
    }
}

/// What is wrong with a blob.
pub(super) async fn wrong(
    opened: &Opened,
    blob: &BlobRecord,
    quick: bool,
    report: &mut Report,
) -> Result<Option<(Kind, String)>, OperationError> {
    let found = match &blob.place {
        Place::Damaged => {
            let detail = "it was found damaged and put aside; a push mends it";
            return Ok(Some((Kind::Quarantined, detail.to_owned())));
        }
        Place::Inside(bytes) => {
            report.blob_bytes += bytes.len() as u64;
            let digest = Digest::of(blob.digest.algorithm(), bytes);
            (bytes.len() as u64, Some(digest))
        }
        Place::Stored(upload) => match opened.blobs.open(&blob.digest, upload).await? {
            None => {
                let detail = "its file is not there; a push mends it";
                return Ok(Some((Kind::Missing, detail.to_owned())));
            }
            Some(stored) if quick => (stored.size(), None),
            Some(stored) => {
                let mut hasher = Hasher::new(blob.digest.algorithm());
                let mut length = 0;
                loop {
                    let bytes = match stored.read(length, PIECE).await {
                        Ok(bytes) => bytes,
                        Err(error) => {
                            let detail = format!("it cannot be read: {error}; a push mends it");
                            return Ok(Some((Kind::Digest, detail)));
                        }
                    };
                    if bytes.is_empty() {
                        break;
                    }
                    hasher.update(&bytes);
                    length += bytes.len() as u64;
                }
                report.blob_bytes += length;
                (length, Some(hasher.finish()))
            }
        },
    };
    Ok(match found {
        (length, _) if length != blob.size => {
            let detail = format!("it has {length} bytes, not {}; a push mends it", blob.size);
            Some((Kind::Length, detail))
        }
        (_, Some(digest)) if digest != blob.digest => {
            let detail = format!("its bytes have the digest {digest}; a push mends it");
            Some((Kind::Digest, detail))
        }
        _ => None,
    })
}

async fn manifests(
    opened: &Opened,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<(), OperationError> {
    let mut after = 0;
    loop {
        let page = opened.metadata().stored_manifests(after, MANIFESTS);
        let page = page.await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        for manifest in &page {
            report.manifests += 1;
            observer.step(manifest.record.head.digest.as_str());
            look_at(manifest, report);
        }
    }
}

/// Compares what is known of a manifest with what its bytes say. All of it was read at one moment.
fn look_at(stored: &StoredManifest, report: &mut Report) {
    let head = &stored.record.head;
    let bytes = &stored.record.bytes;
    let object = format!("{}@{}", stored.repository, head.digest);
    let name = |tag: &crate::name::Tag| format!("{}:{tag}", stored.repository);
    let hurts: Vec<String> = match stored.tags.is_empty() {
        true => vec![object.clone()],
        false => stored.tags.iter().take(100).map(name).collect(),
    };
    let is_whole = Digest::of(head.digest.algorithm(), bytes) == head.digest
        && bytes.len() as u64 == head.size;
    if !is_whole {
        let detail = "its bytes are not those of its digest; push it again";
        return report.add(Kind::Manifest, object, detail, hurts);
    }
    let facts = match manifest::read(Some(&head.media_type), bytes) {
        Ok(facts) => facts,
        Err(fault) => {
            // A registry of before took it.
            let detail = format!("it is not taken any more ({}); delete it", fault.message);
            return report.add(Kind::Manifest, object, detail, hurts);
        }
    };
    let needed: BTreeSet<&Digest> = facts.blobs.iter().map(|one| &one.digest).collect();
    let known: BTreeSet<&Digest> = stored.blobs.iter().map(|one| &one.digest).collect();
    let children: BTreeSet<&Digest> = facts.children.iter().map(|one| &one.digest).collect();
    let listed: BTreeSet<&Digest> = stored.children.iter().map(|one| &one.digest).collect();
    // Blobs that may be elsewhere are known if they were here when it was pushed.
    let is_foreign = |digest: &&&Digest| facts.foreign.contains(digest);
    let annotations = serde_json::to_string(&facts.annotations).unwrap_or_default();
    let has_all = needed.is_subset(&known)
        && known.difference(&needed).all(|digest| is_foreign(&digest))
        && children == listed;
    let same = (stored.is_copy || has_all)
        && facts.subject == stored.subject
        && facts.artifact_type == stored.artifact_type
        && annotations == stored.annotations;
    if !same {
        let detail = "the database says something else of it than its bytes; `basalt registry repair` mends that";
        report.add(Kind::Facts, &object, detail, hurts.clone());
    }
    for one in &facts.blobs {
        let held = stored.blobs.iter().find(|held| held.digest == one.digest);
        let wrong = match held {
            Some(held) if !held.is_member => "is not in its repository",
            Some(held) if held.size != one.size => "has another length than it says",
            // That the blob is damaged was told with the blob.
            _ => continue,
        };
        let detail = format!("the blob {} {wrong}; push it again", one.digest);
        report.add(Kind::Needs, &object, detail, hurts.clone());
    }
}

async fn audit(
    opened: &Opened,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<(), OperationError> {
    let metadata = opened.metadata();
    for head in metadata.audit_chains().await? {
        let chain = match head.chain.as_str() {
            "" => "the audit log".to_owned(),
            name => format!("the audit log, chain {name}"),
        };
        observer.step(&chain);
        let mut former: Option<AuditEntry> = None;
        let mut is_met = false;
        loop {
            let after = former.as_ref().map_or(0, |line| line.sequence);
            let lines = metadata.audit(&head.chain, after, ROWS).await?;
            if let Some(broken) = first_broken(former.as_ref(), &lines) {
                let detail = format!(
                    "line {} does not follow from the one before it: lines were changed, left out or put in",
                    broken.sequence
                );
                report.add(Kind::Audit, &chain, detail, Vec::new());
                break;
            }
            is_met |= lines
                .iter()
                .any(|line| line.sequence == head.sequence && line.hash == head.hash);
            report.audit_lines += lines.len() as u64;
            let Some(last) = lines.into_iter().next_back() else {
                if !is_met {
                    let detail =
                        format!("its end is not line {}, as it was written", head.sequence);
                    report.add(Kind::Audit, &chain, detail, Vec::new());
                }
                break;
            };
            former = Some(last);
        }
    }
    Ok(())
}

async fn leftovers(
    opened: &Opened,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<(), OperationError> {
    let now = crate::server::now();
    for part in 0..=u8::MAX {
        observer.step(&format!("{part:02x}"));
        let listed = opened.blobs.list(part).await?;
        if listed.is_empty() {
            continue;
        }
        let unknown = opened.metadata().unknown_places(listed, now).await?;
        for (digest, upload) in unknown {
            // It may have been removed since.
            let Some(found) = opened.blobs.open(&digest, &upload).await? else {
                continue;
            };
            report.leave(Leftover {
                path: opened.blobs.location(&digest, &upload),
                bytes: found.size(),
            });
        }
    }
    Ok(())
}
