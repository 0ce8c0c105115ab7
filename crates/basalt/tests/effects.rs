//! `basalt effects`: what maintainer scripts do, line by line.
//!
//! These tests need the archive's mirror, but for packages that are files.

mod support;

use support::mirror::Mirror;
use support::own_archive::{self, workplace};
use support::workplace::{SPEC, Workplace};

/// A place with a package whose script nothing explains, as a file.
fn with_file() -> Workplace {
    let place = Workplace::cold(SPEC);
    let bytes = own_archive::file("pool/main/odd-script_1.0_amd64.deb").expect("it is there");
    place.write("odd.deb", bytes);
    place
}

#[test]
fn a_package_that_is_a_file_is_explained_line_by_line() {
    let run = with_file().basalt(&["effects", "odd.deb"]).refused(6, &[]);
    insta::assert_snapshot!(run.out, @"
    odd-script 1.0

      postinst: unexplained
          3 | frobnicate --everything /usr
              unexplained: `frobnicate --everything /usr` is not known, or not when it is used so
    ");
}

#[test]
fn the_stanza_can_be_pasted_into_a_spec_and_into_the_table() {
    let place = with_file();
    let run = place
        .basalt(&["effects", "./odd.deb", "--stanza"])
        .refused(6, &[]);
    insta::assert_snapshot!(run.out, @"
    effects:
      odd-script:
        # postinst, line 3: frobnicate --everything /usr (`frobnicate --everything /usr` is not known, or not when it is used so)
        []
    ");
    let declared = SPEC.to_owned() + &run.out;
    place.write("declared.yaml", declared);
    let run = place
        .basalt(&["effects", "odd.deb", "--spec", "declared.yaml"])
        .succeeded();
    assert!(run.out.contains("postinst: declared"), "{}", run.out);
    let run = place
        .basalt(&["effects", "odd.deb", "--spec", "declared.yaml", "--stanza"])
        .succeeded();
    assert_eq!(
        run.out,
        "# All is explained: there is nothing to declare.\n"
    );
    let run = place
        .basalt(&["effects", "odd.deb", "--stanza", "table"])
        .refused(6, &[]);
    insta::assert_snapshot!(run.out, @r#"
    - package: "odd-script"
      script: postinst
      seen: ["1.0"]
      digests:
        - "98b1522a9c3a50dae178f769c7bf22eeb8d3a59bbcf2558808d6a17b0bdb1b75"
      why: >-
        # What it does, and why what is left out may be.
      effects:
        # line 3: frobnicate --everything /usr (`frobnicate --everything /usr` is not known, or not when it is used so)
    "#);
}

#[test]
fn machines_read_the_verdicts_and_lines() {
    let run = with_file()
        .basalt(&["effects", "odd.deb", "--json"])
        .refused(6, &[]);
    let package = &run.json()["packages"][0];
    assert_eq!(package["package"], "odd-script");
    let script = &package["scripts"][0];
    assert_eq!(script["verdict"], "unexplained");
    let line = &script["lines"][0];
    assert_eq!(line["number"], 3);
    assert!(
        line["meaning"]["unknown"]
            .as_str()
            .is_some_and(|why| why.contains("frobnicate")),
        "{line}"
    );
}

#[test]
fn what_is_no_package_is_refused() {
    let place = with_file();
    place.write("bad.deb", "no package");
    place
        .basalt(&["effects", "bad.deb"])
        .refused(4, &["bad.deb (a file)"]);
    place
        .basalt(&["effects", "./missing.deb"])
        .refused(1, &["missing.deb"]);
    place.basalt(&["effects"]).refused(2, &["PACKAGE|FILE"]);
}

#[test]
fn packages_are_found_in_the_archive_of_a_release() {
    let place = Workplace::warm(SPEC);
    let mirror = Mirror::honest();
    let effects = |arguments: &[&str]| {
        let all = [&["effects", "--arch", "amd64"], arguments].concat();
        place.basalt_in(&[], &mirror, &all)
    };
    let run = effects(&["netbase", "base-files"]).succeeded();
    assert!(run.out.starts_with("base-files "), "{}", run.out);
    assert!(run.out.contains("\nnetbase "), "{}", run.out);
    assert!(
        run.out.contains("{ effect: directory, path: /mnt"),
        "{}",
        run.out
    );
    effects(&["no-such-package"]).refused(5, &["no-such-package"]);
    assert!(!place.path("effects.trixie.lock.json").exists());
}

#[test]
fn an_answer_to_debconf_that_the_table_does_not_heed_is_no_ground_for_a_guess() {
    let place = Workplace::cold("");
    let mirror = Mirror::honest();
    let asked = |answer: &str| {
        let own =
            format!("  - {{ name: locales, dependencies: false }}\ndebconf: {{ {answer} }}\n");
        place.write("answered.yaml", format!("{SPEC}{own}"));
        let arguments = ["effects", "locales", "--spec", "answered.yaml"];
        place.basalt_from(&mirror, &arguments)
    };
    asked("locales/default_environment_locale: None").succeeded();
    // Its writer refuses what it cannot do.
    asked("locales/locales_to_be_generated: de_DE.UTF-8 UTF-8").succeeded();
    let run = asked("locales/default_environment_locale: C.UTF-8").refused(6, &[]);
    let why = "by the default answer to `locales/default_environment_locale`";
    assert!(run.out.contains(why), "{}", run.out);
}

#[test]
fn what_a_spec_declares_is_declared_in_its_lock() {
    let place = workplace("good", "good.asc", "odd-script");
    let mirror = Mirror::honest();
    let refused = place
        .basalt_from(&mirror, &["effects", "--spec", "image.yaml", "odd-script"])
        .refused(6, &[]);
    assert!(
        refused.out.contains("unexplained: `frobnicate"),
        "{}",
        refused.out
    );
    place
        .basalt_from(&mirror, &["effects", "--spec", "image.yaml", "tzdata"])
        .refused(3, &["`tzdata` is in no image of probe"]);
    place.basalt_from(&mirror, &["lock", "image.yaml"]).refused(
        6,
        &[
            "basalt effects odd-script",
            "`frobnicate --everything /usr` is not known",
        ],
    );
    let declared = "effects:\n  odd-script:\n    \
        - { effect: directory, path: /var/lib/odd, mode: 0o750 }\n";
    place.write("image.yaml", place.read("image.yaml") + declared);
    place
        .basalt_from(&mirror, &["effects", "--spec", "image.yaml"])
        .succeeded();
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    let lock: serde_json::Value =
        serde_json::from_str(&place.read("image.trixie.lock.json")).expect("JSON");
    let packages = lock["packages"].as_array().expect("a list");
    let odd = packages.iter().find(|one| one["name"] == "odd-script");
    let script = &odd.expect("it is locked")["scripts"]["postinst"];
    assert_eq!(script["verdict"], "declared");
    assert_eq!(script["effects"], 1);
}

#[test]
fn a_user_that_a_script_makes_has_the_number_that_the_spec_gives_it() {
    let place = workplace("good", "good.asc", "odd-script");
    let mirror = Mirror::honest();
    let plain = place.read("image.yaml")
        + "effects:\n  odd-script:\n    \
           - { effect: user, name: odd, home: /var/lib/odd, shell: /usr/sbin/nologin }\n";
    place.write("image.yaml", &plain);
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    let user = || {
        let lock: serde_json::Value =
            serde_json::from_str(&place.read("image.trixie.lock.json")).expect("JSON");
        (lock["users"]["odd"].clone(), lock["groups"]["odd"].clone())
    };
    assert_ne!(user().0, 777, "allocated");
    place.write(
        "image.yaml",
        plain + "users:\n  - { name: odd, uid: 777, gid: 778, home: /var/lib/odd }\n",
    );
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    assert_eq!(user(), (777.into(), 778.into()), "before what was locked");
    place.build_from(&mirror).succeeded();
}
