//! An upstream that is written by hand: it counts what it is asked, and stalls, fails, lies and leads astray when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use basalt_registry::digest::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::server::{INDEX, MANIFEST};

/// Such an upstream, at an address of this machine.
pub struct Origin {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// What there is, by path: its media type and its bytes.
    kept: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    /// First line, headers in small letters, and body of all that was asked.
    asked: Mutex<Vec<(String, String, String)>>,
    /// What is answered otherwise, to targets that end so.
    tricks: Mutex<HashMap<String, Trick>>,
    /// How many requests are answered now, and the most that were at once.
    busy: Mutex<(usize, usize)>,
}

#[derive(Clone)]
enum Trick {
    /// After so many bytes nothing comes until the gate is open.
    Stall(usize, Gate),
    /// These bytes, said to be of this length.
    Lie(Vec<u8>, usize),
    /// Breaks off after so many bytes.
    Break(usize),
    Redirect(String),
    /// A status, and headers.
    Refuse(String, String),
    Delay(Duration),
}

/// Opens once.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("it is sound") = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut is_open = self.0.0.lock().expect("it is sound");
        while !*is_open {
            let waited = self.0.1.wait_timeout(is_open, Duration::from_secs(60));
            let (held, timeout) = waited.expect("it is sound");
            is_open = held;
            if timeout.timed_out() {
                return;
            }
        }
    }
}

/// The manifest of an image of this config and these layers.
pub fn image(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": sha(bytes).as_str(), "size": bytes.len()});
    let layer = |bytes: &&[u8]| descriptor("application/vnd.oci.image.layer.v1.tar", bytes);
    let layers: Vec<Value> = layers.iter().map(layer).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", config);
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
        .to_string()
        .into_bytes()
}

fn sha(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn send(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

impl Origin {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.expect("a connection"), Arc::clone(&serving));
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has something at a path.
    pub fn serve(&self, path: &str, bytes: &[u8]) {
        self.keep(path, "application/octet-stream", bytes);
    }

    fn keep(&self, path: &str, kind: &str, bytes: &[u8]) {
        let mut kept = self.state.kept.lock().expect("it is sound");
        kept.insert(path.to_owned(), (kind.to_owned(), bytes.to_vec()));
    }

    /// Has a manifest, under a tag and its digest.
    pub fn put(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) -> Digest {
        let digest = sha(bytes);
        for reference in [tag, digest.as_str()] {
            self.keep(
                &format!("/v2/{repository}/manifests/{reference}"),
                kind,
                bytes,
            );
        }
        let path = format!("/v2/{repository}/tags/list");
        let prefix = format!("/v2/{repository}/manifests/");
        let kept = self.state.kept.lock().expect("it is sound").clone();
        let tags = kept.keys().filter_map(|path| path.strip_prefix(&prefix));
        let tags: Vec<&str> = tags.filter(|tag| !tag.contains(':')).collect();
        let list = json!({"name": repository, "tags": tags}).to_string();
        self.keep(&path, "application/json", list.as_bytes());
        digest
    }

    /// Has an image of these layers; its digest.
    pub fn image(&self, repository: &str, tag: &str, layers: &[&[u8]]) -> Digest {
        for bytes in layers.iter().copied().chain([&b"{}"[..]]) {
            self.serve(&format!("/v2/{repository}/blobs/{}", sha(bytes)), bytes);
        }
        self.put(repository, tag, MANIFEST, &image(b"{}", layers))
    }

    /// The bytes of a manifest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Vec<u8> {
        let kept = self.state.kept.lock().expect("it is sound");
        kept[&format!("/v2/{repository}/manifests/{reference}")]
            .1
            .clone()
    }

    pub fn referrers(&self, repository: &str, subject: &Digest, list: &[Value]) {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": list}).to_string();
        let path = format!("/v2/{repository}/referrers/{subject}");
        self.keep(&path, INDEX, index.as_bytes());
    }

    fn trick(&self, end: &str, trick: Trick) {
        let mut tricks = self.state.tricks.lock().expect("it is sound");
        tricks.insert(end.to_owned(), trick);
    }

    /// Sends so many bytes, and the rest when the gate is open.
    pub fn stall(&self, end: &str, after: usize) -> Gate {
        let gate = Gate::default();
        self.trick(end, Trick::Stall(after, gate.clone()));
        gate
    }

    pub fn lie(&self, end: &str, bytes: Vec<u8>, length: usize) {
        self.trick(end, Trick::Lie(bytes, length));
    }

    pub fn break_off(&self, end: &str, after: usize) {
        self.trick(end, Trick::Break(after));
    }

    pub fn redirect(&self, end: &str, target: &str) {
        self.trick(end, Trick::Redirect(target.to_owned()));
    }

    /// Answers all with this status.
    pub fn fail(&self, status: &str, retry: &str) {
        let headers = format!("retry-after: {retry}\r\n");
        self.trick("", Trick::Refuse(status.to_owned(), headers));
    }

    /// Asks all for a token of this server.
    pub fn challenge(&self, realm: &str) {
        let headers = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"x\"\r\n");
        self.trick("", Trick::Refuse("401 Unauthorized".to_owned(), headers));
    }

    /// Asks all for a password, and takes none.
    pub fn challenge_basic(&self) {
        let headers = "www-authenticate: Basic realm=\"x\"\r\n".to_owned();
        self.trick("", Trick::Refuse("401 Unauthorized".to_owned(), headers));
    }

    pub fn delay(&self, span: Duration) {
        self.trick("", Trick::Delay(span));
    }

    /// Does as it should again.
    pub fn honest(&self) {
        self.state.tricks.lock().expect("it is sound").clear();
    }

    /// How often it was asked with this method for targets with this in them.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let asked = self.state.asked.lock().expect("it is sound");
        let fits = |line: &&str| line.starts_with(method) && line.contains(part);
        asked
            .iter()
            .map(|(line, _, _)| line.as_str())
            .filter(fits)
            .count()
    }

    /// The headers that came which begin so.
    pub fn seen(&self, start: &str) -> Vec<String> {
        let asked = self.state.asked.lock().expect("it is sound");
        let lines = asked.iter().flat_map(|(_, headers, _)| headers.lines());
        let found = lines.filter(|line| line.to_ascii_lowercase().starts_with(start));
        found.map(str::to_owned).collect()
    }

    /// The most requests that were answered at once.
    pub fn peak(&self) -> usize {
        self.state.busy.lock().expect("it is sound").1
    }

    /// The bodies that came.
    pub fn bodies(&self) -> Vec<String> {
        let asked = self.state.asked.lock().expect("it is sound");
        let bodies = asked.iter().map(|(_, _, body)| body.clone());
        bodies.filter(|body| !body.is_empty()).collect()
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("it is cloned"));
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let (mut headers, mut length, mut first) = (String::new(), 0, 0);
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                if header.trim_end().is_empty() {
                    break;
                }
                let lower = header.to_ascii_lowercase();
                if let Some(count) = lower.strip_prefix("content-length:") {
                    length = count.trim().parse().expect("a number");
                }
                if let Some(range) = lower.strip_prefix("range: bytes=") {
                    let range = range.trim().trim_end_matches('-');
                    first = range.parse().expect("a number");
                }
                headers.push_str(&header);
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let body = String::from_utf8_lossy(&body).into_owned();
            let mut asked = self.asked.lock().expect("it is sound");
            asked.push((line.trim_end().to_owned(), headers, body));
            drop(asked);
            let mut words = line.split(' ');
            let method = words.next().unwrap_or_default().to_owned();
            let target = words.next().unwrap_or_default();
            let path = target.split('?').next().unwrap_or_default().to_owned();
            {
                let mut busy = self.busy.lock().expect("it is sound");
                busy.0 += 1;
                busy.1 = busy.1.max(busy.0);
            }
            let goes_on = self.answer(&mut stream, &method, &path, first);
            self.busy.lock().expect("it is sound").0 -= 1;
            if !goes_on {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    /// Answers; false when the connection is to be closed.
    fn answer(&self, stream: &mut TcpStream, method: &str, path: &str, first: usize) -> bool {
        let tricks = self.tricks.lock().expect("it is sound").clone();
        let trick = tricks.iter().find(|(end, _)| path.ends_with(end.as_str()));
        let kept = self.kept.lock().expect("it is sound").get(path).cloned();
        if method == "POST" {
            send(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            return true;
        }
        match trick.map(|(_, trick)| trick.clone()) {
            Some(Trick::Refuse(status, headers)) => {
                send(
                    stream,
                    &format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n"),
                );
                return true;
            }
            Some(Trick::Redirect(to)) => {
                send(
                    stream,
                    &format!("HTTP/1.1 307 There\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
                );
                return true;
            }
            Some(Trick::Lie(bytes, length)) => {
                let kind = kept.map_or(MANIFEST.to_owned(), |(kind, _)| kind);
                let rest = bytes.get(first..).unwrap_or_default();
                let head = head(&kind, first, length.saturating_sub(first), length, None);
                send(stream, &head);
                let _ = stream.write_all(rest);
                return rest.len() == length - first;
            }
            Some(Trick::Delay(span)) => thread::sleep(span),
            _ => {}
        }
        let Some((kind, bytes)) = kept else {
            send(
                stream,
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            );
            return true;
        };
        let rest = &bytes[first.min(bytes.len())..];
        let digest = path.contains("/manifests/").then(|| sha(&bytes));
        send(stream, &head(&kind, first, rest.len(), bytes.len(), digest));
        if method == "HEAD" {
            return true;
        }
        match tricks.iter().find(|(end, _)| path.ends_with(end.as_str())) {
            Some((_, Trick::Stall(after, gate))) if rest.len() > *after => {
                let _ = stream.write_all(&rest[..*after]);
                gate.wait();
                stream.write_all(&rest[*after..]).is_ok()
            }
            Some((_, Trick::Break(after))) if rest.len() > *after => {
                let _ = stream.write_all(&rest[..*after]);
                false
            }
            _ => stream.write_all(rest).is_ok(),
        }
    }
}

/// The head of an answer with so many bytes from this one on, of so many.
fn head(kind: &str, first: usize, length: usize, whole: usize, digest: Option<Digest>) -> String {
    let status = match first {
        0 => "200 OK".to_owned(),
        first => format!(
            "206 Part\r\ncontent-range: bytes {first}-{}/{whole}",
            whole.saturating_sub(1)
        ),
    };
    let digest = digest.map_or(String::new(), |digest| {
        format!("docker-content-digest: {digest}\r\n")
    });
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{digest}\r\n")
}
