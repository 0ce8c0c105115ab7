//! Every script of the packages that the catalogue of images is made of is explained, for each
//! release and architecture that is supported.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use basalt_effects::{PackageScripts, Verdict, explain};

const RELEASES: [&str; 4] = ["trixie", "bookworm", "forky", "sid"];
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What the images are made of; apt adds what these depend on.
fn wanted(release: &str) -> Vec<&'static str> {
    let mut wanted = vec![
        "?essential",
        "?priority(required)",
        "?priority(important)",
        "apt",
        "bash",
        "base-files",
        "ca-certificates",
        "openssl",
        "tzdata",
        "netbase",
        "libc6",
        "libc-bin",
        "libgcc-s1",
        "libstdc++6",
        "busybox-static",
        "python3",
        "zlib1g",
        "media-types",
        "libpython3-stdlib",
        "adduser",
        "debian-archive-keyring",
        "gpgv",
        "login",
        "passwd",
        "libpam-runtime",
        "ncurses-base",
        "dash",
        "mawk",
    ];
    wanted.extend(match release {
        "bookworm" => ["libssl3", "usrmerge"].as_slice(),
        _ => ["libssl3t64", "sqv", "login.defs"].as_slice(),
    });
    wanted
}

#[test]
#[ignore = "needs the archive; run by ./test peers"]
fn leaves_no_script_of_the_catalogue_unexplained() {
    let mut controls = BTreeSet::new();
    let scratch = std::env::temp_dir().join(format!("basalt-effects-{}", std::process::id()));
    if let Some(given) = std::env::var_os("BASALT_TEST_CONTROLS") {
        controls.extend(children(Path::new(&given)));
    } else {
        for release in RELEASES {
            for architecture in ARCHITECTURES {
                let root = scratch.join(format!("{release}-{architecture}"));
                controls.extend(download(&root, release, architecture));
            }
        }
    }
    assert!(
        controls.len() > 50,
        "only {} packages were read",
        controls.len()
    );
    let mut unexplained = Vec::new();
    let mut explained = 0;
    for control in &controls {
        let members = members(control);
        let field = |name: &str| field(&members, name);
        let (package, version) = (field("Package"), field("Version"));
        let explanation = explain(
            &PackageScripts {
                package: &package,
                version: &version,
                architecture: &field("Architecture"),
                members: &members,
                paths: &[],
            },
            None,
        );
        explained += explanation
            .scripts
            .iter()
            .filter(|script| script.verdict != Verdict::Unexplained)
            .count();
        unexplained.extend(explanation.unexplained().map(|error| error.to_string()));
    }
    let _ = fs::remove_dir_all(&scratch);
    println!("{} packages, {explained} scripts explained", controls.len());
    assert!(
        unexplained.is_empty(),
        "{} packages are not explained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
}

fn members(control: &Path) -> BTreeMap<String, Vec<u8>> {
    children(control)
        .into_iter()
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("a readable member"))
        })
        .collect()
}

fn field(members: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    let control = String::from_utf8_lossy(&members["control"]);
    let prefix = format!("{name}: ");
    control
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("a field {name}"))
        .to_owned()
}

fn children(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .expect("a readable directory")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// Downloads the closure with apt, with a configuration of its own, and unpacks the control members.
fn download(root: &Path, release: &str, architecture: &str) -> Vec<PathBuf> {
    let mirror = |name: &str, other: &str| std::env::var(name).unwrap_or_else(|_| other.to_owned());
    let debian = mirror("BASALT_MIRROR_DEBIAN", "http://ftp.debian.org/debian");
    let security = mirror(
        "BASALT_MIRROR_DEBIAN_SECURITY",
        "http://security.debian.org/debian-security",
    );
    for directory in [
        "etc/apt/preferences.d",
        "etc/apt/apt.conf.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        fs::create_dir_all(root.join(directory)).expect("a scratch directory");
    }
    let keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let mut sources = format!("deb {keyring} {debian} {release} main\n");
    // What is not released yet has no other suites.
    if !matches!(release, "forky" | "sid") {
        sources.push_str(&format!(
            "deb {keyring} {debian} {release}-updates main\n\
             deb {keyring} {security} {release}-security main\n"
        ));
    }
    fs::write(root.join("etc/apt/sources.list"), sources).expect("the sources");
    fs::write(root.join("status"), "").expect("an empty status");
    let shown = root.display();
    let configuration = format!(
        "Dir \"{shown}\";\nDir::State::status \"{shown}/status\";\nAPT::Architecture \"{architecture}\";\n\
         APT::Architectures {{\"{architecture}\";}};\nAPT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\nDebug::NoLocking \"1\";\n\
         Acquire::Check-Valid-Until \"false\";\n"
    );
    fs::write(root.join("apt.conf"), configuration).expect("the configuration");
    let apt = |arguments: &[&str]| {
        let status = Command::new("apt-get")
            .env("APT_CONFIG", root.join("apt.conf"))
            .arg("-qq")
            .args(arguments)
            .status()
            .expect("apt-get runs");
        assert!(status.success(), "apt-get {arguments:?} failed");
    };
    apt(&["update"]);
    let mut arguments = vec!["install", "--download-only", "--yes"];
    arguments.extend(wanted(release));
    apt(&arguments);
    let mut controls = Vec::new();
    for deb in children(&root.join("var/cache/apt/archives")) {
        if deb.extension().is_none_or(|extension| extension != "deb") {
            continue;
        }
        let control = deb.with_extension("control");
        let status = Command::new("dpkg-deb")
            .arg("--control")
            .args([&deb, &control])
            .status()
            .expect("dpkg-deb runs");
        assert!(status.success(), "dpkg-deb cannot read {}", deb.display());
        controls.push(control);
    }
    controls
}
