//! The front page: the repositories.

use maud::{Markup, html};

use super::model::Repositories;
use super::shell::{Page, Section, command, pages, search};
use super::text::{bytes, counted, date};
use crate::route::Listing;
use crate::server::request::Request;

/// The page.
pub fn page(request: &Request, listing: &Listing, found: &Repositories) -> Page {
    let is_filtered = !listing.filter.is_empty();
    let live = (found.part.pages == 1).then_some("list");
    let content: Markup = html! {
        div class="heading" {
            h1 { "Repositories" }
            @if found.part.total > 0 {
                p class="count" { (counted(found.part.total, "repository", "repositories")) }
            }
        }
        @if found.part.total > 0 || is_filtered {
            (search("/", listing, "Name of a repository", "Part of a name", live))
        }
        @if found.repositories.is_empty() { (nothing(request, listing, is_filtered)) } @else {
            div class="scroll" {
                table id="list" {
                    caption class="hidden" { "Repositories" }
                    thead { tr {
                        th scope="col" { "Name" }
                        th scope="col" class="number" { "Tags" }
                        th scope="col" class="number" { "Size" }
                        th scope="col" class="number" { "Last push" }
                    } }
                    tbody {
                        @for one in &found.repositories {
                            tr data-text=(one.name) {
                                th scope="row" { a href={ "/r/" (one.name) } { (one.name) } }
                                td class="number" { (one.tags) }
                                td class="number" { (bytes(one.size)) }
                                td class="number" { @if let Some(pushed) = &one.pushed { (date(pushed)) } }
                            }
                        }
                    }
                }
            }
            (pages("/", listing, &found.part, ""))
        }
    };
    Page {
        title: "Repositories".to_owned(),
        section: Section::Repositories,
        content,
    }
}

fn nothing(request: &Request, listing: &Listing, is_filtered: bool) -> Markup {
    html! {
        div class="empty" {
            @if listing.page > 1 {
                p { "The list has no such page." }
                p { a href="/" { "The first page" } }
            } @else if is_filtered {
                p { "No repository has “" (listing.filter) "” in its name." }
                p { a href="/" { "All repositories" } }
            } @else {
                p class="strong" { "There is nothing here yet." }
                p { "Push an image that Basalt or another tool has built:" }
                (command(&format!("basalt push out/base {}/base:latest", super::host(request)), "the command to push"))
            }
        }
    }
}
