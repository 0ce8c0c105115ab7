//! Where an archive is fetched from.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{address, distribution, sources};

/// The most bytes of the user's mirrors file.
const MAXIMUM_USER_FILE: u64 = 1 << 20;

/// Why no mirror can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The text is not a URL of a kind that can be fetched.
    #[error("`{0}` is no mirror: it must begin with http://, https:// or file:///")]
    Url(String),
    /// The text is no URL of former states.
    #[error(
        "`{0}` cannot name former states: write a URL with {{date}} in it, and {{archive}} where it keeps several"
    )]
    Snapshots(String),
    /// The mirrors file is there and cannot be read.
    #[error("the mirrors file {path} cannot be read: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// A line of the mirrors file is not `archive = URL`.
    #[error("{path}:{line}: write `archive = URL`")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// Nothing says where the archive is.
    #[error("no mirror is known for archive `{archive}`; pass --mirror or set {variable}")]
    Unknown {
        /// The archive.
        archive: String,
        /// The environment variable that would say it.
        variable: String,
    },
}

/// The URL of an archive: the folder that holds `dists` and `pool`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mirror(String);

impl Mirror {
    /// The URL of a path within the archive.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{}", self.0, address::encode(path))
    }

    /// The folder, when it is one of this machine.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        self.0.strip_prefix("file://").map(PathBuf::from)
    }
}

impl FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let url = text.trim().trim_end_matches('/');
        let rest = ["http://", "https://", "file:///"]
            .iter()
            .find_map(|kind| url.strip_prefix(kind));
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\".contains(&byte);
        match rest {
            Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => Ok(Self(url.to_owned())),
            _ => Err(MirrorError::Url(address::shown(
                &text.chars().take(200).collect::<String>(),
            ))),
        }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address::shown(&self.0))
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What decides over mirrors beside the environment.
#[derive(Debug, Clone, Default)]
pub struct MirrorOptions {
    /// Mirrors from the command line, by archive.
    pub explicit: BTreeMap<String, Vec<Mirror>>,
    /// Where the spec says its own archives are, by archive.
    pub spec: BTreeMap<String, Vec<Mirror>>,
    /// The user's file of `archive = URL` lines; `None` for `$XDG_CONFIG_HOME/basalt/mirrors`
    /// or `~/.config/basalt/mirrors`.
    pub user_file: Option<PathBuf>,
    /// The folder of the host's apt sources; `None` for `/etc/apt`.
    pub apt_folder: Option<PathBuf>,
}

/// The mirrors of each archive. Found in this order: the command line, `$BASALT_MIRROR_<ARCHIVE>`,
/// the user's file, the spec, the host's apt sources, the default of the distribution's table.
#[derive(Debug, Clone, Default)]
pub struct Mirrors {
    explicit: BTreeMap<String, Vec<Mirror>>,
    user: BTreeMap<String, Vec<Mirror>>,
    spec: BTreeMap<String, Vec<Mirror>>,
    host: BTreeMap<String, Vec<Mirror>>,
}

impl Mirrors {
    /// Finds the mirrors.
    ///
    /// # Errors
    /// When the user's file has a line that is no mirror. Apt sources that make no sense to us
    /// are passed over.
    pub fn discover(options: MirrorOptions) -> Result<Self, MirrorError> {
        let path = options.user_file.or_else(user_file);
        let user = path.map_or_else(|| Ok(BTreeMap::new()), |path| read_user_file(&path))?;
        let apt = options
            .apt_folder
            .unwrap_or_else(|| PathBuf::from("/etc/apt"));
        let mut host: BTreeMap<String, Vec<Mirror>> = BTreeMap::new();
        for source in sources::read_folder(&apt) {
            if let Some((archive, mirror)) = distribution::archive_of(&source)
                .and_then(|archive| Some((archive, source.uri.parse::<Mirror>().ok()?)))
            {
                let mirrors = host.entry(archive.to_owned()).or_default();
                if !mirrors.contains(&mirror) {
                    mirrors.push(mirror);
                }
            }
        }
        Ok(Self {
            explicit: options.explicit,
            user,
            spec: options.spec,
            host,
        })
    }

    /// Only these mirrors, and none found.
    pub fn only(explicit: BTreeMap<String, Vec<Mirror>>) -> Self {
        Self {
            explicit,
            ..Self::default()
        }
    }

    /// The mirrors of an archive, the first to be asked first; at least one.
    ///
    /// # Errors
    /// When none is known, or the environment names one that is none.
    pub fn of(&self, archive: &str) -> Result<Vec<Mirror>, MirrorError> {
        self.choose(archive, env::var(variable(archive)).ok().as_deref())
    }

    /// As [`of`](Self::of), with what the environment says.
    fn choose(&self, archive: &str, value: Option<&str>) -> Result<Vec<Mirror>, MirrorError> {
        let found = |mirrors: &BTreeMap<String, Vec<Mirror>>| {
            let list = mirrors.get(archive).filter(|list| !list.is_empty());
            list.cloned()
        };
        if let Some(mirrors) = found(&self.explicit) {
            return Ok(mirrors);
        }
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            return value.split_whitespace().map(str::parse).collect();
        }
        let below = [&self.user, &self.spec, &self.host];
        if let Some(mirrors) = below.into_iter().find_map(found) {
            return Ok(mirrors);
        }
        match distribution::default_mirror(archive) {
            Some(url) => Ok(vec![url.parse()?]),
            None => Err(MirrorError::Unknown {
                archive: archive.to_owned(),
                variable: variable(archive),
            }),
        }
    }
}

/// The environment variable that names an archive's mirror: `debian-security` →
/// `BASALT_MIRROR_DEBIAN_SECURITY`.
fn variable(archive: &str) -> String {
    let name = archive.chars().map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    format!("BASALT_MIRROR_{}", name.collect::<String>())
}

fn user_file() -> Option<PathBuf> {
    let folder = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let configuration =
        folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(configuration.join("basalt/mirrors"))
}

fn read_user_file(path: &Path) -> Result<BTreeMap<String, Vec<Mirror>>, MirrorError> {
    match basalt_file::read_text(path, MAXIMUM_USER_FILE) {
        Ok(text) => parse_user_file(&text, &path.display().to_string()),
        // Another user's home folder says nothing about mirrors.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(BTreeMap::new())
        }
        Err(cause) => Err(MirrorError::File {
            path: path.display().to_string(),
            cause: cause.to_string(),
        }),
    }
}

fn parse_user_file(text: &str, path: &str) -> Result<BTreeMap<String, Vec<Mirror>>, MirrorError> {
    let mut mirrors: BTreeMap<String, Vec<Mirror>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || MirrorError::Line {
            path: path.to_owned(),
            line: number + 1,
        };
        let (archive, url) = line.split_once('=').ok_or_else(wrong)?;
        let mirror = url.parse().map_err(|_| wrong())?;
        mirrors
            .entry(archive.trim().to_owned())
            .or_default()
            .push(mirror);
    }
    Ok(mirrors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(url: &str) -> BTreeMap<String, Vec<Mirror>> {
        BTreeMap::from([("debian".to_owned(), vec![url.parse().expect("a URL")])])
    }

    /// Each place names a mirror of its own; taken away one by one, the next one counts.
    #[test]
    fn the_nearest_word_about_a_mirror_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let user = folder.path().join("mirrors");
        fs_err::write(&user, "# mine\ndebian = http://user/debian\n").expect("written");
        let sources = "deb http://host/debian trixie main\n";
        fs_err::write(folder.path().join("sources.list"), sources).expect("written");
        let mut mirrors = Mirrors::discover(MirrorOptions {
            explicit: only("http://explicit/debian"),
            spec: only("http://spec/debian"),
            user_file: Some(user),
            apt_folder: Some(folder.path().to_owned()),
        })
        .expect("discovered");
        let chosen = |mirrors: &Mirrors, value| {
            let list = mirrors.choose("debian", value).expect("one is known");
            assert_eq!(list.len(), 1);
            list[0].to_string()
        };
        let value = Some("http://environment/debian/");
        assert_eq!(chosen(&mirrors, value), "http://explicit/debian");
        mirrors.explicit.clear();
        assert_eq!(chosen(&mirrors, value), "http://environment/debian");
        assert_eq!(chosen(&mirrors, None), "http://user/debian");
        assert_eq!(chosen(&mirrors, Some(" ")), "http://user/debian");
        mirrors.user.clear();
        assert_eq!(chosen(&mirrors, None), "http://spec/debian");
        mirrors.spec.clear();
        assert_eq!(chosen(&mirrors, None), "http://host/debian");
        mirrors.host.clear();
        assert_eq!(
            Some(chosen(&mirrors, None).as_str()),
            distribution::default_mirror("debian")
        );
    }

    #[test]
    fn an_archive_that_nobody_knows_names_its_variable() {
        let error = Mirrors::default().choose("my.own", None);
        assert!(
            matches!(&error, Err(MirrorError::Unknown { variable, .. }) if variable == "BASALT_MIRROR_MY_OWN"),
            "{error:?}"
        );
    }
}
