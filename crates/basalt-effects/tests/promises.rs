//! What the writers promise, on trees made by hand, and on any bytes at all.

use std::io;

use basalt_effects::apply::{
    Accounts, Context, Ids, NewUser, add_group, add_user, apply, certificates_of, pem_blocks,
    profile, system_users, temporary_files,
};
use basalt_effects::{Effect, Pages, Slave, Writer};
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath};
use proptest::prelude::*;

struct NoContents;

impl Contents for NoContents {
    fn read(&self, _package: &str, _path: &TreePath) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new(86_400);
    for (name, text) in files {
        let owner = Owner::Package("base".to_owned());
        tree.insert_file(&path(name), text.as_bytes(), 0o644, owner)
            .expect("placed");
    }
    tree
}

fn text(tree: &Tree, name: &str) -> String {
    let bytes = tree.read(&path(name), &NoContents).expect("content");
    String::from_utf8(bytes).expect("text")
}

fn context() -> Context {
    Context {
        architecture: "amd64".to_owned(),
        epoch: 86_400,
        ..Context::default()
    }
}

fn wanted(package: &str, effects: Vec<Effect>) -> (String, Vec<Effect>) {
    (package.to_owned(), effects)
}

fn group(name: &str) -> Effect {
    Effect::Group {
        name: name.to_owned(),
        gid: None,
    }
}

fn alternative(path: &str, priority: i32) -> Effect {
    Effect::Alternative {
        name: "awk".to_owned(),
        link: "/usr/bin/awk".to_owned(),
        path: path.to_owned(),
        priority,
        slaves: vec![Slave {
            name: "awk.1.gz".to_owned(),
            link: "/usr/share/man/man1/awk.1.gz".to_owned(),
            path: format!(
                "/usr/share/man/man1{}.1.gz",
                path.trim_start_matches("/usr/bin")
            ),
        }],
        pages: None,
    }
}

fn target(tree: &Tree, name: &str) -> Option<String> {
    match &tree.get(&path(name))?.entry.kind {
        Kind::Symlink { target } => Some(target.clone()),
        _ => None,
    }
}

#[test]
fn ids_do_not_depend_on_the_order_of_packages() {
    let allocate = |packages: &[&str]| {
        let mut tree = tree(&[("etc/passwd", "root:*:0:0::/:/bin/sh\n"), ("etc/group", "")]);
        let mut context = context();
        let steps: Vec<_> = packages
            .iter()
            .map(|name| wanted(name, vec![group(name)]))
            .collect();
        apply(&mut tree, &NoContents, &steps, &mut context).expect("applied");
        context.ids
    };
    let ids = allocate(&["alpha", "beta"]);
    assert_eq!(ids, allocate(&["beta", "alpha"]));
    assert_eq!((ids.groups["alpha"], ids.groups["beta"]), (101, 102));
}

#[test]
fn an_image_without_base_passwd_gets_root_and_the_users_of_the_spec() {
    let mut tree = tree(&[]);
    let mut context = context();
    let owner = Owner::Spec("users.nonroot".to_owned());
    let user = NewUser {
        name: "nonroot".to_owned(),
        uid: Some(65_532),
        home: "/home/nonroot".to_owned(),
        shell: "/sbin/nologin".to_owned(),
        ..NewUser::default()
    };
    add_user(&mut tree, &NoContents, &user, &owner, &mut context).expect("added");
    let members = ["nonroot".to_owned()];
    add_group(
        &mut tree,
        &NoContents,
        "web",
        Some(2000),
        &members,
        &owner,
        &mut context,
    )
    .expect("added");
    assert_eq!(
        text(&tree, "etc/passwd"),
        "root:x:0:0:root:/root:/sbin/nologin\n\
         nonroot:!:65532:65532::/home/nonroot:/sbin/nologin\n"
    );
    assert_eq!(
        text(&tree, "etc/group"),
        "root:x:0:\nnonroot:!:65532:\nweb:!:2000:nonroot\n"
    );
    assert_eq!(
        context.ids,
        Ids::default(),
        "fixed ids are not for the lock"
    );
}

#[test]
fn the_best_alternative_is_linked_and_only_slaves_that_are_there() {
    let mut tree = tree(&[
        ("usr/bin/mawk", ""),
        ("usr/bin/gawk", ""),
        ("usr/share/man/man1/mawk.1.gz", ""),
    ]);
    let steps = [
        wanted("gawk", vec![alternative("/usr/bin/gawk", 10)]),
        wanted("mawk", vec![alternative("/usr/bin/mawk", 5)]),
        wanted(
            "original-awk",
            vec![alternative("/usr/bin/original-awk", 99)],
        ),
    ];
    apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
    assert_eq!(
        target(&tree, "usr/bin/awk").as_deref(),
        Some("/etc/alternatives/awk")
    );
    assert_eq!(
        target(&tree, "etc/alternatives/awk").as_deref(),
        Some("/usr/bin/gawk")
    );
    assert_eq!(target(&tree, "etc/alternatives/awk.1.gz"), None);
    assert_eq!(
        text(&tree, "var/lib/dpkg/alternatives/awk"),
        "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\n\n\
         /usr/bin/gawk\n10\n/usr/share/man/man1/gawk.1.gz\n\
         /usr/bin/mawk\n5\n/usr/share/man/man1/mawk.1.gz\n\n"
    );
    let owner = &tree.get(&path("usr/bin/awk")).expect("a link").owner;
    assert_eq!(owner.to_string(), "alternative awk (effect of gawk)");
}

#[test]
fn a_diversion_moves_anothers_file_and_is_recorded_once() {
    let mut tree = tree(&[("usr/bin/sh", "old")]);
    let steps = [wanted(
        "dash",
        vec![Effect::Diversion {
            from: "/usr/bin/sh".to_owned(),
            to: "/usr/bin/sh.distrib".to_owned(),
            if_directory: Some("/usr/bin".to_owned()),
        }],
    )];
    for _ in 0..2 {
        apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
        assert!(!tree.contains(&path("usr/bin/sh")));
        assert_eq!(text(&tree, "usr/bin/sh.distrib"), "old");
        assert_eq!(
            text(&tree, "var/lib/dpkg/diversions"),
            "/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n"
        );
    }
}

#[test]
fn diversions_that_dpkg_divert_refuses_lose_no_file_unnoticed() {
    let diversion = |package: &str, from: &str, to: &str| {
        let effect = Effect::Diversion {
            from: from.to_owned(),
            to: to.to_owned(),
            if_directory: None,
        };
        wanted(package, vec![effect])
    };
    let (tool, orig) = ("/usr/bin/tool", "/usr/bin/tool.orig");
    let run = |files: &[&str], wanted: &[(String, Vec<Effect>)]| {
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, *file)).collect();
        let mut tree = tree(&files);
        apply(&mut tree, &NoContents, wanted, &mut context())
            .map(|()| text(&tree, "var/lib/dpkg/diversions"))
            .map_err(|error| error.to_string())
    };
    for (packages, wanted) in [
        // One path to two places, by two packages, and where another diversion leads or begins.
        (
            ["aa", "bb"],
            vec![
                diversion("aa", tool, orig),
                diversion("bb", tool, "/usr/bin/tool.b"),
            ],
        ),
        (
            ["aa", "bb"],
            vec![diversion("aa", tool, orig), diversion("bb", tool, orig)],
        ),
        (
            ["aa", "bb"],
            vec![
                diversion("aa", tool, orig),
                diversion("bb", "/usr/bin/other", orig),
            ],
        ),
        (
            ["aa", "bb"],
            vec![
                diversion("aa", tool, orig),
                diversion("bb", orig, "/usr/bin/tool.b"),
            ],
        ),
        (
            ["aa", "bb"],
            vec![
                diversion("aa", orig, "/usr/bin/tool.b"),
                diversion("bb", tool, orig),
            ],
        ),
    ] {
        let error = run(&["usr/bin/tool"], &wanted).expect_err("refused");
        for package in packages {
            assert!(error.contains(package), "{error}");
        }
    }
    // Where the file would go, there is another.
    let files = ["usr/bin/tool", "usr/bin/tool.orig"];
    let error = run(&files, &[diversion("aa", tool, orig)]).expect_err("refused");
    for part in ["aa", "package base", "usr/bin/tool.orig"] {
        assert!(error.contains(part), "{error}");
    }
    // Each its own, twice the same, and nothing to move.
    let two = [
        diversion("aa", tool, orig),
        diversion("aa", tool, orig),
        diversion("bb", "/usr/bin/b", "/usr/bin/b.orig"),
    ];
    let records = run(&files[..1], &two).expect("applied");
    assert_eq!(
        records,
        "/usr/bin/tool\n/usr/bin/tool.orig\naa\n/usr/bin/b\n/usr/bin/b.orig\nbb\n"
    );
    run(&files[1..], &two).expect("applied");
}

#[test]
fn what_packages_bring_below_a_directory_that_becomes_a_link_is_not_lost() {
    let effects = [
        Effect::Directory {
            path: "/run/lock".to_owned(),
            mode: 0o1777,
            user: "root".to_owned(),
            group: "root".to_owned(),
        },
        Effect::Remove {
            path: "/var/lock".to_owned(),
        },
        Effect::Symlink {
            path: "/var/lock".to_owned(),
            target: "/run/lock".to_owned(),
        },
    ];
    let wanted = [("base-files".to_owned(), effects.to_vec())];
    for fills_links in [false, true] {
        let mut tree = Tree::new(0);
        let owner = Owner::Package("tool".to_owned());
        tree.insert_file(&path("var/lock/tool/x"), b"x".as_slice(), 0o644, owner)
            .expect("placed");
        let mut context = Context {
            fills_links,
            ..Context::default()
        };
        apply(&mut tree, &NoContents, &wanted, &mut context).expect("applied");
        assert!(matches!(
            tree.get(&path("var/lock")).expect("a link").entry.kind,
            Kind::Symlink { .. }
        ));
        assert_eq!(tree.contains(&path("run/lock/tool/x")), fills_links);
        let lock = tree.get(&path("run/lock")).expect("made");
        assert_eq!(lock.entry.mode, 0o1777);
    }
}

#[test]
fn a_plain_removal_takes_away_what_is_below_all_the_same() {
    let wanted = [(
        "tool".to_owned(),
        vec![
            Effect::Remove {
                path: "/srv/old".to_owned(),
            },
            Effect::Symlink {
                path: "/srv/other".to_owned(),
                target: "/srv/new".to_owned(),
            },
        ],
    )];
    let mut tree = Tree::new(0);
    let owner = Owner::Package("tool".to_owned());
    tree.insert_file(&path("srv/old/x"), b"x".as_slice(), 0o644, owner)
        .expect("placed");
    let mut context = Context {
        fills_links: true,
        ..Context::default()
    };
    apply(&mut tree, &NoContents, &wanted, &mut context).expect("applied");
    assert!(!tree.contains(&path("srv/old")));
    assert!(!tree.contains(&path("srv/new")));
}

#[test]
fn declarations_that_are_too_many_are_refused_with_their_package() {
    let member = |number: usize| Effect::Lines {
        path: "/etc/list".to_owned(),
        lines: vec![format!("line {number}")],
    };
    let diversion = |number: usize| Effect::Diversion {
        from: format!("/srv/{number}"),
        to: format!("/srv/{number}.old"),
        if_directory: None,
    };
    let alternative = |number: usize| Effect::Alternative {
        name: "editor".to_owned(),
        link: "/usr/bin/editor".to_owned(),
        path: format!("/srv/choice{number}"),
        priority: 1,
        slaves: (0..400)
            .map(|slave| basalt_effects::Slave {
                name: format!("s{slave}"),
                link: format!("/srv/s{slave}"),
                path: "/srv/choice0".to_owned(),
            })
            .collect(),
        pages: None,
    };
    let run = |effects: Vec<Effect>| {
        let mut tree = Tree::new(0);
        for number in 0..300 {
            let owner = Owner::Package("tool".to_owned());
            tree.insert_file(
                &path(&format!("srv/choice{number}")),
                b"x".as_slice(),
                0o755,
                owner,
            )
            .expect("placed");
        }
        let wanted = [("tool".to_owned(), effects)];
        apply(&mut tree, &NoContents, &wanted, &mut Context::default())
    };
    for effects in [
        (0..6_000).map(member).collect(),
        (0..210_000).map(diversion).collect(),
        (0..300).map(alternative).collect::<Vec<Effect>>(),
    ] {
        let error = run(effects).expect_err("refused");
        assert!(error.is_malformed_package(), "{error}");
        assert!(error.to_string().contains("package tool"), "{error}");
    }
    run((0..500).map(member).collect()).expect("applied");
    let begun = std::time::Instant::now();
    run((0..20_000).map(diversion).collect()).expect("applied");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn lines_of_the_packages_own_lists_are_bounded() {
    for (file, line, writer) in [
        ("usr/lib/sysusers.d/x.conf", "g x5 -\n", Writer::SystemUsers),
        (
            "usr/lib/tmpfiles.d/x.conf",
            "d /srv/x\n",
            Writer::TemporaryFiles,
        ),
        (
            "usr/lib/tmpfiles.d/x.conf",
            "z /srv/*/x 0644\n",
            Writer::TemporaryFiles,
        ),
    ] {
        let mut tree = Tree::new(0);
        let owner = || Owner::Package("tool".to_owned());
        let times = if line.starts_with('z') {
            15_000
        } else {
            30_000
        };
        tree.insert_file(&path(file), line.repeat(times).into_bytes(), 0o644, owner())
            .expect("placed");
        for number in 0..2000 {
            tree.insert_file(
                &path(&format!("srv/{number}/y")),
                b"".as_slice(),
                0o644,
                owner(),
            )
            .expect("placed");
        }
        let wanted = [("tool".to_owned(), vec![Effect::Run { writer }])];
        let error =
            apply(&mut tree, &NoContents, &wanted, &mut Context::default()).expect_err("refused");
        assert!(error.is_malformed_package(), "{file}: {error}");
    }
}

#[test]
fn a_diversion_that_asks_for_a_directory_is_left_out_without_it() {
    let mut tree = tree(&[("usr/bin/sh", "old")]);
    let steps = [wanted(
        "dash",
        vec![Effect::Diversion {
            from: "/usr/share/man/man1/sh.1.gz".to_owned(),
            to: "/usr/share/man/man1/sh.distrib.1.gz".to_owned(),
            if_directory: Some("/usr/share/man/man1".to_owned()),
        }],
    )];
    apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
    assert!(!tree.contains(&path("var/lib/dpkg/diversions")));
}

#[test]
fn refuses_a_user_that_no_one_made() {
    let mut tree = tree(&[("etc/passwd", ""), ("var/x", "")]);
    let steps = [wanted(
        "p",
        vec![Effect::Attributes {
            path: "/var/x".to_owned(),
            mode: None,
            user: Some("ghost".to_owned()),
            group: None,
        }],
    )];
    let error = apply(&mut tree, &NoContents, &steps, &mut context()).expect_err("refused");
    assert!(error.to_string().contains("the user `ghost`"), "{error}");
}

#[test]
fn a_program_is_given_capabilities() {
    let mut tree = tree(&[("usr/bin/clock", "")]);
    let steps = [wanted(
        "p",
        vec![Effect::Capabilities {
            path: "/usr/bin/clock".to_owned(),
            permitted: vec!["cap_sys_time".to_owned()],
        }],
    )];
    apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
    let entry = &tree.get(&path("usr/bin/clock")).expect("there").entry;
    let value = entry.xattrs.get("security.capability").expect("given");
    assert_eq!(value[..8], [1, 0, 0, 2, 0, 0, 0, 2]);
}

#[test]
fn a_configuration_file_is_placed_with_a_line_of_the_script() {
    let mut tree = tree(&[("usr/lib/r/environment", "A=1\nPAPER=\n")]);
    let steps = [wanted(
        "r",
        vec![Effect::ChangedConfiguration {
            from: "/usr/lib/r/environment".to_owned(),
            to: "/etc/r".to_owned(),
            line: "PAPER=".to_owned(),
            with: "PAPER=a4".to_owned(),
        }],
    )];
    apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
    assert_eq!(text(&tree, "etc/r"), "A=1\nPAPER=a4\n");
    assert_eq!(text(&tree, "var/lib/ucf/cache/:etc:r"), "A=1\nPAPER=a4\n");
    assert!(text(&tree, "var/lib/ucf/hashfile").ends_with("  /etc/r\n"));
}

#[test]
fn system_users_own_the_directories_of_tmpfiles() {
    let mut tree = tree(&[
        ("etc/passwd", "root:*:0:0::/:/bin/sh\n"),
        ("etc/group", "root:*:0:\nnogroup:*:65534:\n"),
        (
            "usr/lib/sysusers.d/a.conf",
            "u sshd -:nogroup \"sshd user\" /run/sshd\n",
        ),
        (
            "usr/lib/tmpfiles.d/a.conf",
            "d /run/sshd 0750 sshd nogroup -\n",
        ),
    ]);
    let run = |writer| Effect::Run { writer };
    let steps = [wanted(
        "ssh",
        vec![run(Writer::SystemUsers), run(Writer::TemporaryFiles)],
    )];
    apply(&mut tree, &NoContents, &steps, &mut context()).expect("applied");
    let entry: &Entry = &tree.get(&path("run/sshd")).expect("made").entry;
    assert_eq!((entry.mode, entry.uid, entry.gid), (0o750, 101, 65_534));
    assert!(
        text(&tree, "etc/passwd")
            .ends_with("sshd:x:101:65534:sshd user:/run/sshd:/usr/sbin/nologin\n")
    );
    // As systemd-sysusers makes it where there is none: for its own users, open to nobody.
    let shadow = &tree.get(&path("etc/shadow")).expect("made").entry;
    assert_eq!((shadow.mode, shadow.uid, shadow.gid), (0, 0, 0));
    assert!(text(&tree, "etc/shadow").starts_with("sshd:!*:"));
}

#[test]
fn a_damaged_certificate_stops_the_build() {
    let mut tree = tree(&[(
        "usr/local/share/ca-certificates/own.crt",
        "-----BEGIN CERTIFICATE-----\nTWFu\n-----END CERTIFICATE-----\n",
    )]);
    let effect = Effect::Run {
        writer: Writer::CertificateBundle,
    };
    let steps = [wanted("ca-certificates", vec![effect])];
    let error = apply(&mut tree, &NoContents, &steps, &mut context()).expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("/usr/local/share/ca-certificates/own.crt:"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "[-a-z0-9_:!%/\\\\\"' \t\n.+]{0,200}") {
        let _ = system_users(&text, "f");
        let _ = temporary_files(&text, "f");
        let _ = profile(&text);
        let accounts = Accounts::parse(&text, &text, Some(&text), Some(&text));
        let _ = (accounts.uid("root"), accounts.gid("root"));
        // What is written reads back the same.
        let again = Accounts::parse(
            &accounts.passwd(),
            &accounts.group(),
            accounts.shadow().as_deref(),
            accounts.gshadow().as_deref(),
        );
        prop_assert_eq!(accounts, again);
    }

    #[test]
    fn no_bytes_make_the_certificate_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = certificates_of(&bytes);
        let _ = pem_blocks(&bytes);
        let mut der = vec![0x30];
        der.extend(&bytes);
        let _ = certificates_of(&der);
    }
}

#[test]
fn manual_pages_follow_an_alternative_if_they_are_of_its_packages() {
    let place = |name: &str| format!("usr/share/example/17/man/{name}");
    let mut tree = tree(&[
        (&place("man1/main.1.gz"), ""),
        (&place("man1/other.1.gz"), ""),
        (&place("man7/seventh.7.gz"), ""),
    ]);
    let foreign = Owner::Package("example-doc".to_owned());
    tree.insert_file(
        &path(&place("man3/call.3.gz")),
        b"".as_slice(),
        0o644,
        foreign,
    )
    .expect("placed");
    let effect = Effect::Alternative {
        name: "main.1.gz".to_owned(),
        link: "/usr/share/man/man1/main.1.gz".to_owned(),
        path: "/usr/share/example/17/man/man1/main.1.gz".to_owned(),
        priority: 170,
        slaves: Vec::new(),
        pages: Some(Pages {
            below: "/usr/share/example/17/man".to_owned(),
            of: vec!["base".to_owned()],
        }),
    };
    let effects = [wanted("base", vec![effect])];
    apply(&mut tree, &NoContents, &effects, &mut context()).expect("applied");
    for (link, page) in [
        ("main.1.gz", "man1/main.1.gz"),
        ("other.1.gz", "man1/other.1.gz"),
        ("seventh.7.gz", "man7/seventh.7.gz"),
    ] {
        let leads = target(&tree, &format!("etc/alternatives/{link}"));
        assert_eq!(leads, Some(format!("/{}", place(page))));
    }
    assert_eq!(target(&tree, "etc/alternatives/call.3.gz"), None);
    assert_eq!(
        text(&tree, "var/lib/dpkg/alternatives/main.1.gz"),
        "auto\n/usr/share/man/man1/main.1.gz\n\
         other.1.gz\n/usr/share/man/man1/other.1.gz\n\
         seventh.7.gz\n/usr/share/man/man7/seventh.7.gz\n\n\
         /usr/share/example/17/man/man1/main.1.gz\n170\n\
         /usr/share/example/17/man/man1/other.1.gz\n\
         /usr/share/example/17/man/man7/seventh.7.gz\n\n"
    );
}

#[test]
fn locales_that_are_chosen_are_refused_and_never_forgotten() {
    let supported = [("usr/share/i18n/SUPPORTED", "de_DE.UTF-8 UTF-8\n")];
    let run = || {
        vec![Effect::Run {
            writer: Writer::Locales,
        }]
    };
    let mut none = tree(&supported);
    apply(
        &mut none,
        &NoContents,
        &[wanted("locales", run())],
        &mut context(),
    )
    .expect("applied");
    assert!(text(&none, "etc/locale.gen").ends_with("\n# de_DE.UTF-8 UTF-8\n"));

    let mut context = context();
    let question = "locales/locales_to_be_generated".to_owned();
    context
        .answers
        .insert(question, "de_DE.UTF-8 UTF-8".to_owned());
    let error = apply(
        &mut tree(&supported),
        &NoContents,
        &[wanted("locales", run())],
        &mut context,
    )
    .expect_err("basalt compiles no locales");
    assert!(error.to_string().contains("locales-all"), "{error}");
}

/// What systemd-tmpfiles 252 leaves below `/opt`, and what is left here.
#[test]
fn tmpfiles_leave_what_systemd_tmpfiles_leaves() {
    let link = |target: &str| format!("link {target}");
    let cases: [(&str, &str, String); 15] = [
        // A link is changed itself, and what it leads to is not.
        ("z /opt/l 0600 1 1", "opt/l", link("f 1:1")),
        ("z /opt/l 0600 1 1", "opt/f", "644 0:0".to_owned()),
        ("Z /opt/ld 0600 1 1", "opt/d/x", "640 0:0".to_owned()),
        ("Z /opt/d ~0700 1 1", "opt/d/x", "600 1:1".to_owned()),
        ("Z /opt/d ~0700 1 1", "opt/d/y", "700 1:1".to_owned()),
        ("Z /opt/d ~0700 1 1", "opt/d", "700 1:1".to_owned()),
        ("z /opt/d/x ~4777", "opt/d/x", "666 0:0".to_owned()),
        ("f /opt/n ~0755", "opt/n", "755 0:0".to_owned()),
        ("e /opt/l 0711 1 1", "opt/f", "644 0:0".to_owned()),
        ("e /opt/ld 0711 1 1", "opt/d", "711 1:1".to_owned()),
        ("L+ /opt/f - - - - target", "opt/f", link("target 0:0")),
        ("L+ /opt/d - - - - target", "opt/d", link("target 0:0")),
        ("L /opt/f - - - - target", "opt/f", "644 0:0".to_owned()),
        ("L? /opt/n - - - - /opt/f", "opt/n", link("/opt/f 0:0")),
        ("f+ /opt/l 0600 1 1 - other", "opt/f", "644 0:0".to_owned()),
    ];
    let base = || Owner::Package("base".to_owned());
    let made = |line: &str| {
        let mut tree = tree(&[("opt/f", "hello"), ("usr/lib/tmpfiles.d/a.conf", line)]);
        for (name, mode) in [("opt/d/x", 0o640), ("opt/d/y", 0o755)] {
            tree.insert_file(&path(name), b"x".as_slice(), mode, base())
                .expect("placed");
        }
        for (name, target) in [("opt/l", "f"), ("opt/ld", "/opt/d"), ("opt/dang", "no")] {
            tree.insert_symlink(&path(name), target, base())
                .expect("placed");
        }
        let effects = vec![Effect::Run {
            writer: Writer::TemporaryFiles,
        }];
        let result = apply(
            &mut tree,
            &NoContents,
            &[wanted("base", effects)],
            &mut context(),
        );
        (tree, result)
    };
    for (line, name, expected) in cases {
        let (tree, result) = made(line);
        result.expect(line);
        let entry: &Entry = &tree.get(&path(name)).expect(line).entry;
        let ids = format!("{}:{}", entry.uid, entry.gid);
        let found = match &entry.kind {
            Kind::Symlink { target } => format!("link {target} {ids}"),
            _ => format!("{:o} {ids}", entry.mode),
        };
        assert_eq!(found, expected, "{line}: {name}");
    }
    for (line, missing) in [
        ("L? /opt/n - - - - /opt/none", "opt/n"),
        ("f /opt/dang - - - - x", "opt/no"),
        ("d /opt/dang", "opt/no"),
        ("L+ /opt/d - - - - target", "opt/d/x"),
    ] {
        let (tree, result) = made(line);
        result.expect(line);
        assert!(tree.get(&path(missing)).is_none(), "{line}");
    }
    let error = made("# c\n\nw /opt/f - - - - x")
        .1
        .expect_err("not supported");
    assert!(
        error
            .to_string()
            .starts_with("/usr/lib/tmpfiles.d/a.conf:3: "),
        "{error}"
    );
}
