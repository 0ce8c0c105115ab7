//! Collects what is shown of one image: its platforms, layers, configuration, packages and what is attached.

use std::collections::BTreeMap;

use super::attached;
use super::document::{Config, Descriptor, Manifest, Running};
use super::gather::date;
use super::model::{Attached, Bill, Details, Image, Kind, Layer, Part, PlatformLine, Step};
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;
use crate::route::{Listing, Reference};
use crate::server::bills::read_blob;
use crate::server::request::Request;
use crate::server::verdict;

/// The longest configuration that is read, in bytes.
const MAXIMUM_CONFIG: u64 = 4 << 20;
/// The most manifests of an index, layers of an image, or entries of a list in a configuration, that are shown.
const MAXIMUM: usize = 500;
/// How many packages a page has.
const PACKAGES: u64 = 250;
/// The most tags that are shown of an image.
const TAGS: u64 = 100;

/// An image, and a page of its packages.
///
/// # Errors
/// When there is none, or the metadata fail.
pub async fn gather(
    request: &Request,
    repository: &RepositoryName,
    reference: &Reference,
    listing: &Listing,
) -> Result<Image, Fault> {
    let metadata = request.registry.metadata.as_ref();
    let record = metadata.manifest(repository, reference).await?;
    let unknown = || Fault::new(Code::ManifestUnknown, "the repository has no such image");
    let record = record.ok_or_else(unknown)?;
    let digest = record.head.digest.clone();
    let manifest: Manifest = serde_json::from_slice(&record.bytes).unwrap_or_default();
    let mut attached = attached::to(metadata, repository, &digest).await?;
    let mut platforms = Vec::new();
    for one in listed(&manifest).filter(|one| !is_attestation(one)) {
        platforms.push(PlatformLine {
            platform: platform_of(one),
            digest: one.digest.clone(),
            size: child_size(request, repository, one).await?,
            is_shown: false,
        });
    }
    let wanted = listing.platform.as_deref();
    let chosen = platforms
        .iter()
        .position(|one| wanted == Some(one.platform.as_str()))
        .or_else(|| {
            platforms
                .iter()
                .position(|one| one.platform == "linux/amd64")
        })
        .unwrap_or(0);
    let details = match platforms.get_mut(chosen) {
        Some(one) => {
            one.is_shown = true;
            match one.digest.parse() {
                Ok(child) => {
                    attached.extend(attached::to(metadata, repository, &child).await?);
                    attached.extend(within(&manifest, &child));
                    details_of(request, repository, child, listing).await?
                }
                Err(_) => None,
            }
        }
        None if is_image(&manifest) => {
            Some(details(request, repository, &digest, &manifest, listing).await?)
        }
        None => None,
    };
    let tags = metadata.tags_over(repository, &digest, TAGS).await?;
    let (tag, named) = match reference {
        Reference::Tag(tag) => (Some(tag.as_str().to_owned()), format!(":{tag}")),
        Reference::Digest(digest) => (None, format!("@{digest}")),
    };
    Ok(Image {
        repository: repository.as_str().to_owned(),
        place: format!("{}/{repository}{named}", super::host(request)),
        tag,
        size: size(request, repository, &manifest).await?,
        pushed: metadata.pushed(repository, &digest).await?.map(date),
        policies: verdict::shown(request, repository, &digest).await?,
        digest: digest.as_str().to_owned(),
        media_type: record.head.media_type,
        artifact_type: artifact_type(&manifest),
        tags: tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        subject: manifest.subject.map(|subject| subject.digest),
        annotations: manifest.annotations,
        platforms,
        details,
        is_signed: attached::has_signature(&attached),
        attached,
    })
}

fn listed(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    manifest.manifests.iter().take(MAXIMUM)
}

fn platform_of(one: &Descriptor) -> String {
    let platform = one.platform.as_ref();
    let text = platform.and_then(super::document::Platform::text);
    text.unwrap_or_else(|| "unknown".to_owned())
}

/// Whether it is BuildKit's manifest of what it states about another in the same index.
fn is_attestation(one: &Descriptor) -> bool {
    one.annotations.contains_key(crate::bills::IN_INDEX)
}

/// Whether a manifest is that of an image that runs.
fn is_image(manifest: &Manifest) -> bool {
    let config = manifest.config.as_ref();
    let kind = config.map_or("", |config| config.media_type.as_str());
    manifest.artifact_type.is_none()
        && (kind.contains(".image.") || kind.contains(".container.image"))
}

fn artifact_type(manifest: &Manifest) -> Option<String> {
    if is_image(manifest) || !manifest.manifests.is_empty() {
        return None;
    }
    let config = manifest.config.as_ref();
    manifest
        .artifact_type
        .clone()
        .or_else(|| config.map(|config| config.media_type.clone()))
}

/// What BuildKit states within an index about one of its images.
fn within(manifest: &Manifest, subject: &Digest) -> Vec<Attached> {
    let about = |one: &&Descriptor| {
        let named = one.annotations.get("vnd.docker.reference.digest");
        is_attestation(one) && named.map(String::as_str) == Some(subject.as_str())
    };
    let attached = listed(manifest).filter(about).map(|one| Attached {
        kind: Kind::Attestation,
        label: "Attestations in the index (BuildKit)".to_owned(),
        is_signed: false,
        digest: one.digest.clone(),
        artifact_type: one.media_type.clone(),
        subject: subject.as_str().to_owned(),
    });
    attached.collect()
}

/// How many bytes a manifest's layers and configuration have, or those of all that it lists.
///
/// # Errors
/// When the metadata fail.
pub async fn size(
    request: &Request,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<u64, Fault> {
    let mut total = own_size(manifest);
    for one in listed(manifest) {
        total = total.saturating_add(child_size(request, repository, one).await?);
    }
    Ok(total)
}

fn own_size(manifest: &Manifest) -> u64 {
    let parts = manifest.config.iter().chain(&manifest.layers);
    parts.fold(0, |total, one| total.saturating_add(one.size))
}

async fn child(
    request: &Request,
    repository: &RepositoryName,
    digest: &str,
) -> Result<Option<Manifest>, Fault> {
    let Ok(digest) = digest.parse() else {
        return Ok(None);
    };
    let metadata = request.registry.metadata.as_ref();
    let reference = Reference::Digest(digest);
    let record = metadata.manifest(repository, &reference).await?;
    Ok(record.and_then(|record| serde_json::from_slice(&record.bytes).ok()))
}

async fn child_size(
    request: &Request,
    repository: &RepositoryName,
    one: &Descriptor,
) -> Result<u64, Fault> {
    let manifest = child(request, repository, &one.digest).await?;
    Ok(manifest.as_ref().map_or(0, own_size))
}

/// What an image runs on, or those that an index lists.
///
/// # Errors
/// When the metadata fail.
pub async fn platforms(
    request: &Request,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<Vec<String>, Fault> {
    if !manifest.manifests.is_empty() {
        let images = listed(manifest).filter(|one| !is_attestation(one));
        return Ok(images.map(platform_of).take(20).collect());
    }
    if !is_image(manifest) {
        return Ok(Vec::new());
    }
    let config = config(request, repository, manifest).await?;
    Ok(config.platform.text().into_iter().collect())
}

async fn config(
    request: &Request,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<Config, Fault> {
    let digest = manifest.config.as_ref().map(|config| config.digest.parse());
    let Some(Ok(digest)) = digest else {
        return Ok(Config::default());
    };
    let bytes = read_blob(&request.registry, repository, &digest, MAXIMUM_CONFIG).await?;
    Ok(bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default())
}

async fn details_of(
    request: &Request,
    repository: &RepositoryName,
    digest: Digest,
    listing: &Listing,
) -> Result<Option<Details>, Fault> {
    match child(request, repository, digest.as_str()).await? {
        Some(manifest) if is_image(&manifest) => {
            let details = details(request, repository, &digest, &manifest, listing).await?;
            Ok(Some(details))
        }
        _ => Ok(None),
    }
}

async fn details(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
    manifest: &Manifest,
    listing: &Listing,
) -> Result<Details, Fault> {
    let metadata = request.registry.metadata.as_ref();
    let config = config(request, repository, manifest).await?;
    let bills = metadata.bills_of(repository, digest).await?;
    let mut packages = match bills.iter().find(|bill| bill.problem.is_none()) {
        Some(bill) => metadata.packages_of(bill.id).await?,
        None => Vec::new(),
    };
    packages.retain(|package| package.name.contains(&listing.filter));
    let (shown, packages) = Part::cut(packages, listing.page, PACKAGES);
    let steps = config.history.iter().filter(|step| !step.empty_layer);
    let mut steps = steps.map(Some).chain(std::iter::repeat(None));
    let layers = manifest.layers.iter().take(MAXIMUM).map(|layer| {
        let step = steps.next().flatten();
        let packages = step
            .map(super::document::History::packages)
            .unwrap_or_default();
        Layer {
            digest: layer.digest.clone(),
            media_type: layer.media_type.clone(),
            size: layer.size,
            made_by: match packages.is_empty() {
                true => step.and_then(made_by),
                false => None,
            },
            packages,
        }
    });
    Ok(Details {
        layers: layers.collect(),
        platform: config.platform.text(),
        digest: digest.as_str().to_owned(),
        history: config.history.iter().take(MAXIMUM).map(step).collect(),
        created: config.created,
        labels: config.config.labels.clone(),
        config: running(config.config),
        is_waiting: metadata.has_waiting_bill(repository, digest).await?,
        bills: bills.into_iter().map(bill).collect(),
        shown,
        packages,
    })
}

fn made_by(step: &super::document::History) -> Option<String> {
    let comment = step.comment.clone().filter(|text| !text.is_empty());
    let is_ours = step.created_by.as_deref() == Some("basalt build");
    match is_ours {
        true => comment,
        false => step.created_by.clone().or(comment),
    }
}

fn step(step: &super::document::History) -> Step {
    Step {
        created: step.created.clone(),
        made_by: step.created_by.clone(),
        comment: step.comment.clone(),
        has_layer: !step.empty_layer,
    }
}

fn bill(record: crate::metadata::BillRecord) -> Bill {
    Bill {
        manifest: record.manifest.as_str().to_owned(),
        format: record.format,
        is_signed: record.is_signed,
        packages: record.packages,
        problem: record.problem,
    }
}

/// What a configuration says, as far as it says something.
fn running(config: Running) -> BTreeMap<&'static str, Vec<String>> {
    let one = |text: String| match text.is_empty() {
        true => Vec::new(),
        false => vec![text],
    };
    let all = [
        ("user", one(config.user)),
        ("entrypoint", config.entrypoint),
        ("command", config.cmd),
        ("working-directory", one(config.working_dir)),
        ("environment", config.env),
        ("ports", config.exposed_ports.into_keys().collect()),
        ("volumes", config.volumes.into_keys().collect()),
        ("stop-signal", one(config.stop_signal)),
    ];
    let said = all.into_iter().filter(|(_, values)| !values.is_empty());
    said.map(|(name, mut values)| {
        values.truncate(MAXIMUM);
        (name, values)
    })
    .collect()
}
