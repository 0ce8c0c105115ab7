//! Promises of a tree: how packages stand together, and what changes do.

use std::collections::BTreeMap;
use std::io;

use basalt_digest::Digest;
use basalt_tree::assertions::{Assertion, check};
use basalt_tree::{
    Attributes, Contents, Diversion, Entry, HardenPolicy, Kind, Owner, PackageEntries, Source,
    Tree, TreeError, TreePath, harden,
};

const EPOCH: i64 = 1_700_000_000;

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

fn file(text: &str, content: &str, mode: u32) -> (TreePath, Entry) {
    let digest = Digest::of(content.as_bytes());
    let size = content.len() as u64;
    (path(text), Entry::new(Kind::File { size, digest }, mode, 1))
}

fn directory(text: &str, mode: u32) -> (TreePath, Entry) {
    (path(text), Entry::new(Kind::Directory, mode, 1))
}

fn symlink(text: &str, target: &str) -> (TreePath, Entry) {
    let target = target.to_owned();
    (path(text), Entry::new(Kind::Symlink { target }, 0o777, 1))
}

fn hardlink(text: &str, target: &str) -> (TreePath, Entry) {
    let target = path(target);
    (path(text), Entry::new(Kind::Hardlink { target }, 0o644, 1))
}

type Listing = (&'static str, Vec<(TreePath, Entry)>);

fn try_tree(packages: &[Listing], replaces: &[(&str, &str)]) -> Result<Tree, TreeError> {
    let assemble = |packages: Vec<&Listing>| {
        let packages: Vec<PackageEntries<'_>> = packages
            .iter()
            .map(|(name, entries)| PackageEntries { name, entries })
            .collect();
        let mut tree = Tree::new(EPOCH);
        let replaces = |one: &str, two: &str| replaces.contains(&(one, two));
        tree.insert_packages(&packages, &replaces).map(|()| tree)
    };
    let forwards = assemble(packages.iter().collect());
    let backwards = assemble(packages.iter().rev().collect());
    if let (Ok(one), Ok(two)) = (&forwards, &backwards) {
        assert!(one.iter().eq(two.iter()), "the order of packages matters");
    }
    assert_eq!(
        forwards.is_ok(),
        backwards.is_ok(),
        "the order of packages matters"
    );
    forwards
}

fn tree(packages: &[Listing]) -> Tree {
    try_tree(packages, &[]).expect("a tree")
}

fn owner(tree: &Tree, text: &str) -> String {
    tree.get(&path(text))
        .map_or_else(|| "nobody".to_owned(), |placed| placed.owner.to_string())
}

struct Store(BTreeMap<(String, TreePath), Vec<u8>>);

impl Contents for Store {
    fn read(&self, package: &str, path: &TreePath) -> io::Result<Vec<u8>> {
        let found = self.0.get(&(package.to_owned(), path.clone()));
        found
            .cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

#[test]
fn old_paths_go_to_usr_and_stay_reachable() {
    let mut found = tree(&[
        (
            "a",
            vec![
                directory("bin", 0o755),
                file("bin/tool", "x", 0o755),
                directory("usr/bin", 0o755),
            ],
        ),
        (
            "b",
            vec![file("lib/x", "y", 0o644), hardlink("lib/z", "lib/x")],
        ),
        ("base-files", vec![symlink("bin", "usr/bin")]),
    ]);
    assert_eq!(owner(&found, "usr/bin/tool"), "package a");
    assert_eq!(
        found.resolve(&path("bin/tool")).expect("resolved"),
        path("usr/bin/tool")
    );
    assert!(
        found
            .get(&path("bin"))
            .is_some_and(|placed| !placed.entry.is_directory())
    );
    let link = found.get(&path("usr/lib/z")).expect("there");
    assert_eq!(
        link.entry.kind,
        Kind::Hardlink {
            target: path("usr/lib/x")
        }
    );
    found
        .ensure_merged_links(&Owner::Basalt("usr-merge".to_owned()))
        .expect("made");
    assert_eq!(
        found.resolve(&path("lib/x")).expect("resolved"),
        path("usr/lib/x")
    );
    assert!(!found.contains(&path("sbin")));
}

#[test]
fn a_linked_directory_of_another_package_is_followed() {
    let found = tree(&[
        (
            "a",
            vec![
                directory("var/run", 0o755),
                file("var/run/a/pid", "1", 0o644),
            ],
        ),
        (
            "base-files",
            vec![directory("run", 0o755), symlink("var/run", "/run")],
        ),
    ]);
    assert_eq!(owner(&found, "run/a/pid"), "package a");
    assert!(!found.contains(&path("var/run/a")));
}

#[test]
fn a_path_through_its_own_link_is_refused() {
    let entries = vec![symlink("x", "/etc"), file("x/passwd", "root", 0o644)];
    let error = try_tree(&[("evil", entries)], &[]).expect_err("refused");
    assert!(
        matches!(&error, TreeError::ThroughOwnLink { .. }),
        "{error}"
    );
    let entries = vec![symlink("x", "/nowhere")];
    let other = vec![file("x/passwd", "root", 0o644)];
    try_tree(&[("evil", entries), ("other", other)], &[]).expect_err("refused");
}

#[test]
fn two_packages_with_one_path_are_named() {
    let one = || vec![file("usr/bin/x", "1", 0o755)];
    let two = || vec![file("usr/bin/x", "2", 0o755)];
    let text = try_tree(&[("one", one()), ("two", two())], &[])
        .expect_err("refused")
        .to_string();
    for word in [
        "package one",
        "package two",
        "/usr/bin/x",
        "contents differ",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let both = [("one", "two"), ("two", "one")];
    try_tree(&[("one", one()), ("two", two())], &both).expect_err("each replaces the other");
}

#[test]
fn replaces_wins_whichever_comes_first() {
    for (winner, loser) in [("one", "two"), ("two", "one")] {
        let packages: [Listing; 2] = [
            (
                "one",
                vec![file("usr/x", "1", 0o644), hardlink("usr/one", "usr/x")],
            ),
            (
                "two",
                vec![file("usr/x", "2", 0o644), hardlink("usr/two", "usr/x")],
            ),
        ];
        let found = try_tree(&packages, &[(winner, loser)]).expect("a tree");
        assert_eq!(owner(&found, "usr/x"), format!("package {winner}"));
        assert_eq!(found.replaced()[0].loser, loser);
        // The other name of the file that lost keeps its content.
        let orphan = found.get(&path(&format!("usr/{loser}"))).expect("there");
        assert!(matches!(orphan.entry.kind, Kind::File { .. }), "{orphan:?}");
        let source = Source::Package {
            package: loser.to_owned(),
            path: path("usr/x"),
        };
        assert_eq!(orphan.source, source);
        let kept = found.get(&path(&format!("usr/{winner}"))).expect("there");
        assert_eq!(
            kept.entry.kind,
            Kind::Hardlink {
                target: path("usr/x")
            }
        );
    }
}

#[test]
fn identical_files_and_directories_are_shared() {
    let package = || vec![directory("etc/x", 0o755), file("etc/x/y", "same", 0o644)];
    let found = tree(&[("c", package()), ("a", package()), ("b", package())]);
    for text in ["etc/x", "etc/x/y"] {
        let placed = found.get(&path(text)).expect("there");
        assert_eq!(placed.owner, Owner::Package("a".to_owned()));
        assert_eq!(placed.shared_with, ["b", "c"]);
    }
}

/// Fragments hold a hard link only together with its file.
#[test]
fn hard_links_never_cross_packages() {
    let package = || vec![file("f", "same", 0o644), hardlink("l", "f")];
    let mut more = package();
    more.push(hardlink("m", "f"));
    let found = tree(&[("a", package()), ("b", more), ("base-files", package())]);
    assert_eq!(owner(&found, "f"), "package base-files");
    assert_eq!(
        found.get(&path("l")).expect("there").shared_with,
        ["a", "b"]
    );
    for (_, placed) in found.iter() {
        if let Kind::Hardlink { target } = &placed.entry.kind {
            assert_eq!(found.get(target).expect("there").owner, placed.owner);
        }
    }
    assert!(matches!(
        found.get(&path("m")).expect("there").entry.kind,
        Kind::File { .. }
    ));

    // One by one, the first by name coming last.
    let (one, two) = (package(), package());
    let mut found = Tree::new(EPOCH);
    for (name, entries) in [("b", &one), ("a", &two)] {
        found
            .insert_package(PackageEntries { name, entries }, &|_, _| false)
            .expect("inserted");
    }
    for (_, placed) in found.iter() {
        assert_eq!(placed.owner, Owner::Package("a".to_owned()));
        assert_eq!(placed.shared_with, ["b"]);
    }
}

#[test]
fn the_skeleton_and_then_the_stricter_directory_holds() {
    let found = tree(&[
        (
            "a",
            vec![directory("tmp", 0o755), directory("var/x", 0o755)],
        ),
        ("b", vec![directory("var/x", 0o750)]),
        ("base-files", vec![directory("tmp", 0o1777)]),
    ]);
    let mode = |text| found.get(&path(text)).expect("there").entry.mode;
    assert_eq!((mode("tmp"), mode("var/x")), (0o1777, 0o750));
}

#[test]
fn a_path_twice_in_one_package_is_refused() {
    let entries = vec![file("usr/bin/x", "1", 0o755), file("bin/x", "1", 0o755)];
    let error = try_tree(&[("twice", entries)], &[]).expect_err("refused");
    assert!(matches!(error, TreeError::Duplicate { .. }));
}

#[test]
fn an_owner_that_system_calls_read_as_none_is_refused_as_malformed() {
    for id in [65_535, 2_147_483_648, u32::MAX] {
        for (uid, gid) in [(id, 0), (0, id)] {
            for make in [
                |path: &str| file(path, "1", 0o755),
                |path: &str| directory(path, 0o755),
            ] {
                let (at, mut entry) = make("usr/bin/x");
                (entry.uid, entry.gid) = (uid, gid);
                let error = try_tree(&[("odd", vec![(at, entry)])], &[]).expect_err("refused");
                assert!(error.is_malformed_package(), "{error}");
                let error = error.to_string();
                for part in ["package odd", "usr/bin/x", &id.to_string()] {
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }
    let (at, mut entry) = file("usr/bin/x", "1", 0o755);
    (entry.uid, entry.gid) = (65_534, 65_536);
    try_tree(&[("fine", vec![(at, entry)])], &[]).expect("these can be");
}

#[test]
fn diverted_files_stand_aside() {
    let mut found = Tree::new(EPOCH);
    found
        .declare_diversion(Diversion {
            from: path("usr/bin/sh"),
            to: path("usr/bin/sh.distrib"),
            by: Some("dash".to_owned()),
        })
        .expect("declared");
    let (bash, dash) = (
        [file("bin/sh", "bash", 0o755)],
        [file("usr/bin/sh", "dash", 0o755)],
    );
    let packages = [
        PackageEntries {
            name: "bash",
            entries: &bash,
        },
        PackageEntries {
            name: "dash",
            entries: &dash,
        },
    ];
    found
        .insert_packages(&packages, &|_, _| false)
        .expect("inserted");
    assert_eq!(owner(&found, "usr/bin/sh"), "package dash");
    assert_eq!(owner(&found, "usr/bin/sh.distrib"), "package bash");
}

#[test]
fn two_packages_that_divert_one_path_are_refused_as_dpkg_divert_does() {
    let mut found = Tree::new(EPOCH);
    let by = |name: &str, to: &str| Diversion {
        from: path("usr/bin/sh"),
        to: path(to),
        by: Some(name.to_owned()),
    };
    found
        .declare_diversion(by("dash", "usr/bin/sh.1"))
        .expect("declared");
    found
        .declare_diversion(by("dash", "usr/bin/sh.1"))
        .expect("the same again");
    for other in [by("bash", "usr/bin/sh.1"), by("dash", "usr/bin/sh.2")] {
        let error = found.declare_diversion(other).expect_err("refused");
        assert!(matches!(error, TreeError::Diverted { .. }), "{error}");
        assert!(error.is_malformed_package(), "{error}");
    }
}

#[test]
fn a_file_that_is_diverted_onto_another_of_its_package_is_named_with_who_diverts() {
    let mut found = Tree::new(EPOCH);
    let diversion = Diversion {
        from: path("usr/bin/tool"),
        to: path("usr/bin/t2"),
        by: Some("zza".to_owned()),
    };
    found.declare_diversion(diversion).expect("declared");
    for names in [["bin/tool", "usr/bin/t2"], ["usr/bin/t2", "usr/bin/tool"]] {
        let entries = names.map(|name| file(name, name, 0o755));
        let package = PackageEntries {
            name: "zzb",
            entries: &entries,
        };
        let error = found.clone().insert_package(package, &|_, _| false);
        let error = error.expect_err("refused");
        assert!(error.is_malformed_package(), "{error}");
        let text = error.to_string();
        let said = "package zza diverts /usr/bin/tool to /usr/bin/t2, and package zzb brings both";
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("malformed"), "{text}");
    }
}

#[test]
fn what_stands_below_a_directory_that_becomes_a_link_goes_where_the_link_leads() {
    let mut found = tree(&[
        (
            "a",
            vec![
                directory("var/run", 0o755),
                directory("var/run/a", 0o750),
                file("var/run/a/pid", "1", 0o644),
                hardlink("var/run/a/alias", "var/run/a/pid"),
                symlink("var/run/link", "a/pid"),
                hardlink("srv/outside", "var/run/a/pid"),
            ],
        ),
        (
            "b",
            vec![directory("run", 0o755), directory("run/a", 0o700)],
        ),
    ]);
    let moved = found.move_below(&path("var/run"), &path("run"));
    assert_eq!(moved.expect("moved"), 3);
    assert_eq!(found.iter_within(&path("var/run")).count(), 1);
    let target = |text: &str| match &found.get(&path(text)).expect("it is there").entry.kind {
        Kind::Hardlink { target } => target.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(owner(&found, "run/a/pid"), "package a");
    assert_eq!(target("run/a/alias"), "/run/a/pid");
    assert_eq!(target("srv/outside"), "/run/a/pid");
    assert!(found.contains(&path("run/link")));
    // Of two that bring the directory the stricter counts, as ever.
    assert_eq!(found.get(&path("run/a")).expect("there").entry.mode, 0o700);
    let Source::Package { path: from, .. } = &found.get(&path("run/a/pid")).expect("there").source
    else {
        panic!("it has content");
    };
    assert_eq!(*from, path("var/run/a/pid"), "where its fragment has it");

    let mut clash = tree(&[(
        "a",
        vec![file("var/run/x", "1", 0o644), file("run/x", "2", 0o644)],
    )]);
    let error = clash
        .move_below(&path("var/run"), &path("run"))
        .expect_err("refused");
    assert!(matches!(error, TreeError::Occupied { .. }), "{error}");
    let mut within = tree(&[("a", vec![file("var/run/x", "1", 0o644)])]);
    assert!(within.move_below(&path("var"), &path("var/run")).is_err());
    assert_eq!(
        within
            .move_below(&path("nowhere"), &path("run"))
            .expect("nothing"),
        0
    );
}

#[test]
fn many_hard_links_take_time_by_their_number() {
    let mut entries = vec![file("usr/share/file", "x", 0o644)];
    entries.extend((0..30_000).map(|number| file(&format!("usr/share/f{number}"), "y", 0o644)));
    entries.extend((0..30_000).map(|n| hardlink(&format!("usr/share/l{n}"), "usr/share/file")));
    let begun = std::time::Instant::now();
    let package = [PackageEntries {
        name: "many",
        entries: &entries,
    }];
    Tree::new(EPOCH)
        .insert_packages(&package, &|_, _| false)
        .expect("inserted");
    // By the product it would be some minutes.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn what_a_package_ships_among_left_overs_is_kept_if_wanted() {
    let shipped = [(
        "a",
        vec![file("run/a/state", "x", 0o644), file("tmp/b", "x", 0o644)],
    )];
    for keep_shipped in [false, true] {
        let mut found = tree(&shipped);
        let generated = Owner::Basalt("a test".to_owned());
        found
            .insert_file(&path("run/pid"), b"1".as_slice(), 0o644, generated)
            .expect("placed");
        let policy = HardenPolicy {
            keep_shipped,
            ..HardenPolicy::default()
        };
        harden(&mut found, &policy).expect("hardened");
        assert_eq!(found.contains(&path("run/a/state")), keep_shipped);
        assert_eq!(found.contains(&path("tmp/b")), keep_shipped);
        assert!(!found.contains(&path("run/pid")), "no package ships it");
    }
}

#[test]
fn every_parent_is_there_and_is_a_directory() {
    let found = tree(&[("a", vec![file("a/b/c/d", "x", 0o644)])]);
    for (text, placed) in found.iter() {
        if let Some(parent) = text.parent().filter(|parent| !parent.is_root()) {
            assert!(
                found
                    .get(&parent)
                    .is_some_and(|parent| parent.entry.is_directory())
            );
        }
        assert!(!placed.entry.is_directory() || placed.entry.mtime == EPOCH);
    }
}

#[test]
fn altered_content_is_never_handed_out() {
    let found = tree(&[("a", vec![file("bin/x", "good", 0o755)])]);
    let store = |text: &str| Store([(("a".to_owned(), path("bin/x")), text.into())].into());
    assert_eq!(
        found.read(&path("/bin/x"), &store("good")).expect("read"),
        b"good"
    );
    let error = found
        .read(&path("/bin/x"), &store("evil"))
        .expect_err("refused");
    assert!(matches!(error, TreeError::Altered { .. }));
}

#[test]
fn generated_files_never_replace_silently() {
    let mut found = tree(&[(
        "a",
        vec![file("etc/x", "1", 0o600), symlink("etc/link", "x")],
    )]);
    let spec = || Owner::Spec("files[0]".to_owned());
    let refused = found.insert_file(&path("etc/x"), *b"2", 0o644, spec());
    assert!(matches!(refused, Err(TreeError::Occupied { .. })));
    found
        .write_file(&path("etc/link"), *b"2", 0o644, spec())
        .expect("written");
    let placed = found.get(&path("etc/x")).expect("there");
    assert_eq!((placed.entry.mode, placed.entry.size()), (0o600, 1));
    assert_eq!(placed.owner, spec());
}

#[test]
fn links_that_never_end_are_an_error() {
    let found = tree(&[("a", vec![symlink("x", "y"), symlink("y", "x")])]);
    assert!(matches!(
        found.resolve(&path("x/z")),
        Err(TreeError::LinkLoop { .. })
    ));
}

#[test]
fn all_names_of_a_file_change_together_and_outlive_each_other() {
    let mut found = tree(&[(
        "a",
        vec![
            file("a", "x", 0o644),
            hardlink("b", "a"),
            hardlink("c", "a"),
        ],
    )]);
    let mode = Attributes {
        mode: Some(0o600),
        ..Attributes::default()
    };
    found.set_attributes(&path("b"), &mode).expect("set");
    assert!(found.iter().all(|(_, placed)| placed.entry.mode == 0o600));
    assert_eq!(found.remove(&path("a")), 1);
    assert!(matches!(
        found.get(&path("b")).expect("there").entry.kind,
        Kind::File { .. }
    ));
    let target = path("b");
    assert_eq!(
        found.get(&path("c")).expect("there").entry.kind,
        Kind::Hardlink { target }
    );
}

#[test]
fn hardening_takes_what_an_image_must_not_have() {
    let mut found = tree(&[(
        "a",
        vec![
            file("usr/bin/su", "x", 0o4755),
            file("usr/bin/sudo", "x", 0o4755),
            directory("srv", 0o777),
            directory("tmp", 0o1777),
            file("var/log/dpkg.log", "x", 0o644),
            file("etc/machine-id", "0123", 0o444),
        ],
    )]);
    let policy = HardenPolicy {
        keep_setuid: vec!["/usr/bin/sudo".to_owned()],
        ..Default::default()
    };
    let changes = harden(&mut found, &policy).expect("hardened");
    let changed: Vec<String> = changes
        .iter()
        .map(|change| change.path.to_string())
        .collect();
    assert_eq!(
        changed,
        [
            "/etc/machine-id",
            "/srv",
            "/usr/bin/su",
            "/var/log/dpkg.log"
        ]
    );
    let mode = |text| found.get(&path(text)).map(|placed| placed.entry.mode);
    assert_eq!(mode("usr/bin/su"), Some(0o755));
    assert_eq!(mode("usr/bin/sudo"), Some(0o4755));
    assert_eq!((mode("srv"), mode("tmp")), (Some(0o775), Some(0o1777)));
    assert_eq!(mode("var/log/dpkg.log"), None);
    assert_eq!(
        found
            .get(&path("etc/machine-id"))
            .map(|placed| placed.entry.size()),
        Some(0)
    );
    assert!(harden(&mut found, &policy).expect("hardened").is_empty());
}

#[test]
fn broken_assertions_name_the_path_and_who_brought_it() {
    let found = tree(&[(
        "dash",
        vec![
            file("usr/bin/dash", "x", 0o755),
            symlink("usr/bin/sh", "dash"),
            file("usr/bin/su", "y", 0o4755),
        ],
    )]);
    let rules = [
        Assertion::NoShell,
        Assertion::NoSetuid,
        Assertion::NoPackageManager,
        Assertion::NonRoot,
        Assertion::MaximumSize(1),
        Assertion::MinimumSize(1_000),
        Assertion::MustContain("/usr/lib/**/*.so".to_owned()),
        Assertion::MustContain("/bin/dash".to_owned()),
        Assertion::MustNotContain("/usr/bin/d*".to_owned()),
    ];
    let texts: Vec<String> = check(&found, "0:0", None, &rules)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts.len(), 8, "{texts:#?}");
    assert!(
        texts[0].contains("/usr/bin/dash is a shell (from package dash)"),
        "{texts:#?}"
    );
    let passwd = "root:x:0:0::/:/x\nme:x:65532:65532::/:/x\n";
    let holds = |user| check(&found, user, Some(passwd), &[Assertion::NonRoot]).is_empty();
    assert!(holds("me") && holds("65532:0"));
    assert!(!holds("") && !holds("root") && !holds("00") && !holds("you"));
}
