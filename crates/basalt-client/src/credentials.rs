//! Who one is at which registry: Docker's and podman's files, and the helpers they name.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use zeroize::Zeroizing;

use crate::docker_config::{self, DockerConfig};
use crate::error::ClientError;
use crate::helper::{Helper, TOKEN_USER};
use crate::secret::Secret;

/// What shows who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that a token server changes for tokens of single repositories.
    Identity(Secret),
    /// A token that goes to the registry as it is.
    Registry(Secret),
}

impl Credential {
    /// A name and a password.
    pub fn password(user: &str, password: &str) -> Self {
        Self::Password {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
        }
    }
}

/// Where credentials are looked for, the first place first.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    files: Vec<PathBuf>,
    /// Where `login` writes.
    own: Option<PathBuf>,
    given: Vec<(String, Credential)>,
}

impl Credentials {
    /// Nobody.
    pub fn none() -> Self {
        Self::default()
    }

    /// The files of this machine: `$REGISTRY_AUTH_FILE` alone if it is set; else Docker's
    /// (`$DOCKER_CONFIG/config.json` or `~/.docker/config.json`), then podman's
    /// (`$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`).
    pub fn of_environment() -> Self {
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        if let Some(file) = path("REGISTRY_AUTH_FILE") {
            return Self::of_files(vec![file]);
        }
        let home = path("HOME");
        let in_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        let docker = path("DOCKER_CONFIG").or_else(|| in_home(".docker"));
        let configuration = path("XDG_CONFIG_HOME").or_else(|| in_home(".config"));
        let files = [
            docker.map(|folder| folder.join("config.json")),
            path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
            configuration.map(|folder| folder.join("containers/auth.json")),
        ];
        Self::of_files(files.into_iter().flatten().collect())
    }

    /// These files; `login` writes into the first.
    pub fn of_files(files: Vec<PathBuf>) -> Self {
        Self {
            own: files.first().cloned(),
            files,
            given: Vec::new(),
        }
    }

    /// Before all others, this one for a host.
    #[must_use]
    pub fn with(mut self, host: &str, credential: Credential) -> Self {
        self.given.push((host.to_owned(), credential));
        self
    }

    /// What there is for a repository of a host.
    ///
    /// # Errors
    /// When a file is not sound or a helper fails: who has credentials is not to be taken for nobody.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>, ClientError> {
        let given = self.given.iter().find(|(name, _)| name == host);
        if let Some((_, credential)) = given {
            return Ok(Some(credential.clone()));
        }
        for path in &self.files {
            let Some(config) = read(path)?.map(|text| parse(path, &text)).transpose()? else {
                continue;
            };
            if let Some(name) = config.helper(host)
                && let Some(found) = Helper::new(name)?.get(host)?
            {
                return Ok(Some(found));
            }
            let found = config
                .credential(host, repository)
                .map_err(|cause| refuse(path, cause))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Keeps a password for a host as Docker does: with the helper that its file names, else in the file itself.
    /// Returns where it is kept.
    ///
    /// # Errors
    /// When there is no such place, or it cannot be written.
    pub fn store(&self, host: &str, user: &str, password: &Secret) -> Result<String, ClientError> {
        let entry = Credential::Password {
            user: user.to_owned(),
            password: password.clone(),
        };
        self.keep(host, user, password, &entry)
    }

    /// Keeps an identity token for a host, as [`Credentials::store`] keeps a password.
    ///
    /// # Errors
    /// When there is no such place, or it cannot be written.
    pub fn store_identity(&self, host: &str, token: &Secret) -> Result<String, ClientError> {
        let entry = Credential::Identity(token.clone());
        self.keep(host, TOKEN_USER, token, &entry)
    }

    fn keep(
        &self,
        host: &str,
        user: &str,
        secret: &Secret,
        entry: &Credential,
    ) -> Result<String, ClientError> {
        let path = self.own()?;
        let text = read(path)?.unwrap_or_else(|| Zeroizing::new(b"{}".to_vec()));
        if let Some(name) = parse(path, &text)?.helper(host) {
            Helper::new(name)?.store(host, user, secret)?;
            return Ok(format!("docker-credential-{name}"));
        }
        let edited =
            docker_config::edited(&text, host, Some(entry)).map_err(|cause| refuse(path, cause))?;
        write(path, &edited)?;
        Ok(path.display().to_string())
    }

    /// Forgets what is kept for a host, in all places. Returns those that had something.
    ///
    /// # Errors
    /// When one cannot be read or written.
    pub fn erase(&self, host: &str) -> Result<Vec<String>, ClientError> {
        let mut erased = Vec::new();
        for path in &self.files {
            let Some(text) = read(path)? else {
                continue;
            };
            let config = parse(path, &text)?;
            if let Some(name) = config.helper(host)
                && Helper::new(name)?.erase(host)?
            {
                erased.push(format!("docker-credential-{name}"));
            }
            let edited =
                docker_config::edited(&text, host, None).map_err(|cause| refuse(path, cause))?;
            let had = config
                .credential(host, "")
                .map_or(true, |found| found.is_some());
            if had {
                write(path, &edited)?;
                erased.push(path.display().to_string());
            }
        }
        Ok(erased)
    }

    fn own(&self) -> Result<&Path, ClientError> {
        self.own.as_deref().ok_or_else(|| {
            ClientError::Io(io::Error::other(
                "there is no place for credentials: neither HOME nor DOCKER_CONFIG is set",
            ))
        })
    }
}

/// The text of a file, if it is there.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
    // One byte more than may be, so that the parser says that it is too long.
    let text = match basalt_file::read(path, docker_config::MAXIMUM_LENGTH as u64 + 1) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(basalt_file::named(path, error).into()),
    };
    // An empty file is what `touch` leaves: no credentials.
    Ok(Some(text).filter(|text| !text.trim_ascii().is_empty()))
}

fn parse(path: &Path, text: &[u8]) -> Result<DockerConfig, ClientError> {
    DockerConfig::parse(text).map_err(|cause| refuse(path, cause))
}

fn refuse(path: &Path, cause: String) -> ClientError {
    ClientError::Configuration {
        path: path.to_owned(),
        cause,
    }
}

/// Writes the file whole, readable by its owner alone.
fn write(path: &Path, text: &[u8]) -> Result<(), ClientError> {
    // Through a symbolic link: what it leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
    }
    // Such a file has mode 0600 from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}
