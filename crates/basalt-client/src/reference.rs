//! What names an image in a registry: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.
//!
//! The grammar is that of the distribution project's references, which Docker, podman and the others share; a
//! name without a host is one of Docker Hub's, and so is written out: `debian` is `docker.io/library/debian`.

use std::fmt;
use std::str::FromStr;

use basalt_digest::Digest;

/// Docker Hub's name in references.
pub const DOCKER_HUB: &str = "docker.io";
/// The longest host and repository together (distribution's `RepositoryNameTotalLengthMax`).
const MAXIMUM_NAME: usize = 255;
/// The longest tag (OCI distribution specification, *Pulling manifests*).
const MAXIMUM_TAG: usize = 128;

/// An image, or a whole repository, of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no image of a registry: {cause}; write HOST/REPOSITORY:TAG")]
pub struct ReferenceError {
    text: String,
    cause: String,
}

/// A text that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write HOST or HOST:PORT")]
pub struct HostError(String);

impl Reference {
    /// The registry: a host, with its port if one is named. `docker.io` for Docker Hub.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is named. It decides when there is a tag too.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The host and the repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The same repository with this tag, and without a digest.
    ///
    /// # Errors
    /// When it is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        let tag = check_tag(tag).map_err(|cause| refuse(tag, cause))?;
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// Where the host's registry listens: Docker Hub's is at another name.
    pub fn server(&self) -> &str {
        server(&self.host)
    }
}

/// Where the registry of this host listens.
pub(crate) fn server(host: &str) -> &str {
    match host {
        DOCKER_HUB => "registry-1.docker.io",
        other => other,
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|cause| refuse(text, cause))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn refuse(text: &str, cause: impl Into<String>) -> ReferenceError {
    ReferenceError {
        text: text.chars().take(300).collect(),
        cause: cause.into(),
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (
            rest,
            Some(digest.parse().map_err(|error| format!("{error}"))?),
        ),
        None => (text, None),
    };
    // A colon behind the last slash parts the tag; one before it, a port.
    let after = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest.get(after..).and_then(|last| last.find(':')) {
        Some(at) => (
            &rest[..after + at],
            Some(check_tag(&rest[after + at + 1..])?),
        ),
        None => (rest, None),
    };
    let (host, repository) = split_host(name)?;
    if host.len() + 1 + repository.len() > MAXIMUM_NAME {
        return Err(format!("its name has more than {MAXIMUM_NAME} characters"));
    }
    check_repository(&repository)?;
    Ok(Reference {
        host,
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// Parts the host from the repository. What stands before the first slash is a host if it has a dot, a colon or
/// a capital in it, or is `localhost`.
fn split_host(name: &str) -> Result<(String, String), String> {
    let named = name.split_once('/').filter(|(first, _)| {
        *first == "localhost"
            || first.contains(['.', ':'])
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    });
    let (host, repository) = match named {
        Some((host, repository)) => (check_host(host)?, repository.to_owned()),
        None => (DOCKER_HUB.to_owned(), name.to_owned()),
    };
    Ok(match host.as_str() {
        DOCKER_HUB | "index.docker.io" if !repository.contains('/') => {
            (DOCKER_HUB.to_owned(), format!("library/{repository}"))
        }
        "index.docker.io" => (DOCKER_HUB.to_owned(), repository),
        _ => (host, repository),
    })
}

/// A registry's host, as references have it: in lower case, Docker Hub by its usual name.
///
/// # Errors
/// When it is none.
pub fn host(text: &str) -> Result<String, HostError> {
    let host = check_host(text).map_err(HostError)?;
    Ok(match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => host,
    })
}

/// The host of a text that says more than a host: a URL, or the name of an image.
fn host_within(text: &str) -> Option<String> {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (host.len() < text.len()).then(|| check_host(host).ok())?
}

/// A host with its port, in lower case: `registry.example:5000`, `[::1]:5000`.
pub(crate) fn check_host(text: &str) -> Result<String, String> {
    let wrong = || match host_within(text) {
        // It may hold a password, so it is not shown.
        Some(host) => {
            format!("a URL or a path stands where a host is expected, which is `{host}` here")
        }
        None => {
            let shown: String = text.chars().take(MAXIMUM_NAME).collect();
            format!("`{shown}` is not a host")
        }
    };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            match port.strip_prefix(':') {
                Some(port) => (format!("[{address}]"), Some(port)),
                None if port.is_empty() => (format!("[{address}]"), None),
                None => return Err(wrong()),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    if !host.starts_with('[') {
        let label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if host.len() > MAXIMUM_NAME || !host.split('.').all(label) {
            return Err(wrong());
        }
    }
    let host = host.to_ascii_lowercase();
    let Some(port) = port else {
        return Ok(host);
    };
    let digits =
        !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || port.parse::<u16>().is_err() {
        return Err(match host_within(text) {
            Some(_) => wrong(),
            None => format!("`{port}` is not a port"),
        });
    }
    Ok(format!("{host}:{port}"))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
/// (OCI distribution specification, *Pulling manifests*).
fn check_repository(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the repository is missing".to_owned());
    }
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    for part in text.split('/') {
        let mut rest = part.as_bytes();
        loop {
            let length = rest.iter().take_while(|byte| word(byte)).count();
            if length == 0 {
                return Err(match part.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    true => format!("`{part}` has capitals, which no repository may have"),
                    false => format!("`{part}` is no part of a repository's name"),
                });
            }
            rest = rest.get(length..).unwrap_or_default();
            let separator = rest.iter().take_while(|byte| !word(byte)).count();
            match rest.get(..separator).unwrap_or_default() {
                [] => break,
                b"." | b"_" | b"__" => {}
                dashes if dashes.iter().all(|byte| *byte == b'-') => {}
                _ => return Err(format!("`{part}` is no part of a repository's name")),
            }
            rest = rest.get(separator..).unwrap_or_default();
        }
    }
    Ok(())
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution specification, *Pulling manifests*).
pub(crate) fn check_tag(text: &str) -> Result<&str, String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inner = |byte: u8| word(byte) || matches!(byte, b'.' | b'-');
    let starts = text.bytes().next().is_some_and(word);
    if !starts || text.len() > MAXIMUM_TAG || !text.bytes().all(inner) {
        return Err(format!(
            "`{}` is no tag",
            text.chars().take(200).collect::<String>()
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn shown(text: &str) -> String {
        text.parse::<Reference>().expect(text).to_string()
    }

    #[test]
    fn docker_hubs_short_names_are_written_out() {
        assert_eq!(shown("debian"), "docker.io/library/debian");
        assert_eq!(shown("debian:12"), "docker.io/library/debian:12");
        assert_eq!(shown("bitnami/redis"), "docker.io/bitnami/redis");
        assert_eq!(shown("index.docker.io/debian"), "docker.io/library/debian");
        let hub: Reference = "debian".parse().expect("it is one");
        assert_eq!(hub.server(), "registry-1.docker.io");
    }

    #[test]
    fn a_host_is_known_by_its_dot_its_port_or_its_capitals() {
        assert_eq!(shown("localhost/a/b"), "localhost/a/b");
        assert_eq!(shown("localhost:5000/a:1"), "localhost:5000/a:1");
        assert_eq!(shown("Registry/a"), "registry/a");
        assert_eq!(shown("[::1]:5000/a"), "[::1]:5000/a");
        let both = format!("r.example/a/b__c-d:v1.0@{DIGEST}");
        assert_eq!(shown(&both), both);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ":",
            "/",
            "a/",
            "/a",
            "a//b",
            "r.example/",
            "r.example/A",
            "r.example/a_",
            "r.example/a___b",
            "r.example/a..b",
            "r.example/../b",
            "r.example:0x10/a",
            "r.example:99999/a",
            "r.example:/a",
            "-r.example/a",
            "a:",
            "a:b:c",
            "a:-b",
            "a@sha256:00",
            "a@",
            "a@md5:00",
            "https://r.example/a",
            "user@r.example/a",
            "r.example/a?b",
            "r.example/a b",
            "[::1/a",
            "[zz]/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let long = format!("r.example/{}", "a".repeat(250));
        assert!(long.parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn a_reference_is_shown_as_one_that_is_read_alike(
            text in "([a-z]{1,5}(\\.[a-z]{1,3})?(:[0-9]{1,5})?/)?[a-z0-9._-]{1,8}(/[a-z0-9._-]{1,8})?(:[\\w.-]{1,9})?"
        ) {
            if let Ok(reference) = text.parse::<Reference>() {
                let again: Reference = reference.to_string().parse().expect("it was shown");
                prop_assert_eq!(reference, again);
            }
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,60}") {
            let _ = text.parse::<Reference>();
        }
    }

    #[test]
    fn a_url_in_the_place_of_a_host_is_answered_with_the_host_in_it() {
        for (text, within) in [
            ("http://x/", "x"),
            ("https://registry.example:5000", "registry.example:5000"),
            (
                "HTTP://U:S3CRET@Registry.Example:5000/a?b#c",
                "registry.example:5000",
            ),
            ("//x", "x"),
            ("registry.example:5000/team/app:1", "registry.example:5000"),
            ("http://[::1]:5000/", "[::1]:5000"),
            ("http://h:80a/", ""),
            ("a_b", ""),
            ("x:port", ""),
            ("", ""),
            ("http://", ""),
        ] {
            let error = host(text).expect_err(text).to_string();
            assert!(error.ends_with("; write HOST or HOST:PORT"), "{error}");
            let meant = format!("which is `{within}` here");
            assert_eq!(
                error.contains(&meant),
                !within.is_empty(),
                "{text}: {error}"
            );
            assert!(!error.contains("S3CRET"), "{error}");
        }
    }
}
