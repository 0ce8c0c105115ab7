//! What layouts and archives promise.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use basalt_digest::Digest;
use basalt_oci::{
    ContentLimits, FileKind, History, ImageConfig, Index, Layout, LayoutWriter, Manifest, OciError,
    Platform, RootFilesystem, RuntimeConfig, Written, annotation, filesystem, is_current,
    media_type, stream_docker_archive, stream_oci_archive, write_docker_archive, write_oci_archive,
};

type Files<'a> = &'a [(&'a str, &'a [u8])];

fn tar_of(files: Files<'_>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        archive
            .append_data(&mut header, name, *content)
            .expect("a Vec takes bytes");
    }
    archive.into_inner().expect("a Vec takes bytes")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Two members, as layers made of fragments have them.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut all = Vec::new();
    for part in [first, second] {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(part).expect("a Vec takes bytes");
        all.extend(out.finish().expect("a Vec takes bytes"));
    }
    all
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let part = |bytes| zstd::encode_all(bytes, 3).expect("a Vec takes bytes");
    [part(first), part(second)].concat()
}

/// Writes an image for each architecture with these layers; returns the index.
fn write(target: &Path, layers: &[Files<'_>], zstd_layers: bool) -> (Index, Written) {
    let writer = LayoutWriter::create(target, true).expect("it begins");
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let platform = Platform::of_debian(architecture).expect("known");
        let mut descriptors = Vec::new();
        let mut diff_ids = Vec::new();
        let mut history = Vec::new();
        for files in layers {
            let plain = tar_of(files);
            diff_ids.push(Digest::of(&plain));
            let (kind, bytes) = if zstd_layers {
                (media_type::LAYER_ZSTD, zstd(&plain))
            } else {
                (media_type::LAYER_GZIP, gzip(&plain))
            };
            descriptors.push(writer.add_bytes(kind, &bytes).expect("added"));
            history.push(History::of_layer(0, &["libc6".to_owned()], ""));
        }
        let config = ImageConfig {
            created: Some(basalt_oci::date(0)),
            author: None,
            platform: platform.clone(),
            config: RuntimeConfig {
                user: "65532:65532".to_owned(),
                ..RuntimeConfig::default()
            },
            rootfs: RootFilesystem::of_layers(diff_ids),
            history,
        };
        let config = writer.add_json(media_type::CONFIG, &config).expect("added");
        let manifest = Manifest::new(config, descriptors);
        let mut descriptor = writer
            .add_json(media_type::MANIFEST, &manifest)
            .expect("added");
        descriptor.platform = Some(platform);
        manifests.push(descriptor);
    }
    let inner = writer
        .add_json(media_type::INDEX, &Index::new(manifests))
        .expect("added");
    let index = Index::new(vec![inner]);
    let written = writer.finish(&index).expect("put in place");
    (index, written)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

fn any_layer(layout: &Layout) -> basalt_oci::Descriptor {
    layout.images().expect("sound")[0].manifest.layers[0].clone()
}

const ONE: &[Files<'static>] = &[&[("etc/a", b"one"), ("etc/b", b"two")]];
const TWO: &[Files<'static>] = &[
    &[("etc/a", b"1"), ("etc/b", b"2")],
    &[("etc/.wh.a", b""), ("c", b"3")],
];

#[test]
fn a_layout_is_put_in_place_and_replaced_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("deep/out");
    let (index, written) = write(&target, ONE, false);
    assert_eq!(written, Written::New);
    assert!(is_current(&target, &index, true));
    let (second, written) = write(&target, TWO, false);
    assert_eq!(written, Written::Replaced);
    assert!(is_current(&target, &second, true) && !is_current(&target, &index, false));
    assert_eq!(names(&folder.path().join("deep")), ["out"]);
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let archives = ["a", "b"].map(|name| {
        let target = folder.path().join(name);
        write(&target, TWO, true);
        let layout = Layout::open(&target).expect("it opens");
        let file = folder.path().join(format!("{name}.tar"));
        write_oci_archive(&layout, &file).expect("written");
        std::fs::read(file).expect("read")
    });
    assert!(archives[0] == archives[1]);
}

#[test]
fn the_config_is_written_as_the_specification_orders_it() {
    let config = ImageConfig {
        created: Some(basalt_oci::date(1_000_000_000)),
        author: None,
        platform: Platform::of_debian("arm64").expect("known"),
        config: RuntimeConfig {
            exposed_ports: BTreeMap::from([("80/tcp".to_owned(), basalt_oci::Empty {})]),
            ..RuntimeConfig::default()
        },
        rootfs: RootFilesystem::of_layers(Vec::new()),
        history: Vec::new(),
    };
    let bytes = basalt_oci::to_bytes(&config).expect("JSON");
    let text = r#"{"created":"2001-09-09T01:46:40Z","architecture":"arm64","os":"linux","variant":"v8","config":{"ExposedPorts":{"80/tcp":{}}},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    let back: ImageConfig = serde_json::from_slice(&bytes).expect("it loads");
    assert_eq!(back, config);
}

#[test]
fn what_docker_writes_is_read() {
    let text = r#"{"architecture":"amd64","os":"linux",
        "config":{"Cmd":null,"Env":null,"ExposedPorts":null,"OnBuild":null,"ArgsEscaped":true,"Labels":null},
        "rootfs":{"type":"layers","diff_ids":[]},"history":null,"docker_version":"20"}"#;
    let config: ImageConfig = serde_json::from_str(text).expect("it loads");
    assert!(config.config.is_empty());
}

#[test]
fn an_archive_reads_like_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    write(&target, TWO, false);
    let layout = Layout::open(&target).expect("it opens");
    let file = folder.path().join("out.tar");
    write_oci_archive(&layout, &file).expect("written");
    let archive = Layout::open(&file).expect("it opens");
    let blobs = archive.blobs().expect("sound");
    assert_eq!(blobs, layout.blobs().expect("sound"));
    for blob in blobs {
        let mut bytes = Vec::new();
        let mut reader = archive.open_blob(&blob).expect("there");
        reader.read_to_end(&mut bytes).expect("sound");
        assert_eq!(Digest::of(&bytes), blob.digest);
    }
}

#[test]
fn layers_lie_over_each_other_in_both_codecs() {
    let folder = tempfile::tempdir().expect("a folder");
    for zstd_layers in [false, true] {
        let target = folder.path().join(zstd_layers.to_string());
        write(&target, TWO, zstd_layers);
        let layout = Layout::open(&target).expect("it opens");
        let image = &layout.images().expect("sound")[1];
        assert_eq!(image.config.platform.to_string(), "linux/arm64/v8");
        let limits = ContentLimits::default();
        let content = filesystem(&layout, image, limits, |path| path == "c").expect("sound");
        assert_eq!(content.files.keys().collect::<Vec<_>>(), ["c", "etc/b"]);
        assert_eq!(content.kept["c"], b"3");
        let digest = Digest::of(b"2");
        let wanted = FileKind::File { size: 1, digest };
        assert_eq!(content.files["etc/b"].kind, wanted);
    }
}

#[test]
fn too_much_content_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("out"), TWO, true);
    let layout = Layout::open(&folder.path().join("out")).expect("it opens");
    let image = &layout.images().expect("sound")[0];
    let usual = ContentLimits::default();
    for limits in [
        ContentLimits {
            bytes: 3000,
            ..usual
        },
        ContentLimits {
            entries: 3,
            ..usual
        },
    ] {
        let result = filesystem(&layout, image, limits, |_| false);
        assert!(result.is_err(), "{limits:?}");
    }
}

#[test]
fn a_changed_blob_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    let (index, _) = write(&target, ONE, false);
    let layout = Layout::open(&target).expect("it opens");
    let layer = any_layer(&layout);
    let path = target.join("blobs/sha256").join(layer.digest.hex());
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let mut reader = layout.open_blob(&layer).expect("the size is right");
    let error = reader.read_to_end(&mut Vec::new()).expect_err("refused");
    assert!(error.to_string().contains("another content"), "{error}");
    assert!(!is_current(&target, &index, true), "verify finds it");
    bytes.pop();
    std::fs::write(&path, &bytes).expect("written");
    let result = layout.open_blob(&layer).map(|_| ());
    assert!(matches!(result, Err(OciError::WrongSize { .. })));
    assert!(!is_current(&target, &index, false));
    std::fs::remove_file(&path).expect("removed");
    let result = layout.open_blob(&layer).map(|_| ());
    assert!(matches!(result, Err(OciError::Missing { .. })));
    let archive = folder.path().join("x.tar");
    assert!(write_oci_archive(&layout, &archive).is_err());
    assert_eq!(names(folder.path()), ["out"], "nothing half written");
}

#[test]
fn a_folder_with_other_things_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("thesis.tex"), "years").expect("written");
    let error = LayoutWriter::create(folder.path(), false).expect_err("refused");
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

#[test]
fn an_index_that_names_a_missing_blob_is_not_put_in_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    let writer = LayoutWriter::create(&target, false).expect("it begins");
    let absent = basalt_oci::Descriptor::of(media_type::MANIFEST, b"{}");
    let result = writer.finish(&Index::new(vec![absent]));
    assert!(matches!(result, Err(OciError::Missing { .. })));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_a_dead_process_left_is_cleared_and_what_a_living_one_has_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    for name in ["out.tmp-1-0/blobs", "out.tmp-notes"] {
        std::fs::create_dir_all(folder.path().join(name)).expect("made");
    }
    let living = LayoutWriter::create(&target, false).expect("it begins");
    write(&target, ONE, false);
    let left = names(folder.path());
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&"out.tmp-notes".to_owned()));
    drop(living);
    assert_eq!(names(folder.path()), ["out", "out.tmp-notes"]);
}

#[test]
fn blobs_are_copied_in_and_kept_from_the_former_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    write(&target, ONE, false);
    let layer = any_layer(&Layout::open(&target).expect("it opens"));
    let blob = Digest::of(b"blob");
    let writer = LayoutWriter::create(&target, false).expect("it begins");
    assert!(writer.keep(layer.digest, layer.size).expect("no error"));
    assert!(!writer.keep(Digest::of(b"absent"), 1).expect("no error"));
    let cached = folder.path().join("cached");
    std::fs::write(&cached, "blob").expect("written");
    assert!(writer.add_file(&cached, blob, 5).is_err(), "wrong size");
    writer.add_file(&cached, blob, 4).expect("added");
    let links = std::fs::metadata(&cached).expect("there").nlink();
    assert_eq!(links, 1, "never linked");
    writer
        .finish(&Index::new(Vec::new()))
        .expect("put in place");
    assert_eq!(names(&target), ["blobs", "index.json", "oci-layout"]);
    for digest in [layer.digest, blob] {
        let path = target.join("blobs/sha256").join(digest.hex());
        assert_eq!(Digest::of(&std::fs::read(path).expect("there")), digest);
    }
}

#[test]
fn a_docker_archive_names_its_layers_and_holds_no_zstd() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("out"), TWO, true);
    let layout = Layout::open(&folder.path().join("out")).expect("it opens");
    let file = folder.path().join("docker.tar");
    let platform = Platform::of_debian("arm64").expect("known");
    write_docker_archive(&layout, &file, &["base:1".to_owned()], &platform).expect("written");
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(std::fs::File::open(&file).expect("there"));
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("sound");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("sound");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        members.insert(name, bytes);
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    assert_eq!(manifest[0]["RepoTags"][0], "base:1");
    let config = &members[manifest[0]["Config"].as_str().expect("text")];
    let config: ImageConfig = serde_json::from_slice(config).expect("JSON");
    assert_eq!(config.platform, platform);
    let layers = manifest[0]["Layers"].as_array().expect("a list");
    assert_eq!(layers.len(), 2);
    for (number, name) in layers.iter().enumerate() {
        let layer = &members[name.as_str().expect("text")];
        assert_eq!(Digest::of(layer), config.rootfs.diff_ids[number]);
    }
}

#[test]
fn an_archive_for_containerd_bears_the_name_and_is_otherwise_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("out"), ONE, false);
    let layout = Layout::open(&folder.path().join("out")).expect("it opens");
    let file = folder.path().join("named.tar");
    let mut bytes = Vec::new();
    let name = "docker.io/library/base:1";
    stream_oci_archive(&layout, Some(name), &mut bytes).expect("written");
    std::fs::write(&file, bytes).expect("written");
    let named = Layout::open(&file).expect("it opens");
    let mut index = named.index().clone();
    for descriptor in &mut index.manifests {
        let found = descriptor.annotations.remove(annotation::CONTAINERD_NAME);
        assert_eq!(found.as_deref(), Some(name));
    }
    assert_eq!(&index, layout.index());
    let digests = |layout: &Layout| -> Vec<Digest> {
        let blobs = layout.blobs().expect("sound");
        blobs.iter().map(|blob| blob.digest).collect()
    };
    assert_eq!(digests(&named), digests(&layout));
}

#[test]
fn a_damaged_layer_leaves_an_archive_in_a_pipe_without_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    write(&target, ONE, false);
    let layout = Layout::open(&target).expect("it opens");
    let platform = Platform::of_debian("amd64").expect("known");
    let image = layout.image(&platform).expect("there");
    let layer = &image.manifest.layers[0];
    let path = target.join("blobs/sha256").join(layer.digest.hex());
    let mut damaged = std::fs::read(&path).expect("there");
    damaged[0] ^= 1;
    std::fs::write(&path, damaged).expect("written");
    let mut bytes = Vec::new();
    stream_docker_archive(&layout, &[], &platform, &mut bytes).expect_err("refused");
    assert!(
        !bytes.ends_with(&[0; 1024]),
        "the part looks like the whole"
    );
    let mut bytes = Vec::new();
    stream_oci_archive(&layout, None, &mut bytes).expect_err("refused");
    assert!(
        !bytes.ends_with(&[0; 1024]),
        "the part looks like the whole"
    );
}

#[test]
fn a_compressed_archive_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.tar.gz");
    std::fs::write(&file, gzip(&tar_of(&[("oci-layout", b"{}")]))).expect("written");
    let error = Layout::open(&file).expect_err("refused");
    assert!(
        error.to_string().contains("compressed with gzip"),
        "{error}"
    );
}

#[test]
fn every_cut_of_an_archive_is_refused_and_none_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("out"), ONE, false);
    let layout = Layout::open(&folder.path().join("out")).expect("it opens");
    let file = folder.path().join("out.tar");
    let again = folder.path().join("again.tar");
    write_oci_archive(&layout, &file).expect("written");
    let bytes = std::fs::read(&file).expect("read");
    // Behind the last content there is only padding, whose loss loses nothing.
    for end in (0..bytes.len() - 2048).step_by(97) {
        std::fs::write(&file, &bytes[..end]).expect("written");
        let read = Layout::open(&file).and_then(|layout| write_oci_archive(&layout, &again));
        assert!(read.is_err(), "{end} of {}", bytes.len());
    }
}
