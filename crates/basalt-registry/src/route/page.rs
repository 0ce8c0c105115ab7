//! The routes of pages for people, of the files they need, and of what they show as JSON.
//!
//! `/r/NAME`, `/r/NAME:TAG` and `/r/NAME@DIGEST` are read as references to images are: no name has a colon or an at sign.

use super::parse::{Parameters, digest, only_read, repository, tag, unknown, value, wrong_method};
use super::{Reference, Route};
use crate::fault::{Code, Fault};
use crate::name::RepositoryName;

/// The longest text that a list is filtered by, in bytes.
const MAXIMUM_FILTER: usize = 300;
/// The longest path that one may come back to after signing in, in bytes.
pub(super) const MAXIMUM_NEXT: usize = 1024;
/// The last page of a list.
const MAXIMUM_PAGE: u64 = 10_000;

/// Which part of what a page lists is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What is looked for; empty for all.
    pub filter: String,
    /// Which page, from 1 on.
    pub page: u64,
    /// In which order.
    pub sort: Sort,
    /// For which platform, of an image that is there for several: `linux/arm64`.
    pub platform: Option<String>,
}

/// In which order tags are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The one that was pushed last first.
    #[default]
    Date,
    /// By version, the highest first.
    Version,
    /// By name.
    Name,
}

impl Sort {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Date, Self::Version, Self::Name];

    /// As a query has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Version => "version",
            Self::Name => "name",
        }
    }
}

/// A file that pages need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    /// How they look.
    Style,
    /// What makes them more convenient where there is JavaScript.
    Script,
    /// The picture beside their name.
    Icon,
}

impl Asset {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Style, Self::Script, Self::Icon];

    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Style => "/assets/basalt.css",
            Self::Script => "/assets/basalt.js",
            Self::Icon => "/assets/basalt.svg",
        }
    }
}

pub(super) fn parse(method: &str, path: &str, parameters: &Parameters) -> Result<Route, Fault> {
    if let Some(asset) = Asset::ALL.into_iter().find(|asset| asset.path() == path) {
        return only_read(method, Route::Asset { asset });
    }
    match path {
        "/" => {
            let listing = listing(parameters, "q")?;
            return only_read(method, Route::FrontPage { listing });
        }
        "/search" => {
            let listing = listing(parameters, "q")?;
            return only_read(method, Route::PackagesPage { listing });
        }
        "/signin" if matches!(method, "GET" | "HEAD" | "POST") => {
            let next = value(parameters, "next").filter(|next| next.len() <= MAXIMUM_NEXT);
            let next = next.map(str::to_owned);
            return Ok(Route::SignIn { next });
        }
        "/signin" => return Err(wrong_method("GET, HEAD, POST")),
        "/signout" if method == "POST" => return Ok(Route::SignOut),
        "/signout" => return Err(wrong_method("POST")),
        "/basalt/v1/repositories" => {
            let listing = listing(parameters, "q")?;
            return only_read(method, Route::ListRepositories { listing });
        }
        "/basalt/v1/search" => {
            let listing = listing(parameters, "package")?;
            return only_read(method, Route::SearchPackages { listing });
        }
        _ => {}
    }
    let listing = || listing(parameters, "q");
    if let Some(named) = path.strip_prefix("/r/") {
        let (repository, reference) = named_image(named)?;
        let listing = listing()?;
        let route = match reference {
            None => Route::RepositoryPage {
                repository,
                listing,
            },
            Some(reference) => Route::ImagePage {
                repository,
                reference,
                listing,
            },
        };
        return only_read(method, route);
    }
    let named = path.strip_prefix("/basalt/v1/r/").ok_or_else(unknown)?;
    let (repository, reference) = named_image(named)?;
    let listing = listing()?;
    let route = match reference {
        None => Route::DescribeRepository {
            repository,
            listing,
        },
        Some(reference) => Route::DescribeImage {
            repository,
            reference,
            listing,
        },
    };
    only_read(method, route)
}

/// Reads `NAME`, `NAME:TAG` or `NAME@DIGEST`.
fn named_image(text: &str) -> Result<(RepositoryName, Option<Reference>), Fault> {
    if let Some((name, text)) = text.split_once('@') {
        return Ok((repository(name)?, Some(Reference::Digest(digest(text)?))));
    }
    match text.split_once(':') {
        Some((name, text)) => Ok((repository(name)?, Some(Reference::Tag(tag(text)?)))),
        None => Ok((repository(text)?, None)),
    }
}

fn listing(parameters: &Parameters, filter: &str) -> Result<Listing, Fault> {
    let invalid = |message: &str| Fault::new(Code::PaginationNumberInvalid, message);
    let text = |name: &str| match value(parameters, name).map(str::trim) {
        Some(text) if text.len() > MAXIMUM_FILTER => Err(invalid("what is looked for is too long")),
        text => Ok(text.filter(|text| !text.is_empty()).map(str::to_owned)),
    };
    let page = match value(parameters, "page") {
        None => 1,
        Some(text) => {
            let page = text.parse().ok();
            page.filter(|page| (1..=MAXIMUM_PAGE).contains(page))
                .ok_or_else(|| invalid("page is a number from 1 on"))?
        }
    };
    let sort = match value(parameters, "sort") {
        None => Sort::default(),
        Some(name) => Sort::ALL
            .into_iter()
            .find(|sort| sort.name() == name)
            .ok_or_else(|| invalid("sort is one of date, version, name"))?,
    };
    Ok(Listing {
        filter: text(filter)?.unwrap_or_default(),
        page,
        sort,
        platform: text("platform")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, parse};

    #[test]
    fn pages_are_named_as_images_are() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (target, kind) in [
            ("/r/team/app", Kind::RepositoryPage),
            ("/r/team/app:1.0", Kind::ImagePage),
            (&format!("/r/team/app@{digest}"), Kind::ImagePage),
            ("/r/tags/search:latest", Kind::ImagePage),
            ("/basalt/v1/r/a:b", Kind::DescribeImage),
        ] {
            let route = parse("GET", target, "").expect("it is one");
            assert_eq!(route.kind(), kind, "{target}");
        }
        for target in [
            "/r/",
            "/r/A",
            "/r/a:",
            "/r/a:b/c",
            "/r/a@sha256:0",
            "/r/../v2/",
            "/assets/../x",
            "/basalt/v1/",
        ] {
            assert!(parse("GET", target, "").is_err(), "{target}");
        }
    }

    #[test]
    fn pages_change_nothing_whatever_the_method() {
        for kind in Kind::ALL.iter().filter(|kind| kind.is_page()) {
            let digest = format!("sha256:{}", "0".repeat(64));
            let (_, target) = kind.example("app", "1", &digest, "");
            let path = target.split('?').next().expect("a path");
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                assert!(parse(method, path, "").is_err(), "{method} {target}");
            }
        }
    }

    #[test]
    fn a_list_is_asked_for_in_bounds() {
        let long = format!("q={}", "a".repeat(301));
        for query in ["page=0", "page=-1", "page=99999", "sort=size", &long] {
            assert!(parse("GET", "/", query).is_err(), "{query}");
        }
    }
}
