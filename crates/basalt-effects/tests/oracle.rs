//! The files that effects make, compared with those of roots that dpkg really configured.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use basalt_effects::apply::{Context, apply};
use basalt_effects::{Effect, PackageScripts, explain};
use basalt_elf::ElfFacts;
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath};

/// Paths that only the effects of scripts make, so they are taken out of the root at first.
const MADE: &[&str] = &[
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "etc/shells",
    "var/lib/shells.state",
    "etc/ld.so.cache",
    "etc/ca-certificates.conf",
    "etc/pam.d/common-account",
    "etc/pam.d/common-auth",
    "etc/pam.d/common-password",
    "etc/pam.d/common-session",
    "etc/pam.d/common-session-noninteractive",
];

/// Directories whose content only the effects of scripts make.
const MADE_BELOW: &[&str] = &[
    "etc/ssl/certs",
    "etc/alternatives",
    "var/lib/dpkg/alternatives",
    "var/lib/pam",
];

struct NoContents;

impl Contents for NoContents {
    fn read(&self, _package: &str, _path: &TreePath) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// What stands at a path, as far as it is compared: a link's target or a file's mode and bytes.
#[derive(Debug, PartialEq, Eq)]
enum Fact {
    Link(String),
    File(u32, Vec<u8>),
}

fn is_made(path: &str) -> bool {
    MADE.contains(&path)
        || MADE_BELOW.iter().any(|above| {
            path.strip_prefix(above)
                .is_some_and(|rest| rest.starts_with('/'))
        }) && path != "etc/alternatives/README"
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<PathBuf>) {
    let mut names: Vec<PathBuf> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    for path in names {
        let inside = path.strip_prefix(root).expect("inside");
        if ["proc", "sys", "dev", "run"]
            .iter()
            .any(|top| inside.starts_with(top))
        {
            continue;
        }
        let kind = fs::symlink_metadata(&path).expect("metadata").file_type();
        found.push(path.clone());
        if kind.is_dir() {
            walk(root, &path, found);
        }
    }
}

/// The root as a tree without what scripts made, and what they made.
fn read_root(root: &Path) -> (Tree, BTreeMap<String, Fact>) {
    let mut found = Vec::new();
    walk(root, root, &mut found);
    let mut tree = Tree::new(EPOCH);
    let mut facts = BTreeMap::new();
    // Links first, as the tree follows them; then all in their places.
    for path in &found {
        let name = path.strip_prefix(root).expect("inside").to_str();
        let Some(name) = name else { continue };
        let metadata = fs::symlink_metadata(path).expect("metadata");
        let mode = metadata.permissions().mode() & 0o7777;
        let place = TreePath::new(name).expect("a path");
        let owner = Owner::Package("root".to_owned());
        if metadata.is_symlink() {
            let target = fs::read_link(path).expect("a link");
            let target = target.to_str().expect("text").to_owned();
            if is_made(name) || target.starts_with("/etc/alternatives/") {
                facts.insert(name.to_owned(), Fact::Link(target));
                continue;
            }
            tree.insert_symlink(&place, &target, owner).expect("placed");
        } else if metadata.is_dir() {
            let entry = Entry::new(Kind::Directory, mode, 0);
            tree.insert_generated(&place, entry, Vec::new(), owner)
                .expect("placed");
        } else if metadata.is_file() {
            let bytes = fs::read(path).expect("readable");
            if is_made(name) {
                facts.insert(name.to_owned(), Fact::File(mode, bytes));
                continue;
            }
            let digest = basalt_digest::Digest::of(&bytes);
            let mut entry = Entry::new(Kind::File { size: 0, digest }, mode, 0);
            entry.elf = ElfFacts::read(&bytes).ok().flatten().map(Arc::new);
            tree.insert_generated(&place, entry, bytes, owner)
                .expect("placed");
        }
    }
    (tree, facts)
}

/// Control members of the installed packages, by package.
fn scripts(root: &Path) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut packages: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for entry in fs::read_dir(root.join("var/lib/dpkg/info")).expect("dpkg's records") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let Some((package, member)) = name.rsplit_once('.') else {
            continue;
        };
        let package = package.split(':').next().unwrap_or(package);
        let bytes = fs::read(&path).expect("readable");
        packages
            .entry(package.to_owned())
            .or_default()
            .insert(member.to_owned(), bytes);
    }
    packages
}

const EPOCH: i64 = 1_795_392_000;

fn versions(root: &Path) -> BTreeMap<String, String> {
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).expect("the status file");
    status
        .split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name).map(str::to_owned))
            };
            Some((field("Package: ")?, field("Version: ")?))
        })
        .collect()
}

fn fact(tree: &Tree, path: &str) -> Option<Fact> {
    let place = TreePath::new(path).expect("a path");
    let placed = tree.get(&place)?;
    Some(match &placed.entry.kind {
        Kind::Symlink { target } => Fact::Link(target.clone()),
        _ => Fact::File(
            placed.entry.mode,
            tree.read(&place, &NoContents).expect("content"),
        ),
    })
}

/// Ids are Basalt's own choice and the day is the epoch: neither is compared.
fn comparable(path: &str, fact: Fact) -> Fact {
    let Fact::File(mode, bytes) = fact else {
        return fact;
    };
    let columns: &[usize] = match path {
        "etc/passwd" | "etc/shadow" | "etc/group" | "etc/gshadow" => &[2, 3],
        // Bookworm's order tells when /usr was merged: before or after the first run.
        "etc/shells" => &[],
        _ => return Fact::File(mode, bytes),
    };
    let text = String::from_utf8(bytes).expect("text");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut fields: Vec<&str> = line.split(':').collect();
            for column in columns {
                let is_own = fields.get(*column).is_some_and(|text| {
                    text.parse::<u32>()
                        .is_ok_and(|id| (100..=999).contains(&id) || id > 10_000)
                });
                if is_own {
                    fields[*column] = "own";
                }
            }
            fields.join(":")
        })
        .collect();
    lines.sort();
    Fact::File(mode, lines.join("\n").into_bytes())
}

fn compare(root: &Path) {
    let (mut tree, truth) = read_root(root);
    let versions = versions(root);
    let mut wanted: Vec<(String, Vec<Effect>)> = Vec::new();
    for (package, members) in scripts(root) {
        let Some(version) = versions.get(&package) else {
            continue;
        };
        let scripts = PackageScripts {
            package: &package,
            version,
            architecture: "amd64",
            members: &members,
            paths: &[],
        };
        let explanation = explain(&scripts, None);
        wanted.push((package, explanation.effects));
    }
    let mut context = Context {
        architecture: "amd64".to_owned(),
        epoch: EPOCH,
        versions,
        ..Context::default()
    };
    apply(&mut tree, &NoContents, &wanted, &mut context).expect("applied");
    let mut wrong = Vec::new();
    for (path, _) in tree
        .iter()
        .filter(|(path, placed)| is_made(path.as_str()) && !placed.entry.is_directory())
    {
        if !truth.contains_key(path.as_str()) {
            wrong.push(format!("{path} is too much"));
        }
    }
    for (path, expected) in truth {
        let expected = comparable(&path, expected);
        match fact(&tree, &path).map(|found| comparable(&path, found)) {
            None => wrong.push(format!("{path} is missing")),
            Some(found) if found != expected => {
                let show = |fact: &Fact| match fact {
                    Fact::Link(target) => target.clone(),
                    Fact::File(mode, bytes) => {
                        let text = String::from_utf8_lossy(bytes);
                        format!("{mode:o} {}", text.chars().take(1500).collect::<String>())
                    }
                };
                wrong.push(format!(
                    "{path} is\n{}\nnot\n{}",
                    show(&found),
                    show(&expected)
                ));
            }
            Some(_) => {}
        }
    }
    let twice = {
        let mut again = tree.clone();
        apply(&mut again, &NoContents, &wanted, &mut context).expect("applied again");
        again
    };
    let same = tree.iter().eq(twice.iter());
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(same, "applying twice changed the tree");
}

#[test]
#[ignore = "needs the archive; run by ./test peers"]
fn makes_what_dpkg_makes() {
    if let Some(given) = std::env::var_os("BASALT_TEST_ROOT") {
        return compare(Path::new(&given));
    }
    let packages = "--include=ca-certificates,openssl,python3,tzdata,passwd,libpam-runtime";
    for suite in ["trixie", "bookworm", "forky"] {
        let root = std::env::temp_dir().join(format!("basalt-{suite}-{}", std::process::id()));
        let status = Command::new("mmdebstrap")
            .args([
                "--quiet",
                "--format=directory",
                "--variant=apt",
                "--aptopt=Acquire::Check-Valid-Until \"false\"",
                packages,
                suite,
            ])
            .arg(&root)
            .status()
            .expect("mmdebstrap");
        assert!(status.success(), "mmdebstrap of {suite}");
        compare(&root);
        fs::remove_dir_all(&root).expect("removed");
    }
}
