//! What a bad mirror may try. It gets nothing into the cache.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use basalt_digest::Digest;
use basalt_fetch::{
    Cache, FetchError, FetchOptions, Fetcher, Limits, Mirrors, Provenance, Request, Silent,
};

const CONTENT: &[u8] = b"the bytes that the signed index promises";

/// A mirror on the loopback that answers each request, given as text, by a closure.
fn mirror(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            answer(&String::from_utf8_lossy(&request), &mut stream);
        }
    });
    format!("http://{address}")
}

fn send(stream: &mut TcpStream, text: &str, body: &[u8]) {
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.write_all(body);
}

fn fetcher(folder: &tempfile::TempDir, url: &str) -> Fetcher {
    let limits = Limits {
        connect: Duration::from_secs(2),
        read: Duration::from_millis(500),
        minimum_rate: 1000,
        grace: Duration::from_millis(300),
        backoff: Duration::from_millis(1),
        ..Limits::default()
    };
    let mirror = url.parse().expect("a URL");
    let mirrors = Mirrors::only(BTreeMap::from([("debian".to_owned(), vec![mirror])]));
    let cache = Cache::open(folder.path()).expect("a cache");
    let options = FetchOptions {
        limits,
        ..FetchOptions::default()
    };
    Fetcher::new(cache, mirrors, options, Arc::new(Silent))
}

fn request() -> Request {
    Request {
        archive: "debian".to_owned(),
        path: "pool/a.deb".to_owned(),
        digest: Digest::of(CONTENT).into(),
        size: CONTENT.len() as u64,
        by_hash: false,
        state: None,
    }
}

fn refused(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> FetchError {
    let folder = tempfile::tempdir().expect("a folder");
    let fetcher = fetcher(&folder, &mirror(answer));
    let error = fetcher
        .fetch_blob(&request())
        .expect_err("it must be refused");
    let size = fetcher.cache().size().expect("a size");
    assert_eq!(
        size,
        basalt_fetch::cache::CacheSize::default(),
        "something is in the cache"
    );
    error
}

#[test]
fn takes_what_was_promised() {
    let folder = tempfile::tempdir().expect("a folder");
    let fetcher = fetcher(
        &folder,
        &mirror(|_, stream| {
            send(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
                CONTENT,
            );
        }),
    );
    fetcher.fetch_many(&[request()], 2).expect("fetched");
    let bytes = fetcher.cache().get(&Digest::of(CONTENT)).expect("read");
    assert_eq!(bytes.as_deref(), Some(CONTENT));
}

#[test]
fn refuses_a_truncated_body() {
    let error = refused(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            &CONTENT[..10],
        );
    });
    assert!(
        matches!(error, FetchError::Short { .. } | FetchError::Network { .. }),
        "{error}"
    );
}

#[test]
fn refuses_an_endless_body() {
    let error = refused(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"");
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    assert!(
        matches!(error, FetchError::TooLong { limit: 40, .. }),
        "{error}"
    );
}

#[test]
fn refuses_a_size_other_than_signed() {
    let error = refused(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n",
            CONTENT,
        );
    });
    assert!(
        matches!(
            error,
            FetchError::Size {
                announced: 41,
                expected: 40,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn refuses_wrong_bytes_of_the_right_size() {
    let error = refused(|_, stream| {
        send(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
            &[b'x'; 40],
        );
    });
    assert!(matches!(error, FetchError::Digest { .. }), "{error}");
}

#[test]
fn refuses_a_redirect_loop() {
    let error = refused(|_, stream| {
        let head = "HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        send(stream, head, b"");
    });
    assert!(
        matches!(error, FetchError::Redirects { limit: 5, .. }),
        "{error}"
    );
}

#[test]
fn refuses_a_redirect_to_a_local_file() {
    let error = refused(|_, stream| {
        let head =
            "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n";
        send(stream, head, b"");
    });
    assert!(
        matches!(error, FetchError::RedirectRefused { .. }),
        "{error}"
    );
}

#[test]
fn gives_up_on_a_slow_loris() {
    let start = Instant::now();
    let error = refused(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", b"");
        for byte in [b'x'; 4] {
            thread::sleep(Duration::from_millis(200));
            let _ = stream.write_all(&[byte]);
        }
    });
    assert!(
        matches!(
            error,
            FetchError::TooSlow { .. } | FetchError::Network { .. }
        ),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn resumes_where_a_body_was_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let fetcher = fetcher(
        &folder,
        &mirror(|request, stream| {
            if request.to_ascii_lowercase().contains("range: bytes=10-") {
                let head = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-39/40\r\nContent-Length: 30\r\n\r\n";
                send(stream, head, &CONTENT[10..]);
            } else {
                send(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
                    &CONTENT[..10],
                );
            }
        }),
    );
    fetcher.fetch_blob(&request()).expect("resumed");
    assert!(
        fetcher
            .cache()
            .get(&Digest::of(CONTENT))
            .expect("read")
            .is_some()
    );
}

#[test]
fn an_unverified_release_file_is_not_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let fetcher = fetcher(
        &folder,
        &mirror(|request, stream| {
            if request
                .to_ascii_lowercase()
                .contains("if-none-match: \"1\"")
            {
                send(stream, "HTTP/1.1 304 Not Modified\r\n\r\n", b"");
            } else {
                send(
                    stream,
                    "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\n\r\n",
                    b"hi",
                );
            }
        }),
    );
    let file = fetcher
        .release_file("debian", "trixie", true)
        .expect("fetched");
    let again = fetcher
        .release_file("debian", "trixie", true)
        .expect("fetched");
    assert_eq!(again.provenance, Provenance::Mirror);
    fetcher.remember_release(&file).expect("remembered");
    let third = fetcher
        .release_file("debian", "trixie", true)
        .expect("fetched");
    assert_eq!(
        (third.provenance, third.text),
        (Provenance::Unchanged, file.text)
    );
}
