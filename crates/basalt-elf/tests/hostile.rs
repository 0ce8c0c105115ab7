//! No bytes whatever make the reader panic.

use std::io::Cursor;

use basalt_elf::{ElfFacts, ElfLinks, strings};
use proptest::prelude::*;

/// A small real object to spoil: the test program's own first pages.
fn own_program() -> Vec<u8> {
    let path = std::env::current_exe().expect("the test program has a path");
    let mut content = std::fs::read(path).expect("the test program can be read");
    content.truncate(1 << 20);
    content
}

/// Both ways of reading give the same facts, or both refuse.
fn agree(content: &[u8]) {
    let parts = ElfFacts::read_from(Cursor::new(content));
    assert_eq!(parts.ok(), ElfFacts::read(content).ok());
    // What they hold is checked elsewhere; here they only must end.
    let _ = ElfLinks::read(content);
    let _ = strings(content, &mut |_| true);
}

proptest! {
    #[test]
    fn reads_any_bytes_without_a_panic(rest in proptest::collection::vec(any::<u8>(), 0..512), class in 1u8..=2, order in 1u8..=2) {
        let mut content = vec![0x7f, b'E', b'L', b'F', class, order, 1];
        content.extend(rest);
        agree(&content);
    }

    #[test]
    fn reads_a_spoiled_program_without_a_panic(changes in proptest::collection::vec((0usize..4096, any::<u8>()), 1..40)) {
        let mut content = own_program();
        for (position, value) in changes {
            if position > 3 && let Some(byte) = content.get_mut(position) {
                *byte = value;
            }
        }
        agree(&content);
    }
}

#[test]
fn reads_the_facts_of_a_program() {
    let path = std::env::current_exe().expect("the test program has a path");
    let content = std::fs::read(path).expect("the test program can be read");
    let facts = ElfFacts::read(&content)
        .expect("it is readable")
        .expect("it is ELF");
    assert!(facts.is_dynamic);
    assert!(
        facts.needed.iter().any(|name| name == "libc.so.6"),
        "{facts:?}"
    );
    assert!(facts.interpreter.is_some());
    agree(&content);
}

#[test]
fn reads_what_a_program_wants_of_its_libraries() {
    let path = std::env::current_exe().expect("the test program has a path");
    let content = std::fs::read(path).expect("the test program can be read");
    let links = ElfLinks::read(&content)
        .expect("it is readable")
        .expect("it is ELF");
    assert!(links.is_complete);
    let libc = &links.needed_versions["libc.so.6"];
    assert!(
        libc.iter().all(|version| version.starts_with("GLIBC_")),
        "{libc:?}"
    );
    assert!(!libc.is_empty());
    assert!(links.imports.contains("malloc"), "{:?}", links.imports);
}

#[test]
fn finds_the_names_in_read_only_data() {
    const NAME: &str = "libnever-to-be-found.so.17\0";
    let path = std::env::current_exe().expect("the test program has a path");
    let content = std::fs::read(path).expect("the test program can be read");
    let found = strings(&content, &mut |text| {
        text.ends_with(NAME.trim_end_matches('\0'))
    })
    .expect("they are readable");
    assert_eq!(found.len(), 1, "{found:?}");
}
