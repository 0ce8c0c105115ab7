//! Scripts, roots, what is kept and left out.

use std::collections::BTreeSet;

use basalt_reach::{Reason, Wish, fold, propose};
use basalt_tree::{Owner, TreePath, glob};
use proptest::prelude::*;

use crate::support::{Place, asks, assert_reach, path, roots_of};

fn effect(what: &str) -> Owner {
    Owner::Effect {
        package: "example".to_owned(),
        effect: what.to_owned(),
    }
}

#[test]
fn a_script_reaches_its_interpreter_also_through_env() {
    let place = Place::new()
        .script("usr/bin/tool", "#!/bin/sh -e\n")
        .script("usr/bin/other", "#!/usr/bin/env -S A=b runner --fast\n")
        .script("usr/bin/dash", "none")
        .link("usr/bin/sh", "dash")
        .script("usr/bin/env", "none")
        .script("usr/bin/runner", "none");
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(
        &found,
        &["usr/bin/sh", "usr/bin/dash", "bin"],
        &["usr/bin/env"],
    );
    assert!(asks(&found, "only its interpreter is followed"));
    let found = place.from(&["/usr/bin/other"]);
    assert_reach(
        &found,
        &["usr/bin/env", "usr/bin/runner"],
        &["usr/bin/dash"],
    );
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    let error = Place::new()
        .reach(&roots_of(&["/usr/bin/nothing"]))
        .expect_err("it is not there");
    assert!(error.to_string().contains("/usr/bin/nothing"), "{error}");
}

#[test]
fn a_root_can_be_a_pattern_a_directory_or_a_link() {
    let place = Place::new()
        .script("usr/bin/a-one", "")
        .script("usr/bin/a-two", "")
        .script("usr/bin/b", "")
        .text("usr/share/whole/deep/x", "")
        .link("usr/bin/linked", "b");
    let found = place.from(&["/usr/bin/a-*", "/usr/share/whole"]);
    assert_reach(
        &found,
        &["usr/bin/a-one", "usr/bin/a-two", "usr/share/whole/deep/x"],
        &["usr/bin/b"],
    );
    assert_reach(
        &place.from(&["/bin/linked"]),
        &["usr/bin/linked", "usr/bin/b"],
        &["usr/bin/a-one"],
    );
}

#[test]
fn what_effects_make_is_kept_but_a_choice_goes_with_its_program() {
    let place = Place::new()
        .script("usr/bin/tool", "")
        .script("usr/bin/mawk", "")
        .made(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\n",
            effect("passwd-master"),
        )
        .text("usr/share/zoneinfo/UTC", "TZif");
    let mut place = place;
    for (name, target, what) in [
        ("etc/alternatives/awk", "/usr/bin/mawk", "alternative awk"),
        (
            "etc/localtime",
            "/usr/share/zoneinfo/UTC",
            "symlink /etc/localtime",
        ),
    ] {
        place
            .tree
            .insert_symlink(&path(name), target, effect(what))
            .expect("there is room");
    }
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(
        &found,
        &["etc/passwd", "etc/localtime", "usr/share/zoneinfo/UTC"],
        &["etc/alternatives/awk", "usr/bin/mawk"],
    );
    let found = place.from(&["/usr/bin/mawk"]);
    assert_reach(&found, &["etc/alternatives/awk"], &["usr/bin/tool"]);
}

#[test]
fn what_is_kept_is_followed_and_what_is_left_out_is_not() {
    let place = Place::new()
        .script("usr/bin/tool", "#!/usr/bin/runner\n")
        .script("usr/bin/runner", "")
        .script("usr/share/kept/script", "#!/usr/bin/second\n")
        .script("usr/bin/second", "");
    let mut wish = Wish {
        keep: vec!["/usr/share/kept/**".to_owned()],
        leave_out: vec!["/usr/bin/runner".to_owned()],
        ..roots_of(&["/usr/bin/tool"])
    };
    let found = place.reach(&wish).expect("all is well");
    assert_reach(
        &found,
        &["usr/share/kept/script", "usr/bin/second"],
        &["usr/bin/runner"],
    );
    assert_eq!(
        found.left_out[&path("usr/bin/runner")],
        path("usr/bin/tool")
    );
    wish.roots.push("/usr/bin/runner".to_owned());
    assert_reach(
        &place.reach(&wish).expect("all is well"),
        &["usr/bin/runner"],
        &[],
    );
}

#[test]
fn directories_for_state_stay_with_their_package() {
    let mut place = Place::new().script("usr/bin/tool", "");
    for name in ["var/lib/example", "usr/lib/example"] {
        place
            .tree
            .ensure_directory(&path(name), Place::owner())
            .expect("it is made");
    }
    let found = place.from(&["/usr/bin/tool"]);
    assert_reach(&found, &["var/lib/example"], &["usr/lib/example"]);
    assert_eq!(
        found.reached[&path("var/lib/example")].reason,
        Reason::StateDirectory("example".to_owned())
    );
}

#[test]
fn a_definition_gives_each_file_with_its_reason() {
    let place = Place::new()
        .script("usr/bin/tool", "#!/usr/bin/runner\n")
        .script("usr/bin/runner", "none")
        .text("usr/share/tool/data/one", "")
        .text("usr/share/tool/data/two", "")
        .text("usr/share/tool/other", "")
        .text("usr/share/doc/example/copyright", "all yours");
    let found = place.from(&["/usr/bin/tool", "/usr/share/tool/data"]);
    let proposals = propose(&place.tree, "amd64", &found);
    let texts: Vec<&str> = proposals.iter().map(|one| one.text.as_str()).collect();
    let expected = "\
package: example

essential:
  - example_copyright

slices:
  bins:
    contents:
      /usr/bin/runner:  # script's interpreter /usr/bin/runner (/usr/bin/tool)
      /usr/bin/tool:  # root /usr/bin/tool

  copyright:
    contents:
      /usr/share/doc/example/copyright:  # licence of example

  data:
    contents:
      /usr/share/tool/data/**:  # root /usr/share/tool/data; 1 more

# What only a run or a person can tell:
#   which programs and files does this script use? only its interpreter is followed (in /usr/bin/tool)
";
    assert_eq!(texts, [expected]);
}

proptest! {
    #[test]
    fn patterns_stand_for_what_is_kept_and_nothing_else(
        files in proptest::collection::btree_map("[ab](/[ab-]{1,2}){1,4}/f", (any::<bool>(), any::<bool>()), 1..20)
    ) {
        let mut place = Place::new();
        let mut kept = BTreeSet::new();
        for (name, (is_kept, is_others)) in &files {
            let name = format!("usr/share/{name}");
            let owner = match is_others {
                true => Owner::Package("other".to_owned()),
                false => Place::owner(),
            };
            place = place.made(&name, "", owner);
            if *is_kept && !is_others {
                kept.insert(path(&name));
            }
        }
        let lines = fold(&place.tree, "example", &kept);
        let covered: BTreeSet<TreePath> = place
            .tree
            .iter()
            .filter(|(path, placed)| {
                !placed.entry.is_directory() && lines.iter().any(|line| glob::matches(&line.pattern, path))
            })
            .map(|(path, _)| path.clone())
            .collect();
        prop_assert_eq!(&covered, &kept, "{:?}", &lines);
        let told: BTreeSet<TreePath> = lines.into_iter().flat_map(|line| line.files).collect();
        prop_assert_eq!(told, kept);
    }
}
