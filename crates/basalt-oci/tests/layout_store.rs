//! What a layout promises as a place of images.

use std::io::Read;
use std::path::Path;

use basalt_oci::{
    Descriptor, ImageStore, Index, LayoutStore, LayoutWriter, Manifest, OciError, annotation,
    media_type,
};

const ARTIFACT: &str = "application/example";

/// A layout with an image of one layer, tagged `latest`.
fn layout(target: &Path) -> Descriptor {
    let writer = LayoutWriter::create(target, false).expect("it begins");
    let config = writer.add_bytes(media_type::CONFIG, b"{}").expect("added");
    let layer = writer.add_bytes(media_type::LAYER, b"tar").expect("added");
    let manifest = Manifest::new(config, vec![layer]);
    let mut descriptor = writer
        .add_json(media_type::MANIFEST, &manifest)
        .expect("added");
    let name = annotation::REFERENCE_NAME.to_owned();
    descriptor.annotations.insert(name, "latest".to_owned());
    writer
        .finish(&Index::new(vec![descriptor.clone()]))
        .expect("in place");
    descriptor
}

/// Attaches a document to a manifest.
fn attach(store: &LayoutStore, subject: &Descriptor, text: &str, tag: Option<&str>) -> Descriptor {
    let config = store
        .put_blob("application/vnd.oci.empty.v1+json", b"{}")
        .expect("added");
    let layer = store.put_blob(ARTIFACT, text.as_bytes()).expect("added");
    let mut manifest = Manifest::new(config, vec![layer]);
    manifest.artifact_type = Some(ARTIFACT.to_owned());
    manifest.subject = Some(Descriptor::new(
        &subject.media_type,
        subject.digest,
        subject.size,
    ));
    manifest
        .annotations
        .insert("text".to_owned(), text.to_owned());
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    store
        .put_manifest(media_type::MANIFEST, &bytes, tag)
        .expect("added")
}

#[test]
fn what_is_attached_is_found_by_its_subject_and_the_image_stays_the_tagged_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image = layout(&path);
    let store = LayoutStore::open(&path).expect("a layout");
    let (first, second) = (
        attach(&store, &image, "first", None),
        attach(&store, &image, "second", None),
    );
    // Once more changes nothing.
    attach(&store, &image, "first", None);

    let mut expected = [first.digest, second.digest];
    expected.sort();
    let found = store.referrers(&image.digest).expect("read");
    assert_eq!(
        found.iter().map(|one| one.digest).collect::<Vec<_>>(),
        expected
    );
    assert!(
        found
            .iter()
            .all(|one| one.artifact_type.as_deref() == Some(ARTIFACT)
                && one.annotations.contains_key("text"))
    );
    assert!(store.referrers(&first.digest).expect("read").is_empty());
    assert_eq!(store.tags().expect("read"), ["latest"]);
    assert_eq!(
        store.resolve("latest").expect("read").map(|one| one.digest),
        Some(image.digest)
    );
    let (descriptor, bytes) = store
        .manifest(&first.digest)
        .expect("read")
        .expect("it is there");
    assert_eq!(
        (descriptor.media_type.as_str(), descriptor.size),
        (media_type::MANIFEST, bytes.len() as u64)
    );
    let names: Vec<_> = std::fs::read_dir(&path)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(
        std::fs::read_dir(path.join("blobs"))
            .expect("a folder")
            .count(),
        1
    );
}

#[test]
fn a_tag_moves_and_what_had_it_and_refers_to_something_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image = layout(&path);
    let store = LayoutStore::open(&path).expect("a layout");
    let first = attach(&store, &image, "first", Some("tag"));
    let second = attach(&store, &image, "second", Some("tag"));
    assert_eq!(
        store.resolve("tag").expect("read").map(|one| one.digest),
        Some(second.digest)
    );
    assert_eq!(store.referrers(&image.digest).expect("read").len(), 2);
    assert!(store.manifest(&first.digest).expect("read").is_some());
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image = layout(&path);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (path, image) = (&path, &image);
            scope.spawn(move || {
                let store = LayoutStore::open(path).expect("a layout");
                for number in 0..5 {
                    attach(&store, image, &format!("{writer}.{number}"), None);
                }
            });
        }
    });
    let store = LayoutStore::open(&path).expect("a layout");
    assert_eq!(store.referrers(&image.digest).expect("read").len(), 40);
}

#[test]
fn a_blob_that_was_changed_is_not_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image = layout(&path);
    let store = LayoutStore::open(&path).expect("a layout");
    let blob = store.put_blob("text/plain", b"true").expect("added");
    let file = path.join("blobs/sha256").join(blob.digest.hex());
    std::fs::write(&file, b"lies").expect("written");
    let mut bytes = Vec::new();
    let error = store
        .blob(&blob)
        .expect("it is there")
        .read_to_end(&mut bytes)
        .expect_err("another digest");
    assert!(error.to_string().contains("another content"), "{error}");
    // Put again, it is put right.
    store.put_blob("text/plain", b"true").expect("added");
    assert_eq!(std::fs::read(&file).expect("read"), b"true");

    let manifest = path.join("blobs/sha256").join(image.digest.hex());
    let mut text = std::fs::read_to_string(&manifest).expect("read");
    text = text.replace("\"schemaVersion\":2", "\"schemaVersion\":3");
    std::fs::write(&manifest, text).expect("written");
    assert!(store.manifest(&image.digest).is_err());
}

#[test]
fn an_archive_is_read_and_not_added_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    let image = layout(&path);
    let store = LayoutStore::open(&path).expect("a layout");
    attach(&store, &image, "first", None);
    let archive = folder.path().join("image.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&archive).expect("made"));
    builder.append_dir_all(".", &path).expect("packed");
    builder.finish().expect("packed");
    let store = LayoutStore::open(&archive).expect("an archive");
    assert_eq!(store.referrers(&image.digest).expect("read").len(), 1);
    assert!(matches!(
        store.put_blob("text/plain", b"x"),
        Err(OciError::ReadOnly { .. })
    ));
}

#[test]
fn a_manifest_whose_blobs_are_not_there_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image");
    layout(&path);
    let store = LayoutStore::open(&path).expect("a layout");
    let manifest = Manifest::new(Descriptor::of(media_type::CONFIG, b"none"), Vec::new());
    let bytes = basalt_oci::to_bytes(&manifest).expect("JSON");
    assert!(matches!(
        store.put_manifest(media_type::MANIFEST, &bytes, Some("broken")),
        Err(OciError::Missing { .. })
    ));
    assert_eq!(store.tags().expect("read"), ["latest"]);
}
