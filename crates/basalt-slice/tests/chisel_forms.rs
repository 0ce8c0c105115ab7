//! Forms of definitions that chisel reads are read, with the same meaning; what is not says why.
//!
//! What is right here was found with chisel's own rules over its YAML parser (gopkg.in/yaml.v3 3.0.1).

use std::collections::BTreeSet;
use std::path::Path;

use basalt_slice::{Content, Definition, Generate, Library, SliceError, Target, Until};

const TARGET: Target<'static> = Target {
    release: "noble",
    architecture: "amd64",
};

fn read(text: &str) -> Definition {
    let definition = Definition::parse(Path::new("pkg.yaml"), text)
        .unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(definition.malformed.values().next(), None, "{text}");
    definition
}

/// The content of `/a`, or of `/a/`, that a slice says in this way.
fn content(said: &str) -> Content {
    let text = format!("package: pkg\nslices:\n  bins:\n    contents:\n      {said}\n");
    let slices = read(&text).slices;
    let contents = &slices["bins"].contents;
    assert_eq!(contents.len(), 1, "{said}");
    contents.values().next().cloned().expect("one")
}

fn paths(said: &str) -> Vec<String> {
    let text = format!("package: pkg\nslices:\n  bins:\n    contents:\n      {said}\n");
    read(&text).slices["bins"]
        .contents
        .keys()
        .cloned()
        .collect()
}

/// The slices that one brings, with architectures.
fn essential(said: &str) -> Vec<(String, Vec<String>)> {
    let text = format!("package: pkg\nslices:\n  bins:\n    {said}\n");
    let slices = read(&text).slices;
    let all = slices["bins"]
        .essential
        .iter()
        .chain(&slices["bins"].v3_essential);
    all.map(|one| (one.reference.to_string(), one.arch.clone()))
        .collect()
}

#[test]
fn booleans_are_those_of_yaml_1_1_and_false_when_nothing_is_said() {
    for so in [
        "true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "Y", "\"yes\"",
    ] {
        assert!(content(&format!("/a/: {{make: {so}}}")).make, "{so}");
        assert!(
            content(&format!("/a: {{text: x, mutable: {so}}}")).mutable,
            "{so}"
        );
    }
    for not in ["false", "False", "no", "off", "N", "", "~", "null"] {
        assert!(!content(&format!("/a/: {{make: {not}}}")).make, "{not}");
        assert!(
            !content(&format!("/a: {{mutable: {not}}}")).mutable,
            "{not}"
        );
    }
}

#[test]
fn modes_are_octal_in_either_way_of_writing_them() {
    for (said, mode) in [
        ("0644", Some(0o644)),
        ("0o644", Some(0o644)),
        ("420", Some(0o644)),
        ("0x1a4", Some(0o644)),
        ("01777", Some(0o1777)),
        ("02775", Some(0o2775)),
        ("", None),
        ("~", None),
    ] {
        assert_eq!(
            content(&format!("/a/: {{make: true, mode: {said}}}")).mode,
            mode,
            "{said}"
        );
    }
}

#[test]
fn a_text_is_any_scalar_as_it_is_written() {
    for (said, text) in [
        ("5", Some("5")),
        ("0644", Some("0644")),
        ("1.50", Some("1.50")),
        ("true", Some("true")),
        ("no", Some("no")),
        ("2026-04-23", Some("2026-04-23")),
        (".inf", Some(".inf")),
        ("1_000", Some("1_000")),
        ("1:30", Some("1:30")),
        ("!!str 5", Some("5")),
        ("''", Some("")),
        ("\"a\\tb\\n\"", Some("a\tb\n")),
        ("", None),
        ("~", None),
    ] {
        assert_eq!(
            content(&format!("/a: {{text: {said}}}")).text.as_deref(),
            text,
            "{said}"
        );
    }
    for (said, text) in [
        (
            "|\n          # one\n          ::1\t\ttwo\n\n          three: '/'",
            "# one\n::1\t\ttwo\n\nthree: '/'\n",
        ),
        ("|-\n          one", "one"),
        ("|+\n          one\n\n", "one\n\n\n"),
        (">\n          one\n          two", "one two\n"),
        ("|2\n            one", "  one\n"),
        ("one\n          two", "one two"),
        ("\"one\n          two\"", "one two"),
    ] {
        assert_eq!(
            content(&format!("/a:\n        text: {said}"))
                .text
                .as_deref(),
            Some(text),
            "{said}"
        );
    }
}

#[test]
fn what_is_empty_is_not_said() {
    for empty in ["", "~", "''", "\"\""] {
        let said = format!(
            "/a: {{copy: {empty}, symlink: {empty}, until: {empty}, generate: {empty}, prefer: {empty}}}"
        );
        assert_eq!(content(&said), Content::default(), "{empty}");
    }
    assert_eq!(content("/a: {arch: }"), Content::default());
    assert_eq!(content("/a: {arch: [], releases: ~}"), Content::default());
    for nothing in ["/a:", "/a: ~", "/a: null", "/a: {}", "/a:    # a link"] {
        assert_eq!(content(nothing), Content::default(), "{nothing}");
    }
    for nothing in [
        "",
        "essential:",
        "essential: []",
        "essential: {}",
        "contents:",
        "contents: {}",
        "v3-essential:",
        "mutate:",
        "hint:",
    ] {
        let text = format!("package: pkg\nslices:\n  bins:\n    {nothing}\n");
        assert_eq!(read(&text).slices["bins"], Default::default(), "{nothing}");
    }
    for nothing in [
        "",
        "slices:",
        "slices: ~",
        "slices: {}",
        "essential:",
        "v3-essential: {}",
        "archive:",
        "hint: ~",
    ] {
        let text = format!("package: pkg\n{nothing}\n");
        let read = read(&text);
        assert!(
            read.slices.is_empty() && read.essential.is_empty() && read.archive.is_none(),
            "{nothing}"
        );
    }
}

#[test]
fn a_path_may_be_a_copy_of_itself() {
    assert_eq!(content("/a: {copy: /a}").copy.as_deref(), Some("/a"));
    content("/a/: {copy: /a/, mode: 0700}");
}

#[test]
fn architectures_are_a_word_or_a_list_in_any_style() {
    for (said, arch) in [
        ("/a: {arch: amd64}", &["amd64"][..]),
        ("/a: {arch: [amd64, s390x]}", &["amd64", "s390x"]),
        ("/a: {arch: [amd64, s390x,]}", &["amd64", "s390x"]),
        ("/a: {arch: [\"amd64\", 's390x']}", &["amd64", "s390x"]),
        ("/a: {arch: [~, amd64]}", &["amd64"]),
        (
            "/a:\n        arch:\n          - amd64\n          - s390x",
            &["amd64", "s390x"],
        ),
        (
            "/a:\n        arch:\n        - amd64\n        - s390x",
            &["amd64", "s390x"],
        ),
        (
            "/a:\n        arch: amd64\n        until: mutate",
            &["amd64"],
        ),
    ] {
        assert_eq!(content(said).arch, arch, "{said}");
    }
}

#[test]
fn what_a_slice_needs_is_a_list_or_a_mapping() {
    let all = |names: &[&str]| -> Vec<(String, Vec<String>)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), Vec::new()))
            .collect()
    };
    for (said, names) in [
        (
            "essential: [libstdc++6_libs, libbz2-1.0_libs]",
            &["libstdc++6_libs", "libbz2-1.0_libs"][..],
        ),
        (
            "essential:\n      - libc6_libs  \n      - python3.12_core  # why",
            &["libc6_libs", "python3.12_core"],
        ),
        (
            "essential:\n    - libc6_libs\n    - 7zip_bins",
            &["libc6_libs", "7zip_bins"],
        ),
        (
            "essential: # why\n      # a note\n      - libc6_libs",
            &["libc6_libs"],
        ),
        ("essential: [~, \"libc6_libs\"]", &["libc6_libs"]),
        (
            "essential: {libc6_libs: , libm_libs: {}, liba_libs: {arch: }, libb_libs: {arch: []}}",
            &["libc6_libs", "libm_libs", "liba_libs", "libb_libs"],
        ),
        (
            "essential:\n      libc6_libs:\n      gcc-15_gcc-15:",
            &["libc6_libs", "gcc-15_gcc-15"],
        ),
    ] {
        assert_eq!(essential(said), all(names), "{said}");
    }
    let conditions = [
        ("essential: {libc6_libs: {arch: amd64}}", &["amd64"][..]),
        (
            "v3-essential: {libc6_libs: {arch: [amd64, arm64]}}",
            &["amd64", "arm64"],
        ),
    ];
    for (said, arch) in conditions {
        assert_eq!(essential(said)[0].1, arch, "{said}");
    }
    let both = "essential: [libc6_libs]\n    v3-essential: {liba_libs: {arch: arm64}}";
    assert_eq!(essential(both).len(), 2);
}

#[test]
fn a_slice_of_a_store_is_named_and_cannot_be_had() {
    for said in [
        "essential: {bin/tool_bins: {}}",
        "essential: [bin/tool_bins]",
    ] {
        let text = format!("package: pkg\nslices:\n  bins:\n    {said}\n  data:\n");
        let mut library = Library::default();
        library
            .add(Path::new("pkg.yaml"), &text)
            .expect("it is taken");
        assert_eq!(library.malformed(), []);
        let choose = |slice: &str| {
            let names = BTreeSet::from([slice.to_owned()]);
            library.closure(&[("pkg".to_owned(), names)].into(), TARGET)
        };
        choose("data").expect("it needs none");
        let error = choose("bins").expect_err("there is no store").to_string();
        assert!(
            error.contains("store `bin`") && error.contains("pkg.yaml:4:"),
            "{error}"
        );
    }
    for wrong in ["/tool_bins", "bin/_bins", "a/b/tool_bins", "Bin/tool_bins"] {
        let text = format!("package: pkg\nslices: {{bins: {{essential: [{wrong}]}}}}\n");
        let definition =
            Definition::parse(Path::new("pkg.yaml"), &text).expect("the rest is well-formed");
        assert!(definition.malformed.contains_key("bins"), "{wrong}");
    }
}

#[test]
fn paths_are_any_text_in_any_style() {
    for (said, path) in [
        ("/usr/bin/[:", "/usr/bin/["),
        ("/a b: {text: x}", "/a b"),
        ("\"/a: b\":", "/a: b"),
        ("'/a # b':", "/a # b"),
        ("/a#b:  # note", "/a#b"),
        ("/a:b:", "/a:b"),
        ("/a::b:", "/a::b"),
        (
            "/gr\u{fc}n/\u{65e5}\u{672c}:",
            "/gr\u{fc}n/\u{65e5}\u{672c}",
        ),
        ("/a@.service:", "/a@.service"),
        ("/a{b,c}&!%$~'\"+:", "/a{b,c}&!%$~'\"+"),
        ("/a\\x2db.mount:", "/a\\x2db.mount"),
        ("? /a\n      : {text: x}", "/a"),
        ("!!str /a: {text: x}", "/a"),
        ("/a:\t# a tab", "/a"),
        ("/a/**/b*.so.?:", "/a/**/b*.so.?"),
        ("/a-*/:", "/a-*/"),
        ("/bin**:  {until: mutate}", "/bin**"),
    ] {
        assert_eq!(paths(said), [path], "{said}");
    }
}

#[test]
fn mappings_are_of_any_style_and_may_be_named() {
    let link = Content {
        symlink: Some("/b".to_owned()),
        ..Content::default()
    };
    for said in [
        "/a: {symlink: /b}",
        "/a: {symlink: /b,}",
        "/a:\n        { symlink: /b }",
        "/a: {\n        symlink: /b\n      }",
        "/a:\n        symlink: /b",
        "/a: !!map {symlink: /b}",
    ] {
        assert_eq!(content(said), link, "{said}");
    }
    let definition = read(
        "package: pkg\nslices:\n  bins: &b\n    contents: &c\n      /a: &x {text: x, arch: &l [amd64]}\n      /b: *x\n  data: *b\n  more:\n    contents:\n      <<: *c\n      /c: {<<: *x, mode: 0600}\n      /d: {arch: *l}\n",
    );
    assert_eq!(definition.slices["bins"], definition.slices["data"]);
    let more = &definition.slices["more"].contents;
    assert_eq!(more.len(), 4);
    assert_eq!(
        (more["/c"].text.as_deref(), more["/c"].mode),
        (Some("x"), Some(0o600))
    );
    assert_eq!(more["/d"].arch, ["amd64"]);
}

#[test]
fn a_file_may_begin_end_and_break_lines_in_any_way() {
    for text in [
        "---\npackage: pkg\nslices: {bins: }\n",
        "%YAML 1.1\n---\npackage: pkg\nslices: {bins: }\n...\n",
        "\u{feff}package: pkg\nslices: {bins: }",
        "# a note\n\n\npackage: pkg # another\n\nslices:\n\n bins:\n  hint: \u{1f600}\n",
        "package: pkg\r\nslices:\r\n  bins:  \r\n    contents:\r\n      /a:\r\n  \r\n",
        "{\"package\":\"pkg\",\"slices\":{\"bins\":{\"contents\":{\"/a\":{\"text\":\"x\"}}}}}",
        "slices: {bins: }\npackage: 'pkg'\narchive: 24.04\n",
        "package: pkg\nstore: bin\ndefault-track: 3.10\nslices: {bins: }\n",
    ] {
        let definition = read(text);
        assert_eq!(definition.package, "pkg", "{text}");
        assert!(definition.slices.contains_key("bins"), "{text}");
    }
    assert_eq!(
        read("package: pkg\narchive: 24.04\n").archive.as_deref(),
        Some("24.04")
    );
    assert_eq!(
        read("package: pkg\ndefault-track: 3.10\n")
            .default_track
            .as_deref(),
        Some("3.10")
    );
}

#[test]
fn slices_have_names_with_digits() {
    let names = [
        "bins2", "py3-12", "gcc-13", "utf8", "true", "yes", "off", "x11",
    ];
    let text = format!("package: pkg\nslices: {{{}: }}\n", names.join(": , "));
    let read = read(&text).slices;
    assert_eq!(
        read.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        names.into()
    );
}

#[test]
fn the_keys_of_all_formats_are_read() {
    let written = content("/a/**: {generate: manifest}");
    assert_eq!(written.generate, Some(Generate::Manifest));
    let written = content(
        "/a: {mutable: true, text: FIXME, until: mutate, mode: 0600, prefer: other, arch: amd64}",
    );
    assert_eq!(written.until, Some(Until::Mutate));
    assert_eq!(written.prefer.as_deref(), Some("other"));
    let script = read("package: pkg\nslices:\n  bins:\n    hint: Tools; all of them\n    mutate: |\n\n      # a note\n      x = \"a\\tb\"\n      if x:\n      \ty = {\"a\": 1}\n").slices;
    assert_eq!(
        script["bins"].mutate.as_deref(),
        Some("\n# a note\nx = \"a\\tb\"\nif x:\n\ty = {\"a\": 1}\n")
    );
    assert_eq!(script["bins"].hint.as_deref(), Some("Tools; all of them"));
}

#[test]
fn what_chisel_reads_and_we_do_not_is_an_error_of_that_slice_alone() {
    for (said, words) in [
        ("/a: {txt: x}", "did you mean `text`?"),
        ("/a: {text: x, mode: 0100644}", "mode"),
        ("/a: {text: x, mode: 420.0}", "whole number"),
        ("/a/: {text: x}", "directory"),
        ("/a/: {copy: /b/}", "directory"),
        ("/a: {copy: /b*}", "not one file"),
        ("/a: {copy: b}", "absolute"),
        ("\"/a\\tb\":", "control character"),
        (
            "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a:",
            "wildcards",
        ),
    ] {
        let text = format!(
            "package: pkg\nslices:\n  good:\n    contents:\n      /b:\n  bins:\n    contents:\n      {said}\n"
        );
        let definition =
            Definition::parse(Path::new("pkg.yaml"), &text).expect("the rest is well-formed");
        assert!(definition.slices.contains_key("good"), "{said}");
        let error = definition.malformed["bins"].to_string();
        assert!(
            error.contains(words) && error.contains("pkg.yaml:"),
            "{said}: {error}"
        );
    }
    let two = Definition::parse(Path::new("pkg.yaml"), "package: pkg\n---\npackage: two\n");
    assert!(
        two.expect_err("two documents")
            .to_string()
            .contains("one document")
    );
}

/// One definition whose slices are malformed each in its own way, but for two.
const SLIPS: &str = "\
package: pkg
slices:
  good:
    contents: {/good: }
  needs:
    essential: [pkg_good]
    contents: {/needs: }
  key:
    contnts: {/a: }
  path:
    contents:
      /good: {txt: x}
  relative:
    contents:
      good:
  type:
    contents: [/a]
  reference:
    essential: [good]
  condition:
    essential: {pkg_good: {archs: amd64}}
  mode:
    contents: {/a: {text: x, mode: rw}}
  BIG: {}
  uses:
    essential: [pkg_key]
";

#[test]
fn a_slip_in_a_slice_is_an_error_only_for_who_takes_that_slice_or_needs_it() {
    let mut library = Library::default();
    library
        .add(Path::new("pkg.yaml"), SLIPS)
        .expect("it is taken");
    let choose = |slice: &str| {
        let names = BTreeSet::from([slice.to_owned()]);
        library.closure(&[("pkg".to_owned(), names)].into(), TARGET)
    };
    let chosen = choose("needs").expect("neither has a slip");
    library.select(&chosen, TARGET).expect("no conflict");
    let places = [
        ("key", "9:5", "`contnts`"),
        ("path", "12:15", "`txt`"),
        ("relative", "15:7", "absolute"),
        ("type", "17:15", "a mapping is expected"),
        ("reference", "19:16", "names no slice"),
        ("condition", "21:28", "`archs`"),
        ("mode", "23:36", "whole number"),
        ("BIG", "24:3", "no name of a slice"),
    ];
    assert_eq!(library.malformed().len(), places.len());
    for (slice, place, words) in places {
        let place = format!("pkg.yaml:{place}\n");
        let found = library.malformed().iter().any(|error| {
            let error = error.to_string();
            error.contains(&place) && error.contains(words)
        });
        assert!(found, "{slice}: {:#?}", library.malformed());
        let error = choose(slice).expect_err(slice);
        assert!(matches!(error, SliceError::Definition(_)), "{slice}");
        assert!(error.to_string().contains(&place), "{slice}: {error}");
    }
    let error = choose("uses")
        .expect_err("it needs one with a slip")
        .to_string();
    assert!(error.contains("pkg.yaml:9:5"), "{error}");
}

#[test]
fn a_slip_outside_of_slices_and_broken_yaml_are_errors_of_the_whole_package() {
    for (text, place) in [
        (
            "package: pkg\nslics: {}\nslices: {bins: }\n",
            "pkg.yaml:2:1",
        ),
        (
            "package: pkg\nessential: [libc6]\nslices: {bins: }\n",
            "pkg.yaml:2:",
        ),
        (
            "package: pkg\nslices:\n  bins:\n  data: {contents: {/a\n",
            "pkg.yaml:",
        ),
        ("package: pkg\nslices:\n  bins:\n  bins:\n", "pkg.yaml:4:3"),
        (
            "package: pkg\nslices:\n  bins: {contents: {/a: *none}}\n",
            "pkg.yaml:3:",
        ),
        (
            "package: pkg\nslices:\n  bins: {contents: {/a: !thing {text: x}}}\n",
            "pkg.yaml:3:",
        ),
    ] {
        let error = Definition::parse(Path::new("pkg.yaml"), text).expect_err(text);
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn slips_in_very_many_slices_are_an_error_of_the_whole_package() {
    let mut text = "package: pkg\nslices:\n  good:\n".to_owned();
    for number in 0..10_000 {
        text.push_str(&format!("  bad{number}: {{x: }}\n"));
    }
    let error = Definition::parse(Path::new("pkg.yaml"), &text).expect_err("too many");
    assert!(error.to_string().contains("`x`"), "{error}");
}
