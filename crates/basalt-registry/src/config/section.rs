//! The sections of a configuration.

use std::path::PathBuf;

use basalt_spec::Size;
use serde::Deserialize;

use super::{Span, Untagged};
use crate::access::Glob;
use crate::rate::Rate;

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
    /// A certificate in PEM that its own must come from; without it, one of the usual ones.
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
    /// A certificate in PEM to trust beside the usual ones.
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
