//! URLs and paths, as far as fetching needs them.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

use crate::login::Login;

/// The longest URL that is read, in bytes: what `http` can hold.
const MAXIMUM_LENGTH: usize = 60_000;

/// Whether a path within an archive is plain: relative, without `..`, without control
/// characters, and no longer than any real one.
pub fn is_plain_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && !path
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b'\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Writes a path within an archive as it stands in a URL: as apt's `pkgAcquire::URIEncode` does, which
/// also encodes `+` (object stores read it as a blank) and `~`, with lower-case digits; and what would end
/// the path or may not stand in it (RFC 3986, section 3.3).
pub fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._/!$&'()*,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            push_encoded(&mut encoded, byte);
        }
    }
    encoded
}

fn push_encoded(text: &mut String, byte: u8) {
    // Writing into a string cannot fail.
    let _ = write!(text, "%{byte:02x}");
}

/// The bytes that a percent-encoded text stands for (RFC 3986, section 2.1). A `%` that is not followed by
/// two digits stands for itself.
pub fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let byte = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &behind[2..];
            }
            None => {
                decoded.push(first);
                rest = behind;
            }
        }
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// A URL of http or https, taken apart (RFC 3986). The user name and password are kept apart from what is
/// asked for and shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    protected: bool,
    host: String,
    port: Option<u16>,
    /// The path, from its first `/`, and the query.
    path: String,
    login: Option<Login>,
}

impl Url {
    /// Reads a URL. Scheme and host count in any case; what may not stand in a path is encoded, escapes are
    /// kept; a fragment is left out.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAXIMUM_LENGTH {
            return Err("it is too long");
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("it must begin with http:// or https://")?;
        let protected = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("it must begin with http:// or https://"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let usual = if protected { 443 } else { 80 };
        let gap = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            protected,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != usual),
            path: format!("{gap}{}", mended(path)),
            login: user.map(Login::of_userinfo),
        })
    }

    /// Whether it is of https.
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    /// The host in lower case; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host, and the port where it is not the scheme's own.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The path, from its first `/`, and the query, as they are sent.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The user name and password in it.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The whole, without user name and password.
    pub fn whole(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Scheme, host and port: `https://host:8443`.
    pub fn origin(&self) -> String {
        let scheme = if self.protected { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Whether both are of one scheme, host and port.
    pub fn is_of_origin(&self, other: &Self) -> bool {
        (self.protected, &self.host, self.port) == (other.protected, &other.host, other.port)
    }

    /// The folder at this URL, without the `/` at its end.
    pub(crate) fn into_folder(mut self) -> Self {
        self.path.truncate(self.path.trim_end_matches('/').len());
        self
    }

    /// What a folder has under this path, which is encoded here.
    pub(crate) fn join(&self, path: &str) -> Self {
        let path = format!("{}/{}", self.path, encode(path));
        Self {
            path,
            ..self.clone()
        }
    }

    /// Where a redirect leads that this URL answers with; without a user name and password, which a server
    /// has no business to choose.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn redirected(&self, location: &str) -> Result<Self, &'static str> {
        let next = resolve(&self.whole(), location).ok_or("it is no URL")?;
        let mut next = Self::parse(&next)?;
        next.login = None;
        Ok(next)
    }

    /// Whether a redirect may lead from here to there: never from a protected connection to an open one.
    /// What comes is verified in any case, but who chose https also chose that nobody on the way sees what
    /// is asked for.
    pub fn may_lead(&self, to: &Self) -> bool {
        to.protected || !self.protected
    }
}

/// As it may be shown.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.whole()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A host and its port.
fn host_and_port(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']').ok_or("its host has no `]`")?;
            if inside.parse::<Ipv6Addr>().is_err() {
                return Err("what stands in brackets is no IPv6 address");
            }
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').ok_or("its port has no `:`")?),
            };
            (&place[..inside.len() + 2], port)
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    if !host.is_ascii() {
        return Err("write the host in its ASCII form (xn--…)");
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !host.starts_with('[') && (host.starts_with('.') || !host.bytes().all(is_part)) {
        return Err("its host has a character that no host may have");
    }
    let port = match port {
        None | Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| "its port is too large")?)
        }
        Some(_) => {
            return Err(
                "its port is no number (a `/`, `@` or `:` in a password is written %2F, %40, %3A)",
            );
        }
    };
    Ok((host, port))
}

/// A path and query with what may not stand there encoded (RFC 3986, sections 3.3 and 3.4).
fn mended(path: &str) -> String {
    let mut mended = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            mended.push(char::from(byte));
        } else {
            push_encoded(&mut mended, byte);
        }
    }
    mended
}

/// Where a redirect leads (RFC 3986, section 5.2).
pub fn resolve(from: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    if has_scheme(location) {
        return Some(location.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    if location.starts_with("//") {
        return Some(format!("{scheme}:{location}"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match location.chars().next() {
        None => path.to_owned(),
        Some('/') => without_dots(location),
        Some('?') => format!("{path}{location}"),
        Some(_) => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{location}"))
        }
    };
    Some(format!("{scheme}://{host}{path}"))
}

/// Whether a reference begins with a scheme (RFC 3986, section 3.1).
fn has_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_part)
    })
}

/// A path from the root without its segments `.` and `..` (RFC 3986, section 5.2.4); the query is kept.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.find('?') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut is_folder = false;
    for part in path.split('/').skip(1) {
        is_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if is_folder {
        parts.push("");
    }
    format!("/{}{query}", parts.join("/"))
}

/// A URL as it may be shown: without the user name and password in it, and without the values of a query,
/// where tokens and signatures stand.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // It is no URL; what stands before an `@` may be a password all the same.
        return url
            .rsplit_once('@')
            .map_or_else(|| url.to_owned(), |(_, rest)| format!("…@{rest}"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, path) = match authority.rsplit_once('@') {
        Some((_, host)) => (host, path),
        None if host_and_port(authority).is_ok() => (authority, path),
        // Where the host seems to end within a password that was not encoded.
        None => match rest.rsplit_once('@') {
            Some((_, rest)) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => (authority, path),
        },
    };
    match path.find(['?', '#']) {
        Some(at) if path[at..].starts_with('?') => format!("{scheme}://{host}{}?…", &path[..at]),
        Some(at) => format!("{scheme}://{host}{}", &path[..at]),
        None => format!("{scheme}://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|cause| panic!("{text}: {cause}"))
    }

    #[test]
    fn a_redirect_is_followed_as_browsers_do() {
        for (location, expected) in [
            ("http://b/x", "http://b/x"),
            ("HTTPS://b/x", "HTTPS://b/x"),
            ("//b/x", "https://b/x"),
            ("/x", "https://a/x"),
            ("x", "https://a/d/x"),
            ("./x", "https://a/d/x"),
            ("../x?y=../z", "https://a/x?y=../z"),
            ("../../../x", "https://a/x"),
            ("?y", "https://a/d/e?y"),
            ("", "https://a/d/e"),
            ("/x?to=http://b/", "https://a/x?to=http://b/"),
            ("x?to=http://b/", "https://a/d/x?to=http://b/"),
            ("/x#part", "https://a/x"),
            ("mailto:x@y", "mailto:x@y"),
        ] {
            assert_eq!(
                resolve("https://a/d/e?q", location).as_deref(),
                Some(expected),
                "{location}"
            );
        }
        assert_eq!(resolve("https://a", "x").as_deref(), Some("https://a/x"));
    }

    #[test]
    fn a_redirect_never_leaves_http_nor_gives_up_protection() {
        let leads = |from: &str, to: &str| {
            let from = url(from);
            from.redirected(to).is_ok_and(|next| from.may_lead(&next))
        };
        for (from, to) in [
            ("http://a/x", "http://b/x"),
            ("http://a/x", "https://b/x"),
            ("http://a/x", "HTTPS://b/x"),
            ("https://a/x", "https://b/x"),
            ("https://a/x", "//b/x"),
        ] {
            assert!(leads(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("https://a/x", "http://b/x"),
            ("https://a/x", "HTTP://a/x"),
            ("http://a/x", "file:///etc/passwd"),
            ("http://a/x", "ftp://b/x"),
            ("https://a/x", "httpsx://b/x"),
            ("http://a/x", "http://"),
            ("http://a/x", "http://[::1/x"),
        ] {
            assert!(!leads(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn a_server_chooses_no_credentials_for_where_it_leads() {
        let next = url("http://a/x").redirected("http://me:secret@b/y");
        let next = next.expect("a URL");
        assert_eq!((next.login(), next.whole().as_str()), (None, "http://b/y"));
    }

    #[test]
    fn a_path_cannot_leave_its_archive() {
        for path in ["", "/etc/passwd", "a/../b", "..", "a//b", "a\nb", "./a"] {
            assert!(!is_plain_path(path), "{path}");
        }
        assert!(is_plain_path(
            "pool/main/g/gcc-14/libstdc++6_14.2.0-19~x_amd64.deb"
        ));
    }

    /// The first three as apt 2.6 asked a server for them; the others it sends as they are, which no server
    /// takes for the file's name.
    #[test]
    fn names_of_files_are_encoded_as_apt_does() {
        for (path, expected) in [
            ("pool/a+b~c d_1%3a2.deb", "pool/a%2bb%7ec%20d_1%253a2.deb"),
            ("pool/o!$&'()*,;=:@.deb", "pool/o!$&'()*,;=:@.deb"),
            ("pool/ä.deb", "pool/%c3%a4.deb"),
            ("q?x#y", "q%3fx%23y"),
            ("w\"x<y>z\\", "w%22x%3cy%3ez%5c"),
            ("s[1]{2}|^`", "s%5b1%5d%7b2%7d%7c%5e%60"),
        ] {
            assert_eq!(encode(path), expected);
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for (url, expected) in [
            ("https://me:secret@host/a@b", "https://host/a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("https://secret@host:1/", "https://host:1/"),
            ("http://me:se@cret@host", "http://host"),
            ("http://me:se/cret@host/x", "http://host/x"),
            ("http://me:se?cret@host/x", "http://host/x"),
            ("http://me:se#cret@host/x", "http://host/x"),
            ("http://host/x?token=secret", "http://host/x?…"),
            ("http://host?token=secret&a@b", "http://host?…"),
            ("http://host/x#secret", "http://host/x"),
            ("http:/me:secret@host/x", "…@host/x"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let whole = url("HTTPS://Us%40er:p%3Ass%2f@Host.Example:8443/a%20b/c d?x=1#y");
        assert_eq!(whole.whole(), "https://host.example:8443/a%20b/c%20d?x=1");
        let login = whole.login().expect("a login");
        assert_eq!((login.user(), login.password()), ("Us@er", "p:ss/"));
        assert_eq!(url("http://a:80/").authority(), "a");
        assert_eq!(url("http://a:443").whole(), "http://a:443/");
        assert_eq!(url("https://[2001:DB8::1]:443").host(), "[2001:db8::1]");
        assert_eq!(url("http://a?x").whole(), "http://a/?x");
        assert_eq!(url("http://a").join("b+c").whole(), "http://a//b%2bc");
        assert_eq!(
            url("http://a/b%20+/").into_folder().join("c+d").whole(),
            "http://a/b%20+/c%2bd"
        );
        assert_eq!(
            url("http://a/").into_folder().join("c").whole(),
            "http://a/c"
        );
    }

    #[test]
    fn what_is_no_url_of_http_is_refused() {
        for text in [
            "",
            "a",
            "a/b",
            "ftp://a/b",
            "http:/a/b",
            "http://",
            "http:///a",
            "http://:80/",
            "http://a:b/",
            "http://a:65536/",
            "http://a:-1/",
            "http://[::1/",
            "http://[::1]80/",
            "http://[a]/",
            "http://a b/",
            "http://../",
            "http://a\nb/",
            "http://münchen.example/",
            "http://a:b@c:d/",
            "file:///a",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(path in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&path)), path.as_bytes());
        }

        #[test]
        fn a_url_that_is_read_is_read_again_as_the_same(text in "(http|HTTPS)://[a-z@:/?#%\\[\\]0-9. ä+~-]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                let again = Url::parse(&url.whole()).expect("it was written");
                prop_assert_eq!(again.whole(), url.whole());
                prop_assert!(again.login().is_none());
                prop_assert!(ureq::http::Uri::try_from(url.whole()).is_ok(), "{}", url.whole());
            }
        }

        #[test]
        fn nothing_before_the_host_is_shown(user in "[^@]{0,12}", host in "[a-z]{1,8}") {
            let text = format!("http://{user}SECRET@{host}/x");
            // A user name that is itself a host with a port or a path cannot be told from one.
            prop_assume!(!user.contains(['/', '?', '#']));
            prop_assert!(!shown(&text).contains("SECRET"), "{}", text);
        }
    }
}
