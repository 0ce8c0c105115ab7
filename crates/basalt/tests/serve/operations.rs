//! What those are promised who look after a registry: damage is found and named, a lost database comes back, a backup is
//! whole.

use std::fs;
use std::path::PathBuf;
use std::thread;

use basalt_registry::digest::Digest;
use serde_json::Value;

use crate::server::{Home, INDEX, Server, noise, stored};

/// Runs `basalt registry …` and reads its document.
fn registry(home: &Home, arguments: &[&str], code: i32) -> Value {
    let mut all = vec!["registry"];
    all.extend(arguments);
    all.push("--json");
    let (found, out, error) = home.basalt(&all);
    assert_eq!(found, code, "{out}\n{error}");
    serde_json::from_str(&out).expect("a JSON document")
}

fn file_of(home: &Home, root: &str, digest: &Digest) -> PathBuf {
    let files = stored(&home.path(root));
    let mut files = files.into_iter();
    let file = files.find(|path| path.to_string_lossy().contains(digest.hex()));
    file.expect("it is stored")
}

/// Two images, one of them listed by an index, and a blob that nothing needs.
fn fill(server: &Server) -> (Digest, Vec<u8>) {
    let layer = noise(200_000, 1);
    server.push_image("team/app", "one", &[&layer, &noise(500, 2)]);
    let two = server.push_image("team/app", "two", &[&noise(300_000, 3)]);
    let size = server
        .get(&format!("/v2/team/app/manifests/{two}"))
        .body
        .len();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": crate::server::MANIFEST, "digest": two.as_str(), "size": size}]});
    let put = server.ask("PUT", "/v2/team/app/manifests/all").kind(INDEX);
    put.body(index.to_string().as_bytes()).send().is(201);
    let layer_digest = server.push_blob("other", &layer);
    (layer_digest, layer)
}

#[test]
fn a_sound_registry_is_found_sound_beside_a_server_that_is_pushed_to() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    fill(&server);
    thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            for number in 0..30 {
                let bytes = noise(70_000, 100 + number);
                server.push_image("busy", "latest", &[&bytes]);
                if number % 3 == 0 {
                    server.ask("DELETE", "/v2/busy/manifests/latest").send();
                }
            }
        });
        while !pusher.is_finished() {
            let report = registry(&home, &["verify", "--root", "root"], 0);
            assert_eq!(report["problem-count"], 0, "{report}");
        }
    });
    let report = registry(&home, &["verify", "--quick", "--root", "root"], 0);
    assert!(report["blobs"].as_u64() > Some(30) && report["audit-lines"].as_u64() > Some(60));
}

#[test]
fn damage_of_each_kind_is_found_and_what_it_hurts_is_named() {
    for (damage, kind, quick) in [
        ("flip", "digest", false),
        ("shorten", "length", true),
        ("remove", "missing", true),
    ] {
        let home = Home::with_files();
        let server = home.serve_as("scrub: {rate: 0}");
        let (layer, bytes) = fill(&server);
        server.terminate();
        let file = file_of(&home, "root", &layer);
        let mut spoilt = bytes.clone();
        match damage {
            "flip" => spoilt[1000] ^= 1,
            _ => spoilt.truncate(1000),
        }
        match damage {
            "remove" => fs::remove_file(&file).expect("it is removed"),
            _ => fs::write(&file, spoilt).expect("it is written"),
        }
        let arguments = ["verify", "--root", "root", "--quick"];
        let arguments = &arguments[..if quick { 4 } else { 3 }];
        let report = registry(&home, arguments, 4);
        assert_eq!(report["problem-count"], 1, "{report}");
        let problem = &report["problems"][0];
        assert_eq!(
            (&problem["kind"], &problem["object"]),
            (&kind.into(), &layer.as_str().into())
        );
        assert_eq!(problem["hurts"], serde_json::json!(["team/app:one"]));
        // Repair puts it aside and says what to push; a push mends it.
        let repaired = registry(&home, &["repair", "--root", "root"], 4);
        assert_eq!(repaired["quarantined"], serde_json::json!([layer.as_str()]));
        assert_eq!(repaired["report"]["problems"][0]["kind"], "quarantined");
        let server = home.serve(&[]);
        server.push_blob("team/app", &bytes);
        server.terminate();
        registry(&home, &["verify", "--root", "root"], 0);
        registry(&home, &["repair", "--root", "root"], 0);
    }
}

#[test]
fn what_was_changed_in_the_database_by_hand_is_found() {
    for (statement, kind, mends) in [
        ("DELETE FROM manifest_blobs", "facts", true),
        ("DELETE FROM manifest_children", "facts", true),
        ("UPDATE manifests SET subject = 'sha256:0000000000000000000000000000000000000000000000000000000000000000'
          WHERE id = 1", "facts", true),
        ("UPDATE audit SET author = 'nobody' WHERE sequence = 2", "audit", false),
        ("DELETE FROM audit WHERE sequence > 3", "audit", false),
        ("UPDATE manifests SET bytes = CAST('{}' AS BLOB) WHERE id = 1", "manifest", false),
    ] {
        let home = Home::with_files();
        let server = home.serve(&[]);
        fill(&server);
        server.terminate();
        let database = rusqlite::Connection::open(home.path("root/registry.db")).expect("it opens");
        database.execute(statement, []).expect("it is changed");
        drop(database);
        let report = registry(&home, &["verify", "--root", "root"], 4);
        let kinds: Vec<&Value> = report["problems"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| &one["kind"])
            .collect();
        assert!(kinds.iter().all(|found| **found == kind || **found == "needs"), "{statement}: {report}");
        assert!(kinds.iter().any(|found| **found == kind), "{statement}: {report}");
        let code = if mends { 0 } else { 4 };
        registry(&home, &["repair", "--root", "root"], code);
        if kind == "manifest" {
            // Pushed again, it is whole.
            let server = home.serve(&[]);
            server.push_image("team/app", "one", &[&noise(200_000, 1), &noise(500, 2)]);
            server.terminate();
            registry(&home, &["verify", "--root", "root"], 0);
        }
    }
}

#[test]
fn a_database_that_is_lost_or_broken_comes_back_with_all_that_was_acknowledged() {
    for damage in ["remove", "garbage", "middle"] {
        let home = Home::with_files();
        let server = home.serve(&[]);
        let (layer, bytes) = fill(&server);
        let config = server.push_image("last", "words", &[b"short"]);
        // Not even in good order.
        server.kill();
        let database = home.path("root/registry.db");
        match damage {
            "remove" => {
                for ending in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(home.path(&format!("root/registry.db{ending}")));
                }
            }
            damage => {
                // What the server wrote ahead goes into the file first.
                home.serve(&[]).terminate();
                let mut spoilt = fs::read(&database).expect("it is read");
                let from = if damage == "garbage" { 0 } else { 8192 };
                spoilt[from..from + 8192].fill(0x5a);
                fs::write(&database, spoilt).expect("it is written");
            }
        }
        let (code, ..) = home.basalt(&["registry", "verify", "--root", "root"]);
        assert_ne!(code, 0, "{damage}");
        let repaired = registry(&home, &["repair", "--root", "root"], 0);
        assert!(
            repaired["rebuilt"]["batches"].as_u64() > Some(5),
            "{repaired}"
        );
        assert_eq!(repaired["rebuilt"]["stopped"], Value::Null);
        let server = home.serve(&[]);
        for tag in ["one", "two", "all"] {
            server.get(&format!("/v2/team/app/manifests/{tag}")).is(200);
        }
        let got = server.get("/v2/last/manifests/words").is(200);
        assert_eq!(got.header("docker-content-digest"), config.as_str());
        assert!(server.get(&format!("/v2/other/blobs/{layer}")).is(200).body == bytes);
        server.push_image("team/app", "three", &[b"more"]);
        server.terminate();
        registry(&home, &["verify", "--root", "root"], 0);
        // The journal goes on: it can be lost once more.
        fs::remove_file(&database).expect("it is removed");
        registry(&home, &["repair", "--root", "root"], 0);
        let server = home.serve(&[]);
        server.get("/v2/team/app/manifests/three").is(200);
    }
}

#[test]
fn repair_keeps_off_a_registry_whose_server_runs_and_a_folder_that_is_none() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    let (code, _, error) = home.basalt(&["registry", "repair", "--root", "root"]);
    assert!(code == 1 && error.contains("a server runs"), "{error}");
    drop(server);
    fs::create_dir(home.path("empty")).expect("it is made");
    for command in ["verify", "repair"] {
        let (code, _, error) = home.basalt(&["registry", command, "--root", "empty"]);
        assert!(code == 2 && error.contains("no registry"), "{error}");
    }
}

#[test]
fn a_backup_made_while_the_server_is_pushed_to_is_whole_and_serves() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    let layer = noise(200_000, 1);
    server.push_image("team/app", "one", &[&layer]);
    server.terminate();
    let eager = "collect: {grace: 1 second, untagged: 0 seconds, every: 0 seconds}";
    let server = home.serve_as(eager);
    thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            // Each makes garbage of the one before.
            for number in 0..40 {
                let bytes = noise(70_000, 100 + number);
                let (_, manifest) = server.image("busy", &[&bytes]);
                let put = server.ask("PUT", "/v2/busy/manifests/latest");
                // It may have been collected before the manifest came.
                let status = put
                    .kind(crate::server::MANIFEST)
                    .body(&manifest)
                    .send()
                    .status;
                assert!(status == 201 || status == 404, "{status}");
            }
        });
        while !pusher.is_finished() {
            let done = registry(&home, &["backup", "backup", "--root", "root"], 0);
            assert_eq!(done["damaged"], serde_json::json!([]));
            registry(&home, &["backup", "--verify", "backup"], 0);
        }
    });
    registry(&home, &["backup", "backup", "--root", "root"], 0);
    // Meanwhile blobs may go, but none comes.
    let again = registry(&home, &["backup", "backup", "--root", "root"], 0);
    assert_eq!(again["copied"], 0);
    drop(server);
    let restored = registry(&home, &["restore", "backup", "--root", "copy"], 0);
    assert_eq!(restored["report"]["problem-count"], 0);
    fs::remove_dir_all(home.path("root")).expect("it is removed");
    fs::rename(home.path("copy"), home.path("root")).expect("it is moved");
    let server = home.serve(&[]);
    server.get("/v2/team/app/manifests/one").is(200);
    let digest = Digest::of(basalt_registry::digest::Algorithm::Sha256, &layer);
    assert!(
        server
            .get(&format!("/v2/team/app/blobs/{digest}"))
            .is(200)
            .body
            == layer
    );
}

#[test]
fn nothing_is_restored_over_what_is_there_and_damage_is_told() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    let (layer, _) = fill(&server);
    drop(server);
    registry(&home, &["backup", "backup", "--root", "root"], 0);
    let (code, _, error) = home.basalt(&["registry", "restore", "backup", "--root", "root"]);
    assert!(code == 2 && error.contains("not empty"), "{error}");
    let (code, _, error) = home.basalt(&["registry", "backup", "root/inside", "--root", "root"]);
    assert!(code == 2 && error.contains("apart"), "{error}");
    fs::create_dir(home.path("full")).expect("it is made");
    home.write("full/mine", "precious");
    let (code, _, error) = home.basalt(&["registry", "backup", "full", "--root", "root"]);
    assert!(code == 2 && error.contains("not empty"), "{error}");
    let file = file_of(&home, "backup", &layer);
    let mut bytes = fs::read(&file).expect("it is read");
    bytes[7] ^= 1;
    fs::write(&file, bytes).expect("it is written");
    registry(&home, &["backup", "--verify", "backup"], 4);
    let restored = registry(&home, &["restore", "backup", "--root", "copy"], 4);
    assert_eq!(
        restored["restored"]["damaged"],
        serde_json::json!([layer.as_str()])
    );
    assert_eq!(
        restored["restored"]["hurt"],
        serde_json::json!(["team/app:one"])
    );
}

/// What a server has, as its clients see it: each tag's manifest and the layers of the images.
fn seen(server: &Server, layers: &[Digest]) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    for repository in ["team/app", "other"] {
        let tags = server.get(&format!("/v2/{repository}/tags/list")).is(200);
        for tag in tags.json()["tags"].as_array().expect("a list") {
            let tag = tag.as_str().expect("a tag");
            let manifest = server.get(&format!("/v2/{repository}/manifests/{tag}"));
            seen.push(manifest.is(200).body);
        }
        seen.push(tags.body);
    }
    for layer in layers {
        let blob = server.get(&format!("/v2/team/app/blobs/{layer}"));
        seen.push(blob.is(200).body);
    }
    seen
}

#[test]
fn a_registry_moves_by_a_backup_into_a_folder_and_from_there_to_where_another_has_its_own() {
    let home = Home::new();
    let server = home.serve_as("collect: {grace: 1 hour}");
    // One that several pieces make, one, and one that is in the database.
    let layers = [(9 << 20, 1), (200_000, 2), (300, 3)].map(|(length, seed)| noise(length, seed));
    let digests = layers
        .each_ref()
        .map(|layer| server.push_blob("team/app", layer));
    for (tag, layer) in ["one", "two", "three"].iter().zip(&layers) {
        server.push_image("team/app", tag, &[layer]);
    }
    server.push_image("other", "same", &[&layers[1]]);
    server
        .ask("DELETE", "/v2/team/app/manifests/two")
        .send()
        .is(202);
    let wanted = seen(&server, &digests);
    let (code, out, error) = home.registry(&["backup", "backup"]);
    assert_eq!(code, 0, "{out}{error}");
    drop(server);

    registry(&home, &["backup", "--verify", "backup"], 0);
    let folder = Home::with_files();
    let backup = home.path("backup");
    let backup = backup.to_str().expect("a name");
    let restored = registry(&folder, &["restore", backup, "--root", "root"], 0);
    assert_eq!(restored["report"]["problem-count"], 0);
    let lines = restored["report"]["audit-lines"].as_u64();
    let server = folder.serve(&[]);
    assert!(seen(&server, &digests) == wanted);
    server.push_image("team/app", "four", &[&layers[1]]);
    let wanted = seen(&server, &digests);
    registry(&folder, &["backup", "second", "--root", "root"], 0);
    drop(server);

    let other = Home::new();
    other.write("registry.yaml", "collect: {grace: 1 hour}");
    let second = folder.path("second");
    let second = second.to_str().expect("a name");
    let (code, out, error) = other.registry(&["restore", second, "--json"]);
    assert_eq!(code, 0, "{out}{error}");
    let restored: Value = serde_json::from_str(&out).expect("a document");
    assert!(restored["report"]["audit-lines"].as_u64() > lines);
    let server = other.serve(&["--config", "registry.yaml"]);
    assert!(seen(&server, &digests) == wanted);
    // What is new is counted on behind what came along.
    server.push_image("new", "first", &[&noise(100_000, 7)]);
    server.push_image("team/app", "one", &[&noise(100_000, 8)]);
    drop(server);
    other.is_sound();
    let (code, _, error) = other.registry(&["restore", second]);
    assert_eq!(code, 2, "{error}");
}

#[test]
fn a_blob_that_cannot_be_opened_is_told_and_all_else_is_backed_up() {
    let home = Home::with_files();
    let server = home.serve(&[]);
    let (layer, _) = fill(&server);
    let other = noise(90_000, 77);
    let other = server.push_image("other", "1", &[&other]);
    drop(server);
    let file = file_of(&home, "root", &layer);
    fs::remove_file(&file).expect("it is removed");
    // A link to itself.
    std::os::unix::fs::symlink(&file, &file).expect("it is made");
    let done = registry(&home, &["backup", "backup", "--root", "root"], 4);
    assert_eq!(done["damaged"], serde_json::json!([layer.as_str()]));
    let folder = home.path("root");
    fs::remove_dir_all(&folder).expect("it is removed");
    registry(&home, &["restore", "backup", "--root", "root"], 4);
    let server = home.serve(&[]);
    let manifest = server.get(&format!("/v2/other/manifests/{other}"));
    assert_eq!(
        manifest.is(200).header("docker-content-digest"),
        other.as_str()
    );
}
