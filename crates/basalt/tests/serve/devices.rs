//! Programs that are logged in with a browser (RFC 8628), and the tokens that they keep.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::access::{PEOPLE, Signed, push_as};
use crate::company::{Browser, Company, URL, config, reload, serve, serve_at_home};
use crate::server::{Answer, Home, Server, await_that};

fn begin(server: &Server, scope: &str) -> Value {
    let form = format!("client_id=test&scope={scope}");
    let asked = server
        .ask("POST", "/basalt/v1/login")
        .header("user-agent", "test/<1>");
    asked.body(form.as_bytes()).send().is(200).json()
}

fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document[name].as_str().expect("a text")
}

fn poll(server: &Server, begun: &Value) -> Answer {
    let code = text(begun, "device_code");
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let form = format!("grant_type={grant}&client_id=test&device_code={code}");
    server.ask("POST", "/token").body(form.as_bytes()).send()
}

#[track_caller]
fn told(answer: Answer, error: &str) {
    assert_eq!(answer.is(400).json()["error"], error);
}

fn decide(browser: &mut Browser<'_>, begun: &Value, decision: &str) -> Answer {
    let form = format!("user_code={}&decision={decision}", text(begun, "user_code"));
    browser.post("/device/decision", &form)
}

/// Logs a program in; the secret that it keeps.
fn logged_in(browser: &mut Browser<'_>, scope: &str) -> String {
    let begun = begin(browser.server, scope);
    decide(browser, &begun, "allow").is(200);
    let given = poll(browser.server, &begun).is(200).json();
    text(&given, "refresh_token").to_owned()
}

/// Asks for a token as Docker does.
fn refresh(server: &Server, secret: &str, scope: &str) -> Answer {
    let form = format!(
        "grant_type=refresh_token&service=basalt&client_id=docker&refresh_token={secret}&scope={scope}"
    );
    let asked = server.ask("POST", "/token");
    let kind = "application/x-www-form-urlencoded";
    asked.kind(kind).body(form.as_bytes()).send()
}

fn tags(server: &Server, token: &str) -> u16 {
    let asked = server.ask("GET", "/v2/team/app/tags/list").bearer(token);
    asked.send().status
}

/// `basalt login … --browser`, which waits; and the code that it shows.
fn waiting(home: &Home, server: &Server, more: &[&str]) -> (Child, String) {
    let mut arguments = vec!["login", server.address.as_str(), "--browser", "--json"];
    arguments.extend(more);
    let mut command = home.command(&arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let address = lines.next().expect("a line").expect("UTF-8");
    assert!(
        address.starts_with(&format!(
            "Open http://{}/device in a browser",
            server.address
        )),
        "{address}"
    );
    let mut rest = lines.map(|line| line.expect("UTF-8").trim().to_owned());
    let code = rest.find(|line| line.len() == 9 && line.contains('-'));
    (child, code.expect("a code"))
}

fn ended(mut child: Child) -> (i32, Value) {
    let mut said = String::new();
    let mut output = child.stdout.take().expect("it is piped");
    output.read_to_string(&mut said).expect("UTF-8");
    let code = child.wait().expect("it ends").code().expect("no signal");
    (code, serde_json::from_str(&said).expect("JSON"))
}

fn kept(home: &Home, server: &Server) -> Value {
    let text = std::fs::read(home.path(".docker/config.json")).expect("it is there");
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    document["auths"][server.address.as_str()].clone()
}

#[test]
fn a_person_lets_the_program_in_which_then_pulls_and_pushes_until_it_logs_out() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve_at_home(&home, &company);
    push_as(&server, "ann", "team/app", "1", "{}").1.is(201);
    let (child, code) = waiting(&home, &server, &[]);
    let mut browser = Browser::new(&server);
    // Who has not signed in is asked to, at the company or with a password, and comes back here.
    let target = format!("/device?user_code={code}");
    let page = browser.get(&target).is(401).text();
    assert!(page.contains(&format!("value=\"{target}\"")), "{page}");
    browser.sign_in_at(&company);
    let page = browser.get(&target).is(200).text();
    for word in [
        "127.0.0.1",
        "basalt/",
        code.as_str(),
        "company:ann",
        "push where you may push",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let form = format!("user_code={code}&decision=allow");
    let done = browser.post("/device/decision", &form).is(200);
    assert!(done.text().contains("is logged in"), "{}", done.text());
    let (status, said) = ended(child);
    assert_eq!((status, text(&said, "username")), (0, "company:ann"));
    let entry = kept(&home, &server);
    assert_eq!(entry["auth"], "PHRva2VuPjo=", "as Docker writes `<token>:`");
    let secret = text(&entry, "identitytoken").to_owned();
    let run = |arguments: &[&str]| {
        let (status, _, error) = home.basalt(arguments);
        (status, error)
    };
    let image = |name: &str| format!("{}/{name}", server.address);
    assert_eq!(run(&["pull", &image("team/app:1"), "copy"]).0, 0);
    assert_eq!(run(&["push", "copy:1", &image("team/copy:1")]).0, 0);
    // What the person may not, it may not.
    assert_ne!(run(&["push", "copy:1", &image("other/app:1")]).0, 0);
    assert_eq!(run(&["logout", &server.address]).0, 0);
    assert_eq!(kept(&home, &server), Value::Null);
    refresh(&server, &secret, "").refused(401, "UNAUTHORIZED");
    assert_ne!(run(&["pull", &image("team/app:1"), "again"]).0, 0);
}

#[test]
fn a_program_that_is_refused_or_fits_no_page_is_told_so() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve_at_home(&home, &company);
    let (child, code) = waiting(&home, &server, &["--scope", "pull"]);
    let mut browser = Browser::new(&server);
    browser.sign_in_as("ann");
    let page = browser
        .get(&format!("/device?user_code={code}"))
        .is(200)
        .text();
    assert!(
        page.contains("read what you may read") && !page.contains("push where"),
        "{page}"
    );
    let form = format!("user_code={code}&decision=deny");
    browser.post("/device/decision", &form).is(200);
    let (status, said) = ended(child);
    assert_eq!(status, 1);
    assert!(
        said.to_string().contains("refused in the browser"),
        "{said}"
    );
    assert!(!home.path(".docker/config.json").exists());
    // Where everyone may do everything nobody signs in.
    let open = Home::new();
    let server = open.serve(&[]);
    let (status, _, error) = home.basalt(&["login", &server.address, "--browser"]);
    assert!(
        status != 0 && error.contains("where people can sign in"),
        "{error}"
    );
}

#[test]
fn a_kept_token_gives_tokens_of_what_its_person_may_and_it_was_let_do() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    push_as(&server, "ann", "team/app", "1", "{}").1.is(201);
    let mut browser = Browser::new(&server);
    browser.sign_in_as("ann");
    let scope = "repository:team/app:pull,push%20repository:other:pull";
    let (all, pull) = (logged_in(&mut browser, ""), logged_in(&mut browser, "pull"));
    for (secret, status) in [(&all, 202), (&pull, 403)] {
        let given = refresh(&server, secret, scope).is(200);
        assert_eq!(given.header("cache-control"), "no-store");
        let given = given.json();
        assert_eq!(given["expires_in"], 300);
        let token = text(&given, "access_token");
        assert_eq!(tags(&server, token), 200);
        let upload = |name: &str| {
            let target = format!("/v2/{name}/blobs/uploads/");
            server.ask("POST", &target).bearer(token).send().status
        };
        let pushed = upload("team/app");
        assert!(
            pushed == status || (status == 403 && pushed == 401),
            "{pushed}"
        );
        assert!(matches!(upload("other"), 401 | 403));
    }
    // It is no password, no token of the interface and no session.
    let asked = server.ask("GET", "/v2/team/app/tags/list");
    asked.basic("ann", &all).send().is(401);
    assert_eq!(tags(&server, &all), 401);
    let asked = server.ask("GET", "/r/team/app");
    asked
        .header("cookie", &format!("basalt={all}"))
        .send()
        .is(401);
    for secret in ["", "x", &all.to_uppercase(), &format!("{all}x")] {
        refresh(&server, secret, scope).refused(401, "UNAUTHORIZED");
    }
    let other = "grant_type=refresh_token&service=other&refresh_token=";
    let form = format!("{other}{all}");
    server
        .ask("POST", "/token")
        .body(form.as_bytes())
        .send()
        .is(400);
    server.terminate();
    for file in ["log", "root/registry.db", "root/registry.db-wal"] {
        let bytes = std::fs::read(home.path(file)).unwrap_or_default();
        let found = bytes.windows(all.len()).any(|part| part == all.as_bytes());
        assert!(!found, "the secret is in {file}");
    }
}

#[test]
fn who_is_removed_or_changes_their_password_is_out_at_once_with_all_their_programs() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    let own = config(&company, URL, "");
    let login = |server: &Server, at_company: bool| {
        let mut browser = Browser::new(server);
        match at_company {
            true => browser.sign_in_at(&company),
            false => browser.sign_in_as("ann"),
        }
        let secret = logged_in(&mut browser, "");
        let given = refresh(server, &secret, "repository:team/app:pull")
            .is(200)
            .json();
        let token = text(&given, "token").to_owned();
        assert_eq!(tags(server, &token), 404);
        (secret, token)
    };
    // Of a person with a password.
    let (secret, token) = login(&server, false);
    let without: String = PEOPLE
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    home.write("people", &without);
    reload(&home, &server, &own);
    refresh(&server, &secret, "").is(401);
    assert_eq!(tags(&server, &token), 401);
    let changed = "ann:$2y$05$abcdefghijklmnopqrstuu5s8r9Z4TBDa9KbkhCDYKOW8lN5M2gGq";
    home.write("people", format!("{changed}\n{without}"));
    reload(&home, &server, &own);
    refresh(&server, &secret, "").is(401);
    home.write("people", PEOPLE);
    reload(&home, &server, &own);
    refresh(&server, &secret, "").is(200);
    // Who has lost a right has lost it.
    reload(&home, &server, &own.replace("users: [ann]", "users: [bob]"));
    assert_eq!(tags(&server, &token), 403);
    reload(&home, &server, &own);
    // Of a person of the company.
    let (secret, _) = login(&server, true);
    reload(
        &home,
        &server,
        &own.replace("groups: developers}", "groups: admins}"),
    );
    refresh(&server, &secret, "").is(401);
    // And when its time is over.
    reload(&home, &server, &config(&company, URL, ", life: 5 seconds"));
    let mut browser = Browser::new(&server);
    browser.sign_in_at(&company);
    let secret = logged_in(&mut browser, "");
    let scope = "repository:team/app:pull";
    let given = refresh(&server, &secret, scope).is(200).json();
    await_that("its time is over", || {
        refresh(&server, &secret, "").status == 401
    });
    assert_eq!(tags(&server, text(&given, "token")), 401);
}

#[test]
fn a_code_is_good_once_for_who_asked_and_is_not_asked_about_too_often() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    let mut browser = Browser::new(&server);
    browser.sign_in_as("ann");
    let begun = begin(&server, "");
    assert_eq!(begun["expires_in"], 600);
    assert_eq!(text(&begun, "verification_uri"), format!("{URL}/device"));
    told(poll(&server, &begun), "authorization_pending");
    told(poll(&server, &begun), "slow_down");
    let code = text(&begun, "user_code");
    let page = browser.get(&format!("/device?user_code={}", code.to_lowercase()));
    assert!(
        page.is(200).text().contains("test/&lt;1&gt;"),
        "words stay words"
    );
    // What the login needs is with no server alone.
    let cookies = browser.cookies.clone();
    assert_eq!(server.terminate(), 0);
    let server = serve(&home, &company);
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    decide(&mut browser, &begun, "allow").is(200);
    decide(&mut browser, &begun, "deny").is(404);
    browser.get(&format!("/device?user_code={code}")).is(404);
    let given = poll(&server, &begun).is(200).json();
    assert_eq!(given["username"], "ann");
    assert_eq!(given["token_type"], "Bearer");
    told(poll(&server, &begun), "expired_token");
    refresh(&server, text(&given, "refresh_token"), "").is(200);
    let refused = begin(&server, "pull");
    decide(&mut browser, &refused, "deny").is(200);
    told(poll(&server, &refused), "access_denied");
    told(poll(&server, &refused), "expired_token");
    told(poll(&server, &json!({"device_code": "x"})), "expired_token");
    let asked = server.ask("POST", "/basalt/v1/login").body(b"scope=admin");
    told(asked.send(), "invalid_scope");
}

#[test]
fn nobody_lets_a_program_in_but_a_person_on_a_page_of_this_server() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    let begun = begin(&server, "");
    let form = format!("user_code={}&decision=allow", text(&begun, "user_code"));
    let mut browser = Browser::new(&server);
    browser.sign_in_as("ann");
    let (name, value, _) = &browser.cookies[0];
    let cookie = format!("{name}={value}");
    let ask = || server.ask("POST", "/device/decision").body(form.as_bytes());
    // A page of another site, and what does not say where it is from.
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("x-nothing", "said"),
    ] {
        let asked = ask().header("cookie", &cookie).header(name, value);
        asked.send().is(403);
    }
    // A password, a token and a robot are no person on a page.
    let own = || ask().header("sec-fetch-site", "same-origin");
    own().send().is(401);
    own().basic("ann", "secret").send().is(401);
    let token = crate::access::token(&server, "ann", "repository:team/app:pull");
    own().bearer(&token).send().is(401);
    told(poll(&server, &begun), "authorization_pending");
    let origin = format!("http://{}", server.address);
    let asked = ask().header("cookie", &cookie).header("origin", &origin);
    asked.send().is(200);
    poll(&server, &begun).is(200);
}

#[test]
fn who_guesses_codes_is_stopped() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve(&home, &company);
    let mut browser = Browser::new(&server);
    browser.sign_in_as("ann");
    let mut guess = || browser.get("/device?user_code=BCDF-GHJK").status;
    let guessed = (0..60).take_while(|_| guess() == 404).count();
    assert!((20..60).contains(&guessed), "{guessed}");
    assert_eq!(guess(), 429);
    // And so is who has many programs wait.
    let asked = |_: &u32| server.ask("POST", "/basalt/v1/login").send().status == 200;
    let begun = (0..60).take_while(asked).count();
    assert!((5..30).contains(&begun), "{begun}");
    server.ask("POST", "/basalt/v1/login").send().is(429);
}

#[test]
fn who_administers_the_registry_sees_whose_programs_are_logged_in_and_ends_one() {
    let (home, company) = (Home::new(), Company::new());
    let server = serve_at_home(&home, &company);
    let mut browser = Browser::new(&server);
    browser.sign_in_at(&company);
    let (one, other) = (logged_in(&mut browser, ""), logged_in(&mut browser, "pull"));
    let given = refresh(&server, &one, "repository:team/app:pull")
        .is(200)
        .json();
    let token = text(&given, "token");
    let host = server.address.as_str();
    let pair = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode("root:secret")
    };
    std::fs::create_dir(home.path(".docker")).expect("it is made");
    let credentials = json!({"auths": {host: {"auth": pair}}});
    home.write(".docker/config.json", credentials.to_string());
    let run = |arguments: &[&str]| {
        let mut all = vec!["registry", "session"];
        all.extend(arguments);
        home.basalt(&all)
    };
    let (status, listed, error) = run(&["list", host]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(listed.matches("company:ann  ").count(), 2, "{listed}");
    assert!(
        !listed.contains(&one) && !listed.contains(&other),
        "{listed}"
    );
    let (_, listed, _) = run(&["list", host, "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let sessions = listed["sessions"].as_array().expect("a list");
    let wide = sessions
        .iter()
        .find(|one| one["scope"] == "pull push delete");
    let wide = wide.expect("one may do all");
    assert!(wide["used"].is_string() && wide["groups"] == json!(["dev"]));
    let id = text(wide, "id");
    assert_eq!(tags(&server, token), 404);
    assert_eq!(run(&["delete", host, id]).0, 0);
    // At once, with the tokens that it has.
    assert_eq!(tags(&server, token), 401);
    refresh(&server, &one, "").is(401);
    refresh(&server, &other, "").is(200);
    assert_ne!(run(&["delete", host, id]).0, 0);
    for user in ["ann", "bob"] {
        let asked = server.ask("GET", "/basalt/v1/sessions");
        asked.basic(user, "secret").send().is(403);
    }
    // Who has the secret ends it; who has none learns nothing.
    for secret in [other.as_str(), "x"] {
        let form = format!("token={secret}");
        let asked = server.ask("POST", "/basalt/v1/logout");
        asked.body(form.as_bytes()).send().is(204);
    }
    refresh(&server, &other, "").is(401);
}
