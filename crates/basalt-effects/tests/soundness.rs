//! What is accepted is what dpkg would leave: each test is a way in which a shorter reading of a script
//! would be wrong.

mod support;

use std::collections::BTreeMap;
use std::io;

use basalt_effects::apply::{ApplyError, Context, apply};
use basalt_effects::{Explanation, Verdict};
use basalt_tree::{Contents, Entry, Kind, Owner, Tree, TreePath};

struct NoContents;

impl Contents for NoContents {
    fn read(&self, _package: &str, _path: &TreePath) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn explained(members: &[(&str, &str)]) -> Explanation {
    let script = |body: &str| format!("#!/bin/sh\nset -e\n{body}\n").into_bytes();
    let members: BTreeMap<String, Vec<u8>> = members
        .iter()
        .map(|(name, body)| match *name {
            "conffiles" => ((*name).to_owned(), body.as_bytes().to_vec()),
            _ => ((*name).to_owned(), script(body)),
        })
        .collect();
    support::explained(&members, None)
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

/// A tree in which packages bring directories (a path that ends in `/`) and files, by mode.
fn tree(entries: &[(&str, &str, u32)]) -> Tree {
    let mut tree = Tree::new(0);
    let base = Owner::Package("base".to_owned());
    for (name, text) in [
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nmail:x:8:8::/:/bin/sh\n",
        ),
        ("/etc/group", "root:x:0:\nmail:x:8:\n"),
    ] {
        tree.insert_file(&path(name), text.as_bytes(), 0o644, base.clone())
            .expect("placed");
    }
    for (package, name, mode) in entries {
        let owner = Owner::Package((*package).to_owned());
        match name.strip_suffix('/') {
            Some(name) => {
                let entry = Entry::new(Kind::Directory, *mode, 0);
                tree.insert_generated(&path(name), entry, Vec::new(), owner)
                    .expect("placed");
            }
            None => {
                tree.insert_file(&path(name), b"x".as_slice(), *mode, owner)
                    .expect("placed");
            }
        }
    }
    tree
}

fn applied(tree: &mut Tree, members: &[(&str, &str)]) -> Result<(), ApplyError> {
    let explanation = explained(members);
    assert!(
        explanation.unexplained().is_none(),
        "{members:?}: {explanation}"
    );
    let wanted = [("example".to_owned(), explanation.effects)];
    apply(tree, &NoContents, &wanted, &mut Context::default())
}

fn mode(tree: &Tree, name: &str) -> u32 {
    tree.get(&path(name)).expect("it is there").entry.mode
}

fn refused(member: &str, body: &str) {
    let explanation = explained(&[(member, body)]);
    assert_eq!(
        explanation.scripts[0].verdict,
        Verdict::Unexplained,
        "{body}: {explanation}"
    );
}

#[test]
fn a_mode_in_digits_keeps_the_set_id_bits_of_a_directory_as_chmod_does() {
    let mut tree = tree(&[
        ("example", "/var/lib/set/", 0o2775),
        ("example", "/usr/bin/tool", 0o4755),
    ]);
    let script = "chmod 755 /var/lib/set\nchmod 755 /usr/bin/tool";
    applied(&mut tree, &[("postinst", script)]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/set"), 0o2755);
    assert_eq!(mode(&tree, "/usr/bin/tool"), 0o755);
    applied(&mut tree, &[("postinst", "chmod 4700 /var/lib/set")]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/set"), 0o6700);
    // dpkg-statoverride sets the mode as it is given.
    let script = "dpkg-statoverride --update --add root root 755 /var/lib/set";
    applied(&mut tree, &[("postinst", script)]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/set"), 0o755);
    refused("postinst", "chmod 00755 /var/lib/set");
}

#[test]
fn a_directory_installed_over_another_keeps_its_set_id_bits() {
    let mut tree = tree(&[("example", "/var/lib/set/", 0o2775)]);
    applied(&mut tree, &[("postinst", "install -d -m 700 /var/lib/set")]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/set"), 0o2700);
}

#[test]
fn a_new_owner_takes_the_set_id_bits_off_a_file_as_the_kernel_does() {
    let mut tree = tree(&[
        ("example", "/usr/bin/tool", 0o6755),
        ("example", "/usr/bin/locking", 0o6745),
        ("example", "/var/lib/set/", 0o2775),
    ]);
    let script =
        "chown root:mail /usr/bin/tool\nchgrp mail /var/lib/set\nchgrp mail /usr/bin/locking";
    applied(&mut tree, &[("postinst", script)]).expect("applied");
    assert_eq!(mode(&tree, "/usr/bin/tool"), 0o755);
    // Without the right to execute, set-group-ID is no right to lose.
    assert_eq!(mode(&tree, "/usr/bin/locking"), 0o2745);
    assert_eq!(mode(&tree, "/var/lib/set"), 0o2775);
    let script = "chown root:mail /usr/bin/tool\nchmod 4755 /usr/bin/tool";
    applied(&mut tree, &[("postinst", script)]).expect("applied");
    assert_eq!(mode(&tree, "/usr/bin/tool"), 0o4755);
}

#[test]
fn a_directory_made_before_unpacking_keeps_its_mode_whatever_the_package_ships() {
    let shipped = [("example", "/var/lib/example/", 0o700)];
    let mut tree = tree(&shipped);
    applied(&mut tree, &[("preinst", "mkdir -p /var/lib/example")]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/example"), 0o755);
    // After unpacking it is there, and mkdir changes nothing.
    let mut tree = self::tree(&shipped);
    applied(&mut tree, &[("postinst", "mkdir -p /var/lib/example")]).expect("applied");
    assert_eq!(mode(&tree, "/var/lib/example"), 0o700);
}

#[test]
fn a_directory_of_another_package_may_be_made_before_unpacking_only_if_it_comes_to_the_same() {
    let mut same = tree(&[("other", "/var/lib/example/", 0o755)]);
    applied(&mut same, &[("preinst", "mkdir -p /var/lib/example")]).expect("applied");
    assert_eq!(mode(&same, "/var/lib/example"), 0o755);
}

#[test]
fn a_configuration_file_made_before_unpacking_is_refused() {
    let script = "mkdir -p /etc/example\ntouch /etc/example/conf";
    let explanation = explained(&[("preinst", script), ("conffiles", "/etc/example/conf\n")]);
    assert!(explanation.unexplained().is_some(), "{explanation}");
    let explanation = explained(&[("preinst", script), ("conffiles", "/etc/example/other\n")]);
    assert!(explanation.unexplained().is_none(), "{explanation}");
}

#[test]
fn sed_only_reads_when_nothing_in_its_script_writes_or_runs() {
    for script in [
        "sed -n '/a/w/tmp/x' /etc/passwd",
        "sed '/x/w/etc/evil' /etc/passwd",
        "sed '1e touch /etc/evil' /etc/passwd",
        "sed 's/a/b/e' /etc/passwd",
        "sed 's/a/b/ge' /etc/passwd",
        "sed 's/a/b/w /etc/evil' /etc/passwd",
        "sed -f /usr/share/script /etc/passwd",
        "sed -ni p /etc/passwd",
        "sed --in-place=x p /etc/passwd",
        "sed -e p -i /etc/passwd",
        "sed -s -i s/a/b/ /etc/passwd",
        "sed 'b\nw /etc/evil' /etc/passwd",
        "sed '{p;w /etc/evil\n}' /etc/passwd",
        "sed -e 'a\\' -e 'x' /etc/passwd",
        "awk -f /usr/share/script /etc/passwd",
        "awk 'BEGIN { print \"x\" > \"/etc/evil\" }'",
        "gawk -i inplace '{ print }' /etc/passwd",
        "gawk '@load \"x\"' /etc/passwd",
        "sort -uo /etc/passwd /etc/passwd",
        "sort --compress-program=/usr/bin/evil /etc/passwd",
        "uniq /etc/passwd /etc/evil",
        "hostname evil",
        "date -s 12:00",
        "file -C -m /etc/magic",
    ] {
        refused("postinst", script);
    }
    for script in [
        "sed -n '/^a/p' /etc/passwd",
        "sed -ne '2,/x/!{s#a/w#b#gp;q}' -e '$d' /etc/passwd",
        "sed 's/[^:]*://;s/w/e/2' /etc/passwd",
        "sed -E 's,^(.*)/(e|w)$,\\1,' < /etc/passwd",
        "sed '\\,x,Id' /etc/passwd /etc/group",
        "sed -e 's/a\\/b/w/' /etc/passwd",
        "awk -F: '{ print $1 }' /etc/passwd",
        "sort -u -k 2,2n -t : /etc/passwd",
        "uniq -c",
        "date +%s",
    ] {
        let explanation = explained(&[("postinst", &format!("x=$({script})"))]);
        assert!(explanation.unexplained().is_none(), "{explanation}");
    }
}

#[test]
fn an_image_in_which_a_script_would_fail_is_refused() {
    let script = "if [ ! -x /usr/bin/tool ]; then\n  echo no tool >&2\n  exit 1\nfi\nmkdir -p /var/lib/example";
    let mut with = tree(&[("other", "/usr/bin/tool", 0o755)]);
    applied(&mut with, &[("postinst", script)]).expect("applied");
    assert_eq!(mode(&with, "/var/lib/example"), 0o755);
    let error = applied(&mut tree(&[]), &[("postinst", script)]).expect_err("refused");
    assert!(error.to_string().contains("/usr/bin/tool"), "{error}");
    let script = "[ -e /etc/other ] || exit 2";
    applied(
        &mut tree(&[("other", "/etc/other", 0o644)]),
        &[("postinst", script)],
    )
    .expect("applied");
    assert!(applied(&mut tree(&[]), &[("postinst", script)]).is_err());
}

#[test]
fn touch_makes_what_a_link_that_dangles_leads_to() {
    let mut tree = tree(&[("base", "/opt/d/", 0o755)]);
    for (link, target) in [("/opt/l", "d/new"), ("/opt/far", "/none/new")] {
        tree.insert_symlink(&path(link), target, Owner::Package("base".to_owned()))
            .expect("placed");
    }
    applied(&mut tree, &[("postinst", "touch /opt/l /opt/far")]).expect("applied");
    assert!(tree.get(&path("/opt/d/new")).is_some());
    // touch fails where there is no directory to make it in.
    assert!(tree.get(&path("/none")).is_none());
}

#[test]
fn a_slash_after_a_link_does_not_take_the_link_away() {
    let mut there = tree(&[("base", "/opt/d/", 0o755)]);
    applied(&mut there, &[("postinst", "rm -rf /opt/d/")]).expect("a directory goes");
    assert!(there.get(&path("/opt/d")).is_none());
    there
        .insert_symlink(
            &path("/opt/l"),
            "/opt/zz",
            Owner::Package("base".to_owned()),
        )
        .expect("placed");
    let error = applied(&mut there, &[("postinst", "rm -rf /opt/l/")]).expect_err("a link stays");
    assert!(
        error.to_string().contains("with the slash it stays"),
        "{error}"
    );
}
