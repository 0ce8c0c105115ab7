//! The bodies of requests: bounded, and never waited for without an end.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::fault::{Code, Fault};

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// From when on a body must keep a pace.
const HEADSTART: Duration = Duration::from_secs(60);
/// That pace, in bytes a second.
const PACE: f64 = 512.0;
/// How much of the body of a refused request is read and dropped, in bytes, and for how long, before the answer goes out.
/// `basalt push` sends pieces of this size.
const MAXIMUM_DROPPED: u64 = 64 << 20;
const DROPPING: Duration = Duration::from_secs(10);

/// The body of a request.
pub struct Received {
    body: Option<Incoming>,
    /// Whether the client sends nothing before it is asked to go on (RFC 9110, section 10.1.1).
    waits: bool,
    /// Whether the body gives no more bytes: it ended, broke off or was too slow.
    is_over: bool,
    started: Instant,
    count: u64,
    limit: u64,
}

impl Received {
    /// A body as it comes; nothing is taken of it before there is a limit.
    pub fn new(body: Option<Incoming>, headers: &HeaderMap) -> Self {
        let expected = headers.get(EXPECT).map(HeaderValue::as_bytes);
        Self {
            body,
            waits: expected.is_some_and(|text| text.eq_ignore_ascii_case(b"100-continue")),
            is_over: false,
            started: Instant::now(),
            count: 0,
            limit: 0,
        }
    }

    /// How much more it says there is.
    pub fn announced(&self) -> Option<u64> {
        match &self.body {
            Some(body) => body.size_hint().exact(),
            None => Some(0),
        }
    }

    /// Takes another limit.
    pub fn limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// How many bytes came.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// When it breaks off, is too long, or too slow.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        if self
            .announced()
            .is_some_and(|more| self.count + more > self.limit)
        {
            return Err(self.too_long());
        }
        loop {
            let Some(body) = &mut self.body else {
                return Ok(None);
            };
            let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let frame = match timeout(SILENCE, frame).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    self.is_over = true;
                    return Ok(None);
                }
                Ok(Some(Err(_))) => {
                    self.is_over = true;
                    return Err(Fault::new(
                        Code::SizeInvalid,
                        "the request's body broke off",
                    ));
                }
                Err(_) => {
                    self.is_over = true;
                    return Err(too_slow());
                }
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            self.count += bytes.len() as u64;
            if self.count > self.limit {
                return Err(self.too_long());
            }
            let elapsed = self.started.elapsed();
            if elapsed > HEADSTART && (self.count as f64) < PACE * elapsed.as_secs_f64() {
                self.is_over = true;
                return Err(too_slow());
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Received::next`].
    pub async fn all(&mut self) -> Result<Bytes, Fault> {
        let Some(first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first.as_ref());
        whole.extend_from_slice(&second);
        while let Some(more) = self.next().await? {
            whole.extend_from_slice(&more);
        }
        Ok(whole.freeze())
    }

    /// Whether the client may still send some of it.
    pub fn is_left(&self) -> bool {
        let body = self.body.as_ref().filter(|_| !self.is_over);
        body.is_some_and(|body| !body.is_end_stream())
    }

    /// Reads and drops what is left, up to a bound: many clients read no answer before they have sent all. Of a client that
    /// waits to be asked nothing is read, nor of a body that is known to be longer.
    pub async fn drain(&mut self) {
        let is_asked_for = !self.waits || self.count > 0;
        let is_short = self.announced().is_none_or(|more| more <= MAXIMUM_DROPPED);
        if !(self.is_left() && is_asked_for && is_short) {
            return;
        }
        self.limit = self.count.saturating_add(MAXIMUM_DROPPED);
        let rest = async { while let Ok(Some(_)) = self.next().await {} };
        let _ = timeout(DROPPING, rest).await;
    }

    fn too_long(&self) -> Fault {
        let message = format!(
            "the body is longer than {} bytes, the most that is taken",
            self.limit
        );
        Fault::new(Code::SizeInvalid, message).status(StatusCode::PAYLOAD_TOO_LARGE)
    }
}

fn too_slow() -> Fault {
    Fault::new(Code::SizeInvalid, "the request's body came too slowly")
        .status(StatusCode::REQUEST_TIMEOUT)
}
