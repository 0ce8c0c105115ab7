//! Records of the cache that whoever owns it damaged: read in full and used, or taken for none.
#![no_main]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use basalt_digest::Digest;
use basalt_fetch::{Cache, FetchOptions, Fetcher, Mirrors, Silent};
use basalt_layer::{Fragment, LayerInfo};
use basalt_tree::{PackageEntries, PackageListing, Tree, TreePath};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A package as `basalt-build` remembers it: listing, fragment, digests.
type Package = (PackageListing, Fragment, BTreeMap<TreePath, String>);
/// A control member as `basalt-build` remembers it: stanza, members, date.
type Control = (String, BTreeMap<String, Vec<u8>>, i64);

static FETCHER: LazyLock<Option<(tempfile::TempDir, Fetcher)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().ok()?;
    let options = FetchOptions {
        offline: true,
        ..FetchOptions::default()
    };
    let cache = Cache::open(folder.path()).ok()?;
    let mirrors = Mirrors::only(BTreeMap::new());
    let fetcher = Fetcher::new(cache, mirrors, options, Arc::new(Silent));
    Some((folder, fetcher))
});

/// Reads a record; one that is read is the same once it is written and read again.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let record = postcard::from_bytes::<T>(bytes).ok()?;
    let Ok(written) = postcard::to_stdvec(&record) else {
        panic!("what was read cannot be written");
    };
    assert_eq!(postcard::from_bytes::<T>(&written).as_ref(), Ok(&record));
    Some(record)
}

/// Puts a package that was read into a tree, as a build does.
fn assemble(listing: &PackageListing) {
    for (path, _) in &listing.entries {
        assert!(!path.as_str().split('/').any(|part| part == ".."));
        let _ = path.usr_merged();
    }
    let mut tree = Tree::new(0);
    let package = PackageEntries {
        name: &listing.name,
        entries: &listing.entries,
    };
    let _ = tree.insert_package(package, &|_, _| false);
    for (path, _) in tree.iter() {
        assert!(!path.as_str().split('/').any(|part| part == ".."));
    }
}

/// A Release file remembered for a suite, and asked for again.
fn release(bytes: &[u8]) {
    let Some((_, fetcher)) = FETCHER.as_ref() else {
        return;
    };
    let key = Digest::of(b"debian\0trixie");
    if fetcher.cache().put_fact("releases", &key, bytes).is_ok() {
        let _ = fetcher.release_file("debian", "trixie", false);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 4 {
        0 => {
            if let Some((listing, _, _)) = read::<Package>(bytes) {
                assemble(&listing);
            }
        }
        1 => {
            read::<Control>(bytes);
        }
        2 => {
            read::<(LayerInfo, Fragment)>(bytes);
        }
        _ => release(bytes),
    }
});
