use object_store::memory::InMemory;

use super::*;
use crate::metadata::Grace;
use crate::metadata::sqlite::Sqlite;

const GRACE: Grace = Grace {
    blob: 0,
    untagged: None,
};

/// Two servers of one bucket, and an upload that both may go on with.
async fn two(folder: &std::path::Path) -> ([Bucket; 2], Arc<InMemory>, UploadId) {
    let database = folder.join("registry.db");
    let metadata: Arc<dyn Metadata> = Arc::new(Sqlite::open(&database, GRACE).expect("it opens"));
    let store = Arc::new(InMemory::new());
    let upload = UploadId::random();
    let repository = "app".parse().expect("a name");
    let begun = metadata.begin_upload(&repository, &upload, i64::MAX);
    begun.await.expect("it begins");
    let server = || Bucket::over(store.clone(), Arc::clone(&metadata));
    ([server(), server()], store, upload)
}

async fn objects(store: &InMemory) -> usize {
    store.list(None).count().await
}

#[tokio::test]
async fn an_upload_goes_on_at_another_server_and_is_one_blob() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([one, other], store, upload) = two(folder.path()).await;
    let text = b"what one began, the other ends";
    for (server, from, to) in [(&one, 0, 10), (&other, 10, text.len())] {
        let bytes = vec![Bytes::copy_from_slice(&text[from..to])];
        let added = server.append(&upload, from as u64, bytes).await;
        added.expect("it is added");
    }
    let digest = Digest::of(Algorithm::Sha256, text);
    let hashed = one.hash_staged(&upload, Hasher::new(Algorithm::Sha256), 0);
    let (hasher, length) = hashed.await.expect("it is read");
    assert_eq!(
        (hasher.finish(), length),
        (digest.clone(), text.len() as u64)
    );
    let size = text.len() as u64;
    one.publish(&upload, &digest, size)
        .await
        .expect("it is published");
    let blob = other.open(&digest, &upload).await.expect("it is asked for");
    let blob = blob.expect("it is there");
    assert_eq!(blob.size(), size);
    let mut read = Vec::new();
    while (read.len() as u64) < size {
        let more = blob.read(read.len() as u64, 7).await.expect("it is read");
        assert!(!more.is_empty() && more.len() <= 7);
        read.extend_from_slice(&more);
    }
    assert_eq!(read, text);
    assert_eq!(
        one.list(hex_part(&digest))
            .await
            .expect("it is listed")
            .len(),
        1
    );
    one.remove(&digest, &upload).await.expect("it is removed");
    assert_eq!(objects(&store).await, 0);
}

#[tokio::test]
async fn what_is_staged_can_be_read_from_any_place_while_more_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([one, other], _, upload) = two(folder.path()).await;
    let read = |offset| other.read_staged_at(&upload, offset, 4);
    assert!(read(0).await.expect("it is asked for").is_empty());
    for (offset, bytes) in [(0, "abc"), (3, "defghi")] {
        let bytes = vec![Bytes::from_static(bytes.as_bytes())];
        one.append(&upload, offset, bytes)
            .await
            .expect("it is added");
    }
    for (offset, expected) in [(0, "abc"), (2, "c"), (3, "defg"), (8, "i"), (9, "")] {
        let found = read(offset).await.expect("it is read");
        assert_eq!(found, expected.as_bytes(), "{offset}");
    }
}

#[tokio::test]
async fn a_server_that_comes_too_late_adds_nothing_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([one, late], store, upload) = two(folder.path()).await;
    let bytes = || vec![Bytes::from_static(b"four")];
    one.append(&upload, 0, bytes()).await.expect("it is added");
    for offset in [0, 3, 5] {
        let refused = late.append(&upload, offset, bytes()).await;
        let error = refused.expect_err("it is refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{offset}");
    }
    assert_eq!(objects(&store).await, 1);
    assert_eq!(
        late.staged_length(&upload).await.expect("it is known"),
        Some(4)
    );
    let ended = one.metadata.end_upload(&upload).await;
    assert!(ended.expect("it ends"));
    assert!(late.append(&upload, 4, bytes()).await.is_err());
    one.discard(&upload).await.expect("it is removed");
    assert_eq!(objects(&store).await, 0);
}

#[tokio::test]
async fn a_piece_that_is_gone_or_a_list_that_is_none_is_never_read_as_the_blob() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([one, other], store, upload) = two(folder.path()).await;
    let digest = Digest::of(Algorithm::Sha256, b"four");
    let bytes = vec![Bytes::from_static(b"four")];
    one.append(&upload, 0, bytes).await.expect("it is added");
    assert!(one.publish(&upload, &digest, 5).await.is_err());
    one.publish(&upload, &digest, 4)
        .await
        .expect("it is published");
    one.discard(&upload).await.expect("its pieces are removed");
    let blob = one.open(&digest, &upload).await.expect("it is asked for");
    let read = blob.expect("its list is there").read(0, 4).await;
    let error = read.expect_err("it cannot be read");
    assert!(!super::super::is_passing(&error), "{error}");
    let list = PutPayload::from_static(b"{\"size\":4,\"pieces\":[]");
    let path = blob_path(&digest, &upload);
    store.put(&path, list).await.expect("it is written");
    let blob = other.open(&digest, &upload).await;
    assert!(blob.expect("it is asked for").is_none());
}

fn hex_part(digest: &Digest) -> u8 {
    u8::from_str_radix(&digest.hex()[..2], 16).expect("two digits")
}

#[tokio::test]
async fn what_is_brought_from_another_store_is_compared_and_what_is_wrong_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes: Vec<u8> = (0..ADDED + 5).map(|at| (at % 250) as u8).collect();
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let source = crate::blobs::Folder::open(folder.path()).expect("it opens");
    let ([target, _], store, upload) = two(folder.path()).await;
    let added = source.append(&upload, 0, vec![bytes.clone().into()]);
    added.await.expect("it is added");
    let size = bytes.len() as u64;
    let published = source.publish(&upload, &digest, size);
    published.await.expect("it is published");
    let found = source.open(&digest, &upload).await.expect("it opens");
    let found = found.expect("it is there");

    let other = Digest::of(Algorithm::Sha256, b"other");
    let brought = target.bring(&other, &upload, Arc::clone(&found)).await;
    assert!(!brought.expect("it is looked at"));
    assert_eq!(objects(&store).await, 0);

    let brought = target.bring(&digest, &upload, found).await;
    assert!(brought.expect("it is brought"));
    // Two pieces and their list.
    assert_eq!(objects(&store).await, 3);
    let there = target.open(&digest, &upload).await.expect("it opens");
    let there = there.expect("it is there");
    let back = crate::blobs::Folder::open(&folder.path().join("back")).expect("it opens");
    assert!(
        back.bring(&digest, &upload, there)
            .await
            .expect("it is brought")
    );
    let file = std::fs::read(back.path(&digest, &upload)).expect("it is read");
    assert!(file == bytes);
}
