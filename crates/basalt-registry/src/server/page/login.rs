//! The pages of sign-ins with browsers: on the way back from an issuer, and for programs that wait.

use hyper::StatusCode;
use maud::{Markup, html};

use super::shell::{self, Page, Section};
use crate::access::LoginScope;
use crate::metadata::login::PendingLogin;
use crate::server::request::{Outcome, Request};

/// Says something, with this status.
pub(in crate::server) fn notice(
    request: &Request,
    status: StatusCode,
    title: &str,
    words: &str,
) -> Outcome {
    let content = html! {
        div class="notice" {
            h1 { (title) }
            p class="words" { (words) }
            p { a href="/" { "All repositories" } }
        }
    };
    shell::page(request, page(title, content)).map(|reply| reply.with_status(status))
}

/// Somebody has come back. The browser was sent here by another site, and sends no session's cookie on what that begins: so
/// this page itself leads to the next.
pub(in crate::server) fn arrived(request: &Request, name: &str, next: &str) -> Outcome {
    let content = html! {
        div class="notice" {
            h1 { "You are signed in" }
            p class="words" { "As " (name) "." }
            p { a href=(next) { "Go on" } }
        }
    };
    let reply = shell::page(request, page("Signed in", content))?;
    Ok(reply.header("refresh", format!("0; url={next}")))
}

/// Asks for the code that a program shows.
pub(in crate::server) fn ask_code(request: &Request, is_wrong: bool) -> Outcome {
    let content = html! {
        div class="sign-in" {
            h1 { "Log a program in" }
            p class="quiet" { "It shows a code, which is good for ten minutes." }
            @if is_wrong {
                p class="problem" role="alert" id="problem" { "Nothing waits with this code: it is wrong, was used, or is too old." }
            }
            form method="get" action="/device" {
                label for="user_code" { "Code" }
                input id="user_code" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false"
                    maxlength="20" required autofocus aria-describedby=[is_wrong.then_some("problem")];
                button class="main" { "Go on" }
            }
        }
    };
    let status = match is_wrong {
        true => StatusCode::NOT_FOUND,
        false => StatusCode::OK,
    };
    let reply = shell::page(request, page("Log a program in", content))?;
    Ok(reply.with_status(status))
}

/// Asks whether a program is to be let in.
pub(in crate::server) fn ask_consent(request: &Request, pending: &PendingLogin) -> Outcome {
    let name = request.identity.caller.name();
    let since = (request.now - pending.created) / 60_000;
    let content = html! {
        div class="sign-in" {
            h1 { "Let this program in?" }
            p { "It could then do in your name, as " strong class="words" { (name) } ", what is listed here." }
            dl class="facts" {
                div class="whole" { dt { "Code" } dd { strong { code { (pending.user_code) } } } }
                div class="whole" { dt { "Program" } dd { (known(&pending.agent)) } }
                div class="whole" { dt { "Asks from" } dd { (pending.address) } }
                div class="whole" { dt { "Began" } dd { (begun(since)) } }
                div class="whole" { dt { "May" } dd { (rights(&pending.scope)) } }
            }
            p class="problem" {
                "Only if you began it yourself just now, and see the same code there. Whoever sends you a code wants to act as you."
            }
            form method="post" action="/device/decision" {
                input type="hidden" name="user_code" value=(pending.user_code);
                button class="main" name="decision" value="allow" { "Let it in" }
                button name="decision" value="deny" { "Refuse" }
            }
        }
    };
    shell::page(request, page("Let a program in", content))
}

fn known(agent: &str) -> &str {
    match agent.trim() {
        "" => "one that does not say what it is",
        agent => agent,
    }
}

fn begun(minutes: i64) -> String {
    match minutes {
        ..1 => "less than a minute ago".to_owned(),
        1 => "a minute ago".to_owned(),
        minutes => format!("{minutes} minutes ago"),
    }
}

fn rights(scope: &LoginScope) -> String {
    let words = [
        ("pull", "read what you may read"),
        ("push", "push where you may push"),
        ("delete", "delete what you may delete"),
    ];
    let own = words.iter().filter(|(action, _)| scope.has(action));
    own.map(|(_, words)| *words).collect::<Vec<_>>().join(", ")
}

fn page(title: &str, content: Markup) -> Page {
    Page {
        title: title.to_owned(),
        section: Section::None,
        content,
    }
}
