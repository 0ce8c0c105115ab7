//! The cache and the links are those the machine's own `ldconfig` makes.
//!
//! The roots are made of the machine's own libraries. Set `BASALT_LDCONFIG_ROOT`
//! to a whole root (of any release) whose `/etc/ld.so.cache` its own `ldconfig`
//! wrote, to compare with that too.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use basalt_elf::linker_cache::{
    HARDWARE_DIRECTORY, Library, LinkerCache, Target, generator, search_directories,
};
use basalt_elf::{ElfFacts, Machine};

/// Resolves a path within a root, as if the root were `/`.
fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut hops = 0;
    while let Some(part) = rest.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                resolved.pop();
                continue;
            }
            _ => {}
        }
        let next = resolved.join(&part);
        let status = root.join(&next).symlink_metadata().ok()?;
        if status.is_symlink() {
            hops += 1;
            if hops > 40 {
                return None;
            }
            let target = fs::read_link(root.join(&next)).ok()?;
            let target = target.to_str()?.to_owned();
            if target.starts_with('/') {
                resolved = PathBuf::new();
            }
            rest.extend(target.split('/').rev().map(str::to_owned));
        } else {
            resolved = next;
        }
    }
    Some(resolved)
}

fn libraries(root: &Path, directory: &str) -> Vec<Library> {
    let real = root.join(resolve(root, directory).expect("the directory is there"));
    let mut found = Vec::new();
    for entry in fs::read_dir(real).expect("the directory can be listed") {
        let entry = entry.expect("its entries can be read");
        let file_name = entry.file_name().into_string().expect("names are text");
        let kind = entry.file_type().expect("its kind is known");
        let resolved = resolve(root, &format!("{directory}/{file_name}"));
        let facts = |path: &Path| {
            let path = root.join(path);
            path.is_file()
                .then(|| fs::read(path).expect("it can be read"))
                .and_then(|content| ElfFacts::read(&content).ok().flatten())
        };
        let (target, resolved) = match resolved {
            None if kind.is_symlink() => (Target::Dangling, String::new()),
            None => continue,
            Some(resolved) => {
                let Some(facts) = facts(&resolved) else {
                    continue;
                };
                let target = if kind.is_symlink() {
                    Target::Link(facts)
                } else {
                    Target::File(facts)
                };
                (target, resolved.display().to_string())
            }
        };
        found.push(Library {
            file_name,
            resolved,
            target,
        });
    }
    found
}

fn build(root: &Path, package_version: &str) -> LinkerCache {
    let directories = search_directories(
        Machine::Amd64,
        &mut |file| fs::read_to_string(root.join(&file[1..])).ok(),
        &mut |pattern| {
            let folder = pattern.strip_suffix("/*.conf").expect("Debian's pattern");
            let mut files: Vec<String> = fs::read_dir(root.join(&folder[1..]))
                .map(|entries| {
                    entries
                        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                        .filter(|name| name.ends_with(".conf"))
                        .map(|name| format!("{folder}/{name}"))
                        .collect()
                })
                .unwrap_or_default();
            files.sort();
            files
        },
    )
    .expect("the configuration can be followed");
    let mut cache = LinkerCache::new(Machine::Amd64, generator(package_version));
    for directory in directories {
        let Some(resolved) = resolve(root, &directory) else {
            continue;
        };
        cache.add_directory(
            &directory,
            &resolved.display().to_string(),
            libraries(root, &directory),
        );
        let parent = format!("{directory}/{HARDWARE_DIRECTORY}");
        let Some(real) = resolve(root, &parent) else {
            continue;
        };
        for entry in fs::read_dir(root.join(real)).expect("it can be listed") {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text");
            let path = format!("{parent}/{name}");
            let resolved = resolve(root, &path).expect("it is there");
            cache.add_hardware_directory(
                &path,
                &resolved.display().to_string(),
                &name,
                libraries(root, &path),
            );
        }
    }
    cache
}

fn installed_version() -> String {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", "libc-bin"])
        .output()
        .expect("these tests need Debian's dpkg-query");
    String::from_utf8(output.stdout).expect("a version is text")
}

fn links(root: &Path) -> BTreeSet<(PathBuf, PathBuf)> {
    let mut found = BTreeSet::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            if kind.is_symlink() {
                found.insert((entry.path(), fs::read_link(entry.path()).expect("a link")));
            } else if kind.is_dir() {
                left.push(entry.path());
            }
        }
    }
    found
}

/// Runs the machine's `ldconfig` on a root and compares cache and links.
fn compare(root: &Path) {
    let ours = build(root, &installed_version());
    let mut expected = links(root);
    for (directory, name) in ours.removals() {
        let path = root.join(directory).join(name);
        expected.retain(|(link, _)| *link != path);
    }
    for link in ours.links() {
        let path = root.join(&link.directory).join(&link.name);
        expected.retain(|(former, _)| *former != path);
        expected.insert((path, PathBuf::from(&link.target)));
    }
    let status = Command::new("ldconfig")
        .arg("-r")
        .arg(root)
        .status()
        .expect("these tests need ldconfig, from libc-bin");
    assert!(status.success());
    assert_eq!(links(root), expected, "the links differ");
    let theirs = fs::read(root.join("etc/ld.so.cache")).expect("ldconfig wrote the cache");
    let bytes = ours.to_bytes();
    assert!(
        bytes == theirs,
        "the caches differ: {} and {} bytes",
        bytes.len(),
        theirs.len()
    );
}

fn own_libraries() -> PathBuf {
    PathBuf::from("/usr/lib/x86_64-linux-gnu")
}

fn root_with(configuration: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir_all(root.path().join("etc/ld.so.conf.d")).expect("etc");
    fs::create_dir_all(root.path().join("usr/lib/x86_64-linux-gnu")).expect("usr/lib");
    symlink("usr/lib", root.path().join("lib")).expect("lib");
    fs::write(
        root.path().join("etc/ld.so.conf"),
        "include /etc/ld.so.conf.d/*.conf\n",
    )
    .expect("conf");
    fs::write(
        root.path().join("etc/ld.so.conf.d/here.conf"),
        configuration,
    )
    .expect("conf");
    root
}

/// Copies the machine's libraries whose names begin so, links as links.
fn copy(root: &Path, to: &str, prefixes: &[&str], with_links: bool) {
    let to = root.join(to);
    fs::create_dir_all(&to).expect("the directory");
    for entry in fs::read_dir(own_libraries()).expect("the machine's libraries") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("text");
        if !prefixes.iter().any(|prefix| name.starts_with(prefix)) || !name.contains(".so") {
            continue;
        }
        let kind = entry.file_type().expect("a kind");
        if kind.is_file() {
            fs::copy(entry.path(), to.join(&name)).expect("a copy");
        } else if kind.is_symlink() && with_links {
            symlink(fs::read_link(entry.path()).expect("a link"), to.join(&name)).expect("a link");
        }
    }
}

const SOME: &[&str] = &[
    "libz", "libc.", "libm.", "ld-", "libpcre2", "libsel", "libapt", "libstdc",
];

#[test]
fn writes_the_cache_of_a_root_with_links() {
    let root = root_with("/usr/local/lib\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n");
    copy(root.path(), "usr/lib/x86_64-linux-gnu", SOME, true);
    compare(root.path());
}

#[test]
fn makes_the_links_a_root_lacks() {
    let root = root_with("/lib/x86_64-linux-gnu\n");
    copy(root.path(), "usr/lib/x86_64-linux-gnu", SOME, false);
    compare(root.path());
}

#[test]
fn drops_links_that_end_nowhere() {
    let root = root_with("/lib/x86_64-linux-gnu\n");
    copy(root.path(), "usr/lib/x86_64-linux-gnu", SOME, true);
    symlink(
        "libgone.so.1.2",
        root.path().join("usr/lib/x86_64-linux-gnu/libgone.so.1"),
    )
    .expect("a link");
    symlink(
        "libgone.so.1",
        root.path().join("usr/lib/x86_64-linux-gnu/libgone.so"),
    )
    .expect("a link");
    compare(root.path());
}

#[test]
fn writes_the_directories_for_newer_processors() {
    let root = root_with("/opt/lib\n/lib/x86_64-linux-gnu\n");
    copy(root.path(), "usr/lib/x86_64-linux-gnu", SOME, true);
    copy(root.path(), "opt/lib", &["libz"], false);
    copy(
        root.path(),
        "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3",
        &["libz", "libpcre2"],
        true,
    );
    copy(
        root.path(),
        "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2",
        &["libz"],
        false,
    );
    copy(
        root.path(),
        "opt/lib/glibc-hwcaps/x86-64-v4",
        &["libz"],
        false,
    );
    compare(root.path());
}

#[test]
fn prefers_the_latest_of_two_files_of_one_soname() {
    let root = root_with("/lib/x86_64-linux-gnu\n");
    copy(
        root.path(),
        "usr/lib/x86_64-linux-gnu",
        &["libz.so.1."],
        false,
    );
    let folder = root.path().join("usr/lib/x86_64-linux-gnu");
    let file = fs::read_dir(&folder)
        .expect("a folder")
        .next()
        .expect("libz")
        .expect("an entry")
        .path();
    fs::copy(&file, folder.join("libz.so.1.10.0")).expect("a copy");
    fs::copy(&file, folder.join("libz.so.1.9.0")).expect("a copy");
    symlink("libz.so.1.9.0", folder.join("libz.so.1")).expect("a link");
    fs::write(folder.join("libscript.so"), "/* GNU ld script */ GROUP ( )").expect("a script");
    compare(root.path());
}

#[test]
fn writes_the_cache_of_an_empty_root() {
    compare(root_with("").path());
}

#[test]
#[ignore = "needs BASALT_LDCONFIG_ROOT, a whole root its own ldconfig has run in"]
fn agrees_with_a_whole_root_when_given_one() {
    let root = std::env::var("BASALT_LDCONFIG_ROOT").expect("BASALT_LDCONFIG_ROOT names a root");
    let root = PathBuf::from(root);
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).expect("a dpkg status");
    let version = status
        .split("\n\n")
        .find(|stanza| stanza.starts_with("Package: libc-bin\n"))
        .and_then(|stanza| {
            stanza
                .lines()
                .find_map(|line| line.strip_prefix("Version: "))
        })
        .expect("libc-bin is installed");
    let theirs = fs::read(root.join("etc/ld.so.cache")).expect("a cache");
    assert!(
        build(&root, version).to_bytes() == theirs,
        "the caches differ"
    );
}
