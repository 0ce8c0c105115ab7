//! How servers are reached: by proxies, with passwords and certificates, and what goes to whom.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use basalt_digest::Digest;
use basalt_fetch::logins::{Form, LoginFile};
use basalt_fetch::proxy::Proxies;
use basalt_fetch::{
    Cache, FetchError, FetchOptions, Fetcher, Identity, Limits, Logins, Mirrors, Request, Silent,
    Trust,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const CONTENT: &[u8] = b"the bytes that the signed index promises";
/// The path of a file, and how it stands in a request, as apt writes it.
const PATH: &str = "pool/a+b~1 c_%3a.deb";
const ENCODED: &str = "pool/a%2bb%7e1%20c_%253a.deb";

/// The heads of the requests that came.
type Log = Arc<Mutex<Vec<String>>>;

fn logged(log: &Log) -> Vec<String> {
    log.lock().expect("whole").clone()
}

fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A header's value.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn found() -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        CONTENT.len()
    );
    [head.as_bytes(), CONTENT].concat()
}

/// A server on this machine; its port, and what it was asked.
fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (u16, Log) {
    serve(move |mut stream, log| {
        loop {
            let asked = head(&mut stream);
            if asked.is_empty() {
                return;
            }
            log.lock().expect("whole").push(asked.clone());
            let _ = stream.write_all(&answer(&asked));
        }
    })
}

fn serve(each: impl Fn(TcpStream, &Log) + Send + Sync + 'static) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let log = Log::default();
    let (each, kept) = (Arc::new(each), log.clone());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (each, log) = (each.clone(), kept.clone());
            thread::spawn(move || each(stream, &log));
        }
    });
    (port, log)
}

/// A proxy that forwards requests of http and refuses each tunnel but those to one port, as Debian's squid does with all
/// but 443. It wants a user name and a password when `wanted` is that.
fn proxy(tunnel: Option<u16>, wanted: Option<&'static str>) -> (u16, Log) {
    serve(move |mut stream, log| {
        loop {
            let asked = head(&mut stream);
            if asked.is_empty() {
                return;
            }
            log.lock().expect("whole").push(asked.clone());
            if header(&asked, "proxy-authorization") != wanted {
                let refusal = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(refusal.as_bytes());
                continue;
            }
            let mut words = asked.split(' ');
            let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if method == "CONNECT" {
                let port = target
                    .rsplit_once(':')
                    .and_then(|(_, port)| port.parse().ok());
                if port.is_none() || port != tunnel {
                    let _ =
                        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                    return;
                }
                let Ok(other) = TcpStream::connect(("127.0.0.1", port.unwrap_or(0))) else {
                    return;
                };
                let _ = stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
                join(stream, other);
                return;
            }
            let Some(rest) = target.strip_prefix("http://") else {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                return;
            };
            // What is meant for the proxy goes no further; names are looked up here alone.
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
            let own = |line: &&str| !line.to_ascii_lowercase().starts_with("proxy-");
            let lines: Vec<&str> = asked.split("\r\n").skip(1).filter(own).collect();
            let Ok(mut other) = TcpStream::connect(format!("127.0.0.1:{port}")) else {
                return;
            };
            let _ = other.write_all(
                format!("{method} /{path} HTTP/1.1\r\n{}", lines.join("\r\n")).as_bytes(),
            );
            let answer = head(&mut other);
            let length = header(&answer, "content-length").and_then(|length| length.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = other.read_exact(&mut body);
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.write_all(&body);
        }
    })
}

fn join(one: TcpStream, other: TcpStream) {
    let (mut from, mut to) = (
        one.try_clone().expect("cloned"),
        other.try_clone().expect("cloned"),
    );
    let back = thread::spawn(move || {
        let (mut one, mut other) = (one, other);
        let _ = io::copy(&mut other, &mut one);
        let _ = one.shutdown(std::net::Shutdown::Both);
    });
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

/// A server that speaks TLS with one of the certificates; `wants_ours` when it lets in only who shows one of the CA.
fn protected_server(
    name: &str,
    wants_ours: bool,
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> (u16, Log) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(certificate(&format!("{name}.pem")))
        .and_then(Iterator::collect)
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).expect("a key");
    let verifier = match wants_ours {
        true => {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_file(certificate("ca.pem")).expect("a certificate");
            roots.add(ca).expect("added");
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .expect("a verifier")
        }
        false => WebPkiClientVerifier::no_client_auth(),
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("a configuration");
    let config = Arc::new(config);
    serve(move |stream, log| {
        log.lock().expect("whole").push("connected".to_owned());
        let connection = ServerConnection::new(config.clone()).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        loop {
            let asked = head(&mut stream);
            if asked.is_empty() {
                return;
            }
            log.lock().expect("whole").push(asked.clone());
            let _ = stream.write_all(&answer(&asked));
            let _ = stream.flush();
        }
    })
}

fn options() -> FetchOptions {
    FetchOptions {
        limits: Limits {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(5),
            backoff: Duration::from_millis(1),
            ..Limits::default()
        },
        proxies: Some(Proxies::none()),
        ..FetchOptions::default()
    }
}

fn by(proxy: &str) -> FetchOptions {
    let proxy = proxy.to_owned();
    let variable = move |name: &str| (name == "all_proxy").then(|| proxy.clone());
    FetchOptions {
        proxies: Some(Proxies::of(variable)),
        ..options()
    }
}

/// Trusts the tests' CA alone of those in the folder.
fn trusting() -> FetchOptions {
    FetchOptions {
        trust: Trust {
            authorities: vec![certificate("ca.pem")],
            ..Trust::default()
        },
        ..options()
    }
}

fn fetch(mirror: &str, options: FetchOptions) -> Result<(), FetchError> {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(folder.path()).expect("a cache");
    let mirror = mirror.parse().unwrap_or_else(|error| panic!("{error}"));
    let mirrors = Mirrors::only(BTreeMap::from([("debian".to_owned(), vec![mirror])]));
    let fetcher = Fetcher::new(cache, mirrors, options, Arc::new(Silent));
    fetcher.fetch_blob(&Request {
        archive: "debian".to_owned(),
        path: PATH.to_owned(),
        digest: Digest::of(CONTENT).into(),
        size: CONTENT.len() as u64,
        by_hash: false,
        state: None,
    })
}

#[test]
fn a_name_with_plus_and_tilde_is_asked_for_as_apt_does() {
    let (port, log) = server(|_| found());
    fetch(&format!("http://127.0.0.1:{port}/de%20b+ian~"), options()).expect("fetched");
    let asked = logged(&log);
    let first = asked[0].lines().next();
    assert_eq!(
        first,
        Some(format!("GET /de%20b+ian~/{ENCODED} HTTP/1.1").as_str())
    );
}

#[test]
fn a_folder_with_special_letters_is_a_mirror() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("a b+c%25~");
    std::fs::create_dir_all(place.join("pool")).expect("made");
    std::fs::write(place.join(PATH), CONTENT).expect("written");
    let url = format!("file://{}/a%20b+c%2525~", folder.path().display());
    fetch(&url, options()).expect("fetched");
}

#[test]
fn http_goes_to_a_proxy_as_a_whole_url_and_never_as_a_tunnel() {
    let (port, log) = server(|_| found());
    let (proxy, passed) = proxy(None, None);
    // A name that only the proxy can look up.
    let mirror = format!("http://me:secret@mirror.test:{port}/debian");
    fetch(&mirror, by(&format!("http://127.0.0.1:{proxy}"))).expect("fetched");
    let (asked, passed) = (logged(&log), logged(&passed));
    let first = passed[0].lines().next();
    let wanted = format!("GET http://mirror.test:{port}/debian/{ENCODED} HTTP/1.1");
    assert_eq!(first, Some(wanted.as_str()));
    assert_eq!(
        header(&passed[0], "host"),
        Some(format!("mirror.test:{port}").as_str())
    );
    assert_eq!(
        header(&asked[0], "authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
    assert!(!passed[0].contains("secret"));
}

#[test]
fn https_goes_through_a_tunnel_of_the_proxy() {
    let (port, log) = protected_server("server", false, |_| found());
    let (proxy, passed) = proxy(Some(port), Some("Basic YWw6b3BlbiBzZXNhbWU="));
    let trust = trusting().trust;
    let options = FetchOptions {
        trust,
        ..by(&format!("http://al:open%20sesame@127.0.0.1:{proxy}"))
    };
    fetch(&format!("https://localhost:{port}/debian"), options).expect("fetched");
    assert!(logged(&passed)[0].starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")));
    let asked = logged(&log);
    assert!(
        asked[1].starts_with(&format!("GET /debian/{ENCODED} ")),
        "{asked:?}"
    );
    assert_eq!(header(&asked[1], "proxy-authorization"), None);
}

#[test]
fn a_proxy_gets_its_password_decoded_and_who_is_behind_it_does_not() {
    let (port, log) = server(|_| found());
    let (proxy, passed) = proxy(None, Some("Basic YUBiOmM6ZC8="));
    let mirror = format!("http://127.0.0.1:{port}/debian");
    let right = format!("http://a%40b:c%3Ad%2F@127.0.0.1:{proxy}");
    fetch(&mirror, by(&right)).expect("fetched");
    assert_eq!(header(&logged(&log)[0], "proxy-authorization"), None);
    let wrong = fetch(
        &mirror,
        by(&format!("http://a:wrongword@127.0.0.1:{proxy}")),
    );
    let error = wrong.expect_err("refused").to_string();
    assert!(
        error.contains("proxy") && !error.contains("wrongword"),
        "{error}"
    );
    assert!(
        logged(&passed)
            .iter()
            .all(|asked| asked.starts_with("GET http://"))
    );
}

#[test]
fn a_proxy_is_kept_for_the_next_request() {
    let (port, _) = server(|_| found());
    let (proxy, passed) = proxy(None, Some("Basic YTpi"));
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(folder.path()).expect("a cache");
    let mirror = format!("http://127.0.0.1:{port}/debian")
        .parse()
        .expect("a URL");
    let mirrors = Mirrors::only(BTreeMap::from([("debian".to_owned(), vec![mirror])]));
    let options = by(&format!("http://a:b@127.0.0.1:{proxy}"));
    let fetcher = Fetcher::new(cache, mirrors, options, Arc::new(Silent));
    for name in ["a", "b", "c"] {
        let bytes = fetcher
            .get_index_file("debian", name, 1000)
            .expect("fetched");
        assert_eq!(bytes, CONTENT);
    }
    let lines: Vec<String> = logged(&passed)
        .iter()
        .filter_map(|head| Some(head.lines().next()?.to_owned()))
        .collect();
    let line = |name| format!("GET http://127.0.0.1:{port}/debian/{name} HTTP/1.1");
    assert_eq!(lines, ["a", "b", "c"].map(line));
}

#[test]
fn a_socks_proxy_is_refused_in_words() {
    for proxy in [
        "socks5://127.0.0.1:1",
        "socks5h://me:secret@h:1",
        "socks4a://h",
    ] {
        let error = fetch("http://127.0.0.1:1/d", by(proxy)).expect_err("refused");
        assert!(matches!(error, FetchError::Proxy(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_password_in_a_mirror_is_decoded() {
    let (port, log) = server(|_| found());
    let mirror = format!("http://user%40corp:pa%3Ass%2f@127.0.0.1:{port}/debian");
    fetch(&mirror, options()).expect("fetched");
    // user@corp:pa:ss/
    assert_eq!(
        header(&logged(&log)[0], "authorization"),
        Some("Basic dXNlckBjb3JwOnBhOnNzLw==")
    );
}

#[test]
fn a_password_never_follows_a_redirect_to_another_host() {
    let (other, seen) = server(|_| found());
    let (port, log) = server(move |asked| {
        let to = match asked.starts_with("GET /debian") {
            // First elsewhere on the same host, then to another, which is named with a password to fool us.
            true => "/moved".to_owned(),
            false => format!("http://evil:choice@127.0.0.1:{other}/x"),
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let netrc = folder.path().join("netrc");
    std::fs::write(&netrc, "machine 127.0.0.1 login me password secret\n").expect("written");
    std::fs::set_permissions(&netrc, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("set");
    let from_file = FetchOptions {
        logins: Logins::of_files(vec![LoginFile {
            path: netrc,
            form: Form::Netrc,
            private: true,
        }]),
        ..options()
    };
    for (mirror, options) in [
        (
            format!("http://me:secret@127.0.0.1:{port}/debian"),
            options(),
        ),
        (format!("http://127.0.0.1:{port}/debian"), from_file),
    ] {
        fetch(&mirror, options).expect("fetched");
        for asked in logged(&log) {
            assert_eq!(
                header(&asked, "authorization"),
                Some("Basic bWU6c2VjcmV0"),
                "{asked}"
            );
        }
        assert!(logged(&log).len().is_multiple_of(2));
        for asked in logged(&seen) {
            assert_eq!(header(&asked, "authorization"), None, "{asked}");
        }
    }
    assert_eq!(logged(&seen).len(), 2);
}

#[test]
fn a_refused_password_is_told_with_the_ways_to_name_it_and_not_repeated() {
    let (port, log) = server(|_| b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mirror = format!("http://me:secretword@127.0.0.1:{port}/debian");
    let error = fetch(&mirror, options()).expect_err("refused");
    let text = error.to_string();
    assert!(matches!(error, FetchError::Unauthorized { .. }), "{text}");
    assert!(
        text.contains(".netrc") && text.contains("auth.conf"),
        "{text}"
    );
    assert!(
        !text.contains("secretword") && !format!("{error:?}").contains("secretword"),
        "{error:?}"
    );
    assert_eq!(logged(&log).len(), 1, "it is asked once");
}

#[test]
fn an_invalid_certificate_ends_it_at_once() {
    for (name, cause) in [
        ("unknown", "no CA that is trusted"),
        ("expired", "has expired"),
        ("other", "for another host"),
    ] {
        let (port, log) = protected_server(name, false, |_| found());
        let error = fetch(&format!("https://127.0.0.1:{port}/debian"), trusting());
        let error = error.expect_err("refused");
        assert!(matches!(error, FetchError::Certificate { .. }), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
        assert!(error.is_network() && !error.is_distrust());
        assert_eq!(logged(&log), ["connected"], "{name} is tried once");
    }
    // Without the CA, what it vouches for is as unknown.
    let (port, log) = protected_server("server", false, |_| found());
    let error = fetch(&format!("https://127.0.0.1:{port}/debian"), options());
    assert!(
        matches!(error, Err(FetchError::Certificate { .. })),
        "{error:?}"
    );
    assert_eq!(logged(&log), ["connected"]);
}

#[test]
fn a_ca_that_is_named_counts_and_a_host_that_is_named_is_not_looked_at() {
    let (port, _) = protected_server("server", false, |_| found());
    for host in ["127.0.0.1", "LOCALHOST"] {
        fetch(&format!("HTTPS://{host}:{port}/debian"), trusting()).expect("fetched");
    }
    let unverified = |host: String| FetchOptions {
        trust: Trust {
            unverified: [host].into(),
            ..Trust::default()
        },
        ..options()
    };
    let (port, _) = protected_server("unknown", false, |_| found());
    let mirror = format!("https://127.0.0.1:{port}/debian");
    fetch(&mirror, unverified(format!("127.0.0.1:{port}"))).expect("fetched");
    fetch(&mirror, unverified("127.0.0.1".to_owned())).expect("fetched");
    fetch(&mirror, unverified("localhost".to_owned())).expect_err("another host was named");
}

#[test]
fn a_host_has_certificates_of_its_own() {
    let (port, _) = protected_server("server", true, |_| found());
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join(format!("127.0.0.1:{port}"));
    std::fs::create_dir(&own).expect("made");
    for (from, to) in [
        ("ca.pem", "ca.crt"),
        ("client.pem", "me.cert"),
        ("client.key", "me.key"),
    ] {
        std::fs::copy(certificate(from), own.join(to)).expect("copied");
    }
    let with = |folders| FetchOptions {
        trust: Trust {
            folders,
            ..Trust::default()
        },
        ..options()
    };
    let mirror = format!("https://127.0.0.1:{port}/debian");
    fetch(&mirror, with(vec![folder.path().to_owned()])).expect("fetched");
    fetch(&mirror, with(Vec::new())).expect_err("nobody vouches for it");
    fetch(
        &format!("https://localhost:{port}/debian"),
        with(vec![folder.path().to_owned()]),
    )
    .expect_err("it is the folder of another host");
}

#[test]
fn our_certificate_is_shown_to_the_mirror_and_not_where_it_leads() {
    let (wants, _) = protected_server("server", true, |_| found());
    let identity = Identity {
        certificate: certificate("client.pem"),
        key: certificate("client.key"),
    };
    let with = |identity: &Identity| FetchOptions {
        trust: Trust {
            identity: Some(identity.clone()),
            ..trusting().trust
        },
        ..options()
    };
    fetch(
        &format!("https://127.0.0.1:{wants}/debian"),
        with(&identity),
    )
    .expect("fetched");
    // One file with both.
    let folder = tempfile::tempdir().expect("a folder");
    let both = folder.path().join("both.pem");
    let text =
        ["client.key", "client.pem"].map(|name| std::fs::read(certificate(name)).expect("read"));
    std::fs::write(&both, text.concat()).expect("written");
    let one = Identity {
        certificate: both.clone(),
        key: both,
    };
    fetch(&format!("https://127.0.0.1:{wants}/debian"), with(&one)).expect("fetched");
    let error = fetch(&format!("https://127.0.0.1:{wants}/debian"), trusting());
    let error = error.expect_err("it wants a certificate");
    assert!(error.to_string().contains("certificate of ours"), "{error}");
    let (leads, _) = protected_server("server", false, move |_| {
        let to = format!("https://127.0.0.1:{wants}/x");
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    fetch(
        &format!("https://127.0.0.1:{leads}/debian"),
        with(&identity),
    )
    .expect_err("the other host gets no certificate");
}

#[test]
fn a_redirect_is_shown_without_its_token() {
    let (port, _) = server(|_| {
        b"HTTP/1.1 302 Found\r\nLocation: ftp://me:secretword@h/x?token=secretword\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let error = fetch(&format!("http://127.0.0.1:{port}/debian"), options()).expect_err("refused");
    assert!(
        matches!(error, FetchError::RedirectRefused { .. }),
        "{error}"
    );
    assert!(
        !format!("{error} {error:?}").contains("secretword"),
        "{error:?}"
    );
}
