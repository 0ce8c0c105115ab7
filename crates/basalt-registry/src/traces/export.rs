//! Spans on their way to a collector (OTLP/HTTP, JSON): by a thread of their own, some at a time. What the collector does
//! not take is dropped and counted.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use basalt_fetch::connections::for_operator;
use serde_json::json;
use ureq::Agent;

use super::Message;
use super::span::{Span, attribute};
use crate::server::{Counts, log};

/// How many spans are sent at once at most, and how long they are gathered.
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long it rests before the one other attempt.
const REST: Duration = Duration::from_millis(500);
/// How often it is said in the log that the collector does not take what it is sent.
const COMPLAIN: Duration = Duration::from_secs(60);
/// How much of an answer is read, in bytes: it is only thrown away.
const ANSWER: u64 = 64 << 10;

/// Where spans go.
pub(super) struct Exporter {
    pub url: String,
    pub service: String,
    pub counts: Arc<Counts>,
}

impl Exporter {
    /// Sends what comes until the end is told.
    pub fn run(&self, queue: &Receiver<Message>) {
        let agent = match for_operator(&self.url, TIMEOUT, &[]) {
            Ok(agent) => Some(agent),
            Err(error) => {
                log::trouble(&format!("the collector of traces: {error}"));
                None
            }
        };
        let mut complained: Option<Instant> = None;
        let mut is_over = false;
        while !is_over {
            let mut spans = Vec::new();
            match queue.recv() {
                Ok(Message::Span(span)) => spans.push(*span),
                Ok(Message::End) | Err(_) => break,
            }
            let begun = Instant::now();
            while spans.len() < BATCH {
                match queue.recv_timeout(GATHER.saturating_sub(begun.elapsed())) {
                    Ok(Message::Span(span)) => spans.push(*span),
                    Err(RecvTimeoutError::Timeout) => break,
                    Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => {
                        is_over = true;
                        break;
                    }
                }
            }
            let count = spans.len() as u64;
            let sent = match &agent {
                Some(agent) => self.send(agent, &spans, !is_over),
                None => Err("it cannot be asked".to_owned()),
            };
            match sent {
                Ok(()) => self.counts.spans_sent(count),
                Err(cause) => {
                    self.counts.spans_dropped(count);
                    if complained.is_none_or(|since| since.elapsed() > COMPLAIN) {
                        complained = Some(Instant::now());
                        log::trouble(&format!("the collector of traces: {cause}"));
                    }
                }
            }
        }
    }

    fn send(&self, agent: &Agent, spans: &[Span], may_repeat: bool) -> Result<(), String> {
        let body = self.document(spans).to_string();
        match self.attempt(agent, &body) {
            Err(Failure::Passing(_)) if may_repeat => {
                std::thread::sleep(REST);
                self.attempt(agent, &body)
            }
            other => other,
        }
        .map_err(|failure| match failure {
            Failure::Passing(cause) | Failure::Final(cause) => cause,
        })
    }

    fn attempt(&self, agent: &Agent, body: &str) -> Result<(), Failure> {
        let request = agent.post(&self.url);
        let request = request.header("content-type", "application/json");
        let mut answer = request
            .send(body)
            .map_err(|error| Failure::Passing(error.to_string()))?;
        let _ = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        match answer.status().as_u16() {
            200..300 => Ok(()),
            status @ (429 | 502 | 503 | 504) => {
                Err(Failure::Passing(format!("it answered with {status}")))
            }
            status => Err(Failure::Final(format!("it answered with {status}"))),
        }
    }

    fn document(&self, spans: &[Span]) -> serde_json::Value {
        let version = env!("CARGO_PKG_VERSION");
        let spans: Vec<_> = spans.iter().map(Span::document).collect();
        json!({"resourceSpans": [{
            "resource": {"attributes": [
                attribute("service.name", &json!(self.service)),
                attribute("service.version", &json!(version)),
            ]},
            "scopeSpans": [{"scope": {"name": "basalt-registry", "version": version}, "spans": spans}],
        }]})
    }
}

/// Why an attempt failed.
enum Failure {
    /// Another may not.
    Passing(String),
    /// Another would fail too.
    Final(String),
}
