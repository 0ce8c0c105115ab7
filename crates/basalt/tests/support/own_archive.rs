//! A small archive of our own, signed with keys made for the occasion.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use basalt_digest::Digest;

use super::debs;
use super::keys::{self, Keys};
use super::workplace::Workplace;

struct OwnArchive {
    /// What it serves, by path below the archive.
    files: HashMap<String, Vec<u8>>,
    /// The keyrings, by file name.
    keyrings: HashMap<&'static str, Vec<u8>>,
}

/// How a suite is signed.
enum Signed {
    /// Not at all.
    Not,
    /// By these keys, with these arguments to `gpg`.
    Inline(&'static [&'static str], &'static [&'static str]),
    /// As before, in a file of its own.
    Detached(&'static [&'static str]),
}

/// A suite: most have the same packages.
struct Suite {
    name: &'static str,
    signed: Signed,
    /// Its date, as `date` understands it.
    date: &'static str,
    valid_until: Option<&'static str>,
    by_hash: bool,
    /// What its index says in place of the packages.
    index: Option<&'static str>,
}

impl Suite {
    /// A suite of yesterday.
    fn new(name: &'static str, signed: Signed) -> Self {
        Self {
            name,
            signed,
            date: "1 day ago",
            valid_until: None,
            by_hash: false,
            index: None,
        }
    }
}

/// A file of it.
pub fn file(path: &str) -> Option<Vec<u8>> {
    archive().files.get(path).cloned()
}

/// Writes all of it into a folder.
pub fn write_to(folder: &Path) {
    for (path, bytes) in &archive().files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is made");
        fs::write(path, bytes).expect("it is written");
    }
}

/// A warm place whose image takes one package from a suite of this archive, trusted by a keyring.
///
/// Suites: those of [`suites`]. Keyrings: `good.asc`, `other.asc`, `both.asc`, `expired.asc`,
/// `revoked.asc`, `good-and-revoked.asc`, `subkey.asc`, `revoked-subkey.asc`.
pub fn workplace(suite: &str, keyring: &str, package: &str) -> Workplace {
    workplace_at("", suite, keyring, package)
}

/// As [`workplace`], with the archive's address in the spec.
pub fn workplace_at(url: &str, suite: &str, keyring: &str, package: &str) -> Workplace {
    let url = match url {
        "" => String::new(),
        url => format!("url: \"{url}\", "),
    };
    let place = Workplace::warm(&format!(
        "name: probe\nreleases: [trixie]\narchitectures: [amd64]\n\
         archives:\n  - {{ name: own, {url}suite: {suite}, keyring: {keyring} }}\n\
         packages:\n  - {{ name: {package}, dependencies: false }}\n"
    ));
    for (name, bytes) in &archive().keyrings {
        place.write(name, bytes);
    }
    place
}

fn suites() -> Vec<Suite> {
    use keys::{EXPIRED, GOOD, OTHER, REVOKED, SUBKEY};
    const MOMENT: &[&str] = &["--faked-system-time", keys::WHILE_IT_HELD];
    let by = |signers| Signed::Inline(signers, &[]);
    vec![
        Suite::new("good", by(&[GOOD])),
        Suite::new("unsigned", Signed::Not),
        Suite::new("expired-key", Signed::Inline(&[EXPIRED], MOMENT)),
        Suite::new("revoked-key", by(&[REVOKED])),
        Suite::new("subkey", by(&[SUBKEY])),
        Suite::new("two-keys", by(&[OTHER, GOOD])),
        Suite::new("good-and-revoked", by(&[REVOKED, GOOD])),
        Suite::new(
            "weak-digest",
            Signed::Inline(&[GOOD], &["--digest-algo", "SHA1"]),
        ),
        Suite::new(
            "weaker-digest",
            Signed::Inline(&[GOOD], &["--digest-algo", "MD5"]),
        ),
        Suite::new("detached", Signed::Detached(&[GOOD])),
        Suite {
            by_hash: true,
            ..Suite::new("by-hash", by(&[GOOD]))
        },
        Suite {
            index: Some("Package: good-setuid\nVersion: none of these\n"),
            ..Suite::new("malformed", by(&[GOOD]))
        },
        Suite {
            date: "9 days ago",
            valid_until: Some("2 days ago"),
            ..Suite::new("stale", by(&[GOOD]))
        },
        Suite {
            date: "2 days",
            ..Suite::new("early", by(&[GOOD]))
        },
    ]
}

fn archive() -> &'static OwnArchive {
    static ARCHIVE: OnceLock<OwnArchive> = OnceLock::new();
    ARCHIVE.get_or_init(make)
}

fn make() -> OwnArchive {
    let keys = Keys::make();
    let mut files = HashMap::new();
    let packages = packages(&mut files);
    for suite in suites() {
        add(&suite, &packages, &keys, &mut files);
    }
    let both = [keys.export(keys::GOOD), keys.export(keys::OTHER)].concat();
    let mut keyrings = HashMap::from([
        ("good.asc", keys.export(keys::GOOD)),
        ("other.asc", keys.export(keys::OTHER)),
        ("both.asc", both),
        ("expired.asc", keys.export(keys::EXPIRED)),
        ("subkey.asc", keys.export(keys::SUBKEY)),
    ]);
    // `gpg` would not sign with them any more.
    keys.revoke(keys::REVOKED);
    keys.revoke_subkey(keys::SUBKEY);
    let revoked = keys.export(keys::REVOKED);
    let mixed = [keys.export(keys::GOOD), revoked.clone()].concat();
    keyrings.insert("revoked.asc", revoked);
    keyrings.insert("good-and-revoked.asc", mixed);
    keyrings.insert("revoked-subkey.asc", keys.export(keys::SUBKEY));
    OwnArchive { files, keyrings }
}

/// Files all packages; returns their index.
fn packages(files: &mut HashMap<String, Vec<u8>>) -> String {
    let mut packages = String::new();
    for deb in debs::all() {
        let bytes = deb.bytes();
        let path = format!("pool/main/{}_1.0_amd64.deb", deb.name);
        packages.push_str(&deb.stanza());
        packages.push_str(&format!(
            "Filename: {path}\nSize: {}\nSHA256: {}\n\n",
            bytes.len(),
            Digest::of(&bytes).hex()
        ));
        files.insert(path, bytes);
    }
    packages
}

fn add(suite: &Suite, packages: &str, keys: &Keys, files: &mut HashMap<String, Vec<u8>>) {
    let Suite { name, by_hash, .. } = suite;
    let packages = suite.index.unwrap_or(packages);
    let digest = Digest::of(packages.as_bytes()).hex();
    let mut release = format!(
        "Origin: Nobody\nSuite: {name}\nCodename: {name}\nDate: {}\n\
         Architectures: amd64\nComponents: main\n",
        date(suite.date)
    );
    if let Some(until) = suite.valid_until {
        release.push_str(&format!("Valid-Until: {}\n", date(until)));
    }
    if *by_hash {
        release.push_str("Acquire-By-Hash: yes\n");
    }
    release.push_str(&format!(
        "SHA256:\n {digest} {} main/binary-amd64/Packages\n",
        packages.len()
    ));
    let folder = format!("dists/{name}");
    let index = format!("{folder}/main/binary-amd64");
    let packages = packages.as_bytes().to_vec();
    if *by_hash {
        files.insert(format!("{index}/by-hash/SHA256/{digest}"), packages.clone());
    }
    files.insert(format!("{index}/Packages"), packages);
    let in_release = match suite.signed {
        Signed::Not => release.into_bytes(),
        Signed::Inline(signers, more) => keys.sign(&release, signers, false, more),
        Signed::Detached(signers) => {
            let signature = keys.sign(&release, signers, true, &[]);
            files.insert(format!("{folder}/Release.gpg"), signature);
            files.insert(format!("{folder}/Release"), release.into_bytes());
            return;
        }
    };
    files.insert(format!("{folder}/InRelease"), in_release);
}

/// A moment as a Release file writes it.
fn date(text: &str) -> String {
    let output = Command::new("date")
        .args(["--utc", "+%a, %d %b %Y %H:%M:%S UTC", "--date", text])
        .env("LC_ALL", "C")
        .output()
        .expect("`date` is there");
    let text = String::from_utf8(output.stdout).expect("ASCII");
    text.trim().to_owned()
}
