//! The configuration that a person writes: strict, and with errors that point at the place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use basalt_spec::{Size, SpecError};
use serde::Deserialize;

use crate::access::{Glob, ImmutableTags, Issuer, Quota, ROBOT_PREFIX, Rule, is_reachable};
use crate::metadata::postgres::Access;
use crate::rate::Rate;
use crate::retention;
use crate::traces::TracesConfig;
use crate::upstream::{self, UpstreamConfig};
use crate::verdict;

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

/// How programs are logged in that people let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SessionsConfig {
    /// How long.
    pub life: Option<Span>,
}

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Database {
    /// Where it is: `postgres://basalt@db.example/basalt?sslmode=require`.
    pub url: String,
    /// A file that has the password.
    pub password: Option<PathBuf>,
    /// A certificate in PEM that its own must come from; without it, one of those that the web trusts.
    pub authority: Option<PathBuf>,
}

/// A bucket that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Store {
    /// Its name.
    pub bucket: String,
    /// A folder within it.
    pub folder: Option<String>,
    /// Where it is, when it is not Amazon's: `https://s3.example`.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// A file that has the name of the key; without it, the environment or the machine's role says who this is.
    pub key: Option<PathBuf>,
    /// A file that has the key.
    pub secret: Option<PathBuf>,
    /// A certificate in PEM to trust beside those of the system.
    pub authority: Option<PathBuf>,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certification authorities that vouch for clients, if any do.
    #[serde(default)]
    pub clients: Option<PathBuf>,
}

/// What is the most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// The longest blob.
    pub blob: Option<Size>,
    /// How many connections there may be.
    pub connections: Option<u32>,
    /// How often each client may ask: a user, or who comes from an address without saying who they are.
    pub requests: Option<Rate>,
    /// How many requests of a client are taken at once; those of a span of the rate when nothing is said.
    pub burst: Option<u32>,
    /// How often sign-ins from one address may fail.
    pub failed_sign_ins: Option<Rate>,
}

/// What goes that nobody needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Collect {
    /// How long a blob is kept that no manifest needs.
    pub grace: Option<Span>,
    /// How long a manifest is kept that lost its last tag.
    pub untagged: Option<Untagged>,
    /// How often it is looked for.
    pub every: Option<Span>,
}

/// Someone who is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HookConfig {
    /// Its name, under which it is known how far it was told.
    pub name: String,
    /// Where to.
    pub url: String,
    /// A file with the secret that signs what is sent.
    pub secret: Option<PathBuf>,
    /// Of which repositories; of all when none are named.
    #[serde(default)]
    pub repositories: Vec<Glob>,
    /// Of what; of all when nothing is named.
    #[serde(default)]
    pub events: Vec<crate::events::Action>,
    /// How often an event is tried before it is given up.
    pub attempts: Option<u32>,
    /// How long one attempt may take.
    pub timeout: Option<Span>,
}

/// How long uploads may rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Uploads {
    /// How long nothing may come of one.
    pub expire: Option<Span>,
}

/// How blobs are compared with their digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Scrub {
    /// How much is read in a second; `0` for none.
    pub rate: Option<Size>,
}

/// A span of time: `30 seconds`, `5 minutes`, `12 hours`, `1 day`, `2 weeks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    milliseconds: i64,
}

/// How long a manifest without a tag is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Untagged {
    /// For ever.
    Kept,
    /// For so long.
    For(Span),
}

const UNITS: [(&str, i64); 5] = [
    ("second", 1000),
    ("minute", 60 * 1000),
    ("hour", 3600 * 1000),
    ("day", 24 * 3600 * 1000),
    ("week", 7 * 24 * 3600 * 1000),
];
/// The longest span, in milliseconds: a hundred years.
const MAXIMUM_SPAN: i64 = 36_525 * 24 * 3600 * 1000;

impl Span {
    /// In milliseconds.
    pub fn milliseconds(self) -> i64 {
        self.milliseconds
    }

    /// As the clock has it.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds.unsigned_abs())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milliseconds = text.trim().split_once(' ').and_then(|(count, unit)| {
            let count: u32 = count.parse().ok()?;
            let unit = unit.trim();
            let unit = unit.strip_suffix('s').unwrap_or(unit);
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
            i64::from(count).checked_mul(*factor)
        });
        match milliseconds.filter(|span| *span <= MAXIMUM_SPAN) {
            Some(milliseconds) => Ok(Self { milliseconds }),
            None => Err(format!(
                "`{text}` is no span of time; write it as `30 seconds`, `5 minutes`, `12 hours`, `1 day` or `2 weeks`"
            )),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, i64)| self.milliseconds % unit.1 == 0;
        let (name, factor) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
        write!(f, "{} {name}s", self.milliseconds / factor)
    }
}

impl TryFrom<String> for Untagged {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "never" => Ok(Self::Kept),
            _ => Span::try_from(text)
                .map(Self::For)
                .map_err(|error| format!("{error}, or `never`")),
        }
    }
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

    fn check(&self, path: &Path, text: &str) -> Result<(), SpecError> {
        let fail = |word: &str, message: String, help: &str| {
            let error = SpecError::at_word(path, text, word, message);
            Err(error.with_help(Some(help.to_owned())))
        };
        let rules = self.issuers.iter().flat_map(|issuer| &issuer.rules);
        let issued: BTreeSet<&String> = rules.flat_map(|rule| &rule.groups).collect();
        for issuer in &self.issuers {
            if let Err((message, help)) = issuer.check() {
                return fail("issuers", message, help);
            }
            // A token names its issuer by the url; where people sign in they choose by the name.
            let takes_tokens = |issuer: &Issuer| issuer.audience.is_some();
            let same = |other: &&Issuer| {
                other.name == issuer.name
                    || (other.url == issuer.url && takes_tokens(other) && takes_tokens(issuer))
            };
            if self.issuers.iter().filter(same).count() > 1 {
                let message = format!("the issuer `{}`, or its url, stands twice", issuer.name);
                return fail("issuers", message, "give all its rules at one place");
            }
            // Where the issuer sends browsers back to must be known to it beforehand, and be out of others' sight.
            if issuer.login.is_some() && !self.url.as_deref().is_some_and(is_reachable) {
                let message =
                    "people cannot sign in by an issuer where the registry has no address"
                        .to_owned();
                let help = "add `url: https://registry.example`, and tell the issuer that it may send browsers back to …/signin/return/NAME";
                return fail("login", message, help);
            }
        }
        for rule in &self.access {
            if rule.repositories.is_empty() || rule.rights.is_empty() {
                let help = "write `repositories: [\"team/*\"]` and `rights: [pull, push-new]`";
                return fail(
                    "access",
                    "a rule names no repositories, or no rights".to_owned(),
                    help,
                );
            }
            if rule.users.is_empty() && rule.groups.is_empty() && !rule.anonymous {
                let help = "add `users:`, `groups:` or `anonymous: true`";
                return fail("access", "a rule is for nobody".to_owned(), help);
            }
            let is_robot = |user: &&String| user.starts_with(ROBOT_PREFIX);
            if let Some(robot) = rule.users.iter().find(is_robot) {
                let help =
                    "a robot has the rights that it was made with: `basalt registry robot create`";
                let message = format!("no rule is for the robot `{robot}`");
                return fail(robot, message, help);
            }
            let unknown = rule
                .groups
                .iter()
                .find(|group| !self.groups.contains_key(*group) && !issued.contains(group));
            if let Some(group) = unknown {
                let known = self.groups.keys().chain(issued.iter().copied());
                let near = basalt_spec::nearest(group, known.map(String::as_str));
                let help = near.map_or_else(
                    || "name its users under `groups:`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                return fail(group, format!("there is no group `{group}`"), &help);
            }
            let signed_in = !rule.users.is_empty() || !rule.groups.is_empty();
            if signed_in && !self.signs_in() {
                let help = "add `users: FILE`, a file that `htpasswd -B` wrote, `issuers:` or `tls: {clients: FILE}`";
                return fail(
                    "access",
                    "nobody can sign in: there is no file of users".to_owned(),
                    help,
                );
            }
        }
        if self.signs_in() && self.access.is_empty() {
            let help = "add `access:` with `- {repositories: [\"**\"], users: [\"*\"], rights: [pull, push-new]}`";
            let word = if self.users.is_some() {
                "users"
            } else if self.issuers.is_empty() {
                "clients"
            } else {
                "issuers"
            };
            return fail(word, "no rule gives anybody a right".to_owned(), help);
        }
        if self
            .quotas
            .iter()
            .any(|quota| quota.repositories.is_empty())
        {
            let help = "write `repositories: [\"team/*\"]` and `size: 100 GB`";
            return fail("quotas", "a quota names no repositories".to_owned(), help);
        }
        if let Some(url) = &self.url {
            let host = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]/".contains(&byte);
            if !host.is_some_and(|host| !host.is_empty() && host.bytes().all(sound)) {
                let help = "write it as `https://registry.example`";
                return fail("url", format!("`{url}` is no address of a server"), help);
            }
        }
        for rule in &self.retention {
            let keep = &rule.keep;
            if rule.repositories.is_empty() || *keep == retention::Keep::default() {
                let help = "write `repositories: [\"team/*\"]` and `keep: {newest: 10}`; what is kept must be said";
                let message = "a rule names no repositories, or keeps nothing";
                return fail("retention", message.to_owned(), help);
            }
        }
        if let Some(traces) = &self.traces
            && let Err((word, message, help)) = traces.check()
        {
            return fail(word, message, help);
        }
        for (place, rule) in self.policies.iter().enumerate() {
            let is_known = |group: &str| {
                self.groups.contains_key(group) || issued.iter().any(|one| *one == group)
            };
            if let Err(wrong) = rule.check(is_known, self.signs_in()) {
                return fail(&wrong.word, wrong.message, &wrong.help);
            }
            let mut before = self.policies.iter().take(place);
            if before.any(|one| one.name == rule.name) {
                let message = format!("two policies have the name `{}`", rule.name);
                return fail(&rule.name, message, "give each its own");
            }
        }
        for (place, hook) in self.hooks.iter().enumerate() {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if hook.name.is_empty() || hook.name.len() > 64 || !hook.name.bytes().all(sound) {
                let help = "write letters, digits, dots and dashes";
                return fail(
                    "name",
                    "this name of a hook cannot be used".to_owned(),
                    help,
                );
            }
            if self
                .hooks
                .iter()
                .take(place)
                .any(|one| one.name == hook.name)
            {
                let message = format!("two hooks have the name `{}`", hook.name);
                return fail(&hook.name, message, "give each its own");
            }
            let is_web = ["https://", "http://"]
                .iter()
                .any(|scheme| hook.url.len() > scheme.len() && hook.url.starts_with(scheme));
            if !is_web || hook.url.len() > 2000 || hook.url.bytes().any(|byte| byte <= b' ') {
                let message = format!("`{}` is no address of a hook", hook.url);
                return fail(&hook.url, message, "write it as `https://ci.example/hook`");
            }
            if hook.attempts == Some(0) || hook.attempts.is_some_and(|most| most > 1000) {
                let help = "write a number from 1 to 1000";
                return fail(
                    "attempts",
                    "there cannot be so many attempts".to_owned(),
                    help,
                );
            }
        }
        if let Err((word, message, help)) = upstream::check(&self.upstreams) {
            return fail(&word, message, help);
        }
        if let Some(service) = &self.service {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if service.is_empty() || service.len() > 128 || !service.bytes().all(sound) {
                let help = "write letters, digits, dots and dashes";
                return fail(
                    "service",
                    "this name of the service cannot be used".to_owned(),
                    help,
                );
            }
        }
        if let Some(database) = &self.database
            && let Err(cause) = Access::readable(&database.url)
        {
            let help = "write it as `postgres://basalt@db.example/basalt`";
            return fail(
                "url",
                format!("`{}` is no database: {cause}", database.url),
                help,
            );
        }
        if let Some(store) = &self.store {
            let endpoint = store.endpoint.as_deref().unwrap_or("https://");
            if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
                let help = "write it as `https://s3.example`";
                return fail(
                    "endpoint",
                    format!("`{endpoint}` is no address of a store"),
                    help,
                );
            }
            if store.key.is_some() != store.secret.is_some() {
                let help = "name a file for `key` and one for `secret`, or neither: then the environment says who this is";
                return fail("store", "one half of the key is missing".to_owned(), help);
            }
        }
        if self.limits.connections == Some(0)
            || self.limits.connections.is_some_and(|most| most > 1_000_000)
        {
            let help = "write a number from 1 to 1000000";
            return fail(
                "connections",
                "there cannot be so many connections".to_owned(),
                help,
            );
        }
        if self
            .limits
            .burst
            .is_some_and(|burst| burst == 0 || self.limits.requests.is_none())
        {
            let help = "write `limits: {requests: 100 per second, burst: 200}`";
            let message = "a burst is a number from 1, beside `requests`".to_owned();
            return fail("burst", message, help);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Right;

    const WHOLE: &str = r#"
root: data
database: {url: "postgres://basalt@db.example/basalt", password: password, authority: ca.pem}
store: {bucket: images, folder: registry, endpoint: "https://s3.example", region: eu, key: key, secret: secret}
listen: 0.0.0.0:443
url: https://registry.example
service: registry.example
tls: {certificate: /etc/tls/cert.pem, key: key.pem, clients: ca.pem}
users: people
groups: {dev: [ann, bob]}
issuers:
  - name: github
    url: https://token.actions.githubusercontent.com
    audience: registry.example
    user: repository
    rules:
      - {claims: {repository: "basalt-images/*", ref: refs/heads/main}, groups: [ci]}
  - {name: cluster, url: "https://cluster.example", audience: r, keys: keys.json, rules: [{claims: {sub: "system:serviceaccount:build:*"}}]}
  - name: company
    url: https://company.example
    login: {client: registry, secret: login.secret, label: "Our company", scopes: [profile, groups], life: 1 day,
      authorization: "https://login.company.example/authorize", token: "https://login.company.example/token"}
    user: preferred_username
    rules: [{claims: {groups: developers}, groups: [dev]}]
access:
  - {repositories: ["team/*"], groups: [ci], users: ["cluster:system:serviceaccount:build:robot"], rights: [pull]}
  - {repositories: ["public/**"], anonymous: true, rights: [pull]}
  - {repositories: ["team/*"], groups: [dev], rights: [pull, push-new, overwrite, delete]}
  - {repositories: ["**"], users: [root], rights: [admin]}
immutable-tags:
  - {repositories: ["**"], tags: ["v*"]}
quotas:
  - {repositories: ["team/*"], size: 100 GB}
limits: {blob: 10 GB, connections: 1000, requests: 100 per second, burst: 200, failed-sign-ins: 10 per minute}
collect: {grace: 1 day, untagged: never, every: 1 minute}
retention:
  - {repositories: ["team/*"], keep: {newest: 10, younger-than: 90 days, tags: ["v*"]}}
policies:
  - {name: signed, repositories: ["prod/**"], on: [pull], require: {signature: {keys: [cosign.pub]}}, else: deny, except: {groups: [ci]}}
traces: {url: "http://collector.example:4318", percent: 10}
hooks:
  - {name: ci, url: "https://ci.example/hook", secret: ci.secret, repositories: ["team/*"], events: [push-tag, move-tag],
     attempts: 5, timeout: 5 seconds}
upstreams:
  - {url: "https://registry-1.docker.io", prefix: hub, namespaces: [docker.io], username: ann, password: hub-password, ca: ca.pem,
     hosts: ["storage.example:9000"], repositories: ["library/*"], tags: ["3.*"], platforms: [linux/amd64], fresh: 1 hour,
     keep: 30 days, patience: 10 seconds, fetches: 8, blob: 5 GB}
uploads: {expire: 12 hours}
scrub: {rate: 20 MB}
sessions: {life: 30 days}
drain: 30 seconds
"#;

    fn parse(text: &str) -> Result<Config, SpecError> {
        Config::parse(Path::new("/srv/registry.yaml"), text)
    }

    #[test]
    fn all_that_can_be_written_is_read_and_paths_are_relative_to_the_file() {
        let config = parse(WHOLE).expect("it is sound");
        assert_eq!(config.root.as_deref(), Some(Path::new("/srv/data")));
        assert_eq!(config.users.as_deref(), Some(Path::new("/srv/people")));
        let database = config.database.expect("it is there");
        assert_eq!(database.password, Some("/srv/password".into()));
        let store = config.store.expect("it is there");
        assert_eq!(store.secret, Some("/srv/secret".into()));
        let tls = config.tls.expect("it is there");
        assert_eq!(
            (tls.certificate, tls.key, tls.clients),
            (
                "/etc/tls/cert.pem".into(),
                "/srv/key.pem".into(),
                Some("/srv/ca.pem".into())
            )
        );
        assert_eq!(config.issuers[1].keys.as_deref(), Some("/srv/keys.json"));
        let login = config.issuers[2].login.as_ref().expect("it is there");
        assert_eq!(login.secret, Some("/srv/login.secret".into()));
        let upstream = &config.upstreams[0];
        assert_eq!(upstream.password, Some("/srv/hub-password".into()));
        assert_eq!(upstream.ca, Some("/srv/ca.pem".into()));
        let secret = config.hooks[0].secret.as_deref();
        assert_eq!(secret, Some(Path::new("/srv/ci.secret")));
        assert_eq!(config.retention[0].keep.newest, Some(10));
        assert_eq!(config.access[2].rights[2], Right::Overwrite);
        assert_eq!(config.collect.untagged, Some(Untagged::Kept));
        assert_eq!(config.drain.map(Span::milliseconds), Some(30_000));
        assert!(parse("").is_ok());
        let signed = &config.policies[0].require.signature;
        let keys = signed.as_ref().map(|signed| signed.keys.as_slice());
        assert_eq!(keys, Some(&[PathBuf::from("/srv/cosign.pub")][..]));
    }

    #[test]
    fn what_is_wrong_is_pointed_at_with_a_way_out() {
        for (text, words) in [
            ("listn: x", &["1:1", "`listn`", "did you mean `listen`"][..]),
            (
                "access:\n  - {repositories: [x], anonymous: true, rights: [pul]}",
                &["2:", "did you mean `pull`"],
            ),
            ("drain: soon", &["1:8", "30 seconds"]),
            ("collect: {untagged: 5}", &["never"]),
            (
                "access:\n  - {repositories: [x], groups: [develpers], rights: [pull]}\ngroups: {developers: [a]}\nusers: f",
                &["did you mean `developers`"],
            ),
            (
                "access:\n  - {repositories: [x], users: [a], rights: [pull]}",
                &["1:1", "htpasswd"],
            ),
            (
                "access:\n  - {repositories: [x], rights: [pull]}",
                &["for nobody"],
            ),
            (
                "quotas: [{repositories: [], size: 1 GB}]",
                &["1:1", "names no repositories"],
            ),
            ("quotas: [{repositories: [x], size: much}]", &["1:36"]),
            (
                "issuers: [{name: ci, url: \"http://ci.example\", audience: here, rules: []}]",
                &["1:1", "no issuer that can be asked", "https://"],
            ),
            (
                "issuers: [{name: ci, url: \"https://ci.example\", audience: here, rules: [{claims: {}}]}]",
                &["would let everyone in", "repository:"],
            ),
            (
                "issuers: [{name: cert, url: \"https://ci.example\", audience: here, rules: [{claims: {sub: x}}]}]",
                &["cannot be called `cert`"],
            ),
            ("issuers: [{nam: ci}]", &["did you mean `name`"]),
            (
                "issuers: [{name: ci, url: \"https://ci.example\", rules: [{claims: {sub: x}}]}]",
                &["1:1", "nobody can sign in by", "`login:"],
            ),
            (
                "issuers: [{name: ci, url: \"https://ci.example\", login: {client: x}, rules: [{claims: {sub: x}}]}]",
                &["has no address", "url: https://", "/signin/return/"],
            ),
            (
                "issuers: [{name: ci, url: \"https://ci.example\", login: {clint: x}, rules: [{claims: {sub: x}}]}]",
                &["did you mean `client`"],
            ),
            (
                "url: https://r\nissuers: [{name: ci, url: \"https://ci.example\", login: {client: x, token: \"http://x\"}, rules: [{claims: {sub: x}}]}]",
                &["2:1", "cannot sign in at `http://x`"],
            ),
            (
                "tls: {certificate: c, key: k, clients: ca}",
                &["1:31", "no rule gives anybody a right"],
            ),
            (
                "users: p\naccess:\n  - {repositories: [x], users: [robot$ci], rights: [pull]}",
                &["3:", "robot create"],
            ),
            ("users: people", &["no rule gives anybody a right"]),
            (
                "url: registry.example",
                &["1:1", "https://registry.example"],
            ),
            ("limits: {burst: 5}", &["1:10", "beside `requests`"]),
            ("limits: {requests: often}", &["1:20", "100 per second"]),
            ("limits: {connections: 0}", &["from 1 to"]),
            (
                "database: {url: \"mysql://db/basalt\"}",
                &["1:12", "no database", "postgres://"],
            ),
            (
                "store: {bucket: images, key: name}",
                &["1:1", "one half", "`secret`"],
            ),
            (
                "store: {bucket: images, endpoint: s3.example}",
                &["1:25", "https://s3.example"],
            ),
            (
                "retention:\n  - {repositories: [\"**\"], keep: {}}",
                &["keeps nothing", "newest: 10"],
            ),
            (
                "retention:\n  - {repositories: [\"**\"], keep: {newst: 1}}",
                &["2:", "did you mean `newest`"],
            ),
            (
                "hooks:\n  - {name: ci, url: \"ftp://x\"}",
                &["2:", "https://ci.example/hook"],
            ),
            (
                "hooks:\n  - {name: ci, url: \"http://x\", events: [push-tags]}",
                &["did you mean `push-tag`"],
            ),
            (
                "upstreams: [{url: registry.example, prefix: a}]",
                &["1:19", "https://registry.example"],
            ),
            (
                "upstreams: [{url: \"https://a.example/x\", prefix: a}]",
                &["no address of a registry"],
            ),
            (
                "upstreams: [{url: \"https://a.example\", prefix: Hub}]",
                &["1:48", "small letters"],
            ),
            (
                "upstreams: [{url: \"https://a.example\", prefix: a, username: ann}]",
                &["1:51", "one half", "`password: FILE`"],
            ),
            (
                "upstreams: [{url: \"https://a.example\", prefix: a, platforms: [linux]}]",
                &["linux/amd64"],
            ),
            (
                "upstreams: [{url: \"https://a.example\", prefix: a, prefx: b}]",
                &["did you mean `prefix`"],
            ),
            (
                "upstreams:\n  - {url: \"https://a.example\", prefix: a}\n  - {url: \"https://b.example\", prefix: a/b}",
                &["3:", "of the same repositories"],
            ),
            (
                "access:\n  - {repositories: [\"a b\"], anonymous: true, rights: [pull]}",
                &["no pattern"],
            ),
        ] {
            let error = parse(text).expect_err("it is refused").to_string();
            for word in words {
                assert!(error.contains(word), "`{word}` is not in:\n{error}");
            }
        }
    }
}
