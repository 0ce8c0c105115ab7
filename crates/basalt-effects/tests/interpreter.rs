//! Each command that the interpreter knows, with what it leaves, as a spec would write it.

mod support;

use std::collections::BTreeMap;

use basalt_effects::{Explanation, Verdict};

fn explained(member: &str, body: &str) -> Explanation {
    explained_for("/bin/sh", member, body)
}

fn explained_for(shell: &str, member: &str, body: &str) -> Explanation {
    let script = format!("#!{shell}\nset -e\n{body}\n");
    let templates = "Template: example/question\nType: string\nDefault: blue\n";
    let members = BTreeMap::from([
        (member.to_owned(), script.into_bytes()),
        ("templates".to_owned(), templates.as_bytes().to_vec()),
    ]);
    support::explained(&members, None)
}

/// Asserts what scripts leave, each effect on a line.
fn leave(member: &str, cases: &[(&str, &[&str])]) {
    for (body, expected) in cases {
        let explanation = explained(member, body);
        assert!(explanation.unexplained().is_none(), "{body}: {explanation}");
        let effects: Vec<String> = explanation
            .effects
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(effects, *expected, "{body}");
    }
}

fn refused(member: &str, bodies: &[&str]) {
    for body in bodies {
        let explanation = explained(member, body);
        assert_eq!(
            explanation.scripts[0].verdict,
            Verdict::Unexplained,
            "{body}: {explanation}"
        );
    }
}

#[test]
fn what_only_bash_expands_is_not_taken_as_the_posix_shell_reads_it() {
    let mut explained = Vec::new();
    for body in [
        "mkdir -p /var/lib/{a,b}",
        "mkdir -p /var/lib/{a,b}/x",
        "mkdir -p /var/lib/x{1..3}",
        "mkdir -p /var/lib/{a,'b c'}",
        "mkdir -p /var/lib/{,b}",
        "mkdir -p /var/lib/{{a,b},c}",
        "a=1; mkdir -p /var/lib/{$a,2}",
        "touch /var/x{1,2}",
        "chown root:root /etc/{passwd,group}",
        "chmod 600 /etc/{x,y}",
        "rm -f /etc/x{,.old}",
        "ln -s /a /b{,c}",
        "for i in {a,b}; do mkdir -p /var/lib/$i; done",
        "for i in {1..3}; do mkdir -p /var/lib/$i; done",
        "set -- {a,b}; mkdir -p /var/lib/$1",
        "f() { mkdir -p /var/lib/$1; }; f {a,b}",
        "x=/var/a; export x=/var/{b,c}; mkdir -p $x",
        "x=/var/a; f() { local x=/var/{b,c}; mkdir -p $x; }; f",
        "[ -d /var/{a,b} ] || mkdir -p /var/a",
        "echo x > /etc/{a,b}",
        "echo x >> /etc/{a,b}",
        "x=$(echo {a,b}); mkdir -p /var/$x",
        "echo {a,$(mkdir -p /var/x)}",
        "mkdir -p /var/a {fd}> /dev/null",
        "{mkdir,-p} /var/a",
        "x=$[1+2]; mkdir -p /var/$x",
        "x=\"$[1+2]\"; mkdir -p /var/$x",
        "mkdir -p \"/var/$[1+2]\"",
        "mkdir -p /var/$[1+2]",
        "mkdir -p $'/var/a\\tb'",
        "mkdir -p $\"/var/a\"",
        "a=(x y); mkdir -p /var/$a",
        "a[0]=x; mkdir -p /var/$a",
        "a=x; a+=y; mkdir -p /var/$a",
        "a=xb; mkdir -p /var/${a//b/c}",
        "a=xb; mkdir -p /var/${a/b/c}",
        "a=xb; mkdir -p /var/${a:1}",
        "a=xb; mkdir -p /var/${a^^}",
        "a=xb; mkdir -p /var/${a,,}",
        "a=xb; mkdir -p /var/${!a}",
        "a=xb; mkdir -p /var/${a@Q}",
        "mkdir -p /var/${a[0]}",
        "mkdir -p /var/$UID",
        "mkdir -p /var/$RANDOM",
        "mkdir -p /var/$HOSTNAME",
        "read a <<< x; mkdir -p /var/$a",
        "cat <(mkdir -p /var/a)",
        "mkdir -p /var/a &> /etc/x",
        "mkdir -p /var/a &>> /etc/x",
        "echo x |& tee /etc/x",
        "((a=1)); mkdir -p /var/$a",
        "let a=1; mkdir -p /var/$a",
        "declare -u a=x; mkdir -p /var/$a",
        "b=x; declare -n a=b; mkdir -p /var/$a",
        "a=x; export a+=y; mkdir -p /var/$a",
        "declare -i a=1+1; mkdir -p /var/$a",
        "[[ a == a* ]] && mkdir -p /var/a*",
        "for ((i=0; i<2; i++)); do mkdir -p /var/$i; done",
        "shopt -s nullglob",
    ] {
        let explanation = explained_for("/bin/bash", "postinst", body);
        if explanation.scripts[0].verdict != Verdict::Unexplained {
            explained.push(body);
        }
    }
    assert!(explained.is_empty(), "{explained:#?}");
    // The POSIX shell expands no braces; and bash none in quotes, in assignments, or without a comma.
    for (shell, body, path) in [
        ("/bin/sh", "mkdir /var/{a,b}", "/var/{a,b}"),
        ("/bin/bash", "mkdir '/var/{a,b}'", "/var/{a,b}"),
        ("/bin/bash", "mkdir \"/var/{a,b}\"", "/var/{a,b}"),
        ("/bin/bash", "mkdir /var/\\{a,b}", "/var/{a,b}"),
        ("/bin/bash", "mkdir /var/{}", "/var/{}"),
        ("/bin/bash", "mkdir /var/{a", "/var/{a"),
        ("/bin/bash", "x=a; mkdir /var/${x}", "/var/a"),
        (
            "/bin/bash",
            "if [ a == a ]; then mkdir /var/a; fi",
            "/var/a",
        ),
    ] {
        let explanation = explained_for(shell, "postinst", body);
        let made: Vec<String> = explanation
            .effects
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(made.len(), 1, "{body}: {explanation}");
        assert!(made[0].contains(path), "{body}: {explanation}");
    }
}

#[test]
fn commands_that_make_and_change_paths() {
    leave(
        "postinst",
        &[
            (
                "mkdir -p -m 0750 /var/lib/x",
                &[
                    "{ effect: when, condition: { exists: /var/lib/x }, otherwise: [{ effect: directory, path: /var/lib/x, mode: 0o750 }] }",
                ],
            ),
            (
                "install -d -o mail -g adm -m 2770 /var/lib/x",
                &["{ effect: directory, path: /var/lib/x, mode: 0o2770, user: mail, group: adm }"],
            ),
            (
                "chmod 640 /etc/x",
                &["{ effect: attributes, path: /etc/x, mode: 0o640 }"],
            ),
            (
                "chown mail:adm /etc/x",
                &["{ effect: attributes, path: /etc/x, user: mail, group: adm }"],
            ),
            (
                "chgrp adm /etc/x",
                &["{ effect: attributes, path: /etc/x, group: adm }"],
            ),
            (
                "touch /etc/x",
                &["{ effect: file, path: /etc/x, content: \"\", mode: 0o644 }"],
            ),
            ("rm -f /etc/x", &["{ effect: remove, path: /etc/x }"]),
            (
                "rmdir --ignore-fail-on-non-empty /etc/x",
                &["{ effect: remove-empty, path: /etc/x }"],
            ),
            (
                "rm -f /etc/x\nln -s z /etc/x",
                &[
                    "{ effect: remove, path: /etc/x }",
                    "{ effect: symlink, path: /etc/x, target: z }",
                ],
            ),
            (
                "echo a b > /etc/x",
                &["{ effect: write, path: /etc/x, content: \"a b\\n\" }"],
            ),
            (
                "printf '%s\\n' a > /etc/x",
                &["{ effect: write, path: /etc/x, content: \"a\\n\" }"],
            ),
            (
                "n=1\ncat > /etc/x <<E\n$n \\$n\nE",
                &["{ effect: write, path: /etc/x, content: \"1 $n\\n\" }"],
            ),
            ("touch /var/log/x", &[]),
        ],
    );
    refused(
        "postinst",
        &[
            "chmod g+s /etc/x",
            "chmod -R 750 /etc/x",
            "chown -R mail /etc/x",
            "chown mail: /etc/x",
            "cp /etc/a /etc/b",
            "mv /etc/a /etc/b",
            "ln /etc/a /etc/b",
            "install -m 644 /usr/share/a /etc/a",
            "date >> /etc/x",
            "touch relative",
        ],
    );
}

#[test]
fn commands_about_accounts() {
    leave(
        "postinst",
        &[
            (
                "addgroup --system --quiet x",
                &["{ effect: group, name: x }"],
            ),
            (
                "groupadd -r -g 77 x",
                &["{ effect: group, name: x, gid: 77 }"],
            ),
            (
                "adduser --system --group --no-create-home --home /run/x --gecos 'A b' x",
                &[
                    "{ effect: user, name: x, home: /run/x, shell: /usr/sbin/nologin, comment: \"A b\" }",
                ],
            ),
            (
                "adduser --system x",
                &[
                    "{ effect: user, name: x, group: nogroup, home: /nonexistent, shell: /usr/sbin/nologin }",
                ],
            ),
            (
                "useradd -r -g mail -d /var/x -s /bin/false x",
                &["{ effect: user, name: x, group: mail, home: /var/x, shell: /bin/false }"],
            ),
            (
                "usermod -a -G adm,mail x",
                &[
                    "{ effect: member, user: x, group: adm }",
                    "{ effect: member, user: x, group: mail }",
                ],
            ),
            (
                "gpasswd -a x adm",
                &["{ effect: member, user: x, group: adm }"],
            ),
            (
                "adduser --quiet x adm",
                &["{ effect: member, user: x, group: adm }"],
            ),
            (
                "getent passwd x >/dev/null || adduser --system --group --home /run/x --no-create-home x",
                &[
                    "{ effect: when, condition: { user: x }, otherwise: [{ effect: user, name: x, home: /run/x, shell: /usr/sbin/nologin }] }",
                ],
            ),
        ],
    );
    refused(
        "postinst",
        &[
            "adduser x",
            "userdel x",
            "usermod -d /x x",
            "groupadd x",
            "passwd -l x",
        ],
    );
}

#[test]
fn an_id_that_system_calls_read_as_none_is_not_explained() {
    for id in [
        "65535",
        "2147483648",
        "4294967295",
        "4294967296",
        "04294967295",
    ] {
        let bodies = [
            format!("adduser --system --uid {id} x"),
            format!("adduser --system --ingroup {id} x"),
            format!("addgroup --system --gid {id} x"),
            format!("groupadd -r -g {id} x"),
            format!("useradd -r -u {id} -d / -s /bin/false x"),
            format!("useradd -r -g {id} -d / -s /bin/false x"),
            format!("usermod -a -G adm,{id} x"),
            format!("gpasswd -a x {id}"),
            format!("chown {id} /usr/bin/q"),
            format!("chown mail:{id} /usr/bin/q"),
            format!("chown :{id} /usr/bin/q"),
            format!("chown {id}:0 /usr/bin/q"),
            format!("chgrp {id} /usr/bin/q"),
            format!("install -d -o {id} /var/lib/q"),
            format!("install -d -g {id} /var/lib/q"),
            format!("dpkg-statoverride --update --add {id} root 755 /usr/bin/q"),
            format!("dpkg-statoverride --update --add root {id} 755 /usr/bin/q"),
        ];
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        refused("postinst", &bodies);
    }
}

#[test]
fn commands_of_dpkg_and_its_friends() {
    leave(
        "postinst",
        &[
            (
                "update-alternatives --install /usr/bin/e e /usr/bin/x 10 --slave /usr/bin/f f /usr/bin/y",
                &[
                    "{ effect: alternative, name: e, link: /usr/bin/e, path: /usr/bin/x, priority: 10, \
                  slaves: [{ name: f, link: /usr/bin/f, path: /usr/bin/y }] }",
                ],
            ),
            (
                "dpkg-divert --package example --rename --divert /usr/bin/e.real /usr/bin/e",
                &["{ effect: diversion, from: /usr/bin/e, to: /usr/bin/e.real }"],
            ),
            (
                "if ! dpkg-statoverride --list /etc/x >/dev/null; then\ndpkg-statoverride --update --add root adm 02750 /etc/x\nfi",
                &[
                    "{ effect: attributes, path: /etc/x, mode: 0o2750, user: root, group: adm }",
                    "{ effect: lines, path: /var/lib/dpkg/statoverride, lines: [\"root adm 2750 /etc/x\"] }",
                ],
            ),
            ("add-shell /bin/x", &["{ effect: shell, path: /bin/x }"]),
            (
                "ucf --three-way --debconf-ok /usr/share/x/conf /etc/x\nucfr example /etc/x",
                &[
                    "{ effect: configuration, from: /usr/share/x/conf, to: /etc/x, three_way: true }",
                    "{ effect: lines, path: /var/lib/ucf/registry, lines: [\"example \\t /etc/x\"] }",
                ],
            ),
            (
                "update-xmlcatalog --sort --add --type system --id urn:x --package example --local /usr/share/xml/x.xml\n\
                 update-xmlcatalog --sort --add --type public --id '-//X' --package example --root",
                &[
                    "{ effect: lines, path: /var/lib/xml-core/example, lines: \
                     [\"<delegateSystem systemIdStartString=\\\"urn:x\\\"><catalog=\\\"file:///usr/share/xml/x.xml\\\">\"] }",
                    "{ effect: run, writer: xml-catalogs }",
                    "{ effect: lines, path: /var/lib/xml-core/catalog, lines: \
                     [\"<delegatePublic publicIdStartString=\\\"-//X\\\"><catalog=\\\"file:///etc/xml/example.xml\\\">\"] }",
                ],
            ),
            (
                "update-catalog --quiet --update-super",
                &["{ effect: run, writer: sgml-catalogs }"],
            ),
            ("ldconfig", &["{ effect: run, writer: linker-cache }"]),
            (
                "systemd-tmpfiles --create x.conf",
                &["{ effect: run, writer: temporary-files }"],
            ),
            (
                "systemd-sysusers x.conf",
                &["{ effect: run, writer: system-users }"],
            ),
            (
                "pam-auth-update --package",
                &["{ effect: run, writer: pam-common }"],
            ),
            (
                ". /usr/lib/php/php-maintscript-helper\nfor m in $(phpquery -M -v 8.4); do php_invoke enmod 8.4 cli $m; done",
                &["{ effect: run, writer: php-modules }"],
            ),
            ("dpkg-trigger --no-await x", &[]),
            ("deb-systemd-helper enable x.service || true", &[]),
            ("umask 022", &[]),
        ],
    );
    refused(
        "postinst",
        &[
            "php_invoke enmod 8.4 cli x",
            "ucf --purge /etc/x",
            "touch /usr/share/x\nucf /usr/share/x /etc/x",
            "dpkg-divert --add --rename --package other /usr/bin/e",
            "dpkg-statoverride --add root adm 755 /etc/x",
            "systemd-tmpfiles --remove x.conf",
            "umask 077",
            "update-xmlcatalog --add --type system --id x --package example --root",
            "update-catalog --add /etc/sgml/x.cat /usr/share/sgml/x",
            "update-alternatives --set e /usr/bin/x",
        ],
    );
}

#[test]
fn the_language_is_followed() {
    leave(
        "postinst",
        &[
            (
                "f() { local n=$1; touch /etc/$n; return 0; touch /etc/never; }\nf a\nf b",
                &[
                    "{ effect: file, path: /etc/a, content: \"\", mode: 0o644 }",
                    "{ effect: file, path: /etc/b, content: \"\", mode: 0o644 }",
                ],
            ),
            (
                "for n in a b; do\n[ $n = a ] && continue\ntouch /etc/$n\ndone",
                &["{ effect: file, path: /etc/b, content: \"\", mode: 0o644 }"],
            ),
            (
                "case \"$1-$2\" in abort*) touch /etc/a ;; configure-?*) touch /etc/b ;; configure-) touch /etc/c ;; esac",
                &["{ effect: file, path: /etc/c, content: \"\", mode: 0o644 }"],
            ),
            (
                "x=/usr/share/a.conf\nb=${x##*/}\ntouch /etc/${b%.conf}-$(basename $x .conf)",
                &["{ effect: file, path: /etc/a-a, content: \"\", mode: 0o644 }"],
            ),
            (
                "if [ -d /etc/a ] && command -v b >/dev/null; then add-shell /bin/a; else add-shell /bin/b; fi",
                &[
                    "{ effect: when, condition: { all: [{ directory: /etc/a }, { command: b }] }, \
                  effects: [{ effect: shell, path: /bin/a }], otherwise: [{ effect: shell, path: /bin/b }] }",
                ],
            ),
            (
                "[ -e /etc/a ] || exit 0\nadd-shell /bin/a",
                &[
                    "{ effect: when, condition: { exists: /etc/a }, effects: [{ effect: shell, path: /bin/a }] }",
                ],
            ),
            (
                ". /usr/share/debconf/confmodule\ndb_get example/question\necho $RET > /etc/x",
                &["{ effect: write, path: /etc/x, content: \"blue\\n\" }"],
            ),
            ("[ ! -f /etc/x.dpkg-old ] || rm /etc/y", &[]),
            (
                "(cd_to=/; touch /etc/a)\n[ -z \"$cd_to\" ]",
                &["{ effect: file, path: /etc/a, content: \"\", mode: 0o644 }"],
            ),
        ],
    );
}

#[test]
fn what_is_asked_before_unpacking_is_not_asked_of_the_finished_image() {
    leave(
        "preinst",
        &[(
            "mkdir -p /var/lib/x",
            &[
                "{ effect: when, condition: { foreign: /var/lib/x }, otherwise: [{ effect: directory, path: /var/lib/x, mode: 0o755 }] }",
            ],
        )],
    );
    let explanation = explained("preinst", "if [ -e /etc/x ]; then touch /etc/y; fi");
    let effects: Vec<String> = explanation
        .effects
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert!(
        effects[0].contains("foreign: /etc/x") && effects[0].contains("refuse"),
        "{effects:?}"
    );
    refused(
        "preinst",
        &[
            "chmod 755 /etc/x",
            "chown mail /etc/x",
            "ln -s a /etc/b",
            "ucf /usr/share/x /etc/x",
        ],
    );
}

#[test]
fn a_line_that_is_not_explained_says_why() {
    for (body, why) in [
        ("frobnicate \"$1\"", "`frobnicate configure` is not known"),
        ("$(hostname) x", "the name of the command is not known"),
        (
            "mkdir \"$HOME/x\"",
            "`mkdir …`: its arguments are not all known",
        ),
        ("touch /etc/x &", "it runs in the background"),
        (
            "if grep -q x /etc/y; then touch /etc/x; fi",
            "whether it is run is not known",
        ),
        ("date > /etc/x", "what is written into /etc/x is not known"),
        (
            "for x in $(ls /etc); do rm /etc/x; done",
            "how often this loop runs is not known",
        ),
        (
            "ls | xargs rm -f\nls | rm /etc/x",
            "a command in a pipe leaves something behind",
        ),
        ("x=$((x = 1))", "arithmetic that assigns"),
        ("exit 1", "the script ends in failure"),
        ("echo ${x[0]}", "expansion"),
    ] {
        let text = explained("postinst", body).to_string();
        assert!(text.contains(why), "{body}: {text}");
    }
}
