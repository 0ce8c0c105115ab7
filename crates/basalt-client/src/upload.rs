//! Blobs as they go: mounted where the registry has them in another repository, else sent, and taken up again where
//! the registry has got to (OCI distribution specification, *Pushing blobs*).

use std::cell::Cell;
use std::io::{self, Read};
use std::thread;

use basalt_digest::Digest;
use basalt_fetch::address;
use basalt_oci::{Descriptor, OciError};
use ureq::http::Method;

use crate::error::ClientError;
use crate::link;
use crate::registry::Ask;
use crate::repository::{Repository, Right, Source};
use crate::retry;
use crate::transport::{Answer, Payload, origin};

/// Blobs up to this size, in bytes, are sent in the one request that ends the upload.
const SMALL: u64 = 1 << 20;
/// How often, in all, an upload is taken up again.
const MAXIMUM_RESUMPTIONS: u32 = 100;

/// Where the bytes of a blob come from; asked once more when they must be sent again.
pub(crate) type Opener<'a> = &'a (dyn Fn() -> Result<Box<dyn Read + Send>, OciError> + Sync);

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The registry had it in another repository.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
}

/// An upload that the registry has begun.
struct Session {
    url: String,
    /// How much of the blob it has, in bytes.
    offset: u64,
}

impl Repository {
    /// Sends a blob that is not there yet; `moved` hears how many bytes went.
    pub(crate) fn send_blob(
        &self,
        blob: &Descriptor,
        mount_from: Option<&str>,
        open: Opener<'_>,
        moved: &dyn Fn(u64),
    ) -> Result<Sent, ClientError> {
        let upload = Upload {
            home: self.home()?,
            blob,
            open,
            moved,
            is_careful: Cell::new(false),
        };
        let mut session = match mount_from {
            Some(from) => match upload.mount(from)? {
                Mounted::Done => return Ok(Sent::Mounted),
                Mounted::Begun(session) => Some(session),
                Mounted::Refused => None,
            },
            None => None,
        };
        upload.run(&mut session)?;
        Ok(Sent::Uploaded)
    }
}

enum Mounted {
    Done,
    Begun(Session),
    Refused,
}

struct Upload<'a> {
    home: &'a Source,
    blob: &'a Descriptor,
    open: Opener<'a>,
    moved: &'a dyn Fn(u64),
    /// Whether the connection broke while a piece was sent: the registry may have refused it, and its answer been lost.
    is_careful: Cell<bool>,
}

impl Upload<'_> {
    /// Sends it, and takes it up again as long as that may help.
    fn run(&self, session: &mut Option<Session>) -> Result<(), ClientError> {
        let limits = *self.home.registry.shared().transport.limits();
        let mut failures = 0;
        let mut resumptions = 0;
        let mut furthest = 0;
        loop {
            let error = match self.attempt(session) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // The registry may have lost the session, or count otherwise than we do: both are seen anew.
            let lost = matches!(
                error,
                ClientError::Status {
                    status: 404 | 416,
                    ..
                }
            );
            failures += 1;
            resumptions += 1;
            let often = failures >= limits.attempts || resumptions > MAXIMUM_RESUMPTIONS;
            if often || !(lost || error.may_pass()) {
                self.cancel(session.take());
                return Err(error);
            }
            let name = self.blob.digest.to_string();
            self.home.registry.tell_of_retry(&name, &error);
            thread::sleep(retry::backoff(limits.backoff, failures));
            // It may have been the answer that was lost, not the blob.
            if let Some(begun) = session.take() {
                if self.is_there()? {
                    return Ok(());
                }
                *session = self.ask(begun)?;
            }
            let offset = session.as_ref().map_or(0, |session| session.offset);
            if offset > furthest {
                furthest = offset;
                failures = 0;
            }
        }
    }

    fn attempt(&self, session: &mut Option<Session>) -> Result<(), ClientError> {
        let mut begun = match session.take() {
            Some(begun) => begun,
            None => self.begin()?,
        };
        if self.blob.size <= SMALL && begun.offset == 0 {
            let mut bytes = Vec::new();
            (self.open)()?
                .take(SMALL + 1)
                .read_to_end(&mut bytes)
                .map_err(OciError::from)?;
            self.check_length(bytes.len() as u64)?;
            *session = Some(Session {
                url: begun.url.clone(),
                offset: 0,
            });
            self.finish(&begun, &bytes)?;
            (self.moved)(self.blob.size);
            return Ok(());
        }
        let mut source: Option<SourceReader> = None;
        let chunk = self.home.registry.shared().chunk;
        while begun.offset < self.blob.size {
            let reader = match &mut source {
                Some(reader) if reader.position == begun.offset => reader,
                other => other.insert(self.source(begun.offset)?),
            };
            let length = chunk.min(self.blob.size - begun.offset);
            *session = Some(Session {
                url: begun.url.clone(),
                offset: begun.offset,
            });
            let next = self.send_chunk(&begun, reader, length)?;
            begun = next;
        }
        // Its own check of the digest comes with its end.
        if let Some(mut reader) = source {
            let mut extra = [0];
            let more = reader.inner.read(&mut extra).map_err(OciError::from)?;
            self.check_length(self.blob.size + more as u64)?;
        }
        *session = Some(Session {
            url: begun.url.clone(),
            offset: begun.offset,
        });
        self.finish(&begun, &[])
    }

    fn check_length(&self, found: u64) -> Result<(), ClientError> {
        if found == self.blob.size {
            return Ok(());
        }
        Err(ClientError::Source(OciError::WrongSize {
            digest: self.blob.digest,
            size: self.blob.size,
            found,
        }))
    }

    /// The bytes from this offset on. What is before them is read too, as only the whole has a digest.
    fn source(&self, offset: u64) -> Result<SourceReader, ClientError> {
        let mut inner = (self.open)()?;
        let skipped = io::copy(&mut (&mut inner).take(offset), &mut io::sink());
        let skipped = skipped.map_err(OciError::from)?;
        if skipped < offset {
            self.check_length(skipped)?;
        }
        Ok(SourceReader {
            inner,
            position: offset,
            failure: None,
        })
    }

    fn ask_of(&self, method: Method, url: String) -> Ask<'_> {
        self.home.ask(method, url, Right::Push)
    }

    /// Begins an upload.
    fn begin(&self) -> Result<Session, ClientError> {
        let mut ask = self.ask_of(Method::POST, self.home.url("blobs/uploads/")?);
        ask.payload = Payload::Bytes(&[]);
        let answer = self.home.registry.call(ask)?;
        match answer.status {
            202 => self.session(answer, 0),
            _ => Err(self.home.refusal(answer)),
        }
    }

    /// Asks the registry to take the blob from another of its repositories.
    fn mount(&self, from: &str) -> Result<Mounted, ClientError> {
        let digest = self.blob.digest;
        let rest = format!("blobs/uploads/?mount={digest}&from={from}");
        let mut ask = self.ask_of(Method::POST, self.home.url(&rest)?);
        ask.payload = Payload::Bytes(&[]);
        ask.scopes.push(format!("repository:{from}:pull"));
        let answer = match self.home.registry.call(ask) {
            Ok(answer) => answer,
            // Who may not read there may still write here.
            Err(ClientError::Unauthorized { .. } | ClientError::Forbidden { .. }) => {
                return Ok(Mounted::Refused);
            }
            Err(error) => return Err(error),
        };
        match answer.status {
            201 => {
                answer.finish();
                Ok(Mounted::Done)
            }
            202 => Ok(Mounted::Begun(self.session(answer, 0)?)),
            _ => {
                answer.finish();
                Ok(Mounted::Refused)
            }
        }
    }

    /// Where the upload goes on, as an answer says: on the same registry.
    fn session(&self, answer: Answer, offset: u64) -> Result<Session, ClientError> {
        let shown = address::shown(&answer.url);
        let Some(location) = answer.header("location") else {
            return Err(ClientError::Protocol {
                url: shown,
                cause: "it does not say where the upload goes on".to_owned(),
            });
        };
        let url = address::resolve(&answer.url, location).unwrap_or_default();
        if origin(&url) != origin(self.home.registry.base()?)
            || !url.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ClientError::Redirect {
                url: shown,
                to: address::shown(&url),
                cause: "an upload stays with its registry; behind a proxy, the registry must know its own address",
            });
        }
        answer.finish();
        Ok(Session { url, offset })
    }

    /// Sends the next piece.
    fn send_chunk(
        &self,
        begun: &Session,
        source: &mut SourceReader,
        length: u64,
    ) -> Result<Session, ClientError> {
        let end = begun.offset + length;
        let mut counted = Counted {
            source,
            left: length,
            moved: self.moved,
        };
        let mut ask = self.ask_of(Method::PATCH, begun.url.clone());
        ask.headers = vec![
            ("Content-Type", "application/octet-stream".to_owned()),
            ("Content-Range", format!("{}-{}", begun.offset, end - 1)),
        ];
        if self.is_careful.get() {
            // The registry says first whether it takes the piece (RFC 9110, section 10.1.1).
            ask.headers.push(("Expect", "100-continue".to_owned()));
        }
        ask.payload = Payload::Stream(&mut counted, length);
        let outcome = self.home.registry.call(ask);
        if matches!(outcome, Err(ClientError::Network { .. })) {
            self.is_careful.set(true);
        }
        if let Some(error) = source.failure.take() {
            return Err(ClientError::Source(error.into()));
        }
        let answer = outcome?;
        if !matches!(answer.status, 201 | 202 | 204) {
            return Err(self.home.refusal(answer));
        }
        let offset = match answer.header("range").and_then(link::received) {
            Some(offset) if offset > end => {
                return Err(ClientError::Protocol {
                    url: address::shown(&answer.url),
                    cause: format!("it has {offset} bytes where {end} were sent"),
                });
            }
            // None of it, or less than before: it would be sent without end.
            Some(offset) if offset <= begun.offset && end > 1 => {
                return Err(ClientError::Network {
                    url: address::shown(&answer.url),
                    reason: format!("it has {offset} bytes where {end} were sent"),
                });
            }
            Some(offset) if end > 1 => offset,
            _ => end,
        };
        self.session(answer, offset)
    }

    /// Ends the upload with its last bytes.
    fn finish(&self, begun: &Session, bytes: &[u8]) -> Result<(), ClientError> {
        let gap = if begun.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{gap}digest={}", begun.url, self.blob.digest);
        let mut ask = self.ask_of(Method::PUT, url);
        ask.headers = vec![("Content-Type", "application/octet-stream".to_owned())];
        ask.payload = Payload::Bytes(bytes);
        let answer = self.home.registry.call(ask)?;
        if !matches!(answer.status, 201 | 204) {
            return Err(self.home.refusal(answer));
        }
        let said: Option<Digest> = answer
            .header("docker-content-digest")
            .and_then(|text| text.parse().ok());
        if let Some(found) = said.filter(|found| *found != self.blob.digest) {
            return Err(ClientError::Untrusted {
                url: address::shown(&answer.url),
                cause: format!("it took blob {} for {found}", self.blob.digest),
            });
        }
        answer.finish();
        Ok(())
    }

    fn is_there(&self) -> Result<bool, ClientError> {
        let url = self.home.url(&format!("blobs/{}", self.blob.digest))?;
        let answer = self.home.registry.call(self.ask_of(Method::HEAD, url))?;
        Ok(answer.status == 200)
    }

    /// How much of an upload the registry has; none if it no longer knows it.
    fn ask(&self, begun: Session) -> Result<Option<Session>, ClientError> {
        let answer = match self
            .home
            .registry
            .call(self.ask_of(Method::GET, begun.url.clone()))
        {
            Ok(answer) => answer,
            // A registry that cannot tell gets the whole once more.
            Err(error) if error.may_pass() => return Ok(None),
            Err(error) => return Err(error),
        };
        let offset = answer.header("range").and_then(link::received);
        match (answer.status, offset) {
            (204 | 200 | 202, Some(offset)) if offset <= self.blob.size => {
                if answer.header("location").is_some() {
                    return self.session(answer, offset).map(Some);
                }
                answer.finish();
                Ok(Some(Session {
                    url: begun.url,
                    offset,
                }))
            }
            _ => {
                answer.finish();
                Ok(None)
            }
        }
    }

    /// Tells the registry that an upload will not be ended. If it does not hear that, it finds out by itself.
    fn cancel(&self, session: Option<Session>) {
        let Some(session) = session else {
            return;
        };
        let _ = self
            .home
            .registry
            .call(self.ask_of(Method::DELETE, session.url))
            .map(Answer::finish);
    }
}

/// Bytes to be sent, from a place that may fail for reasons of its own.
struct SourceReader {
    inner: Box<dyn Read + Send>,
    position: u64,
    failure: Option<io::Error>,
}

/// One piece of them.
struct Counted<'a, 'b> {
    source: &'a mut SourceReader,
    left: u64,
    moved: &'b dyn Fn(u64),
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(part) = buffer.get_mut(..room).filter(|part| !part.is_empty()) else {
            return Ok(0);
        };
        match self.source.inner.read(part) {
            Ok(0) => {
                let reason = "what was to be sent ended early";
                self.source.failure = Some(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason))
            }
            Ok(count) => {
                self.left -= count as u64;
                self.source.position += count as u64;
                (self.moved)(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let told = io::Error::new(error.kind(), "what was to be sent cannot be read");
                self.source.failure = Some(error);
                Err(told)
            }
        }
    }
}
