//! Packages that dpkg-deb would not make, byte by byte.

use std::io::Write;
use std::process::{Command, Stdio};

use tar::{Builder, EntryType, Header};

/// One package: its name, its control members, its data member.
pub struct Deb {
    pub name: &'static str,
    /// What its own control file says, where that is not what the index says.
    pub says: Option<String>,
    /// Further control members: maintainer scripts, `conffiles`, `triggers`.
    pub members: Vec<(&'static str, &'static [u8])>,
    /// Members of the ar archive before `control.tar`.
    pub optional: Vec<&'static str>,
    pub data_name: &'static str,
    pub data: Vec<u8>,
}

impl Deb {
    fn new(name: &'static str, data: Vec<u8>) -> Self {
        Self {
            name,
            says: None,
            members: Vec::new(),
            optional: Vec::new(),
            data_name: "data.tar",
            data,
        }
    }

    /// Its control stanza.
    pub fn stanza(&self) -> String {
        format!(
            "Package: {}\nVersion: 1.0\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n\
             Section: misc\nPriority: optional\nDescription: a test\n",
            self.name
        )
    }

    /// The whole package.
    pub fn bytes(&self) -> Vec<u8> {
        let mut control = Builder::new(Vec::new());
        append(
            &mut control,
            b"./control",
            EntryType::Regular,
            "",
            0o644,
            self.says
                .clone()
                .unwrap_or_else(|| self.stanza())
                .as_bytes(),
        );
        for (name, content) in &self.members {
            let path = format!("./{name}");
            append(
                &mut control,
                path.as_bytes(),
                EntryType::Regular,
                "",
                0o755,
                content,
            );
        }
        let control = control.into_inner().expect("a Vec takes bytes");
        archive(&control, &self.optional, self.data_name, &self.data)
    }
}

/// A sound package with this control stanza and one small file.
pub fn plain(stanza: &str, path: &str) -> Vec<u8> {
    let mut control = Builder::new(Vec::new());
    let name = b"./control";
    append(
        &mut control,
        name,
        EntryType::Regular,
        "",
        0o644,
        stanza.as_bytes(),
    );
    let control = control.into_inner().expect("a Vec takes bytes");
    let data = data(&[(path.as_bytes(), EntryType::Regular, "", 0o644)]);
    archive(&control, &[], "data.tar", &data)
}

/// The members of a package, in ar; optional ones stand before the control member.
fn archive(control: &[u8], optional: &[&str], data_name: &str, data: &[u8]) -> Vec<u8> {
    let mut ar = b"!<arch>\n".to_vec();
    let optional = optional.iter().map(|name| (*name, b"odd".as_slice()));
    let members = [("debian-binary", b"2.0\n".as_slice())]
        .into_iter()
        .chain(optional)
        .chain([("control.tar", control), (data_name, data)]);
    for (name, content) in members {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            1_700_000_000,
            0,
            0,
            100_644,
            content.len()
        );
        ar.extend(header.as_bytes());
        ar.extend(content);
        ar.resize(ar.len().next_multiple_of(2), b'\n');
    }
    ar
}

/// All of them.
pub fn all() -> Vec<Deb> {
    let secret = |path: &'static [u8]| (path, EntryType::Regular, "", 0o644);
    let mut script = Deb::new("odd-script", data(&[secret(b"./usr/share/odd")]));
    script.members = vec![(
        "postinst",
        b"#!/bin/sh\nset -e\nfrobnicate --everything /usr\n",
    )];
    let packed = |name, data| {
        let mut deb = Deb::new(name, data);
        deb.data_name = "data.tar.xz";
        deb
    };
    let plain = data(&[secret(b"./usr/share/flipped")]);
    vec![
        Deb::new("evil-flipped", flipped(&plain, 20)),
        packed("evil-xz", flipped(&xz(&plain), 40)),
        packed("evil-cut-xz", cut(&xz(&plain), 8)),
        Deb::new("evil-cut-tar", cut(&plain, 1100)),
        Deb::new("evil-dotdot", data(&[secret(b"./usr/../../etc/passwd")])),
        Deb::new("evil-whiteout", data(&[secret(b"./usr/.wh.bin")])),
        Deb::new("evil-opaque", data(&[secret(b"./usr/.wh..wh..opq")])),
        Deb::new("evil-whiteout-folder", data(&[secret(b"./usr/.wh.lib/x")])),
        Deb::new(
            "evil-symlink",
            data(&[
                (b"./usr/share/way", EntryType::Symlink, "/etc", 0o777),
                secret(b"./usr/share/way/passwd"),
            ]),
        ),
        Deb::new(
            "evil-duplicate",
            data(&[secret(b"./usr/share/twin"), secret(b"./usr/share/twin")]),
        ),
        Deb::new(
            "evil-device",
            data(&[(b"./dev/evil", EntryType::Char, "", 0o666)]),
        ),
        Deb::new(
            "evil-hardlink",
            data(&[(b"./usr/share/alias", EntryType::Link, "./etc/shadow", 0o644)]),
        ),
        Deb::new("evil-long", long()),
        packed("evil-bomb", bomb()),
        Deb::new(
            "linked-manual",
            data(&[
                secret(b"./usr/share/doc/linked-manual/README"),
                (
                    b"./usr/share/readme",
                    EntryType::Link,
                    "./usr/share/doc/linked-manual/README",
                    0o644,
                ),
            ]),
        ),
        Deb::new(
            "good-setuid",
            data(&[(b"./usr/bin/tool", EntryType::Regular, "", 0o4755)]),
        ),
        script,
    ]
    .into_iter()
    .chain(of_another())
    .chain(malformed())
    .chain(unpacked())
    .collect()
}

/// Sound packages, but not those that the index says they are.
fn of_another() -> Vec<Deb> {
    let changes = [
        (
            "another-name",
            "Package: another-name",
            "Package: good-setuid",
        ),
        ("another-version", "Version: 1.0", "Version: 0.9"),
        (
            "another-architecture",
            "Architecture: amd64",
            "Architecture: all",
        ),
        ("no-version", "Version: 1.0\n", ""),
    ];
    let of_one = |(name, from, to): (&'static str, &str, &str)| {
        let data = data_of(&[("./usr/share/another", "x")]);
        let mut deb = Deb::new(name, data);
        deb.says = Some(deb.stanza().replace(from, to));
        deb
    };
    changes.into_iter().map(of_one).collect()
}

/// Packages whose control members or lists dpkg and systemd could not read.
fn malformed() -> Vec<Deb> {
    let plain = || data_of(&[("./usr/share/malformed", "x")]);
    let with = |name, member, content: &'static [u8]| {
        let mut deb = Deb::new(name, plain());
        deb.members = vec![(member, content)];
        deb
    };
    let mut garbled = Deb::new("evil-control", plain());
    garbled.says = Some("Package evil-control\n".to_owned());
    let mut twice = Deb::new("evil-stanzas", plain());
    twice.says = Some(format!("{0}\n{0}", twice.stanza()));
    let mut users = Deb::new(
        "evil-sysusers",
        data_of(&[("./usr/lib/sysusers.d/evil.conf", "u evil /etc/shadow\n")]),
    );
    users.members = vec![(
        "postinst",
        b"#!/bin/sh\nset -e\nsystemd-sysusers evil.conf\n",
    )];
    vec![
        with("evil-conffiles", "conffiles", b"../../etc/passwd\n"),
        with("evil-triggers", "triggers", b"interest ../../evil\n"),
        with("evil-directive", "triggers", b"wish for-more\n"),
        garbled,
        twice,
        users,
        {
            let mut deb = Deb::new("evil-member", plain());
            deb.optional = vec!["other"];
            deb
        },
    ]
}

/// Packages that dpkg unpacks in ways of its own.
fn unpacked() -> Vec<Deb> {
    let mut diverts = Deb::new(
        "diverts",
        data_of(&[
            ("./usr/bin/chosen", "its own"),
            ("./usr/share/diverts", "x"),
        ]),
    );
    diverts.members = vec![(
        "preinst",
        b"#!/bin/sh\nset -e\ndpkg-divert --package diverts --add --rename --divert /usr/bin/chosen.distrib \
            /usr/bin/chosen\n",
    )];
    let mut signed = Deb::new("signed", data_of(&[("./usr/share/signed", "x")]));
    signed.optional = vec!["_gpgorigin", "_odd"];
    vec![
        diverts,
        Deb::new("diverted", data_of(&[("./usr/bin/chosen", "the other's")])),
        Deb::new(
            "runs",
            data_of(&[
                ("./var/run/runs/state", "running"),
                ("./var/lock/runs", "locked"),
                ("./usr/share/runs", "x"),
            ]),
        ),
        signed,
    ]
}

/// Files with their content, each after the directories that hold it: dpkg makes none by itself.
fn data_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut made = Vec::new();
    for (path, content) in files {
        for (end, _) in path.match_indices('/').skip(1) {
            let directory = &path[..=end];
            if !made.contains(&directory) {
                made.push(directory);
                let path = directory.as_bytes();
                append(&mut builder, path, EntryType::Directory, "", 0o755, b"");
            }
        }
        let (path, content) = (path.as_bytes(), content.as_bytes());
        append(&mut builder, path, EntryType::Regular, "", 0o755, content);
    }
    builder.into_inner().expect("a Vec takes bytes")
}

/// One bit is another.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// The end is missing.
fn cut(bytes: &[u8], missing: usize) -> Vec<u8> {
    bytes[..bytes.len() - missing].to_vec()
}

fn data(entries: &[(&[u8], EntryType, &str, u32)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, link, mode) in entries {
        let content: &[u8] = if *kind == EntryType::Regular {
            b"content\n"
        } else {
            b""
        };
        append(&mut builder, path, *kind, link, *mode, content);
    }
    builder.into_inner().expect("a Vec takes bytes")
}

/// Writes the name into the header as it is: the tar crate would refuse the bad ones.
fn append(
    builder: &mut Builder<Vec<u8>>,
    path: &[u8],
    kind: EntryType,
    link: &str,
    mode: u32,
    content: &[u8],
) {
    let mut header = header(kind, mode, content.len() as u64);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path);
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    if kind == EntryType::Char {
        header.set_device_major(1).expect("it fits");
        header.set_device_minor(3).expect("it fits");
    }
    header.set_cksum();
    builder.append(&header, content).expect("a Vec takes bytes");
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header
}

/// A path of 4,200 bytes, as a GNU long name.
fn long() -> Vec<u8> {
    let path = format!("./usr/share/{}end", "directory/".repeat(419));
    let mut builder = Builder::new(Vec::new());
    builder
        .append_data(
            &mut header(EntryType::Regular, 0o644, 8),
            path,
            b"content\n".as_slice(),
        )
        .expect("a Vec takes bytes");
    builder.into_inner().expect("a Vec takes bytes")
}

/// Two files of 5 GiB of zeros, in less than 10 MB of xz: streams end to end, as xz allows.
fn bomb() -> Vec<u8> {
    const PART: usize = 16 << 20;
    let zeros = xz(&vec![0; PART]);
    let mut bytes = Vec::new();
    for name in ["./usr/share/zeros-1", "./usr/share/zeros-2"] {
        let mut header = header(EntryType::Regular, 0o644, 5 << 30);
        header.set_path(name).expect("a short path");
        header.set_cksum();
        bytes.extend(xz(header.as_bytes()));
        for _ in 0..(5 << 30) / PART {
            bytes.extend(&zeros);
        }
    }
    bytes.extend(xz(&[0; 1024]));
    assert!(bytes.len() < 10_000_000, "it is a small package");
    bytes
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut child = Command::new("xz")
        .args(["--stdout", "-6"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests pack with `xz`: install it");
    let mut input = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        // Dropped at the end of the thread, so that xz sees the end.
        scope.spawn(move || input.write_all(plain).expect("xz reads"));
        child.wait_with_output().expect("xz ends")
    });
    assert!(output.status.success(), "xz fails");
    output.stdout
}
