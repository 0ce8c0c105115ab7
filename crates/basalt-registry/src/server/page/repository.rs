//! The page of a repository: its tags.

use maud::{Markup, html};

use super::model::{Repository, TagLine};
use super::shell::{Page, Section, command, pages, search, target};
use super::text::{bytes, counted, date, digest_code};
use crate::route::{Listing, Sort};

/// The page.
pub fn page(listing: &Listing, found: &Repository) -> Page {
    let name = &found.line.name;
    let path = format!("/r/{name}");
    let live = (found.shown.pages == 1).then_some("list");
    let content: Markup = html! {
        nav class="trail" aria-label="Where you are" { a href="/" { "Repositories" } }
        div class="heading" {
            h1 { (name) }
            p class="count" {
                (counted(found.line.tags, "tag", "tags")) " · " (bytes(found.line.size))
                @if let Some(pushed) = &found.line.pushed { " · pushed " (date(pushed)) }
            }
        }
        @if let Some(first) = found.list.first() {
            (command(&format!("docker pull {}:{}", found.place, first.tag), "the command to pull"))
        }
        @if found.line.tags > 0 {
            div class="tools" {
                (search(&path, listing, "Part of a tag", "Part of a tag", live))
                nav class="order" aria-label="Order" {
                    @for sort in Sort::ALL {
                        @let other = Listing { sort, ..listing.clone() };
                        a href=(target(&path, &other, 1)) aria-current=[(sort == listing.sort).then_some("true")] { (label(sort)) }
                    }
                }
            }
        }
        @if found.list.is_empty() { (nothing(&path, listing, found.line.tags > 0)) } @else {
            div class="scroll" {
                table id="list" {
                    caption class="hidden" { "Tags of " (name) }
                    thead { tr {
                        th scope="col" { "Tag" }
                        th scope="col" { "Platforms" }
                        th scope="col" { "Signature" }
                        th scope="col" { "Digest" }
                        th scope="col" class="number" { "Size" }
                        th scope="col" class="number" { "Pushed" }
                        th scope="col" class="action" { span class="hidden" { "Pull" } }
                    } }
                    tbody { @for tag in &found.list { (line(found, tag)) } }
                }
            }
            (pages(&path, listing, &found.shown, ""))
        }
    };
    Page {
        title: name.clone(),
        section: Section::Repositories,
        content,
    }
}

fn line(found: &Repository, tag: &TagLine) -> Markup {
    let name = &found.line.name;
    let pull = format!("docker pull {}:{}", found.place, tag.tag);
    html! {
        tr data-text=(tag.tag) {
            th scope="row" { a href={ "/r/" (name) ":" (tag.tag) } { (tag.tag) } }
            td class="words" {
                @if tag.platforms.is_empty() { span class="quiet" { "none" } }
                @for platform in &tag.platforms { span class="label" { (platform) } " " }
            }
            td { (signature(tag.is_signed)) }
            td { a class="quiet" href={ "/r/" (name) "@" (tag.digest) } { (digest_code(&tag.digest)) } }
            td class="number" { (bytes(tag.size)) }
            td class="number" { @if let Some(pushed) = &tag.pushed { (date(pushed)) } }
            td class="action" {
                button class="copy" type="button" hidden data-copy=(pull) aria-label={ "Copy the command to pull " (tag.tag) } {
                    "Copy pull"
                }
            }
        }
    }
}

/// Whether a signature is attached: not whether it is good, nor whose.
pub fn signature(is_signed: bool) -> Markup {
    html! {
        @if is_signed {
            span class="label good" title="A signature is attached. `basalt verify` tells whose it is, and whether it is good." { "attached" }
        } @else {
            span class="quiet" { "none" }
        }
    }
}

fn label(sort: Sort) -> &'static str {
    match sort {
        Sort::Date => "Newest",
        Sort::Version => "Version",
        Sort::Name => "Name",
    }
}

fn nothing(path: &str, listing: &Listing, has_tags: bool) -> Markup {
    html! {
        div class="empty" {
            @if !has_tags {
                p class="strong" { "There is no tag here." }
                p { "What was pushed by digest alone can be pulled by it." }
            } @else if listing.filter.is_empty() {
                p { "The list has no such page." }
                p { a href=(path) { "The first page" } }
            } @else {
                p { "No tag has “" (listing.filter) "” in it." }
                p { a href=(path) { "All tags" } }
            }
        }
    }
}
