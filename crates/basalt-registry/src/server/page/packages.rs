//! The page that finds images by the packages in them.

use maud::{Markup, html};

use super::model::{PackageLine, Packages};
use super::shell::{Page, Section, pages, search};
use super::text::{counted, digest, digest_code};
use crate::route::{Listing, encode};

/// The page: the form, and what was found, or why nothing could be looked for.
pub fn page(listing: &Listing, found: Option<Result<&Packages, &str>>) -> Page {
    let content: Markup = html! {
        div class="heading" {
            h1 { "Packages" }
            p class="count" { "Which images have a package? Their bills of materials say." }
        }
        (search("/search", listing, "Package, and which versions", "liblzma5 < 5.4", None))
        @match found {
            None => (examples()),
            Some(Err(message)) => p class="problem" role="alert" { (message) },
            Some(Ok(found)) => (list(listing, found)),
        }
    };
    let title = match listing.filter.as_str() {
        "" => "Packages".to_owned(),
        filter => format!("{filter} · Packages"),
    };
    Page {
        title,
        section: Section::Packages,
        content,
    }
}

fn examples() -> Markup {
    let all = [
        (
            "openssl",
            "all images that have the package, or one built of this source",
        ),
        (
            "liblzma5 < 5.4",
            "versions of Debian packages, compared as Debian does",
        ),
        ("liblzma5 >= 5.6.0-0.1", "also <=, = and >"),
        (
            "libssl3 = 3.0.*",
            "versions that begin so, of packages of any kind",
        ),
        ("python3*", "names that begin so"),
    ];
    html! {
        dl class="examples" {
            @for (query, words) in all {
                dt { a href={ "/search?q=" (encode(query)) } { code { (query) } } }
                dd { (words) }
            }
        }
    }
}

fn list(listing: &Listing, found: &Packages) -> Markup {
    html! {
        p class="count" role="status" {
            @if found.is_capped { "More than " }
            (counted(found.part.total, "image", "images"))
            @if found.part.total > 0 { " in " (counted(found.repositories, "repository", "repositories")) }
        }
        @if found.has_unordered {
            p class="hint" {
                "Packages of this name that are not Debian’s are left out: their versions are not compared here. Ask for them with "
                code { "=" } "."
            }
        }
        @if found.images.is_empty() {
            div class="empty" {
                p { "No image that you may see has this." }
                p class="quiet" { "Images without a bill of materials are not found here." }
            }
        } @else {
            div class="scroll" {
                table {
                    caption class="hidden" { "Images that have " (found.query) }
                    thead { tr {
                        th scope="col" { "Image" }
                        th scope="col" { "Platform" }
                        th scope="col" { "Package" }
                        th scope="col" { "Version" }
                        th scope="col" { "Kind" }
                        th scope="col" { "Digest" }
                    } }
                    tbody { @for one in &found.images { (line(one)) } }
                }
            }
            (pages("/search", listing, &found.part, ""))
        }
    }
}

fn line(one: &PackageLine) -> Markup {
    let package = &one.package;
    html! {
        tr {
            th scope="row" {
                a href={ "/r/" (one.repository) "@" (one.digest) } {
                    (one.repository)
                    @match one.tags.first() {
                        Some(tag) => { ":" (tag) }
                        None => { "@" (digest(&one.digest)) }
                    }
                }
                @for tag in one.tags.iter().skip(1) { " " span class="label" { (tag) } }
            }
            td { (one.platform.as_deref().unwrap_or("")) }
            td {
                (package.name)
                @if !package.source.is_empty() && package.source != package.name {
                    " " span class="quiet" { "of " (package.source) }
                }
            }
            td { code { (package.version) } }
            td { (package.ecosystem) }
            td { (digest_code(&one.digest)) }
        }
    }
}
