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

#[test]
fn a_backslash_of_a_value_does_not_stand_for_itself_in_a_pattern() {
    for shell in ["sh", "bash"] {
        refused(&[
            (
                shell,
                "p='a\\*'\ncase 'a*' in $p) mkdir -p /opt/m;; *) mkdir -p /opt/n;; esac",
            ),
            (
                shell,
                "p='a\\*'\ncase 'a\\x' in $p) mkdir -p /opt/m;; *) mkdir -p /opt/n;; esac",
            ),
            (shell, "p='\\b'\nx=ab\nmkdir -p /opt/${x%$p}"),
            (
                shell,
                "case ab in ${u:-'*'}) mkdir -p /opt/m;; *) mkdir -p /opt/n;; esac",
            ),
            (shell, "mkdir -p ${u:-\"/opt/a /opt/b\"}"),
        ]);
        make(&[
            (
                shell,
                "p='\\b'\nx='a\\b'\nmkdir -p /opt/${x%\"$p\"}",
                &["/opt/a"],
            ),
            (shell, "mkdir -p ${u:-\"/opt/a\"}", &["/opt/a"]),
        ]);
    }
    refused(&[
        (
            "bash",
            "p='@(a|b)'\nif [[ a == $p ]]; then mkdir -p /opt/m; fi",
        ),
        ("bash", "if [[ 08 -eq 8 ]]; then mkdir -p /opt/m; fi"),
        ("bash", "if [[ 010 -eq 10 ]]; then mkdir -p /opt/m; fi"),
    ]);
    make(&[
        (
            "bash",
            "if [ 08 -eq 8 ]; then mkdir -p /opt/m; fi",
            &["/opt/m"],
        ),
        (
            "sh",
            "if [ 08 -eq 8 ]; then mkdir -p /opt/m; fi",
            &["/opt/m"],
        ),
        (
            "bash",
            "if [[ 8 -eq 8 ]]; then mkdir -p /opt/m; fi",
            &["/opt/m"],
        ),
    ]);
}

#[test]
fn letters_beyond_ascii_are_not_counted() {
    for shell in ["sh", "bash"] {
        refused(&[
            (shell, "x=ä\nmkdir -p /opt/${#x}"),
            (
                shell,
                "case ä in ?) mkdir -p /opt/one;; ??) mkdir -p /opt/two;; esac",
            ),
            (shell, "x=aäb\nmkdir -p \"/opt/q${x#a?}\""),
            (shell, "x=bäa\nmkdir -p \"/opt/q${x%?a}\""),
        ]);
        make(&[(
            shell,
            "case ä in ä) mkdir -p /opt/one;; *) mkdir -p /opt/two;; esac",
            &["/opt/one"],
        )]);
    }
}

#[test]
fn several_redirections_of_one_command_act_in_their_order() {
    refused(&[
        ("sh", "echo a > /opt/f >&2"),
        ("sh", "echo a > /opt/f > /opt/g"),
        ("sh", "echo a > /opt/f > /dev/null"),
        ("bash", "echo a > /opt/f &> /dev/null"),
        ("sh", ": > /opt/f > /opt/g"),
        ("sh", "{ echo a; } > /opt/f > /opt/g"),
        // What is read is emptied before.
        ("sh", "echo a > /opt/f\ncat < /opt/f > /opt/f"),
        ("sh", "{ echo a > /opt/f; } > /opt/f"),
        ("sh", "{ [ -e /opt/f ] && mkdir -p /opt/a; } > /opt/f"),
        ("sh", "[ -e /opt/f ] > /opt/f && mkdir -p /opt/a"),
        ("sh", "{ if [ -e /x ]; then rm -f /opt/f; fi; } > /opt/f"),
        // Errors that are taken with the output.
        ("sh", "{ echo a >&2; } > /opt/f 2>&1"),
        ("sh", "f() { echo a >&2; }\nmkdir -p /opt/x$(f 2>&1)"),
        ("sh", "mkdir -p /opt/x$(echo a 3>&1 >/dev/null >&3)"),
        ("sh", "rm -f /opt/no\nread x < /opt/no || mkdir -p /opt/a"),
    ]);
    make(&[
        (
            "sh",
            "mkdir -p /opt/x$(echo a >/dev/null 2>&1)",
            &["/opt/x"],
        ),
        ("sh", "mkdir -p /opt/x$(echo a 2>&1)", &["/opt/xa"]),
        (
            "sh",
            "f() { echo a; }\nf >/dev/null 2>&1\nmkdir -p /opt/x$(f 2>/dev/null)",
            &["/opt/xa"],
        ),
    ]);
}

#[test]
fn a_loop_over_a_file_that_its_body_changes_is_not_explained() {
    refused(&[
        (
            "sh",
            "echo a > /tmp/q\nwhile read x; do echo $x$x >> /tmp/q; done < /tmp/q",
        ),
        (
            "sh",
            "echo a > /tmp/q\nwhile read x; do : > /tmp/q; mkdir -p /opt/$x; done < /tmp/q",
        ),
        (
            "sh",
            "echo a > /tmp/q\nf() { while read x; do echo b >> /tmp//q; done; }\nf < /tmp/q",
        ),
    ]);
    make(&[(
        "sh",
        "while read x; do mkdir -p /opt/$x; done <<E\na\nb\nE",
        &["/opt/a", "/opt/b"],
    )]);
}

#[test]
fn what_the_script_registered_itself_is_not_taken_as_absent() {
    let install = "update-alternatives --install /opt/bin foo /opt/y 10";
    for after in [
        "rm -f /opt/bin",
        "rm -rf /opt",
        "ln -sf /x /opt/bin",
        "echo a > /opt/bin",
        "rm -f /etc/alternatives/foo",
        "update-alternatives --remove foo /opt/y",
        "update-alternatives --quiet --remove-all foo",
    ] {
        refused(&[("sh", &format!("{install}\n{after}"))]);
    }
    refused(&[
        (
            "sh",
            "dpkg-divert --rename --divert /a.b --add /a\ndpkg-divert --rename --remove /a",
        ),
        (
            "sh",
            "dpkg-statoverride --update --add root root 755 /a\ndpkg-statoverride --remove /a",
        ),
        ("sh", "add-shell /bin/x\nremove-shell /bin/x"),
    ]);
    make(&[(
        "sh",
        "update-alternatives --remove other /opt/y\nmkdir -p /opt/a",
        &["/opt/a"],
    )]);
}

#[test]
fn what_is_named_twice_is_written_by_some_readers() {
    for body in [
        "uniq - /opt/out < /opt/y",
        "uniq -c - /opt/out",
        "uniq /a /opt/out",
        "uniq -- - /opt/out",
    ] {
        refused(&[("sh", body)]);
    }
}

#[test]
fn a_link_that_may_dangle_is_not_taken_for_what_it_leads_to() {
    refused(&[
        (
            "sh",
            "rm -f /opt/l\nln -s /opt/d/new /opt/l\nif [ -e /opt/l ]; then mkdir -p /opt/a; else mkdir -p /opt/b; fi",
        ),
        ("sh", "echo a > /opt/f\nrm -f /opt/f/"),
        ("sh", "touch /opt/f/"),
    ]);
    let explanation = explained("sh", "rm -rf /opt/l/");
    assert!(
        explanation.effects[0].to_string().contains("link: /opt/l"),
        "{explanation}"
    );
}
