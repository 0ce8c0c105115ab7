//! Spans: what took how long, on behalf of which request.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Traces;
use super::context::{SpanId, TraceId};

/// A span that has ended.
#[derive(Debug, Clone)]
pub(super) struct Span {
    trace: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    name: String,
    is_server: bool,
    is_error: bool,
    /// In nanoseconds since 1970.
    begin: u128,
    end: u128,
    attributes: Vec<(&'static str, Value)>,
}

/// A span that runs; it ends when it is dropped.
pub struct Open {
    traces: Arc<Traces>,
    started: Instant,
    span: Span,
}

impl Open {
    pub(super) fn new(
        traces: Arc<Traces>,
        trace: TraceId,
        parent: Option<SpanId>,
        name: &str,
    ) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let begin = since.map_or(0, |since| since.as_nanos());
        Self {
            traces,
            started: Instant::now(),
            span: Span {
                trace,
                id: SpanId::random(),
                parent,
                name: name.to_owned(),
                is_server: false,
                is_error: false,
                begin,
                end: begin,
                attributes: Vec::new(),
            },
        }
    }

    pub(super) fn traces(&self) -> Arc<Traces> {
        Arc::clone(&self.traces)
    }

    pub(super) fn id(&self) -> SpanId {
        self.span.id
    }

    /// It is the answer to a request, and has this name.
    pub(super) fn serves(&mut self, name: String) {
        self.span.is_server = true;
        self.span.name = name;
    }

    /// It did not do what it was to do.
    pub fn failed(&mut self) {
        self.span.is_error = true;
    }

    /// Says something of it: a text, a number or whether something is so. Never what someone keeps secret.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.span.attributes.push((name, value.into()));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.span.end = self.span.begin + self.started.elapsed().as_nanos();
        self.traces.send(self.span.clone());
    }
}

impl Span {
    /// As OTLP has it in JSON.
    pub fn document(&self) -> Value {
        let attributes = self.attributes.iter();
        let attributes: Vec<Value> = attributes
            .map(|(name, value)| attribute(name, value))
            .collect();
        let mut document = json!({
            "traceId": self.trace.to_string(),
            "spanId": self.id.to_string(),
            "name": self.name,
            // A server's, or one within.
            "kind": if self.is_server { 2 } else { 1 },
            "startTimeUnixNano": self.begin.to_string(),
            "endTimeUnixNano": self.end.to_string(),
            "attributes": attributes,
            "status": if self.is_error { json!({"code": 2}) } else { json!({}) },
        });
        if let Some(parent) = self.parent {
            document["parentSpanId"] = json!(parent.to_string());
        }
        document
    }
}

/// A name and a value, as OTLP has them: whole numbers are texts.
pub(super) fn attribute(name: &str, value: &Value) -> Value {
    let value = match value {
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(value) => json!({"intValue": value.to_string()}),
        Value::String(value) => json!({"stringValue": value}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": name, "value": value})
}
