//! One HTTP request: bounded in time, rate, redirects and size.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, PROXY_AUTHENTICATE};

use crate::address::Url;
use crate::connection::{Pace, range_start};
use crate::connections::{ConnectError, Connections, Problem};
use crate::logins::Logins;
use crate::{FetchError, FetchOptions};

/// The bounds on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest wait for an answer's headers, and for the next bytes of its body.
    pub read: Duration,
    /// The slowest body that is borne, in bytes a second, measured over each span of `grace`.
    pub minimum_rate: u64,
    /// How long a body may be slower than that.
    pub grace: Duration,
    /// The most redirects that are followed.
    pub redirects: u32,
    /// How often a request is tried.
    pub attempts: u32,
    /// The wait before the second attempt; doubled for each further one.
    pub backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
            minimum_rate: 1024,
            grace: Duration::from_secs(30),
            redirects: 5,
            attempts: 3,
            backoff: Duration::from_millis(500),
        }
    }
}

impl Limits {
    /// Waits so long, and no longer, for a connection, for an answer, for the next bytes of its
    /// body, and for a slow body to come faster.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self {
            connect: patience,
            read: patience,
            grace: patience,
            ..self
        }
    }
}

/// What a request asks beside its URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// Leave out so many bytes at the beginning.
    pub offset: u64,
    pub etag: Option<String>,
    pub modified_since: Option<String>,
}

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    /// The URL after redirects, as it may be shown.
    pub url: String,
    pub status: u16,
    /// Where in the file the body begins.
    pub offset: u64,
    pub length: Option<u64>,
    pub etag: Option<String>,
    pub modified: Option<String>,
    body: ureq::Body,
}

/// Makes requests; keeps connections for the next.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    connections: Arc<Connections>,
    logins: Logins,
    limits: Limits,
}

impl Client {
    pub fn new(options: &FetchOptions) -> Self {
        let connections = Connections::new(options.limits, options.trust.clone());
        Self {
            connections: Arc::new(match &options.proxies {
                Some(proxies) => connections.by(proxies.clone()),
                None => connections,
            }),
            logins: options.logins.clone(),
            limits: options.limits,
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks for a URL, following redirects. The user name, the password and the certificate that are meant for its
    /// host go to no other.
    pub fn get(&self, url: &Url, conditions: &Conditions) -> Result<Answer, FetchError> {
        let authorization = self.logins.of_url(url)?.and_then(|login| login.header());
        let mut current = url.clone();
        for _ in 0..=self.limits.redirects {
            let shown = current.to_string();
            let is_at_home = current.is_of_origin(url);
            let whole = current.whole();
            let mut request = self.connections.agent(&whole, is_at_home)?.get(&whole);
            if let (true, Some(authorization)) = (is_at_home, &authorization) {
                request = request.header(AUTHORIZATION, authorization);
            }
            if conditions.offset > 0 {
                request = request.header("Range", format!("bytes={}-", conditions.offset));
            }
            if let Some(etag) = &conditions.etag {
                request = request.header("If-None-Match", etag);
            }
            if let Some(moment) = &conditions.modified_since {
                request = request.header("If-Modified-Since", moment);
            }
            let response = request.call().map_err(|error| {
                let url = shown.clone();
                match self.connections.explain(&whole, &error) {
                    Problem::Certificate(cause) => FetchError::Certificate { url, cause },
                    Problem::Network(reason) => FetchError::Network { url, reason },
                }
            })?;
            let header = |name: &str| {
                let value = response.headers().get(name)?;
                Some(value.to_str().ok()?.to_owned())
            };
            let status = response.status().as_u16();
            if status == 407 && response.headers().contains_key(PROXY_AUTHENTICATE) {
                return Err(FetchError::Network {
                    url: shown,
                    reason: "the proxy wants a user name and a password: write its variable as http://USER:PASSWORD@HOST:PORT".to_owned(),
                });
            }
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                let length = header("content-length").and_then(|length| length.parse().ok());
                let offset = match status {
                    206 => range_start(header("content-range").as_deref()).ok_or_else(|| {
                        FetchError::Network {
                            url: shown.clone(),
                            reason: "the server does not say which part it sends".to_owned(),
                        }
                    })?,
                    _ => 0,
                };
                let (etag, modified) = (header("etag"), header("last-modified"));
                let body = response.into_body();
                return Ok(Answer {
                    url: shown,
                    status,
                    offset,
                    length,
                    etag,
                    modified,
                    body,
                });
            }
            let location = header("location").unwrap_or_default();
            let next = current.redirected(&location);
            match next {
                Ok(next) if current.may_lead(&next) => current = next,
                _ => {
                    return Err(FetchError::RedirectRefused {
                        url: shown,
                        to: crate::address::shown(&location),
                    });
                }
            }
        }
        Err(FetchError::Redirects {
            url: url.to_string(),
            limit: self.limits.redirects,
        })
    }
}

impl From<ConnectError> for FetchError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Url { url, cause } => Self::Network {
                url,
                reason: cause.to_owned(),
            },
            ConnectError::Proxy(error) => Self::Proxy(error),
            ConnectError::Trust(error) => Self::Trust(error),
        }
    }
}

impl Answer {
    /// Copies the body, at most `limit` bytes of it; `progress` hears how many came. Returns
    /// how many there were.
    pub fn copy_to(
        self,
        writer: &mut impl Write,
        limit: u64,
        limits: &Limits,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, FetchError> {
        let url = self.url;
        let mut body = self.body.into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 64 << 10];
        let mut pace = Pace::new(limits, Instant::now());
        let mut received = 0;
        while received < limit {
            let room = usize::try_from(limit - received)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let count = match body.read(&mut buffer[..room]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Where a length was announced, who called sees by it that some is missing.
                Err(error)
                    if error.kind() == io::ErrorKind::UnexpectedEof && self.length.is_some() =>
                {
                    return Ok(received);
                }
                Err(error) => {
                    return Err(FetchError::Network {
                        url,
                        reason: error.to_string(),
                    });
                }
            };
            if count == 0 {
                return Ok(received);
            }
            writer.write_all(&buffer[..count])?;
            received += count as u64;
            progress(count as u64);
            if !pace.keeps(count, Instant::now()) {
                return Err(FetchError::TooSlow {
                    url,
                    rate: limits.minimum_rate,
                });
            }
        }
        // One more read ends the exchange, so that the connection can serve the next request;
        // what comes unannounced is too much.
        match body.read(&mut buffer[..1]) {
            Ok(0) => Ok(received),
            Ok(_) => Err(FetchError::TooLong { url, limit }),
            Err(error) => Err(FetchError::Network {
                url,
                reason: error.to_string(),
            }),
        }
    }
}
