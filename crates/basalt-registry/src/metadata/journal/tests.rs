use std::path::Path;

use super::super::sqlite::{Sqlite, check_file};
use super::super::{Author, Grace, Metadata, NewBlob, Operations, Place};
use super::recover::recover;
use super::*;
use crate::digest::{Algorithm, Digest};

const GRACE: Grace = Grace {
    blob: 1000,
    untagged: None,
};

fn push(metadata: &dyn Metadata, number: u8) -> Digest {
    let bytes = vec![number; 100];
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let blob = NewBlob {
        quota: None,
        repository: "app".parse().expect("a name"),
        digest: digest.clone(),
        size: 100,
        place: Place::Inside(bytes.into()),
        upload: None,
        lease: 1,
        author: Author {
            name: "me".to_owned(),
            address: "here".to_owned(),
            moment: 5,
        },
    };
    wait(metadata.publish_blob(blob)).expect("it is written");
    digest
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("it is made").block_on(answer)
}

/// The digests that a database has, by name.
fn blobs(path: &Path) -> Vec<String> {
    assert_eq!(check_file(path, false).expect("it is read"), [""; 0]);
    let metadata = Sqlite::open(path, GRACE).expect("it opens");
    let blobs = wait(metadata.all_blobs(None, 1000)).expect("they are read");
    let mut names: Vec<String> = blobs.iter().map(|one| one.digest.to_string()).collect();
    names.sort();
    names
}

struct Made {
    folder: tempfile::TempDir,
    pushed: Vec<String>,
}

impl Made {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            pushed: Vec::new(),
        }
    }

    fn open(&self) -> impl Metadata + use<> {
        Sqlite::open(&self.folder.path().join("registry.db"), GRACE).expect("it opens")
    }

    fn push(&mut self, metadata: &dyn Metadata, numbers: std::ops::Range<u8>) {
        for number in numbers {
            self.pushed.push(push(metadata, number).to_string());
        }
        self.pushed.sort();
    }

    /// A snapshot is due, and made.
    fn snapshot(&self, metadata: &dyn Metadata) {
        wait(metadata.maintain()).expect("it is made");
    }

    fn recovered(&self) -> (recover::Recovered, Vec<String>) {
        let target = self.folder.path().join("new").join("registry.db");
        std::fs::create_dir(target.parent().expect("a folder")).expect("it is made");
        let recovered = recover(&self.folder.path().join("journal"), &target).expect("recovered");
        let blobs = blobs(&target);
        std::fs::remove_dir_all(target.parent().expect("a folder")).expect("it is removed");
        (recovered, blobs)
    }
}

#[test]
fn a_database_that_is_lost_is_made_anew_from_its_statements() {
    let mut made = Made::new();
    for round in 0..3 {
        // Each time the journal is gone on with.
        let metadata = made.open();
        made.push(&metadata, round * 10..round * 10 + 7);
    }
    let (recovered, blobs) = made.recovered();
    assert_eq!((recovered.stopped, recovered.snapshot), (None, None));
    assert_eq!(blobs, made.pushed);
}

#[test]
fn a_snapshot_and_what_followed_it_are_the_whole() {
    let mut made = Made::new();
    let metadata = made.open();
    made.push(&metadata, 0..5);
    drop(metadata);
    // A journal that is not of this database is of no use: a snapshot takes its place.
    std::fs::remove_dir_all(made.folder.path().join("journal")).expect("it is removed");
    let metadata = made.open();
    made.push(&metadata, 5..8);
    made.snapshot(&metadata);
    made.push(&metadata, 8..20);
    drop(metadata);
    let (recovered, blobs) = made.recovered();
    assert_eq!((recovered.stopped, recovered.snapshot), (None, Some(8)));
    assert_eq!((recovered.batches, blobs), (12, made.pushed.clone()));
    let folder = made.folder.path().join("journal");
    assert_eq!(files(&folder, LOG).expect("a list").len(), 1);
}

#[test]
fn a_batch_that_was_written_and_not_committed_is_none() {
    let mut made = Made::new();
    let metadata = made.open();
    made.push(&metadata, 0..5);
    drop(metadata);
    let folder = made.folder.path().join("journal");
    let database = made.folder.path().join("registry.db");
    let former = made.folder.path().join("former");
    std::fs::copy(&database, &former).expect("it is copied");
    let metadata = made.open();
    push(&metadata, 99);
    drop(metadata);
    // As if the server had been killed before the commit.
    std::fs::rename(&former, &database).expect("it is moved");
    let metadata = made.open();
    made.push(&metadata, 5..9);
    drop(metadata);
    assert_eq!(files(&folder, LOG).expect("a list").len(), 1);
    assert_eq!(made.recovered().1, made.pushed);
}

#[test]
fn what_is_torn_ends_the_journal_there_and_is_told() {
    let mut made = Made::new();
    let metadata = made.open();
    made.push(&metadata, 0..9);
    drop(metadata);
    let log = files(&made.folder.path().join("journal"), LOG).expect("a list");
    let bytes = std::fs::read(&log[0].1).expect("it is read");
    for length in [bytes.len() - 1, bytes.len() / 2, 40] {
        std::fs::write(&log[0].1, &bytes[..length]).expect("it is written");
        let (recovered, blobs) = made.recovered();
        assert!(recovered.batches < 9 && blobs.len() < 9, "{recovered:?}");
    }
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    std::fs::write(&log[0].1, &flipped).expect("it is written");
    assert!(made.recovered().1.len() < 9);
}
