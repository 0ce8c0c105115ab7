//! Someone who is told things over HTTP: what came, and what is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

/// What came.
pub struct Told {
    /// The first line.
    pub first: String,
    headers: String,
    body: Vec<u8>,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON document")
    }

    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.expect("it is there").trim()
    }
}

/// Listens, and answers each request, by its number, with what `answer` says: a status, and headers if need be.
pub fn listen(
    mut answer: impl FnMut(usize) -> &'static str + Send + 'static,
) -> (String, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let (mut first, mut headers, mut length) = (String::new(), String::new(), 0);
            let _ = stream.read_line(&mut first);
            loop {
                let mut line = String::new();
                let _ = stream.read_line(&mut line);
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(count) = line.strip_prefix("content-length:") {
                    length = count.trim().parse().expect("a number");
                }
                headers.push_str(&format!("{line}\n"));
            }
            let mut body = vec![0; length];
            // One that a killed server broke off is none.
            if stream.read_exact(&mut body).is_err() || body.is_empty() {
                continue;
            }
            let head = answer(number);
            let text = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.get_mut().write_all(text.as_bytes());
            let first = first.trim_end().to_owned();
            let told = Told {
                first,
                headers,
                body,
            };
            if sender.send(told).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}
