//! Files of archives: from the cache, the vendor store, the mirrors, in this order.

use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use basalt_digest::{Digest, Promise};

use crate::address::{self, Url};
use crate::cache::{BlobWriter, CacheError, VerifiedBlob};
use crate::http::{Answer, Client, Conditions};
use crate::logins::Logins;
use crate::mirrors::Place;
use crate::proxy::Proxies;
use crate::trust::Trust;
use crate::{Cache, Event, FetchError, Limits, Mirror, Mirrors, Observer, Snapshots, VendorStore};

/// A file that a signed index promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The archive.
    pub archive: String,
    /// The path in it.
    pub path: String,
    /// The digest promised.
    pub digest: Promise,
    /// The size promised, in bytes.
    pub size: u64,
    /// Ask for it by its digest first (`Acquire-By-Hash`), which no mirror update can disturb.
    pub by_hash: bool,
    /// A moment, in seconds since 1970, at which the archive had it: for [`Snapshots`].
    pub state: Option<i64>,
}

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Never use the network.
    pub offline: bool,
    /// Bounds on each request.
    pub limits: Limits,
    /// A vendor store to look in before the network.
    pub vendor: Option<VendorStore>,
    /// Where to ask for what no mirror has any more.
    pub snapshots: Snapshots,
    /// Which certificates servers are judged by, and which one we show.
    pub trust: Trust,
    /// Who we are at servers whose URL names nobody.
    pub logins: Logins,
    /// By which proxies; those of the environment when none are given.
    pub proxies: Option<Proxies>,
}

/// Fetches files into a cache. Share it between threads.
#[derive(Clone)]
pub struct Fetcher {
    cache: Cache,
    mirrors: Mirrors,
    options: FetchOptions,
    client: Client,
    observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// A small file and what its server said about it.
pub(crate) struct SmallFile {
    pub url: String,
    pub bytes: Vec<u8>,
    pub unchanged: bool,
    pub etag: Option<String>,
    pub modified: Option<String>,
}

impl Fetcher {
    /// A fetcher into this cache.
    pub fn new(
        cache: Cache,
        mirrors: Mirrors,
        options: FetchOptions,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            cache,
            mirrors,
            client: Client::new(&options),
            options,
            observer,
        }
    }

    /// The cache it fetches into.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn options(&self) -> &FetchOptions {
        &self.options
    }

    /// A small file without a digest, at most `limit` bytes. Nothing of it enters the cache.
    ///
    /// # Errors
    /// When it cannot be had, is too long, or the network is off.
    pub fn get_index_file(
        &self,
        archive: &str,
        path: &str,
        limit: u64,
    ) -> Result<Vec<u8>, FetchError> {
        if self.options.offline {
            return Err(offline(archive, path));
        }
        Ok(self
            .small_file(archive, path, limit, &Conditions::default(), None)?
            .bytes)
    }

    /// Sees to it that a file is in the cache.
    ///
    /// # Errors
    /// When it is nowhere to be had as promised. Then nothing of it is in the cache.
    pub fn fetch_blob(&self, request: &Request) -> Result<(), FetchError> {
        if self.seems_to_have(request)? {
            return Ok(());
        }
        self.fetch_anew(request)
    }

    /// Whether a file is in the cache, as far as can be said without reading it.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn seems_to_have(&self, request: &Request) -> Result<bool, CacheError> {
        let digest = self.cache.digest_of(&request.digest)?;
        Ok(digest.is_some_and(|digest| self.cache.seems_to_have(&digest, Some(request.size))))
    }

    /// The SHA-256 digest of a file, under which the cache has it. One that is promised by another
    /// digest is fetched and compared with that first, unless the cache remembers it.
    ///
    /// # Errors
    /// As [`fetch_blob`](Self::fetch_blob).
    pub fn digest_of(&self, request: &Request) -> Result<Digest, FetchError> {
        for _ in 0..2 {
            if let Some(digest) = self.cache.digest_of(&request.digest)? {
                return Ok(digest);
            }
            self.fetch_anew(request)?;
        }
        Err(offline(&request.archive, &request.path))
    }

    /// Opens a file, fetching it when it is not in the cache or is not good there. What is read
    /// has been compared with its digest.
    ///
    /// # Errors
    /// As [`fetch_blob`](Self::fetch_blob).
    pub fn open(&self, request: &Request) -> Result<VerifiedBlob, FetchError> {
        for _ in 0..2 {
            if let Some(digest) = self.cache.digest_of(&request.digest)?
                && let Some(blob) = self.cache.open_verified(&digest, request.size)?
            {
                return Ok(blob);
            }
            self.fetch_anew(request)?;
        }
        // Somebody removes it as fast as we fetch it.
        Err(offline(&request.archive, &request.path))
    }

    /// Sees to it that files are in the cache, `parallel` at a time. The first failure stops
    /// the rest; what has come stays in the cache.
    ///
    /// # Errors
    /// The first failure.
    pub fn fetch_many(&self, requests: &[Request], parallel: usize) -> Result<(), FetchError> {
        let mut missing: Vec<&Request> = Vec::new();
        for request in requests {
            if !self.seems_to_have(request)? {
                missing.push(request);
            }
        }
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let failure = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..parallel.clamp(1, 64).min(missing.len()) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(request) = missing.get(next.fetch_add(1, Ordering::Relaxed))
                        else {
                            return;
                        };
                        if let Err(error) = self.fetch_blob(request) {
                            stop.store(true, Ordering::Relaxed);
                            if let Ok(mut failure) = failure.lock() {
                                failure.get_or_insert(error);
                            }
                        }
                    }
                });
            }
        });
        failure.into_inner().ok().flatten().map_or(Ok(()), Err)
    }

    fn fetch_anew(&self, request: &Request) -> Result<(), FetchError> {
        if !address::is_plain_path(&request.path) {
            return Err(FetchError::Path(request.path.clone()));
        }
        if let Some((mut blob, place)) = self.find_here(request)? {
            let mut writer = self.cache.writer_for(&request.digest)?;
            basalt_digest::copy(&mut blob, &mut writer)?;
            return commit(writer, request, place);
        }
        if self.options.offline {
            return Err(offline(&request.archive, &request.path));
        }
        let name = request.path.clone();
        let size = Some(request.size);
        self.observer.event(Event::DownloadStarted {
            name: name.clone(),
            size,
        });
        let result = self.download(request);
        self.observer.event(match &result {
            Ok(()) => Event::DownloadFinished {
                name,
                size: request.size,
            },
            Err(error) => Event::DownloadFailed {
                name,
                reason: error.to_string(),
            },
        });
        result
    }

    /// The file from a place on this machine, and that place's name. The cache itself is one where it knows the bytes by one
    /// of two digests that are promised, and has yet to compare the other.
    fn find_here(
        &self,
        request: &Request,
    ) -> Result<Option<(VerifiedBlob, &'static str)>, FetchError> {
        let digest = match request.digest.sha256() {
            Some(digest) => digest,
            None => match self.cache.digest_of(&request.digest)? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        if let Promise::Both(..) = request.digest
            && let Some(blob) = self.cache.open_verified(&digest, request.size)?
        {
            return Ok(Some((blob, "the cache")));
        }
        let vendored = match &self.options.vendor {
            Some(vendor) => vendor.open_verified(&digest, request.size)?,
            None => None,
        };
        Ok(vendored.map(|blob| (blob, "the vendor store")))
    }

    fn download(&self, request: &Request) -> Result<(), FetchError> {
        let failure = match self.download_from_any(&self.mirrors.of(&request.archive)?, request) {
            Err(error @ FetchError::NotFound { .. }) => error,
            other => return other,
        };
        let state = match request.state {
            Some(moment) => self.options.snapshots.of(&request.archive, moment)?,
            None => None,
        };
        match state {
            Some(state) => self.download_from_any(&[state], request),
            None => Err(failure),
        }
    }

    /// Asks one mirror after the other.
    fn download_from_any(&self, mirrors: &[Mirror], request: &Request) -> Result<(), FetchError> {
        let mut urls = Vec::new();
        for mirror in mirrors {
            let by_hash = request.by_hash.then(|| by_hash_path(request));
            for path in by_hash.iter().chain([&request.path]) {
                urls.push(mirror.place(path));
            }
        }
        let mut first = None;
        for place in &urls {
            let result = match place {
                Place::Url(url) => self.download_from(url, request),
                Place::File(path) => self.copy_file(path, request),
            };
            match result {
                Ok(()) => return Ok(()),
                // What is wrong with the cache or the settings is not better at the next mirror.
                Err(error) if matches!(error, FetchError::Cache(_)) || error.is_usage() => {
                    return Err(error);
                }
                Err(error) => {
                    // "Not found" says less than what another place had to say.
                    let weak = matches!(first, None | Some(FetchError::NotFound { .. }));
                    if weak {
                        first = Some(error);
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| offline(&request.archive, &request.path)))
    }

    fn copy_file(&self, path: &std::path::Path, request: &Request) -> Result<(), FetchError> {
        let url = format!("file://{}", path.display());
        let file = basalt_file::open(path).map_err(|_| FetchError::NotFound {
            url: url.clone(),
            status: 404,
        })?;
        let mut writer = self.cache.writer_for(&request.digest)?;
        let mut content = file.take(request.size.saturating_add(1));
        basalt_digest::copy(&mut content, &mut writer)?;
        commit(writer, request, &url)
    }

    fn download_from(&self, url: &Url, request: &Request) -> Result<(), FetchError> {
        // What an attempt that was cut got is kept for the next, which asks for the rest.
        let mut kept: Option<(BlobWriter, u64)> = None;
        self.with_retries(&request.path, || {
            let (mut writer, offset) = match kept.take() {
                Some(kept) => kept,
                None => (self.cache.writer_for(&request.digest)?, 0),
            };
            let conditions = Conditions {
                offset,
                ..Conditions::default()
            };
            let answer = match self.client.get(url, &conditions) {
                Ok(answer) => answer,
                Err(error) => {
                    kept = Some((writer, offset));
                    return Err(error);
                }
            };
            check_status(&answer)?;
            let mut received = offset;
            if answer.offset != offset {
                if answer.offset != 0 {
                    // Not the part that was asked for; begin again.
                    return Err(FetchError::Short {
                        url: answer.url,
                        received: 0,
                        expected: request.size,
                    });
                }
                writer = self.cache.writer_for(&request.digest)?;
                received = 0;
            }
            if let Some(length) = answer.length
                && received.saturating_add(length) != request.size
            {
                return Err(FetchError::Size {
                    url: answer.url,
                    announced: received.saturating_add(length),
                    expected: request.size,
                });
            }
            let shown = answer.url.clone();
            let limit = request.size - received;
            let mut came = 0;
            let result = answer.copy_to(&mut writer, limit, self.client.limits(), &mut |bytes| {
                came += bytes;
                let name = request.path.clone();
                self.observer.event(Event::DownloadProgress { name, bytes });
            });
            received += came;
            match result {
                Ok(_) if received == request.size => commit(writer, request, &shown),
                Ok(_) => {
                    kept = Some((writer, received));
                    Err(FetchError::Short {
                        url: shown,
                        received,
                        expected: request.size,
                    })
                }
                // All is there; the digest decides, not how the server takes its leave.
                Err(FetchError::Network { .. }) if received == request.size => {
                    commit(writer, request, &shown)
                }
                Err(error) => {
                    if matches!(
                        error,
                        FetchError::Network { .. } | FetchError::TooSlow { .. }
                    ) {
                        kept = Some((writer, received));
                    }
                    Err(error)
                }
            }
        })
    }

    /// A small file from the first mirror that has it. `asked` is the URL that the conditions
    /// are about: no other server may answer "unchanged".
    pub(crate) fn small_file(
        &self,
        archive: &str,
        path: &str,
        limit: u64,
        conditions: &Conditions,
        asked: Option<&str>,
    ) -> Result<SmallFile, FetchError> {
        if !address::is_plain_path(path) {
            return Err(FetchError::Path(path.to_owned()));
        }
        let mut first = None;
        for mirror in self.mirrors.of(archive)? {
            let result = match mirror.place(path) {
                Place::File(path) => read_small(&path, limit),
                Place::Url(url) => {
                    let known = asked == Some(url.to_string().as_str());
                    let none = Conditions::default();
                    let conditions = if known { conditions } else { &none };
                    self.with_retries(path, || self.get_small(&url, limit, conditions))
                }
            };
            match result {
                Ok(file) => return Ok(file),
                Err(error) if error.is_usage() => return Err(error),
                Err(error) => {
                    if matches!(first, None | Some(FetchError::NotFound { .. })) {
                        first = Some(error);
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| offline(archive, path)))
    }

    fn get_small(
        &self,
        url: &Url,
        limit: u64,
        conditions: &Conditions,
    ) -> Result<SmallFile, FetchError> {
        let answer = self.client.get(url, conditions)?;
        let conditional = conditions.etag.is_some() || conditions.modified_since.is_some();
        let mut file = SmallFile {
            url: url.to_string(),
            bytes: Vec::new(),
            unchanged: answer.status == 304 && conditional,
            etag: answer.etag.clone(),
            modified: answer.modified.clone(),
        };
        if file.unchanged {
            return Ok(file);
        }
        check_status(&answer)?;
        let (shown, length) = (answer.url.clone(), answer.length);
        if length.is_some_and(|length| length > limit) {
            return Err(FetchError::TooLong { url: shown, limit });
        }
        let received = answer.copy_to(&mut file.bytes, limit, self.client.limits(), &mut |_| {})?;
        match length {
            Some(expected) if received != expected => Err(FetchError::Short {
                url: shown,
                received,
                expected,
            }),
            _ => Ok(file),
        }
    }

    fn with_retries<T>(
        &self,
        name: &str,
        mut attempt: impl FnMut() -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let limits = self.client.limits();
        let mut wait = limits.backoff;
        for _ in 1..limits.attempts.max(1) {
            match attempt() {
                Err(error) if error.may_pass() => {
                    let (name, reason) = (name.to_owned(), error.to_string());
                    self.observer.event(Event::DownloadRetried { name, reason });
                    thread::sleep(wait);
                    wait = wait.saturating_mul(2);
                }
                result => return result,
            }
        }
        attempt()
    }
}

fn offline(archive: &str, path: &str) -> FetchError {
    FetchError::Offline {
        archive: archive.to_owned(),
        path: path.to_owned(),
    }
}

/// `dists/…/by-hash/SHA256/<hex>`, or `SHA512`, beside the file's own name.
fn by_hash_path(request: &Request) -> String {
    let folder = request
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let gap = if folder.is_empty() { "" } else { "/" };
    let (hash, hex) = (request.digest.name(), request.digest.hex());
    format!("{folder}{gap}by-hash/{hash}/{hex}")
}

fn check_status(answer: &Answer) -> Result<(), FetchError> {
    let (url, status) = (answer.url.clone(), answer.status);
    match status {
        200 | 206 => Ok(()),
        404 | 410 => Err(FetchError::NotFound { url, status }),
        401 => Err(FetchError::Unauthorized { url, status }),
        _ => Err(FetchError::Status { url, status }),
    }
}

fn commit(writer: BlobWriter, request: &Request, url: &str) -> Result<(), FetchError> {
    match writer.commit_promised(&request.digest) {
        Ok(_) => Ok(()),
        Err(CacheError::Unexpected {
            expected, found, ..
        }) => {
            let url = url.to_owned();
            // SHA-256 is compared first.
            Err(match (&request.digest, &*expected) {
                (Promise::Both(..), Promise::Sha512(_)) => FetchError::Contradiction {
                    url,
                    expected,
                    found,
                },
                _ => FetchError::Digest {
                    url,
                    expected,
                    found,
                },
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn read_small(path: &std::path::Path, limit: u64) -> Result<SmallFile, FetchError> {
    let url = format!("file://{}", path.display());
    let file = basalt_file::open(path).map_err(|_| FetchError::NotFound {
        url: url.clone(),
        status: 404,
    })?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FetchError::TooLong { url, limit });
    }
    Ok(SmallFile {
        url,
        bytes,
        unchanged: false,
        etag: None,
        modified: None,
    })
}
