//! What is asked of the server, as the distribution specification has it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use basalt_oci::{
    Descriptor, ImageStore, Index, LayoutStore, LayoutWriter, Manifest, Platform, media_type,
};
use basalt_registry::digest::{Algorithm, Digest};
use serde_json::json;

use crate::server::{Answer, Home, INDEX, MANIFEST, Server, noise};

/// A layout with an index of two images, and an SBOM of the first.
fn layout(home: &Home, name: &str) -> Descriptor {
    let path = home.path(name);
    let writer = LayoutWriter::create(&path, false).expect("it begins");
    let mut index = Index::new(Vec::new());
    for architecture in ["amd64", "arm64"] {
        let config = json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let config = writer.add_json(media_type::CONFIG, &config).expect("added");
        let layer = noise(
            2_000_000,
            architecture.len() as u64 + u64::from(architecture.as_bytes()[1]),
        );
        let layer = writer.add_bytes(media_type::LAYER, &layer).expect("added");
        let manifest = Manifest::new(config, vec![layer]);
        let mut entry = writer
            .add_json(media_type::MANIFEST, &manifest)
            .expect("added");
        entry.platform = Platform::of_debian(architecture).ok();
        index.manifests.push(entry);
    }
    let root = writer.add_json(media_type::INDEX, &index).expect("added");
    let mut entry = root.clone();
    let key = "org.opencontainers.image.ref.name".to_owned();
    entry.annotations.insert(key, "1".to_owned());
    writer
        .finish(&Index::new(vec![entry]))
        .expect("it is in place");
    let store = LayoutStore::open(&path).expect("it is one");
    let config = store.put_blob(media_type::EMPTY, b"{}").expect("added");
    let layer = store
        .put_blob("application/spdx+json", b"{\"spdx\": 1}")
        .expect("added");
    let mut sbom = Manifest::new(config, vec![layer]);
    let subject = &index.manifests[0];
    sbom.artifact_type = Some("application/spdx+json".to_owned());
    sbom.subject = Some(Descriptor::new(
        &subject.media_type,
        subject.digest,
        subject.size,
    ));
    let bytes = basalt_oci::to_bytes(&sbom).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, None)
        .expect("added");
    root
}

fn blobs(home: &Home, layout: &str) -> Vec<String> {
    let entries = std::fs::read_dir(home.path(layout).join("blobs/sha256")).expect("it is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .expect("it is listed")
            .file_name()
            .to_string_lossy()
            .into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn an_image_is_pushed_listed_copied_pulled_and_deleted_with_our_own_commands() {
    let home = Home::new();
    let server = home.serve(&[]);
    let root = layout(&home, "app");
    let name = format!("{}/team/app", server.address);
    let run = |arguments: &[&str]| {
        let (status, out, error) = home.basalt(arguments);
        assert_eq!(status, 0, "{arguments:?}\n{out}{error}");
        out
    };
    run(&["push", "app", &format!("{name}:1")]);
    assert!(run(&["tags", &name]).starts_with("1\n"));
    let amd64 = run(&["referrers", &format!("{name}:1"), "--json"]);
    assert!(amd64.contains(&root.digest.to_string()), "{amd64}");
    let again: serde_json::Value =
        serde_json::from_str(&run(&["push", "app", &format!("{name}:1"), "--json"])).expect("JSON");
    assert_eq!(again["moved-bytes"], 0);
    let beside = format!("{}/beside:2", server.address);
    let copied: serde_json::Value =
        serde_json::from_str(&run(&["copy", &format!("{name}:1"), &beside, "--json"]))
            .expect("JSON");
    assert_eq!(copied["blobs"]["moved"], 0, "all were mounted: {copied}");
    run(&["pull", &beside, "back"]);
    assert_eq!(blobs(&home, "back"), blobs(&home, "app"));
    run(&["delete", &format!("{name}:1")]);
    server
        .get("/v2/team/app/manifests/1")
        .refused(404, "MANIFEST_UNKNOWN");
    server
        .get(&format!("/v2/team/app/manifests/{}", root.digest))
        .is(200);
    run(&["delete", &beside, "--manifest"]);
    server
        .get(&format!("/v2/beside/manifests/{}", root.digest))
        .is(404);
    assert_eq!(
        server.get("/v2/_catalog").is(200).json()["repositories"],
        json!(["beside", "team/app"])
    );
    assert_eq!(server.terminate(), 0);
}

#[test]
fn parts_of_a_blob_are_given_and_what_it_does_not_have_is_not() {
    let home = Home::new();
    let server = home.serve(&[]);
    for length in [2048, 700_000] {
        let whole = noise(length, 1);
        let digest = server.push_blob("app", &whole);
        let target = format!("/v2/app/blobs/{digest}");
        let range = |range: &str| server.ask("GET", &target).header("range", range).send();
        let part = range("bytes=500-1499").is(206);
        assert_eq!(part.body, whole[500..1500]);
        assert_eq!(
            part.header("content-range"),
            format!("bytes 500-1499/{length}")
        );
        assert_eq!(range("bytes=-500").is(206).body, whole[length - 500..]);
        assert_eq!(range("bytes=2000-").is(206).body, whole[2000..]);
        let refused = range("bytes=999999999-").is(416);
        assert_eq!(refused.header("content-range"), format!("bytes */{length}"));
        let head = server.ask("HEAD", &target).send().is(200);
        assert_eq!(head.header("content-length"), length.to_string());
        assert_eq!(head.header("docker-content-digest"), digest.as_str());
    }
}

/// The parts of a `multipart/byteranges`: for each its `content-range` and its bytes, as RFC 2046 has them.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let kind = answer.header("content-type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap_or_else(|| panic!("{kind}"));
    let mut rest = answer.body.as_slice();
    let take = |rest: &mut &[u8], expected: &str| {
        assert!(rest.starts_with(expected.as_bytes()), "{expected:?}");
        *rest = &rest[expected.len()..];
    };
    let mut found = Vec::new();
    take(&mut rest, &format!("--{boundary}"));
    while !rest.starts_with(b"--") {
        take(
            &mut rest,
            "\r\ncontent-type: application/octet-stream\r\ncontent-range: ",
        );
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a head");
        let range = String::from_utf8(rest[..end].to_vec()).expect("text");
        let place = range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'));
        let (first, last) = place
            .and_then(|(place, _)| place.split_once('-'))
            .expect("a place");
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let length = number(last) + 1 - number(first);
        rest = &rest[end + 4..];
        found.push((range.clone(), rest[..length].to_vec()));
        rest = &rest[length..];
        take(&mut rest, &format!("\r\n--{boundary}"));
    }
    assert_eq!(rest, b"--\r\n");
    found
}

#[test]
fn several_parts_of_a_blob_come_in_one_answer_and_never_more_than_the_blob() {
    let home = Home::new();
    let server = home.serve(&[]);
    // In the database, and in a file: once read, and once sent by the system itself.
    for length in [2048, 700_000] {
        let whole = noise(length, 1);
        let digest = server.push_blob("app", &whole);
        let target = format!("/v2/app/blobs/{digest}");
        for _ in 0..2 {
            let range = |range: &str| server.ask("GET", &target).header("range", range).send();
            let answer = range("bytes=0-9,1000-1499,-3").is(206);
            assert_eq!(answer.header("content-range"), "");
            let last = length - 3;
            let expected = [
                (format!("bytes 0-9/{length}"), whole[..10].to_vec()),
                (
                    format!("bytes 1000-1499/{length}"),
                    whole[1000..1500].to_vec(),
                ),
                (
                    format!("bytes {last}-{}/{length}", length - 1),
                    whole[last..].to_vec(),
                ),
            ];
            assert_eq!(parts(&answer), expected);
            // In the order in which they were asked for; what is not there is left out.
            let answer = range("bytes=1000-1001, 5-6, 999999999-").is(206);
            let ranges: Vec<String> = parts(&answer).into_iter().map(|(range, _)| range).collect();
            let (one, other) = (
                format!("bytes 1000-1001/{length}"),
                format!("bytes 5-6/{length}"),
            );
            assert_eq!(ranges, [one, other]);
            // What overlaps comes once.
            let answer = range("bytes=0-1000,500-1500").is(206);
            assert_eq!(
                answer.header("content-range"),
                format!("bytes 0-1500/{length}")
            );
            assert_eq!(answer.body, whole[..1501]);
            let many = vec!["0-"; 1000].join(",");
            assert_eq!(range(&format!("bytes={many}")).is(206).body, whole);
            let single: Vec<String> = (0..1500).map(|one| format!("{0}-{0}", 2 * one)).collect();
            let answer = range(&format!("bytes={}", single.join(","))).is(200);
            assert_eq!(answer.body, whole);
            let some = format!("bytes={}", single[..1000].join(","));
            let answer = range(&some).is(206);
            assert_eq!(parts(&answer).len(), 1000);
            assert!(answer.body.len() < 200 * 1000);
            let refused = range("bytes=999999999-,-0").is(416);
            assert_eq!(refused.header("content-range"), format!("bytes */{length}"));
            server.get(&target).is(200);
        }
        // Another version of it than there is: the whole.
        let versioned = |version: &str| {
            let asked = server.ask("GET", &target).header("range", "bytes=0-0");
            asked.header("if-range", version).send()
        };
        versioned(&format!("\"{digest}\"")).is(206);
        versioned("\"another\"").is(200);
        let head = server.ask("HEAD", &target).header("range", "bytes=0-0,5-6");
        assert_eq!(
            head.send().is(200).header("content-length"),
            length.to_string()
        );
    }
}

#[test]
fn a_manifest_is_taken_only_when_all_that_it_needs_is_there() {
    let home = Home::new();
    let server = home.serve(&[]);
    let put = |target: &str, kind: &str, value: &serde_json::Value| {
        let bytes = value.to_string().into_bytes();
        server.ask("PUT", target).kind(kind).body(&bytes).send()
    };
    let config = server.push_blob("app", b"{}");
    let descriptor = |digest: &Digest, size: usize| json!({"mediaType": "application/x", "digest": digest.as_str(), "size": size});
    let missing = Digest::of(Algorithm::Sha256, b"missing");
    let lacking = json!({"schemaVersion": 2, "config": descriptor(&config, 2), "layers": [descriptor(&missing, 7)]});
    let refused =
        put("/v2/app/manifests/1", MANIFEST, &lacking).refused(404, "MANIFEST_BLOB_UNKNOWN");
    assert!(String::from_utf8_lossy(&refused.body).contains(missing.as_str()));
    let wrong = json!({"schemaVersion": 2, "config": descriptor(&config, 3), "layers": []});
    put("/v2/app/manifests/1", MANIFEST, &wrong).refused(400, "MANIFEST_INVALID");
    let index = json!({"schemaVersion": 2, "manifests": [descriptor(&missing, 7)]});
    put("/v2/app/manifests/1", INDEX, &index).refused(404, "MANIFEST_BLOB_UNKNOWN");
    // It is not enough that another repository has it.
    server.push_blob("other", b"missing");
    put("/v2/app/manifests/1", MANIFEST, &lacking).is(404);
    server.push_blob("app", b"missing");
    put("/v2/app/manifests/1", MANIFEST, &lacking).is(201);
    let digest = Digest::of(Algorithm::Sha256, lacking.to_string().as_bytes());
    let got = server.get("/v2/app/manifests/1").is(200);
    assert_eq!(got.body, lacking.to_string().into_bytes());
    assert_eq!(
        (
            got.header("content-type"),
            got.header("docker-content-digest")
        ),
        (MANIFEST, digest.as_str())
    );
    let known = server
        .ask("GET", "/v2/app/manifests/1")
        .header("if-none-match", &format!("\"{digest}\""))
        .send();
    assert_eq!(known.status, 304);
    put(&format!("/v2/app/manifests/{missing}"), MANIFEST, &lacking).refused(400, "DIGEST_INVALID");
    // What is needed is not deleted from under it.
    server
        .ask("DELETE", &format!("/v2/app/blobs/{missing}"))
        .send()
        .refused(403, "DENIED");
    let list = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": MANIFEST, "digest": digest.as_str(), "size": lacking.to_string().len()}]});
    put("/v2/app/manifests/list", INDEX, &list).is(201);
    server
        .ask("DELETE", &format!("/v2/app/manifests/{digest}"))
        .send()
        .refused(403, "DENIED");
    server.ask("DELETE", "/v2/app/manifests/1").send().is(202);
    server.ask("DELETE", "/v2/app/manifests/1").send().is(404);
}

#[test]
fn several_tags_are_pushed_at_once_and_digests_may_be_of_sha512() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (_, bytes) = server.image("app", &[b"layer"]);
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(algorithm, &bytes);
        let name = algorithm.name();
        let target = format!("/v2/app/manifests/{digest}?tag={name}-1&tag={name}-2");
        let pushed = server
            .ask("PUT", &target)
            .kind(MANIFEST)
            .body(&bytes)
            .send()
            .is(201);
        assert_eq!(
            pushed.all("oci-tag"),
            [format!("{name}-1"), format!("{name}-2")]
        );
        let by_tag = server.get(&format!("/v2/app/manifests/{name}-2")).is(200);
        assert_eq!(by_tag.header("docker-content-digest"), digest.as_str());
    }
    let tags = server.get("/v2/app/tags/list").is(200).json();
    assert_eq!(
        tags,
        json!({"name": "app", "tags": ["sha256-1", "sha256-2", "sha512-1", "sha512-2"]})
    );
}

#[test]
fn long_lists_come_in_parts_with_a_link_to_the_next() {
    let home = Home::new();
    let server = home.serve(&[]);
    for number in 0..7 {
        server.push_image("app", &format!("v{number}"), &[b"layer"]);
    }
    let follow = |first: &str, entries: &dyn Fn(&Answer) -> Vec<String>| {
        let (mut all, mut next, mut parts) = (Vec::new(), first.to_owned(), 0);
        loop {
            let part = server.get(&next).is(200);
            all.extend(entries(&part));
            parts += 1;
            let link = part.header("link");
            match link
                .strip_prefix('<')
                .and_then(|link| link.split_once(">; rel=\"next\""))
            {
                Some((link, _)) => next = link.to_owned(),
                None => return (all, parts),
            }
        }
    };
    let texts = |value: &serde_json::Value| {
        let list = value.as_array().expect("a list");
        list.iter()
            .map(|one| one.as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    };
    let tags = |answer: &Answer| texts(&answer.json()["tags"]);
    let (all, parts) = follow("/v2/app/tags/list?n=3", &tags);
    assert_eq!((all.len(), parts), (7, 3));
    assert_eq!(follow("/v2/app/tags/list?n=7", &tags).1, 1);
    assert_eq!(tags(&server.get("/v2/app/tags/list?last=v4")), ["v5", "v6"]);
    assert!(tags(&server.get("/v2/app/tags/list?n=0")).is_empty());
    server
        .get("/v2/nothing/tags/list")
        .refused(404, "NAME_UNKNOWN");

    let subject = server.push_image("app", "v0", &[b"layer"]);
    let size = server.get("/v2/app/manifests/v0").body.len();
    for number in 0..5 {
        let kind = if number % 2 == 0 {
            "application/even"
        } else {
            "application/odd"
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(Algorithm::Sha256, b"{}").as_str(), "size": 2},
            "layers": [], "annotations": {"number": number.to_string()},
            "subject": {"mediaType": MANIFEST, "digest": subject.as_str(), "size": size},
        });
        let bytes = manifest.to_string().into_bytes();
        let target = format!(
            "/v2/app/manifests/{}",
            Digest::of(Algorithm::Sha256, &bytes)
        );
        let pushed = server
            .ask("PUT", &target)
            .kind(MANIFEST)
            .body(&bytes)
            .send()
            .is(201);
        assert_eq!(pushed.header("oci-subject"), subject.as_str());
    }
    let target = format!("/v2/app/referrers/{subject}");
    let digests = |answer: &Answer| {
        let list = answer.json()["manifests"]
            .as_array()
            .expect("a list")
            .clone();
        list.iter()
            .map(|one| one["digest"].as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    };
    let (all, parts) = follow(&format!("{target}?n=2"), &digests);
    assert_eq!((all.len(), parts), (5, 3));
    let even = server
        .get(&format!("{target}?artifactType=application/even"))
        .is(200);
    assert_eq!(even.header("oci-filters-applied"), "artifactType");
    assert_eq!(even.header("content-type"), INDEX);
    assert_eq!(digests(&even).len(), 3);
    assert_eq!(
        even.json()["manifests"][0]["artifactType"],
        "application/even"
    );
    let none = format!("/v2/nothing/referrers/{subject}");
    assert!(digests(&server.get(&none).is(200)).is_empty());
}

#[test]
fn what_no_client_should_send_is_refused_and_the_server_lives_on() {
    let home = Home::new();
    let server = home.serve(&[]);
    let raw = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(40)))
            .expect("it is set");
        let _ = stream.write_all(bytes);
        Answer::read(&mut stream, false).map(|answer| answer.status)
    };
    let many: String = (0..100).map(|number| format!("x{number}: y\r\n")).collect();
    for (bytes, expected) in [
        (format!("GET /v2/ HTTP/1.1\r\nhost: x\r\n{many}\r\n").into_bytes(), 431),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000)).into_bytes(), 431),
        (format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(70_000)).into_bytes(), 431),
        (b"nonsense\r\n\r\n".to_vec(), 400),
        (b"GET /v2/../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 404),
        (b"GET /v2/%2e%2e/%2e%2e/tags/list HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 400),
        (b"GET /v2/ HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_vec(), 403),
        (b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\ncontent-length: 0\r\n\r\n".to_vec(), 403),
        (b"POST /v2/a/manifests/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_vec(), 405),
    ] {
        let status = raw(&bytes);
        // A flood may be cut off without a word.
        let shown = String::from_utf8_lossy(&bytes[..60.min(bytes.len())]).into_owned();
        assert!(status == Some(expected) || (expected == 431 && status.is_none_or(|status| status == 414)), "{status:?} {shown}");
    }
    server.get("/healthz").is(200);
    server.get("/readyz").is(200);
    let counts = String::from_utf8(server.get("/metrics").is(200).body).expect("UTF-8");
    assert!(
        counts.contains("basalt_requests_total{route=\"Health\",status=\"2xx\"} 1"),
        "{counts}"
    );
}

#[test]
fn a_request_at_hand_ends_when_the_server_is_told_to_stop() {
    let home = Home::new();
    let server: Server = home.serve(&[]);
    let bytes = noise(40_000, 3);
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let head = format!(
        "POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.write_all(&bytes[..20_000]).expect("it is sent");
    std::thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        TcpStream::connect(&server.address).is_err(),
        "it takes no more"
    );
    stream.write_all(&bytes[20_000..]).expect("it is sent");
    let answer = Answer::read(&mut stream, false).expect("an answer");
    assert_eq!(answer.status, 201);
    assert_eq!(server.terminate(), 0);
    let server = home.serve(&[]);
    assert_eq!(
        server.get(&format!("/v2/app/blobs/{digest}")).is(200).body,
        bytes
    );
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let home = Home::with_files();
    let _server = home.serve(&[]);
    let (status, _, error) = home.basalt(&["serve", "--root", "root", "--listen", "127.0.0.1:0"]);
    assert_eq!(status, 1);
    assert!(
        error.contains("another server runs on root") && error.contains("--root"),
        "{error}"
    );
}

#[test]
fn a_line_of_the_log_is_a_document_and_says_who_asked_for_what() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.get("/v2/app/tags/list?n=%0a").is(400);
    server.terminate();
    let log = home.log();
    let line = log
        .lines()
        .find(|line| line.contains("/v2/app/tags/list"))
        .expect("it is logged");
    let line: serde_json::Value = serde_json::from_str(line).expect("a document");
    assert_eq!(
        (&line["status"], &line["user"], &line["method"]),
        (&json!(400), &json!("anonymous"), &json!("GET"))
    );
}
