//! What is counted, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;

use super::proxy::Traffic;
use crate::metadata::Collected;
use crate::route::Kind;

/// Bounds of the times of requests, in seconds.
const BOUNDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Statuses by their first digit, from 1 to 5.
const CLASSES: usize = 5;

/// Counts since the server began.
#[derive(Default)]
pub struct Counts {
    routes: Rows,
    received: AtomicU64,
    sent: AtomicU64,
    connections: AtomicI64,
    refused_connections: AtomicU64,
    damaged: AtomicU64,
    scrubbed_blobs: AtomicU64,
    scrubbed_bytes: AtomicU64,
    collected_blobs: AtomicU64,
    collected_manifests: AtomicU64,
    expired_uploads: AtomicU64,
    delivered: AtomicU64,
    undelivered: AtomicU64,
    dead: AtomicU64,
    spans_sent: AtomicU64,
    spans_dropped: AtomicU64,
    /// What is had of upstreams.
    pub upstream: Traffic,
}

/// One for each kind of route, and one for requests that are none.
struct Rows([Row; Kind::ALL.len() + 1]);

impl Default for Rows {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Row::default()))
    }
}

#[derive(Default)]
struct Row {
    statuses: [AtomicU64; CLASSES],
    buckets: [AtomicU64; BOUNDS.len()],
    microseconds: AtomicU64,
}

impl Counts {
    /// A request was answered.
    pub fn answered(
        &self,
        kind: Option<Kind>,
        status: StatusCode,
        elapsed: Duration,
        received: u64,
        sent: u64,
    ) {
        let place = kind.and_then(|kind| Kind::ALL.iter().position(|one| *one == kind));
        if let Some(row) = self.routes.0.get(place.unwrap_or(Kind::ALL.len())) {
            let class = usize::from(status.as_u16() / 100).saturating_sub(1);
            if let Some(count) = row.statuses.get(class) {
                add(count, 1);
            }
            let seconds = elapsed.as_secs_f64();
            let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
            if let Some(count) = bucket.and_then(|bucket| row.buckets.get(bucket)) {
                add(count, 1);
            }
            add(&row.microseconds, elapsed.as_micros() as u64);
        }
        add(&self.received, received);
        add(&self.sent, sent);
    }

    /// A connection began or ended.
    pub fn connections(&self, change: i64) {
        self.connections.fetch_add(change, Ordering::Relaxed);
    }

    /// A connection broke before its first request: a handshake that failed.
    pub fn refused_connection(&self) {
        add(&self.refused_connections, 1);
    }

    /// A blob was put aside.
    pub fn damaged(&self) {
        add(&self.damaged, 1);
    }

    /// A blob of so many bytes was compared with its digest.
    pub fn scrubbed(&self, bytes: u64) {
        add(&self.scrubbed_blobs, 1);
        add(&self.scrubbed_bytes, bytes);
    }

    /// What nobody needed was removed.
    pub fn collected(&self, collected: &Collected) {
        add(&self.collected_blobs, collected.blobs);
        add(&self.collected_manifests, collected.manifests);
    }

    /// Uploads ended by themselves.
    pub fn expired(&self, uploads: u64) {
        add(&self.expired_uploads, uploads);
    }

    /// A hook took an event.
    pub fn delivered(&self) {
        add(&self.delivered, 1);
    }

    /// An attempt to tell a hook of an event failed.
    pub fn undelivered(&self) {
        add(&self.undelivered, 1);
    }

    /// An event was given up.
    pub fn dead(&self) {
        add(&self.dead, 1);
    }

    /// The collector took so many spans.
    pub fn spans_sent(&self, spans: u64) {
        add(&self.spans_sent, spans);
    }

    /// So many spans had no room, or were not taken.
    pub fn spans_dropped(&self, spans: u64) {
        add(&self.spans_dropped, spans);
    }

    /// The counts in Prometheus's text format.
    pub fn document(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        let name = |place: usize| Kind::ALL.get(place).map_or("None", |kind| kind.name());
        head(
            &mut text,
            "basalt_requests_total",
            "counter",
            "Requests answered, by route and class of status.",
        );
        for (place, row) in self.routes.0.iter().enumerate() {
            for (class, count) in row.statuses.iter().enumerate() {
                let (count, route) = (get(count), name(place));
                if count > 0 {
                    let _ = writeln!(
                        text,
                        "basalt_requests_total{{route=\"{route}\",status=\"{}xx\"}} {count}",
                        class + 1
                    );
                }
            }
        }
        head(
            &mut text,
            "basalt_request_seconds",
            "histogram",
            "Time from a request's head to its answer's.",
        );
        for (place, row) in self.routes.0.iter().enumerate() {
            let total: u64 = row.statuses.iter().map(get).sum();
            if total == 0 {
                continue;
            }
            let route = name(place);
            let mut sum = 0;
            for (bound, count) in BOUNDS.iter().zip(&row.buckets) {
                sum += get(count);
                let _ = writeln!(
                    text,
                    "basalt_request_seconds_bucket{{route=\"{route}\",le=\"{bound}\"}} {sum}"
                );
            }
            let _ = writeln!(
                text,
                "basalt_request_seconds_bucket{{route=\"{route}\",le=\"+Inf\"}} {total}"
            );
            let seconds = get(&row.microseconds) as f64 / 1e6;
            let _ = writeln!(
                text,
                "basalt_request_seconds_sum{{route=\"{route}\"}} {seconds}"
            );
            let _ = writeln!(
                text,
                "basalt_request_seconds_count{{route=\"{route}\"}} {total}"
            );
        }
        for (name, help, count) in [
            (
                "basalt_received_bytes_total",
                "Bytes of the bodies of requests.",
                &self.received,
            ),
            (
                "basalt_sent_bytes_total",
                "Bytes of the bodies of answers.",
                &self.sent,
            ),
            (
                "basalt_refused_connections_total",
                "Connections whose handshake failed.",
                &self.refused_connections,
            ),
            (
                "basalt_damaged_blobs_total",
                "Blobs whose bytes were found damaged and put aside.",
                &self.damaged,
            ),
            (
                "basalt_scrubbed_blobs_total",
                "Blobs compared with their digests in the background.",
                &self.scrubbed_blobs,
            ),
            (
                "basalt_scrubbed_bytes_total",
                "Their bytes.",
                &self.scrubbed_bytes,
            ),
            (
                "basalt_collected_blobs_total",
                "Blobs removed because nothing needed them.",
                &self.collected_blobs,
            ),
            (
                "basalt_collected_manifests_total",
                "Manifests removed because they had lost their last tag.",
                &self.collected_manifests,
            ),
            (
                "basalt_expired_uploads_total",
                "Uploads that ended by themselves.",
                &self.expired_uploads,
            ),
            (
                "basalt_events_delivered_total",
                "Events that hooks took.",
                &self.delivered,
            ),
            (
                "basalt_events_failed_total",
                "Attempts to tell hooks of events that failed.",
                &self.undelivered,
            ),
            (
                "basalt_events_dead_total",
                "Events that were given up.",
                &self.dead,
            ),
            (
                "basalt_spans_sent_total",
                "Spans that the collector of traces took.",
                &self.spans_sent,
            ),
            (
                "basalt_spans_dropped_total",
                "Spans that had no room in the queue, or that the collector did not take.",
                &self.spans_dropped,
            ),
        ] {
            head(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {}", get(count));
        }
        for (name, help, count) in self.upstream.rows() {
            head(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {count}");
        }
        head(&mut text, "basalt_connections", "gauge", "Connections now.");
        let connections = self.connections.load(Ordering::Relaxed);
        let _ = writeln!(text, "basalt_connections {connections}");
        text
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
