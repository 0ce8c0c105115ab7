//! What the cache promises.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use basalt_digest::{Digest, Promise, Sha512};
use basalt_fetch::Cache;
use basalt_fetch::cache::{CacheError, PrunePolicy};

fn open(folder: &tempfile::TempDir) -> Cache {
    Cache::open(folder.path()).expect("a cache")
}

fn blob_path(cache: &Cache, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    cache.root().join("blobs/sha256").join(&hex[..2]).join(hex)
}

#[test]
fn two_writers_of_one_blob_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert!(cache.put(b"same").is_ok())));
        }
    });
    assert_eq!(cache.size().expect("size").blobs, 1);
    assert_eq!(
        cache.get(&Digest::of(b"same")).expect("get").as_deref(),
        Some(&b"same"[..])
    );
}

#[test]
fn a_corrupt_blob_is_noticed_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let digest = cache.put(b"good").expect("put");
    let path = blob_path(&cache, &digest);
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o444
    );
    fs::remove_file(&path)
        .and_then(|()| fs::write(&path, b"evil"))
        .expect("overwritten");
    assert_eq!(cache.verify().expect("verified").corrupt.len(), 1);
    fs::write(&path, b"evil").expect("overwritten");
    assert!(cache.get(&digest).expect("get").is_none());
    assert!(!path.exists());
}

#[test]
fn a_link_in_a_blobs_place_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let digest = cache.put(b"good").expect("put");
    let path = blob_path(&cache, &digest);
    let aside = folder.path().join("aside");
    fs::rename(&path, &aside).expect("moved");
    std::os::unix::fs::symlink(&aside, &path).expect("linked");
    assert!(cache.get(&digest).expect("get").is_none());
}

#[test]
fn a_fact_of_another_user_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let key = Digest::of(b"key");
    cache.put_fact("listing", &key, b"fact").expect("put");
    assert_eq!(
        cache.fact("listing", &key).expect("get").as_deref(),
        Some(&b"fact"[..])
    );
    let hex = key.hex();
    let path = cache
        .root()
        .join("facts/listing")
        .join(&hex[..2])
        .join(&hex);
    // Only root can give a file away; elsewhere there is nothing to show.
    if chown(&path, Some(12345), None).is_ok() {
        assert!(cache.fact("listing", &key).expect("get").is_none());
    }
}

#[test]
fn a_fact_under_another_name_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let key = Digest::of(b"key");
    cache.put_fact("listing", &key, b"fact").expect("put");
    fs::rename(
        cache.root().join("facts/listing"),
        cache.root().join("facts/index"),
    )
    .expect("moved");
    assert!(cache.fact("index", &key).expect("get").is_none());
    assert!(cache.fact("../blobs", &key).is_err());
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("temporary")).expect("made");
    let left = folder.path().join("temporary/writing-left");
    let held = folder.path().join("temporary/writing-held");
    let old = SystemTime::now() - Duration::from_secs(3600);
    for path in [&left, &held] {
        File::create(path)
            .and_then(|file| file.set_modified(old))
            .expect("made");
    }
    let writer = File::open(&held).expect("opened");
    writer.lock().expect("locked");
    open(&folder);
    assert!(!left.exists());
    assert!(held.exists());
}

#[test]
fn after_a_process_only_its_own_unlocked_files_go_however_young() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    fs::create_dir_all(folder.path().join("temporary")).expect("made");
    let path = |name: &str| folder.path().join("temporary").join(name);
    let names = ["writing-7-left", "writing-7-held", "writing-77-other"];
    for name in names {
        File::create(path(name)).expect("made");
    }
    let writer = File::open(path("writing-7-held")).expect("opened");
    writer.lock().expect("locked");
    cache.sweep_after(7);
    let stays = names.map(|name| path(name).exists());
    assert_eq!(stays, [false, true, true]);
}

#[test]
fn prune_keeps_what_was_used_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let (old, new) = (
        cache.put(b"old").expect("put"),
        cache.put(b"new").expect("put"),
    );
    age(&cache, &old);
    // Who put them there counts on them no more.
    drop(cache);
    let cache = open(&folder);
    let policy = PrunePolicy {
        maximum_size: Some(3),
        ..PrunePolicy::default()
    };
    assert_eq!(cache.prune(&policy).expect("pruned").removed_bytes, 3);
    assert!(cache.get(&old).expect("get").is_none());
    assert!(cache.get(&new).expect("get").is_some());
}

#[test]
fn folders_of_a_shared_cache_are_shared() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).expect("set");
    let cache = open(&folder);
    cache.put(b"x").expect("put");
    let mode = fs::metadata(folder.path().join("blobs/sha256"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o1777);
}

fn age(cache: &Cache, digest: &Digest) {
    let month = SystemTime::now() - Duration::from_secs(30 * 86400);
    File::open(blob_path(cache, digest))
        .and_then(|file| file.set_modified(month))
        .expect("aged");
}

const ALL: PrunePolicy = PrunePolicy {
    unused_for: Some(Duration::ZERO),
    maximum_size: Some(0),
};

#[test]
fn prune_leaves_what_a_process_that_runs_has_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let key = Digest::of(b"key");
    let digests = [&b"seen"[..], b"opened", b"got", b"unseen"].map(|bytes| {
        let digest = cache.put(bytes).expect("put");
        age(&cache, &digest);
        digest
    });
    cache.put_fact("kind", &key, b"fact").expect("put");
    drop(cache);
    let (build, other) = (open(&folder), open(&folder));
    let [seen, opened, got, unseen] = &digests;
    assert!(build.seems_to_have(seen, None));
    assert!(build.open_unverified(opened, 6).expect("opened").is_some());
    assert!(build.get(got).expect("got").is_some());
    assert!(build.fact("kind", &key).expect("read").is_some());
    let written = build.put(b"written").expect("put");
    let absent = Digest::of(b"absent");
    assert!(!build.seems_to_have(&absent, None));

    let report = other.prune(&ALL).expect("pruned");
    assert_eq!(
        (report.removed, report.removed_bytes, report.held),
        (1, 6, 5)
    );
    for digest in [seen, opened, got, &written] {
        assert!(build.get(digest).expect("get").is_some());
    }
    assert!(build.fact("kind", &key).expect("read").is_some());
    assert!(build.get(unseen).expect("get").is_none());

    // What others put there for a process that looked before is held for it too.
    open(&folder).put(b"absent").expect("put");
    assert_eq!(other.prune(&ALL).expect("pruned").removed, 0);
    assert!(build.seems_to_have(&absent, None));
    drop(build);
    assert_eq!(other.prune(&ALL).expect("pruned").removed, 6);
    assert_eq!(other.size().expect("counted").blobs, 0);
}

#[test]
fn prune_takes_nothing_from_a_process_that_cannot_fetch() {
    let folder = tempfile::tempdir().expect("a folder");
    let digest = open(&folder).put(b"old").expect("put");
    let offline = open(&folder);
    offline.hold_everything();
    let report = open(&folder).prune(&ALL).expect("pruned");
    assert_eq!((report.removed, report.held), (0, 1));
    drop(offline);
    let report = open(&folder).prune(&ALL).expect("pruned");
    assert_eq!((report.removed, report.held), (1, 0));
    assert!(open(&folder).get(&digest).expect("get").is_none());
}

#[test]
fn what_a_killed_process_held_is_held_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let digest = open(&folder).put(b"old").expect("put");
    let notes = folder.path().join("holds/4711-killed");
    fs::write(&notes, "*\n").expect("written");
    let report = open(&folder).prune(&ALL).expect("pruned");
    assert_eq!((report.removed, report.held), (1, 0));
    assert!(!notes.exists());
    assert!(open(&folder).get(&digest).expect("get").is_none());
}

#[test]
fn a_look_and_a_prune_at_once_never_disagree() {
    let folder = tempfile::tempdir().expect("a folder");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                open(&folder).prune(&ALL).expect("pruned");
            }
        });
        let builds: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for round in 0..30 {
                        let cache = open(&folder);
                        for number in 0..20u8 {
                            let bytes = [round, number];
                            let digest = Digest::of(&bytes);
                            if !cache.seems_to_have(&digest, Some(2)) {
                                cache.put(&bytes).expect("put");
                            }
                            let there = cache.get(&digest).expect("get");
                            assert_eq!(there.as_deref(), Some(&bytes[..]), "it was taken away");
                        }
                    }
                })
            })
            .collect();
        for build in builds {
            build.join().expect("it held");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_vendor_store_gets_no_notes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = basalt_fetch::VendorStore::open(folder.path()).expect("opened");
    let digest = store.put(b"kept").expect("put");
    store
        .open_verified(&digest, 4)
        .expect("opened")
        .expect("there");
    assert!(!folder.path().join("holds").exists());
}

#[test]
fn what_is_promised_by_two_digests_has_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = open(&folder);
    let (sha256, sha512) = (Digest::of(b"good"), Sha512::of(b"good"));
    let wrong = Sha512::of(b"other");
    let written = |promise: &Promise| {
        let mut writer = cache.writer_for(promise).expect("a writer");
        writer.write_all(b"good").expect("written");
        writer.commit_promised(promise)
    };
    let known = |promise: Promise| cache.digest_of(&promise).expect("read");
    // Known by one digest, it is not yet known to have the other.
    written(&sha256.into()).expect("it is that");
    assert_eq!(known(sha256.into()), Some(sha256));
    assert_eq!(known(Promise::Both(sha256, sha512)), None);
    for promise in [
        Promise::Both(sha256, wrong),
        Promise::Both(Digest::of(b"other"), sha512),
        Promise::Both(Digest::of(b"other"), wrong),
        wrong.into(),
    ] {
        let error = written(&promise).expect_err("it is not that");
        let CacheError::Unexpected { expected, .. } = error else {
            panic!("{error}");
        };
        // The digest that it does not have is named.
        assert!(*expected == wrong.into() || *expected == Digest::of(b"other").into());
        assert_eq!(known(promise), None, "{promise}");
    }
    let both = Promise::Both(sha256, sha512);
    assert_eq!(written(&both).expect("it is both"), sha256);
    assert_eq!(known(both), Some(sha256));
    assert_eq!(known(sha512.into()), Some(sha256));
    assert_eq!(known(Promise::Both(Digest::of(b"other"), sha512)), None);
}
