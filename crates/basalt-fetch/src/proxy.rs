//! The proxies that the environment names, as curl and apt read it: `http_proxy`, `https_proxy`, `all_proxy`, and
//! `no_proxy` for what is reached without one.

use std::env;
use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::address::{self, Url};

/// The most entries of `no_proxy` that are read.
const MAXIMUM_ENTRIES: usize = 1000;

/// A variable of the environment names no proxy that can be used. Its value, which may hold a password, is not
/// repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} names no proxy that can be used: {cause}")]
pub struct ProxyError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub cause: &'static str,
}

type Choice = Result<Option<Proxy>, ProxyError>;

/// Which proxy is asked for what.
#[derive(Debug, Clone)]
pub struct Proxies {
    open: Choice,
    protected: Choice,
    exempt: Vec<Exempt>,
}

/// What is reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    All,
    /// A host and all below it; one port of it, if it is named.
    Host(String, Option<u16>),
    /// All addresses that begin with so many bits of this one.
    Network(IpAddr, u8),
}

impl Proxies {
    /// Those that the environment names.
    pub fn of_environment() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    /// None, whatever the environment says.
    pub fn none() -> Self {
        Self::of(|_| None)
    }

    /// Those that these variables name. An empty one counts as none. `HTTP_PROXY` in capitals is not read:
    /// CGI programs get it from a request's header.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            let each = names.iter().copied();
            let mut set = each.filter_map(|name| Some((name, variable(name)?)));
            set.find(|(_, value)| !value.trim().is_empty())
        };
        let choice = |names: &[&'static str]| match first(names) {
            Some((name, value)) => proxy(name, value.trim()).map(Some),
            None => Ok(None),
        };
        let exempt = first(&["no_proxy", "NO_PROXY"]).map_or_else(String::new, |(_, value)| value);
        Self {
            open: choice(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            protected: choice(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            exempt: exempt
                .split([',', ' ', '\t'])
                .filter(|entry| !entry.is_empty())
                .take(MAXIMUM_ENTRIES)
                .map(Exempt::of)
                .collect(),
        }
    }

    /// The proxy by which a URL is reached; none when it is reached directly.
    ///
    /// # Errors
    /// When the variable that would name it names none.
    pub fn of_url(&self, url: &Url) -> Result<Option<&Proxy>, ProxyError> {
        let usual = if url.is_protected() { 443 } else { 80 };
        let port = url.port().unwrap_or(usual);
        if self.exempt.iter().any(|entry| entry.has(url.host(), port)) {
            return Ok(None);
        }
        let choice = if url.is_protected() {
            &self.protected
        } else {
            &self.open
        };
        match choice {
            Ok(proxy) => Ok(proxy.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }
}

fn proxy(variable: &'static str, value: &str) -> Result<Proxy, ProxyError> {
    let wrong = |cause| ProxyError { variable, cause };
    let proxy = Proxy::new(value).map_err(|_| {
        wrong("write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, what is special in the last two as %XX")
    })?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(wrong(
            "it is a SOCKS proxy, which is not supported; name one of http:// or https://",
        )),
    }
}

impl Exempt {
    fn of(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        let address = |text: &str| {
            let plain = text
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            plain.unwrap_or(text).parse::<IpAddr>().ok()
        };
        if let Some(address) = address(entry) {
            return Self::Network(address, width(address));
        }
        if let Some((network, bits)) = entry.rsplit_once('/')
            && let (Some(address), Ok(bits)) = (address(network), bits.parse::<u8>())
            && bits <= width(address)
        {
            return Self::Network(address, bits);
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => match port.parse() {
                Ok(port) => (name, Some(port)),
                Err(_) => (entry, None),
            },
            None => (entry, None),
        };
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.');
        Self::Host(name.to_ascii_lowercase(), port)
    }

    /// Whether a host (in lower case, an IPv6 address in brackets) and port are among it.
    fn has(&self, host: &str, port: u16) -> bool {
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        match self {
            Self::All => true,
            Self::Network(network, bits) => plain
                .parse()
                .is_ok_and(|address| is_within(address, *network, *bits)),
            Self::Host(name, only) => {
                let host = host.trim_end_matches('.');
                let is_below = || {
                    host.strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
                };
                !name.is_empty()
                    && only.is_none_or(|only| only == port)
                    && (host == name
                        || plain == name
                        || (is_below() && plain.parse::<IpAddr>().is_err()))
            }
        }
    }
}

/// How many bits an address has.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether two addresses begin with the same bits, so many of them.
fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let differing = (number(address) ^ number(network)).leading_zeros();
    address.is_ipv4() == network.is_ipv4() && differing >= u32::from(bits)
}

/// A proxy as it may be shown: without its user name and password.
pub(crate) fn shown(proxy: &Proxy) -> String {
    address::shown(&proxy.uri().to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let known: HashMap<&str, &str> = variables.iter().copied().collect();
        Proxies::of(|name| known.get(name).map(|value| (*value).to_owned()))
    }

    fn chosen(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let url = Url::parse(url).expect("a URL");
        let proxies = proxies(variables);
        let proxy = proxies.of_url(&url).expect("a proxy or none");
        proxy.map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn each_scheme_has_the_proxy_that_curl_would_ask() {
        let all = [
            ("http_proxy", "http://open:3128"),
            ("https_proxy", "protected:3128"),
            ("all_proxy", "http://all:3128"),
        ];
        assert_eq!(chosen(&all, "http://a/").as_deref(), Some("open"));
        assert_eq!(chosen(&all, "https://a/").as_deref(), Some("protected"));
        assert_eq!(chosen(&all[2..], "http://a/").as_deref(), Some("all"));
        assert_eq!(chosen(&all[2..], "https://a/").as_deref(), Some("all"));
        assert_eq!(chosen(&all[..1], "https://a/"), None);
        assert_eq!(chosen(&[("HTTP_PROXY", "http://cgi")], "http://a/"), None);
        assert_eq!(
            chosen(&[("http_proxy", ""), ("ALL_PROXY", "x")], "http://a/").as_deref(),
            Some("x")
        );
    }

    #[test]
    fn what_no_proxy_names_is_reached_directly() {
        let is_direct = |entries: &str, url: &str| {
            chosen(&[("all_proxy", "p"), ("no_proxy", entries)], url).is_none()
        };
        for (entries, url) in [
            ("*", "http://a/"),
            ("a.example", "http://a.example/"),
            ("example", "http://A.Example/"),
            (".example", "http://a.example/"),
            (".example", "http://example/"),
            ("*.example", "http://a.example/"),
            ("x,a.example y", "http://a.example/"),
            ("x a.example.", "http://a.example./"),
            ("a.example:8080", "http://a.example:8080/"),
            ("a.example:443", "https://a.example/"),
            ("127.0.0.1", "http://127.0.0.1:5000/"),
            ("10.0.0.0/8", "http://10.1.2.3/"),
            ("::1", "http://[::1]:80/"),
            ("[::1]", "http://[::1]/"),
            ("fd00::/8", "http://[fd12::1]/"),
            ("0.0.0.0/0", "http://1.2.3.4/"),
        ] {
            assert!(is_direct(entries, url), "{entries}: {url}");
        }
        for (entries, url) in [
            ("", "http://a/"),
            (",", "http://a/"),
            (".", "http://a/"),
            ("a.example", "http://b.example/"),
            ("a.example", "http://xa.example/"),
            ("example", "http://example.evil/"),
            ("a.example:8080", "http://a.example/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/33", "http://10.0.0.1/"),
            ("0.0.1", "http://127.0.0.1/"),
            ("fd00::/8", "http://10.0.0.1/"),
        ] {
            assert!(!is_direct(entries, url), "{entries}: {url}");
        }
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_an_error_and_its_password_is_not_shown() {
        for value in [
            "http://me:se cret@h",
            "ftp://me:secret@h",
            "socks5://me:secret@h",
            "http://",
        ] {
            let url = Url::parse("https://a/").expect("a URL");
            let error = proxies(&[("https_proxy", value)])
                .of_url(&url)
                .expect_err(value);
            assert_eq!(error.variable, "https_proxy");
            assert!(!error.to_string().contains("cret@"), "{error}");
        }
    }
}
