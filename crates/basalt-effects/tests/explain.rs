//! What scripts are said to do, on small scripts of our own.

mod support;

use std::collections::BTreeMap;

use basalt_effects::{Effect, Explanation, PackageScripts, Slave, Verdict, Writer, explain};
use proptest::prelude::*;

fn explained(name: &str, script: &str, declared: Option<&[Effect]>) -> Explanation {
    let members = BTreeMap::from([(name.to_owned(), script.as_bytes().to_vec())]);
    support::explained(&members, declared)
}

fn postinst(body: &str) -> Explanation {
    explained("postinst", &format!("#!/bin/sh\nset -e\n{body}\n"), None)
}

fn verdict(explanation: &Explanation) -> Verdict {
    explanation.scripts.first().expect("a script").verdict
}

fn directory() -> Effect {
    Effect::Directory {
        path: "/var/lib/example".to_owned(),
        mode: 0o750,
        user: "root".to_owned(),
        group: "root".to_owned(),
    }
}

#[test]
fn finds_nothing_to_do_in_a_script_that_only_answers_its_caller() {
    let explanation = postinst(
        "case \"$1\" in\n  configure|reconfigure)\n  ;;\n  abort-upgrade)\n    rm -rf /var/lib/example\n  ;;\n  *)\n    \
         echo \"called with unknown argument \\`$1'\" >&2\n    exit 1\n  ;;\nesac\nexit 0\nrm -rf /",
    );
    assert_eq!(
        verdict(&explanation),
        Verdict::NothingToDo,
        "{explanation:#?}"
    );
    assert_eq!(explanation.effects, []);
    assert!(explanation.unexplained().is_none());
}

#[test]
fn follows_only_the_branches_of_a_fresh_install() {
    let explanation = postinst(
        "if [ \"$1\" = configure ] && [ -z \"$2\" ]; then\n  add-shell /bin/example\nelse\n  rm -rf /\nfi\n\
         if dpkg --compare-versions \"$2\" lt-nl 1.0; then\n  rm /etc/example\nfi",
    );
    assert_eq!(
        explanation.effects,
        [Effect::Shell {
            path: "/bin/example".to_owned()
        }]
    );
    assert_eq!(verdict(&explanation), Verdict::Emulated);
}

#[test]
fn takes_an_empty_old_version_as_earlier_than_any_as_dpkg_does() {
    let explanation =
        postinst("if dpkg --compare-versions \"$2\" lt 1.0; then\n  add-shell /bin/example\nfi");
    assert_eq!(explanation.effects.len(), 1);
}

#[test]
fn reads_the_snippets_of_debhelper() {
    let explanation = postinst(
        "# Automatically added by dh_installalternatives/13.24.2\n\
         if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ]; then\n\
         \tupdate-alternatives --install /usr/bin/editor editor /usr/bin/example 15 \\\n\
         \t    --slave /usr/share/man/man1/editor.1.gz editor.1.gz /usr/share/man/man1/example.1.gz\n\
         fi\n\
         # End automatically added section\n\
         # Automatically added by dh_installsystemd/13.24.2\n\
         if [ \"$1\" = \"configure\" ]; then\n\
         \tif deb-systemd-helper --quiet was-enabled 'example.service'; then\n\
         \t\tdeb-systemd-helper enable 'example.service' >/dev/null || true\n\
         \tfi\n\
         \tif [ -d /run/systemd/system ]; then\n\
         \t\tsystemctl --system daemon-reload >/dev/null || true\n\
         \tfi\n\
         fi\n\
         # End automatically added section\n\
         # Automatically added by dh_installtmpfiles/13.24.2\n\
         if [ \"$1\" = \"configure\" ]; then\n\
         \tif [ -x \"$(command -v systemd-tmpfiles)\" ]; then\n\
         \t\tsystemd-tmpfiles ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} --create example.conf || true\n\
         \tfi\n\
         fi\n\
         # End automatically added section",
    );
    assert_eq!(
        explanation.effects,
        [
            Effect::Alternative {
                name: "editor".to_owned(),
                link: "/usr/bin/editor".to_owned(),
                path: "/usr/bin/example".to_owned(),
                priority: 15,
                slaves: vec![Slave {
                    name: "editor.1.gz".to_owned(),
                    link: "/usr/share/man/man1/editor.1.gz".to_owned(),
                    path: "/usr/share/man/man1/example.1.gz".to_owned(),
                }],
                pages: None,
            },
            Effect::Run {
                writer: Writer::TemporaryFiles
            }
        ],
        "{explanation:#?}"
    );
}

#[test]
fn makes_the_local_file_of_an_apparmor_profile() {
    let explanation = postinst(
        "# Automatically added by dh_apparmor/4.1.0-1\nif [ \"$1\" = \"configure\" ]; then\n    \
         APP_PROFILE=\"/etc/apparmor.d/usr.bin.example\"\n    if [ -f \"$APP_PROFILE\" ]; then\n        \
         # Add the local/ include\n        LOCAL_APP_PROFILE=\"/etc/apparmor.d/local/usr.bin.example\"\n\n        \
         test -e \"$LOCAL_APP_PROFILE\" || {\n            mkdir -p `dirname \"$LOCAL_APP_PROFILE\"`\n            \
         install --mode 644 /dev/null \"$LOCAL_APP_PROFILE\"\n        }\n\n        \
         # Reload the profile, including any abstraction updates\n        \
         if aa-enabled --quiet 2>/dev/null; then\n            \
         apparmor_parser -r -T -W \"$APP_PROFILE\" || true\n        fi\n    fi\nfi\n\
         # End automatically added section",
    );
    assert_eq!(
        explanation.effects,
        [Effect::File {
            path: "/etc/apparmor.d/local/usr.bin.example".to_owned(),
            content: String::new(),
            mode: 0o644
        }]
    );
}

#[test]
fn stops_at_a_line_that_it_does_not_know_and_prints_a_stanza_to_paste() {
    let explanation = postinst("example-setup --all\necho done");
    assert_eq!(verdict(&explanation), Verdict::Unexplained);
    let error = explanation.unexplained().expect("an error").to_string();
    for part in [
        "package `example` 1.2.3-4",
        "postinst (sha256:",
        "    3 | example-setup --all",
        "effects:\n  example:\n",
    ] {
        assert!(error.contains(part), "no {part:?} in:\n{error}");
    }
    assert!(!error.contains("echo done"), "{error}");
}

#[test]
fn lets_the_spec_answer_for_what_is_not_known() {
    let declared = [directory()];
    let script = "#!/bin/sh\nexample-setup --all\nadd-shell /bin/example\n";
    let explanation = explained("postinst", script, Some(&declared));
    assert_eq!(verdict(&explanation), Verdict::Declared);
    assert!(explanation.unexplained().is_none());
    assert!(explanation.effects.contains(&directory()));
    assert_eq!(explanation.effects.len(), 2, "{:?}", explanation.effects);
    let nothing = explained("postinst", script, Some(&[]));
    assert!(nothing.unexplained().is_none());
}

#[test]
fn does_not_trust_tricks_of_the_shell() {
    for body in [
        "echo \"$(touch \"$HOME/example\")\"",
        "echo hello > \"$HOME\"",
        "date > /etc/example",
        "echo hello >> /etc/example",
        "eval touch /etc/example",
        "for file in /etc/example/*; do\n  rm \"$file\"\ndone",
        "if grep -q x /etc/example; then\n  touch /etc/other\nfi",
        "grep -q x /etc/example || exit 0\ntouch /etc/other",
        "while read -r name; do\n  touch \"/etc/$name\"\ndone < /etc/example",
        "set -- $(ls /etc)\nif [ \"$1\" = configure ]; then\n  touch /etc/example\nfi",
        ". /usr/share/example/functions\nif [ \"$1\" = configure ]; then\n  example\nfi",
        "touch /etc/example &",
        "exec 3> /etc/example",
        "trap 'touch /etc/example' EXIT",
        "ls /etc | while read -r name; do rm \"/etc/$name\"; done",
        "case \"$LANG\" in\n  de*)\n    touch /etc/example\n  ;;\nesac",
        "fi\ntouch /etc/example",
        "chmod -R go-w /var/lib/example",
        "mkdir -p /var/lib/example/../../../etc/x",
        "sed -i s/a/b/ /etc/example",
        "find /var/lib/example -delete",
        "dpkg-divert --add /etc/example",
        "[ -n \"$2\" ] && touch /etc/example",
        "cat <<EOF > /etc/example\n$(date)\nEOF",
        "x=$(hostname)\necho $x > /etc/example",
        "# Automatically added by dh_never_ended/1\nexample-setup",
        "# Automatically added by dh_strange/1\nexample-setup\n# End automatically added section",
    ] {
        let explanation = postinst(body);
        assert_eq!(
            verdict(&explanation),
            Verdict::Unexplained,
            "{body}\n{explanation:#?}"
        );
    }
}

#[test]
fn reads_no_script_in_another_language() {
    let explanation = explained("postinst", "#!/usr/bin/perl\nexit 0\n", None);
    assert_eq!(verdict(&explanation), Verdict::Unexplained);
    let explanation = explained("preinst", "\u{7f}ELF\0\0", None);
    assert_eq!(verdict(&explanation), Verdict::Unexplained);
}

#[test]
fn leaves_out_scripts_that_a_fresh_install_does_not_call() {
    let explanation = explained("postrm", "#!/bin/sh\nrm -rf /var/lib/example\n", None);
    assert_eq!(verdict(&explanation), Verdict::NothingToDo);
}

#[test]
fn has_the_package_that_is_interested_answer_a_trigger() {
    let asks = explained("triggers", "# a remark\nactivate-noawait ldconfig\n", None);
    assert_eq!(verdict(&asks), Verdict::NothingToDo);
    let answers = explained("triggers", "interest-await ldconfig\n", None);
    assert_eq!(
        answers.effects,
        [Effect::Run {
            writer: Writer::LinkerCache
        }]
    );
    let unknown = explained("triggers", "interest-noawait /usr/share/example\n", None);
    assert_eq!(verdict(&unknown), Verdict::Unexplained);
    assert_eq!(
        verdict(&explained("triggers", "nonsense\n", None)),
        Verdict::Unexplained
    );
}

#[test]
fn keeps_the_residual_digest_over_versions_and_architectures() {
    let digest = |version: &str, script: &str| {
        let members = BTreeMap::from([("postinst".to_owned(), script.as_bytes().to_vec())]);
        let package = PackageScripts {
            package: "example",
            version,
            architecture: "arm64",
            members: &members,
            paths: &[],
        };
        explain(&package, None)
            .scripts
            .first()
            .expect("a script")
            .residual
    };
    let one = digest(
        "1.2.3-4",
        "#!/bin/sh\nrun 1.2.3-4 /usr/lib/x86_64-linux-gnu  \n\n# Automatically added by dh_x/1\n:\n# End automatically added section\n",
    );
    let two = digest(
        "1.2.3-4+deb13u1",
        "#!/bin/sh\nrun 1.2.3-4+deb13u1 /usr/lib/aarch64-linux-gnu\n",
    );
    assert_eq!(one, two);
    assert_ne!(
        one,
        digest(
            "1.2.3-4",
            "#!/bin/sh\nrun 1.2.3-40 /usr/lib/x86_64-linux-gnu\n"
        )
    );
}

#[test]
fn prints_no_control_characters_of_a_script() {
    let error = postinst("mkdir /\u{1b}[2Jx")
        .unexplained()
        .expect("an error");
    assert!(!error.to_string().contains('\u{1b}'));
}

proptest! {
    #[test]
    fn never_panics_on_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for name in ["postinst", "preinst", "config", "triggers", "postrm"] {
            let members = BTreeMap::from([(name.to_owned(), bytes.clone())]);
            let package = PackageScripts {
                package: "tzdata", version: "1.2.3-4", architecture: "amd64", members: &members, paths: &[],
            };
            let explanation = explain(&package, None);
            let _ = explanation.unexplained().map(|error| error.to_string());
        }
    }

    #[test]
    fn never_panics_on_what_looks_like_shell(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("if [ \"$1\" = configure ]; then"), Just("fi"), Just("else"), Just("elif true; then"),
                Just("case \"$1\" in"), Just("configure)"), Just("*)"), Just(";;"), Just("esac"), Just("exit 0"),
                Just("add-shell /bin/x"), Just("rm -rf /"), Just("\\"), Just("# Automatically added by dh_x/1"),
                Just("# End automatically added section"), Just("echo \"é"), Just("update-alternatives --install"),
            ],
            0..40,
        )
    ) {
        let explanation = postinst(&lines.join("\n"));
        let _ = explanation.unexplained().map(|error| error.to_string());
    }
}

#[test]
fn makes_the_directories_of_dh_usrlocal() {
    let snippet = |line: &str| {
        format!(
            "# Automatically added by dh_usrlocal/13.24.2\n\
             if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || \
             [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ]; then\n(\n\
             \tdefault_mode=0755\n\tdefault_user=root\n\tdefault_group=root\n\
             \tif [ -e /etc/staff-group-for-usr-local ]; then\n\t\tdefault_mode=02775\n\t\tdefault_group=staff\n\tfi\n\
             \twhile read line; do\n\t\tset -- $line\n\t\tdir=\"$1\"; mode=\"$2\"; user=\"$3\"; group=\"$4\"\n\
             \t\tif [ \"$mode\" = \"default\" ]; then\n\t\t\tmode=\"$default_mode\"\n\t\t\tuser=\"$default_user\"\n\
             \t\t\tgroup=\"$default_group\"\n\t\tfi\n\t\tif [ ! -e \"$dir\" ]; then\n\
             \t\t\tif mkdir \"$dir\" 2>/dev/null; then\n\t\t\t\tif chown \"$user\":\"$group\" \"$dir\" ; then\n\
             \t\t\t\t\tchmod \"$mode\" \"$dir\" || true\n\t\t\t\tfi\n\t\t\tfi\n\t\tfi\n\tdone\n) << DATA\n\
             {line}\nDATA\nfi\n# End automatically added section"
        )
    };
    let left = |line: &str| -> Vec<String> {
        let explanation = postinst(&snippet(line));
        assert!(explanation.unexplained().is_none(), "{explanation}");
        explanation
            .effects
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        left("/usr/local/share/x default"),
        [
            "{ effect: when, condition: { exists: /etc/staff-group-for-usr-local }, \
          effects: [{ effect: directory, path: /usr/local/share/x, mode: 0o2775, group: staff }], \
          otherwise: [{ effect: directory, path: /usr/local/share/x, mode: 0o755 }] }"
        ]
    );
    assert_eq!(
        left("/usr/local/x 02750 root mail"),
        ["{ effect: when, condition: { exists: /usr/local/x }, \
          otherwise: [{ effect: directory, path: /usr/local/x, mode: 0o2750, group: mail }] }"]
    );
    // As debhelper 14 writes it.
    let newer = |line: &str| {
        snippet(line).replace("/13.24.2", "/14.5").replace(
            "while read line; do\n\t\tset",
            "while read -r line; do\n\t\t# shellcheck disable=SC2086\n\t\tset",
        )
    };
    let script = newer("/usr/local/share/x default");
    assert!(script.contains("shellcheck"));
    let explanation = postinst(&script);
    assert!(explanation.unexplained().is_none(), "{explanation}");
    assert_eq!(
        explanation
            .effects
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        left("/usr/local/share/x default")
    );
    for line in [
        "/etc/x default",
        "/usr/local/../x default",
        "/usr/local/x 999 root mail",
    ] {
        let explanation = postinst(&snippet(line));
        assert_eq!(verdict(&explanation), Verdict::Unexplained, "{line}");
    }
}
