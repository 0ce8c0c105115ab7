//! How often clients may ask, and be wrong about who they are.

use crate::access::{CONFIG, PEOPLE, Signed, token};
use crate::server::{Answer, Home, Server};

fn limited(home: &Home, limits: &str) -> Server {
    home.write("people", PEOPLE);
    let config = CONFIG.replace("limits: {failed-sign-ins: 100000 per second}", limits);
    assert_ne!(config, CONFIG);
    home.serve_as(&config)
}

fn tags(server: &Server, user: &str, password: &str) -> Answer {
    let asked = server.ask("GET", "/v2/team/app/tags/list");
    asked.basic(user, password).send()
}

/// How many seconds one is told to wait.
fn wait(answer: Answer) -> u64 {
    let answer = answer.refused(429, "TOOMANYREQUESTS");
    answer.header("retry-after").parse().expect("seconds")
}

#[test]
fn who_asks_too_often_is_told_to_wait_and_nobody_else_is() {
    let home = Home::new();
    let server = limited(&home, "limits: {requests: 5 per hour, burst: 3}");
    for _ in 0..3 {
        tags(&server, "ann", "secret").is(404);
    }
    let seconds = wait(tags(&server, "ann", "secret"));
    assert!((600..=720).contains(&seconds), "{seconds}");
    tags(&server, "bob", "secret").is(404);
    // Those who do not say who they are, or are not, are one by their address; whether the server lives is told to all.
    for _ in 0..3 {
        server.get("/v2/team/app/tags/list").is(401);
    }
    wait(server.get("/v2/team/app/tags/list"));
    wait(server.ask("GET", "/v2/").bearer("x.y.z").send());
    wait(server.get("/token?service=basalt"));
    for target in ["/healthz", "/readyz"] {
        server.get(target).is(200);
    }
    tags(&server, "bob", "secret").is(404);
}

#[test]
fn who_guesses_passwords_is_stopped_and_locks_nobody_out() {
    let home = Home::new();
    let server = limited(&home, "limits: {failed-sign-ins: 5 per hour}");
    // Ann has signed in from here before.
    let scoped = token(&server, "ann", "repository:team/app:pull");
    for guess in 0..5 {
        tags(&server, "bob", &format!("guess {guess}")).is(401);
    }
    let seconds = wait(tags(&server, "bob", "guess"));
    assert!((600..=720).contains(&seconds), "{seconds}");
    // Nor by another name, nor a robot's, nor at the other door, nor with the right one.
    wait(tags(&server, "eve", "guess"));
    wait(tags(&server, "robot$x", "guess"));
    wait(tags(&server, "bob", "secret"));
    let asked = server.ask("GET", "/token?service=basalt");
    wait(asked.basic("root", "guess").send());
    let form = "grant_type=password&service=basalt&client_id=x&username=root&password=guess";
    let asked = server.ask("POST", "/token").body(form.as_bytes());
    wait(asked.send());
    tags(&server, "ann", "secret").is(404);
    let asked = server.ask("GET", "/v2/team/app/tags/list");
    asked.bearer(&scoped).send().is(404);
    // Guesses at Ann's own password are counted too, and do not keep her out with the right one.
    for guess in 0..5 {
        tags(&server, "ann", &format!("guess {guess}")).is(401);
    }
    wait(tags(&server, "ann", "guess"));
    tags(&server, "ann", "secret").is(404);
}
