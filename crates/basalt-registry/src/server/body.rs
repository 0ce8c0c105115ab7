//! What answers carry: nothing, bytes, or a blob read piece by piece.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};

use super::direct::{MAXIMUM_PART, Outlet};
use super::proxy::Following;
use crate::blobs::{Answer, Blob};
use crate::digest::{Digest, Hasher};

/// How many pieces may be on their way: their memory is used again.
const PIECES: usize = 3;
/// How much the system reads at once by itself, in bytes: of that, all is in memory or nothing.
const READ_AHEAD: usize = 128 << 10;

/// The body of an answer.
pub enum Body {
    /// Nothing.
    Empty,
    /// These bytes.
    Full(Bytes),
    /// A part of a blob.
    Blob(Box<BlobBody>),
    /// A part of a blob that is on its way here.
    Following(Box<Following>),
    /// Several bodies, one behind the other.
    Parts(VecDeque<Body>),
}

impl Body {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Full(bytes) => bytes.len() as u64,
            Self::Blob(body) => body.end - body.offset,
            Self::Following(body) => body.length(),
            Self::Parts(parts) => parts.iter().map(Self::length).sum(),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Blob(body) => body.poll(context),
            Self::Following(body) => body.poll(context),
            Self::Parts(parts) => {
                while let Some(part) = parts.front_mut() {
                    match Pin::new(part).poll_frame(context) {
                        Poll::Ready(None) => drop(parts.pop_front()),
                        other => return other,
                    }
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

/// Told when the bytes of a blob turn out to be others than they should be.
pub type Alarm = Box<dyn FnOnce() + Send>;

/// What compares the bytes of a blob with its digest while they go out.
pub struct Check {
    /// Of the bytes so far.
    pub hasher: Hasher,
    /// What it must come to.
    pub digest: Digest,
    /// Told when it came to that.
    pub good: Alarm,
    /// Told when it did not.
    pub bad: Alarm,
}

/// A part of a blob.
pub struct BlobBody {
    blob: Arc<dyn Blob>,
    offset: u64,
    end: u64,
    reading: Option<Answer<'static, Bytes>>,
    pieces: VecDeque<Bytes>,
    check: Option<Check>,
    outlet: Option<Outlet>,
}

impl BlobBody {
    /// The bytes of a blob from one place to another, compared with its digest if that is asked. Then the last piece is
    /// held back if it does not fit, so that no client can take them for the blob. What nobody needs to look at goes by the
    /// outlet, if there is one.
    pub fn new(
        blob: Arc<dyn Blob>,
        offset: u64,
        end: u64,
        check: Option<Check>,
        outlet: Option<Outlet>,
    ) -> Self {
        Self {
            blob,
            offset,
            end,
            reading: None,
            pieces: VecDeque::new(),
            check,
            outlet,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.offset == self.end {
            return Poll::Ready(None);
        }
        let length = self.next_length(self.offset);
        let bytes = match &mut self.reading {
            Some(reading) => match reading.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => {
                    self.reading = None;
                    if let Ok(bytes) = &read {
                        self.read_ahead(self.offset + bytes.len() as u64);
                    }
                    read
                }
            },
            None => {
                if let Some(direct) = self.direct() {
                    self.offset += direct.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(direct))));
                }
                let mut buffer = self.buffer(length);
                match self.blob.read_now(self.offset, &mut buffer) {
                    Ok(count) => {
                        buffer.truncate(count);
                        let bytes = buffer.freeze();
                        self.pieces.push_back(bytes.clone());
                        Ok(bytes)
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.reading = Some(self.blob.read(self.offset, length));
                        return self.poll(context);
                    }
                    Err(error) => Err(error),
                }
            }
        };
        Poll::Ready(Some(
            bytes.and_then(|bytes| self.took(bytes)).map(Frame::data),
        ))
    }

    /// Puts the next part of the blob down at the outlet, if it is in a file that the system has in memory there: for one
    /// that comes from the disk yet, the whole connection would wait, and others with it.
    fn direct(&self) -> Option<Bytes> {
        let outlet = self.outlet.as_ref().filter(|_| self.check.is_none())?;
        let file = self.blob.file()?;
        let end = self.end.min(self.offset + MAXIMUM_PART as u64);
        let mut byte = [0];
        let is_in_memory = (self.offset..end)
            .step_by(READ_AHEAD)
            .all(|place| matches!(self.blob.read_now(place, &mut byte), Ok(1)));
        let length = usize::try_from(end - self.offset).ok()?;
        is_in_memory.then(|| outlet.put(Arc::clone(file), self.offset, length))
    }

    /// How much is to be read at this place.
    fn next_length(&self, offset: u64) -> usize {
        let piece = self.blob.piece();
        usize::try_from(self.end - offset).map_or(piece, |rest| rest.min(piece))
    }

    /// Begins to read what comes next while what came is sent: who had to wait once will have to again.
    fn read_ahead(&mut self, offset: u64) {
        if offset < self.end {
            let length = self.next_length(offset);
            self.reading = Some(self.blob.read(offset, length));
        }
    }

    /// Takes a piece in on its way out.
    fn took(&mut self, bytes: Bytes) -> io::Result<Bytes> {
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += bytes.len() as u64;
        if let Some(check) = &mut self.check {
            check.hasher.update(&bytes);
        }
        if self.offset == self.end
            && let Some(check) = self.check.take()
        {
            if check.hasher.finish() != check.digest {
                (check.bad)();
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the blob does not have its digest",
                ));
            }
            (check.good)();
        }
        Ok(bytes)
    }

    /// A buffer of this length: one that was sent and is free again, or a new one.
    fn buffer(&mut self, length: usize) -> BytesMut {
        if self.pieces.len() >= PIECES
            && let Some(oldest) = self.pieces.pop_front()
            && let Ok(mut free) = oldest.try_into_mut()
        {
            free.resize(length, 0);
            return free;
        }
        BytesMut::zeroed(length)
    }
}
