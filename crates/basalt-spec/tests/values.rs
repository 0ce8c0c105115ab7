//! What a person reads whose spec says what cannot be.

use std::path::Path;

use basalt_spec::{load, parse};
use insta::assert_snapshot;

/// The error for a text, as it is shown.
fn error(text: &str) -> String {
    match parse(Path::new("image.yaml"), text) {
        Ok(overlay) => format!("taken: {overlay:?}"),
        Err(error) => error.render(false),
    }
}

#[test]
fn a_mode_is_octal() {
    let text = r#"files:
  - path: /a
    content: x
    mode: "0999"
"#;
    assert_snapshot!(error(text), @r#"
    error: `0999` is no mode
     --> image.yaml:4:11
      |
    4 |     mode: "0999"
      |           ^^^^^^
      |
      = help: write up to four octal digits, such as "0755"
    "#);
}

#[test]
fn a_size_has_a_unit_that_is_known() {
    let text = "assertions:
  max-size: 12 parsecs
";
    assert_snapshot!(error(text), @r#"
    error: `12 parsecs` is no size
     --> image.yaml:2:13
      |
    2 |   max-size: 12 parsecs
      |             ^^^^^^^^^^
      |
      = help: write a number and a unit, such as `18 MB` or `450 kB`
    "#);
}

#[test]
fn a_package_name_is_in_lower_case() {
    let text = "packages:
  - Libc6
";
    assert_snapshot!(error(text), @r#"
    error: `Libc6` is no package name
     --> image.yaml:2:5
      |
    2 |   - Libc6
      |     ^^^^^
      |
      = help: did you mean `libc6`?
    "#);
}

#[test]
fn a_package_name_has_no_spaces() {
    let text = "packages:
  - lib c
";
    assert_snapshot!(error(text), @r#"
    error: `lib c` is no package name
     --> image.yaml:2:5
      |
    2 |   - lib c
      |     ^^^^^
      |
      = help: lower-case letters, digits and `+-.`, two at least, first a letter or digit
    "#);
}

#[test]
fn a_relation_of_versions_is_known() {
    let text = "packages:
  - libc6 (=> 2)
";
    assert_snapshot!(error(text), @r#"
    error: `=> 2` names no versions: the relation `=> 2` cannot be read: a constraint begins with one of `<<`, `<=`, `=`, `>=`, `>>`
     --> image.yaml:2:5
      |
    2 |   - libc6 (=> 2)
      |     ^^^^^^^^^^^^
      |
      = help: write `>= 1.2`, `<< 2` or `= 1.2-3`
    "#);
}

#[test]
fn a_parenthesis_is_closed() {
    let text = "packages:
  - libc6 (>= 2
";
    assert_snapshot!(error(text), @r#"
    error: `libc6 (>= 2` lacks its `)`
     --> image.yaml:2:5
      |
    2 |   - libc6 (>= 2
      |     ^^^^^^^^^^^
      |
      = help: write `name (>= 1.2)`
    "#);
}

#[test]
fn a_port_has_a_known_protocol() {
    let text = "ports: [80/icmp]\n";
    assert_snapshot!(error(text), @r#"
    error: `80/icmp` is no port
     --> image.yaml:1:9
      |
    1 | ports: [80/icmp]
      |         ^^^^^^^
      |
      = help: write a number from 1 to 65535 and a protocol: `80/tcp`
    "#);
}

#[test]
fn an_architecture_is_called_as_debian_calls_it() {
    let text = "architectures: [amd64, aarch64]\n";
    assert_snapshot!(error(text), @r#"
    error: `aarch64` is no architecture of Debian
     --> image.yaml:1:24
      |
    1 | architectures: [amd64, aarch64]
      |                        ^^^^^^^
      |
      = help: did you mean `arm64`?
    "#);
}

#[test]
fn a_signal_is_called_by_its_whole_name() {
    let text = "stop-signal: TERM\n";
    assert_snapshot!(error(text), @r#"
    error: `TERM` is no signal
     --> image.yaml:1:14
      |
    1 | stop-signal: TERM
      |              ^^^^
      |
      = help: did you mean `SIGTERM`?
    "#);
}

#[test]
fn a_path_is_absolute() {
    let text = "files:
  - path: etc/motd
    content: x
";
    assert_snapshot!(error(text), @r#"
    error: `etc/motd` is not absolute
     --> image.yaml:2:11
      |
    2 |   - path: etc/motd
      |           ^^^^^^^^
      |
      = help: begin it with `/`
    "#);
}

#[test]
fn a_path_does_not_climb() {
    let text = "volumes: [/var/../etc]\n";
    assert_snapshot!(error(text), @r#"
    error: `/var/../etc` is no path in an image
     --> image.yaml:1:11
      |
    1 | volumes: [/var/../etc]
      |           ^^^^^^^^^^^
      |
      = help: write it without `..`
    "#);
}

#[test]
fn a_variable_has_a_name_that_can_be() {
    let text = "environment:
  A=B: x
";
    assert_snapshot!(error(text), @r#"
    error: `A=B` is no name of a variable
     --> image.yaml:2:3
      |
    2 |   A=B: x
      |   ^^^
      |
      = help: write `NAME: value`
    "#);
}

#[test]
fn a_comment_of_a_user_cannot_add_fields() {
    let text = r#"users:
  - name: app
    comment: "x:0:0"
"#;
    assert_snapshot!(error(text), @r#"
    error: `x:0:0` cannot stand in /etc/passwd
     --> image.yaml:3:14
      |
    3 |     comment: "x:0:0"
      |              ^^^^^^^
      |
      = help: write it without `:`, in one line
    "#);
}

#[test]
fn a_user_to_run_as_is_one() {
    let text = r#"user: "a:b:c"
"#;
    assert_snapshot!(error(text), @r#"
    error: `a:b:c` is no user
     --> image.yaml:1:7
      |
    1 | user: "a:b:c"
      |       ^^^^^^^
      |
      = help: write a name or a number, or `user:group`
    "#);
}

#[test]
fn the_name_of_an_image_is_in_lower_case() {
    let text = "name: My Image\n";
    assert_snapshot!(error(text), @r#"
    error: `My Image` is no name for an image or a variant
     --> image.yaml:1:7
      |
    1 | name: My Image
      |       ^^^^^^^^
      |
      = help: lower-case letters, digits, `-`, `_` and `.`, first a letter or digit
    "#);
}

#[test]
fn an_owner_that_system_calls_read_as_none_is_refused_in_every_effect() {
    for id in ["65535", "2147483648", "4294967295", "4294967296"] {
        for effect in [
            format!("{{ effect: attributes, path: /usr/bin/pp, user: \"{id}\" }}"),
            format!("{{ effect: attributes, path: /usr/bin/pp, group: \"{id}\" }}"),
            format!("{{ effect: directory, path: /srv, user: \"{id}\" }}"),
            format!("{{ effect: directory, path: /srv, group: \"{id}\" }}"),
            format!("{{ effect: user, name: a, group: \"{id}\", home: /, shell: /bin/sh }}"),
            format!(
                "{{ effect: when, condition: {{ user: a }}, \
                 otherwise: [{{ effect: attributes, path: /a, user: \"{id}\" }}] }}"
            ),
        ] {
            let text = |effect: &str| {
                format!(
                    "name: x\nreleases: [trixie]\npackages: [libc6]\neffects:\n  hello:\n    - {effect}\n"
                )
            };
            let load = |text: &str| {
                let folder = tempfile::tempdir().expect("a folder");
                let path = folder.path().join("image.yaml");
                std::fs::write(&path, text).expect("written");
                load(&path, None)
            };
            let error = load(&text(&effect)).expect_err(&effect).render(false);
            assert!(error.contains("image.yaml:6"), "{error}");
            load(&text(&effect.replace(id, "65534"))).expect("this one can be");
        }
    }
}
