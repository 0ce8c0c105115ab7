//! Pages for people, and what they show as JSON.
//!
//! Everything is rendered here, whole, and works without JavaScript. Whatever was pushed is hostile: it gets into a page by
//! [`maud`] alone, which escapes it, and never into a link but as a name that this program has read.

mod asset;
mod attached;
mod document;
mod front;
mod gather;
mod image;
mod image_view;
mod login;
mod model;
mod packages;
mod repository;
mod shell;
mod sign_in;
mod text;

use hyper::StatusCode;
use hyper::header::ACCEPT;
use maud::{Markup, html};

use super::request::{Outcome, Reply, Request};
use crate::fault::{Code, Fault};
use crate::route::{Kind, Route};

pub(super) use asset::send as asset;
pub(super) use login::{arrived, ask_code, ask_consent, notice};
pub(super) use sign_in::{page_of, see_other, sign_in, sign_out};

/// Answers a request for a page, or for what it shows.
pub(super) async fn answer(request: &Request, route: &Route) -> Outcome {
    match route {
        Route::FrontPage { listing } => {
            let found = gather::repositories(request, listing).await?;
            shell::page(request, front::page(request, listing, &found))
        }
        Route::ListRepositories { listing } => json(&gather::repositories(request, listing).await?),
        Route::RepositoryPage {
            repository,
            listing,
        } => {
            let found = gather::repository(request, repository, listing).await?;
            shell::page(request, repository::page(listing, &found))
        }
        Route::DescribeRepository {
            repository,
            listing,
        } => json(&gather::repository(request, repository, listing).await?),
        Route::ImagePage {
            repository,
            reference,
            listing,
        } => {
            let found = image::gather(request, repository, reference, listing).await?;
            shell::page(request, image_view::page(listing, &found))
        }
        Route::DescribeImage {
            repository,
            reference,
            listing,
        } => json(&image::gather(request, repository, reference, listing).await?),
        Route::PackagesPage { listing } => packages_page(request, listing).await,
        Route::SearchPackages { listing } => json(&gather::packages(request, listing).await?),
        _ => Err(Fault::internal()),
    }
}

async fn packages_page(request: &Request, listing: &crate::route::Listing) -> Outcome {
    if listing.filter.is_empty() {
        return shell::page(request, packages::page(listing, None));
    }
    match gather::packages(request, listing).await {
        Ok(found) => shell::page(request, packages::page(listing, Some(Ok(&found)))),
        // The form stays, with what was written in it.
        Err(fault) if fault.status == StatusCode::BAD_REQUEST => {
            let page = packages::page(listing, Some(Err(&fault.message)));
            shell::page(request, page).map(|reply| reply.with_status(fault.status))
        }
        Err(fault) => Err(fault),
    }
}

fn json(document: &impl serde::Serialize) -> Outcome {
    let document = serde_json::to_value(document).map_err(|_| Fault::internal())?;
    Ok(Reply::json(&document).header("cache-control", "no-store"))
}

/// Whether a refusal is to be a page: a page was asked for, or a browser asks for what is not there.
pub(super) fn is_wanted(request: &Request, kind: Option<Kind>, path: &str) -> bool {
    match kind {
        Some(kind) => {
            let signs_in = matches!(
                kind,
                Kind::SignIn
                    | Kind::SignOut
                    | Kind::SignInWith
                    | Kind::SignInReturn
                    | Kind::DecideDevice
            );
            kind.is_page() || signs_in
        }
        None => {
            let is_interface = ["/v2", "/basalt/", "/token"]
                .iter()
                .any(|start| path.starts_with(start));
            let accepted = request.text(ACCEPT).unwrap_or_default();
            !is_interface && accepted.contains("text/html")
        }
    }
}

/// A refusal as a page: the form to sign in, where that may help.
pub(super) fn refusal(request: &Request, fault: &Fault, target: &str) -> Reply {
    let registry = &request.registry;
    let is_person = registry.gate.mark(&request.identity.caller).is_some();
    let page = match fault.code {
        Code::Unauthorized if !is_person && registry.gate.has_people() => {
            sign_in::form(&registry.gate, Some(target), None)
        }
        Code::Denied => fault_page(
            "You may not see this",
            "It is not there, or not open to you. Who looks after this registry can tell.",
        ),
        Code::NameUnknown | Code::ManifestUnknown => fault_page(
            "There is nothing here",
            "The repository, tag or page is not there, or is no more.",
        ),
        _ if fault.status.is_server_error() => fault_page(
            "Something went wrong",
            "The registry could not answer. Its log says more; trying again may help.",
        ),
        _ => fault_page("This cannot be answered", &fault.message),
    };
    let mut reply = match shell::page(request, page) {
        Ok(reply) => reply.with_status(fault.status),
        Err(_) => Reply::empty(fault.status),
    };
    reply.headers.extend(fault.headers.clone());
    reply
}

fn fault_page(title: &str, words: &str) -> shell::Page {
    let content: Markup = html! {
        div class="notice" {
            h1 { (title) }
            p { (words) }
            p { a href="/" { "All repositories" } }
        }
    };
    shell::Page {
        title: title.to_owned(),
        section: shell::Section::None,
        content,
    }
}

/// Where clients find this registry.
fn host(request: &Request) -> String {
    let base = request.registry.gate.base(&request.headers);
    let base = base.unwrap_or_default();
    let host = base
        .split_once("://")
        .map_or(base.as_str(), |(_, host)| host);
    host.to_owned()
}

/// The target of a request, as its first line had it.
pub(super) fn target(path: &str, query: &str) -> String {
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}
