//! Sign-ins at an issuer with a browser (OpenID Connect).

use serde_json::{Value, json};

use crate::access::Signed;
use crate::company::{Browser, Company, URL, config, fields, reload, serve};
use crate::issuers::{Key, now, status};
use crate::server::{Answer, Home, Server, await_that};

fn setup() -> (Home, Company, Server) {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    (home, company, server)
}

/// Asserts that nobody was signed in, and that a page says so.
#[track_caller]
fn nobody(browser: &Browser<'_>, answer: &Answer, what: &str) {
    assert!(!browser.has_session(), "{what}");
    assert_eq!(answer.status, 403, "{what}: {}", answer.text());
    assert!(
        answer.text().contains("<h1>You are not"),
        "{what}: {}",
        answer.text()
    );
    assert!(
        answer
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
}

#[test]
fn a_person_signs_in_at_their_company_and_sees_what_their_groups_may() {
    let (home, company, server) = setup();
    let mut browser = Browser::new(&server);
    let page = browser.get("/r/team/app").is(401).text();
    let link =
        "href=\"/signin/with/company?next=/r/team/app\">Sign in with Our &lt;company&gt;</a>";
    assert!(page.contains(link), "{page}");
    let location = browser.leave("/r/team/app");
    let asked = fields(location.split_once('?').expect("a query").1);
    assert_eq!(
        asked["redirect_uri"],
        format!("{URL}/signin/return/company")
    );
    let (_, _, away) = &browser.cookies[0];
    for word in ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"] {
        assert!(away.contains(word), "{away}");
    }
    let query = company.sign_in(&location, |_| {});
    let arrived = browser.come_back(&query).is(200);
    // The browser sends the new cookie on what this page begins, not on what another site began.
    assert_eq!(arrived.header("refresh"), "0; url=/r/team/app");
    assert!(arrived.text().contains("href=\"/r/team/app\""));
    assert!(!arrived.header("content-security-policy").contains("unsafe"));
    let (_, session, said) = &browser.cookies[0];
    assert!(
        said.contains("HttpOnly") && said.contains("SameSite=Strict"),
        "{said}"
    );
    let session = session.clone();
    let page = browser.get("/r/team/app").is(404).text();
    assert!(
        page.contains("company:ann") && page.contains("action=\"/signout\""),
        "{page}"
    );
    browser.get("/r/other/app").is(403);
    // No other site makes the browser show what it sees, and the interface knows nothing of it.
    browser.get_from_elsewhere("/r/team/app").is(401);
    let cookie = format!("basalt={session}");
    let asked = server.ask("GET", "/v2/team/app/tags/list");
    asked.header("cookie", &cookie).send().is(401);
    let asked = server.ask("GET", "/v2/team/app/tags/list");
    let bearer = format!("Bearer {session}");
    asked.header("authorization", &bearer).send().is(401);
    await_that("the log says who it was", || {
        home.log().contains("\"company:ann\"")
    });
    assert!(!home.log().contains("code="), "codes are not for the log");
    browser.post("/signout", "").is(303);
    browser.get("/r/team/app").is(401);
}

#[test]
fn an_answer_is_taken_once_and_in_the_browser_that_was_sent_there_alone() {
    let (_home, company, server) = setup();
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |_| {});
    // Another's browser, which was not sent, or was sent with another question.
    let mut other = Browser::new(&server);
    let answer = other.come_back(&query);
    nobody(&other, &answer, "a browser that was not sent");
    other.leave("/");
    let answer = other.come_back(&query);
    nobody(&other, &answer, "a browser that was sent for itself");
    let wrong = query.replace("state=", "state=x");
    let answer = browser.come_back(&wrong);
    nobody(&browser, &answer, "another state");
    let answer = browser.come_back(query.split_once("&state").expect("a state").0);
    nobody(&browser, &answer, "no state");
    // None of it kept the person out, and the cookies that the browser had then take nothing twice.
    let kept = browser.cookies.clone();
    browser.come_back(&query).is(200);
    assert!(browser.has_session());
    let mut again = Browser::new(&server);
    again.cookies = kept;
    let answer = again.come_back(&query);
    nobody(&again, &answer, "the same answer again");
    assert_eq!(company.asked("/token"), 1);
    // A code that was exchanged before is refused by the company, and a code of another sign-in by what proves it.
    let mut injected = Browser::new(&server);
    let (mine, theirs) = (injected.leave("/"), Browser::new(&server).leave("/"));
    let (mine, theirs) = (
        company.sign_in(&mine, |_| {}),
        company.sign_in(&theirs, |_| {}),
    );
    let code = theirs.split_once('&').expect("a code").0;
    let state = mine.split_once('&').expect("a state").1;
    let answer = injected.come_back(&format!("{code}&{state}"));
    nobody(&injected, &answer, "a code of another sign-in");
    assert!(
        answer
            .text()
            .contains("invalid_grant &lt;b&gt;no&lt;/b&gt;"),
        "{}",
        answer.text()
    );
    // Nor does a session's cookie, or one that was changed, stand for a question.
    let mut forged = Browser::new(&server);
    let location = forged.leave("/");
    let (_, value, _) = &mut forged.cookies[0];
    value.push('x');
    let answer = forged.come_back(&company.sign_in(&location, |_| {}));
    nobody(&forged, &answer, "a cookie that was changed");
}

#[test]
fn a_companys_word_that_is_not_for_this_sign_in_signs_nobody_in() {
    let (_home, company, server) = setup();
    let try_it = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut browser = Browser::new(&server);
        let query = company.sign_in(&browser.leave("/"), change);
        let answer = browser.come_back(&query);
        nobody(&browser, &answer, what);
    };
    let without = |name: &'static str| {
        move |claims: &mut Value| {
            claims.as_object_mut().expect("an object").remove(name);
        }
    };
    try_it("another nonce", &|claims| claims["nonce"] = json!("x"));
    try_it("no nonce", &without("nonce"));
    try_it("another audience", &|claims| claims["aud"] = json!("other"));
    try_it("no audience", &without("aud"));
    try_it("several audiences, and none that asked", &|claims| {
        claims["aud"] = json!(["our:registry", "other"]);
    });
    try_it("another that asked", &|claims| {
        claims["azp"] = json!("other")
    });
    try_it("another issuer", &|claims| {
        claims["iss"] = json!("https://evil.example")
    });
    try_it("it has expired", &|claims| {
        claims["exp"] = json!(now() - 120)
    });
    try_it("no end", &without("exp"));
    try_it("no name", &without("preferred_username"));
    try_it("a name that is none", &|claims| {
        claims["preferred_username"] = json!("a\nb")
    });
    let foreign = Key::ed25519("one");
    let mut browser = Browser::new(&server);
    let query = company.sign_in_by(&foreign, &browser.leave("/"), |_| {});
    let answer = browser.come_back(&query);
    nobody(&browser, &answer, "another's key");
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |claims| {
        claims["aud"] = json!(["our:registry", "other"]);
        claims["azp"] = json!("our:registry");
    });
    browser.come_back(&query).is(200);
    assert!(browser.has_session());
    // A token of a sign-in is no password.
    let token = company.key.token(
        &json!({"iss": company.url, "aud": "our:registry", "preferred_username": "ann",
        "groups": ["developers"], "iat": now(), "exp": now() + 300}),
    );
    let form = format!("grant_type=password&username=oidc&password={token}");
    let asked = server.ask("POST", "/token").body(form.as_bytes());
    asked.send().is(401);
}

#[test]
fn another_issuers_answer_is_not_taken_for_this_ones() {
    let (home, company) = (Home::new(), Company::new());
    company.says(|document| {
        document["authorization_response_iss_parameter_supported"] = json!(true);
    });
    let server = serve(&home, &company);
    for (what, more) in [
        ("it names another", "&iss=https://evil.example".to_owned()),
        ("it names none, though it should", String::new()),
        ("it names two", format!("&iss={0}&iss={0}", company.url)),
        ("it has two codes", format!("&iss={}&code=x", company.url)),
        ("it has two states", format!("&iss={}&state=x", company.url)),
    ] {
        let mut browser = Browser::new(&server);
        let query = company.sign_in(&browser.leave("/"), |_| {});
        let answer = browser.come_back(&format!("{query}{more}"));
        nobody(&browser, &answer, what);
    }
    assert_eq!(company.asked("/token"), 0);
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |_| {});
    let own = format!("{query}&iss={}", company.url);
    // Each issuer has a place of its own to send browsers back to.
    browser
        .get_from_elsewhere(&format!("/signin/return/other?{own}"))
        .is(404);
    browser.come_back(&own).is(200);
    assert!(browser.has_session());
}

#[test]
fn what_an_issuer_says_of_an_error_stays_words_and_who_no_rule_fits_stays_out() {
    let (_home, company, server) = setup();
    let mut browser = Browser::new(&server);
    let location = browser.leave("/");
    let state = fields(location.split_once('?').expect("a query").1)["state"].clone();
    let said = "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%0A%1B";
    let answer = browser.come_back(&format!("{said}&state={state}"));
    nobody(&browser, &answer, "an error");
    let text = answer.text();
    assert!(
        text.contains("access_denied &lt;script&gt;alert(1)"),
        "{text}"
    );
    assert!(
        !text.contains("<script>") && !text.contains('\u{1b}'),
        "{text}"
    );
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |claims| {
        claims["groups"] = json!(["guests"])
    });
    let answer = browser.come_back(&query);
    nobody(&browser, &answer, "a guest");
    assert!(
        answer.text().contains("You are not let in here"),
        "{}",
        answer.text()
    );
}

#[test]
fn one_comes_back_from_a_company_to_pages_of_this_server_alone() {
    let (_home, company, server) = setup();
    for next in [
        "//evil.example",
        "https://evil.example/",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "/v2/",
        "/signout",
        "/signin/with/company",
        "/device/decision",
        "javascript:alert(1)",
    ] {
        let mut browser = Browser::new(&server);
        let query = company.sign_in(&browser.leave(next), |_| {});
        let arrived = browser.come_back(&query).is(200);
        assert_eq!(arrived.header("refresh"), "0; url=/", "{next}");
        assert!(!arrived.text().contains("evil"), "{next}");
    }
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/device%3Fuser_code=BCDF-GHJK"), |_| {});
    let arrived = browser.come_back(&query).is(200);
    assert_eq!(
        arrived.header("refresh"),
        "0; url=/device?user_code=BCDF-GHJK"
    );
}

#[test]
fn a_sign_in_that_one_server_began_another_ends() {
    let (home, company, server) = setup();
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |_| {});
    let cookies = browser.cookies.clone();
    assert_eq!(server.terminate(), 0);
    let server = serve(&home, &company);
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    browser.come_back(&query).is(200);
    browser.get("/r/team/app").is(404);
}

#[test]
fn a_session_of_a_companys_person_ends_when_the_configuration_lets_in_others() {
    let (home, company, server) = setup();
    let mut browser = Browser::new(&server);
    browser.sign_in_at(&company);
    browser.get("/r/team/app").is(404);
    let own = config(&company, URL, "");
    reload(&home, &server, &own);
    browser.get("/r/team/app").is(404);
    reload(
        &home,
        &server,
        &own.replace("groups: developers}", "groups: admins}"),
    );
    browser.get("/r/team/app").is(401);
}

#[test]
fn a_company_leads_the_server_to_its_own_host_or_where_the_configuration_says() {
    let elsewhere = Company::new();
    for (word, field) in [
        ("authorization", "authorization_endpoint"),
        ("token", "token_endpoint"),
    ] {
        let (home, company) = (Home::new(), Company::new());
        let place = format!("{}/{word}", elsewhere.url);
        company.says(|document| document[field] = json!(place));
        let server = serve(&home, &company);
        let mut browser = Browser::new(&server);
        let answer = browser.get("/signin/with/company").is(503);
        assert!(
            answer.text().contains("does not answer"),
            "{}",
            answer.text()
        );
        let words = format!("name it in the configuration ({word}: https://…)");
        await_that(&words, || home.log().contains(&words));
        let more = format!(", {word}: \"{place}\"");
        reload(&home, &server, &config(&company, URL, &more));
        browser.get("/signin/with/company").is(303);
    }
    assert_eq!(elsewhere.asked("/token"), 0);
    // One that leads on, or does not answer as it should, signs nobody in.
    for answer in [
        status(
            "302 Found",
            &format!("location: {}/token\r\n", elsewhere.url),
            "",
        ),
        status("200 OK", "", "{}"),
        status("200 OK", "", &" ".repeat(1 << 20)),
        status("500 Oops", "", "{}"),
    ] {
        let (_home, company, server) = setup();
        company.answers("/token", &answer);
        let mut browser = Browser::new(&server);
        let query = company.sign_in(&browser.leave("/"), |_| {});
        browser.come_back(&query).is(503);
        assert!(!browser.has_session());
    }
    assert_eq!(elsewhere.asked("/token"), 0);
}

#[test]
fn one_issuer_has_rules_for_its_people_and_others_for_its_jobs() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    let jobs = format!(
        "issuers:\n  - {{name: jobs, url: \"{}\", audience: registry, user: job, rules: [{{claims: {{job: build}}}}]}}",
        company.url
    );
    let own = config(&company, URL, "").replace("issuers:", &jobs);
    reload(
        &home,
        &server,
        &own.replace("users: [ann]", "users: [\"jobs:build\"]"),
    );
    let claims = |audience: &str| {
        json!({"iss": company.url, "aud": audience, "preferred_username": "ann", "groups": ["developers"], "job": "build",
            "iat": now(), "exp": now() + 300})
    };
    let status = |audience: &str| {
        let token = company.key.token(&claims(audience));
        let asked = server.ask("GET", "/v2/team/app/tags/list");
        asked.basic("oidc", &token).send().status
    };
    assert_eq!(status("registry"), 404);
    assert_eq!(status("our:registry"), 401);
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |claims| claims["job"] = json!("build"));
    let arrived = browser.come_back(&query).is(200);
    assert!(arrived.text().contains("company:ann"), "{}", arrived.text());
    // A job's token ends no sign-in, whatever it says.
    let mut browser = Browser::new(&server);
    let query = company.sign_in(&browser.leave("/"), |claims| {
        claims["aud"] = json!("registry")
    });
    let answer = browser.come_back(&query);
    nobody(&browser, &answer, "a job's token");
}
