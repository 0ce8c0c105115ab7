//! Traces: which part of a request took how long, told to a collector of OpenTelemetry.
//!
//! Nothing waits for it: spans go into a queue of a bounded length, and what has no room there is dropped and counted.

mod config;
mod context;
mod export;
mod span;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method, StatusCode};
use tokio::task_local;

use crate::route::Route;
use crate::server::Counts;
use context::{Parent, SpanId, TraceId};
use export::Exporter;
use span::Span;

pub use config::TracesConfig;
pub(crate) use config::is_collector;
pub use span::Open;

/// How many spans wait at most.
const WAITING: usize = 4096;
/// How long the last spans may take when the server goes down.
const PATIENCE: Duration = Duration::from_secs(5);

task_local! {
    /// The span that what runs now is a part of.
    static CURRENT: Option<Context>;
}

/// A span that others are parts of.
#[derive(Clone)]
struct Context {
    traces: Arc<Traces>,
    trace: TraceId,
    span: SpanId,
}

/// What goes into the queue.
enum Message {
    Span(Box<Span>),
    End,
}

/// Where spans go, if anywhere.
#[derive(Default)]
pub struct Traces {
    sending: Option<Sending>,
}

struct Sending {
    queue: SyncSender<Message>,
    /// Of a hundred traces that begin here, how many are kept.
    percent: u8,
    counts: Arc<Counts>,
    /// Ends with the thread that sends.
    ended: Mutex<Receiver<()>>,
}

/// A request as a trace has it.
pub struct Traced {
    trace: Option<TraceId>,
    span: Option<Open>,
}

impl Traces {
    /// Sends spans to a collector; of a hundred requests that do not say, so many are traced.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        url: &str,
        percent: u8,
        service: &str,
        counts: Arc<Counts>,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING);
        let (running, ended) = channel();
        let exporter = Exporter {
            url: endpoint(url),
            service: service.to_owned(),
            counts: Arc::clone(&counts),
        };
        std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || {
                exporter.run(&waiting);
                drop(running);
            })?;
        Ok(Self {
            sending: Some(Sending {
                queue,
                percent,
                counts,
                ended: Mutex::new(ended),
            }),
        })
    }

    /// Begins the span of a request. One that belongs to a trace of another program is traced if that one is.
    pub fn begin(self: &Arc<Self>, headers: &HeaderMap) -> Traced {
        let parent = Parent::of(headers);
        let Some(sending) = &self.sending else {
            return Traced {
                trace: parent.map(|parent| parent.trace),
                span: None,
            };
        };
        let is_kept = match parent {
            Some(parent) => parent.is_sampled,
            None => fastrand::u8(0..100) < sending.percent,
        };
        let trace = parent.map_or_else(TraceId::random, |parent| parent.trace);
        let above = parent.map(|parent| parent.span);
        Traced {
            trace: (is_kept || parent.is_some()).then_some(trace),
            span: is_kept.then(|| Open::new(Arc::clone(self), trace, above, "request")),
        }
    }

    fn send(&self, span: Span) {
        let Some(sending) = &self.sending else {
            return;
        };
        let message = Message::Span(Box::new(span));
        if sending.queue.try_send(message).is_err() {
            sending.counts.spans_dropped(1);
        }
    }

    /// Sends what waits, and waits for it, but not for long.
    pub fn end(&self) {
        let Some(sending) = &self.sending else {
            return;
        };
        let begun = Instant::now();
        while sending.queue.try_send(Message::End).is_err() {
            if begun.elapsed() > PATIENCE {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = sending.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(left) {
            crate::server::log::trouble("the last spans were not sent: the collector is too slow");
        }
    }
}

/// Where a collector takes spans: at `/v1/traces`, unless a path was named.
fn endpoint(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.split_once('/') {
        None => format!("{url}/v1/traces"),
        Some((_, "")) => format!("{url}v1/traces"),
        Some(_) => url.to_owned(),
    }
}

impl Traced {
    /// The trace's name, for the log.
    pub fn id(&self) -> Option<String> {
        self.trace.map(|trace| trace.to_string())
    }

    /// Does something as a part of it.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let open = self.trace.zip(self.span.as_ref());
        let context = open.map(|(trace, span)| Context {
            traces: span.traces(),
            trace,
            span: span.id(),
        });
        CURRENT.scope(context, work).await
    }

    /// Ends it with what became of the request. A query may hold secrets, and is no part of it; nor is the path, which
    /// names uploads.
    pub fn end(
        self,
        method: &Method,
        route: Option<&Route>,
        status: StatusCode,
        bytes: (u64, u64),
    ) {
        let Some(mut span) = self.span else {
            return;
        };
        let kind = route.map_or("None", |route| route.kind().name());
        span.serves(match route {
            Some(_) => format!("{method} {kind}"),
            None => kind.to_owned(),
        });
        if let Some(repository) = route.and_then(Route::repository) {
            span.set("basalt.repository", repository.as_str());
        }
        if route.is_some() {
            span.set("http.request.method", method.as_str());
        }
        span.set("http.route", kind);
        span.set("http.response.status_code", status.as_u16());
        span.set("http.request.body.size", bytes.0);
        span.set("http.response.body.size", bytes.1);
        if status.is_server_error() {
            span.failed();
        }
    }
}

/// Begins a span of what runs now, if that is traced.
pub fn start(name: &str) -> Option<Open> {
    let context = CURRENT.try_with(Clone::clone).ok().flatten()?;
    let Context {
        traces,
        trace,
        span,
    } = context;
    Some(Open::new(traces, trace, Some(span), name))
}

/// The work as a part of what runs now, wherever it will run.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let context = CURRENT.try_with(Clone::clone).ok().flatten();
    CURRENT.scope(context, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_takes_spans_where_the_protocol_says_unless_a_path_is_named() {
        assert_eq!(endpoint("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(endpoint("http://c:4318/"), "http://c:4318/v1/traces");
        assert_eq!(endpoint("https://c/otlp/x"), "https://c/otlp/x");
    }

    #[test]
    fn what_nobody_wants_traced_is_not_and_its_name_is_known_all_the_same() {
        let mut headers = HeaderMap::new();
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        headers.insert("traceparent", header.parse().expect("a value"));
        let counts = Arc::<Counts>::default();
        let traces = Traces::start("http://127.0.0.1:1", 100, "basalt", counts);
        let traces = Arc::new(traces.expect("it starts"));
        let traced = traces.begin(&headers);
        assert!(traced.span.is_none() && traced.id().is_some());
        assert!(traces.begin(&HeaderMap::new()).span.is_some());
        let silent = Arc::<Traces>::default();
        assert!(silent.begin(&HeaderMap::new()).id().is_none());
    }
}
