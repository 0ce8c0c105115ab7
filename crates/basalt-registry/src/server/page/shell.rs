//! What all pages have around them, and how they are sent.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::ACCEPT_ENCODING;
use maud::{DOCTYPE, Markup, html};

use super::asset;
use super::model::Part;
use super::text::counted;
use crate::access::Caller;
use crate::route::{Asset, Listing, encode};
use crate::server::body::Body;
use crate::server::request::{Outcome, Reply, Request};

/// Nothing but this server's own files, nothing inline, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// From which length on a page is compressed, in bytes.
const COMPRESSED: usize = 1400;

/// A page.
pub struct Page {
    /// What it is called.
    pub title: String,
    /// Where it belongs.
    pub section: Section,
    /// What it shows.
    pub content: Markup,
}

/// Where a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Repositories and what is in them.
    Repositories,
    /// Packages.
    Packages,
    /// Nowhere.
    None,
}

/// A page as an answer.
///
/// # Errors
/// Never; it is for the caller's convenience.
pub fn page(request: &Request, page: Page) -> Outcome {
    let text = document(request, &page).into_string();
    let is_zipped = request.text(ACCEPT_ENCODING).is_some_and(takes_gzip);
    let mut reply = match is_zipped && text.len() >= COMPRESSED {
        true => {
            Reply::of(Body::Full(zipped(text.as_bytes()).into())).header("content-encoding", "gzip")
        }
        false => Reply::of(Body::Full(text.into())),
    };
    if request.is_head() {
        reply.length = Some(reply.body.length());
        reply.body = Body::Empty;
    }
    Ok(protected(reply)
        .header("content-type", "text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .header("vary", "Accept-Encoding, Cookie"))
}

/// With the headers that keep a page from doing what it should not.
pub fn protected(reply: Reply) -> Reply {
    reply
        .header("content-security-policy", POLICY)
        .header("referrer-policy", "same-origin")
        .header("cross-origin-opener-policy", "same-origin")
        .header("cross-origin-resource-policy", "same-origin")
        .header("x-frame-options", "DENY")
}

/// Whether a client takes what is compressed by gzip (RFC 9110, 12.5.3).
pub fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let (coding, rest) = one.split_once(';').unwrap_or((one, ""));
        let weight = rest
            .trim()
            .strip_prefix("q=")
            .and_then(|text| text.parse::<f32>().ok());
        coding.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// Compressed by gzip.
pub fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(5));
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn document(request: &Request, page: &Page) -> Markup {
    let gate = &request.registry.gate;
    let current = |section| (page.section == section).then_some("page");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Basalt" }
                link rel="icon" href=(asset::link(Asset::Icon)) type="image/svg+xml";
                link rel="stylesheet" href=(asset::link(Asset::Style));
                script src=(asset::link(Asset::Script)) defer {}
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                header class="top" {
                    div class="wide" {
                        a class="brand" href="/" {
                            img src=(asset::link(Asset::Icon)) alt="" width="22" height="22";
                            "Basalt"
                        }
                        nav aria-label="Main" {
                            a href="/" aria-current=[current(Section::Repositories)] { "Repositories" }
                            a href="/search" aria-current=[current(Section::Packages)] { "Packages" }
                        }
                        div class="account" {
                            @match &request.identity.caller {
                                caller if gate.mark(caller).is_some() => {
                                    span class="name" { (caller.name()) }
                                    form method="post" action="/signout" { button class="plain" { "Sign out" } }
                                }
                                Caller::Anonymous if gate.has_people() => {
                                    a href="/signin" { "Sign in" }
                                }
                                _ => {}
                            }
                        }
                    }
                }
                main id="content" class="wide" tabindex="-1" { (page.content) }
                footer class="wide" {
                    p { "Basalt registry at " (super::host(request)) }
                }
                div id="status" class="hidden" role="status" {}
            }
        }
    }
}

/// A field to look for something with, and its button. `live` names the table that is filtered while one writes.
pub fn search(
    action: &str,
    listing: &Listing,
    label: &str,
    hint: &str,
    live: Option<&str>,
) -> Markup {
    html! {
        form class="search" method="get" action=(action) role="search" {
            label for="q" class="hidden" { (label) }
            input id="q" type="search" name="q" value=(listing.filter) placeholder=(hint) autocomplete="off"
                spellcheck="false" maxlength="300" data-filter=[live];
            @if let Some(platform) = &listing.platform {
                input type="hidden" name="platform" value=(platform);
            }
            @if listing.sort != crate::route::Sort::default() {
                input type="hidden" name="sort" value=(listing.sort.name());
            }
            button { "Search" }
        }
    }
}

/// The same list with other parameters.
pub fn target(path: &str, listing: &Listing, page: u64) -> String {
    let mut query = Vec::new();
    if !listing.filter.is_empty() {
        query.push(format!("q={}", encode(&listing.filter)));
    }
    if let Some(platform) = &listing.platform {
        query.push(format!("platform={}", encode(platform)));
    }
    if listing.sort != crate::route::Sort::default() {
        query.push(format!("sort={}", listing.sort.name()));
    }
    if page > 1 {
        query.push(format!("page={page}"));
    }
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", query.join("&")),
    }
}

/// The way to the pages before and behind.
pub fn pages(path: &str, listing: &Listing, part: &Part, anchor: &str) -> Markup {
    html! {
        @if part.pages > 1 {
            nav class="pages" aria-label="Pages" {
                @if part.page > 1 {
                    a rel="prev" href={ (target(path, listing, part.page - 1)) (anchor) } { "← Before" }
                } @else { span {} }
                span { "Page " (part.page) " of " (counted(part.pages, "", "").trim()) }
                @if part.page < part.pages {
                    a rel="next" href={ (target(path, listing, part.page + 1)) (anchor) } { "Next →" }
                } @else { span {} }
            }
        }
    }
}

/// A command with a button that copies it, where there is JavaScript.
pub fn command(text: &str, what: &str) -> Markup {
    html! {
        div class="command" {
            code { (text) }
            button class="copy" type="button" hidden data-copy=(text) aria-label={ "Copy " (what) } { "Copy" }
        }
    }
}
