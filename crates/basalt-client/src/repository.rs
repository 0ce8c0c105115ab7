//! One repository of a registry: its manifests and tags (OCI distribution specification 1.1).

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use basalt_digest::Digest;
use basalt_fetch::address;
use basalt_oci::{Descriptor, OciError, media_type, read_document};
use serde::Deserialize;
use ureq::http::Method;

use crate::error::ClientError;
use crate::link;
use crate::reference::check_tag;
use crate::registry::{Ask, Registry};
use crate::transport::{Answer, Payload, origin};

/// The largest manifest that is read or written, in bytes: registries allow 4 MiB, some more.
pub(crate) const MAXIMUM_MANIFEST: u64 = 16 << 20;
/// The most tags, and the most pages of a list.
const MAXIMUM_TAGS: usize = 1_000_000;
pub(crate) const MAXIMUM_PAGES: usize = 10_000;
/// So many tags are asked for at once.
const PAGE: usize = 1000;

/// The media types that manifests are asked for as.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A repository of a registry. Reading asks its mirrors first, if the machine's configuration names any.
#[derive(Clone)]
pub struct Repository {
    name: String,
    sources: Arc<[Source]>,
    /// Whether the registry has the referrers API, once that is known.
    pub(crate) knows_referrers: Arc<OnceLock<bool>>,
    /// Held while a list of referrers that is kept as a tag is changed.
    pub(crate) list: Arc<Mutex<()>>,
}

/// A place that a repository is read from. The last of them is the one it is written to.
#[derive(Clone)]
pub(crate) struct Source {
    pub registry: Arc<Registry>,
    pub name: String,
    /// Whether it is asked for what a tag names.
    pub tags: bool,
    /// Whether it is asked for what a digest names.
    pub digests: bool,
}

/// What may be done with a repository (distribution's *Token Scope*).
#[derive(Clone, Copy)]
pub(crate) enum Right {
    Pull,
    Push,
    Delete,
}

/// What of a manifest or index matters to a registry.
#[derive(Default)]
pub(crate) struct Facts {
    pub media_type: Option<String>,
    pub subject: Option<Descriptor>,
    pub annotations: std::collections::BTreeMap<String, String>,
    kind: Option<String>,
}

impl Source {
    /// `repository:a/b:pull`.
    pub fn scope(&self, right: Right) -> String {
        let actions = match right {
            Right::Pull => "pull",
            Right::Push => "pull,push",
            Right::Delete => "delete,pull,push",
        };
        format!("repository:{}:{actions}", self.name)
    }

    pub fn url(&self, rest: &str) -> Result<String, ClientError> {
        Ok(format!("{}/v2/{}/{rest}", self.registry.base()?, self.name))
    }

    /// A request without a body.
    pub fn ask(&self, method: Method, url: String, right: Right) -> Ask<'_> {
        Ask {
            method,
            url,
            headers: Vec::new(),
            payload: Payload::Nothing,
            repository: &self.name,
            scopes: vec![self.scope(right)],
        }
    }

    pub fn refusal(&self, answer: Answer) -> ClientError {
        self.registry.refusal(answer, &self.name)
    }

    /// The answer to what asks for something, if that is there.
    fn found(&self, ask: Ask<'_>) -> Result<Option<Answer>, ClientError> {
        let answer = self.registry.call(ask)?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => {
                answer.finish();
                Ok(None)
            }
            _ => Err(self.refusal(answer)),
        }
    }

    /// A manifest or index by tag or digest, with a descriptor, if it is there.
    fn manifest(
        &self,
        reference: &str,
        digest: Option<&Digest>,
    ) -> Result<Option<(Descriptor, Vec<u8>)>, ClientError> {
        let mut ask = self.ask(
            Method::GET,
            self.url(&format!("manifests/{reference}"))?,
            Right::Pull,
        );
        ask.headers.push(("Accept", ACCEPTED.to_owned()));
        let Some(answer) = self.found(ask)? else {
            return Ok(None);
        };
        let url = address::shown(&answer.url);
        let promised = match digest {
            Some(digest) => Some(*digest),
            None => announced(&answer)?,
        };
        let said = media_type_of(&answer);
        let bytes = answer.bytes(MAXIMUM_MANIFEST)?;
        let found = Digest::of(&bytes);
        if promised.is_some_and(|promised| promised != found) {
            let promised = promised
                .map(|digest| digest.to_string())
                .unwrap_or_default();
            return Err(ClientError::Untrusted {
                url,
                cause: format!("the bytes are {found}, not {promised} as promised"),
            });
        }
        let facts = Facts::of(&bytes).map_err(|error| {
            let (url, cause) = (url.clone(), format!("what it gives as a manifest: {error}"));
            match bytes.first() {
                Some(b'{') => ClientError::Untrusted { url, cause },
                // A page for people, say.
                _ => ClientError::Protocol { url, cause },
            }
        })?;
        // Who is shown one kind must not be handed another (CVE-2021-41190).
        let media_type = match (said, facts.media_type) {
            (Some(said), Some(own)) if said != own => {
                let cause = format!("it calls `{own}` a `{said}`");
                return Err(ClientError::Untrusted { url, cause });
            }
            (_, Some(own)) => own,
            (Some(said), None) => said,
            (None, None) => media_type::MANIFEST.to_owned(),
        };
        Ok(Some((Descriptor::of(&media_type, &bytes), bytes)))
    }

    /// What a tag points at, if it is there.
    fn resolve(&self, tag: &str) -> Result<Option<Descriptor>, ClientError> {
        let mut ask = self.ask(
            Method::HEAD,
            self.url(&format!("manifests/{tag}"))?,
            Right::Pull,
        );
        ask.headers.push(("Accept", ACCEPTED.to_owned()));
        let Some(answer) = self.found(ask)? else {
            return Ok(None);
        };
        let facts = (announced(&answer)?, media_type_of(&answer), answer.length());
        if let (Some(digest), Some(media_type), Some(size)) = facts {
            return Ok(Some(Descriptor::new(&media_type, digest, size)));
        }
        // Without those headers, only the manifest itself tells.
        Ok(self.manifest(tag, None)?.map(|(descriptor, _)| descriptor))
    }
}

impl Facts {
    /// Reads what matters of a manifest or index.
    pub fn of(bytes: &[u8]) -> Result<Self, OciError> {
        let document = read_document(|| format!("manifest {}", Digest::of(bytes)), bytes)?;
        let config = document.config.map(|config| config.media_type);
        let kind = document.artifact_type.or(config);
        Ok(Self {
            media_type: document.media_type,
            subject: document.subject.map(Descriptor::try_from).transpose()?,
            annotations: document.annotations,
            kind: kind.filter(|kind| !kind.is_empty()),
        })
    }

    /// What kind of artifact it is (OCI distribution specification, *Listing Referrers*).
    pub fn kind(&self) -> Option<String> {
        self.kind.clone()
    }
}

impl Repository {
    pub(crate) fn new(name: String, sources: Vec<Source>) -> Self {
        Self {
            name,
            sources: sources.into(),
            knows_referrers: Arc::default(),
            list: Arc::default(),
        }
    }

    /// The host and the repository.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place that is written to.
    pub(crate) fn home(&self) -> Result<&Source, ClientError> {
        self.sources.last().ok_or_else(|| ClientError::NotFound {
            place: self.name.clone(),
            what: "place".to_owned(),
        })
    }

    /// The name of another repository, if this one's registry can take blobs from there without moving them.
    pub fn mountable_from<'a>(&self, other: &'a Self) -> Option<&'a str> {
        let (here, there) = (self.sources.last()?, other.sources.last()?);
        let same = here.registry.host() == there.registry.host() && here.name != there.name;
        same.then_some(there.name.as_str())
    }

    /// Asks one place after the other until one has it. What a mirror fails with does not matter.
    pub(crate) fn first<T>(
        &self,
        asked: impl Fn(&Source) -> bool,
        mut ask: impl FnMut(&Source) -> Result<Option<T>, ClientError>,
    ) -> Result<Option<T>, ClientError> {
        let (home, mirrors) = match self.sources.split_last() {
            Some((home, mirrors)) => (home, mirrors),
            None => return Ok(None),
        };
        for mirror in mirrors.iter().filter(|mirror| asked(mirror)) {
            match ask(mirror) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) => mirror
                    .registry
                    .tell_of_retry(mirror.registry.host(), &error),
            }
        }
        ask(home)
    }

    /// Asks the place itself once, for what is behind its name (`manifests/latest`, `blobs/sha256:…`), and gives the answer as
    /// it is: for who answers others with it, and judges its status, its length and its bytes.
    ///
    /// # Errors
    /// When the registry does not answer, does not take the credentials, or leads where it may not.
    pub fn exchange(
        &self,
        method: Method,
        rest: &str,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Answer, ClientError> {
        let home = self.home()?;
        let mut ask = home.ask(method, home.url(rest)?, Right::Pull);
        ask.headers = headers;
        home.registry.call_once(ask)
    }

    /// What a tag points at, if it is there.
    ///
    /// # Errors
    /// When the registry does not answer, or it is no tag.
    pub fn find(&self, tag: &str) -> Result<Option<Descriptor>, ClientError> {
        let tag = self.check_tag(tag)?;
        self.first(|source| source.tags, |source| source.resolve(tag))
    }

    /// A manifest or index, if it is there; its digest was compared.
    ///
    /// # Errors
    /// When the registry does not answer, or gives something else.
    pub fn get_manifest(
        &self,
        digest: &Digest,
    ) -> Result<Option<(Descriptor, Vec<u8>)>, ClientError> {
        self.first(
            |source| source.digests,
            |source| source.manifest(&digest.to_string(), Some(digest)),
        )
    }

    /// The manifest or index that a tag points at, if it is there, from the place itself.
    pub(crate) fn tagged(&self, tag: &str) -> Result<Option<(Descriptor, Vec<u8>)>, ClientError> {
        self.home()?.manifest(self.check_tag(tag)?, None)
    }

    /// All tags, sorted; page by page, of the place itself.
    ///
    /// # Errors
    /// When there is no such repository, or the list is not sound.
    pub fn list_tags(&self) -> Result<Vec<String>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let home = self.home()?;
        let mut tags = Vec::new();
        let mut next = Some(home.url(&format!("tags/list?n={PAGE}"))?);
        for _ in 0..MAXIMUM_PAGES {
            let Some(url) = next.take() else {
                tags.sort();
                tags.dedup();
                return Ok(tags);
            };
            let answer = home
                .registry
                .call(home.ask(Method::GET, url.clone(), Right::Pull))?;
            match answer.status {
                200 => {}
                404 => {
                    answer.finish();
                    return Err(ClientError::NotFound {
                        place: home.registry.host().to_owned(),
                        what: format!("repository `{}`", home.name),
                    });
                }
                _ => return Err(home.refusal(answer)),
            }
            next = next_page(&answer, &url)?;
            let shown = address::shown(&answer.url);
            let page: Page =
                serde_json::from_slice(&answer.bytes(MAXIMUM_MANIFEST)?).map_err(|error| {
                    ClientError::Protocol {
                        url: shown.clone(),
                        cause: format!("its list of tags is none: {error}"),
                    }
                })?;
            // What is no tag could lead elsewhere when it is asked for.
            let page = page.tags.unwrap_or_default();
            tags.extend(page.into_iter().filter(|tag| check_tag(tag).is_ok()));
            if tags.len() > MAXIMUM_TAGS {
                let limit = MAXIMUM_TAGS as u64;
                return Err(ClientError::TooLong { url: shown, limit });
            }
        }
        Err(endless(home.url("tags/list")?))
    }

    /// Writes a manifest under its digest, or a tag. Returns whether the registry noted its subject itself.
    pub(crate) fn send_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<bool, ClientError> {
        let home = self.home()?;
        let digest = Digest::of(bytes);
        let reference = match tag {
            Some(tag) => self.check_tag(tag)?.to_owned(),
            None => digest.to_string(),
        };
        let url = home.url(&format!("manifests/{reference}"))?;
        let answer = home.registry.call(Ask {
            method: Method::PUT,
            url,
            headers: vec![("Content-Type", media_type.to_owned())],
            payload: Payload::Bytes(bytes),
            repository: &home.name,
            scopes: vec![home.scope(Right::Push)],
        })?;
        if !matches!(answer.status, 200..=202) {
            return Err(home.refusal(answer));
        }
        if let Some(found) = announced(&answer)?
            && found != digest
        {
            return Err(ClientError::Untrusted {
                url: address::shown(&answer.url),
                cause: format!("it took {digest} for {found}"),
            });
        }
        let noted = answer.header("oci-subject").is_some();
        answer.finish();
        Ok(noted)
    }

    /// Removes a tag; what it points at stays.
    ///
    /// # Errors
    /// When it is not there, or the registry does not remove single tags.
    pub fn delete_tag(&self, tag: &str) -> Result<(), ClientError> {
        let tag = self.check_tag(tag)?;
        self.delete(&format!("manifests/{tag}"), || format!("tag `{tag}`"))
    }

    /// Removes a manifest, and with it the tags that point at it.
    ///
    /// # Errors
    /// When it is not there, or the registry does not remove manifests.
    pub fn delete_manifest(&self, digest: &Digest) -> Result<(), ClientError> {
        let subject = match self.home()?.manifest(&digest.to_string(), Some(digest))? {
            Some((_, bytes)) => Facts::of(&bytes).ok().and_then(|facts| facts.subject),
            None => None,
        };
        self.delete(&format!("manifests/{digest}"), || {
            format!("manifest {digest}")
        })?;
        match subject {
            Some(subject) => self.forget_referrer(&subject.digest, digest),
            None => Ok(()),
        }
    }

    /// Removes a blob.
    ///
    /// # Errors
    /// When it is not there, or the registry does not remove blobs.
    pub fn delete_blob(&self, digest: &Digest) -> Result<(), ClientError> {
        self.delete(&format!("blobs/{digest}"), || format!("blob {digest}"))
    }

    fn delete(&self, rest: &str, what: impl Fn() -> String) -> Result<(), ClientError> {
        let home = self.home()?;
        let ask = home.ask(Method::DELETE, home.url(rest)?, Right::Delete);
        let answer = home.registry.call(ask)?;
        match answer.status {
            200 | 202 | 204 => {}
            // The attempt before had done it when the connection broke.
            404 if answer.repeated => {}
            404 => {
                answer.finish();
                return Err(ClientError::NotFound {
                    place: self.name.clone(),
                    what: what(),
                });
            }
            _ => return Err(home.refusal(answer)),
        }
        answer.finish();
        Ok(())
    }

    fn check_tag<'a>(&self, tag: &'a str) -> Result<&'a str, ClientError> {
        check_tag(tag).map_err(|cause| ClientError::NotFound {
            place: self.name.clone(),
            what: format!("tag of this name: {cause}"),
        })
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The digest that an answer announces; one of another algorithm than SHA-256 tells nothing.
fn announced(answer: &Answer) -> Result<Option<Digest>, ClientError> {
    match answer.header("docker-content-digest") {
        Some(text) if text.starts_with("sha256:") => {
            text.parse().map(Some).map_err(|_| ClientError::Protocol {
                url: address::shown(&answer.url),
                cause: "its Docker-Content-Digest is no digest".to_owned(),
            })
        }
        _ => Ok(None),
    }
}

/// The media type that an answer announces, without parameters; general ones tell nothing.
fn media_type_of(answer: &Answer) -> Option<String> {
    let said = answer.header("content-type")?.split(';').next()?.trim();
    let general = [
        "",
        "application/json",
        "application/octet-stream",
        "text/plain",
    ];
    (!general.contains(&said)).then(|| said.to_owned())
}

/// Where the next page of a list is: on the same registry.
pub(crate) fn next_page(answer: &Answer, url: &str) -> Result<Option<String>, ClientError> {
    let Some(target) = answer.header("link").and_then(link::next) else {
        return Ok(None);
    };
    match address::resolve(url, target) {
        Some(next) if origin(&next) == origin(url) && next != url => Ok(Some(next)),
        other => Err(ClientError::Redirect {
            url: address::shown(url),
            to: address::shown(&other.unwrap_or_default()),
            cause: "the next page is not there",
        }),
    }
}

/// A list that does not end.
pub(crate) fn endless(url: String) -> ClientError {
    ClientError::Protocol {
        url: address::shown(&url),
        cause: format!("its list has more than {MAXIMUM_PAGES} pages"),
    }
}
