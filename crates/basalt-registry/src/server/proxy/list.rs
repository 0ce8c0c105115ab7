//! Tags and referrers of an upstream's repositories: as it says, or what is here when it does not answer.

use serde_json::{Value, json};

use super::{Proxying, warned};
use crate::digest::Digest;
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;
use crate::route::Page;
use crate::server::list::{self, MAXIMUM, linked};
use crate::server::request::{Outcome, Reply, Request};
use crate::upstream::{Remote, Trouble, referrers as ask_referrers, tags as ask_tags};

pub(super) async fn tags(
    request: &Request,
    remote: &Remote,
    repository: &RepositoryName,
    page: &Page,
) -> Outcome {
    remote.check(None)?;
    let object = format!("{repository}/tags");
    let asked = asked(request, remote, &object, ask_tags).await;
    let tags = match asked {
        Ok(tags) => tags,
        Err(trouble) => {
            passing(remote, &trouble)?;
            // Nothing is no answer: a client would take it for all there is.
            let here = request.registry.metadata.tags(repository, None, 1).await?;
            if here.is_none_or(|tags| tags.is_empty()) {
                return Err(trouble.fault(&remote.upstream.prefix, Code::NameUnknown));
            }
            request.registry.counts.upstream.stale();
            return Ok(warned(list::tags(request, repository, page).await?, true));
        }
    };
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM) as usize;
    let after = page.after.as_deref().unwrap_or("");
    let had = |tag: &&String| tag.as_str() > after && remote.upstream.has_tag(tag);
    let mut rest: Vec<&String> = tags.iter().filter(had).take(limit + 1).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let last = rest.last().filter(|_| more).map(|tag| (*tag).clone());
    let reply = Reply::json(&json!({"name": repository.as_str(), "tags": rest}));
    let path = format!("/v2/{repository}/tags/list");
    Ok(linked(reply, &path, "", limit, last))
}

pub(super) async fn referrers(
    request: &Request,
    remote: &Remote,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &Page,
) -> Outcome {
    remote.check(None)?;
    let object = format!("{repository}/referrers/{subject}");
    let (wanted, kind) = (subject.clone(), artifact_type.map(str::to_owned));
    let asked = asked(request, remote, &object, move |repository| {
        ask_referrers(repository, &wanted, kind.as_deref())
    });
    let found = match asked.await {
        Ok(found) => found,
        Err(Trouble::Absent) => Vec::new(),
        Err(trouble) => {
            passing(remote, &trouble)?;
            let here = list::referrers(request, repository, subject, artifact_type, page);
            request.registry.counts.upstream.stale();
            return Ok(warned(here.await?, true));
        }
    };
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM) as usize;
    let after = page.after.as_deref().unwrap_or("");
    let is_behind = |one: &&Value| one["digest"].as_str().is_some_and(|digest| digest > after);
    let mut rest: Vec<&Value> = found.iter().filter(is_behind).take(limit + 1).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let last = rest.last().filter(|_| more);
    let last = last.and_then(|one| one["digest"].as_str().map(str::to_owned));
    let path = format!("/v2/{repository}/referrers/{subject}");
    Ok(list::referrers_reply(
        &path,
        &json!(rest),
        artifact_type,
        limit,
        last,
    ))
}

/// Asks the upstream for a list, unless it has just said that there is none.
async fn asked<T: Send + 'static>(
    request: &Request,
    remote: &Remote,
    object: &str,
    asking: impl FnOnce(&basalt_client::Repository) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let proxying: &Proxying = &request.registry.proxying;
    if let Some(trouble) = proxying.refused(object) {
        return Err(trouble);
    }
    remote.ask(asking).await.inspect_err(|trouble| {
        request.registry.counts.upstream.failure();
        proxying.refuse(object, trouble);
    })
}

/// Refuses what no list from here makes good.
fn passing(remote: &Remote, trouble: &Trouble) -> Result<(), Fault> {
    match trouble.is_passing() {
        true => Ok(()),
        false => Err(trouble.fault(&remote.upstream.prefix, Code::NameUnknown)),
    }
}
