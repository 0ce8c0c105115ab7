//! Packages as dpkg-deb reads them: what it takes is read, what it refuses is refused, and whatever is
//! done to the bytes of one ends in a package or in an error about that package.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use basalt_deb::deb::{Control, DataEntry, DebError, Limits, read, read_control};
use proptest::prelude::*;

const CONTROL: &str = "Package: tool\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n";

/// How an ar member's content may be packed, by suffix, and who packs it.
const PACKED: [(&str, &[&str]); 6] = [
    ("", &["cat"]),
    (".gz", &["gzip", "-n"]),
    (".xz", &["xz", "-0"]),
    (".zst", &["zstd", "-q"]),
    (".bz2", &["bzip2"]),
    (".lzma", &["xz", "--format=lzma", "-0"]),
];

fn piped(command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("these tests need `{}`: {error}", command[0]));
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("it reads"));
        child.wait_with_output().expect("it ends")
    });
    assert!(output.status.success(), "{command:?} fails");
    output.stdout
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder
            .append(&header, *content)
            .expect("a Vec takes bytes");
    }
    builder.into_inner().expect("a Vec takes bytes")
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            1_700_000_000,
            0,
            0,
            100_644,
            content.len()
        );
        bytes.extend(header.as_bytes());
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

fn control_tar() -> Vec<u8> {
    tar(&[
        ("./control", CONTROL.as_bytes()),
        ("./conffiles", b"/etc/tool\n"),
        (
            "./md5sums",
            b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/tool\n",
        ),
        ("./shlibs", b"libtool 1 tool\n"),
        ("./triggers", b"activate-noawait ldconfig\n"),
    ])
}

fn data_tar() -> Vec<u8> {
    tar(&[("./etc/tool", b"x\n"), ("./usr/bin/tool", b"#!/bin/sh\n")])
}

type Files = BTreeMap<String, Vec<u8>>;

fn read_all(bytes: &[u8], limits: &Limits) -> Result<(Control, Files), DebError> {
    let mut files = BTreeMap::new();
    let mut visit = |entry: &DataEntry, content: &mut dyn Read| -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.insert(entry.path.clone(), bytes);
        Ok(())
    };
    let control = read(bytes, limits, &mut visit)?;
    Ok((control, files))
}

/// Whether dpkg-deb takes a package: control and data both.
fn dpkg_takes(bytes: &[u8]) -> bool {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("basalt-deb-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    let path = folder.join(format!("{:?}.deb", std::thread::current().id()));
    std::fs::write(&path, bytes).expect("written");
    let quietly = |option: &str| {
        Command::new("dpkg-deb")
            .arg(option)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("these tests need `dpkg-deb`")
            .success()
    };
    let taken = quietly("--field") && quietly("--contents");
    std::fs::remove_file(&path).expect("removed");
    taken
}

/// Asserts that we take a package if and only if dpkg-deb does; whether it does.
fn as_dpkg(name: &str, members: &[(&str, &[u8])]) -> bool {
    let bytes = ar(members);
    let (expected, own) = (dpkg_takes(&bytes), read_all(&bytes, &Limits::default()));
    assert_eq!(own.is_ok(), expected, "{name}: {own:?}");
    if let Ok((control, files)) = own {
        assert_eq!(control.stanza, CONTROL, "{name}");
        assert_eq!(files["./usr/bin/tool"], b"#!/bin/sh\n", "{name}");
        assert_eq!(
            read_control(bytes.as_slice(), &Limits::default()).expect("its control"),
            control
        );
    }
    expected
}

#[test]
fn members_are_packed_in_whatever_way_dpkg_takes() {
    let (control, data) = (control_tar(), data_tar());
    let mut taken = Vec::new();
    for (suffix, packer) in PACKED {
        let packed = piped(packer, &data);
        let name = format!("data.tar{suffix}");
        let plain = piped(&["gzip", "-n"], &control);
        assert!(
            as_dpkg(
                &name,
                &[
                    ("debian-binary", b"2.0\n"),
                    ("control.tar.gz", &plain),
                    (&name, &packed)
                ]
            ),
            "dpkg refuses {name}"
        );
        let packed = piped(packer, &control);
        let name = format!("control.tar{suffix}");
        let members: [(&str, &[u8]); 3] = [
            ("debian-binary", b"2.0\n"),
            (&name, &packed),
            ("data.tar", &data),
        ];
        if as_dpkg(&name, &members) {
            taken.push(suffix);
        }
    }
    assert_eq!(taken, ["", ".gz", ".xz", ".zst"]);
}

#[test]
fn optional_members_are_passed_over_and_others_are_not_as_dpkg_has_it() {
    let (control, data) = (control_tar(), data_tar());
    let (binary, control) = (("debian-binary", &b"2.0\n"[..]), ("control.tar", &*control));
    let (data, optional) = (("data.tar", &*data), ("_gpgorigin", &b"odd"[..]));
    let long = vec![b'x'; 100_001];
    for (name, members, taken) in [
        (
            "before control",
            vec![binary, optional, control, data],
            true,
        ),
        ("before data", vec![binary, control, optional, data], true),
        (
            "twice",
            vec![binary, optional, optional, control, optional, data],
            true,
        ),
        (
            "a long one",
            vec![binary, ("_", &long), control, data],
            true,
        ),
        ("at the end", vec![binary, control, data, optional], true),
        (
            "another at the end",
            vec![binary, control, data, ("other", b"x")],
            true,
        ),
        ("before all", vec![optional, binary, control, data], false),
        (
            "another before control",
            vec![binary, ("other", b"x"), control, data],
            false,
        ),
        (
            "another before data",
            vec![binary, control, ("other", b"x"), data],
            false,
        ),
        ("data first", vec![binary, data, control], false),
        ("control twice", vec![binary, control, control, data], false),
        ("no data", vec![binary, control, optional], false),
        ("no control", vec![binary, data], false),
        (
            "another suffix",
            vec![binary, control, ("data.tar.rar", data.1)],
            false,
        ),
        (
            "no dot",
            vec![binary, control, ("data.targz", data.1)],
            false,
        ),
        (
            "two dots",
            vec![binary, control, ("data.tar..gz", data.1)],
            false,
        ),
        (
            "format 3",
            vec![("debian-binary", b"3.0\n"), control, data],
            false,
        ),
        (
            "format 2.1",
            vec![("debian-binary", b"2.1\n"), control, data],
            true,
        ),
    ] {
        assert_eq!(as_dpkg(name, &members), taken, "dpkg: {name}");
    }
    // Whoever has thousands of them means no good.
    let mut many = vec![binary];
    many.extend(std::iter::repeat_n(optional, 1000));
    many.extend([control, data]);
    let refused = read_all(&ar(&many), &Limits::default()).expect_err("refused");
    assert!(
        refused.to_string().contains("optional members"),
        "{refused}"
    );
}

/// The package of these tests, packed in each way.
fn packages() -> &'static Vec<Vec<u8>> {
    static PACKAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let (control, data) = (control_tar(), data_tar());
        let packed = PACKED.iter().map(|(suffix, packer)| {
            let of_control = match *suffix {
                ".bz2" | ".lzma" => "",
                suffix => suffix,
            };
            let control = match of_control {
                "" => control.clone(),
                _ => piped(packer, &control),
            };
            ar(&[
                ("debian-binary", b"2.0\n"),
                (&format!("control.tar{of_control}"), &control),
                (&format!("data.tar{suffix}"), &piped(packer, &data)),
            ])
        });
        packed.collect()
    })
}

const SMALL: Limits = Limits {
    data: 4 << 20,
    ratio: 400,
    always: 1 << 20,
    entries: 100,
    control: 1 << 20,
    names: 1 << 20,
};

/// Whether it is the package's fault, and not this machine's, that it cannot be read.
fn blames_it(error: &DebError) -> bool {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            return false;
        }
        next = error.source();
    }
    true
}

/// Whether a package is read, or it is at fault that it is not.
fn is_its_fault(bytes: &[u8]) -> bool {
    read_all(bytes, &SMALL).map_or_else(|error| blames_it(&error), |_| true)
}

#[test]
fn a_package_that_ends_anywhere_is_malformed() {
    for whole in packages() {
        let (control, files) = read_all(whole, &SMALL).expect("it is whole");
        assert_eq!((control.stanza.as_str(), files.len()), (CONTROL, 2));
        for length in 0..whole.len() {
            // The line end that pads the last member is no part of it.
            let is_padding = length + 1 == whole.len() && whole.ends_with(b"\n");
            match read_all(&whole[..length], &SMALL) {
                Ok(_) => assert!(is_padding, "taken at {length} of {}", whole.len()),
                Err(error) => assert!(blames_it(&error), "{error:?}"),
            }
        }
    }
}

#[test]
fn a_package_with_a_byte_changed_anywhere_is_read_or_malformed() {
    for whole in packages() {
        // A plain tar is mostly zeros.
        let step = whole.len() / 4096 + 1;
        for place in (0..whole.len()).step_by(step) {
            for change in [0x01, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                assert!(is_its_fault(&bytes));
            }
        }
    }
}

proptest! {
    #[test]
    fn a_package_with_pieces_moved_is_read_or_malformed(
        which in 0..6_usize,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        length in 1..200_usize,
        noise in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = packages()[which].clone();
        let from = from.index(bytes.len());
        let piece: Vec<u8> = bytes.iter().skip(from).take(length).copied().collect();
        let to = to.index(bytes.len());
        bytes.splice(to..to, piece.into_iter().chain(noise));
        prop_assert!(is_its_fault(&bytes));
    }
}

#[test]
fn names_of_entries_take_no_more_memory_than_is_allowed() {
    let long = format!("./{}", "directory/".repeat(400));
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..400 {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder
            .append_data(&mut header, format!("{long}{number}"), io::empty())
            .expect("a Vec takes bytes");
    }
    let data = builder.into_inner().expect("a Vec takes bytes");
    let limits = Limits {
        entries: 1000,
        ..SMALL
    };
    let package = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control_tar()),
        ("data.tar", &data),
    ]);
    let error = read_all(&package, &limits).expect_err("refused");
    assert!(
        error
            .source()
            .expect("a cause")
            .to_string()
            .contains("its paths"),
        "{error:?}"
    );
    assert!(
        read_all(
            &package,
            &Limits {
                names: 2 << 20,
                ..limits
            }
        )
        .is_ok()
    );
}
