//! The other side: apt, which says what it would install, and dose, which
//! says whether a set is sound.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{ARCHITECTURE, SUITES};

/// What is kept where apt finds no set.
const REFUSED: &str = "refused\n";

/// apt, shut off from the machine's own state.
pub struct Sandbox {
    root: PathBuf,
}

impl Sandbox {
    pub fn new(root: &Path) -> Self {
        for folder in [
            "answers",
            "state/lists/partial",
            "cache/archives/partial",
            "etc/apt.conf.d",
            "etc/preferences.d",
            "etc/sources.list.d",
            "etc/trusted.gpg.d",
        ] {
            fs::create_dir_all(root.join(folder)).expect("the sandbox can be made");
        }
        fs::write(root.join("status"), "").expect("a status");
        let mut sources = String::new();
        for (archive, suite) in SUITES {
            let mirror = mirror(archive);
            writeln!(sources, "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n").expect("text");
        }
        fs::write(root.join("etc/sources.list.d/oracle.sources"), sources).expect("sources");
        let path = root.display();
        fs::write(
            root.join("apt.conf"),
            format!(
                "Dir \"{path}\";\nDir::State \"{path}/state\";\nDir::State::status \"{path}/status\";\n\
                 Dir::Cache \"{path}/cache\";\nDir::Etc \"{path}/etc\";\nAPT::Architecture \"{ARCHITECTURE}\";\n\
                 APT::Architectures {{ \"{ARCHITECTURE}\"; }};\nAcquire::Languages \"none\";\n\
                 Acquire::GzipIndexes \"false\";\nAPT::Sandbox::User \"root\";\n"
            ),
        )
        .expect("a configuration");
        let sandbox = Self {
            root: root.to_owned(),
        };
        if sandbox.lists().len() < SUITES.len() {
            let output = sandbox.apt(&["update"]);
            assert!(
                output.status.success(),
                "apt-get update failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        sandbox
    }

    fn apt(&self, arguments: &[&str]) -> Output {
        Command::new("apt-get")
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .args(arguments)
            .output()
            .expect("this test needs apt-get")
    }

    pub fn lists(&self) -> Vec<PathBuf> {
        let mut lists: Vec<PathBuf> = fs::read_dir(self.root.join("state/lists"))
            .expect("the lists")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.to_string_lossy().ends_with("_Packages"))
            .collect();
        lists.sort();
        lists
    }

    /// What apt would install, name and version, or `None` where it cannot.
    ///
    /// Asks for the addresses of what it would fetch, which is the set that
    /// `-s` would install, told in half the time. Answers are kept beside the
    /// lists, and are as good as long as these are.
    pub fn closure(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let answer = self.root.join("answers").join(name);
        let text = fs::read_to_string(&answer).unwrap_or_else(|_| {
            let output = self.apt(&[
                "install",
                "-qq",
                "--print-uris",
                "--no-install-recommends",
                name,
            ]);
            let text = if output.status.success() {
                String::from_utf8_lossy(&output.stdout).into_owned()
            } else {
                REFUSED.to_owned()
            };
            let partial = self.root.join(format!("answers/{name}.partial"));
            fs::write(&partial, &text).expect("the answer is kept");
            fs::rename(&partial, &answer).expect("the answer is kept");
            text
        });
        if text == REFUSED {
            return None;
        }
        Some(
            text.lines()
                .map(|line| {
                    // 'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE DIGEST
                    let mut parts = line.split(' ').nth(1).expect("a file").split('_');
                    let name = parts.next().expect("a name");
                    let version = parts.next().expect("a version");
                    (name.to_owned(), version.replace("%3a", ":"))
                })
                .collect(),
        )
    }

    /// apt's own version.
    pub fn version(&self) -> String {
        let output = self.apt(&["--version"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split(' ').nth(1).unwrap_or("?").to_owned()
    }
}

/// The mirror of an archive: of the machine's apt sources, else Debian's own.
fn mirror(archive: &str) -> String {
    let ending = format!("/{archive}");
    let sources = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    let files = sources
        .filter_map(|entry| Some(entry.ok()?.path()))
        .chain([PathBuf::from("/etc/apt/sources.list")]);
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            for word in line.split_whitespace() {
                if word.starts_with("http") && word.trim_end_matches('/').ends_with(&ending) {
                    return word.to_owned();
                }
            }
        }
    }
    match archive {
        "debian-security" => "http://security.debian.org/debian-security".to_owned(),
        _ => "http://ftp.debian.org/debian".to_owned(),
    }
}

/// A stanza of each name and version, for dose-debcheck.
pub fn stanzas(texts: &[String]) -> BTreeMap<(&str, &str), &str> {
    let mut found = BTreeMap::new();
    for stanza in texts.iter().flat_map(|text| text.split("\n\n")) {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(name), Some(version)) = (field("Package: "), field("Version: ")) {
            found.insert((name, version), stanza);
        }
    }
    found
}

/// Whether every package of a set can be installed out of the set alone, all
/// together.
pub fn is_valid(
    folder: &Path,
    closure: &BTreeMap<String, String>,
    stanzas: &BTreeMap<(&str, &str), &str>,
) -> bool {
    let mut text = String::new();
    for (name, version) in closure {
        text.push_str(stanzas[&(name.as_str(), version.as_str())].trim());
        text.push_str("\n\n");
    }
    // One more package needs them all, so that they must stand together.
    let needs: Vec<String> = closure
        .iter()
        .map(|(name, version)| format!("{name} (= {version})"))
        .collect();
    writeln!(
        text,
        "Package: all-together\nVersion: 1\nArchitecture: {ARCHITECTURE}\nDepends: {}\n",
        needs.join(", ")
    )
    .expect("text");
    let file = folder.join("closure.packages");
    fs::write(&file, text).expect("a file");
    dose(&[], &[file])
}

/// Whether a package can be installed out of the lists, in any of its versions.
pub fn is_installable(name: &str, lists: &[PathBuf]) -> bool {
    dose(
        &[
            "--latest=1".to_owned(),
            format!("--checkonly={name}:{ARCHITECTURE}"),
        ],
        lists,
    )
}

fn dose(arguments: &[String], lists: &[PathBuf]) -> bool {
    Command::new("dose-debcheck")
        .arg(format!("--deb-native-arch={ARCHITECTURE}"))
        .args(arguments)
        .args(lists)
        .output()
        .expect("this test needs dose-debcheck")
        .status
        .success()
}
