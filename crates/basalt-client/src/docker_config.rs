//! The file in which Docker keeps credentials, `config.json`, and podman's `auth.json`, which is alike.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::credentials::Credential;
use crate::helper::TOKEN_USER;
use crate::reference::DOCKER_HUB;
use crate::secret::Secret;

/// The largest file that is read, in bytes.
pub const MAXIMUM_LENGTH: usize = 1 << 20;

/// How Docker writes Docker Hub's name in such files.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What of the file matters here.
#[derive(Debug, Default, Deserialize)]
pub struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<Secret>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default, rename = "identitytoken")]
    identity: Option<Secret>,
    #[serde(default, rename = "registrytoken")]
    registry: Option<Secret>,
}

impl DockerConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is too large, or not such a file.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > MAXIMUM_LENGTH {
            return Err(format!("it has more than {MAXIMUM_LENGTH} bytes"));
        }
        // A part of the text, which may be secret, must not get into a message: only the place does.
        serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("it is no file of credentials (line {line}, column {column})")
        })
    }

    /// The credential helper that knows this host: its own, else the one for all.
    pub fn helper(&self, host: &str) -> Option<&str> {
        let own = self.helpers.iter().find(|(key, _)| key_of(key) == host);
        let name = own.map(|(_, name)| name).or(self.store.as_ref())?;
        (!name.is_empty()).then_some(name.as_str())
    }

    /// What the file itself has for a repository: the entry of the longest name that it begins with (podman), or
    /// the host's.
    ///
    /// # Errors
    /// When the entry is not sound.
    pub fn credential(&self, host: &str, repository: &str) -> Result<Option<Credential>, String> {
        let full = format!("{host}/{repository}");
        let covers = |key: &str| {
            full.strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let best = self
            .auths
            .iter()
            .map(|(key, auth)| (key_of(key), auth))
            .filter(|(key, _)| covers(key))
            .max_by_key(|(key, _)| key.len());
        match best {
            Some((_, auth)) => auth.credential(host),
            None => Ok(None),
        }
    }
}

impl Auth {
    fn credential(&self, host: &str) -> Result<Option<Credential>, String> {
        let given = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.is_empty());
        if let Some(token) = given(&self.registry) {
            return Ok(Some(Credential::Registry(token)));
        }
        if let Some(token) = given(&self.identity) {
            return Ok(Some(Credential::Identity(token)));
        }
        if let Some(encoded) = given(&self.auth) {
            let wrong =
                || format!("the entry of {host} has an `auth` that is not base64 of NAME:PASSWORD");
            let text = encoded.expose().trim();
            let decoded = STANDARD
                .decode(text)
                .or_else(|_| STANDARD_NO_PAD.decode(text))
                .map(Zeroizing::new)
                .map_err(|_| wrong())?;
            // Docker pads with zero bytes.
            let plain = std::str::from_utf8(&decoded).map_err(|_| wrong())?;
            let (user, password) = plain
                .trim_end_matches('\0')
                .split_once(':')
                .ok_or_else(wrong)?;
            return Ok(Some(Credential::password(user, password)));
        }
        match (&self.username, &self.password) {
            (Some(user), Some(password)) if !user.is_empty() => {
                Ok(Some(Credential::password(user, password.expose())))
            }
            // Docker leaves an empty entry where a helper has the secret.
            _ => Ok(None),
        }
    }
}

/// The host, and the path if there is one, that a key stands for: `https://registry.example/v2/` is
/// `registry.example`.
fn key_of(key: &str) -> &str {
    if key == HUB_KEY {
        return DOCKER_HUB;
    }
    let plain = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let plain = plain.trim_end_matches('/');
    let plain = plain
        .strip_suffix("/v1")
        .or_else(|| plain.strip_suffix("/v2"))
        .unwrap_or(plain);
    match plain {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        other => other,
    }
}

/// The key under which Docker keeps a host.
pub(crate) fn docker_key(host: &str) -> &str {
    match host {
        DOCKER_HUB => HUB_KEY,
        other => other,
    }
}

/// The file's text with an entry for the host, or without one; all else stays as it is.
pub(crate) fn edited(
    text: &[u8],
    host: &str,
    entry: Option<&Credential>,
) -> Result<Zeroizing<Vec<u8>>, String> {
    DockerConfig::parse(text)?;
    let mut document: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| "it is no file of credentials".to_owned())?;
    let auths = document
        .entry("auths")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or_else(|| "its `auths` is no object".to_owned())?;
    auths.retain(|key, _| key_of(key) != host);
    if let Some(credential) = entry {
        let value = match credential {
            Credential::Password { user, password } => {
                let plain = Zeroizing::new(format!("{user}:{}", password.expose()));
                json!({"auth": STANDARD.encode(plain.as_bytes())})
            }
            // Podman and skopeo pass over an entry whose `auth` names nobody; Docker's helpers call nobody so.
            Credential::Identity(token) => json!({
                "auth": STANDARD.encode(format!("{TOKEN_USER}:")),
                "identitytoken": token.expose(),
            }),
            Credential::Registry(token) => json!({"registrytoken": token.expose()}),
        };
        auths.insert(docker_key(host).to_owned(), value);
    }
    let mut bytes =
        Zeroizing::new(serde_json::to_vec_pretty(&document).map_err(|error| error.to_string())?);
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: &str = r#"{
        "auths": {
            "https://index.docker.io/v1/": {"auth": "bWU6aHVudGVyMg=="},
            "https://r.example/v2/": {"auth": "bWU6YTpi"},
            "r.example/team": {"username": "team", "password": "t"},
            "helped.example": {},
            "token.example": {"auth": "bWU6eA==", "identitytoken": "idt"},
            "broken.example": {"auth": "!"}
        },
        "credHelpers": {"helped.example": "pass"},
        "HttpHeaders": {"X": "y"}
    }"#;

    fn password(found: Result<Option<Credential>, String>) -> (String, String) {
        match found {
            Ok(Some(Credential::Password { user, password })) => {
                (user, password.expose().to_owned())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_name_that_fits_decides() {
        let config = DockerConfig::parse(CONFIG.as_bytes()).expect("it is sound");
        let find = |host, repository| password(config.credential(host, repository));
        let pair = |user: &str, word: &str| (user.to_owned(), word.to_owned());
        assert_eq!(find("docker.io", "library/debian"), pair("me", "hunter2"));
        assert_eq!(find("r.example", "a"), pair("me", "a:b"));
        assert_eq!(find("r.example", "team/a"), pair("team", "t"));
        assert_eq!(find("r.example", "teams/a"), pair("me", "a:b"));
        assert!(matches!(config.credential("none.example", "a"), Ok(None)));
        assert!(matches!(config.credential("helped.example", "a"), Ok(None)));
        assert_eq!(config.helper("helped.example"), Some("pass"));
        assert_eq!(config.helper("r.example"), None);
        let found = config.credential("token.example", "a");
        assert!(matches!(found, Ok(Some(Credential::Identity(_)))));
    }

    #[test]
    fn a_broken_entry_is_an_error_that_does_not_show_it() {
        let config = DockerConfig::parse(CONFIG.as_bytes()).expect("it is sound");
        let error = config
            .credential("broken.example", "a")
            .expect_err("it is broken");
        assert!(
            error.contains("broken.example") && !error.contains('!'),
            "{error}"
        );
        let error = DockerConfig::parse(br#"{"auths": "hunter2"}"#).expect_err("it is none");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_edit_keeps_what_others_wrote() {
        let entry = Credential::password("you", "word");
        let text = edited(CONFIG.as_bytes(), "r.example", Some(&entry)).expect("it is sound");
        let config = DockerConfig::parse(&text).expect("it is sound");
        assert_eq!(password(config.credential("r.example", "a")).0, "you");
        assert_eq!(password(config.credential("r.example", "team/a")).0, "team");
        assert_eq!(
            password(config.credential("docker.io", "library/a")).0,
            "me"
        );
        assert!(String::from_utf8_lossy(&text).contains("HttpHeaders"));
        let text = edited(&text, "r.example", None).expect("it is sound");
        let config = DockerConfig::parse(&text).expect("it is sound");
        assert!(matches!(config.credential("r.example", "a"), Ok(None)));
    }

    #[test]
    fn an_identity_token_is_kept_as_docker_and_podman_read_it() {
        let entry = Credential::Identity(Secret::new("idt".to_owned()));
        let text = edited(b"{}", "r.example", Some(&entry)).expect("it is sound");
        let config = DockerConfig::parse(&text).expect("it is sound");
        let found = config.credential("r.example", "a");
        assert!(matches!(found, Ok(Some(Credential::Identity(token))) if token.expose() == "idt"));
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(document["auths"]["r.example"]["auth"], "PHRva2VuPjo=");
    }

    proptest! {
        #[test]
        fn no_file_breaks_it(text in "[{}\\[\\]\":,a-z0-9 ]{0,100}") {
            if let Ok(config) = DockerConfig::parse(text.as_bytes()) {
                let _ = config.credential("a", "b");
                config.helper("a");
            }
        }

        #[test]
        fn what_is_stored_is_found_again(user in "[a-z]{1,9}", word in "[ -~]{0,20}") {
            let entry = Credential::password(&user, &word);
            let text = edited(b"{}", "r.example", Some(&entry)).expect("it is sound");
            let config = DockerConfig::parse(&text).expect("it is sound");
            prop_assert_eq!(password(config.credential("r.example", "a")), (user, word));
        }
    }
}
