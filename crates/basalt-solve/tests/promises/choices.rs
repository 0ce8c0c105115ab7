//! Which packages a closure holds.

use crate::support::{Archives, listed, pin, wanting};
use basalt_solve::{Request, Why};

#[test]
fn takes_the_first_alternative() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "one 1"]);
}

#[test]
fn takes_the_second_alternative_where_the_first_is_not_there() {
    let archives = Archives::one(
        "Package: app\nDepends: one (>= 2) | none | two\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "two 1"]);
}

#[test]
fn takes_an_alternative_that_is_wanted_already() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(archives.closure(&["app", "two"]), ["app 1", "two 1"]);
}

#[test]
fn takes_the_package_of_the_name_before_one_that_provides_it() {
    let archives = Archives::one(
        "Package: app\nDepends: mail\n\n\
         Package: mail\n\n\
         Package: post\nEssential: yes\nPriority: required\nProvides: mail",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "mail 1"]);
}

#[test]
fn takes_the_provider_of_the_highest_priority() {
    let archives = Archives::one(
        "Package: app\nDepends: mail\n\n\
         Package: exim\nPriority: standard\nProvides: mail\n\n\
         Package: postfix\nPriority: optional\nProvides: mail",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "exim 1"]);
}

#[test]
fn takes_an_essential_provider_before_one_of_a_higher_priority() {
    let archives = Archives::one(
        "Package: app\nDepends: awk\n\n\
         Package: gawk\nEssential: yes\nPriority: optional\nProvides: awk\n\n\
         Package: mawk\nPriority: required\nProvides: awk",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "gawk 1"]);
}

#[test]
fn takes_the_last_by_name_of_providers_that_are_equal_as_apt_does() {
    let archives = Archives::one(
        "Package: app\nDepends: mail\n\n\
         Package: exim\nProvides: mail\n\n\
         Package: postfix\nProvides: mail",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "postfix 1"]);
}

#[test]
fn takes_the_last_by_source_before_the_last_by_name() {
    let archives = Archives::one(
        "Package: app\nDepends: mail\n\n\
         Package: exim\nSource: z-mail\nProvides: mail\n\n\
         Package: postfix\nProvides: mail",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "exim 1"]);
}

#[test]
fn takes_a_provider_that_is_wanted_already() {
    let archives = Archives::one(
        "Package: app\nDepends: mail\n\n\
         Package: exim\nProvides: mail\n\n\
         Package: postfix\nProvides: mail",
    );
    assert_eq!(archives.closure(&["app", "exim"]), ["app 1", "exim 1"]);
}

#[test]
fn a_virtual_package_of_one_provider_may_be_asked_for() {
    let archives = Archives::one("Package: exim\nProvides: mail");
    assert_eq!(archives.closure(&["mail"]), ["exim 1"]);
}

#[test]
fn a_versioned_provide_meets_a_constraint() {
    let archives = Archives::one(
        "Package: app\nDepends: api (>= 2)\n\n\
         Package: new\nVersion: 9\nProvides: api (= 2)\n\n\
         Package: old\nVersion: 9\nProvides: api (= 1)",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "new 9"]);
}

#[test]
fn a_provide_without_a_version_meets_no_constraint() {
    let archives = Archives::one(
        "Package: app\nDepends: api (>= 2) | other\n\n\
         Package: new\nVersion: 9\nProvides: api\n\n\
         Package: other",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "other 1"]);
}

#[test]
fn conflicting_packages_do_not_stand_together() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: base\nConflicts: one\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(
        archives.closure(&["base", "app"]),
        ["app 1", "base 1", "two 1"]
    );
}

#[test]
fn a_conflict_is_heeded_from_either_side() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: base\n\n\
         Package: one\nConflicts: base\n\n\
         Package: two",
    );
    assert_eq!(
        archives.closure(&["base", "app"]),
        ["app 1", "base 1", "two 1"]
    );
}

#[test]
fn a_conflict_with_a_provided_name_is_heeded_but_not_with_oneself() {
    let archives = Archives::one(
        "Package: app\nDepends: exim | two\n\n\
         Package: exim\nProvides: mail\nConflicts: mail\n\n\
         Package: postfix\nProvides: mail\nConflicts: mail\n\n\
         Package: two",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "exim 1"]);
    assert_eq!(
        archives.closure(&["postfix", "app"]),
        ["app 1", "postfix 1", "two 1"]
    );
}

#[test]
fn breaks_only_counts_for_the_versions_it_names() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: base\nBreaks: one (<< 1), two (<< 2)\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(
        archives.closure(&["base", "app"]),
        ["app 1", "base 1", "one 1"]
    );
    let archives = Archives::one(
        "Package: app\nDepends: one | two\n\n\
         Package: base\nBreaks: one (<= 1)\n\n\
         Package: one\n\n\
         Package: two",
    );
    assert_eq!(
        archives.closure(&["base", "app"]),
        ["app 1", "base 1", "two 1"]
    );
}

#[test]
fn replaces_keeps_no_package_out() {
    let archives = Archives::one(
        "Package: app\nDepends: one\nReplaces: one\n\n\
         Package: one\nReplaces: app",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "one 1"]);
}

#[test]
fn any_asks_for_a_package_that_allows_it() {
    let archives = Archives::one(
        "Package: app\nDepends: python:any | perl:any\n\n\
         Package: perl\nMulti-Arch: allowed\n\n\
         Package: python\nMulti-Arch: foreign",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "perl 1"]);
}

#[test]
fn a_dependency_on_another_architecture_is_not_met() {
    let archives = Archives::one(
        "Package: app\nDepends: tool:arm64 | tool:amd64\n\n\
         Package: tool\nArchitecture: all",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "tool 1"]);
    let archives = Archives::one(
        "Package: app\nDepends: tool:arm64 | other\n\n\
         Package: other\n\n\
         Package: tool",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1", "other 1"]);
}

#[test]
fn essential_packages_come_only_when_asked_for() {
    let archives = Archives::one(
        "Package: app\n\n\
         Package: base\nEssential: yes\nDepends: library\n\n\
         Package: library",
    );
    assert_eq!(archives.closure(&["app"]), ["app 1"]);
    let request = Request {
        include_essential: true,
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&request), ["app 1", "base 1", "library 1"]);
}

#[test]
fn a_package_no_longer_essential_in_its_newest_version_is_left_out() {
    let archives = Archives::many(&[
        ("old", "Package: base\nEssential: yes"),
        ("new", "Package: base\nVersion: 2\n\nPackage: app"),
    ]);
    let request = Request {
        include_essential: true,
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&request), ["app 1"]);
}

const RECOMMENDING: &str = "Package: app\nDepends: tool\nRecommends: extra\n\n\
     Package: deep\n\n\
     Package: extra\nDepends: part\nSuggests: deep\n\n\
     Package: manual\n\n\
     Package: part\n\n\
     Package: tool\nRecommends: manual, absent";

#[test]
fn recommended_packages_stay_out() {
    let archives = Archives::one(RECOMMENDING);
    assert_eq!(archives.closure(&["app"]), ["app 1", "tool 1"]);
}

#[test]
fn recommended_packages_come_when_asked_for_also_those_of_dependencies() {
    let archives = Archives::one(RECOMMENDING);
    let request = Request {
        recommends: true,
        ..wanting(&["app"])
    };
    assert_eq!(
        archives.set(&request),
        ["app 1", "extra 1", "manual 1", "part 1", "tool 1"]
    );
}

#[test]
fn a_recommended_package_that_cannot_be_had_is_passed_over() {
    let archives = Archives::one(
        "Package: app\nRecommends: one, two\n\n\
         Package: one\nConflicts: app\n\n\
         Package: two\nDepends: part, absent\n\n\
         Package: part",
    );
    let request = Request {
        recommends: true,
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&request), ["app 1"]);
}

#[test]
fn takes_the_newest_version_across_suites() {
    let archives = Archives::many(&[
        ("main", "Package: tool\nVersion: 1.10"),
        ("updates", "Package: tool\nVersion: 1.9"),
        ("security", "Package: tool\nVersion: 1.10+deb13u1"),
    ]);
    let closure = archives.solve(&wanting(&["tool"])).expect("a closure");
    assert_eq!(listed(&closure), ["tool 1.10+deb13u1"]);
    assert_eq!(closure.packages[0].index, 2);
}

#[test]
fn the_same_version_is_taken_from_the_first_index() {
    let archives = Archives::many(&[("main", "Package: tool"), ("security", "Package: tool")]);
    let closure = archives.solve(&wanting(&["tool"])).expect("a closure");
    assert_eq!(closure.packages[0].index, 0);
}

#[test]
fn a_higher_priority_counts_more_than_a_newer_version() {
    let archives = Archives::many(&[
        ("main", "Package: tool\nVersion: 1"),
        ("backports", "Package: tool\nVersion: 2"),
    ]);
    let closure = archives
        .solve_by_priority(&[500, 100], &wanting(&["tool"]))
        .expect("a closure");
    assert_eq!(listed(&closure), ["tool 1"]);
}

const TWO_VERSIONS: [(&str, &str); 2] = [
    (
        "main",
        "Package: app\nDepends: tool\n\n\
         Package: data\nVersion: 1\n\n\
         Package: tool\nVersion: 1\nDepends: data (= 1)",
    ),
    (
        "updates",
        "Package: data\nVersion: 2\n\n\
         Package: tool\nVersion: 2\nDepends: data (= 2)",
    ),
];

#[test]
fn a_pinned_package_stays_at_its_version() {
    let archives = Archives::many(&TWO_VERSIONS);
    let request = Request {
        pins: vec![pin("tool", "1")],
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&request), ["app 1", "data 1", "tool 1"]);
}

#[test]
fn a_pin_alone_brings_no_package_in() {
    let archives = Archives::many(&TWO_VERSIONS);
    let request = Request {
        pins: vec![pin("tool", "1")],
        ..wanting(&["data"])
    };
    assert_eq!(archives.set(&request), ["data 2"]);
}

#[test]
fn a_constraint_can_ask_for_a_version_that_is_not_the_newest() {
    let archives = Archives::many(&TWO_VERSIONS);
    assert_eq!(
        archives.closure(&["tool (<< 2)"]),
        ["data 1", "tool 1"],
        "and what needs that version's parts gets them"
    );
    assert_eq!(archives.closure(&["tool (>= 1)"]), ["data 2", "tool 2"]);
}

#[test]
fn a_dependency_can_hold_a_package_at_a_version_that_is_not_the_newest() {
    let archives = Archives::many(&[
        (
            "main",
            "Package: app\nDepends: tool (<< 2)\n\nPackage: tool\nVersion: 1",
        ),
        ("updates", "Package: tool\nVersion: 2"),
    ]);
    assert_eq!(archives.closure(&["app"]), ["app 1", "tool 1"]);
}

#[test]
fn an_excluded_package_is_gone_around() {
    let archives = Archives::one(
        "Package: app\nDepends: one | two, mail\n\n\
         Package: exim\nProvides: mail\n\n\
         Package: one\n\n\
         Package: postfix\nProvides: mail\n\n\
         Package: two",
    );
    let request = Request {
        exclude: vec!["one".to_owned(), "postfix".to_owned()],
        ..wanting(&["app"])
    };
    assert_eq!(archives.set(&request), ["app 1", "exim 1", "two 1"]);
}

/// The first alternative is taken before it is known that a later dependency
/// does not stand beside it.
const TAKEN_BACK: &str = "Package: app\nDepends: one | two, late\n\n\
     Package: late\nConflicts: one\n\n\
     Package: one\nDepends: part\n\n\
     Package: part\n\n\
     Package: two\nRecommends: extra, disturbing\n\n\
     Package: disturbing\nConflicts: late\n\n\
     Package: extra";

#[test]
fn takes_a_first_alternative_back_where_a_later_dependency_conflicts() {
    let archives = Archives::one(TAKEN_BACK);
    assert_eq!(archives.closure(&["app"]), ["app 1", "late 1", "two 1"]);
}

#[test]
fn recommended_packages_come_also_where_a_choice_was_taken_back() {
    let archives = Archives::one(TAKEN_BACK);
    let request = Request {
        recommends: true,
        ..wanting(&["app"])
    };
    assert_eq!(
        archives.set(&request),
        ["app 1", "extra 1", "late 1", "two 1"]
    );
}

#[test]
fn takes_back_a_choice_made_deep_down() {
    let archives = Archives::one(
        "Package: app\nDepends: front, back\n\n\
         Package: back\nDepends: engine (= 2)\n\n\
         Package: front\nDepends: middle\n\n\
         Package: middle\nDepends: slow | fast\n\n\
         Package: engine\nVersion: 2\nBreaks: slow\n\n\
         Package: slow\n\n\
         Package: fast",
    );
    assert_eq!(
        archives.closure(&["app"]),
        [
            "app 1", "back 1", "engine 2", "fast 1", "front 1", "middle 1"
        ]
    );
}

#[test]
fn packages_may_need_each_other() {
    let archives = Archives::one(
        "Package: chicken\nDepends: egg\n\n\
         Package: egg\nPre-Depends: chicken",
    );
    assert_eq!(archives.closure(&["egg"]), ["chicken 1", "egg 1"]);
}

#[test]
fn a_chain_of_thousands_of_dependencies_is_followed() {
    let mut text = String::new();
    for number in 0..5000 {
        let next = number + 1;
        text.push_str(&format!("Package: p{number}\nDepends: p{next}\n\n"));
    }
    text.push_str("Package: p5000");
    let archives = Archives::one(&text);
    assert_eq!(archives.closure(&["p0"]).len(), 5001);
}

#[test]
fn each_package_says_every_reason_it_is_there() {
    let archives = Archives::one(
        "Package: app\nDepends: mail (>= 1) | other, tool\nRecommends: extra\n\n\
         Package: extra\n\n\
         Package: post\nProvides: mail (= 1)\n\n\
         Package: tool\nEssential: yes\nDepends: mail (>= 1)",
    );
    let request = Request {
        include_essential: true,
        recommends: true,
        ..wanting(&["app", "tool"])
    };
    let closure = archives.solve(&request).expect("a closure");
    let why = |name: &str| closure.get(name).expect("it is there").why.clone();
    let depends_of = |package: &str, relation: &str| Why::DependsOf {
        package: package.to_owned(),
        relation: relation.to_owned(),
    };
    assert_eq!(why("app"), [Why::Wanted]);
    assert_eq!(
        why("tool"),
        [Why::Wanted, Why::Essential, depends_of("app", "tool")]
    );
    assert_eq!(
        why("post"),
        [
            depends_of("app", "mail (>= 1) | other"),
            depends_of("tool", "mail (>= 1)")
        ]
    );
    assert_eq!(
        why("extra"),
        [Why::RecommendsOf {
            package: "app".to_owned(),
            relation: "extra".to_owned()
        }]
    );
}

#[test]
fn the_order_of_the_wants_does_not_change_a_closure_without_choices() {
    let archives = Archives::one(RECOMMENDING);
    assert_eq!(
        archives.closure(&["app", "manual"]),
        archives.closure(&["manual", "app"])
    );
}

/// What comes of names in an image for amd64 that may take packages of i386, as apt does it.
fn with_foreign(native: &str, foreign: &str, names: &[&str]) -> Result<Vec<String>, String> {
    let native = crate::support::index_for(native, "amd64");
    let foreign = crate::support::index_for(foreign, "i386");
    let archives = vec![
        ("main".to_owned(), &native, 500),
        ("main i386".to_owned(), &foreign, 500),
    ];
    let universe = basalt_solve::Universe::new("amd64", archives);
    let closure = basalt_solve::solve(&universe, &wanting(names));
    let closure = closure.map_err(|error| error.to_string())?;
    let chosen = closure.packages.iter();
    Ok(chosen.map(|one| one.name.clone()).collect())
}

#[test]
fn a_foreign_package_takes_what_it_needs_of_its_own_architecture() {
    let native = "Package: libc6\nMulti-Arch: same\n\n\
                  Package: tool\nDepends: libc6\n\n\
                  Package: data\nArchitecture: all\n\n\
                  Package: tools\nMulti-Arch: foreign\nProvides: shell\n\n\
                  Package: python\nMulti-Arch: allowed\n\n\
                  Package: shared\nArchitecture: all\nMulti-Arch: foreign";
    let foreign = native.replace("\n\nPackage: tools", "\n\nPackage: game\nDepends: libc6, tools, shared\n\nPackage: lone\nDepends: data\n\nPackage: script\nDepends: python:any, shell\n\nPackage: own\nDepends: python\n\nPackage: tools");
    let solve = |names: &[&str]| with_foreign(native, &foreign, names);
    let some = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(solve(&["libc6:i386"]), some(&["libc6:i386"]));
    // Both of one name, as both say Multi-Arch: same, in one version.
    assert_eq!(
        solve(&["tool", "libc6:i386"]),
        some(&["libc6", "libc6:i386", "tool"])
    );
    // Multi-Arch: foreign serves all architectures, Architecture: all only if it says so too.
    assert_eq!(
        solve(&["shared", "tools", "game:i386"]),
        some(&["game:i386", "libc6:i386", "shared", "tools"])
    );
    assert!(solve(&["lone:i386"]).is_err());
    assert_eq!(
        solve(&["python", "tools", "script:i386"]),
        some(&["python", "script:i386", "tools"])
    );
    assert_eq!(solve(&["own:i386"]), some(&["own:i386", "python:i386"]));
    // Two architectures of what does not say Multi-Arch: same part each other.
    let error = solve(&["python", "own:i386"]).expect_err("python of two architectures");
    assert!(error.contains("cannot stand together"), "{error}");
    assert!(solve(&["nowhere:i386"]).is_err());
}

#[test]
fn one_library_of_two_architectures_is_of_one_version() {
    let library = |version: &str| format!("Package: libc6\nMulti-Arch: same\nVersion: {version}");
    let names = ["libc6", "libc6:i386"];
    assert!(with_foreign(&library("2"), &library("2"), &names).is_ok());
    let error = with_foreign(&library("2"), &library("2+b1"), &names).expect_err("two versions");
    assert!(
        error.contains("`Multi-Arch: same` in one version"),
        "{error}"
    );
}

#[test]
fn a_conflict_is_about_all_architectures() {
    let native =
        "Package: old\nConflicts: library (<< 2)\n\nPackage: other\nConflicts: library:amd64";
    let foreign = "Package: library\nVersion: 1";
    assert!(with_foreign(native, foreign, &["old", "library:i386"]).is_err());
    assert!(with_foreign(native, foreign, &["other", "library:i386"]).is_ok());
}
