//! What all HTTP clients of the program share: how a connection is made, and the pace a body must keep.

use std::time::{Duration, Instant};

use ureq::config::ConfigBuilder;
use ureq::tls::TlsConfig;
use ureq::typestate::AgentScope;
use ureq::{Agent, Proxy};

use crate::Limits;
use crate::forward::Connecting;
use crate::guard::{Guarded, NamedHosts};
use crate::resolver::Remembering;

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

/// An agent whose redirects are followed and whose errors are read by who uses it: within these bounds, with these
/// certificates, by this proxy, and led to no address within a network but those of the hosts that were named, if any
/// were. It remembers where names lead.
pub(crate) fn agent(
    tls: &TlsConfig,
    proxy: Option<&Proxy>,
    guarded: Option<&NamedHosts>,
    bounds: impl Fn(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
) -> Agent {
    let configuration = |proxy: Option<&Proxy>| {
        let builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("basalt/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.clone())
            .proxy(proxy.cloned());
        bounds(builder).build()
    };
    let (whole, connector) = (configuration(proxy), Connecting::new(configuration(None)));
    match guarded {
        Some(named) => {
            let resolver = Remembering::new(Guarded::new(named.clone()));
            Agent::with_parts(whole, connector, resolver)
        }
        None => Agent::with_parts(whole, connector, Remembering::default()),
    }
}

/// The bounds of requests that move files: each step by itself.
pub(crate) fn stepwise(
    limits: &Limits,
) -> impl Fn(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    let (connect, read) = (Some(limits.connect), Some(limits.read));
    move |builder| {
        builder
            .timeout_resolve(connect)
            .timeout_connect(connect)
            .timeout_recv_response(read)
            .timeout_per_read(read)
            .timeout_per_write(read)
            .max_idle_connections_per_host(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
