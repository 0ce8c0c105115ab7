//! Host names looked up once, not for every file.
//!
//! `ureq` asks for a host's addresses before each request, even where it has a connection at hand:
//! hundreds of lookups a build, which name servers answer slowly or, beyond some number, not at all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer is believed: shorter than hosts move, longer than most builds.
const LIFETIME: Duration = Duration::from_secs(60);

/// Remembers what another resolver answered.
#[derive(Debug)]
pub struct Remembering<R> {
    inner: R,
    known: Mutex<HashMap<String, (Instant, ResolvedSocketAddrs)>>,
}

impl Default for Remembering<DefaultResolver> {
    fn default() -> Self {
        Self::new(DefaultResolver::default())
    }
}

impl<R> Remembering<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            known: Mutex::default(),
        }
    }
}

impl<R: Resolver> Resolver for Remembering<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return self.inner.resolve(uri, config, timeout);
        };
        let place = format!("{scheme}://{authority}");
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, addresses)) = known().get(&place)
            && since.elapsed() < LIFETIME
        {
            return Ok(addresses.clone());
        }
        // Not under the lock: a slow answer for one host must not hold up another.
        let addresses = self.inner.resolve(uri, config, timeout)?;
        known().insert(place, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is asked; knows no host called `absent.example`.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Resolver for Counting {
        fn resolve(
            &self,
            uri: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, Error> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            if uri.host() == Some("absent.example") {
                return Err(Error::HostNotFound);
            }
            let mut addresses = self.empty();
            addresses.push(([127, 0, 0, 1], u16::try_from(count).expect("few")).into());
            Ok(addresses)
        }
    }

    fn ask(resolver: &Remembering<Counting>, uri: &str) -> Result<u16, Error> {
        let uri: Uri = uri.parse().expect("a URI");
        let addresses = resolver.resolve(&uri, &Config::default(), NextTimeout::default())?;
        Ok(addresses[0].port())
    }

    #[test]
    fn a_host_is_looked_up_once_for_all_its_files() {
        let resolver = Remembering::new(Counting::default());
        for file in 0..100 {
            let uri = format!("http://mirror.example/debian/{file}.deb");
            assert_eq!(ask(&resolver, &uri).expect("known"), 0);
        }
        assert_eq!(resolver.inner.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn another_port_or_scheme_has_addresses_of_its_own() {
        let resolver = Remembering::new(Counting::default());
        let asked = [
            "http://a.example/",
            "http://a.example:81/",
            "https://a.example/",
        ];
        let ports = asked.map(|uri| ask(&resolver, uri).expect("known"));
        assert_eq!(ports, [0, 1, 2]);
    }

    #[test]
    fn a_failed_lookup_is_tried_again() {
        let resolver = Remembering::new(Counting::default());
        for _ in 0..2 {
            ask(&resolver, "http://absent.example/").expect_err("unknown");
        }
        assert_eq!(resolver.inner.0.load(Ordering::Relaxed), 2);
    }
}
