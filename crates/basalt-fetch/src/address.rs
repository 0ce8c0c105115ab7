//! URLs and paths, as far as fetching needs them.

use std::fmt::Write as _;

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

/// Writes a path as it stands in a URL (RFC 3986, section 3.3).
pub fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+:=,@".contains(&byte) {
            encoded.push(byte as char);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Where a redirect leads (RFC 3986, section 5.2, as far as servers use it).
pub fn resolve(from: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    if let Some(host) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{host}"));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if location.starts_with('/') {
        return Some(format!("{scheme}://{host}{location}"));
    }
    let path = path.split('?').next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let gap = if folder.is_empty() { "" } else { "/" };
    Some(format!("{scheme}://{host}/{folder}{gap}{location}"))
}

/// A URL as it may be shown: without the user name and password in it.
pub fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_as_browsers_do() {
        for (location, expected) in [
            ("http://b/x", "http://b/x"),
            ("//b/x", "https://b/x"),
            ("/x", "https://a/x"),
            ("x", "https://a/d/x"),
        ] {
            assert_eq!(
                resolve("https://a/d/e", location).as_deref(),
                Some(expected)
            );
        }
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

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(shown("https://me:secret@host/a@b"), "https://host/a@b");
    }
}
