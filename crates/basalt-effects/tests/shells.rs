//! Where the shells, `dpkg` and the tools of Debian do something else than a short reading of a script would say: what is
//! expected here is what dash 0.5.12, bash 5.2 and dpkg left.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use basalt_effects::{Explanation, Verdict};

fn explained(shell: &str, body: &str) -> Explanation {
    let script = format!("#!/bin/{shell}\nset -e\n{body}\n");
    let members = BTreeMap::from([("postinst".to_owned(), script.into_bytes())]);
    support::explained(&members, None)
}

/// Asserts which directories scripts make; which is all that they do.
fn make(cases: &[(&str, &str, &[&str])]) {
    for (shell, body, expected) in cases {
        let explanation = explained(shell, body);
        assert!(explanation.unexplained().is_none(), "{body}: {explanation}");
        let effects: Vec<String> = explanation
            .effects
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|path| {
                format!(
                    "{{ effect: when, condition: {{ exists: {path} }}, \
                     otherwise: [{{ effect: directory, path: {path}, mode: 0o755 }}] }}"
                )
            })
            .collect();
        assert_eq!(effects, expected, "{shell}: {body}");
    }
}

fn refused(cases: &[(&str, &str)]) {
    for (shell, body) in cases {
        let explanation = explained(shell, body);
        assert_eq!(
            explanation.scripts[0].verdict,
            Verdict::Unexplained,
            "{shell}: {body}: {explanation}"
        );
    }
}

#[test]
fn a_function_that_is_taken_away_is_not_called() {
    make(&[
        (
            "sh",
            "mkdir() { :; }\nunset -f mkdir\nmkdir -p /opt/a",
            &["/opt/a"],
        ),
        (
            "bash",
            "mkdir() { :; }\nunset -f mkdir\nmkdir -p /opt/a",
            &["/opt/a"],
        ),
        // Bash takes the function where there is no variable; dash never.
        (
            "bash",
            "mkdir() { :; }\nunset mkdir\nmkdir -p /opt/a",
            &["/opt/a"],
        ),
        ("sh", "mkdir() { :; }\nunset mkdir\nmkdir -p /opt/a", &[]),
        (
            "bash",
            "mkdir=x\nmkdir() { :; }\nunset mkdir\nmkdir -p /opt/a",
            &[],
        ),
        (
            "bash",
            "mkdir() { :; }\nunset -v mkdir\nmkdir -p /opt/a",
            &[],
        ),
    ]);
    refused(&[
        (
            "sh",
            "f() { mkdir -p /opt/a; }\nunset -f f\nif f; then mkdir -p /opt/b; fi",
        ),
        ("bash", "f() { mkdir -p /opt/a; }\nunset f\nf || true"),
        ("bash", "unset -n f\nmkdir -p /opt/a"),
        // Whether there is the function, the image tells.
        (
            "sh",
            "if [ -e /x ]; then mkdir() { :; }; fi\nmkdir -p /opt/a",
        ),
        (
            "sh",
            "mkdir() { :; }\nif [ -e /x ]; then unset -f mkdir; fi\nmkdir -p /opt/a",
        ),
    ]);
}

#[test]
fn what_the_shell_has_itself_is_found() {
    let ask = |question: &str| {
        format!("if {question} >/dev/null 2>&1; then mkdir -p /opt/a; else mkdir -p /opt/b; fi")
    };
    for (shell, names) in [
        (
            "sh",
            &["cd", "export", "local", "umask", "test", "if", "chdir"][..],
        ),
        (
            "bash",
            &["cd", "export", "local", "declare", "[[", "function"][..],
        ),
    ] {
        for name in names {
            for question in ["command -v", "type"] {
                make(&[(shell, &ask(&format!("{question} {name}")), &["/opt/a"])]);
            }
        }
    }
    // No builtin of dash: asked of the image.
    refused(&[("sh", "mkdir -p /opt/$(command -v declare)")]);
    make(&[("sh", "mkdir -p /opt/$(command -v cd)", &["/opt/cd"])]);
}

#[test]
fn a_variable_that_the_shell_or_its_caller_may_have_set_is_not_taken_as_unset() {
    let names = [
        "SHLVL",
        "OSTYPE",
        "MACHTYPE",
        "HOSTTYPE",
        "BASH",
        "BASH_VERSINFO",
        "BASH_VERSION",
        "BASHPID",
        "SHELLOPTS",
        "BASHOPTS",
        "GROUPS",
        "FUNCNAME",
        "BASH_SOURCE",
        "BASH_COMMAND",
        "DIRSTACK",
        "PIPESTATUS",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "SRANDOM",
        "OPTERR",
        "OPTIND",
        "HISTCMD",
        "COMP_WORDBREAKS",
        "_",
        "PPID",
        "PWD",
        "PS1",
        "PS4",
        "DEBIAN_FRONTEND",
        "DEBIAN_HAS_FRONTEND",
        "DEBCONF_REDIR",
        "DPKG_ADMINDIR",
        "DPKG_FRONTEND_LOCKED",
        "APT_CONFIG",
        "BASH_ENV",
        "MAILCHECK",
    ];
    for name in names {
        for shell in ["sh", "bash"] {
            refused(&[(shell, &format!("[ -z \"${name}\" ] || mkdir -p /opt/a"))]);
        }
    }
    refused(&[
        ("bash", "mkdir -p /opt/a$_"),
        // Not what was assigned.
        ("bash", "SECONDS=x\nmkdir -p /opt/a$SECONDS"),
        ("bash", "FUNCNAME=x\nmkdir -p /opt/a$FUNCNAME"),
        ("bash", "RANDOM=5\nmkdir -p /opt/a$RANDOM"),
    ]);
    make(&[("sh", "mkdir -p /opt/a$UNHEARD_OF", &["/opt/a"])]);
}

#[test]
fn a_variable_that_is_taken_away_has_its_default_again() {
    make(&[
        ("sh", "x=1\nunset x\nmkdir -p /opt/${x-a}", &["/opt/a"]),
        (
            "sh",
            "f() { local x; mkdir -p /opt/${x-a}; }\nf",
            &["/opt/a"],
        ),
    ]);
    refused(&[
        ("sh", "unset LANG\nmkdir -p /opt/${LANG-a}"),
        // Bash shows what the function further out has hidden.
        (
            "bash",
            "x=a\nf() { local x=b; g; mkdir -p /opt/$x; }\ng() { unset x; }\nf",
        ),
    ]);
}

#[test]
fn declaring_many_names_often_ends_at_once() {
    let names: Vec<String> = (0..9000).map(|number| format!("a{number}")).collect();
    let names = names.join(" ");
    for (shell, builtin) in [
        ("sh", "local"),
        ("sh", "export"),
        ("sh", "readonly"),
        ("sh", "unset"),
        ("sh", "unset -f"),
        ("bash", "local"),
        ("bash", "declare"),
        ("bash", "typeset"),
        ("bash", "unset"),
    ] {
        let body = format!("f() {{ {builtin} {names}; }}\n{}", "f\n".repeat(3000));
        let start = Instant::now();
        let explanation = explained(shell, &body);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{builtin}: {took:?}");
        let why = explanation.to_string();
        assert!(
            why.contains("more work than is spent on one"),
            "{builtin}: {why}"
        );
    }
}
