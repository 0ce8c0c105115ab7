//! What a person writes of upstreams.

use std::fmt;
use std::path::PathBuf;

use basalt_spec::Size;
use serde::Deserialize;

use crate::access::Glob;
use crate::config::Span;
use crate::name::RepositoryName;

/// The most requests that an upstream may get at once.
const MAXIMUM_FETCHES: u32 = 256;

/// A registry whose repositories are had through this one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Where it is: `https://registry-1.docker.io`.
    pub url: String,
    /// What its repositories are called by here: with `hub`, its `library/alpine` is `hub/library/alpine`.
    pub prefix: String,
    /// The names under which clients that have this registry for a mirror ask for it (`?ns=docker.io`).
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The user that it knows this registry as.
    pub username: Option<String>,
    /// A file that has the password.
    pub password: Option<PathBuf>,
    /// A file of authorities in PEM that its certificate may come from, beside those that the web trusts.
    pub ca: Option<PathBuf>,
    /// Hosts within a network that it may lead to: `storage.example:9000`, or a name for all its ports.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Which of its repositories can be had, by their names there; all when nothing is said.
    #[serde(default)]
    pub repositories: Vec<Glob>,
    /// Which tags; all when nothing is said.
    #[serde(default)]
    pub tags: Vec<Glob>,
    /// Images of which platforms; of all when nothing is said.
    #[serde(default)]
    pub platforms: Vec<Platform>,
    /// How long a tag is taken for what it was.
    pub fresh: Option<Span>,
    /// How long is kept what nobody asks for.
    pub keep: Option<Span>,
    /// How long it may say nothing.
    pub patience: Option<Span>,
    /// How many requests it gets at once.
    pub fetches: Option<u32>,
    /// The longest blob that is had of it; `limits: {blob}` counts too.
    pub blob: Option<Size>,
}

/// A platform, as indexes name it: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Platform(String);

impl Platform {
    /// Whether a platform is this one, or a variant of it.
    pub fn fits(&self, platform: &str) -> bool {
        let rest = platform.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl TryFrom<String> for Platform {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let word = |part: &str| {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !part.is_empty() && part.len() <= 64 && part.bytes().all(sound)
        };
        let parts = text.split('/').count();
        match (2..=3).contains(&parts) && text.split('/').all(word) {
            true => Ok(Self(text)),
            false => Err(format!(
                "`{text}` is no platform; write it as `linux/amd64` or `linux/arm/v7`"
            )),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with upstreams: the word that it is about, what, and the way out.
pub type Wrong = (String, String, &'static str);

/// Looks at upstreams as a whole.
///
/// # Errors
/// When one cannot be, or two are for the same.
pub fn check(upstreams: &[UpstreamConfig]) -> Result<(), Wrong> {
    for (place, one) in upstreams.iter().enumerate() {
        one.check()?;
        for other in upstreams.iter().take(place) {
            let (one, other) = (one, other);
            let within = |inner: &str, outer: &str| {
                let rest = inner.strip_prefix(outer);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if within(&one.prefix, &other.prefix) || within(&other.prefix, &one.prefix) {
                let message = format!(
                    "the prefixes `{}` and `{}` are of the same repositories",
                    other.prefix, one.prefix
                );
                return Err((one.prefix.clone(), message, "give each upstream its own"));
            }
            let mut names = one.namespaces.iter();
            if let Some(name) = names.find(|name| other.namespaces.contains(name)) {
                let message = format!("two upstreams are for the namespace `{name}`");
                return Err((name.clone(), message, "name it at one of them"));
            }
        }
    }
    Ok(())
}

impl UpstreamConfig {
    fn check(&self) -> Result<(), Wrong> {
        let wrong = |word: &str, message: String, help| Err((word.to_owned(), message, help));
        let host = ["https://", "http://"]
            .iter()
            .find_map(|scheme| self.url.strip_prefix(scheme));
        if !host.is_some_and(|host| is_host(host.trim_end_matches('/'))) {
            let message = format!("`{}` is no address of a registry", self.url);
            return wrong(&self.url, message, "write it as `https://registry.example`");
        }
        if self.prefix.parse::<RepositoryName>().is_err() {
            let message = format!("no repository's name can begin with `{}`", self.prefix);
            return wrong(
                &self.prefix,
                message,
                "write small letters and digits: `prefix: hub`",
            );
        }
        let mut names = self.namespaces.iter().chain(&self.hosts);
        if let Some(name) = names.find(|name| !is_host(name)) {
            let message = format!("`{name}` is no name of a host");
            return wrong(
                name,
                message,
                "write it as `docker.io` or `registry.example:5000`",
            );
        }
        if self.username.is_some() != self.password.is_some() {
            let word = if self.username.is_some() {
                "username"
            } else {
                "password"
            };
            let help = "write both, `username: NAME` and `password: FILE`, or neither";
            return wrong(
                word,
                "one half of the credentials is missing".to_owned(),
                help,
            );
        }
        if self
            .username
            .as_ref()
            .is_some_and(|name| name.contains(':'))
        {
            let message = "no user's name has a colon".to_owned();
            return wrong("username", message, "write it without one");
        }
        let positive = |span: Option<Span>| span.is_none_or(|span| span.milliseconds() > 0);
        if !positive(self.keep) || !positive(self.patience) {
            let word = if positive(self.keep) {
                "patience"
            } else {
                "keep"
            };
            let message = "this cannot be no time at all".to_owned();
            return wrong(
                word,
                message,
                "write a span such as `30 days` or `10 seconds`",
            );
        }
        if self
            .fetches
            .is_some_and(|most| most == 0 || most > MAXIMUM_FETCHES)
        {
            let message = format!("an upstream gets from 1 to {MAXIMUM_FETCHES} requests at once");
            return wrong("fetches", message, "write `fetches: 16`");
        }
        Ok(())
    }
}

/// Whether a text could be a host, with its port or without.
fn is_host(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_fits_its_variants_and_no_other() {
        let platform = |text: &str| Platform::try_from(text.to_owned());
        let arm = platform("linux/arm64").expect("it is one");
        for (named, expected) in [
            ("linux/arm64", true),
            ("linux/arm64/v8", true),
            ("linux/arm", false),
            ("linux/arm64v8", false),
            ("windows/arm64", false),
        ] {
            assert_eq!(arm.fits(named), expected, "{named}");
        }
        for wrong in ["linux", "", "linux/", "a/b/c/d", "linux/a b"] {
            assert!(platform(wrong).is_err(), "{wrong}");
        }
    }
}
