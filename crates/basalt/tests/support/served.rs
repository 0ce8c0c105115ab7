//! An archive of our own in a folder, put together file by file as real ones are, odd ones among them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use basalt_digest::{Digest, Sha512};

use super::debs;
use super::keys::{self, Keys};
use super::mirror::Mirror;
use super::workplace::{Run, Workplace};

/// The name of a hash in a Release file, and the hash of bytes in hex.
type NamedHash<'a> = (&'a str, &'a dyn Fn(&[u8]) -> String);

/// The archive `own`, signed by a key of 2024.
pub struct Served {
    folder: tempfile::TempDir,
    keys: Keys,
    /// The moment of its signatures, as `date` understands it.
    pub signed: String,
}

/// A package: its stanza in the index, without what says where it is, and that file.
pub struct Packed {
    /// The control stanza, each line ended.
    pub stanza: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Where it is, below the archive.
    pub path: String,
}

/// A package of this name, version and architecture, with more fields, each line ended.
pub fn packed(name: &str, version: &str, architecture: &str, more: &str) -> Packed {
    let stanza = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: Nobody <nobody@example.org>\n{more}Description: a test\n"
    );
    Packed {
        bytes: debs::plain(&stanza, &format!("./usr/share/{name}/{architecture}")),
        path: format!("pool/{name}_{version}_{architecture}.deb"),
        stanza,
    }
}

impl Packed {
    /// Its whole stanza, as `apt-ftparchive` writes it.
    pub fn entry(&self) -> String {
        format!(
            "{}Filename: {}\nSize: {}\nSHA256: {}\n\n",
            self.stanza,
            self.path,
            self.bytes.len(),
            Digest::of(&self.bytes).hex()
        )
    }

    /// The same with SHA-512 alone.
    pub fn entry_by_sha512(&self) -> String {
        let digest = format!("SHA256: {}", Digest::of(&self.bytes).hex());
        let other = format!("SHA512: {}", Sha512::of(&self.bytes).hex());
        self.entry().replace(&digest, &other)
    }
}

/// Compresses by the program of the format.
pub fn compressed(program: &[&str], plain: &[u8]) -> Vec<u8> {
    let input = tempfile::NamedTempFile::new().expect("a file");
    fs::write(input.path(), plain).expect("it is written");
    let output = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::from(input.reopen().expect("it opens")))
        .output()
        .unwrap_or_else(|_| panic!("these tests pack with `{}`: install it", program[0]));
    assert!(output.status.success(), "{program:?}");
    output.stdout
}

impl Served {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            keys: Keys::make(),
            signed: "1 day ago".to_owned(),
        }
    }

    /// Puts a file into it.
    pub fn file(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is made");
        fs::write(path, bytes).expect("it is written");
    }

    /// Puts packages into it.
    pub fn pool(&self, packages: &[&Packed]) {
        for package in packages {
            self.file(&package.path, &package.bytes);
        }
    }

    /// Signs a suite in a folder: its fields, each line ended, and the files it vouches for, relative to
    /// the folder, which are put there. `Date` is added.
    pub fn suite(&self, folder: &str, fields: &str, files: &[(&str, &[u8])]) {
        let hashes = |bytes: &[u8]| Digest::of(bytes).hex();
        self.suite_by(("SHA256", &hashes), folder, fields, files);
    }

    /// The same with another digest.
    pub fn suite_by(
        &self,
        (name, hash): NamedHash<'_>,
        folder: &str,
        fields: &str,
        files: &[(&str, &[u8])],
    ) {
        let mut release = format!(
            "Origin: Nobody\n{fields}Date: {}\n{name}:\n",
            date(&self.signed)
        );
        for (path, bytes) in files {
            release.push_str(&format!(" {} {} {path}\n", hash(bytes), bytes.len()));
            self.file(&format!("{folder}{path}"), bytes);
        }
        let moment = ["--faked-system-time", &gpg_date(&self.signed)];
        let signed = self.keys.sign(&release, &[keys::OLD], false, &moment);
        self.file(&format!("{folder}InRelease"), signed);
    }

    /// A place whose image is for these architectures and has this package of it, without what it depends
    /// on; `archive` says more of the archive, such as `suite: good`.
    pub fn place(&self, archive: &str, architectures: &str, package: &str) -> Workplace {
        let place = Workplace::warm(&format!(
            "name: probe\nreleases: [trixie]\narchitectures: [{architectures}]\n\
             archives:\n  - {{ name: own, keyring: own.asc, {archive} }}\n\
             packages:\n  - {{ name: \"{package}\", dependencies: false }}\n"
        ));
        place.write("own.asc", self.keys.export(keys::OLD));
        place
    }

    /// Runs a command on `image.yaml`, with more arguments.
    pub fn run(&self, place: &Workplace, command: &str, more: &[&str]) -> Run {
        self.run_from(&Mirror::honest(), place, command, more)
    }

    /// The same with this mirror of Debian's archives.
    pub fn run_from(
        &self,
        debian: &Mirror,
        place: &Workplace,
        command: &str,
        more: &[&str],
    ) -> Run {
        let own = format!("own=file://{}", self.folder.path().display());
        let mut arguments = vec![command, "image.yaml", "--mirror", &own];
        arguments.extend(more);
        place.basalt_in(&[], debian, &arguments)
    }

    /// Builds `image.yaml` into `out`.
    pub fn build(&self, place: &Workplace) -> Run {
        self.run(place, "build", &["-o", "out"])
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn dated(text: &str, form: &str) -> String {
    let output = Command::new("date")
        .args(["--utc", form, "--date", text])
        .env("LC_ALL", "C")
        .output()
        .expect("`date` is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    text.trim().to_owned()
}

/// A moment as a Release file writes it.
pub fn date(text: &str) -> String {
    dated(text, "+%a, %d %b %Y %H:%M:%S UTC")
}

/// A moment as RFC 3339 writes it.
pub fn moment(text: &str) -> String {
    dated(text, "+%Y-%m-%dT%H:%M:%SZ")
}

/// A moment as `gpg` takes it.
fn gpg_date(text: &str) -> String {
    dated(text, "+%Y%m%dT%H%M%S")
}
