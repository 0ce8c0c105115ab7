//! What upstreams are asked: manifests, blobs, lists. Nothing that comes is believed: whoever takes it compares digests.

use std::io::Read;
use std::time::Duration;

use basalt_client::{ACCEPTED, Answer, ClientError, Method, Repository};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Trouble;
use crate::digest::Digest;
use crate::manifest::MAXIMUM_MANIFEST;

/// How much of a blob is read at once.
const PIECE: usize = 64 << 10;
/// How often a blob is taken up again where it broke off, since bytes came last.
const ATTEMPTS: u32 = 4;
/// The wait before that, doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);

/// What an upstream says of a manifest, or a blob, without giving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its digest, if that was said.
    pub digest: Option<Digest>,
    /// Its length, if that was said.
    pub length: Option<u64>,
}

/// A manifest as an upstream gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its bytes.
    pub bytes: Bytes,
    /// The digest that was said to be its.
    pub digest: Option<Digest>,
    /// The media type that it was sent as, if that tells something.
    pub media_type: Option<String>,
}

/// What comes of a blob.
#[derive(Debug)]
pub enum Arrived {
    /// How long it is to be, if that is said: first of all.
    Length(Option<u64>),
    /// The next bytes.
    Bytes(Bytes),
}

/// What a tag is now.
///
/// # Errors
/// When the upstream does not say.
pub fn head(repository: &Repository, rest: &str) -> Result<Head, Trouble> {
    let answer = exchange(repository, Method::HEAD, rest, accept())?;
    let (answer, is_read) = match basalt_client::is_head_refused(answer.status) {
        true => (exchange(repository, Method::GET, rest, accept())?, false),
        false => (answer, true),
    };
    let answer = sound(answer)?;
    let digest = answer.header("docker-content-digest");
    let digest = digest.and_then(|digest| digest.parse().ok());
    let length = answer.length();
    // The body of a GET that took its place may be long: the connection is given up for it.
    if is_read {
        answer.finish();
    }
    Ok(Head { digest, length })
}

/// A manifest by tag or digest.
///
/// # Errors
/// When the upstream does not give it, or gives one that is too long.
pub fn manifest(repository: &Repository, reference: &str) -> Result<Manifest, Trouble> {
    let rest = format!("manifests/{reference}");
    let answer = sound(exchange(repository, Method::GET, &rest, accept())?)?;
    // What servers of files say of any file tells nothing: then the manifest says what it is.
    let is_told = |kind: &&str| {
        kind.trim()
            .to_ascii_lowercase()
            .starts_with("application/vnd.")
    };
    let media_type = answer
        .header("content-type")
        .filter(is_told)
        .map(str::to_owned);
    let digest = answer.header("docker-content-digest");
    let digest = digest.and_then(|digest| digest.parse().ok());
    let bytes = answer.bytes(MAXIMUM_MANIFEST as u64);
    let bytes = bytes.map_err(|error| Trouble::of(&error))?.into();
    Ok(Manifest {
        bytes,
        digest,
        media_type,
    })
}

/// A blob, given to `take` as it comes, and taken up again where it breaks off, until it is over or `take` wants no more.
///
/// # Errors
/// When the upstream does not give it to its end.
pub fn blob(
    repository: &Repository,
    digest: &Digest,
    mut take: impl FnMut(Arrived) -> bool,
) -> Result<(), Trouble> {
    let rest = format!("blobs/{digest}");
    let answer = sound(exchange(repository, Method::GET, &rest, Vec::new())?)?;
    let length = answer.length();
    if !take(Arrived::Length(length)) {
        return Ok(());
    }
    let mut answer = Some(answer);
    let (mut position, mut failures) = (0, 0);
    loop {
        let asked = match answer.take() {
            Some(answer) => Ok(answer),
            None => resumed(repository, &rest, position, length),
        };
        let before = position;
        let ended = asked.and_then(|answer| {
            let limit = length.map_or(u64::MAX, |length| length - position);
            stream(answer, limit, &mut position, &mut take)
        });
        let is_whole = length.is_none_or(|length| position == length);
        let trouble = match ended {
            Ok(false) => return Ok(()),
            Ok(true) if is_whole => return Ok(()),
            Ok(true) => Trouble::Failing {
                cause: format!(
                    "its answer ended after {position} of {} bytes",
                    length.unwrap_or(0)
                ),
                wait: None,
            },
            Err(trouble) => trouble,
        };
        failures = if position > before { 1 } else { failures + 1 };
        // Without a length, nothing tells the end from a break.
        if !trouble.is_passing() || length.is_none() || failures >= ATTEMPTS {
            return Err(trouble);
        }
        std::thread::sleep(BACKOFF.saturating_mul(1 << failures));
    }
}

/// Reads an answer to its end, or until nobody wants more: then it is false.
fn stream(
    answer: Answer,
    limit: u64,
    position: &mut u64,
    take: &mut impl FnMut(Arrived) -> bool,
) -> Result<bool, Trouble> {
    let mut body = answer.into_reader().take(limit);
    let mut buffer = vec![0; PIECE];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                *position += count as u64;
                let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                if !take(Arrived::Bytes(bytes)) {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Trouble::Failing {
                    cause: format!("its answer broke off: {error}"),
                    wait: None,
                });
            }
        }
    }
}

/// The rest of a blob, from this place on.
fn resumed(
    repository: &Repository,
    rest: &str,
    position: u64,
    length: Option<u64>,
) -> Result<Answer, Trouble> {
    let range = vec![("Range", format!("bytes={position}-"))];
    let answer = exchange(repository, Method::GET, rest, range)?;
    let begins = match answer.status {
        200 if position == 0 => 0,
        206 => basalt_fetch::connection::range_start(answer.header("content-range"))
            .unwrap_or(u64::MAX),
        200 => {
            let cause = "it gives blobs from their beginning alone".to_owned();
            return Err(Trouble::Untrusted(cause));
        }
        status => return Err(Trouble::status(status, answer.retry_after())),
    };
    let fits = |rest: u64| begins.checked_add(rest) == length;
    if begins != position || !answer.length().is_none_or(fits) {
        let cause = "it gives another part of a blob than it was asked for".to_owned();
        return Err(Trouble::Untrusted(cause));
    }
    Ok(answer)
}

/// All tags, sorted.
///
/// # Errors
/// When the upstream does not give them.
pub fn tags(repository: &Repository) -> Result<Vec<String>, Trouble> {
    repository.list_tags().map_err(|error| Trouble::of(&error))
}

/// What refers to a manifest, as descriptors.
///
/// # Errors
/// When the upstream does not give it.
pub fn referrers(
    repository: &Repository,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Vec<Value>, Trouble> {
    // The client knows digests of SHA-256; of others no list is had.
    let Ok(subject) = subject.as_str().parse() else {
        return Ok(Vec::new());
    };
    let found = repository.list_referrers(&subject, artifact_type);
    let found = found.map_err(|error| Trouble::of(&error))?;
    Ok(found.iter().map(|one| json!(one)).collect())
}

fn accept() -> Vec<(&'static str, String)> {
    vec![("Accept", ACCEPTED.to_owned())]
}

fn exchange(
    repository: &Repository,
    method: Method,
    rest: &str,
    headers: Vec<(&'static str, String)>,
) -> Result<Answer, Trouble> {
    let answer = repository.exchange(method, rest, headers);
    answer.map_err(|error: ClientError| Trouble::of(&error))
}

/// An answer of status 200.
fn sound(answer: Answer) -> Result<Answer, Trouble> {
    match answer.status {
        200 => Ok(answer),
        status => {
            let wait = answer.retry_after();
            answer.finish();
            Err(Trouble::status(status, wait))
        }
    }
}
