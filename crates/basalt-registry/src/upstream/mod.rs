//! Registries whose repositories are had through this one: which there are, what may be had of them, and how they are asked.
//!
//! What is asked is asked with this registry's own credentials or with none: those of its users stay here.

mod ask;
mod breaker;
mod config;
mod trouble;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use basalt_client::{Client, Credential, Credentials, Repository, Settings};
use basalt_fetch::Limits;
use basalt_fetch::guard::NamedHosts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Glob;
use crate::fault::{Code, Fault};
use crate::name::{RepositoryName, Tag};
use crate::route::{Route, parameters};
use crate::service::ServeError;
use breaker::Breaker;

pub use ask::{Arrived, Head, Manifest, blob, head, manifest, referrers, tags};
pub use config::{Platform, UpstreamConfig, Wrong, check};
pub use trouble::Trouble;

/// How long a tag is taken for what it was, in milliseconds, when nothing is said: an hour.
const FRESH: i64 = 3600 * 1000;
/// How long is kept what nobody asks for, in milliseconds, when nothing is said: thirty days.
const KEEP: i64 = 30 * 24 * 3600 * 1000;
/// How long an upstream may say nothing when nothing is said of it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many requests it gets at once when nothing is said.
const FETCHES: u32 = 16;
/// How long a request waits until it is one of them.
const WAITING: Duration = Duration::from_secs(30);

/// All upstreams.
#[derive(Debug, Default)]
pub struct Upstreams(Vec<Arc<Upstream>>);

/// A registry whose repositories are had through this one.
pub struct Upstream {
    /// What its repositories begin with here: its name for people, too.
    pub prefix: String,
    /// How long a tag is taken for what it was, in milliseconds.
    pub fresh: i64,
    /// How long is kept what nobody asks for, in milliseconds.
    pub keep: i64,
    /// The longest blob, in bytes, if there is a bound of its own.
    pub maximum_blob: Option<u64>,
    url: String,
    namespaces: Vec<String>,
    repositories: Vec<Glob>,
    tags: Vec<Glob>,
    platforms: Vec<Platform>,
    client: Client,
    breaker: Breaker,
    fetches: Arc<Semaphore>,
}

/// A repository here that is one of an upstream's.
#[derive(Debug, Clone)]
pub struct Remote {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The repository's name there.
    pub name: String,
}

impl Upstreams {
    /// Those that are configured.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn new(configured: &[UpstreamConfig]) -> Result<Self, ServeError> {
        let all = configured
            .iter()
            .map(|one| Upstream::new(one).map(Arc::new));
        Ok(Self(all.collect::<Result<_, _>>()?))
    }

    /// What a repository here is there, if it is an upstream's.
    pub fn find(&self, repository: &RepositoryName) -> Option<Remote> {
        self.0.iter().find_map(|upstream| {
            let rest = repository.as_str().strip_prefix(&upstream.prefix)?;
            let name = rest.strip_prefix('/')?;
            Some(Remote {
                upstream: Arc::clone(upstream),
                name: name.to_owned(),
            })
        })
    }

    /// The route that is meant by who has this registry for a mirror, and says of what: `?ns=docker.io`.
    ///
    /// # Errors
    /// When it is no mirror of that.
    pub fn named(&self, mut route: Route, query: &str) -> Result<Route, Fault> {
        if self.0.iter().all(|one| one.namespaces.is_empty()) {
            return Ok(route);
        }
        let named = parameters(query).into_iter().flatten();
        let Some(namespace) = named.into_iter().find(|(name, _)| name == "ns") else {
            return Ok(route);
        };
        let Some(repository) = route.read_repository() else {
            return Ok(route);
        };
        let namespace = namespace.1.to_ascii_lowercase();
        let is_for = |one: &&Arc<Upstream>| one.namespaces.contains(&namespace);
        let upstream = self.0.iter().find(is_for).ok_or_else(|| {
            let message = "this registry is no mirror of that namespace";
            Fault::new(Code::NameUnknown, message)
        })?;
        *repository = format!("{}/{repository}", upstream.prefix)
            .parse()
            .map_err(|error: crate::name::NoRepositoryName| {
                Fault::new(Code::NameInvalid, error.to_string())
            })?;
        Ok(route)
    }
}

impl Upstream {
    fn new(config: &UpstreamConfig) -> Result<Self, ServeError> {
        let url = config.url.trim_end_matches('/').to_owned();
        let host = url.split_once("://").map_or("", |(_, host)| host);
        let host = host.to_ascii_lowercase();
        let unusable = |what: &'static str, path: &Path, cause: String| ServeError::File {
            what,
            path: path.to_owned(),
            cause,
        };
        let mut credentials = Credentials::none();
        if let (Some(user), Some(path)) = (&config.username, &config.password) {
            let password = crate::storage::secret("the password of an upstream", path)?;
            credentials = credentials.with(&host, Credential::password(user, &password));
        }
        let named = config.hosts.iter().cloned();
        let patience = config.patience.map_or(PATIENCE, |span| span.duration());
        let settings = Settings {
            limits: Limits {
                attempts: 1,
                ..Limits::default().with_patience(patience)
            },
            authorities: config.ca.iter().cloned().collect(),
            credentials,
            // The upstream itself was named, with its port: nothing else that listens at that address was.
            guarded: Some(NamedHosts::new(named.chain([host]))),
            ..Settings::default()
        };
        let client = Client::new(settings).map_err(|error| {
            let path = config.ca.clone().unwrap_or_default();
            unusable("the authorities of an upstream", &path, error.to_string())
        })?;
        let fetches = config.fetches.unwrap_or(FETCHES) as usize;
        Ok(Self {
            prefix: config.prefix.clone(),
            fresh: config.fresh.map_or(FRESH, |span| span.milliseconds()),
            keep: config.keep.map_or(KEEP, |span| span.milliseconds()),
            maximum_blob: config.blob.map(|size| size.0),
            url,
            namespaces: config
                .namespaces
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            repositories: config.repositories.clone(),
            tags: config.tags.clone(),
            platforms: config.platforms.clone(),
            client,
            breaker: Breaker::default(),
            fetches: Arc::new(Semaphore::new(fetches)),
        })
    }

    /// Whether this tag may be had. One that stands for a digest, as those of signatures do, is as good as that.
    pub fn has_tag(&self, tag: &str) -> bool {
        let digest = tag.strip_prefix("sha256-").and_then(|rest| rest.get(..64));
        let stands_for = |digest: &str| digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits(&self.tags, tag) || digest.is_some_and(stands_for)
    }

    /// Whether images of some platforms alone can be had.
    pub fn is_choosy(&self) -> bool {
        !self.platforms.is_empty()
    }

    /// Whether an image may be had that indexes list for these platforms. Of what belongs to no platform, everything may.
    pub fn has_platform(&self, platforms: &[String]) -> bool {
        let is_wanted = |platform: &String| {
            platform.starts_with("unknown/") || self.platforms.iter().any(|one| one.fits(platform))
        };
        self.platforms.is_empty() || platforms.is_empty() || platforms.iter().any(is_wanted)
    }

    /// The platforms that may be had, for people.
    pub fn platforms(&self) -> String {
        let names: Vec<String> = self.platforms.iter().map(Platform::to_string).collect();
        names.join(", ")
    }
}

impl Remote {
    /// Refuses what the configuration does not let anybody have.
    ///
    /// # Errors
    /// With that.
    pub fn check(&self, tag: Option<&Tag>) -> Result<(), Fault> {
        let prefix = &self.upstream.prefix;
        if !fits(&self.upstream.repositories, &self.name) {
            let message = format!(
                "of the upstream `{prefix}` not all repositories can be had here, and `{}` is none of those that can",
                self.name
            );
            return Err(Fault::new(Code::Denied, message));
        }
        match tag {
            Some(tag) if !self.upstream.has_tag(tag.as_str()) => {
                let message = format!(
                    "of the upstream `{prefix}` not all tags can be had here, and `{tag}` is none of those that can"
                );
                Err(Fault::new(Code::Denied, message))
            }
            _ => Ok(()),
        }
    }

    /// Asks the upstream, if it is not left alone and there is room for one more request. What asks may wait.
    ///
    /// # Errors
    /// When it does not give what it is asked for.
    pub async fn ask<T: Send + 'static>(
        &self,
        asking: impl FnOnce(&Repository) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let permit = self.permit().await?;
        let remote = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            remote.ask_now(asking)
        });
        asked
            .await
            .unwrap_or_else(|error| Err(Trouble::Silent(error.to_string())))
    }

    /// Waits until there is room for one more request.
    ///
    /// # Errors
    /// When the upstream is left alone, or that takes too long.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let rest = || self.upstream.breaker.rest(Instant::now());
        if let Some(rest) = rest() {
            return Err(Trouble::Resting(rest));
        }
        let waiting = Arc::clone(&self.upstream.fetches).acquire_owned();
        let permit = tokio::time::timeout(WAITING, waiting).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(Trouble::Crowded)?;
        // It may have failed while this waited.
        match rest() {
            Some(rest) => Err(Trouble::Resting(rest)),
            None => Ok(permit),
        }
    }

    /// Asks in this thread, and notes whether the upstream answered.
    ///
    /// # Errors
    /// As [`Remote::ask`].
    pub fn ask_now<T>(
        &self,
        asking: impl FnOnce(&Repository) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let upstream = &self.upstream;
        let repository = upstream.client.repository_at(&upstream.url, &self.name);
        let asked = repository
            .map_err(|error| Trouble::of(&error))
            .and_then(|repository| asking(&repository));
        match &asked {
            Ok(_) => upstream.breaker.answered(),
            Err(trouble) => self.note(trouble),
        }
        asked
    }

    /// Leaves the upstream alone for a moment, if it failed.
    fn note(&self, trouble: &Trouble) {
        let upstream = &self.upstream;
        match trouble.failure() {
            Some(asked) => {
                upstream.breaker.failed(asked, Instant::now());
            }
            None => upstream.breaker.answered(),
        }
        if !matches!(trouble, Trouble::Absent | Trouble::Here(_)) {
            crate::server::log::trouble(&format!(
                "the upstream `{}`, {}: {trouble}",
                upstream.prefix, self.name
            ));
        }
    }
}

/// Whether one of these patterns fits, or there are none.
fn fits(patterns: &[Glob], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.fits(text))
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("prefix", &self.prefix)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(text: &str) -> Upstreams {
        let text = format!("upstreams: [{text}]");
        let config = crate::config::Config::parse(Path::new("/registry.yaml"), &text);
        let config = config.expect("it is sound");
        Upstreams::new(&config.upstreams).expect("they can be")
    }

    #[test]
    fn a_repository_is_an_upstreams_by_its_whole_prefix() {
        let all = upstreams("{url: \"https://a.example\", prefix: hub}");
        for (name, expected) in [
            ("hub/library/alpine", Some("library/alpine")),
            ("hub/a", Some("a")),
            ("hub", None),
            ("hubs/a", None),
            ("x/hub/a", None),
        ] {
            let name = name.parse().expect("a name");
            let found = all.find(&name).map(|remote| remote.name);
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_namespace_leads_what_is_read_to_its_upstream_and_nothing_else() {
        let all = upstreams("{url: \"https://a.example\", prefix: hub, namespaces: [docker.io]}");
        let named = |method: &str, path: &str, query: &str| {
            let route = crate::route::parse(method, path, query).expect("a route");
            let route = all.named(route, query);
            route.map(|route| route.repository().map(|name| name.as_str().to_owned()))
        };
        let manifest = "/v2/a/manifests/one";
        let led = |query| {
            named("GET", manifest, query)
                .expect("it is one")
                .expect("a name")
        };
        assert_eq!(led("ns=docker.io"), "hub/a");
        assert_eq!(led("ns=Docker.IO"), "hub/a");
        assert_eq!(led(""), "a");
        assert!(named("GET", manifest, "ns=quay.io").is_err());
        let pushed = named("PUT", manifest, "ns=docker.io").expect("it is one");
        assert_eq!(pushed.as_deref(), Some("a"));
        let long = format!("/v2/{}/manifests/one", "a".repeat(254));
        assert!(named("GET", &long, "ns=docker.io").is_err());
    }

    #[test]
    fn tags_are_had_that_fit_and_those_that_stand_for_digests() {
        let all = upstreams("{url: \"https://a.example\", prefix: hub, tags: [\"3.*\"]}");
        let signature = format!("sha256-{}.sig", "0a".repeat(32));
        for (tag, expected) in [
            ("3.1", true),
            ("4", false),
            (&signature, true),
            ("sha256-0a.sig", false),
        ] {
            assert_eq!(all.0[0].has_tag(tag), expected, "{tag}");
        }
    }
}
