//! The configuration that a person writes: strict, and with errors that point at the place.

mod check;
mod section;
mod span;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use basalt_spec::SpecError;
use serde::Deserialize;

use crate::access::{Glob, ImmutableTags, Issuer, Quota, Rule};
use crate::retention;
use crate::traces::TracesConfig;
use crate::upstream::UpstreamConfig;
use crate::verdict;

pub use section::{
    Collect, Database, HookConfig, Limits, Scrub, SessionsConfig, Store, TlsFiles, Uploads,
};
pub use span::{Span, Untagged};

/// The most values that a configuration may have.
const MAXIMUM_NODES: usize = 50_000;

/// A configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The folder that everything is kept in.
    pub root: Option<PathBuf>,
    /// The database that several servers share; without it there is one in the folder.
    pub database: Option<Database>,
    /// The bucket of blobs that several servers share; without it they are in the folder.
    pub store: Option<Store>,
    /// Where to listen: an address and a port.
    pub listen: Option<String>,
    /// Where clients reach the server, when another server is before it.
    pub url: Option<String>,
    /// The name that tokens are made under.
    pub service: Option<String>,
    /// The certificate.
    pub tls: Option<TlsFiles>,
    /// A file of users and their passwords, as `htpasswd -B` writes it.
    pub users: Option<PathBuf>,
    /// Who vouches for others.
    pub issuers: Vec<Issuer>,
    /// The users of each group.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Who may do what.
    pub access: Vec<Rule>,
    /// Tags that may be neither moved nor deleted.
    pub immutable_tags: Vec<ImmutableTags>,
    /// How much repositories may hold; the first that fits one counts.
    pub quotas: Vec<Quota>,
    /// Repositories in which an index may list manifests that are not there.
    pub sparse_indexes: Vec<Glob>,
    /// What is the most.
    pub limits: Limits,
    /// What goes that nobody needs.
    pub collect: Collect,
    /// Which tags stay; repositories that no rule is about keep all.
    pub retention: Vec<retention::Rule>,
    /// What must be so of images that are pulled or pushed.
    pub policies: Vec<verdict::Rule>,
    /// Where spans of requests go.
    pub traces: Option<TracesConfig>,
    /// Who is told of changes.
    pub hooks: Vec<HookConfig>,
    /// The registries whose repositories are had through this one.
    pub upstreams: Vec<UpstreamConfig>,
    /// How long uploads may rest.
    pub uploads: Uploads,
    /// How blobs are compared with their digests.
    pub scrub: Scrub,
    /// How programs are logged in that people let in.
    pub sessions: SessionsConfig,
    /// How long requests may take to end when the server goes down.
    pub drain: Option<Span>,
}

impl Config {
    /// Reads a configuration. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When it is no YAML, says something unknown, or what cannot be; the error names line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SpecError> {
        let mut config: Self = basalt_spec::from_yaml(path, text, MAXIMUM_NODES)?;
        config.check(path, text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let tls = config.tls.iter_mut().flat_map(|tls| {
            let own = [&mut tls.certificate, &mut tls.key];
            own.into_iter().chain(&mut tls.clients)
        });
        let authorities = config.issuers.iter_mut().flat_map(|issuer| {
            let secret = issuer
                .login
                .as_mut()
                .and_then(|login| login.secret.as_mut());
            issuer.ca.as_mut().into_iter().chain(secret)
        });
        let database = config.database.iter_mut();
        let database = database.flat_map(|own| {
            [&mut own.password, &mut own.authority]
                .into_iter()
                .flatten()
        });
        let store = config.store.iter_mut();
        let store = store.flat_map(|own| {
            [&mut own.key, &mut own.secret, &mut own.authority]
                .into_iter()
                .flatten()
        });
        let paths = tls.chain(&mut config.users).chain(&mut config.root);
        let paths = paths.chain(authorities).chain(database).chain(store);
        let secrets = config.hooks.iter_mut().flat_map(|hook| &mut hook.secret);
        let policies = config.policies.iter_mut();
        let policies = policies.flat_map(verdict::Rule::paths_mut);
        let upstreams = config.upstreams.iter_mut();
        let upstreams =
            upstreams.flat_map(|own| [&mut own.password, &mut own.ca].into_iter().flatten());
        let paths = paths.chain(secrets).chain(policies).chain(upstreams);
        for own in paths {
            *own = folder.join(&*own);
        }
        for issuer in &mut config.issuers {
            if let Some(keys) = issuer.keys.as_mut().filter(|keys| !keys.contains("://")) {
                *keys = folder.join(&*keys).to_string_lossy().into_owned();
            }
        }
        Ok(config)
    }

    /// Whether anybody can say who they are.
    pub fn signs_in(&self) -> bool {
        let clients = self.tls.as_ref().and_then(|tls| tls.clients.as_ref());
        self.users.is_some() || !self.issuers.is_empty() || clients.is_some()
    }
}

#[cfg(test)]
mod tests;
