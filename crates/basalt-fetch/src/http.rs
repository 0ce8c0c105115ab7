//! One HTTP request: bounded in time, rate, redirects and size.

use std::env;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy};

use crate::resolver::Remembering;
use crate::{FetchError, address};

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
    open: Agent,
    protected: Agent,
    limits: Limits,
}

impl Client {
    pub fn new(limits: Limits) -> Self {
        let tls = TlsConfig::builder().root_certs(root_certificates()).build();
        let agent = |proxy| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .accept_encoding("identity")
                .user_agent(concat!("basalt/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(Some(limits.connect))
                .timeout_connect(Some(limits.connect))
                .timeout_recv_response(Some(limits.read))
                .timeout_per_read(Some(limits.read))
                .max_idle_connections_per_host(8)
                .tls_config(tls.clone())
                .proxy(proxy)
                .build();
            Agent::with_parts(config, DefaultConnector::default(), Remembering::default())
        };
        Self {
            open: agent(proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])),
            protected: agent(proxy(&[
                "https_proxy",
                "HTTPS_PROXY",
                "all_proxy",
                "ALL_PROXY",
            ])),
            limits,
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks for a URL, following redirects.
    pub fn get(&self, url: &str, conditions: &Conditions) -> Result<Answer, FetchError> {
        let mut current = url.to_owned();
        for _ in 0..=self.limits.redirects {
            let shown = address::shown(&current);
            let agent = if current.starts_with("https://") {
                &self.protected
            } else {
                &self.open
            };
            let mut request = agent.get(&current);
            if conditions.offset > 0 {
                request = request.header("Range", format!("bytes={}-", conditions.offset));
            }
            if let Some(etag) = &conditions.etag {
                request = request.header("If-None-Match", etag);
            }
            if let Some(moment) = &conditions.modified_since {
                request = request.header("If-Modified-Since", moment);
            }
            let response = request.call().map_err(|error| FetchError::Network {
                url: shown.clone(),
                reason: error.to_string(),
            })?;
            let header = |name: &str| {
                let value = response.headers().get(name)?;
                Some(value.to_str().ok()?.to_owned())
            };
            let status = response.status().as_u16();
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
            let next = header("location").and_then(|to| address::resolve(&current, &to));
            let next = next.unwrap_or_default();
            if !may_lead(&current, &next) {
                return Err(FetchError::RedirectRefused {
                    url: shown,
                    to: address::shown(&next),
                });
            }
            current = next;
        }
        Err(FetchError::Redirects {
            url: address::shown(url),
            limit: self.limits.redirects,
        })
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

/// Whether a redirect may lead from one URL to another: only to HTTP, and never from a protected
/// connection to an open one. What comes is verified in any case, but whoever chose https also
/// chose that nobody on the way sees what is asked for.
fn may_lead(from: &str, to: &str) -> bool {
    to.starts_with("https://") || (to.starts_with("http://") && !from.starts_with("https://"))
}

/// Whether a body comes fast enough. Each span of the grace time is judged by itself: bytes that
/// came fast at first do not buy hours of trickle.
struct Pace {
    rate: u64,
    grace: Duration,
    begun: Instant,
    received: u64,
}

impl Pace {
    fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            rate: limits.minimum_rate,
            grace: limits.grace,
            begun: now,
            received: 0,
        }
    }

    /// Counts bytes that came; false once they come too slowly.
    fn keeps(&mut self, count: usize, now: Instant) -> bool {
        self.received += count as u64;
        let elapsed = now.saturating_duration_since(self.begun);
        if elapsed <= self.grace {
            return true;
        }
        // Time spent in full reads counts as well: it is the server's or the line's.
        let due = elapsed.as_secs_f64() * self.rate as f64;
        let fast = self.received as f64 >= due;
        (self.begun, self.received) = (now, 0);
        fast
    }
}

/// The first byte's place in `bytes 100-199/200`.
fn range_start(header: Option<&str>) -> Option<u64> {
    let range = header?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

fn proxy(names: &[&str]) -> Option<Proxy> {
    // `HTTP_PROXY` in capitals is left out: CGI programs get it from a request's header.
    let value = names
        .iter()
        .find_map(|name| env::var(name).ok().filter(|url| !url.is_empty()))?;
    let no_proxy = env::var("no_proxy")
        .or_else(|_| env::var("NO_PROXY"))
        .unwrap_or_default();
    let parsed = Proxy::new(&value).ok()?;
    let mut builder = Proxy::builder(parsed.protocol())
        .host(parsed.host())
        .port(parsed.port());
    if let Some(name) = parsed.username() {
        builder = builder.username(name);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for entry in no_proxy
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        builder = builder.no_proxy(entry);
    }
    builder.build().ok()
}

/// The certificates of `$SSL_CERT_FILE`, as OpenSSL's users expect; else Mozilla's.
fn root_certificates() -> RootCerts {
    let read = || {
        let path = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty())?;
        let pem = fs_err::read(path).ok()?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        (!certificates.is_empty()).then(|| RootCerts::from(certificates))
    };
    read().unwrap_or(RootCerts::WebPki)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_http_nor_gives_up_protection() {
        let allowed = [
            ("http://a/x", "http://b/x"),
            ("http://a/x", "https://b/x"),
            ("https://a/x", "https://b/x"),
        ];
        for (from, to) in allowed {
            assert!(may_lead(from, to), "{from} to {to}");
        }
        let refused = [
            ("https://a/x", "http://a/x"),
            ("https://a/x", "HTTP://a/x"),
            ("http://a/x", "file:///etc/passwd"),
            ("http://a/x", "ftp://b/x"),
            ("https://a/x", "httpsx://b/x"),
            ("http://a/x", ""),
        ];
        for (from, to) in refused {
            assert!(!may_lead(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn bytes_that_came_fast_do_not_buy_hours_of_trickle() {
        let limits = Limits::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(&limits, start);
        assert!(pace.keeps(100 << 20, at(31)));
        assert!(pace.keeps(1, at(45)));
        assert!(pace.keeps(1, at(60)));
        assert!(!pace.keeps(1, at(75)));
    }

    #[test]
    fn a_slow_but_steady_body_is_borne() {
        let limits = Limits::default();
        let start = Instant::now();
        let mut pace = Pace::new(&limits, start);
        for second in 1..600 {
            assert!(pace.keeps(1100, start + Duration::from_secs(second)));
        }
    }
}
