//! As much of HTTP/1.1 as the test registry needs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{Inner, answers};

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// How many requests with this method and path came before.
    pub before: usize,
}

impl Seen {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it has this method, and a path with this in it.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This is answered in place of what is right.
    Instead(Response),
    /// What is right, but only so many bytes of the body come.
    Cut(usize),
    /// The connection ends without an answer.
    HangUp,
    /// So many bytes of what is sent are taken, then the connection ends.
    TakeAndHangUp(usize),
    /// What is right is done, but the answer is lost.
    DoAndHangUp,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Sent without a length, its end told by the connection's.
    pub endless: bool,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }
}

/// Answers what comes on one connection.
pub(super) fn serve(registry: &Inner, stream: &TcpStream) -> io::Result<()> {
    // A head and a body are written apart: neither waits for the other's acknowledgement.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(mut seen) = head(&mut reader)? {
        {
            let mut all = registry.seen.lock().expect("no panic");
            let same = |one: &&Seen| one.method == seen.method && one.path == seen.path;
            seen.before = all.iter().filter(same).count();
            all.push(seen.clone());
        }
        let length: usize = seen.header("content-length").parse().unwrap_or(0);
        let fault = (registry.rule)(&seen);
        let end = || stream.shutdown(Shutdown::Both);
        let mut body = Vec::new();
        match &fault {
            Some(Fault::HangUp) => return end(),
            Some(Fault::TakeAndHangUp(count)) => {
                (&mut reader).take(*count as u64).read_to_end(&mut body)?;
                answers::answer(registry, &seen, &body);
                return end();
            }
            // Who waits to be asked for the body is asked, or answered.
            Some(Fault::Instead(response)) if seen.header("expect") == "100-continue" => {
                send(stream, &seen, response, None)?;
                return end();
            }
            _ => {
                if seen.header("expect") == "100-continue" {
                    (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                (&mut reader).take(length as u64).read_to_end(&mut body)?;
            }
        }
        let (response, cut) = match fault {
            Some(Fault::Instead(response)) => (response, None),
            Some(Fault::DoAndHangUp) => {
                answers::answer(registry, &seen, &body);
                return end();
            }
            Some(Fault::Cut(count)) => (answers::answer(registry, &seen, &body), Some(count)),
            _ => (answers::answer(registry, &seen, &body), None),
        };
        send(stream, &seen, &response, cut)?;
        if cut.is_some() || response.endless {
            return end();
        }
    }
    Ok(())
}

fn head(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(Some(Seen {
        method,
        path,
        headers,
        before: 0,
    }))
}

fn send(
    mut stream: &TcpStream,
    seen: &Seen,
    response: &Response,
    cut: Option<usize>,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {} Status\r\n", response.status);
    for (name, value) in &response.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let told = response
        .headers
        .iter()
        .any(|(name, _)| name == "Content-Length");
    if !response.endless && !told {
        text.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
    }
    if response.endless {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())?;
    if seen.method != "HEAD" && response.status != 204 {
        let end = cut.unwrap_or(response.body.len()).min(response.body.len());
        stream.write_all(&response.body[..end])?;
    }
    stream.flush()
}
