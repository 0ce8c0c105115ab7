//! From a request's first line to a route.

use hyper::StatusCode;

use super::query::{decode, parameters};
use super::{Mount, Page, Reference, Route, UploadId};
use crate::digest::{Algorithm, Digest};
use crate::fault::{Code, Fault};
use crate::name::{RepositoryName, Tag};

/// The longest path that is read, in bytes.
pub const MAXIMUM_PATH: usize = 2048;
/// The most tags that one manifest can be pushed under at once.
const MAXIMUM_TAGS: usize = 32;
/// The longest name that a list may begin behind, and the longest type that referrers may be asked for.
const MAXIMUM_TEXT: usize = 512;

pub(super) type Parameters = Vec<(String, String)>;

/// Reads what is asked.
///
/// # Errors
/// When there is no such route, the method is none of its, or what it names is no name, tag or digest. That tells
/// nothing of what is kept.
pub fn parse(method: &str, path: &str, query: &str) -> Result<Route, Fault> {
    let invalid = || Fault::new(Code::Unsupported, "the request's target cannot be read");
    let path = Some(path)
        .filter(|path| path.len() <= MAXIMUM_PATH)
        .and_then(|path| decode(path, false))
        .ok_or_else(|| invalid().status(StatusCode::BAD_REQUEST))?;
    let parameters = parameters(query).ok_or_else(|| invalid().status(StatusCode::BAD_REQUEST))?;
    let route = match path.as_str() {
        "/v2/" | "/v2" => only_read(method, Route::Base)?,
        "/v2/_catalog" => only_read(
            method,
            Route::Catalog {
                page: page(&parameters, "last")?,
            },
        )?,
        "/token" if matches!(method, "GET" | "POST") => Route::Token,
        "/token" => return Err(wrong_method("GET, POST")),
        "/healthz" => only_read(method, Route::Health)?,
        "/readyz" => only_read(method, Route::Ready)?,
        "/metrics" => only_read(method, Route::Metrics)?,
        "/basalt/v1/robots" => robots(method, &parameters)?,
        path => match (
            path.strip_prefix("/v2/"),
            path.strip_prefix("/basalt/v1/robots/"),
        ) {
            (Some(rest), _) => within(method, rest, &parameters)?,
            (None, Some(name)) => robot(method, name)?,
            (None, None) => match super::login::parse(method, path, &parameters)? {
                Some(route) => route,
                None => super::page::parse(method, path, &parameters)?,
            },
        },
    };
    Ok(route)
}

/// What is about a repository. Its name may have parts that are called as routes are: the route is told by its end.
fn within(method: &str, path: &str, parameters: &Parameters) -> Result<Route, Fault> {
    let (rest, last) = path.rsplit_once('/').ok_or_else(unknown)?;
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return match last {
            "" => begin_upload(method, repository(name)?, parameters),
            upload => session(method, repository(name)?, upload, parameters),
        };
    }
    let (name, kind) = rest.rsplit_once('/').ok_or_else(unknown)?;
    match (kind, last) {
        ("blobs", "uploads") if method == "POST" => {
            begin_upload(method, repository(name)?, parameters)
        }
        ("tags", "list") => only_read(
            method,
            Route::Tags {
                repository: repository(name)?,
                page: page(parameters, "last")?,
            },
        ),
        ("referrers", subject) => referrers(method, repository(name)?, subject, parameters),
        ("blobs", blob) => {
            let (repository, digest) = (repository(name)?, digest(blob)?);
            match method {
                "GET" | "HEAD" => Ok(Route::ReadBlob { repository, digest }),
                "DELETE" => Ok(Route::DeleteBlob { repository, digest }),
                _ => Err(wrong_method("GET, HEAD, DELETE")),
            }
        }
        ("manifests", manifest) => manifests(method, repository(name)?, manifest, parameters),
        _ => Err(unknown()),
    }
}

fn manifests(
    method: &str,
    repository: RepositoryName,
    text: &str,
    parameters: &Parameters,
) -> Result<Route, Fault> {
    let reference = if text.contains(':') {
        Reference::Digest(digest(text)?)
    } else {
        Reference::Tag(tag(text)?)
    };
    match method {
        "GET" | "HEAD" => Ok(Route::ReadManifest {
            repository,
            reference,
        }),
        "DELETE" => Ok(Route::DeleteManifest {
            repository,
            reference,
        }),
        "PUT" => {
            let named = parameters.iter().filter(|(name, _)| name == "tag");
            let tags: Vec<Tag> = named.map(|(_, text)| tag(text)).collect::<Result<_, _>>()?;
            if tags.len() > MAXIMUM_TAGS {
                let message = format!("a manifest is pushed under {MAXIMUM_TAGS} tags at most");
                return Err(Fault::new(Code::TagInvalid, message).status(StatusCode::URI_TOO_LONG));
            }
            Ok(Route::PutManifest {
                repository,
                reference,
                tags,
            })
        }
        _ => Err(wrong_method("GET, HEAD, PUT, DELETE")),
    }
}

fn referrers(
    method: &str,
    repository: RepositoryName,
    subject: &str,
    parameters: &Parameters,
) -> Result<Route, Fault> {
    let artifact_type = value(parameters, "artifactType").filter(|text| !text.is_empty());
    if artifact_type.is_some_and(|text| text.len() > MAXIMUM_TEXT) {
        return Err(Fault::new(
            Code::ManifestInvalid,
            format!("an artifact type has {MAXIMUM_TEXT} bytes at most"),
        ));
    }
    only_read(
        method,
        Route::Referrers {
            repository,
            subject: digest(subject)?,
            artifact_type: artifact_type.map(str::to_owned),
            page: page(parameters, "last")?,
        },
    )
}

fn begin_upload(
    method: &str,
    repository: RepositoryName,
    parameters: &Parameters,
) -> Result<Route, Fault> {
    if method != "POST" {
        return Err(wrong_method("POST"));
    }
    let mount = match value(parameters, "mount") {
        Some(text) => Some(Mount {
            digest: digest(text)?,
            from: value(parameters, "from")
                .map(self::repository)
                .transpose()?,
        }),
        None => None,
    };
    let algorithm = match value(parameters, "digest-algorithm") {
        Some(name) => Algorithm::named(name).ok_or_else(|| {
            Fault::new(
                Code::DigestInvalid,
                "digests are of sha256 or of sha512 here",
            )
        })?,
        None => Algorithm::Sha256,
    };
    Ok(Route::BeginUpload {
        repository,
        digest: value(parameters, "digest").map(digest).transpose()?,
        mount,
        algorithm,
    })
}

fn session(
    method: &str,
    repository: RepositoryName,
    upload: &str,
    parameters: &Parameters,
) -> Result<Route, Fault> {
    let upload = UploadId::parse(upload)
        .ok_or_else(|| Fault::new(Code::BlobUploadUnknown, "there is no such upload"))?;
    match method {
        "GET" | "HEAD" => Ok(Route::UploadStatus { repository, upload }),
        "PATCH" => Ok(Route::AppendUpload { repository, upload }),
        "PUT" => {
            let text = value(parameters, "digest").ok_or_else(|| {
                let message = "the blob's digest is missing: add ?digest=sha256:…";
                Fault::new(Code::DigestInvalid, message)
            })?;
            Ok(Route::FinishUpload {
                repository,
                upload,
                digest: digest(text)?,
            })
        }
        "DELETE" => Ok(Route::CancelUpload { repository, upload }),
        _ => Err(wrong_method("GET, HEAD, PATCH, PUT, DELETE")),
    }
}

fn robots(method: &str, parameters: &Parameters) -> Result<Route, Fault> {
    match method {
        "GET" | "HEAD" => Ok(Route::ListRobots {
            page: page(parameters, "last")?,
        }),
        "POST" => Ok(Route::CreateRobot),
        _ => Err(wrong_method("GET, HEAD, POST")),
    }
}

fn robot(method: &str, name: &str) -> Result<Route, Fault> {
    if method != "DELETE" {
        return Err(wrong_method("DELETE"));
    }
    let name = name.parse().map_err(|error: crate::access::NoRobotName| {
        Fault::new(Code::NameInvalid, error.to_string())
    })?;
    Ok(Route::DeleteRobot { name })
}

pub(super) fn only_read(method: &str, route: Route) -> Result<Route, Fault> {
    match method {
        "GET" | "HEAD" => Ok(route),
        _ => Err(wrong_method("GET, HEAD")),
    }
}

pub(super) fn wrong_method(allowed: &str) -> Fault {
    Fault::new(
        Code::Unsupported,
        format!("this can be asked with {allowed} alone"),
    )
    .header("allow", allowed)
}

pub(super) fn unknown() -> Fault {
    Fault::new(
        Code::NameUnknown,
        "there is nothing of this name; the API begins at /v2/",
    )
}

pub(super) fn value<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    let mut found = parameters.iter().filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.as_str())
}

pub(super) fn page(parameters: &Parameters, after: &str) -> Result<Page, Fault> {
    let limit = match value(parameters, "n") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Fault::new(
                Code::PaginationNumberInvalid,
                "n is a number of entries, not negative",
            )
        })?),
    };
    let after = value(parameters, after).filter(|text| !text.is_empty());
    if after.is_some_and(|text| text.len() > MAXIMUM_TEXT) {
        return Err(Fault::new(
            Code::PaginationNumberInvalid,
            format!("last has {MAXIMUM_TEXT} bytes at most"),
        ));
    }
    Ok(Page {
        limit,
        after: after.map(str::to_owned),
    })
}

pub(super) fn repository(text: &str) -> Result<RepositoryName, Fault> {
    text.parse()
        .map_err(|error: crate::name::NoRepositoryName| {
            Fault::new(Code::NameInvalid, error.to_string())
        })
}

pub(super) fn tag(text: &str) -> Result<Tag, Fault> {
    text.parse()
        .map_err(|error: crate::name::NoTag| Fault::new(Code::TagInvalid, error.to_string()))
}

pub(super) fn digest(text: &str) -> Result<Digest, Fault> {
    text.parse().map_err(|error: crate::digest::NoDigest| {
        Fault::new(Code::DigestInvalid, format!("that is no digest: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(method: &str, path: &str, query: &str) -> (u16, Code) {
        let fault = parse(method, path, query).expect_err("it is refused");
        (fault.status.as_u16(), fault.code)
    }

    #[test]
    fn what_is_no_route_is_refused_with_the_right_code() {
        let digest = "sha256:zz";
        for (method, path, query, expected) in [
            ("GET", "/none", "", (404, Code::NameUnknown)),
            ("GET", "/v2/app", "", (404, Code::NameUnknown)),
            ("GET", "/v2/../etc/tags/list", "", (400, Code::NameInvalid)),
            (
                "GET",
                "/v2/%2e%2e/x/tags/list",
                "",
                (400, Code::NameInvalid),
            ),
            ("GET", "/v2//tags/list", "", (400, Code::NameInvalid)),
            ("GET", "/v2/App/tags/list", "", (400, Code::NameInvalid)),
            (
                "GET",
                "/v2/app/tags/list",
                "n=-1",
                (400, Code::PaginationNumberInvalid),
            ),
            ("GET", "/v2/app/manifests/.x", "", (400, Code::TagInvalid)),
            (
                "GET",
                &format!("/v2/app/blobs/{digest}"),
                "",
                (400, Code::DigestInvalid),
            ),
            (
                "PUT",
                &format!("/v2/app/manifests/{digest}"),
                "",
                (400, Code::DigestInvalid),
            ),
            ("POST", "/v2/app/manifests/x", "", (405, Code::Unsupported)),
            ("TRACE", "/v2/", "", (405, Code::Unsupported)),
            (
                "GET",
                "/v2/app/blobs/uploads/",
                "",
                (405, Code::Unsupported),
            ),
            (
                "PATCH",
                "/v2/app/blobs/uploads/x",
                "",
                (404, Code::BlobUploadUnknown),
            ),
            (
                "POST",
                "/v2/app/blobs/uploads/",
                "mount=x",
                (400, Code::DigestInvalid),
            ),
            (
                "POST",
                "/v2/app/blobs/uploads/",
                "digest-algorithm=md5",
                (400, Code::DigestInvalid),
            ),
            ("GET", "/v2/%", "", (400, Code::Unsupported)),
        ] {
            assert_eq!(
                code(method, path, query),
                expected,
                "{method} {path}?{query}"
            );
        }
    }

    #[test]
    fn a_digest_may_be_written_with_percent_signs() {
        let hex = "0".repeat(64);
        let plain = parse("GET", &format!("/v2/a/blobs/sha256:{hex}"), "");
        assert_eq!(
            plain,
            parse("GET", &format!("/v2/a/blobs/sha256%3A{hex}"), "")
        );
        assert!(plain.is_ok());
    }

    proptest! {
        #[test]
        fn any_request_is_read_or_refused(method in "[A-Z]{0,8}", path in ".*", query in ".*") {
            let _ = parse(&method, &path, &query);
        }

        #[test]
        fn what_is_read_has_a_sound_repository(
            path in "/v2/[a-zA-Z0-9./_%-]{0,40}/(tags/list|manifests/[a-z.]{1,4}|blobs/uploads/)",
            method in "GET|PUT|POST|DELETE",
        ) {
            if let Ok(route) = parse(&method, &path, "")
                && let Some(name) = route.repository()
            {
                prop_assert!(name.as_str().parse::<RepositoryName>().is_ok());
            }
        }
    }
}
