//! What the cache promises.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use basalt_digest::Digest;
use basalt_fetch::Cache;
use basalt_fetch::cache::PrunePolicy;

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
    let month = SystemTime::now() - Duration::from_secs(30 * 86400);
    File::open(blob_path(&cache, &old))
        .and_then(|file| file.set_modified(month))
        .expect("aged");
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
