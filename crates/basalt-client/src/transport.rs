//! One HTTP exchange: to which hosts without TLS, with which certificates, and bounded in time and size.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use basalt_fetch::address::Url;
use basalt_fetch::connection::Pace;
use basalt_fetch::guard::{self, NamedHosts, PrivateAddress};
use basalt_fetch::{Connections, Limits, Problem, Trust, address};
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderMap, HeaderValue, Method, Request};
use ureq::{Agent, AsSendBody, SendBody};

use crate::error::ClientError;
use crate::retry;
use crate::secret::Secret;

/// How many times the longest silence a document may take to come, whatever its length.
const PATIENCE: u32 = 20;
/// The most of an error's explanation that is read, in bytes.
const MAXIMUM_EXPLANATION: u64 = 64 << 10;

/// What is sent behind the headers.
pub(crate) enum Payload<'a> {
    /// Nothing: GET, HEAD, DELETE.
    Nothing,
    /// These bytes, possibly none.
    Bytes(&'a [u8]),
    /// What a reader gives, of this length. Cannot be sent twice.
    Stream(&'a mut dyn Read, u64),
}

/// A request to one URL.
pub(crate) struct Outgoing<'a, 'b> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'static str, String)],
    pub authorization: Option<&'a Secret>,
    pub payload: &'a mut Payload<'b>,
}

/// An answer whose body is still to be read.
pub struct Answer {
    /// Where it came from.
    pub url: String,
    /// The status of HTTP.
    pub status: u16,
    /// Whether it came from another place than was asked, after a redirect.
    pub elsewhere: bool,
    /// Whether an earlier attempt at the same request had failed.
    pub repeated: bool,
    headers: HeaderMap,
    body: ureq::Body,
    limits: Limits,
}

/// Makes exchanges; keeps connections for the next.
pub(crate) struct Transport {
    limits: Limits,
    /// Hosts that may be spoken to without TLS.
    insecure: Mutex<BTreeSet<String>>,
    /// The only hosts within a network that are asked, if that is bounded.
    guarded: Option<NamedHosts>,
    connections: Connections,
}

impl Transport {
    pub fn new(
        limits: Limits,
        insecure: BTreeSet<String>,
        trust: Trust,
        guarded: Option<NamedHosts>,
    ) -> Result<Self, ClientError> {
        trust.check()?;
        Ok(Self {
            limits,
            insecure: Mutex::new(insecure),
            connections: Connections::new(limits, trust).guarded(guarded.clone()),
            guarded,
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a host (`registry.example:5000`) may be spoken to without TLS: this machine, or one named by hand.
    pub fn may_be_plain(&self, authority: &str) -> bool {
        let host = host_of(authority);
        let named = self.insecure.lock().unwrap_or_else(PoisonError::into_inner);
        named.contains(authority) || named.contains(host) || is_loopback(host)
    }

    /// From now on this host may be spoken to without TLS.
    pub fn allow_plain(&self, authority: &str) {
        let mut named = self.insecure.lock().unwrap_or_else(PoisonError::into_inner);
        named.insert(authority.to_owned());
    }

    /// Sends one request; follows nothing and tries nothing again.
    pub fn send(&self, outgoing: Outgoing<'_, '_>) -> Result<Answer, ClientError> {
        let shown = address::shown(outgoing.url);
        let network = |reason: String| ClientError::Network {
            url: shown.clone(),
            reason,
        };
        // A user name in the URL was chosen by a server: who asks says otherwise who they are.
        let whole = Url::parse(outgoing.url)
            .map_err(|cause| network(cause.to_owned()))?
            .whole();
        self.check_place(&whole)?;
        let agent = self.connections.agent(&whole, true)?;
        let mut head = Request::builder().method(outgoing.method).uri(&whole);
        for (name, value) in outgoing.headers {
            head = head.header(*name, value);
        }
        if let Some(secret) = outgoing.authorization {
            let mut value =
                HeaderValue::from_str(secret.expose()).map_err(|_| ClientError::Protocol {
                    url: shown.clone(),
                    cause: "the credentials have characters that no header may have".to_owned(),
                })?;
            value.set_sensitive(true);
            head = head.header(AUTHORIZATION, value);
        }
        let malformed = |error: ureq::http::Error| network(error.to_string());
        let response = match outgoing.payload {
            Payload::Nothing => run(&agent, head.body(()).map_err(malformed)?),
            Payload::Bytes(bytes) => run(&agent, head.body(*bytes).map_err(malformed)?),
            Payload::Stream(reader, length) => {
                let head = head.header("Content-Length", *length);
                let body = SendBody::from_reader(*reader);
                run(&agent, head.body(body).map_err(malformed)?)
            }
        };
        let response = response.map_err(|error| match error {
            ureq::Error::Other(cause) if cause.is::<PrivateAddress>() => within(outgoing.url),
            error => match self.connections.explain(&whole, &error) {
                Problem::Certificate(cause) => ClientError::Certificate {
                    url: shown.clone(),
                    cause,
                },
                Problem::Network(reason) => network(reason),
            },
        })?;
        let status = response.status().as_u16();
        let (parts, body) = response.into_parts();
        Ok(Answer {
            url: outgoing.url.to_owned(),
            status,
            elsewhere: false,
            repeated: false,
            headers: parts.headers,
            body,
            limits: self.limits,
        })
    }

    /// Refuses an address within a network that stands in the URL itself: a proxy would look up no name for it.
    fn check_place(&self, url: &str) -> Result<(), ClientError> {
        let (Some(named), Some((_, rest))) = (&self.guarded, url.split_once("://")) else {
            return Ok(());
        };
        let authority = authority_of(rest);
        let host = host_of(authority);
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        match plain.parse::<IpAddr>() {
            Ok(address) if !guard::is_public(address) && !named.has(host, authority) => {
                Err(within(url))
            }
            _ => Ok(()),
        }
    }
}

fn run<B: AsSendBody>(
    agent: &Agent,
    request: Request<B>,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    agent.run(request)
}

fn within(url: &str) -> ClientError {
    let shown = address::shown(url);
    ClientError::Redirect {
        url: shown.clone(),
        to: shown,
        cause: "that is an address within a network, and was not named",
    }
}

impl Answer {
    /// A header, if it is there once and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of this name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.headers.get_all(name).into_iter();
        all.filter_map(|value| value.to_str().ok())
    }

    /// The warnings that came with it, as they were sent.
    pub fn warnings(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.headers.get_all("warning").into_iter();
        all.map(HeaderValue::as_bytes)
    }

    /// How long the body is to be, if that is said.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// How long the server asks to be left alone, if it does.
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        retry::retry_after(self.header("retry-after")?, jiff::Timestamp::now())
    }

    /// The whole body, of at most so many bytes.
    ///
    /// # Errors
    /// When it is longer, or breaks off.
    pub fn bytes(self, limit: u64) -> Result<Vec<u8>, ClientError> {
        let url = address::shown(&self.url);
        let announced = self.length();
        let too_long = ClientError::TooLong {
            url: url.clone(),
            limit,
        };
        if announced.is_some_and(|length| length > limit) {
            return Err(too_long);
        }
        let mut bytes = Vec::new();
        let longest = self.limits.read.saturating_mul(PATIENCE);
        let reader = Paced {
            ends: Instant::now().checked_add(longest),
            ..self.paced()
        };
        let read = reader.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| ClientError::Network {
            url,
            reason: error.to_string(),
        })?;
        if bytes.len() as u64 > limit {
            return Err(too_long);
        }
        Ok(bytes)
    }

    /// The body, which must keep a pace.
    pub fn into_reader(self) -> impl Read + Send + use<> {
        self.paced()
    }

    fn paced(self) -> Paced<impl Read + Send + use<>> {
        let pace = Pace::new(&self.limits, Instant::now());
        let rate = self.limits.minimum_rate;
        let inner = self.body.into_with_config().limit(u64::MAX).reader();
        Paced {
            inner,
            pace,
            rate,
            ends: None,
        }
    }

    /// Reads the rest, so that the connection can serve the next request.
    pub fn finish(self) {
        let mut rest = self.into_reader().take(MAXIMUM_EXPLANATION);
        // What cannot be read to its end is closed instead.
        let _ = io::copy(&mut rest, &mut io::sink());
    }

    /// What the registry says of its refusal (OCI distribution specification, *Error codes*), behind a colon.
    pub fn explanation(self) -> (u16, String, String) {
        let (status, url) = (self.status, address::shown(&self.url));
        let mut bytes = Vec::new();
        let _ = self
            .into_reader()
            .take(MAXIMUM_EXPLANATION)
            .read_to_end(&mut bytes);
        (status, url, explain(&bytes))
    }
}

/// The codes and messages of an error document.
fn explain(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Document {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
        return String::new();
    };
    let short = |text: &str| text.chars().take(200).collect::<String>();
    let said: Vec<String> = document
        .errors
        .iter()
        .take(4)
        .map(|one| format!("{} {}", short(&one.code), short(&one.message)))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect();
    match said.is_empty() {
        true => String::new(),
        false => format!(": {}", said.join("; ")),
    }
}

/// Fails once what is read comes too slowly.
struct Paced<R> {
    inner: R,
    pace: Pace,
    rate: u64,
    /// When it must be over, however fast it comes.
    ends: Option<Instant>,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count > 0 && !self.pace.keeps(count, Instant::now()) {
            let rate = self.rate;
            let reason = format!("gave up: less than {rate} bytes a second");
            return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
        }
        if count > 0 && self.ends.is_some_and(|ends| Instant::now() > ends) {
            let reason = "gave up: it does not come to an end";
            return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
        }
        Ok(count)
    }
}

/// The host and port of what is behind `https://`.
pub(crate) fn authority_of(rest: &str) -> &str {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest)
}

/// The scheme, host and port of a URL, in lower case.
pub(crate) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = authority_of(rest).to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => ":443",
        _ => ":80",
    };
    let authority = authority.strip_suffix(usual).unwrap_or(&authority);
    Some(format!("{scheme}://{authority}"))
}

/// The host of an authority, without the port.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |end| end + 1);
        return authority.get(..end).unwrap_or(authority);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// Whether a host is this machine, whatever its name server says.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(insecure: &[&str]) -> Transport {
        let insecure = insecure.iter().map(|&host| host.to_owned()).collect();
        Transport::new(Limits::default(), insecure, Trust::default(), None).expect("no files")
    }

    #[test]
    fn only_this_machine_and_hosts_named_by_hand_may_be_plain() {
        let transport = transport(&["lab.example", "other.example:5000"]);
        for allowed in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:5000",
            "lab.example",
            "lab.example:5000",
            "other.example:5000",
        ] {
            assert!(transport.may_be_plain(allowed), "{allowed}");
        }
        for refused in [
            "registry.example",
            "other.example",
            "localhost.example",
            "127.0.0.1.example",
            "10.0.0.1:5000",
            "lab.example.evil",
        ] {
            assert!(!transport.may_be_plain(refused), "{refused}");
        }
    }

    #[test]
    fn origins_are_told_apart_by_scheme_host_and_port() {
        assert_eq!(
            origin("https://A.example:443/x"),
            origin("https://a.example/y?z")
        );
        assert_ne!(origin("https://a.example/x"), origin("http://a.example/x"));
        assert_ne!(
            origin("https://a.example/x"),
            origin("https://a.example:444/x")
        );
        assert_ne!(
            origin("https://a.example/x"),
            origin("https://a.example@b/x")
        );
    }

    #[test]
    fn a_refusal_is_explained_in_the_registrys_words_and_no_more() {
        let text =
            br#"{"errors":[{"code":"DENIED","message":"quota is used up","detail":{"x":1}}]}"#;
        assert_eq!(explain(text), ": DENIED quota is used up");
        assert_eq!(explain(b"<html>"), "");
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "a".repeat(5000));
        assert!(explain(long.as_bytes()).len() < 300);
    }
}
