//! The bodies of requests: bounded, and never waited for without an end.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::fault::{Code, Fault};

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// From when on a body must keep a pace.
const HEADSTART: Duration = Duration::from_secs(60);
/// That pace, in bytes a second.
const PACE: f64 = 512.0;

/// The body of a request.
pub struct Received {
    body: Option<Incoming>,
    started: Instant,
    count: u64,
    limit: u64,
}

impl Received {
    /// A body as it comes; nothing is taken of it before there is a limit.
    pub fn new(body: Option<Incoming>) -> Self {
        Self {
            body,
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
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => {
                    return Err(Fault::new(
                        Code::SizeInvalid,
                        "the request's body broke off",
                    ));
                }
                Err(_) => return Err(too_slow()),
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

    /// Reads and drops what is left, if it is little: else the connection is closed under a client that still sends, which
    /// then may not see the answer.
    pub async fn drain(&mut self) {
        const LITTLE: u64 = 1 << 20;
        let little = self.announced().is_some_and(|more| more <= LITTLE);
        if little {
            self.limit = u64::MAX;
            let rest = async { while let Ok(Some(_)) = self.next().await {} };
            let _ = timeout(Duration::from_secs(5), rest).await;
        }
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
