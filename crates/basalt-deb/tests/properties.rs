//! What holds of the parsers of versions, relations, stanzas and `Release` files for any text.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use basalt_deb::relation::{Constraint, Dependency, parse_dependencies, parse_provides};
use basalt_deb::release::{Release, parse_date};
use basalt_deb::stanza::{Stanza, Stanzas};
use basalt_deb::version::Version;
use proptest::prelude::*;

/// Texts that are mostly versions, with many near-equal ones among them.
const VERSIONS: &str = "([0-2]{1,2}:)?[0-2~+.a]{1,6}(-[0-1~+.b]{1,4})?";

const NAMES: &str = "[a-z0-9][a-z0-9+.-]{1,8}";

fn dependency() -> impl Strategy<Value = String> {
    let constraint = ("(<<|<=|=|>=|>>)", VERSIONS)
        .prop_filter("a version", |(_, version)| Version::new(version).is_ok())
        .prop_map(|(operator, version)| format!(" ({operator} {version})"));
    let possibility = (
        NAMES,
        proptest::option::of("(any|native|arm64)"),
        proptest::option::of(constraint),
    )
        .prop_map(|(name, qualifier, constraint)| {
            let qualifier = qualifier.map(|word| format!(":{word}")).unwrap_or_default();
            format!("{name}{qualifier}{}", constraint.unwrap_or_default())
        });
    proptest::collection::vec(possibility, 1..4).prop_map(|all| all.join(" | "))
}

fn shown(dependencies: &[Dependency]) -> String {
    let each: Vec<String> = dependencies.iter().map(Dependency::to_string).collect();
    each.join(", ")
}

fn hash_of(version: &Version) -> u64 {
    let mut state = DefaultHasher::new();
    version.hash(&mut state);
    state.finish()
}

proptest! {
    #[test]
    fn any_text_is_a_version_or_refused(text in any::<String>()) {
        if let Ok(version) = Version::new(&text) {
            prop_assert_eq!(version.to_string(), text.trim());
        }
    }

    #[test]
    fn a_version_is_shown_as_written_and_its_parts_make_it_up(text in VERSIONS) {
        if let Ok(version) = Version::new(&text) {
            prop_assert_eq!(version.as_str(), &text);
            let epoch = text.split_once(':').map(|(epoch, _)| format!("{epoch}:"));
            let revision = version.revision().map(|revision| format!("-{revision}"));
            prop_assert_eq!(
                format!("{}{}{}", epoch.unwrap_or_default(), version.upstream(), revision.unwrap_or_default()),
                text
            );
        }
    }

    #[test]
    fn the_order_of_versions_is_total(texts in proptest::collection::vec(VERSIONS, 3)) {
        let versions: Vec<Version> = texts.iter().filter_map(|text| Version::new(text).ok()).collect();
        for left in &versions {
            for right in &versions {
                prop_assert_eq!(left.cmp(right), right.cmp(left).reverse());
                prop_assert!(left != right || hash_of(left) == hash_of(right));
                for between in &versions {
                    prop_assert!(!(left <= between && between <= right) || left <= right);
                }
            }
        }
    }

    #[test]
    fn constraints_part_the_versions_in_three(named in VERSIONS, given in VERSIONS) {
        if let (Ok(_), Ok(given)) = (Version::new(&named), Version::new(&given)) {
            let met = |operator: &str| {
                Constraint::parse(&format!("{operator} {named}")).expect("a constraint").is_met_by(&given)
            };
            let parts = [met("<<"), met("="), met(">>")];
            prop_assert_eq!(parts.iter().filter(|part| **part).count(), 1);
            prop_assert_eq!(met("<="), parts[0] || parts[1]);
            prop_assert_eq!(met(">="), parts[1] || parts[2]);
        }
    }

    #[test]
    fn any_text_is_a_relation_or_refused(text in "[a-c0-1 ,|()<>=:\\[\\]!.~é-]{0,40}") {
        if let Ok(dependencies) = parse_dependencies(&text, "amd64") {
            prop_assert_eq!(parse_dependencies(&shown(&dependencies), "amd64"), Ok(dependencies));
        }
        let _ = parse_provides(&text, "amd64");
    }

    #[test]
    fn relations_are_shown_as_the_archive_writes_them(each in proptest::collection::vec(dependency(), 0..5)) {
        let text = each.join(", ");
        let dependencies = parse_dependencies(&text, "amd64").expect("relations");
        prop_assert_eq!(shown(&dependencies), text);
    }

    #[test]
    fn blanks_change_no_relation(each in proptest::collection::vec(dependency(), 1..4)) {
        let text = each.join(",");
        let wide = text.replace('|', "\n |\t").replace(',', " ,\n ");
        let narrow = text.replace(' ', "");
        prop_assert_eq!(parse_dependencies(&wide, "amd64"), parse_dependencies(&text, "amd64"));
        prop_assert_eq!(parse_dependencies(&narrow, "amd64"), parse_dependencies(&text, "amd64"));
    }

    #[test]
    fn an_architecture_list_and_its_negation_are_opposites(
        name in NAMES,
        list in proptest::collection::vec("(amd64|arm64|any|linux-any|any-amd64|hurd-any)", 1..4),
    ) {
        let plain = list.join(" ");
        let negated = list.iter().map(|each| format!("!{each}")).collect::<Vec<_>>().join(" ");
        for architecture in ["amd64", "arm64", "hurd-amd64"] {
            let count = |list: &str| {
                parse_dependencies(&format!("{name} [{list}]"), architecture).expect("a relation").len()
            };
            prop_assert_eq!(count(&plain) + count(&negated), 1);
        }
    }

    #[test]
    fn any_text_is_stanzas_or_refused_at_a_line_it_has(text in "[A-C:#. \\n\\r\\té\\x00-]{0,60}") {
        for stanza in Stanzas::new(&text) {
            match stanza {
                Ok(stanza) => prop_assert!(!stanza.fields().is_empty()),
                Err(error) => prop_assert!((1..=text.split('\n').count()).contains(&error.line)),
            }
        }
    }

    #[test]
    fn stanzas_are_read_back_as_written(
        stanzas in proptest::collection::vec(
            proptest::collection::btree_map("[A-Z][A-Za-z-]{0,8}", "([!-~é]{1,8}(\n [!-~é]{1,8}){0,3})?", 1..6),
            1..4,
        ),
    ) {
        let mut text = String::new();
        for stanza in &stanzas {
            for (name, value) in stanza {
                text.push_str(&format!("{name}: {value}\n"));
            }
            text.push('\n');
        }
        // Names that differ only in case are one field twice.
        let unique = stanzas.iter().all(|stanza| {
            let names: std::collections::BTreeSet<String> =
                stanza.keys().map(|name| name.to_ascii_lowercase()).collect();
            names.len() == stanza.len()
        });
        prop_assume!(unique);
        let read: Vec<Stanza<'_>> = Stanzas::new(&text).collect::<Result<_, _>>().expect("stanzas");
        prop_assert_eq!(read.len(), stanzas.len());
        for (stanza, written) in read.iter().zip(&stanzas) {
            prop_assert_eq!(stanza.fields().len(), written.len());
            for (name, value) in written {
                prop_assert_eq!(stanza.get(&name.to_ascii_uppercase()), Some(value.as_str()));
            }
        }
    }

    #[test]
    fn any_lines_are_a_release_or_refused(
        fields in proptest::collection::vec("(Date|SHA256|Suite|Valid-Until): ?[0-9a-f /.:\\n,UTC]{0,80}", 0..6),
    ) {
        if let Ok(release) = Release::parse(&fields.join("\n")) {
            prop_assert!(release.files.keys().all(|path| !path.starts_with('/') && !path.contains("..")));
        }
    }

    #[test]
    fn the_files_of_a_release_are_those_written(
        files in proptest::collection::btree_map("[a-z0-9]{1,5}(/[A-Za-z0-9]{1,5}){0,2}", ("[0-9a-f]{64}", any::<u32>()), 0..6),
    ) {
        let mut text = "Date: Sat, 21 Nov 2026 09:15:44 UTC\nSHA256:\n".to_owned();
        for (path, (digest, size)) in &files {
            text.push_str(&format!(" {digest} {size:>16} {path}\n"));
        }
        let release = Release::parse(&text).expect("a Release");
        prop_assert_eq!(release.files.len(), files.len());
        for (path, (digest, size)) in &files {
            prop_assert_eq!(&release.files[path].digest.hex(), digest);
            prop_assert_eq!(release.files[path].size, u64::from(*size));
        }
    }

    #[test]
    fn any_text_is_a_date_or_refused(text in "[A-Za-z]{0,3},? ?[0-9é]{0,3} [A-Za-z]{0,3} [0-9]{0,5} [0-9:]{0,9} ?[+A-Z0-9-]{0,5}") {
        let _ = parse_date(&text);
    }

    #[test]
    fn days_follow_each_other(year in 1970..9998_i64, day in 1..=28_i64) {
        let date = |year: i64, month: &str, day: i64| {
            parse_date(&format!("Mon, {day:02} {month} {year} 00:00:00 UTC")).expect("a date")
        };
        prop_assert_eq!(date(year, "Feb", day) - date(year, "Jan", day), 31 * 86_400);
        prop_assert_eq!(date(year + 1, "Jan", day) - date(year, "Dec", day), 31 * 86_400);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        prop_assert_eq!(date(year + 1, "Jan", day) - date(year, "Jan", day), (365 + i64::from(leap)) * 86_400);
    }
}
