//! How scripts split words and read lines: as the shell does that would run them.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use basalt_effects::{Effect, Explanation, Verdict};

fn explained(shell: &str, body: &str) -> Explanation {
    let script = format!("#!{shell}\nset -e\n{body}\n");
    let members = BTreeMap::from([("postinst".to_owned(), script.into_bytes())]);
    support::explained(&members, None)
}

/// The directories that a script makes by what is followed of it; nothing where it is not explained.
fn followed(shell: &str, body: &str) -> Option<Vec<String>> {
    fn directories(effects: &[Effect], found: &mut Vec<String>) {
        for effect in effects {
            match effect {
                Effect::Directory { path, .. } => found.push(path.clone()),
                Effect::When {
                    effects, otherwise, ..
                } => {
                    directories(effects, found);
                    directories(otherwise, found);
                }
                other => panic!("{other}"),
            }
        }
    }
    let explanation = explained(shell, body);
    let mut found = Vec::new();
    directories(&explanation.effects, &mut found);
    (explanation.scripts[0].verdict != Verdict::Unexplained).then_some(found)
}

/// The directories that the real shell would make: `mkdir` is a function that says them.
fn run(shell: &str, body: &str) -> Vec<String> {
    let script = format!(
        "mkdir() {{ for each in \"$@\"; do printf '%s\\n' \"$each\" >&3; done; }}\nexec 3>&1 >/dev/null\nset -e\n{body}\n"
    );
    let output = Command::new(shell)
        .args(["-c", &script])
        .output()
        .expect("the shell runs");
    let said = String::from_utf8(output.stdout).expect("text");
    said.lines().map(str::to_owned).collect()
}

const DASH: &str = "/bin/dash";
const BASH: &str = "/bin/bash";

/// Asserts what a script makes, by what is followed and by the shell itself.
fn makes(shell: &str, body: &str, expected: &[&str]) {
    assert_eq!(run(shell, body), expected, "{shell} of {body}");
    assert_eq!(
        followed(shell, body).as_deref(),
        Some(
            expected
                .iter()
                .map(|path| (*path).to_owned())
                .collect::<Vec<_>>()
        )
        .as_deref(),
        "{shell}: {body}\n{}",
        explained(shell, body)
    );
}

#[test]
fn the_value_of_a_declared_variable_is_not_split() {
    let cases: &[(&str, &[&str])] = &[
        ("f() { local a=$1; mkdir \"$a\"; }; f '/x y'", &["/x y"]),
        ("f() { local a=$1; mkdir \"$a\"; }; f '/x b=3'", &["/x b=3"]),
        (
            "f() { local a=/p$1$2; mkdir \"$a\"; }; f 'x y' ' q'",
            &["/px y q"],
        ),
        ("f() { export a=$1; mkdir \"$a\"; }; f '/x y'", &["/x y"]),
        ("f() { readonly r=$1; mkdir \"$r\"; }; f '/x y'", &["/x y"]),
        (
            "f() { local a=$1 b=$2; mkdir \"$a\" \"$b\"; }; f '/x y' '/*'",
            &["/x y", "/*"],
        ),
        (
            "f() { local a=$(echo '/1  2'); mkdir \"$a\"; }; f",
            &["/1  2"],
        ),
        (
            "f() { local a=/etc/hos*; mkdir \"$a\"; }; f",
            &["/etc/hos*"],
        ),
        (
            "f() { local a=$*; mkdir \"$a\"; }; f /1 '2  3'",
            &["/1 2  3"],
        ),
        ("f() { local a=$(ls /); mkdir /b; }; f", &["/b"]),
    ];
    for (body, expected) in cases {
        makes(DASH, body, expected);
        makes(BASH, body, expected);
    }
    // Where the name is in quotes or comes from a variable, it is no assignment as it is written.
    makes(
        DASH,
        "f() { local \"a\"=$1; mkdir \"$a\"; }; f '/x y'",
        &["/x"],
    );
    makes(
        DASH,
        "f() { local $1=$2; mkdir \"$a\"; }; f a '/x y'",
        &["/x"],
    );
    // The POSIX shell looks at the name of the command, bash at how it is written.
    makes(
        DASH,
        "l=local; f() { $l a=$1; mkdir \"$a\"; }; f '/x y'",
        &["/x y"],
    );
    makes(
        BASH,
        "l=local; f() { $l a=$1; mkdir \"$a\"; }; f '/x y'",
        &["/x"],
    );
    makes(
        BASH,
        "f() { \\local a=$1; mkdir \"$a\"; }; f '/x y'",
        &["/x"],
    );
    makes(
        BASH,
        "f() { declare a=$1; mkdir \"$a\"; }; f '/x y'",
        &["/x y"],
    );
    // Without a value, dash keeps that of outside, and bash does not.
    let inherits = "a=/x; f() { local a; mkdir \"/y$a\"; }; f";
    makes(DASH, inherits, &["/y/x"]);
    makes(BASH, inherits, &["/y"]);
}

#[test]
fn a_home_directory_in_an_assignment_is_not_known() {
    for body in [
        "a=~/x; mkdir \"/v$a\"",
        "a=/x:~/x; mkdir \"/v$a\"",
        "f() { local a=~/x; mkdir \"/v$a\"; }; f",
        "f() { local a=x:~/x; mkdir \"/v$a\"; }; f",
    ] {
        assert_eq!(followed(DASH, body), None, "{body}");
    }
    makes(DASH, "a=/1~2; mkdir \"$a\"", &["/1~2"]);
}

#[test]
fn values_are_split_at_the_separators_that_the_script_sets() {
    for shell in [DASH, BASH] {
        makes(shell, "a='/x /y'; mkdir $a", &["/x", "/y"]);
        makes(shell, "IFS=,; a='/x /y'; mkdir $a", &["/x /y"]);
        makes(shell, "IFS=; a='/x /y'; mkdir $a", &["/x /y"]);
        makes(
            shell,
            "old=$IFS; IFS=,; IFS=$old; a='/x /y'; mkdir $a",
            &["/x", "/y"],
        );
        makes(
            shell,
            "IFS=,; unset IFS; a='/x /y'; mkdir $a",
            &["/x", "/y"],
        );
        // What these split, the shells do; here, it is not known.
        for body in [
            "IFS=,; a=/x,/y; mkdir $a",
            "IFS=,; set -- /x y; mkdir \"$*\"",
            "IFS=$(cat /etc/x); a='/x /y'; mkdir $a",
        ] {
            assert_eq!(followed(shell, body), None, "{shell}: {body}");
        }
    }
    // Before a special builtin an assignment lasts in the POSIX shell.
    makes(DASH, "IFS=, :; a='/x /y'; mkdir $a", &["/x /y"]);
    makes(BASH, "IFS=, :; a='/x /y'; mkdir $a", &["/x", "/y"]);
}

#[test]
fn lines_that_a_script_holds_are_read_one_by_one() {
    let cases: &[(&str, &[&str])] = &[
        (
            "while read -r a; do mkdir \"/v$a\"; done <<EOF\n/x\n  /y z  \n\nEOF",
            &["/v/x", "/v/y z", "/v"],
        ),
        (
            "while read a b c; do mkdir \"$a$c\"; done <<EOF\n/1 2 3 4\n/5\t 6\nEOF",
            &["/13 4", "/5"],
        ),
        (
            "while IFS= read -r a; do mkdir \"/$a\"; done <<'EOF'\n  x$y \\n\nEOF",
            &["/  x$y \\n"],
        ),
        (
            "while IFS=: read -r a b c; do mkdir \"$a$c\"; done <<EOF\n/1:2:3\n/4:5\nEOF",
            &["/13", "/4"],
        ),
        (
            "for i in 1 2; do while read -r a; do mkdir \"/$i$a\"; done <<EOF\nx\ny\nEOF\ndone",
            &["/1x", "/1y", "/2x", "/2y"],
        ),
        (
            "( while read -r line; do set -- $line; mkdir \"$2\"; done ) << DATA\na /x\nb /y\nDATA",
            &["/x", "/y"],
        ),
        (
            "f() { read -r a; read -r b || b=/end; mkdir \"$a\" \"$b\"; }; f <<EOF\n/x\nEOF",
            &["/x", "/end"],
        ),
        (
            "while read -r a; do case $a in /s*) continue ;; /q) break ;; esac; mkdir $a; done <<EOF\n/s1\n/a\n/q\n/b\nEOF",
            &["/a"],
        ),
        (
            "until ! read -r a; do mkdir $a; done <<EOF\n/a\n/b\nEOF",
            &["/a", "/b"],
        ),
        (
            "set -- /a /b; while [ $# -gt 0 ]; do mkdir \"$1\"; shift; done; mkdir /c",
            &["/a", "/b", "/c"],
        ),
        (
            "f() { while read -r a; do [ $a != /b ] || return 0; mkdir $a; done; mkdir /never; }; f <<EOF\n/a\n/b\n/c\nEOF\nmkdir /d",
            &["/a", "/d"],
        ),
        (
            "while read -r a; do mkdir $a; done </dev/null; mkdir /b",
            &["/b"],
        ),
    ];
    for (body, expected) in cases {
        makes(DASH, body, expected);
        makes(BASH, body, expected);
    }
}

#[test]
fn lines_that_are_not_known_leave_nothing_unnoticed() {
    for body in [
        "while read -r a; do mkdir $a; done < /etc/x",
        "while read -r a; do mkdir /x; done < /etc/x",
        "while read a; do mkdir $a; done <<'EOF'\n/x\\\n/y\nEOF",
        "while read -r a; do mkdir $a; cat; done <<EOF\n/x\n/y\nEOF",
        "while read -r a; do mkdir $a; grep -q x || true; done <<EOF\n/x\n/y\nEOF",
        "while IFS=: read -r a b; do mkdir $a$b; done <<EOF\n/x:1:2\nEOF",
        "while IFS=: read -r a b; do mkdir $a$b; done <<EOF\n/x:\nEOF",
        "if [ -e /etc/x ]; then read -r a; else a=/b; fi <<EOF\n/x\nEOF\nmkdir $a",
        "while read -r a; do [ -e $a ] && break; mkdir $a; done <<EOF\n/x\n/y\nEOF",
        "read -r a; mkdir $a",
        "while :; do mkdir /x; done",
        "cat /etc/x | while read -r a; do mkdir $a; done",
        "while read -r a <<EOF\n/x\nEOF\ndo mkdir $a; done",
    ] {
        assert_eq!(followed(DASH, body), None, "{body}");
    }
    // A loop that only looks is none of the image's business.
    for body in [
        "while read -r a; do echo $a; done < /etc/x",
        "cat /etc/x | while read -r a; do [ -e $a ] || echo $a; done",
    ] {
        assert_eq!(followed(DASH, body), Some(Vec::new()), "{body}");
    }
}
