//! A mirror on this machine: it hands on the real archive's files and our own archive's, except
//! where its rule says otherwise.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{own_archive, upstream};

/// What is sent in place of the file.
pub enum Lie {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Announces the whole, and hangs up after so many bytes.
    Cut(Vec<u8>, usize),
    /// These bytes, then others, for ever; the length is not announced.
    Endless(Vec<u8>),
    /// These bytes, one now and then.
    Trickle(Vec<u8>),
    /// These bytes at once, then drops for ever; the length is not announced.
    Slow(Vec<u8>),
    /// Look elsewhere.
    Redirect(String),
    /// There is no such file.
    Missing,
}

type Rule = dyn Fn(&str) -> Option<Lie> + Send + Sync;

/// The mirror; it ends when dropped.
pub struct Mirror {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    rule: Box<Rule>,
    stop: AtomicBool,
    asked: Mutex<Vec<String>>,
    sent: AtomicU64,
}

impl Mirror {
    /// A mirror that does not lie.
    pub fn honest() -> Self {
        Self::lying(|_| None)
    }

    /// A mirror whose rule is asked for each path, such as `debian/dists/trixie/InRelease`.
    pub fn lying(rule: impl Fn(&str) -> Option<Lie> + Send + Sync + 'static) -> Self {
        upstream::require();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            rule: Box::new(rule),
            stop: AtomicBool::new(false),
            asked: Mutex::default(),
            sent: AtomicU64::new(0),
        });
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    return;
                }
                let server = server.clone();
                if let Ok(stream) = stream {
                    // A client that hangs up is no failure of ours.
                    thread::spawn(move || server.serve(&stream).ok());
                }
            }
        });
        Self { port, shared }
    }

    /// The URL of one of its archives.
    pub fn url(&self, archive: &str) -> String {
        format!("http://127.0.0.1:{}/{archive}", self.port)
    }

    /// The paths it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("no panic").clone()
    }

    /// How many bytes of lies without end it could send.
    pub fn sent_without_end(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default();
        let path = path
            .trim_start_matches('/')
            .replace("%2B", "+")
            .replace("%2b", "+");
        let path = path
            .replace("%7E", "~")
            .replace("%7e", "~")
            .replace("%3A", ":")
            .replace("%3a", ":");
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
        }
        self.asked.lock().expect("no panic").push(path.clone());
        let lie = (self.rule)(&path).or_else(|| {
            let bytes = match path.strip_prefix("own/") {
                Some(rest) => own_archive::file(rest),
                None => upstream::file(&path).map(|bytes| bytes.to_vec()),
            };
            bytes.map(Lie::Bytes)
        });
        let header = |status: &str, more: &str| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n\r\n")
        };
        let length = |bytes: &[u8]| header("200 OK", &format!("Content-Length: {}", bytes.len()));
        match lie.unwrap_or(Lie::Missing) {
            Lie::Bytes(bytes) => {
                stream.write_all(length(&bytes).as_bytes())?;
                stream.write_all(&bytes)
            }
            Lie::Cut(bytes, end) => {
                stream.write_all(length(&bytes).as_bytes())?;
                stream.write_all(&bytes[..end])
            }
            Lie::Endless(bytes) => {
                stream.write_all(header("200 OK", "Content-Type: text/plain").as_bytes())?;
                stream.write_all(&bytes)?;
                let noise = [b'a'; 1 << 16];
                while !self.stop.load(Ordering::Relaxed) {
                    stream.write_all(&noise)?;
                    self.sent.fetch_add(noise.len() as u64, Ordering::Relaxed);
                }
                Ok(())
            }
            Lie::Slow(bytes) => {
                stream.write_all(header("200 OK", "Content-Type: text/plain").as_bytes())?;
                stream.write_all(&bytes)?;
                while !self.stop.load(Ordering::Relaxed) {
                    stream.write_all(b"a")?;
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            }
            Lie::Trickle(bytes) => {
                stream.write_all(length(&bytes).as_bytes())?;
                for byte in bytes {
                    if self.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    stream.write_all(&[byte])?;
                    thread::sleep(Duration::from_millis(200));
                }
                Ok(())
            }
            Lie::Redirect(to) => {
                let more = format!("Content-Length: 0\r\nLocation: {to}");
                stream.write_all(header("302 Found", &more).as_bytes())
            }
            Lie::Missing => {
                stream.write_all(header("404 Not Found", "Content-Length: 0").as_bytes())
            }
        }
    }
}
