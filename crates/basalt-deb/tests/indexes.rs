//! What holds of package indexes: an odd stanza costs its own package, and no other.

use basalt_deb::packages::{CompileError, CompiledIndex, compile};
use basalt_digest::{Digest, Promise, Sha512};
use proptest::prelude::*;

fn stanza(name: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: 1\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {}\n{more}\n",
        Digest::of(name.as_bytes()).hex()
    )
}

fn index(text: impl AsRef<[u8]>) -> CompiledIndex {
    let compiled = compile(text.as_ref(), "amd64").expect("it compiles");
    CompiledIndex::open(compiled).expect("it opens")
}

fn names(index: &CompiledIndex) -> Vec<&str> {
    index.iter_names().collect()
}

fn fault(index: &CompiledIndex, name: &str) -> String {
    let found = index.find(name).expect("it is sound");
    assert!(found.records.is_empty(), "{name}");
    let [fault] = found.faults.as_slice() else {
        panic!("{name}: {:?}", found.faults);
    };
    fault.to_string()
}

#[test]
fn a_field_that_makes_no_sense_costs_its_own_package() {
    let odd = [
        ("Version: 1", "Version: ", "Version"),
        ("Version: 1", "Version: 1 2", "Version"),
        ("Version: 1", "Version: 1\nversion: 2", "twice"),
        ("Version: 1", "X: 1", "Version"),
        ("Architecture: amd64", "X: amd64", "Architecture"),
        ("Size: 1", "Size: -1", "Size"),
        ("Size: 1", "Size: 99999999999999999999", "Size"),
        ("Filename: pool/", "Filename: ../pool/", "Filename"),
        ("SHA256: ", "SHA1: ", "SHA1"),
        ("SHA256: ", "SHA512: ", "SHA512"),
        ("SHA256: ", "Multi-Arch: Same\nSHA256: ", "Multi-Arch"),
        ("SHA256: ", "Provides: a | b\nSHA256: ", "Provides"),
        ("SHA256: ", "Depends: a (= 1\nSHA256: ", "Depends"),
        ("SHA256: ", "Breaks: a (= 1:)\nSHA256: ", "Breaks"),
        ("SHA256: ", "é: 1\nSHA256: ", "not a field's name"),
        ("SHA256: ", "-\nSHA256: ", "no `:`"),
    ];
    for (from, to, word) in odd {
        let text = [
            stanza("before", ""),
            stanza("odd", "").replace(from, to),
            stanza("behind", ""),
        ];
        let index = index(text.concat());
        assert!(index.contains("odd"));
        for name in ["before", "behind"] {
            let found = index.find(name).expect("it is sound");
            assert_eq!((found.records.len(), found.faults.len()), (1, 0), "{to}");
        }
        let shown = fault(&index, "odd");
        assert!(
            shown.contains("the package `odd`") && shown.contains(word),
            "{shown}"
        );
    }
}

#[test]
fn the_line_of_a_fault_is_that_of_the_field() {
    let text = stanza("a", "") + &stanza("b", "").replace("Size: 1", "Size: x");
    assert_eq!(
        fault(&index(text), "b"),
        "the package `b` 1 at line 12 of the index has a bad `Size`: `x` is not a number"
    );
}

#[test]
fn bytes_that_are_not_utf8_cost_only_what_they_stand_in() {
    let mut text = stanza("maintained", "Maintainer: Andr\u{e9}\n").into_bytes();
    // As Latin-1 has it, which some archives still write.
    let at = text
        .windows(2)
        .position(|two| two == [0xc3, 0xa9])
        .expect("it is there");
    text.splice(at..at + 2, [0xe9]);
    text.extend(
        stanza("named", "")
            .replace("pool/named", "pool/n~med")
            .bytes()
            .map(|byte| if byte == b'~' { 0xe9 } else { byte }),
    );
    text.extend(stanza("behind", "").bytes());
    let index = index(text);
    assert_eq!(names(&index), ["behind", "maintained"]);
    assert!(fault(&index, "named").contains("`Filename`: it is not UTF-8"));
}

#[test]
fn what_is_for_another_architecture_is_nobodys_fault() {
    let other = stanza("a", "").replace("amd64", "arm64");
    let broken = other.replace("Size: 1", "Size: 1\nSize: 2");
    let index = index([other, broken, stanza("b", "")].concat());
    assert_eq!(names(&index), ["b"]);
    assert_eq!(index.faults().count(), 0);
}

#[test]
fn blank_lines_of_every_kind_part_stanzas() {
    for end in ["\n\n", "\r\n\r\n", "\n \t\n", "\n\n\n \n\n"] {
        // Longer than what is read at a time.
        let one = |name: &str| {
            stanza(name, "X-Padding: 0123456789\n")
                .trim_end()
                .to_owned()
        };
        let text: Vec<String> = (0..4000).map(|number| one(&format!("p{number}"))).collect();
        let index = index(text.join(end));
        assert_eq!(index.len(), 4000, "{end:?}");
        assert_eq!(index.faults().count(), 0, "{end:?}");
    }
}

#[test]
fn a_stanza_without_end_costs_itself_and_little_memory() {
    let long = |name: &str, line: &str| {
        let text = stanza(name, "");
        format!(
            "{}\n{}\n\n",
            text.trim_end(),
            line.repeat((6 << 20) / line.len())
        )
    };
    for line in ["X-Long: y\n", " go on\n", "x", "\u{e9}"] {
        let text = [
            stanza("before", ""),
            long("long", line),
            stanza("behind", ""),
        ]
        .concat();
        let index = index(text);
        assert_eq!(names(&index), ["before", "behind"], "{line:?}");
        let shown = fault(&index, "long");
        assert!(shown.contains("longer than 4 MiB"), "{shown}");
    }
}

#[test]
fn an_index_of_which_nothing_can_be_read_is_malformed() {
    for text in ["<!DOCTYPE html>\n<p>not here</p>\n", " a\n", "\u{0}"] {
        let error = compile(text.as_bytes(), "amd64").expect_err("it is none");
        assert!(matches!(error, CompileError::Stanza(_)), "{error}");
    }
    assert!(index("").is_empty());
    assert!(index("\n\n").is_empty());
}

#[test]
fn sha512_alone_is_a_packages_digest() {
    let hex = Sha512::of(b"a").hex();
    let text = stanza("a", "").replace(
        &format!("SHA256: {}", Digest::of(b"a").hex()),
        &format!("SHA512: {hex}"),
    );
    let found = index(text + &stanza("b", ""))
        .find("a")
        .expect("it is sound");
    assert_eq!(found.records[0].digest, Sha512::of(b"a").into());
    // Where both are there, both are promised.
    let both = index(stanza("a", &format!("SHA512: {hex}\n")));
    assert_eq!(
        both.find("a").expect("it is sound").records[0].digest,
        Promise::Both(Digest::of(b"a"), Sha512::of(b"a"))
    );
    let found = index(stanza("a", "SHA512: 00\n")).find("a");
    assert_eq!(found.expect("it is sound").faults[0].field, "SHA512");
}

#[test]
fn an_essential_package_is_essential_though_its_stanza_cannot_be_used() {
    let essential = "Essential: yes\n";
    let text = [
        stanza("a", essential),
        stanza("b", essential).replace("Size: 1", "Size: x"),
        stanza("c", essential).replace("Size: 1", "Size: 1\nSize: 1"),
        stanza("d", &format!("{essential}Depends: (\n")),
        stanza("e", ""),
    ];
    assert_eq!(index(text.concat()).essential(), ["a", "b", "c", "d"]);
}

/// Lines that are mostly fields of a package.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\n".to_owned()),
        "(Package|Version|Size|SHA256|Filename|Architecture|Essential|Depends|Provides): [a-c0-9./:()=>]{0,8}\n",
        "[ -~é\\x00]{0,20}\n",
        Just(" more\n".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_stands_between_them_good_stanzas_are_read(
        before in proptest::collection::vec(line(), 0..12),
        behind in proptest::collection::vec(line(), 0..12),
    ) {
        let text = [
            before.concat(),
            "\n".to_owned(),
            stanza("good-one", ""),
            behind.concat(),
            "\n".to_owned(),
            stanza("good-two", ""),
        ];
        let compiled = compile(text.concat().as_bytes(), "amd64").expect("it compiles");
        let again = compile(text.concat().as_bytes(), "amd64").ok();
        prop_assert_eq!(Some(&compiled), again.as_ref());
        let index = CompiledIndex::open(compiled).expect("it opens");
        for name in ["good-one", "good-two"] {
            let found = index.find(name).expect("it is sound");
            prop_assert_eq!(found.records.len(), 1);
            prop_assert!(found.faults.is_empty());
        }
        for fault in index.faults() {
            let lines = text.concat().matches('\n').count();
            prop_assert!(fault.line <= lines + 1);
            prop_assert!(index.find(&fault.package).expect("it is sound").faults.contains(fault));
        }
    }
}
