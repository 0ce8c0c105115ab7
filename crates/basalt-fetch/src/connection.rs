//! What all HTTP clients of the program share: how connections are made, the pace a body must keep, where a redirect
//! may lead, and the proxies and certificates that the environment names.

use std::env;
use std::time::{Duration, Instant};

use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, PemItem, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy};

use crate::Limits;
use crate::guard::{Guarded, NamedHosts};
use crate::resolver::Remembering;

/// Whether a redirect may lead from one URL to another: only to HTTP, and never from a protected
/// connection to an open one. What comes is verified in any case, but whoever chose https also
/// chose that nobody on the way sees what is asked for.
pub fn may_lead(from: &str, to: &str) -> bool {
    to.starts_with("https://") || (to.starts_with("http://") && !from.starts_with("https://"))
}

/// Whether a body comes fast enough. Each span of the grace time is judged by itself: bytes that
/// came fast at first do not buy hours of trickle.
#[derive(Debug)]
pub struct Pace {
    rate: u64,
    grace: Duration,
    begun: Instant,
    received: u64,
}

impl Pace {
    /// Measures from now on.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            rate: limits.minimum_rate,
            grace: limits.grace,
            begun: now,
            received: 0,
        }
    }

    /// Counts bytes that came; false once they come too slowly.
    pub fn keeps(&mut self, count: usize, now: Instant) -> bool {
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
pub fn range_start(header: Option<&str>) -> Option<u64> {
    let range = header?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

/// How every connection is made, for redirects that are followed by hand and errors that are read: within limits,
/// with these certificates, by the proxy for protected (https) or open (http) connections.
pub fn configuration(
    limits: &Limits,
    tls: &TlsConfig,
    protected: bool,
) -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
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
        .proxy(proxy(protected))
}

/// An agent that remembers where names lead.
pub fn agent(configuration: ConfigBuilder<AgentScope>) -> Agent {
    let (connector, resolver) = (DefaultConnector::default(), Remembering::default());
    Agent::with_parts(configuration.build(), connector, resolver)
}

/// The same, that is led to no address within a network but those of the hosts that were named.
pub fn guarded_agent(configuration: ConfigBuilder<AgentScope>, named: NamedHosts) -> Agent {
    let resolver = Remembering::new(Guarded::new(named));
    Agent::with_parts(configuration.build(), DefaultConnector::default(), resolver)
}

/// The proxy that the environment names for protected (https) or open (http) connections.
pub fn proxy(protected: bool) -> Option<Proxy> {
    let names: &[&str] = if protected {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    };
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

/// The certificates of `$SSL_CERT_FILE`, as OpenSSL's users expect; none when it is not set or names none.
pub fn named_certificates() -> Option<Vec<Certificate<'static>>> {
    let path = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty())?;
    let certificates = certificates(&fs_err::read(path).ok()?);
    (!certificates.is_empty()).then_some(certificates)
}

/// The certificates of a PEM file; what else is in it is passed over.
pub fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
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
