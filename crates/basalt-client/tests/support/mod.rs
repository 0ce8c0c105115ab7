//! A small registry within the test: it does what the specification says, except where its rule says otherwise.
#![allow(dead_code, reason = "each test program uses its own part")]

mod answers;
pub mod http;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use basalt_digest::Digest;

#[allow(unused_imports, reason = "each test program uses its own part")]
pub use http::{Fault, Response, Seen};

type Rule = dyn Fn(&Seen) -> Option<Fault> + Send + Sync;

/// How the registry behaves.
pub struct Behaviour {
    /// Whether it has the referrers API.
    pub referrers: bool,
    /// How many entries a page of a list has.
    pub page: usize,
    /// How it wants to know who asks.
    pub access: Access,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            referrers: true,
            page: 1000,
            access: Access::Open,
        }
    }
}

/// How the registry wants to know who asks.
pub enum Access {
    /// It does not.
    Open,
    /// By this name and password.
    Basic(&'static str, &'static str),
    /// By a token of its own server, which gives it to who has this name and password; to others only for pulling.
    /// Tokens hold for so many uses.
    Bearer(&'static str, &'static str, usize),
}

/// The registry; it ends when dropped.
pub struct TestRegistry {
    port: u16,
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub port: u16,
    pub behaviour: Behaviour,
    pub rule: Box<Rule>,
    pub seen: Mutex<Vec<Seen>>,
    pub content: Mutex<Content>,
    stop: AtomicBool,
}

#[derive(Default)]
pub(crate) struct Content {
    pub blobs: BTreeMap<(String, Digest), Vec<u8>>,
    pub manifests: BTreeMap<(String, Digest), (String, Vec<u8>)>,
    pub tags: BTreeMap<(String, String), Digest>,
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// How often each token may still be used, and whether to push.
    pub tokens: BTreeMap<String, (usize, bool)>,
    pub count: usize,
}

impl TestRegistry {
    /// One that does nothing wrong.
    pub fn honest() -> Self {
        Self::start(Behaviour::default(), |_| None)
    }

    /// One whose rule is asked before each answer.
    pub fn faulty(rule: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(Behaviour::default(), rule)
    }

    /// One that behaves so.
    pub fn start(
        behaviour: Behaviour,
        rule: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let inner = Arc::new(Inner {
            port,
            behaviour,
            rule: Box::new(rule),
            seen: Mutex::default(),
            content: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let server = inner.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    return;
                }
                let server = server.clone();
                if let Ok(stream) = stream {
                    // A client that hangs up is no failure of ours.
                    thread::spawn(move || http::serve(&server, &stream).ok());
                }
            }
        });
        Self { port, inner }
    }

    /// Its host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it was asked, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().expect("no panic").clone()
    }

    /// How many requests began so: `PATCH /v2/a/blobs`.
    pub fn count(&self, start: &str) -> usize {
        let all = self.seen();
        let fits = |seen: &&Seen| format!("{} {}", seen.method, seen.path).starts_with(start);
        all.iter().filter(fits).count()
    }

    /// A blob that it has.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), *digest);
        self.content().blobs.get(&key).cloned()
    }

    /// Gives it a blob.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let key = (repository.to_owned(), digest);
        self.content().blobs.insert(key, bytes.to_vec());
        digest
    }

    /// Gives it a manifest.
    pub fn put_manifest(
        &self,
        repository: &str,
        kind: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Digest {
        let digest = Digest::of(bytes);
        let mut content = self.content();
        let value = (kind.to_owned(), bytes.to_vec());
        content
            .manifests
            .insert((repository.to_owned(), digest), value);
        if let Some(tag) = tag {
            let key = (repository.to_owned(), tag.to_owned());
            content.tags.insert(key, digest);
        }
        digest
    }

    /// What a tag points at.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        let key = (repository.to_owned(), tag.to_owned());
        self.content().tags.get(&key).copied()
    }

    /// A manifest that it has.
    pub fn manifest(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), *digest);
        self.content()
            .manifests
            .get(&key)
            .map(|(_, bytes)| bytes.clone())
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.inner.content.lock().expect("no panic")
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the flag.
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
    }
}
