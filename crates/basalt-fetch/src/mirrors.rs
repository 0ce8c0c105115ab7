//! Where an archive is fetched from.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::address::Url;
use crate::{address, distribution, sources};

/// The most bytes of the user's mirrors file.
const MAXIMUM_USER_FILE: u64 = 1 << 20;

/// Why no mirror can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The text is not a URL of a kind that can be fetched.
    #[error("`{shown}` is no mirror: {cause}")]
    Url {
        /// As it may be shown.
        shown: String,
        /// What is wrong with it.
        cause: &'static str,
    },
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
pub enum Mirror {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A folder of a server.
    Site(Url),
}

/// Where a file of an archive is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Url(Url),
}

impl Mirror {
    /// Where the file of this path within the archive is.
    pub(crate) fn place(&self, path: &str) -> Place {
        match self {
            Self::Folder(folder) => Place::File(folder.join(path)),
            Self::Site(url) => Place::Url(url.join(path)),
        }
    }
}

impl FromStr for Mirror {
    type Err = MirrorError;

    /// Reads a URL as apt does: `http`, `https`, or `file` with a folder of this machine. What is percent-encoded in it
    /// stays so, and stands for what it encodes in a user name, a password and the name of a folder.
    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let text = text.trim();
        let wrong = |cause| MirrorError::Url {
            shown: address::shown(&text.chars().take(200).collect::<String>()),
            cause,
        };
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("file")) {
            return folder(text.get(5..).unwrap_or_default()).map_err(wrong);
        }
        if text.contains(['?', '#']) {
            return Err(wrong(
                "a mirror is a folder, so its URL ends without `?` and `#` (a token goes into a user name and password)",
            ));
        }
        let url = Url::parse(text).map_err(|cause| match scheme {
            Some(scheme) if !scheme.to_ascii_lowercase().starts_with("http") => {
                wrong("it must begin with http://, https:// or file:///")
            }
            _ => wrong(cause),
        })?;
        Ok(Self::Site(url.into_folder()))
    }
}

/// The folder of what stands behind `file:`.
fn folder(rest: &str) -> Result<Mirror, &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("the folder must be named from the root, as file:///srv/mirror");
    }
    if path.contains(['?', '#']) {
        return Err("write `?` and `#` in the name of a folder as %3F and %23");
    }
    let mut bytes = address::decode(path);
    if bytes.iter().any(u8::is_ascii_control) {
        return Err("the name of the folder has a character that no name may have");
    }
    while bytes.len() > 1 && bytes.ends_with(b"/") {
        bytes.pop();
    }
    Ok(Mirror::Folder(PathBuf::from(OsString::from_vec(bytes))))
}

/// As it may be shown.
impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "file://{}", folder.display()),
            Self::Site(url) => fmt::Display::fmt(url, f),
        }
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

    #[test]
    fn a_mirror_is_read_as_apt_reads_it() {
        let place = |url: &str, path: &str| {
            let mirror: Mirror = url.parse().unwrap_or_else(|error| panic!("{error}"));
            match mirror.place(path) {
                Place::File(path) => format!("file {}", path.display()),
                Place::Url(url) => match url.login() {
                    Some(login) => format!("{} {} {}", url.whole(), login.user(), login.password()),
                    None => url.whole(),
                },
            }
        };
        for (url, path, expected) in [
            (
                "http://h/debian/",
                "a+b~1.deb",
                "http://h/debian/a%2bb%7e1.deb",
            ),
            ("HTTP://H:80//debian//", "a", "http://h//debian/a"),
            ("https://h/de%20b+ian", "a", "https://h/de%20b+ian/a"),
            ("https://h", "a", "https://h/a"),
            (
                "http://[2001:db8::1]:8080/d",
                "a",
                "http://[2001:db8::1]:8080/d/a",
            ),
            (
                "http://us%40er:p%3Ass%2F%25@h/d",
                "a",
                "http://h/d/a us@er p:ss/%",
            ),
            ("http://me@h/d", "a", "http://h/d/a me "),
            (
                "file:///srv/a%20b+c%2525",
                "d+e~f",
                "file /srv/a b+c%25/d+e~f",
            ),
            ("file:/srv", "d", "file /srv/d"),
            ("FILE://localhost/srv/", "d", "file /srv/d"),
            ("file:///srv/ä b", "d", "file /srv/ä b/d"),
        ] {
            assert_eq!(place(url, path), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_mirror_is_refused_without_its_password() {
        for url in [
            "",
            "debian",
            "ftp://me:secret@h/d",
            "http://me:secret@/d",
            "http://me:se/secret@h/d",
            "http://h/d?token=secret",
            "http://h?token=secret",
            "http://h/d#secret",
            "file://server/srv",
            "file:srv",
            "file:///srv/%00",
            "file:///srv?secret",
        ] {
            let error = url.parse::<Mirror>().expect_err(url).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
