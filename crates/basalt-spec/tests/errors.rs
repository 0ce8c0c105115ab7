//! What a person reads whose spec is not well formed, or has keys and types that are not.

use std::path::Path;

use basalt_spec::parse;
use insta::assert_snapshot;

/// The error for a text, as it is shown.
fn error(text: &str) -> String {
    match parse(Path::new("image.yaml"), text) {
        Ok(overlay) => format!("taken: {overlay:?}"),
        Err(error) => error.render(false),
    }
}

#[test]
fn an_unknown_key_is_shown_with_the_one_meant() {
    let text = "name: a
packges: [libc6]
";
    assert_snapshot!(error(text), @r#"
    error: there is no key `packges` here
     --> image.yaml:2:1
      |
    2 | packges: [libc6]
      | ^^^^^^^
      |
      = help: did you mean `packages`?
    "#);
}

#[test]
fn an_unknown_key_of_a_package_is_shown() {
    let text = "packages:
  - libc6
  - { name: tzdata, relases: [trixie] }
";
    assert_snapshot!(error(text), @r#"
    error: there is no key `relases` here
     --> image.yaml:3:21
      |
    3 |   - { name: tzdata, relases: [trixie] }
      |                     ^^^^^^^
      |
      = help: did you mean `releases`?
    "#);
}

#[test]
fn an_unknown_key_of_a_variant_is_shown() {
    let text = "variants:
  debug:
    pakages: [busybox-static]
";
    assert_snapshot!(error(text), @r#"
    error: there is no key `pakages` here
     --> image.yaml:3:5
      |
    3 |     pakages: [busybox-static]
      |     ^^^^^^^
      |
      = help: did you mean `packages`?
    "#);
}

#[test]
fn an_unknown_key_of_an_effect_is_shown_where_it_stands() {
    let text = "effects:
  hello:
    - effect: remove
      pth: /a
";
    assert_snapshot!(error(text), @r#"
    error: there is no key `pth` here
     --> image.yaml:4:7
      |
    4 |       pth: /a
      |       ^^^
      |
      = help: did you mean `path`?
    "#);
}

#[test]
fn an_unknown_value_is_shown_with_the_one_meant() {
    let text = "compression: zip\n";
    assert_snapshot!(error(text), @r#"
    error: `zip` is none of the possible values
     --> image.yaml:1:14
      |
    1 | compression: zip
      |              ^^^
      |
      = help: did you mean `gzip`?
    "#);
}

#[test]
fn an_unknown_effect_is_shown_where_it_stands() {
    let text = "effects:
  hello:
    - effect: remov
      path: /a
";
    assert_snapshot!(error(text), @r#"
    error: `remov` is none of the possible values
     --> image.yaml:3:15
      |
    3 |     - effect: remov
      |               ^^^^^
      |
      = help: did you mean `remove`?
    "#);
}

#[test]
fn a_text_in_place_of_a_list_is_refused() {
    let text = "packages: libc6\n";
    assert_snapshot!(error(text), @r#"
    error: a list is expected here
     --> image.yaml:1:11
      |
    1 | packages: libc6
      |           ^^^^^
      |
      = help: write `[first, second]`, or one `- item` a line
    "#);
}

#[test]
fn a_list_in_place_of_a_mapping_is_refused() {
    let text = "environment: [PATH]\n";
    assert_snapshot!(error(text), @r#"
    error: a mapping is expected here
     --> image.yaml:1:14
      |
    1 | environment: [PATH]
      |              ^^^^^
      |
      = help: write `key: value`, one a line
    "#);
}

#[test]
fn a_list_in_place_of_a_text_is_refused() {
    let text = "name: [a]\n";
    assert_snapshot!(error(text), @r#"
    error: a single text is expected here
     --> image.yaml:1:7
      |
    1 | name: [a]
      |       ^^
    "#);
}

#[test]
fn a_list_in_place_of_a_package_is_refused() {
    let text = "packages: [[libc6]]\n";
    assert_snapshot!(error(text), @r#"
    error: this is of the wrong type
     --> image.yaml:1:12
      |
    1 | packages: [[libc6]]
      |            ^^^^^^
      |
      = help: expected is a package: `name`, `name (>= 1.2)`, or a mapping with `name:`
    "#);
}

#[test]
fn only_true_and_false_are_boolean() {
    let text = "essential: yes\n";
    assert_snapshot!(error(text), @r#"
    error: `true` or `false` is expected here
     --> image.yaml:1:12
      |
    1 | essential: yes
      |            ^^^
    "#);
}

#[test]
fn a_word_is_no_number() {
    let text = "layers: { maximum: many }\n";
    assert_snapshot!(error(text), @r#"
    error: a whole number, not negative, is expected here
     --> image.yaml:1:20
      |
    1 | layers: { maximum: many }
      |                    ^^^^
    "#);
}

#[test]
fn a_negative_id_is_refused() {
    let text = "users:
  - name: app
    uid: -5
";
    assert_snapshot!(error(text), @r#"
    error: a whole number, not negative, is expected here
     --> image.yaml:3:10
      |
    3 |     uid: -5
      |          ^^
    "#);
}

#[test]
fn too_many_layers_are_refused() {
    let text = "layers: { maximum: 200 }\n";
    assert_snapshot!(error(text), @r#"
    error: an image cannot have 200 layers
     --> image.yaml:1:20
      |
    1 | layers: { maximum: 200 }
      |                    ^^^
      |
      = help: write 1 to 100: runtimes take 127, and images built on this one need some
    "#);
}

#[test]
fn a_key_stands_once() {
    let text = "name: a
summary: x
name: b
";
    assert_snapshot!(error(text), @r#"
    error: the key `name` stands twice
     --> image.yaml:3:1
      |
    3 | name: b
      | ^^^^
      |
      = help: keep one of them
    "#);
}

#[test]
fn a_key_stands_once_in_a_mapping() {
    let text = r#"environment:
  A: "1"
  A: "2"
"#;
    assert_snapshot!(error(text), @r#"
    error: the key `A` stands twice
     --> image.yaml:3:3
      |
    3 |   A: "2"
      |   ^
      |
      = help: keep one of them
    "#);
}

#[test]
fn a_file_is_one_thing() {
    let text = "files:
  - path: /a
    content: x
  - path: /b
    content: x
    link: /a
";
    assert_snapshot!(error(text), @r#"
    error: more than one thing is said to stand at /b
     --> image.yaml:4:5
      |
    4 |   - path: /b
      |     ^^^^
      |
      = help: write one of `content`, `source`, `directory: true`, `link`
    "#);
}

#[test]
fn a_file_is_something() {
    let text = "files:
  - path: /a
";
    assert_snapshot!(error(text), @r#"
    error: nothing is said to stand at /a
     --> image.yaml:2:5
      |
    2 |   - path: /a
      |     ^^^^
      |
      = help: write one of `content`, `source`, `directory: true`, `link`
    "#);
}

#[test]
fn a_user_has_a_name() {
    let text = "users:
  - uid: 5
";
    assert_snapshot!(error(text), @r#"
    error: the key `name` is missing here
     --> image.yaml:2:5
      |
    2 |   - uid: 5
      |     ^^^
      |
      = help: add it
    "#);
}

#[test]
fn a_spec_is_one_document() {
    let text = "name: a
---
name: b
";
    assert_snapshot!(error(text), @r#"
    error: a spec is one document
     --> image.yaml:2:1
      |
    2 | ---
      | ^^^
      |
      = help: write another spec in another file
    "#);
}

#[test]
fn a_tag_is_not_understood() {
    let text = "name: !secret x\n";
    assert_snapshot!(error(text), @r#"
    error: unsupported tag `!secret`
     --> image.yaml:1:15
      |
    1 | name: !secret x
      |               ^
    "#);
}

#[test]
fn a_quote_is_closed() {
    let text = r#"name: "a
"#;
    assert_snapshot!(error(text), @r#"
    error: unclosed quote
     --> image.yaml:1:7
      |
    1 | name: "a
      |       ^^
    "#);
}

#[test]
fn a_bracket_is_closed() {
    let text = "packages: [libc6\n";
    assert_snapshot!(error(text), @r#"
    error: unclosed bracket '['
     --> image.yaml:1:11
      |
    1 | packages: [libc6
      |           ^^^^^^
    "#);
}

#[test]
fn a_spec_is_a_mapping() {
    let text = "- libc6\n";
    assert_snapshot!(error(text), @r#"
    error: a mapping is expected here
     --> image.yaml:1:1
      |
    1 | - libc6
      | ^^^^^^^
      |
      = help: write `key: value`, one a line
    "#);
}

#[test]
fn an_alias_needs_its_anchor() {
    let text = "packages: *those\n";
    assert_snapshot!(error(text), @r#"
    error: alias references unknown anchor
     --> image.yaml:1:11
      |
    1 | packages: *those
      |           ^^^^^^
    "#);
}

#[test]
fn an_image_that_is_minimized_begins_somewhere_and_has_no_whole_database() {
    let spec =
        |rest: &str| format!("name: x\nreleases: [trixie]\nminimize:\n  reachable: {{}}\n{rest}");
    let message = |rest: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, spec(rest)).expect("a file");
        basalt_spec::load(&path, None)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(message("entrypoint: [/usr/bin/x]\n"), Ok(()));
    let error = message("").expect_err("nowhere to begin");
    assert!(error.contains("nothing says where"), "{error}");
    let error = message("entrypoint: [/usr/bin/x]\npackage-database: full\n")
        .expect_err("dpkg would be wrong");
    assert!(error.contains("dpkg's whole database"), "{error}");
    let error = message("entrypoint: [/usr/bin/x]\nslices:\n  x: [bins]\n").expect_err("two ways");
    assert!(
        error.contains("an image of slices is minimized too"),
        "{error}"
    );
}

#[test]
fn an_id_that_no_account_can_have_is_refused_where_it_stands() {
    let text = "users:
  - { name: app, uid: 4294967295 }
";
    let shown = error(text);
    assert!(
        shown.contains("4294967295 can be the id of no user or group"),
        "{shown}"
    );
    assert!(shown.contains("image.yaml:2:"), "{shown}");
    for wrong in [
        "users: [{ name: app, uid: 65535 }]",
        "users: [{ name: app, uid: 4294967294 }]",
        "users: [{ name: app, uid: 2147483648 }]",
        "users: [{ name: app, uid: 4294967296 }]",
        "users: [{ name: app, uid: -1 }]",
        "users: [{ name: app, gid: 4294967295 }]",
        "groups: [{ name: app, gid: 4294967295 }]",
        "groups: [{ name: app, gid: 65535 }]",
        "user: '4294967295'",
        "user: '0:4294967295'",
        "user: '65535'",
        "files: [{ path: /a, content: a, user: '4294967295' }]",
        "files: [{ path: /a, content: a, group: '65535' }]",
        "variants: { debug: { users: [{ name: app, uid: 4294967295 }] } }",
    ] {
        let error = error(&format!("name: a\n{wrong}\n"));
        assert!(error.contains("image.yaml:2:"), "{wrong}: {error}");
    }
    for right in [0, 65_534, 65_536, 2_147_483_647] {
        let text = format!("users: [{{ name: app, uid: {right} }}]");
        assert!(parse(Path::new("image.yaml"), &text).is_ok(), "{right}");
    }
}

#[test]
fn what_is_a_name_has_the_form_of_one() {
    let shown = error("variants:\n  ../a: {}\n");
    assert!(
        shown.contains("`../a` is no name for an image or a variant"),
        "{shown}"
    );
    for wrong in [
        "name: ../a",
        "variants: { 'a b': {} }",
        "variants: { '': {} }",
        "variants: { Debug: {} }",
        "variants: { \"a\\u202e\": {} }",
        "variants: { \"a\\n\": {} }",
        "archives: [{ name: ../a, suite: a, keyring: a }]",
        "archives: [{ name: '', suite: a, keyring: a }]",
        "applets: [{ program: /a, directory: /b, names: [../c] }]",
        "applets: [{ program: /a, directory: /b, names: [''] }]",
        "keep: { locales: [../de] }",
        "labels: { '': a }",
        "labels: { \"a\\u001b\": a }",
        "annotations: { '': a }",
        "environment: { '': a }",
        "environment: { A: \"a\\0\" }",
        "entrypoint: [\"/a\\0\"]",
        "cmd: [\"/a\\0\"]",
        "slices: { libc6: [../a] }",
        "users: [{ name: 'a:b' }]",
        "groups: [{ name: \"a\\nb\" }]",
        "volumes: [a]",
        "ports: ['80/tcp/udp']",
        "releases: ['../a']",
    ] {
        let error = error(&format!("summary: a\n{wrong}\n"));
        assert!(error.contains("image.yaml:2:"), "{wrong}: {error}");
    }
}

#[test]
fn what_a_refused_url_of_an_archive_holds_is_not_shown() {
    for url in [
        "http://u:S3CRET@h/",
        "http://S3CRET@h/",
        "http://h/#S3CRET",
        "http://h/?S3CRET",
        "http://h/S3CRET x",
        r"http:\/\/u:S3CRET@h",
        r"http://u\x3aS3CRET@h/",
        "//u:S3CRET@h/",
        "http:/u:S3CRET@h/",
        "http://h/;p@S3CRET",
        "http://h/%3aS3CRET@x",
        "S3CRET",
        "S3CRET it's",
    ] {
        let quoted = format!("\"{url}\"");
        let single = format!("'{}'", url.replace('\'', "''"));
        let plain = url.replace(' ', "%20 ");
        for value in [
            &quoted,
            &single,
            &plain,
            &format!("&a {quoted}"),
            &format!("!!str {quoted}"),
        ] {
            for text in [
                format!("archives:\n  - {{ name: own, suite: a, keyring: k, url: {value} }}\n"),
                format!("archives:\n  - url: {value}\n    name: own\n"),
                format!("archives: [{{ url: {value}, name: own }}]\n"),
                format!("archives:\n  - url:\n      {value}\n    name: own\n"),
            ] {
                let shown = error(&text);
                assert!(!shown.contains("S3CRET"), "{text}{shown}");
                assert!(shown.starts_with("error: "), "{text}{shown}");
            }
        }
    }
}
