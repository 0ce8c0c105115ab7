//! The connections of one client: to each host by the proxy, with the certificates and within the limits that are
//! meant for it, and kept for the next request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use ureq::tls::TlsConfig;
use ureq::{Agent, Proxy, ProxyProtocol};

use crate::Limits;
use crate::address::{self, Url};
use crate::connection;
use crate::guard::NamedHosts;
use crate::proxy::{self, Proxies, ProxyError};
use crate::trust::{Trust, TrustError};

/// The most hosts that connections are kept to.
const MAXIMUM_HOSTS: usize = 64;

/// Why no connection can even be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It is no URL.
    #[error("{url}: {cause}")]
    Url {
        /// As it may be shown.
        url: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// The environment names a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A file of certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// The connections of one client. Share them between threads.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    trust: Trust,
    proxies: Proxies,
    guarded: Option<NamedHosts>,
    agents: Mutex<HashMap<(String, bool), Agent>>,
}

impl Connections {
    /// Within these limits, with these certificates, by the proxies of the environment.
    pub fn new(limits: Limits, trust: Trust) -> Self {
        Self {
            limits,
            trust,
            proxies: Proxies::of_environment(),
            guarded: None,
            agents: Mutex::default(),
        }
    }

    /// By these proxies, whatever the environment says.
    #[must_use]
    pub fn by(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Leads to no address within a network but those of the hosts that were named.
    #[must_use]
    pub fn guarded(self, named: Option<NamedHosts>) -> Self {
        Self {
            guarded: named,
            ..self
        }
    }

    /// What asks for a URL; `named` when its host was named by hand, not by another's answer.
    ///
    /// # Errors
    /// When it is no URL, or the proxy or a certificate that is meant for it cannot be used.
    pub fn agent(&self, url: &str, named: bool) -> Result<Agent, ConnectError> {
        let url = parse(url)?;
        let key = (url.origin(), named);
        let known = || self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = known().get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.make(&url, named)?;
        let mut known = known();
        if known.len() >= MAXIMUM_HOSTS {
            known.clear();
        }
        known.insert(key, agent.clone());
        Ok(agent)
    }

    fn make(&self, url: &Url, named: bool) -> Result<Agent, ConnectError> {
        let proxy = self.proxies.of_url(url)?;
        let tls = tls(&self.trust, url, proxy, named)?;
        let bounds = connection::stepwise(&self.limits);
        Ok(connection::agent(
            &tls,
            proxy,
            self.guarded.as_ref(),
            bounds,
        ))
    }

    /// Why a request failed, in words; and what is wrong with the server's certificate, if that is why.
    pub fn explain(&self, url: &str, error: &ureq::Error) -> Problem {
        let reason = match rustls_error(error) {
            Some(rustls::Error::InvalidCertificate(cause)) => {
                return Problem::Certificate(certificate_problem(cause));
            }
            Some(rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::AccessDenied
                | AlertDescription::UnsupportedCertificate,
            )) => {
                return Problem::Certificate(
                    "it wants a certificate of ours, or does not take the one we showed".to_owned(),
                );
            }
            _ => error.to_string(),
        };
        let proxy = Url::parse(url).ok().and_then(|url| {
            let proxy = self.proxies.of_url(&url).ok().flatten()?;
            Some(proxy::shown(proxy))
        });
        Problem::Network(match proxy {
            Some(proxy) => format!("{reason} (by the proxy {proxy})"),
            None => reason,
        })
    }
}

/// What asks an address that an operator named: by the proxies of the environment, for so long altogether, and led
/// nowhere else. The CAs of these files count beside the usual ones.
///
/// # Errors
/// When it is no URL, or the proxy or a certificate that is meant for it cannot be used.
pub fn for_operator(
    url: &str,
    patience: Duration,
    authorities: &[PathBuf],
) -> Result<Agent, ConnectError> {
    let url = parse(url)?;
    let trust = Trust {
        authorities: authorities.to_vec(),
        ..Trust::default()
    };
    let proxies = Proxies::of_environment();
    let proxy = proxies.of_url(&url)?;
    let tls = tls(&trust, &url, proxy, true)?;
    Ok(connection::agent(&tls, proxy, None, |builder| {
        builder
            .https_only(url.is_protected())
            .timeout_global(Some(patience))
    }))
}

fn parse(url: &str) -> Result<Url, ConnectError> {
    Url::parse(url).map_err(|cause| ConnectError::Url {
        url: address::shown(url),
        cause,
    })
}

/// How connections for this URL are made: nothing is read for those that are not by TLS.
fn tls(
    trust: &Trust,
    url: &Url,
    proxy: Option<&Proxy>,
    named: bool,
) -> Result<TlsConfig, TrustError> {
    match proxy {
        _ if url.is_protected() => trust.config(&url.authority(), named),
        Some(proxy) if proxy.protocol() == ProxyProtocol::Https => {
            trust.config(proxy.host(), false)
        }
        _ => Ok(TlsConfig::default()),
    }
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What is wrong with the certificate; the same attempt fails again.
    Certificate(String),
    /// The server cannot be reached, or the connection broke.
    Network(String),
}

/// The error of TLS in an error of a request, however it is wrapped.
fn rustls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn certificate_problem(cause: &CertificateError) -> String {
    match cause {
        CertificateError::UnknownIssuer => {
            "its certificate is from no CA that is trusted here".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host".to_owned()
        }
        cause => format!("its certificate cannot be trusted: {cause}"),
    }
}
