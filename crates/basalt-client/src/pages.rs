//! Lists that come page by page (OCI distribution specification, *Listing Tags*, *Listing Referrers*): how far a client
//! follows them. A registry decides where each page leads, so nothing of a list is believed to have an end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use basalt_fetch::{Limits, address};

use crate::error::ClientError;
use crate::link;
use crate::transport::{Answer, authority_of, origin};

/// The most pages of one list.
const MAXIMUM_PAGES: usize = 2000;
/// So many pages may bring as little as they like; from then on each must have brought [`ENTRIES_PER_PAGE`], on average.
const FREE_PAGES: usize = 100;
/// How many new entries a page brings at least, on average. Registries give 50 or more when asked for 1000.
const ENTRIES_PER_PAGE: usize = 10;
/// The most bytes of all pages of one list.
const MAXIMUM_BYTES: u64 = 256 << 20;
/// How many times the longest silence a whole list may take.
const PATIENCE: u32 = 20;

/// One list that is read.
pub(crate) struct Pages {
    /// What it is, for messages: `list of tags`.
    what: &'static str,
    /// The most entries that it may have.
    maximum: usize,
    first: String,
    asked: BTreeSet<String>,
    bytes: u64,
    begun: Instant,
    longest: Duration,
}

impl Pages {
    /// A list whose first page is at this URL.
    pub fn new(what: &'static str, maximum: usize, first: String, limits: &Limits) -> Self {
        Self {
            what,
            maximum,
            asked: BTreeSet::from([first.clone()]),
            first,
            bytes: 0,
            begun: Instant::now(),
            longest: limits.read.saturating_mul(PATIENCE),
        }
    }

    /// Where the next page is, of one that came from `url`; nothing after the last.
    ///
    /// # Errors
    /// When it is on another registry, not of the same list, or a page that was read already.
    pub fn next(&mut self, answer: &Answer, url: &str) -> Result<Option<String>, ClientError> {
        let Some(target) = answer.headers("link").find_map(link::next) else {
            return Ok(None);
        };
        let refuse = |to: String, cause| {
            Err(ClientError::Redirect {
                url: address::shown(url),
                to: address::shown(&to),
                cause,
            })
        };
        let Some(next) = address::resolve(url, target) else {
            return refuse(target.to_owned(), "the next page is not there");
        };
        if origin(&next) != origin(url) {
            return refuse(next, "the next page is not there");
        }
        if path_of(&next) != path_of(url) {
            return refuse(next, "the page is not of the same list");
        }
        match self.asked.insert(next.clone()) {
            true => Ok(Some(next)),
            false => refuse(next, "that page was read already: the list has no end"),
        }
    }

    /// Notes a page of so many bytes, after which the list has so many different entries; `more` says whether another follows.
    ///
    /// # Errors
    /// When the list is larger than any is, does not come to an end, or takes too long.
    pub fn read(&mut self, bytes: usize, entries: usize, more: bool) -> Result<(), ClientError> {
        self.bytes += bytes as u64;
        if entries > self.maximum {
            let limit = self.maximum;
            return Err(self.refused(format!("has more than {limit} entries")));
        }
        if self.bytes > MAXIMUM_BYTES {
            return Err(self.refused(format!("has more than {MAXIMUM_BYTES} bytes")));
        }
        if !more {
            return Ok(());
        }
        // The next page is noted as asked for.
        let pages = self.asked.len() - 1;
        if pages >= MAXIMUM_PAGES.min(FREE_PAGES + entries / ENTRIES_PER_PAGE) {
            let cause = format!("has another page after {pages}, with {entries} entries in all");
            return Err(self.refused(cause));
        }
        self.check_time()
    }

    /// Fails once the list has taken too long.
    ///
    /// # Errors
    /// Then.
    pub fn check_time(&self) -> Result<(), ClientError> {
        match self.begun.elapsed() > self.longest {
            false => Ok(()),
            true => Err(ClientError::Network {
                url: address::shown(&self.first),
                reason: format!(
                    "gave up: its {} did not come to an end in {} seconds",
                    self.what,
                    self.longest.as_secs()
                ),
            }),
        }
    }

    /// The list is not one that an honest registry has.
    pub fn refused(&self, cause: String) -> ClientError {
        ClientError::Untrusted {
            url: address::shown(&self.first),
            cause: format!("its {} {cause}", self.what),
        }
    }
}

/// The path of a URL, without the query.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.get(authority_of(rest).len()..).unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(limits: &Limits) -> Pages {
        let first = "https://r.example/v2/a/tags/list?n=1000".to_owned();
        Pages::new("list of tags", 1_000_000, first, limits)
    }

    /// Reads pages that bring so many entries each until that is refused; how many those were.
    fn followed(each: usize) -> usize {
        let mut pages = pages(&Limits::default());
        for number in 1.. {
            pages.asked.insert(format!("?last={number}"));
            if pages.read(100, number * each, true).is_err() {
                return number;
            }
        }
        0
    }

    #[test]
    fn pages_are_followed_as_long_as_they_bring_something() {
        assert_eq!(followed(0), 100);
        assert_eq!(followed(1), 111);
        assert_eq!(followed(50), 2000);
        assert_eq!(followed(1000), 1001);
    }

    #[test]
    fn a_list_that_takes_too_long_is_given_up_which_tells_nothing_of_honesty() {
        let mut pages = pages(&Limits::default().with_patience(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(2));
        pages.asked.insert("?last=1".to_owned());
        let error = pages.read(100, 1000, true).expect_err("it is over");
        assert!(error.is_network() && !error.is_distrust(), "{error}");
        assert!(pages.read(100, 1000, false).is_ok(), "the last page came");
    }

    #[test]
    fn the_path_of_a_url_is_told_from_its_query() {
        assert_eq!(
            path_of("https://r.example/v2/a/tags/list?n=1"),
            "/v2/a/tags/list"
        );
        assert_eq!(path_of("https://r.example"), "");
    }
}
