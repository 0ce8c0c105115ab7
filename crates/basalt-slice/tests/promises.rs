//! What definitions and choices of slices promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use basalt_slice::{Definition, Keep, Library, MadeKind, SliceError, Sliced, Target};
use basalt_tree::TreePath;
use proptest::prelude::*;

const TARGET: Target<'static> = Target {
    release: "trixie",
    architecture: "amd64",
};

type Slices = BTreeMap<String, BTreeSet<String>>;

fn library(texts: &[&str]) -> Library {
    let mut library = Library::default();
    for text in texts {
        library
            .add(Path::new("x.yaml"), text)
            .expect("a definition");
    }
    library
}

fn wanted(names: &[(&str, &str)]) -> Slices {
    let mut slices = Slices::new();
    for (package, slice) in names {
        slices
            .entry((*package).to_owned())
            .or_default()
            .insert((*slice).to_owned());
    }
    slices
}

fn choose(
    library: &Library,
    names: &[(&str, &str)],
) -> Result<BTreeMap<String, Sliced>, SliceError> {
    let closure = library.closure(&wanted(names), TARGET)?;
    library.select(&closure, TARGET)
}

fn refused(text: &str, words: &[&str]) {
    let error = match Definition::parse(Path::new("x.yaml"), text) {
        Err(error) => error,
        Ok(definition) => definition.malformed.into_values().next().expect(text),
    };
    let error = error.to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in:\n{error}");
    }
}

const TOOL: &str = "
package: tool
archive: somewhere
essential: [tool_copyright]
slices:
  bins:
    essential: {lib_libs: , extra_libs: {arch: [arm64]}}
    contents:
      /bin/tool:
      /etc/tool/: {make: true, mode: 0750}
      /etc/tool/a: {text: hello}
      /etc/tool/b: {symlink: a}
      /etc/tool/c: {copy: /usr/share/tool/c, mutable: true}
      /usr/share/tool/seed: {until: mutate}
      /usr/lib/x86/*: {arch: amd64}
      /usr/lib/arm/*: {arch: arm64}
    hint: A tool
  copyright:
    contents:
      /usr/share/doc/tool/copyright:
";
const LIB: &str = "
package: lib
slices:
  libs:
    contents:
      /usr/lib/*/lib.so.?:
    v3-essential: {}
";

#[test]
fn a_slice_brings_what_it_needs() {
    let chosen = choose(&library(&[TOOL, LIB]), &[("tool", "bins")]).expect("a choice");
    assert_eq!(chosen["tool"].slices, ["bins", "copyright"]);
    assert_eq!(chosen["lib"].slices, ["libs"]);
    assert!(
        !chosen.contains_key("extra"),
        "it is for another architecture"
    );
}

#[test]
fn only_what_slices_name_is_kept() {
    let chosen = choose(&library(&[TOOL, LIB]), &[("tool", "bins")]).expect("a choice");
    let keeps = |path: &str| {
        let path = TreePath::new(path).expect("a path");
        chosen["tool"].filter.keeps(&path, false)
    };
    assert_eq!(keeps("usr/bin/tool"), Keep::Stays);
    assert_eq!(keeps("usr/bin/other"), Keep::LeftOut);
    assert_eq!(keeps("usr/share/tool/seed"), Keep::Passes);
    assert_eq!(keeps("usr/share/tool/c"), Keep::Passes, "it is copied");
    assert_eq!(keeps("usr/lib/x86/a"), Keep::Stays);
    assert_eq!(keeps("usr/lib/arm/a"), Keep::LeftOut);
    assert_eq!(
        keeps("usr/share/doc/any/copyright"),
        Keep::Stays,
        "licences"
    );
}

#[test]
fn what_slices_make_is_told() {
    let chosen = choose(&library(&[TOOL, LIB]), &[("tool", "bins")]).expect("a choice");
    let made = &chosen["tool"].made;
    let kinds: Vec<&MadeKind> = made.iter().map(|one| &one.kind).collect();
    assert_eq!(made[0].mode, Some(0o750));
    assert_eq!(
        kinds,
        [
            &MadeKind::Directory,
            &MadeKind::Text("hello".to_owned()),
            &MadeKind::Symlink("a".to_owned()),
            &MadeKind::Copy("/usr/share/tool/c".to_owned()),
        ]
    );
}

#[test]
fn a_script_is_never_run() {
    let text = "package: one\nslices:\n  bins:\n    mutate: |\n      content.write('/a', 'b')\n";
    let error = choose(&library(&[text]), &[("one", "bins")]).expect_err("a script");
    assert!(error.to_string().contains("`effects:`"), "{error}");
    let text = format!(
        "{text}    effects:\n      - {{ effect: file, path: /a, content: b, mode: 0o644 }}\n"
    );
    let chosen = choose(&library(&[&text]), &[("one", "bins")]).expect("it is explained");
    assert_eq!(chosen["one"].effects.len(), 1);
}

#[test]
fn chisels_own_record_is_refused() {
    let text = "package: one\nslices:\n  manifest:\n    contents:\n      /var/lib/chisel/**: {generate: manifest}\n";
    let error = choose(&library(&[text]), &[("one", "manifest")]).expect_err("a manifest");
    assert!(error.to_string().contains("status.d"), "{error}");
}

#[test]
fn slices_that_bring_each_other_are_refused() {
    let one = "package: one\nslices:\n  aaa: {essential: [two_aaa]}\n";
    let two = "package: two\nslices:\n  aaa: {essential: [one_aaa]}\n";
    let error = choose(&library(&[one, two]), &[("one", "aaa")]).expect_err("a circle");
    assert!(
        error.to_string().contains("one_aaa → two_aaa → one_aaa"),
        "{error}"
    );
}

#[test]
fn what_is_not_defined_is_refused_with_what_was_meant() {
    let library = library(&[LIB]);
    let error = choose(&library, &[("lib", "lib")])
        .expect_err("no such slice")
        .to_string();
    assert!(error.contains("did you mean `libs`?"), "{error}");
    let error = choose(&library, &[("libs", "libs")])
        .expect_err("no such package")
        .to_string();
    assert!(error.contains("did you mean `lib`?"), "{error}");
}

#[test]
fn slices_that_say_different_things_of_a_path_are_refused() {
    let one = "package: one\nslices:\n  aaa: {contents: {/etc/a: {text: x}}}\n";
    let two = "package: two\nslices:\n  aaa: {contents: {/etc/a: {text: y}}}\n";
    let error = choose(&library(&[one, two]), &[("one", "aaa"), ("two", "aaa")])
        .expect_err("they disagree")
        .to_string();
    assert!(
        error.contains("the slices one_aaa and two_aaa say different things of /etc/a")
            && error.contains("x.yaml:3:20"),
        "{error}"
    );
    let same = two.replace("text: y", "text: x");
    choose(&library(&[one, &same]), &[("one", "aaa"), ("two", "aaa")]).expect("they agree");
}

#[test]
fn a_path_is_left_to_the_package_that_is_preferred() {
    let one = "package: one\nslices:\n  aaa: {contents: {/etc/a: {prefer: two}}}\n";
    let two = "package: two\nslices:\n  aaa: {contents: {/etc/a: }}\n";
    let path = TreePath::new("etc/a").expect("a path");
    let chosen = choose(&library(&[one, two]), &[("one", "aaa"), ("two", "aaa")]).expect("both");
    assert_eq!(chosen["one"].filter.keeps(&path, false), Keep::LeftOut);
    assert_eq!(chosen["two"].filter.keeps(&path, false), Keep::Stays);
}

#[test]
fn what_slices_make_at_one_path_is_left_to_the_package_that_is_preferred() {
    // As for a program of which many packages have one: each prefers the next.
    let slice = |package: &str, said: &str| {
        format!(
            "package: {package}\nslices: {{bins: {{contents: {{/usr/bin/awk: {said}}}}}, data: }}\n"
        )
    };
    let library = library(&[
        &slice("first", "{text: first, mode: 0755, prefer: second}"),
        &slice("second", "{symlink: second, prefer: third}"),
        &slice("third", "{symlink: third}"),
        &slice("fourth", "{prefer: third}"),
        &slice("fifth", "{symlink: fifth, prefer: fifth}"),
    ]);
    let made = |names: &[(&str, &str)]| -> Vec<String> {
        let chosen = choose(&library, names).expect("they agree");
        let made = chosen
            .iter()
            .flat_map(|(package, one)| one.made.iter().map(move |_| package.clone()));
        made.collect()
    };
    let (first, second, third) = (("first", "bins"), ("second", "bins"), ("third", "bins"));
    assert_eq!(made(&[first]), ["first"]);
    assert_eq!(made(&[first, second]), ["second"]);
    assert_eq!(made(&[first, second, third]), ["third"]);
    assert_eq!(
        made(&[first, third]),
        ["third"],
        "over one that is not chosen"
    );
    assert_eq!(
        made(&[first, ("second", "data")]),
        ["first"],
        "that slice has no such path"
    );
    assert_eq!(made(&[("fourth", "bins"), third]), ["third"]);
    let error = choose(&library, &[("fifth", "bins"), third]).expect_err("it prefers itself");
    assert!(
        error
            .to_string()
            .contains("fifth_bins leaves /usr/bin/awk to its own"),
        "{error}"
    );
}

#[test]
fn packages_that_prefer_each_other_are_refused_rather_than_left_out_both() {
    for said in ["{symlink: a, prefer: two}", "{prefer: two}"] {
        let one = format!("package: one\nslices: {{bins: {{contents: {{/a: {said}}}}}}}\n");
        let two = one
            .replace("two", "ONE")
            .replace("one", "two")
            .replace("ONE", "one");
        let all = [("one", "bins"), ("two", "bins")];
        let error = choose(&library(&[&one, &two]), &all).expect_err("a circle");
        assert!(error.to_string().contains("x.yaml:2:"), "{error}");
    }
}

#[test]
fn an_error_names_the_place() {
    refused(
        "package: one\nslice: {}\n",
        &["x.yaml:2:1", "did you mean `slices`?"],
    );
    refused(
        "package: one\nslices:\n  bins:\n    contents:\n      /a: {txt: b}\n",
        &["x.yaml:5:12", "did you mean `text`?"],
    );
    refused(
        "package: one\nslices:\n  bins:\n    contents:\n      usr/bin/a:\n",
        &["x.yaml:5:7", "absolute"],
    );
    refused(
        "package: one\nslices:\n  b: {}\n",
        &["x.yaml:3", "no name of a slice"],
    );
    refused(
        "package: one\nslices:\n  bins: {contents: {/a: {text: x, make: true}}}\n",
        &["more than one thing"],
    );
    refused("package: one\nessential: [libc6]\n", &["package_slice"]);
}

#[test]
fn the_definitions_that_are_compiled_in_are_sound() {
    let library = Library::own().expect("they parse");
    for release in ["trixie", "bookworm"] {
        for architecture in ["amd64", "arm64"] {
            let target = Target {
                release,
                architecture,
            };
            for definition in library.definitions() {
                for slice in definition.slices.keys() {
                    let one = wanted(&[(&definition.package, slice)]);
                    let closure = library.closure(&one, target).expect("it can be had");
                    library.select(&closure, target).expect("no conflict");
                }
            }
        }
    }
}

#[test]
fn every_slice_of_ours_with_programs_says_how_one_of_them_is_started() {
    let library = Library::own().expect("they are well-formed");
    for definition in library.definitions() {
        for (name, slice) in &definition.slices {
            let is_program = |path: &String| {
                let is_there = path.starts_with("/usr/bin/") || path.starts_with("/usr/sbin/");
                is_there && !path.ends_with('/')
            };
            let has_programs = slice.contents.keys().any(is_program);
            if has_programs {
                assert!(!slice.test.is_empty(), "{}_{name}", definition.package);
            }
        }
    }
}

/// A package as chisel's releases have them: each form of each key, in the formats v1 to v3.
const PUBLISHED: &str = r#"# A comment first.
package: system-files
archive: ubuntu
essential:
  system-files_copyright:

v3-essential:
  system-files_copyright: {}

slices:
  # All the directories.
  tree:
    hint: The directories
    contents:
      /bin:
      /lib64: {arch: [amd64, ppc64el]}
      /usr/lib64/: {arch: [amd64, ppc64el]}
      /run/lock/: { make: true, mode: 01777 }
      /var/lock/: {symlink: /run/lock}
      /var/run/: {symlink: /run}
      /var/tmp/:
  data:
    contents:
      /etc/accounts: {text: FIXME, mutable: true}
      /etc/empty: { text: '', mode: 0640 }
      /etc/enabled.conf:
        { symlink: /etc/available.conf }
      /etc/long:
        text: |
          # Not a comment: with a trailing '/'
          @{HOMEDIRS}+=
        until: mutate
      /usr/bin/[:
      /usr/bin/program5.38.2: {copy: /usr/bin/program}  # a hard link
      /usr/lib/*-linux-*/base/auto/**.so:
      /usr/lib/systemd/autovt@.service:
        arch: [amd64, arm64, riscv64]
      /usr/share/same: {prefer: other}
      /usr/share/seed: {until: mutate}
    mutate: |
      data = content.read("/usr/share/seed")
      content.write("/etc/accounts", data)
    v3-essential:
      other_libs: {arch: arm64}
  lists:
    essential:
      - other_libs  
      - system-files_tree
  maps:
    essential:
      other_libs: {arch: [amd64, arm64]}
      system-files_tree: {}
  nothing:
  record:
    contents:
      /var/lib/chisel/**: {generate: manifest}
  copyright:
    contents:
      /usr/share/doc/system-files/copyright:
"#;
const OTHER: &str = "package: other\nslices:\n  libs: {contents: {/usr/share/same: }}\n";

#[test]
fn what_chisel_publishes_is_read_as_it_is() {
    let library = library(&[PUBLISHED, OTHER]);
    assert_eq!(library.malformed(), []);
    let chosen = choose(
        &library,
        &[
            ("system-files", "lists"),
            ("system-files", "maps"),
            ("system-files", "nothing"),
        ],
    )
    .expect("they can be had");
    let tree = &chosen["system-files"];
    assert_eq!(
        tree.slices,
        ["copyright", "lists", "maps", "nothing", "tree"]
    );
    let made: Vec<(&str, &MadeKind, Option<u32>)> = tree
        .made
        .iter()
        .map(|one| (one.path.as_str(), &one.kind, one.mode))
        .collect();
    let link = |target: &str| MadeKind::Symlink(target.to_owned());
    assert_eq!(
        made,
        [
            ("/run/lock/", &MadeKind::Directory, Some(0o1777)),
            ("/var/lock", &link("/run/lock"), None),
            ("/var/run", &link("/run"), None),
        ]
    );
    let definition = library
        .definitions()
        .find(|one| one.package == "system-files")
        .expect("it is there");
    let contents = &definition.slices["data"].contents;
    assert_eq!(contents["/etc/empty"].text.as_deref(), Some(""));
    assert_eq!(contents["/etc/empty"].mode, Some(0o640));
    assert!(contents.contains_key("/usr/bin/["));
    let text = contents["/etc/long"].text.as_deref().unwrap_or_default();
    assert_eq!(
        text,
        "# Not a comment: with a trailing '/'\n@{HOMEDIRS}+=\n"
    );
}

#[test]
fn two_slices_that_make_one_link_agree_however_its_path_ends() {
    let one = "package: one\nslices:\n  aaa: {contents: {/var/run/: {symlink: /run}}}\n";
    let two = "package: two\nslices:\n  aaa: {contents: {/var/run: {symlink: /run}}}\n";
    let all = [("one", "aaa"), ("two", "aaa")];
    choose(&library(&[one, two]), &all).expect("they agree");
    let other = two.replace("/run}", "/tmp}");
    let error = choose(&library(&[one, &other]), &all).expect_err("they do not");
    assert!(error.to_string().contains("/var/run"), "{error}");
}

#[test]
fn what_is_a_directory_is_said_by_its_path() {
    for wrong in [
        "/a: {make: true}",
        "/a/: {text: x}",
        "/a/: {copy: /b}",
        "/a*: {symlink: /b}",
    ] {
        refused(
            &format!("package: one\nslices:\n  bins:\n    contents:\n      {wrong}\n"),
            &["x.yaml"],
        );
    }
}

#[test]
fn a_malformed_definition_is_an_error_only_for_who_takes_a_slice_of_it() {
    for (text, words) in [
        ("package: two\nslics: {}\n", "x.yaml:2:1"),
        (
            "package: two\nslices:\n  libs:\n    contents:\n      /a: {txt: b}\n",
            "x.yaml:5:12",
        ),
        (
            "package: two\nslices:\n  libs:\n    essential: {one_libs: {archs: [amd64]}}\n",
            "archs",
        ),
        (
            "package: two\nslices:\n  libs:\n    essential:\n      one_libs  # ld: {}\n      b_libs: {}\n",
            "x.yaml",
        ),
    ] {
        let mut library = library(&["package: one\nslices:\n  libs: {contents: {/usr/lib/a: }}\n"]);
        // Where the YAML itself is broken, the file's name says which package it is about.
        library
            .add(Path::new("slices/two.yaml"), text)
            .expect("it is taken");
        let [malformed] = library.malformed() else {
            panic!("{text}: it is malformed");
        };
        let words = words.replace("x.yaml", "slices/two.yaml");
        assert!(malformed.to_string().contains(&words), "{malformed}");
        choose(&library, &[("one", "libs")]).expect("this one is sound");
        let error = choose(&library, &[("two", "libs")]).expect_err("it is malformed");
        assert!(error.to_string().contains(&words), "{error}");
        let needs = "package: three\nslices: {libs: {essential: [two_libs]}}\n";
        library
            .add(Path::new("x.yaml"), needs)
            .expect("it is taken");
        let error = choose(&library, &[("three", "libs")]).expect_err("it needs it");
        assert!(error.to_string().contains(&words), "{error}");
    }
}

#[test]
fn a_malformed_definition_does_not_leave_the_one_that_it_replaces() {
    let mut library = library(&[LIB]);
    let text = "package: lib\nslices: {libs: {contnts: {}}}\n";
    library
        .add(Path::new("lib.yaml"), text)
        .expect("it is taken");
    let error = choose(&library, &[("lib", "libs")]).expect_err("it is malformed");
    assert!(error.to_string().contains("lib.yaml"), "{error}");
}

#[test]
fn a_package_of_a_store_cannot_be_had() {
    let text = "package: tool\nstore: bin\ndefault-track: \"0.1\"\nslices: {bins: {contents: {/tool: }}}\n";
    let library = library(&[text]);
    assert_eq!(library.malformed(), []);
    let error = choose(&library, &[("tool", "bins")]).expect_err("there is no store");
    assert!(error.to_string().contains("store `bin`"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(package: ab\n)?(slices:\n)?[ a-z:/*{}\\[\\],\n-]{0,200}") {
        if let Err(error) = Definition::parse(Path::new("x.yaml"), &text) {
            let _ = error.render(false);
        }
    }
}
