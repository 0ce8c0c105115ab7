//! Requests by a proxy.
//!
//! What is of https goes through a tunnel (CONNECT), which `ureq` makes. It would ask for one for http too, but
//! proxies refuse tunnels to other ports than that of https, Debian's squid among them: of such a proxy the whole
//! URL is asked instead (RFC 9112, section 3.2.2, the absolute form), and it asks the server itself.

use std::fmt;
use std::io::{self, Read, Write};

use ureq::config::Config;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};
use ureq::{Error, Proxy};
use zeroize::Zeroizing;

use crate::login::Login;

/// Connects as `ureq` does, but asks a proxy itself for what is of http.
#[derive(Debug)]
pub(crate) struct Connecting {
    default: DefaultConnector,
    /// How the proxy itself is reached.
    direct: Config,
}

impl Connecting {
    /// With the configuration of connections that go by no proxy.
    pub fn new(direct: Config) -> Self {
        Self {
            default: DefaultConnector::default(),
            direct,
        }
    }
}

impl Connector<()> for Connecting {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let proxy = details.config.proxy().filter(|_| !details.needs_tls());
        let Some(proxy) = proxy else {
            return self.default.connect(details, chained);
        };
        let target = details.uri.authority();
        let host = target.map_or("", |whole| {
            let whole = whole.as_str();
            whole.rsplit_once('@').map_or(whole, |(_, host)| host)
        });
        let addrs = details
            .resolver
            .resolve(proxy.uri(), details.config, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs,
            config: &self.direct,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let transport = self.default.connect(&to_proxy, None)?;
        let transport = transport.ok_or(Error::ConnectionFailed)?;
        Ok(Some(Box::new(Forwarded {
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            inner: TransportAdapter::new(transport, details.current_time.clone()),
            target: format!("http://{host}"),
            credentials: credentials(proxy),
            is_head: true,
        })))
    }
}

fn credentials(proxy: &Proxy) -> Option<Zeroizing<String>> {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return None;
    }
    let login = Login::new(user.unwrap_or_default(), password.unwrap_or_default());
    Some(login.basic())
}

/// A connection to a proxy that is asked for one server's files.
struct Forwarded {
    buffers: LazyBuffers,
    inner: TransportAdapter<Box<dyn Transport>>,
    /// The scheme and host that stand before the path.
    target: String,
    credentials: Option<Zeroizing<String>>,
    /// Whether what is written next is the head of a request.
    is_head: bool,
}

impl Transport for Forwarded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        match self.is_head {
            true => {
                let head = absolute(output, &self.target, self.credentials.as_deref())?;
                self.inner.write_all(&head)?;
                self.is_head = false;
            }
            false => self.inner.write_all(output)?,
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // A request is written whole before its answer is read: what is written after that is another's.
        self.is_head = true;
        self.inner.set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.inner.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.inner.get_mut().is_open()
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// The head of a request with the whole URL in its first line, and with the proxy's credentials.
fn absolute(
    head: &[u8],
    target: &str,
    credentials: Option<&String>,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let broken = || io::Error::new(io::ErrorKind::InvalidInput, "the request has no first line");
    let end = head
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .ok_or_else(broken)?;
    let (line, rest) = head.split_at(end + 2);
    let blank = line
        .iter()
        .position(|&byte| byte == b' ')
        .ok_or_else(broken)?;
    let (method, path) = line.split_at(blank + 1);
    let mut whole = Zeroizing::new(Vec::with_capacity(head.len() + target.len() + 128));
    whole.extend_from_slice(method);
    whole.extend_from_slice(target.as_bytes());
    whole.extend_from_slice(path);
    if let Some(credentials) = credentials {
        whole.extend_from_slice(format!("Proxy-Authorization: {credentials}\r\n").as_bytes());
    }
    whole.extend_from_slice(rest);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_whole_url() {
        let head = b"GET /a?b HTTP/1.1\r\nHost: h:81\r\n\r\n";
        let whole = absolute(head, "http://h:81", None).expect("a head");
        assert_eq!(
            whole.as_slice(),
            b"GET http://h:81/a?b HTTP/1.1\r\nHost: h:81\r\n\r\n"
        );
        let login = Login::new("me", "a:b").basic();
        let whole = absolute(head, "http://h:81", Some(&login)).expect("a head");
        assert_eq!(
            whole.as_slice(),
            b"GET http://h:81/a?b HTTP/1.1\r\nProxy-Authorization: Basic bWU6YTpi\r\nHost: h:81\r\n\r\n"
        );
        assert!(absolute(b"GET", "http://h", None).is_err());
    }
}
