//! Large blobs on their way out: from the second time on they go by the system from the file to the socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use basalt_registry::digest::Digest;
use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::server::{Answer, Home, Server, await_that, noise};

const LENGTH: usize = (5 << 20) + 12_345;

/// A server that has such a blob, and has compared it with its digest.
fn holding(home: &Home) -> (Server, Digest, Vec<u8>) {
    let server = home.serve(&[]);
    let whole = noise(LENGTH, 9);
    let digest = server.push_blob("app", &whole);
    let first = server.get(&format!("/v2/app/blobs/{digest}")).is(200);
    assert!(first.body == whole);
    (server, digest, whole)
}

fn ask(stream: &mut TcpStream, target: &str, range: &str) {
    let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nrange: {range}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is sent");
}

#[test]
fn one_connection_gets_whole_blobs_parts_and_all_else_in_order() {
    let home = Home::new();
    let (server, digest, whole) = holding(&home);
    let blob = format!("/v2/app/blobs/{digest}");
    let mut stream = TcpStream::connect(&server.address).expect("it answers");
    for part in [
        0..LENGTH,
        1..LENGTH - 1,
        7_000_000 / 2..LENGTH,
        0..1,
        LENGTH - 1..LENGTH,
    ] {
        let range = format!("bytes={}-{}", part.start, part.end - 1);
        ask(&mut stream, &blob, &range);
        let answer = Answer::read(&mut stream, false).expect("an answer").is(206);
        assert!(answer.body == whole[part]);
        ask(&mut stream, "/v2/app/tags/list", "");
        assert!(Answer::read(&mut stream, false).is_some());
    }
    // Those that were asked for before the first was answered.
    for part in ["bytes=0-2999999", "bytes=3000000-3000009", "bytes=3000010-"] {
        ask(&mut stream, &blob, part);
    }
    let mut all = Vec::new();
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("a limit");
    let _ = stream.read_to_end(&mut all);
    let mut bodies = Vec::new();
    let mut rest = all.as_slice();
    for length in [3_000_000, 10, LENGTH - 3_000_010] {
        let head = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head")
            + 4;
        bodies.extend_from_slice(&rest[head..head + length]);
        rest = &rest[head + length..];
    }
    assert!(bodies == whole && rest.is_empty());
}

#[test]
fn many_who_read_a_large_blob_at_once_fast_or_slowly_each_get_it_whole() {
    let home = Home::new();
    let (server, digest, whole) = holding(&home);
    thread::scope(|scope| {
        for reader in 0..8_usize {
            let (server, digest, whole) = (&server, &digest, &whole);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(&server.address).expect("it answers");
                let first = reader * 100_001;
                ask(
                    &mut stream,
                    &format!("/v2/app/blobs/{digest}"),
                    &format!("bytes={first}-"),
                );
                let (mut read, mut piece) = (Vec::new(), vec![0; 40_000]);
                loop {
                    if reader % 2 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    let count = stream.read(&mut piece).expect("bytes");
                    read.extend_from_slice(&piece[..count]);
                    if read.ends_with(&whole[LENGTH - 100..]) {
                        break;
                    }
                    assert!(count > 0, "reader {reader}: it broke off");
                }
                assert!(read.ends_with(&whole[first..]), "reader {reader}");
            });
        }
    });
}

#[test]
fn who_leaves_in_the_middle_of_a_large_blob_takes_nothing_from_others() {
    let home = Home::new();
    let (server, digest, whole) = holding(&home);
    let blob = format!("/v2/app/blobs/{digest}");
    for length in [1, 5_000, 2_000_000] {
        let mut stream = TcpStream::connect(&server.address).expect("it answers");
        ask(&mut stream, &blob, "bytes=0-");
        stream.read_exact(&mut vec![0; length]).expect("bytes");
    }
    assert!(server.get(&blob).is(200).body == whole);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_server_that_stops_waits_until_a_slow_client_has_all_that_was_sent() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    // So much that the system takes it from the server at once, and more than the client takes from it.
    let whole = noise(1 << 20, 3);
    let digest = server.push_blob("app", &whole);
    let mut stream = TcpStream::connect(&server.address).expect("it answers");
    set_socket_recv_buffer_size(&stream, 16 << 10).expect("it is set");
    ask(&mut stream, &format!("/v2/app/blobs/{digest}"), "bytes=0-");
    let mut first = [0; 1000];
    stream.read_exact(&mut first).expect("bytes");
    // The server has written all by then.
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    thread::sleep(Duration::from_millis(1500));
    assert!(server.is_running(), "it did not wait");
    let mut rest = first.to_vec();
    stream.read_to_end(&mut rest).expect("it comes");
    assert!(rest.ends_with(&whole));
    await_that("it ends", || !server.is_running());
}
