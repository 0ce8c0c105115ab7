//! What is said where there is no closure.

use crate::support::{Archives, pin, wanting};
use basalt_solve::Request;

#[test]
fn an_unknown_name_is_said_with_names_nearly_so() {
    let archives = Archives::many(&[
        (
            "debian trixie main",
            "Package: python3\n\nPackage: python3-yaml",
        ),
        ("debian trixie-updates main", "Package: tzdata"),
    ]);
    insta::assert_snapshot!(archives.error(&wanting(&["pyhton3"])), @"no package is named pyhton3 in debian trixie main, debian trixie-updates main; is python3 meant?");
    insta::assert_snapshot!(archives.error(&wanting(&["nothing-like-it"])), @"no package is named nothing-like-it in debian trixie main, debian trixie-updates main; see that the name and the suite are right");
}

#[test]
fn a_virtual_name_of_several_providers_must_be_chosen_from() {
    let archives = Archives::one(
        "Package: exim\nProvides: mail\n\n\
         Package: postfix\nProvides: mail",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["mail"])), @"mail is provided by more than one package: exim, postfix; ask for the one wanted");
}

#[test]
fn a_version_that_is_not_there_is_said_with_those_that_are() {
    let archives = Archives::many(&[
        ("debian trixie main", "Package: tool\nVersion: 1"),
        (
            "debian-security trixie-security main",
            "Package: tool\nVersion: 2",
        ),
    ]);
    insta::assert_snapshot!(archives.error(&wanting(&["tool (>= 3)"])), @"tool (>= 3) is asked for, but debian-security trixie-security main has tool 2 and debian trixie main has tool 1; ask for a version that is there");
    let request = Request {
        pins: vec![pin("tool", "1.5")],
        ..wanting(&["tool"])
    };
    insta::assert_snapshot!(archives.error(&request), @"tool (= 1.5) is asked for, but debian trixie main has tool 1 and debian-security trixie-security main has tool 2; ask for a version that is there");
}

#[test]
fn a_name_both_wanted_and_excluded_is_said() {
    let archives = Archives::one("Package: tool");
    let request = Request {
        exclude: vec!["tool".to_owned()],
        ..wanting(&["tool"])
    };
    insta::assert_snapshot!(archives.error(&request), @"tool is asked for and excluded; take it out of one of the two");
}

#[test]
fn a_missing_dependency_is_said_with_the_chain_to_it() {
    let archives = Archives::one(
        "Package: app\nVersion: 2\nDepends: library (>= 1)\n\n\
         Package: library\nVersion: 1.2\nDepends: core (>= 5), other\n\n\
         Package: core\nVersion: 4",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 2 needs library (>= 1)
      library 1.2 needs core (>= 5), but debian trixie main has core 4
    ");
}

#[test]
fn a_dependency_no_index_has_is_said() {
    let archives = Archives::one("Package: app\nDepends: nowhere | nohow (>= 2)");
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 1 needs nowhere | nohow (>= 2), but debian trixie main has no nowhere and debian trixie main has no nohow
    ");
}

#[test]
fn a_virtual_package_without_the_version_is_said() {
    let archives = Archives::one(
        "Package: app\nDepends: api (>= 2)\n\n\
         Package: old\nProvides: api (= 1)",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 1 needs api (>= 2), but api is only provided by old, without that version
    ");
}

#[test]
fn an_excluded_dependency_is_said() {
    let archives = Archives::one("Package: app\nDepends: tool\n\nPackage: tool");
    let request = Request {
        exclude: vec!["tool".to_owned()],
        ..wanting(&["app"])
    };
    insta::assert_snapshot!(archives.error(&request), @r"
    app cannot be installed:
      app 1 needs tool, but tool is excluded
    ");
}

#[test]
fn a_package_that_does_not_allow_any_is_said() {
    let archives = Archives::one(
        "Package: app\nDepends: tool:any\n\n\
         Package: other\nDepends: tool:arm64\n\n\
         Package: tool",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 1 needs tool:any, but tool does not say Multi-Arch: allowed
    ");
    insta::assert_snapshot!(archives.error(&wanting(&["other"])), @r"
    other cannot be installed:
      other 1 needs tool:arm64, but tool is not there for arm64
    ");
}

#[test]
fn two_wanted_packages_in_conflict_are_said() {
    let archives = Archives::one(
        "Package: one\nConflicts: two\n\n\
         Package: two\nVersion: 3",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["one", "two"])), @r"
    two cannot be installed:
      one 1 conflicts with two, and two 3 is needed too
    ");
    insta::assert_snapshot!(archives.error(&wanting(&["two", "one"])), @r"
    one cannot be installed:
      one 1 conflicts with two, and two 3 is needed too
    ");
}

#[test]
fn dependencies_in_conflict_are_said() {
    let archives = Archives::one(
        "Package: app\nDepends: front, back\n\n\
         Package: back\nBreaks: mail (<< 2)\n\n\
         Package: front\nDepends: post\n\n\
         Package: post\nProvides: mail (= 1)",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 1 needs back
      back 1 breaks mail (<< 2), and post 1 (which provides it) is needed too
    ");
}

#[test]
fn a_pinned_package_that_is_too_old_for_another_is_said() {
    let archives = Archives::many(&[
        (
            "main",
            "Package: app\nDepends: tool (>= 2)\n\nPackage: tool\nVersion: 1",
        ),
        ("updates", "Package: tool\nVersion: 2"),
    ]);
    let request = Request {
        pins: vec![pin("tool", "1")],
        ..wanting(&["app"])
    };
    insta::assert_snapshot!(archives.error(&request), @r"
    app cannot be installed:
      app 1 needs tool (>= 2), but tool is held at 1
    ");
}

#[test]
fn one_package_wanted_in_two_versions_is_said() {
    let archives = Archives::many(&[
        ("main", "Package: tool\nVersion: 1"),
        ("updates", "Package: tool\nVersion: 2"),
    ]);
    insta::assert_snapshot!(archives.error(&wanting(&["tool (= 1)", "tool (= 2)"])), @r"
    tool cannot be installed:
      tool 2 is needed, but 1 was chosen already
    ");
}

#[test]
fn why_a_package_failed_is_said_also_the_second_time_it_is_needed() {
    let archives = Archives::one(
        "Package: app\nDepends: missing | broken, broken\n\n\
         Package: broken\nDepends: nowhere\n\n\
         Package: missing\nDepends: broken",
    );
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    app cannot be installed:
      app 1 needs missing | broken
      missing 1 needs broken
      broken 1 needs nowhere, but debian trixie main has no nowhere
    ");
}

#[test]
fn a_long_chain_of_reasons_is_cut_in_the_middle() {
    let mut text = String::new();
    for number in 0..300 {
        let next = number + 1;
        text.push_str(&format!("Package: p{number}\nDepends: p{next}\n\n"));
    }
    let archives = Archives::one(&text);
    let error = archives.error(&wanting(&["p0"]));
    assert_eq!(error.lines().count(), 21);
    insta::assert_snapshot!(error.lines().next_back().unwrap_or_default(), @"  p299 1 needs p300, but debian trixie main has no p300");
    assert!(error.contains("p0 1 needs p1"), "{error}");
}

#[test]
fn a_package_with_an_odd_stanza_is_said_only_when_it_is_wanted() {
    let archives = Archives::one(
        "Package: tool\nVersion: 1\n\n\
         Package: odd\nVersion: 2\nSize: many\n\n\
         Package: front\nDepends: odd | tool\n\n\
         Package: app\nDepends: odd\n\n\
         Package: mail\nDepends: transport\n\n\
         Package: postfix\nProvides: transport\nMulti-Arch: often",
    );
    assert_eq!(archives.closure(&["tool"]), ["tool 1"]);
    // Of alternatives another will do.
    assert_eq!(archives.closure(&["front"]), ["front 1", "tool 1"]);
    insta::assert_snapshot!(archives.error(&wanting(&["odd"])), @"debian trixie main: the package `odd` 2 at line 10 of the index has a bad `Size`: `many` is not a number; ask for another version of it, or have the archive mended");
    insta::assert_snapshot!(archives.error(&wanting(&["app"])), @r"
    debian trixie main: the package `odd` 2 at line 10 of the index has a bad `Size`: `many` is not a number; ask for another version of it, or have the archive mended
    app cannot be installed:
      app 1 needs odd, but debian trixie main cannot offer odd: the package `odd` 2 at line 10 of the index has a bad `Size`: `many` is not a number
    ");
    insta::assert_snapshot!(archives.error(&wanting(&["nothing"])), @"no package is named nothing in debian trixie main; see that the name and the suite are right");
}

#[test]
fn an_older_version_is_never_taken_in_place_of_one_with_an_odd_stanza() {
    let archives = Archives::many(&[
        (
            "main",
            "Package: tool\nVersion: 1\n\nPackage: app\nDepends: tool",
        ),
        ("security", "Package: tool\nVersion: 2\nSize: many"),
    ]);
    for wanted in ["tool", "app"] {
        let error = archives.error(&wanting(&[wanted]));
        assert!(
            error.starts_with("security: the package `tool` 2"),
            "{error}"
        );
    }
    // Unless it is asked for by its version, or has the higher priority.
    let set = archives.set(&wanting(&["tool (= 1)", "app"]));
    assert_eq!(set, ["app 1", "tool 1"]);
    let pinned = Request {
        pins: vec![pin("tool", "1")],
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&pinned), ["app 1", "tool 1"]);
    let closure = archives.solve_by_priority(&[900, 500], &wanting(&["tool"]));
    assert_eq!(
        crate::support::listed(&closure.expect("there is one")),
        ["tool 1"]
    );
    // An older one with an odd stanza is of no concern.
    let archives = Archives::many(&[
        ("main", "Package: tool\nVersion: 1\nSize: many"),
        ("updates", "Package: tool\nVersion: 2"),
    ]);
    assert_eq!(archives.closure(&["tool"]), ["tool 2"]);
}

#[test]
fn an_essential_package_with_an_odd_stanza_is_said() {
    let archives = Archives::one("Package: base\nEssential: yes\nDepends: (\n\nPackage: tool");
    let request = Request {
        include_essential: true,
        ..wanting(&["tool"])
    };
    let error = archives.error(&request);
    assert!(
        error.contains("the package `base` 1 has a bad `Depends`"),
        "{error}"
    );
}

#[test]
fn a_virtual_name_whose_only_provider_has_an_odd_stanza_is_said_with_the_fault() {
    let odd = "Package: postfix\nProvides: transport, mta (= 2)\nSize: many";
    let fault =
        "the package `postfix` 1 at line 3 of the index has a bad `Size`: `many` is not a number";
    let archives = Archives::one(&format!("{odd}\n\nPackage: app\nDepends: none | mta"));
    for wanted in ["transport", "mta", "app"] {
        let error = archives.error(&wanting(&[wanted]));
        assert!(error.contains(fault), "{wanted}: {error}");
    }
    let error = archives.error(&wanting(&["nothing"]));
    assert!(error.starts_with("no package is named nothing"), "{error}");
    // With another provider it costs nothing but itself.
    let archives = Archives::one(&format!("{odd}\n\nPackage: exim\nProvides: transport"));
    assert_eq!(archives.closure(&["transport"]), ["exim 1"]);
}

#[test]
fn a_relation_of_very_many_alternatives_is_shown_shortened() {
    let many: Vec<String> = (0..20_000).map(|number| format!("n{number}")).collect();
    let archives = Archives::one(&format!(
        "Package: app\nDepends: {}\n\n\
         Package: foe\nConflicts: {}, friend\n\n\
         Package: friend\n\n{}",
        many.join(" | "),
        many.join(", "),
        (0..200)
            .map(|number| format!("Package: p{number}\nProvides: virtual\n\n"))
            .collect::<String>()
    ));
    let error = archives.error(&wanting(&["app"]));
    assert!(error.contains("app 1 needs n0 | n1 |"), "{error}");
    assert!(error.contains("n7 | 19992 more, but"), "{error}");
    assert!(error.ends_with("has no n7 and 19992 more"), "{error}");
    assert!(error.len() < 1000, "{}", error.len());
    let error = archives.error(&wanting(&["virtual"]));
    assert!(error.contains(", 192 more; ask for"), "{error}");
    // A list that is hardly longer is whole.
    let archives = Archives::one("Package: app\nDepends: a | b | c | d | e | f | g | h | i");
    assert!(!archives.error(&wanting(&["app"])).contains("more"));
}
