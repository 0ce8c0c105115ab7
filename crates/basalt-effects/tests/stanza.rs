//! What is printed to be pasted reads back as what it was.

mod support;

use std::collections::BTreeMap;

use basalt_effects::{Condition, Effect, Explanation, Pages, Slave, Verdict, Writer};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-z.]{1,8}(/[a-zA-Z0-9._+-]{1,8}){0,3}",
        "[a-z][a-z0-9_-]{0,8}",
        "\\PC{0,12}",
        prop::sample::select(vec![
            "",
            "null",
            "yes",
            "n",
            "~",
            "- a",
            "a: b",
            "# c",
            "{",
            "1",
            "0x1",
            "a\nb\t\"\\",
            " a ",
            "'",
            "\u{7}\u{85}\u{2028}\u{feff}",
        ])
        .prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        text().prop_map(Condition::Exists),
        text().prop_map(Condition::Executable),
        text().prop_map(Condition::User),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(Box::new(one))),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::All),
            prop::collection::vec(inner, 0..3).prop_map(Condition::Any),
        ]
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    let leaf = prop_oneof![
        (text(), 0..0o10000_u32, text(), text()).prop_map(|(path, mode, user, group)| {
            Effect::Directory {
                path,
                mode,
                user,
                group,
            }
        }),
        (text(), text(), 0..0o10000_u32).prop_map(|(path, content, mode)| Effect::File {
            path,
            content,
            mode,
        }),
        (text(), text()).prop_map(|(path, target)| Effect::Symlink { path, target }),
        (text(), prop::collection::vec(text(), 0..3))
            .prop_map(|(path, lines)| Effect::Lines { path, lines }),
        (text(), any::<Option<u32>>(), prop::option::of(text())).prop_map(|(path, mode, user)| {
            Effect::Attributes {
                path,
                mode,
                user,
                group: None,
            }
        }),
        (text(), text(), any::<Option<u32>>(), any::<bool>()).prop_map(
            |(name, comment, uid, make_home)| Effect::User {
                name,
                uid,
                group: None,
                home: "/".to_owned(),
                shell: "/bin/sh".to_owned(),
                comment,
                make_home,
            }
        ),
        (text(), any::<i32>(), prop::option::of(text())).prop_map(|(name, priority, below)| {
            Effect::Alternative {
                name: name.clone(),
                link: name.clone(),
                path: name.clone(),
                priority,
                slaves: vec![Slave {
                    name: name.clone(),
                    link: name.clone(),
                    path: name.clone(),
                }],
                pages: below.map(|below| Pages {
                    below,
                    of: vec![name],
                }),
            }
        }),
        text().prop_map(|why| Effect::Refuse { why }),
        Just(Effect::Run {
            writer: Writer::CertificateBundle,
        }),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (
            condition(),
            prop::collection::vec(inner.clone(), 0..3),
            prop::collection::vec(inner, 0..3),
        )
            .prop_map(|(condition, effects, otherwise)| Effect::When {
                condition,
                effects,
                otherwise,
            })
    })
}

proptest! {
    #[test]
    fn an_effect_reads_back_as_what_it_was(effect in effect()) {
        let text = effect.to_string();
        prop_assert!(!text.contains('\n'), "{text}");
        let read: Effect = serde_saphyr::from_str(&text)
            .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read, effect);
    }
}

fn postinst(body: &str, declared: Option<&[Effect]>) -> Explanation {
    let script = format!("#!/bin/sh\nset -e\n{body}\n");
    let members = BTreeMap::from([("postinst".to_owned(), script.into_bytes())]);
    support::explained(&members, declared)
}

const SCRIPT: &str = "# Automatically added by dh_x/1\nfrob in-snippet\n\
    # End automatically added section\nmkdir -m 0750 /var/lib/example\nfrobnicate \"$1\"";

#[test]
fn the_stanza_of_a_spec_declares_the_package() {
    let stanza = postinst(SCRIPT, None).spec_stanza();
    let read: BTreeMap<String, Vec<Effect>> = serde_saphyr::from_str(&stanza).expect("YAML");
    assert_eq!(read, BTreeMap::from([("example".to_owned(), Vec::new())]));
    assert!(
        stanza
            .contains("# postinst, line 7: frobnicate \"$1\" (`frobnicate configure` is not known"),
        "{stanza}"
    );
    let declared = postinst(SCRIPT, Some(&[]));
    assert_eq!(declared.scripts[0].verdict, Verdict::Declared);
    assert_eq!(declared.spec_stanza(), "");
    assert_eq!(postinst("true", None).spec_stanza(), "");
}

#[test]
fn the_stanza_of_the_table_has_what_is_understood_without_the_snippets() {
    let explanation = postinst(SCRIPT, None);
    let stanza = explanation.table_stanza();
    let digest = explanation.scripts[0].residual.hex().to_string();
    for words in [
        "- package: \"example\"\n  script: postinst\n  seen: [\"1.2.3-4\"]\n",
        &format!("    - \"{digest}\"\n"),
        "{ effect: directory, path: /var/lib/example, mode: 0o750 }",
        "# line 7: frobnicate",
    ] {
        assert!(stanza.contains(words), "{words}:\n{stanza}");
    }
    assert!(!stanza.contains("in-snippet"), "{stanza}");
    assert_eq!(postinst("true", None).table_stanza(), "");
}
