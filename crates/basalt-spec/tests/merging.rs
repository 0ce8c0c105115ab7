//! How specs are included, laid over each other and bounded.

use std::fs;
use std::path::{Path, PathBuf};

use basalt_spec::{LoadedSpec, MAXIMUM_DEPTH, MAXIMUM_FILES, MAXIMUM_LENGTH, load, parse};
use insta::assert_snapshot;
use proptest::prelude::*;
use tempfile::TempDir;

/// Files in a folder of their own.
struct Specs(TempDir);

impl Specs {
    fn new(files: &[(&str, &str)]) -> Self {
        let specs = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            specs.write(name, text);
        }
        specs
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, name: &str) -> LoadedSpec {
        load(&self.path(name), None).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error with the folder's name taken out.
    fn error(&self, name: &str, release: Option<&str>) -> String {
        match load(&self.path(name), release) {
            Ok(loaded) => format!("taken: {loaded:?}"),
            Err(error) => error
                .render(false)
                .replace(&format!("{}/", self.0.path().display()), ""),
        }
    }
}

const HEAD: &str = "name: app\nreleases: [trixie, bookworm]\n";

fn with(rest: &str) -> Specs {
    Specs::new(&[("image.yaml", &format!("{HEAD}{rest}"))])
}

#[test]
fn a_spec_is_laid_over_what_it_includes() {
    let specs = Specs::new(&[
        (
            "image.yaml",
            "name: app\nreleases: [trixie]\ninclude: [parts/one.yaml]\npackages: [b1]\nuser: app\n\
             environment: {A: over, C: c}\nassertions: {no-shell: false}\n",
        ),
        (
            "parts/one.yaml",
            "include: [two.yaml]\nuser: \"1\"\nenvironment: {A: under, B: b}\npackages: [a1]\n",
        ),
        (
            "parts/two.yaml",
            "assertions: {no-shell: true, no-setuid: true}\ncertificates: [ca.pem, ../x/ca.pem]\n\
             files:\n  - {path: /a, source: a.txt}\n",
        ),
    ]);
    let image = specs.load("image.yaml").base;
    let packages: Vec<&str> = image.packages.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(packages, ["a1", "b1"]);
    assert_eq!(image.user, "app");
    let environment: Vec<_> = image.environment.iter().collect();
    assert_eq!(
        format!("{environment:?}"),
        r#"[("A", "over"), ("B", "b"), ("C", "c")]"#
    );
    assert_eq!(image.assertions.no_shell, Some(false));
    assert_eq!(image.assertions.no_setuid, Some(true));
    assert_eq!(image.certificates, ["parts/ca.pem", "x/ca.pem"]);
    assert_eq!(image.files[0].source.as_deref(), Some("parts/a.txt"));
}

#[test]
fn what_is_included_by_two_ways_counts_once() {
    let specs = Specs::new(&[
        (
            "image.yaml",
            "name: app\nreleases: [trixie]\ninclude: [a.yaml, b.yaml]\n",
        ),
        ("a.yaml", "include: [c.yaml]\n"),
        ("b.yaml", "include: [c.yaml]\n"),
        (
            "c.yaml",
            "packages: [libc6]\nports: [80/tcp]\nusers: [{name: app, uid: 7}]\n\
             files: [{path: /a, content: x}]\n",
        ),
    ]);
    let image = specs.load("image.yaml").base;
    assert_eq!(image.packages.len(), 1);
    assert_eq!(image.ports.len(), 1);
    assert_eq!(image.users.len(), 1);
    assert_eq!(image.files.len(), 1);
}

#[test]
fn a_variant_replaces_files_and_users_of_the_same_name() {
    let specs = with(
        "users: [{name: app, uid: 7}]\nfiles: [{path: /a, content: x}]\nvariants:\n  other:\n    \
         users: [{name: app, uid: 8}]\n    files: [{path: /a, content: y}]\n",
    );
    let loaded = specs.load("image.yaml");
    let other = loaded.image("other").expect("the variant");
    assert_eq!(other.users.len(), 1);
    assert_eq!(other.users[0].uid, Some(8));
    assert_eq!(other.files.len(), 1);
    assert_eq!(other.files[0].content.as_deref(), Some("y"));
    assert_eq!(loaded.base.files[0].content.as_deref(), Some("x"));
}

#[test]
fn conditions_choose_by_release() {
    let specs = with(
        "packages:\n  - {name: libssl3t64, releases: [trixie]}\n  - {name: libssl3, releases: [bookworm]}\n",
    );
    for (release, name) in [("trixie", "libssl3t64"), ("bookworm", "libssl3")] {
        let loaded = load(&specs.path("image.yaml"), Some(release)).expect("it loads");
        assert_eq!(loaded.base.packages.len(), 1);
        assert_eq!(loaded.base.packages[0].name.as_str(), name);
    }
}

#[test]
fn the_digest_is_of_what_is_said_and_not_of_how() {
    let one = with("packages: [libc6]\nassertions: {max-size: 18 MB}\n").load("image.yaml");
    let other = with("# Comment\nassertions:\n  max-size: 18000 kB\npackages:\n- name: libc6\n");
    assert_eq!(one.digest(), other.load("image.yaml").digest());
    let more = with("packages: [libc6]\nassertions: {max-size: 18000001}\n").load("image.yaml");
    assert_ne!(one.digest(), more.digest());
}

#[test]
fn an_unknown_release_is_shown_with_the_one_meant() {
    assert_snapshot!(with("").error("image.yaml", Some("trixi")), @r#"
    image.yaml: the spec is not for the release `trixi`
    help: did you mean `trixie`?
    "#);
    assert_snapshot!(with("").error("image.yaml", Some("noble")), @r#"
    image.yaml: the spec is not for the release `noble`
    help: it is for: trixie, bookworm
    "#);
}

#[test]
fn a_misspelt_condition_is_refused() {
    let specs = with("packages:\n  - {name: libc6, releases: [trixi]}\n");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: the spec is for no release `trixi`
     --> image.yaml:4:30
      |
    4 |   - {name: libc6, releases: [trixi]}
      |                              ^^^^^
      |
      = help: did you mean `trixie`?
    "#);
}

#[test]
fn a_spec_without_a_name_or_a_release_is_refused() {
    let specs = Specs::new(&[
        ("image.yaml", "releases: [trixie]\n"),
        ("other.yaml", "name: a\n"),
    ]);
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    image.yaml: the image has no name
    help: add `name:` with what it is to be called
    "#);
    assert_snapshot!(specs.error("other.yaml", None), @r#"
    other.yaml: the spec names no release
    help: add `releases: [trixie]`
    "#);
}

#[test]
fn two_users_do_not_share_an_id() {
    let specs = with("users:\n  - {name: one, uid: 7}\n  - {name: two, uid: 7}\n");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: the users `one` and `two` have the same id, 7
     --> image.yaml:5:12
      |
    5 |   - {name: two, uid: 7}
      |            ^^^
      |
      = help: give one of them another, or none to have one allocated
    "#);
}

#[test]
fn a_spec_that_is_not_there_is_named() {
    assert_snapshot!(with("").error("imge.yaml", None), @r#"
    imge.yaml: the spec cannot be read: No such file or directory (os error 2)
    help: `basalt init` writes a starter spec
    "#);
    let specs = with("include: [common/user.yaml]\n");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: common/user.yaml cannot be read: No such file or directory (os error 2)
     --> image.yaml:3:11
      |
    3 | include: [common/user.yaml]
      |           ^^^^^^^^^^^^^^^^
      |
      = help: paths are relative to this file
    "#);
}

#[test]
fn a_spec_does_not_include_itself() {
    let specs = with("include:\n  - a.yaml\n");
    specs.write("a.yaml", "variants:\n  x:\n    include: [image.yaml]\n");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: the spec includes itself
     --> a.yaml:3:15
      |
    3 |     include: [image.yaml]
      |               ^^^^^^^^^^
      |
      = help: by way of image.yaml → a.yaml → image.yaml
    "#);
}

#[test]
fn includes_do_not_go_deeper_than_allowed() {
    let specs = Specs::new(&[(
        "image.yaml",
        "name: app\nreleases: [trixie]\ninclude: [1.yaml]\n",
    )]);
    for number in 1..=MAXIMUM_DEPTH {
        specs.write(
            &format!("{number}.yaml"),
            format!("include: [{}.yaml]\n", number + 1),
        );
    }
    specs.write(&format!("{}.yaml", MAXIMUM_DEPTH + 1), "");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: specs include each other more than 8 deep
     --> 7.yaml:1:11
      |
    1 | include: [8.yaml]
      |           ^^^^^^
      |
      = help: include from fewer levels
    "#);
}

#[test]
fn includes_do_not_multiply_without_bound() {
    let many = |name: &str| format!("include: [{}]\n", vec![name; 20].join(", "));
    let specs = with(&many("a.yaml"));
    for (name, next) in [("a", "b"), ("b", "c"), ("c", "d")] {
        specs.write(&format!("{name}.yaml"), many(&format!("{next}.yaml")));
    }
    specs.write("d.yaml", "packages: [libc6]\n");
    let error = specs.error("image.yaml", None);
    assert!(
        error.contains(&format!("more than {MAXIMUM_FILES} specs")),
        "{error}"
    );
}

#[test]
fn a_variant_has_no_variants() {
    let specs = with("variants:\n  debug:\n    variants:\n      more: {}\n");
    assert_snapshot!(specs.error("image.yaml", None), @r#"
    error: the variant `debug` has variants of its own
     --> image.yaml:4:3
      |
    4 |   debug:
      |   ^^^^^
      |
      = help: write them side by side under `variants:`
    "#);
}

#[test]
fn a_spec_is_not_longer_than_allowed() {
    let specs = Specs::new(&[("image.yaml", &"#\n".repeat(MAXIMUM_LENGTH))]);
    assert_snapshot!(specs.error("image.yaml", None), @"image.yaml: the spec cannot be read: it is longer than 1048576 bytes");
}

#[test]
fn a_spec_is_utf_8() {
    let specs = with("");
    specs.write("image.yaml", b"name: a\nsummary: \xff\n");
    assert_snapshot!(specs.error("image.yaml", None), @"image.yaml: the spec is not UTF-8: invalid utf-8 sequence of 1 bytes from index 17");
}

#[test]
fn a_bomb_of_aliases_is_defused() {
    let mut text = String::from(
        "labels: &a0 {k: lol}\nenvironment: *a0\ncmd: &b0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    text.push_str("volumes:\n");
    for number in 0..2000 {
        text.push_str(&format!("  - &v{number} /v\n  - *v{number}\n"));
    }
    let error = parse(Path::new("image.yaml"), &text).expect_err("a bomb");
    assert!(error.message.contains("aliases"), "{error}");

    let mut text = String::from("summary: &a0 x\n");
    for number in 1..30 {
        let one = format!("*a{}", number - 1);
        text.push_str(&format!(
            "key{number}: &a{number} [{one}, {one}, {one}, {one}]\n"
        ));
    }
    assert!(parse(Path::new("image.yaml"), &text).is_err());
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("packages: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(parse(Path::new("image.yaml"), &text).is_err());
}

/// Pieces that make texts like specs more likely than chance would.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "name", "packages", "files", "path", "mode", "users", "variants", "include", "effects",
            "assertions", "max-size", "effect", "releases", ": ", "\n", "\n  ", "- ", "[", "]", "{",
            "}", "\"", "'", "&a ", "*a", "|\n", "!t ", "<<", "#", ",", "/a", "0755", "1 MB", "\u{3000}",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_or_its_errors_panic(pieces in prop::collection::vec(piece(), 0..40)) {
        if let Err(error) = parse(Path::new("image.yaml"), &pieces.concat()) {
            prop_assert!(!error.render(false).is_empty());
            prop_assert!(!error.render(true).is_empty());
        }
    }
}

#[test]
fn a_locale_brings_its_package_its_translations_and_lang() {
    let image = |rest: &str| with(rest).load("image.yaml").base;
    let names = |rest: &str| -> Vec<String> {
        let packages = image(rest).packages;
        packages.iter().map(|one| one.name.to_string()).collect()
    };
    let plain = image("packages: [bash]\n");
    assert_eq!((plain.locale, plain.environment.len()), (None, 0));
    let german = image("packages: [bash]\nlocale: de_DE.UTF-8\n");
    assert_eq!(german.environment["LANG"], "de_DE.UTF-8");
    assert_eq!(german.keep.locales, ["de"]);
    assert_eq!(
        names("packages: [bash]\nlocale: de_DE.UTF-8\n"),
        ["bash", "locales-all"]
    );
    assert_eq!(
        names("packages: [locales-all]\nlocale: pt_BR.UTF-8\n"),
        ["locales-all"]
    );
    // What the spec says itself counts.
    let own = image("locale: de_AT.UTF-8\nenvironment: { LANG: C }\nkeep: { locales: [\"*\"] }\n");
    assert_eq!(own.environment["LANG"], "C");
    assert_eq!(own.keep.locales, ["*"]);
    // The C library has that by itself.
    let c = image("locale: C.UTF-8\n");
    assert_eq!(
        (c.environment["LANG"].as_str(), c.packages.len()),
        ("C.UTF-8", 0)
    );
    assert!(c.keep.locales.is_empty());
    let minimized =
        image("locale: de_DE.UTF-8\nentrypoint: [/bin/x]\nminimize: { reachable: {} }\n");
    let kept = minimized.minimize.expect("it is").reachable.keep;
    assert_eq!(kept, ["/usr/lib/locale/**", "/usr/share/locale/**"]);
}

#[test]
fn what_is_no_locale_is_refused_with_the_form_of_one() {
    for wrong in [
        "german",
        "de-DE",
        "DE_de.UTF-8",
        "de_DE.",
        "../de_DE",
        "de_DE.UTF-8/..",
        "C",
        "",
    ] {
        let error = with(&format!("locale: \"{wrong}\"\n")).error("image.yaml", None);
        assert!(error.contains("is no locale"), "{wrong}: {error}");
        assert!(error.contains("de_DE.UTF-8"), "{error}");
    }
    for right in [
        "de_DE",
        "de_DE@euro",
        "sr_RS.UTF-8@latin",
        "agr_PE",
        "eo",
        "en_US.ISO-8859-15",
    ] {
        assert_eq!(
            with(&format!("locale: {right}\n"))
                .load("image.yaml")
                .base
                .locale
                .as_deref(),
            Some(right)
        );
    }
}
