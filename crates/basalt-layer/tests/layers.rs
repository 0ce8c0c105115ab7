//! Promises of fragments and layers, checked with other people's readers.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::process::{Command, Stdio};

use basalt_digest::Digest;
use basalt_layer::{
    CHUNK_LENGTH, Codec, CompressionPool, Extent, Fragment, FragmentReader, FragmentSource,
    FragmentWriter, LayerError, LayerInfo, Repacked, read_entry, repack, write_layer,
};
use basalt_tree::{Entry, Kind, TreePath};
use proptest::prelude::*;

const CODECS: [Codec; 4] = [
    Codec::Gzip,
    Codec::Zstd,
    Codec::GzipSmallest,
    Codec::ZstdSmallest,
];

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

fn file(content: &[u8]) -> Entry {
    let kind = Kind::File {
        size: content.len() as u64,
        digest: Digest::of(content),
    };
    Entry::new(kind, 0o644, 1_700_000_000)
}

type Item = (TreePath, Entry, Vec<u8>);

fn fragment(codec: Codec, items: &[Item]) -> (Fragment, Vec<u8>) {
    let mut writer = FragmentWriter::new(codec, Vec::new());
    for (path, entry, content) in items {
        let digest = writer
            .entry(path, entry, &mut content.as_slice())
            .expect("writable");
        assert_eq!(digest.is_some(), matches!(entry.kind, Kind::File { .. }));
    }
    writer.finish().expect("finished")
}

fn layer(codec: Codec, directories: &[(TreePath, Entry)], items: &[Item]) -> (LayerInfo, Vec<u8>) {
    let (fragment, bytes) = fragment(codec, items);
    write_layer(
        directories.iter().map(|(path, entry)| (path, entry)),
        [FragmentSource {
            fragment: &fragment,
            reader: bytes.as_slice(),
        }],
        codec,
        Vec::new(),
    )
    .expect("a layer")
}

/// Decompresses with the tool that people have, which also checks it.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("installed");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ran");
    feeder.join().expect("fed").expect("fed");
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

fn plain(codec: Codec, layer: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Gzip | Codec::GzipSmallest => piped("gzip", &["-dc"], layer),
        Codec::Zstd | Codec::ZstdSmallest => piped("zstd", &["-dcq"], layer),
    }
}

fn awkward() -> (Vec<(TreePath, Entry)>, Vec<Item>) {
    let long = format!("usr/{}/{}", "d".repeat(120), "f".repeat(99));
    let longer = format!("usr/{}", "n".repeat(200));
    let deep = format!(
        "usr/{}/x",
        ["e".repeat(60), "e".repeat(60), "e".repeat(60)].join("/")
    );
    let directories = [
        ("usr".to_owned(), 0o755),
        ("tmp".to_owned(), 0o1777),
        (format!("usr/{}", "d".repeat(120)), 0o700),
    ];
    let directories = directories
        .into_iter()
        .map(|(text, mode)| (path(&text), Entry::new(Kind::Directory, mode, 5)))
        .collect();
    let mut items: Vec<Item> = Vec::new();
    for text in [
        &long,
        &longer,
        &deep,
        "usr/gr\u{fc}\u{df}e-\u{65e5}\u{672c}",
        "usr/empty",
    ] {
        let content = if text == "usr/empty" {
            Vec::new()
        } else {
            text.as_bytes().to_vec()
        };
        items.push((path(text), file(&content), content));
    }
    let mut special = file(b"capable");
    special.mode = 0o6755;
    special.uid = 3_000_000;
    special.gid = 42;
    special.mtime = -7;
    special
        .xattrs
        .insert("security.capability".to_owned(), vec![1, 0, 0, 2, 0, 255]);
    items.push((path("usr/special"), special, b"capable".to_vec()));
    let symlink = |target: &str| {
        let kind = Kind::Symlink {
            target: target.to_owned(),
        };
        Entry::new(kind, 0o777, 1)
    };
    items.push((path("usr/near"), symlink("../etc/x"), Vec::new()));
    items.push((path("usr/far"), symlink(&"t/".repeat(100)), Vec::new()));
    let kind = Kind::Hardlink {
        target: path(&longer),
    };
    items.push((
        path("usr/other-name"),
        Entry::new(kind, 0o644, 1_700_000_000),
        Vec::new(),
    ));
    items.push((
        path("usr/pipe"),
        Entry::new(Kind::Fifo, 0o600, 1),
        Vec::new(),
    ));
    (directories, items)
}

/// What the `tar` crate reads: path, type, mode, ids, time, link, content.
type Read_ = (String, u8, u32, u64, u64, i64, String, Vec<u8>);

fn read_back(tar: &[u8]) -> Vec<Read_> {
    let mut archive = tar::Archive::new(tar);
    let mut found = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let mut mtime = entry.header().mtime().expect("a time") as i64;
        let mut uid = entry.header().uid().expect("an id");
        if let Some(records) = entry.pax_extensions().expect("records") {
            for record in records {
                let record = record.expect("a record");
                let value = String::from_utf8_lossy(record.value_bytes()).into_owned();
                match record.key() {
                    Ok("mtime") => mtime = value.parse().expect("a number"),
                    Ok("uid") => uid = value.parse().expect("a number"),
                    _ => {}
                }
            }
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        found.push((
            text(&entry.path_bytes()),
            entry.header().entry_type().as_byte(),
            entry.header().mode().expect("a mode"),
            uid,
            entry.header().gid().expect("an id"),
            mtime,
            entry
                .link_name_bytes()
                .map(|name| text(&name))
                .unwrap_or_default(),
            content,
        ));
    }
    found
}

fn wanted(path: &TreePath, entry: &Entry, content: &[u8]) -> Read_ {
    let (flag, link, slash) = match &entry.kind {
        Kind::File { .. } => (b'0', String::new(), ""),
        Kind::Hardlink { target } => (b'1', target.as_str().to_owned(), ""),
        Kind::Symlink { target } => (b'2', target.clone(), ""),
        Kind::Directory => (b'5', String::new(), "/"),
        Kind::Fifo => (b'6', String::new(), ""),
    };
    let name = format!("{}{slash}", path.as_str());
    let (uid, gid) = (u64::from(entry.uid), u64::from(entry.gid));
    (
        name,
        flag,
        entry.mode,
        uid,
        gid,
        entry.mtime,
        link,
        content.to_vec(),
    )
}

#[test]
fn reads_back_as_it_was_written() {
    let (directories, items) = awkward();
    for codec in CODECS {
        let (info, bytes) = layer(codec, &directories, &items);
        let tar = plain(codec, &bytes);
        let mut expected: Vec<Read_> = directories
            .iter()
            .map(|(path, entry)| wanted(path, entry, b""))
            .collect();
        expected.extend(
            items
                .iter()
                .map(|(path, entry, content)| wanted(path, entry, content)),
        );
        assert_eq!(read_back(&tar), expected);
        assert_eq!(info.digest, Digest::of(&bytes));
        assert_eq!(info.size, bytes.len() as u64);
        assert_eq!(info.diff_id, Digest::of(&tar));
        assert_eq!(info.uncompressed_size, tar.len() as u64);
        assert!(tar.ends_with(&[0; 1024]));
    }
}

#[test]
fn gnu_tar_and_python_read_the_same_names() {
    let (directories, items) = awkward();
    let (_, bytes) = layer(Codec::Gzip, &directories, &items);
    let tar = plain(Codec::Gzip, &bytes);
    let listed = piped("tar", &["--quoting-style=literal", "-tf", "-"], &tar);
    let listed = String::from_utf8(listed).expect("UTF-8");
    let names: Vec<String> = read_back(&tar).into_iter().map(|found| found.0).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    let script = "import sys,tarfile\nfor m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):\n \
                  sys.stdout.buffer.write((m.name+('/' if m.isdir() else '')+'\\n').encode('utf-8','surrogateescape'))\n \
                  x=m.pax_headers.get('SCHILY.xattr.security.capability')\n \
                  assert (x is not None) == (m.name == 'usr/special'), m.name";
    let listed = piped("python3", &["-c", script], &tar);
    assert_eq!(
        String::from_utf8(listed)
            .expect("UTF-8")
            .lines()
            .collect::<Vec<_>>(),
        names
    );
}

/// The `tar` crate cuts records at line ends; POSIX counts them, and so do Go and Python.
#[test]
fn an_attribute_may_hold_line_ends() {
    let mut entry = file(b"");
    entry
        .xattrs
        .insert("user.text".to_owned(), b"a\n7 b=c\n".to_vec());
    let (_, bytes) = layer(Codec::Gzip, &[], &[(path("x"), entry, Vec::new())]);
    let script = "import sys,tarfile\nm = tarfile.open(fileobj=sys.stdin.buffer, mode='r|').next()\n\
                  print(repr(m.pax_headers))";
    let found = piped("python3", &["-c", script], &plain(Codec::Gzip, &bytes));
    let found = String::from_utf8(found).expect("UTF-8");
    assert_eq!(found.trim(), r"{'SCHILY.xattr.user.text': 'a\n7 b=c\n'}");
}

/// Gives at most so many bytes at once.
struct Slow<'b>(&'b [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.1).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn large() -> Vec<u8> {
    let mut state = 1_u32;
    (0..2 * CHUNK_LENGTH + 77_777)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        })
        .collect()
}

#[test]
fn the_same_bytes_however_they_come_and_whoever_compresses_them() {
    let content = large();
    let pool = CompressionPool::new(2).expect("threads");
    for codec in CODECS {
        let items = [
            (path("a"), file(b"x"), b"x".to_vec()),
            (path("b"), file(&content), content.clone()),
        ];
        let (expected, expected_bytes) = fragment(codec, &items);
        assert_eq!(expected.chunks.len(), 3);
        for (pieces, pool) in [
            (usize::MAX, Some(&pool)),
            (65_521, None),
            (4_093, Some(&pool)),
        ] {
            let mut writer = FragmentWriter::new(codec, Vec::new());
            if let Some(pool) = pool {
                writer = writer.with_pool(pool);
            }
            for (path, entry, content) in &items {
                writer
                    .entry(path, entry, &mut Slow(content, pieces))
                    .expect("writable");
            }
            let (found, bytes) = writer.finish().expect("finished");
            assert_eq!((found, bytes), (expected.clone(), expected_bytes.clone()));
        }
        let content_back = read_entry(Cursor::new(&expected_bytes), &expected, &path("b"));
        assert_eq!(content_back.expect("there"), content);
    }
}

#[test]
fn content_that_is_not_as_long_as_promised_is_refused() {
    for (content, found) in [(&b"abc"[..], "shorter"), (b"abcde", "longer")] {
        let mut writer = FragmentWriter::new(Codec::Gzip, Vec::new());
        let error = writer.entry(&path("usr/x"), &file(b"abcd"), &mut &*content);
        let text = error.expect_err("refused").to_string();
        assert!(text.contains("/usr/x") && text.contains(found), "{text}");
    }
}

#[test]
fn duplicates_directories_and_lonely_hard_links_are_refused() {
    let mut writer = FragmentWriter::new(Codec::Gzip, Vec::new());
    let mut write = |text: &str, kind: Kind| {
        writer.entry(
            &path(text),
            &Entry::new(kind, 0o644, 0),
            &mut std::io::empty(),
        )
    };
    let link = || Kind::Symlink {
        target: "x".to_owned(),
    };
    write("a", link()).expect("writable");
    assert!(matches!(
        write("a", link()),
        Err(LayerError::Duplicate { .. })
    ));
    assert!(matches!(
        write("b", Kind::Directory),
        Err(LayerError::Directory { .. })
    ));
    let hard = Kind::Hardlink {
        target: path("none"),
    };
    assert!(matches!(
        write("c", hard),
        Err(LayerError::HardlinkTarget { .. })
    ));
    let empty = Kind::Symlink {
        target: String::new(),
    };
    assert!(matches!(
        write("d", empty),
        Err(LayerError::Unwritable { .. })
    ));
}

#[test]
fn a_record_of_a_file_beyond_all_bounds_gives_no_empty_file() {
    let (mut known, bytes) = fragment(Codec::Gzip, &[(path("a"), file(b"a"), b"a".to_vec())]);
    known.uncompressed_size = u64::MAX;
    for (offset, size) in [(u64::MAX, u64::MAX), (u64::MAX, 1), (1, u64::MAX)] {
        known.files.insert(path("a"), Extent { offset, size });
        let read = read_entry(Cursor::new(&bytes), &known, &path("a"));
        assert!(matches!(read, Err(LayerError::Damaged { .. })), "{read:?}");
    }
}

#[test]
fn a_damaged_fragment_never_becomes_a_layer() {
    for codec in CODECS {
        let content = b"some content, some content, some content".repeat(100);
        let (known, bytes) = fragment(codec, &[(path("a"), file(&content), content.clone())]);
        let write = |bytes: &[u8]| {
            let part = FragmentSource {
                fragment: &known,
                reader: bytes,
            };
            write_layer([], [part], codec, Vec::new()).map(|_| ())
        };
        write(&bytes).expect("whole");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(
                matches!(write(&damaged), Err(LayerError::Damaged { .. })),
                "{codec} {place}"
            );
        }
        assert!(write(&bytes[..bytes.len() - 1]).is_err());
        assert!(write(&[&bytes[..], b"x"].concat()).is_err());
    }
}

#[test]
fn a_fragment_packed_again_holds_the_same_content_with_new_attributes() {
    let items = [(path("usr/sudo"), file(b"program"), b"program".to_vec())];
    let (former, bytes) = fragment(Codec::Gzip, &items);
    let mut entry = items[0].1.clone();
    entry.mode = 0o755;
    let moved = |entry| {
        [Repacked {
            from: path("usr/sudo"),
            path: path("usr/sudo.real"),
            entry,
        }]
    };
    let mut reader = FragmentReader::new(&former, Cursor::new(&bytes)).expect("a reader");
    let (found, _) =
        repack(&mut reader, &moved(entry.clone()), Codec::Zstd, Vec::new()).expect("packed");
    let wanted = [(path("usr/sudo.real"), entry, b"program".to_vec())];
    assert_eq!(found, fragment(Codec::Zstd, &wanted).0);
    let other = moved(file(b"PROGRAM"));
    let altered = repack(&mut reader, &other, Codec::Zstd, Vec::new());
    assert!(matches!(altered, Err(LayerError::Altered { .. })));
}

#[test]
fn every_compatibility_number_gives_these_bytes_forever() {
    let (directories, mut items) = awkward();
    // Text and noise, long enough for several chunks and for every setting to show.
    let mut content = large();
    content.extend(b"the quick brown fox jumps over the lazy dog, ".repeat(20_000));
    items.push((path("usr/large"), file(&content), content));
    let pinned = |codec| layer(codec, &directories, &items).0;
    let found = CODECS.map(pinned);
    for layer in &found {
        let diff_id = "b0fa0d9f3d7a098d27c6555ee8a756b65ee3b9de55cb757c4eb4c4b92a6fa366";
        assert_eq!(layer.diff_id.hex(), diff_id);
    }
    assert!(found[2].size < found[0].size && found[3].size < found[1].size);
    assert_eq!(
        found.map(|layer| layer.digest.hex()),
        [
            "325e91a089e7085f1d4d5010a933cb4cd2fed680f620c99955bef68deb05fe8c",
            "60f1cc27bf67b945095b93858112dcd596951af19b4671d647d687098319c0a7",
            "6614b1c2ad2cc9d14b4ed271240c59c74e1d2cc220da8f7b9842c452abfe274f",
            "07990594ce518bec13f46d02b4eeb77dbdd0c8e79af3969191229eda1d077728"
        ]
    );
}

fn any_item() -> impl Strategy<Value = (String, u8, u32, i64, Vec<u8>)> {
    let name = "[a-z\u{e4}\u{4e2d} .%~+-]{1,90}";
    (
        proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/")),
        0_u8..3,
        0_u32..0o10000,
        -5_i64..2_000_000_000,
        proptest::collection::vec(any::<u8>(), 0..2000),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_set_of_entries_survives(raw in proptest::collection::vec(any_item(), 0..12)) {
        let mut items: BTreeMap<TreePath, (Entry, Vec<u8>)> = BTreeMap::new();
        for (text, sort, mode, mtime, content) in raw {
            let Ok(path) = TreePath::new(&text) else { continue };
            if path.is_root() { continue }
            let (mut entry, content) = match sort {
                0 => (Entry::new(Kind::Fifo, 0, 0), Vec::new()),
                1 => (Entry::new(Kind::Symlink { target: text.clone() }, 0, 0), Vec::new()),
                _ => (file(&content), content),
            };
            entry.mode = mode;
            entry.mtime = mtime;
            items.insert(path, (entry, content));
        }
        let items: Vec<Item> = items.into_iter().map(|(path, (entry, content))| (path, entry, content)).collect();
        let (info, bytes) = layer(Codec::Zstd, &[], &items);
        let tar = plain(Codec::Zstd, &bytes);
        prop_assert_eq!(info.diff_id, Digest::of(&tar));
        let expected: Vec<Read_> = items.iter().map(|(path, entry, content)| wanted(path, entry, content)).collect();
        prop_assert_eq!(read_back(&tar), expected);
    }
}
