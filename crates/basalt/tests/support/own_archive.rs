//! A small archive of our own, signed with keys made for the occasion: a key that is good, one
//! that has expired, and one that signed nothing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use basalt_digest::Digest;

use super::debs;
use super::workplace::Workplace;

const GOOD: &str = "good@example.org";
const OTHER: &str = "other@example.org";
const EXPIRED: &str = "expired@example.org";

struct OwnArchive {
    /// What it serves, by path below the archive.
    files: HashMap<String, Vec<u8>>,
    /// The keyrings, by file name.
    keyrings: HashMap<&'static str, Vec<u8>>,
}

/// A file of it.
pub fn file(path: &str) -> Option<Vec<u8>> {
    archive().files.get(path).cloned()
}

/// A warm place whose image takes one package from a suite of this archive, trusted by a keyring:
/// `good.asc`, `other.asc` or `expired.asc`.
///
/// Suites: `good`, `expired-key`, `unsigned`, `stale`, `early`.
pub fn workplace(suite: &str, keyring: &str, package: &str) -> Workplace {
    let place = Workplace::warm(&format!(
        "name: probe\nreleases: [trixie]\narchitectures: [amd64]\n\
         archives:\n  - {{ name: own, suite: {suite}, keyring: {keyring} }}\n\
         packages:\n  - {{ name: {package}, dependencies: false }}\n"
    ));
    for (name, bytes) in &archive().keyrings {
        place.write(name, bytes);
    }
    place
}

fn archive() -> &'static OwnArchive {
    static ARCHIVE: OnceLock<OwnArchive> = OnceLock::new();
    ARCHIVE.get_or_init(make)
}

fn make() -> OwnArchive {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let date = |text: &str| {
        let output = Command::new("date")
            .args(["--utc", "+%a, %d %b %Y %H:%M:%S UTC", "--date", text])
            .env("LC_ALL", "C")
            .output()
            .expect("`date` is there");
        String::from_utf8(output.stdout)
            .expect("ASCII")
            .trim()
            .to_owned()
    };
    for (name, lifetime, moment) in [
        (GOOD, "never", None),
        (OTHER, "never", None),
        (EXPIRED, "1d", Some("20240101T000000")),
    ] {
        let mut arguments = vec!["--quick-generate-key", name, "ed25519", "sign", lifetime];
        if let Some(moment) = moment {
            arguments.splice(0..0, ["--faked-system-time", moment]);
        }
        gpg(home, &arguments);
    }
    let keyrings = [
        ("good.asc", GOOD),
        ("other.asc", OTHER),
        ("expired.asc", EXPIRED),
    ]
    .map(|(file, name)| (file, gpg(home, &["--armor", "--export", name])));

    let mut files = HashMap::new();
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
    let yesterday = date("1 day ago");
    for (suite, signer, moment, dated, until) in [
        ("good", Some(GOOD), None, yesterday.clone(), None),
        (
            "expired-key",
            Some(EXPIRED),
            Some("20240101T010000"),
            yesterday.clone(),
            None,
        ),
        ("unsigned", None, None, yesterday.clone(), None),
        (
            "stale",
            Some(GOOD),
            None,
            date("9 days ago"),
            Some(date("2 days ago")),
        ),
        ("early", Some(GOOD), None, date("2 days"), None),
    ] {
        let mut release = format!(
            "Origin: Nobody\nSuite: {suite}\nCodename: {suite}\nDate: {dated}\n\
             Architectures: amd64\nComponents: main\n"
        );
        if let Some(until) = until {
            release.push_str(&format!("Valid-Until: {until}\n"));
        }
        let digest = Digest::of(packages.as_bytes()).hex();
        release.push_str(&format!(
            "SHA256:\n {digest} {} main/binary-amd64/Packages\n",
            packages.len()
        ));
        let folder = format!("dists/{suite}");
        files.insert(
            format!("{folder}/main/binary-amd64/Packages"),
            packages.clone().into_bytes(),
        );
        let text = match signer {
            Some(signer) => {
                let file = home.join("Release");
                fs::write(&file, release).expect("it is written");
                let file = file.to_str().expect("UTF-8");
                let mut arguments =
                    vec!["--local-user", signer, "--output", "-", "--clearsign", file];
                if let Some(moment) = moment {
                    arguments.splice(0..0, ["--faked-system-time", moment]);
                }
                gpg(home, &arguments)
            }
            None => release.into_bytes(),
        };
        files.insert(format!("{folder}/InRelease"), text);
    }
    // The agent that gpg started for this home alone.
    Command::new("gpgconf")
        .arg("--homedir")
        .arg(home)
        .args(["--kill", "all"])
        .output()
        .ok();
    OwnArchive {
        files,
        keyrings: HashMap::from(keyrings),
    }
}

fn gpg(home: &Path, arguments: &[&str]) -> Vec<u8> {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("gpg")
        .arg("--homedir")
        .arg(home)
        .args([
            "--batch",
            "--yes",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ])
        .args(arguments)
        .output()
        .expect("these tests sign with `gpg`: install it");
    assert!(
        status.success(),
        "gpg {arguments:?}: {}",
        String::from_utf8_lossy(&stderr)
    );
    stdout
}
