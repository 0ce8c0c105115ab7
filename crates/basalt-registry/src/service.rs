//! From options and a configuration to a server that runs.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use basalt_spec::SpecError;
use rustix::process::Resource;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::access::{Htpasswd, ISSUED, Issuer, Policy};
use crate::blobs::BucketError;
use crate::config::{Config, Database, Store, TlsFiles, Untagged};
use crate::events::Hook;
use crate::metadata::{Grace, MetadataError};
use crate::retention;
use crate::server::{
    Gate, KeySet, Limits, Listening, Provider, Registry, Settings, Tls, TlsError, Verdicts, log,
};
use crate::storage::Storage;
use crate::traces::{Traces, TracesConfig, is_collector};
use crate::upstream::Upstreams;
use crate::verdict::Policies;

/// Where it listens when nothing else is said.
const LISTEN: &str = "127.0.0.1:5000";
/// The largest file of users or configuration that is read, in bytes.
const MAXIMUM_FILE: u64 = 4 << 20;
/// Threads that answer requests, at least: one may wait for a disk while it reads the metadata.
const THREADS: usize = 4;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder that everything is kept in.
    pub root: Option<PathBuf>,
    /// The folder when neither this nor the configuration names one.
    pub default_root: PathBuf,
    /// Where to listen.
    pub listen: Option<String>,
    /// The configuration.
    pub config: Option<PathBuf>,
    /// Whether other machines may connect without TLS.
    pub without_tls: bool,
    /// Whether other machines may write without signing in.
    pub allow_anonymous: bool,
    /// Where spans of requests go.
    pub traces: Option<String>,
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(SpecError),
    /// A file or folder cannot be used.
    #[error("{what} {path} cannot be used: {cause}", path = path.display())]
    File {
        /// What it is for.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Another server has the folder.
    #[error("another server runs on {path}", path = path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// It would be open to other machines in a way that nobody asked for.
    #[error("{listen} is open to other machines, and {problem}")]
    TooOpen {
        /// Where it would listen.
        listen: SocketAddr,
        /// What is missing.
        problem: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// It cannot listen there.
    #[error("cannot listen at {listen}: {cause}")]
    Listen {
        /// Where.
        listen: String,
        /// Why.
        cause: String,
    },
    /// An address cannot be read.
    #[error("{what} cannot be read: {cause}")]
    Address {
        /// Which.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// The bucket cannot be used.
    #[error(transparent)]
    Store(BucketError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The system does not give what a server needs.
    #[error("the system does not give what the server needs: {0}")]
    System(#[from] io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::TooOpen { help, .. } => Some(help),
            Self::Taken { .. } => Some("stop it, or name another folder with --root"),
            Self::Listen { .. } => Some("name another address with --listen ADDRESS:PORT"),
            _ => None,
        }
    }
}

/// A server that could run.
pub struct Plan {
    /// The folder.
    pub root: PathBuf,
    /// Where it will listen.
    pub listen: SocketAddr,
    /// Whether it asks nobody who they are.
    pub is_open: bool,
    database: Option<Database>,
    store: Option<Store>,
    tls: Option<TlsFiles>,
    users: Option<Htpasswd>,
    issuers: Vec<(Issuer, Arc<KeySet>)>,
    providers: Vec<Arc<Provider>>,
    login_life: Option<i64>,
    policy: Policy,
    limits: Limits,
    settings: Settings,
    grace: Grace,
    service: String,
    url: Option<String>,
    only_local: bool,
    retention: Vec<retention::Rule>,
    hooks: Vec<Hook>,
    policies: Policies,
    traces: Option<(String, u8)>,
    upstreams: Upstreams,
    options: Options,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("root", &self.root)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Reads the configuration and decides whether what it asks for is safe.
    ///
    /// # Errors
    /// When it is wrong, or open in a way that nobody asked for.
    pub fn new(options: &Options) -> Result<Self, ServeError> {
        let config = match &options.config {
            Some(path) => {
                let text = read_text("the configuration", path)?;
                Config::parse(path, &text).map_err(ServeError::Config)?
            }
            None => Config::default(),
        };
        let listen = options.listen.as_deref().or(config.listen.as_deref());
        let listen = address(listen.unwrap_or(LISTEN))?;
        let is_open = !config.signs_in() && config.access.is_empty();
        let users = config.users.as_deref().map(read_users).transpose()?;
        let issuers = read_issuers(config.issuers)?;
        let providers = read_providers(&issuers)?;
        if users.as_ref().is_some_and(|users| users.has(ISSUED)) && !issuers.is_empty() {
            return Err(ServeError::File {
                what: "the file of users",
                path: config.users.unwrap_or_default(),
                cause: format!(
                    "tokens of issuers sign in as `{ISSUED}`: no user can have this name"
                ),
            });
        }
        let policy = Policy {
            rules: config.access,
            groups: config.groups,
            immutable_tags: config.immutable_tags,
            quotas: config.quotas,
            is_open,
        };
        let is_local = listen.ip().is_loopback();
        if !is_local && config.tls.is_none() && !options.without_tls {
            return Err(ServeError::TooOpen {
                listen,
                problem: "whoever is on the way could read passwords and change images: there is no TLS",
                help: "name a certificate in the configuration (tls: {certificate: FILE, key: FILE}), or say --without-tls if \
                       something before this server does it",
            });
        }
        if !is_local && policy.anonymous_writes() && !options.allow_anonymous {
            return Err(ServeError::TooOpen {
                listen,
                problem: "anyone could write without saying who they are",
                help: "name users and what they may do in the configuration (users: FILE, access: […]), or say --allow-anonymous \
                       if everyone may",
            });
        }
        let defaults = Settings::default();
        let bytes = |size: basalt_spec::Size| size.0;
        let settings = Settings {
            maximum_blob: config.limits.blob.map_or(defaults.maximum_blob, bytes),
            lease: config
                .collect
                .grace
                .map_or(defaults.lease, |span| span.milliseconds()),
            upload_life: config
                .uploads
                .expire
                .map_or(defaults.upload_life, |span| span.milliseconds()),
            collect_every: config
                .collect
                .every
                .map_or(defaults.collect_every, |span| span.duration())
                .max(std::time::Duration::from_millis(10)),
            scrub_rate: config.scrub.rate.map_or(defaults.scrub_rate, bytes),
            connections: config
                .limits
                .connections
                .map_or(defaults.connections, |most| most as usize),
            drain: config.drain.map_or(defaults.drain, |span| span.duration()),
        };
        let limits = Limits::new(
            config.limits.requests.map(|rate| {
                let burst = config.limits.burst.unwrap_or(rate.count());
                (rate, burst)
            }),
            config.limits.failed_sign_ins,
        );
        let grace = Grace {
            blob: settings.lease,
            untagged: match config.collect.untagged {
                Some(Untagged::For(span)) => Some(span.milliseconds()),
                Some(Untagged::Kept) | None => None,
            },
        };
        let root = options.root.clone().or(config.root);
        let secret = |path: &Path| read_text("the secret of a hook", path);
        let hooks = config.hooks.iter().map(|hook| Hook::new(hook, secret));
        let policies = Policies::new(config.policies, config.url.as_deref(), read_text)?;
        Ok(Self {
            hooks: hooks.collect::<Result<_, _>>()?,
            upstreams: Upstreams::new(&config.upstreams)?,
            retention: config.retention,
            policies,
            traces: traces(options.traces.as_deref(), config.traces)?,
            options: options.clone(),
            root: root.unwrap_or_else(|| options.default_root.clone()),
            listen,
            is_open,
            database: config.database,
            store: config.store,
            tls: config.tls,
            users,
            issuers,
            providers,
            login_life: config.sessions.life.map(|span| span.milliseconds()),
            policy,
            limits,
            settings,
            grace,
            service: config.service.unwrap_or_else(|| "basalt".to_owned()),
            url: config.url,
            only_local: is_open && is_local && !options.allow_anonymous,
        })
    }

    /// Whether all that the registry has is in its folder.
    pub fn is_in_folder(&self) -> bool {
        self.database.is_none() && self.store.is_none()
    }

    pub(crate) fn storage(&self, grace: Grace) -> Result<Storage, ServeError> {
        Storage::open(
            &self.root,
            self.database.as_ref(),
            self.store.as_ref(),
            grace,
        )
    }

    /// Which tags stay.
    pub fn retention(&self) -> &[retention::Rule] {
        &self.retention
    }

    /// What must be so of images.
    pub fn policies(self) -> Policies {
        self.policies
    }

    /// Who may do what, and which tags are immutable.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How long what lost its last reference is kept.
    pub fn grace(&self) -> Grace {
        self.grace
    }

    /// What a registry is made of that can change while it runs.
    fn parts(self) -> (Gate, Settings, Vec<retention::Rule>, Vec<Hook>, Upstreams) {
        let mut gate = Gate::new(self.policy, self.users, self.service);
        gate.only_local = self.only_local;
        gate.issuers = self.issuers;
        gate.providers = self.providers;
        gate.login_life = self.login_life.unwrap_or(gate.login_life);
        gate.limits = self.limits;
        gate.url = self.url;
        gate.tls = self.tls.is_some();
        gate.clients = self.tls.is_some_and(|files| files.clients.is_some());
        (
            gate,
            self.settings,
            self.retention,
            self.hooks,
            self.upstreams,
        )
    }

    /// Runs the server until a signal ends it. `listening` hears where, once it answers.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn run(
        self,
        format: log::Format,
        listening: impl FnOnce(SocketAddr, bool),
    ) -> Result<(), ServeError> {
        let storage = self.storage(self.grace)?;
        raise_limit();
        let tls = self
            .tls
            .as_ref()
            .map(|files| Tls::read(&files.certificate, &files.key, files.clients.as_deref()))
            .transpose()?;
        let (metadata, blobs) = (Arc::clone(&storage.metadata), Arc::clone(&storage.blobs));
        let options = self.options.clone();
        let listen = self.listen;
        let mut plan = self;
        let spans = plan.traces.take();
        let verdicts = Arc::new(Verdicts::new(std::mem::take(&mut plan.policies)));
        let (gate, settings, retention, hooks, upstreams) = plan.parts();
        let mut registry = Registry::new(metadata, blobs, gate, settings);
        registry.verdicts = verdicts;
        if let Some((url, percent)) = spans {
            let counts = Arc::clone(&registry.counts);
            registry.traces = Arc::new(Traces::start(
                &url,
                percent,
                &registry.gate.service,
                counts,
            )?);
        }
        let traces = Arc::clone(&registry.traces);
        (registry.retention, registry.hooks) = (retention, hooks);
        registry.upstreams = upstreams;
        let (renewing, current) = watch::channel(Arc::new(registry));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.max(THREADS))
            .enable_all()
            .build()?;
        log::start(format)?;
        runtime.block_on(async move {
            let (stop, stopped) = watch::channel(false);
            let (reload, reloaded) = watch::channel(0);
            // Before it listens, so that a signal from now on ends it in good order.
            let mut ends = [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            ];
            let mut hung_up = signal(SignalKind::hangup())?;
            let has_tls = tls.is_some();
            let server = Listening::bind(listen, current, tls).await;
            let server = server.map_err(|cause| ServeError::Listen {
                listen: listen.to_string(),
                cause: cause.to_string(),
            })?;
            listening(server.address()?, has_tls);
            let signals = async {
                let [terminate, interrupt] = &mut ends;
                loop {
                    tokio::select! {
                        _ = terminate.recv() => break,
                        _ = interrupt.recv() => break,
                        _ = hung_up.recv() => {
                            reload.send_modify(|count| *count += 1);
                            match renew(&options, &renewing).await {
                                Ok(()) => log::note("the configuration was read again"),
                                Err(error) => log::trouble(&format!(
                                    "{error}; the former configuration stays"
                                )),
                            }
                        }
                    }
                }
                log::note("stopping: requests at hand may end");
                let _ = stop.send(true);
                // Who cannot wait says so once more.
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let running = server.run(stopped, reloaded);
            tokio::pin!(running);
            tokio::select! {
                ended = running.as_mut() => ended.map_err(ServeError::from),
                () = signals => Ok(()),
            }
        })?;
        traces.end();
        // Reads of a disk that hangs are not waited for.
        runtime.shutdown_background();
        drop(storage);
        Ok(())
    }
}

/// Reads the configuration again, and puts what it says in the place of what was said before: all of it, or nothing.
async fn renew(
    options: &Options,
    current: &watch::Sender<Arc<Registry>>,
) -> Result<(), ServeError> {
    let mut plan = Plan::new(options)?;
    let verdicts = Arc::new(Verdicts::new(std::mem::take(&mut plan.policies)));
    let former = Arc::clone(&current.borrow());
    let (gate, settings, retention, hooks, upstreams) = plan.parts();
    if settings.connections != former.settings.connections {
        log::note("the number of connections changes with the next start");
    }
    let mut registry = former.with(gate, settings);
    registry.verdicts = verdicts;
    (registry.retention, registry.hooks) = (retention, hooks);
    registry.upstreams = upstreams;
    if registry.gate.signs_in() {
        let keys = &registry.gate.keys;
        keys.refresh(registry.metadata.as_ref(), crate::server::now())
            .await?;
    }
    current.send_replace(Arc::new(registry));
    Ok(())
}

/// Reads an address: `127.0.0.1:5000`, `[::]:5000`, `localhost:5000`, or a port of this machine alone.
fn address(text: &str) -> Result<SocketAddr, ServeError> {
    let wrong = |cause: String| ServeError::Listen {
        listen: text.to_owned(),
        cause,
    };
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found = text
        .to_socket_addrs()
        .map_err(|cause| wrong(cause.to_string()))?;
    found
        .next()
        .ok_or_else(|| wrong("it is no address of this machine".to_owned()))
}

fn read_text(what: &'static str, path: &Path) -> Result<String, ServeError> {
    let fail = |cause: String| ServeError::File {
        what,
        path: path.to_owned(),
        cause,
    };
    let bytes = crate::file::read(path, MAXIMUM_FILE).map_err(|cause| fail(cause.to_string()))?;
    String::from_utf8(bytes).map_err(|cause| fail(cause.to_string()))
}

/// Where spans go, and how many of a hundred traces: the command line goes before the configuration.
fn traces(
    option: Option<&str>,
    config: Option<TracesConfig>,
) -> Result<Option<(String, u8)>, ServeError> {
    let percent = config.as_ref().and_then(|config| config.percent);
    let url = option.map(str::to_owned);
    let Some(url) = url.or(config.map(|config| config.url)) else {
        return Ok(None);
    };
    if !is_collector(&url) {
        return Err(ServeError::Address {
            what: "the address of the collector of traces",
            cause: "it is none; write it as `http://collector.example:4318`".to_owned(),
        });
    }
    Ok(Some((url, percent.unwrap_or(100))))
}

fn read_users(path: &Path) -> Result<Htpasswd, ServeError> {
    let what = "the file of users";
    let text = read_text(what, path)?;
    let fail = |cause: String| ServeError::File {
        what,
        path: path.to_owned(),
        cause,
    };
    let users = Htpasswd::parse(&text).map_err(|error| fail(error.to_string()))?;
    if users.is_empty() {
        return Err(fail(
            "it names nobody; add someone with `htpasswd -B FILE NAME`".to_owned(),
        ));
    }
    Ok(users)
}

fn read_issuers(issuers: Vec<Issuer>) -> Result<Vec<(Issuer, Arc<KeySet>)>, ServeError> {
    let read = |issuer: Issuer| {
        let keys = KeySet::new(&issuer).map_err(|cause| ServeError::File {
            what: "the keys of the issuer",
            path: issuer.keys.clone().unwrap_or(issuer.url.clone()).into(),
            cause,
        })?;
        Ok((issuer, Arc::new(keys)))
    };
    issuers.into_iter().map(read).collect()
}

fn read_providers(issuers: &[(Issuer, Arc<KeySet>)]) -> Result<Vec<Arc<Provider>>, ServeError> {
    let mut providers = Vec::new();
    for (issuer, keys) in issuers {
        let secret = issuer
            .login
            .as_ref()
            .and_then(|login| login.secret.as_ref());
        let secret = secret.map(|path| read_text("the secret of an issuer's client", path));
        let secret = secret.transpose()?;
        let secret = secret.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
        let provider = Provider::new(issuer, keys, secret).map_err(|cause| ServeError::File {
            what: "the certification authorities of the issuer",
            path: issuer.ca.clone().unwrap_or_default(),
            cause,
        })?;
        providers.extend(provider.map(Arc::new));
    }
    Ok(providers)
}

/// As many open files as the system lets us have: each connection is one.
fn raise_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(
        listen: &str,
        config: &str,
        change: impl FnOnce(&mut Options),
    ) -> Result<Plan, ServeError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("registry.yaml");
        std::fs::write(&path, config).expect("it is written");
        let hash = bcrypt::hash("secret", 4).expect("it is hashed");
        std::fs::write(folder.path().join("people"), format!("me:{hash}")).expect("it is written");
        let mut options = Options {
            listen: Some(listen.to_owned()),
            config: Some(path),
            ..Options::default()
        };
        change(&mut options);
        Plan::new(&options)
    }

    #[test]
    fn other_machines_are_let_in_only_with_tls_and_users_or_when_told_in_so_many_words() {
        let closed =
            "users: people\naccess:\n  - {repositories: [\"**\"], users: [me], rights: [pull]}\n";
        let refused = |plan: Result<Plan, ServeError>, word: &str| {
            let error = plan.expect_err("it is refused");
            let help = error.help().expect("it says what to do").to_owned();
            assert!(help.contains(word), "{error}: {help}");
        };
        assert!(plan("127.0.0.1:0", "", |_| {}).is_ok());
        refused(plan("0.0.0.0:5000", "", |_| {}), "--without-tls");
        refused(plan("[::]:5000", closed, |_| {}), "--without-tls");
        refused(
            plan("0.0.0.0:5000", "", |o| o.without_tls = true),
            "--allow-anonymous",
        );
        let writes =
            "access:\n  - {repositories: [\"**\"], anonymous: true, rights: [pull, delete]}\n";
        refused(
            plan("0.0.0.0:5000", writes, |o| o.without_tls = true),
            "--allow-anonymous",
        );
        assert!(plan("0.0.0.0:5000", closed, |o| o.without_tls = true).is_ok());
        let both = plan("0.0.0.0:5000", "", |o| {
            o.without_tls = true;
            o.allow_anonymous = true;
        });
        assert!(both.is_ok_and(|plan| !plan.only_local));
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine_alone() {
        assert!(address("5000").is_ok_and(|address| address.ip().is_loopback()));
        assert!(address("nowhere").is_err());
    }
}
