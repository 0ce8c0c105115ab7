//! The page of an image.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::model::{Attached, Details, Image, Layer};
use super::repository::signature;
use super::shell::{Page, Section, command, pages, search, target};
use super::text::{bytes, counted, date, digest, digest_code};
use crate::bills::Package;
use crate::route::{Listing, encode};
use crate::verdict::Consequence;

/// How many packages of a layer are shown before the rest is folded.
const PACKAGES: usize = 12;

/// The page.
pub fn page(listing: &Listing, found: &Image) -> Page {
    let name = &found.repository;
    let (sign, named) = match &found.tag {
        Some(tag) => (":", tag.clone()),
        None => ("@", digest(&found.digest)),
    };
    let path = match &found.tag {
        Some(tag) => format!("/r/{name}:{tag}"),
        None => format!("/r/{name}@{}", found.digest),
    };
    let content: Markup = html! {
        nav class="trail" aria-label="Where you are" {
            a href="/" { "Repositories" } " / " a href={ "/r/" (name) } { (name) }
        }
        div class="heading" { h1 { (name) span class="quiet" { (sign) } (named) } }
        @if found.artifact_type.is_none() {
            (command(&format!("docker pull {}", found.place), "the command to pull"))
        }
        (policies(found))
        (facts(found))
        @if found.platforms.len() > 1 { (platforms(listing, found, &path)) }
        (sections(found))
        @if let Some(details) = &found.details {
            (packages(listing, details, &path))
            (layers(details))
            (configuration(details))
        } @else if found.artifact_type.is_none() {
            p class="hint" { "Nothing more can be told of it: what it lists is not here, or is no image." }
        }
        (attached(found))
        @if let Some(details) = &found.details {
            @if !details.history.is_empty() { (history(details)) }
            (texts("Labels", "labels", &details.labels))
        }
        (texts("Annotations", "annotations", &found.annotations))
    };
    Page {
        title: format!("{name}{sign}{named}"),
        section: Section::Repositories,
        content,
    }
}

/// Policies that are not met, and why.
fn policies(found: &Image) -> Markup {
    html! {
        @for one in &found.policies {
            p class="hint" {
                @match one.consequence {
                    Consequence::Deny => strong { "Cannot be pulled" },
                    Consequence::Warn => strong { "Pulled with a warning" },
                }
                ", says the policy " code { (one.policy) } ": " (one.found) ". Wanted is " (one.wanted) "."
            }
        }
    }
}

fn facts(found: &Image) -> Markup {
    let created = found
        .details
        .as_ref()
        .and_then(|one| one.created.as_deref());
    html! {
        dl class="facts" {
            div class="whole" {
                dt { "Digest" }
                dd {
                    code { (found.digest) } " "
                    button class="copy" type="button" hidden data-copy=(found.digest) aria-label="Copy the digest" { "Copy" }
                }
            }
            div { dt { "Size" } dd { (bytes(found.size)) } }
            @if let Some(pushed) = &found.pushed { div { dt { "Pushed" } dd { (date(pushed)) } } }
            @if let Some(created) = created { div { dt { "Made" } dd { (date(created)) } } }
            @if let Some(kind) = &found.artifact_type { div { dt { "Kind" } dd { (kind) } } } @else {
                div { dt { "Signature" } dd { (signature(found.is_signed)) } }
            }
            @if let Some(subject) = &found.subject {
                div {
                    dt { "Attached to" }
                    dd { a href={ "/r/" (found.repository) "@" (subject) } { (digest_code(subject)) } }
                }
            }
            @if !found.tags.is_empty() {
                div {
                    dt { "Tags" }
                    dd {
                        @for tag in &found.tags {
                            a class="label" href={ "/r/" (found.repository) ":" (tag) } { (tag) } " "
                        }
                    }
                }
            }
            @if let Some(Some(platform)) = found.details.as_ref().map(|one| &one.platform) {
                @if found.platforms.len() < 2 { div { dt { "Platform" } dd { (platform) } } }
            }
        }
    }
}

fn platforms(listing: &Listing, found: &Image, path: &str) -> Markup {
    html! {
        nav class="platforms" aria-label="Platforms" {
            @for one in &found.platforms {
                @let other = Listing { platform: Some(one.platform.clone()), filter: String::new(), ..listing.clone() };
                a href=(target(path, &other, 1)) aria-current=[one.is_shown.then_some("true")] {
                    (one.platform) " " span class="quiet" { (bytes(one.size)) }
                }
            }
        }
    }
}

/// The way to the parts of a long page.
fn sections(found: &Image) -> Markup {
    let details = found.details.as_ref();
    let mut all = Vec::new();
    if let Some(details) = details {
        all.push((
            "packages",
            "Packages",
            details.bills.first().map(|bill| bill.packages),
        ));
        all.push(("layers", "Layers", Some(details.layers.len() as u64)));
        all.push(("configuration", "Configuration", None));
    }
    all.push(("attached", "Attached", Some(found.attached.len() as u64)));
    if details.is_some_and(|details| !details.history.is_empty()) {
        all.push(("history", "History", None));
    }
    html! {
        nav class="sections" aria-label="On this page" {
            @for (anchor, words, count) in all {
                a href={ "#" (anchor) } { (words) @if let Some(count) = count { " " span class="quiet" { (count) } } }
            }
        }
    }
}

fn packages(listing: &Listing, details: &Details, path: &str) -> Markup {
    let good = details.bills.iter().find(|bill| bill.problem.is_none());
    let live = (details.shown.pages == 1).then_some("package-list");
    html! {
        section aria-labelledby="packages" {
            h2 id="packages" { "Packages" }
            @match good {
                None => div class="empty" {
                    @if details.is_waiting {
                        p { "A bill of materials was pushed and is being read. Look again in a moment." }
                    } @else {
                        p { "No bill of materials is attached to this image." }
                        p class="quiet" { "Images that Basalt builds have one; others get theirs by syft, trivy or BuildKit." }
                    }
                },
                Some(bill) => {
                    p class="count" {
                        (counted(bill.packages, "package", "packages")) ", as " (bill.format) " lists them"
                        @if bill.is_signed { ", from an envelope with a signature" }
                    }
                    (search(&format!("{path}#packages"), listing, "Part of a package’s name", "Part of a name", live))
                    @if details.packages.is_empty() {
                        div class="empty" {
                            @if listing.filter.is_empty() { p { "It lists no packages." } } @else {
                                p { "No package has “" (listing.filter) "” in its name." }
                            }
                        }
                    } @else { (package_table(&details.packages)) }
                    (pages(path, listing, &details.shown, "#packages"))
                }
            }
            @for bill in details.bills.iter().filter(|bill| bill.problem.is_some()) {
                p class="hint" {
                    "The document in " (digest_code(&bill.manifest)) " was not read: "
                    (bill.problem.as_deref().unwrap_or(""))
                }
            }
        }
    }
}

fn package_table(packages: &[Package]) -> Markup {
    html! {
        div class="scroll" {
            table id="package-list" {
                caption class="hidden" { "Packages of this image" }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Version" }
                    th scope="col" { "Source" }
                    th scope="col" { "Licence" }
                    th scope="col" { "Kind" }
                } }
                tbody {
                    @for package in packages {
                        tr data-text=(package.name) {
                            th scope="row" {
                                a href={ "/search?q=" (encode(&package.name)) } title="Images that have it" { (package.name) }
                            }
                            td { code { (package.version) } }
                            td { @if package.source != package.name { (package.source) } }
                            td class="licence" { (package.licence) }
                            td { (package.ecosystem) }
                        }
                    }
                }
            }
        }
    }
}

fn layers(details: &Details) -> Markup {
    let largest = details.layers.iter().map(|layer| layer.size).max();
    let largest = largest.unwrap_or(0).max(1);
    let total = details
        .layers
        .iter()
        .fold(0u64, |sum, one| sum.saturating_add(one.size));
    html! {
        section aria-labelledby="layers" {
            h2 id="layers" { "Layers" }
            p class="count" { (counted(details.layers.len() as u64, "layer", "layers")) ", " (bytes(total)) " compressed" }
            div class="scroll" {
                table class="layers" {
                    caption class="hidden" { "Layers, from the first up" }
                    thead { tr {
                        th scope="col" class="number" { "No." }
                        th scope="col" { "What is in it" }
                        th scope="col" { "Digest" }
                        th scope="col" class="number" { "Size" }
                    } }
                    tbody {
                        @for (number, layer) in details.layers.iter().enumerate() {
                            tr {
                                td class="number quiet" { (number + 1) }
                                th scope="row" class="words" { (content(layer)) }
                                td { (digest_code(&layer.digest)) }
                                td class="number" {
                                    (bytes(layer.size))
                                    svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                                        rect width="100" height="4" class="track" {}
                                        rect width=(share(layer.size, largest)) height="4" {}
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A part of the largest, in hundredths.
fn share(size: u64, largest: u64) -> u64 {
    let share = u128::from(size) * 100 / u128::from(largest.max(1));
    u64::try_from(share).unwrap_or(100).max(1)
}

fn content(layer: &Layer) -> Markup {
    let package = |name: &String| {
        html! { a class="label" href={ "/search?q=" (encode(name)) } { (name) } " " }
    };
    html! {
        @if layer.packages.is_empty() {
            @match &layer.made_by {
                Some(made_by) => span class="step" { (made_by) },
                None => span class="quiet" { (layer.media_type) },
            }
        } @else {
            @for name in layer.packages.iter().take(PACKAGES) { (package(name)) }
            @if layer.packages.len() > PACKAGES {
                details {
                    summary { (layer.packages.len() - PACKAGES) " more" }
                    @for name in layer.packages.iter().skip(PACKAGES) { (package(name)) }
                }
            }
        }
    }
}

fn configuration(details: &Details) -> Markup {
    let names = [
        ("user", "User"),
        ("entrypoint", "Entrypoint"),
        ("command", "Command"),
        ("working-directory", "Working directory"),
        ("environment", "Environment"),
        ("ports", "Ports"),
        ("volumes", "Volumes"),
        ("stop-signal", "Stop signal"),
    ];
    html! {
        section aria-labelledby="configuration" {
            h2 id="configuration" { "Configuration" }
            @if details.config.is_empty() { p class="quiet" { "It says nothing about how it is run." } } @else {
                dl class="pairs" {
                    @for (name, words) in names {
                        @if let Some(values) = details.config.get(name) {
                            dt { (words) }
                            dd {
                                @match name {
                                    "entrypoint" | "command" => code { (quoted(values)) },
                                    _ => @for value in values { code class="line" { (value) } },
                                }
                            }
                        }
                    }
                    @if !details.config.contains_key("user") { dt { "User" } dd { code { "root" } " " span class="quiet" { "since none is named" } } }
                }
            }
        }
    }
}

/// Words of a command as a shell would have them.
fn quoted(words: &[String]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&byte);
    let words = words.iter().map(|word| {
        if !word.is_empty() && word.bytes().all(is_plain) {
            return word.clone();
        }
        format!("'{}'", word.replace('\'', "'\\''"))
    });
    words.collect::<Vec<_>>().join(" ")
}

fn attached(found: &Image) -> Markup {
    html! {
        section aria-labelledby="attached" {
            h2 id="attached" { "Attached" }
            @if found.attached.is_empty() {
                p class="quiet" { "Nothing: no signature, no bill of materials, no provenance." }
            } @else {
                p class="count" { "What is here was not verified; " code { "basalt verify" } " does that." }
                div class="scroll" {
                    table {
                        caption class="hidden" { "What is attached to this image" }
                        thead { tr {
                            th scope="col" { "What" }
                            th scope="col" { "Signed" }
                            th scope="col" { "To" }
                            th scope="col" { "Digest" }
                        } }
                        tbody { @for one in &found.attached { (attached_line(found, one)) } }
                    }
                }
            }
        }
    }
}

fn attached_line(found: &Image, one: &Attached) -> Markup {
    let to = match one.subject == found.digest && !found.platforms.is_empty() {
        true => "the index",
        false => "the image",
    };
    html! {
        tr {
            th scope="row" class="words" { (one.label) }
            td { @if one.is_signed { "yes" } @else { span class="quiet" { "no" } } }
            td { (to) }
            td { a class="quiet" href={ "/r/" (found.repository) "@" (one.digest) } { (digest_code(&one.digest)) } }
        }
    }
}

fn history(details: &Details) -> Markup {
    html! {
        section aria-labelledby="history" {
            h2 id="history" { "History" }
            ol class="history" {
                @for step in &details.history {
                    li class=[(!step.has_layer).then_some("quiet")] {
                        @if let Some(made_by) = &step.made_by { code { (made_by) } " " }
                        @if let Some(comment) = &step.comment { span class="comment" { (comment) } " " }
                        @if let Some(created) = &step.created { span class="quiet" { (date(created)) } }
                    }
                }
            }
        }
    }
}

/// Labels or annotations. An address is a link if it is one of the web.
fn texts(title: &str, anchor: &str, texts: &BTreeMap<String, String>) -> Markup {
    html! {
        @if !texts.is_empty() {
            section aria-labelledby=(anchor) {
                h2 id=(anchor) { (title) }
                dl class="pairs" {
                    @for (name, value) in texts.iter().take(500) {
                        dt { (name) }
                        dd {
                            @if is_address(value) {
                                a href=(value) rel="noopener noreferrer nofollow" { (value) }
                            } @else { (value) }
                        }
                    }
                }
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    let is_sound = text.bytes().all(|byte| byte.is_ascii_graphic());
    let host = text.strip_prefix("https://");
    is_sound
        && host.is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_the_web_becomes_a_link() {
        assert!(is_address("https://example.org/a?b=c"));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://example.org",
            "https://",
            "https:///x",
            "https://a b",
            " https://example.org",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let words = ["/bin/sh", "-c", "echo 'a b'", ""].map(str::to_owned);
        assert_eq!(quoted(&words), r"/bin/sh -c 'echo '\''a b'\''' ''");
    }
}
