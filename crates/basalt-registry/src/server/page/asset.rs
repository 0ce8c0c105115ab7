//! The files that pages need: compiled in, with their digest in their address, so that they are asked for once.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

use super::shell;
use crate::digest::{Algorithm, Digest};
use crate::route::Asset;
use crate::server::body::Body;
use crate::server::request::{Outcome, Reply, Request};

struct File {
    media_type: &'static str,
    plain: Bytes,
    zipped: Bytes,
    version: String,
}

static FILES: LazyLock<[File; 3]> = LazyLock::new(|| {
    Asset::ALL.map(|asset| {
        let (media_type, text) = match asset {
            Asset::Style => ("text/css; charset=utf-8", include_str!("files/basalt.css")),
            Asset::Script => (
                "text/javascript; charset=utf-8",
                include_str!("files/basalt.js"),
            ),
            Asset::Icon => ("image/svg+xml", include_str!("files/basalt.svg")),
        };
        let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
        File {
            media_type,
            plain: Bytes::from_static(text.as_bytes()),
            zipped: shell::zipped(text.as_bytes()).into(),
            version: super::text::digest(digest.as_str()),
        }
    })
});

fn file(asset: Asset) -> &'static File {
    match asset {
        Asset::Style => &FILES[0],
        Asset::Script => &FILES[1],
        Asset::Icon => &FILES[2],
    }
}

/// Where a file is, as it is now.
pub fn link(asset: Asset) -> String {
    format!("{}?v={}", asset.path(), file(asset).version)
}

/// Sends a file.
///
/// # Errors
/// Never.
pub fn send(request: &Request, asset: Asset) -> Outcome {
    let file = file(asset);
    let is_zipped = request.text(ACCEPT_ENCODING).is_some_and(shell::takes_gzip);
    let (bytes, end) = match is_zipped {
        true => (file.zipped.clone(), "-gzip"),
        false => (file.plain.clone(), ""),
    };
    let etag = format!("\"{}{end}\"", file.version);
    let is_known = request
        .text(IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag));
    let length = bytes.len() as u64;
    let mut reply = match (is_known, request.is_head()) {
        (true, _) => Reply::empty(StatusCode::NOT_MODIFIED),
        (false, true) => Reply::empty(StatusCode::OK),
        (false, false) => Reply::of(Body::Full(bytes)),
    };
    reply.length = Some(length);
    if is_zipped {
        reply = reply.header("content-encoding", "gzip");
    }
    Ok(shell::protected(reply)
        .header("content-type", file.media_type)
        .header("cache-control", "public, max-age=604800, immutable")
        .header("vary", "Accept-Encoding")
        .header("etag", etag))
}
