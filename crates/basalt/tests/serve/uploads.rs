//! Blobs on their way in.

use basalt_registry::digest::{Algorithm, Digest};

use crate::server::{Answer, Home, Server, noise, stored};

fn begin(server: &Server, query: &str) -> String {
    let target = format!("/v2/app/blobs/uploads/{query}");
    let begun = server.ask("POST", &target).send().is(202);
    begun.header("location").to_owned()
}

fn blob(server: &Server, digest: &Digest) -> Answer {
    server.get(&format!("/v2/app/blobs/{digest}"))
}

#[test]
fn a_blob_goes_up_in_each_way_and_comes_back_the_same() {
    // The store that tests try keeps no names as long as those of SHA-512 blobs.
    let home = Home::with_files();
    let server = home.serve(&[]);
    for algorithm in Algorithm::ALL {
        for (length, seed) in [(0, 0), (5, 1), (65_536, 2), (65_537, 3), (1_500_000, 4)] {
            let seed = seed + 100 * algorithm as u64;
            let whole = noise(length, seed);
            let digest = Digest::of(algorithm, &whole);
            let put = format!("?digest={digest}");
            // One request.
            server
                .ask("POST", &format!("/v2/app/blobs/uploads/{put}"))
                .body(&whole)
                .send()
                .is(201);
            assert_eq!(blob(&server, &digest).is(200).body, whole);
            // A session and one request.
            let location = begin(&server, "");
            let done = server
                .ask("PUT", &format!("{location}{put}"))
                .body(&whole)
                .send()
                .is(201);
            assert_eq!(done.header("docker-content-digest"), digest.as_str());
            assert_eq!(server.get(done.header("location")).is(200).body, whole);
            // Parts, the last with the digest.
            let location = begin(&server, "?digest-algorithm=sha512");
            let middle = length / 2;
            if middle > 0 {
                let part = format!("0-{}", middle - 1);
                let patched = server
                    .ask("PATCH", &location)
                    .header("content-range", &part)
                    .body(&whole[..middle])
                    .send()
                    .is(202);
                assert_eq!(patched.header("range"), part);
            }
            server
                .ask("PUT", &format!("{location}{put}"))
                .body(&whole[middle..])
                .send()
                .is(201);
            // A stream of unknown length.
            let location = begin(&server, "");
            let mut stream = Vec::new();
            for piece in whole.chunks(100_000) {
                stream.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                stream.extend(piece);
                stream.extend(b"\r\n");
            }
            stream.extend(b"0\r\n\r\n");
            server
                .ask("PATCH", &location)
                .header("transfer-encoding", "chunked")
                .body(&stream)
                .send()
                .is(202);
            server
                .ask("PUT", &format!("{location}{put}"))
                .send()
                .is(201);
            assert_eq!(blob(&server, &digest).is(200).body, whole);
        }
    }
    // Each is there once, and no upload left anything.
    assert_eq!(stored(&home.path("root")).len(), 4);
    let left = std::fs::read_dir(home.path("root/uploads")).expect("it is there");
    assert_eq!(left.count(), 0);
}

#[test]
fn a_part_out_of_order_is_refused_and_the_upload_goes_on() {
    let home = Home::new();
    let server = home.serve(&[]);
    let whole = noise(3000, 7);
    let digest = Digest::of(Algorithm::Sha256, &whole);
    let location = begin(&server, "");
    let part = |method: &str, target: &str, from: usize, to: usize| {
        server
            .ask(method, target)
            .header("content-range", &format!("{from}-{}", to - 1))
            .body(&whole[from..to])
            .send()
    };
    part("PATCH", &location, 0, 1000).is(202);
    let put = format!("{location}?digest={digest}");
    for (method, target) in [("PATCH", &location), ("PUT", &put)] {
        let refused = part(method, target, 2000, 3000).refused(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(
            (refused.header("range"), refused.header("location")),
            ("0-999", location.as_str())
        );
        part(method, target, 0, 1000).is(416);
    }
    let status = server.get(&location).is(204);
    assert_eq!(status.header("range"), "0-999");
    part("PATCH", &location, 1000, 2000).is(202);
    part("PUT", &put, 2000, 3000).is(201);
    assert_eq!(blob(&server, &digest).is(200).body, whole);
    server.get(&location).refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn what_does_not_have_its_digest_is_not_taken() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    let other = Digest::of(Algorithm::Sha256, b"other");
    for length in [10, 100_000] {
        let bytes = noise(length, 8);
        let put = format!("?digest={other}");
        server
            .ask("POST", &format!("/v2/app/blobs/uploads/{put}"))
            .body(&bytes)
            .send()
            .refused(400, "DIGEST_INVALID");
        let location = begin(&server, "");
        server
            .ask("PUT", &format!("{location}{put}"))
            .body(&bytes)
            .send()
            .refused(400, "DIGEST_INVALID");
        server.get(&location).is(404);
    }
    blob(&server, &other).refused(404, "BLOB_UNKNOWN");
    assert!(stored(&home.path("root")).is_empty());
}

#[test]
fn an_upload_can_be_given_up() {
    let home = Home::new();
    let server = home.serve(&[]);
    let location = begin(&server, "");
    server.ask("PATCH", &location).body(b"abc").send().is(202);
    server.ask("DELETE", &location).send().is(204);
    for method in ["GET", "PATCH", "DELETE"] {
        server
            .ask(method, &location)
            .send()
            .refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    // Nor is it one of another repository.
    let location = begin(&server, "");
    server.get(&location.replace("/app/", "/other/")).is(404);
}

#[test]
fn an_upload_goes_on_after_the_server_was_killed() {
    let home = Home::new();
    let server = home.serve(&[]);
    let whole = noise(1_000_000, 9);
    let digest = Digest::of(Algorithm::Sha256, &whole);
    let location = begin(&server, "");
    server
        .ask("PATCH", &location)
        .body(&whole[..600_000])
        .send()
        .is(202);
    // Another change takes the upload to the disk with it.
    server.push_blob("app", b"x");
    server.kill();
    let server = home.serve(&[]);
    let status = server.get(&location).is(204);
    assert_eq!(status.header("range"), "0-599999");
    server
        .ask("PUT", &format!("{location}?digest={digest}"))
        .header("content-range", "600000-999999")
        .body(&whole[600_000..])
        .send()
        .is(201);
    assert_eq!(blob(&server, &digest).is(200).body, whole);
}

#[test]
fn a_blob_of_another_repository_is_mounted_and_one_that_is_nowhere_is_not() {
    let home = Home::new();
    let server = home.serve(&[]);
    for length in [100, 100_000] {
        let whole = noise(length, 10);
        let digest = server.push_blob("there", &whole);
        let mount = |from: &str| {
            let target = format!("/v2/app/blobs/uploads/?mount={digest}{from}");
            server.ask("POST", &target).send()
        };
        mount("&from=nowhere").is(202);
        blob(&server, &digest).is(404);
        let mounted = mount("&from=there").is(201);
        assert_eq!(
            mounted.header("location"),
            format!("/v2/app/blobs/{digest}")
        );
        assert_eq!(blob(&server, &digest).is(200).body, whole);
        server
            .ask("DELETE", &format!("/v2/app/blobs/{digest}"))
            .send()
            .is(202);
        mount("").is(201);
        // It stays in one when it leaves the other.
        server
            .ask("DELETE", &format!("/v2/there/blobs/{digest}"))
            .send()
            .is(202);
        assert_eq!(blob(&server, &digest).is(200).body, whole);
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_came() {
    let home = Home::new();
    let server = home.serve_as("limits: {blob: 200 kB}");
    let bytes = noise(300_000, 11);
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let location = begin(&server, "");
    server
        .ask("PUT", &format!("{location}?digest={digest}"))
        .body(&bytes)
        .send()
        .refused(413, "SIZE_INVALID");
    let manifest = vec![b' '; 9 << 20];
    let pushed = server
        .ask("PUT", "/v2/app/manifests/x")
        .body(&manifest)
        .try_send();
    assert!(pushed.is_none_or(|answer| answer.status == 413));
}
