//! A company at which people sign in by OpenID Connect, and the browser that they do it with.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use basalt_registry::digest::{Algorithm, Digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::access::PEOPLE;
use crate::issuers::{Key, now, set, status};
use crate::server::{Answer, Home, Server, await_that};

/// A company: what its tokens say, and what it knows of codes that it gave.
pub struct Company {
    pub url: String,
    pub key: Key,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, String>,
    codes: HashMap<String, Code>,
    asked: Vec<String>,
    count: usize,
}

/// A code that waits to be exchanged.
struct Code {
    challenge: String,
    back: String,
    token: String,
}

impl Company {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let own = Arc::clone(&state);
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let (head, body) = read(&mut stream);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut state = own.lock().expect("a lock");
                state.asked.push(path.clone());
                let known = state.answers.get(&path).cloned();
                let answer = known.unwrap_or_else(|| match path.as_str() {
                    "/token" => state.exchange(&head, &body),
                    _ => status("404 Not Found", "", "{}"),
                });
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let company = Self {
            url,
            key: Key::ed25519("one"),
            state,
        };
        company.answers("/keys", &status("200 OK", "", &set(&[&company.key])));
        company.says(|_| {});
        company
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    pub fn answers(&self, path: &str, answer: &str) {
        let (path, answer) = (path.to_owned(), answer.to_owned());
        self.state().answers.insert(path, answer);
    }

    /// What it says of itself, with a change.
    pub fn says(&self, change: impl FnOnce(&mut Value)) {
        let url = &self.url;
        let mut document = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "token_endpoint": format!("{url}/token"),
            "authorization_endpoint": format!("{url}/authorize"),
        });
        change(&mut document);
        let answer = status("200 OK", "", &document.to_string());
        self.answers("/.well-known/openid-configuration", &answer);
    }

    /// How often it was asked for this path.
    pub fn asked(&self, path: &str) -> usize {
        let state = self.state();
        state.asked.iter().filter(|asked| *asked == path).count()
    }

    /// Someone signs in, sent there by our server; the query that they come back with. What the token says is changed.
    pub fn sign_in(&self, location: &str, change: impl FnOnce(&mut Value)) -> String {
        self.sign_in_by(&self.key, location, change)
    }

    /// The same, with a token that is signed by this key.
    pub fn sign_in_by(&self, key: &Key, location: &str, change: impl FnOnce(&mut Value)) -> String {
        let start = format!("{}/authorize?", self.url);
        let asked = fields(
            location
                .strip_prefix(&start)
                .expect("it leads to the company"),
        );
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["client_id"], "our:registry");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let mut claims = json!({
            "iss": self.url, "aud": "our:registry", "sub": "17", "preferred_username": "ann", "groups": ["developers"],
            "nonce": asked["nonce"], "iat": now(), "exp": now() + 300,
        });
        change(&mut claims);
        let mut state = self.state();
        state.count += 1;
        let code = format!("code/{} ?", state.count);
        let token = key.token(&claims);
        let (challenge, back) = (
            asked["code_challenge"].clone(),
            asked["redirect_uri"].clone(),
        );
        let waiting = Code {
            challenge,
            back,
            token,
        };
        state.codes.insert(code.clone(), waiting);
        let code = code
            .replace('/', "%2F")
            .replace(' ', "+")
            .replace('?', "%3F");
        format!("code={code}&state={}", asked["state"])
    }
}

impl State {
    /// The token endpoint: each code once, for the client and the verifier that it was asked with.
    fn exchange(&mut self, head: &str, body: &str) -> String {
        let refused = |error: &str| {
            let words = json!({"error": error, "error_description": "<b>no</b>"});
            status("400 Bad Request", "", &words.to_string())
        };
        let pair = STANDARD.encode("our%3Aregistry:s%2Fe%3Acret");
        if !head.contains(&format!("authorization: Basic {pair}\r\n")) {
            return refused("invalid_client");
        }
        let form = fields(body);
        let Some(code) = form.get("code").and_then(|code| self.codes.remove(code)) else {
            return refused("invalid_grant");
        };
        let verifier = form.get("code_verifier").map_or("", String::as_str);
        let digest = Digest::of(Algorithm::Sha256, verifier.as_bytes());
        let hex = digest.as_str().strip_prefix("sha256:").expect("it is one");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let digest: Vec<u8> = (0..64).step_by(2).map(byte).collect();
        let is_good = form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == code.back
            && verifier.len() >= 43
            && URL_SAFE_NO_PAD.encode(digest) == code.challenge;
        if !is_good {
            return refused("invalid_grant");
        }
        let answer = json!({"id_token": code.token, "access_token": "x", "token_type": "Bearer"});
        status("200 OK", "", &answer.to_string())
    }
}

fn read(stream: &mut impl Read) -> (String, String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// The fields of a query or a form.
pub fn fields(text: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                    let digits = std::str::from_utf8(&digits).expect("ASCII");
                    u8::from_str_radix(digits, 16).expect("hex")
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).expect("UTF-8")
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Our server has another address than it listens at: nothing but the configuration says where people come back to.
pub const URL: &str = "http://localhost:1";

/// Developers of the company, and ann, who has a password, may read and add in `team/*`. `more` is said of the login.
pub fn config(company: &Company, url: &str, more: &str) -> String {
    format!(
        r#"
url: {url}
users: people
issuers:
  - name: company
    url: {}
    login: {{client: "our:registry", secret: client.secret, label: "Our <company>"{more}}}
    user: preferred_username
    rules:
      - {{claims: {{groups: developers}}, groups: [dev]}}
access:
  - {{repositories: ["public/*"], anonymous: true, rights: [pull]}}
  - {{repositories: ["team/*"], groups: [dev], users: [ann], rights: [pull, push-new]}}
  - {{repositories: ["**"], users: [root], rights: [admin]}}
"#,
        company.url
    )
}

/// A server at which people of the company sign in.
pub fn serve(home: &Home, company: &Company) -> Server {
    home.write("people", PEOPLE);
    home.write("client.secret", "s/e:cret\n");
    home.serve_as(&config(company, URL, ""))
}

/// The same, which says the address that it listens at.
pub fn serve_at_home(home: &Home, company: &Company) -> Server {
    let server = serve(home, company);
    let url = format!("http://{}", server.address);
    reload(home, &server, &config(company, &url, ""));
    server
}

/// Has another configuration read.
pub fn reload(home: &Home, server: &Server, config: &str) {
    home.write("registry.yaml", config);
    let read = || {
        home.log()
            .matches("the configuration was read again")
            .count()
    };
    let before = read();
    server.signal("HUP");
    await_that("the configuration is read", || read() > before);
}

/// A person's browser, which keeps cookies and sends them as browsers do.
pub struct Browser<'a> {
    pub server: &'a Server,
    /// Name, value, and what is said of it.
    pub cookies: Vec<(String, String, String)>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self {
            server,
            cookies: Vec::new(),
        }
    }

    /// Follows a link on a page of our server, or one that was typed.
    pub fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, "", |_| true)
    }

    /// Follows where another site leads: cookies that are `Strict` stay.
    pub fn get_from_elsewhere(&mut self, target: &str) -> Answer {
        self.send("GET", target, "", |said| !said.contains("SameSite=Strict"))
    }

    /// Sends a form of a page of our server.
    pub fn post(&mut self, target: &str, form: &str) -> Answer {
        self.send("POST", target, form, |_| true)
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        form: &str,
        goes: impl Fn(&str) -> bool,
    ) -> Answer {
        let sent = self.cookies.iter().filter(|(_, _, said)| goes(said));
        let sent: Vec<String> = sent
            .map(|(name, value, _)| format!("{name}={value}"))
            .collect();
        let mut asked = self.server.ask(method, target);
        if !sent.is_empty() {
            asked = asked.header("cookie", &sent.join("; "));
        }
        if method == "POST" {
            asked = asked
                .header("sec-fetch-site", "same-origin")
                .body(form.as_bytes());
        }
        let answer = asked.send();
        for set in answer.all("set-cookie") {
            let (pair, said) = set.split_once(';').expect("it says more");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|(known, _, _)| known != name);
            if !said.contains("Max-Age=0") {
                let cookie = (name.to_owned(), value.to_owned(), said.to_owned());
                self.cookies.push(cookie);
            }
        }
        answer
    }

    /// Goes to the company; where that is.
    pub fn leave(&mut self, next: &str) -> String {
        let target = format!("/signin/with/company?next={next}");
        let left = self.get(&target).is(303);
        left.header("location").to_owned()
    }

    /// Comes back from the company.
    pub fn come_back(&mut self, query: &str) -> Answer {
        self.get_from_elsewhere(&format!("/signin/return/company?{query}"))
    }

    /// Signs in at the company.
    pub fn sign_in_at(&mut self, company: &Company) {
        let location = self.leave("/");
        let query = company.sign_in(&location, |_| {});
        self.come_back(&query).is(200);
    }

    /// Signs in with a password.
    pub fn sign_in_as(&mut self, user: &str) {
        let form = format!("user={user}&password=secret&next=/");
        self.post("/signin", &form).is(303);
    }

    pub fn has_session(&self) -> bool {
        self.cookies.iter().any(|(name, _, _)| name == "basalt")
    }
}
