//! What options and a configuration come to: a server that could run, if that is safe.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Options, ServeError};
use crate::access::{Htpasswd, ISSUED, Issuer, Policy};
use crate::config::{Config, Database, Store, TlsFiles, Untagged};
use crate::events::Hook;
use crate::metadata::Grace;
use crate::retention;
use crate::server::{Gate, KeySet, Limits, Provider, Registry, Settings, Verdicts};
use crate::storage::Storage;
use crate::traces::{TracesConfig, is_collector};
use crate::upstream::Upstreams;
use crate::verdict::Policies;

/// Where it listens when nothing else is said.
const LISTEN: &str = "127.0.0.1:5000";
/// The largest file of users or configuration that is read, in bytes.
const MAXIMUM_FILE: u64 = 4 << 20;

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
    pub(super) tls: Option<TlsFiles>,
    users: Option<Htpasswd>,
    issuers: Vec<(Issuer, Arc<KeySet>)>,
    providers: Vec<Arc<Provider>>,
    login_life: Option<i64>,
    policy: Policy,
    limits: Limits,
    pub(super) settings: Settings,
    pub(super) grace: Grace,
    service: String,
    url: Option<String>,
    only_local: bool,
    retention: Vec<retention::Rule>,
    hooks: Vec<Hook>,
    policies: Policies,
    pub(super) traces: Option<(String, u8)>,
    upstreams: Upstreams,
    pub(super) options: Options,
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
            sparse_indexes: config.sparse_indexes,
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

    /// A registry that goes by this; `make` makes it of its gate and its settings.
    pub(super) fn registry(self, make: impl FnOnce(Gate, Settings) -> Registry) -> Registry {
        let mut gate = Gate::new(self.policy, self.users, self.service);
        gate.only_local = self.only_local;
        gate.issuers = self.issuers;
        gate.providers = self.providers;
        gate.login_life = self.login_life.unwrap_or(gate.login_life);
        gate.limits = self.limits;
        gate.url = self.url;
        gate.tls = self.tls.is_some();
        gate.clients = self.tls.is_some_and(|files| files.clients.is_some());
        let mut registry = make(gate, self.settings);
        registry.verdicts = Arc::new(Verdicts::new(self.policies));
        registry.retention = self.retention;
        registry.hooks = self.hooks;
        registry.upstreams = self.upstreams;
        registry
    }
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
    let bytes = basalt_file::read(path, MAXIMUM_FILE).map_err(|cause| fail(cause.to_string()))?;
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
