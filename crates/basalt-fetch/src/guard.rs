//! Addresses within a network, which a server must not be led to by what another answers: a redirect or a token server
//! could have it ask what only it can reach (server-side request forgery).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Hosts that may be at an address within a network: `registry.example:5000`, or a name for all its ports.
#[derive(Debug, Clone, Default)]
pub struct NamedHosts(Vec<String>);

impl NamedHosts {
    /// These hosts.
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(
            hosts
                .into_iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Whether a host was named, with its port (`registry.example:5000`) or without.
    pub fn has(&self, host: &str, authority: &str) -> bool {
        let is =
            |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority);
        self.0.iter().any(is)
    }
}

/// A host is at an address within a network and was not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateAddress {
    /// The host.
    pub host: String,
    /// Where it is.
    pub address: IpAddr,
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        write!(f, "{host} is at {address}, an address within a network")
    }
}

impl std::error::Error for PrivateAddress {}

/// Looks hosts up, and refuses those within a network that were not named. What is connected to is what was looked at: a
/// name that leads elsewhere the next time is refused then.
#[derive(Debug)]
pub(crate) struct Guarded<R = DefaultResolver> {
    inner: R,
    named: NamedHosts,
}

impl Guarded {
    pub fn new(named: NamedHosts) -> Self {
        let inner = DefaultResolver::default();
        Self { inner, named }
    }
}

impl<R: Resolver> Resolver for Guarded<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // Who configured the proxy named it.
        let is_proxy = config.proxy().is_some_and(|proxy| proxy.host() == host);
        if is_proxy || self.named.has(host, authority) {
            return Ok(found);
        }
        match found.iter().find(|place| !is_public(place.ip())) {
            None => Ok(found),
            Some(place) => Err(Error::Other(Box::new(PrivateAddress {
                host: host.to_owned(),
                address: place.ip(),
            }))),
        }
    }
}

/// Whether an address is one of the internet, which means the same to everybody (RFC 6890 and its registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(matches!(a, 0 | 10 | 127 | 224..=255)
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && matches!(c, 0 | 2))
        || (a == 198 && matches!(b, 18 | 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Written for an address of the older kind: mapped, compatible, translated (RFC 6052), 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Of all others, only what is given out for the internet at large.
        [first, second, ..] => {
            (0x2000..0x4000).contains(&first)
                && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_network_knows_is_told_from_what_the_internet_has() {
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            let address = inner.parse().expect("an address");
            assert!(!is_public(address), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "203.0.114.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
        ] {
            let address = outer.parse().expect("an address");
            assert!(is_public(address), "{outer}");
        }
    }

    #[test]
    fn a_host_within_a_network_is_reached_only_when_it_was_named() {
        let guard = Guarded::new(NamedHosts::new(["127.0.0.1:5000".to_owned()]));
        let ask = |uri: &str| {
            let uri: Uri = uri.parse().expect("a URI");
            guard.resolve(&uri, &Config::default(), NextTimeout::default())
        };
        assert!(ask("http://127.0.0.1:5000/").is_ok());
        for refused in [
            "http://127.0.0.1:5001/",
            "http://[::1]:5000/",
            "https://169.254.169.254/",
        ] {
            let error = ask(refused).expect_err("it is refused");
            let Error::Other(cause) = error else {
                panic!("{error}");
            };
            assert!(cause.is::<PrivateAddress>(), "{refused}");
        }
    }
}
