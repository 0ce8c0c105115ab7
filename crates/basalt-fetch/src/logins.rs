//! Files of user names and passwords: `.netrc`, as curl reads it, and apt's `auth.conf` (apt_auth.conf(5)).
//!
//! They are read when a server is asked by whose URL nobody is named, and not before.

use std::env;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fs_err as fs;
use zeroize::Zeroizing;

use crate::address::Url;
use crate::login::Login;

/// The largest file that is read, in bytes.
const MAXIMUM_FILE: u64 = 1 << 20;
/// The most entries that are taken of one file, and the most files of a folder.
const MAXIMUM_ENTRIES: usize = 10_000;
const MAXIMUM_FILES: usize = 1000;

/// A file of passwords cannot be used. Nothing of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Others than its owner may read it, and it has a password that is wanted.
    #[error("{path} has mode {mode:04o}: others may read the passwords in it; chmod 600 {path}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read.
    #[error("{path}: {cause}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As curl reads `.netrc`: an entry is for its host, whatever the scheme and port, and `default` for all others.
    Netrc,
    /// As apt reads `auth.conf`: an entry may have a scheme, a port and the beginning of a path; without a scheme it is
    /// for https alone.
    Apt,
}

/// A file that may have passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFile {
    /// Where it is.
    pub path: PathBuf,
    /// How it is to be read.
    pub form: Form,
    /// Whether it is the user's own, which nobody else may read.
    pub private: bool,
}

/// Who one is at servers, as files say it.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    files: Vec<LoginFile>,
    read: Arc<OnceLock<Vec<(LoginFile, Outcome)>>>,
}

#[derive(Debug)]
enum Outcome {
    Entries { mode: u32, entries: Vec<Entry> },
    Failed(LoginError),
}

impl Logins {
    /// Nobody, anywhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// As these files say, the first to be asked first.
    pub fn of_files(files: Vec<LoginFile>) -> Self {
        Self {
            files,
            read: Arc::default(),
        }
    }

    /// As the files of the user and of apt (`/etc/apt` when no other folder is named) say: our own `auth.conf`,
    /// `$NETRC` or `~/.netrc`, apt's `auth.conf`, then `auth.conf.d/*.conf` by name.
    pub fn of_environment(apt: Option<&Path>) -> Self {
        let path = |name: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = path("HOME");
        let settings = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let netrc = path("NETRC").or_else(|| Some(home?.join(".netrc")));
        let own = |path, form| LoginFile {
            path,
            form,
            private: true,
        };
        let mut files = Vec::new();
        files.extend(settings.map(|folder| own(folder.join("basalt/auth.conf"), Form::Apt)));
        files.extend(netrc.map(|path| own(path, Form::Netrc)));
        files.extend(
            files_of_apt(apt.unwrap_or(Path::new("/etc/apt")))
                .into_iter()
                .map(|path| LoginFile {
                    path,
                    form: Form::Apt,
                    private: false,
                }),
        );
        Self::of_files(files)
    }

    /// Who one is at the server of this URL: as the URL itself says, else the first entry of the first file that has
    /// one for it.
    ///
    /// # Errors
    /// When a file of the user cannot be used, or others may read the password in it that is wanted.
    pub fn of_url(&self, url: &Url) -> Result<Option<Login>, LoginError> {
        if let Some(login) = url.login() {
            return Ok(Some(login.clone()));
        }
        let files = self.read.get_or_init(|| {
            let each = self.files.iter();
            each.map(|file| (file.clone(), read(file))).collect()
        });
        for (file, outcome) in files {
            let (mode, entries) = match outcome {
                Outcome::Entries { mode, entries } => (*mode, entries),
                Outcome::Failed(error) => return Err(error.clone()),
            };
            let Some(entry) = entries.iter().find(|entry| entry.is_for(url, file.form)) else {
                continue;
            };
            if file.private && mode & 0o077 != 0 {
                return Err(LoginError::Open {
                    path: file.path.clone(),
                    mode,
                });
            }
            return Ok(Some(entry.login.clone()));
        }
        Ok(None)
    }
}

/// `auth.conf`, and those of `auth.conf.d` that apt reads: `*.conf`, and names without a dot.
fn files_of_apt(apt: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = fs::read_dir(apt.join("auth.conf.d"))
        .map(|entries| {
            entries
                .take(MAXIMUM_FILES)
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_none_or(|extension| extension == "conf"))
                .collect()
        })
        .unwrap_or_default();
    parts.sort();
    let mut files = vec![apt.join("auth.conf")];
    files.extend(parts);
    files
}

fn read(file: &LoginFile) -> Outcome {
    let nothing = Outcome::Entries {
        mode: 0,
        entries: Vec::new(),
    };
    match read_text(&file.path) {
        Ok((text, mode)) => Outcome::Entries {
            mode,
            entries: parse(&text),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => nothing,
        // Those of apt are root's, and as a rule nobody else may read them.
        Err(_) if !file.private => nothing,
        Err(error) => Outcome::Failed(LoginError::Unusable {
            path: file.path.clone(),
            cause: match error.kind() {
                io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
                _ => error.to_string(),
            },
        }),
    }
}

/// A file's text and its permission bits.
fn read_text(path: &Path) -> io::Result<(Zeroizing<String>, u32)> {
    let file = basalt_file::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    let text = basalt_file::text(basalt_file::bounded(file, MAXIMUM_FILE)?)?;
    Ok((Zeroizing::new(text), mode))
}

/// One `machine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What stands behind `machine`; nothing for `default`.
    machine: Option<String>,
    login: Login,
}

impl Entry {
    /// Who one is there.
    pub fn login(&self) -> &Login {
        &self.login
    }

    fn is_for(&self, url: &Url, form: Form) -> bool {
        let Some(machine) = &self.machine else {
            return form == Form::Netrc;
        };
        let (scheme, rest) = match machine.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, machine.as_str()),
        };
        let is_of_scheme = match scheme.as_deref() {
            Some("https") => url.is_protected(),
            Some("http") => !url.is_protected(),
            Some(_) => false,
            None => form == Form::Netrc || url.is_protected(),
        };
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let place = place.to_ascii_lowercase();
        let usual = if url.is_protected() { 443 } else { 80 };
        let with_port = format!("{}:{}", url.host(), url.port().unwrap_or(usual));
        let is_there = place == url.host()
            || place == with_port
            || url
                .host()
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                == Some(place.as_str());
        is_of_scheme && is_there && url.path().starts_with(path)
    }
}

/// Reads the entries of a file: words parted by blanks and lines. What is not known is passed over; a `#` at the
/// beginning of a line, or in the place of a keyword, begins a comment.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut words = Words { rest: text };
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_open = false;
    while let Some(word) = words.next_word() {
        if word.starts_with('#') {
            words.skip_line();
            continue;
        }
        match word.as_str() {
            "machine" | "default" => {
                if entries.len() >= MAXIMUM_ENTRIES {
                    break;
                }
                let machine = match word.as_str() {
                    "machine" => match words.next_word() {
                        Some(name) => Some(name.to_string()),
                        None => break,
                    },
                    _ => None,
                };
                entries.push(Entry {
                    machine,
                    login: Login::new("", ""),
                });
                is_open = true;
            }
            "macdef" => {
                words.skip_paragraph();
                is_open = false;
            }
            "account" => drop(words.next_word()),
            "login" | "password" => {
                let value = words.next_word();
                if let (true, Some(entry), Some(value)) = (is_open, entries.last_mut(), value) {
                    let old = &entry.login;
                    entry.login = match word.as_str() {
                        "login" => Login::new(value.as_str(), old.password()),
                        _ => Login::new(old.user(), value.as_str()),
                    };
                }
            }
            _ => {}
        }
    }
    entries
}

/// The words of a file, one after the other.
struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    /// The next word; in double quotes it may have blanks, and `\"`, `\\`, `\n`, `\r`, `\t`, as curl reads it.
    fn next_word(&mut self) -> Option<Zeroizing<String>> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return None;
        }
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self
                .rest
                .find(char::is_whitespace)
                .unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Zeroizing::new(word.to_owned()));
        };
        let mut word = Zeroizing::new(String::new());
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(word);
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 'r')) => word.push('\r'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, other)) => word.push(other),
                    None => {}
                },
                other => word.push(other),
            }
        }
        self.rest = "";
        Some(word)
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// Up to the next empty line.
    fn skip_paragraph(&mut self) {
        self.skip_line();
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            if line.trim().is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn found(form: Form, text: &str, url: &str) -> Option<(String, String)> {
        let url = Url::parse(url).expect("a URL");
        let entries = parse(text);
        let entry = entries.iter().find(|entry| entry.is_for(&url, form))?;
        let login = entry.login();
        Some((login.user().to_owned(), login.password().to_owned()))
    }

    fn user(form: Form, text: &str, url: &str) -> Option<String> {
        found(form, text, url).map(|(user, _)| user)
    }

    /// Each as apt 2.6 answers with a server that says what it was sent; but for an entry with a path and without a
    /// port, which its manual promises to match all ports.
    #[test]
    fn auth_conf_is_read_as_apt_does() {
        let url = "http://a.example:8911/deb/x";
        for (machine, is_for) in [
            ("a.example", false),
            ("https://a.example", false),
            ("http://a.example", true),
            ("http://a.example:8911", true),
            ("http://a.example:80", false),
            ("http://a.example:8911/de", true),
            ("http://a.example/deb", true),
            ("http://a.example/foo", false),
            ("http://example", false),
            ("http://a.example.evil", false),
            ("http://x.a.example", false),
        ] {
            let text = format!("machine {machine} login a password b\n");
            assert_eq!(user(Form::Apt, &text, url).is_some(), is_for, "{machine}");
        }
        let text = "machine a.example login a password b";
        for (url, is_for) in [
            ("https://a.example/debian", true),
            ("https://a.example:8443/debian", true),
            ("https://A.EXAMPLE/debian", true),
            ("http://a.example/debian", false),
            ("https://b.example/debian", false),
        ] {
            assert_eq!(user(Form::Apt, text, url).is_some(), is_for, "{url}");
        }
        let two = "machine http://a.example login one password x\nmachine http://a.example/deb login two password y\n";
        assert_eq!(user(Form::Apt, two, url).as_deref(), Some("one"));
        let escaped = "machine http://a.example\n login\ta%40b\n password b%3a";
        let wanted = Some(("a%40b".to_owned(), "b%3a".to_owned()));
        assert_eq!(found(Form::Apt, escaped, url), wanted);
        assert_eq!(user(Form::Apt, "default login a password b", url), None);
    }

    #[test]
    fn netrc_is_read_as_curl_does() {
        let text = "# machine a login no password no\n\
            machine a\n\tlogin me\n\tpassword \"p \\\"w\\\\ #1\"\n\
            macdef init\nmachine evil login x password y\n\n\
            machine b account z login you password pa#ss # machine c login no password no\n\
            default login anyone password x\n\
            machine late login never password x\n";
        let wanted = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let find = |url| found(Form::Netrc, text, url);
        assert_eq!(find("http://a/"), wanted("me", "p \"w\\ #1"));
        assert_eq!(find("https://a:8443/x"), wanted("me", "p \"w\\ #1"));
        assert_eq!(find("http://b/"), wanted("you", "pa#ss"));
        for url in ["http://evil/", "http://c/", "http://late/"] {
            assert_eq!(find(url), wanted("anyone", "x"), "{url}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_only_where_its_password_is_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("netrc");
        fs::write(&path, "machine a login me password secret\n").expect("written");
        let file = |private| LoginFile {
            path: path.clone(),
            form: Form::Netrc,
            private,
        };
        let (a, b) = ("http://a/", "http://b/");
        let ask = |private, url: &str| {
            Logins::of_files(vec![file(private)]).of_url(&Url::parse(url).expect("a URL"))
        };
        for (mode, private, is_refused) in [
            (0o600, true, false),
            (0o400, true, false),
            (0o640, true, true),
            (0o604, true, true),
            (0o644, false, false),
        ] {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            let asked = ask(private, a);
            assert_eq!(asked.is_err(), is_refused, "{mode:o}: {asked:?}");
            assert_eq!(ask(private, b), Ok(None), "{mode:o}");
            if let Err(error) = asked {
                assert!(error.to_string().contains("chmod 600"), "{error}");
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn the_url_then_the_users_files_then_those_of_apt_say_who_one_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("apt/auth.conf.d")).expect("made");
        let write = |name: &str, user: &str, host: &str| {
            let text = format!("machine {host} login {user} password x\n");
            fs::write(at(name), text).expect("written");
        };
        write("apt/auth.conf", "main", "a");
        write("apt/auth.conf.d/b.conf", "part-b", "b");
        write("apt/auth.conf.d/a.conf", "part-a", "b");
        write("apt/auth.conf.d/c", "part-c", "c");
        write("apt/auth.conf.d/d.bak", "part-d", "d");
        let files = files_of_apt(&at("apt")).into_iter().map(|path| LoginFile {
            path,
            form: Form::Apt,
            private: false,
        });
        let logins = Logins::of_files(files.collect());
        for (url, user) in [
            ("https://a/", Some("main")),
            ("https://me:x@a/", Some("me")),
            ("https://b/", Some("part-a")),
            ("https://c/", Some("part-c")),
            ("https://d/", None),
        ] {
            let login = logins
                .of_url(&Url::parse(url).expect("a URL"))
                .expect("read");
            assert_eq!(login.as_ref().map(Login::user), user, "{url}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_at_once() {
        for path in ["/dev/zero", "/"] {
            let file = LoginFile {
                path: path.into(),
                form: Form::Netrc,
                private: true,
            };
            let url = Url::parse("http://a/").expect("a URL");
            assert!(Logins::of_files(vec![file]).of_url(&url).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_no_more_entries_than_it_names(text in "(machine |default |login |password |macdef |\"|\\\\|#|[a-z ]|\n|é){0,60}") {
            let entries = parse(&text);
            let named = text.matches("machine").count() + text.matches("default").count();
            prop_assert!(entries.len() <= named);
        }
    }
}
