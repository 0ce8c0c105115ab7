//! Mirrors and rewritten names as podman and its kin configure them: `containers-registries.conf(5)`, version 2.
//!
//! The longest prefix that a name begins with decides. Its `location` takes the prefix's place; its mirrors are asked
//! before it, for reading alone. `insecure` allows plain HTTP, `blocked` forbids the name.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::ClientError;
use crate::reference::check_host;

/// The largest file that is read, in bytes.
const MAXIMUM_LENGTH: u64 = 1 << 20;
/// The most entries and mirrors of all files, and the most files of a folder.
const MAXIMUM_COUNT: usize = 4096;

/// What the files say of registries.
#[derive(Debug, Clone, Default)]
pub struct RegistriesConf {
    entries: Vec<(PathBuf, Entry)>,
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Pull,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pull {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

/// Where a repository is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// Whether it may be asked without TLS.
    pub insecure: bool,
    /// Whether it is asked for what a tag names.
    pub tags: bool,
    /// Whether it is asked for what a digest names.
    pub digests: bool,
}

impl RegistriesConf {
    /// The files of this machine: `$CONTAINERS_REGISTRIES_CONF` alone if it is set; else the user's
    /// (`~/.config/containers/registries.conf`) or the system's (`/etc/containers/registries.conf`), and the folders
    /// `registries.conf.d` beside both.
    ///
    /// # Errors
    /// When one is not sound.
    pub fn of_environment() -> Result<Self, ClientError> {
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let mut all = Self::default();
        if let Some(file) = path("CONTAINERS_REGISTRIES_CONF") {
            all.add(&file)?;
            return Ok(all);
        }
        let system = PathBuf::from("/etc/containers");
        let own = path("XDG_CONFIG_HOME")
            .or_else(|| path("HOME").map(|home| home.join(".config")))
            .map(|folder| folder.join("containers"));
        let main = own
            .iter()
            .chain([&system])
            .map(|folder| folder.join("registries.conf"))
            .find(|file| file.is_file());
        if let Some(file) = main {
            all.add(&file)?;
        }
        for folder in [Some(&system), own.as_ref()].into_iter().flatten() {
            let mut files = match fs::read_dir(folder.join("registries.conf.d")) {
                Ok(entries) => entries
                    .take(MAXIMUM_COUNT)
                    .map(|entry| Ok(entry?.path()))
                    .collect::<Result<Vec<_>, io::Error>>()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            files.retain(|file| file.extension().is_some_and(|end| end == "conf"));
            files.sort();
            for file in files {
                all.add(&file)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<(), ClientError> {
        let text = basalt_file::read_text(path, MAXIMUM_LENGTH)
            .map_err(|cause| basalt_file::named(path, cause))?;
        self.add_text(path, &text)
            .map_err(|cause| ClientError::Configuration {
                path: path.to_owned(),
                cause,
            })
    }

    /// Adds what a file's text says; what an earlier one says of the same prefix no longer holds.
    ///
    /// # Errors
    /// When it is too large, no such file, or names what is no registry.
    pub fn add_text(&mut self, path: &Path, text: &str) -> Result<(), String> {
        if text.len() as u64 > MAXIMUM_LENGTH {
            return Err(format!("it has more than {MAXIMUM_LENGTH} bytes"));
        }
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for entry in file.registry {
            let prefix = entry.prefix()?.to_owned();
            check(prefix.strip_prefix("*.").unwrap_or(&prefix))?;
            if let Some(location) = &entry.location {
                check(location)?;
            }
            if prefix.starts_with("*.") && !prefix.contains('/') {
                // Then the location is that of the name itself.
            } else if entry.location.is_none() && entry.prefix.is_none() {
                return Err("an entry has neither `prefix` nor `location`".to_owned());
            }
            if entry.mirror.len() > MAXIMUM_COUNT || self.entries.len() >= MAXIMUM_COUNT {
                return Err(format!("it has more than {MAXIMUM_COUNT} entries"));
            }
            entry
                .mirror
                .iter()
                .try_for_each(|mirror| check(&mirror.location))?;
            self.entries
                .retain(|(_, other)| other.prefix().ok() != Some(&prefix));
            self.entries.push((path.to_owned(), entry));
        }
        Ok(())
    }

    /// Where a repository is to be read from, the first first; the last is the one to write to.
    ///
    /// # Errors
    /// When it is blocked.
    pub fn places(&self, host: &str, repository: &str) -> Result<Vec<Place>, ClientError> {
        let name = format!("{host}/{repository}");
        let best = self
            .entries
            .iter()
            .filter_map(|(path, entry)| Some((entry.covers(&name)?, path, entry)))
            .max_by_key(|(length, _, _)| *length);
        let itself = Place {
            host: host.to_owned(),
            repository: repository.to_owned(),
            insecure: false,
            tags: true,
            digests: true,
        };
        let Some((length, path, entry)) = best else {
            return Ok(vec![itself]);
        };
        if entry.blocked {
            return Err(ClientError::Blocked {
                name,
                path: path.clone(),
            });
        }
        let rest = name.get(length..).unwrap_or_default();
        let wrong = |location: &str| ClientError::Configuration {
            path: path.clone(),
            cause: format!("`{location}` and `{rest}` behind it name no repository"),
        };
        let mut places = Vec::new();
        for mirror in &entry.mirror {
            let (host, repository) =
                joined(&mirror.location, rest).ok_or_else(|| wrong(&mirror.location))?;
            let digest_only =
                entry.mirror_by_digest_only || mirror.pull_from_mirror == Pull::DigestOnly;
            places.push(Place {
                host,
                repository,
                insecure: mirror.insecure,
                tags: !digest_only,
                digests: mirror.pull_from_mirror != Pull::TagOnly,
            });
        }
        let mut last = match &entry.location {
            Some(location) => {
                let (host, repository) = joined(location, rest).ok_or_else(|| wrong(location))?;
                Place {
                    host,
                    repository,
                    ..itself
                }
            }
            None => itself,
        };
        last.insecure = entry.insecure;
        places.push(last);
        Ok(places)
    }
}

impl Entry {
    fn prefix(&self) -> Result<&str, String> {
        self.prefix
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
            .or(self.location.as_deref())
            .ok_or_else(|| "an entry has neither `prefix` nor `location`".to_owned())
    }

    /// How much of a name the prefix covers, if it does.
    fn covers(&self, name: &str) -> Option<usize> {
        let prefix = self.prefix().ok()?;
        if let Some(domain) = prefix.strip_prefix("*.") {
            let host = name.split('/').next()?;
            let below = host.strip_suffix(domain)?.strip_suffix('.')?;
            return (!below.is_empty()).then_some(host.len());
        }
        let rest = name.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
    }
}

/// A location with the rest of a name behind it, parted into host and repository.
fn joined(location: &str, rest: &str) -> Option<(String, String)> {
    let full = format!("{location}{rest}");
    let (host, repository) = full.split_once('/')?;
    let reference: crate::Reference = format!("{}/{repository}", check_host(host).ok()?)
        .parse()
        .ok()?;
    (reference.tag().is_none() && reference.digest().is_none()).then(|| {
        (
            reference.host().to_owned(),
            reference.repository().to_owned(),
        )
    })
}

/// Whether a text can be the beginning of a name: a host, and perhaps part of a repository.
fn check(text: &str) -> Result<(), String> {
    let (host, path) = text.split_once('/').unwrap_or((text, "a"));
    check_host(host)?;
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./_-".contains(&byte);
    match !path.is_empty() && path.len() <= 255 && path.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("`{text}` is no beginning of a repository's name")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"
unqualified-search-registries = ["docker.io"]

[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "mirror.example:5000/hub"
insecure = true
[[registry.mirror]]
location = "second.example"
pull-from-mirror = "digest-only"

[[registry]]
prefix = "r.example/team"
location = "new.example/moved"

[[registry]]
location = "bad.example"
blocked = true

[[registry]]
prefix = "*.lab.example"
insecure = true
"#;

    fn conf(text: &str) -> RegistriesConf {
        let mut conf = RegistriesConf::default();
        conf.add_text(Path::new("registries.conf"), text)
            .expect("it is sound");
        conf
    }

    fn names(conf: &RegistriesConf, host: &str, repository: &str) -> Vec<String> {
        let places = conf.places(host, repository).expect("it is not blocked");
        let name = |place: &Place| format!("{}/{}", place.host, place.repository);
        places.iter().map(name).collect()
    }

    #[test]
    fn mirrors_are_asked_first_and_the_place_itself_last() {
        let conf = conf(TEXT);
        let places = conf
            .places("docker.io", "library/debian")
            .expect("it is not blocked");
        let shown = names(&conf, "docker.io", "library/debian");
        assert_eq!(
            shown,
            [
                "mirror.example:5000/hub/library/debian",
                "second.example/library/debian",
                "docker.io/library/debian"
            ]
        );
        assert!(places[0].insecure && places[0].tags && places[0].digests);
        assert!(!places[1].insecure && !places[1].tags && places[1].digests);
        assert!(!places[2].insecure);
    }

    #[test]
    fn the_longest_prefix_rewrites_the_name() {
        let conf = conf(TEXT);
        assert_eq!(names(&conf, "r.example", "team/a"), ["new.example/moved/a"]);
        assert_eq!(names(&conf, "r.example", "teams/a"), ["r.example/teams/a"]);
        assert_eq!(names(&conf, "a.lab.example", "b"), ["a.lab.example/b"]);
        let lab = conf
            .places("a.lab.example", "b")
            .expect("it is not blocked");
        assert!(lab[0].insecure);
        let lab = conf.places("lab.example", "b").expect("it is not blocked");
        assert!(!lab[0].insecure);
    }

    #[test]
    fn a_blocked_name_is_refused_with_the_file_that_says_so() {
        let error = conf(TEXT)
            .places("bad.example", "a")
            .expect_err("it is blocked");
        assert!(error.to_string().contains("registries.conf"), "{error}");
    }

    #[test]
    fn a_file_that_names_no_registry_is_refused() {
        for text in [
            "[[registry]]",
            "[[registry]]\nlocation = \"https://a\"",
            "[[registry]]\nlocation = \"a/../b c\"",
            "[[registry]]\nlocation = 1",
            "registry",
        ] {
            let outcome = RegistriesConf::default().add_text(Path::new("x"), text);
            assert!(outcome.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_location_breaks_it(prefix in "[a-z*./:0-9]{0,12}", location in "[a-z./:0-9]{0,12}") {
            let text = format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{location}\"\n");
            let mut conf = RegistriesConf::default();
            if conf.add_text(Path::new("x"), &text).is_ok() {
                let _ = conf.places("a", "b/c");
            }
        }
    }
}
