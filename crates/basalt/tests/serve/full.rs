//! A disk that is full: nothing new is taken, and all else goes on.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use basalt_registry::digest::{Algorithm, Digest};

use crate::server::{Answer, Home, MANIFEST, Server, await_that, noise};

/// A disk of 24 MB at a server's folder; it goes when the test is over.
struct Disk(PathBuf);

impl Disk {
    /// Only root can mount one; for others nothing is tried.
    fn mounted(home: &Home) -> Option<Self> {
        let path = home.path("root");
        fs::create_dir(&path).expect("it is made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path)),
            _ => {
                eprintln!("skipped: a small disk can be mounted by root alone");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all that is left, as another program may.
    fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("it is made");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives so many bytes back.
    fn free(&self, bytes: u64) {
        let file = File::options().write(true).open(self.filler());
        let file = file.expect("it is there");
        let length = file.metadata().expect("it is there").len();
        file.set_len(length.saturating_sub(bytes)).expect("shorter");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn push(server: &Server, bytes: &[u8]) -> Answer {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let target = format!("/v2/app/blobs/uploads/?digest={digest}");
    server.ask("POST", &target).body(bytes).send()
}

/// Pushes small blobs until one is refused; those that were taken.
fn until_full(server: &Server, seed: u64) -> Vec<Digest> {
    let mut taken = Vec::new();
    for seed in seed..seed + 500 {
        let bytes = noise(60_000, seed);
        let answer = push(server, &bytes);
        match answer.status {
            201 => taken.push(Digest::of(Algorithm::Sha256, &bytes)),
            507 => {
                answer.refused(507, "UNAVAILABLE");
                return taken;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    panic!("it takes everything");
}

/// Asks until there is no room for it.
fn refused_at_last(ask: impl Fn(u32) -> Answer) {
    for number in 0..500 {
        let answer = ask(number);
        match answer.status {
            201 | 202 => {}
            _ => {
                answer.refused(507, "UNAVAILABLE");
                return;
            }
        }
    }
    panic!("it takes everything");
}

fn all_are_there(server: &Server, digests: &[Digest]) {
    for digest in digests {
        server.get(&format!("/v2/app/blobs/{digest}")).is(200);
    }
}

fn delete(server: &Server, digest: &Digest) {
    let target = format!("/v2/app/manifests/{digest}");
    server.ask("DELETE", &target).send().is(202);
}

fn has(folder: &Path, name: &str) -> bool {
    folder.join(name).exists()
}

#[test]
fn a_full_disk_refuses_what_is_new_with_507_and_gives_deletes_and_starts() {
    let home = Home::with_files();
    let Some(disk) = Disk::mounted(&home) else {
        return;
    };
    let config = "collect: {grace: 1 hour, every: 1 second}\n";
    let server = home.serve_as(config);
    let images: Vec<Digest> = (0..8)
        .map(|number| {
            let layer = noise(100_000, 1000 + number);
            server.push_image("app", &format!("{number}"), &[&layer])
        })
        .collect();
    let (_, manifest) = server.image("app", &[]);
    let mut kept = vec![
        server.push_blob("app", &noise(60_000, 8001)),
        server.push_blob("app", &noise(60_000, 8002)),
    ];
    disk.fill();
    kept.extend(until_full(&server, 1));
    // Whatever it is: what needs a page or two may still find them.
    refused_at_last(|number| {
        let target = format!("/v2/app/manifests/new-{number}");
        let asked = server.ask("PUT", &target).kind(MANIFEST);
        asked.body(&manifest).send()
    });
    refused_at_last(|_| server.ask("POST", "/v2/app/blobs/uploads/").send());
    push(&server, &noise(500_000, 3)).refused(507, "UNAVAILABLE");
    // What it has it gives.
    for image in &images {
        server.get(&format!("/v2/app/manifests/{image}")).is(200);
    }
    all_are_there(&server, &kept);
    server.get("/readyz").is(200);
    // And deletes, time and again.
    for image in &images[..3] {
        delete(&server, image);
    }
    let blob = kept.remove(0);
    let target = format!("/v2/app/blobs/{blob}");
    server.ask("DELETE", &target).send().is(202);
    server.ask("DELETE", "/v2/app/manifests/7").send().is(202);
    // Killed and started again, it is as before.
    server.kill();
    disk.fill();
    let server = home.serve_as(config);
    all_are_there(&server, &kept);
    server.get(&target).is(404);
    server
        .get(&format!("/v2/app/manifests/{}", images[0]))
        .is(404);
    for image in &images[3..5] {
        delete(&server, image);
    }
    kept.extend(until_full(&server, 1000));
    // The same when it was asked to end, which leaves nothing of SQLite's journal.
    disk.free(2 << 20);
    await_that("room is kept again", || {
        let _ = push(&server, b"{}");
        has(&disk.0, "reserve")
    });
    disk.fill();
    assert_eq!(server.terminate(), 0);
    disk.fill();
    let server = home.serve_as(config);
    all_are_there(&server, &kept);
    delete(&server, &images[5]);
    // With room it takes all again, by itself.
    disk.free(12 << 20);
    await_that("it takes again", || {
        push(&server, &noise(60_000, 5000)).status == 201
    });
    server.push_image("app", "again", &[&noise(100_000, 6000)]);
    assert!(has(&disk.0, "reserve"));
    assert_eq!(server.terminate(), 0);
    home.is_sound();
}
