//! What all registries share: time limits, certificates, credentials, mirrors.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use basalt_fetch::address;
use basalt_fetch::guard::NamedHosts;
use basalt_fetch::{Limits, Observer, Silent, Trust};

use crate::credentials::Credentials;
use crate::error::ClientError;
use crate::reference::{Reference, check_host};
use crate::registries_conf::RegistriesConf;
use crate::registry::Registry;
use crate::repository::{Repository, Source};
use crate::transport::Transport;
use crate::warning::{Warning, Warnings};

/// How registries are reached.
#[derive(Clone)]
pub struct Settings {
    /// The bounds on each request.
    pub limits: Limits,
    /// Hosts that may be spoken to without TLS, or with any certificate: `registry.example:5000`, or a name for all its
    /// ports.
    pub insecure: Vec<String>,
    /// Files of CAs that count beside the usual ones.
    pub authorities: Vec<PathBuf>,
    /// Folders (`certs.d`) with one folder for each host that has certificates of its own.
    pub certificate_folders: Vec<PathBuf>,
    /// Who one is.
    pub credentials: Credentials,
    /// Mirrors and rewritten names.
    pub registries: RegistriesConf,
    /// The only hosts that may be at addresses within a network: `registry.example:5000`, or a name for all its ports. All may
    /// when nothing is said; a server that asks in others' names says something.
    pub guarded: Option<NamedHosts>,
    /// The largest piece of a blob that is sent in one request, in bytes.
    pub chunk: u64,
    /// Hears about attempts that failed.
    pub observer: Arc<dyn Observer>,
}

impl Default for Settings {
    /// Nobody, without certificates, mirrors or names of this machine.
    fn default() -> Self {
        Self {
            limits: Limits {
                attempts: 5,
                ..Limits::default()
            },
            insecure: Vec::new(),
            authorities: Vec::new(),
            certificate_folders: Vec::new(),
            credentials: Credentials::none(),
            registries: RegistriesConf::default(),
            guarded: None,
            // Small enough for the proxies that stand before registries, large enough to cost nothing.
            chunk: 64 << 20,
            observer: Arc::new(Silent),
        }
    }
}

impl Settings {
    /// As this machine and its user have it configured for Docker and podman.
    ///
    /// # Errors
    /// When a configuration file is not sound.
    pub fn of_environment() -> Result<Self, ClientError> {
        Ok(Self {
            certificate_folders: Trust::folders_of_environment(),
            credentials: Credentials::of_environment(),
            registries: RegistriesConf::of_environment()?,
            ..Self::default()
        })
    }

    /// Waits so long, and no longer, for a registry that is silent.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.limits = self.limits.with_patience(patience);
        self
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limits", &self.limits)
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}

/// What the registries of one client share.
pub(crate) struct Shared {
    pub transport: Transport,
    pub credentials: Credentials,
    pub registries: RegistriesConf,
    pub chunk: u64,
    pub observer: Arc<dyn Observer>,
    pub warnings: Warnings,
}

/// Reaches registries; keeps connections and tokens for the next request.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    registries: Arc<Mutex<HashMap<String, Arc<Registry>>>>,
}

impl Client {
    /// A client with these settings.
    ///
    /// # Errors
    /// When a host is none, or a file of certificates is not sound.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let mut insecure = BTreeSet::new();
        for host in &settings.insecure {
            insecure.insert(check_host(host).map_err(|cause| ClientError::Insecure { cause })?);
        }
        let trust = Trust {
            authorities: settings.authorities,
            folders: settings.certificate_folders,
            // Where no TLS at all would do, any certificate does.
            unverified: insecure.clone(),
            identity: None,
        };
        let transport = Transport::new(settings.limits, insecure, trust, settings.guarded)?;
        Ok(Self {
            shared: Arc::new(Shared {
                transport,
                credentials: settings.credentials,
                registries: settings.registries,
                chunk: settings.chunk.max(1),
                observer: settings.observer,
                warnings: Warnings::default(),
            }),
            registries: Arc::default(),
        })
    }

    /// What registries have warned of so far, each once.
    pub fn warnings(&self) -> Vec<Warning> {
        self.shared.warnings.all()
    }

    /// The registry at a host.
    pub fn registry(&self, host: &str) -> Arc<Registry> {
        let mut known = self
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Registry::new(self.shared.clone(), host.to_owned()));
        known.entry(host.to_owned()).or_insert_with(new).clone()
    }

    /// The repository of this name of the registry at a URL (`https://registry.example`), without mirrors.
    ///
    /// # Errors
    /// When it is no URL of a registry.
    pub fn repository_at(&self, url: &str, name: &str) -> Result<Repository, ClientError> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let host = rest.map(|rest| check_host(rest.trim_end_matches('/')));
        let Some(Ok(host)) = host else {
            return Err(ClientError::Protocol {
                url: address::shown(url),
                cause: "it is no address of a registry; write https://HOST".to_owned(),
            });
        };
        if url.starts_with("http://") {
            self.shared.transport.allow_plain(&host);
        }
        let registry = self.registry(&host);
        registry.is_at(url.trim_end_matches('/'));
        let source = Source {
            registry,
            name: name.to_owned(),
            tags: true,
            digests: true,
        };
        Ok(Repository::new(format!("{host}/{name}"), vec![source]))
    }

    /// The repository that a reference names, with its mirrors.
    ///
    /// # Errors
    /// When it is blocked.
    pub fn repository(&self, reference: &Reference) -> Result<Repository, ClientError> {
        let places = self
            .shared
            .registries
            .places(reference.host(), reference.repository())?;
        let sources = places.into_iter().map(|place| {
            if place.insecure {
                self.shared.transport.allow_plain(&place.host);
            }
            Source {
                registry: self.registry(&place.host),
                name: place.repository,
                tags: place.tags,
                digests: place.digests,
            }
        });
        Ok(Repository::new(reference.name(), sources.collect()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
