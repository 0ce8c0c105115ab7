//! What a configuration cannot say, with the place where it does.

use std::collections::BTreeSet;
use std::path::Path;

use basalt_spec::SpecError;

use super::Config;
use crate::access::{Issuer, ROBOT_PREFIX, is_reachable};
use crate::metadata::postgres::Access;
use crate::retention;
use crate::upstream;

impl Config {
    pub(super) fn check(&self, path: &Path, text: &str) -> Result<(), SpecError> {
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
