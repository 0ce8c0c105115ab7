//! The log: a line a request, and what went wrong. For people on a terminal, else as JSON, one document a line.
//!
//! Lines are handed to a thread that writes them; when it cannot keep up they are dropped and counted, for a request must
//! not wait for its log. It rests after each time that it wrote, so that not every line wakes it.

use std::io::{BufWriter, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use basalt_escape::line;
use serde_json::{Value, json};

use crate::metadata::Moment;
use crate::route::Kind;

/// How many lines wait at most.
const WAITING: usize = 8192;
/// How long the thread rests.
const REST: Duration = Duration::from_millis(10);
/// How long the end waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Plain,
    /// A JSON document a line.
    Json,
}

enum Message {
    Line(String),
    /// All before it is written: that is to be told.
    End(Sender<()>),
}

struct Log {
    format: Format,
    queue: SyncSender<Message>,
}

static LOG: OnceLock<Log> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// From now on lines are written to the standard error.
///
/// # Errors
/// When the system gives no thread.
pub fn start(format: Format) -> std::io::Result<()> {
    let (queue, messages) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            while let Ok(first) = messages.recv() {
                write(first, &messages);
                std::thread::sleep(REST);
            }
        })?;
    let _ = LOG.set(Log { format, queue });
    Ok(())
}

/// Writes this and all that waits.
fn write(first: Message, messages: &Receiver<Message>) {
    let mut out = BufWriter::new(std::io::stderr().lock());
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Line(line) => {
                let _ = out.write_all(line.as_bytes());
            }
            Message::End(told) => {
                let _ = out.flush();
                let _ = told.send(());
            }
        }
        next = messages.try_recv().ok();
    }
    let dropped = DROPPED.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let _ = writeln!(
            out,
            "{{\"level\":\"warning\",\"message\":\"{dropped} lines were dropped\"}}"
        );
    }
    let _ = out.flush();
}

/// Waits until all lines so far are written, unless they cannot be any more.
pub fn end() {
    let (told, written) = channel();
    if let Some(log) = LOG.get()
        && log.queue.try_send(Message::End(told)).is_ok()
    {
        let _ = written.recv_timeout(PATIENCE);
    }
}

fn send(line: String) {
    if let Some(log) = LOG.get()
        && log.queue.try_send(Message::Line(line)).is_err()
    {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Something went wrong that someone should look at.
pub fn trouble(message: &str) {
    event("error", message);
}

/// Something happened that is good to know.
pub fn note(message: &str) {
    event("info", message);
}

fn event(level: &str, message: &str) {
    let Some(log) = LOG.get() else { return };
    let moment = timestamp(super::now());
    send(match log.format {
        Format::Json => document_line(&json!({"time": moment, "level": level, "message": message})),
        Format::Plain => format!("{moment} {level}: {}\n", line(message)),
    });
}

/// A request that was answered.
pub struct Access<'a> {
    /// When it came.
    pub moment: Moment,
    /// From where.
    pub address: &'a str,
    /// From whom.
    pub user: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Its query.
    pub query: &'a str,
    /// The answer's status.
    pub status: u16,
    /// How long it took until the answer's head.
    pub elapsed: Duration,
    /// How many bytes its body had.
    pub received: u64,
    /// How many the answer's has.
    pub sent: u64,
    /// What sent it.
    pub agent: &'a str,
    /// The trace that it belongs to, if it belongs to one.
    pub trace: Option<&'a str>,
}

impl Access<'_> {
    /// Writes the line.
    pub fn write(&self, kind: Option<Kind>) {
        let Some(log) = LOG.get() else { return };
        // What asks every few seconds whether all is well would drown the rest.
        let is_probe = matches!(kind, Some(Kind::Health | Kind::Ready | Kind::Metrics));
        if is_probe && self.status < 400 {
            return;
        }
        let time = timestamp(self.moment);
        let milliseconds = self.elapsed.as_micros() as f64 / 1000.0;
        send(match log.format {
            Format::Json => {
                let mut document = json!({
                    "time": time, "level": "info", "message": "request", "address": self.address, "user": self.user,
                    "method": self.method, "path": self.path, "query": self.query, "status": self.status,
                    "milliseconds": milliseconds, "received": self.received, "sent": self.sent, "agent": self.agent,
                });
                if let Some(trace) = self.trace {
                    document["trace"] = trace.into();
                }
                document_line(&document)
            }
            Format::Plain => format!(
                "{time} {} {} {} {} {} {milliseconds:.1} ms\n",
                self.address,
                line(self.user),
                self.status,
                self.method,
                line(self.path),
            ),
        });
    }
}

fn timestamp(moment: Moment) -> String {
    let time = jiff::Timestamp::from_millisecond(moment).unwrap_or_default();
    format!("{time:.3}")
}

fn document_line(document: &Value) -> String {
    format!("{}\n", basalt_escape::json(document.to_string().as_bytes()))
}
