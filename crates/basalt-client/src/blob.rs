//! Blobs as they come: compared with their digest, never one byte more than promised, and taken up again where they
//! broke off.

use std::io::{self, Read};
use std::thread;

use basalt_digest::{Digest, Hasher};
use basalt_fetch::{address, connection};
use basalt_oci::{Descriptor, OciError};
use ureq::http::Method;

use crate::error::ClientError;
use crate::repository::{Repository, Right, Source, is_head_refused};
use crate::retry;

/// How often, in all, a blob is taken up again.
const MAXIMUM_RESUMPTIONS: u32 = 100;

type Body = Box<dyn Read + Send>;

impl Repository {
    /// Whether the place itself has a blob.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, ClientError> {
        let home = self.home()?;
        let url = home.url(&format!("blobs/{digest}"))?;
        let answer = home
            .registry
            .call(home.ask(Method::HEAD, url, Right::Pull))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            status if is_head_refused(status) => self.gives_blob(digest),
            _ => Err(home.refusal(answer)),
        }
    }

    /// Whether the place gives a blob, where it has no HEAD: its first byte is asked for, and no body is read.
    fn gives_blob(&self, digest: &Digest) -> Result<bool, ClientError> {
        let home = self.home()?;
        let url = home.url(&format!("blobs/{digest}"))?;
        let mut ask = home.ask(Method::GET, url, Right::Pull);
        ask.headers.push(("Range", "bytes=0-0".to_owned()));
        let answer = home.registry.call(ask)?;
        match answer.status {
            // An empty blob has no first byte.
            200 | 206 | 416 => Ok(true),
            404 => Ok(false),
            _ => Err(home.refusal(answer)),
        }
    }

    /// Opens a blob. Reading it to its end fails when it is not what the descriptor says.
    ///
    /// # Errors
    /// When it is missing, or announced with another size.
    pub fn open_blob(&self, blob: &Descriptor) -> Result<impl Read + Send + use<>, ClientError> {
        let opened = self.first(
            |source| source.digests,
            |source| match open(source, blob, 0)? {
                Some(body) => Ok(Some((source.clone(), body))),
                None => Ok(None),
            },
        )?;
        let (source, body) = opened.ok_or_else(|| ClientError::NotFound {
            place: self.name().to_owned(),
            what: format!("blob {}", blob.digest),
        })?;
        Ok(BlobReader {
            source,
            blob: blob.clone(),
            position: 0,
            hasher: Some(Hasher::new()),
            body: Some(body),
            failures: 0,
            resumptions: 0,
        })
    }
}

/// Asks for a blob from this position on.
fn open(source: &Source, blob: &Descriptor, position: u64) -> Result<Option<Body>, ClientError> {
    let url = source.url(&format!("blobs/{}", blob.digest))?;
    let mut ask = source.ask(Method::GET, url, Right::Pull);
    if position > 0 {
        ask.headers.push(("Range", format!("bytes={position}-")));
    }
    let answer = source.registry.call(ask)?;
    let url = address::shown(&answer.url);
    let untrusted = |cause: String| ClientError::Untrusted {
        url: url.clone(),
        cause,
    };
    let begins = match answer.status {
        200 => 0,
        206 => match connection::range_start(answer.header("content-range")) {
            Some(begins) if begins <= position => begins,
            _ => {
                return Err(untrusted(
                    "it sends another part than was asked for".to_owned(),
                ));
            }
        },
        404 => {
            answer.finish();
            return Ok(None);
        }
        _ => return Err(source.refusal(answer)),
    };
    if let Some(length) = answer.length()
        && begins.checked_add(length) != Some(blob.size)
    {
        return Err(untrusted(format!(
            "it announces {} bytes of blob {}, whose descriptor says {}",
            begins.saturating_add(length),
            blob.digest,
            blob.size
        )));
    }
    let mut body: Body = Box::new(answer.into_reader());
    let skipped = io::copy(&mut (&mut body).take(position - begins), &mut io::sink());
    match skipped {
        Ok(count) if count == position - begins => Ok(Some(body)),
        Ok(_) => Err(ClientError::Network {
            url,
            reason: "the body ended early".to_owned(),
        }),
        Err(error) => Err(ClientError::Network {
            url,
            reason: error.to_string(),
        }),
    }
}

/// A blob that is read.
struct BlobReader {
    source: Source,
    blob: Descriptor,
    position: u64,
    /// None once the end was reached.
    hasher: Option<Hasher>,
    body: Option<Body>,
    /// Failures since bytes came last.
    failures: u32,
    resumptions: u32,
}

impl BlobReader {
    /// Waits and lets the next read take it up again; an error when that has been done often enough.
    fn give_up_or_wait(&mut self, error: ClientError) -> io::Result<()> {
        self.body = None;
        self.failures += 1;
        self.resumptions += 1;
        let registry = &self.source.registry;
        let limits = registry.shared().transport.limits();
        if self.failures >= limits.attempts || self.resumptions > MAXIMUM_RESUMPTIONS {
            return Err(self.wrapped(error));
        }
        registry.tell_of_retry(&self.blob.digest.to_string(), &error);
        thread::sleep(retry::backoff(limits.backoff, self.failures));
        Ok(())
    }

    fn ended_early(&mut self) -> io::Result<()> {
        let (position, size) = (self.position, self.blob.size);
        let reason = format!("the body ended after {position} of {size} bytes");
        let error = self.network(reason);
        self.give_up_or_wait(error)
    }

    fn network(&self, reason: String) -> ClientError {
        ClientError::Network {
            url: format!(
                "{}/{}@{}",
                self.source.registry.host(),
                self.source.name,
                self.blob.digest
            ),
            reason,
        }
    }

    fn wrapped(&self, error: ClientError) -> io::Error {
        let place = format!("{}/{}", self.source.registry.host(), self.source.name);
        io::Error::other(error.at(place))
    }

    /// Compares the digest, once all bytes are there and no more come.
    fn end(&mut self) -> io::Result<usize> {
        let mut extra = [0];
        let more = match self.body.take() {
            // A connection that breaks behind the last byte does no harm.
            Some(mut body) => body.read(&mut extra).unwrap_or(0),
            None => 0,
        };
        if more > 0 {
            return Err(self.wrapped(ClientError::TooLong {
                url: self.blob.digest.to_string(),
                limit: self.blob.size,
            }));
        }
        let Some(hasher) = self.hasher.take() else {
            return Ok(0);
        };
        let (digest, found) = (self.blob.digest, hasher.finish());
        if found != digest {
            let error = OciError::WrongDigest { digest, found };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(0)
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.hasher.is_none() {
            return Ok(0);
        }
        loop {
            let left = self.blob.size - self.position;
            if left == 0 {
                return self.end();
            }
            let Some(body) = &mut self.body else {
                match open(&self.source, &self.blob, self.position) {
                    Ok(Some(body)) => self.body = Some(body),
                    Ok(None) => {
                        let error = self.network("it is no longer there".to_owned());
                        return Err(self.wrapped(error));
                    }
                    Err(error) if error.may_pass() => self.give_up_or_wait(error)?,
                    Err(error) => return Err(self.wrapped(error)),
                }
                continue;
            };
            let room = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let part = buffer.get_mut(..room).unwrap_or_default();
            match body.read(part) {
                Ok(0) => self.ended_early()?,
                Ok(count) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(part.get(..count).unwrap_or_default());
                    }
                    self.position += count as u64;
                    self.failures = 0;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended_early()?;
                }
                Err(error) => {
                    let error = self.network(error.to_string());
                    self.give_up_or_wait(error)?;
                }
            }
        }
    }
}
