//! Collects what pages show and the JSON interface says, from the metadata.

use std::collections::HashMap;
use std::sync::Arc;

use basalt_deb::version::Version;

use super::document::Manifest;
use super::image;
use super::model::{
    PackageLine, Packages, Part, Repositories, Repository, RepositoryLine, TagLine,
};
use crate::access::Right;
use crate::bills::Query;
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::metadata::{Moment, PackageSearch, RepositoryOverview, TagOverview};
use crate::name::RepositoryName;
use crate::route::{Listing, Reference, Sort};
use crate::server::request::Request;

/// How many repositories, tags or images a page has.
const PAGE: u64 = 50;
/// How many names of repositories are asked for at once.
const NAMES: u64 = 1000;
/// The most repositories that are looked through, and the most tags that are sorted.
const MAXIMUM: u64 = 50_000;
/// The most tags that are named beside an image that has a package.
const TAGS: u64 = 4;

/// The repositories that who asks may read and whose names have the filter in them.
///
/// # Errors
/// When the metadata fail.
pub async fn repositories(request: &Request, listing: &Listing) -> Result<Repositories, Fault> {
    let registry = &request.registry;
    let filter = listing.filter.to_ascii_lowercase();
    let mut names: Vec<RepositoryName> = Vec::new();
    let mut after: Option<String> = None;
    let mut looked = 0;
    loop {
        let some = registry
            .metadata
            .repositories(after.as_deref(), NAMES)
            .await?;
        let is_last = (some.len() as u64) < NAMES;
        looked += some.len() as u64;
        after = some.last().map(|name| name.as_str().to_owned());
        names.extend(some.into_iter().filter(|name| {
            name.as_str().contains(&filter)
                && registry
                    .gate
                    .policy
                    .allows(&request.identity.caller, name, Right::Pull)
        }));
        if is_last || looked >= MAXIMUM {
            break;
        }
    }
    let (part, names) = Part::cut(names, listing.page, PAGE);
    let found = registry.metadata.repository_overviews(names).await?;
    Ok(Repositories {
        part,
        repositories: found.into_iter().map(line).collect(),
    })
}

fn line(overview: RepositoryOverview) -> RepositoryLine {
    RepositoryLine {
        name: overview.name.as_str().to_owned(),
        tags: overview.tags,
        size: overview.size,
        pushed: overview.pushed.map(date),
    }
}

/// A moment as RFC 3339 has it, to the second.
pub fn date(moment: Moment) -> String {
    let second = jiff::Timestamp::from_second(moment.div_euclid(1000)).unwrap_or_default();
    second.to_string()
}

/// A repository and a page of its tags.
///
/// # Errors
/// When there is none, or the metadata fail.
pub async fn repository(
    request: &Request,
    name: &RepositoryName,
    listing: &Listing,
) -> Result<Repository, Fault> {
    let metadata = request.registry.metadata.as_ref();
    let unknown = || Fault::new(Code::NameUnknown, "there is no such repository");
    let overview = metadata.repository_overviews(vec![name.clone()]).await?;
    // An upload that was begun makes a name known; it is a repository when something was pushed.
    let overview = overview
        .into_iter()
        .find(|one| one.pushed.is_some())
        .ok_or_else(unknown)?;
    let mut tags = metadata.tag_overviews(name, MAXIMUM).await?;
    tags.retain(|tag| !is_attachment(tag.tag.as_str()));
    let mut repository = line(overview);
    repository.tags = tags.len() as u64;
    tags.retain(|tag| tag.tag.as_str().contains(&listing.filter));
    sort(&mut tags, listing.sort);
    let (shown, tags) = Part::cut(tags, listing.page, PAGE);
    let mut list = Vec::with_capacity(tags.len());
    for tag in tags {
        list.push(tag_line(request, name, &tag).await?);
    }
    Ok(Repository {
        place: format!("{}/{name}", super::host(request)),
        line: repository,
        shown,
        list,
    })
}

/// Whether a tag is one of cosign's older format: `sha256-….sig`.
fn is_attachment(tag: &str) -> bool {
    let rest = tag.strip_prefix("sha256-").and_then(|rest| rest.get(64..));
    matches!(rest, Some(".sig" | ".att" | ".sbom"))
}

fn sort(tags: &mut [TagOverview], sort: Sort) {
    match sort {
        // They come by name, and stay so where nothing else tells them apart.
        Sort::Name => {}
        Sort::Date => tags.sort_by_key(|tag| std::cmp::Reverse(tag.pushed)),
        Sort::Version => {
            let version = |tag: &TagOverview| {
                let text = tag.tag.as_str();
                let text = text.strip_prefix('v').unwrap_or(text);
                let is_version = text.starts_with(|first: char| first.is_ascii_digit());
                Version::new(text).ok().filter(|_| is_version)
            };
            tags.sort_by_cached_key(|tag| std::cmp::Reverse(version(tag)));
        }
    }
}

async fn tag_line(
    request: &Request,
    repository: &RepositoryName,
    tag: &TagOverview,
) -> Result<TagLine, Fault> {
    let metadata = request.registry.metadata.as_ref();
    let mut line = TagLine {
        tag: tag.tag.as_str().to_owned(),
        digest: tag.digest.as_str().to_owned(),
        pushed: tag.pushed.map(date),
        size: 0,
        platforms: Vec::new(),
        is_signed: false,
    };
    let reference = Reference::Digest(tag.digest.clone());
    let Some(record) = metadata.manifest(repository, &reference).await? else {
        return Ok(line);
    };
    let manifest: Manifest = serde_json::from_slice(&record.bytes).unwrap_or_default();
    line.size = image::size(request, repository, &manifest).await?;
    line.platforms = image::platforms(request, repository, &manifest).await?;
    let attached = super::attached::to(metadata, repository, &tag.digest).await?;
    line.is_signed = super::attached::has_signature(&attached);
    Ok(line)
}

/// The images that have a package, as far as who asks may read them.
///
/// # Errors
/// When the question is none, or the metadata fail.
pub async fn packages(request: &Request, listing: &Listing) -> Result<Packages, Fault> {
    let query: Query = listing
        .filter
        .parse()
        .map_err(|error: crate::bills::NoQuery| {
            Fault::new(Code::Unsupported, error.to_string()).status(hyper::StatusCode::BAD_REQUEST)
        })?;
    let registry = Arc::clone(&request.registry);
    let caller = request.identity.caller.clone();
    let search = PackageSearch {
        query: query.clone(),
        is_shown: Arc::new(move |name| registry.gate.policy.allows(&caller, name, Right::Pull)),
        skip: (listing.page - 1) * PAGE,
        limit: PAGE,
    };
    let metadata = &request.registry.metadata;
    // It looks at many rows: other requests of this thread go elsewhere meanwhile.
    let found = tokio::task::block_in_place(|| metadata.search_packages(search)).await?;
    let mut images = Vec::with_capacity(found.found.len());
    let mut known: HashMap<(RepositoryName, Digest), (Vec<String>, Option<String>)> =
        HashMap::new();
    for one in found.found {
        let key = (one.repository, one.image);
        let (tags, platform) = match known.get(&key) {
            Some(told) => told.clone(),
            None => {
                let told = told(request, &key.0, &key.1).await?;
                known.insert(key.clone(), told.clone());
                told
            }
        };
        images.push(PackageLine {
            repository: key.0.as_str().to_owned(),
            digest: key.1.as_str().to_owned(),
            tags,
            platform,
            package: one.package,
        });
    }
    Ok(Packages {
        query: query.to_string(),
        part: Part::of(found.total, listing.page, PAGE),
        repositories: found.repositories,
        is_capped: found.is_capped,
        has_unordered: found.has_unordered,
        images,
    })
}

/// The tags of an image, and what it runs on.
async fn told(
    request: &Request,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<(Vec<String>, Option<String>), Fault> {
    let metadata = request.registry.metadata.as_ref();
    let tags = metadata.tags_over(repository, digest, TAGS).await?;
    let reference = Reference::Digest(digest.clone());
    let record = metadata.manifest(repository, &reference).await?;
    let manifest = record.and_then(|record| serde_json::from_slice(&record.bytes).ok());
    let manifest: Manifest = manifest.unwrap_or_default();
    let mut platforms = image::platforms(request, repository, &manifest).await?;
    let tags = tags.iter().map(|tag| tag.as_str().to_owned());
    Ok((tags.collect(), platforms.pop()))
}
